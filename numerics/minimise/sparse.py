"""The best configuration in the sparse limit: the smallest c(W), by maximising the capacity K(W)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import theory
from numerics.configurations.search import log_inverse_capacity
from numerics.minimise.descent import lbfgs
from numerics.setting import Array
from theory import InputError, ToyModel
from theory.loss.capacity import sparse_constants

__all__ = ["SparseOptimum", "minimise_sparse_coefficient", "starting_weights"]


@dataclass(frozen=True)
class SparseOptimum:
    """The best weights found for the sparse coefficient.

    Attributes:
        W: shape (m, n), at the scale that minimises c.
        coefficient: c(W), an upper bound on c* up to rounding.
        capacity: K(W) = (sum I_i a_i)^2 / sum_ij I_j a_i a_j f(cos_ij); for importance 1 the effective number of
            features that W holds.
        capacities: the capacity every start ended at, largest first, shape (restarts,).
        model: the setting.
        seed: of the starts.
    """

    W: Array
    coefficient: float
    capacity: float
    capacities: Array
    model: ToyModel
    seed: int


def minimise_sparse_coefficient(model: ToyModel, restarts: int = 32, seed: int = 0, steps: int = 600) -> SparseOptimum:
    """The smallest c(W) = lim L/p found from many starts: an upper bound on c*, usually c* itself.

    By T2, c* = mu_2 sum_i I_i - kappa sup K(W), and K depends on W through |G_ij|^(2a) alone. log K is maximised over
    all entries of W from random directions and orthonormal, antipodal and regular starts.

    Args:
        model: a power activation, no bias, numeric n and m; the density does not matter and may be a symbol.
        restarts: number of starts, at least 1.
        seed: of the random starts.
        steps: at most this many steps per start.

    Raises:
        InputError: an activation that is not homogeneous, a bias, densities that differ, symbolic n or m.

    Source: docs/theory.md, T1 and T2.
    """
    if isinstance(restarts, bool) or restarts != int(restarts) or restarts < 1:
        raise InputError(f"restarts={restarts} must be an integer >= 1")
    for name, value in (("n_features", model.n_features), ("n_hidden", model.n_hidden)):
        if not value.is_number:
            raise InputError(f"{name}={value} is a symbol; give it a number (ToyModel.subs)")
    symbols = model.activation.parameters.union(*(value.free_symbols for value in model.importances))
    if symbols:
        names = ", ".join(sorted(map(str, symbols)))
        raise InputError(f"the model still has the symbols {names}; give them numbers (ToyModel.subs)")
    n, m = int(model.n_features), int(model.n_hidden)
    theory.sparse_coefficient(model, np.zeros((m, n)))  # raises where the first-order expansion does not apply
    kernel = sparse_constants(model.law, model.activation).kernel
    exponent, negative = float(kernel.exponent), float(kernel.negative)
    importances = np.array([float(v) for v in model.importances])
    if not importances.any():
        return SparseOptimum(np.zeros((m, n)), 0.0, 0.0, np.zeros(restarts), model, seed)

    def objective(flat: Array, _: np.ndarray) -> tuple[Array, Array]:
        W = flat.reshape(-1, m, n)
        value, gradient = log_inverse_capacity(W, exponent, negative, importances)
        return value, gradient.reshape(flat.shape)

    starts = starting_weights(n, m, restarts, np.random.default_rng(seed))
    result = lbfgs(objective, starts.reshape(restarts, -1), steps, gradient_tolerance=1e-13)
    order = np.argsort(result.value, kind="stable")
    best = result.x[order[0]].reshape(m, n)
    W = np.asarray(theory.optimal_scale(model, best / np.linalg.norm(best, axis=0).max()), dtype=float)
    coefficient = float(theory.sparse_coefficient(model, W))
    capacities = np.exp(-result.value[order])
    return SparseOptimum(W, coefficient, float(capacities[0]), capacities, model, seed)


def starting_weights(n: int, m: int, restarts: int, rng: np.random.Generator) -> Array:
    """Orthonormal, antipodal and (in the plane) regular directions with a little noise, then random ones; (S, m, n)."""
    base = np.eye(m)[:, np.arange(n) % m]
    turns = np.where((np.arange(n) // m) % 2 == 0, 1.0, -1.0)
    shaped = [base, base * turns]
    if m == 2:
        for span in (np.pi, 2 * np.pi):
            angle = span * np.arange(n) / n
            shaped.append(np.stack([np.cos(angle), np.sin(angle)]))
    shaped = [W + 0.03 * rng.standard_normal((m, n)) for W in shaped[: max(restarts - 1, 0)]]
    drawn = rng.standard_normal((restarts - len(shaped), m, n))
    return np.concatenate([np.array(shaped).reshape(-1, m, n), drawn / np.linalg.norm(drawn, axis=1, keepdims=True)])
