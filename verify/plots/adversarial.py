"""Vulnerability to attacks beside the features per dimension, over density and against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verify.plots.style import COLOURS, INK, MUTED, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["adversarial_figure"]


def adversarial_figure(densities: np.ndarray, harm: np.ndarray, per_dimension: np.ndarray, ceiling: float) -> Figure:
    """Means over seeds with their range against 1/p; right, every seed, vulnerability against 1/D*.

    Args:
        densities: shape (d,).
        harm: vulnerability relative to a model without superposition, shape (d, seeds).
        per_dimension: 1/D*, shape (d, seeds).
        ceiling: n/m.
    """
    with styled():
        figure = new_figure(8.4, 4.0)
        left, right = figure.subplots(1, 2)
        for values, key, marker, words in (
            (harm, "upper", "s", "vulnerability"),
            (per_dimension, "lower", "o", "features per dimension $1/D^*$"),
        ):
            left.plot(1 / densities, np.nanmean(values, axis=1), color=COLOURS[key], marker=marker, label=words)
            left.fill_between(
                1 / densities, np.nanmin(values, axis=1), np.nanmax(values, axis=1), color=COLOURS[key], alpha=0.2,
                linewidth=0,
            )  # fmt: skip
        left.axhline(1, color=MUTED, linewidth=0.9, linestyle=":")
        left.axhline(ceiling, color=MUTED, linewidth=0.9, linestyle=":")
        left.annotate(f"$n/m={ceiling:g}$", (1, ceiling), xytext=(2, 3), textcoords="offset points")
        left.set(xscale="log", xlabel="$1/p$ (sparser to the right)", ylabel="relative to no superposition")
        left.set_ylim(0, 1.35 * max(float(np.nanmax(harm)), float(np.nanmax(per_dimension))))
        left.legend(loc="upper left", fontsize=9.5)
        colours = np.log(densities / densities.min()) / max(float(np.log(densities.max() / densities.min())), 1e-12)
        for i, p in enumerate(densities):
            right.scatter(
                per_dimension[i], harm[i], s=22, color=str(0.1 + 0.6 * colours[i]), label=f"{p:g}", linewidths=0
            )
        top = 1.05 * max(float(np.nanmax(harm)), float(np.nanmax(per_dimension)))
        right.plot([0, top], [0, top], color=INK, linewidth=0.8, linestyle=":")
        right.set(xlabel="features per dimension $1/D^*$", ylabel="vulnerability", xlim=(0, top), ylim=(0, top))
        right.legend(title="density $p$", loc="lower right", fontsize=8.5, ncols=2)
    return figure
