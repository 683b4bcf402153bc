"""Sums over the entries of a row, compressed: a function of one real variable needs only the row's Chebyshev moments.

With M_r = sum_j w_j T_r(G_ij/g) and f(g x) = sum_r c_r T_r(x) on [-1, 1], sum_j w_j f(G_ij) = sum_r c_r M_r. The
coefficients c_r are shared by all rows, the moments by all frequencies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from numerics.setting import Array

__all__ = ["HermitianSeries", "hermitian_series", "moments", "summed"]

_BLOCK = 2**18
_NEGLIGIBLE = 1e-17
_RESOLVED = 1e-14
_MOST_REFINEMENTS = 4


@dataclass(frozen=True)
class HermitianSeries:
    """Functions f_k with f_k(-x) = conj(f_k(x)): the real parts have even degrees only, the imaginary parts odd ones.

    Attributes:
        even: coefficients of the real parts, degrees 0, 2, 4 ..., shape (E, K).
        odd: coefficients of the imaginary parts, degrees 1, 3, 5 ..., shape (O, K).
        defect: what the highest degrees still hold, per function, shape (K,).
    """

    even: Array
    odd: Array
    defect: Array

    @property
    def degrees(self) -> int:
        """How many moments the series needs."""
        return max(2 * len(self.even) - 1, 2 * len(self.odd), 1)


def hermitian_series(f: Callable[[Array], np.ndarray], count: int) -> HermitianSeries:
    """Chebyshev coefficients of f on [-1, 1] from its values at the positive half of the Chebyshev points.

    Args:
        f: maps points x > 0, shape (N,), to values of shape (N, K), with f(-x) = conj(f(x)).
        count: degrees to begin with; half as many again are taken until the highest hold less than 1e-14.
    """
    from scipy.fft import dct, next_fast_len

    for _ in range(_MOST_REFINEMENTS):
        half = next_fast_len(max(8, (count + 1) // 2), real=True)
        values = f(np.cos(np.pi * (np.arange(half) + 0.5) / (2 * half)))
        even, odd = dct(values.real, 2, axis=0) / half, dct(values.imag, 4, axis=0) / half
        even[0] /= 2
        last = max(2, half // 16)
        defect = np.maximum(np.abs(even[-last:]).max(axis=0), np.abs(odd[-last:]).max(axis=0))
        if defect.max() <= _RESOLVED:
            break
        count = 3 * half
    return HermitianSeries(_chopped(even), _chopped(odd), defect)


def _chopped(coefficients: Array) -> Array:
    kept = np.flatnonzero(np.abs(coefficients).max(axis=1) > _NEGLIGIBLE)
    return coefficients[: kept[-1] + 1 if len(kept) else 0]


def moments(x: Array, weights: Array, count: int) -> Array:
    """M_r = sum_j w_j T_r(x_j) for r = 0 .. count - 1 and each row, shape (R, count).

    T_(cB+a) = 2 T_cB T_a - T_(cB-a) turns all of them into one matrix product of sqrt(count) by sqrt(count) per row.

    Args:
        x: points in [-1, 1], shape (R, n).
        weights: shape (R, n).
        count: at least 1.
    """
    steps = max(1, int(np.ceil(np.sqrt(count))))
    strides = -(-count // steps)
    found = np.empty((len(x), strides * steps))
    block = max(1, _BLOCK // (x.shape[1] * (steps + strides)))
    for first in range(0, len(x), block):
        some = slice(first, first + block)
        small = _polynomials(np.ones_like(x[some]), x[some], x[some], steps + 1)
        large = _polynomials(weights[some], weights[some] * small[steps], small[steps], strides)
        products = np.einsum("arj,crj->rca", small[:steps], large, optimize=True)
        into = found[some].reshape(-1, strides, steps)
        into[:, 0] = products[:, 0]
        for c in range(1, strides):
            into[:, c, 0] = products[:, c, 0]
            # T_(cB-a) is entry B - a of the stride before.
            into[:, c, 1:] = 2 * products[:, c, 1:] - into[:, c - 1, :0:-1]
    return found[:, :count]


def _polynomials(first: Array, second: Array, x: Array, count: int) -> Array:
    """y_0, y_1 and y_(k+1) = 2 x y_k - y_(k-1), shape (count, R, n)."""
    found = np.empty((max(count, 2), *x.shape))
    found[0], found[1] = first, second
    doubled = 2 * x
    for k in range(2, count):
        np.multiply(doubled, found[k - 1], out=found[k])
        found[k] -= found[k - 2]
    return found[:count]


def summed(series: HermitianSeries, row_moments: Array) -> np.ndarray:
    """sum_r c_r M_r for every row and function, shape (R, K), complex."""
    even, odd = len(series.even), len(series.odd)
    total = np.empty((len(row_moments), len(series.defect)), dtype=np.complex128)
    total.real = row_moments[:, 0 : 2 * even : 2] @ series.even
    total.imag = row_moments[:, 1 : 2 * odd : 2] @ series.odd
    return total
