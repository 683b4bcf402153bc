"""The two groups of a layer, as one object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import sympy

from theory.symmetry.groups import MatrixGroup

__all__ = ["LayerSymmetry", "Phi", "same", "stated"]


Phi = Callable[[sympy.Matrix], sympy.Matrix]


@dataclass(frozen=True)
class LayerSymmetry:
    """Both groups of a layer at one dimension.

    Attributes:
        equivariance: {A : f(Ax) = A f(x)}; None where f maps R^n to another space.
        intertwiners: {A : f(Ax) = B f(x) for some B}.
        character: phi in words.
        phi: B for A, exact.
    """

    equivariance: MatrixGroup | None
    intertwiners: MatrixGroup
    character: str
    phi: Phi


def stated(found: MatrixGroup, proof: Sequence[str], status: str = "proved") -> MatrixGroup:
    """The group with a status and a proof."""
    return replace(found, status=status, proof=tuple(proof))


def same(A: sympy.Matrix) -> sympy.Matrix:
    """phi(A) = A."""
    return A
