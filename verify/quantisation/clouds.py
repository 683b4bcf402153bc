"""Activations as a cloud of directions, and frames of directions to look along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.arguments import InputError

__all__ = ["Cloud", "as_cloud", "as_frame", "frame_sum", "haar_rotations"]

_UNIT_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Cloud:
    """Rows of activations without those that are zero.

    Attributes:
        rows: the rows kept, shape (N, d), float64.
        unit: the same rows divided by their norms.
        index: which rows of the input they are, shape (N,).
        zero_rows: how many rows were zero and left out.
    """

    rows: np.ndarray
    unit: np.ndarray
    index: np.ndarray
    zero_rows: int

    @property
    def size(self) -> int:
        """N, the number of rows kept."""
        return len(self.rows)

    @property
    def dimension(self) -> int:
        """d, the dimension of the space of activations."""
        return int(self.rows.shape[1])


def as_cloud(X: Any, name: str = "X") -> Cloud:
    """Activations of shape (N, d), or (..., d) with leading axes stacked, as a cloud; zero rows are left out.

    Args:
        X: an array, or a torch tensor on any device; computed with in float64.
        name: how an error calls it.

    Raises:
        InputError: d < 2, an entry that is not finite, or no row but zeros.
    """
    if isinstance(X, Cloud):
        return X
    if hasattr(X, "detach"):
        X = X.detach().cpu()
        X = X.double() if X.is_floating_point() else X
    try:
        rows = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is not an array of real numbers; give activations of shape (N, d)") from None
    if rows.ndim < 2 or rows.shape[-1] < 2:
        raise InputError(f"{name} has shape {rows.shape}; give activations of shape (N, d) with d >= 2")
    rows = rows.reshape(-1, rows.shape[-1])
    if not np.isfinite(rows).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(rows))[0])
        raise InputError(f"{name}{list(where)}={rows[where]} is not finite; every entry must be a finite number")
    # The largest entry is divided out first, so that neither tiny nor huge rows under- or overflow.
    largest = np.abs(rows).max(axis=1)
    index = np.flatnonzero(largest > 0)
    if not len(index):
        raise InputError(f"{name} has no row but zeros; directions need at least one row that is not zero")
    kept = rows[index]
    unit = kept / largest[index, None]
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return Cloud(kept, unit, index, len(rows) - len(index))


def as_frame(frame: Any, dimension: int) -> np.ndarray:
    """Privileged directions as unit rows, shape (k, d); None for the standard basis.

    Raises:
        InputError: wrong shape, a zero row or an entry that is not finite.
    """
    if frame is None:
        return np.eye(dimension)
    rows = np.asarray(frame.detach().cpu() if hasattr(frame, "detach") else frame, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != dimension or not len(rows):
        raise InputError(f"frame has shape {rows.shape}; give one direction per row, shape (k, {dimension})")
    norms = np.linalg.norm(rows, axis=1)
    if not np.isfinite(rows).all() or not (norms > 0).all():
        raise InputError("frame has a row that is zero or not finite; every direction must be a non-zero vector")
    return rows / norms[:, None]


def frame_sum(frame: np.ndarray) -> np.ndarray | None:
    """The unit vector along the sum of the directions (the all-ones line of a basis); None where the sum is zero."""
    total = frame.sum(axis=0)
    norm = float(np.linalg.norm(total))
    return None if norm < _UNIT_TOLERANCE * len(frame) else total / norm


def haar_rotations(count: int, dimension: int, rng: np.random.Generator) -> np.ndarray:
    """Independent orthogonal matrices, uniform on O(d), shape (count, d, d)."""
    Q, upper = np.linalg.qr(rng.standard_normal((count, dimension, dimension)))
    return Q * np.sign(np.diagonal(upper, axis1=1, axis2=2))[:, None, :]
