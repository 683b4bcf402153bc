"""Irreducible building blocks of the groups of layers, beyond the named ones: closed matrix groups with exact data.

`ScaledPermutations` c P; `SortBlock`, the maps of the sum-zero vectors that commute with sorting or normalise the
permutations; `FormGroup`, the maps that preserve a quadratic form and commute with a symmetric operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import sympy

from theory.symmetry.elements import SCALES, contains_exactly, contains_numerically, permutation_matrix
from theory.symmetry.groups import MatrixGroup, PrivilegedOrbit

__all__ = ["FormGroup", "ScaledPermutations", "SignedShears", "SortBlock"]

_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class _Block(MatrixGroup):
    """What the blocks share: they are given in one basis, and a change of basis is left to `CompositeGroup`."""

    key: str = "block"
    n: int = 1

    @property
    def order(self) -> sympy.Expr:
        return sympy.oo

    def _float_element(self, rng: np.random.Generator) -> np.ndarray:
        return np.array(self._exact_element(rng).tolist(), dtype=float)

    def _privileged(self) -> tuple[PrivilegedOrbit, ...]:
        return ()


@dataclass(frozen=True, eq=False)
class ScaledPermutations(_Block):
    """R>0 x S_n: one positive scale times a permutation."""

    @property
    def name(self) -> str:
        return f"R>0 x S_{self.n}: permutations times one positive scale"

    @property
    def dimension(self) -> sympy.Integer:
        return sympy.Integer(1)

    def _own_discrete(self) -> list[sympy.Matrix]:
        return _permutations(self.n)

    def _own_continuous(self) -> list[sympy.Matrix]:
        return [2 * sympy.eye(self.n)]

    def _own_algebra(self) -> list[sympy.Matrix]:
        return [sympy.eye(self.n)]

    def _holds_exactly(self, A: sympy.Matrix) -> bool:
        scale = sum(A.row(0))
        return bool(scale.is_positive) and contains_exactly("S", (A / scale).applyfunc(sympy.simplify))

    def _holds_numerically(self, A: np.ndarray, tolerance: float) -> bool:
        scale = A[0].sum()
        return bool(scale > 0) and contains_numerically("S", A / scale, tolerance)

    def _exact_element(self, rng: np.random.Generator) -> sympy.Matrix:
        return SCALES[int(rng.integers(len(SCALES)))] * _random_permutation(self.n, rng)

    def _float_element(self, rng: np.random.Generator) -> np.ndarray:
        return float(np.exp(rng.standard_normal())) * np.eye(self.n)[rng.permutation(self.n)]

    def _privileged(self) -> tuple[PrivilegedOrbit, ...]:
        ones = (sympy.Integer(1),) * self.n
        return (PrivilegedOrbit(ones, 1), PrivilegedOrbit(tuple(-v for v in ones), 1))


@dataclass(frozen=True, eq=False)
class SortBlock(_Block):
    """Maps a P of the sum-zero vectors of R^k, in the basis e_1 - e_2, e_2 - e_3, ...; k = n + 1 >= 2.

    Attributes:
        every: with True, every permutation P and every a != 0 (the normaliser of the permutations); with False, P = 1
            with a > 0, and the reversal with a < 0 (what commutes with sorting).
    """

    every: bool = False

    @property
    def name(self) -> str:
        k = self.n + 1
        if self.every:
            return f"R* x S_{k} on sum-zero vectors: permutations times one scale"
        return f"R>0 x <-w> on sum-zero vectors of R^{k}, w the reversal: positive scales, negated reversals"

    @property
    def dimension(self) -> sympy.Integer:
        return sympy.Integer(1)

    @cached_property
    def basis(self) -> sympy.ImmutableMatrix:
        """Columns e_i - e_{i+1}, shape (k, k - 1)."""
        return difference_basis(self.n + 1)

    def restricted(self, A: sympy.Matrix) -> sympy.Matrix:
        """A, shape (k, k) and preserving the sum-zero vectors, in their basis."""
        return _coordinates(sympy.Matrix(self.basis), A * self.basis)

    def reversal(self) -> sympy.Matrix:
        """The map that reverses the entries, in the basis."""
        return self.restricted(permutation_matrix([*range(self.n, -1, -1)]))

    def _own_discrete(self) -> list[sympy.Matrix]:
        if not self.every:
            return [-self.reversal()]
        return [-sympy.eye(self.n), *(self.restricted(P) for P in _permutations(self.n + 1))]

    def _own_continuous(self) -> list[sympy.Matrix]:
        return [2 * sympy.eye(self.n)]

    def _own_algebra(self) -> list[sympy.Matrix]:
        return [sympy.eye(self.n)]

    def _holds_exactly(self, X: sympy.Matrix) -> bool:
        basis = sympy.Matrix(self.basis)
        lifted = (basis * X * (basis.T * basis).inv() * basis.T).applyfunc(sympy.simplify)
        for scale in self._possible_scales(lifted):
            permutation = (lifted / scale + sympy.ones(self.n + 1) / (self.n + 1)).applyfunc(sympy.simplify)
            if self._is_admissible(scale > 0, contains_exactly("S", permutation), permutation):
                return True
        return False

    def _holds_numerically(self, X: np.ndarray, tolerance: float) -> bool:
        basis = np.array(self.basis.tolist(), dtype=float)
        lifted = basis @ X @ np.linalg.pinv(basis)
        for scale in self._possible_scales(lifted.tolist()):
            permutation = lifted / scale + 1 / (self.n + 1)
            exact = sympy.Matrix(np.round(permutation).astype(int).tolist())
            if self._is_admissible(scale > 0, contains_numerically("S", permutation, tolerance), exact):
                return True
        return False

    def _possible_scales(self, lifted: object) -> list:
        """a P - (a/k) 1 1^T has the entries a - a/k and -a/k, so |a| is the difference of the extreme entries."""
        entries = list(lifted) if isinstance(lifted, sympy.MatrixBase) else [v for row in lifted for v in row]  # type: ignore[attr-defined]
        size = max(entries) - min(entries)
        return [size, -size] if size != 0 else []

    def _is_admissible(self, is_positive: bool, is_permutation: bool, permutation: sympy.Matrix) -> bool:
        if not is_permutation:
            return False
        if self.every:
            return True
        images = [*range(self.n + 1)] if is_positive else [*range(self.n, -1, -1)]
        return bool(permutation == permutation_matrix(images))

    def _exact_element(self, rng: np.random.Generator) -> sympy.Matrix:
        scale = SCALES[int(rng.integers(len(SCALES)))]
        is_negative = bool(rng.integers(2))
        if self.every:
            return (-scale if is_negative else scale) * self.restricted(_random_permutation(self.n + 1, rng))
        return scale * (self._own_discrete()[0] if is_negative else sympy.eye(self.n))


@dataclass(frozen=True, eq=False)
class FormGroup(_Block):
    """{X : X^T G X = G, X M = M X}, with CO also its positive multiples.

    Attributes:
        form: G, exact, symmetric and positive definite, shape (n, n).
        commuting: M with G M symmetric, exact; None for no condition.
        scaled: whether positive multiples belong too.
        title: how the group is called.
    """

    form: sympy.ImmutableMatrix = sympy.ImmutableMatrix([[1]])  # noqa: RUF009 - immutable
    commuting: sympy.ImmutableMatrix | None = None
    scaled: bool = False
    title: str = ""

    @property
    def name(self) -> str:
        symbol = "CO" if self.scaled else "O"
        return self.title or f"{symbol}({self.n}) of a quadratic form"

    @property
    def dimension(self) -> sympy.Integer:
        return sympy.Integer(len(self._own_algebra()))

    @property
    def order(self) -> sympy.Expr:
        return sympy.oo if self._own_algebra() else sympy.Integer(2) ** len(self.multiplicities)

    @cached_property
    def multiplicities(self) -> tuple[tuple[sympy.Expr, int], ...]:
        """The irreducible factors of the characteristic polynomial of M, per distinct eigenvalue: (factor, how often).

        An irreducible factor of degree d is listed d times, once per root.
        """
        if self.commuting is None:
            return ((sympy.Integer(1), self.n),)
        symbol = sympy.Symbol("lambda")
        factors = sympy.factor_list(self.commuting.charpoly(symbol).as_expr(), symbol)[1]
        return tuple((factor, power) for factor, power in factors for _ in range(sympy.degree(factor, symbol)))

    @cached_property
    def _algebra(self) -> tuple[sympy.ImmutableMatrix, ...]:
        n = self.n
        inverse = self.form.inv()
        # G X is skew exactly if X is in the algebra of the form.
        skew = [sympy.Matrix(n, n, lambda a, b, i=i, j=j: int((a, b) == (i, j)) - int((a, b) == (j, i)))
                for i in range(n) for j in range(i + 1, n)]  # fmt: skip
        basis = [inverse * K for K in skew]
        if self.commuting is not None and basis:
            conditions = sympy.Matrix([list(X * self.commuting - self.commuting * X) for X in basis]).T
            basis = [
                sum((c * X for c, X in zip(v, basis, strict=True)), sympy.zeros(n)) for v in conditions.nullspace()
            ]
        return tuple(sympy.ImmutableMatrix(X) for X in [*basis, *([sympy.eye(n)] if self.scaled else [])])

    def _own_algebra(self) -> list[sympy.Matrix]:
        return [sympy.Matrix(X) for X in self._algebra]

    @cached_property
    def _reflections(self) -> tuple[sympy.ImmutableMatrix, ...]:
        """One reflection in each eigenspace of M; -1 stands in for those whose eigenvalue has degree 3 or more."""
        found = [self._reflection(v) for v in self.eigenvectors]
        if not self.has_exact_generators:
            found.append(-sympy.eye(self.n))
        return tuple(sympy.ImmutableMatrix(X) for X in found)

    def _reflection(self, v: sympy.Matrix) -> sympy.Matrix:
        return (sympy.eye(self.n) - 2 * v * (v.T * self.form) / (v.T * self.form * v)[0, 0]).applyfunc(sympy.radsimp)

    @cached_property
    def eigenvectors(self) -> tuple[sympy.ImmutableMatrix, ...]:
        """One vector of each eigenspace of M whose eigenvalue is rational or a quadratic irrational, exact."""
        if self.commuting is None:
            return (sympy.ImmutableMatrix(sympy.eye(self.n).col(0)),)
        found = []
        for factor in dict.fromkeys(factor for factor, _ in self.multiplicities):
            symbol = next(iter(factor.free_symbols))
            if sympy.degree(factor, symbol) > 2:
                continue
            for value in sympy.roots(factor, symbol):
                shifted = (self.commuting - value * sympy.eye(self.n)).applyfunc(sympy.expand)
                null = shifted.nullspace(simplify=sympy.radsimp)
                found.append(sympy.ImmutableMatrix(null[0].applyfunc(sympy.radsimp)))
        return tuple(found)

    @property
    def has_exact_generators(self) -> bool:
        """Whether every eigenvalue of M is rational or quadratic, so that a reflection in its eigenspace is listed."""
        return len(self.eigenvectors) == len(self.multiplicities)

    def _own_discrete(self) -> list[sympy.Matrix]:
        return [sympy.Matrix(X) for X in self._reflections]

    def _own_continuous(self) -> list[sympy.Matrix]:
        rotations = [self._cayley(X) for X in self._own_algebra()[: len(self._algebra) - self.scaled]]
        return rotations + ([2 * sympy.eye(self.n)] if self.scaled else [])

    def _cayley(self, X: sympy.Matrix) -> sympy.Matrix:
        return (sympy.eye(self.n) - X) * (sympy.eye(self.n) + X).inv()

    def _holds_exactly(self, X: sympy.Matrix) -> bool:
        gram = (X.T * self.form * X).applyfunc(sympy.simplify)
        scale = gram[0, 0] / self.form[0, 0] if self.scaled else sympy.Integer(1)
        if scale == 0 or (gram - scale * self.form).applyfunc(sympy.simplify) != sympy.zeros(self.n):
            return False
        if self.commuting is None:
            return True
        return bool((X * self.commuting - self.commuting * X).applyfunc(sympy.simplify) == sympy.zeros(self.n))

    def _holds_numerically(self, X: np.ndarray, tolerance: float) -> bool:
        G = np.array(self.form.tolist(), dtype=float)
        gram = X.T @ G @ X
        scale = gram[0, 0] / G[0, 0] if self.scaled else 1.0
        if not (scale > 0 and np.abs(gram - scale * G).max() <= tolerance * scale * np.abs(G).max() * self.n):
            return False
        if self.commuting is None:
            return True
        M = np.array(self.commuting.tolist(), dtype=float)
        return bool(np.abs(X @ M - M @ X).max() <= tolerance * np.abs(M).max() * np.abs(X).max() * self.n)

    def _exact_element(self, rng: np.random.Generator) -> sympy.Matrix:
        A = sympy.eye(self.n)
        for reflection in self._own_discrete():
            if rng.integers(2):
                A = A * reflection
        algebra = self._own_algebra()[: len(self._algebra) - self.scaled]
        if algebra:
            weights = [sympy.Rational(int(rng.integers(-3, 4)), int(rng.integers(1, 4))) for _ in algebra]
            A = A * self._cayley(sum((w * X for w, X in zip(weights, algebra, strict=True)), sympy.zeros(self.n)))
        return SCALES[int(rng.integers(len(SCALES)))] * A if self.scaled else A

    def _float_element(self, rng: np.random.Generator) -> np.ndarray:
        """Haar: an independent uniform orthogonal matrix on each eigenspace, in an orthonormal basis for G."""
        G = np.array(self.form.tolist(), dtype=float)
        root = np.linalg.cholesky(G).T
        back = np.linalg.inv(root)
        M = np.eye(self.n) if self.commuting is None else np.array(self.commuting.tolist(), dtype=float)
        values, vectors = np.linalg.eigh((root @ M @ back + (root @ M @ back).T) / 2)
        gap = _TOLERANCE * max(1.0, float(np.abs(values).max()))
        starts = [0, *(int(i) + 1 for i in np.flatnonzero(np.diff(values) > gap)), self.n]
        Q = np.zeros((self.n, self.n))
        for low, high in pairwise(starts):
            part, upper = np.linalg.qr(rng.standard_normal((high - low, high - low)))
            Q[low:high, low:high] = part * np.sign(np.diag(upper))
        scale = float(np.exp(rng.standard_normal())) if self.scaled else 1.0
        return scale * back @ vectors @ Q @ vectors.T @ root

    def _privileged(self) -> tuple[PrivilegedOrbit, ...]:
        """The eigenlines: eigenspaces of dimension 1, where only a sign is left."""
        if self.scaled and self.n > 1:
            return ()
        if self.commuting is None:
            return (PrivilegedOrbit((sympy.Integer(1),), 2),) if self.n == 1 else ()
        simple = {factor for factor, power in self.multiplicities if power == 1}
        symbol = next(iter(self.multiplicities[0][0].free_symbols))
        lines = [v for v in self.eigenvectors if any(self._is_root(factor, symbol, v) for factor in simple)]
        return tuple(PrivilegedOrbit(tuple(v), 2) for v in lines)

    def _is_root(self, factor: sympy.Expr, symbol: sympy.Symbol, v: sympy.Matrix) -> bool:
        place = next(i for i in range(self.n) if v[i] != 0)
        value = sympy.radsimp((self.commuting * v)[place] / v[place])
        return bool(sympy.simplify(factor.subs(symbol, value)) == 0)


@dataclass(frozen=True, eq=False)
class SignedShears(_Block):
    """{s [[1, c], [0, 1]] : s = 1 or -1, c any number}."""

    n: int = 2

    @property
    def name(self) -> str:
        return "<-1> x R: shears along a line, and their negatives"

    @property
    def dimension(self) -> sympy.Integer:
        return sympy.Integer(1)

    def _own_discrete(self) -> list[sympy.Matrix]:
        return [-sympy.eye(2)]

    def _own_continuous(self) -> list[sympy.Matrix]:
        return [sympy.Matrix([[1, 1], [0, 1]])]

    def _own_algebra(self) -> list[sympy.Matrix]:
        return [sympy.Matrix([[0, 1], [0, 0]])]

    def _holds_exactly(self, A: sympy.Matrix) -> bool:
        return bool(A[1, 0] == 0 and A[0, 0] == A[1, 1] and A[0, 0] in (1, -1))

    def _holds_numerically(self, A: np.ndarray, tolerance: float) -> bool:
        sign = 1.0 if A[0, 0] > 0 else -1.0
        gaps = (A[1, 0], A[0, 0] - sign, A[1, 1] - sign)
        return bool(np.abs(gaps).max() <= tolerance * max(1.0, abs(A[0, 1])))

    def _exact_element(self, rng: np.random.Generator) -> sympy.Matrix:
        sign, amount = (-1) ** int(rng.integers(2)), sympy.Rational(int(rng.integers(-6, 7)), 2)
        return sign * sympy.Matrix([[1, amount], [0, 1]])

    def _privileged(self) -> tuple[PrivilegedOrbit, ...]:
        return (PrivilegedOrbit((sympy.Integer(1), sympy.Integer(0)), 2),)


def difference_basis(k: int) -> sympy.ImmutableMatrix:
    """Columns e_i - e_{i+1}: a basis of the sum-zero vectors of R^k, shape (k, k - 1)."""
    return sympy.ImmutableMatrix(k, k - 1, lambda i, j: int(i == j) - int(i == j + 1))


def _coordinates(basis: sympy.Matrix, vectors: sympy.Matrix) -> sympy.Matrix:
    return (basis.T * basis).inv() * basis.T * vectors


def _permutations(n: int) -> list[sympy.Matrix]:
    if n == 1:
        return []
    swap = permutation_matrix([1, 0, *range(2, n)])
    return [swap] if n == 2 else [swap, permutation_matrix([*range(1, n), 0])]


def _random_permutation(n: int, rng: np.random.Generator) -> sympy.Matrix:
    return permutation_matrix([int(i) for i in rng.permutation(n)])
