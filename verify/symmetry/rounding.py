"""The first stage: which differences between f(Ax) and A f(x) rounding can explain, entry by entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["DTYPES", "ROUNDINGS", "FloatPairs", "change_within", "compare"]

DTYPES = ("float32", "float64")
# Roundings that an implementation may spend on one value: torch's vectorised functions were measured to spend up to 5,
# and to spend them differently at different positions of the same array.
ROUNDINGS = 16
Evaluate = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class FloatPairs:
    """f(Ax) and A f(x) in floats, for many x, with the difference that rounding could explain.

    Attributes:
        left: f(Ax), shape (k, n).
        right: A f(x), shape (k, n).
        allowed: shape (k, n); an entry where |left - right| is larger is a suspect.
    """

    left: np.ndarray
    right: np.ndarray
    allowed: np.ndarray

    @property
    def excess(self) -> np.ndarray:
        """|left - right| in units of what rounding explains, shape (k, n); 0 where a value overflowed."""
        with np.errstate(all="ignore"):
            finite = np.isfinite(self.left) & np.isfinite(self.right) & np.isfinite(self.allowed)
            return np.where(finite, np.abs(self.left - self.right) / self.allowed, 0.0)

    @property
    def suspects(self) -> np.ndarray:
        """Where rounding does not explain the difference, shape (k, n)."""
        return self.excess > 1


def compare(
    evaluate: Evaluate, A: np.ndarray, x: np.ndarray, dtype: str = "float64", roundings: int = ROUNDINGS
) -> FloatPairs:
    """Both sides at many inputs, and what rounding may do to them.

    The model of the implementation: with K = roundings + 2n and u the unit roundoff of `dtype`, a computed value is
    (1 + a) f((1 + d) x) + c with |a|, |c|/(|x| + |f(x)|) <= K u and, in the largest entry, |d| <= K u. So the
    difference may be K u (|A| (|f(x)| + |x|) + |f(Ax)| + |Ax|) plus what f changes over a distance of K u |A||x|, which
    is measured, along the all-ones vector, along the point itself and along random signs: a kink or a jump within reach
    of rounding is allowed for. Sizes are of the largest entry, because f may mix entries inside, and at least 1 for the
    numbers of size one that f may compute with, as in exp(x) - 1: an absolute difference below K u is never a suspect.

    Args:
        evaluate: f on the rows of an array of shape (k, n), in `dtype`; the values as float64.
        A: shape (n, n), or one for each x, shape (k, n, n); float64.
        x: shape (k, n), in `dtype`.
        dtype: "float32" or "float64".
        roundings: K less 2n.
    """
    u = float(np.finfo(dtype).eps) / 2
    n = x.shape[-1]
    c = (roundings + 2 * n) * u
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        times = lambda M, v: np.einsum("...ij,...j->...i", M, v)  # noqa: E731
        moved = times(A, wide).astype(dtype)
        plain, left = evaluate(x), evaluate(moved)
        right = times(A, plain)
        reach = np.abs(A).sum(axis=-1)
        size_x = np.abs(wide).max(axis=-1, keepdims=True)
        size_plain = np.abs(plain).max(axis=-1, keepdims=True)
        size_moved = np.maximum(np.abs(moved.astype(np.float64)), reach * size_x)
        change = change_within(evaluate, moved, left, c * size_moved)
        change = change + times(np.abs(A), change_within(evaluate, x, plain, np.broadcast_to(c * size_x, x.shape)))
        size = reach * (size_plain + size_x) + np.abs(left) + np.abs(moved)
        allowed = c * (size + reach + 1) + 2 * change
    return FloatPairs(left, right, allowed)


def change_within(evaluate: Evaluate, x: np.ndarray, value: np.ndarray, step: np.ndarray) -> np.ndarray:
    """How much f changes when its argument moves by a step of rounding size, shape (k, n)."""
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(2, x.shape[-1]))
    along = x / np.maximum(np.abs(x).max(axis=-1, keepdims=True), np.finfo(x.dtype).tiny)
    worst = np.zeros(value.shape)
    for direction in (np.ones(x.shape[-1]), *signs, along):
        for sign in (1.0, -1.0):
            other = evaluate((x + sign * step * direction).astype(x.dtype))
            worst = np.maximum(worst, np.abs(other - value))
    return worst
