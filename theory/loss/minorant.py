"""Whether a polynomial stays below weight t^power on [0, 1]: exact integer arithmetic, any rational power > 0.

The coefficients of a polynomial in the Bernstein basis of an interval bracket its values there, so that a difference
with no negative coefficient is nonnegative; where one is negative the interval is halved. An integer power is a
polynomial itself. Any other is first replaced, on each interval, by a line below it: the tangent at the midpoint where
t^power is convex, the chord where it is concave. Source: docs/theory.md, T5.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from math import isqrt
from typing import Literal

from theory.loss.bernstein import halved, on_unit_interval

__all__ = ["above_power", "power_between"]

_BITS = 128
# Limits the time that a doctored certificate can take; an honest one needs about a thousandth of it.
_WORK, _FEWEST_INTERVALS, _MOST_INTERVALS = 2 * 10**7, 100, 4000

Outcome = Fraction | Literal["open"] | None


def above_power(h: Sequence[Fraction], weight: Fraction, power: Fraction) -> Outcome:
    """None where h(t) <= weight t^power is proved for every t in [0, 1]; else a t where it fails.

    Args:
        h: coefficients of the polynomial, lowest power first.
        weight: >= 0.
        power: > 0.

    Returns:
        None, a point t with h(t) > weight t^power, or "open" where the intervals became too many: h touches the power.
    """
    if power.denominator == 1 or weight == 0:
        gap = [-value for value in h] + [Fraction(0)] * (int(power) + 1 - len(h) if weight else 0)
        if weight:
            gap[int(power)] += weight
        return _first_negative(gap)
    return _first_above_lines(h, weight, power)


def _first_negative(gap: Sequence[Fraction]) -> Outcome:
    """None where the polynomial is >= 0 on [0, 1]; signs alone matter, so its scale is let grow."""
    start, _ = on_unit_interval(gap)
    open_intervals = [(Fraction(0), Fraction(1), start)]
    for _ in range(_affordable(start)):
        if not open_intervals:
            return None
        low, high, values = open_intervals.pop()
        if min(values) >= 0:
            continue
        for point, value in ((low, values[0]), (high, values[-1])):
            if value < 0:
                return point
        middle = (low + high) / 2
        left, right = halved(values)
        open_intervals += [(middle, high, right), (low, middle, left)]
    return "open"


def _first_above_lines(h: Sequence[Fraction], weight: Fraction, power: Fraction) -> Outcome:
    degree = max(len(h) - 1, 1)
    start, scale = on_unit_interval([*h, Fraction(0)] if len(h) == 1 else h)
    open_intervals = [(Fraction(0), Fraction(1), start, scale)]
    for _ in range(_affordable(start)):
        if not open_intervals:
            return None
        low, high, values, scale = open_intervals.pop()
        at_low, at_high = _line_below(low, high, power)
        # The line from at_low to at_high has the Bernstein coefficients at_low + (at_high - at_low) i/degree.
        factor, divisor = weight.numerator * scale, weight.denominator * degree << _BITS
        rises = range(degree + 1)
        if all(factor * (at_low * (degree - i) + at_high * i) >= divisor * values[i] for i in rises):
            continue
        for point, value in ((low, values[0]), (high, values[-1])):
            if value * weight.denominator << _BITS > factor * power_between(point, power)[1]:
                return point
        middle = (low + high) / 2
        left, right = halved(values)
        open_intervals += [(middle, high, right, scale << degree), (low, middle, left, scale << degree)]
    return "open"


def _affordable(values: list[int]) -> int:
    words = 1 + max(map(abs, values)).bit_length() // 500
    return min(max(_FEWEST_INTERVALS, _WORK // (len(values) ** 2 * words)), _MOST_INTERVALS)


def _line_below(low: Fraction, high: Fraction, power: Fraction) -> tuple[int, int]:
    """Values at both ends, in units of 2^-_BITS, of a line below t^power on [low, high]."""
    if power < 1:
        return power_between(low, power)[0], power_between(high, power)[0]
    if low == 0:
        return 0, 0
    middle = (low + high) / 2
    value_low, value_high = power_between(middle, power)
    # The tangent t^power >= c^power (1 + power (t - c)/c) at the midpoint c.
    tilt = power * (high - low) / (2 * middle)
    return _floor((1 - tilt) * (value_low if tilt <= 1 else value_high)), _floor((1 + tilt) * value_low)


def _floor(value: Fraction) -> int:
    return value.numerator // value.denominator


@cache
def power_between(t: Fraction, power: Fraction) -> tuple[int, int]:
    """Integers (low, high) with low <= 2^128 t^power <= high, for 0 <= t <= 1 and power > 0; high - low is small.

    Powers of t fall as the power grows, so the fractional part is rounded up for the lower value and down for the
    upper one; its binary digits are then answered by repeated square roots of integers.
    """
    one, whole = 1 << _BITS, _floor(power)
    scaled = (power - whole) * one
    below, above = _floor(scaled), -_floor(-scaled)
    low = _directed(t, whole, above, up=False) if above < one else _directed(t, whole + 1, 0, up=False)
    return low, min(one, _directed(t, whole, below, up=True))


def _directed(t: Fraction, whole: int, digits: int, up: bool) -> int:
    """2^128 t^(whole + digits/2^128), every step rounded down, or up if `up`."""
    round_up = (1 << _BITS) - 1 if up else 0
    times = lambda a, b: (a * b + round_up) >> _BITS  # noqa: E731
    root = square = (t.numerator * (1 << _BITS) + (t.denominator - 1 if up else 0)) // t.denominator
    result = 1 << _BITS
    while whole:
        if whole & 1:
            result = times(result, square)
        square, whole = times(square, square), whole >> 1
    for place in range(_BITS - 1, -1, -1):
        if not digits & ((1 << place + 1) - 1):
            break
        root = isqrt((root << _BITS) - 1) + 1 if up and root else isqrt(root << _BITS)
        if digits >> place & 1:
            result = times(result, root)
    return result
