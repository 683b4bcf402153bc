"""Whether the columns of W lie in a few tight groups or spread evenly along a curve."""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.arguments import InputError

__all__ = ["discretisation_index", "effective_clusters", "neighbour_share"]

_TIGHT, _NEAR = 0.05, 0.3


def discretisation_index(W: Any) -> float:
    """Q = S/(S + A): S the share of pairs of columns closer than .05 median norms, A the share in [.05, .3).

    Near 1 where neighbours have merged into groups, near 0 on a smooth curve; 0 where there are no close pairs at all.

    Args:
        W: weights of shape (m, n), n >= 2.
    """
    distance, unit = _distances(W)
    upper = distance[np.triu_indices(len(distance), 1)]
    tight, near = (upper < _TIGHT * unit).mean(), ((upper >= _TIGHT * unit) & (upper < _NEAR * unit)).mean()
    return float(tight / (tight + near)) if tight + near > 0 else 0.0


def effective_clusters(W: Any) -> float:
    """exp of the entropy of the sizes of the single-linkage clusters of the columns at .05 median norms."""
    from scipy.cluster.hierarchy import fcluster, linkage

    distance, unit = _distances(W)
    condensed = distance[np.triu_indices(len(distance), 1)]
    labels = fcluster(linkage(condensed, "single"), _TIGHT * unit, criterion="distance")
    share = np.bincount(labels)[1:] / len(labels)
    return float(np.exp(-(share * np.log(share)).sum()))


def neighbour_share(W: Any) -> float:
    """The share of columns whose nearest other column is the one before or after it, in cyclic order.

    Near 1 where the columns run along a curve in their order, about 2/(n - 1) where they lie in no order at all.

    Args:
        W: weights of shape (m, n), n >= 2.
    """
    distance, _ = _distances(W)
    n = len(distance)
    nearest = np.where(np.eye(n, dtype=bool), np.inf, distance).argmin(axis=1)
    return float(np.isin((nearest - np.arange(n)) % n, (1, n - 1)).mean())


def _distances(W: Any) -> tuple[np.ndarray, float]:
    W = np.asarray(W, dtype=float)
    if W.ndim != 2 or W.shape[1] < 2 or not np.isfinite(W).all():
        raise InputError(f"W has shape {W.shape}; give finite weights of shape (m, n) with n >= 2")
    distance = np.sqrt(np.maximum(((W[:, :, None] - W[:, None, :]) ** 2).sum(axis=0), 0))
    return distance, float(np.median(np.linalg.norm(W, axis=0)))
