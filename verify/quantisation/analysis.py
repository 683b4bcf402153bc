"""One cloud of activations, everything this room can say about it: the page for a user's own tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from verify.quantisation.clouds import Cloud, as_cloud, as_frame, frame_sum
from verify.quantisation.nulls import quartic_moments
from verify.quantisation.plane_projection import PlaneProjection, privileged_plane_projection
from verify.quantisation.rotation_test import RotationTest, rotation_test
from verify.quantisation.spotlight import SpotlightResonance, spotlight_resonance
from verify.quantisation.statistics import quantisation_statistics
from verify.verdicts import Verdict

__all__ = ["Analysis", "analyse_activations"]

_LEVEL = 0.05
_MOST_PLANES = 2000
# Multiplications per rotation beyond which the test takes a random part of the rows: it stays exact.
_MOST_WORK = 1.5e7


@dataclass(frozen=True)
class Analysis:
    """What was found.

    Attributes:
        cloud: the rows that were used.
        frame: unit directions, shape (k, d).
        resonance, projection: over the planes of the frame (a random choice of 2000 where there are more).
        test: the rotation test of the frame, on a random part of the rows where all would take minutes.
        intervals: every statistic with its 95 % interval over rows.
        isotropy_p: p-value of "the rows are isotropic" by T4 in an orthonormal frame; NaN for other frames.
        planes_left_out: how many planes were not looked at.
    """

    cloud: Cloud
    frame: np.ndarray
    resonance: SpotlightResonance
    projection: PlaneProjection
    test: RotationTest
    intervals: dict[str, tuple[float, float, float]]
    isotropy_p: float
    planes_left_out: int

    @property
    def verdict(self) -> Verdict:
        """Whether the frame is special given the data, at the 5 % level."""
        p = self.test.p
        effects = ", ".join(f"{name} = {one.value:+.4f} (z {one.z:+.1f}, p {one.p:.2g})" for name, one in
                            self.test.statistics.items())  # fmt: skip
        return Verdict(
            "the frame is special given the data",
            "supported" if p < _LEVEL else "undecided",
            f"joint p = {p:.2g} over {self.test.rotations} random rotations; {effects}",
            evidence=self.to_dict(),
            seed=self.test.seed,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "rows": self.cloud.size,
            "zero_rows": self.cloud.zero_rows,
            "dimension": self.cloud.dimension,
            "directions": len(self.frame),
            "planes": len(self.resonance.pairs),
            "planes_left_out": self.planes_left_out,
            "parallel_pairs": self.resonance.skipped,
            "tested_rows": self.test.rows,
            "joint_p": self.test.p,
            "rotations": self.test.rotations,
            "isotropy_p": None if np.isnan(self.isotropy_p) else self.isotropy_p,
            "statistics": {
                name: {
                    "value": self.intervals[name][0],
                    "interval_over_rows": list(self.intervals[name][1:]),
                    "null_mean": one.null_mean,
                    "null_sd": one.null_sd,
                    "z": one.z,
                    "p": one.p,
                }
                for name, one in self.test.statistics.items()
            },
            "spotlight": {
                "epsilon": self.resonance.epsilon,
                "isotropic": self.resonance.null,
                "angles": self.resonance.angles.tolist(),
                "mean": self.resonance.mean.tolist(),
            },
            "projection": {
                "epsilon": self.projection.epsilon,
                "kept_share": self.projection.kept_share,
                "isotropic_share": self.projection.null_share,
            },
        }


def analyse_activations(
    X: Any,
    frame: Any = None,
    epsilon: float = 0.6,
    rotations: int = 9999,
    seed: int = 0,
) -> Analysis:
    """Spotlight resonance, plane projection, statistics and the rotation test of one cloud of activations.

    Args:
        X: activations of shape (N, d) or (..., d).
        frame: privileged directions, one per row; None for the standard basis.
        epsilon: of the cone and of the projection. In d dimensions an isotropic row has r^2 of about 2/d, so the 0.9
            of the publications sees next to nothing for d above 20.
        rotations: of the test.
        seed: of the rotations, the bootstrap, and the choice of planes.

    Raises:
        InputError: a value out of range.
    """
    cloud = as_cloud(X)
    directions = as_frame(frame, cloud.dimension)
    pairs, left_out = _pairs(len(directions), seed)
    names = ("T4", "T2") if frame_sum(directions) is not None else ("T4",)
    return Analysis(
        cloud=cloud,
        frame=directions,
        resonance=spotlight_resonance(cloud, directions, epsilon, pairs=pairs),
        projection=privileged_plane_projection(cloud, directions, epsilon, pairs=pairs, normalise=True),
        test=rotation_test(_part(cloud, seed), directions, names, rotations, seed),
        intervals=quantisation_statistics(cloud, directions, names, 400, seed),
        isotropy_p=_isotropy(cloud, directions),
        planes_left_out=left_out,
    )


def _part(cloud: Cloud, seed: int) -> Any:
    d, lifted = cloud.dimension, cloud.dimension * (cloud.dimension + 1) / 2
    count = int(_MOST_WORK / d**2)
    if cloud.size <= max(count, 1000) or d * lifted**2 <= _MOST_WORK:
        return cloud
    return cloud.rows[np.random.default_rng(seed).choice(cloud.size, max(count, 1000), replace=False)]


def _pairs(count: int, seed: int) -> tuple[list[tuple[int, int]] | None, int]:
    total = count * (count - 1) // 2
    if total <= _MOST_PLANES:
        return None, 0
    first, second = np.triu_indices(count, 1)
    chosen = np.sort(np.random.default_rng(seed).choice(total, _MOST_PLANES, replace=False))
    return list(zip(first[chosen].tolist(), second[chosen].tolist(), strict=True)), total - _MOST_PLANES


def _isotropy(cloud: Cloud, frame: np.ndarray) -> float:
    """Two-sided normal p-value of the mean of sum u_i^4 under isotropic, independent rows."""
    from scipy.stats import norm

    d = cloud.dimension
    if frame.shape != (d, d) or not np.allclose(frame @ frame.T, np.eye(d), atol=1e-9):
        return float("nan")
    mean, variance = quartic_moments(d)
    fourth = ((cloud.unit @ frame.T) ** 4).sum(axis=1).mean()
    return float(2 * norm.sf(abs(fourth - mean) / np.sqrt(variance / cloud.size)))
