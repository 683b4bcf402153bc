"""The study of the loss against the hidden dimension: its numbers, figure and command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from theory import InputError
from verify.cli import main
from verify.plots import as_svg, scaling, scaling_figure
from verify.scaling import fitted_exponent, scaling_study


@pytest.mark.parametrize("activation", ["relu", "power:2", "rectified-power:2"])
def test_the_search_lies_in_the_proved_interval(activation: str) -> None:
    study = scaling_study(activation, 1.5, 20, (1, 2, 4), restarts=3, steps=250)
    assert not study.violated
    assert np.all(study.found >= study.lower * (1 - 1e-9))
    # Constructions are what a search must find at least nearly.
    assert np.all(study.found <= study.upper * 1.05)
    assert np.all(study.upper <= study.dedicated + 1e-12)
    assert study.fit is not None
    least, most = study.slopes
    assert least - 1e-5 <= np.log(study.found[0] / study.found[-1]) / np.log(4) <= most + 1e-5


def test_infinitely_many_features_lose_more_than_finitely_many() -> None:
    finite, many = (
        scaling_study("power:2", 2, 60, (1, 2, 4), restarts=2, steps=100, many=many) for many in (False, True)
    )
    assert not many.violated
    for name in ("lower", "upper", "found", "dedicated"):
        assert np.all(getattr(many, name) > getattr(finite, name)), name
    more = scaling_study("power:2", 2, 240, (1, 2, 4), restarts=0, many=True)
    assert np.all(more.lower >= many.lower - 1e-3)
    assert np.all(more.upper <= many.upper + 1e-9)
    with pytest.raises(InputError, match="s=1 must be > 1"):
        scaling_study("power:2", 1, 9, (1, 2), many=True)


def test_a_violated_bound_is_said_to_be_one() -> None:
    study = scaling_study("relu", 1.5, 12, (1, 2), restarts=1, steps=50)
    assert not study.violated
    assert type(study)(**{**vars(study), "lower": study.found * 1.01}).violated


def test_the_fit_recovers_a_power_law() -> None:
    m = np.array([2.0, 4.0, 8.0, 16.0])
    slope, half = fitted_exponent(m, 3 * m**-1.25)  # type: ignore[misc]
    assert slope == pytest.approx(1.25)
    assert half < 1e-6
    noisy = fitted_exponent(m, 3 * m**-1.25 * np.array([1, 1.1, 0.9, 1]))
    assert noisy is not None
    assert abs(noisy[0] - 1.25) < noisy[1]
    assert fitted_exponent(m[:2], m[:2]) is None


def test_figure() -> None:
    study = scaling_study("power:2", 2, 20, (1, 2, 4), restarts=0)
    svg = as_svg(scaling_figure([[study, study], [study]]))
    assert svg.startswith(b"<?xml")
    assert scaling(study).axes[0].get_xscale() == "log"
    with pytest.raises(InputError, match="rows is empty"):
        scaling_figure([])


def test_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["scaling", "-a", "power:2", "--s", "1.5", "-n", "16", "--m", "1,2,4", "--restarts", "2"]
    assert main([*words, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "with e = 1  [proved]" in out
    assert "fitted to the search" in out
    assert {path.name for path in tmp_path.iterdir()} == {"scaling.json", "scaling.svg", "scaling.png"}
    assert main([*words, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data == json.loads((tmp_path / "scaling.json").read_text())
    assert data["exponent"] == ["1", "1"]
    assert main(["scaling", "-a", "relu", "--s", "0.5", "-n", "9", "-m", "2", "--restarts", "0"]) == 0
    assert "—" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["-a", "relu", "--s", "1.5", "-m", "4,2"],
        ["-a", "relu", "--s", "-1"],
        ["-a", "gelu", "--s", "2"],
        ["-a", "relu", "--s", "2", "-n", "1001"],
        ["-a", "relu", "--s", "2", "-m", "2,2000"],
        ["-a", "relu", "--s", "x"],
    ],
)
def test_misuse(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(["scaling", *words]) == 2
    assert "error" in capsys.readouterr().err
