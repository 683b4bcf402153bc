"""Two features in one dimension, without bias: the loss along every direction, as exact rational functions.

For W = (w_1, w_2) and b = 0 the data enter through h = w_1 x_1 + w_2 x_2 alone. In the direction (1, t) at squared
length such that the output gain is g, L(g) = L(0) - 2 g A(t) + g^2 B(t); the best g leaves L(0) - A_+^2/B. What is
left is one number, the direction. Source: docs/theory.md, T12.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import comb

import sympy

from theory.activations import PowerForm
from theory.arguments import InputError
from theory.features import FeatureLaw
from theory.toy_model import DENSITY

__all__ = ["DENSITY", "IMPORTANCE", "RATIO", "SECTORS", "Sector", "overlap_moments", "sector_functions"]

RATIO = sympy.Symbol("s", nonnegative=True)
IMPORTANCE = sympy.Symbol("I", nonnegative=True)

_v = sympy.Symbol("v", nonnegative=True)
_u = sympy.Symbol("u", nonnegative=True)


@dataclass(frozen=True)
class Sector:
    """A quarter of all directions: W proportional to (1, sign s) or, where `leader` is 2, (sign s, 1), 0 <= s <= 1."""

    sign: int
    leader: int

    def phase(self, at_axis: bool) -> str:
        """What becomes of feature 2 in this sector, on its axis s = 0 or off it."""
        if at_axis:
            return "not represented" if self.leader == 1 else "dedicated"
        return "aligned" if self.sign > 0 else "antipodal"

    def direction(self, ratio: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
        """(w_1, w_2) up to a common factor."""
        one = sympy.Integer(1)
        return (one, self.sign * ratio) if self.leader == 1 else (self.sign * ratio, one)


SECTORS = tuple(Sector(sign, leader) for sign in (1, -1) for leader in (1, 2))


@lru_cache(maxsize=256)
def overlap_moments(law: FeatureLaw, order: int) -> tuple[sympy.Expr, sympy.Expr]:
    """E (U - sV)_+^r and E (sV - U)_+^r for independent U, V of the law and 0 <= s <= 1, rational in s.

    Uniform: (1 - (1-s)^(r+2))/(s(r+1)(r+2)) and s^(r+1)/((r+1)(r+2)). Binary: (1-s)^r and 0. Exponential:
    r!/(1+s) and r! s^(r+1)/(1+s), by the lack of memory. Beta with integer parameters: polynomials, by integration.

    Raises:
        InputError: a law whose moments are not rational functions of s.
    """
    r, s = order, RATIO
    if law.name == "uniform":
        first = sum(comb(r + 2, j) * (-1) ** (j + 1) * s ** (j - 1) for j in range(1, r + 3))
        return sympy.expand(first / ((r + 1) * (r + 2))), s ** (r + 1) / sympy.Integer((r + 1) * (r + 2))
    if law.name == "binary":
        return sympy.expand((1 - s) ** r), sympy.Integer(0)
    if law.name == "exponential":
        return sympy.factorial(r) / (1 + s), sympy.factorial(r) * s ** (r + 1) / (1 + s)
    density = law.density_of_magnitude
    if law.name == "beta" and density is not None and all(value.is_Integer for value in law.parameters):
        return _polynomial_overlap(density.subs(dict.fromkeys(density.free_symbols, _u)), r)
    raise InputError(
        f"law={law} has no rational closed form here; use uniform, binary, exponential or beta with integer "
        "parameters, or numerics.minimise_loss"
    )


def _polynomial_overlap(f: sympy.Expr, r: int) -> tuple[sympy.Expr, sympy.Expr]:
    """The two moments for a polynomial density on [0, 1]."""
    s = RATIO
    other = f.subs(_u, _v)
    inner = sympy.integrate(sympy.expand((_u - s * _v) ** r * f), (_u, s * _v, 1))
    first = sympy.integrate(sympy.expand(inner * other), (_v, 0, 1))
    below = sympy.integrate(sympy.expand((s * _v - _u) ** r * f), (_u, 0, s * _v))
    return sympy.expand(first), sympy.expand(sympy.integrate(sympy.expand(below * other), (_v, 0, 1)))


@lru_cache(maxsize=128)
def sector_functions(form: PowerForm, law: FeatureLaw, sector: Sector) -> tuple[sympy.Expr, sympy.Expr]:
    """(A/p, B/p) in the ratio s, the density p and the importance I of feature 2 (feature 1 has importance 1).

    A = E<x, x_hat>, B = E|x_hat|^2, both weighted by importance, at unit gain in the direction of the sector.

    Raises:
        InputError: an exponent that is not an integer, or a law without closed form.
    """
    if not form.exponent.is_Integer:
        raise InputError(
            f"exponent {form.exponent}: the closed form needs an integer exponent; use numerics.minimise_loss"
        )
    if law.is_two_sided:
        raise InputError(
            f"law={law}: with random signs (w_1, w_2) and (w_1, -w_2) have the same loss, so aligned and antipodal are "
            "one phase; use a one-sided law"
        )
    overlap_moments(law, 1)  # refuses a law without closed form, in the aligned sectors too
    a, s, p = int(form.exponent), RATIO, DENSITY
    c, d = form.positive, form.negative
    # The feature along the leading weight counts 1st in h = x_lead + sign s x_other.
    lead, other = (sympy.Integer(1), IMPORTANCE) if sector.leader == 1 else (IMPORTANCE, sympy.Integer(1))
    q, mu = 1 - p, law.moment
    if sector.sign > 0:
        first = c * (q * mu(a + 1) + p * _sum_moment(law, 1, 0, a))
        second = c * s**a * (q * s**a * mu(a + 1) + p * _sum_moment(law, 0, 1, a))
        square = c**2 * (q * (1 + s ** (2 * a)) * mu(2 * a) + p * _sum_moment(law, 0, 0, 2 * a))
        return _tidy(lead * first + other * second), _tidy((lead + other * s ** (2 * a)) * square)
    up, down = overlap_moments(law, 2 * a)
    up_next, down_next = overlap_moments(law, a + 1)
    # d/ds under the expectation gives E V (U - sV)_+^a; U = (U - sV) + sV gives the other mixed moment.
    other_up, other_down = -sympy.diff(up_next, s) / (a + 1), sympy.diff(down_next, s) / (a + 1)
    lead_up, lead_down = up_next + s * other_up, s * other_down - down_next
    first = c * (q * mu(a + 1) + p * lead_up) + d * p * lead_down
    second = s**a * (c * (q * s**a * mu(a + 1) + p * other_down) + d * p * other_up)
    positive, negative = q * mu(2 * a) + p * up, q * s ** (2 * a) * mu(2 * a) + p * down
    square = lead * (c**2 * positive + d**2 * negative)
    square += other * s ** (2 * a) * (c**2 * negative + d**2 * positive)
    return _tidy(lead * first + other * second), _tidy(square)


def _sum_moment(law: FeatureLaw, i: int, j: int, r: int) -> sympy.Expr:
    """E U^i V^j (U + sV)^r."""
    mu = law.moment
    return sympy.Add(*(comb(r, k) * RATIO**k * mu(i + r - k) * mu(j + k) for k in range(r + 1)))


def _tidy(expr: sympy.Expr) -> sympy.Expr:
    return sympy.expand(expr) if expr.is_polynomial(RATIO) else sympy.cancel(sympy.together(expr))
