"""Search again for the configurations that the package ships, and keep what is better.

The table only ever improves: known blocks are where the search begins. Every capacity is computed again, exactly.
Run: python benchmarks/configurations.py [--restarts 200] [--seed 0] [--hidden 6] [--ratio 4]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import sympy

from numerics.configurations.blocks import BlockSearch
from theory.loss.capacity import Kernel
from theory.loss.geometry.optimised import IntegerBlock, best_sum, shipped_blocks, table_of_blocks
from theory.storage import write_bytes_atomically

TABLE = Path(__file__).parents[1] / "theory" / "loss" / "data" / "configurations.json"
KERNELS = [Kernel(sympy.Integer(a), sympy.Integer(negative)) for negative in (1, 0) for a in (1, 2, 3)]


def improved(kernel: Kernel, restarts: int, seed: int, hidden: int, ratio: int) -> tuple[IntegerBlock, ...]:
    """The known blocks and those of a search, without any that sums of others replace."""
    known = shipped_blocks(kernel)
    search = BlockSearch(kernel, restarts, seed, known)
    for m in range(1, hidden + 1):
        before = [float(best_sum(n, m, known or ()).capacity) for n in range(m + 1, ratio * m + 1)]
        after = [float(search.best(n, m).capacity) for n in range(m + 1, ratio * m + 1)]
        gains = [new / old - 1 for old, new in zip(before, after, strict=True)]
        print(f"a={kernel.exponent} r={kernel.negative} m={m}: largest gain {max(gains):.2e}", flush=True)
    kept: list[IntegerBlock] = []
    for block in sorted({*known, *search.blocks()}, key=lambda b: (b.m, b.n, -float(b.capacity), b.columns)):
        if float(block.capacity) > float(best_sum(block.n, block.m, tuple(kept)).capacity) * (1 + 1e-11):
            kept.append(block)
    return tuple(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("restarts", 200), ("seed", 0), ("hidden", 6), ("ratio", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    chosen = parser.parse_args()
    found = [
        (kernel, improved(kernel, chosen.restarts, chosen.seed, chosen.hidden, chosen.ratio)) for kernel in KERNELS
    ]
    write_bytes_atomically(TABLE, table_of_blocks(found).encode())


if __name__ == "__main__":
    main()
