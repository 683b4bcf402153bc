"""Binary features by the supports that matter, against all supports, moments and sampling."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from numerics import expected_loss
from numerics.exact import enumerated_loss, polynomial_loss
from numerics.lattice import _levels, active_counts, lattice_loss, levels_needed
from numerics.setting import setting
from theory import ToyModel


@pytest.mark.parametrize("signs", [(1.0,), (1.0, -1.0)])
def test_levels_list_every_support_once(signs: tuple[float, ...]) -> None:
    levels = list(_levels(5, signs, 5))
    for level, states in enumerate(levels):
        assert np.all((states != 0).sum(axis=1) == level)
        assert len(states) == len(list(combinations(range(5), level))) * len(signs) ** level
    assert len({tuple(row) for row in np.concatenate(levels)}) == (1 + len(signs)) ** 5


def test_counts_are_the_poisson_binomial_law() -> None:
    densities = np.array([0.1, 0.5, 1.0, 0.0])
    assert active_counts(densities) == pytest.approx([0.0, 0.45, 0.5, 0.05, 0.0])
    assert levels_needed(np.full(100, 1e-4), 1, 1e-4) == 3
    assert levels_needed(np.full(200, 0.3), 1, 1e-6) is None


@pytest.mark.parametrize("law", ["binary", "two-sided:binary"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "softmax"])
def test_truncated_sums_cover_the_sum_over_all_supports(activation: str, law: str) -> None:
    rng = np.random.default_rng(3)
    W, b = rng.normal(size=(3, 8)) / 2, rng.normal(size=8) / 3
    model = ToyModel(8, 3, activation, tuple(rng.uniform(0.001, 0.1, 8)), law=law, bias=True)
    at = setting(model, W, b)
    truth, _ = enumerated_loss(at)
    for levels in (1, 2, 4, 6, 8):
        found = lattice_loss(at, levels, 0.0)
        assert abs(found.per_feature.sum() - truth.sum()) <= found.total_error
        assert found.is_complete == (levels == 8)
        if not found.is_complete and levels > 1:
            assert found.total_error <= 1e4 * abs(found.per_feature.sum() - truth.sum())
    assert found.per_feature == pytest.approx(truth, rel=1e-13)


def test_forty_sparse_features_meet_moments() -> None:
    rng = np.random.default_rng(0)
    W = rng.normal(size=(10, 40)) / 3
    at = setting(ToyModel(40, 10, "power:2", 1e-3, law="binary"), W)
    found = lattice_loss(at, 4, 1e-6)
    exact = polynomial_loss(at)[0].sum()
    assert abs(found.per_feature.sum() - exact) <= found.total_error <= 1e-3 * exact


def test_the_front_door_takes_the_supports_that_matter() -> None:
    rng = np.random.default_rng(1)
    model, W = ToyModel(24, 8, "relu", 5e-3, law="binary"), rng.normal(size=(8, 24)) / 3
    found = expected_loss(model, W, rtol=1e-5)
    assert found.method == "exact"
    assert found.kind == "estimate"
    assert "the rest estimated" in found.reason
    assert found.error <= 1e-5 * found.value
    assert found.agrees_with(expected_loss(model, W, method="monte_carlo", samples=50_000), z=2.0)


def test_features_that_are_always_active_do_not_end_the_sum_early() -> None:
    densities = [1.0, 1.0, 1.0, 1.0, 0.5, 0.1, 0.3, 1e-3]
    at = setting(ToyModel(8, 3, "gaussian", densities, law="binary"), np.random.default_rng(1).normal(size=(3, 8)))
    exact, _ = enumerated_loss(at)
    for rtol in (1e-2, 1e-6, 1e-10):
        found = lattice_loss(at, 8, rtol)
        assert found.total_error > 0
        assert abs(found.per_feature.sum() - exact.sum()) <= found.total_error
