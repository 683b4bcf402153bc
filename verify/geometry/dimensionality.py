"""How much of a hidden dimension each feature has to itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.arguments import InputError, as_weights

__all__ = ["feature_dimensionality"]


def feature_dimensionality(W: Any) -> np.ndarray:
    """The share of a hidden dimension that each feature has to itself, between 0 and 1.

        D_i = |W_i|^2 / sum_j (W_i_hat . W_j)^2,    W_i_hat = W_i/|W_i|,  W_i the i-th column of W.

    1 for a feature orthogonal to all others, 1/2 for each of an antipodal pair, 2/5 in a regular pentagon, 0 for a
    zero column. The sum over features is at most the rank of W, with equality exactly where every column is an
    eigenvector of W W^T (Cauchy-Schwarz: D_i is at most the leverage score of column i).

    Args:
        W: weights of shape (m, n), or (..., m, n) for many at once.

    Returns:
        D of shape (n,), or (..., n).

    Raises:
        InputError: fewer than two axes, or an entry that is not finite.

    Source: Elhage et al. 2022, Toy Models of Superposition, "feature dimensionality".
    """
    if getattr(W, "ndim", 2) > 2:
        W = np.asarray(W.detach().cpu() if hasattr(W, "detach") else W, dtype=np.float64)
        if not np.isfinite(W).all():
            raise InputError("W has an entry that is not finite; leave diverged runs out (Dataset.where(~diverged))")
    else:
        W = np.array(as_weights(W).tolist(), dtype=np.float64)
    # D does not change with the scale of W: divide it out, so that neither tiny nor huge weights under- or overflow.
    scale = np.abs(W).max(axis=(-2, -1), keepdims=True)
    unit = np.divide(W, scale, out=np.zeros_like(W), where=scale > 0)
    gram = np.swapaxes(unit, -1, -2) @ unit
    norm_squared = np.einsum("...mi,...mi->...i", unit, unit)
    overlap = (gram**2).sum(axis=-1)
    return np.divide(norm_squared**2, overlap, out=np.zeros_like(overlap), where=overlap > 0)
