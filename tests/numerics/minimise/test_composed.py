"""Compositions of small optima: the choice by brute force, the sum of losses, and minima that need them."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest

from numerics import expected_loss, minimise_loss
from numerics.minimise.composed import choose_groups, composed_weights
from numerics.minimise.starts import starting_points
from theory import ToyModel


def test_the_chosen_groups_are_the_best() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        count, hidden, features = (int(v) for v in rng.integers((2, 3, 3), (5, 7, 12)))
        sizes = [(int(d), int(k)) for d, k in rng.integers((1, 1), (4, 6), (count, 2))]
        gains = list(rng.normal(0.5, 1.0, count))
        best = 0.0
        for length in range(1, hidden + 1):
            for chosen in combinations_with_replacement(range(count), length):
                fits = sum(sizes[i][0] for i in chosen) <= hidden and sum(sizes[i][1] for i in chosen) <= features
                best = max(best, sum(gains[i] for i in chosen) if fits else 0.0)
        found = choose_groups(sizes, gains, hidden, features)
        assert sum(sizes[i][0] for i in found) <= hidden
        assert sum(sizes[i][1] for i in found) <= features
        assert sum(gains[i] for i in found) == pytest.approx(best, abs=1e-12)


def _represented(W: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.linalg.norm(W, axis=0) > 0)


def test_the_loss_is_the_sum_over_groups() -> None:
    """GELU at p = .1: pairs and pentagons, each with the loss that it has alone, and the variance for what is left."""
    model = ToyModel(20, 5, "gelu", 0.1, bias=True)
    found = composed_weights(model, np.random.default_rng(0))
    assert found is not None
    W, b = found
    shown = _represented(W)
    assert len(shown) == 12
    apart = np.abs(W.T @ W) > 0
    groups = {tuple(np.flatnonzero(apart[i])) for i in shown}
    assert sorted(map(len, groups)) == [2, 5, 5]
    total = (20 - len(shown)) * (0.1 / 3 - 0.1**2 / 4)
    for group in groups:
        part = list(group)
        basis = np.linalg.svd(W[:, part])[0][:, : min(2, len(part) - 1)]
        alone = ToyModel(len(part), basis.shape[1], "gelu", 0.1, bias=True)
        total += expected_loss(alone, basis.T @ W[:, part], b[part]).value
    loss = expected_loss(model, W, b).value
    assert loss == pytest.approx(total, rel=1e-6)
    # Two pentagons (0.0471802938 each, as five features in two dimensions have alone) and one pair.
    assert loss == pytest.approx(2 * 0.0471802938 + 0.0082384824 + 8 * (0.1 / 3 - 0.1**2 / 4), rel=1e-6)


def test_it_is_a_start_with_its_biases() -> None:
    model = ToyModel(9, 4, "gelu", 0.1, bias=True)
    W, b = starting_points(model, 2, np.random.default_rng(0))
    expected = composed_weights(model, np.random.default_rng(0))
    assert expected is not None
    assert b is not None
    assert np.array_equal(b[0], expected[1])
    assert np.abs(W[0] - expected[0]).max() < 0.2
    alone, _ = starting_points(model, 1, np.random.default_rng(0))
    assert alone.shape == (1, 4, 9)


def test_without_bias_and_with_importance() -> None:
    """No worse than antipodal pairs, p^2/6 for each partner and mu_2 for what is left out, times the importance."""
    p, importance = 0.5, 0.7
    found = composed_weights(ToyModel(12, 4, "relu", p, importance=importance), np.random.default_rng(0))
    assert found is not None
    W, b = found
    assert not b.any()
    loss = expected_loss(ToyModel(12, 4, "relu", p, importance=importance), W).value
    assert loss <= importance * (8 * p**2 / 6 + 4 * p / 3) * (1 + 1e-9)


@pytest.mark.parametrize(
    "model",
    [
        ToyModel(12, 3, "relu", 0.1),
        ToyModel(4, 4, "relu", 0.1),
        ToyModel(5, 4, "relu", (0.1, 0.2, 0.1, 0.1, 0.1)),
        ToyModel(5, 4, "relu", 0.1, importance=(1, 1, 1, 1, 0.5)),
        ToyModel(8, 4, "relu", 0),
    ],
)
def test_unequal_or_few_features_are_left_to_random_starts(model: ToyModel) -> None:
    assert composed_weights(model, np.random.default_rng(0)) is None


def test_a_minimum_that_random_starts_miss() -> None:
    """Two starts and no hops end below 10,000 steps of AdamW, 0.34957349 (seed 0 of benchmarks/minimise.py)."""
    found = minimise_loss(ToyModel(20, 5, "gelu", 0.1, bias=True), restarts=2, hops=0)
    assert found.loss.value <= 0.34926575
