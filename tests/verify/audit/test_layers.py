"""One step at a time: functions called inside forward against the modules they are, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import theory
from numerics import compile_activation, compile_layer
from verify.audit.layers import LayerAudit, audit_layer, privileged_words
from verify.audit.tracing import trace

X = torch.randn(40, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 3


class Call(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def audited(function: Callable[[torch.Tensor], Any], shape: tuple[int, ...] = (4,)) -> list[LayerAudit]:
    module = function if isinstance(function, nn.Module) else Call(function)
    found = trace(module.double().eval(), shape)
    assert found.found_by == "torch.fx", found.note
    return [audit_layer(found, i) for i in range(len(found.steps))]


FUNCTIONS: dict[str, tuple[Callable[[torch.Tensor], Any], str, str]] = {
    "F.relu": (F.relu, "R+ wr S", "R+ wr S"),
    "torch.relu": (torch.relu, "R+ wr S", "R+ wr S"),
    "x.relu": (lambda x: x.relu(), "R+ wr S", "R+ wr S"),
    "x.clamp": (lambda x: x.clamp(min=0), "R+ wr S", "R+ wr S"),
    "clamp": (lambda x: torch.clamp(x, -2, 2), "B", "B"),
    "clamp_max": (lambda x: x.clamp_max(1.5), "S", "S"),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), "R+ wr S", "R+ wr S"),
    "leaky_relu keyword": (lambda x: F.leaky_relu(x, negative_slope=1.0), "GL", "GL"),
    "elu": (lambda x: F.elu(x, alpha=2.0), "S", "S"),
    "celu": (lambda x: F.celu(x, 0.5), "S", "S"),
    "gelu": (F.gelu, "S", "S"),
    "gelu tanh": (lambda x: F.gelu(x, approximate="tanh"), "S", "S"),
    "silu": (F.silu, "S", "S"),
    "mish": (F.mish, "S", "S"),
    "softplus": (lambda x: F.softplus(x, 2.0), "S", "S"),
    "sigmoid": (torch.sigmoid, "S", "S"),
    "F.sigmoid": (lambda x: x.sigmoid(), "S", "S"),
    "tanh": (torch.tanh, "B", "B"),
    "hardtanh": (lambda x: F.hardtanh(x, -1.0, 2.0), "S", "S"),
    "hardshrink": (lambda x: F.hardshrink(x, 0.25), "B", "B"),
    "softshrink": (lambda x: F.softshrink(x, 0.25), "B", "B"),
    "threshold": (lambda x: F.threshold(x, 0.5, 20.0), "S", "S"),
    "selu": (F.selu, "S", "S"),
    "relu6": (F.relu6, "S", "S"),
    "logsigmoid": (F.logsigmoid, "S", "S"),
    "softsign": (F.softsign, "B", "B"),
    "tanhshrink": (F.tanhshrink, "B", "B"),
    "hardsigmoid": (F.hardsigmoid, "S", "S"),
    "hardswish": (F.hardswish, "S", "S"),
    "erf": (torch.erf, "B", "B"),
    "sin": (torch.sin, "B", "B"),
    "cos": (torch.cos, "S", "B"),
    "exp": (torch.exp, "S", "S"),
    "abs": (torch.abs, "R+ wr S", "R* wr S"),
    "abs()": (abs, "R+ wr S", "R* wr S"),
    "sign": (torch.sign, "B", "R* wr S"),
    "atan": (torch.atan, "B", "B"),
    "square": (torch.square, "S", "R* wr S"),
    "**2": (lambda x: x**2, "S", "R* wr S"),
    "pow 3": (lambda x: torch.pow(x, 3), "B", "R* wr S"),
    "softmax": (lambda x: F.softmax(x, dim=-1), "S", "S + 1v"),
    "x.softmax(1)": (lambda x: x.softmax(1), "S", "S + 1v"),
    "log_softmax": (lambda x: F.log_softmax(x, dim=1), "S", "S + 1v"),
    "prelu": (lambda x: F.prelu(x, torch.full((1,), 0.25, dtype=torch.float64)), "R+ wr S", "R+ wr S"),
    "dropout off": (lambda x: F.dropout(x, 0.5, training=False), "GL", "GL"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_called_inside_forward(name: str) -> None:
    function, key, intertwiner_key = FUNCTIONS[name]
    (layer,) = audited(function)
    assert layer.found_by == "trace"
    assert layer.status == "proved"
    assert layer.form is not None
    compiled = (
        compile_activation(layer.form) if isinstance(layer.form, theory.Activation) else compile_layer(layer.form, 4)
    )
    assert np.allclose(compiled(X.numpy()), function(X).numpy(), rtol=1e-8, atol=1e-8)
    assert layer.equivariance_group is not None
    assert layer.equivariance_group.key == key
    assert layer.intertwiner is not None
    assert layer.intertwiner.group.key == intertwiner_key


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: F.dropout(x, 0.5), "its dropout is on"),
        (lambda x: x.cumsum(1), "no symbolic form"),
        (lambda x: x * x.exp(), "a product of two values"),
        (lambda x: x**0.5, "no symbolic form"),
        (lambda x: x[:, :2], "it picks entries"),
        (lambda x: F.softmax(x, dim=0), "dim=0; give dim=-1"),
        (lambda x: torch.cat([x, x], 1), "it joins values"),
        (lambda x: x.reshape(-1), "batch axis"),
    ],
)
def test_what_is_not_analysed_says_why(function: Callable[[torch.Tensor], Any], text: str) -> None:
    last = audited(function)[-1]
    assert last.status == "not analysed"
    assert text in last.reason[0]


@pytest.mark.parametrize(
    ("module", "shape", "text"),
    [
        (nn.MaxPool2d(2), (1, 4, 4), "a maximum over places"),
        (nn.GroupNorm(1, 4), (4, 3), "couples channels"),
        (nn.BatchNorm1d(4, track_running_stats=False), (4,), "those of the batch"),
        (nn.Softmax2d(), (2, 3, 3), "channels of an image"),
        (nn.TransformerEncoderLayer(4, 2, batch_first=True), (3, 4), "attention"),
    ],
)
def test_modules_that_are_not_analysed_say_why(module: nn.Module, shape: tuple[int, ...], text: str) -> None:
    (layer,) = audited(module, shape)
    assert layer.status == "not analysed"
    assert text in layer.reason[0]


def test_a_bias_of_layer_norm_must_be_fixed() -> None:
    norm = nn.LayerNorm(4)
    with torch.no_grad():
        norm.bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    (layer,) = audited(norm)
    assert layer.offset == (1, 2, 3, 4)
    assert layer.equivariance.endswith("those that fix the bias")
    assert layer.equivariance_group is None
    call = Call(lambda x: F.layer_norm(x, (4,), norm.weight, norm.bias))
    call.norm = norm
    (same,) = audited(call)
    assert (same.equivariance, same.intertwiners) == (layer.equivariance, layer.intertwiners)


def test_slopes_per_entry() -> None:
    module = nn.PReLU(4)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([0.25, 0.25, 0.5, 1.0]))
    (layer,) = audited(module)
    group = layer.equivariance_group
    assert (layer.status, int(group.dimension)) == ("proved", 4)
    moved = lambda A: np.allclose(  # noqa: E731
        module(X @ torch.from_numpy(A.T)).detach().numpy(), module(X).detach().numpy() @ A.T, rtol=1e-10, atol=1e-12
    )
    one = np.eye(4)
    for order, signs in product(permutations(range(4)), product((1.0, -1.0), repeat=4)):
        A = one[list(order)] * np.array(signs)
        assert moved(A) == group.contains(A), A
    for A in (np.diag([2.0, 3, 5, -7]), np.diag([2.0, 3, -5, 7]), one + np.eye(4, k=1)):
        assert moved(A) == group.contains(A)


def test_slopes_whose_product_is_one_have_more_intertwiners() -> None:
    module = nn.PReLU(2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([0.5, 2.0]))
    (layer,) = audited(module, (2,))
    assert layer.status == "open"
    # f(Ax) = B f(x) with x1 -> -x2: -2 min(0, x) - ... a negative scale between slopes 1/2 and 2.
    A = torch.tensor([[0.0, -1.0], [-1.0, 0.0]], dtype=torch.float64)
    x = X[:, :2]
    module = module.requires_grad_(False)
    B = torch.linalg.lstsq(module(x), module(x @ A.T)).solution
    assert torch.allclose(module(x) @ B, module(x @ A.T))


def test_layers_at_large_sizes() -> None:
    (softmax,) = audited(nn.Softmax(-1), (200,))
    assert (softmax.equivariance_group.key, softmax.status) == ("S", "proved")
    (norm,) = audited(nn.LayerNorm(200), (200,))
    assert norm.status == "open"
    (relu,) = audited(nn.ReLU(), (3, 20, 20))
    assert relu.equivariance_group == theory.group("R+ wr S", 1200)


def test_privileged_words_agree_with_the_orbits() -> None:
    for key in theory.GROUP_KEYS:
        orbits = theory.group(key, 3).privileged_directions()
        words = privileged_words(theory.group(key, 3))
        assert (words == "none") == (not orbits and key != "trivial"), key
        ones = [orbit for orbit in orbits if len(set(orbit.representative)) == 1]
        assert ("(1, ..., 1)" in words) == (len(orbits) == len(ones) > 0), key
        assert ("two orbits" in words) == (len(orbits) == 2 and not ones), key
