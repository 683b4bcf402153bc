"""Dimensions per feature against sparsity, and the dimensionality of every feature with the plateaux it falls on."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

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
        dataset: of `verify.sweep`, with the axes activation and density; diverged seeds are left out.
    """
    n, m = dataset.sizes["feature"], dataset.sizes["hidden"]
    colours = [COLOURS[name] for name in ("lower", "upper", "minimised", "trained", "best", "band", "undecided")]
    squares = (dataset["W"] ** 2).sum(("hidden", "feature"), skipna=False)
    D = (m / squares).where(~dataset["diverged"].astype(bool))
    D = D.mean([name for name in D.dims if name not in ("activation", "density")]).transpose("activation", "density")
    with styled():
        figure = new_figure(6.4, 4.2)
        axes = figure.subplots()
        inverse = 1 / dataset["density"].values
        for i, name in enumerate(dataset["activation"].values):
            axes.plot(inverse, D[i], color=colours[i % 7], marker=_MARKERS[i % 8], markersize=5, label=str(name))
        for level, words in ((1.0, "1"), (0.5, "1/2"), (m / n, f"$m/n={m / n:g}$")):
            axes.axhline(level, color=MUTED, linewidth=0.9, linestyle=":")
            axes.annotate(
                words, (1.18 * inverse.max(), level), xytext=(4, 0), textcoords="offset points", va="center", color=INK
            )
        axes.set(
            xscale="log", yscale="log", xlim=(0.85 * inverse.min(), 1.18 * inverse.max()),
            xlabel="$1/p$ (sparser to the right)", ylabel="dimensions per feature $D^*$",
        )  # fmt: skip
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            ticks = [v for k in range(-4, 5) for v in (10.0**k, 2 * 10.0**k, 5 * 10.0**k) if low <= v <= high]
            axis.set_major_locator(FixedLocator(ticks))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
        figure.legend(loc="outside upper center", ncols=4)
    return figure


def plateaux_figure(found: Mapping[tuple[float, float], np.ndarray]) -> Figure:
    """The dimensionality of every feature, a column per density and a panel per rate; lines are marked where they form.

    Args:
        found: weights of shape (seeds, m, n) by learning rate and density, in the order of the columns.
    """
    rates = list(dict.fromkeys(rate for rate, _ in found))
    rng = np.random.default_rng(0)
    with styled():
        figure = new_figure(8.0, 3.5 * len(rates) + 0.4)
        panels = figure.subplots(len(rates), squeeze=False, sharex=True)[:, 0]
        for axes, rate in zip(panels, rates, strict=True):
            columns = [(p, W) for (of, p), W in found.items() if of == rate]
            for j, (_, W) in enumerate(columns):
                D = feature_dimensionality(W).ravel() if len(W) else np.zeros(0)
                spread = rng.uniform(-0.32, 0.32, len(D))
                axes.scatter(j + spread, D, s=4, color=COLOURS["lower"], alpha=0.5, linewidths=0, rasterized=True)
                for fraction in PLATEAUX:
                    if stands_out(D, float(fraction)):
                        axes.plot([j - 0.45, j + 0.45], [float(fraction)] * 2, color=COLOURS["upper"], linewidth=2.4)
                axes.plot(
                    [j], dimensions_per_feature(W).mean() if len(W) else np.nan, color=INK, marker="_", markersize=9,
                    markeredgewidth=1.4, label="$D^*$" if j == 0 else None,
                )  # fmt: skip
            for fraction, words in PLATEAUX.items():
                axes.axhline(float(fraction), color=MUTED, linewidth=0.7, linestyle=":", zorder=0)
                axes.annotate(
                    f"{fraction}  {words}", (len(columns) - 0.45, float(fraction)), xytext=(4, 0),
                    textcoords="offset points", va=_SIDE.get(fraction, "center"), fontsize=9.5,
                )  # fmt: skip
            axes.set(xlim=(-0.6, len(columns) - 0.4), ylim=(-0.03, 1.06), ylabel="dimensionality $D_i$")
            axes.set_title(f"learning rate {rate:g}", loc="left")
            axes.set_xticks(range(len(columns)), [f"{p:.2g}" for p, _ in columns], rotation=60)
            axes.tick_params(labelbottom=axes is panels[-1])
            axes.grid(False)
        panels[-1].set_xlabel("density $p$ (sparser to the right)")
        panels[0].legend(loc="lower left", bbox_to_anchor=(0.3, 0.98), borderaxespad=0)
    return figure
