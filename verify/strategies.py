"""Hypothesis strategies for symmetry tests: exact and float group elements, and inputs chosen to break things."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from hypothesis import strategies as st

from theory import MatrixGroup, group
from theory.arguments import InputError, one_of

__all__ = ["activation_inputs", "group_elements"]

_SIZES = (Fraction(1, 3), Fraction(1, 2), Fraction(2), Fraction(3), Fraction(3, 2), Fraction(1, 10), Fraction(10))
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
    if n < 1:
        raise InputError(f"n={n} must be at least 1")
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
    one_of("group", key, ["trivial", "S", "B", "R+ wr S", "R* wr S", "O", "SO", "CO", "Stab1", "GL"])
    if key == "trivial":
        return st.just(sympy.eye(n))
    permutations = st.permutations(range(n)).map(lambda p: sympy.Matrix(n, n, lambda i, j: int(p[i] == j)))
    signs = st.lists(st.sampled_from([1, -1]), min_size=n, max_size=n).map(lambda s: sympy.diag(*s))
    sizes = st.sampled_from([sympy.Rational(s.numerator, s.denominator) for s in (Fraction(1), *_SIZES)])
    scales = st.lists(sizes, min_size=n, max_size=n).map(lambda s: sympy.diag(*s))
    product = lambda *parts: st.tuples(*parts).map(lambda found: _product(found))  # noqa: E731
    if key == "S":
        return permutations
    if key == "B":
        return product(permutations, signs)
    if key == "R+ wr S":
        return product(permutations, scales)
    if key == "R* wr S":
        return product(permutations, scales, signs)
    if key in ("O", "SO", "CO"):
        rotations = _cayley(n)
        if key == "SO":
            return rotations
        orthogonal = product(rotations, permutations, signs)
        return orthogonal if key == "O" else st.tuples(sizes, orthogonal).map(lambda pair: pair[0] * pair[1])
    if n == 1:
        return st.just(sympy.eye(1)) if key == "Stab1" else product(scales, signs)
    shears = st.lists(_shear(n, fixes_ones=key == "Stab1"), min_size=1, max_size=4).map(_product)
    return product(shears, permutations) if key == "Stab1" else product(shears, permutations, scales, signs)


def _product(matrices: Any) -> sympy.Matrix:
    result = matrices[0]
    for matrix in matrices[1:]:
        result = result * matrix
    return result


def _cayley(n: int) -> st.SearchStrategy[sympy.Matrix]:
    """(I - K)(I + K)^-1 for a small rational skew K: dense in SO(n), exact."""
    count = n * (n - 1) // 2
    entries = st.lists(st.builds(sympy.Rational, st.integers(-3, 3), st.integers(1, 3)), min_size=count, max_size=count)

    def build(values: list[sympy.Rational]) -> sympy.Matrix:
        K, values = sympy.zeros(n), list(values)
        for i in range(n):
            for j in range(i + 1, n):
                K[i, j] = values.pop()
                K[j, i] = -K[i, j]
        return (sympy.eye(n) - K) * (sympy.eye(n) + K).inv()

    return entries.map(build)


def _shear(n: int, fixes_ones: bool) -> st.SearchStrategy[sympy.Matrix]:
    pairs = st.permutations(range(n)).map(lambda p: (p[0], p[1], p[2] if n > 2 else p[0]))
    amounts = st.sampled_from([1, -1, 2, sympy.Rational(1, 2)])

    def build(drawn: tuple[tuple[int, int, int], Any]) -> sympy.Matrix:
        (i, j, k), amount = drawn
        A = sympy.eye(n)
        A[i, j] += amount
        if fixes_ones:
            A[i, k] -= amount
        return A if A.det() != 0 else sympy.eye(n)

    return st.tuples(pairs, amounts).map(build)
