"""Exact capacities of integer weights, against sympy and against fractions summed term by term."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import theory
from theory import InputError
from theory.loss.geometry.integer_weights import capacity_from_below

Q = sympy.Rational
COLUMNS = st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), min_size=1, max_size=6).filter(
    lambda columns: any(any(column) for column in columns)
)


@settings(max_examples=60, deadline=None)
@given(COLUMNS, st.sampled_from([1, 2, 3]), st.sampled_from([Q(0), Q(1), Q(1, 100)]))
def test_integer_exponents_are_exact(columns: list[list[int]], a: int, negative: sympy.Rational) -> None:
    """Against the definition: unit vectors, weights a_i and the kernel at each cosine, in fractions."""
    kept = [column for column in columns if any(column)]
    norm = [sum(x * x for x in column) for column in kept]
    energy = Fraction(0)
    for i, u in enumerate(kept):
        for j, v in enumerate(kept):
            dot = sum(x * y for x, y in zip(u, v, strict=True))
            # a_i a_j f(cos) with cos^2 = dot^2/(g_i g_j) and a_i = g_i^a, so the square root never appears.
            weight = 1 if dot >= 0 else Fraction(int(negative.p), int(negative.q))
            energy += weight * Fraction(norm[i] * norm[j]) ** a * Fraction(dot * dot, norm[i] * norm[j]) ** a
    expected = Fraction(sum(g**a for g in norm)) ** 2 / energy
    found = capacity_from_below(columns, sympy.Integer(a), negative)
    assert (found.p, found.q) == (expected.numerator, expected.denominator)


@settings(max_examples=40, deadline=None)
@given(COLUMNS, st.sampled_from([Q(1, 2), Q(3, 2), Q(5, 2)]), st.sampled_from([0, 1]))
def test_half_integers_are_bounded_from_below(columns: list[list[int]], a: sympy.Rational, negative: int) -> None:
    found = capacity_from_below(columns, a, sympy.Integer(negative))
    W = sympy.Matrix(columns).T
    gram = W.T * W
    n = gram.shape[0]
    total = sympy.N(sum(gram[i, i] ** a for i in range(n)), 60)
    energy = sympy.N(
        sum((1 if gram[i, j] > 0 else negative) * sympy.Abs(gram[i, j]) ** (2 * a) for i in range(n) for j in range(n)),
        60,
    )
    exact = total**2 / energy
    assert found <= exact
    assert found >= exact * (1 - Q(1, 10**17))


def test_known_codes() -> None:
    clebsch = [[1 - 2 * (k >> i & 1) for i in range(5)] for k in range(32) if bin(k).count("1") % 2 == 0]
    assert capacity_from_below(clebsch, sympy.Integer(1), sympy.Integer(0)) == Q(80, 7)
    pair = [[1, 0], [-1, 0], [0, 0]]
    assert capacity_from_below(pair, sympy.Integer(2), sympy.Integer(0)) == 2
    assert capacity_from_below(pair, sympy.Integer(2), sympy.Integer(1)) == 1


def test_it_agrees_with_the_general_capacity() -> None:
    columns = np.random.default_rng(0).integers(-1000, 1000, size=(7, 3))
    found = capacity_from_below(columns.tolist(), sympy.Integer(1), sympy.Integer(0))
    assert float(found) == pytest.approx(theory.capacity(columns.T.astype(float), "relu"), rel=1e-13)


@pytest.mark.parametrize(
    ("columns", "a", "negative"),
    [([[0, 0]], Q(1), Q(0)), ([[1, 0]], Q(3, 4), Q(0)), ([[1, 0]], Q(1), sympy.sqrt(2)), ([[1]], sympy.pi, Q(0))],
)
def test_refusals(columns: list[list[int]], a: sympy.Expr, negative: sympy.Expr) -> None:
    with pytest.raises(InputError):
        capacity_from_below(columns, a, negative)
