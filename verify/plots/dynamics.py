"""Feature dimensionalities and losses along training, and how six correlated features become an octahedron."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verify.plots.style import COLOURS, INK, MUTED, new_figure, styled

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from verify.experiments.dynamics import Path

__all__ = ["octahedron_figure", "plateaux_figure"]

_MERGED = 1 / np.sqrt(3)


def plateaux_figure(paths: dict[str, list[Path]]) -> Figure:
    """D_i of every feature of the seed with most changes of level, above its loss; features that change level bold.

    Args:
        paths: seeds by the name of the plateau where they end.
    """
    with styled():
        figure = new_figure(7.4, 5.6)
        panels = figure.subplots(2, len(paths), squeeze=False, sharex="col", height_ratios=[2.2, 1])
        for j, (name, found) in enumerate(paths.items()):
            path = max(found, key=lambda one: len(one.changes()))
            changed = sorted(path.changes())
            axes, below = panels[0, j], panels[1, j]
            shown = path.steps <= 1.3 * path.end
            for i in range(path.D.shape[1]):
                axes.plot(path.steps[shown], path.D[shown, i], color=MUTED, linewidth=0.7, alpha=0.6)
            colours = [COLOURS[key] for key in ("lower", "upper", "minimised", "best", "trained")]
            for k, i in enumerate(changed[:5]):
                axes.plot(path.steps[shown], path.D[shown, i], color=colours[k], linewidth=2.2)
            axes.axhline(_value(name), color=INK, linewidth=0.8, linestyle=":")
            axes.set_title(f"all features end near {name}")
            below.plot(path.steps[shown], path.loss[shown], color=INK)
            late = path.loss[shown][len(path.loss[shown]) // 5 :]
            span = late.max() - late.min()
            below.set(xlabel="step", ylim=(late.min() - 0.05 * span, late.max() + 0.3 * span))
        panels[0, 0].set_ylabel("feature dimensionality $D_i$")
        panels[1, 0].set_ylabel("loss")
    return figure


def _value(name: str) -> float:
    above, below = name.split("/")
    return int(above) / int(below)


def octahedron_figure(sets: xarray.Dataset, losses: np.ndarray) -> Figure:
    """Loss, norms and cosines of one seed over the steps, with the losses of all seeds.

    Args:
        sets: of `verify.sweep`, with checkpoints; the two sets of three features side by side.
        losses: of the checkpoints, shape (seeds, checkpoints).
    """
    kept, seed = sets["checkpoint"].values, int(np.argmin(sets["loss"].fillna(np.inf).values))
    W = sets["W_checkpoint"].values[seed]
    norms = np.linalg.norm(W, axis=1)
    unit = W / np.maximum(norms, 1e-12)[:, None]
    cosines = np.swapaxes(unit, 1, 2) @ unit
    with styled():
        figure = new_figure(7.0, 6.6)
        top, middle, bottom = figure.subplots(3, 1, sharex=True)
        for loss in losses:
            top.plot(kept[1:], loss[1:], color=MUTED, linewidth=0.7, alpha=0.6)
        top.plot(kept[1:], losses[seed, 1:], color=INK, linewidth=2.2)
        top.set(yscale="log", ylabel="loss")
        for i in range(6):
            colour = COLOURS["lower"] if i < 3 else COLOURS["upper"]
            middle.plot(kept[1:], norms[1:, i], color=colour, label=f"set {1 + i // 3}" if i % 3 == 0 else None)
        middle.axhline(_MERGED, color=MUTED, linewidth=0.9, linestyle=":")
        middle.annotate(r"$1/\sqrt{3}$", (kept[1], _MERGED), xytext=(2, 3), textcoords="offset points")
        middle.set_ylabel("norms")
        middle.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        for i in range(6):
            for j in range(i):
                same = i // 3 == j // 3
                colour = COLOURS["minimised"] if same else COLOURS["best"]
                first = (i, j) in ((1, 0), (3, 0))
                label = ("within a set" if same else "between sets") if first else None
                bottom.plot(kept[1:], cosines[1:, i, j], color=colour, linewidth=1.2, label=label)
        bottom.set(xscale="log", xlabel="step", ylabel="cosines", ylim=(-1.08, 1.08))
        bottom.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
