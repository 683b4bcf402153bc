"""The best configurations that a search has found, kept as integer weights and evaluated exactly on use.

The table holds indecomposable blocks; a configuration is the sum of blocks in orthogonal subspaces with the largest
capacity that fits (docs/theory.md, T2). Each block's capacity is computed by integer arithmetic here, so that nothing
rests on the search that found it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import sympy

from theory.arguments import InputError
from theory.loss.capacity import Kernel
from theory.loss.geometry.integer_weights import capacity_from_below, is_exact_kernel

__all__ = [
    "TABLE_HIDDEN",
    "TABLE_RATIO",
    "BlockSum",
    "IntegerBlock",
    "best_sum",
    "optimised_configuration",
    "read_blocks",
    "shipped_blocks",
    "table_of_blocks",
]

# What the shipped table covers: m <= TABLE_HIDDEN, n <= TABLE_RATIO m.
TABLE_HIDDEN, TABLE_RATIO = 6, 4

FORMAT, VERSION = "superposition-theory configurations", 1
_LARGEST_N, _LARGEST_M, _MAX_BYTES, _MAX_ENTRY = 300, 64, 4_000_000, 10**15
_DIGITS = 10**15


@dataclass(frozen=True)
class IntegerBlock:
    """Feature directions with norms, as integers up to one common factor.

    Attributes:
        columns: n columns of m integers.
        capacity: K of the block under the kernel it was made for: exact, or a rational just below.
    """

    columns: tuple[tuple[int, ...], ...]
    capacity: sympy.Rational

    @property
    def n(self) -> int:
        """Number of features."""
        return len(self.columns)

    @property
    def m(self) -> int:
        """Dimension."""
        return len(self.columns[0])

    def weights(self, kernel: Kernel) -> np.ndarray:
        """Shape (m, n), scaled so that sum_i |W_i|^(2a) is the block's capacity: its optimum beside other blocks."""
        W = np.array(self.columns, dtype=float).T
        W /= np.abs(W).max()
        exponent = float(kernel.exponent)
        total = float((np.einsum("ij,ij->j", W, W) ** exponent).sum())
        return W * (float(self.capacity) / total) ** (1 / (2 * exponent))


@dataclass(frozen=True)
class BlockSum:
    """Blocks in orthogonal subspaces, each at its own optimal scale; further features are dropped.

    Attributes:
        blocks: largest dimension first.
        capacity: the sum of the blocks' capacities, a proved lower bound on K*.
    """

    blocks: tuple[IntegerBlock, ...]
    capacity: sympy.Rational

    def weights(self, n: int, m: int, kernel: Kernel) -> np.ndarray:
        """W of shape (m, n); columns of dropped features are zero."""
        W = np.zeros((m, n))
        row = column = 0
        for block in self.blocks:
            W[row : row + block.m, column : column + block.n] = block.weights(kernel)
            row, column = row + block.m, column + block.n
        return W


def optimised_configuration(n: int, m: int, kernel: Kernel) -> BlockSum | None:
    """The sum of tabulated blocks with the largest capacity that fits n features into m dimensions.

    Args:
        n: number of features; a configuration may use fewer and drop the rest.
        m: hidden dimension.
        kernel: the interference kernel, numeric.

    Returns:
        None where nothing is tabulated for the kernel, or n > 300 or m > 64.
    """
    if n > _LARGEST_N or m > _LARGEST_M or not shipped_blocks(kernel):
        return None
    return best_sum(n, m, shipped_blocks(kernel))


@cache
def best_sum(n: int, m: int, blocks: tuple[IntegerBlock, ...]) -> BlockSum:
    """Dynamic programming over sums of the given blocks; single features are always at hand."""
    pool = (IntegerBlock(((1,),), sympy.Integer(1)), *blocks)
    n = min(n, m * max(-(-block.n // block.m) for block in pool))
    gains = [float(block.capacity) for block in pool]
    # value[d][f]: the best capacity of at most f features in d dimensions, and the block to begin with.
    value = np.zeros((m + 1, n + 1))
    choice = np.full((m + 1, n + 1), -1)
    for d in range(1, m + 1):
        for f in range(1, n + 1):
            for index, block in enumerate(pool):
                if block.m <= d and block.n <= f:
                    gain = gains[index] + value[d - block.m, f - block.n]
                    # A sum must be better by more than rounding to replace one of fewer features.
                    if gain > value[d, f] * (1 + 1e-14):
                        value[d, f], choice[d, f] = gain, index
            if value[d, f] <= value[d, f - 1] * (1 + 1e-14):
                value[d, f], choice[d, f] = value[d, f - 1], -2
    found, d, f = [], m, n
    while d > 0 and f > 0 and choice[d, f] != -1:
        if choice[d, f] == -2:
            f -= 1
            continue
        block = pool[choice[d, f]]
        found.append(block)
        d, f = d - block.m, f - block.n
    found.sort(key=lambda block: (-block.m, -block.n))
    return BlockSum(tuple(found), _short(sympy.Add(*(block.capacity for block in found))))


@cache
def shipped_blocks(kernel: Kernel) -> tuple[IntegerBlock, ...]:
    """The tabulated blocks of a kernel, their capacities computed exactly; empty where there are none."""
    if not is_exact_kernel(kernel.exponent, kernel.negative):
        return ()
    return read_blocks(_shipped_text(), kernel)


@cache
def _shipped_text() -> str:
    return resources.files("theory.loss").joinpath("data", "configurations.json").read_text(encoding="utf-8")


def read_blocks(text: str, kernel: Kernel) -> tuple[IntegerBlock, ...]:
    """The blocks for a kernel in a table of configurations, their capacities computed exactly.

    Raises:
        InputError: the text is no such table, or is damaged; capacities it may state are not read.
    """
    if len(text) > _MAX_BYTES:
        raise InputError(f"the table of configurations has {len(text)} characters; at most {_MAX_BYTES} are read")
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as problem:
        raise InputError(f"the table of configurations is not JSON: {problem}") from None
    if not isinstance(data, dict) or (data.get("format"), data.get("version")) != (FORMAT, VERSION):
        raise InputError(f"the table of configurations lacks format={FORMAT!r}, version={VERSION}")
    entries = data.get("kernels")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError("the table of configurations has no list of kernels")
    for entry in entries:
        if (entry.get("exponent"), entry.get("negative")) == (str(kernel.exponent), str(kernel.negative)):
            blocks = [_columns(block) for block in entry.get("blocks", ())]
            return tuple(
                IntegerBlock(columns, capacity_from_below(columns, kernel.exponent, kernel.negative))
                for columns in blocks
            )
    return ()


def table_of_blocks(kernels: Iterable[tuple[Kernel, Iterable[IntegerBlock]]]) -> str:
    """The JSON text that `read_blocks` reads, one block a line."""
    entries = []
    for kernel, blocks in kernels:
        lines = ",\n".join(json.dumps(block.columns, separators=(",", ":")) for block in blocks)
        head = json.dumps({"exponent": str(kernel.exponent), "negative": str(kernel.negative)})[:-1]
        entries.append(f'{head}, "blocks": [\n{lines}\n]}}')
    header = json.dumps({"format": FORMAT, "version": VERSION})[:-1]
    body = ",\n".join(entries)
    return f'{header}, "kernels": [\n{body}\n]}}\n'


def _columns(block: Any) -> tuple[tuple[int, ...], ...]:
    rows = block if isinstance(block, list) else []
    sizes = {len(row) if isinstance(row, list) else 0 for row in rows}
    fits = 1 <= len(rows) <= _LARGEST_N and len(sizes) == 1 and 1 <= min(sizes) <= _LARGEST_M
    if not fits or not all(type(x) is int and abs(x) <= _MAX_ENTRY for row in rows for x in row):
        raise InputError("a block of the table of configurations is not a list of columns of equally many integers")
    return tuple(tuple(row) for row in rows)


def _short(value: sympy.Rational) -> sympy.Rational:
    """The value, or a rational just below it where it has a long denominator."""
    if value.q <= _DIGITS:
        return value
    return sympy.Rational(value.p * _DIGITS // value.q, _DIGITS)
