"""Large n: no matrix of n^2 columns. One least-squares run shows a generic element of the algebra, another checks it.

X -> Df(x) X x - X f(x) over all points is applied by products with Df and its transpose. LSQR from 0 turns a random Z
into its part in the row space; what is left is a generic element of the null space, the Lie algebra. It shows which
named algebra L to claim. Then two checks: a random element of L gives residuals of rounding size, and of a random Z
orthogonal to L nothing is left: almost surely the null space is no larger than L.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from numerics.symmetry.claims import Claim, claims
from numerics.symmetry.discovery import Discovery
from numerics.symmetry.finite import FiniteTest, find_jump
from numerics.symmetry.maps import BlackBox
from numerics.symmetry.sampling import NEAR, points

__all__ = ["Constraints", "Remainder", "constraints", "discover_matrix_free", "remainder"]

_CACHED = 1 << 24
_CLOSED = 1e-6
_KEPT = 1 << 22


@dataclass(frozen=True)
class Constraints:
    """The linear map Z -> (Df(x) Z x - Z f(x))/scale over N points, from R^(n x n) to R^(N x p).

    Attributes:
        box: f.
        X: points, shape (N, n).
        F: values, shape (N, n).
        scale: |Df||x| + |f| of each point, shape (N, 1).
        J: derivatives, shape (N, n, n), where they fit; else None, and products come from jvp and vjp.
    """

    box: BlackBox
    X: np.ndarray
    F: np.ndarray
    scale: np.ndarray
    J: np.ndarray | None

    def apply(self, Z: np.ndarray) -> np.ndarray:
        """Shape (N, n)."""
        V = self.X @ Z.T
        moved = self.box.jvp(self.X, V) if self.J is None else np.matmul(self.J, V[:, :, None])[:, :, 0]
        return (moved - self.F @ Z.T) / self.scale

    def adjoint(self, R: np.ndarray) -> np.ndarray:
        """Shape (n, n)."""
        W = R / self.scale
        back = self.box.vjp(self.X, W) if self.J is None else np.matmul(W[:, None, :], self.J)[:, 0]
        return back.T @ self.X - W.T @ self.F


@dataclass(frozen=True)
class Remainder:
    """What least squares left of a matrix: its part in the null space, if LSQR has converged.

    Attributes:
        Z: the remainder, shape (n, n).
        share: its norm over that of the matrix at the start.
        residual: |M Z|/(|M||Z|): of rounding size for an element of the null space.
        iterations: how many products with M and its transpose it took.
    """

    Z: np.ndarray
    share: float
    residual: float
    iterations: int


def constraints(box: BlackBox, count: int, rng: np.random.Generator) -> Constraints:
    """The constraints at `count` points (fewer where f is not finite); derivatives are kept where they fit."""
    X = points(box.n, count, rng, NEAR)
    with np.errstate(all="ignore"):
        F = box.values(X)
        J = box.jacobians(X)[0] if count * box.n * box.n <= _CACHED else None
        if J is not None:
            slope = np.sqrt((J**2).sum((1, 2)))
        else:
            # E |Df v|^2 = |Df|^2 for Gaussian v.
            tries = [np.linalg.norm(box.jvp(X, rng.standard_normal(X.shape)), axis=1) for _ in range(2)]
            slope = np.sqrt(sum(t**2 for t in tries) / 2)
        keep = np.isfinite(F).all(1) & np.isfinite(slope)
    X, F, slope = X[keep], F[keep], slope[keep]
    J = None if J is None else J[keep]
    size_x = np.linalg.norm(X, axis=1)
    active = slope[slope > 0]
    typical = float(np.median(active)) if len(active) else 0.0
    scale = slope * size_x + np.linalg.norm(F, axis=1) + 1e-2 * typical * size_x
    scale[scale == 0] = 1.0
    return Constraints(box, X, F, scale[:, None], J)


def remainder(M: Constraints, Z: np.ndarray, size: float, most: int = 600) -> Remainder:
    """Z less its part in the row space of M, by LSQR from 0.

    Args:
        M: the constraints.
        Z: where to start, shape (n, n).
        size: an estimate of |M|.
        most: the largest number of iterations.
    """
    from scipy.sparse.linalg import LinearOperator, lsqr

    n, count = M.box.n, len(M.X)
    spent = 0

    def apply(z: np.ndarray) -> np.ndarray:
        nonlocal spent
        spent += 1
        return M.apply(z.reshape(n, n)).ravel()

    operator = LinearOperator(
        (count * n, n * n), matvec=apply, rmatvec=lambda r: M.adjoint(r.reshape(count, n)).ravel(), dtype=float
    )
    right = apply(Z.ravel())
    found = lsqr(operator, right, atol=1e-14, btol=1e-14, conlim=0, iter_lim=most)[0].reshape(n, n)
    rest = Z - found
    norm = float(np.linalg.norm(rest))
    residual = float(np.linalg.norm(M.apply(rest))) / (size * norm) if norm > 0 else 0.0
    return Remainder(rest, norm / float(np.linalg.norm(Z)), residual, spent)


def discover_matrix_free(
    box: BlackBox, test: FiniteTest, rng: np.random.Generator, seed: int, started: float
) -> Discovery:
    """The Lie algebra of a map on R^n for large n, if it is a named one; see the module."""
    n, evidence = box.n, []
    count, limit = max(4 * n, 256), 3 * n * (n + 1)
    jump = find_jump(box, rng, count=16)
    while True:
        M = constraints(box, count, rng)
        size = _norm(M, rng)
        first = remainder(M, rng.standard_normal((n, n)), size)
        claim, second = _claimed(M, first, size, rng)
        if claim is not None or count >= limit:
            break
        count = min(4 * count, limit)
    evidence.append(f"LSQR left {first.share:.1e} of a random matrix at {len(M.X)} points ({first.iterations} steps)")
    if claim is None or second is None:
        name = "an algebra without a name in the standard basis: use method='dense'"
        return _result(box, name, None, evidence, jump, M, started, seed, None)
    evidence.append(
        f"the rest lies in {claim.words} (dimension {claim.dimension}); of a random matrix orthogonal to that LSQR "
        f"left {second.share:.1e}: the dimension is at most {claim.dimension}"
    )
    if claim.dimension:
        inside = claim.project(rng.standard_normal((n, n)))
        residual = float(np.linalg.norm(M.apply(inside))) / (size * float(np.linalg.norm(inside)))
        evidence.append(f"a random element of it leaves a relative residual of {residual:.1e}")
    name, group, discrete, holds = claim.recognise(test, rng)
    return _result(box, name, group, evidence, jump, M, started, seed, claim, discrete, holds, second.share)


def _claimed(
    M: Constraints, first: Remainder, size: float, rng: np.random.Generator
) -> tuple[Claim | None, Remainder | None]:
    """The smallest named algebra that holds the generic element, if nothing orthogonal to it is left."""
    n = M.box.n
    for claim in claims(n, None if first.share < _CLOSED else first.Z, rng):
        inside = claim.project(rng.standard_normal((n, n)))
        norm = float(np.linalg.norm(inside))
        if norm > 0 and np.linalg.norm(M.apply(inside)) > 1e-7 * size * norm:
            continue
        Z = rng.standard_normal((n, n))
        Z -= claim.project(Z)
        if np.linalg.norm(Z) <= 1e-9 * n:
            return claim, Remainder(Z, 0.0, 0.0, 0)
        second = remainder(M, Z, size)
        if second.share < _CLOSED:
            return claim, second
    return None, None


def _norm(M: Constraints, rng: np.random.Generator) -> float:
    """|M| by a few power steps."""
    Z = rng.standard_normal((M.box.n, M.box.n))
    size = 1.0
    for _ in range(8):
        Z = M.adjoint(M.apply(Z))
        size = float(np.linalg.norm(Z))
        if size == 0:
            return 1.0
        Z /= size
    return float(np.sqrt(size))


def _basis(claim: Claim, n: int, rng: np.random.Generator) -> np.ndarray:
    """An orthonormal basis of the claimed algebra where it fits, else an empty array."""
    d = claim.dimension
    if not d or d * n * n > _KEPT:
        return np.zeros((0, n, n))
    drawn = np.array([claim.project(rng.standard_normal((n, n))).ravel() for _ in range(d)])
    return np.ascontiguousarray(np.linalg.qr(drawn.T)[0].T).reshape(d, n, n)


def _result(
    box: BlackBox,
    name: str,
    group: object,
    evidence: list[str],
    jump: np.ndarray | None,
    M: Constraints,
    started: float,
    seed: int,
    claim: Claim | None,
    discrete: tuple[np.ndarray, ...] = (),
    holds: bool = False,
    share: float = 1.0,
) -> Discovery:
    n = box.n
    status = "ambiguous" if claim is None else "certified" if holds else "upper bound only"
    evidence.append(f"{len(M.X)} points, derivatives by {box.derivative}, matrix-free method")
    if jump is not None:
        status = "upper bound only"
        evidence.append("f jumps: not locally Lipschitz, so the dimension is an upper bound only")
    rng = np.random.default_rng(seed)
    dimension = n * n if claim is None else claim.dimension
    return Discovery(
        n=n,
        label=box.label,
        name=name if holds or claim is None else f"at most {name}",
        group=group,  # type: ignore[arg-type]
        change_of_basis=None,
        dimension=dimension,
        verified_dimension=dimension if claim is not None and holds else 0,
        lie_algebra=np.zeros((0, n, n)) if claim is None else _basis(claim, n, rng),
        singular_values=np.zeros(0),
        threshold=_CLOSED,
        gap=1 / (n * max(share, 1e-16)),
        discrete=discrete,
        order=None,
        status=status,
        jump=jump,
        evidence=tuple(evidence),
        method="matrix-free",
        derivative=box.derivative,
        samples=len(M.X),
        seconds=perf_counter() - started,
        seed=seed,
    )
