"""The population loss as a function of one flat vector, as minimisers and spectra want it."""

from __future__ import annotations

import numpy as np

from numerics.population import PopulationLoss, population_objective
from numerics.setting import Array, model_arrays
from theory import ToyModel

__all__ = ["FlatLoss", "gauge_directions", "zero_map_loss"]


def zero_map_loss(model: ToyModel) -> float:
    """The loss of predicting 0, mu_2 sum I_i p_i, the unit of tolerances; 1 where that is 0."""
    densities, importances = model_arrays(model)
    return float(importances @ densities) * float(model.law.moment(2)) or 1.0


class FlatLoss:
    """L as a function of the entries of W, row by row, and of b after them where there is one, in units of `scale`.

    Attributes:
        size: how many numbers that is, mn or mn + n.
        scale: the loss of predicting 0.
        best: the smallest value met, and where: what is left of a search that was interrupted.
        calls: how many single evaluations were made.
    """

    def __init__(self, model: ToyModel, frequencies: int):
        self.loss: PopulationLoss = population_objective(model, frequencies)
        self.scale, self.has_bias = zero_map_loss(model), model.bias
        self.m, self.n = int(model.n_hidden), int(model.n_features)
        self.size = self.m * self.n + (self.n if model.bias else 0)
        self.best: tuple[float, Array | None] = (np.inf, None)
        self.calls = 0

    def __call__(self, x: Array, _: np.ndarray | None = None) -> tuple[Array, Array]:
        """Values (S,) and gradients (S, d) at points (S, d)."""
        W, b = self.split(x)
        with np.errstate(over="ignore", invalid="ignore"):
            value, d_weights, d_bias = self.loss(W, np.zeros((len(x), self.n)) if b is None else b)
        self.calls += len(x)
        least = int(np.argmin(np.where(np.isfinite(value), value, np.inf)))
        if value[least] / self.scale < self.best[0]:
            self.best = (float(value[least]) / self.scale, x[least].copy())
        flat = d_weights.reshape(len(x), self.m * self.n)
        gradient = np.concatenate([flat, d_bias], axis=1) if self.has_bias else flat
        return value / self.scale, gradient / self.scale

    def split(self, x: Array) -> tuple[Array, Array | None]:
        """W, shape (S, m, n), and b, shape (S, n) or None, from points of shape (S, d)."""
        cut = self.m * self.n
        return x[:, :cut].reshape(-1, self.m, self.n), x[:, cut:] if self.has_bias else None

    def join(self, W: Array, b: Array | None) -> Array:
        """Points of shape (S, d) from W and b: the opposite of `split`."""
        flat = W.reshape(len(W), self.m * self.n)
        if not self.has_bias:
            return flat
        return np.concatenate([flat, np.zeros((len(W), self.n)) if b is None else b], axis=1)


def gauge_directions(W: Array, size: int) -> Array:
    """An orthonormal basis of the directions A W, A antisymmetric, along which L is constant; shape (size, g).

    G = W^T W and with it L stay what they are when W turns into e^A W. There are m(m - 1)/2 such directions for W of
    full rank, fewer otherwise.

    Args:
        W: shape (m, n).
        size: length of the flat vector; entries beyond mn (the biases) do not move.
    """
    m, n = W.shape
    moved = []
    for k in range(m):
        for j in range(k):
            direction = np.zeros((m, n))
            direction[k], direction[j] = W[j], -W[k]
            moved.append(np.concatenate([direction.reshape(-1), np.zeros(size - m * n)]))
    if not moved:
        return np.zeros((size, 0))
    left, singular, _ = np.linalg.svd(np.array(moved).T, full_matrices=False)
    return left[:, singular > 1e-8 * max(singular.max(initial=0.0), 1e-300)]
