"""Large n: no matrix of n^2 columns. One least-squares run shows a generic element of the algebra, another checks it.

X -> Df(x) X x - X f(x) over all points is applied by products with Df and its transpose. LSQR from 0 turns a random Z
into its part in the row space; what is left is a generic element of the null space, the Lie algebra. If it lies in one
of the named algebras L, then almost surely the whole null space does; and a random element of L must give residuals of
rounding size. An algebra that was read off the generic element itself (diagonal matrices in its eigenbasis) needs a
second run: of a random Z orthogonal to L nothing may be left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from numerics.symmetry.claims import Claim, claims
from numerics.symmetry.discovery import Discovery
from numerics.symmetry.finite import FiniteTest, find_jump
from numerics.symmetry.maps import BlackBox
from numerics.symmetry.sampling import NEAR, points
from theory import InputError

__all__ = ["Constraints", "Remainder", "constraints", "discover_matrix_free", "remainder"]

_CACHED = 1 << 24
_CLOSED = 1e-6
_KEPT = 1 << 22


@dataclass(frozen=True)
class Constraints:
    """The linear map Z -> (Df(x) Z x - Z f(x))/scale over N points, from R^(n x n) to R^(N x p).

    Attributes:
        n: the dimension.
        X: points, shape (N, n).
        F: values, shape (N, n).
        scale: |Df||x| + |f| of each point, shape (N, 1).
        forward: V -> Df(x) v for each row.
        backward: W -> Df(x)^T w for each row.
        noise: typical relative error of the products.
        balance: C^(-1/2), C the second moments of |Df| x and f over the points: least squares runs on Z = Y C^(-1/2),
            which it needs fewer steps for.
    """

    n: int
    X: np.ndarray
    F: np.ndarray
    scale: np.ndarray
    forward: Callable[[np.ndarray], np.ndarray]
    backward: Callable[[np.ndarray], np.ndarray]
    balance: np.ndarray
    noise: float

    def apply(self, Z: np.ndarray) -> np.ndarray:
        """Shape (N, n)."""
        return (self.forward(self.X @ Z.T) - self.F @ Z.T) / self.scale

    def adjoint(self, R: np.ndarray) -> np.ndarray:
        """Shape (n, n)."""
        W = R / self.scale
        return self.backward(W).T @ self.X - W.T @ self.F


@dataclass(frozen=True)
class Remainder:
    """What least squares left of a random matrix: a generic element of the null space, if LSQR has converged.

    Attributes:
        Z: the remainder, shape (n, n).
        share: its norm over that of the matrix at the start, in the balanced coordinates.
        iterations: how many products with M and its transpose it took.
    """

    Z: np.ndarray
    share: float
    iterations: int


def constraints(box: BlackBox, count: int, rng: np.random.Generator) -> Constraints:
    """The constraints at `count` points (fewer where f is not finite); derivatives are kept where they fit."""
    X = points(box.n, count, rng, NEAR)
    with np.errstate(all="ignore"):
        F = box.values(X)
        # E |Df v|^2 = |Df|^2 for Gaussian v.
        tries = [np.linalg.norm(box.jvp(X, rng.standard_normal(X.shape)), axis=1) for _ in range(2)]
    slope = np.sqrt((tries[0] ** 2 + tries[1] ** 2) / 2)
    keep = np.isfinite(F).all(1) & np.isfinite(slope)
    X, F, slope = X[keep], F[keep], slope[keep]
    size_x = np.linalg.norm(X, axis=1)
    active = slope[slope > 0]
    typical = float(np.median(active)) if len(active) else 0.0
    scale = slope * size_x + np.linalg.norm(F, axis=1) + 1e-2 * typical * size_x
    scale[scale == 0] = 1.0
    noise = box.unit
    stored = box.jacobians(X) if len(X) * box.n * box.n <= _CACHED else None
    if box.derivative == "differences":
        if stored is None:
            raise InputError(f"n={box.n} is too large for derivatives by differences; give f as a torch module")
        # A stencil that crosses a kink is wrong by as much as the derivative jumps: leave such points out.
        error = stored[1] * size_x / scale
        keep = error <= 1e-8
        X, F, scale, slope, stored = X[keep], F[keep], scale[keep], slope[keep], (stored[0][keep], stored[1][keep])
        noise = float(error[keep].max(initial=box.unit))
    forward, backward = box.linearised(X)
    if stored is not None:
        J = stored[0]
        forward, backward = (
            lambda V: np.matmul(J, V[:, :, None])[:, :, 0],
            lambda W: np.matmul(W[:, None, :], J)[:, 0],
        )
    weighted = np.concatenate([X * (slope / scale / np.sqrt(box.n))[:, None], F / scale[:, None]])
    values, vectors = np.linalg.eigh(weighted.T @ weighted)
    floor = 1e-6 * max(float(values[-1]), np.finfo(float).tiny)
    balance = vectors / np.sqrt(np.maximum(values, floor)) @ vectors.T
    return Constraints(box.n, X, F, scale[:, None], forward, backward, balance, noise)


def remainder(M: Constraints, rng: np.random.Generator, most: int) -> Remainder:
    """A random matrix less its part in the row space of M, by LSQR from 0 in the balanced coordinates.

    Args:
        M: the constraints.
        rng: of the matrix.
        most: the largest number of iterations.
    """
    from scipy.sparse.linalg import LinearOperator, lsqr

    n, count, C = M.n, len(M.X), M.balance
    operator = LinearOperator(
        (count * n, n * n),
        matvec=lambda y: M.apply(y.reshape(n, n) @ C).ravel(),
        rmatvec=lambda r: (M.adjoint(r.reshape(count, n)) @ C).ravel(),
        dtype=float,
    )
    Y = rng.standard_normal((n, n))
    close = max(1e-12, 10 * M.noise)
    solved = lsqr(operator, operator.matvec(Y.ravel()), atol=close, btol=close, conlim=0, iter_lim=most)
    rest = Y - solved[0].reshape(n, n)
    return Remainder(rest @ C, float(np.linalg.norm(rest) / np.linalg.norm(Y)), int(solved[2]))


def discover_matrix_free(
    box: BlackBox, test: FiniteTest, rng: np.random.Generator, seed: int, started: float
) -> Discovery:
    """The Lie algebra of a map on R^n for large n, if it is a named one; see the module."""
    n, evidence = box.n, []
    jump = find_jump(box, rng, count=16)
    # An isotropic map gives one constraint per point, most others n.
    for count, most in ((8 * n, 250), (max(n * n, 32 * n), 600)):
        M = constraints(box, count, rng)
        first = remainder(M, rng, most)
        claim, share = _claimed(M, first, rng)
        if claim is not None:
            break
    evidence.append(f"LSQR left {first.share:.1e} of a random matrix at {len(M.X)} points, in {first.iterations} steps")
    if claim is None:
        name = "an algebra without a name in the standard basis: use method='dense'"
        return _result(box, name, None, evidence, jump, M, started, seed, None)
    evidence.append(f"what is left lies in {claim.words}, to {share:.1e}: the dimension is at most {claim.dimension}")
    if claim.dimension:
        evidence.append(f"a random element of it leaves a relative residual of {_residual(M, claim, rng):.1e}")
    name, group, discrete, holds = claim.recognise(test, rng)
    return _result(box, name, group, evidence, jump, M, started, seed, claim, discrete, holds, share)


def _claimed(M: Constraints, first: Remainder, rng: np.random.Generator) -> tuple[Claim | None, float]:
    """The smallest named algebra that holds the generic element and is in the null space; how much lies outside."""
    closed = max(_CLOSED, 1e4 * M.noise)
    for claim in claims(M.n, None if first.share < closed else first.Z, rng, closed):
        if _residual(M, claim, rng) > 1e-7:
            continue
        if claim.dimension == 0:
            return claim, first.share
        left = remainder(M, rng, 600) if claim.is_fitted else first
        outside = float(np.linalg.norm(left.Z - claim.project(left.Z)) / np.linalg.norm(left.Z))
        if outside < closed:
            return claim, outside
    return None, 1.0


def _residual(M: Constraints, claim: Claim, rng: np.random.Generator) -> float:
    """|M L|/(|M||L|) for a random L of the claimed algebra."""
    inside = claim.project(rng.standard_normal((M.n, M.n)))
    norm = float(np.linalg.norm(inside))
    return float(np.linalg.norm(M.apply(inside))) / (_norm(M, rng) * norm) if norm > 0 else 0.0


def _norm(M: Constraints, rng: np.random.Generator) -> float:
    """|M| by a few power steps."""
    Z = rng.standard_normal((M.n, M.n))
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
