"""Numbers that say how strongly a cloud favours a frame; each is a mean over rows, and 0 for an isotropic cloud.

With u a unit row and c_i = <u, b_i> its cosines with the k directions of the frame:

    T4       (d/k sum c_i^4 - 3/(d+2)) / (1 - 3/(d+2))     axes (positive, at most 1) or corners (down to -2/d)
    T3       d/k sum c_i^3                                 the rays +b_i against -b_i
    T2       (d <u, s>^2 - 1)/(d-1)                        the line of the sum s of the directions: all ones
    T1       <u, s>                                        one ray of that line
    nearest  mean of max |c_i| over its isotropic mean     the nearest axis
    cone     share of rows with max |c_i| >= epsilon       rows close to an axis

T4 is the fourth harmonic of the privileged planes as well: for an orthonormal frame the sum over planes of
r^4 cos(4 phi) is (d-1) T4. And every orbit of B_n gives the same test at degree four: docs/quantisation.md, Q2 and Q3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from theory.arguments import InputError, one_of
from verify.quantisation.clouds import as_cloud, as_frame, frame_sum
from verify.quantisation.nulls import mean_largest_cosine, spotlight_null

__all__ = ["STATISTICS", "bootstrap_interval", "quantisation_statistics", "row_values", "seed_interval"]

STATISTICS = ("T4", "T2", "T3", "T1", "nearest", "cone")
"""Names of the statistics."""
_CONE = 0.9


def row_values(name: str, C: np.ndarray, total: float, dimension: int) -> np.ndarray:
    """One value per row, whose mean is the statistic.

    Args:
        name: one of `STATISTICS`.
        C: cosines with the directions, shape (..., N, k).
        total: the length of the sum of the directions; 0 where it is the zero vector.
        dimension: d.

    Returns:
        Shape (..., N).
    """
    d, k = dimension, C.shape[-1]
    if name == "T4":
        haar = 3 / (d + 2)
        squares = C * C
        return (np.einsum("...k,...k->...", squares, squares) * (d / k) - haar) / (1 - haar)
    if name == "T3":
        return np.einsum("...k,...k->...", C * C, C) * (d / k)
    if name in ("T2", "T1"):
        along = C.sum(axis=-1) / total
        return along if name == "T1" else (d * along * along - 1) / (d - 1)
    largest = np.abs(C).max(axis=-1)
    if name == "nearest":
        return largest - mean_largest_cosine(d)
    return (largest >= _CONE) - 2 * k * spotlight_null(d, _CONE)


def checked(names: Sequence[str], frame: np.ndarray) -> tuple[str, ...]:
    """The names, each known and defined for the frame.

    Raises:
        InputError: an unknown name, none at all, or one that needs a sum of directions that is zero.
    """
    found = tuple(one_of("statistics", name, STATISTICS) for name in names)
    if not found:
        raise InputError(f"statistics is empty; choose from {', '.join(STATISTICS)}")
    if frame_sum(frame) is None and {"T1", "T2"} & set(found):
        raise InputError("T1 and T2 need the sum of the directions, which is zero for this frame; ask for T4 or T3")
    return found


def quantisation_statistics(
    X: Any, frame: Any = None, statistics: Sequence[str] = ("T4", "T2"), bootstrap: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float, float]]:
    """Each statistic of the cloud in the frame with its 95 % interval over rows (bootstrap): (value, low, high).

    Args:
        X: activations of shape (N, d); zero rows are left out.
        frame: privileged directions, one per row; None for the standard basis.
        statistics: names from `STATISTICS`.
        bootstrap: resamples of the rows; they must be independent for the interval to hold.
        seed: of the resampling.

    Raises:
        InputError: unknown names, or a frame whose sum is zero for T1 and T2.
    """
    cloud = as_cloud(X)
    directions = as_frame(frame, cloud.dimension)
    names = checked(statistics, directions)
    C, total = cloud.unit @ directions.T, float(np.linalg.norm(directions.sum(axis=0)))
    values = np.stack([row_values(name, C, total, cloud.dimension) for name in names], axis=1)
    low, high = bootstrap_interval(values, bootstrap, seed)
    return {
        name: (float(value), float(a), float(b))
        for name, value, a, b in zip(names, values.mean(axis=0), low, high, strict=True)
    }


def bootstrap_interval(values: np.ndarray, resamples: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """95 % percentile interval of the mean over rows, shape (statistics,) each.

    Args:
        values: shape (N, statistics).
        resamples: how many, at least 1.
        seed: of the resampling.

    Raises:
        InputError: resamples < 1.
    """
    if resamples < 1:
        raise InputError(f"bootstrap={resamples} must be at least 1")
    rng = np.random.default_rng(seed)
    means = np.stack([values[rng.integers(len(values), size=len(values))].mean(axis=0) for _ in range(resamples)])
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return low, high


def seed_interval(values: Any, level: float = 0.95) -> tuple[float, float, float]:
    """Mean over seeds and its interval by Student's t: (mean, low, high); infinite for a single seed.

    Raises:
        InputError: no values.
    """
    from scipy.stats import t

    sample = np.asarray(values, dtype=float)
    if sample.ndim != 1 or not len(sample):
        raise InputError("values is empty; give one number per seed")
    mean = float(sample.mean())
    if len(sample) == 1:
        return mean, -np.inf, np.inf
    half = float(t.isf((1 - level) / 2, len(sample) - 1)) * float(sample.std(ddof=1)) / len(sample) ** 0.5
    return mean, mean - half, mean + half
