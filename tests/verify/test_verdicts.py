"""Verdicts and counterexamples as people and machines read them."""

from __future__ import annotations

import json

import pytest
import sympy

from theory import Bound, InputError, Step, ToyModel
from verify import Verdict
from verify.counterexamples import BoundCounterexample, WeightsCounterexample
from verify.verdicts import EXIT_CODES, STATUSES, versions

MODEL = ToyModel(2, 1, "relu", density=0.1)


def weights(**changes):
    values = {
        "of": "loss", "model": "a model", "W": sympy.Matrix([[1, sympy.Rational(-3, 5)]]),
        "b": [sympy.Integer(0), sympy.Rational(1, 7)], "value": sympy.Rational(1, 4), "claim": sympy.Rational(1, 3),
    }  # fmt: skip
    return WeightsCounterexample(**{**values, **changes})


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_an_exit_code(status):
    verdict = Verdict("the claim", status, "the reason")
    assert verdict.exit_code == EXIT_CODES[status]
    assert str(verdict) == f"{status.upper()}: the claim\n  the reason"
    assert json.loads(json.dumps(verdict.to_dict()))["status"] == status


def test_unknown_status():
    with pytest.raises(InputError, match="did you mean 'proved'"):
        Verdict("the claim", "prooved")


def test_versions_name_what_computed_the_result():
    assert {"python", "sympy", "numpy", "torch"} <= set(versions())


def test_exact_weights_read_as_written():
    shown = weights()
    assert str(shown).splitlines() == [
        "for a model",
        "W = [1  -3/5]",
        "b = [0  1/7]",
        "L(W, b) = 1/4 = 0.25 < 1/3 = 0.3333333333, by 0.0833333",
    ]
    assert shown.gap == sympy.Rational(1, 12)
    data = json.loads(json.dumps(shown.to_dict()))
    assert data["W"] == [["1", "-3/5"]]
    assert data["b"] == ["0", "1/7"]
    assert data["value"] == "1/4"


def test_columns_are_aligned_and_floats_carry_their_error():
    shown = weights(W=[[1.0, -0.25], [0.0, 123.456]], b=None, value=0.25, error=1e-9, of="loss")
    lines = str(shown).splitlines()
    assert lines[1:3] == ["W = [1    -0.25]", "    [0  123.456]"]
    assert lines[3].startswith("L(W) = 0.25 ± 1.0e-09 < ")
    assert shown.to_dict()["W"] == [[1.0, -0.25], [0.0, 123.456]]


def test_long_exact_numbers_are_shown_as_decimals():
    huge = sympy.Rational(10**40 + 1, 3 * 10**41)
    assert "c(W) = 0.03333333333 <" in str(weights(of="sparse", b=None, value=huge))
    assert weights(value=huge).to_dict()["value"] == str(huge)


def test_a_contradicting_bound_comes_with_its_derivation():
    bound = Bound(
        "rank", "lower", "loss", sympy.Rational(1, 5), MODEL, derivation=(Step("one"), Step("two")), source="T6"
    )
    shown = BoundCounterexample(bound, sympy.Rational(1, 10))
    text = str(shown)
    assert "L* >= 1/5 = 0.2, but the claim is 1/10 = 0.1 < that" in text
    assert "1. one" in text
    assert "2. two" in text
    assert "source: T6" in text
    assert json.loads(json.dumps(shown.to_dict()))["derivation"] == ["one", "two"]
    verdict = Verdict("the claim", "refuted", counterexample=shown)
    assert verdict.to_dict()["counterexample"]["name"] == "rank"
    assert "  the rank bound" in str(verdict)
