"""Exact elements, inclusion by table and by computation, and membership where rounding and scales are awkward."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import theory
from theory import GROUP_KEYS, InputError
from theory.symmetry.elements import permutation_part

Q = sympy.Rational


@pytest.mark.parametrize("key", GROUP_KEYS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_exact_samples_are_rational_members_and_reproducible(key: str, n: int) -> None:
    found = theory.group(key, n)
    samples = found.exact_samples(12, seed=3)
    assert samples == found.exact_samples(12, seed=3)
    for A in samples:
        assert all(value.is_Rational for value in A)
        assert found.contains(sympy.Matrix(A))
        assert found.contains(np.array(A.tolist(), dtype=float))
    if found.order != 1:
        assert len(set(samples)) > 1
    with pytest.raises(InputError, match="count=0"):
        found.exact_samples(0)


@pytest.mark.parametrize("n", [2, 3])
def test_the_table_of_inclusions_against_lie_algebras_and_generators(n: int) -> None:
    for first in GROUP_KEYS:
        for second in GROUP_KEYS:
            a, b = theory.group(first, n), theory.group(second, n)
            assert a.is_subgroup(b) == a.generates_inside(b), (first, second)
            held = all(b.contains(sympy.Matrix(A)) for A in a.exact_samples(25))
            assert a.is_subgroup(b) == held, (first, second)


def test_inclusion_does_not_slow_down_with_the_dimension() -> None:
    assert theory.group("O", 60).is_subgroup(theory.group("GL", 60))
    assert not theory.group("O", 60).is_subgroup(theory.group("B", 60))


def test_permutations_up_to_shifts() -> None:
    found = theory.group("S + 1v", 3)
    P = sympy.Matrix([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    A = P + sympy.ones(3, 1) * sympy.Matrix([[Q(1, 2), -3, 1]])
    assert found.contains(A)
    assert permutation_part(A) == P
    assert not found.contains(P + sympy.ones(3, 1) * sympy.Matrix([[-1, 0, 0]]))  # 1 + sum of v = 0: singular
    assert not found.contains(2 * sympy.eye(3))
    assert not found.contains([[1, 0, 0], [0, 1, 0], [0, 1, 1]])
    assert (found.dimension, found.order) == (3, sympy.oo)


def test_membership_in_floats_is_safe() -> None:
    assert theory.group("R+ wr S", 2).contains(np.diag([1e-12, 1.0]))
    assert not theory.group("R+ wr S", 2).contains(np.diag([-1e-12, 1.0]))
    assert not theory.group("R+ wr S", 2).contains(np.array([[1.0, 1e-3], [0.0, 1.0]]))
    assert not theory.group("CO", 2).contains(np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert not theory.group("CO", 2).contains(np.zeros((2, 2)))
    assert not theory.group("S + 1v", 2).contains(np.array([[1.0, 0.0], [0.0, 0.5]]))


@pytest.mark.parametrize("key", GROUP_KEYS)
def test_conjugated_samples_follow(key: str) -> None:
    R = [[1, 1], [0, 2]]
    moved = theory.group(key, 2).conjugate(R)
    assert all(moved.contains(A) for A in moved.exact_samples(4))
    assert moved.is_subgroup(theory.group("GL", 2))
