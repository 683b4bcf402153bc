"""The work of a sweep in pieces: cells that share matrix products, computed the same way wherever they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from verify.sweeps.grid import Cell

if TYPE_CHECKING:
    import xarray

__all__ = ["compute", "units_of"]

# Models times seeds of one unit: some seconds of work, so that little is lost when a process is killed.
_TOGETHER = 160


def units_of(cells: Sequence[Cell], missing: set[str]) -> list[list[Cell]]:
    """The missing cells in units.

    The cut depends on the grid alone and units are stored whole, so that what is computed after an interruption is
    what would have been computed without it.
    """
    families: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        families.setdefault(cell.family, []).append(cell)
    units = []
    for members in families.values():
        size = max(1, _TOGETHER // len(members[0].seeds))
        for first in range(0, len(members), size):
            unit = [cell for cell in members[first : first + size] if cell.key in missing]
            if unit:
                units.append(unit)
    return units


def compute(unit: Sequence[Cell]) -> dict[str, dict[str, np.ndarray]]:
    """Results by cell key. One thread: rounding, and with it the whole result, is then the same in every process."""
    import torch
    from threadpoolctl import threadpool_limits

    from verify.training import train

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            first = unit[0]
            models = [cell.model for cell in unit]
            runs = train(models, list(first.seeds), first.protocol, network=first.network, inputs=first.inputs)
            return {cell.key: _result(runs.isel(model=i), cell) for i, cell in enumerate(unit)}
    finally:
        torch.set_num_threads(before)


def _result(run: xarray.Dataset, cell: Cell) -> dict[str, np.ndarray]:
    from verify.training.standing import standing

    names = ("loss", "loss_error", "trained_loss", "diverged", "loss_curve", "step", "W", "b", "V", "W_checkpoint")
    found = {name: np.asarray(run[name].values) for name in names if name in run}
    if "checkpoint" in run.coords:
        found["checkpoint"] = np.asarray(run["checkpoint"].values)
    if cell.network.is_toy_model and cell.inputs is None:
        place = standing(cell.model, found["loss"], cell.restarts)
        found |= {
            "best_known": np.array(place.best_known),
            "lower_bound": np.array(place.lower_bound),
            "gap": place.gap,
            "reached": place.reached,
            "success_rate": np.array(place.success_rate),
            "minimised": np.array(place.minimised),
        }
        found |= {
            name: value for name, value in (("W_minimised", place.W), ("b_minimised", place.b)) if value is not None
        }
    return found
