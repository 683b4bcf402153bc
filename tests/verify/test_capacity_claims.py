"""Claims about capacity and energy: proofs, exact counterexamples recomputed by hand, and bad input."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
import sympy

import theory
from theory import InputError, ToyModel, power, rectified_power, signed_power
from verify import check_bound
from verify.cli import main
from verify.counterexamples import CapacityBoundCounterexample, CapacityCounterexample

PENTAGON, LINES = ToyModel(5, 2, "relu"), ToyModel(6, 3, power(2))
Q = sympy.Rational
A = sympy.Symbol("a", positive=True)


def gains_and_energy(W: sympy.Matrix, k: int, negative: int) -> tuple[Fraction, Fraction]:
    """sum_i |W_i|^(2k) and sum_ij a_i a_j f(cos_ij) over ordered pairs, in Fractions: an independent route."""
    columns = [[Fraction(int(v.p), int(v.q)) for v in W.col(j)] for j in range(W.cols)]
    dot = lambda x, y: sum((a * b for a, b in zip(x, y, strict=True)), Fraction(0))  # noqa: E731
    pairs = [dot(x, y) for x in columns for y in columns]
    energy = sum((g ** (2 * k) if g > 0 else negative * g ** (2 * k) for g in pairs), Fraction(0))
    return sum((dot(x, x) ** k for x in columns), Fraction(0)), energy


def test_twice_the_effective_dimension_is_broken_by_a_pentagon():
    verdict = check_bound(PENTAGON, upper="2*D", of="capacity")
    found = verdict.counterexample
    assert (verdict.status, verdict.is_exact, verdict.exit_code) == ("refuted", True, 1)
    assert isinstance(found, CapacityCounterexample)
    gains, energy = gains_and_energy(found.W, 1, 0)
    assert found.capacity == Q(*(gains**2 / energy).as_integer_ratio())
    assert 4 < found.capacity < 4.198212717051
    assert max(entry.q for entry in found.W) <= 20
    assert str(found.capacity) in str(verdict)
    shown = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))["counterexample"]
    assert (shown["claim"], shown["capacity"]) == ("4", str(found.capacity))


@pytest.mark.parametrize("claim", ["4.1982", "4.198212", "0.999*4.198212717", "4.198212717", "2*m", "m + 2"])
def test_a_capacity_slightly_too_small_is_refuted_exactly(claim):
    verdict = check_bound(PENTAGON, upper=claim, of="capacity")
    assert (verdict.status, verdict.is_exact) == ("refuted", True)
    gains, energy = gains_and_energy(verdict.counterexample.W, 1, 0)
    assert Fraction(str(verdict.counterexample.claim)) < gains**2 / energy <= Fraction("4.198212717051")


def test_the_pentagon_itself_refutes_what_no_rational_weights_can():
    """A claim below sup K = (35 + 5 sqrt 5)/11 by 1e-30: only the algebraic configuration is above it."""
    verdict = check_bound(PENTAGON, upper=(35 + 5 * sympy.sqrt(5)) / 11 - Q(1, 10**30), of="capacity", restarts=4)
    assert (verdict.status, verdict.is_exact) == ("refuted", True)
    assert check_bound(PENTAGON, upper=(35 + 5 * sympy.sqrt(5)) / 11, of="capacity", restarts=4).status == "supported"


@pytest.mark.parametrize(
    ("model", "side", "claim", "of", "by"),
    [
        (PENTAGON, "upper", "4.19822", "capacity", "linear-programming"),
        (PENTAGON, "upper", "n", "capacity", "linear-programming"),
        (PENTAGON, "lower", "4.1982", "capacity", "code"),
        (PENTAGON, "lower", (35 + 5 * sympy.sqrt(5)) / 11, "capacity", "code"),
        (PENTAGON, "lower", "s**2/4.19822", "energy", "linear-programming"),
        (LINES, "upper", "D", "capacity", "sidelnikov"),
        (LINES, "lower", "D", "capacity", "code"),
        (LINES, "lower", "s**2/D", "energy", "sidelnikov"),
        (LINES, "lower", "s**2/n", "energy", "sidelnikov"),
        (LINES, "upper", "s^2/D", "energy", "code"),
        (ToyModel(5, 2, rectified_power(sympy.sqrt(2))), "upper", "4.67", "capacity", "linear-programming"),
        (ToyModel(4, 2, "relu"), "upper", "2*m", "capacity", "K* <= 4"),
    ],
)  # fmt: skip
def test_true_claims_are_proved(model, side, claim, of, by):
    verdict = check_bound(model, **{side: claim}, of=of, restarts=4)
    assert verdict.status == "proved", str(verdict)
    assert by in verdict.reason
    assert "the claim needs" in verdict.reason
    assert verdict.evidence["derivation"]


@pytest.mark.parametrize(("k", "n", "m"), [(1, 4, 3), (2, 6, 3), (2, 4, 2), (3, 6, 2)])
@pytest.mark.parametrize("factor", ["1.01", "1.0001"])
def test_the_energy_constant_times_a_little_more_is_refuted(k, n, m, factor):
    verdict = check_bound(ToyModel(n, m, power(k)), lower=f"{factor}*s**2/D", of="energy")
    found = verdict.counterexample
    assert (verdict.status, verdict.is_exact) == ("refuted", True)
    gains, energy = gains_and_energy(found.W, k, 1)
    assert (found.gains, found.energy) == tuple(Q(*v.as_integer_ratio()) for v in (gains, energy))
    dimension = Fraction(str(theory.effective_dimension(m, k)))
    assert gains**2 / dimension <= energy < Fraction(factor) * gains**2 / dimension
    assert check_bound(ToyModel(n, m, power(k)), lower="s**2/D", of="energy").status == "proved"


def test_the_effective_dimension_is_no_bound_for_exponents_between_the_integers():
    """|t|^3 is not positive definite: D(2, 3/2) = 3 pi/4 is exceeded, by weights whose capacity is irrational."""
    verdict = check_bound(ToyModel(6, 2, signed_power(Q(3, 2))), upper="D", of="capacity")
    assert (verdict.status, verdict.is_exact) == ("refuted", True)
    W = verdict.counterexample.W.applyfunc(float)
    gram = W.T * W
    gains = sum(gram[i, i] ** 1.5 for i in range(6))
    energy = sum(abs(gram[i, j]) ** 3 for i in range(6) for j in range(6))
    assert float(verdict.counterexample.capacity) == pytest.approx(float(gains**2 / energy), rel=1e-12)
    assert gains**2 / energy > 3 * 3.14159265 / 4


def test_what_lies_between_certificate_and_search_stays_open():
    model = ToyModel(7, 3, "relu")
    supported = check_bound(model, upper="6.22", of="capacity", restarts=8)
    assert supported.status == "supported"
    assert supported.evidence["largest_found"] == pytest.approx(6.198212717, abs=1e-6)
    undecided = check_bound(model, lower="6.22", of="capacity", restarts=8)
    assert (undecided.status, undecided.exit_code) == ("undecided", 3)


def test_claims_from_the_other_side():
    too_much = check_bound(PENTAGON, lower="4.2", of="capacity")
    assert (too_much.status, too_much.is_exact) == ("refuted", True)
    assert isinstance(too_much.counterexample, CapacityBoundCounterexample)
    assert "E(W) - " not in str(too_much.counterexample)
    assert too_much.counterexample.to_dict()["derivation"]
    too_little = check_bound(LINES, upper="0.999*s**2/D", of="energy")
    assert (too_little.status, too_little.is_exact) == ("refuted", True)
    assert "1/5 = 0.2" in str(too_little)
    assert check_bound(LINES, lower="-s**2", of="energy").status == "proved"
    assert check_bound(LINES, upper="0*s**2", of="energy").status == "refuted"


def test_a_lower_claim_that_no_construction_implies_is_proved_by_weights(monkeypatch):
    monkeypatch.setattr(theory, "upper_bounds", lambda model, of: [])
    verdict = check_bound(PENTAGON, lower="4.198", of="capacity", restarts=4)
    assert verdict.status == "proved"
    gains, energy = gains_and_energy(sympy.Matrix(verdict.evidence["witness"]["W"]), 1, 0)
    assert gains**2 / energy >= Fraction("4.198")


def test_the_law_matters_through_the_kernel_alone():
    """Two-sided values make ReLU's kernel even: two dimensions then hold two features, whatever the pentagon does."""
    for law in ("two-sided:uniform", "two-sided:binary"):
        assert check_bound(PENTAGON.replace(law=law), upper="m", of="capacity").status == "proved"
    # Even monomials have no gain under a two-sided law, but their geometry is the same.
    assert check_bound(LINES.replace(law="two-sided:uniform"), upper="0.99*D", of="capacity").status == "refuted"
    assert check_bound(ToyModel(5, 2, theory.leaky_relu(Q(1, 10))), upper="4.19", of="capacity").status == "proved"


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (PENTAGON, {"upper": "2*d", "of": "capacity"}, "d"),
        (PENTAGON, {"upper": "p", "of": "capacity"}, "p"),
        (PENTAGON, {"upper": "s", "of": "capacity"}, "s"),
        (PENTAGON, {"upper": sympy.Symbol("q"), "of": "capacity"}, "unknown symbols q"),
        (PENTAGON, {"upper": "sqrt(-n)", "of": "capacity"}, "real"),
        (PENTAGON, {"lower": "s/D", "of": "energy"}, "constant times s"),
        (PENTAGON, {"lower": "s**2 + 1", "of": "energy"}, "constant times s"),
        (PENTAGON, {"lower": "1", "of": "energy"}, "constant times s"),
        (PENTAGON, {"upper": "1", "of": "capcity"}, "capacity"),
        (PENTAGON, {"upper": "1", "lower": "1", "of": "capacity"}, "exactly one"),
        (PENTAGON.replace(bias=True), {"upper": "4", "of": "capacity"}, "bias"),
        (ToyModel(5, 2, "tanh"), {"upper": "4", "of": "capacity"}, "power activation"),
        (ToyModel(sympy.Symbol("n", integer=True, positive=True), 2, "relu"), {"upper": "4", "of": "energy"}, "n_feat"),
        (ToyModel(2, 1, "relu", importance=[1, 2]), {"upper": "4", "of": "capacity"}, "importance"),
        (ToyModel(5, 2, theory.rectified_power(A)), {"upper": "4", "of": "capacity"}, "symbols a"),
        (theory.lower_bound(LINES, of="sparse"), {"of": "capacity"}, "itself"),
    ],
)  # fmt: skip
def test_bad_claims(model, arguments, message):
    with pytest.raises(InputError, match=message):
        check_bound(model, **arguments)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("-a relu -n 5 -m 2 --of capacity --claim 2*D --side upper", 1, "REFUTED: K* <= 2*D = 4"),
        ("-a relu -n 5 -m 2 --of capacity --claim 4.19822 --side upper", 0, "PROVED: K* <= 4.19822"),
        ("-a power:2 -n 6 -m 3 --of energy --claim s**2/D --side lower", 0, "PROVED: E(W) >= c s^2"),
        ("-a power:2 -n 6 -m 3 --of energy --claim 1.01*s**2/D --side lower", 1, "REFUTED: E(W) >= c s^2"),
        ("-a relu -n 7 -m 3 --of capacity --claim 6.22 --side lower", 3, "UNDECIDED"),
        ("-a relu -n 5 -m 2 --of energy --claim 1 --side lower", 2, "constant times s**2"),
        ("-a relu -n 5 -m 2 --of capacity", 2, "--claim"),
        ("-a relu -n 5 -m 2 --bias --of capacity --claim 5 --side upper", 2, "bias"),
    ],
)
def test_one_command(capsys, words, code, said):
    assert main(["bounds", *words.split()]) == code
    captured = capsys.readouterr()
    assert said in captured.out + captured.err
