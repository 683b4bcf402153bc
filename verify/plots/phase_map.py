"""Phases on a grid of density and importance as coloured cells: trained, minimised and theory side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from verify.plots.style import INK, MUTED, PAPER, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["phase_map_figure"]

_COLOURS = ("#d8dce1", "#f8dda3", "#a6dccb", "#5fa4d0", "#CC79A7")


def phase_map_figure(
    maps: Mapping[str, Mapping[str, np.ndarray]],
    densities: Sequence[float],
    importances: Sequence[float],
    names: Sequence[str],
) -> Figure:
    """A row per activation, a column per way of computing (trained, minimised, theory where there is one).

    Args:
        maps: activation -> way -> index into `names`, shape (importance, density).
        densities, importances: of the grid, both logarithmic.
        names: of the phases.
    """
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    ways = list(dict.fromkeys(way for found in maps.values() for way in found))
    colours = ListedColormap(_COLOURS[: len(names)])
    norm = BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names))
    present = sorted({int(k) for found in maps.values() for grid in found.values() for k in np.unique(grid)})
    with styled():
        figure = new_figure(2.15 * len(ways) + 1.6, 1.75 * len(maps) + 1.3)
        panels = figure.subplots(len(maps), len(ways), squeeze=False, sharex=True, sharey=True)
        for i, (activation, found) in enumerate(maps.items()):
            for j, way in enumerate(ways):
                axes = panels[i, j]
                if way not in found:
                    axes.set_axis_off()
                    axes.text(0.5, 0.5, "no theory", transform=axes.transAxes, ha="center", color=MUTED)
                    continue
                axes.pcolormesh(
                    densities, importances, found[way], cmap=colours, norm=norm, shading="nearest",
                    edgecolors=PAPER, linewidth=0.4,
                )  # fmt: skip
                axes.set(xscale="log", yscale="log")
                axes.grid(False)
                if i == 0:
                    axes.set_title(way)
                if j == 0:
                    axes.set_ylabel(activation)
        figure.supxlabel("density $p$", fontsize=10.5)
        figure.supylabel("relative importance of the last feature", fontsize=10.5)
        handles = [Patch(facecolor=_COLOURS[k], edgecolor=INK, linewidth=0.5, label=names[k]) for k in present]
        figure.legend(handles=handles, loc="outside upper center", ncols=2, fontsize=9.5)
    return figure
