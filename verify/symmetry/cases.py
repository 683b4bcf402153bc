"""Symmetry cases for somebody else's Hypothesis or pytest suite: each holds one (A, x) and checks it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy
from hypothesis import strategies as st

from theory import Activation, Layer, MatrixGroup
from theory.layers import as_map
from verify.strategies import activation_inputs
from verify.symmetry.black_box import counterexample_at
from verify.symmetry.check import is_black_box
from verify.symmetry.claims import as_claim
from verify.symmetry.counterexample import EquivarianceCounterexample, exact_difference
from verify.symmetry.float_map import FloatMap
from verify.symmetry.search import kinks_of

__all__ = ["EquivarianceCase", "equivariance_cases"]


@dataclass(frozen=True)
class EquivarianceCase:
    """One group element and one input for a map f.

    Attributes:
        A: shape (n, n): an exact matrix for a symbolic map, floats for a black box.
        x: the input, shape (n,).
    """

    A: Any
    x: Any
    _f: Activation | Layer | FloatMap = field(repr=False)

    @property
    def counterexample(self) -> EquivarianceCounterexample | None:
        """What refutes f(Ax) = A f(x) here: exact for a symbolic map, beyond rounding for a black box; else None."""
        if isinstance(self._f, FloatMap):
            return counterexample_at(self._f, self.A, self.x)
        return exact_difference(self._f, sympy.Matrix(self.A), list(self.x))

    def check(self) -> None:
        """Raise AssertionError with A, x and both sides unless f(Ax) = A f(x) here."""
        __tracebackhide__ = True
        found = self.counterexample
        if found is not None:
            raise AssertionError(f"{self._f.name} does not commute with A\n{found}")


def equivariance_cases(
    f: Any, group: MatrixGroup | str | Any, n: int | None = None, dtype: str = "float64"
) -> st.SearchStrategy[EquivarianceCase]:
    """Cases of the claim f(Ax) = A f(x) for `hypothesis.given`; Hypothesis shrinks a failing one.

    A symbolic map is judged exactly, a callable or torch module in floats up to rounding.

    Args:
        f: as for `verify.check_equivariance`.
        group: a `MatrixGroup`, a key together with n, or matrices.
        n: the dimension.
        dtype: the precision in which a black box is run.

    Raises:
        InputError: as for `verify.check_equivariance`.
    """
    claim = as_claim(group, n)
    if is_black_box(f):
        run = FloatMap(f, claim.n, dtype)
        floats = st.tuples(claim.elements(exact=False), activation_inputs(claim.n, exact=False, dtype=dtype))
        return floats.map(lambda pair: EquivarianceCase(np.asarray(pair[0]), pair[1], run))
    known = as_map(f)
    exact = st.tuples(claim.elements(), activation_inputs(claim.n, kinks=kinks_of(known)))
    return exact.map(lambda pair: EquivarianceCase(sympy.ImmutableMatrix(pair[0]), tuple(pair[1]), known))
