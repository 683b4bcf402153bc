"""Derivatives, kinks and jumps of elementwise activations."""

from __future__ import annotations

import numpy as np
import pytest

import theory
from numerics.scalar_map import polynomial_coefficients, scalar_map
from theory import InputError

POINTS = np.array([-7.1, -2.3, -1.2, -0.7, -0.31, -0.05, 0.04, 0.33, 0.71, 1.3, 2.9, 6.5])
NAMES = [n for n in theory.activation_names() if theory.activation(n).is_elementwise]
FORMULAS = [
    "rectified-power:1.5",
    "rectified-power:0.5",
    "signed-power:0.5",
    "max(0,z)**1.5 + z",
    "abs(z)**2.5*tanh(z)",
]


@pytest.mark.parametrize("name", [*NAMES, *FORMULAS])
def test_derivative_is_the_slope_off_the_kinks(name: str) -> None:
    sigma = scalar_map(theory.activation(name))
    step = 1e-6
    slope = (sigma.value(POINTS + step) - sigma.value(POINTS - step)) / (2 * step)
    assert np.abs(sigma.derivative(POINTS) - slope).max() <= 1e-8 * (1 + np.abs(slope).max())
    assert np.isfinite(sigma.derivative(np.array([0.0, 1.0, -0.5]))).all()


def test_kinks_jumps_and_singularities() -> None:
    assert scalar_map(theory.activation("relu6")).kinks == (0.0, 6.0)
    assert scalar_map(theory.activation("hardshrink")).jumps == (-0.5, 0.5)
    assert scalar_map(theory.activation("relu")).jumps == ()
    assert scalar_map(theory.rectified_power(0.5)).jumps == ()
    assert scalar_map(theory.rectified_power(1.5)).is_singular
    assert not scalar_map(theory.activation("gelu")).is_singular


def test_polynomials_are_recognised() -> None:
    assert polynomial_coefficients(theory.activation("1 + z - z**3/2")) == (
        1,
        1,
        0,
        theory.activations.sympy.Rational(-1, 2),
    )
    assert polynomial_coefficients(theory.activation("relu")) is None
    assert polynomial_coefficients(theory.activation("solu")) is None


def test_coupled_activations_are_refused() -> None:
    with pytest.raises(InputError, match="solu is coupled"):
        scalar_map(theory.activation("solu"))
