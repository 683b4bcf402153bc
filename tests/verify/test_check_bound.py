"""Claims about the optimal loss: proofs, exact counterexamples, evidence, and bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy

import theory
from theory import Bound, InputError, Step, ToyModel, power, rectified_power
from verify import check_bound
from verify.counterexamples import BoundCounterexample, WeightsCounterexample
from verify.witnesses import sign_of

n, m = sympy.symbols("n m", integer=True, positive=True)
A = sympy.Symbol("a", positive=True)
PENTAGON = ToyModel(5, 2, "relu")
LINES = ToyModel(6, 3, power(2))
REFERENCE = {PENTAGON: 0.267262427652, LINES: 0.4375}


def first_order_loss(W: sympy.Matrix, exponent: int, rectified: bool) -> Fraction:
    """c(W) for uniform values, feature by feature from E U^r = 1/(r + 1): an independent route."""
    columns = [[Fraction(int(v.p), int(v.q)) for v in W.col(j)] for j in range(W.cols)]
    total = Fraction(0)
    for i, active in enumerate(columns):
        for j, other in enumerate(columns):
            overlap = sum(a * b for a, b in zip(active, other, strict=True))
            gain = (max(overlap, Fraction(0)) if rectified else overlap) ** exponent
            # E (1{i=j} U - gain U^k)^2
            total += (i == j) * (Fraction(1, 3) - 2 * gain / (exponent + 2)) + gain**2 / (2 * exponent + 1)
    return total


def test_twice_the_dimension_is_refuted_by_the_pentagon():
    verdict = check_bound(PENTAGON, lower="n/3 - (1/3)*2*m", of="sparse")
    found = verdict.counterexample
    assert (verdict.status, verdict.is_exact, verdict.exit_code) == ("refuted", True, 1)
    assert isinstance(found, WeightsCounterexample)
    assert found.value == sympy.Rational(*first_order_loss(found.W, 1, rectified=True).as_integer_ratio())
    assert REFERENCE[PENTAGON] < found.value < 0.271
    assert found.claim == sympy.Rational(1, 3)
    assert found.gap > 0
    # Readable: small denominators; and the text carries the whole matrix.
    assert max(entry.q for entry in found.W) <= 20
    assert all(str(entry) in str(verdict) for entry in found.W)
    assert json.loads(json.dumps(verdict.to_dict(), allow_nan=False))["counterexample"]["claim"] == "1/3"


@pytest.mark.parametrize("too_large", ["1.01", "1.0001", "1.0000001"])
def test_a_sharpened_energy_constant_is_refuted(too_large):
    verdict = check_bound(LINES, lower=f"n/3 - 5/16*(m*(m+2)/3)/{too_large}", of="sparse")
    found = verdict.counterexample
    assert verdict.status == "refuted"
    assert verdict.is_exact
    assert found.value == sympy.Rational(*first_order_loss(found.W, 2, rectified=False).as_integer_ratio())
    assert sympy.Rational(7, 16) < found.value < found.claim


@pytest.mark.parametrize(
    ("model", "claim"),
    [(LINES, "n/3 - 5/16*m*(m+2)/3"), (LINES, sympy.Rational(7, 16)), (LINES, 0.4375), (PENTAGON, "0.26726"),
     (PENTAGON, n / 3 - sympy.Rational(43, 30)), (ToyModel(4, 2, "relu"), "0")],
)  # fmt: skip
def test_true_lower_claims_are_proved_exactly(model, claim):
    verdict = check_bound(model, lower=claim, of="sparse")
    assert verdict.status == "proved"
    assert verdict.evidence["derivation"]


def test_a_lower_claim_between_bound_and_optimum_is_supported():
    # ReLU with n slightly above 2m in three dimensions: the certified bound leaves a gap to the best known weights.
    model = ToyModel(7, 3, "relu")
    proved = float(theory.lower_bound(model, of="sparse").value)
    verdict = check_bound(model, lower=proved + 0.01, of="sparse", restarts=8)
    assert verdict.status == "supported"
    assert verdict.evidence["smallest_found"] == pytest.approx(REFERENCE[PENTAGON], abs=1e-6)
    assert verdict.evidence["margin"] == pytest.approx(REFERENCE[PENTAGON] - proved - 0.01, abs=1e-6)
    assert verdict.evidence["starts"] == 8
    # At the optimum itself, rounded down, nothing speaks against it, and just above it exact weights do.
    assert check_bound(model, lower=0.2672624276, of="sparse").status == "supported"
    above = check_bound(model, lower=0.26727, of="sparse")
    assert (above.status, above.is_exact) == ("refuted", True)


def test_upper_claims():
    proved = check_bound(PENTAGON, upper="0.26727", of="sparse")
    assert proved.status == "proved"
    assert "code" in proved.reason
    assert check_bound(LINES, upper="(n - m)/3 + m/48", of="sparse").status == "proved"
    assert check_bound(LINES, upper="7/16", of="sparse").status == "proved"
    refuted = check_bound(PENTAGON, upper="0.2672", of="sparse")
    assert (refuted.status, refuted.is_exact) == ("refuted", True)
    assert isinstance(refuted.counterexample, BoundCounterexample)
    assert refuted.counterexample.bound.side == "lower"
    assert refuted.counterexample.to_dict()["derivation"]
    model = ToyModel(7, 3, "relu")
    gap = (float(theory.lower_bound(model, of="sparse").value) + REFERENCE[PENTAGON]) / 2
    assert check_bound(model, upper=gap, of="sparse", restarts=4).status == "undecided"


def test_an_upper_claim_that_no_bound_implies_is_proved_by_weights(monkeypatch):
    monkeypatch.setattr(theory, "upper_bounds", lambda model, of: [])
    proved = check_bound(PENTAGON, upper="0.26727", of="sparse")
    assert proved.status == "proved"
    W = sympy.Matrix(proved.evidence["witness"]["W"])
    value = first_order_loss(W, 1, rectified=True)
    assert sympy.Rational(proved.evidence["witness"]["value"]) == sympy.Rational(*value.as_integer_ratio())
    assert REFERENCE[PENTAGON] < value <= 0.26727
    # No rational weights reach the six lines of the icosahedron, so 7/16 is met in floats only.
    assert check_bound(LINES, upper="7/16", of="sparse").status == "supported"


def test_the_verdict_depends_on_the_seed_alone():
    first, again = (check_bound(PENTAGON, lower="1/3", of="sparse", seed=5, restarts=4) for _ in range(2))
    assert first.seed == 5
    assert first.to_dict() == again.to_dict()


def test_importance_enters_the_claim():
    model = ToyModel(3, 1, power(1), importance=[1, sympy.Rational(1, 2), 0])
    # Principal components of the output errors: the first feature alone is kept.
    assert check_bound(model, lower="1/6 + 1/100", of="sparse").status == "refuted"
    assert check_bound(model, lower="0", of="sparse").status == "proved"


def test_loss_at_a_density_is_refuted_exactly_for_monomials():
    model = ToyModel(4, 2, power(2), density=sympy.Rational(1, 10))
    optimum = check_bound(model, lower="0", of="loss", restarts=4)
    assert optimum.status == "proved"
    verdict = check_bound(model, lower="n*p/3 - p*(5/16)*m + 1/50", restarts=4)
    assert (verdict.status, verdict.is_exact) == ("refuted", True)
    assert isinstance(verdict.counterexample.value, sympy.Rational)
    # Independent of the formula: the mean loss of many random inputs agrees with the exact value.
    rng = np.random.default_rng(0)
    W = np.array(verdict.counterexample.W.tolist(), dtype=float)
    x = rng.random((400_000, 4)) * (rng.random((400_000, 4)) < 0.1)
    losses = (((x @ W.T @ W) ** 2 - x) ** 2).sum(axis=1)
    assert losses.mean() == pytest.approx(float(verdict.counterexample.value), abs=5 * losses.std() / 600)


def test_loss_of_other_activations_is_float_evidence():
    model = ToyModel(2, 1, "relu", density=sympy.Rational(3, 10))
    verdict = check_bound(model, lower="p/10 + 1/1000", of="loss", restarts=4)
    assert (verdict.status, verdict.is_exact) == ("refuted", False)
    # The antipodal pair at its best scale: 0.0296370967742 (docs/theory.md, T12).
    assert verdict.counterexample.value == pytest.approx(0.0296370967742, abs=1e-4)
    assert 0 < verdict.counterexample.error < 1e-6
    assert max(entry.q for entry in verdict.counterexample.W) <= 1000
    assert check_bound(model, lower="0.0296", of="loss", restarts=4).status == "supported"
    tanh = check_bound(ToyModel(2, 1, "tanh", density=0.3), upper="n*p/3", of="loss", restarts=2)
    assert tanh.status == "supported"


def test_coupled_activations_are_attacked_by_training():
    model = ToyModel(3, 2, "isotropic:tanh", density=0.1)
    verdict = check_bound(model, lower="n*p/3", restarts=2)
    assert (verdict.status, verdict.is_exact) == ("refuted", False)
    assert verdict.evidence["found_by"] == "training"
    assert check_bound(model, lower="n*p/30", restarts=2).status == "supported"


def test_bounds_without_bias_are_not_held_against_models_with_bias():
    # z^2 in the sparse limit: with a bias the loss goes below p q^(n-1) c*, which is proved for b = 0 only.
    plain = ToyModel(6, 3, power(2), density=sympy.Rational(1, 1000))
    claim = "p*(1-p)**(n-1)*7/16"
    assert check_bound(plain, lower=claim, restarts=2).status == "proved"
    verdict = check_bound(plain.replace(bias=True), lower=claim, restarts=12)
    assert verdict.status == "refuted"
    assert verdict.is_exact
    assert any(entry != 0 for entry in verdict.counterexample.b)


def test_biased_claims_in_the_sparse_limit_are_settled_by_biases():
    plain, biased = PENTAGON, PENTAGON.replace(bias=True)
    # What is proved without a bias is refuted with one, by exact weights and thresholds.
    claim = sympy.Rational(26, 100)
    assert check_bound(plain, lower=claim, of="sparse").status == "proved"
    verdict = check_bound(biased, lower=claim, of="sparse", restarts=6)
    found = verdict.counterexample
    assert (verdict.status, verdict.is_exact) == ("refuted", True)
    assert any(entry < 0 for entry in found.b)
    assert found.value == theory.biased_sparse_coefficient(biased, found.W, list(found.b)) < claim
    assert "c(W, b)" in str(verdict)
    # And the other way round: what a bias achieves is no evidence for models without.
    assert check_bound(biased, upper=0.0792, of="sparse", restarts=4).status == "proved"
    assert check_bound(plain, upper=0.0792, of="sparse", restarts=4).status == "refuted"
    # Between the proved lower bound and the best known weights nothing is decided.
    assert check_bound(biased, lower=0.02, of="sparse", restarts=4).status == "proved"
    assert check_bound(biased, lower=0.079, of="sparse", restarts=6).status == "supported"


@pytest.mark.parametrize("of", ["sparse", "loss"])
def test_a_bound_without_bias_relabelled_for_a_model_with_one_is_not_proved(of):
    plain = ToyModel(5, 2, "relu", density=sympy.Rational(1, 10**4))
    biased = plain.replace(bias=True)
    for bound in theory.lower_bounds(plain, of=of)[:1]:
        assert check_bound(replace(bound, model=biased), restarts=4).status == "refuted"
    for bound in theory.upper_bounds(biased, of=of)[:1]:
        assert bound.name.startswith("threshold")
        assert check_bound(replace(bound, model=plain), restarts=4).status != "proved"


def test_the_bounds_for_biased_models_survive():
    biased = ToyModel(5, 2, "relu", density=sympy.Rational(1, 1000), bias=True)
    bounds = [
        theory.lower_bound(biased, of="sparse"),
        theory.upper_bound(biased, of="sparse"),
        theory.upper_bound(biased),
    ]
    for bound in bounds:
        assert check_bound(bound, restarts=3).status == "proved", str(bound)
    lower = bounds[0]
    # A certificate whose claim was raised afterwards is caught by the search or by its own check.
    raised = replace(lower, certificate=replace(lower.certificate, loss=lower.certificate.loss * 2))
    assert check_bound(raised, restarts=3).status == "undecided"


@pytest.mark.parametrize("of", ["sparse", "loss"])
@pytest.mark.parametrize("side", ["lower", "upper"])
@pytest.mark.parametrize("sigma", [power(2), rectified_power(1)])
def test_every_bound_of_the_library_survives(side, of, sigma):
    model = ToyModel(5, 2, sigma, density=sympy.Rational(1, 20))
    for bound in (theory.lower_bounds if side == "lower" else theory.upper_bounds)(model, of=of):
        verdict = check_bound(bound, restarts=3)
        assert verdict.status == "proved", str(verdict)


def test_a_false_bound_is_refuted_whatever_it_says_about_itself():
    true = theory.lower_bound(LINES, of="sparse", name="sidelnikov")
    false = replace(true, expr=true.expr + sympy.Rational(1, 100))
    verdict = check_bound(false, restarts=4)
    assert (verdict.status, verdict.is_exact) == ("refuted", True)
    assert verdict.counterexample.value < false.expr
    high = theory.upper_bound(PENTAGON, of="sparse", name="orthonormal")
    verdict = check_bound(replace(high, expr=sympy.Rational(1, 4)), restarts=4)
    assert verdict.status == "refuted"
    assert isinstance(verdict.counterexample, BoundCounterexample)


def test_a_symbolic_bound_is_attacked_at_several_sizes():
    false = Bound("capacity 2D", "lower", "sparse", n / 3 - 2 * m / 3, ToyModel(n, m, "relu"), conditions=(n >= m,))
    verdict = check_bound(false)
    assert verdict.status == "refuted"
    assert verdict.is_exact
    assert len(verdict.evidence["instances"]) > 1
    true = theory.lower_bound(ToyModel(n, m, power(2)), of="sparse", name="sidelnikov")
    verdict = check_bound(true)
    assert verdict.status == "proved"
    assert len(verdict.evidence["instances"]) > 1


def test_an_unproved_bound_and_a_broken_derivation_are_not_proved():
    value = sympy.Rational(267262, 10**6)
    words = Bound("hunch", "lower", "sparse", sympy.Rational(1, 100), ToyModel(7, 3, "relu"), status="numerical")
    assert check_bound(words, restarts=2).status == "proved"  # the library's own bounds imply it
    model = ToyModel(7, 3, "relu")
    between = replace(words, expr=value, model=model, derivation=(Step("trust me"),), status="proved")
    assert check_bound(between, restarts=8).status == "supported"
    broken = replace(between, derivation=(Step("1 = 2", sympy.Eq(sympy.Integer(1), 2, evaluate=False)),))
    verdict = check_bound(broken, restarts=8)
    assert verdict.status == "undecided"
    assert "1 = 2" in verdict.reason


def test_a_construction_that_misses_its_bound_is_noticed():
    bound = theory.upper_bound(LINES, of="sparse", name="orthonormal")
    verdict = check_bound(replace(bound, construction=(sympy.zeros(3, 6), sympy.zeros(6, 1))), restarts=2)
    assert verdict.status == "undecided"
    assert "construction" in verdict.reason


@pytest.mark.parametrize(
    ("expression", "sign"),
    [(sympy.sqrt(2) - sympy.Rational(14142135623731, 10**13), -1), (sympy.sqrt(2) * sympy.sqrt(3) - sympy.sqrt(6), 0),
     (sympy.cos(sympy.pi / 5) - (1 + sympy.sqrt(5)) / 4, 0), (sympy.gamma(sympy.Rational(1, 3)) - 2, 1),
     (sympy.Rational(1, 10**50), 1)],
)  # fmt: skip
def test_signs_are_decided_exactly(expression, sign):
    assert sign_of(expression) == sign


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"of": "sparse"}, "exactly one claim"),
        ({"lower": "0", "upper": "1", "of": "sparse"}, "exactly one claim"),
        ({"lower": "n/3 - k", "of": "sparse"}, "k"),
        ({"lower": "p", "of": "sparse"}, "p"),
        ({"lower": n * sympy.Symbol("q"), "of": "sparse"}, "unknown symbols q"),
        ({"lower": "__import__('os')", "of": "sparse"}, "lower"),
        ({"lower": "sqrt(-n)", "of": "sparse"}, "real"),
        ({"lower": "log(n - 5)", "of": "sparse"}, "real"),
        ({"lower": float("nan"), "of": "sparse"}, "finite"),
        ({"lower": "0", "of": "sprase"}, "sparse"),
        ({"lower": "0"}, "density"),
        ({"lower": "0", "of": "sparse", "restarts": 0}, "restarts"),
    ],
)
def test_bad_claims(arguments, message):
    with pytest.raises(InputError, match=message):
        check_bound(PENTAGON, **arguments)


@pytest.mark.parametrize(
    ("subject", "arguments", "message"),
    [
        (ToyModel(n, 2, "relu"), {"lower": "0", "of": "sparse"}, "symbols n"),
        (
            ToyModel(5, 2, rectified_power(sympy.Symbol("a", positive=True))),
            {"lower": "0", "of": "sparse"},
            "symbols a",
        ),
        (ToyModel(5, 2, "tanh"), {"lower": "0", "of": "sparse"}, "power activation"),
        (ToyModel(5, 2, "relu", law="half-normal", bias=True), {"lower": "0", "of": "sparse"}, "closed form"),
        (ToyModel(2, 1, "relu", density=[0.1, 0.2]), {"lower": "p", "of": "loss"}, "p"),
        ("relu", {"lower": "0"}, "Bound"),
        (theory.lower_bound(LINES, of="sparse"), {"lower": "0"}, "itself"),
        (theory.lower_bound(LINES, of="sparse"), {"of": "loss"}, "itself"),
    ],
)
def test_bad_subjects(subject, arguments, message):
    with pytest.raises(InputError, match=message):
        check_bound(subject, **arguments)
