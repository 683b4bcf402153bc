"""Where a black box is looked at: points of many sizes, in general position."""

from __future__ import annotations

import numpy as np

__all__ = ["NEAR", "WIDE", "points", "segments"]

NEAR, WIDE = (1e-2, 1e2), (1e-3, 1e3)
"""Sizes of the points: the first look, and the wider one of the checks."""


def points(n: int, count: int, rng: np.random.Generator, scales: tuple[float, float] = NEAR) -> np.ndarray:
    """Points of R^n, shape (count, n), with sizes log-uniform in `scales`.

    A third each: Gaussian directions of one size; entries of independent sizes; a common shift plus a Gaussian, which
    reaches the regions where all entries have one sign or are nearly equal.
    """
    low, high = np.log(scales)
    size = np.exp(rng.uniform(low, high, (count, 1)))
    found = size * rng.standard_normal((count, n))
    mixed = np.exp(rng.uniform(low, high, (count, n))) * rng.choice([-1.0, 1.0], (count, n))
    shift = np.exp(rng.uniform(low, high, (count, 1))) * rng.choice([-1.0, 1.0], (count, 1))
    kind = np.arange(count) % 3
    found[kind == 1] = mixed[kind == 1]
    found[kind == 2] = found[kind == 2] + shift[kind == 2]
    return found


def segments(n: int, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ends of segments of many lengths, in general position, shapes (count, n)."""
    size = np.exp(rng.uniform(np.log(0.3), np.log(30.0), (count, 1)))
    return size * rng.standard_normal((count, n)), size * rng.standard_normal((count, n))
