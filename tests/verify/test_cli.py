"""The command line, run as a user would."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from verify.cli import main
from verify.training.protocol import NAMED

ROOT = Path(__file__).parents[2]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    np.save(tmp_path / "W.npy", np.array([[1.0, -1.0, 0.5], [0.2, 0.3, -0.7]]))
    np.save(tmp_path / "b.npy", np.array([0.0, -0.1, 0.05]))
    np.savetxt(tmp_path / "W.csv", np.load(tmp_path / "W.npy"), delimiter=",")
    return tmp_path


def test_bounds_in_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "bounds", "--activation", "power:2", "-n", "6", "-m", "2", "-p", "0.01")
    assert (code, err) == (0, "")
    assert "power:2, n=6, m=2, p=0.01" in out
    for word in ("lower", "upper", "orthonormal", "random", "interval", "docs/theory.md"):
        assert word in out


def test_bounds_in_symbols(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "bounds", "--activation", "power:2", "--of", "sparse")
    assert code == 0
    assert "Min(n, m*(m + 2)/3)" in out


def test_bounds_with_a_bias(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bounds", "-a", "relu", "-n", "3", "-m", "1", "--bias", "--of", "sparse"]) == 0
    text = capsys.readouterr().out
    for name in ("packing", "threshold-code", "code"):
        assert name in text
    assert "relu-capacity" not in text


def test_bounds_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "bounds", "-a", "relu", "-n", "4", "-m", "2", "-p", "0.1", "--json")
    data = json.loads(out)
    assert code == 0
    low, high = data["sparse"]["interval"]
    assert low == pytest.approx(0, abs=1e-12)
    assert high == pytest.approx(0, abs=1e-12)
    assert data["loss"]["interval"][0] <= data["loss"]["interval"][1]


def test_derivations_are_printed_and_rechecked(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "bounds", "-a", "power:2", "-n", "6", "-m", "2", "--derivation")
    assert code == 0
    assert "[checked]" in out
    assert "FAILED" not in out


def test_sparsity_is_one_minus_density(capsys: pytest.CaptureFixture[str]) -> None:
    _, by_density, _ = run(capsys, "bounds", "-a", "power:2", "-n", "4", "-m", "2", "-p", "0.25")
    _, by_sparsity, _ = run(capsys, "bounds", "-a", "power:2", "-n", "4", "-m", "2", "--sparsity", "0.75")
    assert by_density == by_sparsity


def test_a_false_bound_of_your_own_is_refuted_by_weights(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bounds", "--activation", "relu", "-n", "5", "-m", "2", "--of", "sparse"]
    code, out, _ = run(capsys, *words, "--claim", "n/3 - 2*m/3", "--side", "lower")
    assert code == 1
    assert out.startswith("REFUTED")


def test_a_true_bound_of_your_own_is_not_refuted(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bounds", "--activation", "power:2", "-n", "9", "-m", "2", "--of", "sparse", "--json"]
    code, out, _ = run(capsys, *words, "--claim", "n/3 - 5*8/(16*3)", "--side", "lower")
    assert code == 0
    assert json.loads(out)["status"] == "proved"


def test_loss_by_every_route(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    file = str(weights / "W.npy")
    code, out, _ = run(capsys, "loss", "-a", "power:2", "-p", "0.1", "--weights", file, "--method", "all", "--json")
    assert code == 0
    routes = {route["method"]: route for route in json.loads(out)["routes"]}
    assert set(routes) == {"exact", "quadrature", "hidden_quadrature", "monte_carlo"}
    for route in routes.values():
        assert abs(route["value"] - routes["exact"]["value"]) <= 2 * (route["error"] + routes["exact"]["error"])


def test_loss_with_a_bias_and_from_csv(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    words = ["loss", "-a", "relu", "-p", "0.05", "--bias", str(weights / "b.npy")]
    _, from_npy, _ = run(capsys, *words, "--weights", str(weights / "W.npy"), "--json")
    _, from_csv, _ = run(capsys, *words, "--weights", str(weights / "W.csv"), "--json")
    assert json.loads(from_npy)["value"] == pytest.approx(json.loads(from_csv)["value"], rel=1e-12)
    code, out, _ = run(capsys, *words, "--weights", str(weights / "W.npy"))
    assert code == 0
    assert "±" in out
    assert "per feature" in out or "feature" in out


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["tanh", "-n", "2", "--group", "O"], 1, "REFUTED"),
        (["tanh", "-n", "2", "--group", "B"], 0, "PROVED"),
        (["isotropic:tanh", "-n", "3", "--group", "O"], 0, "PROVED"),
        (["relu", "-n", "3"], 0, "positively scaled permutations"),
        (["gelu", "-n", "2", "--group", "B"], 1, "REFUTED"),
        (["z*(2 + sin(2*pi*log(abs(z) + 1)))", "-n", "2", "--group", "S"], 0, "PROVED"),
    ],
)
def test_symmetry(capsys: pytest.CaptureFixture[str], words: list[str], code: int, text: str) -> None:
    found, out, err = run(capsys, "symmetry", *words)
    assert (found, err) == (code, "")
    assert text in out


def test_the_tanh_counterexample_is_rational(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "symmetry", "tanh", "-n", "2", "--group", "O", "--json")
    data = json.loads(out)
    assert data["status"] == "refuted"
    assert data["is_exact"] is True
    assert data["counterexample"]


def test_train_sets_seeds_beside_the_bounds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out_file = tmp_path / "runs" / "model.nc"
    words = ["train", "-a", "power:2", "-n", "4", "-m", "2", "-p", "0.05", "--seeds", "3", "--steps", "200"]
    code, out, _ = run(capsys, *words, "--out", str(out_file), "--json")
    assert code == 0
    data = json.loads(out)
    assert len(data["losses"]) == 3
    assert data["lower_bound"] <= data["best_known"] <= data["best_trained"] * (1 + 1e-9)
    assert out_file.is_file()
    assert [path.name for path in out_file.parent.iterdir()] == ["model.nc"]


def test_train_under_a_named_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "-a", "relu", "-n", "3", "-m", "2", "-p", "0.1", "--seeds", "2", "--steps", "20"]
    for name, make in NAMED.items():
        code, out, _ = run(capsys, *words, "--protocol", name, "--json")
        assert code == 0
        assert json.loads(out)["protocol"] == json.loads(replace(make(), steps=20).to_json())


def test_train_a_coupled_activation(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "-a", "isotropic:tanh", "-n", "3", "-m", "2", "-p", "0.1", "--seeds", "2", "--steps", "20"]
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert "best known loss" in out


def test_bounds_of_many_features(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "bounds", "-a", "relu", "-n", "100000", "-m", "2", "-p", "0.1", "--of", "loss")
    assert code == 0
    assert "first-order" in out


def test_certificates_are_written_verified_and_rejected(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = str(tmp_path / "pentagon.json")
    assert run(capsys, "bounds", "-a", "relu", "-n", "5", "-m", "2", "--certificate", file)[0] == 0
    code, out, _ = run(capsys, "bounds", "--verify", file)
    assert code == 0
    assert out.startswith("PROVED: 5 features in R^2 have capacity at most 4.198")
    data = json.loads(Path(file).read_text())
    Path(file).write_text(json.dumps({**data, "capacity": "4"}))
    code, out, _ = run(capsys, "bounds", "--verify", file, "--json")
    assert code == 1
    assert "proves only" in json.loads(out)["reason"]
    Path(file).write_text("{")
    assert run(capsys, "bounds", "--verify", file)[0] == 2


BAD = [
    (["bounds", "--verify", "missing.json"], "no such file"),
    (["bounds", "-a", "relu", "-n", "5", "-m", "2", "-p", "1.5"], "density=3/2 is outside"),
    (["bounds", "-a", "relu", "-n", "5", "-m", "0"], "-m 0 must be an integer"),
    (["bounds", "-a", "relu", "-n", "5.5", "-m", "2"], "-n 5.5 must be an integer"),
    (["bounds", "-a", "nosuch", "-n", "5", "-m", "2"], "'nosuch' is unknown"),
    (["bounds", "-a", "__import__('os').mkdir('pwned')", "-n", "5", "-m", "2"], "is not a plain function call"),
    (
        ["bounds", "-a", "relu", "-n", "5", "-m", "2", "--claim", "__import__('os')", "--side", "lower"],
        "unknown function",
    ),
    (["bounds", "-a", "relu", "-n", "5", "-m", "2", "--claim", "n/3"], "--side"),
    (["bounds", "-a", "relu", "-n", "5", "-m", "2", "-p", "nan"], "'nan' is unknown"),
    (["bounds", "-a", "relu", "-n", "5", "-m", "2", "--law", "cauchy"], "law='cauchy' is unknown"),
    (["bounds", "-a", "relu", "-n", "5", "-m", "2", "--importance", "1,2"], "2 values for n_features=5"),
    (["bounds", "-a", "gelu", "-n", "5", "-m", "2"], "gelu"),
    (["bounds"], "--activation"),
    (["nosuch"], "invalid choice"),
    ([], "required"),
    (["symmetry", "tanh", "--group", "Q"], "'Q'"),
    (["symmetry", "tanh", "-n", "0"], "-n 0"),
    (["symmetry", "rleu"], "did you mean 'relu'"),
    (["loss", "-a", "relu", "-p", "0.1", "--weights", "missing.npy"], "no such file"),
    (["loss", "-a", "relu", "--weights", "W.npy"], "--density"),
    (["train", "-a", "relu", "-n", "3", "-m", "2", "-p", "0.1", "--seeds", "0"], "--seeds 0"),
]


@pytest.mark.parametrize(("words", "text"), BAD, ids=[" ".join(words) or "nothing" for words, _ in BAD])
def test_misuse_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    assert code == 2
    assert out == ""
    assert text in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\x93NUMPY garbage", "not a readable array"),
        (b"", "not a readable array"),
        (b"cos\nsystem\n(S'true'\ntR.", "not a readable array"),
    ],
)
def test_a_damaged_weights_file_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, text: str
) -> None:
    file = tmp_path / "W.npy"
    file.write_bytes(content)
    code, _, err = run(capsys, "loss", "-a", "relu", "-p", "0.1", "--weights", str(file))
    assert code == 2
    assert text in err


def test_weights_with_nan_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    np.save(tmp_path / "W.npy", np.array([[1.0, np.nan]]))
    code, _, err = run(capsys, "loss", "-a", "relu", "-p", "0.1", "--weights", str(tmp_path / "W.npy"))
    assert code == 2
    assert "W[0, 1]=nan" in err


def test_pickles_are_never_loaded(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    np.save(tmp_path / "W.npy", np.array([[{"a": 1}]], dtype=object), allow_pickle=True)
    code, _, err = run(capsys, "loss", "-a", "relu", "-p", "0.1", "--weights", str(tmp_path / "W.npy"))
    assert code == 2
    assert "not a readable array" in err


def test_out_writes_the_whole_file_or_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "sub" / "bounds.json"
    code, out, _ = run(capsys, "bounds", "-a", "power:2", "-n", "4", "-m", "2", "--json", "--out", str(target))
    assert (code, out) == (0, "")
    assert "sparse" in json.loads(target.read_text())
    assert [path.name for path in target.parent.iterdir()] == ["bounds.json"]


@pytest.mark.parametrize("command", [[], ["bounds"], ["loss"], ["symmetry"], ["train"], ["report"]])
def test_help_shows_examples(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    code, out, _ = run(capsys, *command, "--help")
    assert code == 0
    assert "examples:" in out or not command


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "verify", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("superposition ")


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m verify bounds -a power:2 -n 6 -m 2 -p 0.1 | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr == ""
