"""The exact expected loss of power activations on uniform features, from the corners of the cube.

For g with nonzero entries and z = g.U + b, U uniform on [0, 1]^s,
    E z_+^r = Gamma(r + 1)/(Gamma(r + s + 1) prod g) sum_(v in {0,1}^s) (-1)^(s - |v|) (g.v + b)_+^(r + s).
The sum cancels: with an entry g_i of size epsilon it loses s log10(1/epsilon) digits, so that in floating point it once
returned losses below the optimum. Here it is summed in rationals, or with as many digits as the cancellation eats.
Source: docs/theory.md, T8(b).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from itertools import combinations
from math import factorial, prod
from typing import Any

import sympy

from theory.arguments import InputError, as_weights, exact
from theory.loss.capacity import require_power_form
from theory.toy_model import ToyModel

__all__ = ["rectified_moment", "vertex_loss"]

_LARGEST_N = 9
_DIGITS = 30
_MOST_DIGITS = 4000


def rectified_moment(g: Sequence[Any], b: Any, r: Any) -> sympy.Expr:
    """E (sum_i g_i U_i + b)_+^r for independent U_i uniform on [0, 1]: exact for integer r, else to 30 digits.

    Args:
        g: rational numbers, at most 12; floats are read as the decimals they print as.
        b: a rational number.
        r: a rational number > -1 (0^0 counts as 0, so that r = 0 gives the probability of a positive sum).

    Raises:
        InputError: not rational, or out of range.

    Source: docs/theory.md, T8(b).
    """
    weights, offset, power = [_fraction(f"g[{i}]", v) for i, v in enumerate(g)], _fraction("b", b), _fraction("r", r)
    if len(weights) > 12:
        raise InputError(f"g has {len(weights)} entries, so 2^{len(weights)} corners; at most 12 are summed")
    if power <= -1:
        raise InputError(f"r={r} must be > -1: the moment is infinite or undefined")
    return _settled(partial(_moment, weights, offset, power, power), power)


def vertex_loss(model: ToyModel, W: Any, b: Any = None) -> sympy.Expr:
    """The expected loss L = sum_j I_j E (x_j - sigma(z_j))^2 of any power activation on uniform features, any bias.

    With V(g, b, r) = E (g.U + b)_+^r by the corner formula and E U_j z_+^a = [V(z given U_j = 1; a + 1) -
    V(z; a + 1)]/(g_j (a + 1)), summed over all active sets. It shares nothing with `numerics`: an independent check.

    Args:
        model: a power activation of rational exponent, uniform law on [0, 1], n <= 9; the density may be a symbol.
        W: rational weights of shape (m, n); floats are read as the decimals they print as.
        b: rational bias of length n, where the model has one.

    Returns:
        A polynomial in the density: rational coefficients for integer exponents, else coefficients to 30 digits.

    Raises:
        InputError: outside this setting, or malformed W or b.

    Source: docs/theory.md, T8(b).
    """
    form = require_power_form(model.activation)
    a, up, down = form.exponent, form.positive, form.negative
    if model.law.name != "uniform" or model.law.is_two_sided:
        raise InputError(f"law={model.law}: the corner formula is for features uniform on [0, 1]")
    if not (a.is_Rational and up.is_Rational and down.is_Rational):
        raise InputError(f"activation={model.activation.name}: exponent and factors must be rational numbers")
    if not model.n_features.is_number or int(model.n_features) > _LARGEST_N:
        raise InputError(f"n_features={model.n_features}: 3^n corners are summed, at most n={_LARGEST_N}")
    gram, bias = _gram_and_bias(model, W, b)
    n, power, factors = len(bias), _fraction("exponent", a), (_fraction("up", up), _fraction("down", down))
    densities, importances = model.densities, model.importances
    loss: sympy.Expr = sympy.Add(*(i * p for i, p in zip(importances, densities, strict=True))) / 3
    for size in range(n + 1):
        for active in combinations(range(n), size):
            cost: sympy.Expr = sympy.Integer(0)
            for j in range(n):
                g = [gram[j][i] for i in active]
                own = active.index(j) if j in active else None
                part = partial(_output_cost, g, bias[j], own, power, *factors)
                cost += importances[j] * _settled(part, power)
            chance = sympy.Mul(*(densities[i] if i in active else 1 - densities[i] for i in range(n)))
            loss += chance * cost
    return sympy.expand(loss)


def _output_cost(g: list[Fraction], b: Fraction, own: int | None, a: Fraction, up: Fraction, down: Fraction) -> Any:
    """E sigma(z)^2 - 2 E U_own sigma(z) for z = g.U + b and sigma(z) = up z_+^a + down z_-^a."""
    total: Any = _number(Fraction(0), a)
    for sign, factor in ((1, up), (-1, down)):
        if factor == 0:
            continue
        turned, offset = [sign * v for v in g], sign * b
        total += _number(factor**2, a) * _moment(turned, offset, 2 * a, a)
        if own is not None:
            total -= _number(2 * factor, a) * _crossed(turned, offset, own, a)
    return total


def _crossed(g: list[Fraction], b: Fraction, own: int, a: Fraction) -> Any:
    """E U_own z_+^a, by integrating by parts in U_own."""
    rest = g[:own] + g[own + 1 :]
    if g[own] == 0:
        return _number(Fraction(1, 2), a) * _moment(rest, b, a, a)
    difference = _moment(rest, b + g[own], a + 1, a) - _moment(g, b, a + 1, a)
    return difference / _number(g[own] * (a + 1), a)


def _moment(g: list[Fraction], b: Fraction, r: Fraction, like: Fraction) -> Any:
    """E (g.U + b)_+^r: a Fraction where `like` is an integer (and r with it), else an mpf of the working precision."""
    g = [v for v in g if v != 0]
    corners = [(1 if len(g) % 2 == 0 else -1, b)]
    for v in g:
        corners += [(-sign, value + v) for sign, value in corners]
    above = [(sign, value) for sign, value in corners if value > 0]
    power = r + len(g)
    if like.denominator == 1:
        total = sum((sign * value ** int(power) for sign, value in above), Fraction(0))
        return total * factorial(int(r)) / (factorial(int(power)) * prod(g, start=Fraction(1)))
    from mpmath import mp

    exponent = _number(power, like)
    total = mp.fsum(sign * _number(value, like) ** exponent for sign, value in above)
    size = mp.gamma(_number(r + 1, like)) / mp.gamma(exponent + 1)
    return total * size / _number(prod(g, start=Fraction(1)), like)


def _number(value: Fraction, like: Fraction) -> Any:
    """The value itself where powers stay rational, else an mpf of the working precision."""
    if like.denominator == 1:
        return value
    from mpmath import mp

    return mp.mpf(value.numerator) / value.denominator


def _settled(compute: Callable[[], Any], a: Fraction) -> sympy.Expr:
    """The value of `compute`, exact for integer a; else with the digits raised until 30 of them no longer change."""
    if a.denominator == 1:
        value = compute()
        return sympy.Rational(value.numerator, value.denominator)
    from mpmath import mp

    digits = 2 * _DIGITS
    with mp.workdps(digits):
        value = compute()
    while True:
        digits *= 2
        with mp.workdps(digits):
            better = compute()
            scale = max(abs(better), mp.mpf(10) ** -_DIGITS)
            if abs(better - value) <= mp.mpf(10) ** (-_DIGITS - 2) * scale:
                return sympy.Float(better, _DIGITS)
            if digits > _MOST_DIGITS:
                raise InputError(f"W: the corner sum still cancels at {digits} digits; set its tiniest products to 0")
            value = better


def _gram_and_bias(model: ToyModel, W: Any, b: Any) -> tuple[list[list[Fraction]], list[Fraction]]:
    given = as_weights(W, model.n_hidden, model.n_features)
    rows = [[_fraction("W", value) for value in row] for row in given.tolist()]
    n = len(rows[0])
    if b is not None and not model.bias:
        raise InputError("b was given, but the model has no bias; build it with ToyModel(..., bias=True)")
    bias = [Fraction(0)] * n if b is None else [_fraction(f"b[{i}]", v) for i, v in enumerate(b)]
    if len(bias) != n:
        raise InputError(f"b has {len(bias)} entries; give a vector of length n_features={n}")
    return [[sum((row[i] * row[j] for row in rows), Fraction(0)) for i in range(n)] for j in range(n)], bias


def _fraction(name: str, value: Any) -> Fraction:
    number = exact(name, value)
    if not number.is_Rational:
        raise InputError(f"{name}={value} is not rational; the corner formula is summed in rational arithmetic")
    return Fraction(int(number.p), int(number.q))
