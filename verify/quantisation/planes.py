"""The planes that pairs of privileged directions span, and the coordinates of rows in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np

from theory.arguments import InputError, one_of

__all__ = ["FORMS", "Plane", "planes_of"]

FORMS = ("combination", "permutation")
"""Unordered or ordered pairs of directions."""
# Below this sine two unit directions of float64 are the same line.
_PARALLEL = 1e-7


@dataclass(frozen=True)
class Plane:
    """span(b_i, b_j) with e1 = b_i and e2 the rest of b_j, normalised.

    Attributes:
        first, second: the indices i, j of the two directions.
        cosine: <b_i, b_j>.
        sine: the length of the rest of b_j, > 0.
    """

    first: int
    second: int
    cosine: float
    sine: float

    def coordinates(self, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(<a, e1>, <a, e2>) from the inner products C of rows with every direction, shape (..., k)."""
        x, other = C[..., self.first], C[..., self.second]
        return x, (other - self.cosine * x) / self.sine if self.cosine else other / self.sine


def planes_of(frame: np.ndarray, form: str = "combination", pairs: Any = None) -> tuple[list[Plane], int]:
    """The planes of the pairs of directions, and how many pairs were skipped because they are parallel.

    Args:
        frame: unit rows, shape (k, d).
        form: "combination" for unordered pairs, "permutation" for ordered ones.
        pairs: only these (i, j), instead of all.

    Raises:
        InputError: unknown form, an index out of range, or no pair that spans a plane.
    """
    one_of("form", form, FORMS)
    planes = [_plane(frame, i, j) for i, j in _pairs(len(frame), form, pairs)]
    found = [plane for plane in planes if plane is not None]
    if not found:
        raise InputError(f"no pair of the {len(frame)} directions spans a plane; give two that are not parallel")
    return found, len(planes) - len(found)


def _pairs(count: int, form: str, pairs: Any) -> Iterator[tuple[int, int]]:
    if pairs is None:
        yield from (permutations if form == "permutation" else combinations)(range(count), 2)
        return
    for pair in pairs:
        i, j = (int(index) for index in pair)
        if not (0 <= i < count and 0 <= j < count and i != j):
            raise InputError(f"pairs holds ({i}, {j}); give two different indices from 0 to {count - 1}")
        yield i, j


def _plane(frame: np.ndarray, i: int, j: int) -> Plane | None:
    cosine = float(frame[i] @ frame[j])
    # From the vector itself: 1 - cosine^2 loses the small sines.
    sine = float(np.linalg.norm(frame[j] - cosine * frame[i]))
    return None if sine < _PARALLEL else Plane(i, j, cosine, sine)
