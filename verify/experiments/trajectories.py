"""What happens along training: changes of level, how sudden movements are, stages of a loss curve."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

__all__ = ["RELAXATION", "fastest_share", "level_changes", "settled", "stages", "together"]

# Share of its whole way that exp(-k t) covers in the first tenth of the time in which it falls to 1/100.
RELAXATION = (1 - 0.01**0.1) / 0.99


def settled(values: np.ndarray, steps: np.ndarray, within: float) -> int:
    """The first step from which on every value stays within a distance of its last one.

    Args:
        values: shape (steps, features).
        steps: shape (steps,).
        within: the distance.
    """
    away = (np.abs(values - values[-1]) > within).any(axis=1)
    return int(steps[0] if not away.any() else steps[min(np.flatnonzero(away)[-1] + 1, len(steps) - 1)])


def level_changes(
    values: np.ndarray, steps: np.ndarray, levels: Sequence[float], near: float, dwell: float
) -> list[tuple[int, float, float]]:
    """Every time that a value stays at a level and later at another: (feature, old level, new level).

    Args:
        values: shape (steps, features).
        steps: shape (steps,).
        levels: where a value can stay.
        near: how close to a level it must be.
        dwell: for how many steps without interruption.
    """
    found = []
    for i, path in enumerate(values.T):
        closest = np.abs(path[:, None] - np.asarray(levels)).argmin(axis=1)
        at = np.where(np.abs(path - np.asarray(levels)[closest]) <= near, closest, -1)
        breaks = np.flatnonzero(np.diff(at)) + 1
        stays = [
            int(at[run[0]])
            for run in np.split(np.arange(len(at)), breaks)
            if at[run[0]] >= 0 and steps[run[-1]] - steps[run[0]] >= dwell
        ]
        found += [(i, float(levels[a]), float(levels[b])) for a, b in pairwise(stays) if a != b]
    return found


def fastest_share(values: np.ndarray, steps: np.ndarray) -> float:
    """The share of all movement that happens in the fastest tenth of each feature's time: .1 for steady movement.

    Exponential relaxation to a hundredth has `RELAXATION`, a jump 1.

    Args:
        values: shape (steps, features).
        steps: shape (steps,), evenly spaced.
    """
    moves = np.abs(np.diff(values, axis=0))
    fastest = max(1, round(len(moves) / 10))
    total = float(moves.sum())
    return float(np.sort(moves, axis=0)[-fastest:].sum()) / total if total > 0 else 0.0


def stages(loss: np.ndarray, steps: np.ndarray, points: int = 120, least: float = 0.01) -> int:
    """How many descents of a loss curve over log(step) are set apart by a slower stretch.

    A descent is a peak of the rate of descent; it counts if the rate falls to half of it on both sides before it
    reaches a higher peak, and if at least a share `least` of the whole fall happens between these two places.

    Args:
        loss: shape (steps,).
        steps: shape (steps,), increasing; step 0 is left out.
    """
    after = steps > 0
    grid = np.linspace(np.log(steps[after][0]), np.log(steps[after][-1]), points)
    curve = np.interp(grid, np.log(steps[after]), loss[after])
    # Three points wide, so that the kinks of interpolation are no peaks.
    rate = np.convolve(-np.diff(curve), np.ones(3) / 3, mode="same")
    fall = max(loss[after][0] - loss.min(), 1e-300)
    count = 0
    for k in np.flatnonzero(rate > 0):
        sides = []
        # Of equal rates, up to rounding, the first is the peak.
        for part, least_higher in ((rate[:k][::-1], 1 - 1e-6), (rate[k + 1 :], 1 + 1e-6)):
            higher = np.flatnonzero(part > rate[k] * least_higher)
            reach = part[: higher[0]] if len(higher) else part
            slow = np.flatnonzero(reach <= rate[k] / 2)
            # The first descent may begin with the curve, and the last end with it.
            sides.append(int(slow[0]) + 1 if len(slow) else None if len(higher) else len(part))
        if sides[0] is not None and sides[1] is not None:
            count += float(rate[max(k - sides[0], 0) : k + sides[1] + 1].sum()) >= least * fall
    return count


def together(first: np.ndarray, second: np.ndarray, time: np.ndarray) -> float:
    """Rank correlation of two rates with what both owe to time taken out: 0 for rates that only slow down together."""
    ranks = [np.argsort(np.argsort(values)).astype(float) for values in (first, second, time)]
    if min(float(np.std(values)) for values in (first, second)) == 0:
        return 0.0
    (_, xy, xt), (_, _, yt), _ = np.corrcoef(ranks)
    spread = np.sqrt((1 - xt**2) * (1 - yt**2))
    return float((xy - xt * yt) / spread) if spread > 1e-9 else 0.0
