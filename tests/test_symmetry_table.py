"""The full table of docs/symmetry.md: every row derived, members commute exactly, outsiders are refuted exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

import theory
import verify
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
