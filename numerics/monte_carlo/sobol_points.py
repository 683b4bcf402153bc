"""A plan carried out with scrambled Sobol points: sixteen scramblings, a Student interval between them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from numerics.monte_carlo.drawing import Stream
from numerics.monte_carlo.interval import student
from numerics.monte_carlo.plan import Plan
from numerics.setting import Array

__all__ = ["FEWEST_POINTS", "SCRAMBLINGS", "SobolRun"]

SCRAMBLINGS = 16
FEWEST_POINTS = 2**10
_BITS = 52
_MOST_DIMENSIONS = 64
_BLOCK = 2**17


class SobolRun:
    """Points that can go on: every stratum has a sequence for each scrambling."""

    def __init__(self, task: Plan, seed: int, multiples: Array, deviations: Array) -> None:
        from scipy.stats import qmc

        self.task, self._multiples, self._deviations = task, multiples, deviations
        n, count = task.at.n_features, len(task.parts)
        self._weights = np.array([part.probability for part in task.parts])
        self._engines: list[Any] = []
        self._shifts: list[Any] = []
        self._streams: dict[int, Stream] = {}
        for h, (part, drawer) in enumerate(zip(task.parts, task.drawers, strict=True)):
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, h)))
            size = drawer.dimension
            if part.low > 2 and size > _MOST_DIMENSIONS and not part.is_exact:
                # What is left of K has little weight, and points of many dimensions would cost more than all the rest.
                self._engines.append(None)
                self._shifts.append(None)
                self._streams[h] = drawer.stream(seed, 3, h)
                continue
            self._engines.append(qmc.Sobol(size, bits=_BITS, rng=rng))
            self._shifts.append(rng.integers(0, 2**_BITS, (SCRAMBLINGS, 1, size), dtype=np.uint64))
        self._points = np.zeros(count, dtype=int)
        self._means = np.zeros((count, SCRAMBLINGS))
        self._per_feature = np.zeros((count, n))

    def draw_to(self, budget: int) -> Iterator[None]:
        """Go on until every stratum has its power of two points, at most `budget` in all, pausing after every block."""
        each = budget / SCRAMBLINGS
        wanted = self._weights * self._deviations
        shares = wanted / wanted.sum() if wanted.sum() > 0 else self._weights / self._weights.sum()
        shares = np.maximum(shares, 1 / (8 * len(shares)))
        goals = 2 ** np.floor(np.log2(np.maximum(each * shares / shares.sum(), 2))).astype(int)
        for h, goal in enumerate(goals):
            while self._points[h] < goal:
                self._add(h, min(goal - self._points[h], max(2, _BLOCK // (SCRAMBLINGS * self.task.at.n_features))))
                yield

    def _add(self, h: int, size: int) -> None:
        totals, means = self.task.evaluator.losses(self._inputs(h, size), self._multiples[h])
        self._points[h] += size
        share = size / self._points[h]
        self._means[h] += (totals.reshape(SCRAMBLINGS, size).mean(axis=1) - self._means[h]) * share
        self._per_feature[h] += (means - self._per_feature[h]) * share

    def _inputs(self, h: int, size: int) -> Array:
        """The next points of every scrambling, one after another, shape (16 size, n)."""
        if h in self._streams:
            return self._streams[h].draw(SCRAMBLINGS * size)
        with warnings.catch_warnings():
            # Blocks of a sequence are not powers of two; the whole of it is.
            warnings.simplefilter("ignore", UserWarning)
            digits = (self._engines[h].random(size) * 2.0**_BITS).astype(np.uint64)
        u = ((digits ^ self._shifts[h]) + 0.5).reshape(-1, digits.shape[1]) / 2.0**_BITS
        return self.task.drawers[h].mapped(u)

    @property
    def counts(self) -> list[int]:
        """How many points were evaluated, per stratum."""
        return [int(SCRAMBLINGS * points) for points in self._points]

    @property
    def per_feature(self) -> Array:
        """The part of the loss that was drawn, shape (n,)."""
        total = self._weights @ self._per_feature
        if self.task.means is not None:
            total = total + np.einsum("h,hc,hcn->n", self._weights, self._multiples, self.task.means)
        return np.asarray(total)

    @property
    def half_width(self) -> float:
        """Of the 95 % interval of the weighted total: Student's t on the spread between scramblings."""
        totals = self._weights @ self._means
        return student(SCRAMBLINGS - 1) * float(totals.std(ddof=1)) / SCRAMBLINGS**0.5
