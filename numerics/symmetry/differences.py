"""Derivatives from values alone: complex steps, and central differences that say how wrong they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["central_jacobians", "complex_step", "directional"]

_WEIGHTS = ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))
"""f'(x) h = sum of w_k (f(x + kh) - f(x - kh)), to order h^7."""
_STEPS = (3e-2, 1e-2, 3e-3, 1e-3, 1e-4, 1e-5)
_CHUNK = 1 << 21


def complex_step(f: Callable[[np.ndarray], np.ndarray], X: np.ndarray) -> np.ndarray:
    """Im f(x + ih e_j)/h, shape (N, p, n): no subtraction, so it is exact to rounding where f is analytic code."""
    step, n = 1e-30, X.shape[1]
    columns = [f(X + 1j * step * np.eye(n)[j]).imag / step for j in range(n)]
    return np.stack(columns, axis=2)


def directional(
    f: Callable[[np.ndarray], np.ndarray], X: np.ndarray, V: np.ndarray, unit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Df(x) v by central differences of order 6, shape (N, p), and an estimate of the error, shape (N,).

    Of a ladder of steps the one is taken whose value changes least from the step before: large steps cross kinks,
    small ones drown in rounding. The error is that change plus the rounding of f over the step.
    """
    best = np.full(f(X).shape, np.nan)
    error = np.full(len(X), np.inf)
    size = np.linalg.norm(X, axis=1, keepdims=True)
    length = np.linalg.norm(V, axis=1, keepdims=True)
    relative = np.divide(size, length, out=np.zeros_like(size), where=length > 0)
    before: np.ndarray | None = None
    with np.errstate(all="ignore"):
        for step in _STEPS:
            h = step * relative
            total, largest = np.zeros_like(best), np.zeros(len(X))
            for k, weight in _WEIGHTS:
                up, down = f(X + k * h * V), f(X - k * h * V)
                total += weight * (up - down)
                largest = np.maximum(largest, np.abs(up).max(1, initial=0))
            current = np.where(h > 0, total / h, 0.0)
            if before is not None:
                change = np.abs(current - before).max(1, initial=0)
                noise = change + 2 * unit * largest / np.where(h[:, 0] > 0, h[:, 0], 1.0)
                better = noise < error
                best[better], error[better] = current[better], noise[better]
            before = current
    return best, error


def central_jacobians(
    f: Callable[[np.ndarray], np.ndarray], X: np.ndarray, unit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Df by central differences, shape (N, p, n), and the Frobenius norm of its estimated error, shape (N,)."""
    count, n = X.shape
    per_chunk = max(1, _CHUNK // (n * n))
    found, errors = [], []
    for start in range(0, count, per_chunk):
        part = X[start : start + per_chunk]
        columns, squares = [], np.zeros(len(part))
        for j in range(n):
            column, error = directional(f, part, np.broadcast_to(np.eye(n)[j], part.shape), unit)
            columns.append(column)
            squares += error**2
        found.append(np.stack(columns, axis=2))
        errors.append(np.sqrt(squares))
    return np.concatenate(found), np.concatenate(errors)
