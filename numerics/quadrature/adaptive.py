"""The expected loss of any elementwise activation, by splitting off the atoms and integrating in frequency space.

z_i = b_i + sum_j G_ij x_j has atoms and kinks of its law where few features are active. With none or one active, the
expectation is an ordinary integral in one variable; with two or more, the law of z_i is smooth, its characteristic
function is a product, and sigma is a short trigonometric series on the range of z_i.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from numerics.laws import NumericLaw, numeric_law
from numerics.quadrature.clusters import (
    FEWEST_FREQUENCIES,
    SIMILAR,
    Level,
    PiecewiseMap,
    cluster_levels,
    clusters_of,
    suits,
)
from numerics.quadrature.continuation import Pair, fourier_form, smallest_count, stacked_form
from numerics.quadrature.few_active import Rows, few_active, rows_of, stacked
from numerics.quadrature.many_active import many_active
from numerics.quadrature.ranges import TAIL, output_range, shared_ranges
from numerics.scalar_map import ScalarMap, scalar_map
from numerics.setting import Array, Progress, Setting
from theory import InputError

__all__ = ["QuadratureResult", "blocks", "quadrature_loss"]

# Every estimate is checked by one more doubling; rounding shows in doublings that gain little.
_STAGES, _STALLS = 2, 3
# Beyond this many frequencies rows with clusters of small entries are taken apart, so many at most.
_PATIENCE, _MOST_CLUSTERED = 250, 1000
_ROW_BLOCK = 2**21


@dataclass(frozen=True)
class QuadratureResult:
    """Loss per feature, its error, that of the weighted total, the work done, and whether the tolerance was met."""

    per_feature: Array
    error: Array
    total_error: float
    evaluations: int
    converged: bool


@dataclass
class _Unit:
    """Rows that share an interval and are refined together: the contribution of several active features so far.

    `rows`, and from the second cluster on `functions` and where the interval of each begins, are set for clusters of
    entries (see clusters.py); elsewhere they follow from `index` and sigma.
    """

    index: np.ndarray
    low: float
    high: float
    count: int
    rows: Rows | None = None
    functions: Sequence[PiecewiseMap] | None = None
    lows: Array | None = None
    value: Array = field(init=False)
    error: Array = field(init=False)
    total_error: Array = field(init=False)
    evaluations: int = 0
    stages: int = 0

    def __post_init__(self) -> None:
        self.value, self.error = np.zeros(len(self.index)), np.full(len(self.index), np.inf)
        self.total_error = np.full(2, np.inf)

    def keep(self, stays: np.ndarray, weights: Array) -> None:
        """Drop the other rows."""
        self.index, self.value, self.error = self.index[stays], self.value[stays], self.error[stays]
        self.total_error = weights[:, self.index] @ self.error


def quadrature_loss(
    at: Setting, rtol: float, atol: float = 0.0, progress: Progress | None = None, compressed: bool = True
) -> QuadratureResult:
    """Loss per feature with an a-posteriori error: frequencies are doubled until the total meets the tolerance.

    Args:
        at: an elementwise activation and a law with a density.
        rtol, atol: the error of the importance-weighted total aimed at is max(atol, rtol * loss).
        progress: called with (evaluations, most, text).
        compressed: False forces the recursion over features at every frequency: slower, an independent check.

    Raises:
        InputError: coupled or isotropic activation, or the binary law.

    Source: docs/expected_loss.md, "Expected loss by characteristic functions".
    """
    with np.errstate(over="ignore", invalid="ignore"):
        result = _adaptive(at, rtol, atol, progress, compressed)
    if not np.isfinite(result.per_feature).all():
        raise InputError(
            f"activation {at.model.activation.name} grows too fast for law {at.model.law} with these weights: "
            "the expected loss overflows or is infinite"
        )
    return result


def _adaptive(at: Setting, rtol: float, atol: float, progress: Progress | None, compressed: bool) -> QuadratureResult:
    sigma, law = scalar_map(at.model.activation), numeric_law(at.model.law)
    base, base_error, ranges, evaluations = _few(at, sigma, law, min(max(1e-2 * rtol, 1e-14), 1e-10))
    units = _units(at, ranges)
    # Features of little importance are computed too: `per_feature` is not weighted.
    weights = np.stack([at.importances, np.maximum(at.importances, at.importances.mean() or 1.0)])
    most = 6 * 10**7 + 10 * at.n_features**2
    open_units, best, stalls, split = units, np.inf, 0, not suits(sigma, law)
    spent = 0
    while True:
        for unit in open_units:
            _refine(at, sigma, law, unit, weights[:, unit.index], compressed)
            spent += unit.evaluations
        loss = float(at.importances @ base + sum(at.importances[unit.index] @ unit.value for unit in units))
        wanted = max(atol, rtol * abs(loss))
        reached = weights[1] @ base_error + sum((unit.total_error[1] for unit in units), 0.0)
        # Rounding does not fall with more frequencies: three doublings that gain little are enough to see it.
        stalls = stalls + 1 if reached > 0.7 * best and np.isfinite(reached) else 0
        best = min(best, reached)
        # Units whose share of the error is spent already need no more frequencies.
        n = at.n_features
        share = 0.5 * wanted / n
        open_units = [u for u in open_units if u.stages < _STAGES or u.total_error[1] > share * len(u.index)]
        if progress is not None:
            progress(spent, most, f"{max((u.count for u in open_units), default=0)} frequencies")
        if reached <= wanted and all(unit.stages >= _STAGES for unit in open_units):
            break
        if not split and max((unit.count for unit in open_units), default=0) > _PATIENCE:
            # Slow convergence: look for entries so small that their events almost coincide.
            split, units, work = True, *_split_units(at, sigma, law, units, open_units, weights, base, base_error)
            spent += work
            open_units = [u for u in units if u.stages < _STAGES or u.total_error[1] > share * len(u.index)]
            best, stalls = np.inf, 0
        too_long = spent + 2 * sum(unit.evaluations for unit in open_units) > most
        if not open_units or not np.isfinite(loss) or too_long or stalls == _STALLS:
            break
    error, total_error = base_error, at.importances @ base_error
    for unit in units:
        base[unit.index] += unit.value
        error[unit.index] += unit.error
        total_error += unit.total_error[0]
    return QuadratureResult(base, error, float(total_error), evaluations + spent, bool(total_error <= wanted))


def _few(at: Setting, sigma: ScalarMap, law: NumericLaw, tolerance: float) -> tuple[Array, Array, Array, int]:
    """Loss with at most one active feature, its error, the interval of each output (empty: no more to do), the work."""
    n = at.n_features
    base, error, ranges, evaluations = np.empty(n), np.empty(n), np.zeros((2, n)), 0
    for index in blocks(np.arange(n), n):
        rows = rows_of(at, index)
        few = few_active(sigma, law, rows, tolerance)
        base[index] = at.densities[index] * law.second + few.value
        error[index] = few.error + 4 * np.finfo(float).eps * np.abs(base[index])
        evaluations += few.evaluations
        # Where no two features can be active at once (p = 0, a single visible feature) there is nothing left to do.
        ranges[:, index] = np.where(_pairs_matter(rows), output_range(law, rows), 0.0)
    return base, error, ranges, evaluations


def _units(at: Setting, ranges: Array) -> list[_Unit]:
    low, high = ranges
    with_range = np.flatnonzero(high > low)
    groups = shared_ranges(low[with_range], high[with_range])
    return [
        _Unit(index, left, right, smallest_count())
        for group, (left, right) in groups
        for index in blocks(with_range[group], at.n_features)
    ]


def blocks(index: np.ndarray, n: int) -> Iterator[np.ndarray]:
    """Rows in groups whose matrices fit in the cache, n entries each."""
    most = max(1, _ROW_BLOCK // n)
    yield from (index[first : first + most] for first in range(0, len(index), most))


def _split_units(
    at: Setting,
    sigma: ScalarMap,
    law: NumericLaw,
    units: list[_Unit],
    candidates: list[_Unit],
    weights: Array,
    base: Array,
    base_error: Array,
) -> tuple[list[_Unit], int]:
    """The units with the rows that have clusters treated cluster by cluster; `base` and its error follow suit."""
    taken: list[tuple[int, Level]] = []
    work, room = 0, _MOST_CLUSTERED
    for unit in candidates:
        rows = rows_of(at, unit.index)
        clusters = clusters_of(rows)
        several = np.flatnonzero([len(some) > 1 for some in clusters])[:room]
        room -= len(several)
        for position in several:
            row = int(unit.index[position])
            here = rows.take(np.array([position]))
            levels, value, error, spent = cluster_levels(sigma, law, here, clusters[position])
            base[row] = at.densities[row] * law.second + value
            base_error[row] = error + 4 * np.finfo(float).eps * abs(base[row])
            work += spent
            taken += [(row, level) for level in levels]
        unit.keep(np.setdiff1d(np.arange(len(unit.index)), several), weights)
    return [unit for unit in units if len(unit.index)] + list(_cluster_units(taken)), work


def _cluster_units(taken: list[tuple[int, Level]]) -> Iterator[_Unit]:
    """Units of first clusters, which share sigma and an interval, and of later ones, which share a width only."""
    first = [(row, level) for row, level in taken if level.functions is None]
    ends = np.array([(level.low, level.high) for _, level in first]).reshape(-1, 2)
    for group, (left, right) in shared_ranges(ends[:, 0], ends[:, 1]):
        index = np.array([first[k][0] for k in group])
        yield _Unit(index, left, right, smallest_count(), stacked([first[k][1].rows for k in group]))
    later = sorted(
        ((row, level, level.functions) for row, level in taken if level.functions is not None),
        key=lambda item: item[1].low - item[1].high,
    )
    while later:
        width = later[0][1].high - later[0][1].low
        # A row may have several clusters; each goes to a unit of its own.
        together, rest, seen = [], [], set()
        for item in later:
            if SIMILAR * (item[1].high - item[1].low) >= width and item[0] not in seen:
                together.append(item)
                seen.add(item[0])
            else:
                rest.append(item)
        later = rest
        rows = stacked([level.rows for _, level, _ in together])
        index, functions = np.array([row for row, _, _ in together]), [own for _, _, own in together]
        lows = np.array([level.low for _, level, _ in together])
        yield _Unit(index, 0.0, width, FEWEST_FREQUENCIES, rows, functions, lows)


def _refine(at: Setting, sigma: ScalarMap, law: NumericLaw, unit: _Unit, weights: Array, compressed: bool) -> None:
    rows = unit.rows or rows_of(at, unit.index)
    if unit.functions is None or unit.lows is None:
        form = fourier_form(sigma, unit.low, unit.high, unit.count)
        outside = _outside(sigma, unit.low, unit.high, at.densities[unit.index])
    else:
        form = stacked_form(unit.functions, unit.lows, unit.high, unit.count)
        each = zip(unit.functions, unit.lows, unit.index, strict=True)
        outside = np.array([_outside(f, low, low + unit.high, at.densities[row]) for f, low, row in each])
    unit.count *= 2
    part = many_active(law, rows, form, weights=weights, compressed=compressed)
    unit.evaluations = part.evaluations
    error, total_error = part.error + outside, np.asarray(part.total_error) + weights @ outside
    if not form.is_complete:
        error, total_error = np.full(len(rows), np.inf), np.full(2, np.inf)
    is_refuted = False
    if unit.stages and np.isfinite(unit.total_error).all():
        # An estimate that the next one refutes says how far this one may be trusted.
        overrun = _overrun(weights @ (part.value - unit.value), unit.total_error)
        is_refuted = bool((overrun > 1).any())
        error, total_error = error * _overrun(part.value - unit.value, unit.error), total_error * overrun
    unit.stages += 1
    if is_refuted or not total_error[1] >= unit.total_error[1]:
        unit.value, unit.error, unit.total_error = part.value, error, total_error


def _overrun(change: Array, stated: Array) -> Array:
    return np.maximum(1.0, np.abs(change) / np.where(stated > 0, stated, np.inf))


def _pairs_matter(rows: Rows) -> np.ndarray:
    """Whether two features that matter to a row can be active at once, shape (R,)."""
    others = (rows.others > 0).sum(axis=1)
    return (others >= 2) | ((others == 1) & (rows.density > 0))


def _outside(functions: Pair, low: float, high: float, density: Array) -> Array:
    """The largest contribution of the tails that `output_range` cuts off."""
    with np.errstate(over="ignore"):
        first, second = np.abs(functions.both(np.array([low, high]))).max(axis=1)
    return TAIL * density * (1 + 2 * first + second)
