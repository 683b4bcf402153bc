"""The known ways in which characteristic functions fail, one by one, against exact sums over vertices."""

from __future__ import annotations

import numpy as np
import pytest

from numerics import expected_loss
from numerics.quadrature.adaptive import quadrature_loss
from numerics.setting import setting
from numerics.vertex import vertex_loss
from theory import InputError, ToyModel

W = np.random.default_rng(1).normal(size=(2, 5))
ZERO, PAIRS, COLUMN = W.copy(), W.copy(), W.copy()
ZERO[:, 2] = 0
PAIRS[:, 1], PAIRS[:, 3] = -PAIRS[:, 0], -PAIRS[:, 2]
COLUMN[:, 0] *= 30
NOISE = 1e-5 * np.random.default_rng(3).normal(size=W.shape)
MODES = {
    "nobody active": ("relu", W, 0.0, 0.0, 0.0),
    "everybody active": ("relu", W, 1.0, 0.0, 1e-7),
    "nearly everybody": ("relu", W, 0.999, 0.0, 1e-7),
    "density 1e-6": ("relu", W, 1e-6, 0.0, 1e-7),
    "density 1e-10": ("relu", W, 1e-10, 0.0, 1e-7),
    "zero row": ("relu", ZERO, 0.1, 0.0, 1e-7),
    "zero row, bias": ("relu", ZERO, 0.1, 0.3, 1e-7),
    "all zero": ("relu", 0 * W, 0.1, 0.3, 1e-14),
    "tiny": ("relu", 1e-4 * W, 0.1, 0.0, 1e-7),
    "tiny, bias": ("relu", 1e-4 * W, 0.1, -0.2, 1e-7),
    "tinier": ("relu", 1e-8 * W, 0.1, 0.0, 1e-7),
    "huge": ("relu", 30 * W, 0.1, 0.0, 1e-7),
    "huger": ("relu", 1e4 * W, 0.1, 0.5, 1e-7),
    "pairs": ("relu", PAIRS, 0.1, 0.0, 1e-7),
    "pairs and noise": ("relu", PAIRS + NOISE, 0.1, 0.0, 1e-7),
    "pairs and noise, bias": ("relu", PAIRS + NOISE, 0.1, -0.1, 1e-7),
    "one large column": ("relu", COLUMN, 0.1, 0.0, 1e-7),
    "heaviside": ("heaviside", W, 0.1, 0.0, 1e-7),
    "sign, pairs": ("sign", PAIRS, 0.1, 0.0, 1e-7),
    "hardshrink": ("hardshrink", W, 0.1, 0.0, 1e-7),
    "kink on the atom": ("hardtanh", W, 0.1, 1.0, 1e-7),
    "jump on the atom": ("hardshrink", W, 0.1, 0.5, 1e-7),
    "jump in the noise": ("heaviside", PAIRS + NOISE, 0.1, 0.0, 1e-5),
}


@pytest.mark.parametrize("mode", MODES)
def test_failure_modes_are_right(mode: str) -> None:
    name, weights, density, bias, relative = MODES[mode]
    at = setting(ToyModel(5, 2, name, density, bias=True), weights, np.full(5, bias))
    truth, found = vertex_loss(at)[0], quadrature_loss(at, 1e-8)
    assert abs(found.per_feature.sum() - truth.sum()) <= max(found.total_error, 4e-16 * truth.sum())
    assert found.total_error <= relative * truth.sum()


def test_a_kink_at_the_end_of_a_feature() -> None:
    at = setting(ToyModel(5, 2, "relu", 0.1, bias=True), W, -(W.T @ W)[:, 0])
    truth, found = vertex_loss(at)[0].sum(), quadrature_loss(at, 1e-8)
    assert abs(found.per_feature.sum() - truth) <= found.total_error <= 1e-8 * truth


@pytest.mark.parametrize("name", ["tanh(20*z)", "tanh(200*z)", "sigmoid(100*z)", "sqrt(max(0, z))", "max(0, z)**0.1"])
def test_steep_and_singular_activations(name: str) -> None:
    model = ToyModel(5, 2, name, 0.1)
    coarse, fine = (expected_loss(model, W, rtol=rtol) for rtol in (1e-4, 1e-8))
    assert coarse.agrees_with(fine)
    assert fine.error <= 1e-8 * fine.value


def test_a_narrow_step_between_the_frequencies_is_right_or_flagged() -> None:
    # 1e5 times as steep as the range is long: smooth in name only.
    model = ToyModel(3, 2, "tanh(100000*z)", 0.2, bias=True)
    b = np.array([0.1, -0.2, 0.05])
    found = expected_loss(model, W[:, :3], b, rtol=1e-6)
    like_sign = expected_loss(model.replace(activation="sign"), W[:, :3], b)
    assert abs(found.value - like_sign.value) <= found.error + 1e-4


@pytest.mark.parametrize("law", ["exponential", "half-normal"])
def test_infinite_losses_are_refused(law: str) -> None:
    with pytest.raises(InputError, match="grows too fast"):
        expected_loss(ToyModel(5, 2, "exp(z**2)", 0.1, law=law), W)
