"""The full table of docs/symmetry.md: every row derived, members commute exactly, outsiders are refuted exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

import theory
import verify
from numerics import compile_activation, compile_layer
from theory import Activation, Layer, layer
from theory.layers import as_map
from theory.symmetry.enclosure import sign_of

Q = sympy.Rational

# name: (map, equivariance, intertwiners, dimension at n = 3 and 5, order at n = 3), groups as keys where named.
ROWS: dict[str, tuple[Any, str, str, tuple[int, int], int | None]] = {
    "identity": ("z", "GL", "GL", (9, 25), None),
    "zero": ("0*z", "GL", "GL", (9, 25), None),
    "affine 2z + 1": ("2*z + 1", "Stab1", "Stab1", (6, 20), None),
    "constant 1": ("0*z + 1", "Stab1", "GL", (6, 20), None),
    "relu": ("relu", "R+ wr S", "R+ wr S", (3, 5), None),
    "leaky relu 1/10": ("leaky-relu:1/10", "R+ wr S", "R+ wr S", (3, 5), None),
    "abs": ("abs", "R+ wr S", "R* wr S", (3, 5), None),
    "relu^2": ("rectified-power:2", "S", "R+ wr S", (0, 0), 6),
    "relu^(3/2)": ("rectified-power:3/2", "S", "R+ wr S", (0, 0), 6),
    "z^2": ("power:2", "S", "R* wr S", (0, 0), 6),
    "z^3": ("power:3", "B", "R* wr S", (0, 0), 48),
    "sign(z) abs(z)^(3/2)": ("signed-power:3/2", "B", "R* wr S", (0, 0), 48),
    "abs(z)^(3/2)": ("abs(z)**(3/2)", "S", "R* wr S", (0, 0), 6),
    **{name: (name, "B", "B", (0, 0), 48) for name in ("tanh", "hardtanh", "softsign", "arctan", "erf", "sin")},
    **{name: (name, "B", "B", (0, 0), 48) for name in ("softshrink", "hardshrink", "tanhshrink")},
    **{
        name: (name, "S", "S", (0, 0), 6)
        for name in (
            "sigmoid", "softplus", "gelu", "gelu_tanh", "silu", "mish", "elu", "selu", "celu", "relu6", "hardsigmoid",
            "hardswish", "exp", "logsigmoid", "snake",
        )
    },
    "relu(z - 1)": ("relu(z - 1)", "S", "S", (0, 0), 6),
    "cos": ("cos", "S", "B", (0, 0), 6),
    "gaussian": ("gaussian", "S", "B", (0, 0), 6),
    "heaviside": ("heaviside", "S", "R+ wr S", (0, 0), 6),
    "sign": ("sign", "B", "R* wr S", (0, 0), 48),
    "isotropic tanh": ("isotropic:tanh", "O", "O", (3, 10), None),
    "isotropic relu": ("isotropic:relu", "O", "O", (3, 10), None),
    "capsule squash": ("isotropic:r**2/(1 + r**2)", "O", "O", (3, 10), None),
    "radial power norm(x) x": ("isotropic:r**2", "O", "CO", (3, 10), None),
    "rms_norm": (layer("rms_norm"), "O", "CO", (3, 10), None),
    "rms_norm, eps 1/10": (layer("rms_norm", eps=Q(1, 10)), "O", "O", (3, 10), None),
    "softmax": ("softmax", "S", "S + 1v", (0, 0), 6),
    "softmax, temperature 2": (layer("softmax", temperature=2), "S", "S + 1v", (0, 0), 6),
    "sparsemax": (layer("sparsemax"), "S", "S + 1v", (0, 0), 6),
    "log_softmax": (layer("log_softmax"), "S", "S + 1v", (0, 0), 6),
    "solu": ("solu", "S", "S", (0, 0), 6),
    "sort": (layer("sort"), "sort", "sort", (2, 2), None),
    "layer_norm": (layer("layer_norm"), "sum-zero", "modulo 1", (2, 7), None),
    "layer_norm, eps 1/10": (layer("layer_norm", eps=Q(1, 10)), "sum-zero", "modulo 1", (2, 7), None),
    "winner_take_all": (layer("winner_take_all"), "R>0 x S", "R>0 x S", (1, 1), None),
}  # fmt: skip
# Rows that act on other dimensions, or have no equivariance: with the dimension of the table.
MORE: dict[str, tuple[Layer, int]] = {
    "group_sort, size 3": (layer("group_sort", size=3), 6),
    "max_min": (layer("max_min"), 4),
    "householder, normal (1, 2, 2)": (layer("householder", normal=[1, 2, 2]), 3),
    "layer_norm, gain (1, 2, 3)": (layer("layer_norm", gain=[1, 2, 3]), 3),
    "rms_norm, gain (1, 2, 1)": (layer("rms_norm", gain=[1, 2, 1]), 3),
    "crelu": (layer("crelu"), 3),
    "maxout, 2 pieces": (layer("maxout"), 4),
    "bilinear": (layer("bilinear"), 4),
    "glu": (layer("glu"), 4),
    "reglu": (layer("reglu"), 4),
    "geglu": (layer("geglu"), 4),
    "swiglu": (layer("swiglu"), 4),
}
X = [Q(3), Q(-1), Q(1, 2)]
NAMED = {"GL", "Stab1", "R+ wr S", "R* wr S", "S", "B", "O", "CO", "S + 1v"}


@pytest.mark.parametrize("name", ROWS)
def test_the_derived_groups(name: str) -> None:
    spec, key, intertwiner_key, dimensions, order = ROWS[name]
    f = as_map(spec)
    for n, dimension in zip((3, 5), dimensions, strict=True):
        own, found = theory.equivariance_group(f, n), theory.intertwiner(f, n).group
        assert (own.status, found.status) == ("proved", "proved")
        assert own.dimension == dimension
        assert own.key == key or (key not in NAMED and (key in own.name or key == "sort"))
        assert found.key == intertwiner_key or (intertwiner_key not in NAMED and own.n == n)
    assert theory.equivariance_group(f, 3).order == (sympy.oo if order is None else order)
    minus_is_member = theory.equivariance_group(f, 3).contains(-sympy.eye(3))
    odd = {"GL", "B", "O", "sum-zero"}
    assert minus_is_member == (key in odd)


@pytest.mark.parametrize("name", ROWS)
def test_members_commute_exactly(name: str) -> None:
    """Equal by algebra, or indistinguishable by intervals of 1e-30 where algebra does not decide."""
    f = as_map(ROWS[name][0])
    own, found = theory.equivariance_group(f, 3), theory.intertwiner(f, 3)
    value = sympy.Matrix(f.on(X))
    phis = [*((A, A) for A in own.generators()), *((A, found.phi(sympy.Matrix(A))) for A in found.group.generators())]
    for A, B in (*phis, *((A, A) for A in own.exact_samples(2, seed=3))):
        left, right = f.on(list(A * sympy.Matrix(X))), B * value
        assert all(sign_of(a - b) not in (1, -1) for a, b in zip(left, right, strict=True)), (A, B)


@pytest.mark.parametrize("name", ROWS)
def test_outsiders_are_refuted_exactly(name: str) -> None:
    """Every named group that is not inside the derived one is refuted by a rational A and x."""
    spec = ROWS[name][0]
    f = as_map(spec)
    own = theory.equivariance_group(f, 2)
    for key in ("S", "B", "R+ wr S", "SO", "Stab1", "S + 1v"):
        claimed = theory.group(key, 2)
        verdict = verify.check_equivariance(f, claimed)
        if claimed.is_subgroup(own):
            assert verdict.status == "proved"
            continue
        assert (verdict.status, verdict.is_exact) == ("refuted", True), key
        found = verdict.counterexample
        assert claimed.contains(sympy.Matrix(found.A))
        assert not own.contains(sympy.Matrix(found.A))
        assert sign_of(found.left - found.right, or_zero=False) in (1, -1)


# chi(2) and chi(-1) by hand; None where the scale is no multiplier.
CHI: dict[str, tuple[Any, Any]] = {
    "identity": (2, -1),
    "relu": (2, None),
    "leaky relu 1/10": (2, None),
    "abs": (2, 1),
    "relu^2": (4, None),
    "relu^(3/2)": (2 * sympy.sqrt(2), None),
    "z^2": (4, 1),
    "z^3": (8, -1),
    "sign(z) abs(z)^(3/2)": (2 * sympy.sqrt(2), -1),
    "abs(z)^(3/2)": (2 * sympy.sqrt(2), 1),
    "heaviside": (1, None),
    "sign": (1, -1),
    "cos": (None, 1),
    "gaussian": (None, 1),
    **{name: (None, -1) for name, row in ROWS.items() if row[2] == "B" and name not in ("cos", "gaussian")},
    **{name: (None, None) for name, row in ROWS.items() if row[1] == row[2] == "S" and name != "solu"},
}


@pytest.mark.parametrize("name", CHI)
def test_the_multipliers(name: str) -> None:
    """Which of 2 and -1 are multipliers, and of what."""
    found = theory.intertwiner(as_map(ROWS[name][0]), 3)
    for scale, expected in zip((2, -1), CHI[name], strict=True):
        A = sympy.diag(scale, 1, 1)
        assert found.group.contains(A) == (expected is not None)
        if expected is not None:
            assert sympy.simplify(found.phi(A)[0, 0] - expected) == 0


def test_every_elementwise_row_has_its_multipliers() -> None:
    elementwise = {name for name, row in ROWS.items() if as_map(row[0]).is_elementwise}
    assert elementwise - set(CHI) == {"zero", "affine 2z + 1", "constant 1"}


ISOTROPIC = {
    "identity", "zero", "isotropic tanh", "isotropic relu", "capsule squash", "radial power norm(x) x", "rms_norm",
    "rms_norm, eps 1/10",
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_which_rows_are_isotropic(name: str) -> None:
    """Rotations are members, and no direction is privileged. LayerNorm is isotropic on V alone."""
    own = theory.equivariance_group(as_map(ROWS[name][0]), 3)
    rotations = [sympy.Matrix(A) for A in theory.group("SO", 3).generators()]
    assert all(own.contains(A) for A in rotations) == (name in ISOTROPIC)
    if name in ISOTROPIC:
        assert own.privileged_directions() == ()
    if name.startswith("layer_norm"):
        (axis,) = {tuple(abs(v) for v in orbit.representative) for orbit in own.privileged_directions()}
        assert axis == (1, 1, 1)


# The rows beyond the table: dimensions of both groups, None where the map leads to another space.
DIMENSIONS: dict[str, tuple[int | None, int]] = {
    "group_sort, size 3": (6, 6),
    "max_min": (6, 6),
    "householder, normal (1, 2, 2)": (5, 5),
    "layer_norm, gain (1, 2, 3)": (1, 5),
    "rms_norm, gain (1, 2, 1)": (1, 4),
    "crelu": (None, 3),
    "maxout, 2 pieces": (None, 2),
    "bilinear": (None, 4),
    "glu": (None, 2),
    "reglu": (None, 4),
    "geglu": (None, 2),
    "swiglu": (None, 2),
}


@pytest.mark.parametrize("name", MORE)
def test_rows_beyond_the_table(name: str) -> None:
    f, n = MORE[name]
    own, expected = DIMENSIONS[name]
    found = theory.intertwiner(f, n)
    assert (found.group.status, found.group.dimension) == ("proved", expected)
    if own is None:
        with pytest.raises(theory.InputError, match="intertwiner"):
            theory.equivariance_group(f, n)
    else:
        derived = theory.equivariance_group(f, n)
        assert (derived.status, derived.dimension) == ("proved", own)
        assert all(derived.contains(sympy.Matrix(A)) for A in derived.exact_samples(4))
    x = [Q(2), Q(-3), Q(1, 2), Q(5), Q(-1), Q(3)][:n]
    value = sympy.Matrix(f.on(x))
    for A in map(sympy.Matrix, (*found.group.generators(), *found.group.exact_samples(3, seed=5))):
        gap = sympy.Matrix(f.on(list(A * sympy.Matrix(x)))) - found.phi(A) * value
        assert all(sign_of(entry) == 0 or abs(sympy.N(entry, 40)) < 1e-35 for entry in gap), A


# A derivative does not see a jump: there the rank bounds the dimension from above only.
JUMPS = {"heaviside", "sign", "hardshrink", "winner_take_all"}


@pytest.mark.parametrize("name", [*ROWS, *MORE])
def test_lie_dimensions_by_linear_algebra(name: str) -> None:
    """An independent route: the null space of Df(x) X x = X f(x), and of Df(x) X x = Y f(x), at random points."""
    f, n = MORE[name] if name in MORE else (as_map(ROWS[name][0]), 3)
    own, both = _lie_dimensions(f, n)
    expected = theory.intertwiner(f, n).group.dimension
    assert both >= expected if name in JUMPS else both == expected
    if own is not None:
        derived = theory.equivariance_group(f, n).dimension
        assert own >= derived if name in JUMPS else own == derived


def _lie_dimensions(f: Activation | Layer, n: int) -> tuple[int | None, int]:
    run = compile_layer(f, n) if isinstance(f, Layer) else compile_activation(f)
    rng = np.random.default_rng(7)
    points = rng.standard_normal((240, n)) * np.repeat([0.3, 1.0, 3.0, 9.0], 60)[:, None]
    h = 1e-5
    value = run(points)
    steps = [(run(points + h * e) - run(points - h * e)) / (2 * h) for e in np.eye(n)]
    slope = np.stack(steps, axis=-1)
    p = value.shape[-1]
    # Rows of size one, never by their own norm: a row that cancels is noise.
    size = np.abs(slope).sum((1, 2)) * np.abs(points).max(1) + np.abs(value).max(1) + 1e-3
    moved = np.einsum("sij,sk->sijk", slope, points).reshape(len(points), p, n * n)
    turned = np.einsum("ij,sk->sijk", np.eye(p), value).reshape(len(points), p, p * p)
    pair = (np.concatenate([moved, -turned], axis=2) / size[:, None, None]).reshape(-1, n * n + p * p)
    null = _null_space(pair)[:, : n * n]
    both = int(np.linalg.matrix_rank(null, tol=1e-4)) if len(null) else 0
    if p != n:
        return None, both
    same = ((moved - turned) / size[:, None, None]).reshape(-1, n * n)
    return len(_null_space(same)), both


def _null_space(M: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(M.T @ M / len(M))
    return vectors[:, values < 1e-11].T


def _cells(name: str, f: Activation | Layer, n: int) -> str:
    found = theory.intertwiner(f, n)
    symbol = lambda group: group.name.partition(":")[0] if group.key in NAMED else group.name  # noqa: E731
    try:
        own = theory.equivariance_group(f, n)
        cells = [symbol(own), symbol(found.group), found.character, own.dimension, own.order]
    except theory.InputError:
        cells = ["maps to another space", symbol(found.group), found.character, "", ""]
    shown = " | ".join([f"`{name}`", str(n), *(str(cell).replace("|", "\\|") for cell in cells)])
    return f"| {shown} |"


def table() -> list[str]:
    """The rows as docs/symmetry.md prints them."""
    rows = [_cells(name, as_map(spec), 3) for name, (spec, *_) in ROWS.items()]
    return rows + [_cells(name, f, n) for name, (f, n) in MORE.items()]


def test_the_document_prints_the_full_table() -> None:
    text = (Path(__file__).parent.parent / "docs" / "symmetry.md").read_text()
    assert text.partition("## The full table")[2].count("\n| `") == len(ROWS) + len(MORE)
    for row in table():
        assert row in text, row


def test_the_table_lists_every_layer() -> None:
    listed = {f.key for f, _ in MORE.values()} | {row[0].key for row in ROWS.values() if isinstance(row[0], Layer)}
    assert listed | {"solu", "gated"} == set(theory.layer_names())


def test_a_wrong_row_would_be_seen() -> None:
    """Negative control: a planted error of relative size 1e-12 in a layer's row is refuted exactly."""
    rng = np.random.default_rng(0)
    A = sympy.Matrix(theory.group("O", 3).exact_samples(1, seed=int(rng.integers(100)))[0])
    A[0, 0] += Q(1, 10**12)
    f = layer("rms_norm")
    left, right = f.on(list(A * sympy.Matrix(X))), A * sympy.Matrix(f.on(X))
    assert any(sign_of(a - b, or_zero=False) in (1, -1) for a, b in zip(left, right, strict=True))
