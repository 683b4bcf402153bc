"""One claim about one numeric model, put against proved bounds, known constructions and an adversarial search."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import sympy

import theory
from theory import Bound, ToyModel
from theory.arguments import exact
from verify.counterexamples import BoundCounterexample, WeightsCounterexample
from verify.verdicts import Verdict
from verify.witnesses import Candidate, candidates, exact_witness, rounded_witness, sign_of

__all__ = ["NumericClaim"]

_SYMBOL = {"sparse": "c*", "loss": "L*"}
_SIGN = {"lower": ">=", "upper": "<="}
_KEPT_GAP = sympy.Rational(95, 100)


@dataclass(frozen=True)
class NumericClaim:
    """The claim that the optimal loss of a numeric model is at least ("lower") or at most ("upper") a value.

    Attributes:
        of: "sparse" (c*) or "loss" (L*).
        value: exact.
        text: how the claim was written.
    """

    model: ToyModel
    side: str
    of: str
    value: sympy.Expr
    text: str = ""

    @property
    def statement(self) -> str:
        """The claim in a sentence."""
        value = str(self.value)
        shown = value if self.text in ("", value) else f"{self.text} = {value}"
        return f"{_SYMBOL[self.of]} {_SIGN[self.side]} {shown} for {self.model.describe()}"

    def verdict(self, seed: int, restarts: int) -> Verdict:
        """Proved where the library's proved bounds imply the claim, else the outcome of the attack on it."""
        proof = self.implied_by()
        if proof is not None:
            reason = f"the {proof.name} bound gives {_SYMBOL[self.of]} {_SIGN[self.side]} {_short(proof.expr)}"
            return Verdict(
                self.statement, "proved", f"{reason} ({proof.source})" if proof.source else reason,
                evidence={"bound": str(proof), "derivation": [step.statement for step in proof.derivation]}, seed=seed,
            )  # fmt: skip
        return self.attacked(seed, restarts)

    def attacked(self, seed: int, restarts: int) -> Verdict:
        """The claim on its own merits: no bound of the library on the same side is asked."""
        return (self.lower if self.side == "lower" else self.upper)(seed, restarts)

    def bounds(self, side: str) -> list[Bound]:
        """The proved numeric bounds of the library on the given side.

        A lower bound derived for b = 0 says nothing about a model with a bias, and an upper bound whose construction
        uses a bias nothing about a model without.
        """
        found = (theory.lower_bounds if side == "lower" else theory.upper_bounds)(self.model, of=self.of)
        weaker = self.model.bias if side == "lower" else not self.model.bias
        return [
            bound
            for bound in found
            if bound.status == "proved" and bound.value is not None and not (weaker and bound.model != self.model)
        ]

    def implied_by(self) -> Bound | None:
        """A proved bound at least as strong as the claim."""
        direction = 1 if self.side == "lower" else -1
        return next((b for b in self.bounds(self.side) if direction * sign_of(b.expr - self.value) >= 0), None)

    def contradicted_by(self) -> Bound | None:
        """A proved bound on the other side that excludes the claim."""
        other, direction = ("upper", 1) if self.side == "lower" else ("lower", -1)
        return next((b for b in self.bounds(other) if direction * sign_of(self.value - b.expr) > 0), None)

    def lower(self, seed: int, restarts: int) -> Verdict:
        found = candidates(self.model, self.of, restarts, seed)
        evidence = self.evidence(found, restarts)
        for candidate in found:
            if candidate.value - candidate.error >= float(self.value) + 1e-9 * abs(float(self.value)):
                break
            refutation = self.refutation(candidate)
            if refutation is not None:
                reason = f"the weights below do better (found by {candidate.source})"
                return Verdict(
                    self.statement, "refuted", reason, refutation,
                    is_exact=refutation.error == 0 or candidate.is_enclosed, evidence=evidence, seed=seed,
                )  # fmt: skip
        bound = self.contradicted_by()
        if bound is not None:
            return self.refuted_by(bound, evidence, seed)
        return Verdict(
            self.statement, "supported", self.nothing_below(found[0], restarts), evidence=evidence, seed=seed
        )

    def refutation(self, candidate: Candidate) -> WeightsCounterexample | None:
        describe, value = self.model.describe(), self.value
        # Weights that keep most of the gap, where there are any with a small denominator; else any that refute.
        most = value - _KEPT_GAP * (value - exact("value", candidate.value))
        for ceiling in (most, value):
            witness = exact_witness(self.model, self.of, candidate, partial(_is_below, ceiling))
            if witness is not None and _is_below(value, witness[2]):
                W, b, achieved = witness
                return WeightsCounterexample(self.of, describe, W, b, achieved, value)
        if self.of == "loss" and candidate.value + candidate.error < float(value):
            near = rounded_witness(self.model, candidate, float(most)) or candidate
            error = near.error or 1e-16 * abs(near.value)
            return WeightsCounterexample(self.of, describe, near.W, near.b, near.value, value, error)
        return None

    def upper(self, seed: int, restarts: int) -> Verdict:
        bound = self.contradicted_by()
        if bound is not None:
            return self.refuted_by(bound, {}, seed)
        found = candidates(self.model, self.of, restarts, seed)
        evidence = self.evidence(found, restarts)
        best, claimed = found[0], float(self.value)
        witness = None
        if best.value - best.error <= claimed + 1e-9 * abs(claimed):
            witness = exact_witness(self.model, self.of, best, lambda achieved: sign_of(self.value - achieved) >= 0)
        if witness is not None:
            W, b, achieved = witness
            shown = WeightsCounterexample(self.of, self.model.describe(), W, b, achieved, self.value)
            reason = f"weights with exactly {_short(achieved)} achieve it (found by {best.source})"
            return Verdict(
                self.statement, "proved", reason, evidence={**evidence, "witness": shown.to_dict()}, seed=seed
            )
        if best.value <= claimed + best.error:
            reason = (
                f"weights found by {best.source} give {best.value:.12g} ± {best.error:.1e}; no exact value proves it"
            )
            return Verdict(self.statement, "supported", reason, evidence=evidence, seed=seed)
        reason = (
            f"the smallest value found in {restarts} starts is {best.value:.10g}, {best.value - claimed:.3g} above the "
            "claim, but no proved lower bound excludes it"
        )
        return Verdict(self.statement, "undecided", reason, evidence=evidence, seed=seed)

    def refuted_by(self, bound: Bound, evidence: dict[str, Any], seed: int) -> Verdict:
        reason = f"the proved {bound.name} bound contradicts it"
        shown = BoundCounterexample(bound, self.value)
        return Verdict(self.statement, "refuted", reason, shown, is_exact=True, evidence=evidence, seed=seed)

    def nothing_below(self, best: Candidate, restarts: int) -> str:
        margin = best.value - float(self.value)
        tight = abs(margin) <= max(best.error, 1e-9 * abs(best.value))
        rest = "which meets the claim within rounding: it looks tight" if tight else f"{margin:.3g} above the claim"
        return f"nothing below it in {restarts} starts: the smallest value found is {best.value:.10g}, {rest}"

    def evidence(self, found: list[Candidate], restarts: int) -> dict[str, Any]:
        return {
            "starts": restarts,
            "smallest_found": found[0].value,
            "error": found[0].error,
            "found_by": found[0].source,
            "margin": found[0].value - float(self.value),
            "proved_bounds": [str(b) for side in ("lower", "upper") for b in self.bounds(side)],
        }


def _is_below(ceiling: sympy.Expr, value: sympy.Expr) -> bool:
    return sign_of(ceiling - value) > 0


def _short(value: sympy.Expr) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{float(value):.10g}"
