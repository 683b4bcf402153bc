"""Strata by the number K of active features: their probabilities, and which features are active within them.

Every probability is a sum of positive terms, so none loses digits however rare the stratum and however unequal the
densities are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.setting import Array

__all__ = ["Stratum", "count_table", "inclusions", "log_survival", "pair_inclusions", "strata"]

MOST_STRATA = 8
_MOST_CLASSES, _MOST_TABLE = 256, 2**17
_TINY = 1e-300


@dataclass(frozen=True)
class Stratum:
    """The event K = low, or K >= low; K >= 0 is every input.

    Attributes:
        low: the least number of active features.
        is_exact: whether it is also the largest.
        probability: of the event.
    """

    low: int
    is_exact: bool
    probability: float

    def __str__(self) -> str:
        return f"K = {self.low}" if self.is_exact else f"K >= {self.low}"


def count_table(densities: Array, most: int) -> Array:
    """P(c of the features j .. n are active) at [..., j, c] for c < most; P(at least `most` are) at [..., j, most].

    Args:
        densities: shape (..., n).
        most: at least 0.

    Returns:
        Shape (..., n + 1, most + 1); row n is the empty set of features.
    """
    *lead, n = densities.shape
    table = np.zeros((*lead, n + 1, most + 1))
    table[..., n, 0] = 1.0
    for j in reversed(range(n)):
        p, later = densities[..., j, None], table[..., j + 1, :]
        table[..., j, :] = (1 - p) * later
        table[..., j, 1:] += p * later[..., :-1]
        table[..., j, -1] += p[..., 0] * later[..., -1]
    return table


def strata(densities: Array, limit: int = MOST_STRATA, first: int = 2, negligible: float = 1e-3) -> list[Stratum]:
    """Strata that cover K >= first: K = first, first + 1, ... and a last one for all larger K.

    Singles go on until what is left has a share of the whole below `negligible`, or there are `limit` of them. One
    stratum K >= first is kept where more values of K matter than `MOST_STRATA` (many active features: K varies little
    relative to its size, and linear control variates take its effect), and where so many densities differ that their
    pairs would be too many to tabulate.
    """
    chances = count_table(densities, first + MOST_STRATA)[0]
    above = np.cumsum(chances[::-1])[::-1]
    if above[first] == 0:
        return []
    singles: list[Stratum] = []
    if above[first + MOST_STRATA - 1] <= 0.1 * above[first] and not _has_too_many_pairs(densities):
        for k in range(first, first + max(limit, 1) - 1):
            if k > first and above[k] < negligible * above[first]:
                break
            singles.append(Stratum(k, True, float(chances[k])))
    low = first + len(singles)
    found = [*singles, Stratum(low, False, float(above[low]))]
    return [stratum for stratum in found if stratum.probability > 0]


def _has_too_many_pairs(densities: Array) -> bool:
    classes = len(np.unique(densities))
    return classes > _MOST_CLASSES or classes * len(densities) > _MOST_TABLE


def inclusions(densities: Array, stratum: Stratum) -> Array:
    """P(feature i is active | stratum), shape (n,)."""
    return _included(densities, stratum)


def pair_inclusions(densities: Array, stratum: Stratum) -> tuple[Array, np.ndarray]:
    """P(features i and j are active | stratum) for i != j, by classes of equal density.

    Returns:
        The probabilities, shape (D, D), and the class of every feature, shape (n,).
    """
    values, first, which = np.unique(densities, return_index=True, return_inverse=True)
    if stratum.low <= 2 and not stratum.is_exact:
        return np.outer(values, values) / stratum.probability, which
    rest = np.tile(densities, (len(values), 1))
    rest[np.arange(len(values)), first] = 0.0
    without = Stratum(stratum.low - 1, stratum.is_exact, stratum.probability)
    found = values[:, None] * _included(rest, without)
    pairs = found[:, first]
    # Another feature of the same class stands for it; where there is none, no pair asks for the entry.
    for a in range(len(values)):
        twins = np.flatnonzero(which == a)
        pairs[a, a] = found[a, twins[1]] if len(twins) > 1 else 0.0
    return pairs, which


def _included(densities: Array, stratum: Stratum) -> Array:
    """p_i P(the others are enough) / P(stratum), by joining the features before i with those after it; (..., n)."""
    needed = max(stratum.low - 1, 0)
    if stratum.is_exact and stratum.low < 1:
        return np.zeros(densities.shape)
    after = count_table(densities, needed + 1)[..., 1:, :]
    before = count_table(densities[..., ::-1], needed + 1)[..., ::-1, :][..., :-1, :]
    if stratum.is_exact:
        enough = sum(before[..., c] * after[..., needed - c] for c in range(needed + 1))
    else:
        at_least = np.cumsum(after[..., ::-1], axis=-1)[..., ::-1]
        enough = before[..., needed:].sum(axis=-1)
        enough = enough + sum(before[..., c] * at_least[..., needed - c] for c in range(needed))
    return np.asarray(densities * enough / stratum.probability)


def log_survival(densities: Array, stratum: Stratum) -> Array:
    """log P(no feature before i is active; c or more, or exactly c, from i on are) at [c, i], decreasing in i.

    The position of the next active feature is drawn from ratios of these, so factors common to a row do not matter.
    """
    table = count_table(densities, stratum.low + 1)
    wanted = table if stratum.is_exact else np.cumsum(table[:, ::-1], axis=1)[:, ::-1]
    # A sure feature cannot be passed over; a tiny chance keeps the logarithms finite.
    log_off = np.log(np.maximum(1 - densities, _TINY))
    passed = np.concatenate([[0.0], np.cumsum(log_off)])
    with np.errstate(divide="ignore"):
        found = passed + np.log(wanted[:, : stratum.low + 1].T)
    # Beyond sure features that had to be passed over everything is impossible, and bisection still wants an order.
    return np.maximum.accumulate(found[:, ::-1], axis=1)[:, ::-1]
