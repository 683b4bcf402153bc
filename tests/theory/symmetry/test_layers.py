"""The coupled layers: derived groups against exact evaluation, all signed permutations, null spaces and refutations."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
import sympy

import theory
import verify
from numerics import compile_layer
from theory import InputError, layer
from theory.symmetry.blocks import SignedShears
from theory.symmetry.enclosure import sign_of
from theory.symmetry.layer_groups import layer_symmetry

Q = sympy.Rational

# (layer, options, n, dimension of E or None, dimension of I); dimensions by hand from the theorems.
CASES: list[tuple[str, dict[str, Any], int, int | None, int]] = [
    ("softmax", {"temperature": Q(1, 2)}, 3, 0, 3),
    ("softmax", {"temperature": -1}, 3, 0, 3),
    ("log_softmax", {}, 3, 0, 3),
    ("log_softmax", {"temperature": 2}, 2, 0, 2),
    ("solu", {"temperature": 2}, 3, 0, 0),
    ("sparsemax", {}, 3, 0, 3),
    ("sort", {}, 2, 2, 2),
    ("sort", {}, 3, 2, 2),
    ("sort", {}, 4, 2, 2),
    ("group_sort", {"size": 3}, 6, 6, 6),
    ("max_min", {}, 4, 6, 6),
    ("householder", {"normal": [1, 2, 2]}, 3, 5, 5),
    ("layer_norm", {}, 2, 1, 3),
    ("layer_norm", {}, 3, 2, 5),
    ("layer_norm", {}, 4, 4, 8),
    ("layer_norm", {"eps": Q(1, 10)}, 3, 2, 4),
    ("layer_norm", {"gain": [1, 2, 3]}, 3, 1, 5),
    ("layer_norm", {"gain": [1, 1, 1, 2]}, 4, 2, 8),
    ("layer_norm", {"gain": [2, 2, 2], "eps": 1}, 3, 2, 4),
    ("layer_norm", {"gain": [1, 2, 3, 5]}, 4, 1, 8),
    ("rms_norm", {}, 3, 3, 4),
    ("rms_norm", {"eps": Q(1, 10)}, 3, 3, 3),
    ("rms_norm", {"gain": [1, 2, 1]}, 3, 1, 4),
    ("rms_norm", {"gain": [1, -1, 1], "eps": 1}, 3, 1, 3),
    ("winner_take_all", {}, 3, 1, 1),
    ("crelu", {}, 2, None, 2),
    ("maxout", {"pieces": 2}, 4, None, 2),
    ("maxout", {"pieces": 3}, 6, None, 2),
    ("glu", {}, 4, None, 2),
    ("bilinear", {}, 4, None, 4),
    ("reglu", {}, 4, None, 4),
    ("geglu", {}, 4, None, 2),
    ("swiglu", {}, 4, None, 2),
    ("gated", {"gate": "tanh"}, 4, None, 2),
    ("gated", {"gate": "power:3"}, 4, None, 4),
    ("gated", {"gate": "2*z + 1"}, 2, None, 1),
]
IDS = [f"{key}-{'-'.join(map(str, options.values()))}-{n}" for key, options, n, _, _ in CASES]
EACH = pytest.mark.parametrize(("key", "options", "n", "dim_e", "dim_i"), CASES, ids=IDS)
# Layers with jumps, LayerNorm of two entries being a sign: the derivative sees only an upper bound.
HIDDEN = {("winner_take_all", 3): (3, 3), ("layer_norm", 2): (2, 4)}
X = [Q(3), Q(-1), Q(1, 2), Q(2, 3), Q(-5), Q(1, 7)]


def test_every_layer_is_covered() -> None:
    assert {case[0] for case in CASES} == set(theory.layer_names())


def equal(left: Any, right: Any) -> bool:
    return all(sign_of(a - b) == 0 for a, b in zip(left, right, strict=True))


@EACH
def test_elements_commute_exactly(key: str, options: dict, n: int, dim_e: int | None, dim_i: int) -> None:
    """Generators and random members, exact, on a rational input: equal by algebra, not to rounding."""
    f, x = layer(key, **options), X[:n]
    found = theory.intertwiner(f, n)
    assert (found.group.status, found.group.dimension) == ("proved", dim_i)
    assert found.group.proof
    value = sympy.Matrix(f.on(x))
    for A in (*found.group.generators(), *found.group.exact_samples(3, seed=1)):
        assert found.group.contains(sympy.Matrix(A))
        assert equal(f.on(list(A * sympy.Matrix(x))), found.phi(sympy.Matrix(A)) * value), A
    if dim_e is None:
        with pytest.raises(InputError, match="intertwiner"):
            theory.equivariance_group(f, n)
        return
    own = theory.equivariance_group(f, n)
    assert (own.status, own.dimension) == ("proved", dim_e)
    assert own.proof
    for A in (*own.generators(), *own.exact_samples(3, seed=1)):
        assert own.contains(sympy.Matrix(A))
        assert equal(f.on(list(A * sympy.Matrix(x))), A * value), A
    if own.has_exact_generators:
        assert own.is_subgroup(found.group)


@EACH
def test_dimensions_are_null_spaces(key: str, options: dict, n: int, dim_e: int | None, dim_i: int) -> None:
    """Df(x) X x = Y f(x) as a linear system in (X, Y): the derived groups are not too small, nor too large."""
    f = compile_layer(layer(key, **options), n)
    rng, step = np.random.default_rng(0), 1e-6
    own, pairs = [], []
    for x in rng.standard_normal((40 * n, n)) * np.exp(rng.uniform(-1, 1.5, (40 * n, 1))):
        jacobian = np.array([(f(x + step * e) - f(x - step * e)) / (2 * step) for e in np.eye(n)]).T
        value = f(x)
        if np.abs(jacobian).max() > 1e3:  # a kink or jump inside the difference
            continue
        for i in range(len(value)):
            moved = np.outer(jacobian[i], x)
            acting = np.zeros((len(value), len(value)))
            acting[i] = value
            pairs.append(np.concatenate([moved.ravel(), -acting.ravel()]))
            if dim_e is not None:
                own.append((moved - acting).ravel())
    if dim_e is not None:
        singular = np.linalg.svd(np.array(own), compute_uv=False)
        assert (singular < 1e-6 * singular[0]).sum() == HIDDEN.get((key, n), (dim_e, 0))[0]
    _, singular, basis = np.linalg.svd(np.array(pairs), full_matrices=False)
    null = basis[singular < 1e-6 * singular[0]]
    rank = np.linalg.matrix_rank(null[:, : n * n], tol=1e-6) if len(null) else 0
    assert rank == HIDDEN.get((key, n), (0, dim_i))[1]


@EACH
def test_signed_permutations_and_others_numerically(
    key: str, options: dict, n: int, dim_e: int | None, dim_i: int
) -> None:
    """Each candidate commutes in floats exactly if the derived group holds it."""
    if dim_e is None or n > 4:
        return
    f, own = compile_layer(layer(key, **options), n), theory.equivariance_group(layer(key, **options), n)
    points = np.random.default_rng(0).standard_normal((100, n)) * np.geomspace(0.1, 30, 100)[:, None]
    ones, one = np.ones((n, n)), np.eye(n)
    candidates = [one[list(o)] * np.array(s) for o in permutations(range(n)) for s in product((1.0, -1.0), repeat=n)]
    candidates += [2 * one, -2 * one, one + ones / 2, -one[::-1] + ones, -one + ones, np.diag(np.arange(1.0, n + 1))]
    candidates += [one + np.outer(np.ones(n), np.arange(n)), -one + 2 * ones / n, 3 * one[::-1] - ones / n]
    for A in candidates:
        if abs(np.linalg.det(A)) < 1e-9:
            continue
        commutes = np.allclose(f(points @ A.T), f(points) @ A.T, rtol=1e-8, atol=1e-8)
        assert commutes == own.contains(A), A


OUTSIDE = [
    ("softmax", {"temperature": 3}, "B", 3),
    ("log_softmax", {}, "S + 1v", 3),
    ("solu", {"temperature": -1}, "R+ wr S", 3),
    ("sparsemax", {}, "Stab1", 3),
    ("sort", {}, "S", 3),
    ("group_sort", {"size": 2}, "B", 4),
    ("max_min", {}, "O", 2),
    ("householder", {"normal": [1, 1]}, "B", 2),
    ("layer_norm", {}, "B", 3),
    ("layer_norm", {"eps": Q(1, 10)}, "Stab1", 3),
    ("layer_norm", {"gain": [1, 2, 3]}, "S", 3),
    ("rms_norm", {}, "CO", 3),
    ("rms_norm", {"eps": Q(1, 1000)}, "R+ wr S", 2),
    ("rms_norm", {"gain": [1, 2, 3]}, "S", 3),
    ("winner_take_all", {}, "R+ wr S", 3),
    ("winner_take_all", {}, "B", 2),
]


@pytest.mark.parametrize(("key", "options", "claimed", "n"), OUTSIDE)
def test_false_claims_are_refuted_exactly(key: str, options: dict, claimed: str, n: int) -> None:
    f = layer(key, **options)
    verdict = verify.check_equivariance(f, claimed, n)
    assert (verdict.status, verdict.is_exact) == ("refuted", True)
    found = verdict.counterexample
    A, x, i = sympy.Matrix(found.A), list(found.x), found.coordinate
    assert theory.group(claimed, n).contains(A)
    left, right = f.on(list(A * sympy.Matrix(x)))[i], (A * sympy.Matrix(f.on(x)))[i]
    assert abs(float(left) - float(right)) > 1e-9


@pytest.mark.parametrize(
    ("key", "options", "claimed", "n"),
    [
        ("layer_norm", {}, "S", 3),
        ("rms_norm", {"eps": 1}, "O", 3),
        ("winner_take_all", {}, "S", 3),
        ("sparsemax", {}, "S", 4),
        ("rms_norm", {"gain": [3, 3]}, "B", 2),
    ],
)
def test_true_claims_are_proved(key: str, options: dict, claimed: str, n: int) -> None:
    assert verify.check_equivariance(layer(key, **options), claimed, n).status == "proved"


def test_a_derived_group_can_be_claimed_of_another_layer() -> None:
    own = theory.equivariance_group("max_min", 4)
    assert verify.check_equivariance("max_min", own).status == "proved"
    assert verify.check_equivariance(layer("group_sort", size=2), own).status == "proved"
    assert verify.check_equivariance("relu", own).status == "refuted"
    assert verify.check_equivariance("sort", theory.equivariance_group("winner_take_all", 3)).status == "refuted"


def test_one_dimension_is_elementwise() -> None:
    for name, key in {
        "sort": "GL",
        "log_softmax": "GL",
        "winner_take_all": "GL",
        "rms_norm": "B",
        "layer_norm": "GL",
    }.items():
        assert theory.equivariance_group(name, 1).key == key, name
    assert theory.equivariance_group(layer("householder", normal=[2]), 1).key == "R+ wr S"
    assert theory.intertwiner("crelu", 1).group == theory.group("R* wr S", 1)


def test_gains_the_derivation_does_not_cover_stay_open() -> None:
    for name, gain in (("layer_norm", [1, 0, 2]), ("layer_norm", [1, -1]), ("rms_norm", [1, sympy.sqrt(2)])):
        found = theory.equivariance_group(layer(name, gain=gain), len(gain))
        assert found.status == "open"
        assert found.proof[0].startswith("open")
    assert theory.intertwiner(layer("gated", gate="0*z + 1"), 2).group.status == "open"


@pytest.mark.parametrize("eps", [0, 1])
@pytest.mark.parametrize("gain", [(1, 1, Q(-1, 2)), (2, 2, -1), (1, 1, -1, -1), (2, 2, 2, Q(-2, 3))])
def test_a_vanishing_sum_of_inverse_gains(gain: tuple[sympy.Rational, ...], eps: int) -> None:
    """Members commute exactly; all signed permutations and some shears are judged as floats judge them."""
    n = len(gain)
    f = layer("layer_norm", gain=gain, eps=eps)
    own = theory.equivariance_group(f, n)
    assert own.status == theory.intertwiner(f, n).group.status == "proved"
    # The shears, and the rotations that three equal gains leave.
    assert own.dimension == (2 if gain[:3] == (2, 2, 2) else 1)
    for A in map(sympy.Matrix, (*own.generators(), *own.exact_samples(3 if n == 3 else 1, seed=1))):
        assert own.contains(A)
        assert equal(f.on(list(A * sympy.Matrix(X[:n]))), A * sympy.Matrix(f.on(X[:n])))
    run, points = compile_layer(f, n), np.random.default_rng(0).standard_normal((40, n)) * 3
    one, ones, u = np.eye(n), np.ones(n), np.array([float(1 / g) for g in gain])
    # The functional that is 0 on the image, so that the shear along it moves u alone.
    normal = np.linalg.svd(np.diag([float(g) for g in gain]) @ (one - 1 / n))[0][:, -1]
    tried = [one[list(o)] * np.array(s) for o in permutations(range(n)) for s in product((1.0, -1.0), repeat=n)]
    tried += [one + np.outer(ones, normal), -one - np.outer(ones, normal), one + np.outer(ones, u), 2 * one]
    for A in tried:
        if abs(np.linalg.det(A)) > 1e-9:
            commutes = np.allclose(run(points @ A.T), run(points) @ A.T, rtol=1e-9, atol=1e-9)
            assert commutes == own.contains(A), A


def test_signed_shears_have_one_sign() -> None:
    for A, is_member in (([[1, 5], [0, 1]], True), ([[-1, 5], [0, -1]], True), ([[1, 0], [0, -1]], False),
                         ([[1, 0], [1, 1]], False), ([[2, 0], [0, 2]], False)):  # fmt: skip
        assert SignedShears().contains(A) == is_member
        assert SignedShears().contains(np.array(A, dtype=float)) == is_member


def test_why_a_vanishing_sum_of_inverse_gains_is_special() -> None:
    """Gain (1, 1, -1/2): a shear along 1 that kills the image commutes, which the general form does not have."""
    f = layer("layer_norm", gain=[1, 1, Q(-1, 2)])
    # The image spans {(v1, v2, -v3/2)}, the kernel of (1, 1, -2), which holds 1.
    A = sympy.eye(3) + sympy.ones(3, 1) * sympy.Matrix([[1, 1, -2]])
    assert equal(f.on(list(A * sympy.Matrix(X[:3]))), A * sympy.Matrix(f.on(X[:3])))


def test_irrational_generators_are_admitted_not_guessed() -> None:
    """A generic gain at n = 4 leaves signs in three eigenlines that are cubic irrationals."""
    own = theory.equivariance_group(layer("layer_norm", gain=[1, 2, 3, 5]), 4)
    assert not own.has_exact_generators
    assert own.is_subgroup(own)
    with pytest.raises(InputError, match="irrational"):
        own.is_subgroup(theory.intertwiner(layer("layer_norm"), 4).group)
    f = compile_layer(layer("layer_norm", gain=[1, 2, 3, 5]), 4)
    rng = np.random.default_rng(0)
    points = rng.standard_normal((30, 4))
    signs = set()
    for _ in range(40):
        A = own.sample(rng)
        assert np.allclose(f(points @ A.T), f(points) @ A.T)
        signs.add(tuple(np.round(np.sort(np.linalg.eigvals(A).real), 6))[:2])
    assert len(signs) > 3


def test_symbolic_sorting_and_parameters() -> None:
    a, b, c = sympy.symbols("a b c", real=True)
    lowest, middle, highest = layer("sort").on([a, b, c])
    values = {a: 3, b: -1, c: 2}
    assert (lowest.subs(values), middle.subs(values), highest.subs(values)) == (-1, 2, 3)
    assert layer("sort").on([sympy.sqrt(2), Q(7, 5), 1]) == (1, Q(7, 5), sympy.sqrt(2))
    T = sympy.Symbol("T", positive=True)
    found = layer("softmax", temperature=T)
    assert found.parameters == {T}
    assert found.subs({"T": 2}) == layer("softmax", temperature=2)
    assert theory.equivariance_group(found, 3) == theory.group("S", 3)
    assert layer("sparsemax").on([3, 1, Q(1, 2)]) == (1, 0, 0)
    assert sum(layer("sparsemax").on([Q(1, 2), Q(1, 3), Q(2, 5), -4])) == 1


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: layer("nosuch"), "nosuch"),
        (lambda: layer("sort", size=2), "no options"),
        (lambda: layer("softmax", temprature=2), "temperature"),
        (lambda: layer("softmax", temperature=0), "must not be 0"),
        (lambda: layer("layer_norm", eps=-1), "eps=-1"),
        (lambda: layer("group_sort", size=1), ">= 2"),
        (lambda: layer("householder"), "normal"),
        (lambda: layer("layer_norm", gain=[0, 0]), "gain"),
        (lambda: layer("gated", gate="softmax"), "elementwise"),
        (lambda: layer("max_min").on([1, 2, 3]), "n=3"),
        (lambda: layer("glu").form(3), "even"),
        (lambda: theory.equivariance_group(layer("layer_norm", gain=[1, 2]), 3), "gain has 2"),
        (lambda: layer("sort").on(sympy.symbols("x:7", real=True)), "7 symbols"),
        (lambda: compile_layer(layer("softmax", temperature=sympy.Symbol("T", positive=True)), 2), "parameters T"),
        (lambda: compile_layer(layer("sort"), 2)(np.zeros(3)), "length 2"),
    ],
)
def test_bad_input(call: Any, word: str) -> None:
    with pytest.raises(InputError, match=word):
        call()


def test_phi_is_a_homomorphism() -> None:
    """phi(AB) = phi(A) phi(B): a route that does not evaluate the layer."""
    for key, options, n, _, _ in CASES:
        found = layer_symmetry(layer(key, **options), n)
        first, second = found.intertwiners.exact_samples(2, seed=5)
        product_ = found.phi(sympy.Matrix(first * second))
        assert (product_ - found.phi(sympy.Matrix(first)) * found.phi(sympy.Matrix(second))).applyfunc(
            sympy.simplify
        ) == sympy.zeros(*product_.shape), key
