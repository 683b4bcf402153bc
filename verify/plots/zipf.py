"""The loss of trained models against the hidden dimension, for densities that follow a power law."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from verify.plots.style import COLOURS, new_figure, shared_legend, styled

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

__all__ = ["zipf_figure"]

_MARKERS = ("o", "s", "^", "D", "v")
_COLOURS = ("undecided", "lower", "minimised", "upper", "best")


def zipf_figure(dataset: xarray.Dataset) -> Figure:
    """Best trained loss against m, a panel per exponent s; solid with a bias, dashed without.

    Args:
        dataset: of `verify.sweep`, with the axes activation, n_hidden, s and bias.
    """
    hidden = dataset["n_hidden"].values
    with styled():
        figure = new_figure(3.1 * dataset.sizes["s"] + 0.6, 3.9)
        panels = figure.subplots(1, dataset.sizes["s"], squeeze=False, sharey=True)[0]
        for axes, s in zip(panels, dataset["s"].values, strict=True):
            for i, name in enumerate(dataset["activation"].values):
                for has_bias in (True, False):
                    best = dataset.sel(activation=name, s=s, bias=has_bias)["loss"].min("seed").values
                    axes.plot(
                        hidden, best, color=COLOURS[_COLOURS[i % 5]], marker=_MARKERS[i % 5], markersize=5,
                        linestyle="-" if has_bias else "--", label=f"{name}{'' if has_bias else ', no bias'}",
                    )  # fmt: skip
            axes.set(xscale="log", yscale="log", xlabel="hidden dimension $m$", title=f"$s={s:g}$")
            axes.xaxis.set_major_locator(FixedLocator(list(hidden)))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_locator(NullLocator())
        panels[0].set_ylabel("expected loss of the best seed")
        shared_legend(figure, list(panels), min(4, 2 * len(panels)))
    return figure
