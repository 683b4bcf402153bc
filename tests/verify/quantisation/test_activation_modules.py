"""Activations as torch modules: values, gradients and symmetry, from the origin to the largest float32."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import theory
import verify
from theory import InputError
from verify.quantisation.clouds import haar_rotations

ISOTROPIC = ["isotropic:tanh", "isotropic:relu", "isotropic:softshrink", "isotropic:sqrt(8)*tanh(r/sqrt(8))",
             "isotropic:r/(1+r)", "isotropic:gelu"]  # fmt: skip


@pytest.mark.parametrize("spec", ISOTROPIC)
def test_float32_agrees_with_exact_values_at_every_norm(spec: str) -> None:
    import mpmath

    module, profile = verify.activation_module(spec), theory.activation(spec).profile
    (radius,) = profile.free_symbols
    for norm in (1e-38, 1e-25, 1e-12, 1e-3, 0.3, 1.0, 2.5, 40.0, 1e12, 1e25, 2e38):
        x = torch.tensor([[0.6, 0.0, -0.8]], dtype=torch.float32) * norm
        with mpmath.workdps(30):
            length = float(mpmath.mpf(str(profile.subs(radius, theory.arguments.exact("r", norm)).evalf(30))))
        expected = np.array([0.6, 0.0, -0.8]) * length
        assert np.allclose(module(x).double().numpy(), expected, rtol=3e-6, atol=3e-7 * min(1.0, norm)), norm


@pytest.mark.parametrize("spec", ["isotropic:tanh", "isotropic:softshrink", "isotropic:2*tanh(r)"])
@pytest.mark.parametrize("norm", [0.0, 1e-30, 1e-16, 1e-9, 0.7, 30.0, 1e15])
def test_gradients_are_those_of_the_formula(spec: str, norm: float) -> None:
    """The derivative is rho'(r) along x and rho(r)/r across it; rho'(0) in every direction at the origin."""
    x = torch.tensor([0.6, 0.8], dtype=torch.float32) * norm
    found = torch.autograd.functional.jacobian(verify.activation_module(spec), x).double().numpy()
    profile = theory.activation(spec).profile
    (r,) = profile.free_symbols
    at = max(norm, 1e-20)
    slope, ratio = (float(e.subs(r, at).evalf(30)) for e in (profile.diff(r), profile / r))
    along = np.outer([0.6, 0.8], [0.6, 0.8])
    assert np.allclose(found, slope * along + ratio * (np.eye(2) - along), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n", [2, 5])
def test_an_isotropic_module_commutes_with_rotations_and_tanh_does_not(n: int) -> None:
    rng = np.random.default_rng(n)
    x = torch.as_tensor(rng.standard_normal((40, n)) * np.geomspace(1e-3, 30, 40)[:, None])
    for Q in haar_rotations(5, n, rng):
        turn = torch.as_tensor(Q)
        for spec, commutes in (("isotropic:tanh", True), ("isotropic:softshrink", True), ("tanh", False)):
            module = verify.activation_module(spec)
            assert torch.allclose(module(x @ turn.T), module(x) @ turn.T, atol=1e-12) is commutes


def test_conjugation_moves_the_group() -> None:
    R = np.array([[0.6, 0.8], [-0.8, 0.6]])
    module, plain = verify.activation_module("relu", R).double(), verify.activation_module("relu").double()
    x = torch.randn(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    turn = torch.as_tensor(R)
    assert torch.allclose(module(x), torch.stack([turn.T @ plain(turn @ row) for row in x]), atol=1e-7)
    # Scaling along R^-1 e_1 commutes with it.
    A = turn.T @ torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64)) @ turn
    assert torch.allclose(module(x @ A.T), module(x) @ A.T, atol=1e-6)
    assert not torch.allclose(plain(x @ A.T), plain(x) @ A.T, atol=1e-2)


def test_modules_are_ordinary_modules() -> None:
    module = verify.activation_module("isotropic:tanh", np.eye(3))
    x = torch.randn(4, 5, 3)
    assert torch.equal(pickle.loads(pickle.dumps(module))(x), module(x))
    assert torch.equal(copy.deepcopy(module)(x), module(x))
    assert "isotropic:tanh, conjugated" in repr(module)
    assert "rotation" in module.state_dict()
    assert torch.equal(verify.activation_module("isotropic:tanh")(torch.zeros(2, 3)), torch.zeros(2, 3))
    with pytest.raises(InputError, match="not an orthogonal matrix"):
        verify.activation_module("tanh", np.ones((2, 2)))
    with pytest.raises(InputError, match="activation"):
        verify.activation_module("tahn")
