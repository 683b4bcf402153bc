"""Where losses stand: gaps and success over seeds, with and without a minimiser, a bound, or any loss at all."""

from __future__ import annotations

import numpy as np
import pytest

import numerics
from theory import ToyModel
from verify.training.standing import standing

MODEL = ToyModel(3, 1, "power:2", density=0.01)


def test_gaps_are_relative_to_the_best_known_loss():
    least = numerics.minimise_loss(MODEL, restarts=2, seed=0).loss.value
    found = standing(MODEL, least * np.array([2.0, 1.005, np.nan, 1.02]), restarts=2)
    assert found.minimised == pytest.approx(least)
    assert found.best_known == found.minimised
    np.testing.assert_allclose(found.gap, [1, 0.005, np.nan, 0.02], rtol=1e-6, atol=1e-9)
    assert found.reached.tolist() == [False, True, False, False]
    assert found.success_rate == 0.25
    assert 0 < found.lower_bound <= found.best_known
    assert found.W.shape == (1, 3)
    # A seed may be better than the minimiser.
    below = standing(MODEL, least * np.array([0.5, 1.0]), restarts=2)
    assert below.best_known == pytest.approx(0.5 * least)
    np.testing.assert_allclose(below.gap, [0, 1], atol=1e-9)


def test_without_a_minimiser_seeds_are_compared_with_each_other():
    for found in (
        standing(MODEL, np.array([0.3, 0.2, np.nan]), restarts=0),
        standing(ToyModel(3, 1, "solu", density=0.1), np.array([0.3, 0.2, np.nan]), restarts=2),
    ):
        assert np.isnan(found.minimised)
        assert found.best_known == 0.2
        np.testing.assert_allclose(found.gap, [0.5, 0, np.nan])
        assert found.reached.tolist() == [False, True, False]
        assert found.W is None


def test_nothing_to_compare_and_nothing_to_lose():
    lost = standing(MODEL, np.full(2, np.nan), restarts=0)
    assert np.isnan(lost.best_known)
    assert lost.success_rate == 0
    empty = standing(MODEL.replace(density=0), np.array([0.0, 1e-3]), restarts=0)
    assert empty.best_known == 0
    assert empty.reached.tolist() == [True, False]


def test_a_bound_without_bias_is_not_given_to_a_biased_model():
    plain, biased = (
        standing(MODEL.replace(bias=bias), np.array([1.0]), restarts=0).lower_bound for bias in (False, True)
    )
    assert plain > 0
    assert not biased >= plain
