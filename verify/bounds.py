"""Checking a claimed bound on the optimal loss: proof, exact counterexample, or the evidence of a search."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy

import theory
from theory import Bound, InputError, ToyModel
from theory.arguments import exact, one_of
from theory.bound import TARGETS
from theory.loss.bias.coefficient import require_biased_setting
from theory.parsing import parse_expression
from verify.adversary import NumericClaim
from verify.capacity_claims import OF_GEOMETRY, capacity_claim
from verify.verdicts import Verdict
from verify.witnesses import evaluated

__all__ = ["check_bound"]

_RESTARTS = 16
_SAMPLES = 6
_SAMPLE_RESTARTS = 4


def check_bound(
    bound: Bound | ToyModel,
    lower: Any = None,
    upper: Any = None,
    *,
    of: str | None = None,
    seed: int = 0,
    restarts: int = _RESTARTS,
) -> Verdict:
    """Whether a bound on the optimal loss holds: a `Bound`, or your own claim about a model.

        check_bound(ToyModel(5, 2, "relu"), lower="n/3 - 2*m/3", of="sparse")
        check_bound(ToyModel(5, 2, "relu"), upper="2*m", of="capacity")
        check_bound(ToyModel(6, 3, "power:2"), lower="s**2/D", of="energy")

    A lower claim is proved where a proved lower bound of the library implies it, and refuted by weights that do
    better: found by search, rounded to small denominators and evaluated exactly. An upper claim is proved by weights
    (or a proved upper bound) that achieve it and refuted by a proved lower bound above it. Otherwise the verdict says
    what was tried.

    Args:
        bound: a Bound, or the model that `lower` or `upper` is about.
        lower, upper: the claim, exactly one of them: text, a sympy expression or a number, in n and m (and p where
            of="loss"). About the geometry: in n, m, a (the exponent), D (the effective dimension D(m, a)), and for
            of="energy" a constant times s**2. Text is parsed, never executed.
        of: "loss" (L*, the smallest loss at the model's density; the default) or "sparse" (c* = lim L*/p as p -> 0;
            power activations; with a bias, b <= 0 and laws with a closed form), or the geometry behind it: "capacity"
            (K*, the largest s^2/E(W)) or "energy" (E(W) >= lower for every W; or E(W) <= upper for some W). `Bound`s
            are of the first two kinds.
        seed: of the search.
        restarts: starts of the search.

    Raises:
        InputError: no side or both, unknown symbols in the claim, a model with symbols, or of="sparse" for an
            activation that is no power, or a bias under a law without closed form.
    """
    if isinstance(restarts, bool) or not isinstance(restarts, int) or restarts < 1:
        raise InputError(f"restarts={restarts!r} must be an integer >= 1")
    if isinstance(bound, Bound):
        if lower is not None or upper is not None or of not in (None, bound.of):
            raise InputError(f"bound {bound.name!r} says itself what it claims; leave lower, upper and of out")
        return _check_derived(bound, seed, restarts)
    if not isinstance(bound, ToyModel):
        raise InputError(f"bound={bound!r:.80} must be a Bound, or a ToyModel with lower=... or upper=...")
    if (lower is None) == (upper is None):
        raise InputError("give exactly one claim: lower=... (it is at least) or upper=... (it is at most)")
    side, text = ("lower", lower) if upper is None else ("upper", upper)
    target = one_of("of", of or "loss", (*TARGETS, *OF_GEOMETRY))
    if target in OF_GEOMETRY:
        return capacity_claim(bound, side, text, target).verdict(seed, restarts)
    value = _claimed_value(bound, text, side, target)
    return NumericClaim(bound, side, target, value, str(text)).verdict(seed, restarts)


def _claimed_value(model: ToyModel, text: Any, side: str, of: str) -> sympy.Expr:
    """The claim with the model's numbers put in, exact."""
    _require_checkable(model, of)
    known = {"n": model.n_features, "m": model.n_hidden}
    if of == "loss" and not isinstance(model.density, tuple):
        known["p"] = model.density
    names = {name: sympy.Symbol(name) for name in known}
    claim = parse_expression(text, names, side) if isinstance(text, str) else exact(side, text)
    unknown = sorted(symbol.name for symbol in claim.free_symbols if symbol.name not in known)
    if unknown:
        raise InputError(
            f"{side}={text} has the unknown symbols {', '.join(unknown)}; of={of!r} knows {', '.join(known)}"
        )
    value = claim.subs({symbol: known[symbol.name] for symbol in claim.free_symbols})
    if value.has(sympy.nan, sympy.zoo, sympy.oo) or not value.is_real:
        raise InputError(f"{side}={text} is {value} for {model.describe()}; it must be a finite real number")
    return value


def _require_checkable(model: ToyModel, of: str) -> None:
    if of == "loss":
        if not isinstance(model.density, tuple) and model.density.free_symbols:
            raise InputError(
                f"density={model.density} is a symbol; give the model a number, or use of='sparse' for the limit p -> 0"
            )
        model.require_numbers()
        return
    if not isinstance(model.density, tuple) and model.density.free_symbols:
        model = model.replace(density=sympy.Rational(1, 100))
    model.require_numbers()
    if model.activation.power_form is None:
        raise InputError(
            f"of='sparse' needs a power activation (z**k, max(0, z)**a, ...); {model.activation.name} is none: use "
            "of='loss' and a density"
        )
    if model.bias:
        require_biased_setting(model)


def _check_derived(bound: Bound, seed: int, restarts: int) -> Verdict:
    """Re-check derivation, certificate and construction, and attack the bound in numeric instances."""
    claims = _instances(bound, seed)
    if not claims:
        raise InputError(f"bound {bound.name!r}: found no values of {', '.join(bound.symbols)} within its conditions")
    steps = bound.check_derivation()
    broken = [text for text, outcome in steps.items() if outcome is False] + _broken_objects(bound)
    if bound.side == "lower" and bound.model.bias and "b = 0" in bound.assumptions:
        broken.append("it assumes b = 0, but its model has a bias")
    symbolic = len(claims) > 1 or claims[0].model != bound.model
    attacks = [claim.attacked(seed, _SAMPLE_RESTARTS if symbolic else restarts) for claim in claims]
    evidence = {
        "derivation": {text: {True: "checked", False: "FAILED", None: "argued"}[ok] for text, ok in steps.items()},
        "instances": [{"statement": v.statement, "status": v.status, **v.evidence} for v in attacks],
    }
    outcome = lambda status, reason, **more: Verdict(  # noqa: E731
        str(bound), status, reason, evidence=evidence, seed=seed, **more
    )
    for found in attacks:
        if found.status == "refuted":
            reason = f"{found.statement}: {found.reason}"
            return outcome("refuted", reason, counterexample=found.counterexample, is_exact=found.is_exact)
    tried = f"nothing against it in {len(claims)} numeric instance{'s' if len(claims) > 1 else ''}"
    if broken:
        return outcome("undecided", f"{tried}, but a part of its proof fails: {broken[0]}")
    checked = sum(ok is True for ok in steps.values())
    if bound.status == "proved" and (_is_derived_here(bound) or (steps and checked == len(steps))):
        argued = f", {len(steps) - checked} argued in words" if checked < len(steps) else ""
        certified = "; certificate verified exactly" if _certificates(bound) else ""
        return outcome("proved", f"{checked} of {len(steps)} steps re-checked by algebra{argued}{certified}; {tried}")
    if not symbolic and (attacks[0].status == "proved" or claims[0].implied_by() is not None):
        return outcome("proved", f"exact weights or a proved bound of the library imply it; {tried}")
    return outcome("supported", f"{tried}; its own derivation is not one that could be re-checked")


def _is_derived_here(bound: Bound) -> bool:
    """Whether the library itself derives the same statement under this name, worded steps included."""
    derive = theory.lower_bound if bound.side == "lower" else theory.upper_bound
    try:
        own = derive(bound.model, of=bound.of, name=bound.name)
    except InputError:
        return False
    return own == bound


def _certificates(bound: Bound) -> list[Any]:
    """The exact proof objects of a bound: one, one per layer of importance, or none."""
    held = bound.certificate if isinstance(bound.certificate, list | tuple) else [bound.certificate]
    return [certificate for certificate in held if hasattr(certificate, "check")]


def _broken_objects(bound: Bound) -> list[str]:
    """What is wrong with the certificates and the construction."""
    problems = [certificate.check() for certificate in _certificates(bound)]
    found = [f"certificate: {problem}" for problem in problems if problem]
    value = bound.value
    if bound.construction is not None and value is not None and (bound.of == "sparse" or not bound.model.free_symbols):
        W, b = bound.construction
        achieved = evaluated(bound.model, bound.of, W, b, bound.name)
        if achieved.value - 2 * achieved.error > float(value) * (1 + 1e-9):
            found.append(f"its construction gives {achieved.value:.12g}, above {float(value):.12g}")
    return found


def _instances(bound: Bound, seed: int) -> list[NumericClaim]:
    """The bound itself where it is numeric, else at some values of its symbols within its conditions."""
    model = bound.model
    claim = lambda model, value: NumericClaim(model, bound.side, bound.of, value)  # noqa: E731
    symbols = set(bound.expr.free_symbols).union(model.free_symbols, *(c.free_symbols for c in bound.conditions))
    if bound.of == "sparse" and not isinstance(model.density, tuple):
        symbols -= model.density.free_symbols
    if not symbols:
        return [claim(model, bound.expr)]
    rng = np.random.default_rng(seed)
    found: dict[tuple[sympy.Expr, ...], NumericClaim] = {}
    ordered = sorted(symbols, key=str)
    for _ in range(_SAMPLES * 50):
        values = tuple(_choices(symbol, model)[rng.integers(len(_choices(symbol, model)))] for symbol in ordered)
        table = dict(zip(ordered, values, strict=True))
        try:
            numeric = model.subs(**{symbol.name: value for symbol, value in table.items()})
        except InputError:
            continue
        if all(condition.subs(table) != sympy.false for condition in bound.conditions):
            found[values] = claim(numeric, sympy.simplify(bound.expr.subs(table)))
        if len(found) == _SAMPLES:
            break
    return list(found.values())


def _choices(symbol: sympy.Symbol, model: ToyModel) -> list[sympy.Expr]:
    if symbol in model.n_hidden.free_symbols:
        return [sympy.Integer(k) for k in range(1, 5)]
    if symbol in model.n_features.free_symbols:
        return [sympy.Integer(k) for k in range(1, 9)]
    if not isinstance(model.density, tuple) and symbol in model.density.free_symbols:
        return [sympy.Rational(*pair) for pair in ((1, 1000), (1, 50), (1, 10), (1, 3), (4, 5))]
    if symbol.is_integer:
        return [sympy.Integer(k) for k in (1, 2, 3)]
    return [sympy.Rational(k, 2) for k in (1, 2, 3, 4)]
