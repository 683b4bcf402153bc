"""Delsarte-Yudin bounds on the capacity: found with HiGHS in floats, then made an exact certificate.

If h = sum_l h_l P_l <= f on [-1, 1] with h_l >= 0 for l >= 1, then for all unit vectors and weights a >= 0
    sum_ij a_i a_j f(cos_ij) >= (h_0 + (1 - h(1))/n) (sum a)^2,
so that K* <= 1/(h_0 + (1 - h(1))/n).  Source: docs/theory.md, T5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy

from theory.arguments import InputError, exact
from theory.loss.certificates import LinearProgrammingCertificate
from theory.loss.gegenbauer import gegenbauer_values
from theory.symmetry.enclosure import enclose

__all__ = ["linear_programming_certificate", "rational_near"]

_GRID, _EXCHANGES = 400, 8
_DENOMINATOR, _PRECISION = 10**12, 128


def linear_programming_certificate(
    n: int | None, m: int, exponent: Any, negative: Any = 0, degree: int = 14
) -> LinearProgrammingCertificate:
    """The best linear-programming bound on the capacity at the given degree, as an exact certificate.

    Args:
        n: number of features; None bounds every n at once.
        m: hidden dimension, >= 1.
        exponent: a > 0, of the kernel f(t) = t_+^(2a) + negative t_-^(2a).
        negative: the weight of negative cosines, >= 0: 0 for rectified powers, 1 for monomials.
        degree: highest Gegenbauer degree of h.

    Returns:
        A certificate that has passed its own exact check. Irrational values are replaced by rationals that make the
        kernel smaller by about 1e-12, so that what is proved for the smaller kernel holds for the given one.

    Raises:
        InputError: values out of range.
    """
    exponent, negative = rational_near(exponent, up=True), rational_near(negative, up=False)
    if not (exponent > 0 and negative >= 0):
        raise InputError(f"exponent={exponent}, negative={negative}: the kernel needs exponent > 0 and negative >= 0")
    search = _Search(n, m, float(exponent), float(negative), degree)
    coefficients = search.solve()
    slack = max(search.violation(coefficients), 0.0)
    for attempt in range(12):
        certificate = _rounded(coefficients, slack + 4.0**attempt * 1e-11, n, m, exponent, negative)
        if certificate.check() is None:
            return certificate
    raise InputError(f"no certificate of degree {degree} survives exact checking for n={n}, m={m}, exponent={exponent}")


def rational_near(value: Any, up: bool) -> sympy.Rational:
    """The number itself where it is rational; else a multiple of 1e-12 above it (below it if not `up`), within 1e-12.

    Raises:
        InputError: not a real number.
    """
    value = exact("value", value)
    if value.is_Rational:
        return value
    low, high = enclose(value, _PRECISION)
    scaled = (high if up else low) * _DENOMINATOR
    return sympy.Rational(int(sympy.ceiling(scaled) if up else sympy.floor(scaled)), _DENOMINATOR)


def _rounded(
    coefficients: np.ndarray, shift: float, n: int | None, m: int, exponent: sympy.Rational, negative: sympy.Rational
) -> LinearProgrammingCertificate:
    """Floor to rationals, lowering the constant by `shift` so that h <= f holds strictly."""
    scaled = np.floor(np.asarray(coefficients) * _DENOMINATOR)
    exact = [sympy.Rational(int(value), _DENOMINATOR) for value in scaled]
    exact[0] = sympy.Rational(int(np.floor((coefficients[0] - shift) * _DENOMINATOR)), _DENOMINATOR)
    kept = [exact[0], *(max(value, sympy.Integer(0)) for value in exact[1:])]
    while len(kept) > 1 and kept[-1] == 0:
        kept.pop()
    return LinearProgrammingCertificate(m=m, n=n, exponent=exponent, negative=negative, coefficients=tuple(kept))


class _Search:
    """The linear program on a grid, refined where h touches f."""

    def __init__(self, n: int | None, m: int, exponent: float, negative: float, degree: int):
        self.n, self.m, self.exponent, self.negative = n, m, exponent, negative
        # An even kernel has an optimal even h (average h over t -> -t), and S^0 has only P_0 and P_1.
        step = 2 if negative == 1 else 1
        top = min(degree, 1) if m == 1 else degree
        self.degrees = np.arange(0, top + 1, step)
        # Below exponent 1 the kernel is so steep at 0 that a grid in the angle misses where h crosses it.
        fine = np.geomspace(1e-9, 0.05, 60) if exponent < 1 else np.zeros(0)
        self.near_zero = np.concatenate([-fine, [0.0], fine])

    def kernel(self, t: np.ndarray) -> np.ndarray:
        return np.where(t >= 0, 1.0, self.negative) * np.abs(t) ** (2 * self.exponent)

    def basis(self, t: np.ndarray) -> np.ndarray:
        return gegenbauer_values(int(self.degrees[-1]), self.m, t)[self.degrees]

    def excess(self, full: np.ndarray, t: np.ndarray) -> np.ndarray:
        return full[self.degrees] @ self.basis(t) - self.kernel(t)

    def solve(self) -> np.ndarray:
        from scipy.optimize import linprog

        t = np.array([-1.0, 1.0]) if self.m == 1 else np.cos(np.pi * np.arange(_GRID + 1) / _GRID)
        t = np.union1d(t, self.near_zero) if self.m > 1 else t
        share = 0.0 if self.n is None else 1.0 / self.n
        objective = np.full(self.degrees.size, share)
        objective[0] -= 1.0
        limits = [(None, None), *[(0, None)] * (self.degrees.size - 1)]
        full = np.zeros(int(self.degrees[-1]) + 1)
        for _ in range(_EXCHANGES):
            options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
            found = linprog(objective, A_ub=self.basis(t).T, b_ub=self.kernel(t), bounds=limits, options=options)
            if found.x is None:
                break
            full[self.degrees] = found.x
            worst = self.maxima(full)
            if self.m == 1 or self.excess(full, worst).max() < 1e-12:
                break
            t = np.union1d(t, worst)
        return full

    def maxima(self, full: np.ndarray) -> np.ndarray:
        """Local maxima of h - f, located to rounding by parabolas through a fine grid."""
        t = np.cos(np.linspace(0, np.pi, 20001))
        values = self.excess(full, t)
        inner = np.flatnonzero((values[1:-1] >= values[:-2]) & (values[1:-1] >= values[2:])) + 1
        left, mid, right = values[inner - 1], values[inner], values[inner + 1]
        curvature = left - 2 * mid + right
        shift = np.where(curvature < 0, 0.5 * (left - right) / np.where(curvature < 0, curvature, -1.0), 0.0)
        angles = np.arccos(t[inner]) + np.clip(shift, -1, 1) * np.pi / 20000
        return np.concatenate([np.cos(angles), t[inner], self.near_zero, [-1.0, 1.0]])

    def violation(self, full: np.ndarray) -> float:
        """The largest h - f found."""
        points = np.array([-1.0, 1.0]) if self.m == 1 else self.maxima(full)
        return float(self.excess(full, points).max())
