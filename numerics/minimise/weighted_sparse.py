"""The smallest first-order loss of features of unequal density and importance, by search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from numerics.minimise.descent import lbfgs
from numerics.setting import Array
from theory import InputError
from theory.features import feature_law
from theory.loss.capacity import sparse_constants
from theory.registry import activation as as_activation

__all__ = ["WeightedOptimum", "first_order_loss", "minimise_first_order"]

# log(lost + floor) is minimised: a floor far below anything of interest, for configurations that lose nothing.
_FLOOR = 1e-9


@dataclass(frozen=True)
class WeightedOptimum:
    """The best weights found for sum_i w_i l_i(W), the loss at first order in the densities.

    Attributes:
        W: shape (m, n), at the scale that minimises it.
        value: sum_i w_i l_i(W), an upper estimate of the optimum.
        lost: the stake that is lost, sum_i w_i I_i - V(W), where value = (mu_2 - kappa) sum_i w_i I_i + kappa lost.
        losses: `lost` of every start, smallest first.
        seed: of the starts.
    """

    W: Array
    value: float
    lost: float
    losses: Array
    seed: int


def first_order_loss(
    activation: Any, W: Any, weights: Sequence[float], importances: Sequence[float] | None = None, law: Any = "uniform"
) -> float:
    """sum_i w_i l_i(W) = mu_2 sum_i s_i - 2 M_1 sum_i s_i a_i + M_d sum_ij w_i I_j a_i a_j f(cos_ij), s_i = w_i I_i.

    Input index i carries the weight w_i (the probability that i alone is active), output index j the importance I_j.

    Args:
        activation: a power activation.
        W: shape (m, n).
        weights: w_i >= 0, shape (n,).
        importances: I_j >= 0, shape (n,); 1 by default.
        law: of an active feature.

    Raises:
        InputError: shapes that do not fit, or an activation that is not homogeneous.

    Source: docs/scaling.md, S1.
    """
    W = np.asarray(W, dtype=float)
    w, shares = _checked(weights, importances)
    if W.ndim != 2 or W.shape[1] != len(w):
        raise InputError(f"W has shape {W.shape}; give (m, n) with n={len(w)}, the number of weights")
    constants = sparse_constants(feature_law(law), as_activation(activation))
    a = float(constants.kernel.exponent)
    gram = W.T @ W
    gains = np.diag(gram) ** a
    cross = np.where(gram >= 0, 1.0, float(constants.kernel.negative)) * np.abs(gram) ** (2 * a)
    stakes = w * shares
    held = 2 * float(constants.gain) * (stakes @ gains) - float(constants.cost) * (w @ cross @ shares)
    return float(float(constants.second_moment) * stakes.sum() - held)


def minimise_first_order(
    activation: Any,
    m: int,
    weights: Sequence[float],
    importances: Sequence[float] | None = None,
    law: Any = "uniform",
    restarts: int = 6,
    seed: int = 0,
    steps: int = 2000,
) -> WeightedOptimum:
    """The smallest sum_i w_i l_i(W) found from many starts: an upper estimate of the first-order optimum.

    At its best scale W loses the stake S - (sum_i s_i a_i)^2/sum_ij w_i I_j a_i a_j f(cos_ij); its logarithm is
    minimised over all entries of W with analytic gradients, from the largest stakes dedicated, in antipodal pairs, in
    half the dimensions with the rest at random, and from random directions.

    Args:
        activation: a power activation with E U sigma(U) > 0.
        m: hidden dimension.
        weights: w_i >= 0, shape (n,).
        importances: I_j >= 0, shape (n,); 1 by default.
        law: of an active feature.
        restarts: number of starts, at least 1.
        seed: of the random starts.
        steps: at most this many steps per start.

    Raises:
        InputError: sizes below 1, shapes that do not fit, all stakes 0, or an activation without first-order gain.

    Source: docs/scaling.md, S1.
    """
    for name, number in (("m", m), ("restarts", restarts), ("steps", steps)):
        if isinstance(number, bool) or number != int(number) or number < 1:
            raise InputError(f"{name}={number} must be an integer >= 1")
    w, shares = _checked(weights, importances)
    constants = sparse_constants(feature_law(law), as_activation(activation))
    if not constants.gain.is_positive:
        raise InputError(f"activation {activation} gains nothing at first order (E U sigma(U) <= 0): W = 0 is optimal")
    stakes = w * shares
    total = stakes.sum()
    if total <= 0:
        raise InputError("every stake weights[i] * importances[i] is 0; nothing is lost at first order")
    a, negative = float(constants.kernel.exponent), float(constants.kernel.negative)
    n = len(w)
    pairs = (np.outer(w, shares) + np.outer(shares, w)) / (2 * total)

    def objective(flat: Array, _: np.ndarray) -> tuple[Array, Array]:
        value, gradient = _log_lost(flat.reshape(-1, m, n), a, negative, pairs)
        return value, gradient.reshape(flat.shape)

    starts = _starts(stakes, m, restarts, np.random.default_rng(seed))
    # At moderate size one start after the other is as fast as a batch, and needs less memory.
    results = [lbfgs(objective, start.reshape(1, -1), steps, 1e-12, 1e-9) for start in starts]
    losses = np.array([np.exp(found.value[0]) - _FLOOR for found in results]) * total
    order = np.argsort(losses, kind="stable")
    W = results[order[0]].x.reshape(m, n)
    norms = np.einsum("mi,mi->i", W, W) ** a
    gram = W.T @ W
    energy = float((np.where(gram >= 0, 1.0, negative) * np.abs(gram) ** (2 * a) * pairs).sum()) * total
    scale = float(constants.gain) * float(stakes @ norms) / (float(constants.cost) * energy)
    W = W * scale ** (0.5 / a)
    value = first_order_loss(activation, W, w.tolist(), shares.tolist(), law)
    return WeightedOptimum(W, value, float(max(losses[order[0]], 0.0)), np.maximum(losses[order], 0.0), seed)


def _checked(weights: Sequence[float], importances: Sequence[float] | None) -> tuple[Array, Array]:
    w = np.array([float(v) for v in weights])
    shares = np.ones(len(w)) if importances is None else np.array([float(v) for v in importances])
    if shares.shape != w.shape or not len(w):
        raise InputError(f"weights has {len(w)} values and importances {len(shares)}; give one of each per feature")
    if not (np.isfinite(w).all() and np.isfinite(shares).all() and (w >= 0).all() and (shares >= 0).all()):
        raise InputError("weights and importances must be finite and >= 0")
    return w, shares


def _log_lost(W: Array, a: float, negative: float, pairs: Array) -> tuple[Array, Array]:
    """log(1 - (sum s a)^2/E + floor) and its gradient, for stakes that sum to 1; W of shape (S, m, n)."""
    stakes = np.diag(pairs)
    gram = W.transpose(0, 2, 1) @ W
    norms = np.einsum("smi,smi->si", W, W)
    slope = np.abs(gram) ** (2 * a - 1) * np.where(gram >= 0, 1.0, -negative) * pairs
    held = norms**a @ stakes
    energy = np.einsum("sij,sij->s", slope, gram)
    # The ratio is taken out of the difference, so that a loss near 0 keeps its digits.
    lost = np.maximum(1 - held**2 / energy, 0.0)
    # A column that has shrunk to 0 stays there: for a < 1 its gradient is unbounded.
    growth = np.where(norms > 0, norms, 1.0 if a < 1 else 0.0) ** (a - 1)
    d_held = 2 * a * W * (stakes * growth)[:, None, :]
    d_energy = 4 * a * (W @ slope)
    ratio = (held / energy)[:, None, None]
    d_lost = ratio**2 * d_energy - 2 * ratio * d_held
    return np.log(lost + _FLOOR), d_lost / (lost + _FLOOR)[:, None, None]


def _starts(stakes: Array, m: int, restarts: int, rng: np.random.Generator) -> Array:
    """Shape (restarts, m, n); features are placed by decreasing stake."""
    n = len(stakes)
    order = np.argsort(-stakes, kind="stable")
    directions = rng.standard_normal((restarts, m, n))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    half = m // 2
    split = directions[0].copy()
    split[:half] = 0
    split /= np.maximum(np.linalg.norm(split, axis=0), 1e-12)
    split[:, order[:half]] = np.eye(m, min(half, n))
    dedicated, antipodal = np.zeros((m, n)), np.zeros((m, n))
    dedicated[np.arange(min(m, n)), order[:m]] = 1
    antipodal[np.arange(min(2 * m, n)) % m, order[: 2 * m]] = np.where(np.arange(min(2 * m, n)) < m, 1.0, -1.0)
    base = np.zeros((m, n))
    base[:, order] = np.eye(m)[:, np.arange(n) % m] * np.where((np.arange(n) // m) % 2 == 0, 1.0, -1.0)
    shaped = [split, antipodal, dedicated, base][: max(restarts - 1, 0)]
    shaped = [W + 0.03 * rng.standard_normal((m, n)) for W in shaped]
    return np.concatenate([np.array(shaped).reshape(-1, m, n), directions[len(shaped) :]])
