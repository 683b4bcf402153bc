"""Maximising the capacity K(W): many starts of several kinds, ascent of all at once, Newton's method on the best.

Starts: random directions; orbits of a random rotation (optima are often symmetric); a smaller best configuration with
the missing features added; parts of the famous codes. Norms are free and may shrink to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np

from numerics.minimise.descent import lbfgs
from numerics.setting import Array
from theory.loss.geometry.codes import code

__all__ = ["log_inverse_capacity", "maximise_capacity", "polish"]

_CODES = {
    3: ("icosahedron", "dodecahedron", "cuboctahedron"),
    4: ("Petersen", "24-cell", "600-cell"),
    5: ("Clebsch", "D:5"),
    6: ("Schlaefli", "E6"),
    7: ("56", "E7"),
    8: ("E8",),
}
_BATCH_ENTRIES, _FINALISTS = 400_000, 6


def log_inverse_capacity(W: Array, exponent: float, negative: float, importances: Array) -> tuple[Array, Array]:
    """-log K and its gradient for W of shape (S, m, n); K does not change with scale, and neither does this.

    Args:
        W: S configurations of n features in R^m.
        exponent: a > 0, of the kernel f(t) = t_+^(2a) + negative t_-^(2a).
        negative: weight of negative cosines.
        importances: shape (n,).
    """
    # K does not change with scale, but long steps of a line search would overflow in high powers.
    size = np.abs(W).max(axis=(1, 2), keepdims=True)
    scale = np.where((size > 0) & np.isfinite(size), size, 1.0)
    W = W / scale
    gram = W.transpose(0, 2, 1) @ W
    norms = np.einsum("smi,smi->si", W, W)
    gains = norms**exponent
    size = np.abs(gram)
    # t**(2a - 1) with the sign of t, times f's weight on that side: both f and its slope follow from it.
    power = 2 * exponent - 1
    steep = np.where(size > 0, size, 1.0) ** power * (size > 0) if power < 0 else size**power
    slope = steep * np.where(gram >= 0, 1.0, -negative)
    total = gains @ importances
    energy = np.einsum("sij,sij,j->s", slope, gram, importances)
    value = np.log(energy) - 2 * np.log(total)
    mixed = slope * importances
    d_energy = 2 * exponent * (W @ (mixed + mixed.transpose(0, 2, 1)))
    # A column that has shrunk to 0 stays there: for a < 1 its gradient is unbounded.
    growth = np.where(norms > 0, norms, 1.0 if exponent < 1 else 0.0) ** (exponent - 1)
    d_total = 2 * exponent * W * (importances * growth)[:, None, :]
    return value, (d_energy / energy[:, None, None] - 2 * d_total / total[:, None, None]) / scale


def maximise_capacity(
    n: int,
    m: int,
    exponent: float,
    negative: float,
    restarts: int,
    seed: np.random.SeedSequence,
    smaller: Iterable[Array] = (),
    steps: int = 500,
) -> tuple[Array, float]:
    """The best W of shape (m, n) that ascent from many starts finds, and its capacity.

    Args:
        n, m: numbers of features and dimensions.
        exponent, negative: of the kernel.
        restarts: number of starts of random kinds.
        seed: of the starts; the result depends on the arguments alone.
        smaller: configurations of shape (m, n') with n' <= n to begin with and to extend.
        steps: of ascent per start.
    """
    rng = np.random.default_rng(seed)
    known = [W for W in smaller if W.shape[1] <= n]
    starts = [np.pad(W, ((0, 0), (0, n - W.shape[1]))) for W in known]
    starts += _random_starts(n, m, restarts, known, rng)
    importances = np.ones(n)

    def objective(flat: Array, _: np.ndarray) -> tuple[Array, Array]:
        value, gradient = log_inverse_capacity(flat.reshape(-1, m, n), exponent, negative, importances)
        return value, gradient.reshape(flat.shape)

    found: list[tuple[float, int, Array]] = []
    batch = max(1, _BATCH_ENTRIES // (n * (n + m)))
    for begin in range(0, len(starts), batch):
        flat = np.array(starts[begin : begin + batch]).reshape(-1, m * n)
        ascent = lbfgs(objective, flat, steps, gradient_tolerance=1e-12)
        found += [(value, begin + i, x) for i, (value, x) in enumerate(zip(ascent.value, ascent.x, strict=True))]
    # Near n = 2m the capacity is so flat that the best few still have a long way to go.
    found.sort(key=lambda item: item[:2])
    finalists = np.array([x for _, _, x in found[:_FINALISTS]])
    ends = lbfgs(objective, finalists, 8 * steps, gradient_tolerance=1e-14).x.reshape(-1, m, n)
    polished = [polish(W, exponent, negative) for W in (starts[0], *ends)]
    # The first of equals stays: the plain sum of blocks comes first.
    best = max(capacity for _, capacity in polished)
    return next(item for item in polished if item[1] >= best * (1 - 1e-11))


def polish(W: Array, exponent: float, negative: float, steps: int = 12) -> tuple[Array, float]:
    """W after Newton's method on -log K, short columns dropped where that costs nothing; and its capacity."""
    W = W / np.linalg.norm(W, axis=0).max()
    value = _value(W, exponent, negative)
    for threshold in (1e-3, 1e-6):
        dropped = np.where(np.linalg.norm(W, axis=0) ** (2 * exponent) > threshold, W, 0.0)
        if _value(dropped, exponent, negative) <= value + 1e-13:
            W, value = dropped, _value(dropped, exponent, negative)
            break
    kept = np.linalg.norm(W, axis=0) > 0
    active = W[:, kept]
    for _ in range(steps):
        gradient, hessian = _derivatives(active, exponent, negative)
        values, vectors = np.linalg.eigh(hessian)
        # Rotations and the scale are flat directions, and so are any others along which nothing is gained.
        inverse = np.where(values > 1e-7 * values.max(), 1 / np.where(values > 0, values, 1.0), 0.0)
        step = (vectors @ (inverse * (vectors.T @ gradient))).reshape(active.shape)
        # Long steps are no refinement: the directions are flat, or the point is no maximum of K.
        if not 1e-15 < np.abs(step).max() < 0.5:
            break
        lower = _value(active - step, exponent, negative)
        if not lower <= value + 1e-15:
            break
        active, value = active - step, lower
    result = np.zeros_like(W)
    result[:, kept] = active
    return result, float(np.exp(-value))


def _value(W: Array, exponent: float, negative: float) -> float:
    return float(log_inverse_capacity(W[None], exponent, negative, np.ones(W.shape[1]))[0][0])


def _derivatives(W: Array, exponent: float, negative: float) -> tuple[Array, Array]:
    """Gradient, shape (mn,), and Hessian of -log K at W without zero columns; entries of W in row-major order."""
    m, n = W.shape
    a = exponent
    gram = W.T @ W
    size, sign = np.abs(gram), np.where(gram >= 0, 1.0, -negative)
    # Below a = 1 (and 1/2) the second (first) derivative is unbounded at cosine 0, where such features stay.
    first = 2 * a * np.where(size > 0, size, 0.0 if a >= 0.5 else 1.0) ** (2 * a - 1) * sign * ((size > 0) | (a >= 0.5))
    second = 2 * a * (2 * a - 1) * np.where(size > 0, size, 0.0 if a >= 1 else 1.0) ** (2 * a - 2) * np.abs(sign)
    energy = float((size ** (2 * a) * np.abs(sign)).sum())
    d_energy = 2 * W @ first
    eye = np.eye(m)
    h_energy = 2 * np.einsum("ij,pq->piqj", first, eye)
    h_energy += 2 * np.einsum("il,pl,ql,ij->piqj", second, W, W, np.eye(n))
    h_energy += 2 * np.einsum("ij,pj,qi->piqj", second, W, W)
    norms = np.einsum("pi,pi->i", W, W)
    total = float((norms**a).sum())
    d_total = 2 * a * W * norms ** (a - 1)
    h_total = 2 * a * np.einsum("i,pq,ij->piqj", norms ** (a - 1), eye, np.eye(n))
    h_total += 4 * a * (a - 1) * np.einsum("i,pi,qi,ij->piqj", norms ** (a - 2), W, W, np.eye(n))
    flat_energy, flat_total = d_energy.ravel() / energy, d_total.ravel() / total
    shape = (m * n, m * n)
    hessian = h_energy.reshape(shape) / energy - np.outer(flat_energy, flat_energy)
    hessian -= 2 * (h_total.reshape(shape) / total - np.outer(flat_total, flat_total))
    return flat_energy - 2 * flat_total, hessian


def _random_starts(n: int, m: int, count: int, known: list[Array], rng: np.random.Generator) -> list[Array]:
    """`count` starts, a third of them random directions, the others of the structured kinds in turn."""
    codes = [points for points in _code_points(m) if points.shape[1] > 1]
    starts = []
    for index in range(count):
        kind = index % 6
        if kind == 1 and known:
            starts.append(_extended(known[(index // 6) % len(known)], n, rng))
        elif kind == 3 and codes:
            starts.append(_part(codes[(index // 6) % len(codes)], n, rng))
        elif kind in (2, 4) and m > 1:
            starts.append(_orbits(n, m, rng))
        else:
            starts.append(_directions(m, n, rng))
    return starts


def _directions(m: int, n: int, rng: np.random.Generator) -> Array:
    W = rng.standard_normal((m, n))
    return W / np.linalg.norm(W, axis=0)


def _extended(W: Array, n: int, rng: np.random.Generator) -> Array:
    """W with random features in the places of dropped and missing ones, and a little noise."""
    full = np.pad(W, ((0, 0), (0, n - W.shape[1])))
    norms = np.linalg.norm(full, axis=0)
    typical = float(np.median(norms[norms > 0]))
    empty = norms <= 1e-9 * typical
    full[:, empty] = _directions(len(W), int(empty.sum()), rng) * typical * rng.uniform(0.2, 1.0)
    return full + rng.choice([0.02, 0.15, 0.4]) * typical * rng.standard_normal(full.shape) / np.sqrt(len(W))


def _part(points: Array, n: int, rng: np.random.Generator) -> Array:
    """n random vectors of a code, or the code and random directions, with a little noise."""
    m, size = points.shape
    chosen = points[:, rng.permutation(size)[:n]]
    full = np.concatenate([chosen, _directions(m, n - chosen.shape[1], rng)], axis=1)
    return full + 0.05 * rng.standard_normal(full.shape)


def _orbits(n: int, m: int, rng: np.random.Generator) -> Array:
    """Orbits of random vectors under a random orthogonal map of finite order, and single vectors to fill up."""
    order = int(rng.integers(2, max(3, min(n, 12) + 1)))
    turn = np.zeros((m, m))
    for axis in range(0, m - 1, 2):
        angle = 2 * np.pi * rng.integers(0, order) / order
        turn[axis : axis + 2, axis : axis + 2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    if m % 2:
        turn[-1, -1] = -1.0 if order % 2 == 0 and rng.random() < 0.5 else 1.0
    columns: list[Array] = []
    while len(columns) < n:
        vector = _directions(m, 1, rng)[:, 0]
        length = order if n - len(columns) >= order else 1
        for _ in range(length):
            columns.append(vector)
            vector = turn @ vector
    W = np.array(columns).T
    return W + rng.choice([0.0, 1e-3, 0.05]) * rng.standard_normal(W.shape)


@cache
def _code_points(m: int) -> tuple[Array, ...]:
    names = (f"simplex:{m}", *_CODES.get(m, ())) if m > 2 else ()
    return tuple(np.array([[float(x) for x in vector] for vector in code(name).vectors]).T for name in names)
