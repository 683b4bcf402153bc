"""Losses of two geometries against the density of one feature, and the columns of W at three ratios."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verify.plots.style import COLOURS, INK, MUTED, new_figure, styled

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from verify.experiments.branches import Crossing, Point

__all__ = ["perturbation_figure"]

_COLOURS = {"pentagon": COLOURS["lower"], "digons": COLOURS["upper"]}


def perturbation_figure(
    branches: dict[str, list[Point]], crossing: Crossing, trained: xarray.Dataset, density: float
) -> Figure:
    """Losses per density of both branches and of all trained seeds; below, the lower branch's W at three ratios.

    Args:
        branches: by name, by increasing ratio.
        crossing: of the two.
        trained: of `verify.sweep`, with the ratio as axis density.
        density: of the features that are not varied.
    """
    with styled():
        figure = new_figure(7.2, 6.6)
        grid = figure.add_gridspec(2, 3, height_ratios=[1.75, 1])
        axes = figure.add_subplot(grid[0, :])
        for name, points in branches.items():
            losses = [p.loss / density for p in points]
            axes.plot([p.at for p in points], losses, color=_COLOURS[name], label=name, zorder=2)
        spread = np.exp(np.random.default_rng(0).uniform(-0.02, 0.02, trained.sizes["seed"]))
        for i, r in enumerate(trained["density"].values):
            axes.scatter(
                r * spread, trained["loss"].values[i] / density, s=16, color="none", edgecolors=MUTED, linewidths=0.8,
                label="trained seed" if i == 0 else None, zorder=3,
            )  # fmt: skip
        axes.axvline(crossing.at, color=INK, linewidth=0.9, linestyle=":")
        axes.annotate(
            f"losses cross at {crossing.at:.3f}", (crossing.at, 0.34), xytext=(5, 0), textcoords="offset points",
            va="top",
        )  # fmt: skip
        ticks = [0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1, 1.4, 2]
        axes.set(xscale="log", xlabel="density of feature 1, relative to the others", ylabel="loss/$p$")
        axes.set(ylim=(0.04, 0.36), xticks=ticks, xticklabels=[f"{t:g}" for t in ticks])
        axes.minorticks_off()
        axes.legend(loc="lower right")
        pentagon, digons = branches["pentagon"], branches["digons"]
        for j, (r, points) in enumerate(((0.15, digons), (0.3, pentagon), (2.0, pentagon))):
            point = min(points, key=lambda p: abs(np.log(p.at / r)))
            _columns(figure.add_subplot(grid[1, j]), _turned(point.W), point.at)
    return figure


def _turned(W: np.ndarray) -> np.ndarray:
    """W rotated so that its first column points up, or, where that is zero, the second."""
    norms = np.linalg.norm(W, axis=0)
    x, y = W[:, 0] if norms[0] > 0.1 * norms.max() else W[:, 1]
    turn = np.pi / 2 - np.arctan2(y, x)
    return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ W


def _columns(axes: object, W: np.ndarray, ratio: float) -> None:
    for i, (x, y) in enumerate(W.T):
        colour, marker, width = (COLOURS["minimised"], "D", 2.6) if i == 0 else (MUTED, "o", 1.8)
        axes.plot([0, x], [0, y], color=colour, linewidth=width, solid_capstyle="round", zorder=3 - min(i, 1))  # type: ignore[attr-defined]
        axes.plot(x, y, marker, color=colour, markersize=7 if i == 0 else 5, zorder=3 - min(i, 1))  # type: ignore[attr-defined]
    axes.set(xlim=(-1.45, 1.45), ylim=(-1.45, 1.45), xticks=[], yticks=[], aspect="equal")  # type: ignore[attr-defined]
    axes.set_title(f"ratio {ratio:.2g}\n(green: feature 1)", fontsize=10)  # type: ignore[attr-defined]
    axes.grid(False)  # type: ignore[attr-defined]
    for side in axes.spines.values():  # type: ignore[attr-defined]
        side.set_visible(False)
