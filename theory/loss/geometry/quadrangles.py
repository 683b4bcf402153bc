"""Feature directions from generalised quadrangles: superlinear capacity for ReLU, at the rate that is optimal.

The points of the elliptic quadric Q^-(5, q) form a generalised quadrangle of order (q, q^2): n = (q+1)(q^3+1) points,
each collinear with q(q^2+1) others. The smallest eigenvalue of the collinearity graph, -(q^2+1), has multiplicity
m = q(q^2-q+1); projected there, collinear points have cosine -1/q and the q^4 others 1/q^2. So K = n/2 for ReLU, and
n/2 ~ m^(4/3)/2.  Source: docs/scaling.md, S3; S. E. Payne, J. A. Thas, *Finite Generalized Quadrangles* (1984).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import sympy

from theory.arguments import InputError
from theory.loss.capacity import Kernel

__all__ = ["Quadrangle", "quadrangle", "quadrangle_gram", "quadrangles_within"]


@dataclass(frozen=True)
class Quadrangle:
    """The unit vectors of the generalised quadrangle of order (q, q^2).

    Attributes:
        q: a prime power.
        n: (q+1)(q^3+1) vectors.
        m: q(q^2-q+1) dimensions.
    """

    q: int
    n: int
    m: int

    def interference(self, kernel: Kernel) -> sympy.Expr:
        """The mean of f over ordered pairs of different vectors, exact."""
        q, power = sympy.Integer(self.q), 2 * kernel.exponent
        apart, collinear = q**4 * q ** (-2 * power), kernel.negative * q * (q**2 + 1) * q ** (-power)
        return (apart + collinear) / (self.n - 1)

    def capacity(self, kernel: Kernel) -> sympy.Expr:
        """K = n/(1 + (n-1) times the mean interference)."""
        return self.n / (1 + (self.n - 1) * self.interference(kernel))


def quadrangle(q: Any) -> Quadrangle:
    """The quadrangle of order (q, q^2).

    Raises:
        InputError: q is no prime power.
    """
    if isinstance(q, bool) or q != int(q) or q < 2 or len(sympy.primefactors(int(q))) != 1:
        raise InputError(f"q={q} must be a prime power: 2, 3, 4, 5, 7, 8, 9, ...")
    q = int(q)
    return Quadrangle(q, (q + 1) * (q**3 + 1), q * (q * q - q + 1))


def quadrangles_within(m: int) -> list[Quadrangle]:
    """All quadrangles that fit into m dimensions, by increasing q."""
    found, q = [], 2
    while q * (q * q - q + 1) <= m:
        if len(sympy.primefactors(q)) == 1:
            found.append(quadrangle(q))
        q += 1
    return found


def quadrangle_gram(q: int) -> np.ndarray:
    """The cosines, shape (n, n), from the points of the quadric themselves; positive semidefinite of rank m.

    Points are the zeros of x_0 x_1 + x_2 x_3 + g(x_4, x_5) in the projective space over F_q, with g irreducible; two
    are collinear where the polar form vanishes.

    Args:
        q: a prime (fields of prime power order are not built here).

    Raises:
        InputError: q is no prime, or above 7.
    """
    if q not in (2, 3, 5, 7):
        raise InputError(f"q={q} must be a prime up to 7; larger quadrangles have thousands of points")
    b, c = next((b, c) for b in range(q) for c in range(1, q) if all((y * y + b * y + c) % q for y in range(q)))
    vectors = np.array([v for v in product(range(q), repeat=6) if next((x for x in v if x), None) == 1])
    x = vectors.T
    form = x[0] * x[1] + x[2] * x[3] + x[4] ** 2 + b * x[4] * x[5] + c * x[5] ** 2
    points = vectors[form % q == 0]
    polar = np.zeros((6, 6), dtype=int)
    polar[0, 1] = polar[1, 0] = polar[2, 3] = polar[3, 2] = 1
    polar[4, 4], polar[5, 5], polar[4, 5], polar[5, 4] = 2, 2 * c, b, b
    collinear = (points @ polar @ points.T) % q == 0
    cosines = np.where(collinear, -1.0 / q, 1.0 / q**2)
    np.fill_diagonal(cosines, 1.0)
    return cosines
