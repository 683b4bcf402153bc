"""Sweeps: the labelled result, independence of order and executor, resuming after a kill, damaged files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xarray

import verify
from theory import InputError, ToyModel, activation, feature_law, power
from verify import Protocol
from verify.sweeps import units as units_module
from verify.sweeps.grid import as_grid
from verify.sweeps.store import UnitStore
from verify.sweeps.sweep import finished, sweep

GRID = {
    "activation": ["relu", "gelu"],
    "density": [0.3, 0.1],
    "n_hidden": [1, 2],
    "n_features": 3,
    "bias": True,
    "seeds": 2,
    "restarts": 0,
    "training": {"steps": 20, "rows": 16},
}


def identical(one: xarray.Dataset, other: xarray.Dataset) -> bool:
    return one.identical(other) and all(
        one[name].values.tobytes() == other[name].values.tobytes()
        for name in one.variables
        if one[name].dtype != object
    )


@pytest.fixture(scope="module")
def whole():
    return sweep(GRID)


def test_the_result_is_labelled_by_the_axes(whole):
    assert whole.loss.dims == ("activation", "density", "n_hidden", "seed")
    assert whole.W.dims == ("activation", "density", "n_hidden", "seed", "hidden", "feature")
    chosen = whole.sel(activation="gelu", density=0.1, n_hidden=1)
    alone = verify.train(ToyModel(3, 1, "gelu", density=0.1, bias=True), seeds=2, protocol=Protocol(steps=20, rows=16))
    np.testing.assert_allclose(chosen.loss, alone.loss[0], rtol=1e-4)
    np.testing.assert_allclose(chosen.W.values[:, :1], alone.W.values[0], rtol=1e-4, atol=1e-6)
    assert np.isnan(chosen.W.values[:, 1]).all()
    about = json.loads(whole.attrs["grid"])
    assert about["axes"]["density"] == [0.3, 0.1]
    assert about["fixed"]["steps"] == 20
    assert "torch" in json.loads(whole.attrs["versions"])


def test_every_cell_says_where_it_stands(whole):
    assert (whole.gap >= 0).all()
    assert ((whole.gap <= 0.01) == whole.reached).all()
    np.testing.assert_allclose(whole.best_known, whole.loss.min("seed"))
    np.testing.assert_allclose(whole.success_rate, whole.reached.mean("seed"))
    relu = whole.sel(activation="relu")
    # With a bias and m = 2 no bound is known for three features; where one is, it holds.
    assert not (relu.lower_bound >= relu.best_known).any()
    assert (relu.sel(n_hidden=1).lower_bound > 0).all()
    # No bound is known for GELU.
    assert np.isnan(whole.sel(activation="gelu").lower_bound).all()
    with_minimum = sweep({**GRID, "activation": "relu", "density": 0.1, "n_hidden": 1, "restarts": 4})
    assert float(with_minimum.best_known) <= float(relu.sel(density=0.1, n_hidden=1).best_known) * (1 + 1e-6)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_executors_do_not_change_a_byte(whole, executor, tmp_path, monkeypatch):
    if executor == "threads":
        # One worker: threads of one process share torch's setting of how many threads it uses.
        with ThreadPoolExecutor(1) as pool:
            found = sweep(GRID, executor=pool)
    else:
        found = sweep(GRID, workers=2, store=tmp_path)
        with xarray.open_dataset(tmp_path / "sweep.nc", engine="scipy") as read:
            np.testing.assert_array_equal(read.loss, found.loss)
            assert read.activation.values.tolist() == ["relu", "gelu"]
    assert identical(found, whole)


def test_an_interrupted_sweep_resumes_where_it_stopped(whole, tmp_path, monkeypatch):
    real, calls = units_module.compute, []

    def break_off(unit):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(len(unit))
        return real(unit)

    monkeypatch.setattr("verify.sweeps.sweep.compute", break_off)
    with pytest.raises(KeyboardInterrupt):
        sweep(GRID, store=tmp_path)
    assert finished(as_grid(GRID), tmp_path) == sum(calls) > 0
    assert not (tmp_path / "sweep.nc").exists()
    calls.clear()
    monkeypatch.setattr("verify.sweeps.sweep.compute", lambda unit: calls.append(len(unit)) or real(unit))
    assert identical(sweep(GRID, store=tmp_path), whole)
    assert sum(calls) == len(as_grid(GRID).cells) - 4
    calls.clear()
    assert identical(sweep(GRID, store=tmp_path), whole)
    assert not calls


TINY = {"activation": "relu", "n_features": 4, "n_hidden": 2, "density": 0.1, "seeds": 1, "restarts": 0, "steps": 5}


@pytest.mark.parametrize(
    ("change", "labels"),
    [
        ({"hidden_activation": [None, "relu"]}, ["none", "relu"]),
        ({"density": [0.1, [0.1, 0.2, 0.3, 0.4]]}, ["0.1", "0.1,0.2,0.3,0.4"]),
        ({"tied": [False, True]}, [False, True]),
        ({"activation": [power(2), activation("relu")]}, ["power:2", "relu"]),
        ({"law": ["uniform", feature_law("beta:2,3")]}, ["uniform", "beta:2,3"]),
        ({"steps": [5, 7]}, [5, 7]),
    ],
)
def test_axes_of_any_kind_come_back_from_the_file(change, labels, tmp_path):
    found = sweep({**TINY, **change}, store=tmp_path)
    (axis,) = change
    with xarray.open_dataset(tmp_path / "sweep.nc", engine="scipy") as read:
        assert read[axis].values.tolist() == labels
        np.testing.assert_array_equal(read.loss, found.loss)


@pytest.mark.parametrize("tied", [[False, True], [True, False]])
def test_what_a_cell_cannot_say_is_nan_in_any_order(tied):
    found = sweep({**TINY, "tied": tied})
    assert np.isnan(found.reached.sel(tied=False)).all()
    assert found.reached.sel(tied=True) == 1
    assert np.isnan(found.V.sel(tied=True)).all()


def test_steps_of_cells_that_differ_are_kept():
    found = sweep({**TINY, "steps": [5, 7], "checkpoints": 1})
    assert "step" not in found.coords
    np.testing.assert_array_equal(found.step_of_cell.sel(steps=7), range(8))
    np.testing.assert_array_equal(found.step_of_cell.sel(steps=5), [*range(6), np.nan, np.nan])
    np.testing.assert_array_equal(found.checkpoint_of_cell, [[0, 5], [0, 7]])


def test_nothing_is_computed_of_a_grid_with_an_impossible_cell(tmp_path, monkeypatch):
    monkeypatch.setattr("verify.sweeps.sweep.compute", None)
    with pytest.raises(InputError, match="minibatch"):
        sweep({**TINY, "inputs": ["independent", "correlated"]}, store=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_found_out_first(tmp_path, monkeypatch):
    monkeypatch.setattr("verify.sweeps.sweep.compute", None)
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OSError, match="taken"):
        sweep(TINY, store=tmp_path / "taken")


class _DyingPool(ThreadPoolExecutor):
    def submit(self, *work):
        future = Future()
        future.set_exception(BrokenExecutor("gone"))
        return future


def test_a_worker_that_dies_is_named():
    with _DyingPool(1) as pool, pytest.raises(InputError, match="worker process died"):
        sweep(TINY, executor=pool)


def test_a_grown_grid_keeps_what_it_shares(tmp_path, monkeypatch):
    sweep({**GRID, "density": [0.3]}, store=tmp_path)
    calls = []
    real = units_module.compute
    monkeypatch.setattr("verify.sweeps.sweep.compute", lambda unit: calls.append(len(unit)) or real(unit))
    grown = sweep(GRID, store=tmp_path)
    assert sum(calls) == 4
    assert np.isfinite(grown.loss).all()


def test_damaged_and_foreign_files_are_passed_over(whole, tmp_path):
    sweep(GRID, store=tmp_path)
    files = sorted((tmp_path / "units").glob("*.npz"))
    content = files[0].read_bytes()
    files[0].write_bytes(content[: len(content) // 2])
    damaged = bytearray(files[1].read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    files[1].write_bytes(bytes(damaged))
    files[2].rename(files[2].with_name("another.npz"))
    (tmp_path / "units" / "note.npz").write_text("not an archive")
    assert len(UnitStore(tmp_path).read()) == len(as_grid(GRID).cells) - 6
    assert identical(sweep(GRID, store=tmp_path), whole)


def test_progress_counts_units_to_the_end():
    seen = []
    sweep({**GRID, "activation": "relu"}, progress=lambda done, total, text: seen.append((done, total)))
    assert seen[0][0] == 0
    assert seen[-1] == (2, 2)


def test_diverged_seeds_are_reported():
    runs = sweep(
        {
            **GRID,
            "activation": "power:3",
            "density": 0.5,
            "n_hidden": 1,
            "training": {"steps": 20, "optimiser": "sgd", "learning_rate": 1e4},
        }
    )
    assert runs.diverged.all()
    assert np.isnan(runs.loss).all()
    assert float(runs.success_rate) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers"),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, "one of them"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "cannot be reached"),
        ({"scheduler": "nowhere"}, "port"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        sweep(GRID, **options)


TOML = """
activation = ["relu", "gelu"]
density = [0.3, 0.1]
n_hidden = [1, 2]
n_features = 3
bias = true
seeds = 2
restarts = 0
[training]
steps = 150
"""


@pytest.mark.slow
def test_kill_at_random_moments_then_resume_gives_the_same_dataset(tmp_path):
    grid = tmp_path / "grid.toml"
    grid.write_text(TOML)
    command = [sys.executable, "-m", "verify", "sweep", str(grid), "--resume", "--out"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])}
    rng = np.random.default_rng(0)
    started = time.monotonic()
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True, env=environment)
    length = time.monotonic() - started
    kills = 0
    for _ in range(3):
        process = subprocess.Popen(
            [*command, str(tmp_path / "killed")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        try:
            process.communicate(timeout=float(rng.uniform(0.3, 0.95)) * length)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
    subprocess.run([*command, str(tmp_path / "killed")], check=True, capture_output=True, env=environment)
    assert kills
    with (
        xarray.open_dataset(tmp_path / "whole" / "sweep.nc", engine="scipy") as one,
        xarray.open_dataset(tmp_path / "killed" / "sweep.nc", engine="scipy") as other,
    ):
        assert identical(one.load(), other.load())
    assert not list((tmp_path / "killed").rglob(".*"))


@pytest.mark.slow
def test_a_dask_cluster_that_loses_a_worker(whole, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as cluster:
        victims = []

        def kill_one(done, total, text):
            if done == 1 and not victims:
                pid = next(iter(cluster.workers.values())).pid
                victims.append(pid)
                os.kill(pid, signal.SIGKILL)

        found = sweep(GRID, store=tmp_path, scheduler=cluster.scheduler_address, progress=kill_one)
    assert victims
    assert identical(found, whole)
