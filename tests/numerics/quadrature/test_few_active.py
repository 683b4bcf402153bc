"""One-feature terms: exact rules and Chebyshev sums against plain doubled rules."""

from __future__ import annotations

import numpy as np
import pytest

import theory
from numerics.laws import numeric_law
from numerics.quadrature.few_active import Rows, few_active
from numerics.scalar_map import scalar_map

UNIFORM = numeric_law(theory.uniform())


def rows_of(n: int, density: float, biased: bool) -> Rows:
    rng = np.random.default_rng(n)
    W = rng.normal(size=(max(2, n // 4), n))
    gram = W.T @ W / len(W)
    b = 0.7 * rng.normal(size=n) * biased
    return Rows(gram, b, np.arange(n), np.full((n, n), density), np.full(n, density))


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(
    ("spec", "degree"),
    [("relu", 1), ("hardtanh", 1), ("heaviside", 0), ("rectified-power:3", 3), ("hardswish", 2), ("hardshrink", 1)],
)
def test_piecewise_polynomials_need_no_doubling(spec: str, degree: int, biased: bool) -> None:
    sigma, rows = scalar_map(theory.activation(spec)), rows_of(12, 0.1, biased)
    assert sigma.degree == degree
    exact = few_active(sigma, UNIFORM, rows, 1e-12)
    many = few_active(sigma, UNIFORM, rows, 1e-12, nodes=48)
    assert exact.evaluations < many.evaluations / 8
    assert exact.value == pytest.approx(many.value, rel=1e-13, abs=1e-15)
    # One node fewer is not enough, so the count is what matters.
    if degree > 0:
        coarse = few_active(sigma, UNIFORM, rows, 1e-12, nodes=degree)
        assert np.abs(coarse.value - many.value).max() > 1e-6


@pytest.mark.parametrize("spec", ["gelu", "tanh", "rectified-power:1.5", "elu", "exp"])
def test_other_activations_have_no_degree(spec: str) -> None:
    assert scalar_map(theory.activation(spec)).degree is None


@pytest.mark.parametrize("law", ["uniform", "half-normal", "two-sided:beta:2,3"])
@pytest.mark.parametrize("spec", ["gelu", "tanh", "sin", "power:3", "tanh(9*z)"])
@pytest.mark.parametrize("biased", [False, True])
def test_smooth_sums_agree_with_entrywise_rules(spec: str, law: str, biased: bool) -> None:
    sigma, rows, numeric = (
        scalar_map(theory.activation(spec)),
        rows_of(80, 0.02, biased),
        numeric_law(theory.feature_law(law)),
    )
    fast = few_active(sigma, numeric, rows, 1e-13)
    # The gradient's path integrates every entry on its own.
    slow = few_active(sigma, numeric, rows, 1e-13, gradient=True, nodes=64)
    assert np.all(np.abs(fast.value - slow.value) <= fast.error + 1e-13 * np.abs(slow.value) + 1e-16)
