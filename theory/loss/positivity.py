"""Whether a rational polynomial is positive on an interval, decided by exact integers.

In the Bernstein basis of an interval a polynomial lies between its smallest and largest coefficient, and its end
coefficients are its end values. Halving the interval sharpens both, so a positive polynomial is soon seen to be so.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import comb

from theory.loss.bernstein import halved, on_unit_interval

__all__ = ["is_positive", "multiplied", "shifted_power"]

_DEEPEST = 60


def is_positive(coefficients: Sequence[Fraction], low: Fraction, high: Fraction) -> bool:
    """Whether sum_i coefficients[i] t^i > 0 for every t in [low, high]; True is a proof.

    False means a value <= 0 at some point met by halving, or (never seen) a minimum too close to 0 for 60 halvings.

    Args:
        coefficients: rational, lowest power first.
        low, high: rational, low <= high.
    """
    if low == high:
        return _value(coefficients, low) > 0
    pieces = [(_on_interval(coefficients, low, high), 0)]
    while pieces:
        row, depth = pieces.pop()
        if min(row) > 0:
            continue
        if row[0] <= 0 or row[-1] <= 0 or depth == _DEEPEST:
            return False
        left, right = halved(row)
        pieces += [(left, depth + 1), (right, depth + 1)]
    return True


def _value(coefficients: Sequence[Fraction], t: Fraction) -> Fraction:
    total = Fraction(0)
    for value in reversed(coefficients):
        total = total * t + value
    return total


def _on_interval(coefficients: Sequence[Fraction], low: Fraction, high: Fraction) -> list[int]:
    """Positive multiples of the Bernstein coefficients on [low, high], as integers."""
    degree, width = len(coefficients) - 1, high - low
    moved = list(coefficients)
    # Repeated synthetic division: the Taylor coefficients at `low`.
    for start in range(degree):
        for i in range(degree - 1, start - 1, -1):
            moved[i] += low * moved[i + 1]
    moved = [value * width**i for i, value in enumerate(moved)]
    return on_unit_interval(moved)[0]


def multiplied(first: Sequence[Fraction], second: Sequence[Fraction]) -> list[Fraction]:
    """The coefficients of a product, lowest power first."""
    result = [Fraction(0)] * (len(first) + len(second) - 1)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            result[i + j] += a * b
    return result


def shifted_power(shift: Fraction, slope: Fraction, power: int) -> list[Fraction]:
    """The coefficients of (shift + slope t)^power, lowest power first."""
    return [comb(power, i) * shift ** (power - i) * slope**i for i in range(power + 1)]
