"""Symbolic parameters: generic groups and exceptional values, against the derivation at sampled numbers."""

from __future__ import annotations

import pytest
import sympy

import theory
from theory import InputError, layer, parameter_cases
from theory.special import sigmoid, softplus

Q = sympy.Rational
z, s = sympy.Symbol("z", real=True), sympy.Symbol("s", real=True)
a, b = sympy.Symbol("a", positive=True), sympy.Symbol("b", positive=True)
k = sympy.Symbol("k", odd=True, positive=True)

# activation: generic (E, I), {value: (E, I)}
EXPECTED = {
    "leaky": (theory.leaky_relu(s), ("R+ wr S", "R+ wr S"), {1: ("GL", "GL"), -1: ("R+ wr S", "R* wr S")}),
    "rectified": (theory.rectified_power(a), ("S", "R+ wr S"), {1: ("R+ wr S", "R+ wr S")}),
    "signed": (theory.signed_power(a), ("B", "R* wr S"), {1: ("GL", "GL")}),
    "even": (theory.activation(sympy.Abs(z) ** a), ("S", "R* wr S"), {1: ("R+ wr S", "R* wr S")}),
    "odd power": (theory.power(k), ("B", "R* wr S"), {1: ("GL", "GL")}),
    "slope": (theory.activation(s * z), ("GL", "GL"), {0: ("GL", "GL")}),
    "silu": (theory.activation(z * sigmoid(s * z)), ("S", "S"), {0: ("GL", "GL")}),
    "softplus": (theory.activation(softplus(b * z) / b), ("S", "S"), {}),
    "celu": (theory.activation(sympy.Piecewise((z, z > 0), (b * (sympy.exp(z / b) - 1), True))), ("S", "S"), {}),
    "tanh": (theory.activation(sympy.tanh(s * z)), ("B", "B"), {0: ("GL", "GL")}),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_generic_and_exceptional_values(name: str) -> None:
    f, generic, exceptional = EXPECTED[name]
    cases = parameter_cases(f, 3)
    assert (cases.generic.equivariance.key, cases.generic.intertwiner.group.key) == generic
    assert cases.generic.equivariance.status == "proved"
    assert {case.values[0][1]: (case.equivariance.key, case.intertwiner.group.key) for case in cases.exceptional} == {
        sympy.Integer(value): keys for value, keys in exceptional.items()
    }
    assert all(str(value) in str(cases) for value in exceptional)


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("value", ["3", "1", "-1", "0", "1/2", "-2", "7"])
def test_numbers_agree_with_the_cases(name: str, value: str) -> None:
    """Substitute a number, derive afresh: the generic answer off the exceptional values, theirs on them."""
    f, generic, exceptional = EXPECTED[name]
    (symbol,) = f.parameters
    number = Q(value)
    if (symbol in (a, b) and number <= 0) or (symbol is k and (number <= 0 or number.q != 1)):
        return
    at = f.subs({symbol.name: number})
    found = theory.equivariance_group(at, 2), theory.intertwiner(at, 2).group
    assert (found[0].key, found[1].key) == exceptional.get(number, generic)


def test_layers_hold_for_every_admissible_value() -> None:
    for f in (layer("softmax", temperature=a), layer("layer_norm", eps=a), layer("log_softmax", temperature=b)):
        cases = parameter_cases(f, 3)
        assert cases.exceptional == ()
        for number in (Q(1, 3), 1, 5):
            at = f.subs({next(iter(f.parameters)).name: number})
            assert theory.equivariance_group(at, 3) == cases.generic.equivariance
            assert theory.intertwiner(at, 3).group == cases.generic.intertwiner.group
    gated = layer("gated", gate=theory.leaky_relu(s))
    assert parameter_cases(gated, 4).generic.equivariance is None


def test_unknown_families_stay_open() -> None:
    cases = parameter_cases(theory.activation(z + a * sympy.sin(z) ** 2), 2)
    assert cases.reasons[0].startswith("open")
    assert "at least" in str(cases)
    with pytest.raises(InputError, match="no free parameters"):
        parameter_cases("tanh", 2)
