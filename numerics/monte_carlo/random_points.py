"""A plan carried out with pseudo-random inputs: a pilot, Neyman allocation, a Student interval."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from numerics.monte_carlo.controls import CONTROLS, fitted
from numerics.monte_carlo.interval import Running, half_width
from numerics.monte_carlo.plan import Plan
from numerics.setting import Array

__all__ = ["RandomRun", "allocation", "pilot"]

FEWEST_PILOT, MOST_PILOT = 32, 1024
FEWEST_DRAWS = 32
_BLOCK = 2**17


def pilot(task: Plan, seed: int, budget: int) -> tuple[Array, Array, int]:
    """Per stratum the multiples of the controls, (H, 5), and the deviation left, (H,); how many draws that took."""
    size = int(np.clip(budget // (8 * len(task.parts)), FEWEST_PILOT, MOST_PILOT))
    multiples, deviations = np.zeros((len(task.parts), len(CONTROLS))), np.zeros(len(task.parts))
    for h, drawer in enumerate(task.drawers):
        totals, controls = task.evaluator.controlled(drawer.stream(seed, 0, h).draw(size))
        if task.means is not None:
            multiples[h] = fitted(totals, controls)
        deviations[h] = (totals - controls @ multiples[h]).std(ddof=1)
    return multiples, deviations, size * len(task.parts)


def allocation(weights: Array, deviations: Array, budget: int) -> np.ndarray:
    """Draws per stratum: in proportion to P(h) s_h, but never few.

    The pilot's deviations are estimates, and one that is too small would starve its stratum and shorten the interval.
    Each stratum therefore gets an eighth of an equal share, and 32 draws, whatever the pilot says.
    """
    wanted = weights * deviations
    shares = wanted / wanted.sum() if wanted.sum() > 0 else weights / weights.sum()
    least = min(max(FEWEST_DRAWS, budget // (8 * len(weights))), budget // len(weights))
    counts = np.maximum(np.floor(shares * budget), least)
    excess = counts.sum() - budget
    if excess > 0:
        room = counts - least
        counts = np.floor(counts - room * (excess / room.sum() if room.sum() > 0 else 0.0))
    return counts.astype(int)


class RandomRun:
    """Draws that can go on: streams and running sums of every stratum."""

    def __init__(self, task: Plan, seed: int, multiples: Array, deviations: Array) -> None:
        self.task, self._multiples, self._deviations = task, multiples, deviations
        self._streams = [drawer.stream(seed, 1, h) for h, drawer in enumerate(task.drawers)]
        self.runs = [Running(task.at.n_features) for _ in task.parts]
        self._weights = np.array([part.probability for part in task.parts])

    def draw_to(self, budget: int) -> Iterator[None]:
        """Go on until `budget` inputs have been drawn in all, pausing after every block."""
        block = max(1, _BLOCK // self.task.at.n_features)
        for h, count in enumerate(allocation(self._weights, self._deviations, budget)):
            run = self.runs[h]
            while run.count < count:
                x = self._streams[h].draw(min(block, count - run.count))
                run.add(*self.task.evaluator.losses(x, self._multiples[h]))
                yield

    @property
    def counts(self) -> list[int]:
        """How many inputs were drawn, per stratum."""
        return [run.count for run in self.runs]

    @property
    def per_feature(self) -> Array:
        """The part of the loss that was drawn, shape (n,)."""
        total = sum(w * run.per_feature for w, run in zip(self._weights, self.runs, strict=True))
        if self.task.means is not None:
            total = total + np.einsum("h,hc,hcn->n", self._weights, self._multiples, self.task.means)
        return np.asarray(total)

    @property
    def half_width(self) -> float:
        """Of the 95 % interval of the weighted total."""
        return half_width(self._weights, self.runs)
