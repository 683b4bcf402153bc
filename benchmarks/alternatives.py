"""What one would use instead of this package for an expected loss: torch minibatches, vegas, scipy's nquad."""

from __future__ import annotations

import warnings
from itertools import combinations
from time import process_time

import numpy as np

__all__ = ["UNIT", "minibatch_seconds", "nquad_loss", "unit_columns", "vegas_seconds"]

BATCHES, BATCH = 100, 1024
VEGAS_ITERATIONS, VEGAS_POINTS = 10, 20_000
UNIT = 1.96  # half-widths of 95 % intervals in standard deviations


def unit_columns(n: int, m: int) -> np.ndarray:
    """Gaussian weights with columns of length one."""
    W = np.random.default_rng(0).standard_normal((m, n))
    return W / np.linalg.norm(W, axis=0)


def minibatch_seconds(W: np.ndarray, p: float, activation: str) -> float:
    """Processor time until the 95 % half-width of a plain minibatch estimate equals the loss.

    A relative error r takes 1/r**2 of it.
    """
    import torch

    torch.set_num_threads(1)
    weights = torch.tensor(W, dtype=torch.float32)
    sigma = {
        "relu": torch.relu,
        "gelu": torch.nn.functional.gelu,
        "tanh": torch.tanh,
        "power:2": torch.square,
        "softmax": lambda z: torch.softmax(z, 1),
        "solu": lambda z: z * torch.softmax(z, 1),
        "isotropic:tanh": lambda z: z * (torch.tanh(r := z.norm(dim=1, keepdim=True)) / r.clamp_min(1e-30)),
        "isotropic:relu": lambda z: z * (torch.relu((r := z.norm(dim=1, keepdim=True)) - 1) / r.clamp_min(1e-30)),
    }[activation]
    generator = torch.Generator().manual_seed(0)
    losses = []
    shape = (BATCH, W.shape[1])
    sigma(torch.zeros(shape))
    started = process_time()
    for _ in range(BATCHES):
        x = torch.rand(shape, generator=generator) * (torch.rand(shape, generator=generator) < p)
        losses.append((x - sigma(x @ weights.T @ weights)).square().sum(1))
    seconds = process_time() - started
    sample = torch.cat(losses).double()
    half_width = UNIT * float(sample.std()) / len(sample) ** 0.5
    return seconds * (half_width / float(sample.mean())) ** 2


def vegas_seconds(W: np.ndarray, p: float, activation: str, truth: float) -> tuple[float, float]:
    """Processor time until vegas states a 95 % half-width equal to the loss, and how many of its half-widths it is off.

    The integrand maps the unit cube to sparse features by the inverse distribution function, a batch at a time. Ten
    iterations adapt the map, ten more are counted.
    """
    import vegas

    from numerics import compile_activation
    from theory import activation as by_name

    sigma, n = compile_activation(by_name(activation)), W.shape[1]

    @vegas.batchintegrand
    def squares(y: np.ndarray) -> np.ndarray:
        x = np.maximum(y - (1 - p), 0.0) / p
        return ((x - sigma(x @ W.T @ W)) ** 2).sum(axis=1)

    integrator = vegas.Integrator([[0, 1]] * n, ran_array_generator=np.random.default_rng(0).random)
    integrator(squares, nitn=VEGAS_ITERATIONS, neval=VEGAS_POINTS)
    started = process_time()
    found = integrator(squares, nitn=VEGAS_ITERATIONS, neval=VEGAS_POINTS)
    seconds = process_time() - started
    half_width = UNIT * found.sdev
    return seconds * (half_width / found.mean) ** 2, abs(found.mean - truth) / half_width


def nquad_loss(W: np.ndarray, p: float, rtol: float) -> tuple[float, float]:
    """The ReLU loss by scipy's adaptive rules over every set of active features, and the processor time it took."""
    from scipy.integrate import IntegrationWarning, nquad

    warnings.simplefilter("ignore", IntegrationWarning)

    gram, n = W.T @ W, W.shape[1]
    started = process_time()
    total = 0.0
    for size in range(1, n + 1):
        for support in combinations(range(n), size):

            def squared(*u: float, support: tuple[int, ...] = support) -> float:
                x = np.zeros(n)
                x[list(support)] = u
                return float(((x - np.maximum(gram @ x, 0)) ** 2).sum())

            value = nquad(squared, [(0, 1)] * size, opts={"epsabs": 0, "epsrel": rtol / 10, "limit": 20})[0]
            total += p**size * (1 - p) ** (n - size) * value
    return total, process_time() - started
