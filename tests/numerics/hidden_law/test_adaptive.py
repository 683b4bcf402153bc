"""Quadrature in the hidden space against every support, one-dimensional quadrature and sampling."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import expected_loss
from numerics.hidden_law.adaptive import hidden_loss, hidden_rank, settled_error
from numerics.setting import setting
from theory import InputError, ToyModel

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "hidden_accuracy.py"
ELEMENTWISE = ["relu", "gelu", "tanh", "hardtanh", "rectified-power:2", "leaky-relu:0.1", "sigmoid"]
COUPLED = ["solu", "softmax", "isotropic:tanh", "isotropic:relu", "isotropic:sigmoid"]
LAWS = ["uniform", "exponential", "half-normal", "beta:2,3", "two-sided:uniform", "two-sided:beta:2,1"]
ONE_DENSITY = st.floats(-6, 0).map(lambda exponent: 10**exponent)


@pytest.fixture(scope="module")
def campaign():
    """The benchmark script as a module."""
    spec = importlib.util.spec_from_file_location("hidden_accuracy", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["hidden_accuracy"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["hidden_accuracy"]


def weights_of(seed: int, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, n)) / m**0.5, 0.3 * rng.normal(size=n)


@pytest.mark.parametrize("activation", ["solu", "softmax", "isotropic:tanh"])
@pytest.mark.parametrize(("n", "m"), [(2, 1), (3, 2), (4, 2)])
@pytest.mark.parametrize("law", ["uniform", "two-sided:beta:2,1"])
def test_every_support_by_tensor_rules_gives_the_same(campaign, activation: str, n: int, m: int, law: str) -> None:
    W, b = weights_of(n, n, m)
    densities, importance = [0.4, 1e-5, 0.9, 0.1][:n], (2, 1, 1, 0.5)[:n]
    at = setting(ToyModel(n, m, activation, densities, law=law, importance=importance, bias=True), W, b)
    found = hidden_loss(at, 1e-10)
    assert found.converged
    assert float(at.importances @ found.per_feature) == pytest.approx(campaign.tensor_loss(at, 14), rel=1e-11)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(3, 12),
    m=st.integers(1, 2),
    activation=st.sampled_from(ELEMENTWISE),
    law=st.sampled_from(LAWS),
    density=st.one_of(ONE_DENSITY, st.lists(ONE_DENSITY, min_size=12, max_size=12)),
)
def test_elementwise_outputs_agree_with_one_dimensional_laws(seed, n, m, activation, law, density) -> None:
    W, b = weights_of(seed, n, m)
    density = density[:n] if isinstance(density, list) else density
    model = ToyModel(n, m, activation, density, law=law, bias=True)
    found = expected_loss(model, W, b, method="hidden_quadrature", rtol=1e-4)
    truth = expected_loss(model, W, b, method="quadrature", rtol=1e-8)
    assert found.agrees_with(truth)
    assert found.error <= 1e-2 * found.value
    assert np.abs(found.per_feature - truth.per_feature).max() <= 2 * (found.error + truth.error)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(3, 12),
    m=st.integers(1, 2),
    activation=st.sampled_from(COUPLED),
    law=st.sampled_from(LAWS),
    density=st.one_of(ONE_DENSITY, st.lists(ONE_DENSITY, min_size=12, max_size=12)),
)
def test_coupled_outputs_agree_with_sampling(seed, n, m, activation, law, density) -> None:
    W, b = weights_of(seed, n, m)
    density = density[:n] if isinstance(density, list) else density
    model = ToyModel(n, m, activation, density, law=law, bias=True)
    found = expected_loss(model, W, b, rtol=1e-4)
    assert found.method == "hidden_quadrature"
    sampled = expected_loss(model, W, b, method="monte_carlo", samples=20_000, seed=seed)
    assert found.agrees_with(sampled, z=2.5)


@pytest.mark.parametrize("seed", range(12))
def test_stated_errors_cover_true_ones(campaign, seed: int) -> None:
    assert campaign.trial(seed, most_features=5).is_covered


def test_an_accidentally_small_change_is_not_believed() -> None:
    values = [np.array([v]) for v in (1.0, 1.1, 1.14, 1.1400001)]
    assert settled_error(values[:2]) == np.inf
    assert settled_error(values[:3]) == pytest.approx(3 * 0.04)
    # After changes of 0.1 and 0.04 the next ones may well be 0.01, whatever the last one was.
    assert 0.02 <= settled_error(values) <= 0.1
    # Changes that fell by 1e4 each time may go on doing so.
    steep = [np.array([v]) for v in (1.0, 1.1, 1.1 + 1e-5, 1.1 + 1e-5 + 1e-9)]
    assert 3e-9 <= settled_error(steep) <= 4e-9


def test_smooth_outputs_take_few_points() -> None:
    W, b = weights_of(0, 5, 2)
    at = setting(ToyModel(5, 2, "solu", 0.1, bias=True), W, b)
    found = hidden_loss(at, 1e-10)
    assert found.converged
    assert found.points <= 200
    assert found.total_error <= 1e-10 * found.per_feature.sum()


def test_three_hidden_dimensions() -> None:
    W, b = weights_of(3, 4, 3)
    model = ToyModel(4, 3, "gelu", 0.2, bias=True)
    found = expected_loss(model, W, b, method="hidden_quadrature", rtol=1e-3)
    assert found.agrees_with(expected_loss(model, W, b, method="quadrature"))
    assert found.value == pytest.approx(expected_loss(model, W, b).value, rel=1e-7)


def test_the_rank_of_the_weights_counts() -> None:
    W, b = weights_of(1, 6, 2)
    tall = np.concatenate([W, W, W[:1] - W[1:]])
    assert hidden_rank(tall) == 2
    model = ToyModel(6, 5, "softmax", 0.1, bias=True)
    found = expected_loss(model, tall, b)
    assert found.method == "hidden_quadrature"
    assert found.agrees_with(expected_loss(model, tall, b, method="monte_carlo", samples=20_000), z=2.0)
    full = np.random.default_rng(0).normal(size=(5, 6))
    assert expected_loss(model, full, b, samples=100).method == "monte_carlo"
    with pytest.raises(InputError, match=r"rank 5.*monte_carlo"):
        expected_loss(model, full, b, method="hidden_quadrature")


@pytest.mark.parametrize("density", [0, 1, (0, 0, 1, 0), (0.5, 0, 0, 0)])
def test_extreme_densities(density) -> None:
    W, b = weights_of(2, 4, 2)
    model = ToyModel(4, 2, "tanh", density, bias=True)
    found = expected_loss(model, W, b, method="hidden_quadrature")
    assert found.agrees_with(expected_loss(model, W, b, method="quadrature"))


def test_no_density_is_too_small() -> None:
    W, _ = weights_of(4, 5, 2)
    for density in (1e-6, 1e-9):
        model = ToyModel(5, 2, "gelu", density)
        found = expected_loss(model, W, method="hidden_quadrature", rtol=1e-12)
        truth = expected_loss(model, W, method="quadrature", rtol=1e-12)
        assert found.value == pytest.approx(truth.value, rel=1e-12)


def test_zero_weights_and_columns() -> None:
    zero = expected_loss(ToyModel(3, 2, "softmax", 0.3), np.zeros((2, 3)))
    # x_hat is 1/3: E (x - 1/3)**2 = p/3 - p/3 + 1/9 for each feature.
    assert zero.value == pytest.approx(1 / 3, rel=1e-12)
    W, b = weights_of(5, 4, 2)
    W[:, 1] = 0.0
    model = ToyModel(4, 2, "relu", 0.4, bias=True)
    found = expected_loss(model, W, b, method="hidden_quadrature", rtol=1e-4)
    assert found.agrees_with(expected_loss(model, W, b, method="quadrature"))


def test_refusals_say_what_to_do() -> None:
    W, _ = weights_of(0, 3, 2)
    with pytest.raises(InputError, match=r"binary.*monte_carlo"):
        expected_loss(ToyModel(3, 2, "solu", 0.3, law="binary"), W, method="hidden_quadrature")
    many = np.random.default_rng(0).normal(size=(3, 60))
    with pytest.raises(InputError, match=r"n_features=60.*33 features.*monte_carlo"):
        expected_loss(ToyModel(60, 3, "solu", 0.01), many, method="hidden_quadrature")
    with pytest.raises(InputError, match="overflows or is infinite"):
        expected_loss(ToyModel(3, 2, "exp", 0.3, law="exponential"), 20 * W, method="hidden_quadrature")


def test_progress_is_reported() -> None:
    seen: list[tuple[int, int, str]] = []
    expected_loss(ToyModel(3, 2, "solu", 0.3), weights_of(0, 3, 2)[0], progress=lambda *step: seen.append(step))
    assert seen
