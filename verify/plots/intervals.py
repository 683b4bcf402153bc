"""The interval that theory leaves for the sparse coefficient c*, against the number of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from theory import InputError
from verify.plots.style import COLOURS, INK, PAPER, figure_of, new_figure, shared_legend, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["IntervalPanel", "sparse_interval", "sparse_interval_figure"]

_TOLERANCE = 1e-9
_LABELS = {
    "interval": "interval left by theory",
    "lower": "certified lower bound",
    "upper": "constructive upper bound",
    "best": "smallest $c(W)$ found by search",
    "attained": "search attains the lower bound",
    "exact": "bounds meet: $c^*$ known exactly",
}


@dataclass(frozen=True)
class IntervalPanel:
    """Bounds on c* and the smallest c(W) found, as fractions of n mu_2 (the loss per density of predicting zero).

    Attributes:
        title: the activation and the hidden dimension.
        n_features: shape (N,), increasing.
        lower, upper, best: shape (N,); `best` is NaN where no search was made.
    """

    title: str
    n_features: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    best: np.ndarray

    def __post_init__(self) -> None:
        for name in ("n_features", "lower", "upper", "best"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=float))
            if getattr(self, name).shape != self.n_features.shape:
                raise InputError(f"{name} has shape {getattr(self, name).shape}; give {self.n_features.shape}")

    @property
    def exact(self) -> np.ndarray:
        """Where the two bounds meet (to 1e-9)."""
        return self.upper - self.lower <= _TOLERANCE

    @property
    def attained(self) -> np.ndarray:
        """Where the search found weights that attain the lower bound (to 1e-6), so that the lower bound is c*."""
        return self.best - self.lower <= 1e-6


def sparse_interval(panel: IntervalPanel, axes: Axes | None = None) -> Figure:
    """Draw one panel: a bar from the lower to the upper bound at each n, and the smallest c(W) found."""
    with styled():
        if axes is None:
            axes = new_figure(5.2, 4.0).subplots()
            axes.set_xlabel("number of features $n$")
            axes.set_ylabel("$c^*/(n\\mu_2)$: loss that must remain")
        n = panel.n_features
        width = 2.4 if len(n) > 14 else 4.0
        axes.vlines(n, panel.lower, panel.upper, color=COLOURS["band"], linewidth=width, alpha=0.45)
        axes.plot([], [], color=COLOURS["band"], linewidth=4, alpha=0.45, label=_LABELS["interval"])
        for name, marker in (("upper", "v"), ("lower", "^")):
            _points(axes, n, getattr(panel, name), marker, COLOURS[name], _LABELS[name])
        searched = ~np.isnan(panel.best)
        open_cell, attained = searched & ~panel.attained & ~panel.exact, searched & panel.attained & ~panel.exact
        _points(axes, n[open_cell], panel.best[open_cell], "o", COLOURS["trained"], _LABELS["best"], edge=INK)
        _points(axes, n[attained], panel.best[attained], "*", COLOURS["best"], _LABELS["attained"], edge=INK, size=8)
        _points(axes, n[panel.exact], panel.lower[panel.exact], "s", PAPER, _LABELS["exact"], edge=INK, size=4.5)
        axes.set_title(panel.title, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=3))
        low, high = min(0.0, float(np.nanmin(panel.lower))), float(np.nanmax(panel.upper))
        axes.set_ylim(low - 0.04 * (high - low), high + 0.06 * (high - low))
        return figure_of(axes)


def sparse_interval_figure(rows: Sequence[Sequence[IntervalPanel]]) -> Figure:
    """A grid of panels with one vertical scale: one row per hidden dimension, one column per activation."""
    if not rows or not all(rows):
        raise InputError("rows is empty; give at least one row with one panel")
    columns = max(len(row) for row in rows)
    with styled():
        figure = new_figure(2.9 * columns + 0.6, 2.5 * len(rows) + 0.9)
        grid = figure.subplots(len(rows), columns, squeeze=False, sharey=True, sharex="row")
        drawn = []
        for i, row in enumerate(rows):
            for j in range(columns):
                if j < len(row):
                    sparse_interval(row[j], grid[i, j])
                    drawn.append(grid[i, j])
                else:
                    grid[i, j].set_axis_off()
        panels = [panel for row in rows for panel in row]
        low = min(0.0, *(float(np.nanmin(panel.lower)) for panel in panels))
        high = max(float(np.nanmax(panel.upper)) for panel in panels)
        grid[0, 0].set_ylim(low - 0.04, high + 0.04)
        figure.supylabel("$c^*/(n\\mu_2)$: fraction of the loss that must remain as $p \\to 0$", fontsize=10.5)
        figure.supxlabel("number of features $n$", fontsize=10.5)
        shared_legend(figure, drawn, columns=3)
    return figure


def _points(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    marker: str,
    colour: str,
    label: str,
    edge: str = "none",
    size: float = 5.0,
) -> None:
    if len(x):
        axes.plot(
            x,
            y,
            linestyle="none",
            marker=marker,
            markersize=size,
            markerfacecolor=colour,
            markeredgecolor=edge,
            markeredgewidth=0.7,
            label=label,
        )
