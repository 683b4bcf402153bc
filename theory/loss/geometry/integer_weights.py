"""The capacity of integer weights by integer arithmetic: what a search found in floats becomes a theorem.

K(W) = s^2/E does not change when W is scaled, so W may be taken integer. For integer 2a every |G_ij|^(2a) is then an
integer; s = sum_i G_ii^a is one too for integer a, and is bounded from below by an integer square root otherwise.
Source: docs/theory.md, T2.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import sympy

from theory.arguments import InputError

__all__ = ["capacity_from_below", "is_exact_kernel"]

_ROOT_BITS = 64


def is_exact_kernel(exponent: sympy.Expr, negative: sympy.Expr) -> bool:
    """Whether integer weights have a capacity that integer arithmetic bounds: 2a an integer, r_ rational."""
    return bool((2 * exponent).is_Integer and negative.is_Rational and exponent > 0)


def capacity_from_below(
    columns: Sequence[Sequence[int]], exponent: sympy.Rational, negative: sympy.Rational
) -> sympy.Rational:
    """A rational lower bound on K(W) = (sum a_i)^2 / sum_ij a_i a_j f(cos_ij); K(W) itself where a is an integer.

    Args:
        columns: n feature directions with their norms, m integers each.
        exponent: a > 0 with 2a an integer, of the kernel f(t) = t_+^(2a) + negative t_-^(2a).
        negative: rational weight of negative cosines, >= 0.

    Raises:
        InputError: 2a is no integer, negative is not rational, or every column is zero.
    """
    if not is_exact_kernel(exponent, negative):
        raise InputError(
            f"exponent={exponent}, negative={negative}: exact capacities need 2a an integer and r_ rational"
        )
    power = int(2 * exponent)
    kept = [column for column in columns if any(column)]
    if not kept:
        raise InputError("every column is zero; the capacity is undefined")
    # Twice the energy off the diagonal, by the sign of the cosine.
    positive = opposed = diagonal = 0
    total, roots = 0, 1 << _ROOT_BITS
    for i, first in enumerate(kept):
        norm = sum(x * x for x in first)
        diagonal += norm**power
        total += norm ** (power // 2) * roots if power % 2 == 0 else isqrt(norm**power << (2 * _ROOT_BITS))
        for second in kept[:i]:
            entry = sum(x * y for x, y in zip(first, second, strict=True))
            if entry > 0:
                positive += entry**power
            else:
                opposed += (-entry) ** power
    energy = diagonal + 2 * positive + 2 * negative * opposed
    return sympy.Rational(total * total, roots * roots) / energy
