"""Time to a given accuracy: quadrature against what one would use instead, and how its cost grows with the features.

Minibatch Monte Carlo is run once; its time to smaller errors is extrapolated from its variance (four times the samples
per halving of the error). `scipy.integrate.nquad` integrates every set of active features, which only three features
allow.

    python benchmarks/expected_loss.py                             print the tables
    python benchmarks/expected_loss.py --write docs/benchmarks.md  and write them
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

import theory
from numerics import Estimate, expected_loss
from verify.tables import write_atomically

TOLERANCES = (1e-3, 1e-6, 1e-9)
CASES = [
    *((3, 2, p, "relu") for p in (0.05,)),
    *((5, 2, p, a) for a in ("relu", "gelu") for p in (0.05, 0.001)),
    *((20, 5, p, a) for a in ("relu", "gelu") for p in (0.05, 0.001)),
    *((200, 20, p, a) for a in ("relu", "gelu", "tanh") for p in (0.05, 0.01)),
]
GROWTH = [(100, 20, 0.02), (300, 30, 0.01), (1000, 50, 0.005), (3000, 100, 0.003), (10_000, 200, 0.002)]
GROWTH_RTOL = 1e-6
BATCHES, BATCH = 100, 1024


def unit_columns(n: int, m: int) -> np.ndarray:
    """Gaussian weights with columns of length one."""
    W = np.random.default_rng(0).standard_normal((m, n))
    return W / np.linalg.norm(W, axis=0)


def minibatch_seconds(W: np.ndarray, p: float, activation: str) -> float:
    """Time until the 95 % half-width of a plain minibatch estimate equals the loss; a relative error r takes /r**2."""
    import torch

    torch.set_num_threads(1)
    weights = torch.tensor(W, dtype=torch.float32)
    f = {"relu": torch.relu, "gelu": torch.nn.functional.gelu, "tanh": torch.tanh}[activation]
    generator = torch.Generator().manual_seed(0)
    losses = []
    started = perf_counter()
    for _ in range(BATCHES):
        shape = (BATCH, W.shape[1])
        x = torch.rand(shape, generator=generator) * (torch.rand(shape, generator=generator) < p)
        losses.append((x - f(x @ weights.T @ weights)).square().sum(1))
    seconds = perf_counter() - started
    sample = torch.cat(losses).double()
    half_width = 1.96 * float(sample.std()) / len(sample) ** 0.5
    return seconds * (half_width / float(sample.mean())) ** 2


def nquad_loss(W: np.ndarray, p: float, rtol: float) -> tuple[float, float]:
    """The ReLU loss by scipy's adaptive rules over every set of active features, and the seconds it took."""
    from scipy.integrate import nquad

    gram, n = W.T @ W, W.shape[1]
    started = perf_counter()
    total = 0.0
    for size in range(1, n + 1):
        for support in combinations(range(n), size):

            def squared(*u: float, support: tuple[int, ...] = support) -> float:
                x = np.zeros(n)
                x[list(support)] = u
                return float(((x - np.maximum(gram @ x, 0)) ** 2).sum())

            value = nquad(squared, [(0, 1)] * size, opts={"epsabs": 0, "epsrel": rtol / 10, "limit": 20})[0]
            total += p**size * (1 - p) ** (n - size) * value
    return total, perf_counter() - started


def quickest(model: theory.ToyModel, W: np.ndarray, rtol: float) -> Estimate:
    """The fastest of three runs."""
    return min((expected_loss(model, W, rtol=rtol) for _ in range(3)), key=lambda e: e.seconds)


def accuracy_table() -> list[str]:
    """Rows of a markdown table: time to three relative errors, and the ratio to minibatches."""
    lines = [
        "| n | m | density | sigma | " + " | ".join(f"{r:.0e}" for r in TOLERANCES) + " | reached at 1e-9 | "
        "minibatch, 1e-3 | 1e-6 | ratio at 1e-6 |",
        "|--:|--:|--:|---|" + "--:|" * 7,
    ]
    for n, m, p, activation in CASES:
        W, model = unit_columns(n, m), theory.ToyModel(n, m, activation, p)
        expected_loss(model, W, rtol=0.1)  # the first call also compiles the activation
        found = [quickest(model, W, rtol) for rtol in TOLERANCES]
        per_square = minibatch_seconds(W, p, activation)
        batch = [per_square / rtol**2 for rtol in TOLERANCES[:2]]
        times = " | ".join(f"{e.seconds:.2g} s" for e in found)
        lines.append(
            f"| {n} | {m} | {p:g} | {activation} | {times} | {found[-1].error / found[-1].value:.0e} | "
            f"{batch[0]:.2g} s | {batch[1]:.1e} s | {batch[1] / found[1].seconds:.0e} |"
        )
    return lines


def nquad_table() -> list[str]:
    """Rows of a markdown table: scipy's nquad on three features."""
    n, m, p = 3, 2, 0.05
    W, model = unit_columns(n, m), theory.ToyModel(n, m, "relu", p)
    truth = expected_loss(model, W, rtol=1e-12).value
    lines = ["| asked | nquad | its true error | quadrature | ratio |", "|--:|--:|--:|--:|--:|"]
    for rtol in (1e-2, 1e-3):
        value, seconds = nquad_loss(W, p, rtol)
        ours = quickest(model, W, rtol).seconds
        error = abs(value - truth) / truth
        lines.append(f"| {rtol:.0e} | {seconds:.2g} s | {error:.0e} | {ours:.2g} s | {seconds / ours:.0e} |")
    return lines


def one_size(n: int, m: int, p: float) -> dict[str, float]:
    """Processor time, peak memory and error of one large model, for a process of its own."""
    W, model = unit_columns(n, m), theory.ToyModel(n, m, "relu", p)
    started = process_time()
    found = expected_loss(model, W, rtol=GROWTH_RTOL)
    seconds = process_time() - started
    return {"seconds": seconds, "peak": peak_memory(), "error": found.error / found.value}


def peak_memory() -> float:
    """The most memory this process has held, in GiB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent process held before this one started
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def growth_table(sizes: list[tuple[int, int, float]]) -> list[str]:
    """Rows of a markdown table: how time and memory grow with the number of features."""
    lines = ["| n | m | density | processor time | peak memory | error reached |", "|--:|--:|--:|--:|--:|--:|"]
    for n, m, p in sizes:
        command = [sys.executable, __file__, "--size", str(n), str(m), str(p)]
        one = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        lines.append(f"| {n} | {m} | {p:g} | {one['seconds']:.2g} s | {one['peak']:.2g} GiB | {one['error']:.0e} |")
    return lines


def other_sections(path: Path) -> str:
    """What other benchmarks have written below: everything from the first marker on."""
    _, marker, rest = path.read_text().partition("<!-- ") if path.exists() else ("", "", "")
    return f"\n{marker}{rest}" if marker else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the tables to this file as well")
    parser.add_argument("--largest", type=int, default=10_000, metavar="N", help="largest size in the growth table")
    parser.add_argument("--size", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.size:
        n, m, p = options.size
        sys.stdout.write(json.dumps(one_size(int(n), int(m), float(p))))
        return
    lines = [
        "# Time to a given accuracy",
        "",
        f"One run of `make bench` on {platform.machine()}, {os.cpu_count()} cores, one thread; ratios travel better "
        "than the seconds. Columns of W are Gaussian, of length one; features are uniform.",
        "",
        "## Quadrature against minibatches",
        "",
        "Seconds to a stated relative error of the loss. The minibatch column is plain Monte Carlo in torch (float32, "
        "1,024 inputs a batch), extrapolated from its variance to a 95 % half-width of that size.",
        "",
        *accuracy_table(),
        "",
        "## Quadrature against scipy.integrate.nquad",
        "",
        "Three features, two hidden dimensions, density 0.05, ReLU: every set of active features by adaptive rules.",
        "",
        *nquad_table(),
        "",
        "## Growth with the number of features",
        "",
        f"ReLU to a relative error of {GROWTH_RTOL:.0e}, each size in a process of its own.",
        "",
        *growth_table([size for size in GROWTH if size[0] <= options.largest]),
    ]
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if options.write:
        write_atomically(options.write, text + other_sections(options.write))


if __name__ == "__main__":
    main()
