"""The binary law with many features: all supports up to a number of active features, and what the rest may add."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import numpy as np

from numerics.compile import compile_activation
from numerics.setting import Array, Setting

__all__ = ["LatticeResult", "lattice_loss", "levels_needed"]

_MOST_ENTRIES = 2**26
_BLOCK = 2**20


@dataclass(frozen=True)
class LatticeResult:
    """Loss per feature, error of the weighted total, how many supports were summed, and whether they were all."""

    per_feature: Array
    total_error: float
    supports: int
    is_complete: bool


def active_counts(densities: Array) -> Array:
    """P(k features are active), k = 0 .. n: sums of positive terms only."""
    chances = np.zeros(len(densities) + 1)
    chances[0] = 1.0
    for p in densities:
        chances[1:] = chances[1:] * (1 - p) + chances[:-1] * p
        chances[0] *= 1 - p
    return chances


def levels_needed(densities: Array, signs: int, rtol: float) -> int | None:
    """How many features must be active at once to leave out a share of about rtol; None where that is too much work.

    Args:
        densities: p_i, shape (n,).
        signs: 2 for a two-sided law, else 1.
        rtol: share of the loss that may be left out.
    """
    chances = active_counts(densities)
    # E |x|**2 grows like the mean number of active features, and so does the loss.
    after = np.cumsum((chances * np.arange(len(chances)) ** 2)[::-1])[::-1]
    n, entries = len(densities), 0
    for level in range(n + 1):
        entries += comb(n, level) * signs**level * n
        if entries > _MOST_ENTRIES:
            return None
        if level == n or after[level + 1] <= 0.2 * max(rtol, 1e-15) * after[0]:
            return level
    return n


def lattice_loss(at: Setting, levels: int, rtol: float, atol: float = 0.0) -> LatticeResult:
    """The sum over all supports with up to `levels` active features, fewer where the rest is below the tolerance.

    The loss given k active features grows at most as from k - 1 to k; the rest is twice what that leaves.
    """
    n, signs = at.n_features, (1.0, -1.0) if at.model.law.is_two_sided else (1.0,)
    sigma, chances = compile_activation(at.model.activation), active_counts(at.densities)
    with np.errstate(divide="ignore"):
        log_on, log_off = np.log(at.densities / len(signs)), np.log1p(-at.densities)
    value, supports, size, before, seen = np.zeros(n), 0, 0.0, 0.0, 0
    error = np.inf
    for level, states in enumerate(_levels(n, signs, levels)):
        added = np.zeros(n)
        for first in range(0, len(states), max(1, _BLOCK // n)):
            x = states[first : first + max(1, _BLOCK // n)].astype(float)
            probability = np.exp(np.where(x == 0, log_off, log_on).sum(axis=1))
            with np.errstate(over="ignore", invalid="ignore"):
                squares = (x - sigma((x @ at.W.T) @ at.W + at.bias)) ** 2
            added += probability @ squares
        supports += len(states)
        value += added
        total = float(at.importances @ value)
        seen += int(chances[level] > 0)
        size = float(at.importances @ added) / chances[level] if chances[level] > 0 else size
        growth, before = max(1.0, size / before if before > 0 else 1.0), size
        rest = chances[level + 1 :] * growth ** np.arange(1, n - level + 1)
        error = 2 * size * float(rest.sum()) + np.finfo(float).eps * (supports**0.5 + 8 * n) * abs(total)
        # Features that are always active leave the first levels empty: growth shows from two levels that are not.
        if seen >= 3 and error <= max(atol, rtol * abs(total)):
            break
    return LatticeResult(value, error, supports, supports == (1 + len(signs)) ** n)


def _levels(n: int, signs: tuple[float, ...], levels: int) -> Iterator[np.ndarray]:
    """Every x with 0, 1, ... active features, each of shape (S, n), small integers."""
    states, last = np.zeros((1, n), dtype=np.int8), np.full(1, -1)
    yield states
    for _ in range(levels):
        room = n - 1 - last
        parent = np.repeat(np.arange(len(states)), room)
        start = np.concatenate([[0], np.cumsum(room)[:-1]])
        added = last[parent] + 1 + np.arange(len(parent)) - start[parent]
        grown = np.repeat(states[parent], len(signs), axis=0)
        last = np.repeat(added, len(signs))
        grown[np.arange(len(grown)), last] = np.tile(np.array(signs, dtype=np.int8), len(parent))
        states = grown
        yield states
