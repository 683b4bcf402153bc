"""Upper bounds that need a bias: their weights achieve them, and no model without a bias is ever given one."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import theory
from numerics import expected_loss
from theory import InputError, ToyModel
from theory.loss.bias.feature_counts import feature_counts
from theory.loss.bias.thresholded import THRESHOLDED

NEED_A_BIAS = {name for builders in THRESHOLDED.values() for name in builders}


def test_only_models_with_a_bias_are_given_them() -> None:
    assert {"threshold-code", "random-thresholded", "threshold-remainder"} == NEED_A_BIAS
    for activation in ("relu", theory.rectified_power(2), theory.power(2), theory.leaky_relu(0.1)):
        for bias in (False, True):
            for n, m in ((5, 2), (8, 30)):
                model = ToyModel(n, m, activation, 0.01, bias=bias)
                names = {bound.name for of in ("sparse", "loss") for bound in theory.upper_bounds(model, of)}
                allowed = bias and activation not in (theory.power(2), theory.leaky_relu(0.1))
                assert bool(names & NEED_A_BIAS) is allowed
    for name in sorted(NEED_A_BIAS):
        of = "loss" if name == "threshold-remainder" else "sparse"
        with pytest.raises(InputError, match="does not apply"):
            theory.upper_bound(ToyModel(5, 2, "relu", 0.1), of=of, name=name)


@pytest.mark.parametrize(
    ("n", "m", "a", "law"),
    [(5, 2, 1, "uniform"), (7, 3, 1, "uniform"), (6, 2, 2, "exponential"), (5, 2, 1, "two-sided:uniform"),
     (6, 2, 1.5, "uniform"), (7, 2, 1, "beta:2,3"), (6, 2, 1, "binary"), (12, 30, 1, "uniform")],
)  # fmt: skip
def test_the_constructions_achieve_the_bounds(n: int, m: int, a: float, law: str) -> None:
    model = ToyModel(n, m, theory.rectified_power(a), law=law, bias=True)
    for bound in theory.upper_bounds(model, of="sparse"):
        if bound.name in NEED_A_BIAS:
            assert bound.construction is not None
            W, b = bound.construction
            assert (b <= 0).all()
            achieved = theory.biased_sparse_coefficient(model, W, b)
            assert achieved <= float(bound.expr) * (1 + 1e-9) + 1e-12
            assert False not in bound.check_derivation().values()


def test_the_pentagon_gains_a_factor_of_three() -> None:
    model = ToyModel(5, 2, "relu", bias=True)
    bound = theory.upper_bound(model, of="sparse")
    assert bound.name == "threshold-code"
    assert float(bound.expr) == pytest.approx(0.0791281353725, rel=1e-11)
    assert float(theory.upper_bound(model.replace(bias=False), of="sparse").expr) > 0.267
    # Far below what no weights without a bias achieve: here the two settings must never be mixed up.
    assert float(bound.expr) < float(theory.lower_bound(model.replace(bias=False), of="sparse").expr) / 3


@pytest.mark.parametrize("p", [1e-4, 0.02])
def test_the_remainder_holds_at_every_density(p: float) -> None:
    model = ToyModel(6, 2, "relu", p, bias=True)
    bound = theory.upper_bound(model, name="threshold-remainder")
    assert bound.construction is not None
    loss = expected_loss(model, *bound.construction)
    assert loss.value - loss.error <= bound.evaluate()
    if p < 1e-3:
        assert bound.evaluate() <= 1.1 * loss.value


@pytest.mark.parametrize(("n", "m"), [(40, 12), (100, 30), (60, 12)])
@pytest.mark.parametrize("law", ["uniform", "two-sided:uniform"])
def test_so_many_vectors_with_such_small_cosines_exist(n: int, m: int, law: str) -> None:
    model = ToyModel(n, m, "relu", law=law, bias=True)
    bound = theory.upper_bound(model, of="sparse", name="random-thresholded")
    assert bound.construction is not None
    W, b = bound.construction
    gram = W.T @ W
    cosines = (np.abs(gram) if model.law.is_two_sided else gram)[~np.eye(n, dtype=bool)] / gram[0, 0]
    tau = -b[0] / gram[0, 0]
    assert cosines.max() <= tau + 1e-12
    assert tau == pytest.approx(np.sqrt(2 * np.log((n - 1) * (2 if model.law.is_two_sided else 1)) / m))
    assert theory.biased_sparse_coefficient(model, W, b) == pytest.approx(float(bound.expr), rel=1e-9)


def test_the_cap_is_as_small_as_claimed() -> None:
    """P(t > tau) < e^(-m tau^2/2) for a coordinate t of a uniform unit vector, by integration."""
    from scipy import integrate

    for m in (2, 3, 10, 60):
        density = lambda angle, m=m: np.sin(angle) ** (m - 2)  # noqa: E731
        whole = integrate.quad(density, 0, np.pi)[0]
        for tau in (0.05, 0.3, 0.9):
            cap = integrate.quad(density, 0, np.arccos(tau))[0] / whole
            assert cap < np.exp(-m * tau**2 / 2)


def test_symbols_give_the_closed_form() -> None:
    n, m = sympy.symbols("n m", integer=True, positive=True)
    bound = theory.upper_bound(ToyModel(n, m, "relu", bias=True), of="sparse", name="random-thresholded")
    assert bound.evaluate(n=100, m=40) == pytest.approx(
        theory.upper_bound(ToyModel(100, 40, "relu", bias=True), of="sparse", name="random-thresholded").evaluate()
    )
    with pytest.raises(InputError, match="assumes"):
        bound.evaluate(n=100, m=2)


def test_importances_are_spread_with_their_biases() -> None:
    model = ToyModel(6, 2, "relu", bias=True, importance=[1, 1, 1, 1, 1, 0.1])
    bound = theory.upper_bound(model, of="sparse", name="threshold-code")
    assert bound.construction is not None
    W, b = bound.construction
    assert theory.biased_sparse_coefficient(model, W, b) <= float(bound.expr) * (1 + 1e-9)
    assert (b[:5] < 0).all()


def test_exponentially_many_features_fit_with_a_bias_and_polynomially_many_without() -> None:
    small, large = feature_counts(600, 0.02, upper=False), feature_counts(1200, 0.02, upper=False)
    assert small.with_bias > small.without_bias_at_most
    assert large.with_bias > small.with_bias**1.9
    assert large.without_bias_at_most < 2**1.5 * small.without_bias_at_most
    # The pentagon is held at 0.0158 per feature with a bias: the certified count agrees with it.
    plane = feature_counts(2, 0.0159)
    assert plane.without_bias <= plane.with_bias
    assert 5 <= plane.with_bias_at_most < np.inf
    with pytest.raises(InputError, match="1/3"):
        feature_counts(3, 0.4)
