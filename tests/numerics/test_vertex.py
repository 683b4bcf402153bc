"""Exact losses of piecewise polynomials: known polynomials in p, and routes that share nothing with them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import theory
from numerics import exact_loss, expected_loss
from numerics.piecewise import piecewise_polynomial
from theory import DENSITY, InputError, ToyModel

PIECEWISE = [
    *("relu", "leaky-relu:0.1", "abs", "relu6", "hardtanh", "hardsigmoid", "hardswish", "hardshrink", "softshrink"),
    *("sign", "heaviside", "rectified-power:2", "signed-power:2", "power:2"),
]


@pytest.mark.parametrize("name", PIECEWISE)
def test_the_pieces_are_the_activation(name: str) -> None:
    activation = theory.activation(name)
    found = piecewise_polynomial(activation)
    for z in (-7, Fraction(-1, 2), Fraction(-1, 3), 0, Fraction(1, 4), Fraction(1, 2), 1, 3, 6, 9):
        point = sympy.Rational(z)
        exact = activation.on([point])[0]
        assert sympy.Rational(*found(Fraction(z)).as_integer_ratio()) == exact


@pytest.mark.parametrize("name", ["tanh", "gelu", "rectified-power:1.5", "elu", "solu", "max(0, z - sqrt(2))"])
def test_other_activations_have_no_pieces(name: str) -> None:
    assert piecewise_polynomial(theory.activation(name)) is None


def test_known_polynomials_in_the_density() -> None:
    p = DENSITY
    # ReLU with an antipodal pair errs only where both features are active: by E min(U, V)**2 each, 2/6.
    assert exact_loss(ToyModel(2, 1, "relu"), [[1, -1]]) == p**2 / 3
    assert exact_loss(ToyModel(1, 1, "relu"), [[1]]) == 0
    # |z| with both signs: x - |x| is -2|x| on the negative half, E 4 U**2/2 = 2/3.
    assert exact_loss(ToyModel(1, 1, "abs", law="two-sided:uniform"), [[1]]) == 2 * p / 3
    # A dead feature costs its second moment, with a bias b (b - U)**2.
    assert (
        sympy.expand(exact_loss(ToyModel(1, 1, "relu", bias=True), [[0]], [Fraction(1, 2)]))
        == sympy.Rational(1, 4) - p / 6
    )
    mixed = exact_loss(ToyModel(2, 1, "relu", density=[0.5, sympy.Rational(1, 3)], importance=[1, 2]), [[1, -1]])
    assert mixed == sympy.Rational(1, 6) * sympy.Rational(1, 6) * 3


def test_moments_and_vertices_give_the_same_polynomial() -> None:
    W = [[1, Fraction(-1, 2), Fraction(1, 3)], [0, Fraction(3, 4), Fraction(2, 5)]]
    for spec in ("power:1", "power:2"):
        for law in ("uniform", "two-sided:uniform"):
            model = ToyModel(3, 2, spec, law=law, bias=True)
            moments = exact_loss(model, W, [Fraction(1, 5), Fraction(-1, 7), 0])
            vertices = exact_loss(model, W, [Fraction(1, 5), Fraction(-1, 7), 0], most_active=3)
            assert sympy.expand(moments - vertices) == 0, spec


def test_low_orders_of_many_features() -> None:
    W = [[sympy.Rational(k % 5 - 2, 3) for k in range(12)], [sympy.Rational(k % 7 - 3, 4) for k in range(12)]]
    model = ToyModel(12, 2, "relu")
    two = exact_loss(model, W, most_active=2)
    one = exact_loss(model, W, most_active=1)
    powers = [sympy.Poly(value, DENSITY).coeff_monomial(DENSITY) for value in (one, two)]
    assert powers[0] == powers[1]
    full = expected_loss(model.replace(density=1e-4), W, method="quadrature", rtol=1e-10)
    left_out = full.value - float(two.subs(DENSITY, sympy.Rational(1, 10**4)))
    assert 0 < left_out < 1e-6 * full.value
    with pytest.raises(InputError, match="stop at 10 features"):
        exact_loss(model, W)


@given(
    seed=st.integers(0, 10**6),
    name=st.sampled_from(PIECEWISE),
    law=st.sampled_from(["uniform", "two-sided:uniform"]),
    densities=st.lists(st.sampled_from([0.0, 1e-10, 1e-3, 0.2, 0.999, 1.0]), min_size=3, max_size=3),
    shape=st.sampled_from(["plain", "zero", "pair", "integer"]),
)
def test_vertices_agree_with_quadrature(seed, name, law, densities, shape) -> None:
    rng = np.random.default_rng(seed)
    W, b = rng.normal(size=(2, 3)), rng.normal(size=3) * 0.5
    if shape == "zero":
        W[:, 1] = 0
    elif shape == "pair":
        W[:, 1] = -W[:, 0]
    elif shape == "integer":
        W, b = np.rint(W), np.rint(b)
    model = ToyModel(3, 2, name, densities, law=law, importance=(1, 0, 2), bias=True)
    exact = expected_loss(model, W, b, method="exact")
    found = expected_loss(model, W, b, method="quadrature")
    assert exact.kind == "exact"
    assert exact.error <= 1e-13 * max(exact.value, 1e-300)
    assert abs(exact.value - found.value) <= 3 * found.error + exact.error


def test_vertices_do_not_cancel() -> None:
    W = np.array([[1.0, -1, 1e-9, 0], [1e-12, 0, 1, -1]])
    found = expected_loss(ToyModel(4, 2, "relu", 1e-10), W, method="exact")
    # At most one active feature, to a relative 1e-10: feature 3 shows in output 0 by 1e-9 of itself.
    assert found.value == pytest.approx(1e-20 * (1 / 3 + 1 / 3), rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"W": [[1, sympy.sqrt(2)]]}, "not rational"),
        ({"W": [[1, 1]], "most_active": -1}, "most_active"),
        ({"W": [[1, 1]], "most_active": True}, "most_active"),
    ],
)
def test_bad_input_is_refused(arguments, message) -> None:
    with pytest.raises(InputError, match=message):
        exact_loss(ToyModel(2, 1, "relu"), **arguments)
    with pytest.raises(InputError, match="most_active=2 needs"):
        exact_loss(ToyModel(2, 1, "tanh"), [[1, 1]], most_active=2)
    with pytest.raises(InputError, match="no piecewise"):
        exact_loss(ToyModel(2, 1, "relu", law="exponential"), [[1, 1]])
