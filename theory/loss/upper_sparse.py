"""What some weights achieve as p -> 0: upper bounds on c* = lim L*/p, with their constructions.

Source: docs/theory.md, T2, T4, T5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import sympy

from theory.bound import Bound, Step
from theory.loss.bias.thresholded import THRESHOLDED
from theory.loss.capacity import SparseConstants, effective_dimension, has_kernel, sparse_constants
from theory.loss.expansion import optimal_scale, scale_out_steps
from theory.loss.geometry.configurations import best_known_configuration
from theory.loss.geometry.constructions import (
    antipodal_weights,
    orthonormal_weights,
    scaled,
)
from theory.loss.geometry.optimised import optimised_configuration
from theory.toy_model import ToyModel

__all__ = ["SPARSE_UPPER", "equal_features", "is_rectified", "mean_kernel"]

Build = Callable[[ToyModel], Bound | None]
_THEORY = "docs/theory.md"


def equal_features(model: ToyModel) -> SparseConstants | None:
    """The constants where the setting is one that constructions are stated for: equal features, a power activation."""
    if not model.is_homogeneous or not has_kernel(model.law, model.activation):
        return None
    return sparse_constants(model.law, model.activation)


def is_rectified(model: ToyModel, constants: SparseConstants) -> bool:
    return constants.kernel.negative == 0


def mean_kernel(model: ToyModel, constants: SparseConstants) -> sympy.Expr:
    """1/E f(<u, v>) = 2D/(1 + r_) for random directions."""
    return 2 * effective_dimension(model.n_hidden, constants.kernel.exponent) / (1 + constants.kernel.negative)


def _sparse(
    model: ToyModel,
    name: str,
    cap: sympy.Expr,
    steps: tuple[Step, ...],
    equality: str,
    source: str,
    weights: Any = None,
) -> Bound:
    constants = sparse_constants(model.law, model.activation)
    expr = model.importance * (model.n_features * constants.second_moment - constants.kappa * cap)
    return Bound(
        name=name,
        side="upper",
        of="sparse",
        expr=expr if expr.free_symbols else sympy.simplify(expr),
        model=model,
        assumptions=(
            "b = 0 is allowed",
            "the activation is homogeneous",
            "features are independent with one density p",
        ),
        conditions=constants.conditions,
        derivation=(*scale_out_steps(), *steps),
        construction=None if weights is None else scaled(model, weights),
        equality=equality,
        source=f"{_THEORY}, {source}",
    )


def _orthonormal_sparse(model: ToyModel) -> Bound | None:
    if equal_features(model) is None:
        return None
    cap = sympy.Min(model.n_features, model.n_hidden)
    steps = (Step("min(n, m) orthonormal features do not interfere: s = E = min(n, m), so K = min(n, m)"),)
    return _sparse(model, "orthonormal", cap, steps, "n <= m, or k = 1", "T4", orthonormal_weights)


def _antipodal_sparse(model: ToyModel) -> Bound | None:
    constants = equal_features(model)
    if constants is None or not is_rectified(model, constants):
        return None
    cap = sympy.Min(model.n_features, 2 * model.n_hidden)
    steps = (Step("2m antipodal features: f(-1) = f(0) = 0 for rectified powers of U >= 0, so s = E = min(n, 2m)"),)
    return _sparse(model, "antipodal", cap, steps, "n <= 2m", "T4", antipodal_weights)


def _code_sparse(model: ToyModel) -> Bound | None:
    """Famous codes in orthogonal blocks, for numeric n, m and exponent."""
    constants = equal_features(model)
    if constants is None or model.n_features.free_symbols or model.n_hidden.free_symbols:
        return None
    kernel, n, m = constants.kernel, int(model.n_features), int(model.n_hidden)
    if kernel.exponent.free_symbols or kernel.negative.free_symbols:
        return None
    found = best_known_configuration(n, m, kernel)
    if found is None:
        return None
    steps = (
        Step(f"the configuration {found.name} has capacity {found.capacity}, from its exact inner products"),
        Step("orthogonal blocks do not interfere: each at its own optimal norm, capacities add"),
    )
    bound = _sparse(model, "code", found.capacity, steps, "where the linear-programming bound meets it", "T2, T5")
    if not constants.gain.is_positive:
        return bound
    plain = model.replace(bias=False, importance=1)
    weights = np.array(found.weights(n, m, kernel).evalf().tolist(), dtype=float)
    return replace(bound, construction=(optimal_scale(plain, weights), np.zeros(n)))


def _optimised_sparse(model: ToyModel) -> Bound | None:
    """Integer weights that a search found, their capacity computed exactly; the search is not relied upon."""
    constants = equal_features(model)
    if constants is None or model.n_features.free_symbols or model.n_hidden.free_symbols:
        return None
    n, m = int(model.n_features), int(model.n_hidden)
    found = optimised_configuration(n, m, constants.kernel)
    if found is None:
        return None
    steps = (
        Step("each block's weights are integers, so K = s^2/E is computed by integer arithmetic"),
        Step(f"orthogonal blocks do not interfere: capacities add up to {found.capacity} (rounded down)"),
    )
    bound = _sparse(model, "optimised", found.capacity, steps, "where a certified lower bound meets it", "T2, T4")
    if not constants.gain.is_positive:
        return bound
    plain = model.replace(bias=False, importance=1)
    return replace(bound, construction=(optimal_scale(plain, found.weights(n, m, constants.kernel)), np.zeros(n)))


def _random_directions_sparse(model: ToyModel) -> Bound | None:
    constants = equal_features(model)
    if constants is None:
        return None
    n, mean = model.n_features, mean_kernel(model, constants)
    cap = n * mean / (n + mean - 1)
    steps = (
        Step("independent uniform directions, equal norms: E[E(W)]/a^2 = n + n(n-1)/D_f with 1/D_f = E f(<u, v>)"),
        Step("some W does at least as well as the average: K* >= n^2/(n + n(n-1)/D_f) = n D_f/(n + D_f - 1)"),
    )
    return _sparse(model, "random-directions", cap, steps, "n -> oo for monomials", "T4")


def _random_bases_sparse(model: ToyModel) -> Bound | None:
    constants = equal_features(model)
    if constants is None or not (is_rectified(model, constants) or constants.kernel.negative == 1):
        return None
    n, m, mean = model.n_features, model.n_hidden, mean_kernel(model, constants)
    size = 2 * m if is_rectified(model, constants) else m
    groups = sympy.floor(n / size)
    rest = n - groups * size
    pairs = n * (n - 1) - groups * size * (size - 1) - rest * (rest - 1)
    cap = n**2 / (n + pairs / mean)
    kind = "cross-polytopes of 2m points" if is_rectified(model, constants) else "orthonormal bases of m vectors"
    steps = (Step(f"independent random {kind}: pairs inside a group do not interfere, the others average 1/D_f"),)
    return _sparse(model, "random-bases", cap, steps, "n <= m (n <= 2m for rectified powers)", "T4")


SPARSE_UPPER: Mapping[str, Build] = {
    "code": _code_sparse,
    "optimised": _optimised_sparse,
    "antipodal": _antipodal_sparse,
    "random-bases": _random_bases_sparse,
    "random-directions": _random_directions_sparse,
    "orthonormal": _orthonormal_sparse,
    **THRESHOLDED["sparse"],
}
