"""Exact losses of piecewise-polynomial activations under the uniform law: sums over vertices, without rounding.

Given the active features S, z_i = b_i + sum_{j in S} g_j U_j runs over a box, and an integral over a box is an
alternating sum of repeated antiderivatives over its vertices,

    E f(b + sum g_j U_j) = (prod g_j)^-1 sum_{v in {0,1}^S} (-1)^(|S|-|v|) f^(-|S|)(b + g.v),

which cancels heavily in floating point and not at all in integers. Floats are rational numbers too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations
from math import comb, fsum, lcm, prod
from typing import Any

import numpy as np
import sympy

from numerics.piecewise import PiecewisePolynomial, piecewise_polynomial
from numerics.setting import Array, Setting
from theory import InputError, ToyModel

__all__ = ["LARGEST_VERTEX_WORK", "vertex_applies", "vertex_loss", "vertex_polynomial", "vertex_work"]

# In sums over one vertex, a few microseconds each; n = 10 is the largest that fits.
LARGEST_VERTEX_WORK = 1_500_000
_EPSILON = float(np.finfo(float).eps)


def vertex_applies(model: ToyModel) -> bool:
    """Whether the activation is a piecewise polynomial with rational coefficients and the law is uniform."""
    return model.law.name == "uniform" and piecewise_polynomial(model.activation) is not None


def vertex_work(n: int, most_active: int | None = None) -> int:
    """How many vertices are visited: n sum_s C(n, s) 2**s over the numbers s of active features."""
    largest = n if most_active is None else min(most_active, n)
    return 2 * n * sum(comb(n, s) * 2**s for s in range(largest + 1))


def vertex_loss(at: Setting) -> tuple[Array, Array]:
    """Loss per feature and its rounding error, each of shape (n,): every support without rounding, then one sum.

    Source: docs/expected_loss.md, "Exact routes".
    """
    gram = _fractions(at)
    sigma = _checked(at.model, at.n_features, None)
    densities = [Fraction(int(p.p), int(p.q)) if p.is_Rational else Fraction(float(p)) for p in at.model.densities]
    chances = [[float(1 - p), float(p)] for p in densities]
    n = at.n_features
    terms: list[list[float]] = [[] for _ in range(n)]
    bias = [Fraction(float(v)) for v in at.bias]
    for active, losses in _by_support(sigma, gram, bias, at.model.law.is_two_sided, n):
        chance = prod(chances[j][j in active] for j in range(n))
        # Each is the mean of a square, so the sum below cancels nothing.
        for i, loss in enumerate(losses):
            terms[i].append(chance * float(loss))
    value = np.array([fsum(row) for row in terms])
    return value, _EPSILON * (n + 4) * value


def vertex_polynomial(
    model: ToyModel, gram: Sequence[Sequence[Any]], bias: Sequence[Any], most_active: int | None = None
) -> sympy.Expr:
    """The loss as an exact number, or as a polynomial in densities that are symbols.

    Args:
        model: piecewise-polynomial activation, uniform law.
        gram: W^T W, rational.
        bias: rational.
        most_active: leave out inputs with more active features than this (they are of higher order in p).
    """
    n = len(bias)
    sigma = _checked(model, n, most_active)
    rows = [[_rational("W", entry) for entry in row] for row in gram]
    shifts = [_rational("b", entry) for entry in bias]
    densities, importances = model.densities, model.importances
    same = len(set(densities)) == 1
    total, by_count = sympy.Integer(0), [sympy.Integer(0)] * (n + 1)
    for active, losses in _by_support(
        sigma, rows, shifts, model.law.is_two_sided, n if most_active is None else most_active
    ):
        weighted = sum(
            (sympy.Rational(v.numerator, v.denominator) * w for v, w in zip(losses, importances, strict=True)),
            sympy.Integer(0),
        )
        if same:
            by_count[len(active)] += weighted
        else:
            total += weighted * sympy.prod([p if j in active else 1 - p for j, p in enumerate(densities)])
    if same:
        p = densities[0]
        total = sum((c * p**k * (1 - p) ** (n - k) for k, c in enumerate(by_count)), sympy.Integer(0))
    return sympy.expand(total)


def _checked(model: ToyModel, n: int, most_active: int | None) -> PiecewisePolynomial:
    sigma = piecewise_polynomial(model.activation)
    if sigma is None or model.law.name != "uniform":
        raise InputError(
            f"activation {model.activation.name} with law {model.law} has no exact loss here: that needs a polynomial, "
            "or a piecewise polynomial with rational coefficients under the uniform law; use method='quadrature'"
        )
    if vertex_work(n, most_active) > LARGEST_VERTEX_WORK:
        raise InputError(
            f"n_features={n}: exact sums over all vertices stop at 10 features; "
            "use method='quadrature', or exact_loss(..., most_active=2) for the lowest orders in the density"
        )
    return sigma


def _fractions(at: Setting) -> list[list[Fraction]]:
    W = [[Fraction(float(v)) for v in row] for row in at.W]
    n = at.n_features
    gram = [[Fraction(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(i, n):
            gram[i][j] = gram[j][i] = sum((row[i] * row[j] for row in W), Fraction(0))
    return gram


def _rational(name: str, value: Any) -> Fraction:
    value = sympy.sympify(value)
    if not value.is_Rational:
        raise InputError(
            f"{name} leads to {value}, which is not rational: exact sums over vertices need rational entries"
        )
    return Fraction(int(value.p), int(value.q))


def _by_support(
    sigma: PiecewisePolynomial,
    gram: Sequence[Sequence[Fraction]],
    bias: Sequence[Fraction],
    is_two_sided: bool,
    most_active: int,
) -> Iterator[tuple[tuple[int, ...], list[Fraction]]]:
    """Every set of active features with E (x_i - sigma(z_i))**2 given it, for all i."""
    n = len(bias)
    outputs = [
        _Output(sigma, row, b, i, is_two_sided, min(most_active, n))
        for i, (row, b) in enumerate(zip(gram, bias, strict=True))
    ]
    for count in range(min(most_active, n) + 1):
        for active in combinations(range(n), count):
            yield active, [output.loss(active) for output in outputs]


class _Output:
    """One output z_i = b + sum_j g_j x_j in integer arithmetic; x_j = U_j, or 2 V_j - 1 with V_j uniform."""

    def __init__(
        self,
        sigma: PiecewisePolynomial,
        row: Sequence[Fraction],
        bias: Fraction,
        own: int,
        is_two_sided: bool,
        largest: int,
    ):
        self.sigma, self.own, self.bias, self.is_two_sided = sigma, own, bias, is_two_sided
        self.second = Fraction(1, 3)
        self.row = [2 * g if is_two_sided else g for g in row]
        self.unit = lcm(bias.denominator, *(g.denominator for g in row), *(k.denominator for k in sigma.knots))
        self.steps = [int(g * self.unit) for g in self.row]
        self.squares, self.values = [sigma.square()], [sigma]
        for _ in range(largest):
            self.squares.append(self.squares[-1].antiderivative())
        for _ in range(largest + 1):
            self.values.append(self.values[-1].antiderivative())
        self.scaled_squares = [f.scaled(self.unit) for f in self.squares]
        self.scaled_values = [f.scaled(self.unit) for f in self.values]

    def loss(self, active: tuple[int, ...]) -> Fraction:
        """E (x_i - sigma(z_i))**2 given the active features."""
        start = self.bias - (sum(self.row[j] for j in active) / 2 if self.is_two_sided else 0)
        shown = [j for j in active if self.steps[j]]
        if not shown:
            at_bias = self.sigma(self.bias)
            is_on = self.own in active
            mean = Fraction(0) if self.is_two_sided else Fraction(1, 2)
            return at_bias**2 + (self.second - 2 * mean * at_bias if is_on else 0)
        origin = int(start * self.unit)
        size = Fraction(prod(self.steps[j] for j in shown), self.unit ** len(shown))
        value = self._sum(self.scaled_squares[len(shown)], origin, shown) / size
        if self.own not in active:
            return value
        # A column of W that is 0 makes its whole row of W^T W 0, so the own feature shows here.
        own, others = self.row[self.own], [j for j in shown if j != self.own]
        count, end = len(others), origin + self.steps[self.own]
        # int_0^1 u f(y + g u) du = F(y + g)/g - (FF(y + g) - FF(y))/g**2 for f = F' and F = FF'.
        first = self._sum(self.scaled_values[count + 1], end, others) / own
        change = self._sum(self.scaled_values[count + 2], end, others) - self._sum(
            self.scaled_values[count + 2], origin, others
        )
        rest = Fraction(prod(self.steps[j] for j in others), self.unit**count)
        cross = (first - change / own**2) / rest
        if self.is_two_sided:
            cross = 2 * cross - self._sum(self.scaled_values[len(shown)], origin, shown) / size
        return value + self.second - 2 * cross

    def _sum(self, function: tuple[list[int], list[list[int]], int], origin: int, shown: Sequence[int]) -> Fraction:
        """sum_v (-1)^(s-|v|) f(origin + steps.v)."""
        knots, pieces, denominator = function
        vertices = [(origin, -1 if len(shown) % 2 else 1)]
        for j in shown:
            step = self.steps[j]
            vertices += [(z + step, -sign) for z, sign in vertices]
        total = 0
        for z, sign in vertices:
            value = 0
            for c in pieces[bisect_right(knots, z)]:
                value = value * z + c
            total += value if sign > 0 else -value
        return Fraction(total, denominator)
