"""Matrices of the named groups: building blocks, exact random elements, and the tests of membership."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import sympy
from sympy.polys.matrices import DomainMatrix

__all__ = [
    "cayley",
    "contains_exactly",
    "contains_numerically",
    "exact_element",
    "permutation_matrix",
    "permutation_part",
    "plane_rotation",
    "rounding",
    "settled",
    "shear",
    "unit",
]

MONOMIAL = ("S", "B", "R+ wr S", "R* wr S")
ORTHOGONAL = ("O", "SO", "CO")
SCALES = tuple(map(sympy.Rational, ("1", "2", "1/2", "3", "1/3", "3/2", "10", "1/10")))
# Roundings that a float member may be away from the group, per dimension: products and inverses of a few matrices.
_ROUNDINGS = 256


def permutation_matrix(images: Sequence[int]) -> sympy.Matrix:
    """The matrix that sends e_j to e_images[j]."""
    return sympy.Matrix(len(images), len(images), lambda i, j: int(images[j] == i))


def unit(n: int, i: int, j: int) -> sympy.Matrix:
    """The matrix with a single 1, in row i and column j."""
    return sympy.Matrix(n, n, lambda a, b: int(a == i and b == j))


def plane_rotation(n: int, i: int, j: int) -> sympy.Matrix:
    """The rotation of the plane (i, j) by the angle of (3, 4)."""
    cos, sin = sympy.Rational(3, 5), sympy.Rational(4, 5)
    A = sympy.eye(n)
    A[i, i], A[i, j], A[j, i], A[j, j] = cos, -sin, sin, cos
    return A


def cayley(n: int, entries: Sequence[sympy.Rational]) -> sympy.Matrix:
    """(I - K)(I + K)^-1 with the skew matrix K that has these n(n-1)/2 entries above the diagonal: in SO(n), exact."""
    rows, values = [[sympy.QQ(0)] * n for _ in range(n)], iter(entries)
    for i in range(n):
        for j in range(i + 1, n):
            value = next(values)
            rows[i][j] = sympy.QQ(int(value.p), int(value.q))
            rows[j][i] = -rows[i][j]
    # Matrices over the rationals, which are several times faster than those of expressions.
    K, one = DomainMatrix(rows, (n, n), sympy.QQ), DomainMatrix.eye(n, sympy.QQ).to_dense()
    return ((one - K) * (one + K).inv()).to_Matrix()


def shear(n: int, i: int, j: int, amount: sympy.Rational, against: int | None = None) -> sympy.Matrix:
    """I + amount (E_ij - E_i,against): it fixes the all-ones vector where `against` is given; I where singular."""
    A = sympy.eye(n)
    A[i, j] += amount
    if against is not None:
        A[i, against] -= amount
    return A if A.det() != 0 else sympy.eye(n)


def exact_element(key: str, n: int, rng: np.random.Generator) -> sympy.Matrix:
    """A random rational element of the named group."""
    pick = lambda values: values[int(rng.integers(len(values)))]  # noqa: E731
    permutation = permutation_matrix([int(i) for i in rng.permutation(n)])
    signs = sympy.diag(*(int(s) for s in rng.choice([-1, 1], size=n)))
    scales = sympy.diag(*(pick(SCALES) for _ in range(n)))
    if key == "trivial" or (key == "Stab1" and n == 1):
        return sympy.eye(n)
    if key in MONOMIAL:
        A = permutation * (scales if key in ("R+ wr S", "R* wr S") else sympy.eye(n))
        return A * signs if key in ("B", "R* wr S") else A
    if key in ORTHOGONAL:
        skew = [sympy.Rational(int(rng.integers(-3, 4)), int(rng.integers(1, 4))) for _ in range(n * (n - 1) // 2)]
        A = cayley(n, skew)
        return A if key == "SO" else A * signs if key == "O" else pick(SCALES) * A * signs
    if key == "S + 1v":
        v = [sympy.Rational(int(rng.integers(-3, 4)), 2) for _ in range(n)]
        return permutation + sympy.ones(n, 1) * sympy.Matrix([v if sum(v) != -1 else [0] * n])
    A = permutation if key == "Stab1" else permutation * scales * signs
    for _ in range(3 if n > 1 else 0):
        i, j, k = (int(v) for v in (*rng.permutation(n), rng.integers(n))[:3]) if n > 2 else (0, 1, 0)
        A = shear(n, i, j, pick(SCALES), against=k if key == "Stab1" else None) * A
    return A


def permutation_part(A: sympy.Matrix) -> sympy.Matrix:
    """P, where A = P + 1 v^T: each column less its smallest entry."""
    lowest = [min(A.col(j)) for j in range(A.cols)]
    return sympy.Matrix(A.rows, A.cols, lambda i, j: sympy.simplify(A[i, j] - lowest[j]))


def settled(A: sympy.Matrix) -> sympy.Matrix:
    """An exact matrix whose entries are rational wherever simplification shows that they are."""
    return A.applyfunc(lambda v: v if v.is_Rational else sympy.simplify(v))


def contains_exactly(key: str, A: sympy.Matrix) -> bool:
    """Whether an exact matrix belongs to the named group."""
    n = A.rows
    if key == "trivial":
        return sympy.eye(n) == A
    if key in MONOMIAL:
        pattern = A.applyfunc(lambda v: 0 if v.is_zero else 1)
        if any(sum(pattern.row(i)) != 1 or sum(pattern.col(i)) != 1 for i in range(n)):
            return False
        entries = [v for v in A if not v.is_zero]
        if key == "S":
            return all(v == 1 for v in entries)
        if key == "B":
            return all(v in (1, -1) for v in entries)
        return key == "R* wr S" or all(v.is_positive for v in entries)
    if key in ("GL", "Stab1", "S + 1v"):
        if sympy.simplify(A.det()) == 0:
            return False
        if key == "S + 1v":
            return n == 1 or contains_exactly("S", permutation_part(A))
        return key == "GL" or all(sympy.simplify(sum(A.row(i)) - 1) == 0 for i in range(n))
    gram = (A.T * A).applyfunc(sympy.simplify)
    scale = gram[0, 0] if key == "CO" else sympy.Integer(1)
    if scale == 0 or gram != scale * sympy.eye(n):
        return False
    return key != "SO" or sympy.simplify(A.det()) == 1


def rounding(n: int) -> float:
    """How far, relatively, rounding may take a float matrix of this dimension from its group."""
    return _ROUNDINGS * n * float(np.finfo(float).eps)


def contains_numerically(key: str, A: np.ndarray, tolerance: float) -> bool:
    """Whether a float matrix belongs to the named group, to a relative tolerance."""
    n, size = A.shape[0], float(np.abs(A).max())
    close = lambda X, Y: bool(np.allclose(X, Y, rtol=tolerance, atol=tolerance * max(1.0, size)))  # noqa: E731
    if key in MONOMIAL:
        # Relative to its row: scales may differ by many orders of magnitude.
        pattern = np.abs(A) > tolerance * np.abs(A).max(axis=1, keepdims=True)
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
    if key in ("GL", "Stab1", "S + 1v"):
        if not np.linalg.cond(A) < 1 / tolerance:
            return False
        if key == "S + 1v":
            rest = A - A.min(axis=0)
            return n == 1 or (close(rest, np.round(rest)) and contains_numerically("S", np.round(rest), tolerance))
        return key == "GL" or close(A.sum(axis=1), 1.0)
    gram = A.T @ A
    if key == "CO":
        return gram[0, 0] > 0 and close(gram / gram[0, 0], np.eye(n))
    return close(gram, np.eye(n)) and (key != "SO" or np.linalg.det(A) > 0)
