"""Named Lie algebras on R^n as orthogonal projections, for checks that never hold n^2 by n^2 numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from numerics.symmetry.discrete import MonomialPart, monomial_part
from numerics.symmetry.finite import FiniteTest
from numerics.symmetry.recognition import Recognition
from theory import MatrixGroup, equivariance_group, group, layer
from theory.symmetry.blocks import ScaledPermutations
from theory.symmetry.composite import composite

__all__ = ["Claim", "claims", "recognise_large"]

_FIT = 1e-6
Named = tuple[str, MatrixGroup | None, tuple[np.ndarray, ...], bool]


@dataclass(frozen=True)
class Claim:
    """A named algebra.

    Attributes:
        words: what it is.
        dimension: of the algebra.
        project: the orthogonal projection of an (n, n) matrix onto it.
        recognise: the group with that algebra, by tests of finite elements: its name, the group, discrete elements and
            whether all of them commute.
        is_fitted: whether the algebra was read off the element that it holds, which then is no evidence for it.
    """

    words: str
    dimension: int
    project: Callable[[np.ndarray], np.ndarray]
    recognise: Callable[[FiniteTest, np.random.Generator], Named]
    is_fitted: bool = False


def claims(n: int, element: np.ndarray | None, rng: np.random.Generator, fit: float = _FIT) -> Iterator[Claim]:
    """The named algebras that hold a generic element (None: the zero algebra) to a relative error, smallest first."""
    if element is None:
        yield Claim("{0}", 0, lambda Z: np.zeros_like(Z), _finite)
        return
    size = np.linalg.norm(element)
    known = sorted(_known(n), key=lambda claim: claim.dimension)
    frame = _eigenbasis(element)
    for claim in known:
        if np.linalg.norm(element - claim.project(element)) <= fit * size:
            yield claim
    if frame is not None:
        yield _torus_in(frame)


def _known(n: int) -> list[Claim]:
    one, mean = np.eye(n), np.full((n, n), 1 / n)
    centred = one - mean

    def homothety(Z: np.ndarray) -> np.ndarray:
        return one * (np.trace(Z) / n)

    def sorting(Z: np.ndarray) -> np.ndarray:
        return mean * Z.sum() / n + centred * (np.trace(centred @ Z) / (n - 1))

    def normalising(Z: np.ndarray) -> np.ndarray:
        V = centred @ Z @ centred
        return (V - V.T) / 2 + mean * Z.sum() / n

    def folding(Z: np.ndarray) -> np.ndarray:
        return sums @ Z @ sums + differences * np.diag(differences.T @ Z @ differences) @ differences.T

    pairs = []
    if n % 2 == 0:
        differences = np.kron(np.eye(n // 2), np.array([[1.0], [-1.0]])) / np.sqrt(2)
        sums = one - differences @ differences.T
        words = "all matrices of the sums of pairs plus the diagonal ones of the differences"
        pairs = [Claim(words, (n // 2) ** 2 + n // 2, folding, _layer("max_min"))]
    return [
        *pairs,
        Claim("the multiples of 1", 1, homothety, _homotheties),
        Claim("span(1, J), J all ones", 2, sorting, _layer("sort")),
        Claim("the diagonal matrices", n, lambda Z: np.diag(np.diag(Z)), _diagonal),
        Claim(
            "so(n-1) on the sum-zero vectors plus a scale of the all-ones vector",
            (n - 1) * (n - 2) // 2 + 1,
            normalising,
            _layer("layer_norm"),
        ),
        Claim("the skew matrices", n * (n - 1) // 2, lambda Z: (Z - Z.T) / 2, _orthogonal),
        Claim("the matrices that map the all-ones vector to 0", n * n - n, lambda Z: Z @ centred, _stabiliser),
        Claim("all matrices", n * n, lambda Z: Z, _everything),
    ]


def _torus_in(frame: np.ndarray) -> Claim:
    """The matrices that are diagonal in a basis: spanned by v_i w_i^T with w_i the dual basis."""
    n, dual = len(frame), np.linalg.inv(frame)
    gram = (frame.T @ frame) * (dual @ dual.T)

    def project(Z: np.ndarray) -> np.ndarray:
        inner = np.einsum("ai,ab,ib->i", frame, Z, dual, optimize=True)
        return (frame * np.linalg.solve(gram, inner)) @ dual

    def recognise(test: FiniteTest, rng: np.random.Generator) -> Named:
        return _torus(test, rng, frame)

    return Claim("the matrices that are diagonal in one basis", n, project, recognise, is_fitted=True)


def _eigenbasis(element: np.ndarray) -> np.ndarray | None:
    values, vectors = np.linalg.eig(element)
    if np.iscomplexobj(values) or np.linalg.cond(vectors) > 1e5:
        return None
    gaps = np.diff(np.sort(values))
    return vectors if gaps.min(initial=np.inf) > 1e-7 * np.abs(values).max() else None


def recognise_large(algebra: np.ndarray, test: FiniteTest, rng: np.random.Generator) -> Recognition:
    """As `recognise`, by the named algebras in the standard basis only: no step costs more than n^3."""
    d, n, _ = algebra.shape
    element = np.tensordot(rng.standard_normal(d), algebra, 1) if d else None
    for claim in claims(n, element, rng):
        if claim.dimension == d:
            name, found, discrete, holds = claim.recognise(test, rng)
            return Recognition(name, found, None, discrete, None, holds, (f"the algebra is {claim.words}",))
    step = "the algebra is none of the named ones in the standard basis"
    return Recognition(f"a group of dimension {d} without a name here", None, None, (), None, True, (step,))


# --- recognition ------------------------------------------------------------------------------------------------------


def _finite(test: FiniteTest, rng: np.random.Generator) -> Named:
    n = test.box.n
    part = monomial_part(test, np.eye(n))
    discrete = tuple(part.generators())
    if part.orbits == (n,) and part.frame.min() >= 0:
        found = group("B" if part.flips[0] else "S", n)
        more = "" if not part.others or part.flips[0] else ", and more signed permutations"
        return found.name + more, found, discrete, True
    return f"a finite group, signed permutations found: {_words(part)}", None, discrete, True


def _homotheties(test: FiniteTest, rng: np.random.Generator) -> Named:
    n = test.box.n
    part = monomial_part(test, np.eye(n))
    holds = test.commutes(1.7 * np.eye(n), is_exact=False)
    if part.orbits == (n,) and not part.flips[0] and not part.others:
        found = ScaledPermutations(n=n)
        return found.name, found, tuple(part.generators()), holds
    return f"positive scales, with the signed permutations {_words(part)}", None, tuple(part.generators()), holds


def _diagonal(test: FiniteTest, rng: np.random.Generator) -> Named:
    return _torus(test, rng, np.eye(test.box.n))


def _torus(test: FiniteTest, rng: np.random.Generator, frame: np.ndarray) -> Named:
    n = test.box.n
    part = monomial_part(test, frame)
    A = part.frame @ np.diag(np.exp(rng.standard_normal(n))) @ np.linalg.inv(part.frame)
    holds = test.commutes(A, is_exact=False)
    standard = bool((np.abs(part.frame) > 1e-9).sum() == n and part.frame.min() >= 0)
    parts = [(group("R* wr S" if f else "R+ wr S", 1), k) for k, f in zip(part.orbits, part.flips, strict=True)]
    if part.orbits == (n,):
        named = group("R* wr S" if part.flips[0] else "R+ wr S", n)
        where = "" if standard else " in another basis"
        return named.name + where, named if standard else None, tuple(part.generators()), holds
    found = composite(*parts) if standard and (part.frame == np.eye(n)).all() else None
    return f"the diagonal matrices of one basis, with {_words(part)}", found, tuple(part.generators()), holds


def _orthogonal(test: FiniteTest, rng: np.random.Generator) -> Named:
    n = test.box.n
    flip = np.diag([-1.0, *[1.0] * (n - 1)])
    Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
    Q = Q if np.linalg.det(Q) > 0 else Q @ flip
    reflected = test.commutes(flip)
    found = group("O" if reflected else "SO", n)
    return found.name, found, (flip,) if reflected else (), test.commutes(Q, is_exact=False)


def _stabiliser(test: FiniteTest, rng: np.random.Generator) -> Named:
    n = test.box.n
    A = rng.standard_normal((n, n)) / np.sqrt(n)
    A += (1 - A.sum(axis=1, keepdims=True)) / n
    found = group("Stab1", n)
    return found.name, found, (), test.commutes(A, is_exact=False)


def _everything(test: FiniteTest, rng: np.random.Generator) -> Named:
    n = test.box.n
    found = group("GL", n)
    return found.name, found, (), test.commutes(rng.standard_normal((n, n)), is_exact=False)


def _layer(key: str) -> Callable[[FiniteTest, np.random.Generator], Named]:
    def recognise(test: FiniteTest, rng: np.random.Generator) -> Named:
        n = test.box.n
        if key == "sort":
            discrete = -np.eye(n)[::-1]
            elements = [discrete, 2 * np.eye(n), np.eye(n) + np.full((n, n), 0.5)]
        elif key == "max_min":
            discrete = np.eye(n)[[2, 3, 0, 1, *range(4, n)]] if n > 2 else np.eye(n)
            sums, differences = np.full((2, 2), 0.5), np.array([[0.5, -0.5], [-0.5, 0.5]])
            mixed = np.kron(rng.standard_normal((n // 2, n // 2)), sums)
            elements = [discrete, mixed + np.kron(np.diag(np.exp(rng.standard_normal(n // 2))), differences)]
        else:
            v = np.zeros(n)
            v[:2] = np.sqrt(0.5), -np.sqrt(0.5)
            discrete = np.eye(n) - 2 * np.outer(v, v)
            elements = [discrete, np.eye(n) + np.full((n, n), 1 / n), np.eye(n) - np.full((n, n), 2 / n)]
        found = equivariance_group(layer(key), n)
        return found.name, found, (discrete,), all(test.commutes(A, is_exact=False) for A in elements)

    return recognise


def _words(part: MonomialPart) -> str:
    shown = [f"{'B' if f else 'S'}_{k}" for k, f in zip(part.orbits, part.flips, strict=True) if k > 1 or f]
    return " x ".join(shown) or "none"
