"""What is claimed to commute with a map: a group, or matrices that somebody wrote down."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from hypothesis import strategies as st

from theory import InputError, MatrixGroup
from theory.arguments import as_weights
from verify.strategies import as_group, group_elements

__all__ = ["Claim", "as_claim"]


@dataclass(frozen=True)
class Claim:
    """A group, or finitely many matrices and with them all that they generate.

    Attributes:
        n: the dimension.
        group: the group, or None for given matrices.
        matrices: the given matrices, at their exact rational values.
        is_float: whether a given matrix has floats: then it may be meant only up to rounding.
    """

    n: int
    group: MatrixGroup | None = None
    matrices: tuple[sympy.ImmutableMatrix, ...] = ()
    is_float: bool = False

    @property
    def name(self) -> str:
        """For statements: "O(2): orthogonal maps", "2 given matrices"."""
        if self.group is not None:
            return self.group.name
        return "the given matrix" if len(self.matrices) == 1 else f"{len(self.matrices)} given matrices"

    def generators(self) -> list[sympy.Matrix]:
        """Exact elements to try first."""
        return [sympy.Matrix(A) for A in (self.matrices if self.group is None else self.group.generators())]

    def lies_in(self, derived: MatrixGroup) -> bool:
        """Whether everything that is claimed lies in a group; exact."""
        if self.group is not None:
            return self.group.is_subgroup(derived)
        return all(derived.contains(sympy.Matrix(A)) for A in self.matrices)

    def equals(self, derived: MatrixGroup) -> bool:
        """Whether the claim is the whole of a group."""
        return self.group is not None and derived == self.group

    def elements(self, exact: bool = True, dtype: str = "float64") -> st.SearchStrategy[Any]:
        """A Hypothesis strategy of elements."""
        if self.group is not None:
            return group_elements(self.group, exact=exact, dtype=dtype)
        listed = [sympy.Matrix(A) for A in self.matrices]
        return st.sampled_from(listed if exact else [_floats(A) for A in listed])

    def exact_samples(self, count: int, seed: int) -> list[sympy.Matrix]:
        """The generators and random exact elements; fewer where the group cannot be sampled."""
        found = self.generators()
        if self.group is not None:
            with suppress(InputError):  # an intersection without a parametrisation
                found += [sympy.Matrix(A) for A in self.group.exact_samples(count, seed)]
        return found


def as_claim(which: Any, n: int | None) -> Claim:
    """A claim from a group, a key, a matrix or several matrices (shape (n, n) or (k, n, n), exact or floats).

    Raises:
        InputError: unknown key, a dimension missing or different, or a matrix that is singular or not square.
    """
    if isinstance(which, MatrixGroup | str) or np.ndim(_plain(which)) not in (2, 3):
        found = as_group(which, n)
        return Claim(found.n, found)
    several = [which] if isinstance(which, sympy.MatrixBase) or np.ndim(_plain(which)) == 2 else list(which)
    matrices = [as_weights(A.tolist() if isinstance(A, np.ndarray) and A.dtype == object else A) for A in several]
    size = matrices[0].shape[0]
    for A in matrices:
        if A.shape != (size, size) or (n is not None and n != size):
            words = f"group has a matrix of shape {tuple(A.shape)}"
            raise InputError(f"{words}; give square matrices of dimension {n or size}")
    exact = tuple(_exact(A) for A in matrices)
    if any(A.det() == 0 for A in exact):
        raise InputError("group has a singular matrix; its elements must be invertible")
    return Claim(size, None, exact, any(isinstance(A, np.ndarray) for A in matrices))


def _plain(which: Any) -> Any:
    if isinstance(which, sympy.MatrixBase):
        return np.empty((which.rows, which.cols))
    if hasattr(which, "detach"):
        return np.empty(tuple(which.shape))
    if isinstance(which, list | tuple) and which and isinstance(which[0], sympy.MatrixBase):
        return np.empty((len(which), 1, 1))
    try:
        return np.array(which, dtype=object)
    except ValueError:
        return None


def _exact(A: np.ndarray | sympy.Matrix) -> sympy.ImmutableMatrix:
    """A float matrix at its exact rational value."""
    if isinstance(A, sympy.MatrixBase):
        return sympy.ImmutableMatrix(A)
    return sympy.ImmutableMatrix([[sympy.Rational(float(v)) for v in row] for row in A.tolist()])


def _floats(A: sympy.Matrix) -> np.ndarray:
    return np.array(A.tolist(), dtype=float)
