"""Named matrix groups as objects: exact generators, Lie algebra, membership, sampling.

Column vectors; (P D) x with a permutation P and a diagonal D. H wr S_n = {P D : entries of D in H}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import sympy

from theory.arguments import InputError, as_positive_count, as_weights, one_of

__all__ = ["GROUP_KEYS", "MatrixGroup", "PrivilegedOrbit", "group"]

_NAMES: Mapping[str, tuple[str, str]] = {
    "trivial": ("{{1}}", "the identity alone"),
    "S": ("S_{n}", "permutations"),
    "B": ("B_{n}", "signed permutations"),
    "R+ wr S": ("R>0 wr S_{n}", "positively scaled permutations"),
    "R* wr S": ("R* wr S_{n}", "scaled and signed permutations"),
    "SO": ("SO({n})", "rotations"),
    "O": ("O({n})", "orthogonal maps"),
    "CO": ("CO({n})", "scaled orthogonal maps"),
    "Stab1": ("Stab(1)", "invertible maps that fix the all-ones vector"),
    "GL": ("GL({n})", "all invertible linear maps"),
}
GROUP_KEYS = tuple(_NAMES)
"""The keys `group` accepts."""
_ALIASES = {
    "permutations": "S",
    "signed permutations": "B",
    "r>0 wr s": "R+ wr S",
    "positively scaled permutations": "R+ wr S",
    "orthogonal": "O",
    "rotations": "SO",
    "stab(1)": "Stab1",
    "identity": "trivial",
    **{key.lower(): key for key in _NAMES},
}
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class PrivilegedOrbit:
    """Rays that the group singles out: one of them, and how many its orbit has.

    Attributes:
        representative: a vector on the ray, exact, shape (n,).
        size: number of rays in its orbit under the group.
    """

    representative: tuple[sympy.Expr, ...]
    size: int


@dataclass(frozen=True)
class MatrixGroup:
    """A subgroup of GL(n, R), possibly conjugated: {R^-1 A R : A in the named group}.

    Attributes:
        key: one of `GROUP_KEYS`.
        n: the dimension.
        status: for a derived group, "proved", or "open" where only containment of this group is proved.
        proof: the reasoning, sentence by sentence.
        conjugator: R, exact, or None for the named group itself.
    """

    key: str
    n: int
    status: str = "proved"
    proof: tuple[str, ...] = ()
    conjugator: sympy.ImmutableMatrix | None = None

    @property
    def name(self) -> str:
        """For example "B_3: signed permutations"."""
        symbol, words = _NAMES[self.key]
        symbol = symbol.format(n=self.n)
        if self.conjugator is not None:
            symbol = f"R^-1 {symbol} R"
        return f"{symbol}: {words}"

    @property
    def dimension(self) -> sympy.Integer:
        """Dimension as a Lie group; 0 for finite groups."""
        n = self.n
        table = {
            "trivial": 0, "S": 0, "B": 0, "R+ wr S": n, "R* wr S": n, "SO": n * (n - 1) // 2, "O": n * (n - 1) // 2,
            "CO": n * (n - 1) // 2 + 1, "Stab1": n * n - n, "GL": n * n,
        }  # fmt: skip
        return sympy.Integer(table[self.key])

    @property
    def order(self) -> sympy.Expr:
        """Number of elements; oo where infinite."""
        if self.dimension > 0:
            return sympy.oo
        if self.key in ("trivial", "SO", "Stab1"):
            return sympy.Integer(1)
        signs = 2**self.n if self.key in ("B", "O") else 1
        return sympy.factorial(self.n) * signs

    def discrete_generators(self) -> tuple[sympy.ImmutableMatrix, ...]:
        """Elements that, with the connected component of the identity, generate the group; exact."""
        n, found = self.n, []
        if self.key in ("S", "B", "R+ wr S", "R* wr S", "Stab1") and n > 1:
            found.append(_permutation([1, 0, *range(2, n)]))
            if n > 2 and self.key != "Stab1":
                found.append(_permutation([*range(1, n), 0]))
        if self.key in ("B", "R* wr S", "O", "CO", "GL"):
            found.append(sympy.diag(-1, *[1] * (n - 1)))
        return tuple(self._moved(A) for A in found)

    def generators(self) -> tuple[sympy.ImmutableMatrix, ...]:
        """Exact group elements: the discrete generators and one element of each one-parameter family.

        For finite groups they generate the group; for continuous ones each family of the Lie algebra is represented by
        one rational element (a scaling by 2, a rotation by the angle of (3, 4), a shear).
        """
        n, found = self.n, []
        if self.key in ("R+ wr S", "R* wr S", "GL"):
            found.append(sympy.diag(2, *[1] * (n - 1)))
        if self.key == "CO":
            found.append(2 * sympy.eye(n))
        if self.key in ("O", "SO", "CO") and n > 1:
            found += [_rotation(n, i, i + 1) for i in range(n - 1)]
        if self.key == "GL" and n > 1:
            found += [sympy.eye(n) + _unit(n, 0, 1), sympy.eye(n) + _unit(n, 1, 0)]
        if self.key == "Stab1" and n > 1:
            half = sympy.Rational(1, 2)
            shears = [(i, j) for i in range(n) for j in range(n - 1) if i != j]
            found += [sympy.eye(n) + half * (_unit(n, i, j) - _unit(n, i, n - 1)) for i, j in shears]
        return (*self.discrete_generators(), *(self._moved(A) for A in found))

    def lie_algebra(self) -> tuple[sympy.ImmutableMatrix, ...]:
        """An exact basis of the Lie algebra; empty for finite groups."""
        n = self.n
        basis: list[sympy.Matrix] = []
        if self.key in ("R+ wr S", "R* wr S"):
            basis = [_unit(n, i, i) for i in range(n)]
        elif self.key in ("SO", "O", "CO"):
            basis = [_unit(n, i, j) - _unit(n, j, i) for i in range(n) for j in range(i + 1, n)]
            if self.key == "CO":
                basis.append(sympy.eye(n))
        elif self.key == "GL":
            basis = [_unit(n, i, j) for i in range(n) for j in range(n)]
        elif self.key == "Stab1":
            basis = [_unit(n, i, j) - _unit(n, i, n - 1) for i in range(n) for j in range(n - 1)]
        return tuple(self._moved(X) for X in basis)

    def contains(self, A: Any) -> bool:
        """Whether the matrix A, shape (n, n), belongs to the group: exact for exact input, to rounding for floats.

        Raises:
            InputError: A is not an (n, n) matrix of finite numbers.
        """
        matrix = as_weights(A, self.n, self.n)
        if isinstance(matrix, sympy.MatrixBase):
            if self.conjugator is not None:
                matrix = (self.conjugator * matrix * self.conjugator.inv()).applyfunc(sympy.simplify)
            return _contains_exactly(self.key, matrix)
        if self.conjugator is not None:
            R = np.array(self.conjugator.tolist(), dtype=float)
            matrix = R @ matrix @ np.linalg.inv(R)
        return _contains_numerically(self.key, matrix)

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """A random element, float64: uniform (Haar) for finite and compact groups, else spread over a few scales."""
        n = self.n
        if self.key == "trivial":
            A = np.eye(n)
        elif self.key in ("S", "B", "R+ wr S", "R* wr S"):
            A = np.eye(n)[rng.permutation(n)]
            if self.key in ("R+ wr S", "R* wr S"):
                A = A * np.exp(rng.standard_normal(n))
            if self.key in ("B", "R* wr S"):
                A = A * rng.choice([-1.0, 1.0], size=n)
        elif self.key in ("O", "SO", "CO"):
            Q, upper = np.linalg.qr(rng.standard_normal((n, n)))
            A = Q * np.sign(np.diag(upper))
            if self.key == "SO" and np.linalg.det(A) < 0:
                A[:, 0] = -A[:, 0]
            if self.key == "CO":
                A = A * np.exp(rng.standard_normal())
        elif self.key == "GL":
            A = rng.standard_normal((n, n))
        else:
            A = rng.standard_normal((n, n))
            A = A + (1 - A.sum(axis=1, keepdims=True)) / n
        if self.conjugator is None:
            return A
        R = np.array(self.conjugator.tolist(), dtype=float)
        return np.linalg.inv(R) @ A @ R

    def is_subgroup(self, other: MatrixGroup) -> bool:
        """Whether every element of this group lies in `other`; exact.

        `other` is closed, so it suffices that it holds the discrete generators and the Lie algebra.
        """
        if self.n != other.n or not all(other.contains(A) for A in self.discrete_generators()):
            return False
        algebra = other.lie_algebra()
        rank = sympy.Matrix([list(X) for X in algebra]).rank() if algebra else 0
        return all(sympy.Matrix([*(list(Y) for Y in algebra), list(X)]).rank() == rank for X in self.lie_algebra())

    def conjugate(self, R: Any) -> MatrixGroup:
        """R^-1 G R, the group of x -> R^-1 f(R x) where G is the group of f.

        Args:
            R: an invertible exact matrix, shape (n, n).

        Raises:
            InputError: not exact, not invertible or of the wrong shape.
        """
        matrix = as_weights(R, self.n, self.n)
        if not isinstance(matrix, sympy.MatrixBase):
            raise InputError(
                "R must be exact (a sympy matrix, or nested ints and Fractions), so that membership stays exact"
            )
        if sympy.simplify(matrix.det()) == 0:
            raise InputError("R is singular; a change of basis must be invertible")
        whole = matrix if self.conjugator is None else sympy.Matrix(self.conjugator) * matrix
        return replace(self, conjugator=sympy.ImmutableMatrix(whole))

    def privileged_directions(self) -> tuple[PrivilegedOrbit, ...]:
        """The rays whose stabiliser fixes only their line and whose orbit is finite: what the symmetry singles out.

        B_n: all patterns of zeros and signs, e_i first. S_n and Stab(1): the all-ones axis. Positively scaled
        permutations: +e_i and -e_i, two different orbits. O(n), SO(n), CO(n), GL(n): none.
        Source: docs/symmetry.md, predictions.
        """
        n = self.n
        e, ones = [1, *[0] * (n - 1)], [1] * n
        minus = lambda vector: [-value for value in vector]  # noqa: E731
        found: list[tuple[list[int], int]] = []
        if self.key == "B":
            found = [([1] * k + [0] * (n - k), 2**k * int(sympy.binomial(n, k))) for k in range(1, n + 1)]
        elif self.key in ("S", "Stab1"):
            found = [(ones, 1), (minus(ones), 1)]
        elif self.key == "R+ wr S":
            found = [(e, n), (minus(e), n)]
        elif self.key == "R* wr S" or (n == 1 and self.key in ("O", "CO", "GL")):
            found = [(e, 2 * n)]
        elif n == 1:
            found = [(e, 1), (minus(e), 1)]
        inverse = None if self.conjugator is None else self.conjugator.inv()
        moved = lambda v: tuple(map(sympy.Integer, v)) if inverse is None else tuple(inverse * sympy.Matrix(v))  # noqa: E731
        return tuple(PrivilegedOrbit(moved(vector), size) for vector, size in found)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MatrixGroup):
            return NotImplemented
        return self.is_subgroup(other) and other.is_subgroup(self)

    def __hash__(self) -> int:
        return hash((self.n, self.dimension))

    def __str__(self) -> str:
        return self.name

    @cached_property
    def _inverse(self) -> sympy.Matrix:
        return self.conjugator.inv() if self.conjugator is not None else sympy.eye(self.n)

    def _moved(self, A: sympy.Matrix) -> sympy.ImmutableMatrix:
        return sympy.ImmutableMatrix(A if self.conjugator is None else self._inverse * A * self.conjugator)


def group(key: str, n: Any) -> MatrixGroup:
    """A matrix group by its key: "trivial", "S", "B", "R+ wr S", "R* wr S", "SO", "O", "CO", "Stab1", "GL".

    Args:
        key: one of `GROUP_KEYS`, or a plain name such as "signed permutations".
        n: the dimension, an integer >= 1.

    Raises:
        InputError: unknown key or dimension out of range.
    """
    size = as_positive_count("n", n)
    if not size.is_number:
        raise InputError(f"n={n} must be a number")
    word = key if key in GROUP_KEYS else _ALIASES.get(str(key).strip().lower(), key)
    return MatrixGroup(one_of("group", word, GROUP_KEYS), int(size))


def _permutation(images: list[int]) -> sympy.Matrix:
    return sympy.Matrix(len(images), len(images), lambda i, j: int(images[j] == i))


def _unit(n: int, i: int, j: int) -> sympy.Matrix:
    return sympy.Matrix(n, n, lambda a, b: int(a == i and b == j))


def _rotation(n: int, i: int, j: int) -> sympy.Matrix:
    cos, sin = sympy.Rational(3, 5), sympy.Rational(4, 5)
    A = sympy.eye(n)
    A[i, i], A[i, j], A[j, i], A[j, j] = cos, -sin, sin, cos
    return A


def _contains_exactly(key: str, A: sympy.Matrix) -> bool:
    n = A.rows
    if key == "trivial":
        return sympy.eye(n) == A
    if key in ("S", "B", "R+ wr S", "R* wr S"):
        pattern = A.applyfunc(lambda v: 0 if v.is_zero else 1)
        if any(sum(pattern.row(i)) != 1 or sum(pattern.col(i)) != 1 for i in range(n)):
            return False
        entries = [v for v in A if not v.is_zero]
        if key == "S":
            return all(v == 1 for v in entries)
        if key == "B":
            return all(v in (1, -1) for v in entries)
        return key == "R* wr S" or all(v.is_positive for v in entries)
    if key == "GL":
        return bool(sympy.simplify(A.det()) != 0)
    if key == "Stab1":
        fixes = all(sympy.simplify(sum(A.row(i)) - 1) == 0 for i in range(n))
        return fixes and bool(sympy.simplify(A.det()) != 0)
    gram = (A.T * A).applyfunc(sympy.simplify)
    scale = gram[0, 0] if key == "CO" else sympy.Integer(1)
    if scale == 0 or gram != scale * sympy.eye(n):
        return False
    return key != "SO" or sympy.simplify(A.det()) == 1


def _contains_numerically(key: str, A: np.ndarray) -> bool:
    n, size = A.shape[0], float(np.abs(A).max())
    close = lambda X, Y: bool(np.allclose(X, Y, rtol=_TOLERANCE, atol=_TOLERANCE * max(1.0, size)))  # noqa: E731
    if key in ("S", "B", "R+ wr S", "R* wr S"):
        pattern = np.abs(A) > _TOLERANCE * size
        if not ((pattern.sum(0) == 1).all() and (pattern.sum(1) == 1).all()):
            return False
        entries = A[pattern]
        if key == "S":
            return close(entries, 1.0)
        if key == "B":
            return close(np.abs(entries), 1.0)
        return key == "R* wr S" or bool((entries > 0).all())
    if key == "trivial":
        return close(A, np.eye(n))
    invertible = np.linalg.cond(A) < 1 / _TOLERANCE
    if key == "GL":
        return bool(invertible)
    if key == "Stab1":
        return bool(invertible) and close(A.sum(axis=1), 1.0)
    gram = A.T @ A
    if key == "CO":
        return size > 0 and close(gram / gram[0, 0], np.eye(n))
    return close(gram, np.eye(n)) and (key != "SO" or np.linalg.det(A) > 0)
