"""Geometry is recognised in any frame and order, and nothing is recognised that is not there."""

from __future__ import annotations

import numpy as np
import pytest

from theory import InputError
from theory.loss.geometry.codes import code
from theory.loss.geometry.recognition import recognise

RNG = np.random.default_rng(0)


def points(name: str) -> np.ndarray:
    return np.array([[float(x) for x in vector] for vector in code(name).vectors]).T


def disguised(W: np.ndarray) -> np.ndarray:
    """Rotated or reflected, and in another order."""
    rotation, _ = np.linalg.qr(RNG.standard_normal((len(W), len(W))))
    return (rotation @ W)[:, RNG.permutation(W.shape[1])]


def beside(*blocks: np.ndarray) -> np.ndarray:
    W = np.zeros((sum(len(b) for b in blocks), sum(b.shape[1] for b in blocks)))
    row = column = 0
    for block in blocks:
        W[row : row + len(block), column : column + block.shape[1]] = block
        row, column = row + len(block), column + block.shape[1]
    return W


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("polygon:5", "pentagon"),
        ("polygon:9", "regular 9-gon"),
        ("polygon:4", "2 × antipodal pair"),
        ("simplex:3", "tetrahedron"),
        ("simplex:5", "regular 5-simplex"),
        ("orthoplex:3", "3 × antipodal pair"),
        ("icosahedron", "icosahedron"),
        ("dodecahedron", "dodecahedron"),
        ("cuboctahedron", "cuboctahedron"),
        ("Petersen", "Petersen"),
        ("24-cell", "24-cell"),
        ("600-cell", "600-cell"),
        ("Clebsch", "Clebsch"),
        ("D:5", "D5"),
        ("Schlaefli", "Schlaefli"),
        ("56", "56"),
    ],
)
def test_codes_in_disguise(name: str, shown: str) -> None:
    assert recognise(3.7 * disguised(points(name))).name == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("polygon:10 lines", "5 equispaced lines"),
        ("icosahedron lines", "icosahedron lines"),
        ("56 lines", "56 lines"),
        ("simplex:3", "tetrahedron"),
    ],
)
def test_lines_whatever_their_signs(name: str, shown: str) -> None:
    W = disguised(points(name)) * RNG.choice([-1.0, 1.0], code(name).n)
    assert recognise(W, as_lines=True).name == shown


def test_blocks_parts_norms_and_dropped_features() -> None:
    pair, pentagon = points("orthoplex:1"), points("polygon:5")
    W = disguised(beside(0.9 * pentagon, pair, pair, np.zeros((0, 2))))
    found = recognise(W)
    assert found.name == "pentagon ⊕ 2 × antipodal pair, 2 dropped"
    assert [block.dimension for block in found.blocks] == [2, 1, 1]
    assert sorted(i for block in found.blocks for i in block.features) + sorted(found.dropped) == sorted(
        range(11), key=lambda i: (i in found.dropped, i)
    )
    unequal = pentagon * [1, 1, 1, 1, 1.2]
    assert recognise(unequal).name == "pentagon (unequal norms)"
    assert recognise(disguised(points("Clebsch")[:, 3:])).name == "13 of the 16 of Clebsch"


def test_nothing_is_seen_where_nothing_is() -> None:
    for name in ("icosahedron", "Clebsch", "polygon:5", "Petersen"):
        W = points(name)
        assert "irregular" in recognise(W + 1e-3 * RNG.standard_normal(W.shape)).name
    assert "irregular" in recognise(RNG.standard_normal((3, 12))).name
    # A vertex turned into its opposite coincides with another vertex: every point is one of the icosahedron's.
    doubled = points("icosahedron").copy()
    doubled[:, 0] *= -1
    assert "irregular" in recognise(doubled).name


def test_an_isomer_is_told_apart() -> None:
    """Half of a square antiprism turned back: a cube and an antiprism share the number of vertices, not the name."""
    height = 0.6

    def turn(phase: float, z: float) -> np.ndarray:
        angles = phase + np.arange(4) * np.pi / 2
        return np.stack([np.cos(angles), np.sin(angles), np.full(4, z)])

    antiprism = np.concatenate([turn(0, height), turn(np.pi / 4, -height)], axis=1)
    assert recognise(antiprism).name == "unnamed 8 in R^3 (one kind)"


def test_equiangular_lines() -> None:
    """Three lines of R^3 at equal angles are no famous code here; that they are equiangular is said."""
    lines = np.linalg.cholesky(np.full((3, 3), -0.2) + 1.2 * np.eye(3)).T
    assert recognise(lines, as_lines=True).name == "3 equiangular lines"
    assert recognise(lines).name == "unnamed 3 in R^3 (one kind)"


@pytest.mark.parametrize("W", [np.zeros((2, 0)), np.ones(3), np.array([[np.nan]])])
def test_refusals(W: np.ndarray) -> None:
    with pytest.raises(InputError):
        recognise(W)
