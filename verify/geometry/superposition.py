"""How superposed the features of a trained toy model are: counts that the published studies talk about."""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.arguments import InputError

__all__ = [
    "antipodal_pairs",
    "dimensions_per_feature",
    "largest_overlap",
    "overlapping_pairs",
    "represented_features",
    "represents_first",
]


def represented_features(W: Any, threshold: float = 0.5) -> np.ndarray:
    """How many columns of W are longer than `threshold` times the longest: shape (...,) for W of shape (..., m, n)."""
    norms = np.linalg.norm(_weights(W), axis=-2)
    longest = norms.max(axis=-1, keepdims=True)
    return ((norms > threshold * longest) & (norms > 0)).sum(axis=-1)


def dimensions_per_feature(W: Any) -> np.ndarray:
    """D* = m/|W|_F^2, the published measure of hidden dimensions per feature; infinite for W = 0.

    It mixes the number of features with their norms: 1/D* may exceed n/m, the largest number of features per dimension
    that there can be. Use `represented_features` or `feature_dimensionality` to count.

    Source: Elhage et al. 2022, "The geometry of superposition".
    """
    W = _weights(W)
    with np.errstate(divide="ignore"):
        return W.shape[-2] / (W**2).sum(axis=(-2, -1))


def antipodal_pairs(W: Any, threshold: float = 0.5, cosine: float = 0.95) -> np.ndarray:
    """How many pairs of represented features point in opposite directions: -cos of their angle >= `cosine`."""
    return (np.triu(_cosines(W, threshold), 1) <= -cosine).sum(axis=(-2, -1))


def overlapping_pairs(W: Any, threshold: float = 0.5, cosine: float = 0.1, antipodal: float = 0.95) -> np.ndarray:
    """How many pairs of represented features interfere (|cos| > `cosine`) without being antipodal."""
    upper = np.triu(_cosines(W, threshold), 1)
    return ((np.abs(upper) > cosine) & (upper > -antipodal)).sum(axis=(-2, -1))


def largest_overlap(W: Any, threshold: float = 0.5, antipodal: float = 0.95) -> np.ndarray:
    """The largest |cos| of two represented features that are not antipodal: shape (...), 0 where there are none."""
    upper = np.triu(_cosines(W, threshold), 1)
    return np.where(upper > -antipodal, np.abs(upper), 0.0).max(axis=(-2, -1))


def represents_first(W: Any, count: int, threshold: float = 0.5, cosine: float = 0.1) -> np.ndarray:
    """Whether exactly the first `count` features are represented, orthogonally (|cos| <= `cosine`): shape (...)."""
    norms = np.linalg.norm(_weights(W), axis=-2)
    shown = (norms > threshold * norms.max(axis=-1, keepdims=True)) & (norms > 0)
    upper = np.abs(np.triu(_cosines(W, threshold), 1))
    return (shown == (np.arange(norms.shape[-1]) < count)).all(axis=-1) & (upper <= cosine).all(axis=(-2, -1))


def _cosines(W: Any, threshold: float) -> np.ndarray:
    """Cosines between represented features, 0 where one of the two is not; shape (..., n, n)."""
    W = _weights(W)
    norms = np.linalg.norm(W, axis=-2, keepdims=True)
    shown = (norms > threshold * norms.max(axis=-1, keepdims=True)) & (norms > 0)
    unit = np.divide(W, norms, out=np.zeros_like(W), where=shown)
    found: np.ndarray = np.swapaxes(unit, -1, -2) @ unit
    return found


def _weights(W: Any) -> np.ndarray:
    W = np.asarray(W.detach().cpu() if hasattr(W, "detach") else W, dtype=np.float64)
    if W.ndim < 2:
        raise InputError(f"W has shape {W.shape}; give weights of shape (m, n), or (..., m, n)")
    if not np.isfinite(W).all():
        raise InputError("W has an entry that is not finite; leave diverged runs out (Dataset.where(~diverged))")
    return W
