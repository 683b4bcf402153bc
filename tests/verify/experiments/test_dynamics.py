"""Trajectories made by hand: what jumps is called a jump, what drifts is not; and the corners of an octahedron."""

from __future__ import annotations

import numpy as np
import pytest
import xarray

from verify.experiments import dynamics
from verify.experiments.dynamics import Path, are_merged, is_crossed_octahedron
from verify.experiments.trajectories import RELAXATION, fastest_share, level_changes, settled, stages, together

STEPS = np.arange(0, 501, 5)
LEVELS = [0.0, 0.375, 0.4, 0.5]


def jump(before: float, after: float, at: int) -> np.ndarray:
    return before + (after - before) / (1 + np.exp(-(STEPS - at) / 3.0))


def relaxation(before: float, after: float, end: float = 500.0) -> np.ndarray:
    return after + (before - after) * np.exp(-np.log(100) * STEPS / end)


def test_level_changes():
    drift = np.linspace(0, 0.5, len(STEPS))
    values = np.stack([jump(0.5, 0, 200), drift, np.full(len(STEPS), 0.4), relaxation(0.2, 0.5)], axis=1)
    assert level_changes(values, STEPS, LEVELS, 0.01, 50) == [(0, 0.5, 0.0)]
    # There and back, and a touch that is too short.
    twice = jump(0.5, 0, 150) + jump(0, 0.5, 300)
    brief = jump(0.5, 0, 150) + jump(0, 0.5, 185)
    assert level_changes(np.stack([twice, brief], axis=1), STEPS, LEVELS, 0.01, 50) == [(0, 0.5, 0.0), (0, 0.0, 0.5)]


def test_what_relaxes_and_what_jumps():
    assert fastest_share(relaxation(0.2, 0.5)[:, None], STEPS) == pytest.approx(RELAXATION, rel=0.01)
    assert fastest_share(jump(0, 0.5, 250)[:, None], STEPS) > 0.99
    assert fastest_share(STEPS[:, None] / 500.0, STEPS) == pytest.approx(0.1)
    assert fastest_share(np.ones((20, 2)), STEPS[:20]) == 0
    assert settled(np.stack([jump(0, 0.5, 250), jump(0, 0.5, 100)], axis=1), STEPS, 0.02) in (260, 265)
    assert settled(np.ones((5, 2)), STEPS[:5], 0.02) == 0


def test_stages():
    steps = np.unique(np.rint(np.geomspace(1, 5000, 150))).astype(int)
    fall = lambda at: 1 / (1 + (steps / at) ** 4.0)  # noqa: E731
    assert stages(fall(100), steps) == 1
    assert stages(fall(20) + 0.3 * fall(800), steps) == 2
    assert stages(fall(10) + 0.3 * fall(200) + 0.2 * fall(2500), steps) == 3
    # Too close, too small, a power law, and a curve that begins with its descent.
    assert stages(fall(100) + 0.3 * fall(130), steps) == 1
    assert stages(fall(20) + 0.003 * fall(800), steps) == 1
    assert stages(np.exp(-steps / 300), steps) == 1
    assert stages(1 / (1 + steps / 3.0), steps) == 1


def test_together_takes_time_out():
    rng = np.random.default_rng(0)
    time = np.arange(300.0)
    slow, noise, other = 1 / (1 + time), rng.normal(size=300), rng.normal(size=300)
    assert abs(together(slow * np.exp(noise), slow * np.exp(other), time)) < 0.2
    assert together(slow * np.exp(noise), slow * np.exp(noise + 0.1 * other), time) > 0.9
    assert together(slow * np.exp(noise), slow * np.exp(-noise), time) < -0.8
    assert together(np.ones(300), noise, time) == 0


def octahedron() -> np.ndarray:
    return np.concatenate([np.eye(3), -np.eye(3)[:, [1, 2, 0]]], axis=1)


def test_octahedra():
    W = octahedron()
    assert is_crossed_octahedron(W)
    skew = np.eye(3) + 0.3 * np.eye(3)[[1, 2, 0]]
    assert not is_crossed_octahedron(np.concatenate([skew, -skew], axis=1))
    # Antipodes within a set, one partner twice, a feature that is not there, noise.
    assert not is_crossed_octahedron(W[:, [0, 5, 1, 3, 2, 4]])
    assert not is_crossed_octahedron(np.concatenate([np.eye(3), -np.eye(3)[:, [0, 0, 2]]], axis=1))
    assert not is_crossed_octahedron(W * [1, 1, 1, 1, 1, 0.1])
    assert not is_crossed_octahedron(np.random.default_rng(0).normal(size=(3, 6)))
    merged = np.repeat(np.array([[1.0, 0], [0, 1], [0, 0]]), 3, axis=1)
    assert are_merged(merged)
    assert not are_merged(W)
    assert not are_merged(merged * 0.05)
    assert is_crossed_octahedron(np.stack([W, merged])).tolist() == [True, False]


def paths(*features: np.ndarray, loss: np.ndarray | None = None) -> list[Path]:
    D = np.stack(features, axis=1)
    loss = -D.sum(axis=1) if loss is None else loss
    return [Path(STEPS, D, loss, settled(D, STEPS, 0.02))] * 3


def statuses(found: list[Path]) -> list[str]:
    return [verdict.status for verdict in dynamics._plateau_claims({"1/2": found, "2/5": found})]


def test_claims_on_trajectories_made_by_hand():
    jumps = [jump(0, 0.5, at) for at in (100, 200, 300, 400)]
    assert statuses(paths(*jumps)) == ["supported"] * 3
    smooth = [relaxation(start, 0.5) for start in (0.1, 0.2, 0.3, 0.4)]
    assert statuses(paths(*smooth))[:2] == ["refuted"] * 2
    # Rests at no published level are no jumps between them.
    elsewhere = [jump(0.45, 0.5, at) for at in (100, 200, 300, 400)]
    assert statuses(paths(*elsewhere))[:2] == ["refuted"] * 2
    # One jump among many that relax is not "dominated"; a loss that falls while nothing moves refutes the last.
    steady = [0.1 + 0.4 * np.minimum(STEPS / end, 1) for end in (300, 400, 500)]
    assert statuses(paths(*steady, jumps[2]))[:2] == ["supported", "refuted"]
    still = 1 - np.abs(np.diff(np.stack(jumps, axis=1), axis=0)).sum(axis=1)
    assert statuses(paths(*jumps, loss=np.append(0, -np.cumsum(still))))[2] == "refuted"


def test_claims_on_sets_made_by_hand():
    merged = np.repeat(np.array([[1.0, 0], [0, 1], [0, 0]]), 3, axis=1)
    kept = np.array([0, 1, 10, 100, 1000])

    def sets(*states: np.ndarray) -> xarray.Dataset:
        W = np.stack([np.stack([0.01 * np.random.default_rng(0).normal(size=(3, 6)), *states])] * 3)
        return xarray.Dataset(
            {"W_checkpoint": (("seed", "checkpoint", "hidden", "feature"), W),
             "W": (("seed", "hidden", "feature"), W[:, -1])},
            coords={"checkpoint": kept},
        )  # fmt: skip

    fine = np.exp(np.interp(np.log(np.maximum(kept, 1)), np.log([1, 10, 100, 1000]), [0, -2, -2, -4]))
    losses = np.stack([fine] * 3)
    good = sets(merged, merged, merged, octahedron())
    assert [v.status for v in dynamics._set_claims(good, losses)] == ["supported"] * 3
    one = np.stack([1 / (1.0 + kept)] * 3)
    assert [v.status for v in dynamics._set_claims(good, one)] == ["supported", "supported", "refuted"]
    bad = sets(merged, merged, octahedron(), merged)
    assert [v.status for v in dynamics._set_claims(bad, losses)][:2] == ["refuted", "supported"]
    for direct in (sets(*[octahedron()] * 4), sets(octahedron(), merged, merged, octahedron())):
        assert [v.status for v in dynamics._set_claims(direct, losses)][:2] == ["supported", "refuted"]


def test_the_bias_is_refitted():
    x = np.abs(np.random.default_rng(0).normal(size=(400, 2)))
    # Outputs that are 0.2 too large, and silent rows that a positive bias would harm.
    assert dynamics._refitted(x + 0.2, x, 0) < 1e-3
    assert dynamics._refitted(x - 0.2, x, 0) < 1e-3 < dynamics._refitted(x - 0.2, x, 4000)
