"""The route through the hidden vector as the front door sees it: when it pays, and what it says of itself."""

from __future__ import annotations

from numerics.hidden_law.adaptive import hidden_loss, hidden_rank
from numerics.setting import Array, Progress, Setting

__all__ = ["hidden_note", "is_hidden_law_cheap"]

_MOST_FEATURES = {1: 1024, 2: 512, 3: 16}
_COARSE = 1e-3


def is_hidden_law_cheap(at: Setting, rtol: float) -> bool:
    """Whether three lattices fit the budget: then the error is far below that of sampling for the same work.

    In three directions they take about a second, in which sampling reaches a relative error of a thousandth.
    """
    rank = hidden_rank(at.W)
    return at.n_features <= _MOST_FEATURES.get(rank, 0) and (rank < 3 or rtol < _COARSE)


def hidden_note(at: Setting, rtol: float, atol: float, progress: Progress | None) -> tuple[Array, float, int, str, str]:
    """Loss per feature, error of the total, work, kind of the error, and how it was found, in words."""
    result = hidden_loss(at, rtol, atol, progress)
    across = f"{result.points} frequencies in each of {result.rank} directions of W x"
    note = f"one active feature by adaptive rules, several by {across}, error estimated from the last lattices"
    if not result.converged:
        note += "; the tolerance was not reached: raise rtol, or compare with method='monte_carlo'"
    return result.per_feature, result.total_error, result.evaluations, "estimate", note
