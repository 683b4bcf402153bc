"""Norms of features with their superposition over density, and the weights of models with an activation inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from verify.plots.style import MUTED, new_figure, styled

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

__all__ = ["feature_bars", "hidden_axes"]


def feature_bars(dataset: xarray.Dataset) -> Figure:
    """Norm of every feature as a bar, coloured by its interference with the others: a row per activation.

    Args:
        dataset: of `verify.sweep`, with the axes activation and density.
    """
    import matplotlib as mpl

    names, densities = dataset["activation"].values, dataset["density"].values
    colours = mpl.colormaps["viridis"]
    with styled():
        figure = new_figure(1.55 * len(densities) + 1.2, 2.1 * len(names) + 0.7)
        panels = figure.subplots(len(names), len(densities), squeeze=False, sharey=True, sharex=True)
        for i, name in enumerate(names):
            for j, p in enumerate(densities):
                cell, axes = dataset.isel(activation=i, density=j), panels[i, j]
                W = cell["W"].values[int(np.nanargmin(cell["loss"].values))]
                norms = np.linalg.norm(W, axis=0)
                unit = np.divide(W, norms, out=np.zeros_like(W), where=norms > 1e-9)
                shared = np.sqrt(np.maximum(((unit.T @ W) ** 2).sum(axis=1) - norms**2, 0))
                axes.barh(np.arange(1, len(norms) + 1), norms, color=colours(np.minimum(shared, 1.0)), height=0.85)
                axes.set(xlim=(0, 1.4), yticks=[1, *range(5, len(norms) + 1, 5)])
                axes.grid(False)
                if i == 0:
                    axes.set_title(f"$p={p:g}$")
                if j == 0:
                    axes.set_ylabel(f"{name}\nfeature (by importance)")
        panels[0, 0].invert_yaxis()
        figure.supxlabel("norm $|W_i|$", fontsize=10.5)
        scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 1), colours)
        bar = figure.colorbar(scale, ax=panels, pad=0.01, shrink=0.75, extend="max")
        bar.set_label("interference $\\sqrt{\\sum_{j\\neq i}(\\hat W_i\\cdot W_j)^2}$")
    return figure


def hidden_axes(dataset: xarray.Dataset) -> Figure:
    """W of the best seed with an activation inside (hidden neurons × features), a panel per density.

    Args:
        dataset: of `verify.sweep` with a hidden activation and the axis density.
    """
    densities = dataset["density"].values
    with styled():
        figure = new_figure(1.75 * len(densities) + 0.9, 1.75)
        panels = figure.subplots(1, len(densities), squeeze=False)[0]
        image: Any = None
        for axes, p in zip(panels, densities, strict=True):
            cell = dataset.sel(density=p)
            W = cell["W"].values[int(np.nanargmin(cell["loss"].values))]
            order = np.argsort(np.argmax(np.abs(W), axis=1), kind="stable")
            image = axes.imshow(W[order], cmap="RdBu", vmin=-1.5, vmax=1.5, aspect="auto", rasterized=True)
            axes.set(xticks=[], yticks=[], title=f"$p={p:g}$")
            axes.grid(False)
            for side in axes.spines.values():
                side.set(visible=True, color=MUTED, linewidth=0.5)
        panels[0].set_ylabel("hidden neuron")
        figure.supxlabel("feature (by importance)", fontsize=10.5)
        figure.colorbar(image, ax=panels, pad=0.01, extend="both", ticks=[-1, 0, 1]).set_label("weight")
    return figure
