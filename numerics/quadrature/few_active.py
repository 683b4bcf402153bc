"""The part of the loss in which at most one feature is active: ordinary integrals in one variable."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from numerics.laws import NumericLaw, unit_rule
from numerics.quadrature.chebyshev import moments
from numerics.scalar_map import ScalarMap
from numerics.setting import Array, Setting
from theory import InputError

__all__ = ["Part", "Rows", "at_most_one", "few_active", "joined", "make_rows", "rows_of", "split_rule", "stacked"]

_BLOCK = 2**18
_FEWEST_NODES, _MOST_NODES = 6, 1536
_SMOOTH_POINTS = 24
_EPSILON = float(np.finfo(float).eps)


@dataclass(frozen=True)
class Rows:
    """Outputs z_i = b_i + sum_j G_ij x_j, any number of them, of one or several weight matrices.

    Attributes:
        gram: G_ij, shape (R, n).
        bias: b_i, shape (R,).
        own: which feature each output reconstructs, shape (R,).
        visible: the probability that feature j is active and shows in the output (0 where G_ij is 0), shape (R, n).
        density: the probability that the own feature is active, shape (R,).
        blurred: the same as `visible` for features that are not counted as active, because their entries are too
            small to separate their events; they only smear. Shape (R, n), or None.
    """

    gram: Array
    bias: Array
    own: np.ndarray
    visible: Array
    density: Array
    blurred: Array | None = None

    def __len__(self) -> int:
        return len(self.bias)

    def take(self, index: np.ndarray) -> Rows:
        """Some of the rows."""
        blurred = None if self.blurred is None else self.blurred[index]
        own, visible, density = self.own[index], self.visible[index], self.density[index]
        return Rows(self.gram[index], self.bias[index], own, visible, density, blurred)

    @property
    def own_gram(self) -> Array:
        """G_ii, shape (R,)."""
        return self.gram[np.arange(len(self)), self.own]

    @property
    def others(self) -> Array:
        """`visible` without the own feature, shape (R, n)."""
        result = self.visible.copy()
        result[np.arange(len(self)), self.own] = 0.0
        return result


def make_rows(gram: Array, bias: Array, densities: Array) -> Rows:
    """The rows of several Gram matrices at once: gram (S, n, n), bias (S, n), densities (n,); R = S n."""
    starts, n = bias.shape
    flat = gram.reshape(starts * n, n)
    own = np.tile(np.arange(n), starts)
    # An entry that is exactly 0 hides its feature: counting it as active would leave an atom in the remainder.
    return Rows(flat, bias.reshape(-1), own, np.where(flat == 0, 0.0, densities), densities[own])


def rows_of(at: Setting, index: np.ndarray) -> Rows:
    """Some of the rows of one weight matrix."""
    gram = at.gram[index]
    return Rows(gram, at.bias[index], index, np.where(gram == 0, 0.0, at.densities), at.densities[index])


class Kinked(Protocol):
    """A function that is smooth between its kinks."""

    @property
    def kinks(self) -> tuple[float, ...]:
        """Where it may fail to be analytic."""

    @property
    def is_singular(self) -> bool:
        """Whether a derivative may be unbounded at a kink."""


def stacked(some: list[Rows]) -> Rows:
    """Rows of the same features as one group; none or all of them blurred."""
    blurred = [rows.blurred for rows in some if rows.blurred is not None]
    return Rows(
        np.concatenate([rows.gram for rows in some]),
        np.concatenate([rows.bias for rows in some]),
        np.concatenate([rows.own for rows in some]),
        np.concatenate([rows.visible for rows in some]),
        np.concatenate([rows.density for rows in some]),
        np.concatenate(blurred) if blurred else None,
    )


@dataclass(frozen=True)
class Part:
    """A part of E sigma(z_i)**2 - 2 E x_i sigma(z_i), per row, with its error and, where asked for, its gradient.

    Attributes:
        value, error: shape (R,).
        total_error: of weighted sums of the rows, less than their errors where those cancel; shape (Q,), or None.
        d_gram: derivative with respect to G_ij, shape (R, n), or None.
        d_bias: derivative with respect to b_i, shape (R,), or None.
        evaluations: how often sigma or a transform was evaluated.
    """

    value: Array
    error: Array
    d_gram: Array | None
    d_bias: Array | None
    evaluations: int
    total_error: Array | None = None


def few_active(
    sigma: ScalarMap, law: NumericLaw, rows: Rows, tolerance: float, gradient: bool = False, nodes: int | None = None
) -> Part:
    """Contribution of the events "no visible feature is active" and "exactly one is".

    The one-feature terms E sigma(b_i + G_ij U)**2 and E U sigma(b_i + G_ii U) are split at the kinks and integrated by
    Gauss-Legendre rules: of the size that is exact where sigma is polynomial between its kinks, else doubled until two
    agree to `tolerance` relative to the result (or `nodes` fixes the rule).
    """
    if nodes is not None:
        return _with_rule(sigma, law, rows, nodes, gradient)
    if sigma.degree is not None and law.is_flat:
        return _with_rule(sigma, law, rows, sigma.degree + 1, gradient)
    part, count = _with_rule(sigma, law, rows, _FEWEST_NODES, gradient), _FEWEST_NODES
    while True:
        finer = _with_rule(sigma, law, rows, 2 * count, gradient)
        # The last change is the error of the coarser rule, which the finer one beats by far.
        error = np.abs(finer.value - part.value) + finer.error
        evaluations = part.evaluations + finer.evaluations
        # A sum that no longer improves has reached its rounding.
        stalled = count > 4 * _FEWEST_NODES and error.sum() > part.error.sum() / 2
        part = Part(finer.value, error, finer.d_gram, finer.d_bias, evaluations)
        count *= 2
        if stalled or count >= _MOST_NODES or np.all(error <= np.maximum(tolerance * np.abs(part.value), 1e-300)):
            return part


def joined(parts: list[Part]) -> Part:
    """The parts of consecutive groups of rows as one."""
    grams = [part.d_gram for part in parts if part.d_gram is not None]
    totals = [part.total_error for part in parts if part.total_error is not None]
    biases = [part.d_bias for part in parts if part.d_bias is not None]
    return Part(
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.error for part in parts]),
        np.concatenate(grams) if grams else None,
        np.concatenate(biases) if biases else None,
        sum(part.evaluations for part in parts),
        np.sum(totals, axis=0) if totals else None,
    )


def _with_rule(sigma: ScalarMap, law: NumericLaw, rows: Rows, count: int, gradient: bool) -> Part:
    if rows.gram.size * count > _BLOCK and len(rows) > 1:
        halves = np.split(np.arange(len(rows)), [len(rows) // 2])
        return joined([_with_rule(sigma, law, rows.take(index), count, gradient) for index in halves])
    if gradient:
        return _with_gradient(sigma, law, rows, count)
    none_active, one_active = at_most_one(rows.visible)
    alone = at_most_one(rows.others)[0] * rows.density
    at_bias = sigma.value(rows.bias)
    own_gram = rows.own_gram[:, None]
    u, weights = split_rule(sigma, law, rows.bias, own_gram, count)
    values = sigma.value(rows.bias[:, None, None] + own_gram[:, :, None] * u)
    cross = np.einsum("rjq,rjq,rjq->r", weights, u, values)
    # A smooth function of G_ij needs its values at a few G only; the own term has a bias of its own in every row.
    if not sigma.kinks and rows.gram.shape[1] > 2 * _SMOOTH_POINTS:
        one, lost, spent = _smooth_sums(sigma, law, rows, one_active, count)
    else:
        lost = np.zeros(len(rows))
        squares, spent = _squares(sigma, law, rows.bias, rows.gram, count)
        one = (one_active * squares).sum(axis=1)
    terms = np.stack([none_active * at_bias**2, one, -2 * alone * cross])
    error = _EPSILON * np.abs(terms).sum(0) * 8 + lost
    return Part(terms.sum(0), error, None, None, values.size + spent)


def _squares(sigma: ScalarMap, law: NumericLaw, bias: Array, gram: Array, count: int) -> tuple[Array, int]:
    """E sigma(b + G U)**2 for every entry of gram, and the number of evaluations."""
    u, weights = split_rule(sigma, law, bias, gram, count)
    value = sigma.value(bias[:, None, None] + gram[:, :, None] * u)
    squares = np.einsum("rjq,rjq,rjq->rj", weights, value, value)
    if not np.isfinite(law.upper):
        far = np.einsum("rjq,rjq,rjq->rj", weights * (np.abs(u) > law.breaks[-2]), value, value)
        if np.any((far > 1e-3 * squares) & (far > 1e-6 * law.second)):
            raise _too_fast(gram)
    return squares, value.size


def _smooth_sums(sigma: ScalarMap, law: NumericLaw, rows: Rows, weights: Array, count: int) -> tuple[Array, Array, int]:
    """sum_j w_j E sigma(b_i + G_ij U)**2 by Chebyshev series in G, one per bias; its rounding error; the work."""
    from scipy.fft import dct

    scale = np.abs(rows.gram).max() or 1.0
    biases, which = np.unique(rows.bias, return_inverse=True)
    points, spent = _SMOOTH_POINTS, 0
    while True:
        x = np.cos(np.pi * (np.arange(points) + 0.5) / points)
        squares, used = _squares(sigma, law, biases, np.tile(scale * x, (len(biases), 1)), count)
        spent += used
        series = dct(squares, 2, axis=1) / points
        series[:, 0] /= 2
        size = np.abs(series).max()
        if np.abs(series[:, -4:]).max() <= 1e-15 * size:
            value = np.einsum("rk,rk->r", moments(rows.gram / scale, weights, points), series[which])
            lost = 4 * _EPSILON * weights.sum(axis=1) * np.abs(series).sum(axis=1)[which]
            return value, lost, spent
        points *= 2
        if points > rows.gram.shape[1] // 2:
            squares, used = _squares(sigma, law, rows.bias, rows.gram, count)
            return (weights * squares).sum(axis=1), np.zeros(len(rows)), spent + used


def _too_fast(gram: Array) -> InputError:
    return InputError(
        "the activation grows too fast for a law without upper end: with entries of W^T W up to "
        f"{np.abs(gram).max():.3g} the expected loss is infinite or out of reach; rescale W"
    )


def _with_gradient(sigma: ScalarMap, law: NumericLaw, rows: Rows, count: int) -> Part:
    index = np.arange(len(rows))
    none_active, one_active = at_most_one(rows.visible)
    alone = at_most_one(rows.others)[0] * rows.density
    u, weights = split_rule(sigma, law, rows.bias, rows.gram, count)
    z = rows.bias[:, None, None] + rows.gram[:, :, None] * u
    value, slope = sigma.value(z), sigma.derivative(z)
    at_bias = sigma.value(rows.bias)
    own = (index, rows.own)
    squares = np.einsum("rjq,rjq,rjq->rj", weights, value, value)
    cross = np.einsum("rq,rq,rq->r", weights[own], u[own], value[own])
    terms = np.stack([none_active * at_bias**2, (one_active * squares).sum(1), -2 * alone * cross])
    error = _EPSILON * np.abs(terms).sum(0) * 8
    both = 2 * weights * value * slope
    d_gram = one_active * (both * u).sum(2)
    d_bias = none_active * 2 * at_bias * sigma.derivative(rows.bias) + (one_active * both.sum(2)).sum(1)
    own_slope = weights[own] * u[own] * slope[own]
    d_bias -= 2 * alone * own_slope.sum(1)
    d_gram[own] -= 2 * alone * (own_slope * u[own]).sum(1)
    return Part(terms.sum(0), error, d_gram, d_bias, 2 * value.size)


def at_most_one(probability: Array) -> tuple[Array, Array]:
    """P(none active), shape (R,), and P(only j is), shape (R, n), without dividing by 1 - p_j."""
    off = 1 - probability
    ones = np.ones((len(off), 1))
    before = np.cumprod(np.concatenate([ones, off], axis=1), axis=1)
    after = np.cumprod(np.concatenate([ones, off[:, ::-1]], axis=1), axis=1)[:, ::-1]
    return before[:, -1], probability * before[:, :-1] * after[:, 1:]


def split_rule(sigma: Kinked, law: NumericLaw, bias: Array, gram: Array, count: int) -> tuple[Array, Array]:
    """Nodes u and weights (density included) for E g(U), split where b_i + G_ij u is a kink; shape (R, n, Q)."""
    nodes, weights = unit_rule(count)
    left_power, right_power = (max(power, 4) if sigma.is_singular else power for power in law.grading)
    is_graded = max(left_power, right_power) > 1
    sides: tuple[tuple[int, float], ...] = ((left_power, 1.0), (right_power, -1.0)) if is_graded else ((1, 1.0),)
    found_u, found_w = [], []
    top = law.breaks[-1]
    for sign in law.signs:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            kinks = [(kink - bias)[:, None] / (sign * gram) for kink in sigma.kinks]
        for low, high in zip(law.breaks[:-1], law.breaks[1:], strict=True):
            inside = [np.clip(np.nan_to_num(kink, nan=low, posinf=high, neginf=low), low, high) for kink in kinks]
            ends = np.stack([np.full_like(gram, low), *inside, np.full_like(gram, high)])
            if len(kinks) > 1:
                ends.sort(axis=0)
            for left, right in pairwise(ends):
                length = (right - left) / len(sides)
                # With kinks at the ends of the support only (no bias), whole segments are empty.
                if not length.any():
                    continue
                for power, side in sides:
                    edge = left if side > 0 else right
                    step = length[:, :, None] * nodes**power
                    u = edge[:, :, None] + side * step
                    # Near the right end of the support, `upper - u` would lose what the density there depends on.
                    to_top = (top - edge)[:, :, None] - side * step
                    density = np.where(length[:, :, None] > 0, law.magnitude_density(u, to_top), 0.0)
                    found_u.append(sign * u)
                    shares = power * nodes ** (power - 1) * weights / len(law.signs)
                    found_w.append(length[:, :, None] * shares * density)
    return np.concatenate(found_u, axis=2), np.concatenate(found_w, axis=2)
