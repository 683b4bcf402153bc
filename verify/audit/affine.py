"""What commutes with an affine map x -> W x + b: its intertwiner pairs, its commutant, and what of them is proved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from theory import MatrixGroup, group
from verify.audit.exact_rank import krylov_rank, rank_at_least
from verify.audit.functions import AFFINE
from verify.audit.tracing import Step, Trace

__all__ = ["AffineMap", "AffineSymmetry", "affine_map", "affine_symmetry"]

_LARGEST = 4096
_LARGEST_COMMUTANT = 16
_LARGEST_KRYLOV = 256


@dataclass(frozen=True, eq=False)
class AffineMap:
    """x -> W x + b, float64.

    Attributes:
        W: shape (p, n).
        b: shape (p,).
    """

    W: np.ndarray
    b: np.ndarray

    @property
    def has_bias(self) -> bool:
        """Whether b is not 0."""
        return bool(np.any(self.b))


@dataclass(frozen=True, eq=False)
class AffineSymmetry:
    """Both groups of an affine map, in words, and as a named group where they are one.

    Attributes:
        equivariance: {A : A(Wx + b) = WAx + b}, in words; "maps R^n to R^p" where it has none.
        intertwiners: {A : W A x + b = B(W x + b) for some B}, in words.
        equivariance_group: the same as an object; None where it has no name.
        intertwiner_group: likewise.
        status: "proved" (ranks by exact arithmetic), or "supported" (ranks by singular values).
        reason: sentence by sentence.
    """

    equivariance: str
    intertwiners: str
    equivariance_group: MatrixGroup | None
    intertwiner_group: MatrixGroup | None
    status: str
    reason: tuple[str, ...]


def affine_map(trace: Trace, index: int) -> AffineMap | None:
    """The matrix and bias of a step that maps vectors affinely; None where it does not, or is too large.

    Linear, BatchNorm1d in evaluation mode, and functions such as F.linear, x @ W, einsum or + b with constants are
    affine by definition; the numbers are read off at 0 and at the unit vectors.
    """
    step = trace.steps[index]
    if isinstance(step.operation, nn.Linear) and type(step.operation) is nn.Linear and len(step.input_shape) >= 1:
        module = step.operation
        shift: Any = module.bias
        return AffineMap(_array(module.weight), _array(torch.zeros(module.out_features) if shift is None else shift))
    if step.operation == "linear" and _is_affine(step):
        constants = dict(zip(("input", "weight", "bias"), step.constants[0], strict=False)) | dict(step.constants[1])
        W, bias = constants["weight"], constants.get("bias")
        return AffineMap(_array(W), _array(torch.zeros(len(W)) if bias is None else bias))
    if type(step.operation) in (nn.BatchNorm2d, nn.BatchNorm3d):
        return _of_channels(step.operation)
    if step.output_shape is None or step.node is None or not _is_affine(step) or not _is_of_last_axis(step):
        return None
    n, p = step.input_shape[-1], step.output_shape[-1]
    if n > _LARGEST or n * p > _LARGEST**2 // 4:
        return None
    try:
        points = torch.cat([torch.zeros(1, n), torch.eye(n)]).to(torch.float64)
        values = trace.apply(index, points)
    except RuntimeError:  # constants that have the batch axis
        return None
    if values.shape != (n + 1, p):
        return None
    b = values[0]
    if step.operation in ("add", "iadd", "sub", "rsub"):
        # (1 + b) - b is rounded, but a sum has the matrix 1 or -1.
        is_negative = step.operation == "rsub" or (step.operation == "sub" and step.constants[0][0] is not None)
        return AffineMap(-np.eye(n) if is_negative else np.eye(n), _array(b))
    return AffineMap(_array((values[1:] - b).T), _array(b))


def _of_channels(module: Any) -> AffineMap | None:
    """What an image normalisation with fixed statistics does to the channels at one place."""
    if not module.track_running_stats:
        return None
    scale = torch.ones_like(module.running_var) if module.weight is None else module.weight
    scale = scale / (module.running_var + module.eps).sqrt()
    bias = torch.zeros_like(scale) if module.bias is None else module.bias
    return AffineMap(np.diag(_array(scale)), _array(bias - module.running_mean * scale))


def _is_of_last_axis(step: Step) -> bool:
    """Whether it does the same to every vector along the last axis."""
    assert step.output_shape is not None
    if len(step.input_shape) == len(step.output_shape) == 1:
        return True
    if not step.input_shape or len(step.input_shape) != len(step.output_shape):
        return False
    positional, keywords = step.constants
    sizes = [one.dim() for one in (*positional, *keywords.values()) if isinstance(one, torch.Tensor)]
    if step.operation == "matmul":
        return step.constants[0][0] is None and sizes == [2]
    return step.operation not in ("mm", "einsum") and isinstance(step.operation, str) and max(sizes, default=0) <= 1


def _is_affine(step: Step) -> bool:
    if isinstance(step.operation, nn.Module):
        return type(step.operation) is nn.BatchNorm1d and step.operation.track_running_stats
    positional, keywords = step.constants
    if step.operation not in AFFINE or len(step.inputs) != 1:
        return False
    places = [i for i, value in enumerate(positional) if value is None]
    if len(places) != 1 or "alpha" in keywords or any(keywords.get(key, 0) is None for key in ("other", "input")):
        return False
    return places[0] == 0 or step.operation not in ("div", "true_divide", "truediv")


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().to(torch.float64).numpy()


def affine_symmetry(found: AffineMap) -> AffineSymmetry:
    """The groups of x -> W x + b.

    B W = W A has an invertible B exactly if A keeps the kernel of W. With a bias, B b = b as well: this asks nothing of
    A unless b = W x0, and then A must fix x0 modulo the kernel. For a square W whose powers make some vector span the
    whole space, the matrices that commute with W are the polynomials in W; those that also fix b are q(W) with
    (q(W) - 1) b = 0, the identity alone where b, Wb, W^2 b, ... span the space. Source: docs/symmetry.md, auditing.
    """
    (p, n), b = found.W.shape, found.b
    rank, proved = _rank(found.W)
    widened = np.column_stack([found.W, b])
    inside = found.has_bias and (rank == p or rank_at_least(widened) <= rank)
    if inside and rank < p:
        # Not in the image modulo a prime would prove that it is not; the opposite is seen in floats only.
        inside, proved = _rank(widened)[0] == rank, False
    size = n * n - rank * (n - rank) - (rank if inside else 0)
    free: MatrixGroup | None = None
    if rank == n and not inside:
        free = group("GL", n)
        words = free.name
    elif rank < n:
        words = f"keeps ker W{', x0' if inside else ''}: dim {size}"
    else:
        words = f"fixes x0: dim {size}"
    pairs = rank**2 + (n - rank) * n + (p - rank) * p - (0 if not found.has_bias else rank if inside else p)
    how = "by exact arithmetic" if proved else "by singular values"
    asked = "keeps the kernel of W" if rank < n else "is any map"
    if inside:
        asked = f"fixes x0{' modulo the kernel of W, which it keeps' if rank < n else ''}, where W x0 = b"
    also = " and B b = b" if found.has_bias else ""
    why = f"rank {rank} {how}; B W = W A{also} has an invertible B where A {asked}"
    reason = [f"{why}; the pairs (A, B) have dimension {pairs}"]
    status = "proved" if proved else "supported"
    if p != n:
        return AffineSymmetry(f"maps R^{n} to R^{p}", words, None, free, status, tuple(reason))
    own, own_group, own_proved, why = _commutant(found)
    status = "proved" if proved and own_proved else "supported"
    return AffineSymmetry(own, words, own_group, free, status, (*reason, why))


def _commutant(found: AffineMap) -> tuple[str, MatrixGroup | None, bool, str]:
    W, b, n = found.W, found.b, len(found.b)
    fixing = ", fixes b" if found.has_bias else ""
    if np.array_equal(W, W[0, 0] * np.eye(n)):
        own = group("GL", n)
        if not found.has_bias:
            return own.name, own, True, "W is a multiple of the identity"
        if n == 1:
            own = group("trivial", 1)
            return own.name, own, True, "A b = b with b != 0"
        if np.all(b == b[0]):
            own = group("Stab1", n)
            return own.name, own, True, "W is a multiple of the identity, b one of the all-ones vector"
        return f"fixes b: dim {n * n - n}", None, True, "W is a multiple of the identity"
    vector = np.random.default_rng(0).integers(-99, 100, n).astype(np.float64)
    if n <= _LARGEST_KRYLOV and krylov_rank(W, vector) == n:
        spanned = krylov_rank(W, b) if found.has_bias else 0
        why = f"some v, Wv, W^2 v, ... span R^{n} (exactly), so only polynomials q(W) commute with W"
        if spanned == n:
            return (
                "{1}: the identity alone",
                group("trivial", n),
                True,
                f"{why}; b, Wb, ... span R^{n}: q(W) b = b gives q(W) = 1",
            )
        # The span of b, Wb, ... is bounded below by exact arithmetic, so what fixes b is bounded above.
        least = f"; those that fix b have dimension {n - spanned}" if found.has_bias else ""
        return f"q(W){fixing}: dim {n - spanned}", None, not found.has_bias, why + least
    if n > _LARGEST_COMMUTANT:
        return f"AW = WA{fixing}", None, False, f"n={n} is too large to compute the dimension of what commutes with W"
    one = np.eye(n)
    system = np.kron(one, W) - np.kron(W.T, one)
    if found.has_bias:
        system = np.vstack([system, np.kron(b[None, :], one)])
    rank, _ = _rank(system)
    words = f"AW = WA{fixing}: dim {n * n - rank}"
    return words, None, False, f"dimension {n * n - rank} by singular values of A W = W A"


def _rank(M: np.ndarray) -> tuple[int, bool]:
    """The rank and whether it is proved: full rank by exact arithmetic, else by singular values."""
    least = rank_at_least(M)
    if least == min(M.shape) or not np.any(M):
        return least, True
    sizes = np.linalg.svd(M, compute_uv=False)
    seen = int(np.sum(sizes > 64 * max(M.shape) * np.finfo(float).eps * sizes[0]))
    return max(least, seen), False
