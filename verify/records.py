"""What a trained model is called in a result file, where its random numbers come from, and the labelled result."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from theory import ToyModel
from verify.verdicts import versions

if TYPE_CHECKING:
    import xarray

__all__ = ["canonical", "seed_sequence", "to_dataset"]


def canonical(model: ToyModel) -> dict[str, Any]:
    """The model as plain strings and lists that are equal exactly where the models are, ready for JSON."""
    sigma = model.activation
    return {
        "n_features": str(model.n_features),
        "n_hidden": str(model.n_hidden),
        "activation": [str(sigma.expr), *(f"{q.symbol}={q.operation}({q.summand})" for q in sigma.reductions)],
        "density": _plain(model.density),
        "law": model.law.label,
        "importance": _plain(model.importance),
        "bias": model.bias,
    }


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
    found: Mapping[str, np.ndarray],
    weights: Sequence[np.ndarray],
    biases: Sequence[np.ndarray],
    protocol: str,
) -> xarray.Dataset:
    """The labelled result of training: sizes that differ between models are padded with NaN.

    Args:
        recorded: the steps at which the loss curve was recorded.
        found: variables of shape (model, seed), and "loss_curve" of shape (model, seed, step).
        weights: per model, shape (seed, m, n).
        biases: per model, shape (seed, n).
        protocol: JSON of the protocol.
    """
    import xarray

    n = [int(model.n_features) for model in models]
    m = [int(model.n_hidden) for model in models]
    W = np.full((len(models), len(seeds), max(m), max(n)), np.nan)
    b = np.full((len(models), len(seeds), max(n)), np.nan)
    densities, importances = np.full((2, len(models), max(n)), np.nan)
    for i, model in enumerate(models):
        W[i, :, : m[i], : n[i]] = weights[i]
        b[i, :, : n[i]] = biases[i]
        densities[i, : n[i]] = [float(p) for p in model.densities]
        importances[i, : n[i]] = [float(v) for v in model.importances]
    one = lambda value: np.nan if isinstance(value, tuple) else float(value)  # noqa: E731
    pair = ("model", "seed")
    return xarray.Dataset(
        {
            **{name: (pair, values) for name, values in found.items() if name != "loss_curve"},
            "loss_curve": ((*pair, "step"), found["loss_curve"]),
            "W": ((*pair, "hidden", "feature"), W),
            "b": ((*pair, "feature"), b),
            "densities": (("model", "feature"), densities),
            "importances": (("model", "feature"), importances),
        },
        coords={
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
        },
        attrs={
            "protocol": protocol,
            "models": json.dumps([canonical(model) for model in models]),
            "versions": json.dumps(versions()),
            "seeding": "start and minibatches: by seed and model; stratified rows: by densities and law, for all seeds",
        },
    )


def _label(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
