"""From weights in floats to integers: the shortest integer weights that keep the capacity."""

from __future__ import annotations

import numpy as np
import sympy

from numerics.setting import Array
from theory.loss.capacity import Kernel
from theory.loss.geometry.integer_weights import capacity_from_below

__all__ = ["integer_weights"]


def integer_weights(
    W: Array, kernel: Kernel, tolerance: float = 1e-14
) -> tuple[tuple[tuple[int, ...], ...], sympy.Rational]:
    """Integer columns whose capacity, computed exactly, is within `tolerance` of that of W; and that capacity.

    Near a maximum of K an error of size d in W costs about d^2, so that a tolerance of 1e-14 takes eight digits.

    Args:
        W: shape (m, n), at or near a maximum of the capacity.
        kernel: 2a an integer.
        tolerance: relative.
    """
    W = _turned(np.asarray(W, dtype=float))
    W = W / np.abs(W).max()
    exponent, negative = kernel.exponent, kernel.negative
    gram = W.T @ W
    gains = np.diag(gram) ** float(exponent)
    power = np.where(gram >= 0, 1.0, float(negative)) * np.abs(gram) ** (2 * float(exponent))
    aim = float(gains.sum() ** 2 / power.sum()) * (1 - tolerance)
    best: tuple[tuple[tuple[int, ...], ...], sympy.Rational] | None = None
    for scale in (*range(1, 13), *(2**bits for bits in range(4, 46))):
        rounded = np.rint(W * scale).astype(np.int64)
        if not rounded.any():
            continue
        columns = tuple(tuple(int(x) for x in column) for column in rounded.T)
        if _quick(rounded, exponent, negative) < aim * (1 - 1e-13):
            continue
        found = capacity_from_below(columns, exponent, negative)
        if best is None or found > best[1]:
            best = columns, found
        if float(found) >= aim:
            return columns, found
    assert best is not None
    return best


def _quick(columns: np.ndarray, exponent: sympy.Rational, negative: sympy.Rational) -> float:
    W = columns / max(1, np.abs(columns).max())
    gram = W.T @ W
    gains = np.diag(gram) ** float(exponent)
    power = np.where(gram >= 0, 1.0, float(negative)) * np.abs(gram) ** (2 * float(exponent))
    return float(gains.sum() ** 2 / power.sum())


def _turned(W: Array) -> Array:
    """W rotated so that its longest columns lie along the first axes: zeros where there can be zeros."""
    order = np.argsort(-np.linalg.norm(W, axis=0), kind="stable")
    rotation, _ = np.linalg.qr(W[:, order], mode="complete")
    turned = rotation.T @ W
    turned *= np.where(turned[np.arange(len(W)), _leading(turned)] < 0, -1.0, 1.0)[:, None]
    return np.where(np.abs(turned) < 1e-12 * np.abs(turned).max(), 0.0, turned)


def _leading(W: Array) -> np.ndarray:
    return np.argmax(np.abs(W) > 1e-9 * np.abs(W).max(), axis=1)
