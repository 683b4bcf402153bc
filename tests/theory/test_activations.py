"""Activations: properties derived from the formula agree with the formula evaluated."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import theory
from theory import InputError, PowerForm
from theory.activations import z
from theory.evaluation import Program

ELEMENTWISE = [name for name in theory.activation_names() if theory.activation(name).is_elementwise]
k = sympy.Symbol("k", integer=True, positive=True)
a = sympy.Symbol("a", positive=True)
s = sympy.Symbol("s", real=True)


def at(activation: theory.Activation, value: float) -> float:
    return float(sympy.N(activation.on([sympy.Rational(str(value))])[0], 30))


REFERENCE = {
    "linear": lambda v: v,
    "relu": lambda v: max(0.0, v),
    "leaky_relu": lambda v: v if v > 0 else 0.01 * v,
    "gelu": lambda v: v * 0.5 * math.erfc(-v / math.sqrt(2)),
    "silu": lambda v: v / (1 + math.exp(-v)),
    "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
    "tanh": math.tanh,
    "softplus": lambda v: math.log1p(math.exp(v)),
    "elu": lambda v: v if v > 0 else math.expm1(v),
    "relu6": lambda v: min(6.0, max(0.0, v)),
    "hardswish": lambda v: v * min(1.0, max(0.0, v / 6 + 0.5)),
    "mish": lambda v: v * math.tanh(math.log1p(math.exp(v))),
    "softsign": lambda v: v / (1 + abs(v)),
    "hardshrink": lambda v: v if abs(v) > 0.5 else 0.0,
    "softshrink": lambda v: math.copysign(max(0.0, abs(v) - 0.5), v),
    "logsigmoid": lambda v: -math.log1p(math.exp(-v)),
    "snake": lambda v: v + math.sin(v) ** 2,
    "celu": lambda v: v if v > 0 else 2 * math.expm1(v / 2),
}


@pytest.mark.parametrize("name", sorted(REFERENCE))
@pytest.mark.parametrize("value", [-7.5, -3.0, -0.5, -0.1, 0.0, 0.3, 1.0, 6.5])
def test_registered_formulas(name: str, value: float) -> None:
    assert at(theory.activation(name), value) == pytest.approx(REFERENCE[name](value), rel=1e-14, abs=1e-15)


def test_coupled_layers_on_explicit_inputs() -> None:
    values = [0.2, -1.0, 2.0]
    weights = np.exp(values) / np.exp(values).sum()
    assert [float(v) for v in theory.activation("softmax").on(values)] == pytest.approx(weights)
    assert [float(v) for v in theory.activation("solu").on(values)] == pytest.approx(values * weights)


def test_isotropic_maps_scale_the_direction() -> None:
    assert theory.activation("isotropic-tanh").on([3, 4]) == (3 * sympy.tanh(5) / 5, 4 * sympy.tanh(5) / 5)
    assert theory.isotropic("tanh").on([0, 0]) == (0, 0)
    assert theory.isotropic("relu").on([3, 4]) == (sympy.Rational(12, 5), sympy.Rational(16, 5))
    assert theory.isotropic("relu").on([sympy.Rational(3, 10), 0]) == (0, 0)
    assert theory.isotropic("r**2").on([3, 4]) == (15, 20)
    assert theory.isotropic("sin").kind == "isotropic"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("ReLU", "relu"),
        ("identity", "linear"),
        ("swish", "silu"),
        ("Leaky-ReLU", "leaky_relu"),
        ("isotropic tanh", "isotropic:tanh"),
    ],
)
def test_spellings(spec: str, name: str) -> None:
    assert theory.activation(spec).name == name


def test_an_activation_is_returned_as_it_is() -> None:
    relu = theory.activation("relu")
    assert theory.activation(relu) is relu
    assert theory.activation("relu") == relu


@pytest.mark.parametrize(
    ("activation", "form", "family"),
    [
        (theory.power(1), (1, 1, -1), "monomial"),
        (theory.power(2), (2, 1, 1), "monomial"),
        (theory.power(3), (3, 1, -1), "monomial"),
        (theory.power(k), (k, 1, (-1) ** k), "monomial"),
        (theory.rectified_power(a), (a, 1, 0), "rectified"),
        (theory.rectified_power(1.5), (sympy.Rational(3, 2), 1, 0), "rectified"),
        (theory.signed_power(a), (a, 1, -1), "signed"),
        (theory.signed_power(3), (3, 1, -1), "monomial"),
        (theory.leaky_relu(s), (1, 1, -s), "mixed"),
        (theory.activation("abs"), (1, 1, 1), "even"),
        (theory.activation("max(0, z)**2"), (2, 1, 0), "rectified"),
        (theory.activation("-z"), (1, -1, 1), "monomial"),
        (theory.activation("3*z*abs(z)"), (2, 3, -3), "signed"),
        (theory.activation("where(z > 0, 2*z**2, -z**2)"), (2, 2, -1), "mixed"),
    ],
)
def test_power_form_is_derived(activation: theory.Activation, form: tuple, family: str) -> None:
    assert activation.power_form == PowerForm(*map(sympy.sympify, form))
    assert activation.power_form is not None
    assert activation.power_form.family == family


NOT_POWERS = [n for n in ELEMENTWISE if n not in ("linear", "abs", "leaky_relu", "relu")]


@pytest.mark.parametrize(
    "name", [*NOT_POWERS, "z + z**2", "z**2 + 1", "5", "softmax", "isotropic:tanh", "max(0, z - 1)"]
)
def test_no_power_form_where_there_is_none(name: str) -> None:
    assert theory.activation(name).power_form is None


@given(st.integers(1, 6), st.floats(-3, 3), st.floats(0.1, 3))
def test_power_form_means_homogeneity(exponent: int, value: float, scale: float) -> None:
    for activation in (theory.power(exponent), theory.rectified_power(exponent / 2), theory.signed_power(exponent / 2)):
        form = activation.power_form
        assert form is not None
        assert at(activation, scale * value) == pytest.approx(
            scale ** float(form.exponent) * at(activation, value), rel=1e-9, abs=1e-200
        )


KINKS = {
    "relu": [0],
    "relu6": [0, 6],
    "hardtanh": [-1, 1],
    "hardsigmoid": [-3, 3],
    "softshrink": [-0.5, 0.5],
    "elu": [0],
    "softsign": [0],
    "heaviside": [0],
    "tanh": [],
    "gelu": [],
    "sin": [],
}


@pytest.mark.parametrize("name", sorted(KINKS))
def test_kinks(name: str) -> None:
    assert [float(point) for point in theory.activation(name).kinks] == KINKS[name]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_away_from_its_kinks_an_activation_is_smooth(name: str) -> None:
    """Third differences at two scales: a jump of any of the first two derivatives makes their ratio far from 1/8."""
    activation = theory.activation(name)
    kinks = [float(point) for point in activation.kinks]
    for centre in (-6.2, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0):
        if min((abs(centre - point) for point in kinks), default=1) < 0.02:
            continue
        h = sympy.Rational(1, 2000)
        values = [sympy.N(activation.on([sympy.Rational(str(centre)) + h * j])[0], 40) for j in (-3, -1, 1, 3)]
        third = abs(values[3] - 3 * values[2] + 3 * values[1] - values[0])
        assert third < sympy.Rational(1, 10**6), f"{name} is not smooth at {centre}"


def test_kinks_of_formulas() -> None:
    assert [float(v) for v in theory.activation("max(0, z**2 - 4)").kinks] == [-2, 2]
    assert theory.activation("max(z, -z, 3)").kinks == (-3, 0, 3)
    assert [float(v) for v in theory.activation("abs(exp(z) - 2)").kinks] == pytest.approx([math.log(2)])
    with pytest.raises(InputError, match="Piecewise"):
        _ = theory.activation("max(0, sin(z))").kinks
    with pytest.raises(InputError, match="elementwise"):
        _ = theory.activation("softmax").kinks


def test_parameters_can_be_substituted() -> None:
    family = theory.rectified_power(a)
    assert family.parameters == {a}
    assert family.subs({"a": 2}).expr == sympy.Max(0, z) ** 2
    assert family.subs({a: 2}).parameters == frozenset()


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("rleu", "relu"),
        ("__import__('os')", "__import__"),
        ("power:0", ">= 1"),
        ("power:2.5", "integer"),
        ("power:x", "unknown"),
        ("powr:2", "power"),
        ("rectified-power:-1", "> 0"),
        ("signed-power:0", "> 0"),
        ("isotropic:nope", "profile"),
        ("sqrt(z)", "real"),
        ("1/z + w", "w"),
        ("log(z)", "real"),
        (3, "must be a name"),
        (None, "must be a name"),
        (sympy.Symbol("x") * sympy.Symbol("y"), "call the variable z"),
    ],
)
def test_bad_activations_name_the_mend(spec: object, word: str) -> None:
    with pytest.raises(InputError, match=word.replace("(", r"\(")):
        theory.activation(spec)


@pytest.mark.parametrize("bad", [0, -1, 1.5, float("nan"), "two", sympy.Symbol("k")])
def test_bad_powers(bad: object) -> None:
    with pytest.raises(InputError):
        theory.power(bad)


def test_a_program_shares_subexpressions_and_names_unknown_symbols() -> None:
    program = Program([sympy.tanh(z) + sympy.tanh(z) ** 2], [z])
    assert sum(name == "tanh" for name, _ in program._steps) == 1
    with pytest.raises(InputError, match="no value"):
        Program([z + sympy.Symbol("w")], [z])
    with pytest.raises(InputError, match="no numeric form"):
        Program([sympy.besselj(0, z)], [z])
    with pytest.raises(TypeError):
        program.run({})
