"""Time to a given accuracy: quadrature against the minibatch Monte Carlo estimate one would write in torch.

Monte Carlo is run once; its time to smaller errors is extrapolated from its variance (four times the samples per
halving of the error). Run: python benchmarks/expected_loss.py
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
import torch

import theory
from numerics import expected_loss

CASES = [(5, 2, 0.05), (20, 5, 0.05), (20, 5, 0.001), (100, 20, 0.02)]
ACTIVATIONS = ["relu", "gelu"]
TOLERANCES = [1e-3, 1e-6, 1e-8]
BATCHES, BATCH = 100, 1024


def minibatch_seconds(W: np.ndarray, p: float, activation: str, rtol: float) -> float:
    """Time until the 95 % half-width of a plain minibatch estimate is rtol times the loss, extrapolated."""
    weights = torch.tensor(W, dtype=torch.float32)
    f = {"relu": torch.relu, "gelu": torch.nn.functional.gelu}[activation]
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
    return seconds * (half_width / (rtol * float(sample.mean()))) ** 2


def main() -> None:
    torch.set_num_threads(1)
    print("   n   m      p  sigma    rtol   quadrature  reached   minibatch     ratio")
    for n, m, p in CASES:
        W = np.random.default_rng(0).standard_normal((m, n))
        W /= np.linalg.norm(W, axis=0)
        for activation in ACTIVATIONS:
            model = theory.ToyModel(n, m, activation, p)
            expected_loss(model, W, rtol=0.1)  # the first call also compiles the activation
            for rtol in TOLERANCES:
                found = min((expected_loss(model, W, rtol=rtol) for _ in range(3)), key=lambda e: e.seconds)
                other = minibatch_seconds(W, p, activation, rtol)
                case = f"{n:4} {m:3} {p:6g} {activation:>6} {rtol:7.0e}"
                times = f"{found.seconds:10.4f} s {found.error / found.value:8.0e} {other:9.2g} s"
                print(f"{case} {times} {other / found.seconds:9.2g}")


if __name__ == "__main__":
    main()
