"""Features that matter and were hardly drawn: their part of the variance is unknown, and no interval can show it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numerics.monte_carlo.plan import Plan

__all__ = ["hardly_drawn"]

_ENOUGH_HITS = 30
_LARGE_SHARE = 0.05


def hardly_drawn(task: Plan, counts: Sequence[int]) -> str:
    """A sentence that says which features the draws hardly know; empty where there are none.

    Feature j adds about h_j = mu_2 (I_j + sum_i I_i G_ij**2) to the loss of an input in which it is active. It is
    named if it is active in fewer than 30 draws and P(active) h_j**2 is over 5 % of the sum over all features; so are
    all features if fewer than 30 draws have any active.
    """
    at = task.at
    hits, sizes = np.zeros(at.n_features), np.zeros(at.n_features)
    impact = at.importances + np.einsum("i,ij,ij->j", at.importances, at.gram, at.gram)
    impact = impact / (impact.max() or 1.0)
    for part, active, count in zip(task.parts, task.chances, counts, strict=True):
        hits += count * active
        sizes += part.probability * active * impact**2
    if hits.sum() < _ENOUGH_HITS:
        return f"about {hits.sum():.2g} features were active in all draws: the interval may be far too short"
    named = np.flatnonzero((hits < _ENOUGH_HITS) & (sizes > _LARGE_SHARE * sizes.sum()))
    if not len(named):
        return ""
    listed = ", ".join(str(j) for j in named[:5]) + (", ..." if len(named) > 5 else "")
    which = f"feature {listed} weighs" if len(named) == 1 else f"features {listed} weigh"
    return f"{which} much but appeared in fewer than {_ENOUGH_HITS} draws: the interval may be too short; draw more"
