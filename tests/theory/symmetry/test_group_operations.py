"""Groups as objects: intersections, planes, finite groups as permutations, and the blocks of composite groups."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import theory
from theory import GROUP_KEYS, InputError, layer
from theory.symmetry.blocks import FormGroup, ScaledPermutations, SortBlock, difference_basis
from theory.symmetry.composite import composite
from verify.strategies import group_elements

Q = sympy.Rational
DERIVED = {
    "sort": theory.equivariance_group("sort", 3),
    "sort intertwiners": theory.intertwiner("sort", 3).group,
    "pairs": theory.equivariance_group("max_min", 4),
    "layer_norm": theory.equivariance_group("layer_norm", 3),
    "layer_norm intertwiners": theory.intertwiner("layer_norm", 3).group,
    "layer_norm gain": theory.equivariance_group(layer("layer_norm", gain=[1, 1, 2]), 3),
    "rms_norm gain": theory.equivariance_group(layer("rms_norm", gain=[1, 2, 1]), 3),
    "winner": theory.equivariance_group("winner_take_all", 3),
    "maxout": theory.intertwiner("maxout", 4).group,
    "gates": theory.intertwiner(layer("gated", gate="tanh"), 4).group,
    "householder": theory.equivariance_group(layer("householder", normal=[1, 2, 2]), 3),
    "sort intertwiners 6": theory.intertwiner("sort", 6).group,
}
EVERY = pytest.mark.parametrize("name", DERIVED)
SIGNED = [
    sympy.Matrix(3, 3, lambda i, j, o=o, s=s: s[j] if o[j] == i else 0)
    for o in permutations(range(3))
    for s in product((1, -1), repeat=3)
]


@EVERY
def test_members_products_inverses_and_floats(name: str) -> None:
    found = DERIVED[name]
    rng = np.random.default_rng(0)
    for _ in range(10):
        A, B = found.sample(rng), found.sample(rng)
        assert found.contains(A)
        assert found.contains(A @ B)
        assert found.contains(np.linalg.inv(A))
    for A in found.exact_samples(5, seed=2):
        assert found.contains(sympy.Matrix(A))
        assert found.contains(np.array(A.tolist(), dtype=float))
        assert found.contains((A * found.exact_samples(1, seed=9)[0]).inv())


@EVERY
def test_what_is_next_to_a_member_is_outside(name: str) -> None:
    """A change of 1e-12 in one entry is seen exactly; a change of 1e-3 in floats."""
    found, n = DERIVED[name], DERIVED[name].n
    rng = np.random.default_rng(1)
    A = sympy.Matrix(found.exact_samples(1, seed=4)[0])
    algebra = sympy.Matrix([list(X) for X in found.lie_algebra()])
    for i, j in product(range(n), repeat=2):
        E = sympy.zeros(n)
        E[i, j] = 1
        # Inside to first order exactly where A^-1 E is in the Lie algebra.
        tangent = algebra.rank() == algebra.col_join(sympy.Matrix([list(A.inv() * E)])).rank()
        if not tangent:
            assert not found.contains(A + E / 10**12)
            assert not found.contains(np.array((A + E / 1000).tolist(), dtype=float))
    assert not found.contains(rng.standard_normal((n, n)))
    assert not found.contains(sympy.zeros(n))


@EVERY
def test_the_lie_algebra_exponentiates_and_has_the_dimension(name: str) -> None:
    from scipy.linalg import expm

    found = DERIVED[name]
    algebra = found.lie_algebra()
    assert sympy.Matrix([list(X) for X in algebra]).rank() == len(algebra) == found.dimension
    weights = np.random.default_rng(3).standard_normal(len(algebra))
    X = sum(w * np.array(Y.tolist(), dtype=float) for w, Y in zip(weights, algebra, strict=True))
    assert found.contains(expm(0.3 * X))
    assert found.order == sympy.oo


@EVERY
def test_inclusion_and_conjugation(name: str) -> None:
    found, n = DERIVED[name], DERIVED[name].n
    R = sympy.eye(n) + sympy.Matrix(n, n, lambda i, j: 2 * int(j == i + 1))
    moved = found.conjugate(R)
    assert found.is_subgroup(theory.group("GL", n))
    assert not theory.group("GL", n).is_subgroup(found)
    for A in moved.exact_samples(3):
        assert moved.contains(sympy.Matrix(A))
        assert found.contains(R * A * R.inv())
    assert moved.conjugate(R.inv()) == found
    assert moved != found


@pytest.mark.parametrize("name", ["sort", "layer_norm gain", "gates", "householder", "winner"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_strategies_draw_exact_members(name: str, data: st.DataObject) -> None:
    found = DERIVED[name]
    assert found.contains(sympy.Matrix(data.draw(group_elements(found))))
    assert found.contains(data.draw(group_elements(found, exact=False)))


@pytest.mark.parametrize("name", ["sort", "rms_norm gain", "winner", "gates", "layer_norm gain", "maxout"])
def test_privileged_rays_have_finite_orbits_of_the_stated_size(name: str) -> None:
    found = DERIVED[name]
    rng = np.random.default_rng(2)
    elements = [found.sample(rng) for _ in range(500)]
    for orbit in found.privileged_directions():
        v = np.array([float(value) for value in orbit.representative])
        rays = {tuple(np.round(A @ v / np.linalg.norm(A @ v), 6) + 0.0) for A in elements}
        assert len(rays) == orbit.size, orbit
    lines = {"sort": 1, "rms_norm gain": 1, "winner": 2, "gates": 3, "layer_norm gain": 3, "maxout": 2}
    assert len(found.privileged_directions()) == lines[name]


@pytest.mark.parametrize(("key", "n"), [("S", 3), ("S", 4), ("B", 3), ("R+ wr S", 3), ("R* wr S", 4)])
def test_privileged_planes_by_brute_force(key: str, n: int) -> None:
    """The orbit of each plane, as a projector, under many random elements."""
    found = theory.group(key, n)
    rng = np.random.default_rng(0)
    elements = [found.sample(rng) for _ in range(1500)]
    for plane in found.privileged_planes():
        span = np.array([plane.first, plane.second], dtype=float).T
        images = set()
        for A in elements:
            basis = np.linalg.qr(A @ span)[0]
            images.add(tuple(np.round(basis @ basis.T, 5).ravel() + 0.0))
        assert len(images) == plane.size, plane


def test_privileged_planes_are_what_stabilisers_fix() -> None:
    """Every fixed space of dimension 2 of a stabiliser in B_3, found by enumeration."""
    elements = [np.array(A.tolist(), dtype=float) for A in SIGNED]
    for key, subset in (("B", elements), ("S", [A for A in elements if (A >= 0).all()])):
        found = set()
        for x in product((0.0, 1.0, -1.0, 2.0, -2.0), repeat=3):
            fixing = [A for A in subset if np.array_equal(A @ x, x)]
            projector = sum(fixing) / len(fixing)
            if round(float(np.trace(projector))) == 2:
                found.add(tuple(np.round(projector, 6).ravel() + 0.0))
        assert len(found) == sum(plane.size for plane in theory.group(key, 3).privileged_planes())
    assert theory.group("O", 3).privileged_planes() == ()
    with pytest.raises(InputError, match="not derived"):
        DERIVED["sort"].privileged_planes()


@pytest.mark.parametrize("first", GROUP_KEYS)
@pytest.mark.parametrize("second", GROUP_KEYS)
def test_intersections_by_enumeration(first: str, second: str) -> None:
    """On all signed permutations and on members of both groups: in the intersection exactly if in both."""
    a, b = theory.group(first, 3), theory.group(second, 3)
    both = a.intersection(b)
    candidates = [*SIGNED, *map(sympy.Matrix, (*a.exact_samples(6, 1), *b.exact_samples(6, 2))), 2 * sympy.eye(3)]
    for A in candidates:
        assert both.contains(A) == (a.contains(A) and b.contains(A)), A
    spaces = [[list(X) for X in g.lie_algebra()] for g in (a, b)]
    joint = sympy.Matrix(spaces[0] + spaces[1]).rank() if spaces[0] or spaces[1] else 0
    assert both.dimension == len(spaces[0]) + len(spaces[1]) - joint
    if both.has_exact_generators:
        assert both.is_subgroup(a)
        assert both.is_subgroup(b)


def test_intersections_with_names_and_without() -> None:
    group = theory.group
    assert group("O", 3).intersection(group("R* wr S", 3)) == group("B", 3)
    assert group("R+ wr S", 3).intersection(group("CO", 3)).name.startswith("R>0 x S_3")
    assert group("B", 3).intersection(group("SO", 3)).order == 24
    fixing = group("O", 3).intersection(group("Stab1", 3))
    assert (fixing.dimension, fixing.status) == (1, "proved")
    assert DERIVED["layer_norm"].intersection(group("B", 3)).order == 12  # the permutations, and minus them
    rotating = group("SO", 3).intersection(group("Stab1", 3))
    with pytest.raises(InputError, match="not sampled"):
        rotating.exact_samples(1)
    with pytest.raises(InputError, match="dimensions"):
        group("O", 3).intersection(group("O", 2))


@pytest.mark.parametrize(("key", "n"), [("S", 4), ("B", 3), ("B", 4), ("trivial", 3)])
def test_finite_groups_as_permutation_groups(key: str, n: int) -> None:
    """Schreier-Sims against the formula of the order."""
    assert theory.group(key, n).permutation_group().order() == theory.group(key, n).order
    with pytest.raises(InputError, match="no group of signed"):
        theory.group("O", n).permutation_group()


def test_blocks_by_hand() -> None:
    scaled = ScaledPermutations(n=2)
    assert scaled.contains([[0, 2], [2, 0]])
    assert not scaled.contains([[0, -2], [-2, 0]])
    assert not scaled.contains([[0, 2], [3, 0]])
    sort = SortBlock(n=2)
    V = sympy.Matrix(difference_basis(3))
    reversal = sympy.Matrix([[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    swap = sympy.Matrix([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    on = lambda A: (V.T * V).inv() * V.T * A * V  # noqa: E731
    assert sort.contains(on(-3 * reversal))
    assert sort.contains(on(3 * sympy.eye(3)))
    assert not sort.contains(on(3 * reversal))
    assert not sort.contains(on(swap))
    assert SortBlock(n=2, every=True).contains(on(-2 * swap))
    form = FormGroup(n=2, form=sympy.ImmutableMatrix([[2, 1], [1, 2]]))
    assert form.contains(sympy.Matrix([[0, 1], [1, 0]]))
    assert not form.contains(sympy.Matrix([[1, 0], [0, -1]]))
    assert form.order == sympy.oo
    signs = FormGroup(n=2, commuting=sympy.ImmutableMatrix([[1, 1], [1, 2]]), form=sympy.ImmutableMatrix(sympy.eye(2)))
    assert signs.order == 4
    assert len(signs.generators()) == 2
    assert all(signs.contains(sympy.Matrix(A)) for A in signs.generators())
    assert composite((theory.group("B", 1), 3)) == theory.group("B", 3)
    assert composite((theory.group("R+ wr S", 1), 3)) == theory.group("R+ wr S", 3)
    assert composite((theory.group("S", 2), 2)).order == 8
