"""What is proved for b = 0 is never held against, or offered to, a model with a bias, on any way through `verify`."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sympy

import theory
from theory import Bound, InputError, Step, ToyModel, power, rectified_power
from verify import check_bound
from verify.adversary import NumericClaim

PLAIN = ToyModel(6, 3, power(2), density=sympy.Rational(1, 1000))
BIASED = PLAIN.replace(bias=True)
CLAIM = "p*(1 - p)**(n - 1)*7/16"
REAL_LOWER, REAL_UPPER = theory.lower_bounds, theory.upper_bounds


def no_bias_lower_bounds(model: ToyModel, of: str = "loss") -> list[Bound]:
    return REAL_LOWER(model.replace(bias=False), of)


def test_one_claim_is_proved_without_bias_and_refuted_with_one() -> None:
    assert check_bound(PLAIN, lower=CLAIM, restarts=2).status == "proved"
    refuted = check_bound(BIASED, lower=CLAIM, restarts=12)
    assert (refuted.status, refuted.is_exact) == ("refuted", True)
    assert any(entry != 0 for entry in refuted.counterexample.b)


@pytest.mark.parametrize("sigma", [power(2), power(1), rectified_power(1), rectified_power(2), theory.leaky_relu(0.1)])
def test_lower_bounds_of_biased_models_are_stated_for_them(sigma: theory.Activation) -> None:
    model = ToyModel(5, 2, sigma, density=sympy.Rational(1, 20), bias=True)
    for bound in NumericClaim(model, "lower", "loss", sympy.Integer(0)).bounds("lower"):
        assert bound.model == model
        assert "b = 0" not in bound.assumptions


def test_a_lower_bound_for_no_bias_proves_and_excludes_nothing_about_a_biased_model(monkeypatch) -> None:
    """Even where the library handed them out by mistake."""
    monkeypatch.setattr(theory, "lower_bounds", no_bias_lower_bounds)
    claim = NumericClaim(BIASED, "lower", "loss", sympy.Rational(1, 10**5))
    assert claim.implied_by() is None
    below = NumericClaim(BIASED, "upper", "loss", sympy.Rational(1, 10**5))
    assert below.contradicted_by() is None
    assert check_bound(BIASED, upper="p/10**5", restarts=2).status != "refuted"
    assert NumericClaim(PLAIN, "upper", "loss", sympy.Rational(1, 10**5)).contradicted_by() is not None


def test_an_upper_bound_that_uses_a_bias_says_nothing_about_a_model_without(monkeypatch) -> None:
    with_bias = [replace(bound, model=BIASED) for bound in REAL_UPPER(PLAIN)]
    monkeypatch.setattr(theory, "upper_bounds", lambda model, of="loss": with_bias)
    assert NumericClaim(PLAIN, "upper", "loss", sympy.Integer(1)).implied_by() is None
    assert NumericClaim(PLAIN, "lower", "loss", sympy.Integer(1)).contradicted_by() is None
    # The other way round it is fair: b = 0 is a choice that a biased model has.
    monkeypatch.setattr(theory, "upper_bounds", lambda model, of="loss": REAL_UPPER(PLAIN))
    assert NumericClaim(BIASED, "upper", "loss", sympy.Integer(1)).implied_by() is not None


def test_a_bound_moved_to_a_biased_model_is_never_proved() -> None:
    moved = replace(theory.lower_bound(PLAIN, name="first-order"), model=BIASED)
    verdict = check_bound(moved, restarts=12)
    assert (verdict.status, verdict.is_exact) == ("refuted", True)
    # Weak enough to be true, with every step checked: still not proved, because it assumes b = 0.
    step = Step("1 < 2", sympy.Lt(sympy.Integer(1), 2, evaluate=False))
    weak = replace(moved, name="weak", expr=moved.expr / 10**6, derivation=(step,), certificate=None)
    verdict = check_bound(weak, restarts=2)
    assert verdict.status == "undecided"
    assert "has a bias" in verdict.reason
    assert check_bound(replace(weak, model=PLAIN), restarts=2).status == "proved"


def test_the_sparse_limit_is_another_one_with_a_bias() -> None:
    """ReLU, five features in two dimensions: 0.2672 without, at most 0.0792 with a bias."""
    plain, biased = ToyModel(5, 2, "relu"), ToyModel(5, 2, "relu", bias=True)
    assert check_bound(plain, lower="0.267", of="sparse").status == "proved"
    assert check_bound(biased, lower="0.267", of="sparse", restarts=4).status == "refuted"
    assert check_bound(biased, upper="0.08", of="sparse").status == "proved"
    assert check_bound(plain, upper="0.08", of="sparse").status == "refuted"
    for bound in theory.lower_bounds(biased, of="sparse"):
        assert bound.model == biased
        assert "b = 0" not in bound.assumptions


@pytest.mark.parametrize("of", ["capacity", "energy"])
@pytest.mark.parametrize("side", ["lower", "upper"])
def test_the_geometry_of_no_bias_is_not_asked_of_a_biased_model(of: str, side: str) -> None:
    with pytest.raises(InputError, match="bias"):
        check_bound(BIASED, **{side: "s**2" if of == "energy" else "1"}, of=of)
