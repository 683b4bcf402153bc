"""What a configuration is called: its orthogonal blocks, and the famous code that each one is.

A block is recognised only if an orthogonal map that takes it onto the code (or into it) has been found, to a stated
tolerance; otherwise it is called irregular.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from theory.arguments import InputError
from theory.loss.geometry.codes import code

__all__ = ["Geometry", "GeometryBlock", "recognise"]

_PLAIN = {"orthoplex:1": "antipodal pair", "simplex:1": "antipodal pair", "polygon:3": "triangle"} | {
    f"polygon:{k}": f"{name}gon" for k, name in {5: "penta", 6: "hexa", 7: "hepta", 8: "octa"}.items()
}
_CODES_OF_DIMENSION = {
    3: ("icosahedron", "cuboctahedron", "dodecahedron"),
    4: ("Petersen", "24-cell", "600-cell"),
    5: ("Clebsch", "Johnson", "D:5"),
    6: ("Schlaefli", "E6"),
    7: ("56", "E7"),
    8: ("E8",),
}
_ANTIPODAL = frozenset(
    {"icosahedron", "cuboctahedron", "dodecahedron", "24-cell", "600-cell", "Johnson", "D:5", "E6", "56", "E7", "E8"}
)
_MOST_TRIALS = 20_000


@dataclass(frozen=True)
class GeometryBlock:
    """Features that span a subspace orthogonal to all others.

    Attributes:
        name: of the code the directions form, or "irregular".
        features: indices of its features, increasing.
        dimension: of the subspace.
        equal_norms: whether its features have one norm.
        classes: how many kinds of feature there are, told apart by norm and cosines to the others.
    """

    name: str
    features: tuple[int, ...]
    dimension: int
    equal_norms: bool
    classes: int

    def __str__(self) -> str:
        if self.name == "irregular":
            size = f"{len(self.features)} in R^{self.dimension}"
            return f"unnamed {size} (one kind)" if self.classes == 1 else f"irregular {size} ({self.classes} kinds)"
        return self.name if self.equal_norms else f"{self.name} (unequal norms)"


@dataclass(frozen=True)
class Geometry:
    """The blocks of a configuration, and the features it drops.

    Attributes:
        blocks: largest first.
        dropped: indices of the features whose column is zero.
    """

    blocks: tuple[GeometryBlock, ...]
    dropped: tuple[int, ...]

    @property
    def name(self) -> str:
        """The blocks joined by ⊕, repeated ones counted: "pentagon ⊕ 2 × antipodal pair, 1 dropped"."""
        counts: dict[str, int] = {}
        for block in self.blocks:
            counts[str(block)] = counts.get(str(block), 0) + 1
        parts = [name if count == 1 else f"{count} × {name}" for name, count in counts.items()]
        dropped = [f"{len(self.dropped)} dropped"] if self.dropped else []
        return ", ".join([" ⊕ ".join(parts) or "nothing", *dropped])


def recognise(W: Any, as_lines: bool = False, tolerance: float = 1e-5) -> Geometry:
    """The geometry of weights: blocks by the graph of nonzero inner products, each compared with the famous codes.

    Args:
        W: weights of shape (m, n).
        as_lines: whether a feature and its opposite are the same (even kernels).
        tolerance: on cosines and on relative norms; a column shorter than it, relative to the longest, is dropped.

    Raises:
        InputError: W is not a finite matrix.
    """
    W = np.array(W, dtype=float)
    if W.ndim != 2 or W.size == 0 or not np.isfinite(W).all():
        raise InputError(f"W of shape {W.shape} must be a finite matrix of shape (m, n)")
    norms = np.linalg.norm(W, axis=0)
    kept = np.flatnonzero(norms > tolerance * max(norms.max(), 1e-300))
    unit = W[:, kept] / norms[kept]
    cosines = unit.T @ unit
    blocks = []
    for members in _components(np.abs(cosines) > tolerance):
        inner, lengths = cosines[np.ix_(members, members)], norms[kept[members]]
        dimension = int((np.linalg.eigvalsh(inner) > tolerance).sum())
        equal = bool(np.ptp(lengths) <= tolerance * lengths.max())
        name = _name(_coordinates(inner, dimension), as_lines, tolerance)
        classes = _classes(np.abs(inner) if as_lines else inner, lengths / lengths.max(), tolerance)
        blocks.append(GeometryBlock(name, tuple(int(i) for i in kept[members]), dimension, equal, classes))
    blocks.sort(key=lambda block: (-block.dimension, -len(block.features), block.features))
    dropped = np.setdiff1d(np.arange(W.shape[1]), kept)
    return Geometry(tuple(blocks), tuple(int(i) for i in dropped))


def _components(adjacent: np.ndarray) -> list[np.ndarray]:
    unseen, found = set(range(len(adjacent))), []
    while unseen:
        members, frontier = set(), {min(unseen)}
        while frontier:
            members |= frontier
            frontier = {int(j) for i in frontier for j in np.flatnonzero(adjacent[i])} - members
        unseen -= members
        found.append(np.array(sorted(members)))
    return found


def _coordinates(gram: np.ndarray, dimension: int) -> np.ndarray:
    """Unit vectors with the given inner products in their own span, shape (n, dimension)."""
    values, vectors = np.linalg.eigh(gram)
    points = vectors[:, -dimension:] * np.sqrt(values[-dimension:])
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _classes(cosines: np.ndarray, norms: np.ndarray, tolerance: float) -> int:
    """The number of different (norm, sorted cosines) among the features."""
    signatures = np.column_stack([norms, np.sort(cosines, axis=1)])
    found: list[np.ndarray] = []
    for row in signatures:
        if not any(np.abs(row - other).max() <= 10 * tolerance for other in found):
            found.append(row)
    return len(found)


def _name(points: np.ndarray, as_lines: bool, tolerance: float) -> str:
    n, m = points.shape
    if m == 1:
        # In one dimension features are copies or opposites of one direction.
        signs = {round(float(x)) for x in points[:, 0] / points[0, 0]}
        if n == 1:
            return "single feature"
        return "antipodal pair" if n == 2 and signs == {1, -1} and not as_lines else "repeated direction"
    for label, candidate, whole in _candidates(n, m, as_lines):
        reference = _points(candidate)
        if (
            len(reference) >= n
            and (not whole or len(reference) == n)
            and _embeds(points, reference, as_lines, tolerance)
        ):
            size = len(reference)
            return label if size == n else f"{n} of the {size} of {label}"
    angles = np.abs(points @ points.T)[np.triu_indices(n, 1)]
    return f"{n} equiangular lines" if as_lines and np.ptp(angles) <= tolerance else "irregular"


def _candidates(n: int, m: int, as_lines: bool) -> Iterator[tuple[str, str, bool]]:
    """(label, name of the code, whether all of it must be there) of the codes worth comparing, the likeliest first."""
    if m == 2:
        label = f"{n} equispaced lines" if as_lines else _PLAIN.get(f"polygon:{n}", f"regular {n}-gon")
        yield label, f"polygon:{2 * n} lines" if as_lines else f"polygon:{n}", True
        return
    if n == m + 1:
        yield "tetrahedron" if m == 3 else f"regular {m}-simplex", f"simplex:{m}", True
    for name in _CODES_OF_DIMENSION.get(m, ()):
        if as_lines and name in _ANTIPODAL:
            yield f"{name.replace(':', '')} lines", f"{name} lines", False
        else:
            yield name.replace(":", ""), name, False


@cache
def _points(name: str) -> np.ndarray:
    return np.array([[float(x) for x in vector] for vector in code(name).vectors])


def _embeds(points: np.ndarray, reference: np.ndarray, as_lines: bool, tolerance: float) -> bool:
    """Whether an orthogonal map takes every point to a point of the reference (or its opposite, for lines)."""
    targets = np.concatenate([reference, -reference]) if as_lines else reference
    inner = targets @ targets.T
    cosines = points @ points.T
    allowed = np.unique(np.round(inner, 9))
    if np.abs(cosines[:, :, None] - allowed).min(axis=2).max() > tolerance:
        return False
    base = _independent(points)
    trials = 0

    def extend(images: list[int]) -> bool:
        nonlocal trials
        trials += 1
        if trials > _MOST_TRIALS:
            return False
        step = len(images)
        if step == len(base):
            rotation, *_ = np.linalg.lstsq(points[base], targets[images], rcond=None)
            hit = points @ rotation @ targets.T
            # Two features on one point of the code do not make the code.
            apart = len(set(hit.argmax(axis=1) % len(reference))) == len(points)
            return apart and bool((hit.max(axis=1) > 1 - tolerance).all())
        fits = np.ones(len(targets), dtype=bool)
        for k, image in enumerate(images):
            fits &= np.abs(inner[image] - cosines[base[step], base[k]]) <= tolerance
        return any(extend([*images, int(target)]) for target in np.flatnonzero(fits))

    return extend([])


def _independent(points: np.ndarray) -> list[int]:
    """Indices of vectors that span the space, each far from the span of those before."""
    left, chosen = points.copy(), []
    for _ in range(points.shape[1]):
        index = int(np.argmax(np.linalg.norm(left, axis=1)))
        chosen.append(index)
        direction = left[index] / np.linalg.norm(left[index])
        left -= np.outer(left @ direction, direction)
    return chosen
