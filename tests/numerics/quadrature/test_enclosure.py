"""The proved bound of quadrature: never violated, and not useless."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import expected_loss
from numerics.laws import numeric_law
from numerics.quadrature import enclosure
from numerics.quadrature.continuation import fourier_form
from numerics.quadrature.enclosure import can_enclose, enclosed_loss
from numerics.quadrature.few_active import rows_of
from numerics.quadrature.many_active import many_active
from numerics.quadrature.ranges import output_range
from numerics.setting import setting
from numerics.vertex import vertex_loss
from theory import InputError, ToyModel

LINEAR = ["relu", "leaky-relu:0.1", "abs", "hardtanh", "relu6", "hardsigmoid", "softshrink"]


@settings(max_examples=200)
@given(
    seed=st.integers(0, 10**6),
    features=st.integers(1, 4),
    name=st.sampled_from(LINEAR),
    law=st.sampled_from(["uniform", "two-sided:uniform"]),
    density=st.sampled_from([1e-10, 1e-6, 1e-3, 0.1, 0.3, 0.9, 1.0]),
    scale=st.sampled_from([1e-3, 0.1, 1.0, 30.0]),
    rtol=st.sampled_from([1e-2, 1e-4, 1e-6]),
    shape=st.sampled_from(["plain", "pair", "small", "zero"]),
    biased=st.booleans(),
)
def test_the_bound_is_never_violated(seed, features, name, law, density, scale, rtol, shape, biased) -> None:
    rng = np.random.default_rng(seed)
    W, b = scale * rng.normal(size=(2, features)), rng.normal(size=features) * biased
    if features > 1 and shape != "plain":
        W[:, 1] = {"pair": -W[:, 0], "small": 1e-4 * W[:, 1], "zero": 0 * W[:, 1]}[shape]
    at = setting(ToyModel(features, 2, name, density, law=law, bias=True), W, b)
    truth, rounding = vertex_loss(at)
    found = enclosed_loss(at, rtol)
    # Feature by feature, which asks for more than the total.
    assert np.all(np.abs(found.per_feature - truth) <= found.error + rounding)
    assert found.total_error <= max(rtol, 1e-9) * max(truth.sum(), 1e-300) or not found.converged


def slack(name: str, law: str, count: int) -> float:
    """How many times the truncation bound exceeds the true truncation error, at few frequencies."""
    W = np.random.default_rng(2).normal(size=(2, 4))
    # A bias, so that symmetric laws do not cancel at the kink.
    at = setting(ToyModel(4, 2, name, 0.4, law=law, bias=True), W, [0.2, -0.3, 0.1, -0.1])
    numeric = numeric_law(at.model.law)
    rows = rows_of(at, np.arange(4))
    low, high = (f(end) for f, end in zip((np.min, np.max), output_range(numeric, rows), strict=True))
    lines = enclosure._lines(at.model, low, high)
    coarse, fine = (fourier_form(lines, low, high, k) for k in (count, 256 * count))
    miss = np.abs(
        many_active(numeric, rows, coarse, compressed=False).value
        - many_active(numeric, rows, fine, compressed=False).value
    )
    return float((enclosure._truncation(numeric, rows, coarse, lines) / miss).min())


@pytest.mark.parametrize("law", ["uniform", "two-sided:uniform"])
@pytest.mark.parametrize("name", ["relu", "abs", "hardtanh"])
def test_the_truncation_bound_is_tight_enough_to_be_wrong(name: str, law: str) -> None:
    # The closest row has little to spare, so halving a constant of the bound would show.
    found = [slack(name, law, count) for count in (64, 96, 128, 192)]
    assert 1 <= min(found) < 40


def test_the_front_door_says_enclosure() -> None:
    W = np.random.default_rng(0).normal(size=(4, 12)) / 2
    model = ToyModel(12, 4, "relu", 0.1)
    proved, estimated = expected_loss(model, W, rtol=1e-6, enclosure=True), expected_loss(model, W, rtol=1e-9)
    assert proved.kind == "enclosure"
    assert "proof" in proved.reason
    assert proved.error <= 1e-6 * proved.value
    assert proved.agrees_with(estimated)
    assert "proved" in str(proved)
    # A route that only rounds needs no other bound.
    assert expected_loss(model.replace(activation="power:2"), W, enclosure=True).kind == "exact"


def test_an_unreached_bound_is_still_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enclosure, "_MOST_WORK", 10**5)
    W = np.random.default_rng(0).normal(size=(2, 5))
    found = expected_loss(ToyModel(5, 2, "relu", 0.3), W, method="quadrature", rtol=0, enclosure=True)
    assert "not reached" in found.reason
    assert 0 < found.error < 1e-6


@pytest.mark.parametrize(
    ("changes", "method", "message"),
    [
        ({"activation": "gelu"}, "quadrature", "piecewise-linear"),
        ({"activation": "heaviside"}, "quadrature", "continuous"),
        ({"activation": "rectified-power:2"}, "quadrature", "piecewise-linear"),
        ({"law": "exponential"}, "quadrature", "uniform law"),
        ({"activation": "solu"}, "auto", "proves no bound"),
        ({}, "monte_carlo", "proves no bound"),
    ],
)
def test_what_is_not_proved_is_refused(changes, method, message) -> None:
    model = ToyModel(7, 2, "relu", 0.3).replace(**changes)
    with pytest.raises(InputError, match=message):
        expected_loss(model, np.ones((2, 7)), method=method, enclosure=True)


def test_which_activations_are_enclosed() -> None:
    assert all(can_enclose(ToyModel(2, 1, name)) for name in [*LINEAR, "linear"])
    assert not any(can_enclose(ToyModel(2, 1, name)) for name in ("sign", "hardshrink", "hardswish", "tanh"))


def test_coefficients_beyond_the_blend_are_those_of_the_kinks() -> None:
    lines = enclosure._lines(ToyModel(1, 1, "leaky-relu:0.1"), -1.0, 2.0)
    bend, bend_of_square, curve = lines.jumps()
    assert (bend, bend_of_square, curve) == pytest.approx((0.9, 0.0, 1.98))
    form = fourier_form(lines, -1.0, 2.0, 512)
    t, period = form.frequencies[384:], 2 * np.pi / form.frequencies[1]
    assert np.abs(form.first[384:]) * period * t**2 == pytest.approx(bend, rel=1e-7)
    assert np.abs(form.second[384:]) * period * t**3 == pytest.approx(curve, rel=1e-5)
    bent = enclosure._lines(ToyModel(1, 1, "hardtanh"), -3.0, 2.0)
    assert bent.jumps() == pytest.approx((2.0, 4.0, 4.0))
    assert enclosure._lines(ToyModel(1, 1, "relu6"), 0.0, 5.0).jumps() == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("law", ["uniform", "two-sided:uniform"])
def test_transforms_reach_their_bounds_but_do_not_pass_them(law: str) -> None:
    at = setting(ToyModel(3, 3, "relu", [0.3, 0.5, 1e-3], law=law), [[1.0, 0.7, 0.2], [0.0, 0.6, 0.1], [0, 0, 0.5]])
    numeric, rows = numeric_law(at.model.law), rows_of(at, np.arange(3))
    t = np.linspace(0.01, 400, 60_000)
    phi, psi = numeric.transforms(rows.gram[:, :, None] * t, 1)
    p = at.densities[:, None]
    factors = 1 - p + p * phi
    on_square, on_cross = enclosure._bounds(numeric, rows, t)
    for i in range(3):
        one = sum(p[j] * phi[i, j] * np.prod([1 - p[k] for k in range(3) if k != j]) for j in range(3))
        true = np.abs(factors[i].prod(axis=0) - np.prod(1 - p) - one)
        others = np.prod([factors[i, j] for j in range(3) if j != i], axis=0)
        cross = np.abs(p[i] * psi[i, i] * (others - np.prod([1 - p[j] for j in range(3) if j != i])))
        assert np.all(true <= on_square[i] * (1 + 1e-9) + 1e-15)
        assert np.all(cross <= on_cross[i] * (1 + 1e-9) + 1e-15)
        assert (true / on_square[i]).max() > 0.6
        assert (cross / on_cross[i]).max() > 0.6


@pytest.mark.parametrize(("name", "blocks", "most"), [("hardtanh", 40, 1.5), ("relu", 40, 1.5), ("relu", 2, 3.0)])
def test_blocks_add_up_to_the_sum_they_bound(name: str, blocks: int, most: float, monkeypatch) -> None:
    # Truncation in the open block shows where there are few of them.
    monkeypatch.setattr(enclosure, "_BLOCKS", blocks)
    at = setting(ToyModel(3, 2, name, 0.4), np.random.default_rng(2).normal(size=(2, 3)))
    numeric, rows = numeric_law(at.model.law), rows_of(at, np.arange(3))
    lines = enclosure._lines(at.model, -3.0, 4.0)
    form = fourier_form(lines, -3.0, 4.0, 128)
    bend, bend_of_square, curve = lines.jumps()
    t = form.frequencies[1] * np.arange(128, 200_000)
    on_square, on_cross = enclosure._bounds(numeric, rows, t)
    terms = on_square * (bend_of_square / t**2 + curve / t**3) + 2 * on_cross * bend / t**2
    summed = terms.sum(axis=1) * 2 * form.frequencies[1] / (2 * np.pi)
    ratio = enclosure._truncation(numeric, rows, form, lines) / summed
    assert np.all((ratio >= 1) & (ratio < most)), ratio
