"""One look for every figure: palette, legend vocabulary, sizes, and writing to disk.

The settings hold inside `styled()` only; a user's own matplotlib settings are never changed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "GRID", "INK", "MUTED", "PAPER", "VOCABULARY", "as_png", "as_svg", "figure_of", "styled"]

# Okabe and Ito's palette: told apart with every common form of colour blindness.
COLOURS = {
    "lower": "#0072B2",
    "upper": "#D55E00",
    "band": "#56B4E9",
    "minimised": "#009E73",
    "trained": "#E69F00",
    "best": "#CC79A7",
    "proved": "#0072B2",
    "refuted": "#D55E00",
    "supported": "#56B4E9",
    "undecided": "#999999",
}
# Greys of text, axes, grid and background, shared by all figures.
INK, MUTED, GRID, PAPER = "#1b1f24", "#5b6470", "#d9dee4", "#fdfdfe"

VOCABULARY = {
    "lower": "certified lower bound",
    "upper": "constructive upper bound",
    "limit_lower": "its limit as $p \\to 0$: lower bound on $c^*$",
    "limit_upper": "its limit as $p \\to 0$: upper bound on $c^*$",
    "minimised": "minimised population loss",
    "trained": "trained seed",
    "best": "best trained seed",
}

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": 11,
    "axes.labelsize": 10.5,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.facecolor": "none",
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "svg.fonttype": "path",
    "svg.hashsalt": "superposition-theory",
    "path.simplify": True,
}


@contextmanager
def styled() -> Iterator[None]:
    """The project's matplotlib settings, for the duration of a `with` block."""
    with mpl.rc_context(_SETTINGS):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches that belongs to no window and no global state; call it inside `styled()`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def figure_of(axes: Axes) -> Figure:
    """The figure an Axes is drawn on."""
    figure = axes.get_figure(root=True)
    if not isinstance(figure, Figure):
        raise TypeError("the Axes belongs to no figure")
    return figure


def shared_legend(figure: Figure, axes: Sequence[Axes], columns: int) -> None:
    """One legend above all panels, with each label once."""
    entries: dict[str, Any] = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=columns, handlelength=2.4)


def as_svg(figure: Figure) -> bytes:
    """The figure as SVG with text as outlines: the same on every machine, and the same bytes every time."""
    with styled():
        target = io.BytesIO()
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
    return target.getvalue()


def as_png(figure: Figure, dpi: int = 200) -> bytes:
    """The figure as PNG."""
    with styled():
        target = io.BytesIO()
        figure.savefig(target, format="png", dpi=dpi, metadata={"Software": None})
    return target.getvalue()
