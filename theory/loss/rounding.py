"""Exact numbers kept short: powers of q = 1 - p rounded to the safe side, sums of algebraic numbers simplified."""

from __future__ import annotations

import sympy

__all__ = ["power_of_complement", "tidied"]

_LARGEST_EXACT_BITS = 1000
_BITS, _SMALLEST_BITS = 256, 2000


def tidied(value: sympy.Expr) -> sympy.Expr:
    """The same expression, simplified where it is an algebraic number; gammas would take seconds and gain nothing."""
    if value.is_Rational or value.free_symbols or value.has(sympy.gamma):
        return value
    return sympy.simplify(value) if value.is_algebraic else value


def power_of_complement(p: sympy.Expr, exponent: sympy.Expr, up: bool = False) -> sympy.Expr:
    """(1 - p)**exponent; where it would have thousands of digits, a short rational below it (above it if `up`).

    Args:
        p: density in [0, 1] or a symbol.
        exponent: integer >= 0 or a symbol.
        up: the side to round to; the relative error is below 1e-29, or the value is below 1e-300.
    """
    base = 1 - p
    if not (base.is_Rational and exponent.is_Integer) or base in (0, 1):
        return base**exponent
    if int(exponent) * int(base.q).bit_length() <= _LARGEST_EXACT_BITS:
        return base**exponent
    value = _directed_power(base, int(exponent), up)
    if value.p * 10**300 < value.q:
        return sympy.Rational(1, 10**300) if up else sympy.Integer(0)
    scale = 10 ** (len(str(value.q // value.p)) + 30)
    return sympy.Rational(_divide(value.p * scale, value.q, up), scale)


def _directed_power(base: sympy.Rational, exponent: int, up: bool) -> sympy.Rational:
    """Repeated squaring; products of bounds of nonnegative factors are bounds, so rounding every one is safe."""
    result, square = sympy.Integer(1), base
    while exponent:
        if exponent & 1:
            result = _shortened(result * square, up)
        square = _shortened(square * square, up)
        exponent >>= 1
    return result


def _shortened(value: sympy.Rational, up: bool) -> sympy.Rational:
    """A neighbour of a number in [0, 1] with a short numerator, at most (at least if `up`) the number itself."""
    if value == 0 or value.q.bit_length() <= _BITS:
        return value
    leading_zeros = value.q.bit_length() - value.p.bit_length()
    if leading_zeros > _SMALLEST_BITS:
        return sympy.Rational(1, 1 << (_SMALLEST_BITS - 1)) if up else sympy.Integer(0)
    scale = 1 << (leading_zeros + _BITS)
    return sympy.Rational(_divide(value.p * scale, value.q, up), scale)


def _divide(top: int, bottom: int, up: bool) -> int:
    return -(-top // bottom) if up else top // bottom
