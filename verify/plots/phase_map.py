"""Phases in the plane of density and importance as coloured cells: trained, minimised and theory under each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from verify.plots.style import INK, MUTED, PAPER, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PhaseMap", "phase_map_figure", "triple_map_figure"]

# Apart in lightness as well as in hue, for every common form of colour blindness and for grey print.
_COLOURS = ("#dde1e6", "#f3c969", "#7fcdb4", "#4a90c4", "#9c4f8c", "#3b3f45")
_TITLES = {"relu": "ReLU", "power:2": "$z^2$", "rectified-power:2": "$\\max(0,z)^2$", "gelu": "GELU", "silu": "SiLU"}
# Up to so many cells an axis they are set apart by lines.
_FEW = 9
_RATIOS = (0.1, 1.0, 10.0)
_GAINS = [0.01, 0.03, 0.05]


@dataclass(frozen=True)
class PhaseMap:
    """The phase of every point of a grid.

    Attributes:
        densities, importances: of the grid.
        phases: index into the names of the phases, shape (importance, density).
        boundary: densities and importances of points along the boundary of superposition, where theory gives it.
    """

    densities: Sequence[float]
    importances: Sequence[float]
    phases: np.ndarray
    boundary: tuple[np.ndarray, np.ndarray] | None = None


def phase_map_figure(maps: Mapping[str, Mapping[str, PhaseMap]], names: Sequence[str]) -> Figure:
    """A column per activation, a row per way of computing; the exact boundary as a line wherever there is theory.

    Args:
        maps: activation -> way ("trained", "minimised", "theory") -> its map.
        names: of the phases.
    """
    ways = list(dict.fromkeys(way for found in maps.values() for way in found))
    with styled():
        figure = new_figure(1.5 * len(maps) + 0.9, 1.5 * len(ways) + 1.15)
        panels = figure.subplots(len(ways), len(maps), squeeze=False, sharex=True, sharey=True)
        for j, (activation, found) in enumerate(maps.items()):
            for i, way in enumerate(ways):
                axes = panels[i, j]
                if way in found:
                    _cells(axes, found[way], len(names))
                    _boundary(axes, found.get("theory"))
                else:
                    axes.set_axis_off()
                    axes.text(0.5, 0.5, "no theory", transform=axes.transAxes, ha="center", color=MUTED)
                    panels[i - 1, j].xaxis.set_tick_params(labelbottom=True)
                if i == 0:
                    axes.set_title(_TITLES.get(activation, activation))
                if j == 0:
                    axes.set_ylabel(way)
        _finish(figure, panels[0, 0])
        line = any("theory" in found for found in maps.values())
        _legend(figure, [grid for found in maps.values() for grid in found.values()], names, line, 3)
    return figure


def triple_map_figure(maps: Mapping[str, PhaseMap], zoom: PhaseMap, gain: np.ndarray, names: Sequence[str]) -> Figure:
    """A panel per way of computing, and the neighbourhood of equal importance and large density magnified.

    Args:
        maps: way -> its map.
        zoom: phases by theory on a finer grid, drawn with a linear density.
        gain: of the triangle over the best block in the zoom, relative, shape (importance, density); NaN for none.
        names: of the phases.
    """
    with styled():
        figure = new_figure(2.5 * (len(maps) + 1) + 0.6, 3.5)
        panels = figure.subplots(1, len(maps) + 1, squeeze=False)[0]
        for k, (axes, (way, found)) in enumerate(zip(panels, maps.items(), strict=False)):
            _cells(axes, found, len(names))
            _boundary(axes, maps.get("theory"))
            axes.set_title(way)
            _ticks(axes)
            axes.tick_params(labelleft=k == 0)
            axes.set(xlim=panels[0].get_xlim(), ylim=panels[0].get_ylim())
        last = panels[-1]
        _cells(last, zoom, len(names))
        last.set_xscale("linear")
        last.set_title("theory, magnified")
        last.set_yticks([0.5, 0.7, 1.0, 1.4, 2.0], ["0.5", "0.7", "1", "1.4", "2"])
        last.set_yticks([], minor=True)
        lines = last.contour(zoom.densities, zoom.importances, gain, levels=_GAINS, colors=[PAPER], linewidths=1.0)
        last.clabel(lines, fmt=lambda v: f"{v:.0%}", fontsize=8.5)
        figure.supxlabel("density $p$", fontsize=10.5)
        figure.supylabel("importance of feature 3", fontsize=10.5)
        _legend(figure, [*maps.values(), zoom], names, "theory" in maps, 4)
    return figure


def _cells(axes: Axes, grid: PhaseMap, count: int) -> None:
    from matplotlib.colors import BoundaryNorm, ListedColormap

    few = len(grid.densities) <= _FEW
    edges: dict[str, Any] = {"edgecolors": PAPER, "linewidth": 0.4} if few else {"rasterized": True}
    axes.pcolormesh(
        grid.densities, grid.importances, grid.phases, cmap=ListedColormap(_COLOURS[:count]),
        norm=BoundaryNorm(np.arange(count + 1) - 0.5, count), shading="nearest", **edges,
    )  # fmt: skip
    axes.set(xscale="log", yscale="log")
    axes.grid(False)


def _boundary(axes: Axes, theory: PhaseMap | None) -> None:
    if theory is not None and theory.boundary is not None:
        axes.plot(*theory.boundary, color=INK, linewidth=1.4)


def _ticks(axes: Axes) -> None:
    axes.set_xticks([0.01, 0.1, 1.0], ["0.01", "0.1", "1"])
    axes.set_yticks(list(_RATIOS), ["0.1", "1", "10"])
    axes.set_yticks([], minor=True)


def _finish(figure: Figure, first: Axes) -> None:
    _ticks(first)
    figure.supxlabel("density $p$", fontsize=10.5)
    figure.supylabel("importance of feature 2", fontsize=10.5)


def _legend(figure: Figure, maps: Sequence[PhaseMap], names: Sequence[str], line: bool, columns: int) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    present = sorted({int(k) for grid in maps for k in np.unique(grid.phases)})
    handles: list[Any] = [Patch(facecolor=_COLOURS[k], edgecolor=INK, linewidth=0.5, label=names[k]) for k in present]
    if line:
        handles.append(Line2D([], [], color=INK, linewidth=1.3, label="boundary by theory"))
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, fontsize=9.5)
