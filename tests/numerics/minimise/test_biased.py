"""The best weights and biases of the sparse limit: at the known optima, with the right gradient, below no bound."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

import theory
from numerics import minimise_biased_coefficient, minimise_sparse_coefficient
from numerics.minimise.biased import _Objective
from theory import InputError, ToyModel


@pytest.mark.parametrize(
    ("n", "m", "value", "tau"), [(5, 2, 0.0791281353725, 0.206060), (12, 3, 0.53237966328, 0.366475)]
)
def test_a_free_search_finds_the_regular_code_with_one_threshold(n: int, m: int, value: float, tau: float) -> None:
    found = minimise_biased_coefficient(ToyModel(n, m, "relu", bias=True), restarts=16)
    assert found.coefficient == pytest.approx(value, rel=1e-9)
    assert found.thresholds == pytest.approx(np.full(n, tau), abs=1e-4)
    norms = (found.W**2).sum(axis=0)
    assert norms == pytest.approx(np.full(n, norms[0]), rel=1e-4)
    assert (np.diff(found.coefficients) >= 0).all()


def test_norms_that_differ_can_be_better() -> None:
    """Three features in one dimension: two share a direction at different norms and thresholds, 0.318 < 1/3."""
    found = minimise_biased_coefficient(ToyModel(3, 1, "relu", bias=True), restarts=16)
    assert found.coefficient == pytest.approx(0.317980843765, rel=1e-9)


@pytest.mark.parametrize("law", ["uniform", "exponential", "two-sided:uniform"])
@pytest.mark.parametrize("a", [1, 2, 1.5])
def test_the_gradient(law: str, a: float) -> None:
    model = ToyModel(4, 2, theory.rectified_power(a), law=law, bias=True, importance=[1, 0.5, 0.3, 0.2])
    objective, rng = _Objective(model), np.random.default_rng(1)
    x = np.concatenate([0.7 * rng.standard_normal(8), 0.6 * rng.random(4)])
    index = np.zeros(1, dtype=int)
    value, gradient = objective(x[None], index)
    direct = theory.biased_sparse_coefficient(model, x[:8].reshape(2, 4), -(x[8:] ** 2))
    assert value[0] * objective.whole == pytest.approx(direct, rel=1e-12)
    numeric = optimize.approx_fprime(x, lambda z: objective(z[None], index)[0][0], 1e-7)
    assert gradient[0] == pytest.approx(numeric, rel=1e-4, abs=1e-5 * np.abs(numeric).max())


def test_other_activations_are_searched_without_a_bias() -> None:
    model = ToyModel(4, 2, theory.power(2), bias=True)
    found = minimise_biased_coefficient(model, restarts=4)
    assert found.coefficient == minimise_sparse_coefficient(model.replace(bias=False), restarts=4).coefficient
    assert not found.b.any()
    assert found.coefficients[0] == pytest.approx(found.coefficient)


def test_bad_input() -> None:
    for model in (ToyModel(4, 2, "relu"), ToyModel(4, 2, "relu", law="half-normal", bias=True)):
        with pytest.raises(InputError, match=r"bias=False|closed form"):
            minimise_biased_coefficient(model)
    with pytest.raises(InputError, match="restarts"):
        minimise_biased_coefficient(ToyModel(4, 2, "relu", bias=True), restarts=0)
