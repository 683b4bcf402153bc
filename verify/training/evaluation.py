"""The expected loss of trained weights: by numerics for a toy model, else on held-out rows with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from theory import ToyModel
from verify.training.inputs import Inputs, weighted_rows
from verify.training.network import Network, reconstruct
from verify.training.records import seed_sequence
from verify.training.rows import one_active_rows, two_or_more_active

__all__ = ["HeldOutRows", "held_out_rows", "population_losses", "sampled_losses"]

TEST_ROWS = 2**15
# Rules for one active feature: a kink leaves an error of about 1/order**2, so two orders are compared.
_FINE, _COARSE = 64, 32
# Numbers in one intermediate array.
_LARGEST = 4_000_000


@dataclass(frozen=True)
class HeldOutRows:
    """Weighted rows that no training has seen.

    Attributes:
        X: rows, shape (B, n).
        weights: shape (B,), sum 1: w @ g(X) estimates E g(x).
        coarse: as weights, with a coarser rule for one active feature; shape (B,).
        feature: which feature is active alone in a row of a rule, -1 in the other rows; shape (B,).
        sampled: how many rows, at the end, are sampled and share one weight.
    """

    X: np.ndarray
    weights: np.ndarray
    coarse: np.ndarray
    feature: np.ndarray
    sampled: int


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
    rows = held_out_rows(model, inputs)
    losses, errors = sampled_losses(model, rows, W[None], b[None], None if V is None else V[None], network)
    return float(losses[0]), float(errors[0])


def held_out_rows(model: ToyModel, inputs: Inputs | None, count: int = TEST_ROWS) -> HeldOutRows:
    """Rows no training has seen, always the same for one law: `count` sampled, and rules for one active feature."""
    key = ["test", inputs.to_json()] if inputs else ["test", [str(p) for p in model.densities], model.law.label]
    rng = np.random.default_rng(seed_sequence(key))
    if inputs is not None:
        X, even = weighted_rows(inputs, count, rng)
        return HeldOutRows(X, even, even, np.full(len(X), -1), count)
    densities = np.array([float(p) for p in model.densities])
    masks, chance = two_or_more_active(densities, count, rng)
    several = np.where(masks, model.law.sample(rng, masks.shape), 0.0)
    (fine, fine_weights), (coarse, coarse_weights) = (
        one_active_rows(densities, model.law, order) for order in (_FINE, _COARSE)
    )
    empty, even = [np.prod(1 - densities)], np.full(count, chance / count)
    owners = [np.repeat(np.arange(len(densities)), len(rule) // len(densities)) for rule in (fine, coarse)]
    return HeldOutRows(
        np.concatenate([np.zeros((1, len(densities))), fine, coarse, several]),
        np.concatenate([empty, fine_weights, np.zeros(len(coarse)), even]),
        np.concatenate([empty, np.zeros(len(fine)), coarse_weights, even]),
        np.concatenate([[-1], *owners, np.full(count, -1)]),
        count,
    )


def sampled_losses(
    model: ToyModel, rows: HeldOutRows, W: np.ndarray, b: np.ndarray, V: np.ndarray | None, network: Network
) -> tuple[np.ndarray, np.ndarray]:
    """Losses of several networks on weighted rows, with the half-width of their 95 % intervals.

    The half-width is that of the sampled rows plus, feature by feature, what a coarser rule changes.

    Args:
        rows: from `held_out_rows`.
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
        for part in np.array_split(rows.X, max(1, rows.X.size * len(W) // _LARGEST)):
            x = as_tensor(part)[None]
            error = reconstruct(x, weights_in, bias, model.activation, network, out) - x[:, :, None]
            per_row.append(((error**2) @ importance)[0].numpy())
    values = np.concatenate(per_row)
    chance = rows.weights[-rows.sampled :].sum()
    spread = values[-rows.sampled :].std(axis=0, ddof=1)
    by_rule = np.zeros((rows.X.shape[1], len(W)))
    alone = rows.feature >= 0
    np.add.at(by_rule, rows.feature[alone], (rows.weights - rows.coarse)[alone, None] * values[alone])
    return rows.weights @ values, 1.96 * chance * spread / np.sqrt(rows.sampled) + np.abs(by_rule).sum(axis=0)
