"""Polynomials below the interference kernel, in closed form: what every lower bound with unequal features rests on.

If h = sum_l h_l P_l <= f on [-1, 1] with h_l >= 0 for l >= 1, then for all unit vectors and all y >= 0
    sum_ij y_i y_j f(cos_ij) >= beta |y|^2 + gamma (sum y)^2,    beta = 1 - h(1),  gamma = h_0,
so that r equal features have capacity at most 1/(gamma + beta/r).  Source: docs/scaling.md, S2 and S3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import product

import numpy as np
import sympy

from theory.loss.capacity import Kernel

__all__ = ["Minorant", "capacity_bound", "minorants", "rectified_capacity"]

_ZERO, _ONE = Fraction(0), Fraction(1)
_SHORT = 10**6
_SHIFTS = tuple(float(x) for x in np.geomspace(0.04, 4, 26))
_SHARES = (1.0, 0.97, 0.9, *(float(f"{v:.3g}") for v in np.geomspace(0.8, 1e-8, 36)))
_LARGEST_EXPONENT, _LARGEST_ROOT = 12, 12
# Certificates found by search cost a fraction of a second each. For even kernels the tangents are about as good.
_SEARCHED_EVEN, _SEARCHED_RECTIFIED, _SEARCHED_SIZES = 8, 64, 3


@dataclass(frozen=True)
class Minorant:
    """A feasible h, by the two numbers that bounds need.

    Attributes:
        beta: 1 - h(1), at least 0.
        gamma: h_0, at least 0.
        name: which h, for derivations.
    """

    beta: Fraction
    gamma: Fraction
    name: str

    def capacity(self, r: int) -> Fraction:
        """The bound 1/(gamma + beta/r) on the capacity of r features."""
        return 1 / (self.gamma + self.beta / r)


@cache
def minorants(kernel: Kernel, m: int, n: int) -> tuple[Minorant, ...]:
    """Feasible polynomials for up to n features in m dimensions, exact; the first is h = 0 (capacity at most n).

    Even kernels |t|^(2a): tangents of u -> u^(a/j) in u = t^(2j). Rectified ones: t^(2j-1) (t + x)^2, which is
    negative on t < 0, and their tangents. In few dimensions linear-programming certificates are added.

    Args:
        kernel: numeric exponent and 0 <= negative.
        m: hidden dimension.
        n: number of features.

    Source: docs/scaling.md, S2 and S3.
    """
    found = [Minorant(_ONE, _ZERO, "h = 0")]
    sizes = _sizes(m, n)
    weight = min(_ONE, _fraction(kernel.negative)) if kernel.negative.is_Rational else _ZERO
    for exponent in _exponents(kernel.exponent):
        if weight > 0:
            found += [_weighted(h, weight) for h in _even(exponent, m, sizes)]
        if weight < 1:
            found += _rectified(exponent, m, sizes)
    found += _searched(kernel, m, n)
    return tuple(dict.fromkeys(h for h in found if h.gamma >= 0 and h.beta >= 0))


def capacity_bound(kernel: Kernel, m: int, r: int, n: int | None = None) -> Minorant:
    """The minorant that bounds the capacity of r features in m dimensions best (`n` sets the family searched)."""
    return min(minorants(kernel, m, r if n is None else n), key=lambda h: h.capacity(r))


def rectified_capacity(m: sympy.Expr, k: int = 1) -> sympy.Expr:
    """K* <= (1+x)^2/(2x/D(m,k) - c x^(4k)) for t_+^(2k) at the best x, c = (2k-1)^(2k-1)/(2k)^(2k), for any n.

    For k = 1 it is (2/3) 2^(-1/3) m^(4/3) (1 + (2/m)^(1/3))^2: capacity grows at most like m^(4/3), and the generalised
    quadrangles of `theory.loss.geometry.quadrangles` reach that rate.

    Source: docs/scaling.md, S3.
    """
    from theory.loss.capacity import effective_dimension

    dimension = effective_dimension(m, k)
    c = sympy.Rational((2 * k - 1) ** (2 * k - 1), (2 * k) ** (2 * k))
    x = (1 / (2 * k * c * dimension)) ** sympy.Rational(1, 4 * k - 1)
    return (1 + x) ** 2 * dimension / x / (2 - sympy.Rational(1, 2 * k))


def _sizes(m: int, n: int) -> tuple[int | None, ...]:
    """How many features the polynomials are tuned for; None for any number."""
    if n <= m:
        return (None,)
    between = [round(float(size)) for size in np.geomspace(m + 1.0, float(n), 12)]
    return (None, *sorted({*between, *(size for size in (2 * m + 1, 3 * m, 4 * m) if size <= n)}))


def _exponents(a: sympy.Expr) -> Iterator[Fraction]:
    """Exponents A >= a with |t|^(2a) >= |t|^(2A): a itself where its powers stay rational, and the next integer."""
    if a.is_Rational and 1 <= a <= _LARGEST_EXPONENT and a.q <= _LARGEST_ROOT:
        yield _fraction(a)
    if not a.is_Integer or a > _LARGEST_EXPONENT:
        yield Fraction(int(sympy.ceiling(a)))


def _even(exponent: Fraction, m: int, sizes: Iterable[int | None]) -> Iterator[Minorant]:
    """(a/j) y^(a-j) t^(2j) - (a/j - 1) y^a <= t^(2a) for every y >= 0, by convexity of u^(a/j) at u = y^j."""
    for j in range(1, min(int(exponent), _LARGEST_EXPONENT) + 1):
        dimension = _dimension(m, j)
        if j == exponent:
            yield Minorant(_ZERO, 1 / dimension, f"t^{2 * j}")
            continue
        for size in sizes:
            mean = 1 / dimension if size is None else (size / dimension - 1) / (size - 1)
            if mean > 0:
                yield _tangent(exponent, j, mean, 1 / dimension, _ONE, f"the tangent of t^{2 * exponent} in t^{2 * j}")


def _rectified(exponent: Fraction, m: int, sizes: Iterable[int | None]) -> Iterator[Minorant]:
    """theta t^(2j-1) (t+x)^2/(1+x)^2 - e <= t_+^(2j), with the shift and share that are best for each size."""
    for j in range(1, min(int(exponent), _LARGEST_EXPONENT) + 1):
        dimension = _dimension(m, j)
        for size in sizes:
            x, share = _best_cubic(float(dimension), j, size)
            constant, at_one = _cubic(Fraction(x).limit_denominator(1000), share, dimension, j)
            name = f"t^{2 * j - 1} (t + {x:.3g})^2 minus a constant"
            if j == exponent:
                yield Minorant(1 - at_one, constant, name)
                continue
            mean = constant if size is None else (size * constant - at_one) / (size - 1)
            if mean > 0:
                yield _tangent(exponent, j, mean, constant, at_one, f"the tangent of t_+^{2 * exponent} over {name}")


def _cubic(x: Fraction, share: float, dimension: Fraction, j: int) -> tuple[Fraction, Fraction]:
    """h_0 and h(1) of theta t^(2j-1) (t+x)^2/(1+x)^2 - e, exact."""
    theta = Fraction(str(share))
    shift = _shift(x, theta, j)
    return 2 * x * theta / ((1 + x) ** 2 * dimension) - shift, theta - shift


def _shift(x: Fraction, theta: Fraction, j: int) -> Fraction:
    """e = max over t >= 0 of t^(2j-1) (A - B t), which is at least h + e - f on [0, 1]."""
    a, b = theta * x**2 / (1 + x) ** 2, 1 - theta + theta / (1 + x) ** 2
    return Fraction((2 * j - 1) ** (2 * j - 1), (2 * j) ** (2 * j)) * a ** (2 * j) / b ** (2 * j - 1)


@cache
def _best_cubic(dimension: float, j: int, size: int | None) -> tuple[float, float]:
    """Shift x and share theta with the largest h_0 + (1 - h(1))/size; any choice gives a valid bound."""
    near = (2 / (4 * j * float(_shift(_ONE, _ONE, j)) * 4 * dimension)) ** (1 / (4 * j - 1))
    around = tuple(near * f for f in (0.8, 0.9, 1.0, 1.1, 1.25))
    x, theta = (np.array(v) for v in zip(*product((*_SHIFTS, *around), _SHARES), strict=True))
    a, b = theta * x**2 / (1 + x) ** 2, 1 - theta + theta / (1 + x) ** 2
    shift = (2 * j - 1) ** (2 * j - 1) / (2 * j) ** (2 * j) * a ** (2 * j) / b ** (2 * j - 1)
    constant = 2 * x * theta / ((1 + x) ** 2 * dimension) - shift
    value = constant + (0.0 if size is None else (1 - theta + shift) / size)
    best = int(np.argmax(value))
    return float(x[best]), float(theta[best])


def _tangent(exponent: Fraction, j: int, mean: Fraction, constant: Fraction, at_one: Fraction, name: str) -> Minorant:
    """The tangent of u -> u^(a/j) at u = y^j ~ mean, over a polynomial with h_0 = constant and h(1) = at_one."""
    root = exponent.denominator
    z = Fraction(float(mean) ** (1 / (j * root))).limit_denominator(_SHORT)
    slope = exponent / j * z ** (exponent.numerator - j * root)
    drop = (exponent / j - 1) * z**exponent.numerator
    return Minorant(1 - slope * at_one + drop, slope * constant - drop, name)


def _weighted(h: Minorant, weight: Fraction) -> Minorant:
    """weight * h, which lies below weight * f."""
    return Minorant(1 - weight * (1 - h.beta), weight * h.gamma, h.name)


def _searched(kernel: Kernel, m: int, n: int) -> Iterator[Minorant]:
    a, negative = kernel.exponent, kernel.negative
    largest = _SEARCHED_EVEN if negative == 1 else _SEARCHED_RECTIFIED
    if m > largest or not (a.is_Rational and negative.is_Rational and 0 <= negative <= 1):
        return
    if a > _LARGEST_EXPONENT or a.q > 3:
        return
    sizes: list[int | None] = [None] if n > 2 else []
    sizes += [int(size) for size in np.unique(np.geomspace(min(2 * m + 1, n), n, _SEARCHED_SIZES).round()) if size > m]
    for size in sizes:
        found = _certificate(size, m, a, negative)
        beta = 1 - _fraction(sympy.Add(*found.coefficients))
        where = "any n" if size is None else f"n = {size}"
        yield Minorant(beta, _fraction(found.coefficients[0]), f"the linear-programming certificate for {where}")


@cache
def _certificate(size: int | None, m: int, a: sympy.Rational, negative: sympy.Rational):  # type: ignore[no-untyped-def]
    from theory.loss.linear_programming import linear_programming_certificate

    return linear_programming_certificate(size, m, a, negative)


def _dimension(m: int, k: int) -> Fraction:
    """D(m, k) for an integer k."""
    result = _ONE
    for j in range(k):
        result *= Fraction(m + 2 * j, 2 * j + 1)
    return result


def _fraction(value: sympy.Expr) -> Fraction:
    return Fraction(int(value.p), int(value.q))
