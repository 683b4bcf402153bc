"""Control variates: their means against every set of active features, and what a fit is worth."""

from __future__ import annotations

import numpy as np
import pytest

import theory
from numerics import expected_loss
from numerics.monte_carlo.controls import control_means, fitted
from numerics.setting import setting
from theory import ToyModel

from .test_strata import DENSITIES, chances_of, every_stratum


@pytest.mark.parametrize("law", ["uniform", "two-sided:exponential", "binary"])
@pytest.mark.parametrize("densities", DENSITIES)
def test_means_by_brute_force(densities: list[float], law: str) -> None:
    rng = np.random.default_rng(3)
    at = setting(ToyModel(5, 2, "tanh", densities, law=law, bias=True), rng.normal(size=(2, 5)), rng.normal(size=5))
    mean, second = (float(theory.feature_law(law).moment(r)) for r in (1, 2))
    for stratum in every_stratum(at.densities):
        sets = chances_of(at.densities, stratum)
        expected = np.zeros((5, 5))
        for support, chance in sets.items():
            on = np.array(support, dtype=float)
            products = mean**2 * np.outer(on, on) + (second - mean**2) * np.diag(on)
            x, z = mean * on, at.bias + mean * at.gram @ on
            x_z = np.diagonal(products @ at.gram) + x * at.bias
            z_z = np.diagonal(at.gram @ products @ at.gram) + 2 * at.bias * (z - at.bias) + at.bias**2
            expected += chance * np.stack([np.diagonal(products), x_z, z_z, x, z])
        assert control_means(at, stratum) == pytest.approx(expected / sum(sets.values()), rel=1e-11, abs=1e-13)


def test_a_linear_model_is_explained_entirely() -> None:
    """sigma(z) = 2 z + 1: the controls are the loss, whatever is drawn."""
    W = np.random.default_rng(0).normal(size=(2, 6))
    model = ToyModel(6, 2, "2*z + 1", 0.2, importance=(1, 2, 3, 1, 1, 1))
    exact = expected_loss(model, W)
    for scheme in ("control_variate", "stratified_control", "stratified_sobol_control"):
        sampled = expected_loss(model, W, method="monte_carlo", scheme=scheme, samples=4096)
        assert sampled.value == pytest.approx(exact.value, rel=1e-12)
        assert sampled.error < 1e-12
        assert sampled.per_feature == pytest.approx(exact.per_feature, rel=1e-11)


def test_nothing_is_fitted_to_noise() -> None:
    rng = np.random.default_rng(0)
    rare = np.zeros((1000, 5))
    rare[:4] = rng.normal(size=(4, 5))
    assert not fitted(rare.sum(axis=1), rare).any()
    assert not fitted(rng.normal(size=20), rng.normal(size=(20, 5))).any()
    controls = rng.normal(size=(200, 5)) + 3
    multiples = np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    assert fitted(controls @ multiples + 7, controls) == pytest.approx(multiples, abs=1e-9)
