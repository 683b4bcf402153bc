"""How much stake some weights hold: features in blocks of orthogonal dimensions, each block one code for its features.

A block of N features in d dimensions at one gain, with mean interference f between two different directions, holds
S^2/(S + P f), where S is the sum of its stakes w_i I_i and P the sum of w_i I_j over its ordered pairs: the average
over which feature takes which direction. Blocks add. Source: docs/scaling.md, S6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import sympy

from theory.loss.capacity import Kernel, effective_dimension
from theory.loss.geometry.codes import code
from theory.loss.geometry.configurations import code_capacity
from theory.loss.geometry.quadrangles import quadrangles_within

__all__ = ["Block", "Spread", "spread_stake"]

ALONE, PAIRS = "alone", "antipodal pairs"
_CUTS, _DIMENSIONS = 40, 40
_DIGITS = 30
_CODES = {
    2: ("polygon:5", "polygon:7", "polygon:9", "polygon:6 lines", "polygon:8 lines", "polygon:10 lines"),
    3: ("icosahedron", "icosahedron lines"),
    4: ("24-cell lines",),
    5: ("Clebsch",),
    7: ("56", "56 lines"),
    8: ("E8", "E8 lines"),
}


@dataclass(frozen=True)
class Block:
    """Some features in some dimensions of their own.

    Attributes:
        features: how many, in order of decreasing stake after those of the blocks before.
        dimensions: how many.
        kind: the directions, in words.
    """

    features: int
    dimensions: int
    kind: str


@dataclass(frozen=True)
class Spread:
    """A lower bound on the stake that m dimensions can hold.

    Attributes:
        held: exact, or where it is irrational rounded down.
        blocks: the construction; features after the last block are dropped.
    """

    held: Fraction
    blocks: tuple[Block, ...]

    @property
    def description(self) -> str:
        """For example "8 in 8 dimensions (alone) + 40 in 8 (random bases)", from the largest stakes down."""
        merged: list[Block] = []
        for block in self.blocks:
            last = merged[-1] if merged else None
            if last is not None and last.kind == block.kind in (ALONE, PAIRS):
                merged[-1] = Block(last.features + block.features, last.dimensions + block.dimensions, block.kind)
            else:
                merged.append(block)
        parts = [f"{b.features} in {b.dimensions} ({b.kind})" for b in merged]
        return " + ".join(parts).replace(" (", " dimensions (", 1) or "nothing"


def spread_stake(weights: Sequence[Fraction], importances: Sequence[Fraction], kernel: Kernel, m: int) -> Spread:
    """The best blocks found by dynamic programming over a grid of sizes; the result is exact whatever the grid.

    Args:
        weights: w_i >= 0, the weight of input i.
        importances: I_i >= 0, the weight of output i.
        kernel: numeric.
        m: hidden dimension.

    Source: docs/scaling.md, S6.
    """
    order = sorted(range(len(weights)), key=lambda i: weights[i] * importances[i], reverse=True)
    w, shares = [weights[i] for i in order], [importances[i] for i in order]
    n = sum(a * b > 0 for a, b in zip(w, shares, strict=True))
    if n == 0:
        return Spread(Fraction(0), ())
    cuts, sizes = _grid(n, m), _widths(m)
    table = {d: _interference_table(kernel, d, n) for d in sizes}
    sums = np.array([[0.0, 0.0, 0.0], *([float(a), float(b), float(a * b)] for a, b in zip(w, shares, strict=True))])
    chosen = _best_blocks(cuts, sizes, m, table, np.cumsum(sums, axis=0))
    held, blocks = Fraction(0), []
    for start, stop, d in chosen:
        mean, kind = _interference(kernel, d, stop - start)
        inside = range(start, stop)
        total = sum((w[i] * shares[i] for i in inside), Fraction(0))
        pairs = sum((w[i] for i in inside), Fraction(0)) * sum((shares[i] for i in inside), Fraction(0)) - total
        held += total**2 / (total + pairs * mean)
        blocks.append(Block(stop - start, d, kind))
    return Spread(held, tuple(blocks))


def _best_blocks(
    cuts: list[int], sizes: list[int], m: int, table: dict[int, np.ndarray], sums: np.ndarray
) -> list[tuple[int, int, int]]:
    """(start, stop, dimensions) of every block; best[c][d] holds the features before cut c in d dimensions."""
    points = np.array(cuts)
    best = np.full((len(cuts), m + 1), -np.inf)
    best[0] = 0.0
    come_from: dict[tuple[int, int], tuple[int, int]] = {}
    for j in range(1, len(cuts)):
        count = points[j] - points[:j]
        inside = sums[points[j]] - sums[points[:j]]
        pairs = np.maximum(inside[:, 0] * inside[:, 1] - inside[:, 2], 0.0)
        for d in sizes:
            gain = inside[:, 2] ** 2 / (inside[:, 2] + pairs * table[d][count])
            for used in range(m - d + 1):
                values = best[:j, used] + gain
                i = int(np.argmax(values))
                if values[i] > best[j, used + d] * (1 + 1e-12):
                    best[j, used + d] = values[i]
                    come_from[j, used + d] = i, d
    where = np.unravel_index(int(np.argmax(best)), best.shape)
    j, used = int(where[0]), int(where[1])
    chosen = []
    while (j, used) in come_from and j > 0:
        i, d = come_from[j, used]
        chosen.append((cuts[i], cuts[j], d))
        j, used = i, used - d
    return chosen[::-1]


def _grid(n: int, m: int) -> list[int]:
    around = [*range(min(n, 8) + 1), m, 2 * m, m // 2, n]
    spaced = np.geomspace(1, n, _CUTS).round().astype(int).tolist()
    return sorted({int(c) for c in (*around, *spaced) if 0 <= c <= n})


def _widths(m: int) -> list[int]:
    if m <= _DIMENSIONS:
        return list(range(1, m + 1))
    return sorted({*np.geomspace(1, m, _DIMENSIONS).round().astype(int).tolist(), m})


@cache
def _interference_table(kernel: Kernel, d: int, n: int) -> np.ndarray:
    """The mean interference of N features in d dimensions at N = 0 .. n, in floats, shape (n+1,)."""
    counts = np.arange(n + 1)
    best = np.full(n + 1, np.inf)
    for _, free, group, size, mean in _options(kernel, d):
        if group:
            whole, rest = np.divmod(counts, group)
            same = whole * group * (group - 1) + rest * (rest - 1)
            value = float(mean) * (1 - same / np.maximum(counts * (counts - 1), 1))
        else:
            value = np.where(counts <= size, float(mean), np.inf)
        best = np.minimum(best, np.where(counts <= free, 0.0, value))
    return best


def _interference(kernel: Kernel, d: int, count: int) -> tuple[Fraction, str]:
    """The same for one N: exact, or rounded up, and the directions that achieve it."""
    found: list[tuple[Fraction, str]] = []
    for kind, free, group, size, mean in _options(kernel, d):
        if count <= free:
            found.append((Fraction(0), ALONE if count <= d else PAIRS))
        elif group:
            whole, rest = divmod(count, group)
            same = whole * group * (group - 1) + rest * (rest - 1)
            found.append((_up(mean) * (1 - Fraction(same, count * (count - 1))), kind))
        elif count <= size:
            found.append((_up(mean), kind))
    return min(found)


@cache
def _options(kernel: Kernel, d: int) -> tuple[tuple[str, int, int, int, sympy.Expr], ...]:
    """(kind, features without interference, group size or 0, largest N, mean interference)."""
    free = 2 * d if kernel.negative == 0 else d
    mean = (1 + kernel.negative) / (2 * effective_dimension(d, kernel.exponent))
    orthogonal = kernel.negative in (0, 1)
    found = [("random bases" if orthogonal else "random directions", free, free if orthogonal else 1, 0, mean)]
    if 0 < kernel.negative < 1:
        found.append((PAIRS, free, 0, 2 * d, kernel.negative / (2 * d - 1)))
    for size in sorted(_CODES):
        for name in _CODES.get(size, ()):
            candidate = code(name)
            if size <= d and not (kernel.negative == 1 and sympy.Integer(-1) in candidate.distribution):
                mean = (candidate.n / code_capacity(candidate, kernel) - 1) / (candidate.n - 1)
                found.append(_copies(name, candidate.n, d // size, mean, free))
    for one in quadrangles_within(d):
        found.append(_copies(f"quadrangle of order {one.q}", one.n, d // one.m, one.interference(kernel), free))
    return tuple(found)


def _copies(name: str, n: int, copies: int, mean: sympy.Expr, free: int) -> tuple[str, int, int, int, sympy.Expr]:
    """Several copies of a code in orthogonal dimensions: most pairs do not interfere."""
    label = name if copies == 1 else f"{copies} copies of {name}"
    return label, free, 0, copies * n, mean * sympy.Rational(n - 1, copies * n - 1)


def _up(value: sympy.Expr) -> Fraction:
    """An exact number >= 0 as a rational, rounded up where it is irrational."""
    if not value.is_Rational:
        near = sympy.Rational(value.evalf(_DIGITS + 10))
        value = near * (1 + sympy.Rational(1, 10**_DIGITS))
    return Fraction(int(value.p), int(value.q))
