"""Row by row, cell by cell: the best sum of orthogonal blocks, each block searched for where it may be indecomposable.

The search of a cell (n, m) begins with what smaller cells found: sums of their blocks, and their features with one
more added. A cell's result depends on the kernel, n, m, the number of starts and the seed alone.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import sympy

from numerics.configurations.cache import Columns, ConfigurationCache
from numerics.configurations.rational_weights import integer_weights
from numerics.configurations.search import maximise_capacity, polish
from numerics.setting import Array
from theory.loss.capacity import Kernel
from theory.loss.geometry.integer_weights import capacity_from_below, is_exact_kernel
from theory.loss.geometry.optimised import BlockSum, IntegerBlock, best_sum
from theory.loss.geometry.recognition import recognise

__all__ = ["BlockSearch"]

_GAIN = 1e-11


class BlockSearch:
    """The best configurations of a kernel, cell by cell.

    Args:
        kernel: the interference kernel, numeric.
        restarts: starts per cell.
        seed: of the starts.
        known: blocks to begin with.
        cache: where the cells are kept.
    """

    def __init__(
        self,
        kernel: Kernel,
        restarts: int,
        seed: int,
        known: tuple[IntegerBlock, ...] = (),
        cache: ConfigurationCache | None = None,
    ):
        self.kernel, self.restarts, self.seed = kernel, restarts, seed
        self.known = known
        self.cache = cache or ConfigurationCache(None)
        self._cells: dict[tuple[int, int], tuple[IntegerBlock, ...]] = {}

    def best(self, n: int, m: int) -> BlockSum:
        """The best configuration of at most n features in m dimensions."""
        for d in range(1, m + 1):
            for f in range(2, n + 1):
                self._cell(f, d)
        return best_sum(n, m, self._pool(n, m))

    def blocks(self) -> tuple[IntegerBlock, ...]:
        """Every block found so far, by dimension and number of features."""
        found = {block.columns: block for cell in self._cells.values() for block in cell}
        return tuple(sorted(found.values(), key=lambda block: (block.m, block.n, block.columns)))

    def _pool(self, n: int, m: int) -> tuple[IntegerBlock, ...]:
        """Blocks of cells inside (n, m) alone, so that other cells computed before do not change this one."""
        inside = [block for (f, d), cell in sorted(self._cells.items()) if f <= n and d <= m for block in cell]
        return tuple(dict.fromkeys((*self.known, *inside)))

    def _cell(self, n: int, m: int) -> None:
        """Search for blocks at (n, m) that beat every sum of those known."""
        if (n, m) in self._cells:
            return
        self._cells[n, m] = ()
        plain = best_sum(n, m, self._pool(n, m))
        if self._is_settled(n, m, plain):
            return
        key = {
            "exponent": str(self.kernel.exponent),
            "negative": str(self.kernel.negative),
            "n": n,
            "m": m,
            "restarts": self.restarts,
            "seed": self.seed,
            "known": _digest(self.known),
        }
        stored = self.cache.get(key)
        if stored is None:
            stored = self._search(n, m, plain)
            self.cache.put(key, stored)
        self._cells[n, m] = tuple(IntegerBlock(columns, self._capacity(columns)) for columns in stored)

    def _is_settled(self, n: int, m: int, plain: BlockSum) -> bool:
        """Whether no search can help: every feature is held whole, or principal components are optimal."""
        if float(plain.capacity) >= n * (1 - 1e-12):
            return True
        return self.kernel.exponent == 1 and self.kernel.negative == 1 and float(plain.capacity) >= m * (1 - 1e-12)

    def _search(self, n: int, m: int, plain: BlockSum) -> tuple[Columns, ...]:
        exponent, negative = float(self.kernel.exponent), float(self.kernel.negative)
        begin = [plain.weights(n, m, self.kernel)]
        if n > 2:
            begin.append(best_sum(n - 1, m, self._pool(n - 1, m)).weights(n - 1, m, self.kernel))
        entropy = blake2b(f"{self.kernel.exponent}|{self.kernel.negative}|{n}|{m}|{self.seed}".encode(), digest_size=16)
        seed = np.random.SeedSequence(np.frombuffer(entropy.digest(), dtype=np.uint32).tolist())
        W, capacity = maximise_capacity(n, m, exponent, negative, self.restarts, seed, begin)
        if capacity <= float(plain.capacity) * (1 + _GAIN):
            return ()
        blocks = self._decomposed(W)
        total = float(sympy.Add(*(self._capacity(columns) for columns in blocks)))
        if total < capacity * (1 - _GAIN):
            blocks = (self._rounded(W[:, np.linalg.norm(W, axis=0) > 0]),)
        return blocks

    def _decomposed(self, W: Array) -> tuple[Columns, ...]:
        """Each orthogonal block in coordinates of its own, polished by itself, in integers."""
        blocks = []
        for part in recognise(W, self.kernel.negative == 1).blocks:
            inside = W[:, list(part.features)]
            axes = np.linalg.svd(inside)[0][:, : part.dimension]
            polished, _ = polish(axes.T @ inside, float(self.kernel.exponent), float(self.kernel.negative))
            blocks.append(self._rounded(polished[:, np.linalg.norm(polished, axis=0) > 0]))
        return tuple(blocks)

    def _rounded(self, W: Array) -> Columns:
        if is_exact_kernel(self.kernel.exponent, self.kernel.negative):
            return integer_weights(W, self.kernel)[0]
        scaled = np.rint(W / np.abs(W).max() * 2**30).astype(np.int64)
        return tuple(tuple(int(x) for x in column) for column in scaled.T)

    def _capacity(self, columns: Columns) -> sympy.Rational:
        """Exact where the kernel allows; else rounded from floats, good to about 1e-14 and no bound."""
        if is_exact_kernel(self.kernel.exponent, self.kernel.negative):
            return capacity_from_below(columns, self.kernel.exponent, self.kernel.negative)
        W = np.array(columns, dtype=float).T
        W /= np.abs(W).max()
        gram = W.T @ W
        gains = np.diag(gram) ** float(self.kernel.exponent)
        size = np.abs(gram) ** (2 * float(self.kernel.exponent))
        energy = (np.where(gram >= 0, 1.0, float(self.kernel.negative)) * size).sum()
        return sympy.Rational(repr(float(gains.sum() ** 2 / energy)))


def _digest(blocks: tuple[IntegerBlock, ...]) -> str:
    content: Any = [block.columns for block in blocks]
    return blake2b(repr(content).encode(), digest_size=8).hexdigest()
