"""Polynomials between their Bernstein coefficients: signs on an interval and on a box, proved in integers.

A polynomial on [0, 1]^k lies between its smallest and its largest Bernstein coefficient. Where those have both signs
the box is cut in half, along each variable in turn. All numbers are integers, so the answer is a proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import comb, lcm
from typing import Any

import numpy as np
import sympy

from theory.arguments import InputError

__all__ = ["halved", "on_unit_interval", "proved_sign"]


def on_unit_interval(coefficients: Sequence[Fraction]) -> tuple[list[int], int]:
    """Integer Bernstein coefficients on [0, 1] and the positive integer they are multiplied by."""
    degree = len(coefficients) - 1
    shares = [value / comb(degree, j) for j, value in enumerate(coefficients)]
    scale = lcm(*(share.denominator for share in shares))
    integers = [share.numerator * (scale // share.denominator) for share in shares]
    return [sum(comb(i, j) * integers[j] for j in range(i + 1)) for i in range(degree + 1)], scale


def halved(values: list[int]) -> tuple[list[int], list[int]]:
    """Bernstein coefficients on both halves, multiplied by 2^degree (de Casteljau without the divisions)."""
    degree = len(values) - 1
    left, right, row = [0] * (degree + 1), [0] * (degree + 1), values
    for k in range(degree + 1):
        left[k], right[degree - k] = row[0] << (degree - k), row[-1] << (degree - k)
        row = [a + b for a, b in pairwise(row)]
    return left, right


def proved_sign(expr: sympy.Expr, box: dict[sympy.Symbol, tuple[Any, Any]], depth: int = 24) -> int:
    """+1 where `expr` is proved to be >= 0 on the whole box, -1 where <= 0, 0 where neither is proved.

    Args:
        expr: a polynomial with rational coefficients in the symbols of the box.
        box: for each symbol its ends, rationals.
        depth: how many times a box is cut in half before giving up.

    Raises:
        InputError: symbols that the box does not bound.
    """
    loose = expr.free_symbols - set(box)
    if loose:
        raise InputError(f"box has no ends for {', '.join(sorted(map(str, loose)))}")
    table = {
        x: sympy.Rational(low) + (sympy.Rational(high) - sympy.Rational(low)) * x for x, (low, high) in box.items()
    }
    constant, factors = sympy.factor_list(sympy.expand(expr.subs(table, simultaneous=True)), *box)
    sign = 1 if constant > 0 else -1 if constant < 0 else 1
    for factor, multiplicity in factors:
        if multiplicity % 2 == 0:
            continue
        found = _factor_sign(sympy.Poly(factor, *box), depth)
        if found == 0:
            return 0
        sign *= found
    return sign


def _factor_sign(poly: sympy.Poly, depth: int) -> int:
    boxes = [(_bernstein(poly), 0)]
    seen = 0
    while boxes:
        coefficients, level = boxes.pop()
        low, high = coefficients.min(), coefficients.max()
        sign = 1 if low >= 0 else -1 if high <= 0 else 0
        if sign == 0:
            # The corners are values of the polynomial itself: both signs there, or no depth left, ends the proof.
            if level == depth or _corner_signs(coefficients) == {1, -1}:
                return 0
            axis = level % coefficients.ndim
            boxes += [(half, level + 1) for half in _halves(coefficients, axis)]
        elif sign * seen < 0:
            return 0
        elif high != 0 or low != 0:
            seen = sign
    return seen or 1


def _bernstein(poly: sympy.Poly) -> np.ndarray:
    """Bernstein coefficients on [0, 1]^k times a common positive integer, as an object array of integers."""
    degrees = poly.degree_list()
    scaled = poly.clear_denoms()[1]
    power = np.zeros([d + 1 for d in degrees], dtype=object)
    for exponents, coefficient in scaled.terms():
        power[exponents] = int(coefficient)
    for axis, degree in enumerate(degrees):
        common = 1
        for k in range(degree + 1):
            common = int(sympy.ilcm(common, comb(degree, k)))
        change = np.array(
            [[common * comb(i, k) // comb(degree, k) if common * comb(i, k) % comb(degree, k) == 0 else None
              for k in range(degree + 1)] for i in range(degree + 1)],
            dtype=object,
        )  # fmt: skip
        power = np.moveaxis(np.tensordot(change, power, axes=(1, axis)), 0, axis)
    return power


def _halves(coefficients: np.ndarray, axis: int) -> Sequence[np.ndarray]:
    """De Casteljau at 1/2 along one axis, both halves times the same power of two."""
    rows = np.moveaxis(coefficients, axis, 0)
    degree = len(rows) - 1
    left = [rows[0] * 2**degree]
    right = [rows[degree] * 2**degree]
    current = rows
    for step in range(1, degree + 1):
        current = current[:-1] + current[1:]
        left.append(current[0] * 2 ** (degree - step))
        right.append(current[-1] * 2 ** (degree - step))
    return [np.moveaxis(np.array(half), 0, axis) for half in (left, right[::-1])]


def _corner_signs(coefficients: np.ndarray) -> set[int]:
    corners = coefficients[np.ix_(*[(0, size - 1) for size in coefficients.shape])]
    return {1 if value > 0 else -1 for value in corners.ravel() if value != 0}
