"""Signed permutations through a network, exactly: no arithmetic, so what is found is proved for these weights.

At each step f a signed permutation A of its input is carried to a B with f(Ax) = B f(x): by parity for an elementwise
activation, by comparing rows of [WA | b] with rows of [W | b] for an affine map. Source: docs/symmetry.md, auditing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import sympy
from torch import nn

from theory import Activation, intertwiner
from verify.audit.layers import LayerAudit
from verify.audit.tracing import Trace

__all__ = ["SignedPermutation", "carried"]

_LARGEST_COUPLED = 8


@dataclass(frozen=True)
class SignedPermutation:
    """x -> (s_i x_{p(i)})_i.

    Attributes:
        places: p.
        signs: s, each 1 or -1.
    """

    places: tuple[int, ...]
    signs: tuple[int, ...]

    def matrix(self) -> np.ndarray:
        """As a float matrix, shape (n, n)."""
        return np.eye(len(self.places))[list(self.places)] * np.array(self.signs, dtype=float)[:, None]

    @property
    def is_positive(self) -> bool:
        """Whether it is a permutation."""
        return min(self.signs) == 1

    @property
    def is_identity(self) -> bool:
        """Whether it moves nothing."""
        return self.is_positive and self.places == tuple(range(len(self.places)))


def carried(trace: Trace, layers: tuple[LayerAudit, ...], start: SignedPermutation) -> SignedPermutation | None:
    """B with network(Ax) = B network(x) for all x, for A = `start`; None where none is found this way."""
    if trace.found_by != "torch.fx":
        return None  # what happens between modules is not known
    values: dict[int, SignedPermutation | None] = {-1: start}
    for i, step in enumerate(trace.steps):
        given = [values[source] for source in step.inputs]
        values[i] = None if not given or any(one is None for one in given) else _through(layers[i], step, given)
    return None if trace.output is None else values[trace.output]


def is_rounded(trace: Trace) -> bool:
    """Whether the matrix of a step is itself rounded, so that equal entries prove nothing: BatchNorm and quotients."""
    rounded = ("div", "truediv", "true_divide")
    return any(isinstance(s.operation, nn.modules.batchnorm._BatchNorm) or s.operation in rounded for s in trace.steps)


def _through(layer: LayerAudit, step: Any, given: list[Any]) -> SignedPermutation | None:
    A: SignedPermutation = given[0]
    if layer.kind == "sum":
        return A if all(one == A for one in given) else None
    if layer.kind == "shape":
        return A
    if layer.affine is not None and len(step.input_shape) == 1:
        return _matched(layer.affine.W, layer.affine.b, A)
    form = layer.form
    if form is None or layer.offset is not None or len(step.input_shape) != 1:
        return None
    if isinstance(form, Activation) and form.is_elementwise:
        return _elementwise(form, A)
    if prod(step.input_shape) > _LARGEST_COUPLED or layer.intertwiner is None or layer.status != "proved":
        return None
    exact = sympy.Matrix(A.matrix().astype(int).tolist())
    return _signed(layer.intertwiner.phi(exact)) if layer.intertwiner.group.contains(exact) else None


def _elementwise(form: Activation, A: SignedPermutation) -> SignedPermutation | None:
    if A.is_positive:
        return A
    found, minus = intertwiner(form, 1), sympy.Matrix([[-1]])
    if found.group.status != "proved" or not found.group.contains(minus):
        return None
    if found.phi(minus)[0, 0] == -1:
        return A
    return SignedPermutation(A.places, (1,) * len(A.signs))


def _signed(B: sympy.Matrix) -> SignedPermutation | None:
    rows = [[(j, B[i, j]) for j in range(B.cols) if B[i, j] != 0] for i in range(B.rows)]
    if any(len(row) != 1 or row[0][1] not in (1, -1) for row in rows):
        return None
    return SignedPermutation(tuple(row[0][0] for row in rows), tuple(int(row[0][1]) for row in rows))


def _matched(W: np.ndarray, b: np.ndarray, A: SignedPermutation) -> SignedPermutation | None:
    """B with W A = B W and B b = b, by exact equality of floats, each row of W used once."""
    # Adding 0.0 turns -0.0 into 0.0, so that equal numbers have equal bytes.
    rows, moved = np.column_stack([W, b]) + 0.0, np.column_stack([W @ A.matrix(), b]) + 0.0
    free: dict[bytes, list[int]] = {}
    for j in range(len(rows) - 1, -1, -1):
        free.setdefault(rows[j].tobytes(), []).append(j)
    places, signs = [], []
    for row in moved:
        for sign in (1, -1):
            left = free.get((sign * row + 0.0).tobytes())
            if left:
                places.append(left.pop())
                signs.append(sign)
                break
        else:
            return None
    return SignedPermutation(tuple(places), tuple(signs))
