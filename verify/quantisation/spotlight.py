"""Spotlight resonance: how many activations a cone sees as it turns through the planes of privileged directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.arguments import InputError
from verify.quantisation.clouds import Cloud, as_cloud, as_frame
from verify.quantisation.nulls import spotlight_band, spotlight_null
from verify.quantisation.planes import Plane, planes_of

__all__ = ["SpotlightResonance", "spotlight_resonance"]

_TURN = 2 * np.pi
_CHUNK = 200_000


@dataclass(frozen=True)
class SpotlightResonance:
    """S(theta) of every plane.

    Attributes:
        angles: theta in [0, 2 pi), shape (A,).
        values: S per plane, shape (planes, A).
        pairs: the two directions of each plane, shape (planes, 2).
        between: the angle of the second direction in each plane, shape (planes,); the first is at 0.
        skipped: pairs left out because they are parallel.
        rows, zero_rows: rows counted, and rows left out because they are zero.
        dimension, epsilon, signed: the setting.
    """

    angles: np.ndarray
    values: np.ndarray
    pairs: np.ndarray
    between: np.ndarray
    skipped: int
    rows: int
    zero_rows: int
    dimension: int
    epsilon: float
    signed: bool

    @property
    def mean(self) -> np.ndarray:
        """S averaged over the planes, shape (A,)."""
        return self.values.mean(axis=0)

    @property
    def null(self) -> float:
        """S of an isotropic cloud, the same at every angle: 0 where signed."""
        return 0.0 if self.signed else spotlight_null(self.dimension, self.epsilon)

    def band(self, level: float = 0.95) -> tuple[float, float]:
        """Where S of one plane at one angle lies with this probability if the cloud is isotropic.

        Exact binomial quantiles where unsigned, normal ones where signed. The mean over planes varies less (its
        variance is at most that of one plane), so the band holds for it too, with room to spare.
        """
        return spotlight_band(self.dimension, self.epsilon, self.rows, level, self.signed)


def spotlight_resonance(
    X: Any,
    frame: Any = None,
    epsilon: float = 0.9,
    angles: Any = 360,
    signed: bool = False,
    form: str = "combination",
    pairs: Any = None,
) -> SpotlightResonance:
    """The share of rows whose direction lies in a cone that turns through each plane of privileged directions.

        S(theta) = share of rows with <a_hat, v(theta)> >= epsilon,    v(theta) = cos(theta) e1 + sin(theta) e2;

    signed subtracts the share with <a_hat, v(theta)> <= -epsilon. A row counts exactly where
    |theta - phi| <= arccos(epsilon/r), r and phi its polar coordinates in the plane; so every plane costs one pass over
    the rows, and the values are exact at every angle, to rounding.

    Args:
        X: activations of shape (N, d); zero rows are left out and counted.
        frame: privileged directions, one per row, shape (k, d), of any length and angles; None for the standard basis.
        epsilon: cosine of the half-angle of the cone, in (0, 1).
        angles: how many equal steps of [0, 2 pi), or the angles themselves in radians.
        signed: whether the opposite cone counts -1.
        form: "combination" for unordered pairs of directions, "permutation" for ordered ones.
        pairs: only the planes of these (i, j), instead of all.

    Raises:
        InputError: a value out of range, or no pair of directions that spans a plane.

    Source: G. Bird, The Spotlight Resonance Method (arXiv 2505.13471); closed forms in docs/quantisation.md.
    """
    cloud = as_cloud(X)
    directions = as_frame(frame, cloud.dimension)
    if not 0 < epsilon < 1:
        raise InputError(f"epsilon={epsilon} must lie strictly between 0 and 1; it is the cosine of the cone")
    found, skipped = planes_of(directions, form, pairs)
    theta = _angles(angles)
    order = np.argsort(theta, kind="stable")
    values = np.empty((len(found), len(theta)))
    values[:, order] = _counts(cloud, directions, found, theta[order], float(epsilon), signed) / cloud.size
    return SpotlightResonance(
        angles=theta,
        values=values,
        pairs=np.array([(plane.first, plane.second) for plane in found]),
        between=np.array([np.arctan2(plane.sine, plane.cosine) for plane in found]),
        skipped=skipped,
        rows=cloud.size,
        zero_rows=cloud.zero_rows,
        dimension=cloud.dimension,
        epsilon=float(epsilon),
        signed=signed,
    )


def _angles(angles: Any) -> np.ndarray:
    if np.ndim(angles) == 0:
        count = int(angles)
        if count < 1 or count != angles:
            raise InputError(f"angles={angles} must be an integer >= 1, or the angles themselves")
        return np.arange(count) * (_TURN / count)
    theta = np.asarray(angles, dtype=np.float64)
    if theta.ndim != 1 or not len(theta) or not np.isfinite(theta).all():
        raise InputError("angles must be a number of steps, or a list of finite angles in radians")
    theta = np.mod(theta, _TURN)
    return np.where(theta == _TURN, 0.0, theta)


def _counts(
    cloud: Cloud, frame: np.ndarray, planes: list[Plane], theta: np.ndarray, epsilon: float, signed: bool
) -> np.ndarray:
    """Rows seen minus, where signed, rows seen by the opposite cone: shape (planes, angles), for sorted angles."""
    steps = np.zeros((len(planes), len(theta) + 1))
    for start in range(0, cloud.size, _CHUNK):
        # Column-major: every plane then reads two contiguous columns.
        C = np.asfortranarray(cloud.unit[start : start + _CHUNK] @ frame.T)
        for p, plane in enumerate(planes):
            x, y = plane.coordinates(C)
            squared = x * x + y * y
            seen = np.flatnonzero(squared >= epsilon * epsilon)
            if not len(seen):
                continue
            x, y = x[seen], y[seen]
            half = np.arccos(np.minimum(epsilon / np.sqrt(squared[seen]), 1.0))
            phi = np.arctan2(y, x)
            steps[p] += _changes(phi, half, theta)
            if signed:
                steps[p] -= _changes(phi + np.pi, half, theta)
    return np.cumsum(steps[:, :-1], axis=1)


def _changes(phi: np.ndarray, half: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """By how much the number of arcs [phi - half, phi + half] that cover theta changes at each of the sorted angles."""
    start = np.mod(phi - half, _TURN)
    end = start + 2 * half
    size = len(theta) + 1
    change = np.bincount(np.searchsorted(theta, start, "left"), minlength=size).astype(float)
    change -= np.bincount(np.searchsorted(theta, end, "right"), minlength=size)
    over = end[end >= _TURN] - _TURN
    # Arcs that pass 2 pi begin again at 0.
    change[0] += len(over)
    return change - np.bincount(np.searchsorted(theta, over, "right"), minlength=size)
