"""The rotation tests of every seed of a trained batch, before and after the latent activation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from verify.quantisation.network import Recipe, Trained
from verify.quantisation.rotation_test import rotation_test

__all__ = ["STATISTICS", "tests_of"]

STATISTICS = ("T4", "T2")
"""What every frame is tested by, alone and together."""
_ROTATIONS_BEFORE = 999


def tests_of(
    recipe: Recipe, seeds: Sequence[int], trained: Trained, rotations: int
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Per "stage/frame" and statistic ("any" for the joint test): value, z and p of every seed."""
    tests: dict[str, dict[str, dict[str, list[float]]]] = {}
    for stage, clouds, count in (("post", trained.post, rotations), ("pre", trained.pre, _ROTATIONS_BEFORE)):
        # Directions R^-1 e_i are the rows of R.
        frames: dict[str, Any] = {"own": trained.rotations if recipe.conjugated else [None] * len(seeds)}
        if recipe.conjugated:
            frames["standard"] = [None] * len(seeds)
        for frame, per_seed in frames.items():
            tests[f"{stage}/{frame}"] = _tests(clouds, per_seed, seeds, min(count, rotations))
    return tests


def _tests(
    clouds: np.ndarray, frames: Sequence[Any], seeds: Sequence[int], rotations: int
) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {name: {"value": [], "z": [], "p": []} for name in STATISTICS}
    joint: list[float] = []
    for cloud, frame, seed in zip(clouds, frames, seeds, strict=True):
        if not cloud.any():
            # A network whose latent layer is zero on every row has no direction at all.
            joint.append(1.0)
            for one in found.values():
                one["value"].append(0.0)
                one["z"].append(0.0)
                one["p"].append(1.0)
            continue
        test = rotation_test(cloud, frame, STATISTICS, rotations, seed)
        joint.append(test.p)
        for name, tested in test.statistics.items():
            found[name]["value"].append(tested.value)
            found[name]["z"].append(tested.z)
            found[name]["p"].append(tested.p)
    return {**found, "any": {"p": joint}}
