"""Inputs drawn within a stratum: from pseudo-random streams, or mapped from points of the unit cube.

Streams do not depend on how many inputs are drawn at a time: the same seed gives the same inputs in blocks of any size.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numerics.monte_carlo.strata import Stratum, count_table, log_survival
from numerics.setting import Array
from theory import FeatureLaw

__all__ = ["Drawer", "Places", "Stream", "quantile"]


class Places:
    """Which features are active, given a stratum: the position of one active feature after another.

    With F_c(i) = P(nothing before i, c wanted from i on), the next active feature after position j lies at i or later
    with probability F_c(i)/F_c(j); a uniform number is inverted by bisection. O(K log n) for an input.
    """

    def __init__(self, densities: Array, stratum: Stratum) -> None:
        self.n, self.low = len(densities), stratum.low
        # Rows are how many are still wanted; ascending for bisection.
        self._falling = log_survival(densities, stratum)
        self._rising = self._falling[:, ::-1].copy()

    def __call__(self, u: Array) -> np.ndarray:
        """Increasing positions of the `low` first active features from u in (0, 1], shape (N, low)."""
        found = np.empty(u.shape, dtype=np.intp)
        start = np.zeros(len(u), dtype=np.intp)
        for step in range(self.low):
            wanted = self.low - step
            level = self._falling[wanted][start] + np.log(u[:, step])
            # The last i whose survival is still at least the level; rounding must not lead behind the last place.
            place = self.n - np.searchsorted(self._rising[wanted], level, side="left")
            place = np.clip(place, start, self.n - wanted)
            found[:, step] = place
            start = place + 1
        return found


class Drawer:
    """Inputs of one stratum, with the tables that drawing them takes.

    Attributes:
        dimension: how many coordinates of the unit cube an input takes.
    """

    def __init__(self, law: FeatureLaw, densities: Array, stratum: Stratum) -> None:
        n, low = len(densities), stratum.low
        self.law, self.densities, self.stratum = law, densities, stratum
        self.places = Places(densities, stratum)
        self.dimension = 2 * low if stratum.is_exact and low < n else n
        table = count_table(densities, low + 1)
        self._enough = np.cumsum(table[:, ::-1], axis=1)[:, ::-1]

    def stream(self, seed: int, *key: int) -> Stream:
        """Endless independent inputs; another key gives others."""
        return Stream(self, seed, key)

    def mapped(self, u: Array) -> Array:
        """Points of the unit cube (0, 1)^d as inputs of the stratum, shape (N, n).

        K = k: k coordinates for the positions and k for the values. K >= k: a coordinate for each feature, whose lower
        part means active and is stretched to its value.
        """
        n, low = len(self.densities), self.stratum.low
        x = np.zeros((len(u), n))
        if self.stratum.is_exact and low == n:
            return quantile(self.law, u)
        if self.stratum.is_exact:
            np.put_along_axis(x, self.places(u[:, :low]), quantile(self.law, u[:, low:]), axis=1)
            return x
        enough, wanted = self._enough, np.full(len(u), low)
        for j, p in enumerate(self.densities):
            fewer = np.maximum(wanted - 1, 0)
            with np.errstate(invalid="ignore", divide="ignore"):
                chance = np.where(enough[j, wanted] > 0, p * enough[j + 1, fewer] / enough[j, wanted], 0.0)
            on = u[:, j] < chance
            x[on, j] = quantile(self.law, u[on, j] / chance[on])
            wanted = np.where(on, fewer, wanted)
        return x


class Stream:
    """Endless independent inputs of one stratum."""

    def __init__(self, drawer: Drawer, seed: int, key: tuple[int, ...]) -> None:
        parts = (np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*key, i))) for i in range(4))
        self._where, self._others, self._values, self._signs = parts
        self._drawer, self._magnitude = drawer, replace(drawer.law, is_two_sided=False)

    def draw(self, size: int) -> Array:
        """The next inputs, shape (size, n)."""
        densities, stratum = self._drawer.densities, self._drawer.stratum
        n, low = len(densities), stratum.low
        on = np.zeros((size, n), dtype=bool)
        if low:
            places = self._drawer.places(1.0 - self._where.random((size, low)))
            np.put_along_axis(on, places, True, axis=1)
        if not stratum.is_exact:
            if (densities == 1).all():
                on[:] = True
            else:
                others = self._others.random((size, n)) < densities
                if low:
                    others &= np.arange(n) > places[:, -1:]
                on |= others
        values = self._magnitude.sample(self._values, int(on.sum()))
        if self._drawer.law.is_two_sided:
            values = np.where(self._signs.random(len(values)) < 0.5, -values, values)
        x = np.zeros((size, n))
        x[on] = values
        return x


def quantile(law: FeatureLaw, u: Array) -> Array:
    """The value of U below which it stays with probability u; for a two-sided law the lower half is negative."""
    if not law.is_two_sided:
        return _magnitude_quantile(law, np.clip(u, 2.0**-60, 1 - 2.0**-53))
    side = 2 * u - 1
    return np.sign(side) * _magnitude_quantile(law, np.clip(np.abs(side), 2.0**-60, 1 - 2.0**-53))


def _magnitude_quantile(law: FeatureLaw, u: Array) -> Array:
    from scipy import special

    if law.name == "uniform":
        return u
    if law.name == "binary":
        return np.ones_like(u)
    if law.name == "exponential":
        return -np.log1p(-u)
    if law.name == "half_normal":
        return np.sqrt(2.0) * special.erfinv(u)
    a, b = (float(v) for v in law.parameters)
    return special.betaincinv(a, b, u)
