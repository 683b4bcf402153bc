"""Privileged-plane projection: the rows that lie near a plane of privileged directions, seen in that plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.arguments import InputError
from verify.quantisation.clouds import as_cloud, as_frame
from verify.quantisation.nulls import kept_share, rayleigh
from verify.quantisation.planes import planes_of

__all__ = ["PlaneProjection", "privileged_plane_projection"]

_CHUNK = 200_000


@dataclass(frozen=True)
class PlaneProjection:
    """Points of rows in planes, stacked over planes.

    Attributes:
        points: (<a, e1>, <a, e2>), shape (M, 2).
        lengths: r, the length of the projection of the unit row, shape (M,), in [epsilon, 1].
        plane: which plane each point is of, shape (M,).
        row: which row of the input, shape (M,).
        pairs: the two directions of each plane, shape (planes, 2).
        skipped, rows, zero_rows: pairs that are parallel, rows used, rows that are zero.
        dimension, epsilon: the setting.
    """

    points: np.ndarray
    lengths: np.ndarray
    plane: np.ndarray
    row: np.ndarray
    pairs: np.ndarray
    skipped: int
    rows: int
    zero_rows: int
    dimension: int
    epsilon: float

    @property
    def angles(self) -> np.ndarray:
        """phi of every point, in (-pi, pi], shape (M,)."""
        return np.arctan2(self.points[:, 1], self.points[:, 0])

    @property
    def kept_share(self) -> float:
        """Points per row and plane."""
        return len(self.points) / (self.rows * len(self.pairs))

    @property
    def null_share(self) -> float:
        """The same for an isotropic cloud: (1 - epsilon^2)^((d-2)/2)."""
        return kept_share(self.dimension, self.epsilon)

    def angular_histogram(self, bins: int = 72) -> tuple[np.ndarray, np.ndarray]:
        """Left edges of `bins` equal sectors of [0, 2 pi), and the density in units of the uniform one.

        An isotropic cloud gives 1 in every sector. NaN where no point was kept.
        """
        _count("bins", bins)
        sector = np.floor(np.mod(self.angles, 2 * np.pi) * (bins / (2 * np.pi))).astype(int) % bins
        edges = np.arange(bins) * (2 * np.pi / bins)
        counts = np.bincount(sector, minlength=bins).astype(float)
        return edges, counts * bins / len(self.points) if len(self.points) else np.full(bins, np.nan)

    def density(self, bins: int = 48, rings: int = 6) -> np.ndarray:
        """Points in each ring and sector over what an isotropic cloud puts there, shape (rings, bins).

        The rings part [epsilon, 1] so that an isotropic cloud fills them equally: `ring_edges`. In the plane (d = 2)
        every row has r = 1, and one ring holds all.
        """
        _count("bins", bins)
        edges = self.ring_edges(rings)
        rings = len(edges) - 1
        sector = np.floor(np.mod(self.angles, 2 * np.pi) * (bins / (2 * np.pi))).astype(int) % bins
        ring = np.clip(np.searchsorted(edges, self.lengths, "right") - 1, 0, rings - 1)
        counts = np.bincount(ring * bins + sector, minlength=rings * bins).reshape(rings, bins)
        return counts * (rings * bins / (self.rows * len(self.pairs) * self.null_share))

    def ring_edges(self, rings: int = 6) -> np.ndarray:
        """Radii that part [epsilon, 1] into rings of equal isotropic mass, shape (rings + 1,)."""
        _count("rings", rings)
        if self.dimension == 2:
            return np.array([self.epsilon, 1.0])
        left = 1 - np.arange(rings + 1) / rings
        return np.sqrt(1 - (1 - self.epsilon**2) * left ** (2 / (self.dimension - 2)))

    def harmonic(self, h: int = 4) -> tuple[float, float]:
        """Mean of cos(h phi), and the length of the mean of e^{ih phi}; both 0 for an isotropic cloud."""
        if not len(self.points):
            return float("nan"), float("nan")
        mean = np.exp(1j * h * self.angles).mean()
        return float(mean.real), float(abs(mean))

    def rayleigh_p(self, plane: int, h: int = 4) -> float:
        """P-value of the h-th harmonic of one plane under uniform angles (rows are independent within one plane).

        Planes share rows, so their p-values depend on each other: multiply the smallest by the number of planes.
        """
        return rayleigh(self.angles[self.plane == plane], h)[1]


def privileged_plane_projection(
    X: Any,
    frame: Any = None,
    epsilon: float = 0.85,
    form: str = "combination",
    pairs: Any = None,
    normalise: bool = False,
) -> PlaneProjection:
    """In-plane coordinates of the rows whose direction lies within arccos(epsilon) of each plane.

    A row a is kept in a plane where r = |P a_hat| >= epsilon; its point is (<a, e1>, <a, e2>). For an isotropic cloud
    r^2 ~ Beta(1, (d-2)/2) and the angle is uniform, independent of r.

    Args:
        X: activations of shape (N, d); zero rows are left out and counted.
        frame: privileged directions, one per row, shape (k, d); None for the standard basis.
        epsilon: least length of the projection of a unit row, in [0, 1].
        form: "combination" for unordered pairs of directions, "permutation" for ordered ones.
        pairs: only the planes of these (i, j), instead of all.
        normalise: whether the points are those of the unit rows.

    Raises:
        InputError: a value out of range, or no pair of directions that spans a plane.

    Source: G. Bird, Emergence of Quantised Representations (arXiv 2507.12070); closed forms in docs/quantisation.md.
    """
    cloud = as_cloud(X)
    directions = as_frame(frame, cloud.dimension)
    if not 0 <= epsilon <= 1:
        raise InputError(f"epsilon={epsilon} must lie in [0, 1]; it is the least length of a projected unit row")
    found, skipped = planes_of(directions, form, pairs)
    norms = np.ones(cloud.size) if normalise else np.linalg.norm(cloud.rows, axis=1)
    pieces: list[tuple[np.ndarray, ...]] = []
    for start in range(0, cloud.size, _CHUNK):
        C = np.asfortranarray(cloud.unit[start : start + _CHUNK] @ directions.T)
        for p, plane in enumerate(found):
            x, y = plane.coordinates(C)
            squared = x * x + y * y
            # Rows of R^2 have length 1 to rounding, whatever epsilon asks for.
            kept = np.flatnonzero(squared >= epsilon * epsilon) if cloud.dimension > 2 else np.arange(len(x))
            scale = norms[start + kept]
            pieces.append((
                np.stack([x[kept] * scale, y[kept] * scale], axis=1),
                np.minimum(np.sqrt(squared[kept]), 1.0),
                np.full(len(kept), p),
                cloud.index[start + kept],
            ))  # fmt: skip
    points, lengths, plane_of, row = (np.concatenate(part) for part in zip(*pieces, strict=True))
    by_plane = np.argsort(plane_of, kind="stable")
    points, lengths, plane_of, row = points[by_plane], lengths[by_plane], plane_of[by_plane], row[by_plane]
    return PlaneProjection(
        points=points,
        lengths=lengths,
        plane=plane_of,
        row=row,
        pairs=np.array([(plane.first, plane.second) for plane in found]),
        skipped=skipped,
        rows=cloud.size,
        zero_rows=cloud.zero_rows,
        dimension=cloud.dimension,
        epsilon=float(epsilon),
    )


def _count(name: str, value: int) -> None:
    if int(value) != value or value < 1:
        raise InputError(f"{name}={value} must be an integer >= 1")
