"""What a trained model is called in a result file, where its random numbers come from, and the labelled result."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from theory import Activation, ToyModel
from verify.verdicts import versions

if TYPE_CHECKING:
    import xarray

__all__ = ["canonical", "formula", "seed_sequence", "to_dataset"]


def canonical(model: ToyModel) -> dict[str, Any]:
    """The model as plain strings and lists that are equal exactly where the models are, ready for JSON."""
    return {
        "n_features": str(model.n_features),
        "n_hidden": str(model.n_hidden),
        "activation": formula(model.activation),
        "density": _plain(model.density),
        "law": model.law.label,
        "importance": _plain(model.importance),
        "bias": model.bias,
    }


def formula(sigma: Activation) -> list[str]:
    """The expression of an activation and of every sum over units in it, equal exactly where the activations are."""
    return [str(sigma.expr), *(f"{q.symbol}={q.operation}({q.summand})" for q in sigma.reductions)]


def _plain(value: Any) -> Any:
    return [str(entry) for entry in value] if isinstance(value, tuple) else str(value)


def seed_sequence(key: Any, *numbers: int) -> np.random.SeedSequence:
    """Random numbers that depend on the key (anything JSON can write) and the numbers alone, not on other work."""
    digest = blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=16).digest()
    return np.random.SeedSequence([*np.frombuffer(digest, dtype=np.uint32).tolist(), *numbers])


def to_dataset(
    models: Sequence[ToyModel],
    seeds: Sequence[int],
    recorded: Sequence[int],
    kept: Sequence[int],
    cells: Sequence[Sequence[Any]],
    about: Mapping[str, str],
) -> xarray.Dataset:
    """The labelled result of training: sizes that differ between models are padded with NaN.

    Args:
        recorded: the steps at which the loss curve was recorded.
        kept: the steps at which the weights were kept.
        cells: what each (model, seed) ended with.
        about: protocol, network and inputs as JSON.
    """
    import xarray

    n = [int(model.n_features) for model in models]
    m = [int(model.n_hidden) for model in models]
    shape = (len(models), len(seeds))
    W = np.full((*shape, max(m), max(n)), np.nan)
    V = np.full((*shape, max(n), max(m)), np.nan)
    b = np.full((*shape, max(n)), np.nan)
    states = np.full((*shape, len(kept), max(m), max(n)), np.nan)
    densities, importances = np.full((2, len(models), max(n)), np.nan)
    for i, model in enumerate(models):
        densities[i, : n[i]] = [float(p) for p in model.densities]
        importances[i, : n[i]] = [float(v) for v in model.importances]
        for j, cell in enumerate(cells[i]):
            W[i, j, : m[i], : n[i]], b[i, j, : n[i]] = cell.W, cell.b
            if cell.V is not None:
                V[i, j, : n[i], : m[i]] = cell.V
            if kept:
                states[i, j, :, : m[i], : n[i]] = cell.checkpoints
    one = lambda value: np.nan if isinstance(value, tuple) else float(value)  # noqa: E731
    pair = ("model", "seed")
    single = ("loss", "loss_error", "trained_loss", "diverged")
    variables: dict[str, Any] = {
        **{name: (pair, np.array([[getattr(cell, name) for cell in row] for row in cells])) for name in single},
        "loss_curve": ((*pair, "step"), np.array([[cell.curve for cell in row] for row in cells])),
        "W": ((*pair, "hidden", "feature"), W),
        "b": ((*pair, "feature"), b),
        "densities": (("model", "feature"), densities),
        "importances": (("model", "feature"), importances),
    }
    coordinates: dict[str, Any] = {
        "seed": np.array(seeds, dtype=np.int64),
        "step": np.array(recorded, dtype=np.int64),
        "description": ("model", [model.describe() for model in models]),
        "activation": ("model", [model.activation.name for model in models]),
        "n_features": ("model", n),
        "n_hidden": ("model", m),
        "density": ("model", [one(model.density) for model in models]),
        "law": ("model", [model.law.label for model in models]),
        "bias": ("model", [model.bias for model in models]),
        "importance": ("model", [_label(model.importance) for model in models]),
    }
    if cells[0][0].V is not None:
        variables["V"] = ((*pair, "feature", "hidden"), V)
    if kept:
        variables["W_checkpoint"] = ((*pair, "checkpoint", "hidden", "feature"), states)
        coordinates["checkpoint"] = np.array(kept, dtype=np.int64)
    return xarray.Dataset(
        variables,
        coords=coordinates,
        attrs={
            **about,
            "models": json.dumps([canonical(model) for model in models]),
            "versions": json.dumps(versions()),
            "seeding": "start and minibatches: by seed and model; stratified rows: by densities and law, for all seeds",
        },
    )


def _label(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
