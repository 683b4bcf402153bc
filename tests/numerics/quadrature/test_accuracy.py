"""The error that quadrature states covers the true one, and not by far too much, over random models."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from theory import InputError

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "accuracy.py"


@pytest.fixture(scope="module")
def campaign():
    """The benchmark script as a module."""
    spec = importlib.util.spec_from_file_location("accuracy", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["accuracy"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["accuracy"]


def test_stated_errors_cover_true_ones(campaign) -> None:
    trials, refused = [], []
    for seed in range(200):
        try:
            trials.append(campaign.trial(seed, largest=8, tightest=1e-8))
        except InputError as refusal:
            refused.append(str(refusal))
    # Losses that are infinite, and no others.
    assert len(refused) <= 10
    assert all("grows too fast" in message for message in refused)
    missed = [one for one in trials if not one.is_covered]
    # At a rate of half a per cent, more than three of 200 have a chance of two per cent.
    assert len(missed) <= 3, missed
    assert all(one.true <= 3 * max(one.stated, one.floor) for one in trials)
    assert np.mean([one.excess <= 1e4 for one in trials]) >= 0.95


def test_the_vertex_formula_of_the_campaign_is_an_independent_truth(campaign) -> None:
    from numerics import expected_loss
    from numerics.setting import setting
    from theory import ToyModel

    at = setting(ToyModel(2, 1, "relu", 0.3), [[1, -1]])
    assert campaign.digits_loss(at, 1.0) == pytest.approx(0.03, rel=1e-15)
    sampled = expected_loss(ToyModel(3, 2, "relu", 0.4), np.eye(3)[:2] - 0.4, method="monte_carlo", samples=20_000)
    truth = campaign.digits_loss(setting(ToyModel(3, 2, "relu", 0.4), np.eye(3)[:2] - 0.4), 1.0)
    assert abs(sampled.value - truth) <= 2 * sampled.error


def test_tensor_rules_of_the_campaign_are_an_independent_truth(campaign) -> None:
    from numerics.exact import polynomial_loss
    from numerics.setting import setting
    from theory import ToyModel

    W = np.random.default_rng(4).normal(size=(2, 3))
    for law in ("uniform", "two-sided:uniform", "beta:2,3"):
        at = setting(ToyModel(3, 2, "power:3", [0.1, 0.5, 1.0], law=law, bias=True), W, [0.1, -0.2, 0.3])
        value, error = campaign.tensor_loss(at)
        assert value == pytest.approx(polynomial_loss(at)[0], rel=1e-12)
        assert np.all(error < 1e-12 * value)


def test_every_registered_elementwise_activation_takes_part(campaign) -> None:
    import theory

    names = {name for name in theory.activation_names() if theory.activation(name).is_elementwise}
    assert names <= set(campaign.OTHERS)
    assert {campaign.family(name) for name in campaign.OTHERS} == {
        *("smooth", "piecewise polynomial", "polynomial", "other kinks", "non-integer powers", "with jumps")
    }
    trials = [campaign.Trial(name, 1.0, true, 0.1, "smooth") for name, true in (("a", 0.5), ("b", 2.0))]
    lines = campaign.table(trials, "family")
    assert "| smooth | 2 | 50.00% | 100.0% |" in lines[2]
