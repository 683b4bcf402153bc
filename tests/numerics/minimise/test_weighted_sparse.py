"""The search at first order with unequal densities and importances: gradients, definitions, and the proved interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory
from numerics import compile_activation, first_order_loss, minimise_first_order, minimise_sparse_coefficient
from numerics.minimise.weighted_sparse import _log_lost
from theory import InputError, ToyModel

ACTIVATIONS = ["relu", "power:1", "power:2", "power:3", "rectified-power:2", "signed-power:1.5", "leaky-relu:0.3"]


@given(seed=st.integers(0, 10**6), a=st.sampled_from([0.75, 1.0, 1.5, 2.0]), negative=st.sampled_from([0.0, 0.3, 1.0]))
def test_gradient(seed: int, a: float, negative: float) -> None:
    rng = np.random.default_rng(seed)
    W, towards = rng.normal(size=(2, 3, 6)), rng.normal(size=(2, 3, 6))
    w, shares = rng.uniform(0.1, 2, 6), rng.uniform(0.1, 2, 6)
    pairs = (np.outer(w, shares) + np.outer(shares, w)) / (2 * (w @ shares))
    step = 1e-6
    up, _ = _log_lost(W + step * towards, a, negative, pairs)
    down, _ = _log_lost(W - step * towards, a, negative, pairs)
    _, gradient = _log_lost(W, a, negative, pairs)
    slope = (gradient * towards).sum(axis=(1, 2))
    assert np.abs((up - down) / (2 * step) - slope).max() <= 1e-4 * (1 + np.abs(slope).max())


@given(seed=st.integers(0, 10**6), name=st.sampled_from(ACTIVATIONS))
def test_first_order_loss_is_its_definition(seed: int, name: str) -> None:
    """One active feature after another, its value on a fine grid: which index carries w, and which I."""
    rng = np.random.default_rng(seed)
    W, w, shares = rng.normal(size=(2, 4)) * 0.7, rng.uniform(0, 1, 4), rng.uniform(0, 1, 4)
    sigma = compile_activation(theory.activation(name))
    u = (np.arange(4000) + 0.5) / 4000
    gram = W.T @ W
    direct = 0.0
    for i in range(4):
        outputs = sigma(gram[:, i][:, None] * u)
        target = np.zeros((4, len(u)))
        target[i] = u
        direct += w[i] * float(shares @ ((target - outputs) ** 2).mean(axis=1))
    assert first_order_loss(name, W, w, shares) == pytest.approx(direct, rel=1e-5)


@settings(max_examples=25)
@given(
    st.integers(2, 14),
    st.integers(1, 4),
    st.sampled_from([*ACTIVATIONS, "rectified-power:1/2", "leaky-relu:0.9"]),
    st.sampled_from(["uniform", "binary", "exponential", "two-sided:uniform", "half-normal"]),
    st.integers(0, 10**6),
)
def test_no_search_beats_the_proved_interval(n: int, m: int, name: str, law: str, seed: int) -> None:
    """Random sizes, activations, laws, weights and importances: adversarial minimisation against both ends."""
    rng = np.random.default_rng(seed)
    weights = np.round(rng.uniform(0, 1, n) ** rng.choice([1, 4]), 6)
    importances = np.round(rng.uniform(0, 1, n), 3) if rng.random() < 0.6 else np.ones(n)
    if (weights * importances).sum() == 0 or (law == "two-sided:uniform" and name == "power:2"):
        return
    interval = theory.first_order_interval(name, m, weights.tolist(), importances.tolist(), law)
    found = minimise_first_order(name, m, weights.tolist(), importances.tolist(), law, restarts=3, seed=seed, steps=150)
    scale = float(weights @ importances) * max(float(theory.feature_law(law).moment(2)), 1.0)
    assert found.value >= float(interval.lower) - 1e-9 * scale
    assert float(interval.lower) <= float(interval.upper) + 1e-12 * scale
    assert found.value == pytest.approx(
        first_order_loss(name, found.W, weights.tolist(), importances.tolist(), law), rel=1e-9, abs=1e-12
    )


def test_equal_features_agree_with_the_other_search() -> None:
    for name in ("relu", "power:2"):
        equal = minimise_sparse_coefficient(ToyModel(9, 3, name), 8)
        found = minimise_first_order(name, 3, [1.0] * 9, restarts=8, steps=600)
        assert found.value == pytest.approx(equal.coefficient, rel=1e-4)


def test_densities_on_inputs_are_importances_on_outputs() -> None:
    """With f symmetric, weights w and equal importances cost what importances w and equal weights do; PCA is exact."""
    w = [1.0, 0.5, 0.3, 0.1]
    for name in ("relu", "power:2"):
        W = np.random.default_rng(0).normal(size=(2, 4))
        assert first_order_loss(name, W, w) == pytest.approx(first_order_loss(name, W, [1.0] * 4, w))
    found = minimise_first_order("power:1", 2, w, restarts=4)
    assert found.lost == pytest.approx(0.4, rel=1e-6)


def test_messages() -> None:
    with pytest.raises(InputError, match="gains nothing"):
        minimise_first_order("power:2", 1, [1, 1], law="two-sided:uniform")
    with pytest.raises(InputError, match="every stake"):
        minimise_first_order("relu", 1, [0, 0])
    with pytest.raises(InputError, match="restarts=0"):
        minimise_first_order("relu", 1, [1, 2], restarts=0)
    with pytest.raises(InputError, match="finite and >= 0"):
        minimise_first_order("relu", 1, [1, -2])
    with pytest.raises(InputError, match="give \\(m, n\\)"):
        first_order_loss("relu", np.ones((1, 3)), [1, 2])
