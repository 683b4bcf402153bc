"""Gegenbauer polynomials of the sphere S^(m-1), normalised to P_l(1) = 1, exactly and in floats."""

from __future__ import annotations

from functools import cache

import numpy as np
import sympy

__all__ = ["gegenbauer_coefficients", "gegenbauer_values"]


@cache
def gegenbauer_coefficients(degree: int, m: int) -> tuple[sympy.Rational, ...]:
    """Coefficients of P_degree, lowest power first, exact.

    P_0 = 1, P_1 = t, (l + m - 2) P_(l+1) = (2l + m - 2) t P_l - l P_(l-1); m = 2 gives Chebyshev polynomials.
    On S^0 (m = 1) only P_0 and P_1 exist as distinct functions; higher degrees repeat them.
    """
    if degree == 0:
        return (sympy.Integer(1),)
    if degree == 1 or m == 1:
        return (sympy.Integer(0), sympy.Integer(1)) if degree % 2 else (sympy.Integer(1),)
    ell = degree - 1
    last, before = gegenbauer_coefficients(ell, m), gegenbauer_coefficients(ell - 1, m)
    result = [sympy.Integer(0)] * (degree + 1)
    for power, value in enumerate(last):
        result[power + 1] += (2 * ell + m - 2) * value
    for power, value in enumerate(before):
        result[power] -= ell * value
    return tuple(value / (ell + m - 2) for value in result)


def gegenbauer_values(degree: int, m: int, t: np.ndarray) -> np.ndarray:
    """P_0 .. P_degree at the points t in [-1, 1], shape (degree + 1, len(t)), by the stable recursion."""
    t = np.asarray(t, dtype=np.float64)
    values = np.empty((degree + 1, t.size))
    values[0] = 1.0
    if degree:
        values[1] = t
    for ell in range(1, degree):
        if m == 1:
            values[ell + 1] = values[ell - 1]
        else:
            values[ell + 1] = ((2 * ell + m - 2) * t * values[ell] - ell * values[ell - 1]) / (ell + m - 2)
    return values
