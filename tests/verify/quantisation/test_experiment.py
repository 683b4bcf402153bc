"""The experiment, its verdicts, the power study, the commands and the figures: small, and whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from theory import InputError
from verify.cli import main
from verify.quantisation.analysis import analyse_activations
from verify.quantisation.experiment import Experiment, run_experiment
from verify.quantisation.findings import findings
from verify.quantisation.power import CLOUDS, power_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("experiment")


@pytest.fixture(scope="module")
def small(folder: Path) -> Experiment:
    return run_experiment(
        ["sphere"],
        ["tanh", "gelu", "isotropic:tanh"],
        ["tanh", "gelu"],
        seeds=2,
        null_seeds=6,
        rotations=4999,
        steps=200,
        store=folder,
    )


def test_marks_appear_where_theory_says(small: Experiment) -> None:
    """Already 200 steps on a sphere: T4 for tanh, T2 for GELU, in the frame that rotates with the activation."""
    for activation, mark, sign in (("tanh", "T4", -1), ("gelu", "T2", 1)):
        for turned in (False, True):
            outcome = small.find("sphere", activation, "sgd", turned)
            assert outcome is not None
            tests = outcome.tests["post/own"]
            assert all(p < 0.001 for p in tests["any"]["p"])
            assert all(sign * z > 4 for z in tests[mark]["z"])
            if turned:
                assert all(p > 0.01 for p in outcome.tests["post/standard"]["any"]["p"])
    smooth = small.find("sphere", "isotropic:tanh", "sgd")
    assert smooth is not None
    assert len(smooth.seeds) == 6
    assert sum(p < 0.05 for p in smooth.tests["post/own"]["any"]["p"]) <= 2
    assert small.find("sphere", "relu", "sgd") is None
    json.dumps(small.to_dict(), allow_nan=False)


def test_verdicts_follow_their_rules(small: Experiment) -> None:
    found = {verdict.statement: verdict for verdict in findings(small)}
    assert found["tanh makes its frame special (sphere, SGD)"].status == "supported"
    assert found["the special frame of GELU rotates with it (sphere, SGD)"].status == "supported"
    assert found["isotropic tanh leaves the frame as any other (sphere, SGD)"].status == "supported"
    error = found["isotropic tanh reconstructs better than tanh (sphere, SGD)"]
    low, high = error.evidence["interval"]
    assert error.status == ("supported" if high < 1 else "refuted" if low > 1 else "undecided")
    orthogonal = found["tanh on R^2 commutes with O(2): orthogonal maps"]
    assert orthogonal.status == "refuted"
    assert orthogonal.is_exact
    # Turn the numbers round, and the verdicts turn.
    outcomes = []
    for outcome in small.outcomes:
        p = 0.5 if outcome.activation == "tanh" and not outcome.conjugated else 0.0001
        tests = {frame: {**tests, "any": {"p": [p] * len(outcome.seeds)}} for frame, tests in outcome.tests.items()}
        outcomes.append(replace(outcome, tests=tests))
    turned = {verdict.statement: verdict.status for verdict in findings(replace(small, outcomes=tuple(outcomes)))}
    assert turned["tanh makes its frame special (sphere, SGD)"] == "refuted"
    assert turned["isotropic tanh leaves the frame as any other (sphere, SGD)"] == "refuted"
    assert turned["the special frame of GELU rotates with it (sphere, SGD)"] == "undecided"


def test_a_second_run_reads_the_first(small: Experiment, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.npz")}
    assert len(before) == 5
    again = run_experiment(
        ["sphere"], ["tanh"], [], seeds=2, null_seeds=6, rotations=19, steps=200, store=folder
    )  # fmt: skip
    assert again.outcomes[0].loss == next(o.loss for o in small.outcomes if o.activation == "tanh")
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("*.npz")}


def test_a_dead_latent_layer_has_no_directions() -> None:
    found = run_experiment(["sphere"], ["isotropic:max(0, r - 9)"], [], seeds=2, null_seeds=2, rotations=19, steps=5)
    assert found.outcomes[0].dead == (12, 12)
    assert found.outcomes[0].tests["post/own"]["any"]["p"] == [1.0, 1.0]


def test_power_is_the_level_without_effect_and_one_for_strong_effects() -> None:
    study = power_study(dimension=6, rows=200, rotations=159, clouds=30)
    assert set(study.power) == set(CLOUDS)
    for kind in ("isotropic (no effect)", "stretched (no effect)"):
        assert max(study.power[kind].values()) <= 0.25
    assert study.power["20 % on axes, stretched"]["T4 or T2"] > 0.7
    assert study.power["5 % on the all-ones line"]["T2"] > 0.5
    assert study.power["ReLU of stretched rows"]["T2"] > 0.7
    assert study.error(0.5) == pytest.approx(0.98 / np.sqrt(30))


def test_bad_settings_are_named() -> None:
    for arguments, words in (({"seeds": 0}, "seeds=0"), ({"widths": (8, 4)}, "odd number"), ({"steps": 0}, "steps=0")):
        with pytest.raises(InputError, match=words):
            run_experiment(["sphere"], **arguments)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="clouds=0"):
        power_study(clouds=0)


def test_the_command_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["quantisation", "--quick", "--data", "sphere", "--activations", "tanh,isotropic:tanh", "--steps", "40"]
    assert main([*words, "--rotations", "49", "--seeds", "2", "--out", str(tmp_path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {outcome["activation"] for outcome in result["outcomes"]} == {"tanh", "isotropic:tanh"}
    assert json.loads((tmp_path / "results.json").read_text()) == result
    page = (tmp_path / "index.html").read_text()
    assert page.count("<img") == 3
    assert "superposition quantisation --data sphere --quick" in page
    for name in ("marks_sphere_sgd.png", "profiles_sphere.svg", "reconstruction.png"):
        assert (tmp_path / name).stat().st_size > 5000
    assert main(["quantisation", "--widths", "8,a", "--out", str(tmp_path)]) == 2
    assert "--widths" in capsys.readouterr().err


def test_a_users_own_tensor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    X = np.tanh(4 * rng.standard_normal((500, 6)))
    X[3] = 0
    np.save(tmp_path / "acts.npy", X.reshape(5, 100, 6))
    np.save(tmp_path / "frame.npy", np.vstack([np.eye(6), -np.eye(6)]))
    words = ["resonance", str(tmp_path / "acts.npy"), "--rotations", "1999"]
    assert main([*words, "--out", str(tmp_path / "page")]) == 0
    text = capsys.readouterr().out
    assert "SUPPORTED" in text
    assert "499 rows in R^6 (1 zero rows left out)" in text
    assert "T4" in (tmp_path / "page" / "index.html").read_text()
    assert main([*words, "--frame", str(tmp_path / "frame.npy"), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["parallel_pairs"] == 6
    assert set(data["statistics"]) == {"T4"}
    assert data["isotropy_p"] is None
    assert main(["resonance", str(tmp_path / "none.npy")]) == 2
    assert "none.npy" in capsys.readouterr().err


def test_many_planes_are_sampled_and_the_isotropic_test_is_level() -> None:
    rng = np.random.default_rng(1)
    wide = analyse_activations(rng.standard_normal((50, 80)), rotations=9)
    assert len(wide.resonance.pairs) == 2000
    assert wide.planes_left_out == 80 * 79 // 2 - 2000
    long = analyse_activations(np.tanh(3 * rng.standard_normal((9000, 50))), rotations=99)
    assert long.test.rows == 6000
    assert long.test.p < 0.05
    p = [analyse_activations(rng.standard_normal((200, 3)), rotations=1).isotropy_p for _ in range(60)]
    assert 0 <= sum(value < 0.1 for value in p) <= 14
    assert min(p) > 1e-4
