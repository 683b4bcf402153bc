"""h <= weight t^power on [0, 1], decided exactly: against mpmath, and against dense sampling in floats."""

from __future__ import annotations

import time
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import theory
from theory import ToyModel
from theory.loss.linear_programming import linear_programming_certificate, rational_near
from theory.loss.minorant import above_power, power_between

Q = sympy.Rational


@given(
    st.fractions(0, 1, max_denominator=10**6),
    st.fractions(Fraction(1, 50), 12, max_denominator=10**9),
)
def test_powers_are_bracketed_tightly(t: Fraction, power: Fraction) -> None:
    with mpmath.workdps(80):
        exact = mpmath.mpf(t.numerator) / t.denominator
        scaled = exact ** (mpmath.mpf(power.numerator) / power.denominator) * mpmath.mpf(2) ** 128
        low, high = power_between(t, power)
        assert low <= scaled * (1 + mpmath.mpf(10) ** -70)
        assert high >= scaled * (1 - mpmath.mpf(10) ** -70)
        assert high - low < 2**20


@pytest.mark.parametrize("bend", [9, 1])
@pytest.mark.parametrize("power", [Fraction(2), Fraction(3), Fraction(7, 5), Fraction(1, 3), Fraction(28284271, 10**7)])
@pytest.mark.parametrize("distance", [Fraction(1, 10**3), Fraction(1, 10**9), Fraction(-1, 10**3), Fraction(-1, 10**9)])
def test_a_parabola_that_almost_touches_is_decided(power: Fraction, distance: Fraction, bend: int) -> None:
    """h(t) = (tangent of t^power at c = 0.45) - bend (t - c)^2 - distance touches t^power at c but for `distance`."""
    c, bend = 0.45, 9 if power < 1 else bend  # a concave power lies below its tangents
    slope, value = power * Fraction(c ** float(power - 1)), Fraction(c ** float(power))
    at = Fraction(9, 20)
    h = [value - slope * at - bend * at**2 - distance, slope + 2 * bend * at, Fraction(-bend)]
    found = above_power(h, Fraction(1), power)
    if distance > 0:
        assert found is None
    else:
        assert isinstance(found, Fraction)
        assert float(h[0] + h[1] * found + h[2] * found**2) > float(found) ** float(power)
        assert abs(found - at) < 0.1


@pytest.mark.parametrize("power", [Fraction(1, 3), Fraction(4, 5), Fraction(7, 5), Fraction(283, 100)])
def test_the_highest_polynomial_below_a_power_is_told_from_one_a_little_higher(power: Fraction) -> None:
    """A fit to t^power - (t - 3/5)^2/2, lowered until it touches: about as curved, so that any wrong line shows."""
    nodes = (1 + np.cos(np.pi * (np.arange(40) + 0.5) / 40)) / 2
    fit = np.polynomial.polynomial.polyfit(nodes, nodes ** float(power) - 0.5 * (nodes - 0.6) ** 2, 10)
    t = np.concatenate([np.geomspace(1e-9, 1e-3, 20001), np.linspace(1e-3, 1, 400001)])
    gaps = np.polynomial.polynomial.polyval(t, fit) - t ** float(power)
    excess = float(gaps.max())
    assert t[gaps.argmax()] > 0.3
    assert fit[0] < excess - 1e-3
    h = [Fraction(float(value)) for value in fit]
    below, above = ([h[0] - Fraction(excess) + shift, *h[1:]] for shift in (Fraction(-1, 10**6), Fraction(1, 10**6)))
    assert above_power(below, Fraction(1), power) is None
    found = above_power(above, Fraction(1), power)
    assert isinstance(found, Fraction)
    assert sum(float(value) * float(found) ** j for j, value in enumerate(above)) > float(found) ** float(power)


@given(
    st.lists(st.integers(-40, 40), min_size=1, max_size=7),
    st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(1), Fraction(5, 2)]),
    st.sampled_from([Fraction(1), Fraction(4), Fraction(1, 2), Fraction(3, 2), Fraction(271, 100), Fraction(16, 5)]),
)
def test_the_decision_agrees_with_sampling(numerators: list[int], weight: Fraction, power: Fraction) -> None:
    h = [Fraction(value, 60) for value in numerators]
    t = np.concatenate([[0.0], np.geomspace(1e-9, 1e-3, 500), np.linspace(1e-3, 1, 20001)])
    gap = float(weight) * t ** float(power) - np.polyval([float(v) for v in h[::-1]], t)
    found = above_power(h, weight, power)
    if found is None:
        assert gap.min() > -1e-12
    elif found == "open":
        assert abs(gap.min()) < 1e-6
    else:
        assert 0 <= found <= 1
        value = float(weight) * float(found) ** float(power) - sum(
            float(v) * float(found) ** j for j, v in enumerate(h)
        )
        assert value < 1e-12
        assert gap.min() < 1e-6


def test_what_touches_is_never_called_a_counterexample() -> None:
    """t^2 - (t^2 - (t - 1/3)^2) has a double zero at 1/3, which no halving meets; the identically equal one is fine."""
    assert above_power([Fraction(-1, 9), Fraction(2, 3)], Fraction(1), Fraction(2)) == "open"
    assert above_power([Fraction(0), Fraction(0), Fraction(1)], Fraction(1), Fraction(2)) is None
    assert above_power([Fraction(0)], Fraction(0), Fraction(3, 2)) is None


IRRATIONAL = [
    (theory.rectified_power(sympy.sqrt(2)), 5, 2),
    (theory.signed_power(sympy.pi / 2), 6, 3),
    (theory.rectified_power(1 / sympy.sqrt(3)), 9, 4),
    (theory.rectified_power(Q(12345, 10007)), 20, 8),
    (theory.leaky_relu(sympy.sqrt(2) / 4), 7, 3),
    (theory.leaky_relu(sympy.sqrt(3)), 7, 3),
    (theory.signed_power(Q(1, 3)), 5, 2),
]


@pytest.mark.parametrize(("sigma", "n", "m"), IRRATIONAL, ids=lambda value: getattr(value, "name", str(value)))
def test_every_real_exponent_has_a_certificate_that_no_configuration_beats(
    sigma: theory.Activation, n: int, m: int
) -> None:
    import numerics

    model = ToyModel(n, m, sigma)
    bound = theory.lower_bound(model, of="sparse", name="linear-programming")
    found = numerics.minimise_sparse_coefficient(model, restarts=12, seed=1)
    capacity = float(bound.certificate.capacity)
    assert found.capacity <= capacity * (1 + 1e-9)
    assert float(bound.expr) <= found.coefficient + 1e-9
    # Sharp enough to be of use, and no harder to check than an integer power.
    assert capacity <= 1.15 * found.capacity
    del bound.certificate.__dict__["polynomial"]
    started = time.perf_counter()
    assert bound.certificate.check() is None
    assert time.perf_counter() - started < 0.3


def test_irrational_numbers_are_replaced_on_the_safe_side() -> None:
    a, r = sympy.sqrt(2), 1 / sympy.sqrt(3)
    certificate = linear_programming_certificate(6, 3, a, r)
    assert 0 < certificate.exponent - a < Q(1, 10**12)
    assert 0 < r - certificate.negative < Q(1, 10**12)
    assert rational_near(Q(7, 3), up=True) == Q(7, 3)
    beside = [linear_programming_certificate(6, 3, value, r).capacity for value in (Q(14, 10), Q(15, 10))]
    assert beside[0] < certificate.capacity < beside[1]


@settings(max_examples=20)
@given(st.floats(0.3, 3.0), st.floats(0, 2), st.integers(2, 5), st.integers(2, 9), st.integers(0, 10**6))
def test_certificates_hold_for_random_configurations(a: float, r: float, m: int, n: int, seed: int) -> None:
    certificate = linear_programming_certificate(n, m, Q(repr(a)), Q(repr(r)), 8)
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((m, n)) + rng.standard_normal((m, 1))
    W /= np.linalg.norm(W, axis=0)
    weights, cosines = rng.exponential(size=n), np.clip(W.T @ W, -1, 1)
    kernel = np.where(cosines >= 0, 1.0, r) * np.abs(cosines) ** (2 * a)
    assert weights.sum() ** 2 / (weights @ kernel @ weights) <= float(certificate.capacity) * (1 + 1e-12)
