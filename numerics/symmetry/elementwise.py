"""The Lie algebra of a map that acts entry by entry: each row of X is a problem of its own, of size n, not n^2."""

from __future__ import annotations

import numpy as np

from numerics.symmetry.differences import directional
from numerics.symmetry.lie_algebra import NullSpace, Samples, split
from numerics.symmetry.maps import BlackBox
from numerics.symmetry.sampling import NEAR, WIDE, points

__all__ = ["elementwise_null_space"]

_FIRST, _MOST = 4, 256
_LARGEST = 1 << 25


def elementwise_null_space(box: BlackBox, rng: np.random.Generator) -> NullSpace | None:
    """As `null_space`, for f(x)_i = phi_i(x_i): phi_i'(x_i) (X x)_i = (X f(x))_i involves one row of X at a time.

    None where the algebra is so large (that of a linear map) that a basis of it would not fit.
    """
    n = box.n
    factors = np.zeros((n, 0, n))
    squares, used, count = np.zeros(n), 0, _FIRST * n + 64
    samples, lost = _draw(box, count, rng, NEAR)
    skipped, before = lost, -1
    while True:
        used += len(samples.X)
        factors, squares = _absorb(factors, squares, samples)
        parts = [split(R, used, float(s)) for R, s in zip(factors, squares, strict=True)]
        d = sum(len(basis) for basis, _, _ in parts)
        if d == before or d == 0 or used > _MOST * n:
            break
        before = d
        samples, lost = _draw(box, 3 * used, rng, WIDE)
        skipped += lost
    if d * n * n > _LARGEST:
        return None
    basis = np.zeros((d, n, n))
    at = 0
    for i, (rows, _, _) in enumerate(parts):
        basis[at : at + len(rows), i] = rows
        at += len(rows)
    # One threshold for all rows: the largest, so that the count of singular values stays an honest one.
    threshold = max(t for _, _, t in parts)
    sigma = np.sort(np.concatenate([values for _, values, _ in parts]))[::-1]
    return NullSpace(basis.reshape(d, n * n), sigma, threshold, used, d == before or d == 0, skipped)


def _draw(box: BlackBox, count: int, rng: np.random.Generator, scales: tuple[float, float]) -> tuple[Samples, int]:
    """Samples whose J holds only the diagonal of Df, shape (N, n): one product with the all-ones vector gives it."""
    X = points(box.n, count, rng, scales)
    with np.errstate(all="ignore"):
        F, ones = box.values(X), np.ones_like(X)
        D, error = box.jvp(X, ones), np.zeros(count)
        if box.derivative == "differences":
            D, error = directional(box.values, X, ones, box.unit)
        keep = np.isfinite(F).all(1) & np.isfinite(D).all(1) & np.isfinite(error)
    X, F, D, error = X[keep], F[keep], D[keep], error[keep]
    size_x, size_f, size_d = (np.linalg.norm(A, axis=1) for A in (X, F, D))
    active = size_d[size_d > 0]
    typical = float(np.median(active)) if len(active) else 0.0
    scale = size_d * size_x + size_f + 1e-2 * typical * size_x
    scale[scale == 0] = 1.0
    noise = 8 * box.unit * (size_d * size_x + size_f + typical * size_x) + np.sqrt(box.n) * error * size_x
    # Whiten, as in the dense method: a derivative that is known less well counts less.
    usual = float(np.median(noise / scale))
    scale = np.maximum(scale, noise / max(usual, np.finfo(float).tiny))
    return Samples(X, F, D, scale, noise / scale), int(count - keep.sum())


def _absorb(factors: np.ndarray, squares: np.ndarray, samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    n = samples.X.shape[1]
    found = []
    for i in range(n):
        rows = (samples.J[:, i, None] * samples.X - samples.F) / samples.scale[:, None]
        found.append(np.linalg.qr(np.concatenate([factors[i], rows]), mode="r"))
    return np.stack(found), squares + float((samples.noise**2).sum())
