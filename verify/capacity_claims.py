"""Claims about the geometry alone: how many features fit (the capacity K*), and how much they must interfere.

The energy E(W) = sum_ij a_i a_j f(cos_ij) and the gains s = sum_i a_i scale together, so that "E(W) >= c s^2 for all W"
and "K* <= 1/c" are one statement; both are checked as the second. Source: docs/theory.md, T1-T5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

import theory
from theory import Activation, Bound, InputError, ToyModel
from theory.arguments import exact
from theory.loss.capacity import Kernel, gains_and_energy, has_kernel, sparse_constants
from theory.loss.geometry.configurations import best_known_configuration
from theory.parsing import parse_expression
from verify.counterexamples import CapacityBoundCounterexample, CapacityCounterexample
from verify.verdicts import Verdict
from verify.witnesses import Candidate, exact_versions, sign_of

__all__ = ["OF_GEOMETRY", "CapacityClaim", "capacity_claim"]

OF_GEOMETRY = ("capacity", "energy")
_KEPT_GAP = sympy.Rational(1, 2)
_s = sympy.Symbol("s", positive=True)


def capacity_claim(model: ToyModel, side: str, text: Any, of: str) -> CapacityClaim:
    """The claim with the model's numbers put in.

    Args:
        side: "upper" or "lower", as the user wrote it.
        text: a formula in n, m, a (the exponent) and D (the effective dimension D(m, a)); of="energy": a constant
            times s**2.
        of: "capacity" or "energy".

    Raises:
        InputError: a model without capacity, unknown symbols, or an energy claim that does not scale like the energy.
    """
    kernel = _kernel(model, of)
    n, m = model.n_features, model.n_hidden
    known: dict[str, Any] = {"n": n, "m": m, "a": kernel.exponent, "D": theory.effective_dimension(m, kernel.exponent)}
    names = {name: sympy.Symbol(name) for name in known} | ({"s": _s} if of == "energy" else {})
    claim = parse_expression(text, names, side) if isinstance(text, str) else exact(side, text)
    unknown = sorted(symbol.name for symbol in claim.free_symbols if symbol.name not in names)
    if unknown:
        raise InputError(f"{side}={text} has the unknown symbols {', '.join(unknown)}; of={of!r} knows {_list(names)}")
    value = claim.subs({symbol: known.get(symbol.name, _s) for symbol in claim.free_symbols})
    if of == "energy":
        value = sympy.simplify(value / _s**2)
        if value.free_symbols:
            raise InputError(f"{side}={text} must be a constant times s**2, because E(W) scales like s**2 with W")
    if value.has(sympy.nan, sympy.zoo, sympy.oo) or not value.is_real:
        raise InputError(f"{side}={text} is {value} for {model.describe()}; it must be a finite real number")
    return CapacityClaim(model, kernel, of, side, value, str(text))


def _kernel(model: ToyModel, of: str) -> Kernel:
    """The kernel of a numeric model without bias."""
    for name, value in (("n_features", model.n_features), ("n_hidden", model.n_hidden)):
        if not value.is_number:
            raise InputError(f"{name}={value} is a symbol; of={of!r} needs a number (ToyModel.subs)")
    if model.activation.parameters:
        raise InputError(f"{model.activation.name} still has the symbols {_list(model.activation.parameters)}")
    if model.bias:
        raise InputError(
            f"of={of!r} is about models without bias, where W alone decides; use ToyModel(..., bias=False)"
        )
    if isinstance(model.importance, tuple):
        raise InputError(f"of={of!r} is about features of equal importance; leave importance out")
    if not has_kernel(model.law, model.activation):
        raise InputError(
            f"of={of!r} needs a power activation (z**k, max(0, z)**a, ...) that is not 0 on every value of U, not "
            f"{model.activation.name}"
        )
    return sparse_constants(model.law, model.activation).kernel


@dataclass(frozen=True)
class CapacityClaim:
    """The claim that K*, or the smallest E(W)/s^2, is at least ("lower") or at most ("upper") a value.

    Attributes:
        kernel: of the model: all that the geometry takes from activation and law.
        of: "capacity" or "energy".
        side: as written.
        value: exact.
        text: how the claim was written.
    """

    model: ToyModel
    kernel: Kernel
    of: str
    side: str
    value: sympy.Expr
    text: str = ""

    @property
    def statement(self) -> str:
        """The claim in a sentence."""
        shown = str(self.value) if self.text in ("", str(self.value)) else f"{self.text} = {self.value}"
        if self.of == "capacity":
            sign = "<=" if self.side == "upper" else ">="
            return f"K* {sign} {shown} for {self.model.describe()}"
        shown = f"c s^2 with {self.text}, c = {self.value}"
        words = f"E(W) >= {shown}, for all W," if self.side == "lower" else f"some W has E(W) <= {shown},"
        return f"{words} for {self.model.describe()}"

    @property
    def bounds_capacity_from(self) -> str:
        """The side on which the claim bounds the capacity: the energy falls where the capacity grows."""
        return self.side if self.of == "capacity" else {"lower": "upper", "upper": "lower"}[self.side]

    @property
    def capacity(self) -> sympy.Expr | None:
        """The capacity that the claim speaks of; None for an energy constant <= 0, which every capacity obeys."""
        if self.of == "capacity":
            return self.value
        return 1 / self.value if sign_of(self.value) > 0 else None

    def verdict(self, seed: int, restarts: int) -> Verdict:
        """Proved, refuted with the exact W or certificate that breaks it, or what a search found."""
        claimed = self.capacity
        if claimed is None:
            return self._trivial(seed)
        return (self._upper if self.bounds_capacity_from == "upper" else self._lower)(claimed, seed, restarts)

    def _trivial(self, seed: int) -> Verdict:
        if self.side == "lower":
            return Verdict(
                self.statement, "proved", "E(W) >= sum_i a_i^2 > 0, and the claim is not positive", seed=seed
            )
        reason = "the energy of every W is positive: E(W) >= sum_i a_i^2 >= s^2/n"
        bound = next(bound for bound in self._certified() if bound.name == "cardinality")
        return Verdict(self.statement, "refuted", reason, self._excluded_by(bound), is_exact=True, seed=seed)

    def _certified(self) -> list[Bound]:
        """Proved upper bounds on K*, smallest first, as lower bounds n - K* on a model with the same kernel."""
        return [b for b in theory.lower_bounds(_geometry(self.model, self.kernel), of="sparse") if _is_usable(b)]

    def _constructed(self) -> list[Bound]:
        """Proved lower bounds on K*, largest first."""
        return [b for b in theory.upper_bounds(_geometry(self.model, self.kernel), of="sparse") if _is_usable(b)]

    def _upper(self, claimed: sympy.Expr, seed: int, restarts: int) -> Verdict:
        for bound in self._certified():
            if sign_of(claimed - _capacity_of(bound)) >= 0:
                return self._proved(f"the {bound.name} bound", _capacity_of(bound), bound, seed)
        found = self._candidates(restarts, seed)
        evidence = self._evidence(found, restarts)
        largest = float(found[0].value)
        for share in (_KEPT_GAP, sympy.Integer(1)):
            floor = max(float(claimed), largest - float(share) * (largest - float(claimed)))
            shown = self._witness(found, floor, claimed, above=True)
            if shown is not None:
                reason = f"the weights below hold more (found by {shown.source})"
                return Verdict(self.statement, "refuted", reason, shown, is_exact=True, evidence=evidence, seed=seed)
        for bound in self._constructed():
            if sign_of(_capacity_of(bound) - claimed) > 0:
                reason = f"the proved {bound.name} construction contradicts it"
                shown_bound = self._excluded_by(bound)
                return Verdict(
                    self.statement, "refuted", reason, shown_bound, is_exact=True, evidence=evidence, seed=seed
                )
        gap = float(claimed) - largest
        tight = abs(gap) <= 1e-9 * largest
        rest = "which meets the claim within rounding: it looks tight" if tight else f"{gap:.3g} below the claim"
        reason = f"nothing above it in {restarts} starts: the largest capacity found is {largest:.10g}, {rest}"
        return Verdict(self.statement, "supported", reason, evidence=evidence, seed=seed)

    def _lower(self, claimed: sympy.Expr, seed: int, restarts: int) -> Verdict:
        for bound in self._certified():
            if sign_of(claimed - _capacity_of(bound)) > 0:
                reason = f"the proved {bound.name} bound contradicts it"
                return Verdict(
                    self.statement, "refuted", reason, self._excluded_by(bound), is_exact=True, seed=seed
                )  # fmt: skip
        for bound in self._constructed():
            if sign_of(_capacity_of(bound) - claimed) >= 0:
                return self._proved(f"the {bound.name} construction", _capacity_of(bound), bound, seed)
        found = self._candidates(restarts, seed)
        evidence = self._evidence(found, restarts)
        shown = self._witness(found, float(claimed), claimed, above=False)
        if shown is not None:
            reason = f"weights with exactly K(W) = {_short(shown.capacity)} achieve it (found by {shown.source})"
            return Verdict(
                self.statement, "proved", reason, evidence={**evidence, "witness": shown.to_dict()}, seed=seed
            )
        largest = float(found[0].value)
        if largest >= float(claimed) * (1 - 1e-9):
            reason = f"weights found by {found[0].source} hold {largest:.12g}; no exact value proves it"
            return Verdict(self.statement, "supported", reason, evidence=evidence, seed=seed)
        reason = (
            f"the largest capacity found in {restarts} starts is {largest:.10g}, {float(claimed) - largest:.3g} below "
            "the claim, but no proved bound excludes it"
        )
        return Verdict(self.statement, "undecided", reason, evidence=evidence, seed=seed)

    def _proved(self, by: str, capacity: sympy.Expr, bound: Bound, seed: int) -> Verdict:
        sign = "<=" if self.bounds_capacity_from == "upper" else ">="
        said = f"{by} gives K* {sign} {_both(capacity)}"
        if self.of == "energy":
            flipped = {"<=": ">=", ">=": "<="}[sign]
            said += f", so the smallest E(W)/s^2 is {flipped} {_both(1 / capacity)}"
        said += f"; the claim needs K* {sign} {_both(self.capacity)}"
        evidence = {
            "bound": bound.name,
            "capacity": str(capacity),
            "derivation": [step.statement for step in bound.derivation],
        }
        return Verdict(self.statement, "proved", f"{said} ({bound.source})", evidence=evidence, seed=seed)

    def _excluded_by(self, bound: Bound) -> CapacityBoundCounterexample:
        return CapacityBoundCounterexample(self.of, self.model.describe(), bound, _capacity_of(bound), self.value)

    def _candidates(self, restarts: int, seed: int) -> list[Candidate]:
        """The result of a search and the best exact configuration, the largest capacity first."""
        import numerics

        n, m = int(self.model.n_features), int(self.model.n_hidden)
        best = numerics.minimise_sparse_coefficient(_geometry(self.model, self.kernel), restarts=restarts, seed=seed)
        found = [Candidate(best.W / np.linalg.norm(best.W, axis=0).max(), None, best.capacity, 1e-12, False, "search")]
        known = best_known_configuration(n, m, self.kernel)
        if known is not None:
            W = known.weights(n, m, self.kernel)
            found.append(Candidate(W, None, float(known.capacity), 1e-12, False, known.name))
        return sorted(found, key=lambda candidate: -candidate.value)

    def _witness(
        self, found: list[Candidate], floor: float, claimed: sympy.Expr, above: bool
    ) -> CapacityCounterexample | None:
        """Exact weights with the smallest denominators that hold more than the floor and decide the claim."""
        for candidate in found:
            for W, _ in exact_versions(candidate):
                total, energy = gains_and_energy(np.array(W.tolist(), dtype=np.float64), self.kernel)
                # Exact evaluation is the slow part: floats rule most roundings out.
                if total == 0 or total**2 / energy < floor * (1 - 1e-12):
                    continue
                gains, cost = gains_and_energy(W, self.kernel)
                held = gains**2 / cost
                held = held if held.is_Rational else sympy.simplify(held)
                if sign_of(held - claimed) >= (1 if above else 0):
                    return CapacityCounterexample(
                        self.of, self.model.describe(), W, gains, cost, held, self.value, candidate.source
                    )
        return None

    def _evidence(self, found: list[Candidate], restarts: int) -> dict[str, Any]:
        return {
            "starts": restarts,
            "largest_found": found[0].value,
            "found_by": found[0].source,
            "certified_capacity": [f"{b.name}: {_capacity_of(b)}" for b in self._certified()],
            "achieved_capacity": [f"{b.name}: {_capacity_of(b)}" for b in self._constructed()],
        }


def _geometry(model: ToyModel, kernel: Kernel) -> ToyModel:
    """A model with the same kernel whose sparse loss is c* = n - K*: binary features, and sigma(1) = 1."""
    a, r = kernel.exponent, kernel.negative
    if r == 0:
        sigma = theory.rectified_power(a)
    elif r == 1:
        sigma = theory.power(a) if a.is_integer else theory.signed_power(a)
    else:
        z = Activation("", sympy.Integer(0)).z
        sigma = theory.activation(sympy.Max(0, z) ** a - sympy.sqrt(r) * sympy.Max(0, -z) ** a)
    return ToyModel(model.n_features, model.n_hidden, sigma, law=theory.binary())


def _is_usable(bound: Bound) -> bool:
    return bound.status == "proved" and bound.value is not None


def _capacity_of(bound: Bound) -> sympy.Expr:
    return bound.model.n_features - bound.expr


def _both(value: sympy.Expr) -> str:
    """An exact number, and its decimals where it does not print as them."""
    text, decimal = str(value), f"{float(value):.12g}"
    return text if text == decimal else f"{text} = {decimal}" if len(text) <= 60 else decimal


def _short(value: sympy.Expr) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{float(value):.12g}"


def _list(names: Any) -> str:
    return ", ".join(sorted(map(str, names)))
