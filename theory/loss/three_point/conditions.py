"""What a three-point certificate has to show: three functions of the cosines of one, two and three points are >= 0.

Let x_1 .. x_n be unit vectors in R^m and a_i >= 0 weights of sum 1, E = sum_ij a_i a_j f(cos_ij). Multiplying by sum a
and sorting by coinciding indices,

    E = sum_{i,j,k distinct} a_i a_j a_k (f(u) + f(v) + f(t))/3 + sum_{i != j} a_i^2 a_j (1 + 2 f(t)) + sum_i a_i^3.

For every point z the kernels b_i(u) b_j(v) Q_k(u, v, t), with u, v, t the cosines of (x, z), (y, z), (x, y), are
positive semidefinite in (x, y); Q_k = ((1-u^2)(1-v^2))^(k/2) P_k((t-uv)/sqrt((1-u^2)(1-v^2))) with the Gegenbauer
polynomial P_k of S^(m-2). So with positive semidefinite matrices F_k the sums of a_x a_y a_z <F_k, b b^T> Q_k are >= 0;
in F_0 the point z itself is one more entry, a_z. If what is left of E after subtracting them, lambda (sum a)^3 and
eta sum a_i^2 is nonnegative for distinct triples, for pairs and for single points, then E >= lambda + eta sum a_i^2.

Source: docs/theory.md, T5(g), after C. Bachoc, F. Vallentin, "New upper bounds for kissing numbers from semidefinite
programming" (2008) and H. Cohn, J. Woo, "Three-point bounds for energy minimization" (2012).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product as choices
from typing import Any

from theory.loss.three_point.polynomials import (
    ONE,
    Exponents,
    Polynomial,
    degree,
    monomial,
    permuted,
    product,
    scaled,
    swapped,
    total,
)

__all__ = ["APEXES", "Region", "Setting", "Square"]

Region = tuple[int, ...]
"""Signs of the cosines: three for triples, one for pairs; 0 where the kernel is one polynomial on all of [-1, 1]."""

APEXES = ((0, 1, 2), (0, 2, 1), (1, 2, 0))
"""Which of the cosines (u, v, t) of a triple are those to the apex z, with the third one between the other points."""

_U, _V, _T = (monomial(axis, 1) for axis in range(3))
_BETWEEN = total([_T, scaled(product(_U, _V), -1)])
_SPREAD = product(total([ONE, monomial(0, 2, -1)]), total([ONE, monomial(1, 2, -1)]))
_GRAM = total([ONE, {(1, 1, 1): 2}, *(monomial(axis, 2, -1) for axis in range(3))])
"""The determinant of the Gram matrix of three unit vectors: >= 0 exactly on the cosines that occur."""


@dataclass(frozen=True)
class Square:
    """One term g s of a representation as a weighted sum of squares, s a square form in `basis`.

    Attributes:
        weight: g, nonnegative on the region.
        basis: polynomials of whose span s is a sum of squares.
        mirrored: whether the term with the first two variables exchanged is added.
    """

    weight: Polynomial
    basis: tuple[Polynomial, ...]
    mirrored: bool

    def of_entry(self, i: int, j: int) -> Polynomial:
        """What one entry (i, j) of the Gram matrix of s contributes."""
        found = product(self.weight, product(self.basis[i], self.basis[j]))
        return total([found, swapped(found)]) if self.mirrored else found


@dataclass(frozen=True)
class Setting:
    """The kernel, the dimension and the size of a certificate.

    Attributes:
        m: hidden dimension, >= 2.
        power: 2a, the integer power of the kernel f(t) = t_+^(2a) + negative t_-^(2a).
        negative: in [0, 1].
        degree: d: b_i runs over t^i and, for a kernel with a kink, the positive parts t_+^i, i <= d - k.
        order: even; sums of squares have terms up to this degree.
    """

    m: int
    power: int
    negative: Fraction
    degree: int
    order: int

    @property
    def is_even(self) -> bool:
        """Whether f(t) = t^(2a) on [-1, 1]: only the lines through the points matter, and all functions are even."""
        return self.negative == 1 and self.power % 2 == 0

    @property
    def harmonics(self) -> range:
        """The degrees k; on S^0 (m = 2) only 0 and 1 exist."""
        return range(min(self.degree, 1 if self.m == 2 else self.degree) + 1)

    def functions(self, k: int) -> list[tuple[bool, int]]:
        """The b_i for harmonic degree k: (whether it is the positive part, power)."""
        plain = [(False, i) for i in range(self.degree - k + 1) if not self.is_even or i % 2 == k % 2]
        return plain if self.is_even else plain + [(True, i) for i in range(1, self.degree - k + 1)]

    def size(self, k: int) -> int:
        """Order of the matrix F_k; F_0 has one more row, for the apex itself."""
        return len(self.functions(k)) + (k == 0)

    @property
    def pair_regions(self) -> list[Region]:
        return [(0,)] if self.is_even else [(1,), (-1,)]

    @property
    def triple_regions(self) -> list[Region]:
        """Up to permutation of the three points."""
        return [(0, 0, 0)] if self.is_even else [(1, 1, 1), (1, 1, -1), (-1, -1, 1), (-1, -1, -1)]

    def kernel(self, axis: int, sign: int) -> Polynomial:
        """f on one side of 0, as a polynomial."""
        side = self.negative * (-1) ** self.power if sign < 0 else 1
        return monomial(axis, self.power, side)

    def function(self, which: tuple[bool, int], axis: int, sign: int) -> Polynomial:
        """b_i on one side of 0, as a polynomial."""
        is_positive_part, power = which
        return {} if is_positive_part and sign < 0 else monomial(axis, power)

    @cached_property
    def kernels(self) -> list[Polynomial]:
        """Q_k with rational coefficients, by (l + m - 3) Q_(l+1) = (2l + m - 3) w Q_l - l s Q_(l-1)."""
        found: list[Polynomial] = [ONE, _BETWEEN]
        for ell in range(1, max(self.harmonics)):
            step = Fraction(1, ell + self.m - 3)
            first = scaled(product(_BETWEEN, found[ell]), (2 * ell + self.m - 3) * step)
            found.append(total([first, scaled(product(_SPREAD, found[ell - 1]), -ell * step)]))
        return found[: max(self.harmonics) + 1]

    @cached_property
    def pair_kernels(self) -> list[Polynomial]:
        """Q_k(u, u, 1) = (1 - u^2)^k."""
        found: list[Polynomial] = [ONE]
        for _ in self.harmonics:
            found.append(product(found[-1], total([ONE, monomial(0, 2, -1)])))
        return found

    def on_triples(self, region: Region, k: int, form: Callable[[Region], Polynomial]) -> Polynomial:
        """The average over apexes of form(signs at the apex)(u, v) Q_k(u, v, t)."""
        terms = []
        for apex in APEXES:
            local = tuple(region[axis] for axis in apex)
            terms.append(permuted(product(form(local), self.kernels[k]), apex))
        return scaled(total(terms), Fraction(1, 3))

    def squares(self, region: Region) -> list[Square]:
        """The terms that a nonnegative function on the region is written as a sum of."""
        return self._pair_squares(region[0]) if len(region) == 1 else self._triple_squares(region)

    def _pair_squares(self, sign: int) -> list[Square]:
        # A polynomial in one variable is nonnegative on an interval exactly if such a representation exists.
        if sign == 0:
            weights = [ONE, total([ONE, monomial(0, 2, -1)])]
        else:
            near = monomial(0, 1, sign)
            weights = [ONE, near, total([ONE, scaled(near, -1)]), product(near, total([ONE, scaled(near, -1)]))]
        found = []
        for weight in weights:
            half = (self._pair_order - degree(weight)) // 2
            for parity in (0, 1) if sign == 0 else (None,):
                powers = [i for i in range(half + 1) if parity is None or i % 2 == parity]
                if powers:
                    found.append(Square(weight, tuple(monomial(0, i) for i in powers), False))
        return found

    @property
    def _pair_order(self) -> int:
        highest = max(2 * self.degree, self.power)
        return highest + highest % 2

    def _triple_squares(self, region: Region) -> list[Square]:
        found: list[Square] = []
        for weight in self._weights(region):
            half = (self.order - degree(weight)) // 2
            steps = range(half + 1)
            exponents = [(i, j, k) for i, j, k in choices(steps, steps, steps) if i + j + k <= half]
            for cell in self._parity_classes(exponents):
                found += _with_symmetry(weight, cell, region[0] == region[1])
        return found

    def _parity_classes(self, exponents: list[Exponents]) -> list[list[Exponents]]:
        """For even kernels, changing the sign of a point splits the monomials into four classes that do not mix."""
        if not self.is_even:
            return [exponents]
        classes: dict[tuple[int, int], list[Exponents]] = {}
        for i, j, k in exponents:
            classes.setdefault(((i + k) % 2, (j + k) % 2), []).append((i, j, k))
        return [classes[key] for key in sorted(classes)]

    def _weights(self, region: Region) -> list[Polynomial]:
        if self.is_even:
            return [ONE, _GRAM, *(total([ONE, monomial(axis, 2, -1)]) for axis in (0, 2))]
        u, v, t = (monomial(axis, 1, sign) for axis, sign in enumerate(region))
        below = [total([ONE, scaled(near, -1)]) for near in (u, v, t)]
        pair = product(u, v)
        shared = [ONE, t, pair, product(pair, t), _GRAM, below[2], product(t, _GRAM), product(pair, _GRAM)]
        first = [u, product(u, t), below[0], product(u, _GRAM)]
        # The first two signs agree in every region, so the terms with v are those with u, mirrored.
        return shared + first


def _with_symmetry(weight: Polynomial, exponents: list[Exponents], is_symmetric: bool) -> list[Square]:
    """Squares adapted to the exchange of the first two variables, under which the region does not change."""
    plain = tuple({e: 1} for e in exponents)
    if not plain:
        return []
    closed = {(j, i, k) for i, j, k in exponents} == set(exponents)
    if not is_symmetric or swapped(weight) != weight:
        return [Square(weight, plain, is_symmetric)]
    if not closed:
        # Of two classes that are each other's mirror image one is enough.
        return [Square(weight, plain, True)] if exponents[0] < _mirror(exponents) else []
    even: list[Polynomial] = [
        {e: 1} if e[0] == e[1] else {e: 1, (e[1], e[0], e[2]): 1} for e in exponents if e[0] >= e[1]
    ]
    odd: list[Polynomial] = [{e: 1, (e[1], e[0], e[2]): -1} for e in exponents if e[0] > e[1]]
    return [Square(weight, tuple(basis), False) for basis in (even, odd) if basis]


def _mirror(exponents: list[Exponents]) -> Any:
    return min((j, i, k) for i, j, k in exponents)
