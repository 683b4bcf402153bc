"""The lost stake against the hidden dimension, on logarithmic axes: the proved band, the search, and the slopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, ScalarFormatter

from theory import InputError
from verify.plots.style import COLOURS, INK, MUTED, figure_of, new_figure, shared_legend, styled
from verify.scaling import ScalingStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["scaling", "scaling_figure"]

_LABELS = {
    "band": "interval left by theory",
    "lower": "proved lower bound",
    "upper": "construction (upper bound)",
    "found": "smallest loss found by search",
    "dedicated": "one dimension per feature",
    "slope": "proved slope for $n\\to\\infty$",
}


def scaling(study: ScalingStudy, axes: Axes | None = None) -> Figure:
    """Draw one study: the band, the search, dedication, and the slope that is proved for infinitely many features."""
    with styled():
        if axes is None:
            axes = new_figure(5.2, 4.2).subplots()
            axes.set_xlabel("hidden dimension $m$")
            axes.set_ylabel("lost stake $\\Lambda(m)/p_1$")
        m = study.hidden.astype(float)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.fill_between(m, study.lower, study.upper, color=COLOURS["band"], alpha=0.28, lw=0, label=_LABELS["band"])
        axes.plot(m, study.dedicated, "--", color=MUTED, lw=1.4, label=_LABELS["dedicated"])
        axes.plot(m, study.upper, "-v", color=COLOURS["upper"], ms=4.5, lw=1.2, label=_LABELS["upper"])
        axes.plot(m, study.lower, "-^", color=COLOURS["lower"], ms=4.5, lw=1.2, label=_LABELS["lower"])
        axes.plot(
            m, study.found, "o", color=COLOURS["minimised"], ms=6.5, mec=INK, mew=0.7, label=_LABELS["found"], zorder=5
        )
        notes = _notes(study)
        _slope(study, axes)
        axes.text(0.03, 0.04, "\n".join(notes), transform=axes.transAxes, fontsize=9, va="bottom", linespacing=1.35)
        count = "\\infty" if study.many else study.n
        axes.set_title(f"{study.activation}, $s={study.s:g}$, $n={count}$", loc="left")
        axes.xaxis.set_major_locator(FixedLocator(m.tolist()))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_formatter(NullFormatter())
        positive = [v for v in (*study.lower, *study.found) if v > 0]
        # Room below the data for the notes.
        low, high = min(positive, default=1e-3), float(study.dedicated.max())
        axes.set_ylim(low * (low / high) ** 0.45, high * 1.6)
        return figure_of(axes)


def scaling_figure(rows: Sequence[Sequence[ScalingStudy]]) -> Figure:
    """Small multiples: one panel per study, one row per inner sequence."""
    if not rows or not all(rows):
        raise InputError("rows is empty; give at least one row with one study")
    columns = max(len(row) for row in rows)
    with styled():
        figure = new_figure(max(3.5 * columns + 0.5, 5.6), max(3.3 * len(rows) + 0.8, 4.4))
        grid = figure.subplots(len(rows), columns, squeeze=False)
        drawn = []
        for i, row in enumerate(rows):
            for j in range(columns):
                if j < len(row):
                    scaling(row[j], grid[i, j])
                    drawn.append(grid[i, j])
                else:
                    grid[i, j].set_axis_off()
        figure.supylabel("lost stake $\\Lambda(m)/p_1$", fontsize=10.5)
        figure.supxlabel("hidden dimension $m$", fontsize=10.5)
        shared_legend(figure, drawn, columns=min(columns + 1, 3))
    return figure


def _notes(study: ScalingStudy) -> list[str]:
    lines = []
    if study.exponent is not None:
        low, high = study.exponent.lower, study.exponent.upper
        lines.append(f"proved slope, $n\\to\\infty$: {low}" + ("" if low == high else f" to {high}"))
    if study.fit is not None:
        count = "$n\\to\\infty$" if study.many else f"$n={study.n}$"
        lines.append(f"search, {count}: {study.fit[0]:.2f} ± {study.fit[1]:.2f}")
    return lines


def _slope(study: ScalingStudy, axes: Axes) -> None:
    """Guides with the proved slopes through the second size, where the number of features matters least."""
    if study.exponent is None or not np.isfinite(study.found).any():
        return
    anchor = min(1, len(study.hidden) - 1)
    m = study.hidden.astype(float)
    for exponent in {float(study.exponent.lower), float(study.exponent.upper)}:
        guide = study.found[anchor] * (m / m[anchor]) ** -exponent
        axes.plot(m, guide, ":", color=COLOURS["best"], lw=1.6, label=_LABELS["slope"])
