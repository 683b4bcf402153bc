"""Vulnerability to attacks beside the features per dimension, over density and against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verify.plots.style import COLOURS, INK, MUTED, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["adversarial_figure"]


def adversarial_figure(
    densities: np.ndarray, harm: np.ndarray, common: np.ndarray, per_dimension: np.ndarray, ceiling: float
) -> Figure:
    """Means over seeds with their range against 1/p; right, every seed, vulnerability against 1/D*.

    Args:
        densities: shape (d,).
        harm: vulnerability relative to a model without superposition, shape (d, seeds).
        common: as harm, under one attack for all inputs.
        per_dimension: 1/D*, shape (d, seeds).
        ceiling: n/m.
    """
    with styled():
        figure = new_figure(8.4, 4.0)
        left, right = figure.subplots(1, 2)
        for values, key, marker, words in (
            (harm, "upper", "s", "worst attack for each input"),
            (common, "minimised", "D", "one attack for all inputs"),
            (per_dimension, "lower", "o", "$1/D^*$"),
        ):
            left.plot(1 / densities, np.nanmean(values, axis=1), color=COLOURS[key], marker=marker, label=words)
            left.fill_between(
                1 / densities, np.nanmin(values, axis=1), np.nanmax(values, axis=1), color=COLOURS[key], alpha=0.2,
                linewidth=0,
            )  # fmt: skip
        left.axhline(1, color=MUTED, linewidth=0.9, linestyle=":")
        left.axhline(ceiling, color=MUTED, linewidth=0.9, linestyle=":")
        left.annotate(f"$n/m={ceiling:g}$", (1, ceiling), xytext=(2, 3), textcoords="offset points")
        left.set(xscale="log", yscale="log", xlabel="$1/p$ (sparser to the right)")
        left.set_ylabel("vulnerability, and $1/D^*$")
        shades = np.log(densities / densities.min()) / max(float(np.log(densities.max() / densities.min())), 1e-12)
        for values, marker, words in (
            (harm, "s", "worst attack for each input"),
            (common, "D", "one attack for all inputs"),
        ):
            for i, shade in enumerate(shades):
                grey = str(0.05 + 0.65 * shade)
                right.scatter(
                    per_dimension[i], values[i], s=20, marker=marker, linewidths=0.9, edgecolors=grey,
                    color=grey if marker == "s" else "none", label=words if i == 0 else None,
                )  # fmt: skip
        ends = [0.9, 1.1 * max(float(np.nanmax(harm)), float(np.nanmax(per_dimension)))]
        right.plot(ends, ends, color=INK, linewidth=0.8, linestyle=":")
        right.set(xscale="log", yscale="log", xlabel="features per dimension $1/D^*$ (darker: sparser)")
        right.set_ylabel("vulnerability")
        ticks = [t for t in (1, 2, 3, 5, 10, 20, 30) if t <= ends[1]]
        for axis in (left.yaxis, right.yaxis, right.xaxis):
            axis.set_ticks(ticks, [f"{t:g}" for t in ticks])
            axis.set_ticks([], minor=True)
        right.set(xlim=(0.9, 1.3 * float(np.nanmax(per_dimension))), ylim=(0.9, ends[1]))
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=9.5)
        right.legend(loc="upper left", fontsize=9.5)
    return figure
