"""The best configuration with biases in the sparse limit: the smallest c(W, b) over all weights and all b <= 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy

import theory
from numerics.minimise.descent import lbfgs
from numerics.minimise.sparse import minimise_sparse_coefficient, starting_weights
from numerics.setting import Array
from theory import InputError, ToyModel
from theory.loss.bias.coefficient import has_thresholds, require_biased_setting
from theory.loss.bias.threshold import ThresholdLaw, threshold_law

__all__ = ["BiasedOptimum", "minimise_biased_coefficient"]


@dataclass(frozen=True)
class BiasedOptimum:
    """The best weights and biases found for the sparse coefficient.

    Attributes:
        W: shape (m, n).
        b: shape (n,), every entry <= 0.
        coefficient: c(W, b) = lim L(W, b)/p, an upper bound on lim L*/p up to rounding.
        coefficients: what every start ended at, smallest first, shape (restarts,).
        model: the setting.
        seed: of the starts.
    """

    W: Array
    b: Array
    coefficient: float
    coefficients: Array
    model: ToyModel
    seed: int

    @property
    def thresholds(self) -> Array:
        """tau_j = -b_j/g_j, NaN for dropped features (g_j = 0); shape (n,)."""
        norms = np.einsum("mi,mi->i", self.W, self.W)
        return np.where(norms > 1e-9, -self.b / np.where(norms > 1e-9, norms, 1.0), np.nan)


def minimise_biased_coefficient(model: ToyModel, restarts: int = 32, seed: int = 0, steps: int = 1500) -> BiasedOptimum:
    """The smallest c(W, b) = lim L/p found from many starts, with free norms and free biases b <= 0.

    Positive biases cannot help in the limit (T11(a)), and for activations that vanish on neither side no bias can, so
    that the search is then the one without.

    Args:
        model: a power activation with bias=True, numeric n and m; the density does not matter and may be a symbol.
        restarts: number of starts, at least 1.
        seed: of the random starts.
        steps: at most this many steps per start.

    Raises:
        InputError: no bias, no power activation, densities that differ, symbols, or a law without closed form.

    Source: docs/theory.md, T11.
    """
    require_biased_setting(model)
    plain = model.replace(bias=False)
    if not has_thresholds(model):
        found = minimise_sparse_coefficient(plain, restarts, seed)
        whole = float(model.law.absolute_moment(2)) * sum(float(v) for v in model.importances)
        kappa = float(theory.law_constant(model.law, model.activation))
        b = np.zeros(found.W.shape[1])
        return BiasedOptimum(found.W, b, found.coefficient, whole - kappa * found.capacities, model, seed)
    if isinstance(restarts, bool) or restarts != int(restarts) or restarts < 1:
        raise InputError(f"restarts={restarts} must be an integer >= 1")
    symbols = model.free_symbols - (frozenset() if isinstance(model.density, tuple) else model.density.free_symbols)
    if symbols:
        raise InputError(f"the model still has the symbols {', '.join(sorted(map(str, symbols)))}; give them numbers")
    n, m = int(model.n_features), int(model.n_hidden)
    objective = _Objective(model)
    rng = np.random.default_rng(seed)
    W = starting_weights(n, m, restarts, rng)
    # beta = root^2 stays >= 0; a root of exactly 0 would never leave it.
    roots = np.sqrt(rng.uniform(0.01, 0.5, (restarts, n)))
    start = np.concatenate([W.reshape(restarts, -1), roots], axis=1)
    result = lbfgs(objective, start, steps, gradient_tolerance=1e-12)
    order = np.argsort(result.value, kind="stable")
    best = result.x[order[0]]
    weights, b = best[: m * n].reshape(m, n), -(best[m * n :] ** 2)
    coefficient = float(theory.biased_sparse_coefficient(model, weights, b))
    return BiasedOptimum(weights, b, coefficient, result.value[order] * objective.whole, model, seed)


class _Objective:
    """c(W, b)/(mu_2 sum I) and its gradient at flat points (W, roots) with b = -roots^2, for several starts at once."""

    def __init__(self, model: ToyModel):
        self.n, self.m = int(model.n_features), int(model.n_hidden)
        self.known: ThresholdLaw = threshold_law(model.law, model.activation)
        self.shares = np.array([float(v) for v in model.importances])
        self.whole = float(self.known.second_moment) * self.shares.sum() or 1.0
        s = self.known.symbol
        self.parts = {
            "psi": self.known.gain,
            "phi": self.known.cost,
            "d_psi": sympy.diff(self.known.gain, s),
            "d_phi": sympy.diff(self.known.cost, s),
        }

    def __call__(self, x: Array, _: np.ndarray) -> tuple[Array, Array]:
        cut = self.m * self.n
        W, roots = x[:, :cut].reshape(-1, self.m, self.n), x[:, cut:]
        a, c, share = float(self.known.exponent), float(self.known.scale), float(self.known.share)
        beta = roots**2
        gram = W.transpose(0, 2, 1) @ W
        norms = np.einsum("smi,smi->si", W, W)
        size = np.abs(gram) if self.known.is_two_sided else np.maximum(gram, 0.0)
        sign = np.sign(gram) if self.known.is_two_sided else (gram > 0).astype(float)
        at = lambda name, ratio: self.known.values(self.parts[name], ratio)  # noqa: E731
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            own_ratio = np.where(norms > 0, beta / norms, np.inf)
            ratio = np.where(size > 0, beta[:, None, :] / size, np.inf)
            own = _times(norms**a, at("psi", own_ratio))
            d_own_norm = a * _times(norms ** (a - 1), at("psi", own_ratio)) - _times(
                norms ** (a - 2) * beta, at("d_psi", own_ratio)
            )
            d_own_beta = _times(norms ** (a - 1), at("d_psi", own_ratio))
            spent = _times(size ** (2 * a), at("phi", ratio))
            d_spent = 2 * a * _times(size ** (2 * a - 1), at("phi", ratio)) - _times(
                size ** (2 * a - 2) * beta[:, None, :], at("d_phi", ratio)
            )
            d_spent_beta = _times(size ** (2 * a - 1), at("d_phi", ratio))
        mu_2 = float(self.known.second_moment)
        value = (mu_2 + share * (c**2 * spent.sum(axis=1) - 2 * c * own)) @ self.shares
        # Entry (i, j) of the Gram matrix is seen by output j.
        d_gram = share * c**2 * d_spent * sign * self.shares
        d_weights = (
            W @ (d_gram + d_gram.transpose(0, 2, 1)) - 4 * c * share * W * (self.shares * d_own_norm)[:, None, :]
        )
        d_beta = share * self.shares * (c**2 * d_spent_beta.sum(axis=1) - 2 * c * d_own_beta)
        gradient = np.concatenate([d_weights.reshape(len(x), cut), 2 * roots * d_beta], axis=1)
        return value / self.whole, gradient / self.whole


def _times(weight: Array, values: Array) -> Array:
    """weight times values, 0 where values is 0 (there the weight may be infinite)."""
    return np.where(values == 0, 0.0, weight * np.where(values == 0, 0.0, values))
