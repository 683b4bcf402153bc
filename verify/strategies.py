"""Hypothesis strategies for symmetry tests: exact and float group elements, and inputs chosen to break things."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import sympy
from hypothesis import strategies as st

from theory import MatrixGroup, group
from theory.arguments import InputError, as_positive_count
from theory.symmetry.elements import MONOMIAL, ORTHOGONAL, SCALES, cayley, permutation_matrix, shear

__all__ = ["activation_inputs", "group_elements"]

# Signed zeros, subnormals, the ends of the range: where floating-point code goes wrong first.
_EXTREME = (0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1e-30, -1e-30, 1e-8, 20.0, -20.0, 700.0, -700.0, 1e30, -1e30)


def group_elements(which: MatrixGroup | str, n: int | None = None, exact: bool = True) -> st.SearchStrategy[Any]:
    """Elements of a named group, simplest first: rational sympy matrices, or float64 arrays.

    O(n) and SO(n) are covered by Cayley transforms times signs and permutations, GL(n) and Stab(1) by products of
    shears, scaled permutations by rational scales.

    Args:
        which: a group or its key.
        n: the dimension, needed with a key.
        exact: rational sympy matrices if True, else arrays of shape (n, n).

    Raises:
        InputError: unknown key, or a key without a dimension.
    """
    found = as_group(which, n)
    strategy = _exact_elements(found)
    if found.conjugator is not None:
        R = sympy.Matrix(found.conjugator)
        strategy = strategy.map(lambda A: R.inv() * A * R)
    return strategy if exact else strategy.map(lambda A: np.array(A.tolist(), dtype=float))


def activation_inputs(n: int, exact: bool = True, kinks: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Inputs x in R^n, simplest first: small rationals, or floats with signed zeros, subnormals and huge values.

    Args:
        n: the dimension.
        exact: lists of sympy Rationals if True, else float64 arrays of shape (n,).
        kinks: points worth trying, and their neighbourhoods.

    Raises:
        InputError: n < 1.
    """
    as_positive_count("n", n)
    if exact:
        whole = st.integers(-6, 6).map(sympy.Integer)
        fractions = st.builds(sympy.Rational, st.integers(-30, 30), st.integers(1, 10))
        near = [
            sympy.Rational(k) + e for k in kinks if sympy.sympify(k).is_Rational for e in (0, sympy.Rational(1, 100))
        ]
        entry = whole | fractions | (st.sampled_from(near) if near else st.nothing())
        return st.lists(entry, min_size=n, max_size=n)
    near_floats = [float(k) + e for k in kinks for e in (0.0, 1e-9, -1e-9)]
    entry = (
        st.floats(-6, 6, allow_nan=False)
        | st.sampled_from([*_EXTREME, *near_floats])
        | st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=True)
    )
    return st.lists(entry, min_size=n, max_size=n).map(np.array)


def as_group(which: MatrixGroup | str, n: int | None) -> MatrixGroup:
    """A group from a group or a key and a dimension."""
    if isinstance(which, MatrixGroup):
        if n is not None and n != which.n:
            raise InputError(f"n={n} differs from the dimension {which.n} of {which.name}")
        return which
    if not isinstance(which, str):
        raise InputError(f"group={which!r} must be a MatrixGroup or a key such as 'B'")
    if n is None:
        group(which, 1)  # an unknown key is the first thing to report
        raise InputError(f"group={which!r} needs a dimension: give n")
    return group(which, n)


def _exact_elements(found: MatrixGroup) -> st.SearchStrategy[sympy.Matrix]:
    n, key = found.n, found.key
    if type(found) is not MatrixGroup:
        return _derived_elements(found)
    if key == "trivial" or (key == "Stab1" and n == 1):
        return st.just(sympy.eye(n))
    permutations = st.permutations(range(n)).map(permutation_matrix)
    signs = st.lists(st.sampled_from([1, -1]), min_size=n, max_size=n).map(lambda s: sympy.diag(*s))
    scales = st.lists(st.sampled_from(SCALES), min_size=n, max_size=n).map(lambda s: sympy.diag(*s))
    if key in MONOMIAL:
        scaled = (scales,) if key in ("R+ wr S", "R* wr S") else ()
        return _products(permutations, *scaled, *((signs,) if key in ("B", "R* wr S") else ()))
    if key in ORTHOGONAL:
        rotations = _cayley_transforms(n)
        if key == "SO":
            return rotations
        orthogonal = _products(rotations, permutations, signs)
        return orthogonal if key == "O" else st.tuples(st.sampled_from(SCALES), orthogonal).map(lambda p: p[0] * p[1])
    if key == "S + 1v":
        shifts = st.lists(st.sampled_from([0, *SCALES]), min_size=n, max_size=n)
        return st.tuples(permutations, shifts).map(lambda p: p[0] + sympy.ones(n, 1) * sympy.Matrix([p[1]]))
    shears = [_shears(n, fixes_ones=key == "Stab1")] if n > 1 else []
    return _products(*shears, permutations) if key == "Stab1" else _products(*shears, permutations, scales, signs)


def _derived_elements(found: MatrixGroup) -> st.SearchStrategy[sympy.Matrix]:
    """Groups put together from blocks: short products of generators first, then random members (before conjugation)."""
    bare = replace(found, conjugator=None)
    generators = st.sampled_from([sympy.eye(found.n), *map(sympy.Matrix, bare.generators())])
    words = st.lists(generators, min_size=1, max_size=3).map(lambda drawn: reduce(lambda A, B: A * B, drawn))
    return words | st.integers(0, 2**16).map(lambda seed: sympy.Matrix(bare.exact_samples(1, seed)[0]))


def _products(*factors: st.SearchStrategy[sympy.Matrix]) -> st.SearchStrategy[sympy.Matrix]:
    return st.tuples(*factors).map(lambda drawn: reduce(lambda A, B: A * B, drawn))


def _cayley_transforms(n: int) -> st.SearchStrategy[sympy.Matrix]:
    count = n * (n - 1) // 2
    entry = st.builds(sympy.Rational, st.integers(-3, 3), st.integers(1, 3))
    return st.lists(entry, min_size=count, max_size=count).map(lambda entries: cayley(n, entries))


def _shears(n: int, fixes_ones: bool) -> st.SearchStrategy[sympy.Matrix]:
    pairs = st.permutations(range(n)).map(lambda p: (p[0], p[1], p[2] if n > 2 else p[0]))
    amounts = st.sampled_from([1, -1, 2, sympy.Rational(1, 2)])
    one = st.tuples(pairs, amounts).map(lambda d: shear(n, *d[0][:2], d[1], against=d[0][2] if fixes_ones else None))
    return st.lists(one, min_size=1, max_size=4).map(lambda drawn: reduce(lambda A, B: A * B, drawn))
