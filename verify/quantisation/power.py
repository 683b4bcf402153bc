"""How often each statistic finds a frame that is special: its measured power on synthetic clouds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory import InputError
from verify.quantisation.clouds import haar_rotations
from verify.quantisation.rotation_test import joint_p_value, rank_p_values, rotation_test
from verify.quantisation.statistics import STATISTICS

__all__ = ["CLOUDS", "PowerStudy", "power_study"]

_JOINT = {"T4 or T2": ("T4", "T2"), "T4, T2 or T1": ("T4", "T2", "T1")}
_LEVEL = 0.05


@dataclass(frozen=True)
class PowerStudy:
    """Rejections at the 5 % level.

    Attributes:
        power: per cloud and statistic and joint test, the share of clouds in which it rejects.
        dimension, rows, rotations, clouds: the setting; `clouds` is how many were drawn of each kind.
    """

    power: Mapping[str, Mapping[str, float]]
    dimension: int
    rows: int
    rotations: int
    clouds: int

    def error(self, share: float) -> float:
        """Half the 95 % interval of a share."""
        return 1.96 * float(np.sqrt(max(share * (1 - share), 1 / self.clouds) / self.clouds))


def power_study(
    dimension: int = 12,
    rows: int = 500,
    rotations: int = 399,
    clouds: int = 200,
    seed: int = 0,
    progress: Callable[[float, float, str], None] | None = None,
) -> PowerStudy:
    """Measure the power of every statistic, and of joint tests, on each kind of `CLOUDS`.

    Raises:
        InputError: a number out of range.
    """
    for name, value in (("rows", rows), ("rotations", rotations), ("clouds", clouds)):
        if int(value) != value or value < 1:
            raise InputError(f"{name}={value} must be an integer >= 1")
    found: dict[str, dict[str, float]] = {}
    joint = [[STATISTICS.index(name) for name in names] for names in _JOINT.values()]
    for done, (kind, draw) in enumerate(CLOUDS.items()):
        rejected = np.zeros(len(STATISTICS) + len(joint))
        for trial in range(clouds):
            X = draw(np.random.default_rng([seed, done, trial]), rows, dimension)
            own = rank_p_values(rotation_test(X, None, STATISTICS, rotations, trial).draws)
            p = [*own[0], *(joint_p_value(own[:, columns]) for columns in joint)]
            rejected += np.array(p) <= _LEVEL
            if progress is not None:
                progress(done + trial / clouds, len(CLOUDS), kind)
        found[kind] = dict(zip((*STATISTICS, *_JOINT), (rejected / clouds).tolist(), strict=True))
    return PowerStudy(found, dimension, rows, rotations, clouds)


def _isotropic(rng: np.random.Generator, rows: int, d: int) -> np.ndarray:
    return rng.standard_normal((rows, d))


def _stretched(rng: np.random.Generator, rows: int, d: int) -> np.ndarray:
    """Axes of lengths 1, 1/2, ..., 1/d in random directions: what trained representations look like."""
    return rng.standard_normal((rows, d)) / np.arange(1, d + 1) @ haar_rotations(1, d, rng)[0]


def _mixture(special: Callable[..., np.ndarray], share: float, base: Callable[..., np.ndarray]) -> Any:
    """A share of rows near special directions (10 % noise), the others of the base, all of unit length."""

    def draw(rng: np.random.Generator, rows: int, d: int) -> np.ndarray:
        rest, near = base(rng, rows, d), special(rng, rows, d)
        unit = rest / np.linalg.norm(rest, axis=1, keepdims=True)
        near = near / np.linalg.norm(near, axis=1, keepdims=True) + 0.1 * rng.standard_normal((rows, d)) / np.sqrt(d)
        return np.where((rng.random(rows) < share)[:, None], near, unit)

    return draw


def _axes(rng: np.random.Generator, rows: int, d: int) -> np.ndarray:
    return np.eye(d)[rng.integers(d, size=rows)] * rng.choice([-1, 1], (rows, 1))


def _corners(rng: np.random.Generator, rows: int, d: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0], (rows, d))


def _ones(rng: np.random.Generator, rows: int, d: int) -> np.ndarray:
    return np.ones((rows, d))


def _rays(rng: np.random.Generator, rows: int, d: int) -> np.ndarray:
    return np.eye(d)[rng.integers(d, size=rows)]


CLOUDS: Mapping[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "isotropic (no effect)": _isotropic,
    "stretched (no effect)": _stretched,
    "5 % on axes": _mixture(_axes, 0.05, _isotropic),
    "5 % on axes, stretched": _mixture(_axes, 0.05, _stretched),
    "20 % on axes, stretched": _mixture(_axes, 0.2, _stretched),
    "20 % in corners": _mixture(_corners, 0.2, _isotropic),
    "50 % in corners, stretched": _mixture(_corners, 0.5, _stretched),
    "5 % on the all-ones line": _mixture(_ones, 0.05, _isotropic),
    "20 % on it, stretched": _mixture(_ones, 0.2, _stretched),
    "10 % on rays +e_i": _mixture(_rays, 0.1, _isotropic),
    "tanh of stretched rows": lambda rng, rows, d: np.tanh(6 * _stretched(rng, rows, d)),
    "ReLU of stretched rows": lambda rng, rows, d: np.maximum(_stretched(rng, rows, d), 0),
}
"""Kinds of clouds, from no effect to strong ones."""
