"""Compiled layers against plain numpy, torch, and their own exact values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from scipy.special import expit, log_softmax, softmax

from numerics import compile_layer
from theory import Layer, layer
from theory.symmetry.enclosure import enclose

Q = sympy.Rational


def centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean(-1, keepdims=True)


def sparsemax(x: np.ndarray) -> np.ndarray:
    """The projection on the simplex, by bisection on the threshold."""
    low, high = x.min(-1, keepdims=True) - 1, x.max(-1, keepdims=True)
    for _ in range(80):
        middle = (low + high) / 2
        above = np.maximum(0, x - middle).sum(-1, keepdims=True) > 1
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.maximum(0, x - low)


GAIN = np.array([1.0, 2.0, -1.0, 0.5, 3.0, 1.0])
NORMAL = np.array([1.0, 2.0, 2.0, 0.0, -1.0, 3.0])
PLAIN: dict[Layer, Callable[[np.ndarray], np.ndarray]] = {
    layer("softmax", temperature=2): lambda x: softmax(x / 2, axis=-1),
    layer("softmax", temperature=-1): lambda x: softmax(-x, axis=-1),
    layer("log_softmax"): lambda x: log_softmax(x, axis=-1),
    layer("solu", temperature=2): lambda x: x * softmax(x / 2, axis=-1),
    layer("sparsemax"): sparsemax,
    layer("sort"): lambda x: np.sort(x, axis=-1),
    layer("group_sort", size=3): lambda x: np.sort(x.reshape(-1, 2, 3), axis=-1).reshape(-1, 6),
    layer("max_min"): lambda x: -np.sort(-x.reshape(-1, 3, 2), axis=-1).reshape(-1, 6),
    layer("householder", normal=NORMAL): lambda x: np.where(
        x @ NORMAL[:, None] > 0, x, x - 2 * np.outer(x @ NORMAL, NORMAL) / (NORMAL @ NORMAL)
    ),
    layer("layer_norm"): lambda x: centred(x) / x.std(-1, keepdims=True),
    layer("layer_norm", eps=0.5, gain=GAIN): lambda x: GAIN * centred(x) / np.sqrt(x.var(-1, keepdims=True) + 0.5),
    layer("rms_norm"): lambda x: x / np.sqrt((x**2).mean(-1, keepdims=True)),
    layer("winner_take_all"): lambda x: np.where(x == x.max(-1, keepdims=True), x, 0),
    layer("crelu"): lambda x: np.concatenate([np.maximum(0, x), np.maximum(0, -x)], axis=-1),
    layer("maxout", pieces=3): lambda x: x.reshape(-1, 2, 3).max(-1),
    layer("bilinear"): lambda x: x[:, :3] * x[:, 3:],
    layer("glu"): lambda x: x[:, :3] * expit(x[:, 3:]),
    layer("reglu"): lambda x: x[:, :3] * np.maximum(0, x[:, 3:]),
    layer("swiglu"): lambda x: x[:, :3] * x[:, 3:] * expit(x[:, 3:]),
    layer("gated", gate="tanh"): lambda x: x[:, :3] * np.tanh(x[:, 3:]),
}
EACH = pytest.mark.parametrize("found", PLAIN, ids=str)


@EACH
def test_values_against_plain_numpy_and_torch(found: Layer) -> None:
    x = np.random.default_rng(0).standard_normal((300, 6)) * 5
    expected = PLAIN[found](x)
    assert np.allclose(compile_layer(found, 6)(x), expected, rtol=1e-12, atol=1e-13)
    assert np.allclose(compile_layer(found, 6, "torch")(torch.from_numpy(x)).numpy(), expected, rtol=1e-12, atol=1e-13)


@EACH
def test_values_against_the_exact_ones(found: Layer) -> None:
    point = [Q(3, 2), Q(-1), Q(1, 3), Q(5, 7), Q(-2), Q(1, 10)]
    numeric = compile_layer(found, 6)(np.array(point, dtype=float))
    for value, exact in zip(numeric, found.on(point), strict=True):
        low, high = enclose(exact, 128)
        assert float(low) - 1e-13 <= value <= float(high) + 1e-13


def test_overflow_zero_and_shapes() -> None:
    huge = np.array([1000.0, 0.0, -1000.0])
    for name in ("softmax", "log_softmax", "solu"):
        assert np.isfinite(compile_layer(layer(name), 3)(huge)).all()
    assert np.isfinite(compile_layer(layer("softmax", temperature=-1), 3)(huge)).all()
    for name in ("layer_norm", "rms_norm"):
        assert (compile_layer(layer(name), 3)(np.zeros(3)) == 0).all()
        assert layer(name).on([0, 0, 0]) == (0, 0, 0)
    assert compile_layer(layer("crelu"), 3)(np.zeros((2, 5, 3))).shape == (2, 5, 6)


def test_torch_gradients_exist() -> None:
    x: Any = torch.tensor([[0.3, -1.2, 2.0, 0.7]], dtype=torch.float64, requires_grad=True)
    for name in ("sparsemax", "layer_norm", "max_min", "swiglu", "maxout", "log_softmax"):
        f = compile_layer(layer(name), 4, "torch")
        assert torch.autograd.gradcheck(f, (x,)), name


def test_large_dimensions_are_quick() -> None:
    x = np.random.default_rng(0).standard_normal(128)
    assert compile_layer(layer("sort"), 128)(x) == pytest.approx(np.sort(x))
    assert compile_layer(layer("layer_norm"), 128)(x) == pytest.approx((x - x.mean()) / x.std())
