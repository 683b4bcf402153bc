"""Inputs whose features are not independent: sets that act together or exclude each other, and features on a circle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from theory import InputError
from theory.features import feature_law
from verify.training.rows import at_least_active

__all__ = ["CircleFeatures", "FeatureSets", "Inputs", "SparseInputs", "weighted_rows"]


class Inputs(Protocol):
    """A joint law of all features, from which rows can be drawn."""

    @property
    def n_features(self) -> int:
        """How many features a row has."""

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """`count` independent rows, shape (count, n)."""

    def to_json(self) -> str:
        """One line of JSON, equal exactly where the laws are."""


@runtime_checkable
class SparseInputs(Inputs, Protocol):
    """A joint law whose rows are mostly empty, and which can leave the empty ones out."""

    def draw_active(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        """`count` independent rows given that something is active, shape (count, n), and the chance of that."""


def weighted_rows(inputs: Inputs, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows X and weights w with sum_b w_b g(X_b) an unbiased estimate of E g(x), at any density.

    Of a `SparseInputs` the empty row enters once, first, with its exact probability, and the others are drawn given
    that something is active: at a density of 1e-8 plain rows would all be empty.

    Args:
        count: how many rows are drawn; they are the last ones and share one weight.

    Returns:
        X of shape (B, n) and w of shape (B,), w >= 0, sum w = 1; B is `count`, or one more.
    """
    if not isinstance(inputs, SparseInputs):
        return inputs.draw(count, rng), np.full(count, 1 / count)
    X, chance = inputs.draw_active(count, rng)
    weights = np.concatenate([[1 - chance], np.full(count, chance / count)])
    return np.concatenate([np.zeros((1, inputs.n_features)), X]), weights


@dataclass(frozen=True)
class FeatureSets:
    """Sets of features that are active together ("correlated") or at most one at a time ("anticorrelated").

    A set is active with probability `density`; then all its features are, with independent values, or exactly one is,
    each with the same chance.

    Attributes:
        sets, size: how many sets, of how many features each.
        density: probability that a set is active, in [0, 1].
        kind: "correlated" or "anticorrelated".
        law: of the value of an active feature.

    Raises:
        InputError: an unknown kind or law, no features, or a density outside [0, 1].

    Source: Elhage et al. 2022, "Correlated and anticorrelated features".
    """

    sets: int
    size: int
    density: float
    kind: str = "correlated"
    law: Any = "uniform"

    def __post_init__(self) -> None:
        from theory.arguments import one_of

        one_of("kind", self.kind, ("correlated", "anticorrelated"))
        for name in ("sets", "size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name}={value!r} must be an integer >= 1")
        if not isinstance(self.density, int | float) or not 0 <= self.density <= 1:
            raise InputError(f"density={self.density!r} must be a number in [0, 1]")
        object.__setattr__(self, "law", feature_law(self.law))

    @property
    def n_features(self) -> int:
        """sets * size; set k holds the features k size, ..., (k + 1) size - 1."""
        return self.sets * self.size

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """`count` independent rows, shape (count, n)."""
        return self._rows(rng.random((count, self.sets)) < self.density, rng)

    def draw_active(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        """`count` independent rows given that a set is active, shape (count, n), and the chance of that."""
        active, chance = at_least_active(np.full(self.sets, float(self.density)), 1, count, rng)
        return self._rows(active, rng), chance

    def _rows(self, active_sets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Rows in which these sets are active; `active_sets` of shape (count, sets)."""
        shape = (*active_sets.shape, self.size)
        active = np.broadcast_to(active_sets[..., None], shape)
        if self.kind == "anticorrelated":
            active = active & (rng.integers(self.size, size=(*active_sets.shape, 1)) == np.arange(self.size))
        return np.where(active, self.law.sample(rng, shape), 0.0).reshape(-1, self.n_features)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(
            {
                "inputs": "sets",
                "sets": self.sets,
                "size": self.size,
                "density": float(self.density),
                "kind": self.kind,
                "law": self.law.label,
            }
        )


@dataclass(frozen=True)
class CircleFeatures:
    """n features at equal angles on a circle that respond to a point: x_i = r cos(d_i/scale) where d_i <= scale pi/2.

    The point has a uniform angle and a magnitude r uniform on [0, 1]; d_i is its angular distance to feature i. At a
    large scale all features respond together; at a small one only neighbours do.

    Attributes:
        n_features: how many, >= 2.
        scale: width of the response in radians, > 0.

    Raises:
        InputError: fewer than two features, or a scale that is not a positive number.

    Source: Olah and Batson 2023, "Feature Manifold Toy Model"; its replication by Bowcott.
    """

    n_features: int
    scale: float

    def __post_init__(self) -> None:
        if isinstance(self.n_features, bool) or not isinstance(self.n_features, int) or self.n_features < 2:
            raise InputError(f"n_features={self.n_features!r} must be an integer >= 2")
        if not isinstance(self.scale, int | float) or not 0 < self.scale < np.inf:
            raise InputError(f"scale={self.scale!r} must be a number > 0")

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """`count` independent rows, shape (count, n)."""
        angles = 2 * np.pi * rng.random((count, 1))
        apart = np.abs(2 * np.pi * np.arange(self.n_features) / self.n_features - angles)
        distance = np.minimum(apart, 2 * np.pi - apart)
        response = np.where(distance <= self.scale * np.pi / 2, np.cos(distance / self.scale), 0.0)
        return rng.random((count, 1)) * response

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps({"inputs": "circle", "n_features": self.n_features, "scale": float(self.scale)})
