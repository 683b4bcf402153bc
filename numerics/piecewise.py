"""Piecewise polynomials with rational coefficients: activations between their kinks, integrated without rounding."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import lcm

import sympy

from theory import Activation

__all__ = ["PiecewisePolynomial", "piecewise_polynomial"]

Coefficients = tuple[Fraction, ...]


@dataclass(frozen=True)
class PiecewisePolynomial:
    """f(z) = sum_r pieces[k][r] z**r between knots[k - 1] and knots[k].

    At a knot the value is that of the piece on its right, which no integral sees; `at_knots` holds the true values.

    Attributes:
        knots: increasing, K of them.
        pieces: K + 1 tuples of coefficients, lowest first.
        at_knots: f at the knots.
    """

    knots: tuple[Fraction, ...]
    pieces: tuple[Coefficients, ...]
    at_knots: tuple[Fraction, ...]

    def __call__(self, z: Fraction) -> Fraction:
        """f(z), exactly."""
        position = bisect_right(self.knots, z)
        if position and self.knots[position - 1] == z:
            return self.at_knots[position - 1]
        return _value(self.pieces[position], z)

    def square(self) -> PiecewisePolynomial:
        """f**2."""
        return PiecewisePolynomial(
            self.knots, tuple(_product(p, p) for p in self.pieces), tuple(v * v for v in self.at_knots)
        )

    def antiderivative(self) -> PiecewisePolynomial:
        """The continuous F with F' = f, F(0) = 0 for the piece furthest to the left."""
        grown = [_integral(self.pieces[0])]
        at_knots = []
        for knot, piece in zip(self.knots, self.pieces[1:], strict=True):
            raw = _integral(piece)
            level = _value(grown[-1], knot)
            grown.append((level - _value(raw, knot), *raw[1:]))
            at_knots.append(level)
        return PiecewisePolynomial(self.knots, tuple(grown), tuple(at_knots))

    def scaled(self, unit: int) -> tuple[list[int], list[list[int]], int]:
        """The same function of the integer k = unit z: knots, Horner coefficients (highest first), their denominator.

        Args:
            unit: a positive integer that makes every unit * knot an integer.
        """
        degree = max(len(piece) for piece in self.pieces) - 1
        common = lcm(*(c.denominator for piece in self.pieces for c in piece))
        # sum_r c_r (k/unit)**r = sum_r (c_r unit**(degree - r)) k**r / unit**degree.
        rows = [
            [int(c * common) * unit ** (degree - r) for r, c in reversed(list(enumerate(piece)))]
            for piece in self.pieces
        ]
        return [int(knot * unit) for knot in self.knots], rows, common * unit**degree


def _value(coefficients: Sequence[Fraction], z: Fraction) -> Fraction:
    total = Fraction(0)
    for c in reversed(coefficients):
        total = total * z + c
    return total


def _product(p: Coefficients, q: Coefficients) -> Coefficients:
    total = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            total[i + j] += a * b
    return tuple(total)


def _integral(p: Coefficients) -> Coefficients:
    return (Fraction(0), *(c / (r + 1) for r, c in enumerate(p)))


@cache
def piecewise_polynomial(activation: Activation) -> PiecewisePolynomial | None:
    """The activation as a piecewise polynomial with rational knots and coefficients; None where it is none."""
    if not activation.is_elementwise or activation.parameters:
        return None
    knots = sorted(set(activation.kinks))
    if not all(knot.is_rational for knot in knots):
        return None
    exact = [Fraction(int(knot.p), int(knot.q)) for knot in knots]
    z = activation.z
    folded = activation.expr.rewrite(sympy.Piecewise)
    if folded.has(sympy.Piecewise):
        folded = sympy.piecewise_fold(folded)
    # One point inside each piece tells which branch holds there.
    ends = [exact[0] - 1, *exact, exact[-1] + 1] if exact else [Fraction(-1), Fraction(1)]
    pieces = []
    for left, right in pairwise(ends):
        middle = (left + right) / 2
        branch = _branch(folded, z, sympy.Rational(middle.numerator, middle.denominator))
        if branch is None or not branch.is_polynomial(z):
            return None
        coefficients = sympy.Poly(branch, z).all_coeffs()[::-1]
        if not all(c.is_rational for c in coefficients):
            return None
        pieces.append(tuple(Fraction(int(c.p), int(c.q)) for c in coefficients))
    at_knots = []
    for knot in knots:
        value = sympy.sympify(activation.expr.subs(z, knot))
        if not value.is_rational:
            return None
        at_knots.append(Fraction(int(value.p), int(value.q)))
    return PiecewisePolynomial(tuple(exact), tuple(pieces), tuple(at_knots))


def _branch(folded: sympy.Expr, z: sympy.Symbol, point: sympy.Rational) -> sympy.Expr | None:
    if not isinstance(folded, sympy.Piecewise):
        return None if folded.has(sympy.Piecewise) else folded
    for branch, condition in folded.args:
        holds = condition.subs(z, point)
        if holds == sympy.true:
            return None if branch.has(sympy.Piecewise) else branch
        if holds != sympy.false:
            return None
    return None
