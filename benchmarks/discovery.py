"""Discovery of a group against what one would use instead, on the same constraints; and how it grows with n.

Two rivals. *Dense SVD*: stack the constraints of n^2 points, the number that an isotropic map needs in general, into
one matrix with n^2 columns and take its singular value decomposition. *emlp*: its solver for the inverse problem (the
linear maps R^n -> R^n that commute with a given group, here SO(n)), whose constraint matrix has the same n^2 columns;
it answers in single precision to 1e-5. Each size runs in a process of its own; processor time, so that the ratios
survive a busy machine.

emlp is optional. It needs an environment of its own:

    python -m venv emlp-venv && emlp-venv/bin/pip install emlp six

    python benchmarks/discovery.py                                          print the tables
    python benchmarks/discovery.py --emlp emlp-venv/bin/python              with the column of emlp
    python benchmarks/discovery.py --write docs/benchmarks.md               and write them into their section
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import process_time

from sections import write_section

SIZES = (4, 8, 16, 32)
Found = dict[str, float | str]
MAPS = ("isotropic:tanh", "relu", "softmax", "layer_norm")
LARGE = (("relu", 64), ("relu", 128), ("softmax", 64), ("softmax", 128), ("sort", 128), ("max_min", 128))
SLOW = (("isotropic:tanh", 64), ("layer_norm", 64), ("isotropic:tanh", 128), ("layer_norm", 128))
INSTALL = "python -m venv emlp-venv && emlp-venv/bin/pip install emlp six"
EMLP = """
import json, sys, warnings
warnings.simplefilter("ignore")
from time import process_time
from emlp.groups import SO
from emlp.reps import V
n = int(sys.argv[1])
def solve(k):
    rep = V(SO(k)) >> V(SO(k))
    return rep.equivariant_basis()
solve(3)
started = process_time()
basis = solve(n)
print(json.dumps({"seconds": process_time() - started, "dimension": int(basis.shape[-1])}))
"""


def discovery(f: str, n: int, method: str) -> Found:
    """Processor time, peak memory and answer of one discovery, imports and compilation excluded."""
    from numerics import discover_equivariance

    discover_equivariance(f, 2, method=method)
    started = process_time()
    found = discover_equivariance(f, n, method=method)
    spent = process_time() - started
    return {
        "seconds": spent, "peak": peak_memory(), "dimension": found.dimension, "points": found.samples,
        "status": found.status, "method": found.method, "gap": found.gap,
    }  # fmt: skip


def dense_svd(f: str, n: int) -> Found:
    """The singular values of the whole constraint matrix of n^2 points, and how many are zero to 1e-10."""
    import numpy as np

    from numerics.symmetry.maps import as_black_box

    box, rng = as_black_box(f, n), np.random.default_rng(0)
    started = process_time()
    X = rng.standard_normal((n * n, n))
    F, J = box.values(X), box.jacobians(X)[0]
    rows = J[:, :, :, None] * X[:, None, None, :]
    rows[:, range(n), range(n), :] -= F[:, None, :]
    sigma = np.linalg.svd(rows.reshape(-1, n * n), full_matrices=False)[1]
    dimension = int((sigma <= 1e-10 * sigma[0]).sum())
    return {"seconds": process_time() - started, "peak": peak_memory(), "dimension": dimension}


def peak_memory() -> float:
    """The most memory this process has held, in GiB."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count what the parent process held before this one started
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def apart(*task: object) -> Found:
    """One task in a process of its own."""
    command = [sys.executable, __file__, "--one", *map(str, task)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=one_thread()).stdout)


def emlp_solver(python: str | None, n: int, patience: float) -> Found | None:
    """emlp's time for the maps that commute with SO(n), or None where it is missing, fails or takes too long."""
    if python is None:
        return None
    command = [python, "-c", EMLP, str(n)]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=patience, env=one_thread())
        return json.loads(found.stdout.splitlines()[-1]) if found.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return None


def one_thread() -> dict[str, str]:
    """The environment, with one thread for linear algebra."""
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "XLA_FLAGS": flags}


def comparison(sizes: Sequence[int], maps: Sequence[str], python: str | None, patience: float) -> list[str]:
    """Rows of a markdown table: discovery, dense SVD and emlp."""
    header = ["map", "n", "unknowns", "discovery", "peak memory", "points", "dimension", "dense SVD / discovery"]
    lines = [row([*header, "its peak memory", "emlp / discovery"]), "|---|" + "--:|" * 9]
    for n in sizes:
        rival = emlp_solver(python, n, patience)
        for f in maps:
            own, dense = apart("discovery", f, n, "dense"), apart("svd", f, n)
            same = own["dimension"] == dense["dimension"]
            dimension = own["dimension"] if same else f"{own['dimension']} ({dense['dimension']})"
            cells = [f, n, n * n, seconds(own), memory(own), own["points"], dimension, ratio(dense, own), memory(dense)]
            lines.append(row([*cells, "-" if rival is None else ratio(rival, own)]))
    return lines


def growth(cases: Sequence[tuple[str, int]]) -> list[str]:
    """Rows of a markdown table: large n without a matrix of n^2 columns."""
    header = ["map", "n", "method", "processor time", "peak memory", "dimension", "status"]
    lines = [row(header), "|---|--:|---|--:|--:|--:|---|"]
    for f, n in cases:
        own = apart("discovery", f, n, "auto")
        lines.append(row([f, n, own["method"], seconds(own), memory(own), own["dimension"], own["status"]]))
    return lines


def row(cells: Sequence[object]) -> str:
    """A line of a markdown table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def seconds(found: Found) -> str:
    """Its processor time."""
    return f"{float(found['seconds']):.2g} s"


def memory(found: Found) -> str:
    """Its peak memory."""
    return f"{float(found['peak']):.2g} GiB"


def ratio(other: Found, own: Found) -> str:
    """How many times longer the other took."""
    return f"{float(other['seconds']) / float(own['seconds']):.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the tables into their section of this file")
    parser.add_argument("--emlp", metavar="PYTHON", default=sys.executable, help="an interpreter that has emlp")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, metavar="N", help="sizes of the comparison")
    parser.add_argument("--patience", type=float, default=600, metavar="SECONDS", help="the longest wait for emlp")
    parser.add_argument("--fast", action="store_true", help="leave out the slow cases of large n")
    parser.add_argument("--one", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        kind, f, n, *method = options.one
        found = discovery(f, int(n), method[0]) if kind == "discovery" else dense_svd(f, int(n))
        sys.stdout.write(json.dumps(found))
        return
    has_emlp = emlp_solver(options.emlp, 2, options.patience) is not None
    rival = (
        "emlp solves the inverse problem, SO(n) given, with as many unknowns, in single precision"
        if has_emlp
        else f"emlp was not there (`{INSTALL}`, then `--emlp emlp-venv/bin/python`)"
    )
    lines = [
        "## Discovery of groups",
        "",
        f"One run of `benchmarks/discovery.py` on {platform.machine()}, {os.cpu_count()} cores, one thread, processor "
        "time. Dense SVD factorises the whole constraint matrix of n² points (its dimension in brackets where it "
        f"differs); {rival}. Discovery includes the finite checks and the recognition.",
        "",
        *comparison(options.sizes, MAPS, options.emlp if has_emlp else None, options.patience),
        "",
        "Large n, without a matrix of n² columns:",
        "",
        *growth(LARGE if options.fast else LARGE + SLOW),
        "",
    ]
    text = "\n".join(lines)
    sys.stdout.write(text)
    if options.write:
        write_section(options.write, "discovery", text)


if __name__ == "__main__":
    main()
