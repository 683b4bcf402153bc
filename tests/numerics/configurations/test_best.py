"""The public best_configuration: exact, named, cached, and never worse than what is already known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import sympy

import numerics
import theory
from numerics.configurations.cache import ConfigurationCache, default_folder
from theory import InputError
from theory.loss.geometry.integer_weights import capacity_from_below


def test_names_norms_and_dropped_features() -> None:
    pentagon = numerics.best_configuration(9, 4, "relu")
    assert pentagon.name == "pentagon ⊕ 2 × antipodal pair"
    assert np.ptp(pentagon.norms) > 0.01
    assert numerics.best_configuration(8, 2, "relu").name == "pentagon, 3 dropped"
    assert numerics.best_configuration(12, 3, theory.rectified_power(2)).name == "icosahedron"
    assert numerics.best_configuration(6, 3, theory.power(2)).name == "icosahedron lines"
    assert numerics.best_configuration(16, 5, "relu").name == "Clebsch"
    assert numerics.best_configuration(16, 5, "relu").capacity == sympy.Rational(80, 7)
    found = numerics.best_configuration(9, 3, "relu")
    assert found.name == "irregular 9 in R^3 (2 kinds)"
    assert float(found.capacity) == pytest.approx(45 / 7, rel=1e-12)
    assert sorted({round(float(x), 4) for x in found.norms}) == [0.7559, 0.8864]
    assert found.gram_spectrum == pytest.approx([15 / 7] * 3, abs=1e-6)
    assert sum(count for _, count in found.cosines) == 36


@pytest.mark.parametrize(("n", "m", "spec"), [(9, 3, "relu"), (11, 4, "power:2"), (13, 4, "rectified-power:3")])
def test_the_capacity_is_that_of_the_weights_and_of_the_integers(n: int, m: int, spec: str) -> None:
    found = numerics.best_configuration(n, m, spec)
    assert found.is_proved
    assert theory.capacity(found.W, spec) == pytest.approx(float(found.capacity), rel=1e-12)
    again = sum(capacity_from_below(b.columns, found.kernel.exponent, found.kernel.negative) for b in found.blocks)
    assert 0 <= again - found.capacity < sympy.Rational(1, 10**14)


def test_the_law_enters_through_the_kernel_alone() -> None:
    one = numerics.best_configuration(9, 3, "relu", law="exponential")
    assert one.capacity == numerics.best_configuration(9, 3, "relu").capacity
    two_sided = numerics.best_configuration(6, 3, theory.rectified_power(2), law="two-sided:uniform")
    assert float(two_sided.capacity) == pytest.approx(5, rel=1e-12)


def test_a_search_of_ones_own(tmp_path: Path) -> None:
    """Outside the table: exponent 4, where five lines of the plane hold D = 128/35."""
    found = numerics.best_configuration(6, 2, theory.power(4), restarts=12, cache=tmp_path)
    assert found.name == "5 equispaced lines, 1 dropped"
    assert float(found.capacity) == pytest.approx(128 / 35, rel=1e-12)
    odd = numerics.best_configuration(6, 2, "rectified-power:0.7", restarts=12, cache=tmp_path)
    assert odd.is_proved == (odd.origin == "code")
    leaky = numerics.best_configuration(4, 2, "leaky-relu:0.1", restarts=12, cache=tmp_path)
    assert leaky.is_proved
    assert float(leaky.capacity) <= 4


def test_the_cache_is_used_and_never_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (5, 3, theory.power(4))  # no sum of famous codes is as good as what a search finds here
    first = numerics.best_configuration(*arguments, restarts=8, cache=tmp_path)
    files = sorted((tmp_path / "configurations").glob("*.json"))
    assert files

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("searched again")

    with monkeypatch.context() as patch:
        patch.setattr("numerics.configurations.blocks.maximise_capacity", fail)
        again = numerics.best_configuration(*arguments, restarts=8, cache=tmp_path)
        assert (again.capacity, again.name) == (first.capacity, first.name)
        with pytest.raises(AssertionError, match="searched again"):
            numerics.best_configuration(*arguments, restarts=9, cache=tmp_path)
    # Any damage: the file counts as absent, and the result is the same.
    for damage in ("", "{", "null", '{"key": 1}'):
        files[-1].write_text(damage)
        assert numerics.best_configuration(*arguments, restarts=8, cache=tmp_path).capacity == first.capacity
    for path in files:
        stored = json.loads(path.read_text())
        path.write_text(json.dumps({**stored, "blocks": []}))
    assert numerics.best_configuration(*arguments, restarts=8, cache=tmp_path).capacity == first.capacity


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SUPERPOSITION_CACHE", str(tmp_path / "own"))
    assert default_folder() == tmp_path / "own"
    monkeypatch.delenv("SUPERPOSITION_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "superposition-theory"
    # A folder that cannot be made is no error.
    blocked = tmp_path / "file"
    blocked.write_text("")
    ConfigurationCache(blocked).put({"n": 1}, [((1,),)])
    assert ConfigurationCache(blocked).get({"n": 1}) is None


@pytest.mark.parametrize(
    ("arguments", "options", "part"),
    [
        ((5, 2, "gelu"), {}, "gelu"),
        ((0, 2, "relu"), {}, "n_features"),
        ((5, 2, "relu"), {"restarts": -1}, "restarts=-1"),
        ((5, 2, "relu"), {"restarts": True}, "restarts=True"),
        ((500, 20, "relu"), {}, "at most"),
        ((sympy.Symbol("n", integer=True, positive=True), 2, "relu"), {}, "numbers"),
    ],
)
def test_refusals(arguments: tuple, options: dict, part: str) -> None:
    with pytest.raises(InputError, match=part):
        numerics.best_configuration(*arguments, **options)


@pytest.mark.parametrize(
    ("spec", "law"),
    [
        ("rectified-power:1/2", "uniform"),
        ("rectified-power:3/2", "uniform"),
        ("signed-power:3/2", "uniform"),
        ("power:7", "uniform"),
        ("rectified-power:0.3", "uniform"),
        ("leaky-relu:0.5", "uniform"),
        ("relu", "two-sided:uniform"),
    ],
)
def test_every_power_activation(spec: str, law: str) -> None:
    """No exponent overflows or divides by zero, and the result lies inside what theory certifies."""
    found = numerics.best_configuration(5, 2, spec, law, restarts=8, cache=False)
    model = theory.ToyModel(5, 2, spec, law=law)
    constants = theory.loss.capacity.sparse_constants(model.law, model.activation)
    lower = theory.lower_bound(model, of="sparse").expr
    assert float(found.capacity) <= float((5 * constants.second_moment - lower) / constants.kappa) * (1 + 1e-9)
    assert theory.capacity(found.W, spec, law) == pytest.approx(float(found.capacity), rel=1e-9)
