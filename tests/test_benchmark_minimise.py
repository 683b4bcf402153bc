"""Trained weights of the minimiser's benchmark are kept, so that an interrupted run resumes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The script as a module that keeps its files in a directory of the test."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    spec = importlib.util.spec_from_file_location("benchmark_minimise", SCRIPTS / "minimise.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "benchmark_minimise", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "KEPT", tmp_path / "kept")
    return module


def test_training_is_kept_and_resumed(benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    first = benchmark.trained_once(3, 1, "rectified-power:2", 0.1, 3)
    assert [path.name for path in benchmark.KEPT.iterdir()] == ["3-1-rectified-power2-0.1-3.json"]

    def refuse(*_) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(benchmark, "train", refuse)
    again = benchmark.trained_once(3, 1, "rectified-power:2", 0.1, 3)
    assert np.array_equal(first.W, again.W)
    assert np.array_equal(first.b, again.b)
    assert first.seconds == again.seconds
    for change in ({"p": 0.2}, {"steps": 4}, {"fresh": True}):
        with pytest.raises(AssertionError, match="trained again"):
            benchmark.trained_once(
                **({"n": 3, "m": 1, "activation": "rectified-power:2", "p": 0.1, "steps": 3} | change)
            )


def test_a_higher_loss_is_counted(benchmark) -> None:
    rows = [
        benchmark.Comparison(5, 2, "relu", 0.1, trained, 4.0, 0.5, 2.0, 4, 0.5, 1e-9) for trained in (0.4, 0.5, 0.6)
    ]
    assert [row.is_no_higher for row in rows] == [False, True, True]
    text = benchmark.section(rows, 10_000)
    assert "no higher than the trained one in 2 of 3 settings" in text
    assert "takes as long as 8 searches" in text
