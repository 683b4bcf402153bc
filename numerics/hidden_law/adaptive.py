"""The expected loss of coupled outputs by quadrature in the hidden space, refined until lattices agree.

x_hat = sigma(W^T h + b) depends on h = W x alone, and h lives in few dimensions. With no or one active feature h is on
lines, where ordinary rules integrate. With two or more, the characteristic function of h is a product over features,
and a smooth function of h is a short Fourier series on the box that holds h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from numerics.compile import compile_activation
from numerics.hidden_law.characteristic import several_active, several_active_squares
from numerics.hidden_law.grid import hidden_grid
from numerics.hidden_law.one_active import at_most_one_active
from numerics.laws import NumericLaw, numeric_law
from numerics.quadrature.few_active import Rows
from numerics.quadrature.ranges import TAIL, output_range
from numerics.setting import Array, Progress, Setting
from theory import InputError

__all__ = ["LARGEST_RANK", "HiddenResult", "hidden_loss", "hidden_rank", "remainder", "settled_error"]

LARGEST_RANK = 3
# Lattices grow by about sqrt(2) per axis: often enough to show the rate at which the values settle.
_POINTS = (48, 64, 96, 136)
_MOST_WORK, _MOST_STORED = 4 * 10**7, 3 * 10**7
_BLOCK = 2**17
_SAFETY = 3.0
_EPSILON = float(np.finfo(float).eps)


@dataclass(frozen=True)
class HiddenResult:
    """Loss per feature, its error, that of the weighted total, the work done, and whether the tolerance was met.

    `points` is the number of lattice points along each of the `rank` directions; 0 where two features are never active
    at once.
    """

    per_feature: Array
    error: Array
    total_error: float
    evaluations: int
    rank: int
    points: int
    converged: bool


def hidden_rank(W: Array) -> int:
    """The number of directions in which h = W x varies beyond rounding, at least 1."""
    return _directions(W).shape[1]


def hidden_loss(at: Setting, rtol: float, atol: float = 0.0, progress: Progress | None = None) -> HiddenResult:
    """Loss per feature with an a-posteriori error, for any activation, coupled or not.

    Args:
        at: weights of rank at most 3 and a law with a density.
        rtol, atol: the error of the importance-weighted total aimed at is max(atol, rtol * loss).
        progress: called with (evaluations, most, text).

    Raises:
        InputError: W of rank above 3, too many features for that rank, the binary law, or an activation that
            overflows.

    Source: docs/expected_loss.md, "Coupled outputs through the hidden vector".
    """
    rank = hidden_rank(at.W)
    if rank > LARGEST_RANK:
        raise InputError(
            f"method='hidden_quadrature' integrates over at most {LARGEST_RANK} hidden dimensions, and W has rank "
            f"{rank}; use method='monte_carlo'"
        )
    if at.n_features * _POINTS[2] ** rank > _MOST_STORED:
        raise InputError(
            f"n_features={at.n_features}: in {rank} hidden dimensions 'hidden_quadrature' has memory for at most "
            f"{_MOST_STORED // _POINTS[2] ** rank} features; use method='monte_carlo'"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        result = _adaptive(at, rtol, atol, rank, progress)
    if not np.isfinite(result.per_feature).all():
        raise InputError(
            f"activation {at.model.activation.name} grows too fast for law {at.model.law} with these weights: "
            "the expected loss overflows or is infinite"
        )
    return result


def _adaptive(at: Setting, rtol: float, atol: float, rank: int, progress: Progress | None) -> HiddenResult:
    law, outputs = numeric_law(at.model.law), compile_activation(at.model.activation)
    tolerance = min(max(1e-2 * rtol, 1e-14), 1e-10)
    base, base_error, spent = at_most_one_active(outputs, law, at.gram, at.bias, at.densities, tolerance)
    wanted = max(atol, rtol * abs(float(at.importances @ base)))
    if np.count_nonzero(at.densities) < 2:
        total_error = float(at.importances @ base_error)
        return HiddenResult(base, base_error, total_error, spent, rank, 0, total_error <= wanted)
    values: list[Array] = []
    points, error, total_error = _POINTS[0], base_error, np.inf
    while True:
        value, floor, work = remainder(at, law, outputs, points)
        values.append(value)
        spent += work
        steady = base_error + floor
        error = settled_error(values) + steady
        rows = at.importances * error
        total = settled_error([at.importances @ v for v in values]) + at.importances @ steady
        # Errors of the rows may cancel in the sum by chance; joined in squares they forbid to count on it.
        total_error = float(np.hypot(total, np.sqrt((rows**2).sum())))
        wanted = max(atol, rtol * abs(float(at.importances @ (base + value))))
        if progress is not None:
            progress(spent, _MOST_WORK, f"{points} points per direction")
        # Rounding does not fall with more points.
        at_rounding = total_error <= 4 * float(at.importances @ steady)
        following = _POINTS[len(values)] if len(values) < len(_POINTS) else _even(points * 2**0.5)
        too_long = spent + work * (following / points) ** rank > _MOST_WORK and len(values) >= 3
        if total_error <= wanted or at_rounding or too_long or not np.isfinite(value).all():
            return HiddenResult(base + value, error, total_error, spent, rank, points, total_error <= wanted)
        points = following


def settled_error(values: list[Array]) -> Array:
    """How far the last of a sequence of values may be from its limit.

    Kinks make the changes fall by a power of the number of points, and irregularly: an accidentally small change is
    not believed unless the ones before it were small, or fell ever faster, as they do for smooth outputs.
    """
    if len(values) < 3:
        return np.full(np.shape(values[-1]), np.inf)
    changes = [np.abs(after - before) for before, after in pairwise(values[-4:])]
    last, before = changes[-1], changes[-2]
    if len(changes) == 2:
        return _SAFETY * np.maximum(last, before / 3)
    earlier = changes[0]
    fall = np.clip(before / np.where(earlier > 0, earlier, np.inf), 0.0, 1 / 3)
    return _SAFETY * np.maximum(last, np.maximum(before * fall, earlier * fall**2))


def remainder(at: Setting, law: NumericLaw, outputs: Callable[[Array], Array], points: int) -> tuple[Array, Array, int]:
    """E (x_i - sigma_i)**2 over inputs with two or more active features, by one lattice.

    Args:
        at: the weights.
        law: of an active feature's value.
        outputs: sigma, acting on arrays of shape (..., n).
        points: N along each direction.

    Returns:
        The values, what rounding and the tails of the law may add to them (both of shape (n,)), and the work.
    """
    columns = _directions(at.W).T @ at.W
    low, high = _box(law, columns, at.densities)
    grid = hidden_grid(low, high, points)
    found = several_active(law, columns, at.densities, grid.frequencies)
    plain, weighted = grid.density(found.plain), grid.density(found.weighted)
    squares, cross, size = np.zeros(at.n_features), np.zeros(at.n_features), np.zeros(at.n_features)
    step = max(1, _BLOCK // at.n_features)
    largest = 0.0
    for first in range(0, grid.size, step):
        index, weight, h = grid.part(first, min(first + step, grid.size))
        sigma = outputs(h @ columns + at.bias)
        share, pull = plain[index] * weight, weighted[:, index] * weight
        both = sigma * sigma
        squares += share @ both
        cross += np.einsum("iq,qi->i", pull, sigma)
        size += np.abs(share) @ both + 2 * np.einsum("iq,qi->i", np.abs(pull), np.abs(sigma))
        largest = max(largest, float(np.abs(sigma).max()))
    own = several_active_squares(law, at.densities)
    outside = TAIL * at.densities.max() * (1 + largest) ** 2
    return own + squares - 2 * cross, 4 * _EPSILON * (size + own) + outside, grid.size * at.n_features


def _directions(W: Array) -> Array:
    """Orthonormal directions in which W x varies, as columns; always at least one."""
    left, size, _ = np.linalg.svd(W, full_matrices=False)
    keep = size > max(W.shape) * _EPSILON * size[0]
    keep[0] = True
    return left[:, keep]


def _box(law: NumericLaw, columns: Array, densities: Array) -> tuple[Array, Array]:
    """The interval of h along each direction, up to a negligible probability."""
    d = len(columns)
    visible = np.where(columns == 0, 0.0, densities)
    first = np.zeros(d, dtype=np.intp)
    return output_range(law, Rows(columns, np.zeros(d), first, visible, np.full(d, densities.max())))


def _even(points: float) -> int:
    from scipy.fft import next_fast_len

    return 2 * next_fast_len(int(np.ceil(points / 2)), real=True)
