"""Named matrix groups as objects: exact generators, Lie algebra, membership, sampling.

Column vectors; (P D) x with a permutation P and a diagonal D. H wr S_n = {P D : entries of D in H}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import sympy

from theory.arguments import InputError, as_positive_count, as_weights, one_of
from theory.symmetry.elements import (
    MONOMIAL,
    ORTHOGONAL,
    contains_exactly,
    contains_numerically,
    exact_element,
    permutation_matrix,
    plane_rotation,
    rounding,
    settled,
    unit,
)

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
    "S + 1v": ("S_{n} + 1v^T", "permutations up to shifts along the all-ones vector"),
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
# Which named groups of the same dimension n >= 2 hold which, besides themselves, GL and the trivial one.
_INSIDE: Mapping[str, tuple[str, ...]] = {
    "trivial": (),
    "S": ("B", "R+ wr S", "R* wr S", "O", "CO", "Stab1", "S + 1v"),
    "B": ("R* wr S", "O", "CO"),
    "R+ wr S": ("R* wr S",),
    "R* wr S": (),
    "SO": ("O", "CO"),
    "O": ("CO",),
    "CO": (),
    "S + 1v": (),
    "Stab1": (),
    "GL": (),
}


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
            "CO": n * (n - 1) // 2 + 1, "Stab1": n * n - n, "S + 1v": n, "GL": n * n,
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
        return tuple(self._moved(A) for A in self._own_discrete())

    @property
    def has_exact_generators(self) -> bool:
        """Whether `discrete_generators` are complete; False where some have irrational entries and are left out."""
        return True

    def _own_discrete(self) -> list[sympy.Matrix]:
        n = self.n
        found: list[sympy.Matrix] = []
        if self.key in (*MONOMIAL, "Stab1", "S + 1v") and n > 1:
            found.append(permutation_matrix([1, 0, *range(2, n)]))
            if n > 2 and self.key != "Stab1":
                found.append(permutation_matrix([*range(1, n), 0]))
        if self.key in ("B", "R* wr S", "O", "CO", "GL"):
            found.append(sympy.diag(-1, *[1] * (n - 1)))
        if self.key == "S + 1v":
            # P + 1 v^T has determinant det(P)(1 + sum of v): this one is on the other side of the singular matrices.
            found.append(sympy.eye(n) - 2 * self._column(0))
        return found

    def generators(self) -> tuple[sympy.ImmutableMatrix, ...]:
        """Exact group elements: the discrete generators and one element of each one-parameter family.

        For finite groups they generate the group; for continuous ones each family of the Lie algebra is represented by
        one rational element (a scaling by 2, a rotation by the angle of (3, 4), a shear).
        """
        return tuple(self._moved(A) for A in (*self._own_discrete(), *self._own_continuous()))

    def _own_continuous(self) -> list[sympy.Matrix]:
        n = self.n
        found: list[sympy.Matrix] = []
        if self.key in ("R+ wr S", "R* wr S", "GL"):
            found.append(sympy.diag(2, *[1] * (n - 1)))
        if self.key == "CO":
            found.append(2 * sympy.eye(n))
        if self.key in ("O", "SO", "CO") and n > 1:
            found += [plane_rotation(n, i, i + 1) for i in range(n - 1)]
        if self.key == "S + 1v":
            found.append(sympy.eye(n) + self._column(0))
        if self.key == "GL" and n > 1:
            found += [sympy.eye(n) + unit(n, 0, 1), sympy.eye(n) + unit(n, 1, 0)]
        if self.key == "Stab1" and n > 1:
            half = sympy.Rational(1, 2)
            shears = [(i, j) for i in range(n) for j in range(n - 1) if i != j]
            found += [sympy.eye(n) + half * (unit(n, i, j) - unit(n, i, n - 1)) for i, j in shears]
        return found

    def lie_algebra(self) -> tuple[sympy.ImmutableMatrix, ...]:
        """An exact basis of the Lie algebra; empty for finite groups."""
        return tuple(self._moved(X) for X in self._own_algebra())

    def _own_algebra(self) -> list[sympy.Matrix]:
        n = self.n
        basis: list[sympy.Matrix] = []
        if self.key in ("R+ wr S", "R* wr S"):
            basis = [unit(n, i, i) for i in range(n)]
        elif self.key in ("SO", "O", "CO"):
            basis = [unit(n, i, j) - unit(n, j, i) for i in range(n) for j in range(i + 1, n)]
            if self.key == "CO":
                basis.append(sympy.eye(n))
        elif self.key == "S + 1v":
            basis = [self._column(j) for j in range(n)]
        elif self.key == "GL":
            basis = [unit(n, i, j) for i in range(n) for j in range(n)]
        elif self.key == "Stab1":
            basis = [unit(n, i, j) - unit(n, i, n - 1) for i in range(n) for j in range(n - 1)]
        return basis

    def contains(self, A: Any, tolerance: float | None = None) -> bool:
        """Whether the matrix A, shape (n, n), belongs to the group: exact for exact input, to rounding for floats.

        Args:
            A: exact, or floats.
            tolerance: for floats, the relative error of the entries; by default a few hundred roundings, 1e-13 per
                dimension, so that a float matrix that is 1e-12 off is no member. Give more for measured matrices.

        Raises:
            InputError: A is not an (n, n) matrix of finite numbers.
        """
        matrix = as_weights(A, self.n, self.n)
        if isinstance(matrix, sympy.MatrixBase):
            if self.conjugator is not None:
                matrix = self.conjugator * matrix * self.conjugator.inv()
            return self._holds_exactly(settled(matrix))
        if self.conjugator is not None:
            R = np.array(self.conjugator.tolist(), dtype=float)
            matrix = R @ matrix @ np.linalg.inv(R)
            conditioned = max(1.0, float(np.linalg.cond(R)))
            return self._holds_numerically(matrix, (tolerance or rounding(self.n)) * conditioned)
        return self._holds_numerically(matrix, tolerance or rounding(self.n))

    def _holds_exactly(self, A: sympy.Matrix) -> bool:
        return contains_exactly(self.key, A)

    def _holds_numerically(self, A: np.ndarray, tolerance: float) -> bool:
        return contains_numerically(self.key, A, tolerance)

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """A random element, float64: uniform (Haar) for finite and compact groups, else spread over a few scales."""
        A = self._float_element(rng)
        if self.conjugator is None:
            return A
        R = np.array(self.conjugator.tolist(), dtype=float)
        return np.linalg.inv(R) @ A @ R

    def _float_element(self, rng: np.random.Generator) -> np.ndarray:
        n = self.n
        if self.key == "trivial":
            A = np.eye(n)
        elif self.key in MONOMIAL:
            A = np.eye(n)[rng.permutation(n)]
            if self.key in ("R+ wr S", "R* wr S"):
                A = A * np.exp(rng.standard_normal(n))
            if self.key in ("B", "R* wr S"):
                A = A * rng.choice([-1.0, 1.0], size=n)
        elif self.key == "S + 1v":
            A = np.eye(n)[rng.permutation(n)] + rng.standard_normal(n)
        elif self.key in ORTHOGONAL:
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
        return A

    def exact_samples(self, count: int = 10, seed: int = 0) -> tuple[sympy.ImmutableMatrix, ...]:
        """Random rational elements: permutations, signs, fractions, Cayley transforms for O(n), shears for GL(n).

        (Exact, and rational where the conjugator is.)

        Raises:
            InputError: count < 1.
        """
        size, rng = int(as_positive_count("count", count)), np.random.default_rng(seed)
        return tuple(self._moved(self._exact_element(rng)) for _ in range(size))

    def _exact_element(self, rng: np.random.Generator) -> sympy.Matrix:
        return exact_element(self.key, self.n, rng)

    def is_subgroup(self, other: MatrixGroup) -> bool:
        """Whether every element of this group lies in `other`; exact."""
        if self.n != other.n:
            return False
        named = type(self) is type(other) is MatrixGroup
        if named and self.n > 1 and self.conjugator == other.conjugator:
            return self.key == "trivial" or other.key in (self.key, "GL", *_INSIDE[self.key])
        return self.generates_inside(other)

    def generates_inside(self, other: MatrixGroup) -> bool:
        """Inclusion by computation: `other` is closed and holds the discrete generators and the Lie algebra."""
        if other.key == "GL":
            return True
        if not all(other.contains(A) for A in self.discrete_generators()):
            return False
        larger = [list(Y) for Y in other.lie_algebra()]
        own = [list(X) for X in self.lie_algebra()]
        if own and not (larger and sympy.Matrix(larger + own).rank() == len(larger)):
            return False
        if not self.has_exact_generators and self._signature() != other._signature():
            raise InputError(f"whether {self.name} lies in {other.name} is undecided: some generators are irrational")
        return True

    def _signature(self) -> tuple[Any, ...]:
        """What defines the group, apart from its status and proof."""
        return (
            type(self),
            *(getattr(self, f.name) for f in fields(self) if f.name not in ("status", "proof", "title")),
        )

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

        B_n: all patterns of zeros and signs, e_i first. S_n, S_n + 1v^T and Stab(1): the all-ones axis. Positively
        scaled permutations: +e_i and -e_i, two different orbits. O(n), SO(n), CO(n), GL(n): none.
        Source: docs/symmetry.md, predictions.
        """
        inverse = None if self.conjugator is None else self.conjugator.inv()
        return tuple(
            orbit
            if inverse is None
            else PrivilegedOrbit(tuple(inverse * sympy.Matrix(orbit.representative)), orbit.size)
            for orbit in self._privileged()
        )

    def _privileged(self) -> tuple[PrivilegedOrbit, ...]:
        n = self.n
        e, ones = [1, *[0] * (n - 1)], [1] * n
        minus = lambda vector: [-value for value in vector]  # noqa: E731
        found: list[tuple[list[int], int]] = []
        if self.key == "B":
            found = [([1] * k + [0] * (n - k), 2**k * int(sympy.binomial(n, k))) for k in range(1, n + 1)]
        elif self.key in ("S", "Stab1") or (self.key == "S + 1v" and n > 1):
            found = [(ones, 2)] if self.key == "S + 1v" else [(ones, 1), (minus(ones), 1)]
        elif self.key == "R+ wr S":
            found = [(e, n), (minus(e), n)]
        elif self.key == "R* wr S" or (n == 1 and self.key in ("O", "CO", "GL", "S + 1v")):
            found = [(e, 2 * n)]
        elif n == 1:
            found = [(e, 1), (minus(e), 1)]
        return tuple(PrivilegedOrbit(tuple(map(sympy.Integer, vector)), size) for vector, size in found)

    def privileged_planes(self) -> tuple[Any, ...]:
        """The planes that the stabiliser of a vector fixes, with finite orbits: see `theory.symmetry.planes`.

        Raises:
            InputError: a group for which they are not derived.
        """
        from theory.symmetry.planes import planes

        return planes(self)

    def intersection(self, other: MatrixGroup) -> MatrixGroup:
        """{A : A in both}: a named group where it is known to be one; membership and Lie algebra always exact.

        Raises:
            InputError: different dimensions.
        """
        from theory.symmetry.intersections import intersect

        return intersect(self, other)

    def permutation_group(self) -> Any:
        """A finite group as a `sympy.combinatorics.PermutationGroup` of the 2n vectors e_1 .. e_n, -e_1 .. -e_n.

        Raises:
            InputError: not a group of signed permutations.
        """
        from sympy.combinatorics import Permutation, PermutationGroup

        if self.conjugator is not None or not self.order.is_finite or self.key not in ("trivial", "S", "B"):
            raise InputError(f"{self.name} is no group of signed permutations")
        n, found = self.n, [Permutation(2 * self.n - 1)]
        for A in self._own_discrete():
            images = [next(i if A[i, j] == 1 else i + n for i in range(n) if A[i, j] != 0) for j in range(n)]
            found.append(Permutation([*images, *((i + n) % (2 * n) for i in images)]))
        return PermutationGroup(found)

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

    def _column(self, j: int) -> sympy.Matrix:
        """1 e_j^T."""
        return sympy.ones(self.n, 1) * sympy.eye(self.n).row(j)

    def _moved(self, A: sympy.Matrix) -> sympy.ImmutableMatrix:
        return sympy.ImmutableMatrix(A if self.conjugator is None else self._inverse * A * self.conjugator)


def group(key: str, n: Any) -> MatrixGroup:
    """A matrix group by its key: "trivial", "S", "B", "R+ wr S", "R* wr S", "SO", "O", "CO", "S + 1v", "Stab1", "GL".

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
