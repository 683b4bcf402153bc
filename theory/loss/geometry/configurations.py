"""The best known explicit configurations of n features in m dimensions: sums of famous codes in orthogonal blocks.

Orthogonal blocks do not interfere, so capacities add: K*(n + n', m + m') >= K*(n, m) + K*(n', m') (docs/theory.md, T2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import sympy

from theory.loss.capacity import Kernel
from theory.loss.geometry.codes import Code, code

__all__ = ["Configuration", "best_known_configuration", "blocks_that_fit"]

_LARGEST_N, _LARGEST_M = 300, 64
_BY_DIMENSION: dict[int, tuple[str, ...]] = {
    3: ("icosahedron", "icosahedron lines", "dodecahedron", "dodecahedron lines", "cuboctahedron"),
    4: ("Petersen", "24-cell", "24-cell lines", "600-cell", "600-cell lines"),
    5: ("Clebsch", "Johnson", "Johnson lines", "D:5"),
    6: ("Schlaefli", "E6", "E6 lines"),
    7: ("56", "56 lines", "E7", "E7 lines"),
    8: ("E8", "E8 lines"),
}


@dataclass(frozen=True)
class Configuration:
    """Unit feature directions in orthogonal blocks, one famous code per block; further features are dropped.

    Attributes:
        blocks: the codes, with how many dimensions and features each takes.
        capacity: K of the whole, each block at its own optimal norm, exact.
    """

    blocks: tuple[Code, ...]
    capacity: sympy.Expr

    @property
    def name(self) -> str:
        """The codes joined by ⊕, repeated ones counted: "polygon:5 ⊕ 2 × orthoplex:1"."""
        counts: dict[str, int] = {}
        for block in self.blocks:
            counts[block.name] = counts.get(block.name, 0) + 1
        return " ⊕ ".join(name if count == 1 else f"{count} × {name}" for name, count in counts.items())

    def weights(self, n: int, m: int, kernel: Kernel) -> sympy.Matrix:
        """W of shape (m, n) up to one common scale, exact; columns of dropped features are zero.

        A block of n_b features and capacity K_b has s_b proportional to K_b at the optimum, so a_i = K_b/n_b.
        """
        W = sympy.zeros(m, n)
        row = column = 0
        for block in self.blocks:
            gain = code_capacity(block, kernel) / block.n
            norm = gain ** (1 / (2 * kernel.exponent))
            for j, vector in enumerate(block.vectors):
                for i, value in enumerate(vector):
                    W[row + i, column + j] = norm * value
            row, column = row + block.m, column + block.n
        return W


@cache
def code_capacity(found: Code, kernel: Kernel) -> sympy.Expr:
    """K of a code with equal norms: n / sum_j f(cos_1j), exact."""
    energy = sympy.Add(*(count * _kernel_at(cosine, kernel) for cosine, count in found.distribution.items()))
    return found.n / energy if energy.has(sympy.cos, sympy.sin) else sympy.radsimp(sympy.simplify(found.n / energy))


def best_known_configuration(n: int, m: int, kernel: Kernel) -> Configuration | None:
    """The sum of famous codes with the largest capacity that fits n features into m dimensions.

    Args:
        n: number of features; a configuration may use fewer and drop the rest.
        m: hidden dimension.
        kernel: the interference kernel, numeric.

    Returns:
        None where n or m is too large to search (n > 300 or m > 64).
    """
    if n > _LARGEST_N or m > _LARGEST_M:
        return None
    return _best(min(n, 8 * m * m), m, kernel)


@cache
def _best(n: int, m: int, kernel: Kernel) -> Configuration:
    table: dict[tuple[int, int], tuple[float, tuple[Code, ...]]] = {}

    def best(features: int, dimensions: int) -> tuple[float, tuple[Code, ...]]:
        """Dynamic programming over which block comes first."""
        if features <= 0 or dimensions <= 0:
            return 0.0, ()
        key = (features, dimensions)
        if key not in table:
            choices = [(0.0, ())]
            for block in blocks_that_fit(features, dimensions, kernel):
                rest, others = best(features - block.n, dimensions - block.m)
                choices.append((float(code_capacity(block, kernel)) + rest, (block, *others)))  # type: ignore[arg-type]
            table[key] = max(choices, key=lambda choice: choice[0])
        return table[key]

    _, blocks = best(n, m)
    ordered = tuple(sorted(blocks, key=lambda block: (-block.m, -block.n)))
    return Configuration(ordered, sympy.Add(*(code_capacity(block, kernel) for block in ordered)))


@cache
def blocks_that_fit(n: int, m: int, kernel: Kernel) -> tuple[Code, ...]:
    """Codes that fit, the useful ones only: at most n features, at most m dimensions."""
    names = ["orthoplex:1", "simplex:1"] if kernel.negative != 1 else []
    found = [Code("single", ((sympy.Integer(1),),))]
    for dimension in range(1, min(m, 8) + 1):
        if dimension == 2:
            # Regular polygons; for even kernels the equispaced lines, which are half of the even polygons.
            names += [
                f"polygon:{2 * k} lines" if kernel.negative == 1 else f"polygon:{k}" for k in range(2, min(n, 24) + 1)
            ]
        elif dimension > 2:
            names += [f"simplex:{dimension}", *_BY_DIMENSION.get(dimension, ())]
    wants_lines = kernel.negative == 1
    for name in dict.fromkeys(names):
        candidate = code(name)
        is_antipodal = sympy.Integer(-1) in candidate.distribution
        if candidate.n <= n and candidate.m <= m and not (wants_lines and is_antipodal):
            found.append(candidate)
    return tuple(found)


def _kernel_at(cosine: sympy.Expr, kernel: Kernel) -> sympy.Expr:
    if float(cosine) == 0:
        return sympy.Integer(0)
    weight: Any = 1 if float(cosine) > 0 else kernel.negative
    return weight * sympy.Abs(cosine) ** (2 * kernel.exponent)
