"""Infinitely many features with densities p_1 i^(-s): a proved interval for the lost stake, from the first n of them.

Source: docs/scaling.md, S7(d).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy

from theory.arguments import InputError, as_positive_count, exact
from theory.features import feature_law
from theory.loss.capacity import sparse_constants
from theory.loss.geometry.spreading import Spread, spread_stake
from theory.loss.minorants import minorants
from theory.loss.unequal.densities import as_fraction, rational
from theory.loss.unequal.scaling import zipf_densities
from theory.loss.unequal.stakes import held_stake
from theory.registry import activation as as_activation

__all__ = ["tail_interval", "zipf_interval"]


def zipf_interval(
    activation: Any, m: Any, s: Any, n: Any = 1000, law: Any = "uniform"
) -> tuple[sympy.Rational, sympy.Rational, Spread]:
    """(lower, upper, construction): an interval for Lambda(m)/p_1 with infinitely many densities p_1 i^(-s), b = 0.

    Below: the stakes are cut at c = (n+1)^(-s). Above the cut n features remain, S4; below it m dimensions hold at most
    c K*, whatever the features. Above: the features after the n-th are dropped.

    Args:
        activation: a power activation.
        m: hidden dimension.
        s: exponent > 1.
        n: how many features are treated one by one; the more, the closer the interval.
        law: of an active feature.

    Raises:
        InputError: s <= 1, symbols, or an activation that is not homogeneous.

    Source: docs/scaling.md, S7(d).
    """
    size, power, count = as_positive_count("m", m), exact("s", s), as_positive_count("n", n)
    constants = sparse_constants(feature_law(law), as_activation(activation))
    kernel = constants.kernel
    if not (size.is_number and count.is_number and power.is_number and kernel.exponent.is_number):
        raise InputError(f"m={m}, s={s}, n={n} and the activation's exponent must be numbers")
    low_tail, high_tail = tail_interval(power, int(count))
    stakes = [as_fraction(p) for p in zipf_densities(count, power)]
    cut = as_fraction(sympy.Integer(int(count) + 1) ** -power, up=True)
    top = [max(value - cut, Fraction(0)) for value in stakes]
    above = held_stake(top, kernel, int(size))
    family = [h for h in minorants(kernel, int(size), int(count)) if h.gamma > 0]
    capacity = min(1 / h.gamma for h in family)
    below = sum(stakes, Fraction(0)) - sum(top, Fraction(0)) + low_tail - cut * capacity
    lower = max(above.lost, Fraction(0)) + max(below, Fraction(0))
    spread = spread_stake(stakes, [Fraction(1)] * len(stakes), kernel, int(size))
    return rational(lower), rational(sum(stakes, Fraction(0)) - spread.held + high_tail), spread


def tail_interval(s: sympy.Expr, n: int) -> tuple[Fraction, Fraction]:
    """An interval for sum over i > n of i^(-s): trapezoid from below, midpoint from above, since x^(-s) is convex.

    Raises:
        InputError: s <= 1, where the sum is infinite.
    """
    if not s > 1:
        raise InputError(f"s={s} must be > 1: else infinitely many densities have no finite sum")
    start, middle = sympy.Integer(n + 1), sympy.Integer(n) + sympy.Rational(1, 2)
    low = start ** (1 - s) / (s - 1) + start**-s / 2
    return as_fraction(low), as_fraction(middle ** (1 - s) / (s - 1), up=True)
