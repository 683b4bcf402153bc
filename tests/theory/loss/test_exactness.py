"""Exact input gives the exact value, not a nearby simpler number."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import sympy
from hypothesis import given
from hypothesis import strategies as st

import theory
from theory import ToyModel
from theory.loss.geometry.codes import code


def by_fractions(W: list[list[Fraction]], k: int) -> Fraction:
    """c(W) of z**k with uniform values, by the formula in plain rational arithmetic."""
    columns = list(zip(*W, strict=True))
    gram = [[sum(a * b for a, b in zip(v, w, strict=True)) for v in columns] for w in columns]
    total = sum(gram[i][i] ** k for i in range(len(columns)))
    energy = sum(entry ** (2 * k) for row in gram for entry in row)
    return Fraction(len(columns), 3) - 2 * Fraction(1, k + 2) * total + Fraction(1, 2 * k + 1) * energy


def test_rational_weights_next_to_a_design_do_not_reach_it():
    # The six lines of the icosahedron have irrational coordinates, so rational weights stay above c* = 7/16.
    model = ToyModel(6, 3, theory.power(2))
    ideal = theory.optimal_scale(model, np.array(code("icosahedron").lines().W.tolist(), dtype=float))
    W = [[Fraction(value).limit_denominator(10**14) for value in row] for row in ideal]
    c = theory.sparse_coefficient(model, W)
    assert 0 < c - sympy.Rational(7, 16) < sympy.Rational(1, 10**15)
    assert c == sympy.Rational(*by_fractions(W, 2).as_integer_ratio())


ROW = st.tuples(*[st.fractions(-2, 2, max_denominator=10**9)] * 3).map(list)


@given(st.integers(1, 3), st.tuples(ROW, ROW).map(list))
def test_rational_arithmetic(k, W):
    model = ToyModel(3, 2, theory.power(k))
    assert theory.sparse_coefficient(model, W) == sympy.Rational(*by_fractions(W, k).as_integer_ratio())


def test_irrational_energy_is_kept_as_it_is():
    # sqrt(2) + sqrt(3) + ... entries: the value agrees with 80-digit arithmetic to 70 digits.
    W = sympy.Matrix([[1, sympy.sqrt(2) / 3, sympy.Rational(12345678901, 10**10)]])
    value = theory.sparse_coefficient(ToyModel(3, 1, theory.rectified_power(sympy.Rational(1, 2))), W)
    norms = [abs(entry) for entry in W]
    # One dimension, all weights positive: a_i = |w_i|, f = 1 for every pair, so E = (sum a)^2; M_1 = 2/5, M_d = 1/2.
    expected = 1 - sympy.Rational(4, 5) * sum(norms) + sum(norms) ** 2 / 2
    assert abs(sympy.N(value - expected, 80)) < sympy.Rational(1, 10**70)
