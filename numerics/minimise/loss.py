"""The smallest population loss: many starts, a short adaptive descent, then a quasi-Newton polish."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.estimate import Estimate
from numerics.loss import expected_loss
from numerics.minimise.descent import adam, lbfgs
from numerics.minimise.sparse import minimise_sparse_coefficient
from numerics.population import PopulationLoss, population_objective
from numerics.setting import Array, Progress, model_arrays
from theory import InputError, ToyModel

__all__ = ["Optimum", "minimise_loss"]

_WARM_STEPS = 80
_TRIAL_STEPS = 60
_FREQUENCIES = 64
_POLISH_FREQUENCIES = 256


@dataclass(frozen=True)
class Optimum:
    """The best weights found for the population loss: an upper estimate of L*.

    Attributes:
        W: shape (m, n).
        b: shape (n,), or None for a model without bias.
        loss: the expected loss there, by `expected_loss`.
        gradient_norm: Euclidean norm of the gradient of the loss there.
        losses: what every start reached in the search, smallest first, shape (restarts,); the search is coarser than
            `loss`, and the worse half of the starts is given up early.
        model: the setting.
        seed: of the random starts.
    """

    W: Array
    b: Array | None
    loss: Estimate
    gradient_norm: float
    losses: Array
    model: ToyModel
    seed: int


def minimise_loss(
    model: ToyModel, restarts: int = 8, seed: int = 0, steps: int = 300, progress: Progress | None = None
) -> Optimum:
    """The smallest expected loss found over W, and over b where the model has a bias.

    Starts are the zero-interference configurations (orthonormal, antipodal), the optimum of the sparse limit where
    sigma is a power, and random directions. All descend on the population loss itself; the value returned is
    recomputed by `expected_loss`. It is an upper estimate of L*: nothing proves that no better minimum exists.

    Args:
        model: every value a number; an elementwise, continuous activation.
        restarts: number of starts, at least 1.
        seed: of the random starts.
        steps: quasi-Newton steps per start.
        progress: called with (done, total, text).

    Raises:
        InputError: symbols in the model, an activation without population gradient, restarts or steps below 1.
    """
    for name, number in (("restarts", restarts), ("steps", steps)):
        if isinstance(number, bool) or number != int(number) or number < 1:
            raise InputError(f"{name}={number} must be an integer >= 1")
    model.require_numbers()
    n, m = int(model.n_features), int(model.n_hidden)
    report = progress or (lambda done, total, text: None)
    densities, importances = model_arrays(model)
    # The loss of the zero map: relative tolerances then mean the same at every density.
    scale = float(importances @ densities) * float(model.law.moment(2)) or 1.0
    search = _flat(population_objective(model, _FREQUENCIES), model, scale)
    x = _starts(model, restarts, np.random.default_rng(seed))
    report(0, 3, "warm start")
    x = adam(search, x, _WARM_STEPS, 0.05, 0.005)
    report(1, 3, "quasi-Newton")
    trial = lbfgs(search, x, min(steps, _TRIAL_STEPS), gradient_tolerance=1e-9, value_tolerance=1e-10)
    values = np.where(np.isfinite(trial.value), trial.value, np.inf)
    better = np.argsort(values, kind="stable")[: (restarts + 1) // 2]
    found = lbfgs(search, trial.x[better], steps, gradient_tolerance=1e-9, value_tolerance=1e-12)
    values[better] = found.value
    report(2, 3, "polish")
    polish = _flat(population_objective(model, _POLISH_FREQUENCIES), model, scale)
    start = found.x[[int(np.argmin(found.value))]]
    best = lbfgs(polish, start, steps, gradient_tolerance=1e-12, value_tolerance=1e-14)
    W = best.x[0, : m * n].reshape(m, n)
    b = best.x[0, m * n :] if model.bias else None
    loss = expected_loss(model, W, b)
    report(3, 3, "done")
    gradient_norm = float(np.linalg.norm(best.gradient[0])) * scale
    return Optimum(W, b, loss, gradient_norm, np.sort(values) * scale, model, seed)


class _flat:
    """A population loss as a function of the entries of W, and of b where there is one, in units of `scale`."""

    def __init__(self, loss: PopulationLoss, model: ToyModel, scale: float):
        self.loss, self.scale, self.has_bias = loss, scale, model.bias
        self.m, self.n = int(model.n_hidden), int(model.n_features)

    def __call__(self, x: Array, _: np.ndarray) -> tuple[Array, Array]:
        cut = self.m * self.n
        b = x[:, cut:] if self.has_bias else np.zeros((len(x), self.n))
        with np.errstate(over="ignore", invalid="ignore"):
            value, d_weights, d_bias = self.loss(x[:, :cut].reshape(-1, self.m, self.n), b)
        parts = [d_weights.reshape(len(x), cut), d_bias] if self.has_bias else [d_weights.reshape(len(x), cut)]
        return value / self.scale, np.concatenate(parts, axis=1) / self.scale


def _starts(model: ToyModel, restarts: int, rng: np.random.Generator) -> Array:
    """Flat starts (W, then b), shape (restarts, d): the known shapes first, random directions after them."""
    n, m = int(model.n_features), int(model.n_hidden)
    densities, importances = model_arrays(model)
    order = np.argsort(-importances * densities, kind="stable")
    orthonormal, antipodal = np.zeros((m, n)), np.zeros((m, n))
    orthonormal[np.arange(min(m, n)), order[:m]] = 1.0
    antipodal[np.arange(min(2 * m, n)) % m, order[: 2 * m]] = np.where(np.arange(min(2 * m, n)) < m, 1.0, -1.0)
    shaped = []
    if model.activation.power_form is not None and restarts > 1:
        single = model.density if not isinstance(model.density, tuple) else max(model.density)
        try:
            sparse = minimise_sparse_coefficient(model.replace(bias=False, density=single), 8, int(rng.integers(2**31)))
            shaped.append(sparse.W)
        except InputError:
            # sigma vanishes on every feature value: the sparse limit has no optimum to start from.
            shaped.append(antipodal)
    shaped = [*shaped, orthonormal, antipodal][: max(restarts - 1, 0)]
    # A little noise leaves saddles; the exact zeros of the shapes would hide features from each other.
    weights = [W + 0.03 * rng.standard_normal((m, n)) for W in shaped]
    drawn = rng.standard_normal((restarts - len(shaped), m, n))
    weights += list(drawn / np.linalg.norm(drawn, axis=1, keepdims=True) * rng.uniform(0.7, 1.2, (len(drawn), 1, 1)))
    flat = np.array(weights).reshape(restarts, m * n)
    if not model.bias:
        return flat
    bias = 0.5 * densities * float(model.law.moment(1)) + 0.02 * rng.standard_normal((restarts, n))
    return np.concatenate([flat, bias], axis=1)
