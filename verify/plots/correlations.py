"""Columns of W in the plane, coloured by set, for features that act together and features that exclude each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verify.plots.style import COLOURS, MUTED, new_figure, styled

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

__all__ = ["correlation_figure"]


def correlation_figure(runs: dict[int, xarray.Dataset], size: int = 2) -> Figure:
    """The best seed of every density: two rows (correlated, anticorrelated) per number of features.

    Args:
        runs: by number of features, of `verify.sweep` with n_hidden = 2 and the axes inputs and density.
        size: features of a set.
    """
    densities = next(iter(runs.values()))["density"].values
    kinds = ("correlated", "anticorrelated")
    colours = (COLOURS["lower"], COLOURS["upper"], COLOURS["minimised"])
    with styled():
        figure = new_figure(1.7 * len(densities) + 1.2, 1.75 * len(runs) * 2 + 0.4)
        panels = figure.subplots(2 * len(runs), len(densities), squeeze=False)
        for row, (n, kind) in enumerate((n, kind) for n in runs for kind in kinds):
            for j, p in enumerate(densities):
                cell, axes = runs[n].sel(inputs=kind, density=p), panels[row, j]
                W = cell["W"].values[int(np.nanargmin(cell["loss"].values))]
                for i, (x, y) in enumerate(W.T):
                    colour = colours[(i // size) % 3]
                    axes.plot([0, x], [0, y], color=colour, linewidth=2, solid_capstyle="round")
                    axes.plot(x, y, "os^"[(i // size) % 3], color=colour, markersize=6)
                axes.axhline(0, color=MUTED, linewidth=0.4, zorder=0)
                axes.axvline(0, color=MUTED, linewidth=0.4, zorder=0)
                axes.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), xticks=[], yticks=[], aspect="equal")
                axes.grid(False)
                for side in axes.spines.values():
                    side.set_visible(False)
                if row == 0:
                    axes.set_title(f"$p={p:g}$")
                if j == 0:
                    axes.set_ylabel(f"{n // size} sets of {size}\n{kind}", fontsize=9.5)
    return figure
