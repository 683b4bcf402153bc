"""Do independent routes to the same number agree within the errors they state?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from theory import InputError
from verify.plots.style import COLOURS, INK, figure_of, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RoutePair", "route_agreement"]

_LOOKS = (("lower", "o"), ("upper", "^"), ("minimised", "s"), ("best", "D"), ("trained", "v"))


@dataclass(frozen=True)
class RoutePair:
    """Two routes to one loss.

    Attributes:
        routes: for example "exact and Monte Carlo"; pairs of the same routes share a colour and a marker.
        value: the loss itself, > 0, the scale of the other two.
        difference: |first - second|.
        error: sum of the two stated errors.
    """

    routes: str
    value: float
    difference: float
    error: float


def route_agreement(pairs: Sequence[RoutePair], axes: Axes | None = None) -> Figure:
    """Draw the relative difference of each pair of routes against the relative error they state together.

    Below the diagonal the routes agree. Differences below the spacing of doubles are drawn at it.
    """
    if not pairs:
        raise InputError("pairs is empty; give at least one pair of routes")
    with styled():
        if axes is None:
            axes = new_figure(6.2, 4.6).subplots()
        floor = float(np.finfo(float).eps)
        names = list(dict.fromkeys(pair.routes for pair in pairs))
        extent = [floor / 4]
        for name, (colour, marker) in zip(names, _LOOKS * len(names), strict=False):
            chosen = [pair for pair in pairs if pair.routes == name]
            x = np.array([max(pair.error / pair.value, floor) for pair in chosen])
            y = np.array([max(pair.difference / pair.value, floor) for pair in chosen])
            extent += [*x, *y]
            axes.plot(
                x,
                y,
                linestyle="none",
                marker=marker,
                markersize=6,
                color=COLOURS[colour],
                alpha=0.85,
                markeredgecolor=INK,
                markeredgewidth=0.5,
                label=f"{name} ({sum(p.difference <= p.error for p in chosen)} of {len(chosen)} within)",
            )
        low, high = min(extent), 4 * max(extent)
        axes.plot([low, high], [low, high], color=INK, linewidth=1, label="difference = stated error")
        axes.fill_between([low, high], [low, low], [low, high], color=COLOURS["band"], alpha=0.12, linewidth=0)
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
        axes.set_xlabel("stated error of both routes, relative to the loss")
        axes.set_ylabel("difference of the routes,\nrelative to the loss")
        axes.legend(loc="upper left")
        return figure_of(axes)
