"""The famous spherical codes, with exact coordinates: candidates for optimal configurations of features.

Sources: Conway & Sloane, Sphere Packings, Lattices and Groups; Cohn & Kumar, Universally optimal distribution of points
on spheres (2007).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations, permutations, product

import numpy as np
import sympy

from theory.arguments import InputError, one_of
from theory.loss.gegenbauer import gegenbauer_coefficients

__all__ = ["Code", "code", "code_names"]

Vector = tuple[sympy.Expr, ...]
_half, _phi = sympy.Rational(1, 2), sympy.GoldenRatio.expand(func=True)
_MAX_STRENGTH = 20


@dataclass(frozen=True)
class Code:
    """Unit vectors in R^m, one feature direction each.

    Attributes:
        name: for example "icosahedron" or "icosahedron lines".
        vectors: the exact coordinates, n vectors of length m.
        as_lines: whether only the lines through the vectors matter (even kernels), one vector standing for each.
        strength_by_theorem: the design strength where a theorem gives it for the whole family.
    """

    name: str
    vectors: tuple[Vector, ...]
    as_lines: bool = False
    strength_by_theorem: int | None = None

    @property
    def n(self) -> int:
        """Number of vectors."""
        return len(self.vectors)

    @property
    def m(self) -> int:
        """Dimension of the space."""
        return len(self.vectors[0])

    @property
    def W(self) -> sympy.Matrix:
        """The code as weights of shape (m, n), columns of norm 1."""
        return sympy.Matrix(self.vectors).T

    @cached_property
    def _points(self) -> np.ndarray:
        return np.array([[float(v) for v in vector] for vector in self.vectors])

    @cached_property
    def distribution(self) -> Mapping[sympy.Expr, int]:
        """Inner products <x_1, x_j> (their absolute values for lines) with multiplicities, exact.

        Raises:
            InputError: the distribution is not the same from every vector.
        """
        cosines = np.round(self._points @ self._points.T, 9) + 0.0
        cosines = np.abs(cosines) if self.as_lines else cosines
        if not np.allclose(np.sort(cosines, axis=1), np.sort(cosines[0]), atol=1e-8):
            raise InputError(
                f"code {self.name!r} looks different from different vectors; it has no single distribution"
            )
        found: dict[sympy.Expr, int] = {}
        for value in sorted(set(cosines[0]), reverse=True):
            (where,) = np.nonzero(cosines[0] == value)
            dot = _dot(self.vectors[0], self.vectors[where[0]])
            # Angles of a polygon are in lowest terms already; simplifying them is slow and changes nothing.
            dot = dot if dot.has(sympy.cos, sympy.sin) else sympy.radsimp(sympy.simplify(dot))
            found[sympy.Abs(dot) if self.as_lines else dot] = len(where)
        return found

    @cached_property
    def strength(self) -> int:
        """The largest t for which the code is a spherical t-design (averages every polynomial of degree <= t).

        For lines it is the strength of the antipodal double, always odd: 2k + 1 for a projective k-design.
        """
        if self.strength_by_theorem is not None:
            return self.strength_by_theorem
        step = 2 if self.as_lines else 1
        for degree in range(step, _MAX_STRENGTH + 1, step):
            coefficients = gegenbauer_coefficients(degree, self.m)
            values = {x: sum(c * x**power for power, c in enumerate(coefficients)) for x in self.distribution}
            total = sum(count * values[x] for x, count in self.distribution.items())
            if sympy.simplify(sympy.expand(total)) != 0:
                return degree - 1
        return _MAX_STRENGTH

    def lines(self) -> Code:
        """One vector of each antipodal pair.

        Raises:
            InputError: the code is not antipodal.
        """
        opposite = np.isclose(self._points @ self._points.T, -1)
        if not opposite.any(axis=1).all():
            raise InputError(f"code {self.name!r} is not antipodal, so it has no lines")
        first = [vector for i, vector in enumerate(self.vectors) if i < int(np.argmax(opposite[i]))]
        return Code(f"{self.name} lines", tuple(first), as_lines=True)


def code_names() -> tuple[str, ...]:
    """The fixed codes, then the families with their parameter as in "polygon:5"."""
    return (*_FIXED, *(f"{family}:N" for family in _FAMILIES))


@cache
def code(name: str) -> Code:
    """A code by name: "icosahedron", "E8", "polygon:7", "simplex:4", "orthoplex:3", "D:4"; add " lines" for its lines.

    Raises:
        InputError: unknown name or parameter out of range.
    """
    base, _, suffix = name.partition(" ")
    if suffix:
        one_of("code suffix", suffix, ["lines"])
        return code(base).lines()
    family, colon, parameter = base.partition(":")
    if not colon:
        one_of("code", base, [*_FIXED, *_FAMILIES])
        if base in _FAMILIES:
            raise InputError(f"code={base!r} needs a parameter, as in {base}:5")
        return Code(base, tuple(_FIXED[base]()))
    one_of("code family", family, _FAMILIES)
    least, build = _FAMILIES[family]
    if not parameter.isdigit() or not least <= int(parameter) <= 200:
        raise InputError(f"code={name!r}: the parameter must be an integer from {least} to 200")
    # The regular n-gon averages every trigonometric polynomial of degree below n.
    strength = int(parameter) - 1 if family == "polygon" else None
    return Code(base, tuple(build(int(parameter))), strength_by_theorem=strength)


def _unit(vectors: Iterable[Iterable[sympy.Expr | int]]) -> list[Vector]:
    result = []
    for vector in vectors:
        entries = [sympy.sympify(value) for value in vector]
        norm = sympy.sqrt(sympy.radsimp(sympy.expand(sum(value**2 for value in entries))))
        result.append(tuple(sympy.radsimp(sympy.expand(value / norm)) for value in entries))
    return result


def _signed(pattern: tuple) -> list[tuple]:
    """Every choice of signs of the non-zero entries."""
    return sorted(set(product(*[(value, -value) if value != 0 else (value,) for value in pattern])), key=str)


def _polygon(n: int) -> list[Vector]:
    angles = [2 * sympy.pi * k / n for k in range(n)]
    return [(sympy.cos(angle), sympy.sin(angle)) for angle in angles]


def _simplex(m: int) -> list[Vector]:
    """m + 1 vectors with inner products -1/m, by completing one coordinate at a time."""
    rows: list[list[sympy.Expr]] = [[] for _ in range(m + 1)]
    for axis in range(m):
        # In the remaining m - axis dimensions the vectors form a regular simplex of radius `radius`.
        left = m - axis
        radius = sympy.sqrt(1 - sum(value**2 for value in rows[axis]))
        for index in range(m + 1):
            rows[index].append(sympy.Integer(0) if index < axis else radius if index == axis else -radius / left)
    return [tuple(sympy.simplify(value) for value in row) for row in rows]


def _orthoplex(m: int) -> list[Vector]:
    return [tuple(sympy.Integer(sign if i == axis else 0) for i in range(m)) for axis in range(m) for sign in (1, -1)]


def _d_roots(m: int) -> list[tuple]:
    roots = []
    for i, j in combinations(range(m), 2):
        for s, t in product((1, -1), repeat=2):
            roots.append(tuple(sympy.Integer(s if k == i else t if k == j else 0) for k in range(m)))
    return roots


def _cyclic(pattern: tuple) -> list[tuple]:
    shifted = [pattern[k:] + pattern[:k] for k in range(len(pattern))]
    return [vector for turned in shifted for vector in _signed(turned)]


@cache
def _e8_roots() -> tuple[tuple, ...]:
    halves = [signs for signs in product((_half, -_half), repeat=8) if signs.count(-_half) % 2 == 0]
    return (*_d_roots(8), *halves)


def _dot(a: Iterable, b: Iterable) -> sympy.Expr:
    return sum((x * y for x, y in zip(a, b, strict=True)), sympy.Integer(0))


def _e7_frame(root: tuple) -> tuple:
    """Coordinates of the part orthogonal to e_1 + e_2."""
    return ((root[0] - root[1]) / sympy.sqrt(2), *root[2:])


def _e6_frame(root: tuple) -> tuple:
    """Coordinates of the part orthogonal to e_1 - e_2 and e_2 - e_3."""
    return ((root[0] + root[1] + root[2]) / sympy.sqrt(3), *root[3:])


def _e7() -> list[Vector]:
    return _unit(_e7_frame(r) for r in _e8_roots() if r[0] + r[1] == 0)


def _fifty_six() -> list[Vector]:
    return _unit(_e7_frame(r) for r in _e8_roots() if r[0] + r[1] == 1)


def _e6() -> list[Vector]:
    return _unit(_e6_frame(r) for r in _e8_roots() if r[0] == r[1] == r[2])


def _schlaefli() -> list[Vector]:
    return _unit(_e6_frame(r) for r in _e8_roots() if r[0] - r[1] == 1 and r[1] == r[2])


def _clebsch() -> list[Vector]:
    return _unit(signs for signs in product((1, -1), repeat=5) if sum(value < 0 for value in signs) % 2 == 0)


def _petersen() -> list[Vector]:
    """The midpoints of the edges of a regular simplex in R^4: inner products 1/6 and -2/3."""
    corners = _simplex(4)
    return _unit(tuple(x + y for x, y in zip(a, b, strict=True)) for a, b in combinations(corners, 2))


def _johnson() -> list[Vector]:
    """The centres of the triangles of a regular simplex in R^5: ten lines at equal angles, inner products +-1/3, -1."""
    corners = _simplex(5)
    return _unit(tuple(sum(xs) for xs in zip(*three, strict=True)) for three in combinations(corners, 3))


def _icosahedron() -> list[Vector]:
    return _unit(_cyclic((0, 1, _phi)))


def _dodecahedron() -> list[Vector]:
    return _unit([*product((1, -1), repeat=3), *_cyclic((0, _phi - 1, _phi))])


def _six_hundred_cell() -> list[Vector]:
    even = [order for order in permutations(range(4)) if sympy.combinatorics.Permutation(list(order)).is_even]
    pattern = (_phi / 2, _half, (_phi - 1) / 2, sympy.Integer(0))
    mixed = {tuple(signs[k] for k in order) for signs in _signed(pattern) for order in even}
    return _unit([*_orthoplex(4), *product((_half, -_half), repeat=4), *sorted(mixed, key=str)])


_FIXED: Mapping[str, Callable[[], list[Vector]]] = {
    "icosahedron": _icosahedron,
    "dodecahedron": _dodecahedron,
    "cuboctahedron": lambda: _unit(_d_roots(3)),
    "Petersen": _petersen,
    "24-cell": lambda: _unit(_d_roots(4)),
    "600-cell": _six_hundred_cell,
    "Johnson": _johnson,
    "Clebsch": _clebsch,
    "Schlaefli": _schlaefli,
    "56": _fifty_six,
    "E6": _e6,
    "E7": _e7,
    "E8": lambda: _unit(_e8_roots()),
}
_FAMILIES: Mapping[str, tuple[int, Callable[[int], list[Vector]]]] = {
    "polygon": (2, _polygon),
    "simplex": (1, _simplex),
    "orthoplex": (1, _orthoplex),
    "D": (3, lambda m: _unit(_d_roots(m))),
}
