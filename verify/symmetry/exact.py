"""Maps with a symbolic form: proved from the theory, or refuted by exact numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import sympy
from hypothesis import strategies as st

from theory import Activation, Layer, MatrixGroup, equivariance_group
from verify.strategies import activation_inputs
from verify.symmetry.claims import Claim
from verify.symmetry.counterexample import EquivarianceCounterexample, exact_difference
from verify.symmetry.rounding import Evaluate, compare
from verify.symmetry.search import float_form, hypothesis_find, kinks_of, rows_to_try, simplified, suspects
from verify.verdicts import Verdict

__all__ = ["check_symbolic"]

_ROWS, _ELEMENTS, _JUDGED = 256, 16, 24


def check_symbolic(
    activation: Activation | Layer, claim: Claim, examples: int, seed: int, dtype: str = "float64", label: str = ""
) -> Verdict:
    """The verdict on a claim about a map with a symbolic form: see `verify.check_equivariance`.

    Args:
        activation: the map.
        claim: the group or the matrices.
        examples: how many exact pairs Hypothesis tries.
        seed: of the searches.
        dtype: precision of the float filter.
        label: what statements call the map; by default its name.
    """
    statement = f"{label or activation.name} on R^{claim.n} commutes with {claim.name}"
    derived = equivariance_group(activation, claim.n)
    if claim.lies_in(derived):
        which = "exactly" if derived.status == "proved" and claim.equals(derived) else "at least"
        why = f"its equivariance group is {which} {derived.name}. " + ". ".join(derived.proof)
        return Verdict(statement, "proved", why, seed=seed)
    if activation.parameters:
        names = ", ".join(sorted(map(str, activation.parameters)))
        why = f"free parameters {names}: substitute numbers to search for a counterexample"
        return Verdict(statement, "undecided", why, seed=seed)
    search = _Search(activation, claim, derived, seed, dtype)
    found = search.readable() or search.filtered() or search.shrunk(examples)
    tried = search.tried
    if found is not None:
        why = f"its equivariance group is {derived.name}" if derived.status == "proved" else "by the counterexample"
        return Verdict(statement, "refuted", why, found, is_exact=True, evidence={"tried": tried}, seed=seed)
    if claim.is_float:
        why = (
            f"no difference beyond rounding among {tried} tries. As exact numbers the given floats are not in "
            f"{derived.name}: a proof needs exact matrices (fractions)"
        )
        return Verdict(statement, "supported", why, evidence={"tried": tried}, seed=seed)
    if derived.status == "proved":
        why = f"its equivariance group is exactly {derived.name}; no exact counterexample was found for display"
        return Verdict(statement, "refuted", why, is_exact=True, evidence={"tried": tried}, seed=seed)
    why = f"no counterexample among {tried} tries; {derived.proof[-1]}"
    return Verdict(statement, "supported", why, evidence={"tried": tried}, seed=seed)


class _Search:
    """Three searches for exact A and x, from the most readable to the most thorough.

    Attributes:
        tried: how many pairs were looked at.
    """

    def __init__(self, activation: Activation | Layer, claim: Claim, derived: MatrixGroup, seed: int, dtype: str):
        self.activation, self.claim, self.derived = activation, claim, derived
        self.seed, self.dtype = seed, dtype
        self.kinks = kinks_of(activation)
        self.tried = 0

    @cached_property
    def floats(self) -> Evaluate | None:
        """The map on rows of floats, compiled where it is first needed."""
        return float_form(self.activation, self.claim.n)

    def readable(self) -> EquivarianceCounterexample | None:
        """Generators that are not known to commute, inputs with few small entries."""
        for A, x in self._readable_pairs():
            self.tried += 1
            # Exact numbers need no filter; floats may be meant up to rounding.
            if not self.claim.is_float or self._is_suspect(A, [float(v) for v in x]):
                found = exact_difference(self.activation, A, x)
                if found is not None:
                    return found
        return None

    def filtered(self) -> EquivarianceCounterexample | None:
        """Many inputs in floats; the suspects are judged at their exact rational values."""
        if self.floats is None:
            return None
        rows = rows_to_try(self.claim.n, _ROWS, self.seed, self.kinks, self.dtype)
        judged = 0
        for A in self.claim.exact_samples(_ELEMENTS, self.seed):
            if self.derived.contains(A):
                continue
            self.tried += _ROWS
            for row in suspects(self.floats, _as_floats(A), rows, self.dtype):
                found = self._judged(A, rows[row].tolist())
                if found is not None:
                    x = simplified(rows[row].tolist(), lambda y, A=A: self._refutes(A, y))  # type: ignore[misc]
                    return self._judged(A, x)
                judged += 1
                if judged >= _JUDGED:
                    return None
        return None

    def shrunk(self, examples: int) -> EquivarianceCounterexample | None:
        """Hypothesis draws exact pairs, and shrinks one that differs."""
        self.tried += examples
        pairs = st.tuples(self.claim.elements(), activation_inputs(self.claim.n, kinks=self.kinks))

        def differs(pair: tuple[sympy.Matrix, list[sympy.Expr]]) -> bool:
            A, x = pair
            if self.claim.is_float and not self._is_suspect(A, [float(v) for v in x]):
                return False
            return exact_difference(self.activation, A, x) is not None

        pair = hypothesis_find(pairs, differs, examples, self.seed)
        return None if pair is None else exact_difference(self.activation, *pair)

    def _judged(self, A: sympy.Matrix, x: list[float]) -> EquivarianceCounterexample | None:
        return exact_difference(self.activation, A, [sympy.Rational(v) for v in x])

    def _refutes(self, A: sympy.Matrix, x: list[float]) -> bool:
        # For floats the difference has to stay one that rounding does not explain.
        return (not self.claim.is_float or self._is_suspect(A, x)) and self._judged(A, x) is not None

    def _is_suspect(self, A: sympy.Matrix, x: list[float]) -> bool:
        return self.floats is not None and is_suspect(self.floats, _as_floats(A), x, self.dtype)

    def _readable_pairs(self) -> Iterator[tuple[sympy.Matrix, list[sympy.Expr]]]:
        n = self.claim.n
        patterns = [*product((0, 1, -1, 2), repeat=min(n, 2)), (3, 4), (4, 3), (10, 0), (1000, 0)]
        inputs = [[sympy.Integer(v) for v in (*pattern, *[0] * n)][:n] for pattern in patterns if any(pattern)]
        inputs += [[sympy.Rational(v) for v in ("1/2", "-1/3", *["2"] * n)][:n], [sympy.Rational(1, 10)] * n]
        # Beside the kinks, where a map may leave the formula it has near 0.
        beside = [kink + side for kink in self.kinks if kink.is_Rational for side in (1, -1)]
        inputs += [[sign * value, *[sympy.Integer(0)] * (n - 1)] for value in beside for sign in (1, -1)]
        for A in self.claim.generators():
            if not self.derived.contains(A):
                for x in inputs:
                    yield A, x


def is_suspect(evaluate: Evaluate, A: np.ndarray, x: Any, dtype: str) -> bool:
    """Whether f(Ax) and A f(x) differ at one x beyond what rounding explains."""
    return bool(compare(evaluate, A, np.array([x], dtype=dtype), dtype).suspects.any())


def _as_floats(A: sympy.Matrix) -> np.ndarray:
    return np.array(A.tolist(), dtype=float)
