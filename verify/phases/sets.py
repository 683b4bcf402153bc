"""Phases judged by their loss: a point of the plane has a set of optimal phases, and is clear where that set is one.

Names alone mislead where losses coincide: features of equal importance are exchangeable, and close to a boundary a
seed may end on either side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from numerics import phase_grid
from theory import PHASES, InputError

__all__ = ["TOLERANCE", "PhaseSet", "own_losses", "pair_phases", "unit_pair_losses"]

# Phases closer than this share of the loss to the best are all accepted.
TOLERANCE = 1e-3
# A pair whose smaller weight has shrunk to zero has the loss of a dropped feature, to rounding.
_SHRUNKEN = 1e-7
_AXIS, _PAIRS = slice(0, 2), slice(2, 4)


@dataclass(frozen=True)
class PhaseSet:
    """The smallest loss of every phase on a grid.

    Attributes:
        names: of the phases.
        losses: shape (phases, Q, P), for Q importances and P densities; inf where a phase has no optimum of its own.
    """

    names: tuple[str, ...]
    losses: np.ndarray

    @property
    def loss(self) -> np.ndarray:
        """The smallest loss, shape (Q, P)."""
        return np.asarray(self.losses.min(0))

    @property
    def phase(self) -> np.ndarray:
        """Index of the best phase, shape (Q, P)."""
        return np.asarray(self.losses.argmin(0))

    def optimal(self, tolerance: float = TOLERANCE) -> np.ndarray:
        """Which phases come within the tolerance of the smallest loss: flags of the shape of `losses`."""
        return np.asarray(self.losses <= (1 + tolerance) * self.loss)

    def clear(self, tolerance: float = TOLERANCE) -> np.ndarray:
        """Where one phase alone does, shape (Q, P)."""
        return np.asarray(self.optimal(tolerance).sum(0) == 1)

    def accepts(self, found: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
        """Where the phase found is one of the optimal ones.

        Args:
            found: shape (Q, P), index into `names`; one outside it (a shape without a name) is never optimal.
            tolerance: relative.

        Raises:
            InputError: `found` of another shape.
        """
        found = np.asarray(found)
        if found.shape != self.losses.shape[1:]:
            raise InputError(f"found has shape {found.shape}; the grid has {self.losses.shape[1:]}")
        named = (found >= 0) & (found < len(self.names))
        chosen = np.take_along_axis(self.optimal(tolerance), np.where(named, found, 0)[None], axis=0)[0]
        return np.asarray(named & chosen)


def own_losses(losses: np.ndarray) -> np.ndarray:
    """Losses by phase of `theory.PHASES` with inf for a pair that has no optimum of its own.

    The infimum over pairs is never above the loss of a dropped feature, which they approach: where the two are equal
    the pair has shrunk, and only the dropped feature is a phase.

    Args:
        losses: shape (4, ...), as `numerics.PhaseGrid` has them.
    """
    least = losses[_AXIS].min(0)
    result = losses.copy()
    shrunken = np.abs(losses[_PAIRS] / least - 1) <= _SHRUNKEN
    result[_PAIRS] = np.where(shrunken, np.inf, losses[_PAIRS])
    return result


def pair_phases(activation: Any, densities: Sequence[float], importances: Sequence[float]) -> PhaseSet:
    """Two features in one dimension with a bias, by `numerics.phase_grid`.

    Args:
        activation: a power with an integer exponent.
        densities: in (0, 1].
        importances: of feature 2; feature 1 has importance 1.
    """
    return PhaseSet(PHASES, own_losses(phase_grid(activation, densities, importances, bias=True).losses))


def unit_pair_losses(densities: Sequence[float], importances: Sequence[float]) -> np.ndarray:
    """Closed forms for ReLU with weights of norm 1: shape (4, Q, P), inf for "aligned", which has none.

    A dropped feature of importance I costs I(p/3 - p^2/4) with its mean as the bias, the pair (1, -1) costs
    (1 + I) p^2/6 without one.

    Source: Elhage et al. 2022, phase change; docs/theory.md, T12.
    """
    p, importance = np.meshgrid(np.asarray(densities, dtype=float), np.asarray(importances, dtype=float))
    variance = p / 3 - p**2 / 4
    return np.stack([importance * variance, variance, np.full_like(p, np.inf), (1 + importance) * p**2 / 6])
