"""Groups put together from blocks: direct sums of wreath products in a basis, and shears into the first part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy

from theory.symmetry.elements import permutation_matrix, unit
from theory.symmetry.groups import MatrixGroup, PrivilegedOrbit

__all__ = ["CompositeGroup", "Part", "composite"]


@dataclass(frozen=True)
class Part:
    """block wr S_copies: block matrices with one element of `block` in each block row and block column."""

    block: MatrixGroup
    copies: int = 1

    @property
    def size(self) -> int:
        """The dimension of the space that the part acts on."""
        return self.block.n * self.copies


@dataclass(frozen=True, eq=False)
class CompositeGroup(MatrixGroup):
    """R^-1 (P_1 + P_2 + ...) R with parts P_i = block wr S_copies acting on consecutive coordinates of R x.

    Attributes:
        parts: the parts, in the order of the coordinates.
        sheared: whether the first part may also receive any linear image of the others (upper right block free).
        title: how the group is called.
    """

    parts: tuple[Part, ...] = ()
    sheared: bool = False
    title: str = ""

    @property
    def name(self) -> str:
        return self.title or " + ".join(_words(part) for part in self.parts)

    @property
    def dimension(self) -> sympy.Integer:
        shears = self.parts[0].size * (self.n - self.parts[0].size) if self.sheared else 0
        return sympy.Integer(sum(part.copies * part.block.dimension for part in self.parts) + shears)

    @property
    def order(self) -> sympy.Expr:
        if self.dimension > 0:
            return sympy.oo
        return sympy.Mul(*(part.block.order**part.copies * sympy.factorial(part.copies) for part in self.parts))

    @property
    def has_exact_generators(self) -> bool:
        return all(part.block.has_exact_generators for part in self.parts)

    def conjugate(self, R: Any) -> MatrixGroup:
        moved = super().conjugate(R)
        title = f"R^-1 ({self.title}) R" if self.title else ""
        return replace(moved, title=title)  # type: ignore[call-arg]

    def _signature(self) -> tuple[Any, ...]:
        parts = tuple((part.block._signature(), part.copies) for part in self.parts)
        return (CompositeGroup, self.n, self.conjugator, self.sheared, parts)

    def _placed(self) -> Iterator[tuple[Part, int]]:
        start = 0
        for part in self.parts:
            yield part, start
            start += part.size

    def _embedded(self, A: sympy.Matrix, start: int, outside: sympy.Matrix) -> sympy.Matrix:
        """A on the coordinates from `start` on, `outside` elsewhere."""
        whole = sympy.Matrix(outside)
        whole[start : start + A.rows, start : start + A.rows] = A
        return whole

    def _own_discrete(self) -> list[sympy.Matrix]:
        found, one = [], sympy.eye(self.n)
        for part, start in self._placed():
            found += [self._embedded(sympy.Matrix(A), start, one) for A in part.block.discrete_generators()]
            for images in _cycles(part.copies):
                whole = sympy.kronecker_product(permutation_matrix(images), sympy.eye(part.block.n))
                found.append(self._embedded(whole, start, one))
        return found

    def _own_continuous(self) -> list[sympy.Matrix]:
        one = sympy.eye(self.n)
        found = [
            self._embedded(part.block._inverse * A * (part.block.conjugator or sympy.eye(part.block.n)), start, one)
            for part, start in self._placed()
            for A in part.block._own_continuous()
        ]
        return found + [one + E for E in self._shears()]

    def _shears(self) -> list[sympy.Matrix]:
        first = self.parts[0].size
        return [unit(self.n, i, j) for i in range(first) for j in range(first, self.n)] if self.sheared else []

    def _own_algebra(self) -> list[sympy.Matrix]:
        zero = sympy.zeros(self.n)
        basis = [
            self._embedded(sympy.Matrix(X), start + copy * part.block.n, zero)
            for part, start in self._placed()
            for copy in range(part.copies)
            for X in part.block.lie_algebra()
        ]
        return basis + self._shears()

    def _holds_exactly(self, A: sympy.Matrix) -> bool:
        return self._holds(
            A, lambda B: all(sympy.simplify(v) == 0 for v in B), lambda g, B: g.contains(sympy.Matrix(B))
        )

    def _holds_numerically(self, A: np.ndarray, tolerance: float) -> bool:
        negligible = tolerance * float(np.abs(A).max())
        return self._holds(A, lambda B: bool((np.abs(B) <= negligible).all()), lambda g, B: g.contains(B, tolerance))

    def _holds(self, A: Any, is_zero: Any, holds: Any) -> bool:
        places = list(self._placed())
        for p, (part, row) in enumerate(places):
            rows = slice(row, row + part.size)
            for q, (other, column) in enumerate(places):
                is_free = p == q or (self.sheared and p == 0)
                if other.size and not is_free and not is_zero(A[rows, column : column + other.size]):
                    return False
            k, taken = part.block.n, set()
            for i in range(part.copies):
                own = range(row + i * k, row + (i + 1) * k)
                cells = [A[own[0] : own[0] + k, row + j * k : row + (j + 1) * k] for j in range(part.copies)]
                full = [j for j, cell in enumerate(cells) if not is_zero(cell)]
                if len(full) != 1 or not holds(part.block, cells[full[0]]):
                    return False
                taken.add(full[0])
            if len(taken) != part.copies:
                return False
        return True

    def _exact_element(self, rng: np.random.Generator) -> sympy.Matrix:
        A = sympy.zeros(self.n)
        for part, start in self._placed():
            for i, j in enumerate(rng.permutation(part.copies)):
                k = part.block.n
                rows, columns = start + i * k, start + int(j) * k
                A[rows : rows + k, columns : columns + k] = part.block._moved(part.block._exact_element(rng))
        for E in self._shears():
            A += sympy.Rational(int(rng.integers(-3, 4)), 2) * E
        return A

    def _float_element(self, rng: np.random.Generator) -> np.ndarray:
        A = np.zeros((self.n, self.n))
        for part, start in self._placed():
            for i, j in enumerate(rng.permutation(part.copies)):
                k = part.block.n
                rows, columns = start + i * k, start + int(j) * k
                A[rows : rows + k, columns : columns + k] = part.block.sample(rng)
        if self.sheared:
            first = self.parts[0].size
            A[:first, first:] = rng.standard_normal((first, self.n - first))
        return A

    def _privileged(self) -> tuple[PrivilegedOrbit, ...]:
        """Rays inside one part: a block's own ray in one copy, or patterns of copies if the block does not scale it."""
        found: list[PrivilegedOrbit] = []
        for index, (part, start) in enumerate(self._placed()):
            if self.sheared and index > 0:
                # Shears add any vector of the first part: no ray outside it has a finite orbit.
                continue
            for orbit in part.block.privileged_directions():
                found += [self._spread(part, start, orbit, *pattern) for pattern in _patterns(part, orbit)]
        return tuple(found)

    def _spread(self, part: Part, start: int, orbit: PrivilegedOrbit, used: int, size: int) -> PrivilegedOrbit:
        vector = [sympy.Integer(0)] * self.n
        for copy in range(used):
            begin = start + copy * part.block.n
            vector[begin : begin + part.block.n] = list(orbit.representative)
        return PrivilegedOrbit(tuple(vector), size)


def composite(
    *parts: tuple[MatrixGroup, int], basis: Any = None, sheared: bool = False, title: str = ""
) -> MatrixGroup:
    """The direct sum of block wr S_copies, acting on consecutive vectors of a basis.

    Args:
        parts: (block, copies) pairs; those of dimension 0 are left out.
        basis: exact, shape (n, n), its columns the basis; None for the unit vectors.
        sheared: whether the first part may also receive any linear image of the others.
        title: how the group is called.
    """
    kept = tuple(Part(block, copies) for block, copies in parts if copies > 0)
    n = sum(part.size for part in kept)
    matrix = None if basis is None else sympy.ImmutableMatrix(sympy.Matrix(basis).inv())
    if matrix == sympy.eye(n):
        matrix = None
    return CompositeGroup("composite", n, conjugator=matrix, parts=kept, sheared=sheared, title=title)


def _patterns(part: Part, orbit: PrivilegedOrbit) -> list[tuple[int, int]]:
    """How many copies a ray may fill, and how many rays its orbit then has."""
    v, m = sympy.Matrix(orbit.representative), part.copies
    if m == 1 or any(any(entry != 0 for entry in X * v) for X in part.block.lie_algebra()):
        return [(1, m * orbit.size)]
    if orbit.size == 1:
        # The block fixes it, so only the vector that is the same in every copy is singled out.
        return [(m, 1)]
    return [(j, 2 ** (j - 1) * orbit.size * int(sympy.binomial(m, j))) for j in range(1, m + 1)]


def _cycles(count: int) -> list[list[int]]:
    if count == 1:
        return []
    swap = [1, 0, *range(2, count)]
    return [swap] if count == 2 else [swap, [*range(1, count), 0]]


def _words(part: Part) -> str:
    symbol = part.block.name.partition(":")[0]
    return symbol if part.copies == 1 else f"({symbol}) wr S_{part.copies}"
