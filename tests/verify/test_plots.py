"""Figures: what is drawn is what was given, labelled, and drawn without touching a user's settings."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import theory
import verify
from theory import InputError
from verify.plots import (
    DensityPanel,
    IntervalPanel,
    RoutePair,
    SymmetryRow,
    as_png,
    as_svg,
    bias_capacity,
    excess_of_training,
    loss_per_density,
    loss_per_density_figure,
    route_agreement,
    sparse_interval,
    sparse_interval_figure,
    symmetry_table,
    theory_against_experiment,
)
from verify.plots.style import COLOURS, VOCABULARY


def density_panel(title: str = "$z^2$") -> DensityPanel:
    grid, points = np.geomspace(1e-3, 0.5, 30), np.array([1e-3, 1e-2, 0.1])
    trained = points[:, None] * 0.5 * np.array([[1.1, 1.5, np.nan]])
    return DensityPanel(title, grid, 0.4 * grid, 0.9 * grid, points, 0.5 * points, trained, 0.4, 0.9)


def interval_panel() -> IntervalPanel:
    n = np.arange(3, 9)
    return IntervalPanel(
        "$z^2$, $m=2$", n, 0.1 * np.ones(6), 0.2 * np.ones(6), np.array([0.1, 0.1, 0.15, 0.2, 0.2, np.nan])
    )


def labels(figure: Figure) -> set[str]:
    found = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    for axes in figure.axes:
        found |= set(axes.get_legend_handles_labels()[1])
    return found


def test_loss_per_density_draws_every_seed_and_marks_the_best() -> None:
    figure = loss_per_density(density_panel())
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert {VOCABULARY[k] for k in ("lower", "upper", "minimised", "trained", "best")} <= set(lines)
    assert np.isfinite(lines[VOCABULARY["trained"]].get_ydata()).sum() == 6
    assert lines[VOCABULARY["best"]].get_ydata() == pytest.approx([0.55, 0.55, 0.55])
    assert lines[VOCABULARY["lower"]].get_ydata() == pytest.approx(0.4)


def test_a_grid_of_panels_shares_one_legend() -> None:
    figure = loss_per_density_figure([[density_panel(), density_panel("$z^3$")], [density_panel("ReLU")]])
    assert len(figure.legends) == 1
    assert VOCABULARY["lower"] in labels(figure)
    titles = {axes.get_title(loc="left") for axes in figure.axes}
    assert {"$z^2$", "$z^3$", "ReLU"} <= titles


def test_excess_is_relative_to_the_minimised_loss() -> None:
    axes = excess_of_training(density_panel()).axes[0]
    seeds = next(line for line in axes.get_lines() if line.get_label() == VOCABULARY["trained"])
    assert np.nanmax(seeds.get_ydata()) == pytest.approx(0.5)


def test_intervals_mark_what_is_known() -> None:
    panel = interval_panel()
    assert panel.attained.tolist() == [True, True, False, False, False, False]
    assert not panel.exact.any()
    figure = sparse_interval(panel)
    assert {"search attains the lower bound", "constructive upper bound"} <= labels(figure)
    assert len(sparse_interval_figure([[panel, panel], [panel]]).axes) == 4


def test_symmetry_table_shows_every_verdict_by_sign_and_colour() -> None:
    rows = [
        SymmetryRow("tanh", ("proved", "refuted"), "signed permutations", True),
        SymmetryRow("f", ("supported", "undecided"), "?", False),
    ]
    figure = symmetry_table(rows, ["$B_n$", "$O(n)$"])
    texts = [text.get_text() for text in figure.axes[0].texts]
    for mark in ("✓", "✗", "∼", "?", "tanh", "signed permutations", "?  (open)"):
        assert mark in texts
    colours = {mpl.colors.to_hex(patch.get_facecolor()) for patch in figure.axes[0].patches}
    assert {COLOURS["proved"].lower(), COLOURS["refuted"].lower()} <= colours


def test_route_agreement_counts() -> None:
    pairs = [RoutePair("exact and quadrature", 1.0, 1e-12, 1e-10), RoutePair("exact and quadrature", 1.0, 1e-3, 1e-10)]
    assert "exact and quadrature (1 of 2 within)" in labels(route_agreement(pairs))


def test_figures_are_reproducible_files_and_leave_settings_alone() -> None:
    before = dict(mpl.rcParams)
    figure = loss_per_density(density_panel())
    assert as_svg(figure) == as_svg(figure)
    assert b"<svg" in as_svg(figure)
    assert as_png(figure, 60).startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == before


def test_every_plot_draws_on_given_axes() -> None:
    for draw in (
        lambda axes: loss_per_density(density_panel(), axes),
        lambda axes: excess_of_training(density_panel(), axes),
        lambda axes: sparse_interval(interval_panel(), axes),
        lambda axes: route_agreement([RoutePair("a and b", 1.0, 0.0, 1e-9)], axes),
        lambda axes: symmetry_table([SymmetryRow("tanh", ("proved",), "B", True)], ["$B_n$"], axes),
    ):
        figure = Figure()
        axes = figure.subplots()
        assert draw(axes) is figure


def test_text_does_not_overlap_in_the_symmetry_table() -> None:
    rows = [
        SymmetryRow(name, ("proved", "refuted"), "positively scaled permutations", True)
        for name in ("relu", "isotropic_tanh")
    ]
    figure = symmetry_table(rows, [r"$\mathbb{R}_{+}\wr S_n$", "$O(n)$"])
    as_png(figure, 60)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if len(text.get_text()) > 1]
    overlaps = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    assert not overlaps


def test_a_training_dataset_against_theory() -> None:
    models = [theory.ToyModel(3, 2, theory.power(2), p) for p in (0.1, 0.01)]
    runs = verify.train([*models, theory.ToyModel(3, 2, "gelu", 0.1)], seeds=2, protocol=verify.Protocol(steps=30))
    figure = theory_against_experiment(runs, restarts=2)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert titles == ["power:2, $n=3$, $m=2$", "gelu, $n=3$, $m=2$"]
    own = Figure().subplots()
    assert theory_against_experiment(runs.isel(model=[0, 1]), own, restarts=2) is own.figure
    with pytest.raises(InputError, match="2 settings"):
        theory_against_experiment(runs, own)
    with pytest.raises(InputError, match=r"verify\.train"):
        theory_against_experiment({"loss": 1})


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: DensityPanel("x", [0.1], [1, 2], [1], [0.1], [1], [[1]]), "lower has shape"),
        (lambda: DensityPanel("x", [0.1], [1], [1], [0.1], [1], [1]), "trained"),
        (lambda: DensityPanel("x", [0.0], [1], [1], [0.1], [1], [[1]]), "density"),
        (lambda: IntervalPanel("x", [1, 2], [1], [1, 2], [1, 2]), "lower"),
        (lambda: loss_per_density_figure([]), "rows is empty"),
        (lambda: sparse_interval_figure([[]]), "rows is empty"),
        (lambda: symmetry_table([], []), "rows is empty"),
        (lambda: symmetry_table([SymmetryRow("f", ("proved",), "B", True)], ["a", "b"]), "1 verdicts for 2"),
        (lambda: SymmetryRow("f", ("passes",), "B", True), "passes"),
        (lambda: route_agreement([]), "pairs is empty"),
    ],
)
def test_bad_input(call: object, word: str) -> None:
    with pytest.raises(InputError, match=word):
        call()  # type: ignore[operator]


def test_the_capacity_contrast() -> None:
    figure = bias_capacity(0.02, dimensions=(10, 100, 400), bounded=(2,))
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].get_lines()}
    held = next(values for label, values in lines.items() if label.startswith("with bias: at least"))
    most = next(values for label, values in lines.items() if label.startswith("without bias: at most"))
    assert held[0] < most[0]
    assert held[-1] > most[-1]
    with pytest.raises(InputError, match="dimensions"):
        bias_capacity(0.02, dimensions=())
