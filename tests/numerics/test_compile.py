"""Compiled activations against definitions written independently, across numpy, torch and mpmath."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import sympy
import torch

import theory
from numerics import compile_activation, compile_expression, compile_with_slope
from theory import Activation, InputError
from theory.activations import Reduction, z

POINTS = np.array([-7.3, -2.0, -1.0, -0.31, 0.0, 0.2, 0.5, 1.0, 3.0, 6.5])
TORCH = {
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "silu": torch.nn.functional.silu,
    "mish": torch.nn.functional.mish,
    "softplus": torch.nn.functional.softplus,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "elu": torch.nn.functional.elu,
    "selu": torch.nn.functional.selu,
    "hardtanh": torch.nn.functional.hardtanh,
    "hardswish": torch.nn.functional.hardswish,
    "softsign": torch.nn.functional.softsign,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "softmax": lambda x: torch.softmax(x, -1),
    "solu": lambda x: x * torch.softmax(x, -1),
}


@pytest.mark.parametrize("name", TORCH)
def test_numpy_and_torch_forms_agree_with_torch(name: str) -> None:
    activation = theory.activation(name)
    x = torch.tensor(POINTS)
    expected = TORCH[name](x).numpy()
    tolerance = 20 * np.finfo(float).eps * (1 + np.abs(expected))
    assert np.all(np.abs(compile_activation(activation)(POINTS) - expected) <= tolerance)
    assert np.all(np.abs(compile_activation(activation, "torch")(x).numpy() - expected) <= tolerance)


@pytest.mark.parametrize("name", [n for n in theory.activation_names() if theory.activation(n).is_elementwise])
def test_numpy_form_agrees_with_forty_digits(name: str) -> None:
    activation = theory.activation(name)
    exact = compile_activation(activation, "mpmath")
    with mpmath.workdps(40):
        expected = np.array([float(exact(mpmath.mpf(float(v)))) for v in POINTS])
    found = compile_activation(activation)(POINTS)
    # Differences such as z - tanh(z) lose digits relative to their terms, which are of the size of z.
    assert np.all(np.abs(found - expected) <= 30 * np.finfo(float).eps * (1 + np.abs(POINTS) + np.abs(expected)))


def test_isotropic_map_keeps_directions_and_zero() -> None:
    f = compile_activation(theory.isotropic("tanh"))
    x = np.array([[3.0, 4.0], [0.0, 0.0], [1e-300, 0.0]])
    assert np.allclose(f(x)[0], np.tanh(5.0) * np.array([0.6, 0.8]), rtol=1e-15)
    assert np.all(f(x)[1] == 0)
    assert f(x)[2] == pytest.approx([1e-300, 0.0])


def test_saturated_activations_do_not_overflow() -> None:
    far = np.array([-1e4, 1e4])
    assert np.array_equal(compile_activation(theory.activation("sigmoid"))(far), [0.0, 1.0])
    assert np.array_equal(compile_activation(theory.activation("softplus"))(far), [0.0, 1e4])
    assert np.array_equal(compile_activation(theory.activation("softmax"))(far), [0.0, 1.0])


@pytest.mark.parametrize(
    "name",
    [n for n in theory.activation_names() if theory.activation(n).is_elementwise]
    + ["power:3", "rectified-power:1/2", "signed-power:3/2"],
)
def test_slopes_agree_with_autograd_off_the_kinks_and_stay_finite_on_them(name: str) -> None:
    activation = theory.activation(name)
    z = torch.tensor(POINTS, requires_grad=True)
    value, slope = compile_with_slope(activation)(z.detach())
    expected = compile_activation(activation, "torch")(z)
    assert torch.equal(value, expected.detach())
    (gradient,) = torch.autograd.grad(expected.sum(), z)
    kinks = {float(kink) for kink in activation.kinks}
    smooth = torch.tensor([float(point) not in kinks for point in POINTS])
    torch.testing.assert_close(slope[smooth], gradient[smooth], rtol=1e-12, atol=1e-14)
    assert bool(slope.isfinite().all())


def test_the_slope_of_relu_at_its_kink_is_the_mean_of_both_sides() -> None:
    value, slope = compile_with_slope(theory.activation("relu"))(torch.tensor([-1.0, 0.0, 2.0]))
    assert value.tolist() == [0, 0, 2]
    assert slope.tolist() == [0, 0.5, 1]
    with pytest.raises(InputError, match="'softmax' is not elementwise"):
        compile_with_slope(theory.activation("softmax"))


@pytest.mark.parametrize("name", ["softmax", "solu"])
def test_gradients_of_coupled_activations_agree_with_torch(name: str) -> None:
    # The maximum that softmax subtracts is taken for a constant: ties and far values must not show it.
    x = torch.tensor([[0.3, -2.0, 5.0], [1.0, 1.0, 1.0], [40.0, 40.0, -40.0]], dtype=torch.float64, requires_grad=True)
    pull = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    (found,) = torch.autograd.grad((compile_activation(theory.activation(name), "torch")(x) * pull).sum(), x)
    (expected,) = torch.autograd.grad((TORCH[name](x) * pull).sum(), x)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def test_a_maximum_that_matters_keeps_its_gradient() -> None:
    # x - max(x) does depend on the maximum.
    M, S = sympy.symbols("M S", real=True)
    reductions = (Reduction(M, "max", z), Reduction(S, "sum", sympy.exp(z - M)))
    shifted = Activation("shifted", z - M, reductions)
    x = torch.tensor([1.0, 3.0], dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(compile_activation(shifted, "torch")(x)[0], x)
    assert found.tolist() == [1.0, -1.0]


def test_torch_gradients_are_finite_where_the_function_is_flat() -> None:
    x = torch.tensor([-1.0, 0.0, 4.0], dtype=torch.float64, requires_grad=True)
    compile_activation(theory.rectified_power(1.5), "torch")(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([0.0, 0.0, 3.0])


def test_expressions_broadcast_constants() -> None:
    z = sympy.Symbol("z")
    assert compile_expression(sympy.Integer(2), z)(POINTS).shape == POINTS.shape
    assert compile_expression(z + 1, z)(1.0) == 2.0


def test_choices_between_constants_keep_their_precision() -> None:
    z = sympy.Symbol("z")
    choice = sympy.Piecewise((sympy.Rational(1, 10), z > 0), (sympy.Rational(1, 3), True))
    for dtype in (torch.float64, torch.float32):
        found = compile_expression(choice, z, backend="torch")(torch.tensor([1.0, -1.0], dtype=dtype))
        assert torch.equal(found, torch.tensor([0.1, 1 / 3], dtype=dtype))


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="backend='jax'"):
        compile_activation(theory.activation("relu"), "jax")
    with pytest.raises(InputError, match="free parameters a"):
        compile_activation(theory.rectified_power(sympy.Symbol("a", positive=True)))
    z = sympy.Symbol("z")
    with pytest.raises(InputError, match="no numeric form"):
        compile_expression(sympy.zeta(z), z)
