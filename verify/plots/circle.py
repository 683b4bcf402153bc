"""Feature directions of circle models in space, their norms and biases around the circle, and how far they merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from verify.geometry.clusters import discretisation_index
from verify.plots.style import COLOURS, MUTED, new_figure, styled

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

__all__ = ["circle_curves", "circle_views"]


def circle_views(adam: xarray.Dataset, sgd: xarray.Dataset) -> Figure:
    """The columns of W of the best seed as points in space, coloured by angle on the circle: a row per optimiser.

    Args:
        adam, sgd: of `verify.sweep` with n_hidden = 3 and the axis scale.
    """
    scales = adam["scale"].values
    with styled():
        figure = new_figure(1.9 * len(scales) + 0.9, 4.3)
        for i, (name, runs) in enumerate((("Adam", adam), ("SGD", sgd))):
            for j, scale in enumerate(scales):
                axes: Any = figure.add_subplot(2, len(scales), i * len(scales) + j + 1, projection="3d")
                W = _best(runs.sel(scale=scale), "W")
                hue = np.arange(W.shape[1]) / W.shape[1]
                axes.plot(*np.concatenate([W, W[:, :1]], axis=1), color=MUTED, linewidth=0.6)
                axes.scatter(*W, c=hue, cmap="twilight", s=9, depthshade=False)
                axes.set(xticks=[], yticks=[], zticks=[], box_aspect=(1, 1, 1))
                axes.set_proj_type("ortho")
                reach = np.abs(W).max()
                axes.set(xlim=(-reach, reach), ylim=(-reach, reach), zlim=(-reach, reach))
                for pane in (axes.xaxis, axes.yaxis, axes.zaxis):
                    pane.pane.set_visible(False)
                    pane.line.set_color(MUTED)
                if i == 0:
                    axes.set_title(f"scale {scale:g}")
                if j == 0:
                    axes.text2D(-0.08, 0.5, name, transform=axes.transAxes, rotation=90, va="center", fontsize=11)
    return figure


def circle_curves(adam: xarray.Dataset, sgd: xarray.Dataset) -> Figure:
    """Column norms and biases around the circle (best seed, three scales), and the discretisation index by scale.

    Args:
        adam, sgd: of `verify.sweep` with n_hidden = 3 and the axis scale.
    """
    from verify.experiments.base import interval

    scales = adam["scale"].values
    shown = [scales[0], scales[len(scales) // 2], scales[-1]]
    colours = [COLOURS["lower"], COLOURS["minimised"], COLOURS["upper"]]
    with styled():
        figure = new_figure(10.2, 3.5)
        norm_axes, bias_axes, index_axes = figure.subplots(1, 3)
        angle = np.linspace(0, 360, adam.sizes["feature"], endpoint=False)
        for colour, scale in zip(colours, shown, strict=True):
            cell = adam.sel(scale=scale)
            norm_axes.plot(angle, np.linalg.norm(_best(cell, "W"), axis=0), color=colour, label=f"scale {scale:g}")
            bias_axes.plot(angle, _best(cell, "b"), color=colour)
        norm_axes.set(xlabel="angle of the feature (degrees)", ylabel="norm of its column, Adam", ylim=(0, None))
        bias_axes.set(xlabel="angle of the feature (degrees)", ylabel="bias, Adam")
        # Above the panels: the curves leave no room inside.
        figure.legend(*norm_axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=9)
        for name, runs, marker, colour in (("Adam", adam, "o", COLOURS["lower"]), ("SGD", sgd, "s", COLOURS["upper"])):
            found = np.array([interval(_indices(runs.sel(scale=s))) for s in scales])
            errors = np.abs(found[:, 1:] - found[:, :1]).T
            index_axes.errorbar(scales, found[:, 0], errors, marker=marker, color=colour, label=name, capsize=3)
        index_axes.set(xscale="log", xlabel="scale (radians)", ylabel="discretisation index $Q$", ylim=(-0.03, 1.03))
        index_axes.legend()
    return figure


def _best(cell: xarray.Dataset, name: str) -> np.ndarray:
    found: np.ndarray = cell[name].values[int(np.nanargmin(cell["loss"].values))]
    return found


def _indices(cell: xarray.Dataset) -> list[float]:
    return [discretisation_index(W) for W in cell["W"].values[~cell["diverged"].values]]
