"""Three-point bounds found by semidefinite programming in floats, then made exact certificates.

The solver is Clarabel (an optional dependency); nothing it returns is trusted. Source: docs/theory.md, T5(g).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from theory.arguments import InputError
from theory.loss.three_point.certificate import MAX_DEGREE, ThreePointCertificate
from theory.loss.three_point.conditions import Region, Setting
from theory.loss.three_point.polynomials import Exponents, Polynomial, monomial, product, scaled, total

__all__ = ["three_point_certificate"]

_TOLERANCE, _ITERATIONS = 1e-10, 200
_ROOT = np.sqrt(2.0)


def three_point_certificate(
    n: int | None, m: int, exponent: Any, negative: Any = 0, degree: int = 2, order: int | None = None, bits: int = 40
) -> ThreePointCertificate:
    """The best three-point bound on the capacity at the given degree, as an exact certificate.

    Args:
        n: number of features the bound is optimised for; the result holds for every number. None for n -> oo.
        m: hidden dimension, >= 2.
        exponent: a > 0 with 2a an integer, of the kernel f(t) = t_+^(2a) + negative t_-^(2a).
        negative: in [0, 1]: 0 for rectified powers, 1 for monomials.
        degree: of the positive definite kernels; 2 takes a tenth of a second, 4 some seconds.
        order: of the sums of squares, even; by default the least that can represent the conditions.
        bits: of the certificate's integers.

    Returns:
        A certificate that has passed its own exact check.

    Raises:
        InputError: values out of range, or Clarabel is not installed.
    """
    exponent, negative = sympy.Rational(exponent), sympy.Rational(negative)
    power = 2 * exponent
    if not (power.is_Integer and power > 0 and 0 <= negative <= 1):
        raise InputError(f"exponent={exponent}, negative={negative}: 2a must be an integer > 0, negative in [0, 1]")
    if m < 2 or not 1 <= degree <= MAX_DEGREE:
        raise InputError(f"m={m}, degree={degree}: m must be at least 2, degree from 1 to {MAX_DEGREE}")
    least = max(2 * degree, int(power) + int(power) % 2)
    weight = Fraction(int(negative.p), int(negative.q))
    program = _Program(Setting(m, int(power), weight, degree, order or least), n)
    found = program.solved()
    half, whole = 2.0**bits, 4**bits
    certificate = ThreePointCertificate(
        m=m, n=n, exponent=exponent, negative=negative, degree=degree, order=order or least, bits=bits,
        constant=round(Fraction(found[0]) * whole), per_feature=max(0, round(Fraction(found[1]) * whole)),
        positive=tuple(_factor(program.matrix(found, block), half) for block in program.positive),
        squares=tuple(
            tuple(_factor(program.matrix(found, block), half) for block in blocks) for blocks in program.squares
        ),
    )  # fmt: skip
    reason = certificate.check()
    if reason is not None:
        raise InputError(
            f"no three-point certificate of degree {degree} for n={n}, m={m}, exponent={exponent}: {reason}"
        )
    return certificate


class _Program:
    """max lambda + eta/n subject to: every condition equals its sums of squares, coefficient by coefficient."""

    def __init__(self, setting: Setting, n: int | None):
        self.setting, self.n = setting, n
        self.columns = 2
        self.positive = [self._block(setting.size(k)) for k in setting.harmonics]
        self.squares: list[list[tuple[int, int]]] = []
        self._entries: list[tuple[int, int, float]] = []
        self._right: list[float] = []
        for region in setting.pair_regions:
            self._equate(region, self._on_pairs(region))
        for region in setting.triple_regions:
            self._equate(region, self._on_triples(region))

    def _block(self, size: int) -> tuple[int, int]:
        start, self.columns = self.columns, self.columns + size * (size + 1) // 2
        return start, size

    def _equate(self, region: Region, function: list[tuple[int | None, Polynomial]]) -> None:
        """Rows: constant part + sum over columns = sum over squares. Symmetric functions need half the monomials."""
        is_symmetric, first = len(region) == 3, len(self._right)
        rows: dict[Exponents, int] = {}

        def put(column: int | None, polynomial: Polynomial, sign: float) -> None:
            for exponents, value in polynomial.items():
                if is_symmetric and exponents[0] < exponents[1]:
                    continue
                row = rows.setdefault(exponents, first + len(rows))
                if row == len(self._right):
                    self._right.append(0.0)
                if column is None:
                    self._right[row] -= sign * float(value)
                else:
                    self._entries.append((row, column, sign * float(value)))

        for column, polynomial in function:
            put(column, polynomial, 1.0)
        blocks = []
        for square in self.setting.squares(region):
            start, size = self._block(len(square.basis))
            blocks.append((start, size))
            for column, i, j, factor in _entries_of(start, size):
                put(column, square.of_entry(i, j), -factor)
        self.squares.append(blocks)

    def _on_pairs(self, region: Region) -> list[tuple[int | None, Polynomial]]:
        setting, sign = self.setting, region[0]
        found: list[tuple[int | None, Polynomial]] = [
            (None, total([monomial(0, 0), scaled(setting.kernel(0, sign), 2)])),
            (0, monomial(0, 0, -3)),
            (1, monomial(0, 0, -1)),
        ]
        for k, (start, size) in enumerate(self.positive):
            functions = [setting.function(which, 0, sign) for which in setting.functions(k)]
            skip = int(k == 0)
            for column, i, j, factor in _entries_of(start, size):
                if k == 0 and i == 0:
                    polynomial = functions[j - 1] if j else {}
                else:
                    both = product(functions[i - skip], functions[j - skip])
                    polynomial = product(both, setting.pair_kernels[k])
                found.append((column, scaled(polynomial, -factor)))
        return found

    def _on_triples(self, region: Region) -> list[tuple[int | None, Polynomial]]:
        setting = self.setting
        kernel = total(scaled(setting.kernel(axis, region[axis]), Fraction(1, 3)) for axis in range(3))
        found: list[tuple[int | None, Polynomial]] = [(None, kernel), (0, monomial(0, 0, -1))]
        for k, (start, size) in enumerate(self.positive):
            which, skip = setting.functions(k), int(k == 0)
            for column, i, j, factor in _entries_of(start, size):
                if k == 0 and i == 0:
                    continue

                def form(signs: Region, i: int = i - skip, j: int = j - skip, which: Any = which) -> Polynomial:
                    one = lambda index, axis: setting.function(which[index], axis, signs[axis])  # noqa: E731
                    return scaled(total([product(one(i, 0), one(j, 1)), product(one(j, 0), one(i, 1))]), Fraction(1, 2))

                found.append((column, scaled(setting.on_triples(region, k, form), -factor)))
        return found

    def solved(self) -> np.ndarray:
        """The variables at the optimum, as floats."""
        try:
            import clarabel
        except ImportError:
            raise InputError(
                "searching for three-point certificates needs the solver Clarabel: pip install "
                "'superposition-theory[search]'; checking them does not"
            ) from None
        from scipy import sparse

        rows, columns, values = zip(*self._entries, strict=True)
        equations = sparse.csc_matrix((values, (rows, columns)), shape=(len(self._right), self.columns))
        corner, _ = self.positive[0]
        # eta >= 0, and 1 - lambda - eta - (F_0)_00 >= 0 for single points.
        signs = sparse.csc_matrix(([-1.0, 1.0, 1.0, 1.0], ([0, 1, 1, 1], [1, 0, 1, corner])), shape=(2, self.columns))
        parts, right = [equations, signs], [*self._right, 0.0, 1.0]
        cones: list[Any] = [clarabel.ZeroConeT(len(self._right)), clarabel.NonnegativeConeT(2)]
        for start, size in (*self.positive, *(block for blocks in self.squares for block in blocks)):
            length = size * (size + 1) // 2
            where = (range(length), range(start, start + length))
            parts.append(sparse.csc_matrix((-np.ones(length), where), shape=(length, self.columns)))
            right += [0.0] * length
            cones.append(clarabel.PSDTriangleConeT(size))
        objective = np.zeros(self.columns)
        objective[:2] = -1.0, 0.0 if self.n is None else -1.0 / self.n
        settings = clarabel.DefaultSettings()
        settings.verbose, settings.max_iter = False, _ITERATIONS
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = _TOLERANCE
        quadratic = sparse.csc_matrix((self.columns, self.columns))
        stacked = sparse.vstack(parts).tocsc()
        return np.asarray(
            clarabel.DefaultSolver(quadratic, objective, stacked, np.array(right), cones, settings).solve().x
        )

    def matrix(self, found: np.ndarray, block: tuple[int, int]) -> np.ndarray:
        """The symmetric matrix that a block of variables stands for."""
        start, size = block
        result = np.zeros((size, size))
        for column, i, j, _ in _entries_of(start, size):
            result[i, j] = result[j, i] = found[column] / (1.0 if i == j else _ROOT)
        return result


def _entries_of(start: int, size: int) -> Iterable[tuple[int, int, int, float]]:
    """Column, row i, column j >= i and factor of every entry of an upper triangle, in the solver's order."""
    column = start
    for j in range(size):
        for i in range(j + 1):
            yield column, i, j, 1.0 if i == j else _ROOT
            column += 1


def _factor(matrix: np.ndarray, scale: float) -> tuple[tuple[int, ...], ...]:
    """Integers R over `scale`, upper triangular, with R^T R close to the matrix (its negative eigenvalues dropped)."""
    values, vectors = np.linalg.eigh(matrix)
    root = np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T, mode="r")
    return tuple(tuple(round(float(entry) * scale) for entry in row) for row in root)
