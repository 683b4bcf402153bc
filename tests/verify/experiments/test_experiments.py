"""Every experiment runs, resumes, writes what a page needs, and a quick run judges nothing."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import xarray

from theory import InputError
from verify.experiments import EXPERIMENTS, load
from verify.experiments.base import Experiment, Outcome, Run, Table, claim, good_seeds, interval, shown_interval


@pytest.mark.slow
@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_a_quick_run(name, tmp_path, monkeypatch):
    experiment = load(name)
    assert experiment.name == name
    outcome = experiment.perform(Run("quick", tmp_path))
    assert outcome.tables
    assert outcome.claims
    assert {verdict.status for verdict in outcome.claims} <= {"undecided", "proved"}
    written = outcome.write(tmp_path)
    assert {path.suffix for path in written} == {".svg", ".png", ".json", ".md"}
    assert all(path.stat().st_size > 0 for path in written)
    read = json.loads((tmp_path / "result.json").read_text())
    assert [table["title"] for table in read["tables"]] == [table.title for table in outcome.tables]
    for table in outcome.tables:
        assert all(len(row) == len(table.header) for row in table.rows)
    for verdict in outcome.claims:
        assert verdict.statement in (tmp_path / "result.md").read_text()

    # A second run finds every cell in the folder.
    def fail(unit):
        raise AssertionError("a finished cell was computed again")

    monkeypatch.setattr("verify.sweeps.sweep.compute", fail)
    again = experiment.perform(Run("quick", tmp_path))
    assert again.to_dict()["tables"] == outcome.to_dict()["tables"]


def test_names_are_checked():
    with pytest.raises(InputError, match="did you mean 'circle'"):
        load("circel")
    with pytest.raises(InputError, match="size"):
        Run("huge")


def test_intervals_cover_the_mean():
    rng = np.random.default_rng(0)
    hits = 0
    for draw in range(300):
        mean, low, high = interval(rng.normal(2.0, 1.0, 20), seed=draw, draws=500)
        assert low <= mean <= high
        hits += low <= 2 <= high
    assert 0.88 <= hits / 300 <= 0.97
    assert interval([3.0]) == (3.0, 3.0, 3.0)
    assert shown_interval([0.5, 0.5], percent=True) == "50%"
    with pytest.raises(InputError, match="values"):
        interval([])


def test_verdicts_of_full_runs_are_kept_and_those_of_quick_runs_are_not():
    outcome = Outcome([], [Table("T", ("a", "b"), [("x", 0.5), ("y", float("nan"))])],
                      [claim("up", True, "1"), claim("down", False, "2"), claim("?", None, "3")])  # fmt: skip
    experiment = Experiment("e", "E", "?", "s", lambda how: outcome)
    assert [v.status for v in experiment.perform(Run()).claims] == ["supported", "refuted", "undecided"]
    quick = experiment.perform(Run("quick")).claims
    assert [v.status for v in quick] == ["undecided"] * 3
    assert "measured: 1" in quick[0].reason
    assert "| x | 0.5 |" in outcome.to_markdown()
    assert outcome.to_dict()["tables"][0]["rows"][1][1] is None


def test_bars_do_not_break_tables():
    outcome = Outcome([], [Table("T", ("|cos|",), [("|x|",)])], [claim("|c| < 1", True, "|c| = 0")])
    for line in outcome.to_markdown().splitlines():
        if line.startswith("|"):
            columns = 1 if "x" in line or "cos" in line or line == "|---|" else 3
            assert len(re.findall(r"(?<!\\)\|", line)) == columns + 1, line


def test_good_seeds():
    W = np.arange(8.0).reshape(4, 1, 2)
    cell = xarray.Dataset({"W": (("seed", "hidden", "feature"), W), "loss": ("seed", [2.0, 1.0, np.nan, 1.005]),
                           "diverged": ("seed", [False, False, True, False])})  # fmt: skip
    np.testing.assert_array_equal(good_seeds(cell), W[[1, 3]])
    np.testing.assert_array_equal(good_seeds(cell.assign(reached=("seed", [False, True, False, False]))), W[[1]])
    # The minimiser beat every seed: the best of them stands for the model.
    np.testing.assert_array_equal(good_seeds(cell.assign(reached=("seed", [False] * 4))), W[[1]])
    with pytest.raises(InputError, match="diverged"):
        good_seeds(cell.assign(diverged=("seed", [True] * 4)))
