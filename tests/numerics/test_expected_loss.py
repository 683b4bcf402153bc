"""The front door: routes that agree, the choice between them, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import theory
from numerics import Estimate, expected_loss
from theory import InputError, ToyModel

W = np.array([[1.0, -0.5, 0.2], [0.0, 0.8, 0.9]])
ACTIVATIONS = [
    "relu",
    "gelu",
    "tanh",
    "sigmoid",
    "rectified-power:1.5",
    "signed-power:2",
    "leaky-relu:0.1",
    "power:2",
    "power:3",
]
LAWS = ["uniform", "exponential", "half-normal", "beta:2,3", "two-sided:uniform", "two-sided:beta:0.5,0.5"]


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    activation=st.sampled_from(ACTIVATIONS),
    law=st.sampled_from(LAWS),
    densities=st.one_of(
        st.sampled_from([1e-3, 0.05, 0.5, 1.0]),
        st.lists(st.sampled_from([0.0, 1e-3, 0.1, 0.7, 1.0]), min_size=5, max_size=5),
    ),
    biased=st.booleans(),
)
def test_the_routes_agree_within_their_errors(seed, activation, law, densities, biased) -> None:
    rng = np.random.default_rng(seed)
    weights, b = 0.6 * rng.normal(size=(2, 5)), 0.3 * rng.normal(size=5) if biased else None
    model = ToyModel(5, 2, activation, densities, law=law, importance=(1, 2, 0.5, 1, 1), bias=biased)
    # Heavy-tailed squares make a normal interval too short; cubes of exponentials need far more draws than these.
    draws = {"samples": 20_000, "seed": seed}
    quadrature = expected_loss(model, weights, b, method="quadrature", rtol=1e-6)
    sampled = expected_loss(model, weights, b, method="monte_carlo", **draws)
    assert quadrature.agrees_with(sampled, z=3.0 if activation not in ("power:2", "power:3") else 10.0)
    if activation.startswith("power"):
        exact = expected_loss(model, weights, b, method="exact")
        assert exact.agrees_with(quadrature)


@pytest.mark.parametrize(
    ("activation", "law", "method", "why"),
    [
        ("power:2", "uniform", "exact", "polynomial"),
        ("1 + z - z**2", "exponential", "exact", "polynomial"),
        ("relu", "binary", "exact", "binary law x takes only 8 values"),
        ("softmax", "two-sided:binary", "exact", "27 values"),
        ("relu", "uniform", "exact", "piecewise polynomial"),
        ("tanh", "uniform", "quadrature", "elementwise"),
        ("solu", "uniform", "hidden_quadrature", "coupled"),
        ("isotropic:tanh", "uniform", "hidden_quadrature", "isotropic"),
    ],
)
def test_auto_picks_a_route_and_says_why(activation: str, law: str, method: str, why: str) -> None:
    found = expected_loss(ToyModel(3, 2, activation, 0.3, law=law), W)
    assert found.method == method
    assert why in found.reason
    assert found.seconds >= 0
    assert found.per_feature.shape == (3,)


def test_many_binary_features_are_sampled() -> None:
    model = ToyModel(60, 2, "relu", 0.3, law="binary")
    found = expected_loss(model, np.ones((2, 60)) / 2, samples=5000)
    assert found.method == "monte_carlo"
    assert "too many" in found.reason
    with pytest.raises(InputError, match="too many supports"):
        expected_loss(model, np.ones((2, 60)) / 2, method="exact")


def test_importance_weighs_the_output() -> None:
    plain = expected_loss(ToyModel(3, 2, "relu", 0.3), W)
    weighted = expected_loss(ToyModel(3, 2, "relu", 0.3, importance=(2, 0, 1)), W)
    assert weighted.per_feature == pytest.approx(plain.per_feature, rel=1e-7)
    assert weighted.value == pytest.approx(2 * plain.per_feature[0] + plain.per_feature[2], rel=1e-7)
    assert plain.value == pytest.approx(plain.per_feature.sum())


def test_weights_may_be_exact_or_tensors() -> None:
    model = ToyModel(3, 2, theory.power(2), 0.3, bias=True)
    exact = sympy.Matrix(
        [[1, sympy.Rational(-1, 2), sympy.Rational(1, 5)], [0, sympy.Rational(4, 5), sympy.Rational(9, 10)]]
    )
    expected = expected_loss(model, W, [0.1, 0, 0]).value
    for weights, b in (
        (exact, sympy.Matrix([sympy.Rational(1, 10), 0, 0])),
        (torch.tensor(W), torch.tensor([0.1, 0, 0], dtype=torch.float64)),
    ):
        assert expected_loss(model, weights, b).value == pytest.approx(expected, rel=1e-14)


def test_no_bias_means_zero() -> None:
    model = ToyModel(3, 2, "tanh", 0.3, bias=True)
    assert expected_loss(model, W).value == expected_loss(model, W, np.zeros(3)).value


def test_features_that_never_occur_cost_their_constant_output() -> None:
    found = expected_loss(ToyModel(3, 2, "sigmoid", 0), W)
    assert found.value == pytest.approx(3 / 4, rel=1e-14)
    assert isinstance(found, Estimate)


def test_quadrature_reports_progress() -> None:
    seen: list[tuple[int, int, str]] = []
    expected_loss(ToyModel(3, 2, "gelu", 0.3), W, progress=lambda *step: seen.append(step))
    assert seen
    assert all(done <= 2 * total for done, total, _ in seen)


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({}, {"method": "exakt"}, "did you mean 'exact'"),
        ({"activation": "tanh"}, {"method": "exact"}, "needs a polynomial activation, a piecewise"),
        ({"activation": "solu"}, {"method": "quadrature"}, "solu is coupled"),
        ({"law": "binary"}, {"method": "quadrature"}, "lattice"),
        ({"density": sympy.Symbol("p")}, {}, "symbols p"),
        ({}, {"b": np.zeros(3)}, "no bias"),
        ({"bias": True}, {"b": np.zeros(2)}, "b has shape"),
        ({"bias": True}, {"b": [0, np.nan, 0]}, "not finite"),
        ({}, {"W": W.T}, "n_hidden=2"),
        ({}, {"W": W[:, 0]}, "shape"),
        ({}, {"W": [[np.nan] * 3] * 2}, "not finite"),
        ({}, {"W": [["a"] * 3] * 2}, "not an array"),
        ({}, {"W": sympy.Matrix(2, 3, sympy.symbols("w:6"))}, "symbols w0"),
        ({}, {"W": 1e200 * W}, "overflows"),
        ({"activation": "power:3"}, {"W": 1e60 * W}, "overflows"),
        ({}, {"rtol": -1}, "rtol"),
        ({}, {"rtol": np.nan}, "rtol"),
        ({}, {"atol": "small"}, "atol"),
    ],
)
def test_bad_input_is_refused(change, arguments, message) -> None:
    model = ToyModel(3, 2, "relu", 0.3).replace(**change)
    with pytest.raises(InputError, match=message):
        expected_loss(model, **{"W": W, **arguments})


def test_model_must_be_a_model() -> None:
    with pytest.raises(InputError, match="ToyModel"):
        expected_loss("relu", W)  # type: ignore[arg-type]
