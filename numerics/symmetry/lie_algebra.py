"""The Lie algebra of a black box as a null space, with a certificate for its dimension.

Df(x) X x = X f(x) (equivariance) or Df(x) X x = Y f(x) (intertwiner pairs) is linear in the unknown matrices: every
sample is a few rows of a tall matrix M, of which only the triangular factor of a QR decomposition is kept, block by
block, so that precision stays that of an orthogonal factorisation (a Gram matrix would lose half of the digits).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.symmetry.maps import BlackBox
from numerics.symmetry.sampling import NEAR, WIDE, points

__all__ = ["NullSpace", "Samples", "draw", "null_space", "split"]

_SAFETY = 8.0
_FLOOR = 1e-2
_BLOCK_ENTRIES = 1 << 23
_FIRST = 64


@dataclass(frozen=True)
class Samples:
    """Points with values and derivatives, and how each is weighted.

    Attributes:
        X: points, shape (N, n).
        F: values, shape (N, p).
        J: derivatives, shape (N, p, n).
        scale: what the rows of a sample are divided by: |Df||x| + |f|, never their own norm, which a row that cancels
            would turn into noise; more where the derivative is known less well. Shape (N,).
        noise: estimated error of the divided rows, in Frobenius norm, shape (N,).
    """

    X: np.ndarray
    F: np.ndarray
    J: np.ndarray
    scale: np.ndarray
    noise: np.ndarray


@dataclass(frozen=True)
class NullSpace:
    """{v : M v = 0} to rounding, for a sampled matrix M with N samples, divided by sqrt(N).

    Attributes:
        basis: orthonormal rows, shape (d, unknowns).
        singular_values: of M, descending, shape (unknowns,).
        threshold: an upper estimate of the norm of the error of M: singular values above it are not zero, so at least
            that many constraints are independent and the dimension is at most d.
        samples: how many points were used in all.
        is_stable: whether three times as many fresh points left the dimension unchanged.
        skipped: points left out because f or its derivative was not finite there.
    """

    basis: np.ndarray
    singular_values: np.ndarray
    threshold: float
    samples: int
    is_stable: bool
    skipped: int

    @property
    def gap(self) -> float:
        """Smallest singular value above the threshold over the largest below it (or over the threshold, if none)."""
        above = self.singular_values[self.singular_values > self.threshold]
        below = self.singular_values[self.singular_values <= self.threshold]
        if not len(above):
            return float("inf")
        floor = max(float(below.max(initial=0.0)), self.threshold / 100)
        return float(above.min()) / (floor if len(below) else self.threshold)


def draw(box: BlackBox, count: int, rng: np.random.Generator, scales: tuple[float, float]) -> tuple[Samples, int]:
    """`count` samples, fewer where f is not finite; and how many were left out."""
    X = points(box.n, count, rng, scales)
    with np.errstate(all="ignore"):
        F = box.values(X)
        J, error = box.jacobians(X)
        size_f = np.linalg.norm(F, axis=1)
        size_j = np.sqrt((J**2).sum((1, 2)))
        keep = np.isfinite(size_f) & np.isfinite(size_j) & np.isfinite(error)
    X, F, J, error, size_f, size_j = (a[keep] for a in (X, F, J, error, size_f, size_j))
    size_x = np.linalg.norm(X, axis=1)
    active = size_j[size_j > 0]
    typical_slope = float(np.median(active)) if len(active) else 0.0
    noise = error * size_x + 4 * box.unit * (size_j * size_x + size_f + np.sqrt(box.n) * size_f)
    noise = noise + 4 * box.unit * typical_slope * size_x
    scale = size_j * size_x + size_f + _FLOOR * typical_slope * size_x
    scale[scale == 0] = 1.0
    # Whiten: a sample whose derivative is known ten times less well than is usual counts a tenth.
    relative = noise / scale
    usual = float(np.median(relative[relative > 0])) if (relative > 0).any() else 1.0
    scale = np.maximum(scale, noise / max(usual, np.finfo(float).tiny))
    return Samples(X, F, J, scale, noise / scale), int(count - keep.sum())


def null_space(
    box: BlackBox, rng: np.random.Generator, is_pair: bool = False, first: int = _FIRST, most: int | None = None
) -> NullSpace:
    """The null space of the constraints, with samples multiplied by four until the dimension is unchanged.

    Args:
        box: f.
        rng: of the points.
        is_pair: unknowns (X, Y), n^2 + p^2 of them, instead of X, n^2.
        first: how many points to begin with (isotropic maps give one constraint per point, others more).
        most: the most points; by default enough for one constraint per point.
    """
    n, p = box.n, box.p
    unknowns = n * n + (p * p if is_pair else 0)
    limit = most or max(4 * unknowns, 4096)
    R = np.zeros((0, unknowns))
    squares, used, skipped = 0.0, 0, 0
    samples, lost = draw(box, first, rng, NEAR)
    while True:
        skipped += lost
        R = _absorb(R, samples, is_pair)
        squares += float((samples.noise**2).sum())
        used += len(samples.X)
        basis, sigma, threshold = split(R, used, squares)
        fresh, lost = draw(box, 3 * used, rng, WIDE)
        if _still_null(basis, fresh, is_pair, sigma, threshold):
            return NullSpace(basis, sigma, threshold, used + len(fresh.X), True, skipped + lost)
        if 4 * used > limit:
            return NullSpace(basis, sigma, threshold, used, False, skipped)
        samples = fresh


def split(R: np.ndarray, count: int, squares: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Null space, singular values and threshold of a triangular factor of `count` samples with this noise, summed."""
    unknowns = R.shape[1]
    if not count:
        return np.eye(unknowns), np.zeros(unknowns), 0.0
    _, sigma, rows = np.linalg.svd(R / np.sqrt(count), full_matrices=True)
    sigma = np.concatenate([sigma, np.zeros(unknowns - len(sigma))])
    rounding = np.sqrt(unknowns) * np.finfo(float).eps * float(sigma.max(initial=0.0))
    threshold = _SAFETY * (np.sqrt(squares / count) + rounding)
    return rows[sigma <= threshold], sigma, float(threshold)


def _absorb(R: np.ndarray, samples: Samples, is_pair: bool) -> np.ndarray:
    per_block = max(1, _BLOCK_ENTRIES // max(1, R.shape[1] * samples.J.shape[1]))
    for start in range(0, len(samples.X), per_block):
        part = slice(start, start + per_block)
        rows = _rows(samples.X[part], samples.F[part], samples.J[part], samples.scale[part], is_pair)
        R = np.asarray(np.linalg.qr(np.concatenate([R, rows]), mode="r"))
    return R


def _rows(X: np.ndarray, F: np.ndarray, J: np.ndarray, scale: np.ndarray, is_pair: bool) -> np.ndarray:
    count, p, n = J.shape
    left = J[:, :, :, None] * X[:, None, None, :]
    if is_pair:
        right = np.zeros((count, p, p, p))
        for i in range(p):
            right[:, i, i, :] = -F
        whole = np.concatenate([left.reshape(count, p, n * n), right.reshape(count, p, p * p)], axis=2)
    else:
        for i in range(n):
            left[:, i, i, :] -= F
        whole = left.reshape(count, p, n * n)
    return (whole / scale[:, None, None]).reshape(count * p, -1)


def residuals(basis: np.ndarray, samples: Samples, is_pair: bool) -> np.ndarray:
    """(Df(x) X x - Y f(x))/scale for each sample and basis element, shape (N, p, d)."""
    p, n = samples.J.shape[1:]
    A = basis[:, : n * n].reshape(-1, n, n)
    B = basis[:, n * n :].reshape(-1, p, p) if is_pair else A
    moved = np.einsum("spa,sad->spd", samples.J, np.einsum("dab,sb->sad", A, samples.X, optimize=True), optimize=True)
    moved -= np.einsum("dpq,sq->spd", B, samples.F, optimize=True)
    return moved / samples.scale[:, None, None]


def _still_null(basis: np.ndarray, fresh: Samples, is_pair: bool, sigma: np.ndarray, threshold: float) -> bool:
    if not len(basis) or not len(fresh.X):
        return True
    p, n = fresh.J.shape[1:]
    above = sigma[sigma > threshold]
    # The basis itself is known to threshold / (smallest other singular value).
    error = threshold / float(above.min()) if len(above) else 0.0
    noise = _SAFETY * float(np.sqrt((fresh.noise**2).mean()))
    per_chunk = max(1, _BLOCK_ENTRIES // (p * max(n * n, len(basis))))
    worst = 0.0
    for start in range(0, len(fresh.X), per_chunk):
        part = Samples(*(getattr(fresh, name)[start : start + per_chunk] for name in ("X", "F", "J", "scale", "noise")))
        worst = max(worst, float(np.abs(residuals(basis, part, is_pair)).max()))
    return worst <= noise + threshold + 4 * error
