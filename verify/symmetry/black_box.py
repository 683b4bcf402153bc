"""Callables and torch modules: evidence in floats, and proof where they come with a symbolic form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import sympy
from hypothesis import strategies as st

from theory import Activation, InputError, Layer
from verify.strategies import activation_inputs
from verify.symmetry.claims import Claim
from verify.symmetry.counterexample import EquivarianceCounterexample, exact_difference
from verify.symmetry.exact import check_symbolic
from verify.symmetry.float_map import FloatMap
from verify.symmetry.rounding import ROUNDINGS, change_within, compare
from verify.symmetry.search import float_form, hypothesis_find, kinks_of, rows_to_try, suspects
from verify.verdicts import Verdict

__all__ = ["check_black_box", "check_pair", "counterexample_at"]

_ROWS, _ELEMENTS = 512, 16


def check_black_box(f: FloatMap, claim: Claim, examples: int, seed: int) -> Verdict:
    """The verdict on a claim about a map that can only be evaluated: float evidence either way."""
    statement = f"{f.name} on R^{claim.n} commutes with {claim.name}"
    if not f.is_deterministic:
        why = "two calls with the same input differ: not a fixed map R^n -> R^n"
        return Verdict(statement, "undecided", why, seed=seed)
    found, tried = _searched(f, claim, examples, seed)
    evidence = {"tried": tried, "dtype": f.dtype, "precision": f.precision}
    if found is None:
        why = f"no counterexample among {tried} tries in {f.precision}; a black box is never proved"
        return Verdict(statement, "supported", why, evidence=evidence, seed=seed)
    why = f"seen in {f.precision}, beyond rounding; evidence, not a proof"
    return Verdict(statement, "refuted", why, found, evidence=evidence, seed=seed)


def check_pair(
    f: FloatMap, form: Activation | Layer, claim: Claim, examples: int, seed: int, is_given: bool
) -> Verdict:
    """The verdict on a claim about an implementation together with its formula.

    The formula is proved or refuted exactly; the implementation is held against the formula and, by itself, against the
    claim. An implementation that differs from its formula is judged as a black box.

    Args:
        f: the implementation.
        form: the formula.
        claim: the group or the matrices.
        examples: how many tries of each kind.
        seed: of the searches.
        is_given: whether the caller named the formula, so that a mismatch is the caller's mistake.

    Raises:
        InputError: f commutes in floats but is not the formula that the caller named.
    """
    if not f.is_deterministic or form.parameters:
        return check_black_box(f, claim, examples, seed)
    differs = _first_disagreement(f, form, claim.n, seed)
    if differs is not None:
        seen = check_black_box(f, claim, examples, seed)
        x, value, expected = differs
        words = f"f({x}) = {value}, but {form.name} gives {expected}"
        if seen.status == "refuted" or not is_given:
            return replace(seen, reason=f"{seen.reason}. It is not its formula {form.name}: {words}")
        raise InputError(f"symbolic={form.name!r} is not what f computes: {words}")
    label = f"{f.name}, by its formula {form.name},"
    verdict = check_symbolic(form, claim, examples, seed, f.dtype, label)
    evidence = {**verdict.evidence, "dtype": f.dtype, "precision": f.precision}
    agrees = f"The implementation agrees with {form.name} to rounding in {f.precision} on {_ROWS} inputs"
    verdict = replace(verdict, reason=f"{verdict.reason}. {agrees}", evidence=evidence)
    if verdict.status == "refuted":
        return verdict
    seen = check_black_box(f, claim, examples, seed)
    if seen.status != "refuted":
        return verdict
    found = seen.counterexample
    proof = exact_difference(form, _exact_matrix(found.A), [sympy.Rational(v) for v in found.x])
    if proof is None or verdict.status == "proved":
        return replace(seen, reason=f"{seen.reason}. Its formula {form.name} gives no proved difference there")
    why = "seen in floats, and proved of the formula at their exact values"
    return replace(verdict, status="refuted", reason=why, counterexample=proof, is_exact=True)


def _searched(f: FloatMap, claim: Claim, examples: int, seed: int) -> tuple[EquivarianceCounterexample | None, int]:
    """Many inputs for a few elements at once, then Hypothesis, which also shrinks."""
    first = None
    elements = [np.array(A.tolist(), dtype=float) for A in claim.exact_samples(_ELEMENTS, seed)]
    for A in elements:
        rows = rows_to_try(claim.n, _ROWS if f.takes_rows else 32, seed, (), f.dtype)
        row = next(suspects(f, A, rows, f.precision), None)
        if row is not None:
            first = counterexample_at(f, A, rows[row])
            break
    tried = len(elements) * (_ROWS if f.takes_rows else 32) + examples
    pairs = st.tuples(claim.elements(exact=False), activation_inputs(claim.n, exact=False, dtype=f.dtype))
    pair = hypothesis_find(pairs, lambda p: counterexample_at(f, *p) is not None, examples, seed)
    return (first if pair is None else counterexample_at(f, *pair)), tried


def counterexample_at(f: FloatMap, A: np.ndarray, x: np.ndarray) -> EquivarianceCounterexample | None:
    """What refutes f(Ax) = A f(x) at one pair, beyond rounding; None where rounding explains the difference."""
    pairs = compare(f, A, np.asarray(x, dtype=f.dtype)[None], f.precision)
    if not pairs.suspects.any():
        return None
    i = int(np.argmax(pairs.excess[0]))
    sides = float(pairs.left[0, i]), float(pairs.right[0, i])
    point = tuple(float(v) for v in x)
    return EquivarianceCounterexample(A, point, i, *sides, is_exact=False, allowed=float(pairs.allowed[0, i]))


def _first_disagreement(
    f: FloatMap, form: Activation | Layer, n: int, seed: int
) -> tuple[list[float], list[float], list[float]] | None:
    """(x, f(x), formula at x) where an implementation and its formula differ beyond rounding."""
    formula = float_form(form, n)
    if formula is None:
        return None
    rows = rows_to_try(n, _ROWS, seed, kinks_of(form), f.dtype)
    value, expected = f(rows), formula(rows.astype(np.float64))
    u = float(np.finfo(f.precision).eps) / 2
    c = 2 * (ROUNDINGS + 2 * n) * u
    size = np.abs(rows.astype(float)).max(axis=1, keepdims=True)
    moved = change_within(formula, rows.astype(np.float64), expected, c * size)
    with np.errstate(all="ignore"):
        # Numbers of size one inside, such as exp(x) - 1, leave an error of their own size.
        allowed = c * (1 + np.abs(expected) + size) + 2 * moved
        wrong = np.isfinite(value) & np.isfinite(expected) & (np.abs(value - expected) > allowed)
    if not wrong.any():
        return None
    row = int(np.argmax(wrong.any(axis=1)))
    return rows[row].tolist(), value[row].tolist(), expected[row].tolist()


def _exact_matrix(A: Any) -> sympy.Matrix:
    return sympy.Matrix([[sympy.Rational(float(v)) for v in row] for row in np.asarray(A).tolist()])
