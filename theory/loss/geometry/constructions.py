"""The explicit weights behind upper bounds, and the moments their losses need.

Source: docs/theory.md, T4 and T7.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy

from theory.loss.capacity import sparse_constants
from theory.loss.expansion import optimal_scale
from theory.toy_model import ToyModel

__all__ = ["antipodal_weights", "moments_of_sum", "orthonormal_weights", "pair_construction", "pair_moments", "scaled"]

# Exact Gram matrices beyond this many features cost seconds and show nothing that floats do not.
_LARGEST_EXACT = 40


def orthonormal_weights(n: int, m: int) -> sympy.Matrix:
    """min(n, m) features along the axes, the others dropped; shape (m, n)."""
    return sympy.Matrix(m, n, lambda i, j: int(i == j))


def antipodal_weights(n: int, m: int) -> sympy.Matrix:
    """Features 2i and 2i + 1 opposite each other along axis i, the axes left filled with single ones; shape (m, n)."""
    pairs = max(0, min(n - m, m)) if n < 2 * m else m
    columns: list[list[int]] = []
    for axis in range(m):
        signs = (1, -1) if axis < pairs else (1,)
        for sign in signs:
            columns.append([sign if i == axis else 0 for i in range(m)])
    columns = columns[:n] + [[0] * m] * max(0, n - len(columns))
    return sympy.Matrix(columns).T


def scaled(model: ToyModel, weights: Callable[[int, int], sympy.Matrix]) -> tuple[Any, Any] | None:
    """(W, 0) at the optimal scale of the sparse loss, exact for few features; None where the model has symbols."""
    n, m = model.n_features, model.n_hidden
    if not (n.is_number and m.is_number) or model.activation.parameters or int(n) * int(m) > 10_000:
        return None
    plain = model.replace(bias=False, importance=1)
    W: Any = weights(int(n), int(m))
    if int(n) > _LARGEST_EXACT:
        return optimal_scale(plain, np.array(W.tolist(), dtype=float)), np.zeros(int(n))
    return optimal_scale(plain, W), sympy.zeros(int(n), 1)


def pair_construction(model: ToyModel, best_gain: sympy.Expr) -> tuple[Any, Any] | None:
    """Antipodal pairs at gain `best_gain`, single features at their own; None where the model has symbols."""
    plain = scaled(model, antipodal_weights)
    if plain is None or best_gain.free_symbols:
        return None
    W = antipodal_weights(int(model.n_features), int(model.n_hidden))
    constants = sparse_constants(model.law, model.activation)
    exponent = constants.kernel.exponent
    scale_of_pairs = best_gain ** (1 / (2 * exponent))
    scale_of_singles = (constants.gain / constants.cost) ** (1 / (2 * exponent))
    for axis in range(W.rows):
        paired = sum(1 for entry in W.row(axis) if entry != 0) == 2
        for j in range(W.cols):
            W[axis, j] = W[axis, j] * (scale_of_pairs if paired else scale_of_singles)
    return W, plain[1]


@cache
def pair_moments(law: str, a: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr] | None:
    """E U (U-V)_+^a and E (U-V)_+^(2a) for independent U, V of the law; None where no closed form is at hand."""
    if law == "uniform":
        return 1 / ((a + 1) * (a + 3)), 1 / ((2 * a + 1) * (2 * a + 2))
    if law == "binary":
        return sympy.Integer(0), sympy.Integer(0)
    if law == "exponential":
        # Given U > V, the smaller is exponential of rate 2 and U - V exponential of rate 1, independently.
        return (sympy.gamma(a + 1) / 2 + sympy.gamma(a + 2)) / 2, sympy.gamma(2 * a + 1) / 2
    return None


def moments_of_sum(moments: list[sympy.Expr], count: sympy.Expr) -> list[sympy.Expr]:
    """Raw moments of the sum of `count` independent copies, from those of one (through cumulants)."""
    size = len(moments)
    cumulants = [sympy.Integer(0)] * size
    for r in range(1, size):
        cumulants[r] = moments[r] - sympy.Add(
            *(sympy.binomial(r - 1, j - 1) * cumulants[j] * moments[r - j] for j in range(1, r))
        )
    result = [sympy.Integer(1)] + [sympy.Integer(0)] * (size - 1)
    for r in range(1, size):
        result[r] = sympy.expand(
            sympy.Add(*(sympy.binomial(r - 1, j - 1) * count * cumulants[j] * result[r - j] for j in range(1, r + 1)))
        )
    return result
