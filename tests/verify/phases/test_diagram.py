"""The phase diagram: theory beside the minimiser, on the command line and as a figure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import numerics
import theory
from numerics import phase_grid
from theory import PHASES, InputError
from verify.cli import main
from verify.phases.diagram import check_point, name_of_weights, phase_diagram
from verify.plots import as_png, phase_diagram_figure, phase_panel


@pytest.mark.parametrize("bias", [False, True])
def test_theory_and_minimiser_agree_on_a_coarse_grid(bias: bool) -> None:
    diagram = phase_diagram("relu", bias, size=9, checks=2)
    assert len(diagram.checks) == 4
    for check in diagram.checks:
        assert check.loss_agrees, check
        assert check.phase_agrees, check
    assert {check.phase for check in diagram.checks} >= {"antipodal"}


@pytest.mark.parametrize(
    "activation", ["rectified-power:2", "rectified-power:3", "power:2", "power:3", "signed-power:2"]
)
def test_theory_and_minimiser_agree_with_bias(activation: str) -> None:
    for density, importance in ((0.2, 1.5), (0.7, 0.3)):
        check = check_point(theory.activation(activation), True, theory.uniform(), density, importance)
        assert check.loss_agrees, check
        assert check.phase_agrees, check


@pytest.mark.parametrize("activation", ["relu", "rectified-power:3", "power:2"])
def test_grid_without_bias_is_the_exact_phase(activation: str) -> None:
    densities, importances = [0.2, 0.55, 0.9], [0.3, 1.0, 2.5]
    grid = numerics.phase_grid(activation, densities, importances)
    for i, importance in enumerate(importances):
        for j, density in enumerate(densities):
            exact = theory.phase(theory.ToyModel(2, 1, activation, density, importance=(1, importance)))
            assert PHASES[grid.phase[i, j]] == exact.name
            assert grid.loss[i, j] == pytest.approx(float(exact.loss[1]), rel=1e-6)
            for name, (low, high) in exact.losses.items():
                assert low <= high
                if np.isfinite(grid.losses[PHASES.index(name), i, j]):
                    assert grid.losses[PHASES.index(name), i, j] >= float(low) - 1e-9


def test_grid_with_bias_shows_the_wedge_of_superposition() -> None:
    grid = numerics.phase_grid("relu", [0.1, 0.4, 0.8], [0.2, 1.0, 5.0], bias=True)
    assert grid.names() == [
        ["antipodal", "not represented", "not represented"],
        ["antipodal", "antipodal", "antipodal"],
        ["antipodal", "dedicated", "dedicated"],
    ]


def test_grid_refuses_what_it_cannot_do() -> None:
    for densities, importances, words in (
        ([0.0], [1.0], "densities"),
        ([0.5], [0.0], "importances"),
        ([], [1.0], "non-empty"),
    ):
        with pytest.raises(InputError, match=words):
            numerics.phase_grid("relu", densities, importances)
    with pytest.raises(InputError, match="uniform law"):
        numerics.phase_grid("relu", [0.5], [1.0], bias=True, law="binary")
    with pytest.raises(InputError, match="size"):
        phase_diagram("relu", size=1)


def test_names_of_weights() -> None:
    cases = {(1, 1e-3): "not represented", (-1e-3, 2): "dedicated", (1, -0.5): "antipodal", (-1, -0.5): "aligned",
             (0, 0): "not represented"}  # fmt: skip
    for weights, name in cases.items():
        assert name_of_weights(weights) == name


def test_a_check_can_fail() -> None:
    check = check_point(theory.activation("relu"), False, theory.uniform(), 0.3, 1.0)
    assert check.loss_agrees
    wrong = type(check)(**{**vars(check), "loss": check.loss * 1.01})
    assert not wrong.loss_agrees
    assert not type(check)(**{**vars(check), "found": "aligned"}).phase_agrees


def test_figure_has_regions_curves_and_dots() -> None:
    diagrams = [phase_diagram("relu", bias, size=13, checks=1) for bias in (False, True)]
    figure = phase_diagram_figure(diagrams)
    shown = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert {"antipodal superposition", "exact: dedicated becomes unstable", "phase of the minimised loss"} <= shown
    assert len(as_png(figure, dpi=60)) > 5_000
    (axes,) = phase_panel(diagrams[0]).axes
    assert axes.get_xlabel() == "density $p$"
    with pytest.raises(InputError, match="diagrams"):
        phase_diagram_figure([])


def test_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["phase", "--activation", "relu", "--grid", "9", "--check", "1", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "0.582171405881" in out
    assert "1 of 1 points agree in loss" in out
    assert (tmp_path / "phase_diagram.png").stat().st_size > 5_000
    assert json.loads((tmp_path / "phase_diagram.json").read_text())["diagrams"][0]["activation"] == "relu"
    assert main(["phase", "-a", "power:2", "--bias", "--grid", "5", "--check", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["diagrams"][0]["bias"] is True


def test_command_says_what_is_wrong_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["phase"],
        ["phase", "-a", "gelu"],
        ["phase", "-a", "relu", "--grid", "1"],
        ["phase", "-a", "relu", "--all"],
    ):
        assert main(words) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_an_aligned_pair_of_equal_features_is_not_symmetric():
    """At equal importance a symmetric descent ends on the axis; at p = 1, signs mean nothing and both pairs are one."""
    dense, full = phase_grid("relu", [0.9, 1.0], [1.0], bias=True).losses[:, 0].T
    aligned, antipodal = PHASES.index("aligned"), PHASES.index("antipodal")
    assert dense[antipodal] < 0.9995 * dense[aligned]
    assert dense[aligned] < 0.997 * dense[PHASES.index("dedicated")]
    assert full[aligned] == pytest.approx(full[antipodal], rel=1e-9)
