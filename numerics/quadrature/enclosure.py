"""A proved bound on what quadrature leaves out: continuous piecewise-linear activations under the uniform law.

The Fourier coefficients of such a sigma are known exactly up to a Gaussian that has vanished at the cut-off, and the
transforms of the uniform law are at most min(1, 2/|w|). The recursion over features with these bounds in the places of
the transforms bounds every term that is left out. What rounding may add is bounded by the usual model of
floating-point arithmetic; it is small next to the truncation.

Proof: docs/expected_loss.md, "Enclosure".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.laws import NumericLaw, numeric_law
from numerics.piecewise import piecewise_polynomial
from numerics.quadrature.adaptive import QuadratureResult, blocks
from numerics.quadrature.continuation import FourierForm, fourier_form, smallest_count
from numerics.quadrature.few_active import Rows, at_most_one, few_active, rows_of
from numerics.quadrature.many_active import many_active
from numerics.quadrature.ranges import TAIL, output_range, shared_ranges
from numerics.scalar_map import scalar_map
from numerics.setting import Array, Progress, Setting
from theory import InputError, ToyModel

__all__ = ["can_enclose", "enclosed_loss"]

_EPSILON = float(np.finfo(float).eps)
_MOST_WORK = 6 * 10**7
# Frequencies beyond the cut-off in steps of a quarter; the last block has no end.
_STEP, _BLOCKS = 1.25, 40
# How far the erfc-blend is from 0 and 1 at the ends of the gap, with room for both ends: erfc(6) = 2.2e-17.
_BLEND = 1e-16


def can_enclose(model: ToyModel) -> bool:
    """Whether the bound is proved for a model: the uniform law; sigma continuous and linear between its kinks."""
    sigma = piecewise_polynomial(model.activation)
    if sigma is None or model.law.name != "uniform" or any(len(piece) > 2 for piece in sigma.pieces):
        return False
    left = zip(sigma.knots, sigma.pieces, strict=False)
    right = zip(sigma.knots, sigma.pieces[1:], strict=True)
    value = lambda piece, z: sum(c * z**r for r, c in enumerate(piece))  # noqa: E731
    return all(value(p, z) == value(q, z) for (z, p), (_, q) in zip(left, right, strict=True))


@dataclass(frozen=True)
class _Lines:
    """sigma on [low, high], continued beyond by its outermost lines, with the jumps that its coefficients come from.

    Attributes:
        kinks: those strictly inside.
        slopes, levels: sigma(z) = slope z + level between them.
    """

    kinks: tuple[float, ...]
    slopes: Array
    levels: Array
    is_singular: bool = False

    def both(self, z: Array) -> Array:
        piece = np.searchsorted(np.array(self.kinks), z, side="right")
        value = self.slopes[piece] * z + self.levels[piece]
        return np.stack([value, value * value])

    def jumps(self) -> tuple[float, float, float]:
        """Sums over the kinks of |jump| of sigma', of (sigma**2)' and of (sigma**2)''."""
        at = self.both(np.array(self.kinks))[0] if self.kinks else np.zeros(0)
        bends = np.diff(self.slopes)
        first, second = float(np.abs(bends).sum()), float(np.abs(2 * at * bends).sum())
        return first, second, float(np.abs(2 * np.diff(self.slopes**2)).sum())


def _lines(model: ToyModel, low: float, high: float) -> _Lines:
    sigma = piecewise_polynomial(model.activation)
    assert sigma is not None
    inside = [k for k, knot in enumerate(sigma.knots) if low < float(knot) < high]
    first = inside[0] if inside else sum(float(knot) <= low for knot in sigma.knots)
    pieces = sigma.pieces[first : first + len(inside) + 1]
    slopes = np.array([float(p[1]) if len(p) > 1 else 0.0 for p in pieces])
    return _Lines(tuple(float(sigma.knots[k]) for k in inside), slopes, np.array([float(p[0]) for p in pieces]))


@dataclass
class _Unit:
    """Rows that share an interval: value and bound of their part with two or more active features."""

    index: np.ndarray
    low: float
    high: float
    count: int
    value: Array
    bound: Array
    evaluations: int = 0


def enclosed_loss(at: Setting, rtol: float, atol: float = 0.0, progress: Progress | None = None) -> QuadratureResult:
    """Loss per feature with a bound on its error, not an estimate; frequencies are doubled as in `quadrature_loss`.

    Args:
        at: uniform law (one- or two-sided), continuous piecewise-linear activation.
        rtol, atol: the bound on the importance-weighted total aimed at is max(atol, rtol * loss).
        progress: called with (evaluations, most, text).

    Raises:
        InputError: another law or activation.

    Source: docs/expected_loss.md, "Enclosure".
    """
    if not can_enclose(at.model):
        raise InputError(
            f"enclosure=True needs a continuous piecewise-linear activation (ReLU, leaky ReLU, hard tanh, ...) and the "
            f"uniform law, where the bound is proved, not {at.model.activation.name} with {at.model.law}; leave it out"
        )
    law, n = numeric_law(at.model.law), at.n_features
    base, bound, units = _few(at, law)
    most, spent, open_units = _MOST_WORK + 10 * n**2, n * n, units
    while True:
        for unit in open_units:
            _refine(at, law, unit)
            spent += unit.evaluations
        value, error = base.copy(), bound.copy()
        for unit in units:
            value[unit.index] += unit.value
            error[unit.index] += unit.bound
        loss, total = float(at.importances @ value), float(at.importances @ error)
        wanted = max(atol, rtol * abs(loss))
        share = 0.5 * wanted / n
        open_units = [u for u in open_units if at.importances[u.index] @ u.bound > share * len(u.index)]
        if progress is not None:
            progress(spent, most, f"± {total:.1e}")
        if total <= wanted or not open_units or spent + 2 * sum(u.evaluations for u in open_units) > most:
            break
    total += 2 * n * _EPSILON * abs(loss)
    return QuadratureResult(value, error, total, spent, total <= wanted)


def _few(at: Setting, law: NumericLaw) -> tuple[Array, Array, list[_Unit]]:
    """At most one active feature: exact rules, so that only rounding counts; and the units of the rest."""
    n, sigma = at.n_features, scalar_map(at.model.activation)
    base, bound, low, high = np.empty(n), np.empty(n), np.zeros(n), np.zeros(n)
    for index in blocks(np.arange(n), n):
        rows = rows_of(at, index)
        base[index] = at.densities[index] * law.second + few_active(sigma, law, rows, 0.0).value
        none, one = at_most_one(rows.visible)
        alone = at_most_one(rows.others)[0] * rows.density
        reach = lambda gram, b=rows.bias: _largest(at.model, np.abs(b)[:, None] + np.abs(gram))  # noqa: E731
        terms = none * reach(np.zeros((len(rows), 1)))[:, 0] ** 2 + (one * reach(rows.gram) ** 2).sum(axis=1)
        terms += 2 * alone * reach(rows.own_gram[:, None])[:, 0] + at.densities[index]
        bound[index] = (4 * n + 64) * _EPSILON * terms + _from_gram(at, law, index, base[index])
        low[index], high[index] = output_range(law, rows)
    with_range = np.flatnonzero(high > low)
    units = [
        _Unit(some, left, right, smallest_count(), np.zeros(len(some)), np.full(len(some), np.inf))
        for group, (left, right) in shared_ranges(low[with_range], high[with_range])
        for some in blocks(with_range[group], n)
    ]
    return base, bound, units


def _largest(model: ToyModel, size: Array) -> Array:
    """A bound on |sigma(z)| for |z| <= size."""
    sigma = piecewise_polynomial(model.activation)
    assert sigma is not None
    steepest = max(abs(float(p[1])) if len(p) > 1 else 0.0 for p in sigma.pieces)
    return abs(float(scalar_map(model.activation).value(np.zeros(1))[0])) + steepest * size


def _from_gram(at: Setting, law: NumericLaw, index: np.ndarray, loss: Array) -> Array:
    """What the rounding of W^T W may change: |dL_i| <= 2 sqrt(L_i) s |dz| + s**2 |dz|**2, |dz| the root mean square."""
    sizes = (np.abs(at.W[:, index]).T @ np.abs(at.W)) * ((len(at.W) + 2) * _EPSILON)
    mean = sizes @ (at.densities * 0.5)
    root = np.sqrt(mean**2 + sizes**2 @ (at.densities * law.second))
    steepest = float(_largest(at.model, np.ones(1))[0] - _largest(at.model, np.zeros(1))[0])
    # The loss itself is not known yet; where x_hat is bad it is at most twice what few features leave, plus 1.
    scale = np.sqrt(np.abs(loss) + at.densities + _second_moment(at, law, index))
    return 2 * scale * steepest * root + (steepest * root) ** 2


def _second_moment(at: Setting, law: NumericLaw, index: np.ndarray) -> Array:
    """A bound on 2 E sigma(z_i)**2 from that of E (|b| + |z|)**2."""
    gram = np.abs(at.gram[index])
    mean = np.abs(at.bias[index]) + gram @ (at.densities * 0.5)
    return 2 * _largest(at.model, np.sqrt(mean**2 + gram**2 @ (at.densities * law.second))) ** 2


def _refine(at: Setting, law: NumericLaw, unit: _Unit) -> None:
    rows = rows_of(at, unit.index)
    lines = _lines(at.model, unit.low, unit.high)
    form = fourier_form(lines, unit.low, unit.high, unit.count)
    part = many_active(law, rows, form, compressed=False)
    bound = _truncation(law, rows, form, lines) + _rounding(law, rows, form, lines) + _beyond(at, rows, form, lines)
    unit.count *= 2
    unit.evaluations = part.evaluations
    better = bound < unit.bound
    unit.value, unit.bound = np.where(better, part.value, unit.value), np.where(better, bound, unit.bound)


def _bounds(law: NumericLaw, rows: Rows, t: Array) -> tuple[Array, Array]:
    """Bounds, decreasing in t >= 0, on |F| and |X|: the transforms that meet sigma**2 and sigma; shape (R, M)."""
    shortest = 1.0 if law.is_two_sided else 2.0
    with np.errstate(divide="ignore"):

        def phi(size: Array) -> Array:
            return np.minimum(1.0, shortest / (size[:, None] * t))

        others = rows.others
        own = np.abs(rows.own_gram)
        none = np.ones((len(rows), 1))
        one, more = np.zeros((len(rows), len(t))), np.zeros((len(rows), len(t)))
        for j in np.flatnonzero(others.any(axis=0)):
            p = others[:, j, None]
            a, off = p * phi(np.abs(rows.gram[:, j])), 1 - p
            more, one, none = more * (off + a) + one * a, one * off + none * a, none * off
        visible = rows.visible[np.arange(len(rows)), rows.own][:, None]
        own_a = visible * phi(own)
        # iw E U e^(iwU) = e^(iw) - phi, or its odd part.
        psi = np.minimum(0.5, (1 + phi(own)) / (own[:, None] * t))
    return more * (1 - visible + own_a) + one * own_a, rows.density[:, None] * psi * (one + more)


def _truncation(law: NumericLaw, rows: Rows, form: FourierForm, lines: _Lines) -> Array:
    """The terms from the cut-off on: (1/pi) sum over blocks of F and 2 X times integrals of the coefficients."""
    bend, bend_of_square, curve = lines.jumps()
    step = float(form.frequencies[1])
    edges = len(form.frequencies) * step * _STEP ** np.arange(_BLOCKS)
    left, right = edges - step, np.append(edges[1:], np.inf)
    squares, linear = (1 / left**2 - 1 / right**2) / 2, 1 / left - 1 / right
    on_square, on_cross = _bounds(law, rows, edges)
    return (on_square @ (bend_of_square * linear + curve * squares) + 2 * on_cross @ (bend * linear)) / np.pi


def _rounding(law: NumericLaw, rows: Rows, form: FourierForm, lines: _Lines) -> Array:
    """Errors of the sums in floating point: a model, see the document."""
    count, n = len(form.frequencies), rows.gram.shape[1]
    position = np.arange(count)
    phase = 4 * np.pi * position
    period = 2 * np.pi / float(form.frequencies[1])
    gap = period - (form.high - form.low)
    ends = np.array([form.low - gap, form.high + gap, *lines.kinks])
    first, second = np.abs(lines.both(ends)).max(axis=1)
    # The transforms' bounds decrease, so that octaves of frequencies can share one.
    octave = 2 ** np.floor(np.log2(np.maximum(position, 1)))
    marks, which = np.unique(np.where(position > 0, octave, 0.0), return_inverse=True)
    on_square, on_cross = _bounds(law, rows, marks * float(form.frequencies[1]))
    inexact = _EPSILON * (64 + 8 * np.log2(count) + phase)
    product = _EPSILON * (64 + 16 * n + 2 * phase)
    square = 2 * (np.abs(form.second) * product + second * inexact)
    cross = 4 * (np.abs(form.first) * product + first * inexact)
    squares = np.bincount(which, square, len(marks))
    crosses = np.bincount(which, cross, len(marks))
    return on_square @ squares + on_cross @ crosses


def _beyond(at: Setting, rows: Rows, form: FourierForm, lines: _Lines) -> Array:
    """The blend's ends, and outputs outside the interval: at most 2 TAIL of probability times the largest values."""
    period = 2 * np.pi / float(form.frequencies[1])
    ends = np.array([form.low - period, form.high + period, *lines.kinks])
    first, second = np.abs(lines.both(ends)).max(axis=1)
    farthest = _largest(at.model, np.abs(rows.bias) + np.abs(rows.gram).sum(axis=1))
    outside = 2 * TAIL * np.maximum(rows.density, 1e-290)
    some = at_most_one(rows.visible)
    several = np.maximum(0.0, 1 - some[0] - some[1].sum(axis=1)) + 4 * rows.gram.shape[1] * _EPSILON * (1 - some[0])
    return outside * (farthest**2 + 2 * farthest + second + 2 * first) + _BLEND * (
        second * several + 2 * first * rows.density
    )
