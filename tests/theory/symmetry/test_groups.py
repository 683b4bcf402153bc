"""Named matrix groups: orders, dimensions, membership and inclusion, by brute force and by theory."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import theory
from theory import GROUP_KEYS, InputError
from verify.strategies import group_elements

Q = sympy.Rational
FINITE = ["trivial", "S", "B"]


@pytest.mark.parametrize("key", FINITE)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_generators_of_a_finite_group_generate_it(key: str, n: int) -> None:
    found = theory.group(key, n)
    generators = [tuple(A) for A in found.generators()]
    reached = {tuple(sympy.eye(n))}
    frontier = set(reached)
    while frontier:
        frontier = {
            tuple(sympy.Matrix(n, n, a) * sympy.Matrix(n, n, g)) for a in frontier for g in generators
        } - reached
        reached |= frontier
    assert len(reached) == found.order
    assert all(found.contains(sympy.Matrix(n, n, a)) for a in reached)


def test_membership_against_enumeration() -> None:
    """All 48 signed permutation matrices at n = 3, and matrices that are none."""
    for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        A = sympy.Matrix(3, 3, lambda i, j, o=order, s=signs: s[j] if o[j] == i else 0)
        assert theory.group("B", 3).contains(A)
        assert theory.group("S", 3).contains(A) == (signs == (1, 1, 1))
        assert theory.group("SO", 3).contains(A) == (A.det() == 1)
        assert theory.group("O", 3).contains(A)
        assert theory.group("R+ wr S", 3).contains(A) == (signs == (1, 1, 1))
    assert not theory.group("B", 2).contains([[1, 1], [0, 1]])
    assert not theory.group("O", 2).contains([[Q(3, 5), Q(4, 5)], [Q(4, 5), Q(3, 5)]])
    assert theory.group("O", 2).contains([[Q(3, 5), Q(4, 5)], [Q(-4, 5), Q(3, 5)]])
    assert theory.group("CO", 2).contains([[3, 4], [-4, 3]])
    assert not theory.group("GL", 2).contains([[1, 2], [2, 4]])
    assert theory.group("Stab1", 2).contains([[Q(1, 3), Q(2, 3)], [2, -1]])


@pytest.mark.parametrize("key", GROUP_KEYS)
@pytest.mark.parametrize("n", [1, 2, 4])
def test_samples_and_generators_are_members(key: str, n: int) -> None:
    found = theory.group(key, n)
    rng = np.random.default_rng(0)
    assert all(found.contains(found.sample(rng)) for _ in range(25))
    assert all(found.contains(A) for A in found.generators())


@pytest.mark.parametrize("key", GROUP_KEYS)
@given(data=st.data())
def test_strategy_elements_are_exact_members(key: str, data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 3))
    assert theory.group(key, n).contains(data.draw(group_elements(key, n)))


@pytest.mark.parametrize("key", GROUP_KEYS)
@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_lie_algebra_exponentiates_into_the_group(key: str, n: int) -> None:
    found = theory.group(key, n)
    algebra = found.lie_algebra()
    assert len(algebra) == found.dimension
    from scipy.linalg import expm

    if algebra:
        assert sympy.Matrix([list(X) for X in algebra]).rank() == found.dimension
        rng = np.random.default_rng(1)
        X = sum(
            c * np.array(Y.tolist(), dtype=float)
            for c, Y in zip(rng.standard_normal(len(algebra)), algebra, strict=True)
        )
        assert found.contains(expm(0.3 * X))
    else:
        assert found.order.is_finite


def test_inclusions() -> None:
    chain = {"S": ["B", "R+ wr S", "O", "Stab1", "GL", "CO", "R* wr S"], "B": ["O", "R* wr S", "GL"], "SO": ["O", "CO"]}
    for small, larger in chain.items():
        for large in larger:
            assert theory.group(small, 3).is_subgroup(theory.group(large, 3))
            assert not theory.group(large, 3).is_subgroup(theory.group(small, 3))
    assert not theory.group("O", 3).is_subgroup(theory.group("R* wr S", 3))
    assert theory.group("O", 1) == theory.group("B", 1)
    assert theory.group("S", 2) != theory.group("S", 3)


def test_conjugation_moves_members_and_directions() -> None:
    R = sympy.Matrix([[Q(3, 5), Q(-4, 5)], [Q(4, 5), Q(3, 5)]])
    base, moved = theory.group("B", 2), theory.group("B", 2).conjugate(R)
    for A in base.generators():
        assert moved.contains(R.inv() * A * R)
    assert not moved.contains(sympy.diag(-1, 1))
    assert moved.is_subgroup(theory.group("O", 2))
    assert moved.conjugate(R.inv()) == base
    assert theory.group("O", 2).conjugate(R) == theory.group("O", 2)
    first = sympy.Matrix(moved.privileged_directions()[0].representative)
    assert R * first == sympy.Matrix([1, 0])
    rng = np.random.default_rng(0)
    assert moved.contains(moved.sample(rng))
    with pytest.raises(InputError, match="singular"):
        base.conjugate([[1, 1], [1, 1]])
    with pytest.raises(InputError, match="exact"):
        base.conjugate(np.eye(2))


@pytest.mark.parametrize("key", ["S", "B", "R+ wr S", "R* wr S", "O", "GL"])
def test_privileged_directions_have_finite_orbits_of_the_stated_size(key: str) -> None:
    """Orbits of rays by brute force: apply random elements and count distinct rays."""
    found = theory.group(key, 3)
    rng = np.random.default_rng(2)
    elements = [found.sample(rng) for _ in range(400)]
    for orbit in found.privileged_directions():
        vector = np.array([float(v) for v in orbit.representative])
        rays = {tuple(np.round(A @ vector / np.linalg.norm(A @ vector), 6) + 0.0) for A in elements}
        assert len(rays) == orbit.size
    sizes = sum(orbit.size for orbit in found.privileged_directions())
    assert sizes == {"S": 2, "B": 26, "R+ wr S": 6, "R* wr S": 6, "O": 0, "GL": 0}[key]


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: theory.group("Q", 3), "'Q'"),
        (lambda: theory.group("signed", 3), "group="),
        (lambda: theory.group("B", 0), "n=0"),
        (lambda: theory.group("B", 2.5), "n=2.5"),
        (lambda: theory.group("B", sympy.Symbol("n")), "must be a number"),
        (lambda: theory.group("B", 2).contains(np.eye(3)), "n_hidden=2"),
        (lambda: theory.group("B", 2).contains([[1.0, np.nan], [0, 1]]), "not finite"),
    ],
)
def test_bad_input(call: object, word: str) -> None:
    with pytest.raises(InputError, match=word):
        call()  # type: ignore[operator]


def test_plain_names_are_understood() -> None:
    assert theory.group("signed permutations", 3) == theory.group("B", 3)
    assert theory.group("o", 3).key == "O"
