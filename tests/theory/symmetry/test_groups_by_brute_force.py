"""Membership, inclusion, intersection, privileged directions and sampling, against lists of matrices at n <= 3."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import permutations, product

import numpy as np
import pytest
import sympy

import theory
from theory import GROUP_KEYS, MatrixGroup, group

Q = sympy.Rational


def signed_permutations(n: int) -> Iterator[sympy.Matrix]:
    for o in permutations(range(n)):
        for s in product((1, -1), repeat=n):
            yield sympy.Matrix(n, n, lambda i, j, o=o, s=s: s[j] if o[j] == i else 0)


@cache
def pool(n: int) -> tuple[sympy.ImmutableMatrix, ...]:
    """Signed permutations, reflections of 1, samples and generators of every group, and near misses; all distinct."""
    one, J = sympy.eye(n), sympy.ones(n)
    found = [*signed_permutations(n), *(P * (one - 2 * J / n) for P in signed_permutations(n) if min(P) >= 0)]
    for key in GROUP_KEYS:
        found += [*group(key, n).exact_samples(3, seed=1), *group(key, n).generators()]
    if n > 1:
        found += group("O", n).intersection(group("Stab1", n)).exact_samples(4, seed=2)
    found += [2 * one, -2 * one, one / 2, one + J / 10**12, one + J / 10**40]
    return tuple(dict.fromkeys(A for A in map(sympy.ImmutableMatrix, found) if A.det() != 0))


@cache
def members(key: str, n: int) -> frozenset[int]:
    return frozenset(i for i, A in enumerate(pool(n)) if group(key, n).contains(sympy.Matrix(A)))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("first", GROUP_KEYS)
def test_intersections_and_inclusions(first: str, n: int) -> None:
    for second in GROUP_KEYS:
        a, b = group(first, n), group(second, n)
        both = a.intersection(b)
        held = {i for i, A in enumerate(pool(n)) if both.contains(sympy.Matrix(A))}
        assert held == members(first, n) & members(second, n), (second, both.name)
        assert both.is_subgroup(a)
        assert both.is_subgroup(b)
        assert a.is_subgroup(b) == (members(first, n) <= members(second, n)), second
        if both.dimension == 0:
            # Every finite intersection is contained in the pool.
            assert both.order == len(held), (second, both.name)


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [("O", "R+ wr S", "S"), ("CO", "B", "B"), ("O", "R* wr S", "B"), ("Stab1", "B", "S"), ("S + 1v", "R* wr S", "S"),
     ("SO", "GL", "SO"), ("R+ wr S", "B", "S"), ("S + 1v", "Stab1", None), ("O", "Stab1", None)],
)  # fmt: skip
def test_named_intersections(first: str, second: str, named: str | None) -> None:
    found = group(first, 3).intersection(group(second, 3))
    if named is not None:
        assert found == group(named, 3)
    elif first == "O":
        assert (found.dimension, found.order) == (1, sympy.oo)
    R = sympy.Matrix([[1, 2, 0], [0, 1, 0], [1, 0, 1]])
    moved = group(first, 3).conjugate(R).intersection(group(second, 3).conjugate(R))
    for A in map(sympy.Matrix, pool(3)[:70]):
        assert moved.contains(R.inv() * A * R) == found.contains(A)


# Two entries of a row: whichever a scaled permutation fills, the other is too many.
OFF = sympy.Matrix([[0, 1, 1], [0, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("key", [key for key in GROUP_KEYS if key != "GL"])
def test_what_is_almost_a_member_is_none(key: str) -> None:
    """1e-12 off in floats, 1e-40 off in exact numbers; rounding is forgiven only to floats, a tolerance on demand."""
    found = group(key, 3)
    for A in (*found.exact_samples(4, seed=3), sympy.eye(3)):
        exact = sympy.Matrix(A)
        assert found.contains(exact)
        assert not found.contains(exact + OFF * Q(1, 10**40))
        floats = np.array(exact.tolist(), dtype=float)
        size = float(np.abs(floats).max())
        assert found.contains(floats)
        assert found.contains(floats * (1 + 2e-16))
        off = floats + np.array(OFF.tolist(), dtype=float) * 3e-12 * size
        assert not found.contains(off)
        assert found.contains(off, tolerance=1e-9)
    R = [[1, 2, 0], [0, 1, 0], [1, 0, 1]]
    moved, rng = found.conjugate(R), np.random.default_rng(0)
    assert all(moved.contains(moved.sample(rng)) for _ in range(20))


def test_entries_that_only_simplification_settles() -> None:
    one = sympy.cos(1) ** 2 + sympy.sin(1) ** 2
    zero = sympy.sqrt(5 + 2 * sympy.sqrt(6)) - sympy.sqrt(2) - sympy.sqrt(3)
    assert group("S", 2).contains(sympy.Matrix([[0, one], [1, zero]]))
    assert group("R+ wr S", 2).contains(sympy.Matrix([[zero, sympy.pi], [sympy.sqrt(2), 0]]))
    assert not group("S", 2).contains(sympy.Matrix([[0, one + Q(1, 10**30)], [1, 0]]))
    c, s = sympy.cos(1), sympy.sin(1)
    assert group("SO", 2).contains(sympy.Matrix([[c, -s], [s, c]]))


@pytest.mark.parametrize("key", ["S", "B"])
@pytest.mark.parametrize("n", [2, 3])
def test_privileged_directions_and_planes_of_finite_groups(key: str, n: int) -> None:
    """The fixed spaces of the stabilisers of all small vectors, by linear algebra."""
    elements = [A for A in signed_permutations(n) if key == "B" or min(A) >= 0]
    spaces = {
        _fixed([A for A in elements if A * x == x], n)
        for x in map(sympy.Matrix, product(range(-2, 3), repeat=n))
        if any(x)
    }
    lines = {space for space in spaces if space.rank() == 1}
    rays = sum(orbit.size for orbit in group(key, n).privileged_directions())
    assert rays == 2 * len(lines)
    for orbit in group(key, n).privileged_directions():
        assert sympy.ImmutableMatrix(sympy.Matrix([orbit.representative]).rref()[0]) in lines
    planes = {space for space in spaces if space.rank() == 2}
    assert sum(plane.size for plane in group(key, n).privileged_planes()) == len(planes)


def _fixed(stabiliser: list[sympy.Matrix], n: int) -> sympy.ImmutableMatrix:
    """An echelon basis, in rows, of what a list of matrices fixes."""
    null = sympy.Matrix.vstack(*(A - sympy.eye(n) for A in stabiliser)).nullspace()
    return sympy.ImmutableMatrix(sympy.Matrix([list(v) for v in null]).rref()[0])


@pytest.mark.parametrize("key", ["S", "B", "O", "SO"])
@pytest.mark.parametrize("n", [2, 3])
def test_samples_of_compact_groups_are_uniform(key: str, n: int) -> None:
    """Moments under Haar measure: tr A, (tr A)^2, and invariance under a fixed element; standard errors below 0.02."""
    found, rng = group(key, n), np.random.default_rng(5)
    samples = np.stack([found.sample(rng) for _ in range(12_000)])
    traces = np.trace(samples, axis1=1, axis2=2)
    # (mean trace, mean squared trace): fixed vectors, and invariants in the square of the representation.
    expected = {"S": (1, 2), "B": (0, 1), "O": (0, 1), "SO": (0, 2 if n == 2 else 1)}[key]
    assert (traces.mean(), (traces**2).mean()) == pytest.approx(expected, abs=0.08)
    g = np.array(found.generators()[-1].tolist(), dtype=float)
    for moment in (lambda A: A[:, 0, 0] ** 4, lambda A: A[:, 0, 1] * A[:, 1, 0], lambda A: A[:, 0, 0] * A[:, 1, 1]):
        assert moment(samples @ g).mean() == pytest.approx(moment(samples).mean(), abs=0.05)


def test_a_wrong_group_would_be_seen() -> None:
    """Negative control of the first test: S_3 passed off as B_3."""

    class Wrong(MatrixGroup):
        def _holds_exactly(self, A: sympy.Matrix) -> bool:
            return theory.group("S", self.n).contains(A)

    wrong = Wrong("B", 3)
    held = {i for i, A in enumerate(pool(3)) if wrong.contains(sympy.Matrix(A))}
    assert held != members("B", 3)
