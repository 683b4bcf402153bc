"""Sampling: the conditional sampler, the exact strata, coverage of the interval."""

from __future__ import annotations

import numpy as np
import pytest

from numerics import expected_loss
from numerics.monte_carlo.sampling import monte_carlo_loss
from numerics.setting import setting
from theory import InputError, ToyModel


def test_interval_covers_as_often_as_it_says() -> None:
    """200 intervals of nominal 95 %: fewer than 179 or all 200 hits would each happen less than once in 2000 runs."""
    model = ToyModel(5, 2, "relu", 0.1, importance=(1, 2, 1, 0.5, 1))
    W = np.random.default_rng(0).normal(size=(2, 5))
    truth = expected_loss(model, W, rtol=1e-10).value
    at = setting(model, W)
    hits = 0
    for seed in range(200):
        result = monte_carlo_loss(at, 0.0, seed=seed, samples=400)
        hits += abs(at.importances @ result.per_feature - truth) <= result.error
    assert 179 <= hits < 200


def test_error_falls_with_the_square_root_and_with_the_density() -> None:
    W = np.random.default_rng(0).normal(size=(2, 5))
    model = ToyModel(5, 2, "gelu", 0.2)
    errors = [
        expected_loss(model, W, method="monte_carlo", scheme="stratified", samples=n).error for n in (2_000, 200_000)
    ]
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.25)
    sparse = expected_loss(model.replace(density=0.001), W, method="monte_carlo", samples=20_000)
    # Plain sampling at p = 0.001 would need more than 1e8 draws for this.
    assert sparse.error < 1e-4 * sparse.value


@pytest.mark.parametrize("name", ["solu", "softmax", "isotropic-tanh", "isotropic-relu"])
def test_coupled_activations_against_plain_sampling(name: str) -> None:
    rng = np.random.default_rng(5)
    W, b = rng.normal(size=(2, 3)), 0.3 * rng.normal(size=3)
    model = ToyModel(3, 2, name, (0.3, 0.1, 0.6), law="two-sided:uniform", bias=True)
    found = expected_loss(model, W, b, samples=50_000)
    assert (found.method, found.kind) == ("monte_carlo", "statistical")
    x = model.law.sample(rng, (400_000, 3)) * (rng.random((400_000, 3)) < [0.3, 0.1, 0.6])
    z = x @ W.T @ W + b
    r = np.linalg.norm(z, axis=1, keepdims=True)
    e = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    outputs = {
        "solu": z * e,
        "softmax": e,
        "isotropic-tanh": np.tanh(r) * z / r,
        "isotropic-relu": np.maximum(r - 1, 0) * z / r,
    }[name]
    plain = ((x - outputs) ** 2).sum(axis=1)
    assert abs(found.value - plain.mean()) <= 2.5 * (found.error + 1.96 * plain.std() / np.sqrt(len(plain)))


def test_without_pairs_nothing_is_drawn() -> None:
    single = expected_loss(ToyModel(1, 1, "gelu", 0.3), [[0.8]], method="monte_carlo")
    exact = expected_loss(ToyModel(1, 1, "gelu", 0.3), [[0.8]])
    assert "0 draws" in single.reason
    assert single.error < 1e-10
    assert single.agrees_with(exact)
    assert expected_loss(ToyModel(4, 2, "relu", 0), np.ones((2, 4)), method="monte_carlo").value == 0


def test_seeds_reproduce_and_differ() -> None:
    model, W = ToyModel(4, 2, "solu", 0.4), np.ones((2, 4))
    first, again = (expected_loss(model, W, samples=100, seed=3) for _ in range(2))
    other = expected_loss(model, W, samples=100, seed=4)
    assert first.value == again.value != other.value
    assert first.seed == 3


def test_drawing_stops_at_the_tolerance_and_reports_progress() -> None:
    model, W = ToyModel(4, 2, "solu", 0.4), np.random.default_rng(0).normal(size=(2, 4))
    seen: list[tuple[int, int]] = []
    loose = expected_loss(
        model, W, method="monte_carlo", rtol=0.05, progress=lambda done, total, text: seen.append((done, total))
    )
    assert loose.error <= 0.05 * loose.value
    assert seen[-1][0] < seen[-1][1]
    assert expected_loss(model, W, samples=30_000).error < loose.error


@pytest.mark.parametrize("samples", [0, 1, 2.5, True, -4])
def test_bad_sample_counts_are_refused(samples) -> None:
    with pytest.raises(InputError, match="samples="):
        expected_loss(ToyModel(4, 2, "solu", 0.4), np.ones((2, 4)), samples=samples)


def test_overflow_is_refused() -> None:
    with pytest.raises(InputError, match="not finite"):
        expected_loss(ToyModel(2, 2, "exp", 1.0), 1e3 * np.eye(2), method="monte_carlo")
