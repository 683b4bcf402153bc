"""Loss per density against density: the two-sided band, the minimised population loss and every trained seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from theory import InputError
from verify.plots.style import COLOURS, INK, VOCABULARY, figure_of, new_figure, shared_legend, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DensityPanel", "excess_of_training", "loss_per_density", "loss_per_density_figure"]

_SMALLEST_EXCESS = 1e-6


@dataclass(frozen=True)
class DensityPanel:
    """What one panel shows; every loss is L itself, the drawing divides by p.

    Attributes:
        title: the activation, and the sizes where they differ between panels.
        density: shape (P,), in (0, 1]: where the two bounds were evaluated.
        lower, upper: shape (P,), bounds on L* valid at each density.
        points: shape (Q,): densities of the searches.
        minimised: shape (Q,), smallest population loss found.
        trained: shape (Q, S), population loss of each trained seed, NaN where it diverged.
        sparse_lower, sparse_upper: bounds on c* = lim L*/p, or None where there is none.
    """

    title: str
    density: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    points: np.ndarray
    minimised: np.ndarray
    trained: np.ndarray
    sparse_lower: float | None = None
    sparse_upper: float | None = None
    diverged: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        for name in ("density", "lower", "upper", "points", "minimised", "trained"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=float))
        grid, points = len(self.density), len(self.points)
        for name, shape in (("lower", (grid,)), ("upper", (grid,)), ("minimised", (points,))):
            if getattr(self, name).shape != shape:
                raise InputError(f"{name} has shape {getattr(self, name).shape}; give one loss per density, {shape}")
        if self.trained.ndim != 2 or len(self.trained) != points:
            raise InputError(f"trained has shape {self.trained.shape}; give (densities, seeds) with {points} densities")
        for name in ("density", "points"):
            values = getattr(self, name)
            if not ((values > 0) & (values <= 1)).all():
                raise InputError(f"{name} must lie in (0, 1]: the plot divides by it and its axis is logarithmic")
        object.__setattr__(self, "diverged", int(np.isnan(self.trained).sum()))


def loss_per_density(panel: DensityPanel, axes: Axes | None = None) -> Figure:
    """Draw L/p against p (logarithmic): bounds as a band, minimised loss, every trained seed, the best one marked."""
    with styled():
        if axes is None:
            axes = new_figure(5.2, 4.0).subplots()
            _label_density(axes)
            axes.set_ylabel("loss per density $L/p$")
        p, q = panel.density, panel.points
        axes.fill_between(p, panel.lower / p, panel.upper / p, color=COLOURS["band"], alpha=0.2, linewidth=0)
        axes.plot(p, panel.lower / p, color=COLOURS["lower"], label=VOCABULARY["lower"])
        axes.plot(p, panel.upper / p, color=COLOURS["upper"], linestyle=(0, (5, 2)), label=VOCABULARY["upper"])
        for name, limit in (("lower", panel.sparse_lower), ("upper", panel.sparse_upper)):
            if limit is not None:
                label = VOCABULARY[f"limit_{name}"]
                axes.axhline(limit, color=COLOURS[name], linestyle=":", linewidth=1.4, label=label, zorder=1.5)
        _draw_seeds(axes, q, panel.trained / q[:, None], panel.trained)
        axes.plot(
            q,
            panel.minimised / q,
            color=COLOURS["minimised"],
            marker="D",
            markersize=5,
            markerfacecolor="none",
            markeredgewidth=1.4,
            linewidth=1,
            label=VOCABULARY["minimised"],
            zorder=4,
        )
        axes.set_xscale("log")
        axes.set_title(panel.title, loc="left")
        axes.set_ylim(*_range(panel))
        return figure_of(axes)


def excess_of_training(panel: DensityPanel, axes: Axes | None = None) -> Figure:
    """Draw how far each trained seed is above the minimised population loss, relative to it, on a symmetric log axis.

    Points below zero are seeds that beat the minimiser; differences below 1e-6 are drawn linearly.
    """
    with styled():
        if axes is None:
            axes = new_figure(5.2, 2.6).subplots()
            _label_density(axes)
            axes.set_ylabel("excess over\nminimised")
        with np.errstate(divide="ignore", invalid="ignore"):
            excess = panel.trained / panel.minimised[:, None] - 1
        axes.axhline(0, color=COLOURS["minimised"], linewidth=1.2)
        _draw_seeds(axes, panel.points, excess, panel.trained)
        axes.set_xscale("log")
        axes.set_yscale("symlog", linthresh=_SMALLEST_EXCESS, linscale=0.4)
        largest = np.nanmax(excess, initial=0)
        top = next((t for t in (1e-2, 1.0, 1e2, 1e4, 1e6, 1e8) if largest < t), largest)
        axes.set_ylim(min(-_SMALLEST_EXCESS, 2 * np.nanmin(excess, initial=0)), top * 3)
        ticks = [0.0, *(10.0**e for e in range(-6, 10, 2) if 10.0**e <= top)]
        axes.yaxis.set_major_locator(FixedLocator(ticks if len(ticks) < 6 else [ticks[0], *ticks[2::2]]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(_excess_label))
        return figure_of(axes)


def loss_per_density_figure(rows: Sequence[Sequence[DensityPanel]]) -> Figure:
    """A grid of panels: in each row the losses, and below each panel how far the seeds are from the minimiser."""
    if not rows or not all(rows):
        raise InputError("rows is empty; give at least one row with one panel")
    columns = max(len(row) for row in rows)
    with styled():
        figure = new_figure(3.5 * columns + 0.6, 4.1 * len(rows) + 0.7)
        grid = figure.subplots(2 * len(rows), columns, squeeze=False, sharex=True, height_ratios=[3, 1.5] * len(rows))
        for i, row in enumerate(rows):
            for j in range(columns):
                upper, below = grid[2 * i, j], grid[2 * i + 1, j]
                if j >= len(row):
                    upper.set_axis_off()
                    below.set_axis_off()
                    continue
                loss_per_density(row[j], upper)
                excess_of_training(row[j], below)
            grid[2 * i, 0].set_ylabel("loss per density $L/p$")
            grid[2 * i + 1, 0].set_ylabel("excess over\nminimised")
        for axes in grid[-1]:
            _label_density(axes)
        figure.align_ylabels(grid[:, 0])
        shared_legend(figure, [grid[2 * i, j] for i, row in enumerate(rows) for j in range(len(row))], columns=4)
    return figure


def _draw_seeds(axes: Axes, points: np.ndarray, heights: np.ndarray, losses: np.ndarray) -> None:
    seeds = heights.shape[1]
    # Seeds of one density stand side by side, or equal losses would hide each other.
    offsets = np.exp(np.linspace(-0.11, 0.11, seeds)) if seeds > 1 else np.ones(1)
    x = points[:, None] * offsets
    axes.plot(
        x.ravel(),
        heights.ravel(),
        linestyle="none",
        marker="o",
        markersize=3.6,
        markerfacecolor=COLOURS["trained"],
        markeredgecolor="none",
        alpha=0.85,
        label=VOCABULARY["trained"],
        zorder=3,
    )
    finished = ~np.isnan(losses).all(axis=1)
    if finished.any():
        best = np.nanargmin(losses[finished], axis=1)
        at = np.flatnonzero(finished), best
        axes.plot(
            x[at],
            heights[at],
            linestyle="none",
            marker="*",
            markersize=9,
            markerfacecolor=COLOURS["best"],
            markeredgecolor=INK,
            markeredgewidth=0.5,
            label=VOCABULARY["best"],
            zorder=5,
        )


def _range(panel: DensityPanel) -> tuple[float, float]:
    """Show the band and the seeds, but let no failed seed flatten the rest (the panel below shows how far it is)."""
    p = panel.density
    seeds = panel.trained / panel.points[:, None]
    band = np.concatenate([panel.lower / p, panel.upper / p, panel.minimised / panel.points])
    low, high = np.nanmin(band), np.nanmax(band)
    reach = high + 0.35 * (high - low)
    inside = seeds[np.isfinite(seeds) & (seeds <= reach)]
    high = max(high, inside.max(initial=high))
    pad = 0.06 * (high - low or 1)
    return min(low, inside.min(initial=low)) - pad, high + pad


def _label_density(axes: Axes) -> None:
    axes.set_xlabel("density $p$")


def _excess_label(value: float, _: object = None) -> str:
    return "0" if value == 0 else f"$10^{{{round(np.log10(value))}}}$" if value != 1 else "1"
