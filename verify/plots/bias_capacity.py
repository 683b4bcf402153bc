"""How many features fit at a given loss, with and without a bias: exponential against polynomial in the dimension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from theory import InputError
from theory.loss.bias.feature_counts import feature_counts
from verify.plots.style import COLOURS, figure_of, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bias_capacity"]

_HIGHEST = 1e9
_DIMENSIONS = tuple(np.unique(np.geomspace(2, 1000, 60).astype(int)).tolist())


def bias_capacity(
    distortion: float = 0.01,
    dimensions: Sequence[int] = _DIMENSIONS,
    bounded: Sequence[int] = (2, 3, 5, 8),
    axes: Axes | None = None,
) -> Figure:
    """Draw certified numbers of features that ReLU holds at a loss per feature of at most `distortion`.

    With a bias, from below, thresholded unit vectors; from above, packing certificates. Without, from below, antipodal
    pairs; from above, the closed-form capacity bound.

    Args:
        distortion: delta in (0, 1/3), the loss per feature and density.
        dimensions: hidden dimensions of the curves.
        bounded: hidden dimensions at which the upper count with a bias is searched (about a second each).
        axes: where to draw; a new figure by default.

    Raises:
        InputError: no dimensions, or a distortion out of range.

    Source: docs/theory.md, T5(e), T11(d) and (e).
    """
    if not len(dimensions):
        raise InputError("dimensions is empty; give at least one hidden dimension")
    counts = [feature_counts(int(m), distortion, upper=False) for m in dimensions]
    capped = [feature_counts(int(m), distortion) for m in bounded]
    m = np.array([count.m for count in counts], dtype=float)
    of = lambda name: np.minimum(np.array([getattr(count, name) for count in counts], dtype=float), 1e300)  # noqa: E731
    with styled():
        if axes is None:
            axes = new_figure(6.2, 4.6).subplots()
        axes.plot(
            m, of("with_bias"), color=COLOURS["minimised"], label="with bias: at least (thresholded unit vectors)"
        )
        known = [count for count in capped if np.isfinite(count.with_bias_at_most)]
        axes.plot(
            [count.m for count in known],
            [count.with_bias_at_most for count in known],
            linestyle="none",
            marker="v",
            color=COLOURS["minimised"],
            label="with bias: at most (packing certificates)",
        )
        axes.fill_between(
            m, of("without_bias"), of("without_bias_at_most"), color=COLOURS["upper"], alpha=0.18, linewidth=0
        )
        axes.plot(m, of("without_bias_at_most"), color=COLOURS["upper"], label="without bias: at most $\\sim m^{3/2}$")
        axes.plot(
            m, of("without_bias"), color=COLOURS["upper"], linestyle="--", label="without bias: at least (antipodal)"
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(2, _HIGHEST)
        axes.set_xlabel("hidden dimension $m$")
        axes.set_ylabel(f"features $n$ with $c^*/n\\leq{distortion:g}$")
        axes.legend(loc="upper left")
        return figure_of(axes)
