"""Gram matrices, weights and feature counts of trained models over activations and densities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from verify.plots.style import INK, MUTED, new_figure, styled

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

__all__ = ["gram_grid", "represented_map", "weight_grid"]


def gram_grid(dataset: xarray.Dataset) -> Figure:
    """W^T W of the best seed: a row per activation, a column per density.

    Args:
        dataset: of `verify.sweep`, with the axes activation and density.
    """
    return _grid(dataset, lambda W: W.T @ W, "$W^\\top W$ of the best seed (features × features)", square=True)


def weight_grid(dataset: xarray.Dataset) -> Figure:
    """W of the best seed, hidden dimensions against features, turned so that feature k uses the first k dimensions.

    W -> Q W changes nothing in a linear hidden layer; the turn (a QR decomposition) takes that freedom out.
    """
    turned = lambda W: np.linalg.qr(W)[1]  # noqa: E731
    title = "$W$ of the best seed, turned into triangular form"
    return _grid(dataset, turned, title, square=False)


def _grid(dataset: xarray.Dataset, of: Callable[[np.ndarray], np.ndarray], title: str, square: bool) -> Figure:
    names, densities = dataset["activation"].values, dataset["density"].values
    with styled():
        height = 1.0 if square else 0.66
        figure = new_figure(1.05 * len(densities) + 1.4, height * len(names) + 0.9)
        panels = np.atleast_2d(figure.subplots(len(names), len(densities), squeeze=False))
        image: Any = None
        for i, name in enumerate(names):
            for j, p in enumerate(densities):
                axes, cell = panels[i, j], dataset.isel(activation=i, density=j)
                axes.set(xticks=[], yticks=[])
                axes.grid(False)
                for side in axes.spines.values():
                    side.set(visible=True, color=MUTED, linewidth=0.5)
                losses = np.where(cell["diverged"].values, np.inf, cell["loss"].values)
                if np.isfinite(losses).any():
                    matrix = of(cell["W"].values[int(np.argmin(losses))])
                    image = axes.imshow(matrix, cmap="RdBu", vmin=-1.2, vmax=1.2, aspect="auto", rasterized=True)
                if i == 0:
                    axes.set_title(f"$p={p:g}$", fontsize=10.5)
                if j == 0:
                    axes.set_ylabel(str(name), rotation=0, ha="right", va="center", color=INK)
        figure.suptitle(title, fontsize=11.5)
        if image is not None:
            bar = figure.colorbar(image, ax=panels, shrink=0.6, pad=0.015, extend="both", ticks=[-1, 0, 1])
            bar.set_label("entry")
    return figure


def represented_map(datasets: Sequence[xarray.Dataset], count: Callable[[np.ndarray], np.ndarray]) -> Figure:
    """Mean number of represented features over the seeds, as a labelled map of activation against density.

    Args:
        datasets: of `verify.sweep`, with the axes activation and density and the same densities.
        count: weights of shape (seed, m, n) -> counts of shape (seed,).
    """
    densities = datasets[0]["density"].values
    rows: list[tuple[str, list[float]]] = []
    for data in datasets:
        for i, name in enumerate(data["activation"].values):
            cells = [data.isel(activation=i, density=j) for j in range(len(densities))]
            kept = [cell["W"].values[~cell["diverged"].values] for cell in cells]
            rows.append((str(name), [float(np.mean(count(W))) if len(W) else np.nan for W in kept]))
    rows.sort(key=lambda row: np.nansum(row[1]))
    n, m = datasets[0].sizes["feature"], datasets[0].sizes["hidden"]
    with styled():
        figure = new_figure(0.75 * len(densities) + 2.6, 0.27 * len(rows) + 1.3)
        axes = figure.subplots()
        values = np.array([row for _, row in rows])
        image = axes.imshow(values, cmap="viridis", vmin=0, vmax=n, aspect="auto", rasterized=True)
        axes.grid(False)
        axes.set_xticks(range(len(densities)), [f"{p:g}" for p in densities])
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.set_xlabel("density $p$ (sparser to the right)")
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if value < 0.6 * n else "black"
                axes.text(j, i, f"{value:.1f}".removesuffix(".0"), ha="center", va="center", fontsize=8.5, color=colour)
        bar = figure.colorbar(image, ax=axes, pad=0.02)
        bar.set_label(f"features represented of {n}, in {m} dimensions")
    return figure
