"""The intersection of two matrix groups: a named group where one is known, else both conditions at once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
import sympy

from theory.arguments import InputError
from theory.symmetry.blocks import FormGroup, ScaledPermutations, difference_basis
from theory.symmetry.composite import composite
from theory.symmetry.elements import MONOMIAL, ORTHOGONAL, permutation_matrix
from theory.symmetry.groups import MatrixGroup, PrivilegedOrbit, group

__all__ = ["IntersectionGroup", "intersect"]

_MAX_ENUMERATED = 50_000
_MAX_REFLECTED = 7


def intersect(first: MatrixGroup, second: MatrixGroup) -> MatrixGroup:
    """{A : A in both}.

    Raises:
        InputError: different dimensions.
    """
    if first.n != second.n:
        raise InputError(f"{first.name} and {second.name} act on different dimensions {first.n} and {second.n}")
    for small, large in ((first, second), (second, first)):
        if small.has_exact_generators and small.is_subgroup(large):
            return small
    named = type(first) is type(second) is MatrixGroup and first.conjugator == second.conjugator
    found = _named(first.key, second.key, first.n) if named else None
    if found is not None:
        return found if first.conjugator is None else found.conjugate(sympy.Matrix(first.conjugator))
    return IntersectionGroup("intersection", first.n, first=first, second=second)


def _named(a: str, b: str, n: int) -> MatrixGroup | None:
    """Monomial matrices meet in their signs and scales; orthogonal ones have no scales, CO(n) one scale for all."""
    if a not in MONOMIAL:
        a, b = b, a
    if a not in MONOMIAL:
        return _fixing_ones(b, a, n) if a in ORTHOGONAL else _fixing_ones(a, b, n)
    signs, scales = a in ("B", "R* wr S"), a in ("R+ wr S", "R* wr S")
    if scales and b in ("SO", "S + 1v"):
        # Rows of length one, or columns of P + 1 v^T with one entry: the scales are signs.
        return intersect(group("B" if signs else "S", n), group(b, n))
    if b in MONOMIAL:
        signs, scales = signs and b in ("B", "R* wr S"), scales and b in ("R+ wr S", "R* wr S")
        return group({(0, 0): "S", (1, 0): "B", (0, 1): "R+ wr S", (1, 1): "R* wr S"}[signs, scales], n)
    if b == "O":
        return group("B" if signs else "S", n)
    if b == "CO" and scales and not signs:
        return ScaledPermutations(n=n)
    # The row sums of a monomial matrix are its entries.
    return group("S", n) if b == "Stab1" else None


def _fixing_ones(a: str, b: str, n: int) -> MatrixGroup | None:
    """What an orthogonal group b has in common with the maps that fix the all-ones vector, or permute up to it."""
    if b not in ORTHOGONAL:
        return None
    if a == "S + 1v":
        return IntersectionGroup("intersection", n, first=group(a, n), second=group(b, n))
    if a != "Stab1":
        return None
    if b == "SO":
        return group("trivial", n) if n == 2 else None
    # CO as well: a map that fixes a vector has no scale.
    V = sympy.Matrix(difference_basis(n))
    block = FormGroup(n=n - 1, form=sympy.ImmutableMatrix(V.T * V))
    basis = sympy.Matrix.hstack(sympy.ones(n, 1), V)
    title = f"O({n - 1}) on sum-zero vectors, 1 fixed"
    return composite((group("trivial", 1), 1), (block, 1), basis=basis, title=title)


@dataclass(frozen=True, eq=False)
class IntersectionGroup(MatrixGroup):
    """{A : A in first and in second}: membership, dimension and Lie algebra are exact; it is sampled where finite.

    Attributes:
        first: a group.
        second: another of the same dimension.
    """

    first: MatrixGroup = MatrixGroup("trivial", 1)  # noqa: RUF009 - immutable
    second: MatrixGroup = MatrixGroup("trivial", 1)  # noqa: RUF009 - immutable

    @property
    def name(self) -> str:
        return f"{self.first.name.partition(':')[0]} and {self.second.name.partition(':')[0]}: what lies in both"

    @property
    def dimension(self) -> sympy.Integer:
        return sympy.Integer(len(self._own_algebra()))

    @property
    def order(self) -> sympy.Expr:
        """Number of elements.

        Raises:
            InputError: of dimension 0, and no group to enumerate it in.
        """
        return sympy.oo if self.dimension > 0 else sympy.Integer(len(self._elements()))

    @property
    def has_exact_generators(self) -> bool:
        return self._finite is not None or self._is_reflected

    @property
    def _finite(self) -> MatrixGroup | None:
        small = [g for g in (self.first, self.second) if g.key in ("trivial", "S", "B") and type(g) is MatrixGroup]
        return (
            min(small, key=lambda g: int(g.order)) if small and min(g.order for g in small) <= _MAX_ENUMERATED else None
        )

    def is_subgroup(self, other: MatrixGroup) -> bool:
        bare = self.conjugator is None and self.n == other.n
        if bare and (self.first.is_subgroup(other) or self.second.is_subgroup(other)):
            return True
        return super().is_subgroup(other)

    @property
    def _is_reflected(self) -> bool:
        """Whether this is S_n + 1 v^T met with orthogonal maps: P and P (I - 2 J/n).

        For I + 1 v^T orthogonal up to a scale, 1 v^T + v 1^T + n v v^T is a multiple of I: v = c 1, c = 0 or c = -2/n.
        """
        bare = type(self.first) is type(self.second) is MatrixGroup
        plain = bare and self.first.conjugator is None and self.second.conjugator is None
        return plain and self.first.key == "S + 1v" and self.second.key in ORTHOGONAL and self.n <= _MAX_REFLECTED

    def _elements(self) -> list[sympy.Matrix]:
        if self._is_reflected:
            one = sympy.eye(self.n)
            turned = one - 2 * sympy.ones(self.n) / self.n
            every = (permutation_matrix(o) * X for o in permutations(range(self.n)) for X in (one, turned))
            return [A for A in every if self.second.contains(A)]
        if self._finite is None:
            raise InputError(f"{self.name} is not enumerable: neither group is a small finite one")
        other = self.second if self._finite is self.first else self.first
        n, signs = self.n, (1, -1) if self._finite.key == "B" else (1,)
        orders = permutations(range(n)) if self._finite.key != "trivial" else [tuple(range(n))]
        every = (
            self._finite._moved(sympy.Matrix(n, n, lambda i, j, o=o, s=s: s[j] if o[j] == i else 0))
            for o in orders
            for s in product(signs, repeat=n)
        )
        return [sympy.Matrix(A) for A in every if other.contains(sympy.Matrix(A))]

    def _own_discrete(self) -> list[sympy.Matrix]:
        if self.has_exact_generators:
            return self._elements()
        both = (*self.first.discrete_generators(), *self.second.discrete_generators())
        return [sympy.Matrix(A) for A in both if self._holds_exactly(sympy.Matrix(A))]

    def _own_continuous(self) -> list[sympy.Matrix]:
        both = (*self.first.generators(), *self.second.generators())
        return [sympy.Matrix(A) for A in both if self._holds_exactly(sympy.Matrix(A))]

    def _own_algebra(self) -> list[sympy.Matrix]:
        a, b = ([sympy.Matrix(X) for X in g.lie_algebra()] for g in (self.first, self.second))
        if not a or not b:
            return []
        relations = sympy.Matrix([list(X) for X in [*a, *b]]).T.nullspace()
        total = (sum((c * X for c, X in zip(v, a, strict=False)), sympy.zeros(self.n)) for v in relations)
        return list(total)

    def _holds_exactly(self, A: sympy.Matrix) -> bool:
        return self.first.contains(A) and self.second.contains(A)

    def _holds_numerically(self, A: np.ndarray, tolerance: float) -> bool:
        return self.first.contains(A, tolerance) and self.second.contains(A, tolerance)

    def _exact_element(self, rng: np.random.Generator) -> sympy.Matrix:
        if not self.has_exact_generators:
            raise InputError(
                f"{self.name} is not sampled: no parametrisation is known; use `contains` and `lie_algebra`"
            )
        elements = self._elements()
        return elements[int(rng.integers(len(elements)))]

    def _float_element(self, rng: np.random.Generator) -> np.ndarray:
        return np.array(self._exact_element(rng).tolist(), dtype=float)

    def _privileged(self) -> tuple[PrivilegedOrbit, ...]:
        raise InputError(f"the privileged directions of {self.name} are not derived")
