"""Fractions at which feature dimensionalities pile up, and when they form a line there."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

__all__ = ["NEAR", "PLATEAUX", "stands_out"]

# Feature dimensionalities of the published figure and the polytope whose vertices have them.
PLATEAUX = {
    Fraction(1): "a dimension of its own",
    Fraction(3, 4): "tetrahedron",
    Fraction(2, 3): "triangle",
    Fraction(1, 2): "antipodal pair",
    Fraction(2, 5): "pentagon",
    Fraction(3, 8): "square antiprism",
}
NEAR, _FLANK, _FEWEST = 0.005, 0.0125, 10


def stands_out(D: np.ndarray, value: float) -> bool:
    """Whether feature dimensionalities form a line at a value: at least 10 within .005, twice as many as on a flank."""
    at = lambda centre: int((np.abs(D - centre) <= NEAR).sum())  # noqa: E731
    return at(value) >= _FEWEST and at(value) >= 2 * max(at(value - _FLANK), at(value + _FLANK))
