"""Every scheme: agreement with deterministic routes, coverage of the interval, the choice, devices."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

import theory
from numerics import expected_loss
from numerics.monte_carlo.random_points import FEWEST_DRAWS, allocation
from numerics.monte_carlo.sampling import carry_out, prepare
from numerics.monte_carlo.schemes import SCHEMES, choose
from numerics.setting import setting
from theory import InputError, ToyModel

ELEMENTWISE = [name for name in theory.activation_names() if theory.activation(name).is_elementwise]
COUPLED = [name for name in theory.activation_names() if not theory.activation(name).is_elementwise]


def weights(n: int, m: int, seed: int = 1) -> np.ndarray:
    W = np.random.default_rng(seed).normal(size=(m, n))
    return W / np.linalg.norm(W, axis=0)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_registered_activations_agree_with_quadrature(name: str) -> None:
    """Three half-widths are passed once in 10**8 by a normal error, once in 10**5 by sixteen scramblings."""
    rng = np.random.default_rng(ELEMENTWISE.index(name))
    W, b = 0.8 * weights(6, 3), 0.2 * rng.normal(size=6)
    for density, law in ((0.01, "uniform"), ((0.5, 0.5, 0.1, 0.1, 0.02, 0.9), "two-sided:beta:2,3"), (1.0, "uniform")):
        model = ToyModel(6, 3, name, density, law=law, importance=(1, 2, 1, 1, 0.5, 0), bias=True)
        truth = expected_loss(model, W, b, rtol=1e-9)
        for samples in (1024, 8192):
            found = expected_loss(model, W, b, method="monte_carlo", samples=samples)
            assert truth.agrees_with(found, z=3.0), (density, samples)
            assert float(np.asarray(model.importances, float) @ found.per_feature) == pytest.approx(found.value)


@pytest.mark.parametrize("name", COUPLED)
def test_coupled_activations_agree_with_the_sum_over_supports(name: str) -> None:
    for density in (0.002, 0.2, 0.9):
        model = ToyModel(6, 2, name, density, law="two-sided:binary")
        truth = expected_loss(model, weights(6, 2))
        for scheme in ("auto", *SCHEMES):
            found = expected_loss(model, weights(6, 2), method="monte_carlo", scheme=scheme, samples=4096)
            if scheme.startswith("stratified") or density > 0.01:
                assert truth.agrees_with(found, z=3.0), (density, scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_is_right_feature_by_feature(scheme: str) -> None:
    """The mean over seeds of each feature's loss, against quadrature, to five standard errors."""
    model = ToyModel(4, 2, "gelu", (0.3, 0.3, 0.05, 0.6), importance=(1, 2, 1, 0.5), bias=True)
    W, b = weights(4, 2), np.array([0.1, -0.2, 0.0, 0.3])
    truth, at = expected_loss(model, W, b, rtol=1e-10), setting(model, W, b)
    task = prepare(at, scheme, 1024)
    found = np.array([carry_out(task, 0.0, 0.0, seed, 1024).per_feature for seed in range(60)])
    spread = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - truth.per_feature) <= 5 * spread + 1e-12).all()


COVERED = [
    ("relu", "uniform", 5, 0.001, "auto", 600),
    ("gelu", "exponential", 5, 0.1, "auto", 600),
    ("relu", "uniform", 5, 1.0, "auto", 600),
    ("relu", "uniform", 30, 0.5, "auto", 600),
    ("solu", "binary", 6, 0.001, "auto", 600),
    ("isotropic-tanh", "binary", 6, 0.5, "auto", 600),
    ("relu", "uniform", 5, 0.3, "naive", 600),
    ("relu", "uniform", 5, 0.3, "stratified", 600),
    ("relu", "uniform", 5, 0.01, "stratified_sobol", 1024),
    ("tanh", "uniform", 5, 0.1, "stratified_sobol_control", 1024),
    ("relu", "uniform", 5, 0.5, "sobol_control", 1024),
    ("relu", "uniform", 5, 0.01, "auto", 40),
]


@pytest.mark.parametrize(("name", "law", "n", "density", "scheme", "samples"), COVERED)
def test_intervals_cover_as_often_as_they_say(name, law, n, density, scheme, samples) -> None:
    """Of 200 intervals of 95 % fewer than 178, or all 200, hold the truth less than once in 1,500 times."""
    model = ToyModel(n, 2, name, density, law=law)
    at = setting(model, weights(n, 2))
    truth = expected_loss(model, at.W, rtol=1e-11).value
    task = prepare(at, scheme, samples)
    hits = 0
    for seed in range(200):
        found = carry_out(task, 0.0, 0.0, seed, samples)
        hits += abs(float(at.importances @ found.per_feature) - truth) <= found.error + 1e-15 * truth
    assert 178 <= hits < 200


def test_binomial_limits_of_the_coverage_test() -> None:
    chance = [comb(200, k) * 0.95**k * 0.05 ** (200 - k) for k in range(201)]
    assert sum(chance[:178]) < 1 / 1500
    assert chance[200] < 1 / 1500


def test_controls_and_strata_earn_their_place() -> None:
    model, W = ToyModel(20, 5, "relu", 0.01), weights(20, 5)
    error = {
        scheme: expected_loss(model, W, method="monte_carlo", scheme=scheme, samples=2**15).error
        for scheme in ("naive", "stratified", "stratified_control", "stratified_sobol_control")
    }
    assert error["stratified"] < error["naive"] / 5
    assert error["stratified_control"] < error["stratified"] / 3
    assert error["stratified_sobol_control"] < error["stratified_control"]


def test_allocation_follows_the_deviations_above_a_floor() -> None:
    counts = allocation(np.array([0.9, 0.09, 0.01]), np.array([1.0, 20.0, 0.0]), 8000)
    assert counts.sum() <= 8000
    assert counts[1] == pytest.approx(2 * counts[0], rel=0.02)
    assert counts[2] == 8000 // 24
    assert allocation(np.array([0.5, 0.5]), np.zeros(2), 20).min() >= 10
    assert allocation(np.array([1.0, 1e-9]), np.ones(2), 200).min() >= FEWEST_DRAWS


@pytest.mark.parametrize(
    ("n", "density", "draws", "expected"),
    [
        (5, 0.001, 2**15, "stratified_sobol_control"),
        (5, 0.001, 1000, "stratified_control"),
        (200, 0.01, 2**15, "stratified_sobol_control"),
        (200, 0.3, 2**15, "control_variate"),
        (20, 1.0, 2**15, "sobol"),
        (2, 0.001, 1000, "stratified_control"),
        (1, 0.5, 1000, "stratified"),
    ],
)
def test_auto_follows_the_measured_table(n: int, density: float, draws: int, expected: str) -> None:
    assert choose(setting(ToyModel(n, 2, "solu", density), np.ones((2, n))), draws).name == expected


def test_torch_devices_give_the_same_numbers() -> None:
    model, W = ToyModel(6, 2, "solu", 0.2, bias=True), weights(6, 2)
    for scheme in ("auto", "stratified_control", "naive"):
        plain = expected_loss(model, W, np.full(6, 0.1), scheme=scheme, samples=4096, seed=3)
        torch = expected_loss(model, W, np.full(6, 0.1), scheme=scheme, samples=4096, seed=3, device="cpu")
        assert torch.value == pytest.approx(plain.value, rel=1e-13)
        assert torch.error == pytest.approx(plain.error, rel=1e-6)
        assert torch.per_feature == pytest.approx(plain.per_feature, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scheme": "sobl"}, "did you mean 'sobol'"),
        ({"device": "abacus"}, "device='abacus'"),
        ({"scheme": "sobol", "samples": 300}, "at least 1024"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_bad_arguments_are_refused(arguments, message) -> None:
    with pytest.raises(InputError, match=message):
        expected_loss(ToyModel(4, 2, "solu", 0.4), np.ones((2, 4)), method="monte_carlo", **arguments)


def test_an_interrupted_run_leaves_nothing_behind() -> None:
    """Progress may raise: the run stops there, and the next one is as if it had never been."""
    model, W = ToyModel(4, 2, "solu", 0.4), weights(4, 2)

    def stop(done: int, total: int, text: str) -> None:
        raise KeyboardInterrupt

    expected = expected_loss(model, W, samples=2000).value
    with pytest.raises(KeyboardInterrupt):
        expected_loss(model, W, samples=2000, progress=stop)
    assert expected_loss(model, W, samples=2000).value == expected


def test_memory_does_not_grow_with_the_draws() -> None:
    import tracemalloc

    model, W = ToyModel(100, 5, "solu", 0.1), weights(100, 5)
    peaks = []
    for samples in (4_000, 40_000):
        tracemalloc.start()
        expected_loss(model, W, samples=samples)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_features_hardly_drawn_are_named() -> None:
    W = weights(6, 2)
    W[:, 5] = 0
    heavy = ToyModel(6, 2, "solu", (0.1,) * 5 + (1e-5,), importance=(1,) * 5 + (1e5,))
    found = expected_loss(heavy, W, samples=2000)
    assert "feature 5 weighs much" in found.reason
    assert "too short" in found.reason
    light = heavy.replace(importance=1)
    assert "too short" not in expected_loss(light, W, samples=2000).reason
    rare = light.replace(density=1e-4)
    assert "far too short" in expected_loss(rare, W, scheme="naive", samples=2000).reason
    assert "too short" not in expected_loss(rare, W, samples=2000).reason


def test_many_coupled_features_have_single_ones_drawn() -> None:
    """Where the integrals over one active feature would cost more than all draws, it is a stratum like others."""
    model, W = ToyModel(300, 4, "solu", 0.001), 0.5 * weights(300, 4)
    drawn = expected_loss(model, W, samples=8192)
    assert "K = 1" in drawn.reason
    assert "no active feature exactly" in drawn.reason
    integrated = expected_loss(model, W, samples=2**15)
    assert "by integration" in integrated.reason
    assert integrated.agrees_with(drawn, z=3.0)
    assert integrated.error < drawn.error


@pytest.mark.parametrize("samples", [2, 3, 40, 255, 300, 1000, 5000])
def test_no_more_is_drawn_than_asked_for(samples: int) -> None:
    seen: list[int] = []
    found = expected_loss(
        ToyModel(5, 2, "solu", 0.1), weights(5, 2), samples=samples, progress=lambda done, *_: seen.append(done)
    )
    assert 0 < seen[-1] <= samples
    assert np.isfinite(found.error)
