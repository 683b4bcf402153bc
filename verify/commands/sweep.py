"""`superposition sweep`: train a grid of models described by a TOML file, resumably, on processes or a cluster."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory import InputError
from verify.commands.output import Output, progress_bar
from verify.tables import number, text_table

if TYPE_CHECKING:
    import xarray

__all__ = ["run"]

_SHOWN = 40


def run(arguments: argparse.Namespace) -> Output:
    """Train what is missing of the grid, write the dataset and summarise it."""
    from verify.sweeps.grid import read_grid
    from verify.sweeps.sweep import DATASET, finished, sweep

    grid = read_grid(arguments.grid)
    done = finished(grid, arguments.out)
    if done and not arguments.resume:
        raise InputError(
            f"--out {arguments.out} holds {done} of the {len(grid.cells)} cells of this grid already; "
            "add --resume to keep them, or choose another folder"
        )
    with progress_bar() as report_progress:
        dataset = sweep(
            grid,
            store=arguments.out,
            workers=1 if arguments.scheduler else arguments.workers,
            scheduler=arguments.scheduler,
            progress=report_progress,
        )
    rows = _rows(dataset)
    header = (
        *dataset["loss"].dims[:-1],
        "best loss",
        "median loss",
        "best known",
        "reached",
        "lower bound",
        "diverged",
    )
    lines = [text_table(header, rows[:_SHOWN], right=range(len(header) - 6, len(header)))]
    if len(rows) > _SHOWN:
        lines.append(f"  … and {len(rows) - _SHOWN} more cells")
    lines += ["", f"  {len(rows)} cells, {dataset.sizes['seed']} seeds each; {done} were there already"]
    lines.append(f"  everything in {Path(arguments.out) / DATASET} (xarray.open_dataset)")
    data = {"dataset": str(Path(arguments.out) / DATASET), "cells": len(rows), "header": header, "rows": rows}
    return Output("\n".join(lines), data)


def _rows(dataset: xarray.Dataset) -> list[tuple[str, ...]]:
    axes = dataset["loss"].dims[:-1]
    losses = dataset["loss"].values
    rows = []
    for place in np.ndindex(losses.shape[:-1]):
        at = lambda name, place=place: _text(dataset[name].values[place]) if name in dataset else "—"  # noqa: E731
        found = losses[place][np.isfinite(losses[place])]
        best, median = (number(found.min(), 6), number(np.median(found), 6)) if found.size else ("—", "—")
        success = f"{float(dataset['success_rate'].values[place]):.0%}" if "success_rate" in dataset else "—"
        rows.append(
            (
                *(str(dataset[axis].values[i]) for axis, i in zip(axes, place, strict=True)),
                best,
                median,
                at("best_known"),
                success,
                at("lower_bound"),
                str(int(dataset["diverged"].values[place].sum())),
            )
        )
    return rows


def _text(value: Any) -> str:
    return number(value, 6) if np.isfinite(value) else "—"
