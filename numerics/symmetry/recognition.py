"""Which named group has this Lie algebra and these discrete elements? Also in another basis: R^-1 G R."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import factorial

import numpy as np
import sympy

from numerics.symmetry.discrete import MonomialPart, discrete_scales, monomial_part
from numerics.symmetry.finite import FiniteTest
from numerics.symmetry.structure import Block, decompose, span_equal, spans
from theory import InputError, MatrixGroup, equivariance_group, group, intertwiner, layer
from theory.symmetry.composite import composite

__all__ = ["Recognition", "recognise"]

_LARGEST_EXACT = 8


@dataclass(frozen=True)
class Recognition:
    """What was recognised.

    Attributes:
        name: in words.
        group: the named group, in the basis of f; None where the algebra has no name here.
        R: the change of basis with group = R^-1 G R, shape (n, n), or None for the standard basis.
        discrete: elements found that generate the discrete part, shape (n, n) each.
        order: number of elements found if the algebra is zero and all signed permutations were tried, else None.
        is_contained: whether generators of the whole group commute with f.
        steps: the reasoning, sentence by sentence.
    """

    name: str
    group: MatrixGroup | None
    R: np.ndarray | None
    discrete: tuple[np.ndarray, ...]
    order: int | None
    is_contained: bool
    steps: tuple[str, ...]


def recognise(
    algebra: np.ndarray, test: FiniteTest, rng: np.random.Generator, frame: np.ndarray | None = None
) -> Recognition:
    """The group with the given Lie algebra, by its structure and by tests of discrete elements.

    Args:
        algebra: orthonormal basis, shape (d, n, n).
        test: f at its points; with `is_pair`, intertwiners are recognised.
        rng: of generic elements.
        frame: a basis in which f acts entry by entry, where one is known.
    """
    d, n, _ = algebra.shape
    if n == 1:
        return _scalars(d, test)
    found = (
        _full(algebra, test, rng)
        or _fixing_a_vector(algebra, test, rng)
        or _onto_a_line(algebra, test)
        or (_finite(test, frame, n) if d == 0 else None)
    )
    if found is not None:
        return found
    blocks = decompose(algebra, rng)
    found = _irreducible(blocks, test, rng) or _torus(blocks, test, n)
    return found or _catalogue(algebra, test) or _composite(blocks, test, d, n)


# --- whole spaces -----------------------------------------------------------------------------------------------------


def _scalars(d: int, test: FiniteTest) -> Recognition:
    minus = test.commutes(-np.eye(1))
    discrete = (-np.eye(1),) if minus else ()
    if d:
        key = "R* wr S" if minus else "R+ wr S"
        return _named(key, 1, None, discrete, True, ("the line is scaled",))
    key = "B" if minus else "trivial"
    return _named(key, 1, None, discrete, True, ("no scaling of the line commutes",), 1 + minus)


def _full(algebra: np.ndarray, test: FiniteTest, rng: np.random.Generator) -> Recognition | None:
    d, n, _ = algebra.shape
    if d != n * n:
        return None
    A = np.linalg.qr(rng.standard_normal((n, n)))[0] * np.linspace(0.5, 2.0, n)
    flip = np.diag([-1.0, *[1.0] * (n - 1)])
    holds = test.commutes(A, is_exact=False) and test.commutes(flip)
    return _named("GL", n, None, (flip,) if holds else (), holds, ("every matrix satisfies the linear condition",))


def _fixing_a_vector(algebra: np.ndarray, test: FiniteTest, rng: np.random.Generator) -> Recognition | None:
    d, n, _ = algebra.shape
    if d != n * n - n:
        return None
    _, sigma, right = np.linalg.svd(np.linalg.qr(algebra.reshape(-1, n), mode="r"))
    if sigma[-1] > 1e-6 * sigma[0]:
        return None
    v = right[-1] * np.sign(right[-1][np.argmax(np.abs(right[-1]))])
    standard = bool(np.ptp(v) < 1e-7)
    # R v is the all-ones vector: R = Q + (1 - Q v) v^T for any Q on the complement of v.
    R = None if standard else np.eye(n) + np.outer(np.ones(n) - v, v)
    if R is not None and np.linalg.cond(R) > 1e6:
        R = -np.eye(n) + np.outer(np.ones(n) + v, v)
    A = rng.standard_normal((n, n)) / np.sqrt(n)
    A = A + np.outer(v - A @ v, v)
    reflection = np.eye(n) - 2 * np.outer(_orthogonal_to(v), _orthogonal_to(v))
    holds = test.commutes(A, is_exact=False) and test.commutes(reflection, is_exact=False)
    return _named(
        "Stab1", n, R, (reflection,), holds, (f"the algebra is all matrices that map v to 0, v = {_vector(v)}",)
    )


def _onto_a_line(algebra: np.ndarray, test: FiniteTest) -> Recognition | None:
    d, n, _ = algebra.shape
    if d != n or not test.is_pair:
        return None
    left, sigma, _ = np.linalg.svd(algebra.transpose(1, 0, 2).reshape(n, -1), full_matrices=False)
    if sigma[1] > 1e-6 * sigma[0] or np.ptp(left[:, 0]) > 1e-7:
        return None
    part = monomial_part(test, np.eye(n))
    if part.orbits != (n,):
        return None
    flip = np.eye(n) - 2 * np.outer(np.ones(n), np.eye(n)[0])
    holds = test.commutes(flip)
    steps = ("the algebra is all matrices 1 w^T", "all permutations intertwine")
    return _named("S + 1v", n, None, (*part.generators(), flip), holds, steps)


# --- finite groups ----------------------------------------------------------------------------------------------------


def _finite(test: FiniteTest, frame: np.ndarray | None, n: int) -> Recognition:
    part = monomial_part(test, np.eye(n))
    steps: tuple[str, ...] = ("no one-parameter group commutes",)
    if frame is not None and len(part.orbits) > 1:
        moved = monomial_part(test, frame)
        if moved.order > part.order:
            part = moved
            steps = (*steps, "the derivatives have common eigenvectors: f acts entry by entry in that basis")
    scale = None if test.is_pair else discrete_scales(test)
    if scale is not None:
        steps = (*steps, f"f(cx) = c f(x) for c = {scale:.12g}")
    return _signed_permutations(part, test, n, steps, scale)


def _signed_permutations(
    part: MonomialPart, test: FiniteTest, n: int, steps: tuple[str, ...], scale: float | None
) -> Recognition:
    single = len(part.orbits) == 1
    R = _change_of_basis(part.frame, permuted=single, signed=all(part.flips))
    tried = (
        f"all {2**n * factorial(n)} signed permutations"
        if part.is_complete
        else "swaps, flips, the reversal, the cycle, -1"
    )
    steps = (*steps, f"tried: {tried}")
    if single or all(size == 1 for size in part.orbits):
        key = "trivial" if not single and not any(part.flips) else "B" if part.flips[0] and single else "S"
        if single or key == "trivial":
            found = _named(key, n, R if key != "trivial" else None, tuple(part.generators()), True, steps, part.order)
            return _with_others(found, part, scale, n)
    parts = [(group("B" if f else "trivial", 1), size) for size, f in zip(part.orbits, part.flips, strict=True)]
    words = " x ".join(f"{'B' if f else 'S'}_{k}" for k, f in zip(part.orbits, part.flips, strict=True) if k > 1 or f)
    order = part.order if part.is_complete else None
    found = Recognition(words, _in_basis(composite(*parts), R), R, tuple(part.generators()), order, True, steps)
    return _with_others(found, part, scale, n)


def _with_others(found: Recognition, part: MonomialPart, scale: float | None, n: int) -> Recognition:
    order = part.order if part.is_complete and scale is None else None
    extra = [A for A in part.others if not np.array_equal(A, -np.eye(n))]
    name, others = found.name, list(part.others)
    if len(extra) < len(others):
        name += ", and -1"
        generated = found.order is not None and part.is_complete and len(others) * 2 == part.order
        extra = [] if generated else extra
    if extra:
        name += f", and {len(extra)} more signed permutations"
    discrete = found.discrete
    if scale is not None:
        name += f", and the powers of c = {scale:.6g}"
        discrete = (*discrete, scale * np.eye(n))
    return replace(found, name=name, order=order, discrete=discrete)


# --- by structure -----------------------------------------------------------------------------------------------------


def _irreducible(blocks: tuple[Block, ...] | None, test: FiniteTest, rng: np.random.Generator) -> Recognition | None:
    if blocks is None or len(blocks) != 1 or blocks[0].kind not in ("so", "co"):
        return None
    (block,), n = blocks, blocks[0].size
    T = block.basis
    plain = bool(np.abs(T @ T.T - np.eye(n) * (T @ T.T)[0, 0]).max() < 1e-8)
    R = None if plain else np.linalg.inv(T)
    flip = T @ np.diag([-1.0, *[1.0] * (n - 1)]) @ np.linalg.inv(T)
    Q = T @ np.linalg.qr(rng.standard_normal((n, n)))[0] @ np.linalg.inv(T)
    if np.linalg.det(Q) < 0:
        Q = Q @ flip
    reflected = test.commutes(flip, is_exact=False)
    key = ("O" if reflected else "SO") if block.kind == "so" else "CO"
    holds = test.commutes(Q, is_exact=False) and (reflected or key == "SO")
    what = "the algebra preserves one quadratic form" + ("" if plain else ", not the standard one")
    return _named(key, n, R, (flip,) if reflected else (), holds, (what,))


def _torus(blocks: tuple[Block, ...] | None, test: FiniteTest, n: int) -> Recognition | None:
    """Diagonal matrices in some basis; with the permutations of that basis a named group."""
    if blocks is None or any(block.kind != "scale" for block in blocks):
        return None
    part = monomial_part(test, np.concatenate([block.basis for block in blocks], axis=1))
    if part.orbits != (n,):
        return None
    R = _change_of_basis(part.frame, permuted=True, signed=part.flips[0])
    key = "R* wr S" if part.flips[0] else "R+ wr S"
    A = part.frame @ np.diag(np.linspace(0.5, 3.0, n)) @ np.linalg.inv(part.frame)
    steps = ("the algebra is all diagonal matrices in a basis", "every swap of two basis vectors commutes")
    return _named(key, n, R, tuple(part.generators()), test.commutes(A, is_exact=False), steps)


def _catalogue(algebra: np.ndarray, test: FiniteTest) -> Recognition | None:
    """A group of a layer, in the standard basis: equal algebra, and all its exact generators commute with f."""
    d, n, _ = algebra.shape
    flat, best = algebra.reshape(d, n * n), None
    for words, known in _layer_groups(n, test.is_pair) if n <= _LARGEST_EXACT else ():
        if int(known.dimension) != d:
            continue
        own = np.array([np.array(X.tolist(), dtype=float).ravel() for X in known.lie_algebra()])
        if not span_equal(flat, own):
            continue
        discrete = tuple(np.array(A.tolist(), dtype=float) for A in known.discrete_generators())
        continuous = [np.array(A.tolist(), dtype=float) for A in known.generators()[len(discrete) :]]
        if not all(test.commutes(A, is_exact=False) for A in (*discrete, *continuous)):
            continue
        if best is None or (best.group is not None and _is_larger(known, best.group)):
            steps = (f"the algebra is that of the group of {words}, and all generators of that group commute",)
            best = Recognition(known.name, known, None, discrete, None, True, steps)
    return best


def _is_larger(a: MatrixGroup, b: MatrixGroup) -> bool:
    return b.is_subgroup(a) and not a.is_subgroup(b)


def _layer_groups(n: int, is_pair: bool) -> Iterator[tuple[str, MatrixGroup]]:
    divisors = [k for k in range(2, n + 1) if n % k == 0]
    known = [layer("sort"), layer("winner_take_all"), layer("layer_norm")]
    known += [layer("group_sort", size=k) for k in divisors[:-1]]
    if is_pair:
        known += [layer("layer_norm", eps=1), *(layer("maxout", pieces=k) for k in divisors)]
        known += [layer(key) for key in ("bilinear", "glu", "reglu")] if n % 2 == 0 else []
    for one in known:
        try:
            yield one.name, intertwiner(one, n).group if is_pair else equivariance_group(one, n)
        except InputError:
            continue


def _composite(blocks: tuple[Block, ...] | None, test: FiniteTest, d: int, n: int) -> Recognition:
    """A direct sum, described block by block."""
    if blocks is None:
        step = "the algebra couples its invariant subspaces, or is not reductive"
        return Recognition(f"a group of dimension {d} without a name here", None, None, (), None, True, (step,))
    lines = [b for b in blocks if b.kind == "scale"]
    rest = [b for b in blocks if b.kind != "scale"]
    basis = np.concatenate([b.basis for b in (*rest, *lines)], axis=1)
    before = n - len(lines)
    part = monomial_part(test, basis, range(before, n)) if lines else None
    parts: list[tuple[MatrixGroup, int]] = []
    words: list[str] = []
    discrete: list[np.ndarray] = [] if part is None else part.generators()
    start, known = 0, True
    frame = basis.copy()
    for block in rest:
        flip = np.ones(n)
        flip[start] = -1.0
        whole = np.ones(n)
        whole[start : start + block.size] = -1.0
        A, minus = (basis @ np.diag(v) @ np.linalg.inv(basis) for v in (flip, whole))
        flipped = block.kind in ("so", "co", "gl") or block.size == 1
        tried = A if flipped else minus
        holds = test.commutes(tried, is_exact=False)
        discrete += [tried] if holds else []
        key, word = _key(block, holds)
        words.append(word)
        known = known and key is not None
        parts.append((group(key or "trivial", block.size), 1))
        start += block.size
    if part is not None:
        frame = np.concatenate([basis[:, :before], part.frame[:, : len(lines)]], axis=1)
        for size, flips in zip(part.orbits, part.flips, strict=True):
            parts.append((group("R* wr S" if flips else "R+ wr S", 1), size))
            symbol = "R*" if flips else "R>0"
            words.append(symbol if size == 1 else f"({symbol} wr S_{size})")
    R = _change_of_basis(frame)
    title = " x ".join(words) + (" in another basis" if R is not None else "")
    found = _in_basis(replace(composite(*parts), title=title), R) if known else None  # type: ignore[call-arg]
    step = "the algebra is the direct sum of " + ", ".join(f"{b.kind}({b.size})" for b in blocks)
    return Recognition(title, found, R, tuple(discrete), None, True, (step,))


def _key(block: Block, flips: bool) -> tuple[str | None, str]:
    k = block.size
    if block.kind == "gl":
        return "GL", f"GL({k})"
    if block.kind == "so":
        return ("O", f"O({k})") if flips else ("SO", f"SO({k})")
    if block.kind == "co" and flips:
        return "CO", f"CO({k})"
    if block.kind == "trivial":
        if k == 1:
            return ("B", "{1, -1}") if flips else ("trivial", "1")
        return None, f"(finite, contains {'-1' if flips else '1'}) on {k} dimensions"
    name = "homotheties" if block.kind == "homothety" else f"{block.kind}-algebra"
    return None, f"({name} of R^{k}{', with -1' if flips else ''})"


# --- bases ------------------------------------------------------------------------------------------------------------


def _named(
    key: str,
    n: int,
    R: np.ndarray | None,
    discrete: Sequence[np.ndarray],
    is_contained: bool,
    steps: tuple[str, ...],
    order: int | None = None,
) -> Recognition:
    found = _in_basis(group(key, n), R)
    return Recognition(found.name, found, R, tuple(discrete), order, is_contained, steps)


def _in_basis(found: MatrixGroup, R: np.ndarray | None) -> MatrixGroup:
    """R^-1 G R. The floats of R are read as the exact rationals they are."""
    if R is None:
        return found
    exact = sympy.ImmutableMatrix(*R.shape, lambda i, j: _rational(float(R[i, j])))
    return replace(found, conjugator=exact)


def _rational(value: float) -> sympy.Rational:
    near = Fraction(value).limit_denominator(64)
    chosen = near if abs(float(near) - value) < 1e-9 * max(1.0, abs(value)) else Fraction(value)
    return sympy.Rational(chosen.numerator, chosen.denominator)


def _change_of_basis(frame: np.ndarray, permuted: bool = False, signed: bool = False) -> np.ndarray | None:
    """R = T^-1, or None where the columns of T are the unit vectors, up to one common sign and scale.

    With `permuted` in any order, with `signed` with any signs: where the group contains these changes.
    """
    size = np.abs(frame).max(axis=0)
    scaled = frame / size
    pattern = np.abs(scaled) > 1e-9
    signs = set(np.sign(scaled[pattern]))
    if (pattern.sum(0) == 1).all() and (signed or len(signs) == 1) and np.ptp(size) < 1e-9 * size.max():
        order = np.argmax(pattern, axis=0)
        if permuted or (order == np.arange(len(frame))).all():
            return None
        return np.eye(len(frame))[order]
    return np.linalg.inv(frame)


def _orthogonal_to(v: np.ndarray) -> np.ndarray:
    u = np.eye(len(v))[int(np.argmin(np.abs(v)))]
    u = u - v * (v @ u) / (v @ v)
    return u / np.linalg.norm(u)


def _vector(v: np.ndarray) -> str:
    return "(" + ", ".join(f"{x:.6g}" for x in v / np.abs(v).max()) + ")"


def independent(elements: Sequence[np.ndarray]) -> np.ndarray:
    """An orthonormal basis of the span of matrices, shape (d, n, n)."""
    n = elements[0].shape[0]
    return spans(np.array([X.ravel() for X in elements])).reshape(-1, n, n)
