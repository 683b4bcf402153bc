"""Weights composed of small optima: features in groups, each group in hidden dimensions of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.minimise.descent import adam, lbfgs
from numerics.minimise.flat import FlatLoss
from numerics.scalar_map import scalar_map
from numerics.setting import Array, model_arrays
from theory import ToyModel

__all__ = ["Group", "choose_groups", "composed_weights"]

# Below this many hidden dimensions random starts find what groups would compose.
_LEAST_HIDDEN = 4
_LARGEST_GROUP = 5
_STARTS, _WARM_STEPS, _STEPS, _FREQUENCIES = 4, 50, 60, 64
# A column that is shorter than this share of the longest is of a feature that is not represented.
_SHORT = 0.2


@dataclass(frozen=True)
class Group:
    """An optimum for few features.

    Attributes:
        W, b: shapes (d, k) and (k,).
        gain: how much lower the loss of these k features is than without hidden dimensions.
    """

    W: Array
    b: Array
    gain: float

    @property
    def size(self) -> tuple[int, int]:
        """Hidden dimensions and features."""
        d, k = self.W.shape
        return d, k


def composed_weights(model: ToyModel, rng: np.random.Generator) -> tuple[Array, Array] | None:
    """W and b of the best composition of small optima, or None where features differ or there are few dimensions.

    Where G = W^T W is a direct sum, row i of G sees its own group only: the loss is the sum of those of the groups,
    each that of a model of k features in d dimensions, and of the features left out. The groups are minimised for d up
    to 5 and some k, and chosen so that dimensions and features suffice and the sum is least. Random starts in many
    dimensions settle in mixed structures (pairs here, pentagons there) that no local descent repairs.
    """
    n, m = int(model.n_features), int(model.n_hidden)
    densities, importances = model_arrays(model)
    if m < _LEAST_HIDDEN or n <= m or np.ptp(densities) > 0 or np.ptp(importances) > 0 or densities[0] <= 0:
        return None
    unseen, shift = _unseen(model)
    groups = [
        _group(model.replace(n_features=k, n_hidden=d), unseen, rng)
        for d in range(1, min(_LARGEST_GROUP, m // 2) + 1)
        for k in sorted({2 * d, 2 * d + 1, -(-n * d // m)})
        if k <= n
    ]
    W, b, row, column = np.zeros((m, n)), np.full(n, shift), 0, 0
    for index in choose_groups([group.size for group in groups], [group.gain for group in groups], m, n):
        d, k = groups[index].size
        W[row : row + d, column : column + k] = groups[index].W
        b[column : column + k] = groups[index].b
        row, column = row + d, column + k
    return W, b


def choose_groups(sizes: list[tuple[int, int]], gains: list[float], hidden: int, features: int) -> list[int]:
    """The indices of groups, repeats allowed, of the largest total gain that fit into `hidden` and `features`.

    A knapsack with two capacities: best(m, n) = max over groups (d, k) of gain + best(m - d, n - k), or 0.

    Args:
        sizes: (d, k) of every group, both at least 1.
        gains: as many; groups without gain are left out.
    """
    best, chosen = np.zeros((hidden + 1, features + 1)), np.full((hidden + 1, features + 1), -1)
    for index_m in range(1, hidden + 1):
        for index, ((d, k), gain) in enumerate(zip(sizes, gains, strict=True)):
            if d > index_m or k > features or gain <= 0:
                continue
            total = best[index_m - d, : features + 1 - k] + gain
            is_better = total > best[index_m, k:]
            best[index_m, k:][is_better] = total[is_better]
            chosen[index_m, k:][is_better] = index
    found = []
    while chosen[hidden, features] >= 0:
        found.append(int(chosen[hidden, features]))
        d, k = sizes[found[-1]]
        hidden, features = hidden - d, features - k
    return found


def _unseen(model: ToyModel) -> tuple[float, float]:
    """The loss of a feature whose output is the best constant sigma(b), and that b; b = 0 without bias."""
    densities, importances = model_arrays(model)
    first, second = (float(model.law.moment(r)) * densities[0] for r in (1, 2))
    b = np.concatenate([[0.0], np.linspace(-3.0, 3.0, 6001) if model.bias else []])
    constant = scalar_map(model.activation).value(b)
    losses = importances[0] * (second - 2 * constant * first + constant**2)
    least = int(np.argmin(losses))
    return float(losses[least]), float(b[least])


def _group(model: ToyModel, unseen: float, rng: np.random.Generator) -> Group:
    """The best of a few descents, without the features that it does not represent."""
    objective = FlatLoss(model, _FREQUENCIES)
    d, k = int(model.n_hidden), int(model.n_features)
    W = rng.standard_normal((_STARTS, d, k))
    W *= rng.uniform(0.2, 1.0, (_STARTS, 1, 1)) / np.linalg.norm(W, axis=1, keepdims=True)
    x = adam(objective, objective.join(W, None), _WARM_STEPS, 0.05, 0.005)
    found = lbfgs(objective, x, _STEPS, gradient_tolerance=1e-6, value_tolerance=1e-7)
    least = int(np.argmin(np.where(np.isfinite(found.value), found.value, np.inf)))
    W, biases = objective.split(found.x[least : least + 1])
    b = np.zeros(k) if biases is None else biases[0]
    lengths = np.linalg.norm(W[0], axis=0)
    shown = np.flatnonzero(lengths > _SHORT * lengths.max())
    gain = k * unseen - float(found.value[least]) * objective.scale
    return Group(W[0][:, shown], b[shown], gain if np.isfinite(gain) else 0.0)
