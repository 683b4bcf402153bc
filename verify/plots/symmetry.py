"""Which symmetry each activation has: a table of verdicts as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle

from theory import InputError
from theory.arguments import one_of
from verify.plots.style import COLOURS, GRID, INK, MUTED, figure_of, new_figure, styled
from verify.verdicts import STATUSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MARKS", "SymmetryRow", "symmetry_table"]

MARKS = {"proved": "✓", "refuted": "✗", "supported": "∼", "undecided": "?"}


@dataclass(frozen=True)
class SymmetryRow:
    """One activation: the verdict on each claimed group, and the group that was derived.

    Attributes:
        activation: its name.
        verdicts: one status per claimed group.
        group: name of the derived equivariance group.
        is_proved: whether the derivation is complete.
    """

    activation: str
    verdicts: tuple[str, ...]
    group: str
    is_proved: bool

    def __post_init__(self) -> None:
        for status in self.verdicts:
            one_of("verdict", status, STATUSES)


def symmetry_table(rows: Sequence[SymmetryRow], claims: Sequence[str], axes: Axes | None = None) -> Figure:
    """Draw activations against claimed groups: each cell has the colour and the sign of its verdict.

    Args:
        rows: one per activation.
        claims: column headings, one per verdict of each row; math text is allowed.
    """
    if not rows:
        raise InputError("rows is empty; give at least one activation")
    for row in rows:
        if len(row.verdicts) != len(claims):
            raise InputError(f"{row.activation} has {len(row.verdicts)} verdicts for {len(claims)} claims")
    names, group, cell = 3.0, 4.6, 1.5
    width = names + cell * len(claims) + group
    with styled():
        if axes is None:
            axes = new_figure(0.72 * width, 0.235 * len(rows) + 1.35).subplots()
        axes.set_xlim(0, width)
        axes.set_ylim(len(rows) + 0.1, -2.1)
        axes.set_axis_off()
        axes.text(0.1, -0.45, "activation", fontweight="bold", va="bottom")
        axes.text(names + cell * len(claims) / 2, -1.45, "equivariant under …?", ha="center", va="bottom", color=MUTED)
        axes.text(names + cell * len(claims) + 0.25, -0.45, "derived group", fontweight="bold", va="bottom")
        for j, claim in enumerate(claims):
            axes.text(names + cell * (j + 0.5), -0.45, claim, ha="center", va="bottom", fontweight="bold")
        for i, row in enumerate(rows):
            axes.axhline(i, color=GRID, linewidth=0.7, zorder=0)
            axes.text(0.1, i + 0.5, row.activation, va="center_baseline")
            for j, status in enumerate(row.verdicts):
                _cell(axes, names + cell * j, i, cell, status)
            mark = "" if row.is_proved else "  (open)"
            axes.text(names + cell * len(claims) + 0.25, i + 0.5, row.group + mark, va="center_baseline")
        axes.axhline(len(rows), color=GRID, linewidth=0.7, zorder=0)
        _key(axes, rows, names + cell * len(claims) + 0.25)
        return figure_of(axes)


def _cell(axes: Axes, x: float, y: float, width: float, status: str) -> None:
    colour = COLOURS[status]
    axes.add_patch(Rectangle((x + 0.06, y + 0.08), width - 0.12, 0.84, facecolor=colour, alpha=0.24, linewidth=0))
    axes.text(x + width / 2, y + 0.52, MARKS[status], color=INK, ha="center", va="center", fontsize=10)


def _key(axes: Axes, rows: Sequence[SymmetryRow], x: float) -> None:
    for status in STATUSES:
        if any(status in row.verdicts for row in rows):
            axes.add_patch(Rectangle((x, -1.9), 0.5, 0.8, facecolor=COLOURS[status], alpha=0.24, linewidth=0))
            axes.text(x + 0.25, -1.48, MARKS[status], color=INK, ha="center", va="center", fontsize=10)
            axes.text(x + 0.62, -1.48, status, va="center", fontsize=9.5)
            x += 2.1
