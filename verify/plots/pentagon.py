"""Columns of W in the plane, for every converged seed, over densities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verify.plots.style import COLOURS, MUTED, new_figure, styled

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

__all__ = ["pentagon_figure"]


def pentagon_figure(dataset: xarray.Dataset) -> Figure:
    """The columns of W of all converged seeds, each turned so that its first column points up; bold: the best seed.

    Args:
        dataset: of `verify.sweep` with n_hidden = 2 and the axes bias and density.
    """
    densities = dataset["density"].values
    with styled():
        figure = new_figure(1.75 * len(densities) + 0.6, 4.1)
        panels = figure.subplots(2, len(densities), squeeze=False)
        for i, has_bias in enumerate((False, True)):
            for j, p in enumerate(densities):
                cell, axes = dataset.sel(bias=has_bias, density=p), panels[i, j]
                kept = np.flatnonzero(cell["reached"].values)
                best = int(np.nanargmin(cell["loss"].values))
                for seed in kept:
                    _arrows(axes, _turned(cell["W"].values[seed]), MUTED, 0.7, 0.25)
                _arrows(axes, _turned(cell["W"].values[best]), COLOURS["lower"], 2.0, 1.0)
                axes.add_artist(_circle())
                axes.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), xticks=[], yticks=[], aspect="equal")
                axes.grid(False)
                for side in axes.spines.values():
                    side.set_visible(False)
                if i == 0:
                    axes.set_title(f"$p={p:g}$")
                axes.text(0, -1.47, f"{len(kept)} of {dataset.sizes['seed']} seeds", ha="center", fontsize=9.5)
                if j == 0:
                    axes.set_ylabel("with bias" if has_bias else "without bias")
    return figure


def _turned(W: np.ndarray) -> np.ndarray:
    """W rotated so that its longest column points up."""
    x, y = W[:, int(np.argmax((W**2).sum(axis=0)))]
    turn = np.pi / 2 - np.arctan2(y, x)
    return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ W


def _arrows(axes: object, W: np.ndarray, colour: str, width: float, alpha: float) -> None:
    for x, y in W.T:
        axes.plot([0, x], [0, y], color=colour, linewidth=width, alpha=alpha, solid_capstyle="round")  # type: ignore[attr-defined]
        axes.plot(x, y, "o", color=colour, markersize=2 * width, alpha=alpha)  # type: ignore[attr-defined]


def _circle() -> object:
    from matplotlib.patches import Circle

    return Circle((0, 0), 1.0, fill=False, color=MUTED, linewidth=0.7, linestyle=":")
