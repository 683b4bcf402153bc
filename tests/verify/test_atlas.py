"""The atlas: resumable, independent of order, re-checkable, and refused where it was tampered with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

import theory
import verify
from theory import InputError
from verify.cli import main
from verify.grid.atlas import requests, to_dataset
from verify.grid.cell import CellRequest, compute_cell
from verify.grid.store import CellStore
from verify.grid.verification import verify_atlas

ROOT = Path(__file__).parents[2]
SMALL: dict[str, Any] = {"activations": ["relu", "power:2"], "n_hidden": [2, 3], "n_features": [3, 5, 6, 7]}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, xarray.Dataset]:
    folder = tmp_path_factory.mktemp("atlas")
    return folder, verify.atlas(**SMALL, out=folder)


def test_what_a_cell_says(small: tuple[Path, xarray.Dataset]) -> None:
    _, dataset = small
    pentagon = dataset.sel(activation="relu", n_hidden=2, n_features=6)
    assert str(pentagon["configuration"].values) == "pentagon, 1 dropped"
    assert int(pentagon["proved"]) == 1
    assert float(pentagon["capacity_known"]) == pytest.approx(4.19821271705, rel=1e-11)
    assert float(pentagon["upper"]) == pytest.approx(6 / 3 - 4.19821271705 / 3, rel=1e-11)
    assert str(pentagon["bound"].values) == "linear-programming"
    assert int(pentagon["kept"]) == 5
    assert sorted(pentagon["dimensionality"].values[:6]) == pytest.approx([0, *[0.4] * 5])
    open_cell = dataset.sel(activation="power:2", n_hidden=3, n_features=5)
    assert int(open_cell["proved"]) == 0
    # Three-point certificates come below the linear program, 4.4946, and stay above the best known configuration.
    assert 1e-3 < float(open_cell["gap"]) < 4.4947 / 4.38567264283 - 1
    lines = dataset.sel(activation="power:2", n_hidden=3, n_features=6)
    assert (str(lines["configuration"].values), str(lines["bound"].values)) == ("icosahedron lines", "sidelnikov")
    assert int(dataset["present"].sel(n_hidden=3, n_features=3).sum()) == 0
    assert np.isnan(dataset["gap"].sel(activation="relu", n_hidden=3, n_features=3))


def test_every_cell_is_consistent(small: tuple[Path, xarray.Dataset]) -> None:
    """c and K tell the same story, W has the stated loss, and theory's own interval is nowhere crossed."""
    _, dataset = small
    for label in SMALL["activations"]:
        kappa = float(theory.law_constant("uniform", label))
        for m in SMALL["n_hidden"]:
            for n in SMALL["n_features"]:
                cell = dataset.sel(activation=label, n_hidden=m, n_features=n)
                if not int(cell["present"]):
                    continue
                lower, upper = float(cell["lower"]), float(cell["upper"])
                assert lower <= upper + 1e-12
                assert upper == pytest.approx(n / 3 - kappa * float(cell["capacity_known"]), abs=1e-12)
                assert lower == pytest.approx(n / 3 - kappa * float(cell["capacity_certified"]), abs=1e-12)
                W = cell["W"].values[:m, :n]
                assert theory.sparse_coefficient(theory.ToyModel(n, m, label), W) == pytest.approx(upper, abs=1e-10)
                assert cell["norms"].values[:n] == pytest.approx(np.linalg.norm(W, axis=0), abs=1e-10)
                assert cell["gram_spectrum"].values[:m] == pytest.approx(
                    np.sort(np.linalg.eigvalsh(W @ W.T))[::-1], abs=1e-10
                )


def test_finished_cells_are_not_computed_again(
    small: tuple[Path, xarray.Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, dataset = small

    def fail(request: CellRequest) -> None:
        raise AssertionError(f"computed {request.label} again")

    monkeypatch.setattr("verify.grid.atlas.compute_cell", fail)
    seen: list[tuple[float, float]] = []
    again = verify.atlas(**SMALL, out=folder, progress=lambda done, total, text: seen.append((done, total)))
    assert again.identical(dataset)
    assert seen == [(0, 0)]
    with pytest.raises(AssertionError, match="again"):
        verify.atlas(**SMALL, out=folder, resume=False)


def test_the_order_does_not_matter(small: tuple[Path, xarray.Dataset], tmp_path: Path) -> None:
    folder, dataset = small
    store = CellStore(tmp_path)
    wanted = requests(SMALL["activations"], SMALL["n_hidden"], SMALL["n_features"], 4, "uniform", None, 0)
    for request in reversed(wanted):
        store.put(compute_cell(request))
    names = lambda where: sorted(str(p.relative_to(where)) for p in where.rglob("*.json"))  # noqa: E731
    assert names(tmp_path) == names(folder)
    for name in names(folder):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    found = [cell for request in wanted if (cell := store.get(request)) is not None]
    assert to_dataset(found).identical(dataset)


def test_the_dataset_on_disk(small: tuple[Path, xarray.Dataset]) -> None:
    folder, dataset = small
    with xarray.open_dataset(folder / "atlas.nc", engine="scipy") as stored:
        for name in ("configuration", "bound", "construction", "capacity_known_exact"):
            assert stored[name].values.tolist() == dataset[name].values.tolist()
        assert np.array_equal(stored["gap"].values, dataset["gap"].values, equal_nan=True)
        assert np.array_equal(stored["W"].values, dataset["W"].values, equal_nan=True)


def test_damaged_files_count_as_absent(tmp_path: Path) -> None:
    request = CellRequest("relu", 2, 5)
    store = CellStore(tmp_path)
    cell = compute_cell(request)
    store.put(cell)
    assert store.get(request) == cell
    (path,) = (tmp_path / "cells").glob("*.json")
    (certificate,) = (tmp_path / "certificates").glob("*.json")
    whole = path.read_text()
    for damaged in (
        whole[:-20],
        whole.replace("pentagon", "heptagon"),
        "",
        "null",
        whole.replace('"lower": 0', '"lower": 1'),
    ):
        assert damaged != whole
        path.write_text(damaged)
        assert store.get(request) is None
    path.write_text(whole)
    assert store.get(request) == cell
    certificate.write_text(certificate.read_text().replace("1", "2", 1))
    assert store.get(request) is None


def test_a_killed_run_is_resumed(tmp_path: Path) -> None:
    """kill -9 in the middle: what is on disk is whole, and the next run finishes the rest."""
    code = "import verify\nverify.atlas(activations=['relu', 'power:2', 'power:3'], n_hidden=[2, 3, 4], out='out')\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment)
    deadline = time.monotonic() + 50
    cells = tmp_path / "out" / "cells"
    while time.monotonic() < deadline and len(list(cells.glob("*.json"))) < 4:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = list(CellStore(tmp_path / "out").finished())
    assert len(done) >= 4
    assert len(done) == len(list(cells.glob("*.json")))
    assert len(done) < 3 * (6 + 9 + 12)
    for cell in done[:3]:
        assert compute_cell(cell.request) == cell


@pytest.mark.slow
def test_two_processes_give_the_same(small: tuple[Path, xarray.Dataset]) -> None:
    assert verify.atlas(**SMALL, workers=2).identical(small[1])


def test_everything_is_proved_again(small: tuple[Path, xarray.Dataset]) -> None:
    checks = verify_atlas(small[0])
    assert len(checks) == int(small[1]["present"].sum())
    assert [check.reason for check in checks] == [None] * len(checks)
    assert all(check.seconds < 1 for check in checks)
    assert {check.kind for check in checks} >= {"linear-programming", "sidelnikov"}


def _doctored(tmp_path: Path, request: CellRequest, **changes: Any) -> str | None:
    """The verdict on a cell whose content was changed and whose digests were made to fit."""
    store = CellStore(tmp_path)
    store.put(replace(compute_cell(request), **changes))
    (check,) = verify_atlas(tmp_path)
    return check.reason


def test_a_doctored_cell_is_refused(tmp_path: Path) -> None:
    request, other = CellRequest("relu", 3, 9), compute_cell(CellRequest("relu", 2, 5))
    honest = compute_cell(request)
    assert honest.certificate is not None
    folders = (tmp_path / str(k) for k in range(20))
    assert _doctored(next(folders), request) is None
    tighter = _doctored(next(folders), request, capacity_certified=honest.capacity_known)
    assert "proved is only" in str(tighter)
    assert "its configuration has" in str(_doctored(next(folders), request, capacity_known=6.5))
    assert "not about this cell" in str(_doctored(next(folders), request, certificate=other.certificate))
    for name, value in (("exponent", "1/2"), ("negative", "1")):
        swapped = {**json.loads(honest.certificate), name: value}
        assert "not about this cell" in str(_doctored(next(folders), request, certificate=json.dumps(swapped)))
    fewer = json.loads(honest.certificate)
    fewer["n"] = 8
    assert "fewer than this cell" in str(_doctored(next(folders), request, certificate=json.dumps(fewer)))
    claimed = json.loads(honest.certificate)
    claimed["capacity"] = "45/7"
    assert "proves only" in str(_doctored(next(folders), request, certificate=json.dumps(claimed)))
    assert "not JSON" in str(_doctored(next(folders), request, certificate="{"))
    no_proof = {"certificate": None, "bound": "cardinality"}
    assert "proved is only" in str(_doctored(next(folders), request, **no_proof))
    more = [*honest.blocks, [[1], [-1]]]
    assert "more features" in str(_doctored(next(folders), request, blocks=more))
    deeper = [[[*column, 0] for column in block] for block in honest.blocks]
    assert "more dimensions" in str(_doctored(next(folders), request, blocks=deeper))


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"activations": ["gelu"]}, "not homogeneous"),
        ({"n_hidden": []}, "empty"),
        ({"n_hidden": [0]}, "n_hidden"),
        ({"n_features": [2], "n_hidden": [3]}, "empty"),
        ({"workers": 0}, "workers"),
        ({"activations": ["power:2"], "law": "two-sided:uniform", "n_hidden": [2], "n_features": [3]}, "W = 0"),
    ],
)
def test_refusals(options: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError, match=part):
        verify.atlas(**options)
    with pytest.raises(InputError, match="no finished cell"):
        verify_atlas("nowhere")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "map")
    grid = ["--activations", "relu,power:2", "-m", "2", "-n", "3-5", "--out", out, "--workers", "1"]
    assert main(["atlas", *grid]) == 0
    text = capsys.readouterr().out
    assert "proved optimal" in text
    assert (tmp_path / "map" / "atlas.png").stat().st_size > 10_000
    assert main(["atlas", *grid, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["total"]["cells"] == 6
    assert data["total"]["proved"] == 6
    assert main(["atlas", "--out", out, "--verify"]) == 0
    assert "6 of 6 cells proved again" in capsys.readouterr().out
    (first, *_) = sorted((tmp_path / "map" / "cells").glob("power*.json"))
    store = CellStore(tmp_path / "map")
    cell = next(cell for cell in store.finished() if cell.request.label in first.name)
    store.put(replace(cell, capacity_certified=cell.capacity_certified / 2))
    assert main(["atlas", "--out", out, "--verify", "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["failed"]) == 1
    for bad in (["-m", "x"], ["-m", "2", "--activations", "gelu"], ["-m", "5", "-n", "2"]):
        assert main(["atlas", *bad, "--out", out]) == 2
    assert main(["atlas", "--out", str(tmp_path / "none"), "--verify"]) == 2


def test_the_heat_map(small: tuple[Path, xarray.Dataset]) -> None:
    figure = verify.plots.atlas(small[1])
    assert figure is not None
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert {axes.get_title(loc="left") for axes in panels} == {
        "$z^{2}$: 4 of 7 proved optimal".replace("4", str(int(small[1]["proved"].sel(activation="power:2").sum()))),
        f"$\\max(0, z)$: {int(small[1]['proved'].sel(activation='relu').sum())} of 7 proved optimal",
    }
    # One dot for every proved cell.
    for axes in panels:
        (dots,) = axes.lines
        assert len(dots.get_xdata()) == int(axes.get_title(loc="left").split(": ")[1].split()[0])
    assert verify.plots.atlas_panel(small[1], "relu") is not None
    with pytest.raises(InputError, match="not in this atlas"):
        verify.plots.atlas_panel(small[1], "power:3")
    with pytest.raises(InputError, match="lacks"):
        verify.plots.atlas(small[1].drop_vars("gap"))
