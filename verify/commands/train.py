"""`superposition train`: many seeds at once, set beside the bounds and the minimised population loss."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import theory
from theory import InputError
from theory.storage import write_bytes_atomically
from verify.commands.bounds import best_value
from verify.commands.output import Output, progress_bar
from verify.commands.setting import model_of
from verify.tables import number, text_table

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> Output:
    """Train many seeds at once and set them beside the bounds and the minimised population loss."""
    from verify.training import train as train_models
    from verify.training.protocol import named_protocol
    from verify.training.standing import standing

    model = model_of(arguments, arguments.features, arguments.hidden, arguments.bias)
    if arguments.seeds < 1:
        raise InputError(f"--seeds {arguments.seeds} must be at least 1")
    path = None if arguments.dataset is None else Path(arguments.dataset)
    if path is not None:
        if path.is_dir():
            raise InputError(f"--out {arguments.dataset} is a folder; name a file, such as {path / 'runs.nc'}")
        path.parent.mkdir(parents=True, exist_ok=True)
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    protocol = named_protocol(arguments.protocol, **({} if arguments.steps is None else {"steps": arguments.steps}))
    with progress_bar() as report_progress:
        dataset = train_models(model, seeds=list(seeds), protocol=protocol, progress=report_progress)
    losses = dataset["loss"].values[0]
    place = standing(model, losses, seed=arguments.seed)
    best_known = None if np.isnan(place.best_known) else place.best_known
    lower = None if np.isnan(place.lower_bound) else place.lower_bound
    upper = best_value(theory.upper_bounds(model, of="loss"))
    best = float(np.nanmin(losses)) if np.isfinite(losses).any() else None
    rows = [
        (seed, number(value), "diverged" if not np.isfinite(value) else f"{gap:+.2%}")
        for seed, value, gap in zip(seeds, losses, place.gap, strict=True)
    ]
    data = {
        "model": model.describe(),
        "lower_bound": lower,
        "best_known": best_known,
        "upper_bound": upper,
        "best_trained": best,
        "success_rate": place.success_rate,
        "losses": [float(v) if np.isfinite(v) else None for v in losses],
        "protocol": json.loads(dataset.attrs["protocol"]),
    }
    lines = [model.describe(), "", text_table(("seed", "loss", "above the best known"), rows, right=(0, 1, 2)), ""]
    for label, value in (
        ("proved lower bound", lower),
        ("best known loss", best_known),
        ("best seed", best),
        ("constructive upper bound", upper),
    ):
        lines.append(f"  {label:26s} {'—' if value is None else number(value)}")
    lines.append(f"  {'within 1 % of best known':26s} {place.success_rate:.0%}")
    if path is not None:
        write_bytes_atomically(path, bytes(dataset.to_netcdf(engine="scipy")))
        lines.append(f"  weights and losses in {path}")
    return Output("\n".join(lines), data)
