"""Short rationals in the place of long powers: on the right side, close, and cheap."""

from __future__ import annotations

import time

import mpmath
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import theory
from theory import ToyModel
from theory.loss.rounding import power_of_complement

Q = sympy.Rational


@given(st.fractions(0, 1, max_denominator=10**6), st.integers(0, 3000))
def test_the_exact_power_lies_between_the_two_roundings(p: object, exponent: int) -> None:
    density = Q(p)
    exact = (1 - density) ** exponent
    low, high = (power_of_complement(density, sympy.Integer(exponent), up) for up in (False, True))
    assert low <= exact <= high
    if exact > Q(1, 10**300):
        assert high - low <= exact * Q(1, 10**28)
    else:
        assert high <= max(exact, Q(1, 10**300))


@pytest.mark.parametrize("p", ["1/1000", "0.000001234567", "1/2", "999/1000", "1/1000000007"])
def test_a_billion_features_are_quick_and_agree_with_long_floats(p: str) -> None:
    start = time.perf_counter()
    low, high = (power_of_complement(Q(p), sympy.Integer(10**9), up) for up in (False, True))
    assert time.perf_counter() - start < 1
    with mpmath.workdps(60):
        exact = mpmath.exp(10**9 * mpmath.log1p(-mpmath.mpf(Q(p).p) / Q(p).q))
        if exact > mpmath.mpf(10) ** -300:
            for value in (low, high):
                assert abs(mpmath.mpf(value.p) / value.q / exact - 1) < mpmath.mpf(10) ** -28
        else:
            assert low == 0
            assert high == Q(1, 10**300)


def test_the_ends_and_symbols_stay_exact() -> None:
    n, p = sympy.Symbol("n", integer=True, positive=True), sympy.Symbol("p", nonnegative=True)
    assert power_of_complement(p, n - 1) == (1 - p) ** (n - 1)
    assert power_of_complement(Q(0), sympy.Integer(10**9)) == 1
    assert power_of_complement(Q(1), sympy.Integer(10**9)) == 0
    assert power_of_complement(Q(1), sympy.Integer(0)) == 1
    assert power_of_complement(Q(1, 10), sympy.Integer(5)) == Q(9, 10) ** 5


@pytest.mark.parametrize("activation", [theory.power(2), theory.activation("relu")], ids=str)
def test_bounds_of_huge_models_are_quick(activation: theory.Activation) -> None:
    model = ToyModel(10**7, 100, activation, Q(1, 10**7))
    start = time.perf_counter()
    lower, upper = theory.lower_bound(model).evaluate(), theory.upper_bound(model).evaluate()
    assert time.perf_counter() - start < 10
    assert 0 < lower <= upper
