"""The characteristic function of h = W x, and of x_i times it, where at least two features are active."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.laws import NumericLaw
from numerics.setting import Array

__all__ = ["SeveralActive", "several_active", "several_active_squares"]

_BLOCK = 2**18


@dataclass(frozen=True)
class SeveralActive:
    """E 1 e^(i t.h), shape (K,), and E x_i e^(i t.h), shape (n, K), over inputs with two or more active features."""

    plain: np.ndarray
    weighted: np.ndarray


def several_active(law: NumericLaw, columns: Array, densities: Array, frequencies: Array) -> SeveralActive:
    """Both transforms at the given frequencies, without any subtraction: no density is too small.

    With a_j = p_j E e^(i U t.w_j) the transform of h is prod_j (q_j + a_j). Its terms with none, one and more factors
    a_j are carried along a recursion over j; those of "at least one of the others" are joined from a pass from the
    left and one from the right.

    Args:
        law: of an active feature's value.
        columns: w_j in the coordinates of the frequencies, shape (d, n).
        densities: p_j.
        frequencies: t, shape (K, d).
    """
    n, count = columns.shape[1], len(frequencies)
    plain = np.empty(count, dtype=np.complex128)
    weighted = np.empty((n, count), dtype=np.complex128)
    size = max(1, _BLOCK // n)
    for first in range(0, count, size):
        block = slice(first, first + size)
        plain[block], weighted[:, block] = _block(law, columns, densities, frequencies[block])
    return SeveralActive(plain, weighted)


def _block(law: NumericLaw, columns: Array, densities: Array, t: Array) -> tuple[np.ndarray, np.ndarray]:
    phi, psi = law.transforms((t @ columns).T, 1)
    p = densities[:, None]
    a, own = p * phi, p * psi
    n = len(densities)
    none, one, more = 1.0, np.zeros(len(t), dtype=np.complex128), np.zeros(len(t), dtype=np.complex128)
    before = np.empty((n, len(t)), dtype=np.complex128)  # at least one of the features left of j
    none_before = np.empty(n)
    for j, q in enumerate(1 - densities):
        before[j], none_before[j] = one + more, none
        more = more * (q + a[j]) + one * a[j]
        one = one * q + none * a[j]
        none *= q
    after, none_after = np.zeros(len(t), dtype=np.complex128), 1.0
    for j in reversed(range(n)):
        own[j] *= before[j] * (none_after + after) + none_before[j] * after
        after = after * (1 - densities[j] + a[j]) + none_after * a[j]
        none_after *= 1 - densities[j]
    return more, own


def several_active_squares(law: NumericLaw, densities: Array) -> Array:
    """E x_i**2 over inputs with two or more active features, shape (n,)."""
    with np.errstate(divide="ignore"):
        idle = np.log1p(-densities)
        others = np.array([-np.expm1(np.delete(idle, i).sum()) for i in range(len(densities))])
    return densities * law.second * others
