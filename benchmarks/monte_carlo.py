"""Monte Carlo: variance times time of every scheme against plain sampling, and how often its intervals cover.

The gain of a scheme is (mean squared error x processor time) of plain sampling over the same of the scheme, both at the
same number of draws, in one run. The errors are measured against quadrature.

    python benchmarks/monte_carlo.py                             print the table of gains
    python benchmarks/monte_carlo.py --write docs/benchmarks.md  and write it there, between its markers
    python benchmarks/monte_carlo.py --coverage                  measure the coverage of 95 % intervals (some minutes)
    python benchmarks/monte_carlo.py --coverage --repeats 2000 --cell 3     one problem only
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from sections import write_section

import theory
from numerics import expected_loss
from numerics.monte_carlo.sampling import carry_out, prepare
from numerics.monte_carlo.schemes import SCHEMES, choose
from numerics.setting import setting

DENSITIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.001)
SIZES = ((5, 2, 24), (20, 5, 16), (200, 20, 6))
DRAWS = 2**15


def unit_columns(n: int, m: int, seed: int = 0) -> np.ndarray:
    """Gaussian weights with columns of length one."""
    W = np.random.default_rng(seed).standard_normal((m, n))
    return W / np.linalg.norm(W, axis=0)


def squared_error_time(at: Any, scheme: str, truth: float, repeats: int) -> float:
    """Mean squared error times processor seconds per run, exact terms, tables and pilot included."""
    started, squares = process_time(), 0.0
    for seed in range(repeats):
        found = carry_out(prepare(at, scheme, DRAWS), 0.0, 0.0, seed, DRAWS)
        squares += (float(at.importances @ found.per_feature) - truth) ** 2
    return squares / repeats * (process_time() - started) / repeats


def gain_table(activation: str) -> list[str]:
    """Rows of a markdown table: the gain of every scheme over plain sampling."""
    names = [name for name in SCHEMES if name != "naive"]
    lines = [
        "| n | m | density | " + " | ".join(name.replace("_", " ") for name in names) + " | auto takes |",
        "|--:|--:|--:|" + "--:|" * len(names) + "---|",
    ]
    for n, m, repeats in SIZES:
        for p in DENSITIES:
            model, W = theory.ToyModel(n, m, activation, p), unit_columns(n, m)
            at, truth = setting(model, W), expected_loss(model, W, rtol=1e-11).value
            prepare(at, "stratified", DRAWS)  # the first call also compiles the activation
            # Plain sampling of rare features has few hits, and its squared error needs more runs than that of the rest.
            plain = squared_error_time(at, "naive", truth, 2 * repeats)
            gains = [plain / squared_error_time(at, name, truth, repeats) for name in names]
            cells = " | ".join(f"{gain:.2g}" for gain in gains)
            lines.append(f"| {n} | {m} | {p:g} | {cells} | {choose(at, DRAWS).name.replace('_', ' ')} |")
            print(lines[-1], flush=True)
    return lines


@dataclass(frozen=True)
class Cell:
    """A problem whose intervals are counted."""

    n: int
    m: int
    activation: str
    law: str
    density: Any
    draws: int
    scheme: str = "auto"

    def __str__(self) -> str:
        p = f"{self.density:g}" if np.isscalar(self.density) else f"{min(self.density):g} … {max(self.density):g}"
        return f"| {self.n} | {self.m} | {self.activation} | {self.law} | {p} | {self.draws:,} | {self.scheme} |"


COVERAGE = [
    *(Cell(5, 2, a, "uniform", p, 2048) for a in ("relu", "gelu") for p in (0.001, 0.01, 0.1, 0.5, 1.0)),
    *(Cell(12, 3, "tanh", law, 0.001, 2048) for law in ("exponential", "beta:2,3", "two-sided:uniform")),
    *(Cell(12, 3, "relu", law, 0.1, 2048) for law in ("exponential", "half-normal", "two-sided:beta:0.5,0.5")),
    *(Cell(5, 2, "rectified-power:2", "half-normal", p, 4096) for p in (0.001, 0.1, 1.0)),
    *(Cell(40, 5, "relu", "uniform", p, 2048) for p in (0.001, 0.05, 0.5)),
    Cell(12, 3, "sigmoid", "uniform", (0.001,) * 4 + (0.1,) * 4 + (0.7,) * 4, 2048),
    *(Cell(6, 2, a, "binary", p, 2048) for a in ("solu", "isotropic-tanh", "softmax") for p in (0.001, 0.1, 0.5)),
    *(Cell(2, 2, a, "uniform", p, 2048) for a in ("solu", "isotropic-tanh") for p in (0.001, 0.5, 1.0)),
    *(
        Cell(5, 2, "relu", "uniform", p, 2048, name)
        for name in SCHEMES
        for p in (0.001, 0.1, 1.0)
        # Without strata an input of rare features is almost always zero; no interval knows of what was never drawn.
        if p > 0.001 or name.startswith("stratified")
    ),
    *(Cell(5, 2, "relu", "uniform", p, 300) for p in (0.001, 0.1, 1.0)),
]


def truth_of(model: theory.ToyModel, W: np.ndarray) -> float:
    """The loss by a deterministic route; for two features and a coupled activation by tensor Gauss-Legendre rules."""
    if model.activation.is_elementwise or model.law.name == "binary":
        return expected_loss(model, W, method="auto", rtol=1e-10).value
    return two_feature_loss(model, W)


def two_feature_loss(model: theory.ToyModel, W: np.ndarray) -> float:
    """The loss of two uniform features under any smooth activation, every set of active features by itself."""
    from numerics import compile_activation

    sigma: Callable[[Any], Any] = compile_activation(model.activation)
    nodes, weights = np.polynomial.legendre.leggauss(80)
    u, w = (1 + nodes) / 2, weights / 2
    p, q = (float(v) for v in model.densities)
    zero, one = np.zeros_like(u), np.array([0.0])
    grid = np.stack([np.repeat(u, len(u)), np.tile(u, len(u))], axis=1)
    cases = [
        ((1 - p) * (1 - q), np.zeros((1, 2)), one + 1),
        (p * (1 - q), np.stack([u, zero], axis=1), w),
        (q * (1 - p), np.stack([zero, u], axis=1), w),
        (p * q, grid, np.outer(w, w).ravel()),
    ]
    return float(sum(share * (c @ ((x - sigma(x @ W.T @ W)) ** 2).sum(axis=1)) for share, x, c in cases))


def coverage(cell: Cell, repeats: int) -> tuple[float, float, str]:
    """Share of intervals that hold the truth, mean half-width relative to the loss, and the scheme."""
    model = theory.ToyModel(cell.n, cell.m, cell.activation, cell.density, law=cell.law)
    W = unit_columns(cell.n, cell.m, seed=1)
    truth, at = truth_of(model, W), setting(model, W)
    task = prepare(at, cell.scheme, cell.draws)
    hits, widths = 0, 0.0
    for seed in range(repeats):
        found = carry_out(task, 0.0, 0.0, seed, cell.draws)
        # Where an interval is narrower than the rounding of the truth, rounding decides.
        hits += abs(float(at.importances @ found.per_feature) - truth) <= found.error + 1e-14 * truth
        widths += found.error
    return hits / repeats, widths / repeats / truth, task.scheme.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table of gains into this file as well")
    parser.add_argument("--activation", default="relu", help="of the table of gains")
    parser.add_argument("--coverage", action="store_true", help="measure coverage instead")
    parser.add_argument("--repeats", type=int, default=2000, help="intervals per problem")
    parser.add_argument("--cell", type=int, nargs="*", help="numbers of the problems to take")
    options = parser.parse_args()
    if options.coverage:
        print("| n | m | sigma | law | density | draws | scheme | covered | half-width / loss |")
        for number in options.cell or range(len(COVERAGE)):
            share, width, name = coverage(COVERAGE[number], options.repeats)
            print(f"{COVERAGE[number]} {name}: {share:.2%} | {width:.1e} |", flush=True)
        return
    lines = [
        "## Monte Carlo schemes against plain sampling",
        "",
        f"Mean squared error times processor time of plain sampling over that of each scheme, at {DRAWS:,} draws, "
        f"{options.activation}, one thread; exact terms, tables and pilots included. Above 1 is better. "
        f"{SIZES[-1][2]} to {SIZES[0][2]} runs a figure: they are good to a factor of two.",
        "",
        *gain_table(options.activation),
    ]
    if options.write:
        write_section(options.write, "monte carlo", "\n".join(lines))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
