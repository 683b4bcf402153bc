"""The famous codes have the sizes, inner products and design strengths the literature gives."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from theory import InputError
from theory.loss.geometry.codes import code, code_names

Q = sympy.Rational

# name, n, m, design strength, sorted cosines other than 1
LITERATURE = [
    ("icosahedron", 12, 3, 5, [-1, -(5**-0.5), 5**-0.5]),
    ("icosahedron lines", 6, 3, 5, [5**-0.5]),
    ("dodecahedron", 20, 3, 5, [-1, -(5**0.5) / 3, -1 / 3, 1 / 3, 5**0.5 / 3]),
    ("dodecahedron lines", 10, 3, 5, [1 / 3, 5**0.5 / 3]),
    ("cuboctahedron", 12, 3, 3, [-1, -0.5, 0, 0.5]),
    ("Petersen", 10, 4, 2, [-2 / 3, 1 / 6]),
    ("24-cell", 24, 4, 5, [-1, -0.5, 0, 0.5]),
    ("600-cell", 120, 4, 11, None),
    ("Johnson", 20, 5, 3, [-1, -1 / 3, 1 / 3]),
    ("Johnson lines", 10, 5, 3, [1 / 3]),
    ("Clebsch", 16, 5, 3, [-0.6, 0.2]),
    ("Schlaefli", 27, 6, 4, [-0.5, 0.25]),
    ("56", 56, 7, 5, [-1, -1 / 3, 1 / 3]),
    ("56 lines", 28, 7, 5, [1 / 3]),
    ("E6", 72, 6, 5, [-1, -0.5, 0, 0.5]),
    ("E7", 126, 7, 5, [-1, -0.5, 0, 0.5]),
    ("E7 lines", 63, 7, 5, [0, 0.5]),
    ("E8", 240, 8, 7, [-1, -0.5, 0, 0.5]),
    ("E8 lines", 120, 8, 7, [0, 0.5]),
    ("polygon:7", 7, 2, 6, None),
    ("simplex:4", 5, 4, 2, [-0.25]),
    ("orthoplex:3", 6, 3, 3, [-1, 0]),
    ("D:5", 40, 5, 3, [-1, -0.5, 0, 0.5]),
]


@pytest.mark.parametrize(("name", "n", "m", "strength", "cosines"), LITERATURE)
def test_against_the_literature(name: str, n: int, m: int, strength: int, cosines: list[float] | None) -> None:
    found = code(name)
    assert (found.n, found.m, found.strength) == (n, m, strength)
    assert sum(found.distribution.values()) == n
    points = np.array([[float(v) for v in vector] for vector in found.vectors])
    assert np.allclose(np.linalg.norm(points, axis=1), 1)
    assert len(np.unique(np.round(points, 9), axis=0)) == n
    if cosines is not None:
        assert sorted(float(x) for x in found.distribution if x != 1) == pytest.approx(sorted(cosines))


@pytest.mark.parametrize("name", ["icosahedron", "Clebsch", "Schlaefli", "56", "24-cell", "polygon:5", "simplex:3"])
def test_design_strength_against_moments_of_the_sphere(name: str) -> None:
    """Averages of <x, y>^r over the code against the sphere's, for random y: equal up to the strength, not beyond."""
    found = code(name)
    points = np.array([[float(v) for v in vector] for vector in found.vectors])
    directions = np.random.default_rng(0).standard_normal((50, found.m))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)

    def deviation(r: int) -> float:
        sphere = 0.0 if r % 2 else float(np.prod([(2 * j + 1) / (found.m + 2 * j) for j in range(r // 2)]))
        return float(np.abs(np.mean((points @ directions.T) ** r, axis=0) - sphere).max())

    assert all(deviation(r) < 1e-12 for r in range(1, found.strength + 1))
    assert deviation(found.strength + 1) > 1e-6


def test_unit_vectors_are_exact() -> None:
    for name in ("icosahedron", "Schlaefli", "simplex:3", "600-cell"):
        first = code(name).vectors[0]
        assert sympy.simplify(sum(value**2 for value in first) - 1) == 0
    assert code("simplex:3").W.shape == (3, 4)


@pytest.mark.parametrize(
    "name", ["icosahedrons", "polygon", "polygon:1", "polygon:x", "polygon:9999", "E8 points", "Clebsch lines"]
)
def test_bad_names(name: str) -> None:
    with pytest.raises(InputError):
        code(name)


def test_the_names_are_listed() -> None:
    assert "icosahedron" in code_names()
    assert "polygon:N" in code_names()
