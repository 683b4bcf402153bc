"""Bases that a black box singles out: where it acts entry by entry."""

from __future__ import annotations

import numpy as np

from numerics.symmetry.lie_algebra import Samples
from numerics.symmetry.maps import BlackBox

__all__ = ["derivative_frame", "match_scales", "separates"]

_GRID = np.concatenate([sign * np.exp(np.linspace(-3.0, 3.0, 121)) for sign in (1, -1)])


def derivative_frame(samples: Samples) -> np.ndarray | None:
    """T (unit columns) in which every Df(x) is diagonal, or None.

    f(x) = T phi(T^-1 x) with phi acting entry by entry has Df(x) = T diag(phi') T^-1: the derivatives commute, and
    their common eigenvectors are the columns of T. A symmetry A satisfies Df(Ax) A = A Df(x), so it permutes these
    lines: where no Lie algebra betrays the basis, the derivatives do.
    """
    J = samples.J
    if J.shape[1] != J.shape[2] or len(J) < 2:
        return None
    size = np.sqrt((J**2).sum((1, 2)))
    weights = np.cos(np.arange(len(J)) * 2.399963) / np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eig(np.tensordot(weights, J, 1))
    spread = np.abs(values[:, None] - values[None, :])
    np.fill_diagonal(spread, np.inf)
    if np.iscomplexobj(values) and np.abs(values.imag).max() > 0:
        return None
    vectors = vectors.real
    if spread.min(initial=np.inf) < 1e-6 * np.abs(values).max(initial=0.0) or np.linalg.cond(vectors) > 1e6:
        return None
    moved = np.linalg.solve(vectors, J @ vectors)
    off = np.abs(moved * (1 - np.eye(J.shape[1]))).max((1, 2))
    allowed = 1e-6 * size + 1e2 * samples.noise * samples.scale / np.maximum(np.linalg.norm(samples.X, axis=1), 1e-300)
    if (off > allowed).any():
        return None
    order = np.argsort(np.argmax(np.abs(vectors), axis=0), kind="stable")
    frame = vectors[:, order]
    return frame * np.sign(frame[np.argmax(np.abs(frame), axis=0), np.arange(frame.shape[1])])


def separates(box: BlackBox, rng: np.random.Generator, X: np.ndarray, tries: int = 8) -> bool:
    """Whether f acts entry by entry: mixing the entries of two inputs mixes those of the outputs the same way."""
    if box.p != box.n:
        return False
    with np.errstate(all="ignore"):
        F = box.values(X)
        for _ in range(tries):
            other = rng.permutation(len(X))
            mask = rng.random(X.shape) < 0.5
            mixed, wanted = box.values(np.where(mask, X, X[other])), np.where(mask, F, F[other])
            allowed = 64 * box.unit * (np.abs(wanted) + np.abs(mixed))
            if (np.isfinite(wanted) & ~(np.abs(mixed - wanted) <= allowed)).any():
                return False
    return True


def match_scales(box: BlackBox, frame: np.ndarray) -> np.ndarray:
    """The columns of a frame scaled so that f acts along each as along the first, where that can be done.

    Along column j, phi_j(t) is the own entry of T^-1 f(t v_j). Looked for: c with phi_j(t) = phi_1(ct)/c; then c v_j
    takes the place of v_j.
    """
    t = np.concatenate([np.linspace(0.1, 3.0, 16), -np.linspace(0.1, 3.0, 16)])
    inverse = np.linalg.inv(frame)

    def along(j: int, at: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return box.values(at[:, None] * frame[:, j]) @ inverse[j]

    first, found = along(0, t), frame.copy()
    if not np.isfinite(first).all():
        return frame
    for j in range(1, frame.shape[1]):
        scale = _matching(lambda at, j=j: along(j, at), first, t)
        if scale is not None:
            found[:, j] = frame[:, j] * scale
    return found


def _matching(own: object, first: np.ndarray, t: np.ndarray) -> float | None:
    """s with own(s t)/s = first(t): the column s v_j then behaves as the first."""
    from scipy.optimize import least_squares

    size = float(np.abs(first).max()) or 1.0

    def gap(s: np.ndarray) -> np.ndarray:
        found = own(float(s[0]) * t) / float(s[0])  # type: ignore[operator]
        return np.clip(np.where(np.isfinite(found), found - first, size) / size, -1e3, 1e3)

    for s in (1.0, -1.0):
        if np.abs(gap(np.array([s]))).max() < 1e-9:
            return s
    errors = [float((gap(np.array([s])) ** 2).sum()) for s in _GRID]
    best = float(_GRID[int(np.argmin(errors))])
    near = least_squares(gap, [best], xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return float(near.x[0]) if near.x[0] != 0 and np.abs(near.fun).max() < 1e-6 else None
