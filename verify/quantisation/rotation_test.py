"""Is this frame special for this cloud? Its statistics against those of random rotations of the same frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.arguments import InputError
from verify.quantisation.clouds import Cloud, as_cloud, as_frame, haar_rotations
from verify.quantisation.moments import Moments
from verify.quantisation.statistics import checked, row_values

__all__ = ["RotationTest", "TestedStatistic", "joint_p_value", "rank_p_values", "rotation_test"]

_ROTATIONS_AT_ONCE = 512
_CHUNK = 4_000_000


@dataclass(frozen=True)
class TestedStatistic:
    """One statistic of the frame beside its distribution over rotations.

    Attributes:
        value: at the frame itself.
        null_mean, null_sd: over the rotations.
        p: two-sided exact rank p-value of this statistic alone.
    """

    value: float
    null_mean: float
    null_sd: float
    p: float

    @property
    def z(self) -> float:
        """How many standard deviations of the rotations the frame lies from their mean (an effect size, no test)."""
        return (self.value - self.null_mean) / self.null_sd if self.null_sd > 0 else 0.0


@dataclass(frozen=True)
class RotationTest:
    """The outcome: every statistic, and one p-value for all of them together.

    Attributes:
        statistics: per name.
        p: exact p-value of "no statistic singles the frame out", corrected for how many were tried.
        rotations: K.
        draws: the statistics of the frame (first) and of every rotation, shape (K + 1, statistics).
        rows, zero_rows, dimension, seed: the setting.
    """

    statistics: Mapping[str, TestedStatistic]
    p: float
    rotations: int
    draws: np.ndarray
    rows: int
    zero_rows: int
    dimension: int
    seed: int


def rotation_test(
    X: Any,
    frame: Any = None,
    statistics: Sequence[str] = ("T4", "T2"),
    rotations: int = 9999,
    seed: int = 0,
) -> RotationTest:
    """Whether the frame is special given the data: exact two-sided rank tests over Haar rotations of the frame.

    If the law of the cloud does not change under rotations (nothing singles the frame out), the frame and K independent
    Haar rotations of it are exchangeable given the data, whatever the covariance, so the rank of the frame's value
    among the K + 1 is uniform:

        p = min(1, 2 min(1 + #{>=}, 1 + #{<=})/(K + 1)).

    The p-value for all statistics together ranks the smallest of each draw's own p-values in the same way: exact,
    whatever their dependence, and sharper than multiplying by their number.

    Args:
        X: activations of shape (N, d); zero rows are left out. Rows may depend on each other.
        frame: privileged directions, one per row, shape (k, d); None for the standard basis.
        statistics: names from `STATISTICS`; T4 tests axes and corners alike, every orbit of B_n at once.
        rotations: K >= 1; the smallest p-value is 2/(K + 1).
        seed: of the rotations.

    Raises:
        InputError: a value out of range, or unknown names.

    Source: docs/quantisation.md, Q4.
    """
    cloud = as_cloud(X)
    directions = as_frame(frame, cloud.dimension)
    names = checked(statistics, directions)
    if int(rotations) != rotations or rotations < 1:
        raise InputError(f"rotations={rotations} must be an integer >= 1")
    draws = _draws(cloud, directions, names, int(rotations), np.random.default_rng(seed))
    own = rank_p_values(draws)
    found = {
        name: TestedStatistic(float(draws[0, i]), float(column.mean()), float(column.std()), float(own[0, i]))
        for i, name in enumerate(names)
        for column in [draws[1:, i]]
    }
    return RotationTest(
        found,
        joint_p_value(own),
        int(rotations),
        draws,
        cloud.size,
        cloud.zero_rows,
        cloud.dimension,
        seed,
    )


def rank_p_values(draws: np.ndarray) -> np.ndarray:
    """The two-sided rank p-value of every entry within its column, shape (K + 1, statistics); ties count against it.

    Values that agree to rounding are ties: an isotropic statistic would else be ranked by its rounding errors.
    """
    size = len(draws)
    found = np.empty_like(draws)
    for j, column in enumerate(draws.T):
        slack = 1e-12 * (np.abs(column).max() + 1e-300)
        ordered = np.sort(column)
        at_least = size - np.searchsorted(ordered, column - slack, "left")
        at_most = np.searchsorted(ordered, column + slack, "right")
        found[:, j] = np.minimum(1.0, 2 * np.minimum(at_least, at_most) / size)
    return found


def joint_p_value(own: np.ndarray) -> float:
    """One p-value for all statistics of the first draw, from every draw's own p-values, shape (K + 1, statistics)."""
    if own.shape[1] == 1:
        return float(own[0, 0])
    # One-sided: only a small smallest p-value speaks against the null.
    smallest = own.min(axis=1)
    return float(np.count_nonzero(smallest <= smallest[0])) / len(own)


def _draws(
    cloud: Cloud, frame: np.ndarray, names: tuple[str, ...], rotations: int, rng: np.random.Generator
) -> np.ndarray:
    parts = [_values(cloud, frame[None], names, moments := Moments(cloud.unit))]
    for start in range(0, rotations, _ROTATIONS_AT_ONCE):
        Q = haar_rotations(min(_ROTATIONS_AT_ONCE, rotations - start), cloud.dimension, rng)
        # Directions Q b, one per row.
        parts.append(_values(cloud, frame @ Q.mT, names, moments))
    return np.concatenate(parts)


def _values(cloud: Cloud, frames: np.ndarray, names: tuple[str, ...], moments: Moments) -> np.ndarray:
    """The statistics in each frame, shape (frames, statistics); frames of shape (frames, k, d)."""
    d, k = cloud.dimension, frames.shape[1]
    total = frames.sum(axis=1)
    length = float(np.linalg.norm(total[0]))
    found = np.empty((len(frames), len(names)))
    slow = []
    for i, name in enumerate(names):
        if name in ("T1", "T2"):
            power = moments.mean_power(total / length, int(name[1]))
            found[:, i] = power if name == "T1" else (d * power - 1) / (d - 1)
        elif name in ("T3", "T4") and Moments.pay(cloud.size, d, int(name[1])):
            power = moments.mean_power(frames, int(name[1])).sum(axis=1) * (d / k)
            found[:, i] = power if name == "T3" else (power - 3 / (d + 2)) / (1 - 3 / (d + 2))
        else:
            slow.append(i)
    if slow:
        found[:, slow] = _over_rows(cloud, frames, [names[i] for i in slow], length)
    return found


def _over_rows(cloud: Cloud, frames: np.ndarray, names: list[str], length: float) -> np.ndarray:
    k, d = frames.shape[1:]
    total = np.zeros((len(frames), len(names)))
    rows_at_once = max(1, _CHUNK // k)
    frames_at_once = max(1, _CHUNK // (k * min(rows_at_once, cloud.size)))
    for a in range(0, len(frames), frames_at_once):
        block = frames[a : a + frames_at_once]
        for start in range(0, cloud.size, rows_at_once):
            U = cloud.unit[start : start + rows_at_once]
            C = (U @ block.reshape(-1, d).T).reshape(len(U), len(block), k).swapaxes(0, 1)
            for i, name in enumerate(names):
                total[a : a + frames_at_once, i] += row_values(name, C, length, d).sum(axis=-1)
    return total / cloud.size
