"""Every activation module of torch against its symbolic form: the same values, and the same group."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from torch import nn

import theory
import verify
from numerics import compile_activation, compile_layer, symbolic_form
from numerics.torch_modules import recognised_modules
from theory import InputError, Layer, layer

Q = sympy.Rational
LOWER, UPPER = Q(1, 8), Q(1, 3)


def _gained(module: Any) -> nn.Module:
    with torch.no_grad():
        module.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
    return module


# module: (the form written by hand, group key, intertwiner key)
ELEMENTWISE: dict[str, tuple[nn.Module, Any, str, str]] = {
    "Identity": (nn.Identity(), "linear", "GL", "GL"),
    "ReLU": (nn.ReLU(), "relu", "R+ wr S", "R+ wr S"),
    "LeakyReLU": (nn.LeakyReLU(), "leaky_relu", "R+ wr S", "R+ wr S"),
    "PReLU": (nn.PReLU(), theory.leaky_relu(Q(1, 4)), "R+ wr S", "R+ wr S"),
    "PReLU -1": (nn.PReLU(init=-1.0), theory.leaky_relu(-1), "R+ wr S", "R* wr S"),
    "RReLU": (nn.RReLU(), theory.leaky_relu((LOWER + UPPER) / 2), "R+ wr S", "R+ wr S"),
    "Threshold": (nn.Threshold(0.5, 20.0), "where(z > 1/2, z, 20)", "S", "S"),
    "Threshold 0": (nn.Threshold(0.0, 0.0), "relu", "R+ wr S", "R+ wr S"),
    "ReLU6": (nn.ReLU6(), "relu6", "S", "S"),
    "Hardtanh": (nn.Hardtanh(), "hardtanh", "B", "B"),
    "Hardtanh -1 2": (nn.Hardtanh(-1.0, 2.0), "max(-1, min(2, z))", "S", "S"),
    "Hardsigmoid": (nn.Hardsigmoid(), "hardsigmoid", "S", "S"),
    "Hardswish": (nn.Hardswish(), "hardswish", "S", "S"),
    "Hardshrink": (nn.Hardshrink(), "hardshrink", "B", "B"),
    "Softshrink": (nn.Softshrink(), "softshrink", "B", "B"),
    "Tanhshrink": (nn.Tanhshrink(), "tanhshrink", "B", "B"),
    "Tanh": (nn.Tanh(), "tanh", "B", "B"),
    "Softsign": (nn.Softsign(), "softsign", "B", "B"),
    "Sigmoid": (nn.Sigmoid(), "sigmoid", "S", "S"),
    "LogSigmoid": (nn.LogSigmoid(), "logsigmoid", "S", "S"),
    "Softplus": (nn.Softplus(), "softplus", "S", "S"),
    "Softplus 2": (nn.Softplus(beta=2.0), "softplus(2*z)/2", "S", "S"),
    "Softplus 1 2": (nn.Softplus(threshold=2.0), "where(z > 2, z, softplus(z))", "S", "S"),
    "Softshrink 1": (nn.Softshrink(1.0), "max(0, z - 1) + min(0, z + 1)", "B", "B"),
    "Softshrink 0": (nn.Softshrink(0.0), "z", "GL", "GL"),
    "Hardshrink 1/4": (nn.Hardshrink(0.25), "where(abs(z) > 1/4, z, 0)", "B", "B"),
    "LeakyReLU 0.2": (nn.LeakyReLU(0.2), theory.leaky_relu(Q(1, 5)), "R+ wr S", "R+ wr S"),
    "LeakyReLU 1": (nn.LeakyReLU(1.0), "z", "GL", "GL"),
    "ELU 2": (nn.ELU(alpha=2.0), "where(z > 0, z, 2*(exp(z) - 1))", "S", "S"),
    "Dropout": (nn.Dropout(0.5), "z", "GL", "GL"),
    "SiLU": (nn.SiLU(), "silu", "S", "S"),
    "Mish": (nn.Mish(), "mish", "S", "S"),
    "GELU": (nn.GELU(), "gelu", "S", "S"),
    "GELU tanh": (nn.GELU(approximate="tanh"), "gelu_tanh", "S", "S"),
    "ELU": (nn.ELU(), "elu", "S", "S"),
    "SELU": (nn.SELU(), "selu", "S", "S"),
    "CELU": (nn.CELU(alpha=2.0), "celu", "S", "S"),
}
COUPLED: dict[str, tuple[nn.Module, Layer, int]] = {
    "Softmax": (nn.Softmax(-1), layer("softmax"), 3),
    "Softmin": (nn.Softmin(-1), layer("softmax", temperature=-1), 3),
    "LogSoftmax": (nn.LogSoftmax(-1), layer("log_softmax"), 3),
    "LayerNorm": (nn.LayerNorm(3, eps=0.125, elementwise_affine=False), layer("layer_norm", eps=Q(1, 8)), 3),
    "RMSNorm": (nn.RMSNorm(3, eps=0.125, elementwise_affine=False), layer("rms_norm", eps=Q(1, 8)), 3),
    "GLU": (nn.GLU(-1), layer("glu"), 4),
    "LayerNorm gain": (_gained(nn.LayerNorm(3, eps=0.125)), layer("layer_norm", eps=Q(1, 8), gain=[1, 2, 3]), 3),
    "LayerNorm ones": (nn.LayerNorm(3, eps=0.125), layer("layer_norm", eps=Q(1, 8)), 3),
    "RMSNorm gain": (_gained(nn.RMSNorm(3, eps=0.125)), layer("rms_norm", eps=Q(1, 8), gain=[1, 2, 3]), 3),
}


def values(module: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return module.double().eval()(torch.from_numpy(x)).numpy()


def test_every_activation_module_is_classified() -> None:
    from torch.nn.modules import activation

    classified = {type(row[0]).__name__ for row in (*ELEMENTWISE.values(), *COUPLED.values())}
    # These are no maps of one vector: attention has weights, Softmax2d acts on images.
    left_out = {"MultiheadAttention", "Softmax2d"}
    assert set(activation.__all__) - left_out <= classified
    assert len(classified) >= 29
    assert classified <= set(recognised_modules())


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_modules(name: str) -> None:
    module, form, key, intertwiner_key = ELEMENTWISE[name]
    # torch replaces softplus by the identity where beta x > 20, an error below 2.1e-9, so the grid ends before.
    grid = np.concatenate([np.linspace(-9, 9, 721), [0.5, -0.5, 1.0, 3.0, -3.0, 6.0, 1e-12]])
    expected = compile_activation(theory.activation(form))(grid)
    # SELU's published constants, and the slope of LeakyReLU as a float32 parameter, are rounded.
    assert np.allclose(values(module, grid), expected, rtol=1e-8, atol=1e-12)
    read = symbolic_form(module)
    assert isinstance(read, theory.Activation)
    assert np.allclose(compile_activation(read)(grid), values(module, grid), rtol=1e-8, atol=1e-12)
    for each in (form, read):
        found = theory.equivariance_group(each, 3)
        assert (found.key, found.status) == (key, "proved")
        assert theory.intertwiner(each, 3).group.key == intertwiner_key
    _agrees(module, found, 3)


@pytest.mark.parametrize("name", COUPLED)
def test_coupled_modules(name: str) -> None:
    module, form, n = COUPLED[name]
    x = np.random.default_rng(0).standard_normal((200, n)) * 4
    assert np.allclose(values(module, x), compile_layer(form, n)(x), rtol=1e-12, atol=1e-13)
    assert torch.allclose(module.double()(torch.from_numpy(x)), compile_layer(form, n, "torch")(torch.from_numpy(x)))
    assert symbolic_form(module) == form
    assert theory.intertwiner(form, n).group.status == "proved"
    if form.output_dimension(n) == n:
        found = theory.equivariance_group(form, n)
        assert found.status == "proved"
        _agrees(module, found, n)
        assert verify.check_equivariance(module, found, examples=40).status == "proved"
        assert verify.check_equivariance(module, found, examples=40, symbolic=False).status == "supported"


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (nn.Softmax(0), "dim=0; give dim=-1"),
        (nn.LayerNorm((2, 3)), "normalized_shape"),
        (nn.Softplus(beta=0.0), "beta=0"),
    ],
)
def test_modules_that_are_no_map_of_one_vector_are_refused(module: nn.Module, text: str) -> None:
    with pytest.raises(InputError, match=text):
        symbolic_form(module)


def test_a_subclass_is_not_recognised() -> None:
    class ReLU(nn.ReLU):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return -x

    assert symbolic_form(ReLU()) is None
    assert symbolic_form(nn.Linear(2, 2)) is None


def _agrees(module: nn.Module, found: theory.MatrixGroup, n: int) -> None:
    """Signed permutations, scalings and a rotation commute with the module in floats exactly if they are members."""
    points = np.random.default_rng(1).standard_normal((150, n)) * np.geomspace(0.05, 30, 150)[:, None]
    one = np.eye(n)
    candidates = [one[list(o)] * np.array(s) for o in permutations(range(n)) for s in product((1.0, -1.0), repeat=n)]
    rotation = one.copy()
    rotation[:2, :2] = [[0.6, -0.8], [0.8, 0.6]]
    for A in (*candidates, 2 * one, np.diag([2.0, 1.0, 0.5]), rotation):
        commutes = np.allclose(values(module, points @ A.T), values(module, points) @ A.T, rtol=1e-6, atol=1e-9)
        assert commutes == found.contains(A), A
