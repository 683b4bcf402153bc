"""Does f commute with one matrix, and does it jump? Tests on values alone, blind to nothing that derivatives miss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.symmetry.maps import BlackBox
from numerics.symmetry.sampling import NEAR, points, segments

__all__ = ["FiniteTest", "find_jump", "finite_test"]

EXACT, INEXACT = 1e3, 1e-7
"""Tolerances: roundings for a matrix with exact entries, a relative error for one that was itself computed."""
_DEPTH, _PIECES = 10, 16


@dataclass(frozen=True)
class FiniteTest:
    """f at fixed points, to be compared with f at their images.

    Attributes:
        box: f.
        X: points, shape (N, n).
        F: values there, shape (N, p).
        is_pair: whether any B with f(Ax) = B f(x) will do, instead of A itself.
        slope: a typical size of the derivative.
    """

    box: BlackBox
    X: np.ndarray
    F: np.ndarray
    is_pair: bool
    slope: float

    def commutes(self, A: np.ndarray, is_exact: bool = True) -> bool:
        """Whether f(Ax) = A f(x) (for pairs: = B f(x) for some B) at every point, to rounding."""
        with np.errstate(all="ignore"):
            left = self.box.values(self.X @ A.T)
            B = self._image(left) if self.is_pair else A
            if B is None:
                return False
            gap = np.abs(left - self.F @ B.T).max(axis=1)
            allowed = self._allowed(A, B, left, is_exact)
            usable = np.isfinite(left).all(1) & np.isfinite(gap) & np.isfinite(allowed)
        return bool(usable.sum() >= len(self.X) / 2 and (gap <= allowed)[usable].all())

    def image(self, A: np.ndarray) -> np.ndarray | None:
        """B with f(Ax) = B f(x), by least squares, shape (p, p); the shortest one where it is not unique."""
        with np.errstate(all="ignore"):
            return self._image(self.box.values(self.X @ A.T))

    def _image(self, left: np.ndarray) -> np.ndarray | None:
        usable = np.isfinite(left).all(1)
        if usable.sum() < len(self.X) / 2:
            return None
        size = np.linalg.norm(self.F[usable], axis=1)
        weight = 1 / np.where(size > 0, size, 1.0)[:, None]
        return np.linalg.lstsq(self.F[usable] * weight, left[usable] * weight, rcond=1e-10)[0].T

    def _allowed(self, A: np.ndarray, B: np.ndarray, left: np.ndarray, is_exact: bool) -> np.ndarray:
        relative = EXACT * self.box.unit if is_exact else max(INEXACT, EXACT * self.box.unit)
        if self.is_pair:
            relative = max(relative, 1e-9)
        moved = self.X @ A.T
        size_x = np.abs(A).sum(1).max() * np.abs(self.X).max(1)
        # Rounding of Ax reaches the output through the slope of f there, measured by a step of that size.
        step = relative * size_x[:, None]
        reach = sum(np.abs(self.box.values(moved + side * step) - left).max(1) for side in (1, -1))
        size_f = np.abs(B).sum(1).max() * np.abs(self.F).max(1) + np.abs(left).max(1)
        return relative * (size_f + self.slope * size_x) + 4 * reach


def finite_test(box: BlackBox, rng: np.random.Generator, is_pair: bool = False, count: int = 96) -> FiniteTest:
    """f at `count` fresh points where it is finite."""
    count = max(count, 3 * max(box.n, box.p)) if is_pair else count
    X = points(box.n, count, rng, NEAR)
    with np.errstate(all="ignore"):
        F = box.values(X)
        keep = np.isfinite(F).all(1)
        X, F = X[keep], F[keep]
        slopes = np.abs(box.jvp(X, X)).max(1) / np.abs(X).max(1)
    slopes = slopes[np.isfinite(slopes) & (slopes > 0)]
    return FiniteTest(box, X, F, is_pair, float(np.median(slopes)) if len(slopes) else 0.0)


def find_jump(box: BlackBox, rng: np.random.Generator, count: int = 64) -> np.ndarray | None:
    """A point where f jumps, or None: along each segment, again and again the piece on which f changes most.

    A Lipschitz map changes less and less on shorter pieces; a jump keeps its size.
    """
    a, b = segments(box.n, count, rng)
    at = np.linspace(0.0, 1.0, _PIECES + 1)
    first = np.zeros(count)
    with np.errstate(all="ignore"):
        for depth in range(_DEPTH):
            grid = a[:, None] + at[None, :, None] * (b - a)[:, None]
            values = box.values(grid.reshape(-1, box.n)).reshape(count, _PIECES + 1, box.p)
            change = np.abs(np.diff(values, axis=1)).max(2)
            change[~np.isfinite(change)] = 0.0
            worst = np.argmax(change, axis=1)
            largest = change[np.arange(count), worst]
            first = largest if depth == 0 else first
            a, b = grid[np.arange(count), worst], grid[np.arange(count), worst + 1]
        size = np.abs(values).max((1, 2))
    jumps = (largest > 1e-3 * first) & (largest > 1e4 * box.unit * size) & (first > 0)
    return a[int(np.argmax(jumps))] if jumps.any() else None
