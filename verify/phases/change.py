"""The order of the phase change of two features in one dimension: does the slope of the least loss jump, or bend?

The least loss along a line of constant importance may jump in slope where the pair ends, or before: from a strong pair
to a weak one, which shrinks to nothing later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from numerics import expected_loss, minimise_loss, phase_grid
from theory import PHASES, InputError, ToyModel

__all__ = ["PhaseChange", "SlopeJump", "boundary_curve", "boundary_density", "phase_change", "slope_jump"]

_PAIR, _AXIS = PHASES.index("antipodal"), PHASES.index("not represented")
_POINTS, _ROUNDS, _EQUAL = 25, 3, 1e-7
# Relative distances from the boundary; a jump is as large at both, a bend four times smaller at the second.
_FAR, _NEAR = 8e-3, 2e-3
_STEP = 1e-3


# The part of a line that is searched for a jump, relative to p*, and how often the search zooms in by a factor of 8.
_FROM, _TO, _ZOOMS = 0.3, 1.05, 4
_LASTING = 0.7


@dataclass(frozen=True)
class SlopeJump:
    """A jump in the slope of the least loss along a line: two families of weights exchange the lead.

    Attributes:
        density: where.
        below, above: dL*/dp on either side.
        persistence: what is left of the jump after the distance over which it is taken has shrunk by a factor of 64: 1
            for a jump, about 1/64 for a bend.
    """

    density: float
    below: float
    above: float
    persistence: float

    @property
    def is_real(self) -> bool:
        """Whether it is a jump, not a bend."""
        return self.persistence > _LASTING


@dataclass(frozen=True)
class PhaseChange:
    """The end of antipodal superposition along a line of constant importance.

    Attributes:
        activation, importance: of the line.
        density: p*, the largest density with a pair better than a dropped feature.
        below, above: dL*/dp by the minimised loss at p*(1 - .002) and p*(1 + .002).
        theory_below, theory_above: the same by differences of the losses of `numerics.phase_grid`.
        ratio: w_2/w_1 just below p*; just above, feature 2 is dropped.
        persistence: the jump of the slope at .2 % from p* over that at .8 %: 1 for a jump, about 1/4 for a bend.
        jump: the largest jump of the slope on the line, at p* or below.
    """

    activation: str
    importance: float
    density: float
    below: float
    above: float
    theory_below: float
    theory_above: float
    ratio: float
    persistence: float
    jump: SlopeJump

    @property
    def ends_in_jump(self) -> bool:
        """Whether the slope jumps at p*: two losses cross there. Otherwise the pair shrinks to nothing."""
        return self.persistence > _LASTING


def boundary_density(activation: Any, importance: float) -> float:
    """The largest density at which a pair beats a dropped feature 2, to 1e-4, with a bias.

    Raises:
        InputError: the pair wins nowhere, or up to p = 1, or the importance is not in (0, 1).
    """
    if not 0 < importance < 1:
        raise InputError(f"importance={importance} must be in (0, 1); exchange the features for larger ones")
    low, high = 0.0, 1.0
    for _ in range(_ROUNDS):
        points = np.linspace(low, high, _POINTS)[1 if low == 0 else 0 :]
        losses = phase_grid(activation, points, [importance], bias=True).losses[:, 0]
        wins = np.flatnonzero(losses[_PAIR] < (1 - _EQUAL) * losses[_AXIS])
        if not len(wins) or wins[-1] == len(points) - 1:
            raise InputError(f"importance={importance}: the pair of {activation} ends at no density in (0, 1)")
        low, high = float(points[wins[-1]]), float(points[wins[-1] + 1])
    return (low + high) / 2


def slope_jump(activation: Any, importance: float, end: float) -> SlopeJump:
    """The largest drop of dL*/dp along a line of constant importance, by the losses of `numerics.phase_grid`.

    A minimum over families of weights is bent downwards where the best family changes, so that the slope drops.

    Args:
        activation: a power with an integer exponent.
        importance: of feature 2, in (0, 1).
        end: p*, where the pair ends; searched from .3 p* to 1.05 p*, or 1.
    """
    low, high, drops = _FROM * end, min(1.0, _TO * end), []
    for _ in range(_ZOOMS):
        p = np.linspace(low, high, _POINTS)
        slopes = np.diff(phase_grid(activation, p, [importance], bias=True).loss[0]) / np.diff(p)
        # The jump is inside interval k + 1 or at one of its ends.
        k = int(np.argmin(slopes[2:] - slopes[:-2]))
        drops.append(float(slopes[k] - slopes[k + 2]))
        found = float(p[k + 1] + p[k + 2]) / 2, float(slopes[k]), float(slopes[k + 2])
        low, high = p[k], p[k + 3]
    return SlopeJump(*found, persistence=drops[-1] / drops[1])


def boundary_curve(activation: Any, count: int = 12, least: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """The boundary of superposition as (densities, importances), from importance `least` to its inverse.

    Args:
        activation: a power with an integer exponent.
        count: points below importance 1; those above are their images under exchange of the features.
        least: the smallest importance, below .95.
    """
    lower = np.geomspace(least, 0.95, count)
    p = np.array([boundary_density(activation, float(importance)) for importance in lower])
    # Dropping a feature is never optimal at equal importance and p < 1.
    return np.concatenate([p, [1.0], p[::-1]]), np.concatenate([lower, [1.0], 1 / lower[::-1]])


def phase_change(activation: Any, importance: float, seed: int = 0) -> PhaseChange:
    """How the least loss passes the boundary, by the minimiser and by theory.

    The weights at the optimum are stationary, so dL*/dp is the derivative of the loss by p at fixed weights, and as
    the loss of a pair is a quadratic in p, a central difference of it is exact.

    Args:
        activation: a power with an integer exponent.
        importance: of feature 2, in (0, 1).
        seed: of the minimiser.
    """
    p = boundary_density(activation, importance)
    at = {shift: _slope(activation, importance, p * (1 + shift), seed) for shift in (-_FAR, -_NEAR, _NEAR, _FAR)}
    near, far = (at[-shift][0] - at[shift][0] for shift in (_NEAR, _FAR))
    grid = p * (1 + np.array([-_NEAR, -_NEAR, _NEAR, _NEAR]) + _NEAR / 2 * np.array([-1, 1, -1, 1]))
    losses = phase_grid(activation, grid, [importance], bias=True).loss[0]
    width = p * _NEAR
    return PhaseChange(
        str(activation), importance, p, at[-_NEAR][0], at[_NEAR][0], float(losses[1] - losses[0]) / width,
        float(losses[3] - losses[2]) / width, at[-_NEAR][1], near / far, slope_jump(activation, importance, p),
    )  # fmt: skip


def _slope(activation: Any, importance: float, density: float, seed: int) -> tuple[float, float]:
    """dL*/dp and w_2/w_1 at the minimised loss."""

    def model(p: float) -> ToyModel:
        return ToyModel(2, 1, activation, p, importance=(1, importance), bias=True)

    found = minimise_loss(model(density), restarts=4, seed=seed)
    step = _STEP * density
    above, below = (expected_loss(model(density + s), found.W, found.b).value for s in (step, -step))
    return (above - below) / (2 * step), float(found.W[0, 1] / found.W[0, 0])
