"""A bound evaluates where its assumptions hold and names what is missing where they do not."""

from __future__ import annotations

import pytest
import sympy

import theory
from theory import Bound, InputError, Step, ToyModel

n, m = sympy.symbols("n m", integer=True, positive=True)
p = sympy.Symbol("p", nonnegative=True)


def bound(**changes: object) -> Bound:
    settings = {
        "name": "example",
        "side": "lower",
        "of": "loss",
        "expr": p * (n - m) / 3,
        "model": ToyModel(n, m, theory.power(1), p),
        "conditions": (sympy.Le(m, n),),
    }
    return Bound(**{**settings, **changes})  # type: ignore[arg-type]


def test_evaluate() -> None:
    assert bound().evaluate(n=6, m=2, p=0.01) == pytest.approx(0.04 / 3)
    assert bound().symbols == ("m", "n", "p")
    assert bound().value is None
    assert bound(expr=sympy.Rational(1, 3), conditions=()).value == sympy.Rational(1, 3)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"n": 6, "m": 2}, "needs a value for p"),
        ({}, "m, n, p"),
        ({"n": 6, "m": 2, "p": 0.1, "q": 3}, "no symbol 'q'"),
        ({"n": 6, "m": 2, "p": 1.5}, "outside"),
        ({"n": 6, "m": 0, "p": 0.5}, "integer >= 1"),
        ({"n": 2, "m": 6, "p": 0.5}, "assumes"),
        ({"n": 6, "m": 2, "p": float("nan")}, "finite"),
        ({"n": "six", "m": 2, "p": 0.1}, "not a number"),
    ],
)
def test_evaluate_names_what_is_wrong(values: dict, word: str) -> None:
    with pytest.raises(InputError, match=word):
        bound().evaluate(**values)


def test_derivation_steps_are_rechecked() -> None:
    x = sympy.Symbol("x", positive=True)
    steps = (
        Step("binomial", sympy.Eq((x + 1) ** 2, x**2 + 2 * x + 1)),
        Step("false", sympy.Eq(x + 1, x)),
        Step("sign", sympy.Ge(x, 0)),
        Step("argued in words"),
    )
    assert bound(derivation=steps).check_derivation() == {
        "binomial": True,
        "false": False,
        "sign": True,
        "argued in words": None,
    }


def test_unknown_sides_and_targets() -> None:
    with pytest.raises(InputError, match="side"):
        bound(side="above")
    with pytest.raises(InputError, match="of="):
        bound(of="capacity")
