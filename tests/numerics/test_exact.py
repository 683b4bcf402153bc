"""Moments against term-by-term expectation, enumeration and reference values."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import theory
from numerics import exact_loss, expected_loss
from numerics.exact import cumulants_from_moments, enumerated_loss, moments_from_cumulants, polynomial_loss
from numerics.setting import setting
from theory import InputError, ToyModel

Q = sympy.Rational
W_REFERENCE = sympy.Matrix([[Q(3, 4), -Q(2, 5), Q(1, 2), Q(9, 10)], [Q(1, 5), 1, -Q(2, 3), Q(1, 7)]])
RATIONALS = st.fractions(-2, 2, max_denominator=6)


def by_expansion(model: ToyModel, W: sympy.Matrix, b: list) -> sympy.Expr:
    """The loss as a polynomial in x whose monomials are replaced by their expectations: no cumulants."""
    n = W.cols
    xs = sympy.symbols(f"x:{n}")
    outputs = model.activation.on(W.T * W * sympy.Matrix(xs) + sympy.Matrix(b))
    loss = sum(i * (x - y) ** 2 for i, x, y in zip(model.importances, xs, outputs, strict=True))
    total = sympy.Integer(0)
    for powers, coefficient in sympy.Poly(sympy.expand(loss), *xs).terms():
        factors = [p * model.law.moment(r) if r else 1 for p, r in zip(model.densities, powers, strict=True)]
        total += coefficient * sympy.Mul(*factors)
    return total


def test_reference_values() -> None:
    weighted = ToyModel(4, 2, theory.power(2), Q(3, 10), importance=(1, Q(1, 2), 2, Q(1, 3)), bias=True)
    b = [Q(1, 10), -Q(1, 5), 0, Q(1, 4)]
    assert float(exact_loss(weighted, W_REFERENCE, b)) == pytest.approx(0.297526600612, abs=5e-13)
    cubic = ToyModel(4, 2, theory.power(3), Q(3, 10))
    assert float(exact_loss(cubic, W_REFERENCE)) == pytest.approx(0.280397254328, abs=5e-13)


@pytest.mark.parametrize("law", ["uniform", "exponential", "beta:2,3", "two-sided:uniform", "binary"])
@pytest.mark.parametrize("formula", ["z", "z**2", "z**3", "1 - z + z**2/3"])
def test_exact_loss_is_the_expansion(law: str, formula: str) -> None:
    W = W_REFERENCE[:, :3]
    model = ToyModel(3, 2, formula, (Q(1, 5), 1, Q(2, 3)), law=law, importance=(1, 2, Q(1, 3)), bias=True)
    b = [Q(1, 7), 0, -Q(1, 2)]
    assert exact_loss(model, W, b) == by_expansion(model, W, b)


def test_symbolic_density_gives_the_polynomial() -> None:
    p = theory.toy_model.DENSITY
    symbolic = ToyModel(4, 2, theory.power(2))
    polynomial = exact_loss(symbolic, W_REFERENCE)
    assert polynomial.coeff(p, 0) == 0
    for value in (Q(0), Q(1, 3), Q(1)):
        assert polynomial.subs(p, value) == exact_loss(symbolic.replace(density=value), W_REFERENCE)


def test_first_order_is_the_sparse_coefficient() -> None:
    p = theory.toy_model.DENSITY
    for k in (1, 2, 3):
        model = ToyModel(4, 2, theory.power(k))
        assert exact_loss(model, W_REFERENCE).coeff(p, 1) == theory.sparse_coefficient(model, W_REFERENCE)


@given(
    entries=st.lists(RATIONALS, min_size=6, max_size=6),
    b=st.lists(RATIONALS, min_size=3, max_size=3),
    densities=st.lists(st.fractions(0, 1, max_denominator=20), min_size=3, max_size=3),
    k=st.integers(1, 5),
    law=st.sampled_from(["uniform", "exponential", "half-normal", "two-sided:beta:1,2", "binary"]),
)
def test_floats_stay_within_their_rounding_error(entries, b, densities, k, law) -> None:
    W = sympy.Matrix(2, 3, [Q(e.numerator, e.denominator) for e in entries])
    model = ToyModel(3, 2, theory.power(k), densities, law=law, bias=True)
    exact = float(sympy.N(exact_loss(model, W, [Q(v.numerator, v.denominator) for v in b]), 40))
    found = expected_loss(model, W, [float(v) for v in b], method="exact")
    assert abs(found.value - exact) <= found.error
    assert found.error <= 1e-9 * (1 + abs(exact)) or k >= 4


def test_large_problems_are_quick_and_accurate() -> None:
    W = np.random.default_rng(0).standard_normal((20, 300)) / 20
    model = ToyModel(300, 20, theory.power(3), 0.01)
    found = expected_loss(model, W)
    sampled = expected_loss(model, W, method="monte_carlo", samples=20000)
    assert found.seconds < 5
    assert found.error < 1e-9 * found.value
    assert found.agrees_with(sampled, z=2.5)


@pytest.mark.parametrize("law", ["binary", "two-sided:binary"])
@pytest.mark.parametrize("activation", ["relu", "softmax", "power:2"])
def test_enumeration_is_the_sum_over_supports(law: str, activation: str) -> None:
    rng = np.random.default_rng(3)
    W, b, p = rng.standard_normal((2, 3)), rng.standard_normal(3), np.array([0.2, 0.0, 0.7])
    model = ToyModel(3, 2, activation, p, law=law, importance=(1, 2, 3), bias=True)
    f = numerics_activation(activation)
    values = (-1, 0, 1) if law.startswith("two") else (0, 1)
    total = 0.0
    for x in product(values, repeat=3):
        chance = np.prod([(q / (len(values) - 1)) if v else 1 - q for v, q in zip(x, p, strict=True)])
        total += chance * float(np.array([1, 2, 3]) @ (np.array(x) - f(W.T @ W @ np.array(x) + b)) ** 2)
    value, error = enumerated_loss(setting(model, W, b))
    assert value @ [1, 2, 3] == pytest.approx(total, rel=1e-13)
    assert 0 < error.sum() < 1e-13 * (10 + total)


def numerics_activation(name: str):
    return {
        "relu": lambda z: np.maximum(z, 0),
        "softmax": lambda z: np.exp(z) / np.exp(z).sum(),
        "power:2": lambda z: z**2,
    }[name]


@given(st.lists(RATIONALS, min_size=1, max_size=6))
def test_cumulants_invert_moments(moments) -> None:
    assert moments_from_cumulants(cumulants_from_moments(moments))[1:] == moments


def test_bad_input_is_refused() -> None:
    model = ToyModel(4, 2, "tanh", 0.1)
    with pytest.raises(InputError, match="no polynomial"):
        exact_loss(model, W_REFERENCE)
    with pytest.raises(InputError, match="no polynomial"):
        polynomial_loss(setting(model, W_REFERENCE))
    quadratic = ToyModel(4, 2, theory.power(2), 0.1)
    with pytest.raises(InputError, match="no bias"):
        exact_loss(quadratic, W_REFERENCE, [0, 0, 0, 0])
    with pytest.raises(InputError, match="b has 3 entries"):
        exact_loss(quadratic.replace(bias=True), W_REFERENCE, [0, 0, 0])
    with pytest.raises(InputError, match="n_hidden=2"):
        exact_loss(quadratic, W_REFERENCE.T)
    many = ToyModel(17, 2, "relu", 0.1, law="binary")
    with pytest.raises(InputError, match="131072 supports"):
        enumerated_loss(setting(many, np.ones((2, 17))))
    with pytest.raises(InputError, match="continuous"):
        enumerated_loss(setting(model, W_REFERENCE))
