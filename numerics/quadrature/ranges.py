"""Where the outputs can be: intervals that hold z_i up to a negligible probability, and rows that share one."""

from __future__ import annotations

import numpy as np

from numerics.laws import NumericLaw
from numerics.quadrature.few_active import Rows
from numerics.setting import Array

__all__ = ["TAIL", "output_range", "range_groups", "shared_ranges"]

TAIL = 1e-18
_FEW_FEATURES = 12
_MANY_FEATURES = 256


def output_range(law: NumericLaw, rows: Rows, tail: float = TAIL, many: int = _MANY_FEATURES) -> tuple[Array, Array]:
    """Intervals [low, high] that hold z_i up to a probability of `tail` times its own density, each of shape (R,).

    The support, intersected (for many features) with Chernoff's bound P(z > y) <= E e^(s(z - y)) at the best of a grid
    of slopes s; for very many features with Bennett's, which needs sums of G_ij and G_ij**2 only: for more than `many`.
    """
    reaches = [_support_end(law, rows, direction) for direction in (-1.0, 1.0)]
    if rows.gram.shape[1] > _FEW_FEATURES or not np.isfinite(law.upper):
        end = _chernoff_end if rows.gram.shape[1] <= many else _bennett_end
        tails = [end(law, rows, direction, tail) for direction in (-1.0, 1.0)]
        reaches = [np.minimum(reach, tail) for reach, tail in zip(reaches, tails, strict=True)]
    return rows.bias - reaches[0], rows.bias + reaches[1]


def _support_end(law: NumericLaw, rows: Rows, direction: float) -> Array:
    if not np.isfinite(law.upper):
        return np.full(len(rows), np.inf)
    reach = direction * rows.gram * law.upper
    reach = np.abs(reach) if law.is_two_sided else np.maximum(reach, 0.0)
    return np.where(rows.visible > 0, reach, 0.0).sum(axis=1)


# Slopes in units of 1/|G|: up to the pole of the exponential law, and far beyond for bounded ones.
_SLOPES = np.concatenate([np.geomspace(1e-3, 0.9, 24), 1 - np.geomspace(0.08, 1e-3, 8), np.geomspace(1.1, 300, 24)])


def _log_tail(rows: Rows, tail: float) -> Array:
    # The own feature counts even where its column of W is 0, so that the tail is relative to what matters.
    return np.log(tail * np.maximum(rows.density, 1e-290))


def _chernoff_end(law: NumericLaw, rows: Rows, direction: float, tail: float) -> Array:
    log_tail = _log_tail(rows, tail)
    scale = np.abs(rows.gram).max(axis=1)
    scale = np.where(scale > 0, scale, 1.0)
    least = np.full(len(rows), np.inf)
    for slope in _SLOPES:
        s = slope / scale
        with np.errstate(over="ignore", invalid="ignore"):
            excess = law.mgf(direction * s[:, None] * rows.gram) - 1
            bound = (np.log1p(rows.visible * excess).sum(axis=1) - log_tail) / s
        least = np.minimum(least, np.where(np.isnan(bound), np.inf, bound))
    return least


def _bennett_end(law: NumericLaw, rows: Rows, direction: float, tail: float) -> Array:
    """The own feature exactly; log E e^(s g x) of the others from their mean and their second moment or variance.

    With k(y) = (E e^(yU) - 1 - mu_1 y)/y**2, which increases on y > 0: log E e^(s g x) <= p (mu_1 s g + k s**2 g**2).
    For |U| <= u also Bennett's <= p mu_1 s g + v (e^y - 1 - y)/u**2 with y = s max|g| u and v the variance of g x.
    """
    others = rows.others
    mean = direction * law.mean * (others * rows.gram).sum(axis=1)
    squares = (others * rows.gram**2).sum(axis=1)
    variances = ((others * law.second - (others * law.mean) ** 2) * rows.gram**2).sum(axis=1)
    largest = np.where(others > 0, np.abs(rows.gram), 0.0).max(axis=1)
    own_visible = rows.visible[np.arange(len(rows)), rows.own]
    scale = np.maximum(largest, np.abs(rows.own_gram))
    scale = np.where(scale > 0, scale, 1.0)
    log_tail = _log_tail(rows, tail)
    least = np.full(len(rows), np.inf)
    for slope in _SLOPES:
        s = slope / scale
        y = np.maximum(s * largest, 1e-6)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            own = np.log1p(own_visible * (law.mgf(direction * s * rows.own_gram) - 1))
            spread = np.maximum(law.mgf(y) - 1 - law.mean * y, law.second * y**2 / 2) / y**2 * squares
            if np.isfinite(law.upper):
                reach = y * law.upper
                bounded = np.maximum(np.expm1(reach) - reach, reach**2 / 2) / reach**2 * variances
                spread = np.fmin(spread, bounded)
            bound = (own + s * mean + s**2 * spread - log_tail) / s
        least = np.minimum(least, np.where(np.isnan(bound), np.inf, bound))
    return least


def range_groups(law: NumericLaw, rows: Rows, tail: float = TAIL) -> list[tuple[np.ndarray, tuple[float, float]]]:
    """Rows that can share one Fourier series: their common interval is at most 4 times the shortest of theirs."""
    return shared_ranges(*output_range(law, rows, tail))


def shared_ranges(low: Array, high: Array) -> list[tuple[np.ndarray, tuple[float, float]]]:
    """Intervals gathered so that the union of each group is at most 4 times the shortest interval in it."""
    groups: list[tuple[list[int], float, float, float]] = []
    for row in np.argsort(low - high, kind="stable"):
        width = high[row] - low[row]
        for position, (members, left, right, narrowest) in enumerate(groups):
            union = (min(left, low[row]), max(right, high[row]))
            if union[1] - union[0] <= 4 * min(narrowest, width):
                groups[position] = ([*members, int(row)], *union, min(narrowest, width))
                break
        else:
            groups.append(([int(row)], low[row], high[row], width))
    return [(np.array(members), (left, right)) for members, left, right, _ in groups]
