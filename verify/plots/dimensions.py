"""Dimensions per feature against sparsity, and the dimensionality of every feature with the plateaux it falls on."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from verify.geometry.dimensionality import feature_dimensionality
from verify.geometry.plateaux import PLATEAUX, stands_out
from verify.geometry.superposition import dimensions_per_feature
from verify.plots.style import COLOURS, INK, MUTED, new_figure, styled

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

__all__ = ["dimensions_figure", "plateaux_figure"]

# These two lie too close for labels at their own heights.
_SIDE = {Fraction(2, 5): "bottom", Fraction(3, 8): "top"}
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def dimensions_figure(dataset: xarray.Dataset) -> Figure:
    """D* = m/|W|^2 against 1/density, a line per activation; the least there can be with unit norms is m/n.

    Args:
        dataset: of `verify.sweep`, with the axes activation and density.
    """
    n, m = dataset.sizes["feature"], dataset.sizes["hidden"]
    colours = [COLOURS[name] for name in ("lower", "upper", "minimised", "trained", "best", "band", "undecided")]
    with styled():
        figure = new_figure(6.4, 4.2)
        axes = figure.subplots()
        inverse = 1 / dataset["density"].values
        for i, name in enumerate(dataset["activation"].values):
            D = dimensions_per_feature(dataset["W"].values[i]).mean(axis=-1)
            axes.plot(inverse, D, color=colours[i % 7], marker=_MARKERS[i % 8], markersize=5, label=str(name))
        for level, words in ((1.0, "1"), (0.5, "1/2"), (m / n, f"$m/n={m / n:g}$")):
            axes.axhline(level, color=MUTED, linewidth=0.9, linestyle=":")
            axes.annotate(
                words, (inverse[-1], level), xytext=(4, 0), textcoords="offset points", va="center", color=INK
            )
        axes.set(
            xscale="log", yscale="log", xlabel="$1/p$ (sparser to the right)", ylabel="dimensions per feature $D^*$"
        )
        figure.legend(loc="outside upper center", ncols=4)
    return figure


def plateaux_figure(dataset: xarray.Dataset, activation: str = "relu") -> Figure:
    """The dimensionality of every feature of one activation, a column per density; lines are named where they form.

    Args:
        dataset: of `verify.sweep`, with the axes activation and density.
    """
    one = dataset.sel(activation=activation)
    D = feature_dimensionality(one["W"].values).reshape(one.sizes["density"], -1)
    rng = np.random.default_rng(0)
    with styled():
        figure = new_figure(7.2, 4.4)
        axes = figure.subplots()
        for j, p in enumerate(one["density"].values):
            spread = rng.uniform(-0.32, 0.32, D.shape[1])
            axes.scatter(j + spread, D[j], s=5, color=COLOURS["lower"], alpha=0.55, linewidths=0, rasterized=True)
            for fraction in PLATEAUX:
                if stands_out(D[j], float(fraction)):
                    axes.plot([j - 0.42, j + 0.42], [float(fraction)] * 2, color=COLOURS["upper"], linewidth=2.4)
            axes.text(j, -0.09, f"{p:g}", ha="center", va="top", fontsize=9.5)
        for fraction, words in PLATEAUX.items():
            axes.axhline(float(fraction), color=MUTED, linewidth=0.7, linestyle=":", zorder=0)
            axes.annotate(
                f"{fraction}  {words}", (len(D) - 0.45, float(fraction)), xytext=(4, 0), textcoords="offset points",
                va=_SIDE.get(fraction, "center"), fontsize=9.5,
            )  # fmt: skip
        axes.set(xlim=(-0.6, len(D) - 0.4), ylim=(-0.05, 1.05), xticks=[], ylabel="feature dimensionality $D_i$")
        axes.set_xlabel("density $p$ (sparser to the right)", labelpad=20)
        axes.grid(False)
    return figure
