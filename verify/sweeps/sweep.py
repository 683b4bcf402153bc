"""Train a grid of models, resumably and on any executor, and collect the results as one labelled dataset."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory import InputError
from theory.arguments import as_positive_count
from theory.storage import write_bytes_atomically
from verify.sweeps.grid import Cell, Grid, as_grid, read_grid
from verify.sweeps.store import UnitStore
from verify.sweeps.units import compute, units_of
from verify.training.engine import check_variant
from verify.verdicts import versions

if TYPE_CHECKING:
    import xarray

__all__ = ["sweep"]

Progress = Callable[[float, float, str], None]
Results = dict[str, Mapping[str, np.ndarray]]

DATASET = "sweep.nc"
_NAMED = {
    "loss_curve": ("step",),
    "W": ("hidden", "feature"),
    "b": ("feature",),
    "V": ("feature", "hidden"),
    "W_checkpoint": ("checkpoint", "hidden", "feature"),
}
_PER_CELL = {
    "best_known": (),
    "minimised": (),
    "lower_bound": (),
    "success_rate": (),
    "W_minimised": ("hidden", "feature"),
    "b_minimised": ("feature",),
}
_INDICES = ("step", "checkpoint")


def sweep(
    grid: Grid | Mapping[str, Any] | Path | str,
    store: Path | str | None = None,
    executor: Executor | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> xarray.Dataset:
    """Train every cell of a grid from every seed, and set it beside the best known loss and the certified bound.

    The result of a cell is the same whatever the order, the number of workers or the executor. With `store`, finished
    cells are never computed again, the process may be killed at any moment, and a grid may grow: what it shares with
    an earlier one is kept.

    Args:
        grid: a description as `as_grid` takes it, or the path of a TOML file with one.
        store: folder of the finished units and of the dataset sweep.nc; None to write nothing.
        executor: any concurrent.futures executor; it is not shut down.
        workers: processes, where no executor is given; 1 computes in this one.
        scheduler: address of a Dask scheduler to compute on, such as "tcp://host:8786".
        progress: called with (done, total, text) in units of this run.

    Returns:
        A dataset over the axes of the grid and `seed`: loss, loss_error, trained_loss, diverged, gap (over the best
        known loss, minus 1), reached (gap at most 1 %); per cell best_known, lower_bound, success_rate, minimised and
        its W_minimised, b_minimised; loss_curve, W, b (and V, W_checkpoint where there are), NaN where sizes differ or
        a cell has no such thing. Steps are coordinates, or variables step_of_cell and checkpoint_of_cell where cells
        differ in them. Attributes: grid, versions.

    Raises:
        InputError: a bad grid, workers < 1, more than one of executor, workers and scheduler, or a worker that died.

    Source: docs/experiments.md, "Sweeps".
    """
    found = grid if isinstance(grid, Grid) else read_grid(grid) if isinstance(grid, str | Path) else as_grid(grid)
    workers = int(as_positive_count("workers", workers))
    if sum([executor is not None, workers > 1, scheduler is not None]) > 1:
        raise InputError("executor, workers and scheduler are three ways to compute; give one of them")
    for cell in found.cells:
        check_variant([cell.model], cell.protocol, cell.network, cell.inputs)
    kept = None if store is None else UnitStore(Path(store))
    results: Results = {}
    if kept is not None:
        # A folder that cannot be written is found out before hours of work.
        kept.folder.mkdir(parents=True, exist_ok=True)
        results = dict(kept.read())
    report = progress or (lambda done, total, text: None)
    units = units_of(found.cells, {cell.key for cell in found.cells} - set(results))
    report(0, len(units), "")
    with _executor(executor, min(workers, len(units)), scheduler) as pool:
        for done, result in enumerate(_computed(units, pool), 1):
            if kept is not None:
                kept.put(result)
            results.update(result)
            report(done, len(units), f"{done} of {len(units)} units")
    dataset = collect(found, results)
    if store is not None:
        write_bytes_atomically(Path(store) / DATASET, bytes(dataset.to_netcdf(engine="scipy")))
    return dataset


def finished(grid: Grid, store: Path | str) -> int:
    """How many cells of the grid the folder holds."""
    return len({cell.key for cell in grid.cells} & set(UnitStore(Path(store)).read()))


@contextmanager
def _executor(given: Executor | None, workers: int, scheduler: str | None) -> Iterator[Executor | None]:
    if scheduler is not None:
        try:
            from distributed import Client
        except ImportError:
            raise InputError(
                f"scheduler={scheduler!r} needs Dask: pip install 'superposition-theory[sweeps]', or leave it out"
            ) from None
        # A bad address leaves a client behind that complains when it is collected.
        if not re.search(r".:\d+$", scheduler):
            raise InputError(f"scheduler={scheduler!r} must be an address with a port, such as tcp://127.0.0.1:8786")
        try:
            client = Client(scheduler, timeout=5, set_as_default=False)
        except (OSError, ValueError) as problem:
            raise InputError(f"scheduler={scheduler!r} cannot be reached: {problem}") from None
        with client:
            # A worker that dies takes its unit along; the scheduler gives it to another one.
            yield client.get_executor(pure=False)
    elif given is None and workers > 1:
        from multiprocessing import get_context

        # Forking a process that has run torch can hang.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield pool
    else:
        yield given


def _computed(units: Sequence[Sequence[Cell]], pool: Executor | None) -> Iterator[Mapping[str, Any]]:
    if pool is None:
        yield from map(compute, units)
        return
    futures = [pool.submit(compute, unit) for unit in units]
    try:
        for future in as_completed(futures):
            yield future.result()
    except BrokenExecutor:
        raise InputError(
            "a worker process died (no memory left, or killed); give fewer workers and resume: finished units are kept"
        ) from None
    except BaseException:
        for future in futures:
            future.cancel()
        raise


def collect(grid: Grid, results: Mapping[str, Mapping[str, np.ndarray]]) -> xarray.Dataset:
    """The labelled dataset of a grid whose cells are all there."""
    import xarray

    cells = grid.cells
    first = [results[cell.key] for cell in cells]
    names = sorted({name for result in first for name in result} - set(_INDICES))
    axes = tuple(grid.axes)
    variables: dict[str, Any] = {}
    for name in names:
        own = _PER_CELL[name] if name in _PER_CELL else ("seed", *_NAMED.get(name, ()))
        shapes = [result[name].shape for result in first if name in result]
        shape = tuple(max(lengths) for lengths in zip(*shapes, strict=True)) if own else ()
        # A flag that some cells lack has a third value, so it becomes a number.
        is_flag = all(name in result and result[name].dtype == bool for result in first)
        values = np.zeros((*grid.shape, *shape), bool) if is_flag else np.full((*grid.shape, *shape), np.nan)
        for cell, result in zip(cells, first, strict=True):
            if name in result:
                part = result[name]
                index: tuple[Any, ...] = (*cell.place, *(slice(length) for length in part.shape))
                values[index] = part
        variables[name] = ((*axes, *own), values)
    coordinates: dict[str, Any] = {name: _labels(values) for name, values in grid.axes.items()}
    coordinates["seed"] = np.array(cells[0].seeds, dtype=np.int64)
    for name in _INDICES:
        # Steps are a coordinate where all cells share them, else a variable.
        steps = [result[name] for result in first if name in result]
        if steps and all(np.array_equal(steps[0], other) for other in steps):
            coordinates[name] = steps[0]
        elif steps:
            values = np.full((*grid.shape, max(map(len, steps))), np.nan)
            for cell, result in zip(cells, first, strict=True):
                part = result.get(name, np.empty(0))
                index = (*cell.place, slice(len(part)))
                values[index] = part
            variables[f"{name}_of_cell"] = ((*axes, name), values)
    about = {"fixed": dict(grid.fixed), "axes": {name: list(values) for name, values in grid.axes.items()}}
    return xarray.Dataset(
        variables,
        coords=coordinates,
        attrs={"grid": json.dumps(about, default=str), "versions": json.dumps(versions())},
    )


def _labels(values: Sequence[Any]) -> list[Any]:
    labels = [_label(value) for value in values]
    return list(map(str, labels)) if any(isinstance(label, str) for label in labels) else labels


def _label(value: Any) -> Any:
    """A coordinate value that a NetCDF file can hold: a number, a flag or text."""
    if isinstance(value, list | tuple):
        return ",".join(str(_label(entry)) for entry in value)
    if isinstance(value, bool | int | float | str):
        return value
    return "none" if value is None else str(getattr(value, "label", getattr(value, "name", value)))
