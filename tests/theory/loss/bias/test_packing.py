"""The lower bound with free norms and biases: every inequality it rests on by brute force, and attempts to break it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import theory
from numerics import minimise_biased_coefficient, minimise_loss
from theory import ToyModel
from theory.loss.bias.packing import PackingCertificate, pair_floor
from theory.loss.bias.packing_search import best_packing_certificate, search_packing_certificate
from theory.loss.positivity import is_positive

F = Fraction


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=7), st.integers(-8, 8), st.integers(1, 16))
def test_positivity_agrees_with_sturm(coefficients: list[int], low: int, width: int) -> None:
    t = sympy.Symbol("t")
    a, b = sympy.Rational(low, 8), sympy.Rational(low + width, 8)
    poly = sympy.Poly(sum(c * t**i for i, c in enumerate(coefficients)), t)
    if poly.is_zero or poly.degree() <= 0:
        expected = coefficients[0] > 0
    else:
        expected = bool(poly.eval(a) > 0 and poly.count_roots(a, b) == 0)
    assert is_positive([F(c) for c in coefficients], F(low, 8), F(low + width, 8)) is expected


@pytest.mark.parametrize("a", [1, 2, 3])
@pytest.mark.parametrize("start", [F(1, 20), F(1, 5), F(1, 2)])
def test_the_floor_of_a_pair_is_below_every_choice_of_norms(a: int, start: Fraction) -> None:
    """rho F(S, rho) against the minimum over the ratio of norms, on a fine grid of ratios."""
    p, ratios = 2 * a + 1, np.exp(np.linspace(-8, 8, 16001))
    slack = []
    for low, high, polynomial in pair_floor(start, a):
        for rho in np.linspace(float(low) + 1e-9, float(high), 12):
            s = float(start) / rho
            pair = np.maximum(1 - s * ratios, 0) ** p / p + np.maximum(1 - s / ratios, 0) ** p / p
            least = rho ** (2 * a + 1) * pair.min() / 2
            floor = float(sum(float(c) * rho**i for i, c in enumerate(polynomial)))
            assert floor <= least * (1 + 1e-6) + 1e-12
            slack.append(least - floor)
    # For ReLU the floor is that minimum.
    if a == 1:
        assert max(slack) < 1e-6


@pytest.mark.parametrize("a", [1, 2])
def test_a_pair_with_any_norms_and_thresholds_costs_at_least_the_floor(a: int) -> None:
    """The claim itself, through the loss of two features: interference >= 2 g_i^a g_j^a F(sqrt(tau_i tau_j), rho)."""
    rng = np.random.default_rng(a)
    model = ToyModel(2, 2, theory.rectified_power(a), bias=True)
    for _ in range(300):
        g, tau = np.exp(rng.uniform(-1, 1, 2)), rng.uniform(0.01, 0.7, 2)
        rho = rng.uniform(0.05, 1)
        W = np.array([[1, rho], [0, np.sqrt(1 - rho**2)]]) * np.sqrt(g)
        b = -tau * g
        together = theory.biased_sparse_coefficient(model, W, b)
        apart = theory.biased_sparse_coefficient(model, np.diag(np.sqrt(g)), b)
        start = F(float(np.sqrt(tau[0] * tau[1]))).limit_denominator(10**9) + F(1, 10**9)
        if rho <= start:
            continue
        piece = next(poly for low, high, poly in pair_floor(start, a) if low <= rho <= high)
        floor = float(sum(float(c) * rho**i for i, c in enumerate(piece))) / rho
        assert together - apart >= 2 * (g[0] * g[1]) ** a * floor * (1 - 1e-7) - 1e-12


CERTIFICATE = search_packing_certificate(5, 2, levels=[F(1, 8), F(1, 4), F(3, 8), F(1, 2)])


def test_the_certificate_proves_something() -> None:
    assert CERTIFICATE is not None
    assert CERTIFICATE.check() is None
    assert 0.02 < CERTIFICATE.bound(5) < 0.0791281353725
    # The same object bounds every number of features, one certified loss more for each.
    assert CERTIFICATE.bound(6) - CERTIFICATE.bound(5) == CERTIFICATE.loss


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: {"loss": c.loss * F(101, 100)}, "may cost less"),
        (lambda c: {"loss": F(1, 2)}, "beyond the last level"),
        (lambda c: {"levels": (*c.levels[:-1], F(11, 10))}, "increase"),
        (lambda c: {"levels": (c.levels[0] / 2, *c.levels[1:])}, r"may cost less|exceeds"),
        (lambda c: {"kernels": tuple(tuple(v * F(101, 100) for v in h) for h in c.kernels)}, r"exceeds|may cost less"),
        (lambda c: {"kernels": tuple((-h[0], *h[1:]) for h in c.kernels)}, "negative"),
        (lambda c: {"multipliers": tuple(y * F(99, 100) for y in c.multipliers)}, "may cost less"),
        (lambda c: {"multipliers": c.multipliers[:-1]}, "match"),
        (lambda c: {"two_sided": True}, "odd"),
        (lambda c: {"exponent": 2}, r"exceeds|may cost less|beyond"),
        (lambda c: {"m": 3}, r"exceeds|may cost less"),
    ],
)
def test_a_doctored_certificate_is_rejected(change, says: str) -> None:
    import re

    reason = replace(CERTIFICATE, **change(CERTIFICATE)).check()
    assert reason is not None
    assert re.search(says, reason), reason


def sampled_bound(certificate: PackingCertificate, rng: np.random.Generator, n: int, m: int) -> float:
    """The smallest c(W, b) - bound among random weights with random norms and thresholds."""
    model = ToyModel(n, m, theory.rectified_power(certificate.exponent), bias=True)
    least = np.inf
    for _ in range(200):
        W = rng.standard_normal((m, n))
        W *= np.sqrt(rng.uniform(0.3, 2, n)) / np.linalg.norm(W, axis=0)
        b = -rng.uniform(0, 0.6, n) * (W**2).sum(axis=0)
        least = min(least, theory.biased_sparse_coefficient(model, W, b) - float(certificate.bound(n)))
    return least


def test_random_weights_and_biases_never_beat_a_certificate() -> None:
    rng = np.random.default_rng(0)
    for n in (3, 5, 9):
        assert sampled_bound(CERTIFICATE, rng, n, 2) > 0


@pytest.mark.parametrize(
    ("n", "m", "a", "law"),
    [
        (3, 1, 1, "uniform"), (5, 2, 1, "uniform"), (9, 3, 1, "uniform"), (5, 2, 2, "uniform"), (4, 1, 3, "uniform"),
        (2, 1, 1, "two-sided:uniform"), (3, 2, 2, "two-sided:uniform"),
    ],
)  # fmt: skip
def test_a_free_search_never_beats_the_bound(n: int, m: int, a: int, law: str) -> None:
    model = ToyModel(n, m, theory.rectified_power(a), law=law, bias=True)
    lower = theory.lower_bound(model, of="sparse")
    found = minimise_biased_coefficient(model, restarts=16)
    assert 0 < float(lower.expr) <= found.coefficient * (1 + 1e-9)
    assert float(lower.expr) <= float(theory.upper_bound(model, of="sparse").expr) * (1 + 1e-9)
    assert False not in lower.check_derivation().values()
    assert lower.certificate is None or lower.certificate.check() is None


def test_more_levels_are_sharper() -> None:
    few, many = (best_packing_certificate(4, 1, levels=k) for k in (2, 6))
    assert few is not None
    assert many is not None
    assert few.bound(4) < many.bound(4)


def test_importances_are_taken_in_layers() -> None:
    model = ToyModel(4, 1, "relu", bias=True, importance=[1, 1, 0.5, 0.25])
    bound = theory.lower_bound(model, of="sparse", name="packing")
    found = minimise_biased_coefficient(model, restarts=16)
    assert 0 < float(bound.expr) <= found.coefficient


def test_up_to_twice_the_dimension_relu_loses_nothing_at_first_order() -> None:
    for n in (1, 2, 4):
        model = ToyModel(n, 2, "relu", bias=True)
        assert theory.lower_bounds(model, of="sparse") == []
        assert theory.upper_bound(model, of="sparse").value == 0
    # Higher powers cost d(0) = mu_2 - kappa each, and that is exact.
    square = ToyModel(4, 2, theory.rectified_power(2), bias=True)
    assert theory.lower_bound(square, of="sparse").expr == theory.upper_bound(square, of="sparse").expr


@pytest.mark.parametrize(("n", "a", "p"), [(3, 1, 1e-4), (3, 1, 0.2), (3, 2, 1e-9)])
def test_no_density_beats_the_bound_with_biases_of_any_sign(n: int, a: int, p: float) -> None:
    model = ToyModel(n, 1, theory.rectified_power(a), p, bias=True)
    found = minimise_loss(model, restarts=3)
    lower = theory.lower_bounds(model)
    assert [bound.name for bound in lower] == ["first-order"]
    assert 0 < lower[0].evaluate() <= found.loss.value + found.loss.error
    assert all(lower[0].evaluate() <= bound.evaluate() for bound in theory.upper_bounds(model))
    assert False not in lower[0].check_derivation().values()


def test_the_closed_form() -> None:
    n, m = sympy.symbols("n m", integer=True, positive=True)
    bound = theory.lower_bound(ToyModel(n, m, "relu", bias=True), of="sparse")
    assert bound.name == "packing-closed-form"
    checked = list(bound.check_derivation().values())
    assert False not in checked
    assert checked.count(True) >= 4
    # It is a certificate with one level, written out: never above the searched one.
    for size in ((30, 1), (10**5, 20)):
        numeric = ToyModel(*size, "relu", bias=True)
        closed = bound.evaluate(n=size[0], m=size[1])
        assert 0 < closed < float(theory.lower_bound(numeric, of="sparse", name="packing").expr)
        assert closed == pytest.approx(float(theory.lower_bound(numeric, of="sparse", name="packing-closed-form").expr))
    # Without a bias, for symmetric features or other exponents it says nothing.
    for model in (ToyModel(n, m, "relu"), ToyModel(n, m, "relu", law="two-sided:uniform", bias=True),
                  ToyModel(n, m, theory.rectified_power(2), bias=True)):  # fmt: skip
        assert "packing-closed-form" not in [b.name for b in theory.lower_bounds(model, of="sparse")]


def test_the_kernel_of_the_closed_form_lies_below_the_floor() -> None:
    for m in (1, 2, 5, 40, 1000):
        c, T = 3 / (2 * np.sqrt(m) + 3), 1 / (4 * np.sqrt(m))
        t = np.linspace(-1, 1, 20001)
        h = ((1 - c) * t**3 + c * t**2 - 4 * c**3 / (27 * (1 - c) ** 2)) / 24
        ratios = np.exp(np.linspace(-6, 6, 801))
        for x, value in zip(t[::50], h[::50], strict=True):
            s = T / x if x > 0 else np.inf
            pair = (np.maximum(1 - s * ratios, 0) ** 3 + np.maximum(1 - s / ratios, 0) ** 3).min() / 6
            assert value <= (x**2 * pair if x > 0 else 0) + 1e-12
