"""Which linear maps commute with a black box? The front door: a Lie algebra with a certificate, and its group."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from numerics.symmetry.finite import FiniteTest, find_jump, finite_test
from numerics.symmetry.frames import derivative_frame, match_scales, separates
from numerics.symmetry.lie_algebra import NullSpace, draw, null_space
from numerics.symmetry.maps import BlackBox, as_black_box
from numerics.symmetry.recognition import Recognition, recognise
from numerics.symmetry.sampling import NEAR
from numerics.symmetry.structure import decompose, spans
from theory import InputError, MatrixGroup
from theory.arguments import one_of

__all__ = ["Discovery", "discover_equivariance"]

METHODS = ("auto", "dense", "elementwise", "matrix-free")
_DENSE = 32
_CLEAR_GAP = 100.0


@dataclass(frozen=True, eq=False)
class Discovery:
    """The group {A in GL(n): f(Ax) = A f(x)} as far as values and derivatives show it.

    Attributes:
        n: the dimension.
        label: how f is called.
        name: the group in words.
        group: the recognised `theory.MatrixGroup`, in the basis of f, or None where it has no name.
        change_of_basis: R where the group is R^-1 G R with G in its usual basis, shape (n, n); None for R = 1.
        dimension: of the Lie algebra: the number of singular values below the threshold. An upper bound.
        verified_dimension: how much of it was seen to commute by finite elements. A lower bound.
        lie_algebra: an orthonormal basis, shape (dimension, n, n).
        singular_values: of the constraints, descending; as many as there are unknowns (n^2 in the dense method).
        threshold: an upper estimate of the error of the constraint matrix; what is above it is not zero.
        gap: smallest singular value above the threshold over the largest below.
        discrete: elements that, with the algebra, generate what was found, shape (n, n) each.
        order: number of elements where the algebra is zero and all signed permutations were tried; else None.
        status: "certified" (both bounds agree and the gap is clear), "upper bound only" or "ambiguous".
        jump: a point where f is not continuous, or None.
        evidence: what was seen, sentence by sentence.
        method: "dense", "elementwise" or "matrix-free".
        derivative: "autograd", "complex step" or "differences".
        samples: how many points were used.
        seconds: wall time.
        seed: of all random choices.
    """

    n: int
    label: str
    name: str
    group: MatrixGroup | None
    change_of_basis: np.ndarray | None
    dimension: int
    verified_dimension: int
    lie_algebra: np.ndarray
    singular_values: np.ndarray
    threshold: float
    gap: float
    discrete: tuple[np.ndarray, ...]
    order: int | None
    status: str
    jump: np.ndarray | None
    evidence: tuple[str, ...]
    method: str
    derivative: str
    samples: int
    seconds: float
    seed: int

    @property
    def is_flagged(self) -> bool:
        """Whether the dimension is not certified: f jumps, a finite check failed, or the gap is not clear."""
        return self.status != "certified"

    def __str__(self) -> str:
        what = f"dimension {self.dimension}"
        if self.verified_dimension != self.dimension:
            what = f"dimension between {self.verified_dimension} and {self.dimension}"
        lines = [f"{self.label} on R^{self.n}: {self.name}", f"{what}, {self.status} (numerical)"]
        return "\n".join([*lines, *(f"- {line}" for line in self.evidence)])

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON."""
        return {
            "n": self.n,
            "label": self.label,
            "name": self.name,
            "group": None if self.group is None else self.group.name,
            "key": None if self.group is None else self.group.key,
            "change_of_basis": None if self.change_of_basis is None else self.change_of_basis.tolist(),
            "dimension": self.dimension,
            "verified_dimension": self.verified_dimension,
            "lie_algebra": self.lie_algebra.tolist(),
            "singular_values": [float(v) for v in self.singular_values],
            "threshold": self.threshold,
            "gap": self.gap if np.isfinite(self.gap) else None,
            "discrete": [A.tolist() for A in self.discrete],
            "order": self.order,
            "status": self.status,
            "jump": None if self.jump is None else self.jump.tolist(),
            "evidence": list(self.evidence),
            "method": self.method,
            "derivative": self.derivative,
            "samples": self.samples,
            "seconds": self.seconds,
            "seed": self.seed,
        }


def discover_equivariance(f: Any, n: int, seed: int = 0, method: str = "auto") -> Discovery:
    """The group {A in GL(n): f(Ax) = A f(x) for all x}, discovered from values and derivatives of f.

    The Lie algebra is the null space of X -> Df(x) X x - X f(x) over points of many sizes; singular values above an
    estimate of the rounding error bound its dimension from above, elements exp(X) that are seen to commute bound it
    from below. Then discrete elements are tried and the group is recognised, also in another basis. All of it is
    numerical evidence about the points that were tried, never a proof; a map that jumps is flagged, because almost
    everywhere defined derivatives do not see jumps.

    Args:
        f: a callable on arrays that acts on the last axis, a torch module (or function), or an activation or layer.
        n: the dimension, an integer >= 1. Up to 32 the whole constraint matrix is factorised.
        seed: of all random choices.
        method: "dense", "elementwise" (n problems of size n, for maps that act entry by entry), "matrix-free" (least
            squares by products with Df; recognises what is named), or "auto".

    Raises:
        InputError: n out of range; f does not map R^n to R^n, fails, is NaN, or is not a fixed map.

    Source: docs/symmetry.md, discovery for black boxes.
    """
    started = perf_counter()
    one_of("method", method, METHODS)
    box = as_black_box(f, n, seed)
    if box.p != box.n:
        raise InputError(
            f"f={box.label} maps R^{box.n} to R^{box.p}; equivariance needs R^n to R^n, use discover_intertwiner"
        )
    rng = np.random.default_rng(seed)
    test = finite_test(box, rng)
    chosen = method
    if method == "auto":
        chosen = "dense" if box.n <= _DENSE else "elementwise" if separates(box, rng, test.X) else "matrix-free"
    if chosen == "elementwise":
        from numerics.symmetry.elementwise import elementwise_null_space

        if not separates(box, rng, test.X):
            raise InputError(f"method='elementwise', but f={box.label} mixes its entries; use 'dense' or 'matrix-free'")
        rows = elementwise_null_space(box, rng)
        if rows is not None:
            return _judge(box, test, rows, rng, seed, chosen, started)
        chosen = "matrix-free"
    if chosen == "matrix-free":
        from numerics.symmetry.matrix_free import discover_matrix_free

        return discover_matrix_free(box, test, rng, seed, started)
    return _judge(box, test, null_space(box, rng), rng, seed, chosen, started)


def _judge(
    box: BlackBox,
    test: FiniteTest,
    space: NullSpace,
    rng: np.random.Generator,
    seed: int,
    method: str,
    started: float,
) -> Discovery:
    algebra = space.basis.reshape(-1, box.n, box.n)
    jump = find_jump(box, rng)
    kept = exponentials(algebra, test, rng)
    frame = None
    if len(kept) == 0 and box.n <= _DENSE:
        frame = derivative_frame(draw(box, 48, rng, NEAR)[0])
        frame = None if frame is None else match_scales(box, frame)
    if box.n <= _DENSE:
        found = recognise(kept, test, rng, frame)
    else:
        from numerics.symmetry.claims import recognise_large

        found = recognise_large(kept, test, rng)
    evidence, status = verdict(space, len(kept), found, jump, box, method)
    fields = what_was_found(box, space, algebra, kept, found, jump, method)
    return Discovery(**fields, evidence=evidence, status=status, seconds=perf_counter() - started, seed=seed)


def what_was_found(
    box: BlackBox, space: NullSpace, algebra: np.ndarray, kept: np.ndarray, found: Recognition, jump: Any, method: str
) -> dict[str, Any]:
    """The fields of a `Discovery` that follow from the null space, its verified part and the recognised group."""
    return {
        "n": box.n,
        "label": box.label,
        "name": found.name if len(kept) == len(algebra) else f"contains {found.name}",
        "group": found.group,
        "change_of_basis": found.R,
        "dimension": len(algebra),
        "verified_dimension": len(kept),
        "lie_algebra": algebra,
        "singular_values": space.singular_values,
        "threshold": space.threshold,
        "gap": space.gap,
        "discrete": found.discrete,
        "order": found.order if jump is None else None,
        "jump": jump,
        "method": method,
        "derivative": box.derivative,
        "samples": space.samples,
    }


def exponentials(algebra: np.ndarray, test: FiniteTest, rng: np.random.Generator) -> np.ndarray:
    """The part of the algebra whose elements exp(X) are seen to commute: all of it, or what can be told apart.

    Random elements of the whole algebra are tried first. If they fail, multiples of 1, the parts on the invariant
    subspaces and their sums are tried one by one.
    """
    d, n, _ = algebra.shape
    if d == 0 or all(_commutes(X, test) for X in _generic(algebra, rng)):
        return algebra
    flat = algebra.reshape(d, n * n)
    tried = [np.eye(n), np.ones((n, n)), *(np.diag(row) for row in np.eye(n)), *algebra]
    blocks = decompose(algebra, rng) if n <= _DENSE else None
    if blocks is not None and len(blocks) > 1:
        basis = np.concatenate([block.basis for block in blocks], axis=1)
        inverse, start = np.linalg.inv(basis), 0
        for block in blocks:
            part = slice(start, start + block.size)
            tried.append(basis[:, part] @ inverse[part])
            start += block.size
    passed = [X.ravel() for X in tried if _inside(X, flat) and _commutes(X / np.linalg.norm(X), test)]
    return spans(np.array(passed)).reshape(-1, n, n) if passed else np.zeros((0, n, n))


def verdict(
    space: NullSpace,
    verified: int,
    found: Recognition,
    jump: np.ndarray | None,
    box: BlackBox,
    method: str,
    dimension: int | None = None,
) -> tuple[tuple[str, ...], str]:
    """What was seen, in sentences, and the status; `dimension` where it is not that of the whole null space."""
    d = len(space.basis) if dimension is None else dimension
    unknowns = len(space.singular_values)
    above = space.singular_values[space.singular_values > space.threshold]
    lines = [
        f"{len(above)} of {unknowns} singular values exceed {space.threshold:.1e}"
        + (f", the smallest is {above.min():.2g}" if len(above) else "")
        + f": the dimension is at most {d}",
    ]
    if d:
        seen = "all of" if verified == d else f"{verified} dimensions of"
        lines.append(f"exp(tX) commutes with f on fresh points for {seen} the algebra")
    lines += list(found.steps)
    lines.append(f"{space.samples} points, derivatives by {box.derivative}, {method} method")
    if space.skipped:
        lines.append(f"{space.skipped} points were left out, where f or its derivative is not finite")
    if jump is not None:
        where = ", ".join(f"{v:.6g}" for v in jump[:8]) + (", ..." if len(jump) > 8 else "")
        lines.append(f"f jumps at x = ({where}): not locally Lipschitz, so the dimension is an upper bound only")
        return tuple(lines), "upper bound only"
    if verified < d or not found.is_contained:
        lines.append("a finite check failed: the dimension is an upper bound only")
        return tuple(lines), "upper bound only"
    if space.gap < _CLEAR_GAP or not space.is_stable:
        why = "no clear gap" if space.gap < _CLEAR_GAP else "the dimension still fell when points were added"
        lines.append(f"{why} among the singular values: the dimension is not certain")
        return tuple(lines), "ambiguous"
    return tuple(lines), "certified"


def _generic(algebra: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    found = [np.tensordot(rng.standard_normal(len(algebra)), algebra, 1) for _ in range(3)]
    return [X / np.linalg.norm(X) for X in found]


def _commutes(X: np.ndarray, test: FiniteTest) -> bool:
    from scipy.linalg import expm

    return all(test.commutes(expm(t * X), is_exact=False) for t in (0.3, -0.7, 1.9))


def _inside(X: np.ndarray, flat: np.ndarray) -> bool:
    v = X.ravel() / np.linalg.norm(X)
    return bool(np.linalg.norm(v - v @ flat.T @ flat) < 1e-6)
