"""Pairs (A, B) with f(Ax) = B f(x) for a black box: the intertwiner algebra and its group."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from numerics.symmetry.discovery import Discovery, exponentials, verdict, what_was_found
from numerics.symmetry.finite import FiniteTest, find_jump, finite_test
from numerics.symmetry.frames import derivative_frame, match_scales
from numerics.symmetry.lie_algebra import draw, null_space
from numerics.symmetry.maps import as_black_box
from numerics.symmetry.recognition import recognise
from numerics.symmetry.sampling import NEAR
from theory import InputError

__all__ = ["IntertwinerDiscovery", "discover_intertwiner"]

_MOST_UNKNOWNS = 2 * 32 * 32


@dataclass(frozen=True, eq=False)
class IntertwinerDiscovery(Discovery):
    """The group {A in GL(n): f(Ax) = B f(x) for some B}, as a `Discovery` of the matrices A.

    Attributes:
        p: the output dimension.
        images: for each element X of `lie_algebra`, the Y with Df(x) X x = Y f(x), shape (dimension, p, p).
        ambiguity: dimension of {Y: Y f = 0}: phi is unique exactly if it is 0.
    """

    p: int = 0
    images: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0)))
    ambiguity: int = 0
    _test: FiniteTest | None = field(default=None, repr=False)

    def phi(self, A: Any) -> np.ndarray:
        """B with f(Ax) = B f(x), by least squares over the points of the search, shape (p, p).

        Raises:
            InputError: A has another shape, or no B fits: A is not an intertwiner.
        """
        matrix = np.asarray(A, dtype=np.float64)
        if matrix.shape != (self.n, self.n):
            raise InputError(f"A has shape {matrix.shape}; give a matrix of shape ({self.n}, {self.n})")
        if self._test is None or not self._test.commutes(matrix, is_exact=False):
            raise InputError(f"A={matrix.tolist()} is no intertwiner of {self.label}: no B gives f(Ax) = B f(x)")
        return np.asarray(self._test.image(matrix))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON."""
        return {**super().to_dict(), "p": self.p, "images": self.images.tolist(), "ambiguity": self.ambiguity}


def discover_intertwiner(f: Any, n: int, seed: int = 0) -> IntertwinerDiscovery:
    """The group {A in GL(n): f(Ax) = B f(x) for some B}, discovered from values and derivatives of f: R^n -> R^p.

    Pairs (X, Y) with Df(x) X x = Y f(x) are a null space, as in `discover_equivariance`; those with X = 0 say how far
    B is not unique. All of it is numerical evidence; maps that jump are flagged.

    Args:
        f: a callable on arrays that acts on the last axis, a torch module (or function), or an activation or layer.
        n: the dimension, an integer >= 1, with n^2 + p^2 <= 2048.
        seed: of all random choices.

    Raises:
        InputError: n out of range; f fails, is NaN, or is not a fixed map R^n -> R^p.

    Source: docs/symmetry.md, discovery for black boxes.
    """
    started = perf_counter()
    box = as_black_box(f, n, seed)
    unknowns = box.n**2 + box.p**2
    if unknowns > _MOST_UNKNOWNS:
        raise InputError(f"n={n} with p={box.p} outputs gives {unknowns} unknowns; at most {_MOST_UNKNOWNS} fit")
    rng = np.random.default_rng(seed)
    test = finite_test(box, rng, is_pair=True)
    space = null_space(box, rng, is_pair=True, first=max(64, 2 * unknowns // box.p))
    algebra, images, ambiguity = _parts(space.basis, box.n, box.p)
    jump = find_jump(box, rng)
    kept = exponentials(algebra, test, rng)
    frame = None
    if not len(kept):
        frame = derivative_frame(draw(box, 48, rng, NEAR)[0])
        frame = None if frame is None else match_scales(box, frame)
    found = recognise(kept, test, rng, frame)
    evidence, status = verdict(space, len(kept), found, jump, box, "dense", len(algebra))
    if ambiguity:
        evidence = (*evidence, f"B is not unique: {ambiguity} dimensions of matrices vanish on the values of f")
    return IntertwinerDiscovery(
        **what_was_found(box, space, algebra, kept, found, jump, "dense"),
        evidence=evidence,
        status=status,
        seconds=perf_counter() - started,
        seed=seed,
        p=box.p,
        images=images,
        ambiguity=ambiguity,
        _test=test,
    )


def _parts(basis: np.ndarray, n: int, p: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Orthonormal X, a Y for each, and the dimension of the Y alone."""
    if not len(basis):
        return np.zeros((0, n, n)), np.zeros((0, p, p)), 0
    left, sigma, X = np.linalg.svd(basis[:, : n * n], full_matrices=False)
    kept = sigma > 1e-6
    Y = (left.T @ basis[:, n * n :])[kept] / sigma[kept][:, None]
    return X[kept].reshape(-1, n, n), Y.reshape(-1, p, p), len(basis) - int(kept.sum())
