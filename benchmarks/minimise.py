"""The minimiser of the population loss against training on minibatches, on the same models in one run.

Training is the published recipe of the toy-model notebook: AdamW, 10,000 steps of 1,024 fresh inputs, constant rate
1e-3, weight decay .01, the mean over features, a Xavier normal start of one instance, zero biases. Its weights are
scored by `expected_loss`, as are those of `minimise_loss`. Times are processor seconds on one thread.

    python benchmarks/minimise.py                             print the table
    python benchmarks/minimise.py --quick                     the six smallest settings, 1,000 steps of training
    python benchmarks/minimise.py --write docs/benchmarks.md  put it into its section of that file as well
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np

import theory
from numerics import expected_loss, minimise_loss
from verify.tables import write_atomically

SIZES = ((5, 2), (20, 5), (80, 20))
ACTIVATIONS = ("relu", "gelu", "tanh", "rectified-power:2")
DENSITIES = (0.5, 0.1, 0.05, 0.01)
STEPS, BATCH, RATE, DECAY = 10_000, 1024, 1e-3, 0.01
RESTARTS = {5: 8, 20: 5, 80: 4}
BEGIN, END = "<!-- minimise: begin -->", "<!-- minimise: end -->"


@dataclass(frozen=True)
class Trained:
    """Weights after training, and the processor time it took."""

    W: np.ndarray
    b: np.ndarray
    seconds: float


def train(n: int, m: int, activation: str, p: float, steps: int = STEPS, seed: int = 0) -> Trained:
    """The published recipe, one model at a time."""
    import torch

    torch.set_num_threads(1)
    sigma: Callable[[torch.Tensor], torch.Tensor] = {
        "relu": torch.relu,
        "gelu": torch.nn.functional.gelu,
        "tanh": torch.tanh,
        "rectified-power:2": lambda z: torch.relu(z).square(),
    }[activation]
    generator = torch.Generator().manual_seed(seed)
    started = process_time()
    # Xavier's fan-in and fan-out of a tensor of shape (1, n, m) are n m and m.
    W = torch.randn(n, m, generator=generator) * (2 / (n * m + m)) ** 0.5
    W.requires_grad_()
    b = torch.zeros(n, requires_grad=True)
    optimiser = torch.optim.AdamW([W, b], lr=RATE, weight_decay=DECAY)
    for _ in range(steps):
        active = torch.rand(BATCH, n, generator=generator) < p
        x = torch.rand(BATCH, n, generator=generator) * active
        loss = (x - sigma(x @ W @ W.T + b)).square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    seconds = process_time() - started
    return Trained(W.detach().T.double().numpy(), b.detach().double().numpy(), seconds)


@dataclass(frozen=True)
class Comparison:
    """One setting: losses and times of both, and how many starts of the minimiser reached its best."""

    n: int
    m: int
    activation: str
    p: float
    trained: float
    trained_seconds: float
    minimised: float
    minimised_seconds: float
    searches: int
    success: float
    gradient_norm: float

    @property
    def is_no_higher(self) -> bool:
        """Whether the minimiser's loss is at most the trained one."""
        return self.minimised <= self.trained

    @property
    def ratio(self) -> float:
        """How many times one search of the minimiser is quicker than training."""
        return self.trained_seconds * self.searches / self.minimised_seconds

    def row(self) -> str:
        """A line of the table."""
        excess = self.trained / self.minimised - 1
        return (
            f"| {self.n} | {self.m} | {self.activation} | {self.p:g} | {self.minimised:.8g} | {excess:.1e} | "
            f"{self.minimised_seconds:.2g} s | {self.searches} | {self.trained_seconds:.2g} s | {self.ratio:.2g} | "
            f"{self.success:.0%} | {self.gradient_norm:.0e} |"
        )


def compare(n: int, m: int, activation: str, p: float, steps: int = STEPS) -> Comparison:
    """Both on one setting."""
    model = theory.ToyModel(n, m, activation, p, bias=True)
    trained = train(n, m, activation, p, steps)
    started = process_time()
    found = minimise_loss(model, restarts=RESTARTS[n])
    seconds = process_time() - started
    reached = expected_loss(model, trained.W, trained.b, rtol=1e-9).value
    return Comparison(
        n, m, activation, p, reached, trained.seconds, found.loss.value, seconds, len(found.losses), found.success_rate,
        found.gradient_norm,
    )  # fmt: skip


def table(rows: list[Comparison]) -> list[str]:
    """The markdown table and a summary under it."""
    lines = [
        "| n | m | sigma | density | minimised loss | training is above by | minimiser | searches | training | "
        "training / search | searches that agree | gradient |",
        "|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(row.row() for row in rows),
    ]
    ratios = np.array([row.ratio for row in rows])
    totals = np.array([row.trained_seconds / row.minimised_seconds for row in rows])
    lower = sum(row.is_no_higher for row in rows)
    lines += [
        "",
        f"The minimised loss is no higher than the trained one in {lower} of {len(rows)} settings. One search "
        f"takes a median of {np.median(ratios):.2g} times less time than one training (from {ratios.min():.2g} to "
        f"{ratios.max():.2g}), all searches together {np.median(totals):.2g} times less (from {totals.min():.2g}).",
    ]
    return lines


def section(rows: list[Comparison], steps: int) -> str:
    """The section of docs/benchmarks.md, with its markers."""
    return "\n".join([
        BEGIN,
        "## Minimising against training",
        "",
        f"`benchmarks/minimise.py` on {platform.machine()}, {os.cpu_count()} cores; processor seconds on one thread, "
        "of all searches (starts and hops) together. Training is the published recipe "
        f"({steps:,} steps of AdamW, batches of 1,024), one seed; both losses are sums over features, by "
        "`expected_loss`. Models have biases; features are uniform. “Searches that agree” ended within 1e-6 of the "
        "best, relatively.",
        "",
        *table(rows),
        END,
    ])  # fmt: skip


def placed(text: str, found: str) -> str:
    """`text` with its section between the markers replaced by `found`, or with `found` at its end."""
    if BEGIN in text and END in text:
        return text[: text.index(BEGIN)] + found + text[text.index(END) + len(END) :]
    return text.rstrip("\n") + "\n\n" + found + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="six small settings, 1,000 steps of training")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the section into this file as well")
    options = parser.parse_args()
    steps = 1000 if options.quick else STEPS
    cases = [(n, m, a, p) for n, m in SIZES for a in ACTIVATIONS for p in DENSITIES]
    if options.quick:
        cases = [(n, m, a, 0.05) for n, m in SIZES[:2] for a in ACTIVATIONS[:3]]
    rows = []
    for n, m, activation, p in cases:
        rows.append(compare(n, m, activation, p, steps))
        print(rows[-1].row(), file=sys.stderr, flush=True)
    found = section(rows, steps)
    print(found)
    if options.write:
        write_atomically(options.write, placed(options.write.read_text(), found))


if __name__ == "__main__":
    main()
