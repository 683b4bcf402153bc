"""Rows of W^T W whose entries fall into clusters of very different size: few large ones, many that almost vanish.

A small entry G_ij leaves an atom that is merely smeared, and frequencies up to 1/|G_ij| would have to be resolved. So
features are counted cluster by cluster. With Lambda the largest cluster and y the rest of z_i,

    E f(z_i) = E [f(z_i); two or more of Lambda active] + E f'(y),
    f'(y) = P(none) f(y) + sum_{j in Lambda} P(only j) E f(y + G_ij U),

where the first term is smooth on the scale of Lambda, and f' is again a function of one variable, now needed on the
short range of y only, where a few Chebyshev pieces hold it. The same is then done for y and f', at its own scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from numerics.laws import NumericLaw
from numerics.quadrature.few_active import Rows, at_most_one, split_rule
from numerics.quadrature.ranges import output_range
from numerics.scalar_map import ScalarMap
from numerics.setting import Array

__all__ = ["FEWEST_FREQUENCIES", "SIMILAR", "Level", "PiecewiseMap", "cluster_levels", "clusters_of", "suits"]

# Clusters are a factor of eight apart, and what lies below a gap must hold a tenth of the activity to be worth it.
_GAP, _SHARE = 8.0, 0.1
# With this many frequencies the blend of the continuation needs less than 0.6 of a range. Rows whose ranges differ by
# up to `SIMILAR` share the longest of them, so that functions are needed up to `_MARGIN` of the range on either side.
FEWEST_FREQUENCIES, SIMILAR, _MARGIN = 128, 1.3, 1.2
_POINTS, _MOST_POINTS, _NODES = 16, 64, 16
_INVISIBLE = 1e-11
_EPSILON = float(np.finfo(float).eps)


@dataclass(frozen=True)
class PiecewiseMap:
    """Two functions, in the places of sigma and of its square, by Chebyshev series between their kinks.

    Attributes:
        breaks: ends of the pieces, increasing, shape (B + 1,).
        series: coefficients, shape (2, N, B).
        kinks: the inner breaks.
        defect: how far the series may be off.
        is_singular: False: the pieces are smooth up to their ends.
    """

    breaks: Array
    series: Array
    kinks: tuple[float, ...]
    defect: float
    is_singular: bool = False

    def both(self, z: Array) -> Array:
        """Values of the two functions, shape (2, ...); constant beyond the ends."""
        inside = np.clip(z, self.breaks[0], self.breaks[-1])
        piece = np.searchsorted(self.breaks[1:-1], inside, side="right")
        left, right = self.breaks[piece], self.breaks[piece + 1]
        x = 2 * (inside - left) / (right - left) - 1
        later, last = np.zeros((2, *z.shape)), np.zeros((2, *z.shape))
        for r in range(self.series.shape[1] - 1, 0, -1):
            later, last = 2 * x * later - last + self.series[:, r][:, piece], later
        return x * later - last + self.series[:, 0][:, piece]


@dataclass(frozen=True)
class Level:
    """One cluster of one row: the features counted and the functions whose expectation they carry on.

    Attributes:
        rows: a single row; `visible` holds the cluster, `blurred` the smaller entries.
        low, high: an interval that holds b_i and what the cluster and the smaller entries add.
        functions: None for sigma itself (the first level).
    """

    rows: Rows
    low: float
    high: float
    functions: PiecewiseMap | None


def suits(sigma: ScalarMap, law: NumericLaw) -> bool:
    """Whether f' is smooth between its kinks and the range short: no jumps or steep densities, bounded support."""
    is_smooth = bool(sigma.kinks) and not sigma.is_singular and not sigma.jumps and law.grading == (1, 1)
    return is_smooth and bool(np.isfinite(law.upper))


def clusters_of(rows: Rows) -> list[list[np.ndarray]]:
    """For each row its clusters of features, largest entries first; a single one where there is no gap."""
    found = []
    for gram, visible in zip(np.abs(rows.gram), rows.visible, strict=True):
        shown = np.flatnonzero(visible > 0)
        order = shown[np.argsort(-gram[shown], kind="stable")]
        size, below = gram[order], np.cumsum(visible[order][::-1])[::-1]
        cuts = np.flatnonzero((size[:-1] > _GAP * size[1:]) & (below[1:] > _SHARE * below[:1])) + 1
        found.append(np.split(order, cuts))
    return found


def cluster_levels(
    sigma: ScalarMap, law: NumericLaw, row: Rows, clusters: list[np.ndarray]
) -> tuple[list[Level], float, float, int]:
    """The levels of one row, the part without two active features in any cluster, its error, and the work.

    Args:
        sigma, law: as `suits` allows.
        row: a single row.
        clusters: its features, largest entries first.
    """
    functions: ScalarMap | PiecewiseMap = sigma
    levels, error, work, own = [], 0.0, 0, int(row.own[0])
    left = row.visible.copy()
    density = row.density
    for position, cluster in enumerate(clusters):
        counted = np.zeros_like(left)
        counted[0, cluster] = left[0, cluster]
        blurred = left - counted
        here = Rows(row.gram, row.bias, row.own, counted, density, blurred)
        low, high = _range(law, row, left, density)
        if np.count_nonzero(counted) >= 2:
            levels.append(Level(here, low, high, functions if isinstance(functions, PiecewiseMap) else None))
        step = _Step(functions, law, row.gram[0, cluster], left[0, cluster], cluster == own, float(density[0]))
        if own in cluster:
            density = np.zeros_like(density)
        left = blurred
        if position + 1 == len(clusters):
            value = float(step(row.bias)[1, 0])
            work += step.work
            return levels, value, error + step.defect(row.bias) + _rounding(value, row), work
        bottom, top = _range(law, row, left, density)
        if top - bottom <= _INVISIBLE * max(abs(bottom), abs(top)):
            # What is left moves z_i by less than its last digits: f' is constant there.
            values = step(np.array([float(row.bias[0]), bottom, top]))
            total = values[1] - 2 * float(density[0]) * law.mean * values[0]
            work += step.work
            spread = float(np.abs(total - total[0]).max())
            return levels, float(total[0]), error + spread + step.defect(row.bias) + _rounding(total[0], row), work
        margin = _MARGIN * (top - bottom)
        functions = _interpolated(step, bottom - margin, top + margin)
        error += functions.defect
        work += step.work
    raise AssertionError("clusters is empty")


def _rounding(value: float, row: Rows) -> float:
    return 32 * _EPSILON * (abs(value) + float(row.density[0]))


def _range(law: NumericLaw, row: Rows, left: Array, density: Array) -> tuple[float, float]:
    # The tail stays relative to the density of the feature whose loss this is.
    low, high = output_range(law, Rows(row.gram, row.bias, row.own, left, np.maximum(density, row.density)))
    return float(low[0]), float(high[0])


class _Step:
    """f' from f: at most one feature of a cluster active."""

    def __init__(
        self,
        functions: ScalarMap | PiecewiseMap,
        law: NumericLaw,
        entries: Array,
        chances: Array,
        is_own: np.ndarray,
        density: float,
    ):
        self.functions, self.law, self.entries = functions, law, entries
        none, one = at_most_one(chances[None])
        self.none, self.one = float(none[0]), one[0]
        self.own = int(np.flatnonzero(is_own)[0]) if is_own.any() else None
        others = np.where(is_own, 0.0, chances)
        self.alone = density * float(at_most_one(others[None])[0][0])
        is_exact = isinstance(functions, ScalarMap) and functions.degree is not None and law.is_flat
        self.count = (functions.degree or 0) + 1 if is_exact and isinstance(functions, ScalarMap) else _NODES
        self.is_exact = is_exact
        self.work = 0

    def __call__(self, y: Array, count: int | None = None) -> Array:
        """The next pair of functions at points y, shape (2, Q)."""
        grid = np.broadcast_to(self.entries, (len(y), len(self.entries)))
        u, weights = split_rule(self.functions, self.law, y, grid, count or self.count)
        values = self.functions.both(y[:, None, None] + grid[:, :, None] * u)
        self.work += values.size
        result = self.none * self.functions.both(y) + np.einsum("rjq,krjq,j->kr", weights, values, self.one)
        if self.own is not None:
            j = self.own
            result[1] -= 2 * self.alone * np.einsum("rq,rq,rq->r", weights[:, j], u[:, j], values[0, :, j])
            result[0] = 0.0
        return result

    def defect(self, y: Array) -> float:
        """What the rule misses, by one finer rule at a few points."""
        if self.is_exact:
            return 0.0
        some = y[:: max(1, len(y) // 6)]
        return float(np.abs(self(some, 2 * self.count) - self(some)).max())

    def kinks(self, low: float, high: float) -> Iterator[float]:
        """Where f' may have kinks strictly between low and high."""
        ends = [0.0]
        if np.isfinite(self.law.upper):
            ends += [sign * self.law.upper for sign in self.law.signs]
        for kink in self.functions.kinks:
            for end in ends:
                places = kink - end * self.entries if end else np.array([kink])
                yield from places[(places > low) & (places < high)]


def _interpolated(step: _Step, low: float, high: float) -> PiecewiseMap:
    found = np.unique(np.array([low, *step.kinks(low, high), high]))
    # Breaks that rounding alone tells apart are one.
    keep = np.concatenate([[True], np.diff(found) > 1e-12 * (high - low) + 4 * _EPSILON * np.abs(found[1:])])
    breaks = found[keep]
    breaks[-1] = high
    points = _POINTS
    while True:
        x = np.cos(np.pi * (np.arange(points) + 0.5) / points)
        y = np.concatenate([(a + b) / 2 + (b - a) / 2 * x for a, b in pairwise(breaks)])
        values = step(y).reshape(2, len(breaks) - 1, points)
        degrees = np.arange(points)
        transform = 2 / points * np.cos(np.outer(degrees, np.pi * (np.arange(points) + 0.5) / points))
        transform[0] /= 2
        series = np.einsum("rp,kbp->krb", transform, values)
        size = np.abs(values).max()
        tail = np.abs(series[:, -2:]).max()
        if tail <= 1e-14 * size or points >= _MOST_POINTS:
            break
        points *= 2
    defect = 4 * tail + step.defect(y) + 32 * _EPSILON * size
    return PiecewiseMap(breaks, series, tuple(float(v) for v in breaks[1:-1]), float(defect))
