"""Groups of features that interfere with nothing outside: how many features, in how many dimensions, in which shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from theory.arguments import InputError
from verify.geometry.dimensionality import feature_dimensionality

__all__ = ["SHAPES", "Component", "Kind", "interference_components", "kinds", "shape_of"]

_COSINE, _LONG, _RANK, _ALIKE, _APART = 0.1, 0.5, 0.3, 0.1, 0.01


def _polygon(k: int) -> np.ndarray:
    angles = 2 * np.pi * np.arange(k) / k
    return np.stack([np.cos(angles), np.sin(angles)])


def _simplex(k: int) -> np.ndarray:
    return np.eye(k) - 1 / k


def _square_antiprism() -> np.ndarray:
    # The height at which the eight vertices form a tight frame; then each has a dimensionality of 3/8.
    turn = 2 * np.pi * (np.arange(8) / 4 + (np.arange(8) >= 4) / 8)
    return np.stack([np.cos(turn), np.sin(turn), np.where(np.arange(8) < 4, 1, -1) / np.sqrt(2)])


# Figures whose vertices all see the others alike, and which are no union of figures in orthogonal subspaces.
SHAPES: Mapping[str, np.ndarray] = {
    "a dimension of its own": np.ones((1, 1)),
    "antipodal pair": _simplex(2),
    "triangle": _simplex(3),
    "tetrahedron": _simplex(4),
    "4-simplex": _simplex(5),
    "pentagon": _polygon(5),
    "square antiprism": _square_antiprism(),
}


@dataclass(frozen=True, order=True)
class Kind:
    """What a component is, apart from its place.

    Attributes:
        size: how many features.
        rank: how many dimensions they take up.
        shape: the figure they form, one of `SHAPES`, or "" where they form none of these.
    """

    size: int
    rank: int
    shape: str = ""

    @property
    def share(self) -> Fraction:
        """Dimensions per feature."""
        return Fraction(self.rank, self.size)

    def __str__(self) -> str:
        features, dimensions = f"{self.size} feature{'s'[: self.size > 1]}", f"dimension{'s'[: self.rank > 1]}"
        return f"{features} in {self.rank} {dimensions}" + (f" ({self.shape})" if self.shape else "")


@dataclass(frozen=True)
class Component:
    """Features that interfere with each other, directly or through others, and with no feature outside.

    Attributes:
        features: their indices.
        kind: how many, in how many dimensions, in which shape.
        isolated: whether the dimensionality of every one of them is that of the kind, rank/size, within .01, or within
            a tenth of it where that is less: they form a tight frame of equal norms, and nothing outside, however
            short, lies in their dimensions.
    """

    features: tuple[int, ...]
    kind: Kind
    isolated: bool


def interference_components(W: Any, cosine: float = _COSINE, threshold: float = _LONG) -> list[Component]:
    """The connected components of the graph of features, with an edge where |cos| of two columns exceeds `cosine`.

    Only represented features count: those longer than `threshold` times the longest. The rank of a component is the
    number of singular values of its unit columns above .3 of the largest. D_i sums over all features: a component that
    many weak overlaps reach, or columns too short to count, is found but not isolated.

    Args:
        W: finite weights of shape (m, n).
        cosine: between 0 and 1; interference below it is taken for noise.
        threshold: between 0 and 1.

    Returns:
        Components, the largest first.

    Raises:
        InputError: not two axes, an entry that is not finite, or a threshold outside [0, 1].

    Source: Elhage et al. 2022, "The geometry of superposition" (tegum products: figures in orthogonal subspaces).
    """
    from scipy.sparse.csgraph import connected_components

    for name, value in (("cosine", cosine), ("threshold", threshold)):
        if not 0 <= value <= 1:
            raise InputError(f"{name}={value!r} must be a number in [0, 1]")
    W = np.asarray(W.detach().cpu() if hasattr(W, "detach") else W, dtype=np.float64)
    if W.ndim != 2 or not np.isfinite(W).all():
        raise InputError(f"W has shape {W.shape}; give finite weights of shape (m, n)")
    norms, D = np.linalg.norm(W, axis=0), feature_dimensionality(W)
    shown = np.flatnonzero((norms > threshold * norms.max(initial=0)) & (norms > 0))
    if not len(shown):
        return []
    unit = W[:, shown] / norms[shown]
    count, labels = connected_components(np.abs(unit.T @ unit) > cosine, directed=False)
    found = []
    for label in range(count):
        members = np.flatnonzero(labels == label)
        columns = unit[:, members]
        singular = np.linalg.svd(columns, compute_uv=False)
        rank = int((singular > _RANK * singular[0]).sum())
        kind = Kind(len(members), rank, shape_of(columns, rank))
        share = float(kind.share)
        isolated = bool(np.abs(D[shown[members]] - share).max() <= min(_APART, 0.1 * share))
        found.append(Component(tuple(shown[members].tolist()), kind, isolated))
    return sorted(found, key=lambda component: (-component.kind.size, component.features))


def shape_of(columns: np.ndarray, rank: int) -> str:
    """The figure that unit columns form: every one sees the others under its cosines, within .1; "" for none."""
    for name, vertices in SHAPES.items():
        fits = vertices.shape[1] == columns.shape[1] and np.linalg.matrix_rank(vertices) == rank
        if fits and np.abs(_views(columns) - _views(vertices)).max(initial=0) <= _ALIKE:
            return name
    return ""


def kinds(components: Iterable[Component]) -> Counter[Kind]:
    """How often each kind of isolated component is there."""
    return Counter(component.kind for component in components if component.isolated)


def _views(columns: np.ndarray) -> np.ndarray:
    """Per column, the sorted cosines to all columns; shape (k, k)."""
    unit = columns / np.linalg.norm(columns, axis=0)
    return np.sort(unit.T @ unit, axis=1)
