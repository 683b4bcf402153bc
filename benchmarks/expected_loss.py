"""Time to a given accuracy: our routes against what one would use instead, and how cost grows with the features.

Statistical methods are run once; their time to smaller errors is extrapolated from their measured variance (four times
the samples per halving of the error) and marked so.

    python benchmarks/expected_loss.py                             print the tables
    python benchmarks/expected_loss.py --write docs/benchmarks.md  and put them into their section of that page
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from time import process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")

from alternatives import UNIT, minibatch_seconds, nquad_loss, unit_columns, vegas_seconds
from sections import machine, markdown_table, write_section

import theory
from numerics import Estimate, expected_loss

TOLERANCES = (1e-3, 1e-6, 1e-9)
CASES = [
    (3, 2, 0.05, "relu"),
    *((5, 2, p, a) for a in ("relu", "gelu") for p in (0.05, 0.001)),
    *((20, 5, p, a) for a in ("relu", "gelu", "power:2") for p in (0.05, 0.001)),
    *((200, 20, p, a) for a in ("relu", "gelu", "tanh") for p in (0.05, 0.01)),
]
COUPLED = [
    (5, 2, 0.05, "solu"),
    (12, 2, 0.05, "solu"),
    (12, 2, 0.05, "softmax"),
    (5, 2, 0.05, "isotropic:tanh"),
    (5, 2, 0.05, "isotropic:relu"),
    (40, 2, 0.01, "solu"),
    (5, 3, 0.05, "solu"),
]
GOALS = [("relu", 1e-8, 0.5), ("gelu", 1e-10, 0.1), ("tanh", 1e-10, 0.1)]
GROWTH = [(100, 20, 0.02), (300, 30, 0.01), (1000, 50, 0.005), (3000, 100, 0.003), (10_000, 200, 0.002)]
GROWTH_RTOL = 1e-6
MOST_VEGAS_FEATURES = 20


def quickest(
    model: theory.ToyModel, W: object, rtol: float, runs: int = 3, method: str = "auto"
) -> tuple[Estimate, float]:
    """The loss, and the least processor time of some runs."""
    times = []
    for _ in range(runs):
        started = process_time()
        found = expected_loss(model, W, rtol=rtol, method=method)
        times.append(process_time() - started)
        if times[-1] > 2:
            break
    return found, min(times)


def shown(found: Estimate, seconds: float, rtol: float) -> str:
    """The time; in brackets the relative error reached, where that is larger than the one asked for."""
    reached = found.error / abs(found.value)
    return f"{seconds:.2g}" + (f" (reached {reached:.0e})" if reached > rtol else "")


def accuracy_table() -> list[str]:
    """Processor seconds to three relative errors, ours and theirs."""
    rows = []
    for n, m, p, activation in CASES:
        W, model = unit_columns(n, m), theory.ToyModel(n, m, activation, p)
        expected_loss(model, W, rtol=0.1)  # the first call also compiles the activation
        found = [quickest(model, W, rtol) for rtol in TOLERANCES]
        batch = minibatch_seconds(W, p, activation)
        vegas, off = "—", ""
        if n <= MOST_VEGAS_FEATURES:
            unit, off_by = vegas_seconds(W, p, activation, found[-1][0].value)
            vegas = f"{unit / 1e-3**2:.2g} | {unit / 1e-6**2:.0e}"
            off = f"{off_by:.1f}"
        else:
            vegas = "— | —"
        ours = [shown(*one, rtol) for one, rtol in zip(found, TOLERANCES, strict=True)]
        ratio = batch / 1e-6**2 / found[1][1]
        rows.append((
            *(str(n), str(m), f"{p:g}", activation, found[0][0].method, *ours),
            *(f"{batch / 1e-3**2:.2g}", f"{batch / 1e-6**2:.0e}", vegas, off or "—", f"{ratio:.0e}"),
        ))  # fmt: skip
    header = (
        *("n", "m", "p", "σ", "route", *(f"{r:.0e}" for r in TOLERANCES)),
        *("minibatch 1e-3*", "1e-6*", "vegas 1e-3*", "1e-6*", "vegas off by", "minibatch / ours at 1e-6"),
    )
    return markdown_table(header, rows, left=(3, 4))


def goal_table() -> list[str]:
    """200 features, 20 hidden dimensions, density 0.01: the times aimed at."""
    n, m, p = 200, 20, 0.01
    rows = []
    for activation, rtol, goal in GOALS:
        W, model = unit_columns(n, m), theory.ToyModel(n, m, activation, p)
        expected_loss(model, W, rtol=0.1)
        found, seconds = quickest(model, W, rtol, runs=5)
        six = quickest(model, W, 1e-6, runs=5)[1]
        ratio = minibatch_seconds(W, p, activation) / 1e-6**2 / six
        reached = f"{found.error / found.value:.0e}"
        met = "yes" if seconds <= goal and found.error <= rtol * found.value and ratio >= 1e6 else "no"
        rows.append((activation, f"{rtol:.0e}", reached, f"{seconds:.2g}", f"{goal:g}", f"{ratio:.0e}", met))
    header = ("σ", "asked", "stated", "seconds", "goal", "minibatch / ours at 1e-6", "met")
    return markdown_table(header, rows, left=(0,))


def coupled_table() -> list[str]:
    """Outputs that depend on several inputs: quadrature in the hidden space against sampling."""
    rows = []
    for n, m, p, activation in COUPLED:
        W, model = unit_columns(n, m), theory.ToyModel(n, m, activation, p)
        expected_loss(model, W, rtol=0.1, method="hidden_quadrature")
        found = [quickest(model, W, rtol, runs=2, method="hidden_quadrature") for rtol in TOLERANCES]
        sampled, seconds = quickest(model, W, 1e-12, runs=1, method="monte_carlo")
        unit = seconds * (sampled.error / sampled.value) ** 2
        batch = minibatch_seconds(W, p, activation)
        ours = [shown(*one, rtol) for one, rtol in zip(found, TOLERANCES, strict=True)]
        off = abs(found[-1][0].value - sampled.value) / sampled.error
        rows.append((
            *(str(n), str(m), f"{p:g}", activation, *ours, f"{unit / 1e-3**2:.2g}", f"{unit / 1e-6**2:.0e}"),
            *(f"{off:.1f}", f"{batch / 1e-6**2:.0e}", f"{batch / 1e-6**2 / found[1][1]:.0e}"),
        ))  # fmt: skip
    header = (
        *("n", "m", "p", "σ", *(f"{r:.0e}" for r in TOLERANCES), "monte_carlo 1e-3*", "1e-6*"),
        *("off by", "minibatch 1e-6*", "minibatch / ours at 1e-6"),
    )
    return markdown_table(header, rows, left=(3,))


def nquad_table() -> list[str]:
    """scipy's nquad on three features."""
    n, m, p = 3, 2, 0.05
    W, model = unit_columns(n, m), theory.ToyModel(n, m, "relu", p)
    truth = expected_loss(model, W, rtol=1e-12).value
    rows = []
    for rtol in (1e-2, 1e-3):
        value, seconds = nquad_loss(W, p, rtol)
        ours = quickest(model, W, rtol)[1]
        error = abs(value - truth) / truth
        rows.append((f"{rtol:.0e}", f"{seconds:.2g}", f"{error:.0e}", f"{ours:.2g}", f"{seconds / ours:.0e}"))
    return markdown_table(("asked", "nquad", "its true error", "quadrature", "ratio"), rows)


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
    """How time and memory grow with the number of features."""
    rows = []
    for n, m, p in sizes:
        command = [sys.executable, __file__, "--size", str(n), str(m), str(p)]
        one = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        cost = (f"{one['seconds']:.2g}", f"{one['peak']:.2g}", f"{one['error']:.0e}")
        rows.append((str(n), str(m), f"{p:g}", *cost))
    return markdown_table(("n", "m", "p", "seconds", "peak memory, GiB", "error stated"), rows)


def section(sizes: list[tuple[int, int, float]]) -> str:
    """Every table with its words."""
    parts = [
        f"""## Expected loss: time to a given accuracy

One run of `benchmarks/expected_loss.py` on {machine()}; processor seconds, so that
other work on the machine does not count; ratios travel better. Columns of W are Gaussian,
of length one; features are uniform; no bias. Every method gets the same weights. Ours: the time to a stated relative
error of the loss, the least of three runs. minibatch: plain Monte Carlo in torch (float32, 1,024 inputs a batch) to a
95 % half-width of that size. vegas: a batch integrand on the unit cube, mapped to sparse features by the inverse
distribution function, ten iterations of 20,000 points after ten that adapt (not counted); "off by" is its distance
from our value in its own 95 % half-widths. * extrapolated from the
variance measured in one short run; 1e-9 takes 10⁶ times as long as 1e-6. —: beyond 20 features vegas was not run.
""",
        *accuracy_table(),
        """
### 200 features, 20 hidden dimensions, density 0.01

The times aimed at, on one core, and at least 10⁶ times less time than minibatches at a relative error of 1e-6.
""",
        *goal_table(),
        f"""
### Coupled outputs through the hidden vector

`hidden_quadrature` against our own `monte_carlo` (zero and one active feature exactly, {UNIT:g} standard deviations;
"off by": the distance of the two in its half-widths) and minibatches.
""",
        *coupled_table(),
        """
### scipy.integrate.nquad

Three features, two hidden dimensions, density 0.05, ReLU: every set of active features by adaptive rules.
""",
        *nquad_table(),
        f"""
### Growth with the number of features

ReLU to a relative error of {GROWTH_RTOL:.0e}, each size in a process of its own.
""",
        *growth_table(sizes),
    ]
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into their section of this page")
    parser.add_argument("--largest", type=int, default=10_000, metavar="N", help="largest size in the growth table")
    parser.add_argument("--size", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.size:
        n, m, p = options.size
        sys.stdout.write(json.dumps(one_size(int(n), int(m), float(p))))
        return
    text = section([size for size in GROWTH if size[0] <= options.largest])
    sys.stdout.write(text + "\n")
    if options.write:
        write_section(options.write, "expected_loss", text)


if __name__ == "__main__":
    main()
