"""Every row of the table of docs/symmetry.md, discovered numerically at n = 3 and 5, against the derived groups."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import theory
from numerics import Discovery, discover_equivariance, discover_intertwiner
from numerics.symmetry.structure import span_equal
from theory.layers import as_map

_PATH = Path(__file__).parents[2] / "test_symmetry_table.py"
_SPEC = importlib.util.spec_from_file_location("symmetry_table", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
_TABLE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_TABLE)
ROWS: dict[str, Any] = {name: row[0] for name, row in _TABLE.ROWS.items()}
MORE: dict[str, Any] = _TABLE.MORE
JUMPS = {"heaviside", "sign", "hardshrink", "winner_take_all"}
# Equal as sets of matrices, but built from other blocks than the derived group, or (the last) with a finite part that
# is only partly found.
OTHER_BLOCKS = {"householder, normal (1, 2, 2)"}
FINITE_PART_OPEN = {"layer_norm, gain (1, 2, 3)"}


def same_algebra(found: Discovery, group: theory.MatrixGroup) -> bool:
    n = found.n
    own = np.array([np.array(X.tolist(), dtype=float).ravel() for X in group.lie_algebra()]).reshape(-1, n * n)
    return span_equal(found.lie_algebra.reshape(-1, n * n), own)


def agrees(found: Discovery, derived: theory.MatrixGroup) -> None:
    assert found.dimension == found.verified_dimension == derived.dimension
    assert same_algebra(found, derived)
    assert found.group == derived
    assert found.status == "certified"
    assert not found.is_flagged
    assert found.jump is None


def is_flagged_upper_bound(found: Discovery, derived: theory.MatrixGroup) -> None:
    assert found.is_flagged
    assert found.jump is not None
    assert "upper bound only" in str(found)
    assert found.verified_dimension <= derived.dimension <= found.dimension


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("name", ROWS)
def test_equivariance_agrees_with_the_derivation(name: str, n: int) -> None:
    found, derived = discover_equivariance(ROWS[name], n), theory.equivariance_group(as_map(ROWS[name]), n)
    if name not in JUMPS:
        agrees(found, derived)
        expected = int(derived.order) if derived.order.is_finite and n == 3 else None
        assert found.order == expected
        return
    is_flagged_upper_bound(found, derived)
    # What finite checks are able to confirm is the whole group here.
    assert found.group == derived


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("name", ROWS)
def test_intertwiners_agree_with_the_derivation(name: str, n: int) -> None:
    found, derived = discover_intertwiner(ROWS[name], n), theory.intertwiner(as_map(ROWS[name]), n).group
    if name in JUMPS:
        is_flagged_upper_bound(found, derived)
        assert found.group == derived
    else:
        agrees(found, derived)


@pytest.mark.parametrize("name", MORE)
def test_other_layers_agree_with_the_derivation(name: str) -> None:
    f, n = MORE[name]
    found, derived = discover_intertwiner(f, n), theory.intertwiner(f, n).group
    assert same_algebra(found, derived)
    if name not in OTHER_BLOCKS:
        agrees(found, derived)
    if f.output_dimension(n) != n:
        with pytest.raises(theory.InputError, match="discover_intertwiner"):
            discover_equivariance(f, n)
        return
    own, commuting = discover_equivariance(f, n), theory.equivariance_group(f, n)
    assert own.status == "certified"
    assert same_algebra(own, commuting)
    assert all(commuting.contains(A) for A in own.discrete)
    if name not in OTHER_BLOCKS | FINITE_PART_OPEN:
        assert own.group == commuting


@pytest.mark.parametrize(("name", "power"), [("relu^2", 2.0), ("relu^(3/2)", 1.5), ("z^3", 3.0), ("abs", 1.0)])
def test_the_pairs_show_the_exponent(name: str, power: float) -> None:
    """X = e_i e_i^T comes with Y = power X, and phi raises scales to that power."""
    found = discover_intertwiner(ROWS[name], 3)
    np.testing.assert_allclose(found.images, power * found.lie_algebra, atol=1e-9)
    np.testing.assert_allclose(found.phi(np.diag([2.0, 1, 3])), np.diag([2**power, 1, 3**power]), atol=1e-9)
    with pytest.raises(theory.InputError, match="no intertwiner"):
        found.phi([[1, 1, 0], [0, 1, 0], [0, 0, 1]])


def test_softmax_forgets_shifts() -> None:
    found = discover_intertwiner("softmax", 3)
    A = np.eye(3)[[2, 0, 1]] + np.outer(np.ones(3), [0.3, -0.2, 0.5])
    np.testing.assert_allclose(found.phi(A), np.eye(3)[[2, 0, 1]], atol=1e-7)
    assert found.ambiguity == 0
    assert discover_intertwiner(theory.layer("layer_norm"), 3).ambiguity == 3
