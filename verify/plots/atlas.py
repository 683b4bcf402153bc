"""The atlas as heat maps: what remains between the certified and the best-known capacity, cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from theory import InputError
from theory.registry import activation as as_activation
from verify.plots.style import COLOURS, INK, MUTED, PAPER, figure_of, new_figure, styled

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["atlas", "atlas_panel"]

_LOW, _HIGH = 1e-4, 1e-1
_PROVED = "#d5e6f3"
_NEEDED = ("gap", "proved", "present", "configuration")


def atlas(dataset: xarray.Dataset, names: bool = False) -> Figure:
    """Small multiples of the atlas: one panel per activation, monomials above rectified powers where there are both.

    Args:
        dataset: from `verify.atlas`, or read from its atlas.nc.
        names: write each configuration's first word into its cell (for few cells).

    Raises:
        InputError: the dataset is not an atlas.
    """
    _require(dataset)
    labels = [str(label) for label in dataset["activation"].values]
    families: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        form = as_activation(label).power_form
        families.setdefault(form.family if form is not None else "", []).append(index)
    rows = list(families.values())
    columns = max(len(row) for row in rows)
    with styled():
        figure = new_figure(0.9 + 4.1 * columns, 1.2 + 2.15 * len(rows))
        grid = figure.subplots(len(rows), columns, squeeze=False, sharex=True, sharey=True)
        mesh: Any = None
        for i, row in enumerate(rows):
            for j in range(columns):
                if j < len(row):
                    mesh = _draw(dataset, row[j], grid[i, j], names)
                else:
                    grid[i, j].set_axis_off()
        figure.supxlabel("number of features $n$", fontsize=10.5)
        figure.supylabel("hidden dimension $m$", fontsize=10.5)
        _finish(figure, mesh, grid.ravel().tolist())
    return figure


def atlas_panel(dataset: xarray.Dataset, activation: str, axes: Axes | None = None, names: bool = True) -> Figure:
    """One activation's heat map.

    Raises:
        InputError: the dataset is not an atlas, or does not hold the activation.
    """
    _require(dataset)
    labels = [str(label) for label in dataset["activation"].values]
    if activation not in labels:
        raise InputError(f"activation={activation!r} is not in this atlas; it holds {', '.join(labels)}")
    with styled():
        alone = axes is None
        if axes is None:
            axes = new_figure(8.5, 3.6).subplots()
            axes.set_xlabel("number of features $n$")
            axes.set_ylabel("hidden dimension $m$")
        mesh = _draw(dataset, labels.index(activation), axes, names)
        if alone:
            _finish(figure_of(axes), mesh, [axes])
    return figure_of(axes)


def _require(dataset: xarray.Dataset) -> None:
    missing = [name for name in _NEEDED if name not in dataset]
    if missing:
        raise InputError(f"the dataset lacks {', '.join(missing)}; give one made by verify.atlas")


def _draw(dataset: xarray.Dataset, index: int, axes: Axes, names: bool) -> Any:
    from matplotlib.colors import LogNorm

    one = dataset.isel(activation=index)
    n, m = one["n_features"].values, one["n_hidden"].values
    present, proved = one["present"].values == 1, one["proved"].values == 1
    gap = np.where(present & ~proved, np.clip(one["gap"].values, _LOW, None), np.nan)
    edges = lambda values: np.append(values, values[-1] + 1) - 0.5  # noqa: E731
    x, y = edges(_filled(n)), edges(_filled(m))
    mesh = axes.pcolormesh(
        x, y, _spread(gap, n, m), cmap="plasma_r", norm=LogNorm(_LOW, _HIGH), edgecolors=PAPER, linewidth=0.8
    )
    marked = np.where(present & proved, 1.0, np.nan)
    axes.pcolormesh(x, y, _spread(marked, n, m), cmap=_one_colour(), edgecolors=PAPER, linewidth=0.8)
    rows, columns = np.nonzero(present & proved)
    axes.plot(n[columns], m[rows], linestyle="none", marker="o", markersize=3.2, color=COLOURS["proved"])
    if names:
        _write_names(one, present, axes)
    share = f"{proved.sum()} of {present.sum()} proved optimal"
    axes.set_title(f"{_title(str(one['activation'].values))}: {share}", loc="left", fontsize=10)
    axes.set_yticks(m)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return mesh


def _write_names(one: xarray.Dataset, present: np.ndarray, axes: Axes) -> None:
    for i, j in zip(*np.nonzero(present), strict=True):
        text = str(one["configuration"].values[i, j]).partition(",")[0]
        if "irregular" in text or len(text) > 14:
            continue
        place = float(one["n_features"].values[j]), float(one["n_hidden"].values[i]) + 0.3
        axes.annotate(text, place, ha="center", va="center", fontsize=4.6, color=INK)


def _filled(values: np.ndarray) -> np.ndarray:
    """Every integer from the first to the last, so that missing sizes leave a gap."""
    return np.arange(int(values[0]), int(values[-1]) + 1)


def _spread(values: np.ndarray, n: np.ndarray, m: np.ndarray) -> np.ndarray:
    full = np.full((int(m[-1] - m[0]) + 1, int(n[-1] - n[0]) + 1), np.nan)
    full[np.ix_(m - m[0], n - n[0])] = values
    return full


def _one_colour() -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap([_PROVED])


def _finish(figure: Figure, mesh: Any, panels: list[Axes]) -> None:
    from matplotlib.lines import Line2D

    bar = figure.colorbar(mesh, ax=panels, fraction=0.03, pad=0.01, aspect=28, extend="both")
    bar.set_label("capacity left open:\ncertified / best known − 1", fontsize=9.5)
    bar.ax.tick_params(length=0, labelcolor=INK)
    bar.outline.set_visible(False)
    dot = Line2D([], [], linestyle="none", marker="o", markersize=4, color=COLOURS["proved"])
    figure.legend(
        [dot],
        ["best-known configuration proved optimal (to $10^{-6}$)"],
        loc="outside upper right",
        labelcolor=MUTED,
        handletextpad=0.2,
    )


def _title(label: str) -> str:
    form = as_activation(label).power_form
    assert form is not None
    power = "" if form.exponent == 1 else f"^{{{form.exponent}}}"
    if form.family == "monomial":
        return f"$z{power}$"
    if form.family == "rectified":
        return f"$\\max(0, z){power}$"
    return label
