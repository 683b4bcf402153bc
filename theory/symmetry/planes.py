"""Planes that a group singles out: the next best where too few directions are privileged."""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from theory.arguments import InputError
from theory.symmetry.groups import MatrixGroup

__all__ = ["PrivilegedPlane", "planes"]


@dataclass(frozen=True)
class PrivilegedPlane:
    """A plane that is what the stabiliser of some vector fixes, with a finite orbit.

    Attributes:
        first: a vector of the plane, exact, shape (n,).
        second: another; together they span it.
        size: number of planes in its orbit under the group.
    """

    first: tuple[sympy.Expr, ...]
    second: tuple[sympy.Expr, ...]
    size: int


def planes(found: MatrixGroup) -> tuple[PrivilegedPlane, ...]:
    """The planes Fix(Stab(x)) of dimension 2 whose orbit is finite.

    S_n: span(1_K, 1 - 1_K) for each number of entries in K. B_n: span(1_K, 1_L) for disjoint K and L. Scaled
    permutations: span(e_i, e_j). Orthogonal maps and GL: none.

    Raises:
        InputError: a group for which they are not derived.
    """
    if type(found) is not MatrixGroup:
        raise InputError(f"the privileged planes of {found.name} are not derived")
    n, key = found.n, found.key
    orbits: list[tuple[tuple[int, int], tuple[int, int], int]] = []
    if n == 1 or (n > 2 and key in ("trivial", "SO", "Stab1")):
        return ()
    if key in ("trivial", "SO", "Stab1"):
        # In the plane nothing but the identity fixes a general vector.
        orbits = [((0, 1), (1, 2), 1)]
    elif key == "S":
        orbits = [((0, k), (k, n), int(sympy.binomial(n, k)) // (2 if 2 * k == n else 1)) for k in range(1, n // 2 + 1)]
    elif key == "B":
        orbits = [
            ((0, k), (k, k + j), _signed(n, k, j)) for k in range(1, n) for j in range(k, n - k + 1)
        ]  # fmt: skip
    elif key in ("R+ wr S", "R* wr S"):
        orbits = [((0, 1), (1, 2), n * (n - 1) // 2)]
    inverse = sympy.eye(n) if found.conjugator is None else found.conjugator.inv()
    moved = lambda span: tuple(inverse * sympy.Matrix([int(span[0] <= i < span[1]) for i in range(n)]))  # noqa: E731
    return tuple(PrivilegedPlane(moved(first), moved(second), size) for first, second, size in orbits)


def _signed(n: int, k: int, j: int) -> int:
    """How many planes are spanned by two signed patterns of k and j entries without a common entry."""
    lines = sympy.binomial(n, k) * sympy.binomial(n - k, j) * 2 ** (k - 1) * 2 ** (j - 1)
    return int(lines) // (2 if k == j else 1)
