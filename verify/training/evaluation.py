"""The expected loss of trained weights: by numerics for a toy model, else on a large sample with an interval."""

from __future__ import annotations

from typing import Any

import numpy as np

from theory import ToyModel
from verify.training.inputs import Inputs
from verify.training.network import Network, reconstruct
from verify.training.records import seed_sequence
from verify.training.rows import stratified_rows

__all__ = ["held_out_rows", "population_losses", "sampled_losses"]

TEST_ROWS = 2**15
# Numbers in one intermediate array.
_LARGEST = 4_000_000


def population_losses(
    model: ToyModel,
    W: np.ndarray,
    b: np.ndarray,
    V: np.ndarray | None,
    network: Network,
    inputs: Inputs | None,
    rtol: float,
) -> tuple[float, float]:
    """The expected loss of one trained network and the error of that number (95 % where it is sampled)."""
    if network.is_toy_model and inputs is None:
        from numerics import expected_loss

        estimate = expected_loss(model, W, b if model.bias else None, rtol=rtol)
        return estimate.value, estimate.error
    X, weights = held_out_rows(model, inputs)
    losses, errors = sampled_losses(model, X, weights, W[None], b[None], None if V is None else V[None], network)
    return float(losses[0]), float(errors[0])


def held_out_rows(model: ToyModel, inputs: Inputs | None, count: int = TEST_ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Rows no training has seen, always the same for one law: X of shape (B, n) and weights of shape (B,)."""
    key = ["test", inputs.to_json()] if inputs else ["test", [str(p) for p in model.densities], model.law.label]
    rng = np.random.default_rng(seed_sequence(key))
    if inputs is None:
        return stratified_rows(model, count, rng)
    return inputs.draw(count, rng), np.full(count, 1 / count)


def sampled_losses(
    model: ToyModel,
    X: np.ndarray,
    weights: np.ndarray,
    W: np.ndarray,
    b: np.ndarray,
    V: np.ndarray | None,
    network: Network,
) -> tuple[np.ndarray, np.ndarray]:
    """Losses of several networks on weighted rows, with the half-width of their 95 % intervals.

    Args:
        X, weights: from `held_out_rows`; rows that carry the last, common weight count as sampled.
        W: shape (s, m, n); b: shape (s, n); V: shape (s, n, m) or None.

    Returns:
        Losses and half-widths, each of shape (s,).
    """
    import torch

    as_tensor = lambda array: torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float64)  # noqa: E731
    importance = as_tensor([float(v) for v in model.importances])
    weights_in, bias = as_tensor(W)[None], as_tensor(b)[None]
    out = None if V is None else as_tensor(V)[None]
    per_row: list[Any] = []
    with torch.no_grad():
        for rows in np.array_split(X, max(1, X.size * len(W) // _LARGEST)):
            x = as_tensor(rows)[None]
            error = reconstruct(x, weights_in, bias, model.activation, network, out) - x[:, :, None]
            per_row.append(((error**2) @ importance)[0].numpy())
    values = np.concatenate(per_row)
    sampled = weights == weights[-1]
    chance, count = weights[sampled].sum(), int(sampled.sum())
    spread = values[sampled].std(axis=0, ddof=1) if count > 1 else np.zeros(len(W))
    return weights @ values, 1.96 * chance * spread / np.sqrt(count)
