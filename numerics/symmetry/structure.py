"""The shape of a Lie algebra of matrices: the smallest invariant pieces, and what acts on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Block", "decompose", "span_equal", "spans"]

_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Block:
    """An invariant subspace and the algebra on it.

    Attributes:
        kind: "trivial" (zero), "scale" (a line that is scaled), "homothety" (multiples of 1), "gl", "sl", "so", "co",
            "gl complex" or "other".
        basis: columns that span the subspace, shape (n, k): for "so" and "co" orthonormal for the invariant form, else
            orthonormal; a line is spanned by a unit vector whose largest entry is positive.
        dimension: of the algebra on it.
    """

    kind: str
    basis: np.ndarray
    dimension: int

    @property
    def size(self) -> int:
        """k."""
        return self.basis.shape[1]


def spans(rows: np.ndarray, tolerance: float = _TOLERANCE) -> np.ndarray:
    """An orthonormal basis of the row space, by singular values above tolerance times the largest."""
    if not rows.size:
        return rows.reshape(0, rows.shape[-1])
    _, sigma, basis = np.linalg.svd(rows, full_matrices=False)
    return basis[sigma > tolerance * max(float(sigma[0]), 1e-300)] if sigma[0] > 1e-12 else basis[:0]


def span_equal(a: np.ndarray, b: np.ndarray, tolerance: float = _TOLERANCE) -> bool:
    """Whether the rows of a (orthonormal) and of b (any) span the same space."""
    own = spans(b)
    return len(own) == len(a) and (len(a) == 0 or bool(np.abs(own - own @ a.T @ a).max() <= tolerance))


def decompose(algebra: np.ndarray, rng: np.random.Generator) -> tuple[Block, ...] | None:
    """The isotypic pieces of R^n under a reductive algebra, shape (d, n, n); None if they do not add up to it.

    A generic element of the centre of the commutant has one eigenvalue (or conjugate pair) on each piece. If the
    dimensions of the algebras on the pieces do not add up to d, the algebra couples them (or is not reductive).
    """
    d, n, _ = algebra.shape
    if d == 0:
        return (Block("trivial", np.eye(n), 0),)
    if d == n * n:
        return (Block("gl", np.eye(n), d),)
    central = _central_element(algebra, rng)
    if central is None:
        return None
    pieces = _eigenspaces(central)
    if pieces is None:
        return None
    whole = np.concatenate(pieces, axis=1)
    if np.linalg.cond(whole) > 1e8:
        return None
    moved = np.linalg.solve(whole, algebra @ whole)
    blocks, start, rest = [], 0, moved.copy()
    for basis in pieces:
        part = slice(start, start + basis.shape[1])
        blocks.append(_classify(moved[:, part, part], basis, rng))
        rest[:, part, part] = 0.0
        start += basis.shape[1]
    if np.abs(rest).max() > 1e-5 * np.abs(moved).max() or sum(block.dimension for block in blocks) != d:
        return None
    return tuple(blocks)


def _central_element(algebra: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    n = algebra.shape[1]
    generic = [np.tensordot(rng.standard_normal(len(algebra)), algebra, 1) for _ in range(2)]
    commutant = _commuting_with(generic, np.eye(n * n).reshape(-1, n, n))
    if not len(commutant):
        return None
    mixed = [np.tensordot(rng.standard_normal(len(commutant)), commutant, 1) for _ in range(2)]
    centre = _commuting_with(mixed, commutant)
    return np.tensordot(rng.standard_normal(len(centre)), centre, 1) if len(centre) else None


def _commuting_with(others: Sequence[np.ndarray], among: np.ndarray) -> np.ndarray:
    """A basis of the combinations of `among` that commute with all `others`."""
    n = among.shape[1]
    if len(among) == n * n:
        one = np.eye(n)
        rows = np.concatenate([np.kron(one, X.T) - np.kron(X, one) for X in others])
        rows = np.asarray(np.linalg.qr(rows, mode="r"))
    else:
        rows = np.concatenate([(among @ X - X @ among).reshape(len(among), -1).T for X in others])
        if rows.shape[0] < rows.shape[1]:
            rows = np.concatenate([rows, np.zeros((rows.shape[1] - rows.shape[0], rows.shape[1]))])
    _, sigma, basis = np.linalg.svd(rows, full_matrices=False)
    null = basis[sigma <= 1e-8 * max(1.0, float(sigma[0]))]
    return np.tensordot(null, among, 1)


def _eigenspaces(Z: np.ndarray) -> list[np.ndarray] | None:
    """Orthonormal bases of the real eigenspaces, conjugate pairs together; None where Z has too few eigenvectors."""
    n = Z.shape[0]
    values, vectors = np.linalg.eig(Z)
    size = max(float(np.abs(values).max()), 1e-300)
    found, left = [], list(range(n))
    while left:
        value = values[left[0]]
        near = [i for i in left if min(abs(values[i] - value), abs(values[i] - np.conj(value))) <= _TOLERANCE * size]
        left = [i for i in left if i not in near]
        columns = np.concatenate([vectors[:, near].real, vectors[:, near].imag], axis=1)
        basis = spans(columns.T, 1e-5).T
        if basis.shape[1] != len(near):
            return None
        found.append(_tidy(basis))
    return sorted(found, key=lambda b: (b.shape[1], int(np.argmax(np.abs(b[:, 0])))))


def _tidy(basis: np.ndarray) -> np.ndarray:
    """Unit vectors where the subspace is spanned by some, else the basis; a line points along its largest entry."""
    projector = basis @ basis.T
    axes = np.flatnonzero(np.abs(np.diag(projector) - 1) < 1e-9)
    if len(axes) == basis.shape[1]:
        return np.eye(len(basis))[:, axes]
    if basis.shape[1] == 1:
        return basis * np.sign(basis[np.argmax(np.abs(basis[:, 0])), 0])
    return basis


def _classify(acting: np.ndarray, basis: np.ndarray, rng: np.random.Generator) -> Block:
    k = basis.shape[1]
    scale = np.abs(acting).max(initial=0.0)
    own = spans(acting.reshape(len(acting), -1)) if scale > 1e-7 else np.zeros((0, k * k))
    d = len(own)
    if d == 0:
        return Block("trivial", basis, 0)
    if k == 1:
        return Block("scale", basis, 1)
    if d == k * k:
        return Block("gl", basis, d)
    one = np.eye(k).ravel() / np.sqrt(k)
    has_scale = bool(np.linalg.norm(own @ one) > 1 - 1e-6)
    if d == 1 and has_scale:
        return Block("homothety", basis, 1)
    if d == k * k - 1 and np.abs(own @ one).max() < 1e-6:
        return Block("sl", basis, d)
    if d == k * (k - 1) // 2 + has_scale:
        form = _invariant_form(own.reshape(-1, k, k), rng)
        if form is not None:
            moved = basis @ np.linalg.inv(np.linalg.cholesky(form).T)
            return Block("co" if has_scale else "so", moved, d)
    return Block("gl complex" if k % 2 == 0 and 2 * d == k * k else "other", basis, d)


def _invariant_form(algebra: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """The definite G with X^T G + G X = 0 for the trace-free parts, of trace k; None unless it is unique."""
    k = algebra.shape[1]
    free = algebra - np.trace(algebra, axis1=1, axis2=2)[:, None, None] * np.eye(k) / k
    pairs = [(i, j) for i in range(k) for j in range(i, k)]
    symmetric = np.zeros((len(pairs), k, k))
    for index, (i, j) in enumerate(pairs):
        symmetric[index, i, j] = symmetric[index, j, i] = 1.0
    rows = []
    # Three generic elements generate the algebra of a simple group; all of them would cost d k^4.
    for X in np.tensordot(rng.standard_normal((3, len(free))), free, 1):
        moved = X.T @ symmetric
        rows.append((moved + moved.transpose(0, 2, 1)).reshape(len(pairs), -1).T)
    _, sigma, null = np.linalg.svd(np.linalg.qr(np.concatenate(rows), mode="r"), full_matrices=False)
    if (sigma <= 1e-7 * sigma[0]).sum() != 1:
        return None
    G = np.tensordot(null[-1], symmetric, 1)
    G = G * k / np.trace(G) if np.trace(G) != 0 else G
    values = np.linalg.eigvalsh(G)
    if values[0] <= 1e-8:
        return None
    return np.eye(k) if np.abs(G - np.eye(k)).max() < 1e-9 else G
