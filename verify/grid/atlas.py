"""The atlas: every cell of a grid of (activation, m, n), computed once, kept, and collected as one labelled dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory import InputError
from theory.features import feature_law
from theory.registry import activation as as_activation
from verify.grid.cell import Cell, CellRequest, compute_cell
from verify.grid.store import CellStore
from verify.verdicts import versions

if TYPE_CHECKING:
    import xarray

__all__ = ["DEFAULT_ACTIVATIONS", "atlas", "requests", "to_dataset"]

DEFAULT_ACTIVATIONS = (
    "power:1",
    "power:2",
    "power:3",
    "rectified-power:1",
    "rectified-power:2",
    "rectified-power:3",
)
Progress = Callable[[float, float, str], None]


def atlas(
    activations: Sequence[str] = DEFAULT_ACTIVATIONS,
    n_hidden: Iterable[int] = range(1, 7),
    n_features: Iterable[int] | None = None,
    ratio: int = 4,
    law: Any = "uniform",
    restarts: int | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    resume: bool = True,
    workers: int = 1,
    progress: Progress | None = None,
) -> xarray.Dataset:
    """Certified bounds and best-known configurations of the sparse loss over a grid of (activation, m, n).

    A cell depends on its own setting alone, so the result is the same in whatever order, and in however many
    processes, cells are computed. With `out`, finished cells are never computed again, and the process may be killed
    at any moment.

    Args:
        activations: labels of power activations such as "power:2" or "relu".
        n_hidden: the hidden dimensions m.
        n_features: the numbers of features n, of which those with n > m are used; None for m < n <= ratio m.
        ratio: the largest n/m where n_features is None.
        law: of an active feature.
        restarts: starts of a search of its own in every cell; None to search only where the shipped table ends.
        seed: of that search.
        out: folder of cells, certificates and the dataset atlas.nc; None to write nothing.
        resume: use finished cells in `out`.
        workers: processes.
        progress: called as progress(done, total, text) with the cells that this run computes.

    Returns:
        A dataset over (activation, n_hidden, n_features), NaN and "" outside the grid. Its variables: lower, upper
        (of c*), capacity_known, capacity_certified, gap (of the capacity, relative), proved, bound, construction,
        configuration, certificate, kept, and the configuration's W, norms, dimensionality, gram_spectrum.

    Raises:
        InputError: an activation that is not homogeneous, an empty grid, or workers < 1.

    Source: docs/atlas.md.
    """
    wanted = requests(activations, n_hidden, n_features, ratio, law, restarts, seed)
    if isinstance(workers, bool) or workers != int(workers) or workers < 1:
        raise InputError(f"workers={workers!r} must be an integer >= 1")
    store = None if out is None else CellStore(Path(out))
    cells: dict[CellRequest, Cell] = {}
    if store is not None and resume:
        cells = {request: cell for request in wanted if (cell := store.get(request)) is not None}
    missing = [request for request in wanted if request not in cells]
    # Progress counts the work of this run alone: cells found on disk would make the time left look short.
    report = progress or (lambda done, total, text: None)
    report(0, len(missing), "")
    for done, cell in enumerate(_computed(missing, int(workers)), 1):
        if store is not None:
            store.put(cell)
        cells[cell.request] = cell
        report(done, len(missing), cell.request.label)
    dataset = to_dataset([cells[request] for request in wanted])
    if out is not None:
        _write_dataset(dataset, Path(out) / "atlas.nc")
    return dataset


def requests(
    activations: Sequence[str],
    n_hidden: Iterable[int],
    n_features: Iterable[int] | None,
    ratio: int,
    law: Any,
    restarts: int | None,
    seed: int,
) -> list[CellRequest]:
    """The cells of a grid, in order.

    Raises:
        InputError: an activation that is not homogeneous, sizes that are no counts, or an empty grid.
    """
    if isinstance(activations, str):
        activations = [activations]
    for label in activations:
        if as_activation(label).power_form is None:
            raise InputError(f"activation {label!r} is not homogeneous; the atlas covers power activations")
    hidden = sorted({_count("n_hidden", m) for m in n_hidden})
    sizes = None if n_features is None else sorted({_count("n_features", n) for n in n_features})
    top = _count("ratio", ratio)
    name = feature_law(law).label
    found = [
        CellRequest(label, m, n, name, restarts, seed)
        for label in dict.fromkeys(activations)
        for m in hidden
        for n in (range(m + 1, top * m + 1) if sizes is None else [n for n in sizes if n > m])
    ]
    if not found:
        raise InputError("the grid is empty: cells have m < n, and n <= ratio m where n_features is not given")
    return found


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or value != int(value) or value < 1:
        raise InputError(f"{name} contains {value!r}; give integers >= 1")
    return int(value)


def _computed(wanted: Sequence[CellRequest], workers: int) -> Iterator[Cell]:
    """The cells as they are finished."""
    if workers == 1 or len(wanted) < 2:
        yield from map(compute_cell, wanted)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    # Fresh processes: forking a process that holds threads of a linear-algebra library can hang.
    pool = ProcessPoolExecutor(min(workers, len(wanted)), mp_context=get_context("spawn"))
    try:
        for future in as_completed([pool.submit(compute_cell, request) for request in wanted]):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def to_dataset(cells: Sequence[Cell]) -> xarray.Dataset:
    """The cells as one dataset over (activation, n_hidden, n_features), padded with NaN and empty names."""
    import xarray

    labels = list(dict.fromkeys(cell.request.activation for cell in cells))
    hidden = sorted({cell.request.m for cell in cells})
    sizes = sorted({cell.request.n for cell in cells})
    shape, m, n = (len(labels), len(hidden), len(sizes)), max(hidden), max(sizes)
    names = ("lower", "upper", "capacity_known", "capacity_certified", "gap")
    numbers = {name: np.full(shape, np.nan) for name in names}
    words = {name: np.full(shape, "", dtype=object) for name in ("bound", "construction", "configuration", "exact")}
    proved, kept = np.zeros(shape, dtype=np.int8), np.full(shape, -1, dtype=np.int32)
    present = np.zeros(shape, dtype=np.int8)
    has_certificate = np.zeros(shape, dtype=np.int8)
    W = np.full((*shape, m, n), np.nan)
    norms, shares = np.full((*shape, n), np.nan), np.full((*shape, n), np.nan)
    spectrum = np.full((*shape, m), np.nan)
    for cell in cells:
        request = cell.request
        at = labels.index(request.activation), hidden.index(request.m), sizes.index(request.n)
        for name in names:
            numbers[name][at] = getattr(cell, name)
        for name in ("bound", "construction", "configuration"):
            words[name][at] = getattr(cell, name)
        words["exact"][at] = cell.capacity_known_exact
        proved[at], kept[at], present[at] = cell.is_proved, cell.kept, 1
        has_certificate[at] = cell.certificate is not None
        W[at][: request.m, : request.n] = cell.W
        norms[at][: request.n], shares[at][: request.n] = cell.norms, cell.dimensionality
        spectrum[at][: request.m] = cell.gram_spectrum
    grid = ("activation", "n_hidden", "n_features")
    return xarray.Dataset(
        {
            **{name: (grid, values) for name, values in numbers.items()},
            **{name: (grid, values.astype(str)) for name, values in words.items() if name != "exact"},
            "capacity_known_exact": (grid, words["exact"].astype(str)),
            "present": (grid, present),
            "proved": (grid, proved),
            "has_certificate": (grid, has_certificate),
            "kept": (grid, kept),
            "W": ((*grid, "hidden", "feature"), W),
            "norms": ((*grid, "feature"), norms),
            "dimensionality": ((*grid, "feature"), shares),
            "gram_spectrum": ((*grid, "hidden"), spectrum),
        },
        coords={
            "activation": labels,
            "n_hidden": np.array(hidden, dtype=np.int32),
            "n_features": np.array(sizes, dtype=np.int32),
        },
        attrs={
            "law": cells[0].request.law,
            "versions": json.dumps(versions()),
            "lower": "certified lower bound on c* = lim L*/p",
            "upper": "c(W) of the best-known configuration",
            "gap": "capacity_certified/capacity_known - 1; proved where at most 1e-6",
        },
    )


def _write_dataset(dataset: xarray.Dataset, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    dataset.to_netcdf(partial, engine="scipy")
    partial.replace(path)
