"""The phase diagram of two features in one dimension: theory's regions and curves, the minimiser's phases as dots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import sympy
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from theory import DENSITY, PHASES, InputError
from theory.loss.phase.gain import IMPORTANCE
from verify.phases.diagram import PhaseDiagram
from verify.plots.style import INK, PAPER, figure_of, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["phase_diagram_figure", "phase_panel"]

# Okabe and Ito's colours, and the same mixed with white for the regions.
_DOTS = {"not represented": "#7a828c", "dedicated": "#E69F00", "aligned": "#009E73", "antipodal": "#0072B2"}
_REGIONS = {"not represented": "#d8dce1", "dedicated": "#f8dda3", "aligned": "#a6dccb", "antipodal": "#a3cbe3"}
_MARKERS = {"not represented": "s", "dedicated": "D", "aligned": "^", "antipodal": "o"}
_LABELS = {
    "not represented": "feature 2 not represented",
    "dedicated": "feature 2 has the dimension",
    "aligned": "aligned",
    "antipodal": "antipodal superposition",
}
_TITLES = {"power:2": "$z^2$", "power:3": "$z^3$", "relu": "ReLU", "power:1": "$z$",
           "rectified-power:2": "$\\max(0,z)^2$", "rectified-power:3": "$\\max(0,z)^3$",
           "signed-power:2": "$z|z|$"}  # fmt: skip
_CURVES = {"stability": ("-", "exact: dedicated becomes unstable"), "sufficient": (":", "certified superposition")}


def phase_panel(diagram: PhaseDiagram, axes: Axes | None = None) -> Figure:
    """Draw one diagram: density across, relative importance of feature 2 upward (logarithmic)."""
    with styled():
        if axes is None:
            axes = new_figure(5.0, 4.2).subplots()
            axes.set_xlabel("density $p$")
            axes.set_ylabel("relative importance $I$ of feature 2")
        grid = diagram.grid
        colours = ListedColormap([_REGIONS[name] for name in PHASES])
        axes.pcolormesh(
            grid.densities, grid.importances, grid.phase, cmap=colours, norm=BoundaryNorm(np.arange(5) - 0.5, 4),
            shading="nearest", rasterized=True,
        )  # fmt: skip
        low, high = float(grid.importances.min()), float(grid.importances.max())
        axes.set_yscale("log")
        _outline(axes, diagram)
        for boundary in diagram.boundaries:
            if boundary.curve is not None and boundary.kind in _CURVES:
                _closed_form(axes, boundary.curve, boundary.kind)
        for check in diagram.checks:
            axes.plot(check.density, check.importance, linestyle="none", marker=_MARKERS[check.found],
                      markersize=5.2, markerfacecolor=_DOTS[check.found], markeredgecolor=PAPER, markeredgewidth=0.7,
                      zorder=4)  # fmt: skip
        axes.set_xlim(0, 1)
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(FixedLocator([v for v in (0.1, 0.3, 1, 3, 10) if low <= v <= high]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.grid(False)
        name = _TITLES.get(diagram.activation, diagram.activation)
        axes.set_title(f"{name}, {'bias' if diagram.bias else 'no bias'}", loc="left")
        return figure_of(axes)


def phase_diagram_figure(diagrams: Sequence[PhaseDiagram], columns: int = 3) -> Figure:
    """Small multiples with one legend: regions by theory, boundaries as lines, the minimiser's phases as dots.

    Raises:
        InputError: no diagram.
    """
    if not diagrams:
        raise InputError("diagrams is empty; give at least one phase diagram")
    columns = min(columns, len(diagrams))
    rows = -(-len(diagrams) // columns)
    with styled():
        figure = new_figure(max(2.7 * columns + 0.5, 6.4), 2.35 * rows + 1.25)
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axes, diagram in zip(grid.ravel(), diagrams, strict=False):
            phase_panel(diagram, axes)
        for axes in grid.ravel()[len(diagrams) :]:
            axes.set_axis_off()
        figure.supxlabel("density $p$", fontsize=10.5)
        figure.supylabel("relative importance $I$ of feature 2", fontsize=10.5)
        _legend(figure, diagrams)
    return figure


def _outline(axes: Axes, diagram: PhaseDiagram) -> None:
    """The boundary of superposition, where the antipodal loss meets the smallest other one; smooth on a coarse grid."""
    grid = diagram.grid
    pair = PHASES.index("antipodal")
    others = np.delete(grid.losses, pair, axis=0).min(0)
    excess = np.where(np.isfinite(grid.losses[pair]), grid.losses[pair] / others - 1, 1.0)
    # A pair that has shrunk onto the axis has the same loss to rounding: it is no pair.
    level, style = (-1e-6, "--") if diagram.bias else (0.0, "-")
    if excess.min() < level < excess.max():
        axes.contour(
            grid.densities, grid.importances, excess, levels=[level], colors=[INK], linewidths=1.2, linestyles=[style]
        )


def _closed_form(axes: Axes, curve: sympy.Basic, kind: str) -> None:
    """An exact curve, and its image under exchange of the features (I -> 1/I)."""
    style, _ = _CURVES[kind]
    side, free = (curve.rhs, DENSITY) if curve.lhs == IMPORTANCE else (curve.rhs, IMPORTANCE)
    points = np.linspace(0.002, 0.998, 300) if free == DENSITY else np.geomspace(1e-3, 1.0, 300)
    values = sympy.lambdify(free, side, "numpy")(points)
    p, importance = (points, values) if free == DENSITY else (values, points)
    for exchanged in (importance, 1 / importance):
        axes.plot(p, exchanged, color="#D55E00", linestyle=style, linewidth=1.6, zorder=3)


def _legend(figure: Figure, diagrams: Sequence[PhaseDiagram]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    present = {PHASES[i] for d in diagrams for i in np.unique(d.grid.phase)} | {
        c.found for d in diagrams for c in d.checks
    }
    handles: list[object] = [Patch(facecolor=_REGIONS[n], edgecolor=INK, linewidth=0.6, label=_LABELS[n])
                             for n in PHASES if n in present]  # fmt: skip
    kinds = {b.kind for d in diagrams for b in d.boundaries if b.curve is not None}
    handles += [Line2D([], [], color="#D55E00", linestyle=style, label=label)
                for kind, (style, label) in _CURVES.items() if kind in kinds]  # fmt: skip
    for bias, style, label in ((False, "-", "boundary, from exact losses"), (True, "--", "boundary, by descent")):
        if any(d.bias is bias and len(np.unique(d.grid.phase)) > 1 for d in diagrams):
            handles.append(Line2D([], [], color=INK, linestyle=style, linewidth=1.2, label=label))
    if any(d.checks for d in diagrams):
        handles.append(Line2D([], [], linestyle="none", marker="o", markersize=5.2, markerfacecolor=INK,
                              markeredgecolor=PAPER, label="phase of the minimised loss"))  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=2 if len(diagrams) < 3 else 3, fontsize=9)
