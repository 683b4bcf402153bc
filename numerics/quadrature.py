"""The expected loss of any elementwise activation, by splitting off the atoms and integrating in frequency space.

z_i = b_i + sum_j G_ij x_j has atoms and kinks of its law where few features are active. With none or one active, the
expectation is an ordinary integral in one variable; with two or more, the law of z_i is smooth, its characteristic
function is a product, and sigma is a short trigonometric series on the range of z_i.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.continuation import fourier_form, smallest_count
from numerics.few_active import Rows, few_active, make_rows
from numerics.laws import NumericLaw, numeric_law
from numerics.many_active import many_active
from numerics.scalar_map import ScalarMap, scalar_map
from numerics.setting import Array, Progress, Setting
from theory import InputError

__all__ = ["QuadratureResult", "output_range", "quadrature_loss", "range_groups"]

MOST_EVALUATIONS = 6 * 10**7
_TAIL = 1e-18
_STALLS = 3
_FEW_FEATURES = 12


@dataclass(frozen=True)
class QuadratureResult:
    """Loss per feature, its error per feature, the work done, and whether the tolerance was met."""

    per_feature: Array
    error: Array
    evaluations: int
    converged: bool


def quadrature_loss(at: Setting, rtol: float, atol: float = 0.0, progress: Progress | None = None) -> QuadratureResult:
    """Loss per feature with an a-posteriori error: frequencies are doubled until the total meets the tolerance.

    Args:
        at: an elementwise activation and a law with a density.
        rtol, atol: the importance-weighted error aimed at is max(atol, rtol * loss).
        progress: called with (evaluations, most, text).

    Raises:
        InputError: coupled or isotropic activation, or the binary law.

    Source: docs/theory.md, "Expected loss by characteristic functions".
    """
    with np.errstate(over="ignore", invalid="ignore"):
        result = _adaptive(at, rtol, atol, progress)
    if not np.isfinite(result.per_feature).all():
        raise InputError(
            f"activation {at.model.activation.name} grows too fast for law {at.model.law} with these weights: "
            "the expected loss overflows or is infinite"
        )
    return result


def _adaptive(at: Setting, rtol: float, atol: float, progress: Progress | None) -> QuadratureResult:
    sigma, law = scalar_map(at.model.activation), numeric_law(at.model.law)
    rows = make_rows(at.gram[None], at.bias[None], at.densities)
    few = few_active(sigma, law, rows, min(1e-2 * max(rtol, 1e-14), 1e-6))
    base = at.densities * law.second + few.value
    error = few.error + 4 * np.finfo(float).eps * np.abs(base)
    evaluations = few.evaluations
    many = np.zeros(len(rows))
    # Where no two features can be active at once (p = 0, a single visible feature) there is nothing left to do.
    open_rows = np.flatnonzero(_pairs_matter(rows))
    count, many_error = smallest_count(), np.zeros(len(rows))
    many_error[open_rows] = np.inf
    best, stalls = np.inf, 0
    # Features of little importance are computed too: `per_feature` is not weighted.
    weights = np.maximum(at.importances, at.importances.mean() or 1.0)
    while len(open_rows):
        for group, (low, high) in range_groups(law, rows.take(open_rows)):
            part = many_active(law, rows.take(open_rows[group]), fourier_form(sigma, low, high, count))
            touched = open_rows[group]
            new_error = part.error + _outside(sigma, low, high, rows.density[touched])
            better = ~(new_error >= many_error[touched])
            many[touched[better]], many_error[touched[better]] = part.value[better], new_error[better]
            evaluations += part.evaluations
        total = float(at.importances @ (base + many))
        wanted = max(atol, rtol * abs(total))
        reached = float(weights @ (error + many_error))
        # Rounding does not fall with more frequencies: three doublings that gain little are enough to see it.
        stalls = stalls + 1 if reached > 0.7 * best else 0
        best = min(best, reached)
        # Rows whose share of the error is spent already need no more frequencies.
        open_rows = np.flatnonzero((weights * many_error > 0.5 * wanted / len(rows)) & (many_error > 0))
        count *= 2
        if progress is not None:
            progress(evaluations, MOST_EVALUATIONS, f"{count} frequencies")
        too_long = evaluations + len(open_rows) * at.n_features * count > MOST_EVALUATIONS
        if reached <= wanted or not np.isfinite(total) or too_long or stalls == _STALLS:
            break
    loss = float(at.importances @ (base + many))
    converged = bool(at.importances @ (error + many_error) <= max(atol, rtol * abs(loss)))
    return QuadratureResult(base + many, error + many_error, evaluations, converged)


def _pairs_matter(rows: Rows) -> np.ndarray:
    """Whether two features that matter to a row can be active at once, shape (R,)."""
    others = (rows.others > 0).sum(axis=1)
    return (others >= 2) | ((others == 1) & (rows.density > 0))


def _outside(sigma: ScalarMap, low: float, high: float, density: Array) -> Array:
    """The largest contribution of the tails that `output_range` cuts off."""
    with np.errstate(over="ignore"):
        edge = np.abs(sigma.value(np.array([low, high]))).max()
    return _TAIL * density * (1 + edge) ** 2


def output_range(law: NumericLaw, rows: Rows, tail: float = _TAIL) -> tuple[Array, Array]:
    """Intervals [low, high] that hold z_i up to a probability of `tail` times its own density, each of shape (R,).

    The support, intersected (for many features) with Chernoff's bound P(z > y) <= E e^(s(z - y)) at the best of a grid
    of slopes s.
    """
    reaches = [_support_end(law, rows, direction) for direction in (-1.0, 1.0)]
    if rows.gram.shape[1] > _FEW_FEATURES or not np.isfinite(law.upper):
        tails = [_chernoff_end(law, rows, direction, tail) for direction in (-1.0, 1.0)]
        reaches = [np.minimum(reach, tail) for reach, tail in zip(reaches, tails, strict=True)]
    return rows.bias - reaches[0], rows.bias + reaches[1]


def _support_end(law: NumericLaw, rows: Rows, direction: float) -> Array:
    if not np.isfinite(law.upper):
        return np.full(len(rows), np.inf)
    reach = direction * rows.gram * law.upper
    reach = np.abs(reach) if law.is_two_sided else np.maximum(reach, 0.0)
    return np.where(rows.visible > 0, reach, 0.0).sum(axis=1)


def _chernoff_end(law: NumericLaw, rows: Rows, direction: float, tail: float) -> Array:
    # The own feature counts even where its column of W is 0, so that the tail is relative to what matters.
    log_tail = np.log(tail * np.maximum(rows.density, 1e-290))
    scale = np.abs(rows.gram).max(axis=1)
    scale = np.where(scale > 0, scale, 1.0)
    # Slopes in units of 1/|G|: up to the pole of the exponential law, and far beyond for bounded ones.
    slopes = np.concatenate([np.geomspace(1e-3, 0.9, 24), 1 - np.geomspace(0.08, 1e-3, 8), np.geomspace(1.1, 300, 24)])
    least = np.full(len(rows), np.inf)
    for slope in slopes:
        s = slope / scale
        with np.errstate(over="ignore", invalid="ignore"):
            excess = law.mgf(direction * s[:, None] * rows.gram) - 1
            bound = (np.log1p(rows.visible * excess).sum(axis=1) - log_tail) / s
        least = np.minimum(least, np.where(np.isnan(bound), np.inf, bound))
    return least


def range_groups(law: NumericLaw, rows: Rows, tail: float = _TAIL) -> list[tuple[np.ndarray, tuple[float, float]]]:
    """Rows that can share one Fourier series: their common interval is at most 4 times the shortest of theirs."""
    low, high = output_range(law, rows, tail)
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
