"""Quantised representations: marks of the frame by activation, resonance profiles, and what an activation costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from verify.plots.style import COLOURS, GRID, INK, MUTED, new_figure, shared_legend, styled
from verify.quantisation.experiment import Experiment, Outcome
from verify.quantisation.plane_projection import PlaneProjection, privileged_plane_projection
from verify.quantisation.spotlight import SpotlightResonance, spotlight_resonance
from verify.quantisation.statistics import seed_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from verify.quantisation.analysis import Analysis

__all__ = ["activations_figure", "frame_marks", "profiles", "reconstruction", "resonance_panels"]

_GROUPS = {"B": "$B_n$", "S": "$S_n$", "O": "$O(n)$"}
_MARKS = {"T4": "T4: corners (−) or axes (+)", "T2": "T2: all-ones line (+)"}
_EPSILON, _ANGLES = 0.6, 180


def frame_marks(experiment: Experiment, data: str, optimisers: Sequence[str]) -> Figure:
    """z of T4 and T2 against random rotations, every seed a dot: where theory predicts a mark, and where none.

    One row per activation, grouped by the symmetry of the training; columns are statistics and optimisers.
    """
    rows = _rows(experiment, data, optimisers[0])
    with styled():
        figure = new_figure(4.4 * len(optimisers) * 2 * 0.78 + 2.0, 0.36 * len(rows) + 1.7)
        grid = figure.subplots(1, 2 * len(optimisers), sharey=True, squeeze=False)[0]
        for column, axes in enumerate(grid):
            mark, optimiser = ("T4", "T2")[column % 2], optimisers[column // 2]
            _marks_panel(axes, experiment, data, optimiser, mark, rows)
        grid[0].set_yticks(range(len(rows)), [row[2] for row in rows])
        grid[0].set_ylim(len(rows) - 0.4, -0.6)
        figure.supxlabel("z against random rotations of the frame", fontsize=10.5)
        shared_legend(figure, grid, columns=4)
    return figure


def _rows(experiment: Experiment, data: str, optimiser: str) -> list[tuple[str, bool, str]]:
    """(activation, conjugated, label), by the group of the activation met with O(n)."""
    found = [o for o in experiment.outcomes if (o.data, o.optimiser) == (data, optimiser)]
    order = {"B": 0, "R+ wr S": 1, "S": 2, "O": 3, "GL": 4}
    found.sort(key=lambda o: (order.get(o.group, 5), o.activation not in ("tanh", "relu", "gelu"), o.activation))
    return [(o.activation, o.conjugated, o.title) for o in found]


def _marks_panel(
    axes: Axes, experiment: Experiment, data: str, optimiser: str, mark: str, rows: Sequence[tuple[str, bool, str]]
) -> None:
    axes.axvspan(-2, 2, color=GRID, alpha=0.55, lw=0, label="95 % of rotations, about")
    axes.axvline(0, color=MUTED, lw=0.8)
    for i, (activation, conjugated, _) in enumerate(rows):
        outcome = experiment.find(data, activation, optimiser, conjugated)
        if outcome is None:
            continue
        if mark == _expected(outcome):
            axes.axhspan(i - 0.45, i + 0.45, color=COLOURS["minimised"], alpha=0.13, lw=0, label="predicted mark")
        series = [("post/own", "lower", "rotated frame $R^{-1}e_i$" if conjugated else "frame $e_i$")]
        if conjugated:
            series.append(("post/standard", "upper", "frame $e_i$ of the conjugated network"))
        for frame, colour, label in series:
            z = np.array(outcome.tests[frame][mark]["z"])
            shape = "o" if not conjugated else "D" if frame == "post/own" else "x"
            axes.plot(
                z, i + np.linspace(-0.2, 0.2, len(z)), shape, color=COLOURS[colour], ms=4, alpha=0.75, label=label
            )
    words = {"sgd": "SGD", "adam": "Adam"}[optimiser]
    axes.set_title(f"{words} · {_MARKS[mark]}", loc="left", fontsize=10)
    axes.grid(axis="y", visible=False)


def _expected(outcome: Outcome) -> str | None:
    # Isotropic activations under Adam may show T4 (its symmetry is B_n), but nothing makes them: no mark is predicted.
    if outcome.group in ("O", "GL"):
        return None
    return "T2" if "T2" in outcome.marks else "T4" if outcome.marks else None


def profiles(experiment: Experiment, data: str, optimiser: str, activations: Sequence[str]) -> Figure:
    """Small multiples of the first seed: spotlight resonance, and the projection on privileged planes.

    Rows: S over the planes (e_i, e_j) and over the planes (e_i, 1), over its isotropic value; the in-plane density.
    """
    shown = [a for a in activations if (data, a, optimiser) in experiment.clouds]
    with styled():
        figure = new_figure(2.15 * len(shown) + 0.6, 6.0)
        grid = figure.subplots(3, len(shown), squeeze=False, height_ratios=(1, 1, 1.25))
        for column, activation in enumerate(shown):
            cloud = experiment.clouds[data, activation, optimiser]
            outcome = experiment.find(data, activation, optimiser)
            resonance_panels(cloud, grid[0, column], grid[1, column])
            group = "" if outcome is None else _GROUPS.get(_met(outcome), outcome.group)
            title = activation if outcome is None else outcome.title
            grid[0, column].set_title(f"{title}\n{group}".replace(", radius", ",\nradius"), fontsize=9.5)
            _projection(privileged_plane_projection(cloud, None, _EPSILON, normalise=True), grid[2, column])
        grid[0, 0].set_ylabel("S / isotropic,\nplanes $(e_i, e_j)$")
        grid[1, 0].set_ylabel("S / isotropic,\nplanes $(e_i, \\mathbf{1})$")
        grid[2, 0].set_ylabel("projection\non $(e_i, e_j)$")
        shared_legend(figure, [grid[0, 0]], columns=4)
    return figure


def _met(outcome: Outcome) -> str:
    """The activation's own symmetry within O(n), whatever the optimiser."""
    return {"B": "B", "S": "S", "R+ wr S": "S"}.get(outcome.group, "O")


def resonance_panels(cloud: Any, above: Axes, below: Axes) -> None:
    """Draw S over its isotropic value in the planes (e_i, e_j), and below in those of each e_i and their sum."""
    d = np.shape(cloud)[1]
    _resonance(spotlight_resonance(cloud, None, _EPSILON, _ANGLES), above)
    frame, pairs = np.vstack([np.eye(d), np.ones(d)]), [(i, d) for i in range(d)]
    _resonance(spotlight_resonance(cloud, frame, _EPSILON, _ANGLES, pairs=pairs), below)


def _resonance(found: SpotlightResonance, axes: Axes) -> None:
    low, high = found.band()
    # In many dimensions isotropic rows are hardly ever seen: one row is then the unit.
    unit = max(found.null, 1 / found.rows)
    axes.axhspan(low / unit, high / unit, color=GRID, alpha=0.8, lw=0, label="one plane, isotropic rows: 95 %")
    axes.axhline(found.null / unit, color=MUTED, lw=0.8)
    label = "mean over the planes"
    axes.plot(np.degrees(found.angles), found.mean / unit, color=COLOURS["lower"], lw=1.5, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xticks([0, 90, 180, 270, 360], ["0°", "", "180°", "", "360°"])
    axes.set_xlim(0, 360)


def _projection(found: PlaneProjection, axes: Axes) -> None:
    points = found.points
    axes.set_aspect("equal")
    axes.grid(visible=False)
    if len(points):
        counts, edges, _ = np.histogram2d(points[:, 0], points[:, 1], bins=41, range=[[-1, 1], [-1, 1]])
        axes.pcolormesh(edges, edges, np.ma.masked_equal(counts.T, 0) ** 0.5, cmap="cividis_r", rasterized=True)
    circle = np.linspace(0, 2 * np.pi, 120)
    for radius in (found.epsilon, 1):
        axes.plot(radius * np.cos(circle), radius * np.sin(circle), color=MUTED, lw=0.6)
    axes.set_xticks([-1, 0, 1])
    axes.set_yticks([-1, 0, 1])
    axes.set_xlabel(f"rows kept: {found.kept_share / found.null_share:.2g}× isotropic", fontsize=9)


def activations_figure(found: Analysis) -> Figure:
    """One cloud: spotlight resonance over its isotropic value, and the projection on the planes of the frame."""
    with styled():
        figure = new_figure(8.6, 3.7)
        left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
        _resonance(found.resonance, left)
        left.set_xlabel("angle in the plane")
        left.set_ylabel("resonance S(θ) / isotropic")
        _projection(found.projection, right)
        right.set_title("projection on the planes", loc="left")
        shared_legend(figure, [left], columns=2)
    return figure


def reconstruction(experiment: Experiment, data: Sequence[str]) -> Figure:
    """Reconstruction error over the variance of the data, by activation: every seed, and the mean with its interval."""
    with styled():
        names = list(dict.fromkeys(o.activation for o in experiment.outcomes if not o.conjugated))
        titles = {o.activation: o.title for o in experiment.outcomes if not o.conjugated}
        figure = new_figure(3.3 * len(data) + 1.9, 0.36 * len(names) + 1.6)
        grid = figure.subplots(1, len(data), sharey=True, squeeze=False)[0]
        for axes, name in zip(grid, data, strict=True):
            for optimiser, colour, shift in (("sgd", "lower", -0.14), ("adam", "upper", 0.14)):
                for i, activation in enumerate(names):
                    outcome = experiment.find(name, activation, optimiser)
                    if outcome is None:
                        continue
                    mean, low, high = seed_interval(outcome.loss)
                    label = {"sgd": "SGD", "adam": "Adam"}[optimiser]
                    axes.plot(outcome.loss, [i + shift] * len(outcome.loss), ".", color=COLOURS[colour], alpha=0.35)
                    axes.errorbar(
                        mean,
                        i + shift,
                        xerr=[[mean - low], [high - mean]],
                        fmt="o",
                        color=COLOURS[colour],
                        mec=INK,
                        mew=0.6,
                        ms=5,
                        label=label,
                    )
            axes.set_title(name, loc="left")
            axes.set_xlim(left=0)
        grid[0].set_yticks(range(len(names)), [titles[a] for a in names])
        grid[0].set_ylim(len(names) - 0.4, -0.6)
        figure.supxlabel("squared error / variance of the data", fontsize=10.5)
        shared_legend(figure, grid, columns=2)
    return figure
