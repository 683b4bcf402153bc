"""What no weights can beat as p -> 0: lower bounds on c* = lim L*/p, from bounds on the capacity.

Source: docs/theory.md, T3, T5, T9, T11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

import sympy

from theory.bound import Bound, Step
from theory.loss.bias.lower import (
    one_sign,
    packing,
    packing_closed_form,
    with_bias,
)
from theory.loss.capacity import Kernel, has_kernel, sparse_constants
from theory.loss.capacity_bounds import capacity_bounds
from theory.loss.expansion import scale_out_steps
from theory.loss.rounding import tidied
from theory.loss.unequal.importance import has_ranked_importances, layer_cake
from theory.loss.unequal.water_filling import water_filling
from theory.toy_model import DENSITY, ToyModel

__all__ = ["SPARSE_LOWER", "best_sparse", "built"]

Build = Callable[[ToyModel], Bound | None]
_THEORY = "docs/theory.md"


def built(builders: Mapping[str, Build], model: ToyModel) -> list[Bound]:
    """The lower bounds that apply, the largest first where they are numbers."""
    found = [bound for build in builders.values() for bound in [build(model)] if bound is not None]
    if all(bound.value is not None for bound in found):
        found.sort(key=lambda bound: -float(bound.expr))
    return found


def _sparse_by(name: str, source: str) -> Callable[[ToyModel], Bound | None]:
    def build(model: ToyModel) -> Bound | None:
        if not _has_sparse_theory(model):
            return None
        if isinstance(model.importance, tuple):
            return layer_cake(model, name, f"{source}, T9(a)", build)
        constants = sparse_constants(model.law, model.activation)
        found = capacity_bounds(model).get(name)
        if found is None:
            return None
        cap, steps, equality = found
        n, scale = model.n_features, model.importance
        expr = scale * (
            n * constants.second_moment - constants.kappa * (cap if name == "cardinality" else sympy.Min(n, cap))
        )
        return Bound(
            name=name,
            side="lower",
            of="sparse",
            expr=tidied(expr),
            model=model,
            assumptions=_assumptions(model),
            derivation=(*scale_out_steps(), *steps),
            equality=equality,
            source=f"{_THEORY}, {source}",
        )

    return build


def _linear_programming(model: ToyModel) -> Bound | None:
    if not _has_sparse_theory(model) or not model.n_features.is_number or not model.n_hidden.is_number:
        return None
    constants = sparse_constants(model.law, model.activation)
    kernel = constants.kernel
    if not (kernel.exponent.is_number and kernel.negative.is_number):
        return None
    if isinstance(model.importance, tuple):
        return layer_cake(model, "linear-programming", "T5, T9(a)", _linear_programming)
    certificate = _certificate(int(model.n_features), int(model.n_hidden), kernel.exponent, kernel.negative)
    n = model.n_features
    cap = sympy.Min(n, certificate.capacity)
    return Bound(
        name="linear-programming",
        side="lower",
        of="sparse",
        expr=model.importance * (n * constants.second_moment - constants.kappa * cap),
        model=model,
        assumptions=_assumptions(model),
        derivation=(
            *scale_out_steps(),
            *_smaller_kernel(kernel, certificate),
            Step("h = sum_l h_l P_l with h_l >= 0 for l >= 1 lies below f on [-1, 1]: checked in exact arithmetic"),
            Step("each P_l is positive definite on the sphere, so K <= 1/(h_0 + (1 - h(1))/n)"),
        ),
        certificate=certificate,
        equality="h = f at every cosine of the code, and the code is a design in every degree with h_l > 0",
        source=f"{_THEORY}, T5",
    )


def _three_point(model: ToyModel) -> Bound | None:
    """T5(g): a semidefinite bound on triples of features, from the certificates that come with the library."""
    if not _has_sparse_theory(model) or not model.n_features.is_number or not model.n_hidden.is_number:
        return None
    if isinstance(model.importance, tuple):
        return layer_cake(model, "three-point", "T5(g), T9(a)", _three_point)
    from theory.loss.three_point.shipped import best_shipped

    constants = sparse_constants(model.law, model.activation)
    n, kernel = model.n_features, constants.kernel
    certificate = best_shipped(int(n), int(model.n_hidden), kernel.exponent, kernel.negative)
    if certificate is None:
        return None
    expr = model.importance * (n * constants.second_moment - constants.kappa * sympy.Min(n, certificate.capacity))
    return Bound(
        name="three-point",
        side="lower",
        of="sparse",
        expr=expr,
        model=model,
        assumptions=_assumptions(model),
        derivation=(
            *scale_out_steps(),
            *_smaller_kernel(kernel, certificate),
            Step("for every z, b_i(<x, z>) b_j(<y, z>) Q_k is positive semidefinite in x and y, so its sums are >= 0"),
            Step("E less those sums, lambda s^2 and eta sum a_i^2 is a sum of functions of triples, pairs and points"),
            Step("each function is a sum of squares with nonnegative weights: exact, by integer arithmetic"),
            Step("so E >= lambda s^2 + eta sum_i a_i^2 >= (lambda + eta/n) s^2, that is K <= 1/(lambda + eta/n)"),
        ),
        certificate=certificate,
        equality="the functions vanish on all triples of the code, and the F_k on its moments",
        source=f"{_THEORY}, T5(g)",
    )


def _smaller_kernel(kernel: Kernel, certificate: Any) -> tuple[Step, ...]:
    """Why a certificate with rational numbers speaks of a kernel with irrational ones."""
    steps = []
    if certificate.exponent != kernel.exponent:
        steps.append(Step(f"|t|^(2a) >= |t|^(2b) on [-1, 1] for b = {certificate.exponent} >= a: bound that kernel"))
    if certificate.negative != kernel.negative:
        steps.append(Step(f"r_ >= {certificate.negative}: the kernel with that weight lies below f"))
    return tuple(steps)


@cache
def _certificate(n: int | None, m: int, exponent: sympy.Expr, negative: sympy.Expr) -> Any:
    from theory.loss.linear_programming import linear_programming_certificate

    # Regular polygons can want high degrees; where they do not, rounding makes the higher degree the weaker one.
    degrees = (14, 30) if m == 2 else (14,)
    found = [linear_programming_certificate(n, m, exponent, negative, degree=degree) for degree in degrees]
    return min(found, key=lambda certificate: certificate.capacity)


def _best_layers(model: ToyModel) -> Bound | None:
    """T9(a) with the best bound for every layer, which may differ from layer to layer."""
    if not has_ranked_importances(model) or not _has_sparse_theory(model):
        return None
    return layer_cake(model, "layer-cake", "T9(a)", best_sparse)


def _water_filling(model: ToyModel) -> Bound | None:
    """T9(b), where importances differ."""
    if not has_ranked_importances(model) or not _has_sparse_theory(model):
        return None
    return water_filling(model, _certificate)


def _has_sparse_theory(model: ToyModel) -> bool:
    if model.bias or isinstance(model.density, tuple) or not has_kernel(model.law, model.activation):
        return False
    return not isinstance(model.importance, tuple) or has_ranked_importances(model)


def _assumptions(model: ToyModel) -> tuple[str, ...]:
    return (
        "b = 0",
        "the activation is homogeneous: sigma(lambda z) = lambda^a sigma(z) for lambda > 0",
        "features are independent and active with the same probability p",
    )


def best_sparse(model: ToyModel) -> Bound | None:
    """The best bound of the sparse limit, found once for all densities."""
    return _best_at_any_density(model if isinstance(model.density, tuple) else model.replace(density=DENSITY))


@lru_cache(maxsize=256)
def _best_at_any_density(model: ToyModel) -> Bound | None:
    found = built(SPARSE_LOWER, model)
    if not found:
        return None
    if all(bound.value is not None for bound in found):
        return found[0]
    by_name = {bound.name: bound for bound in found}
    return by_name.get("layer-cake") or by_name.get("sidelnikov") or by_name.get("rectified-capacity") or found[0]


SPARSE_LOWER: Mapping[str, Build] = {
    "sidelnikov": with_bias(_sparse_by("sidelnikov", "T3(a)")),
    "relu-capacity": with_bias(_sparse_by("relu-capacity", "T5(e)")),
    "rectified-capacity": with_bias(_sparse_by("rectified-capacity", "T5(f)")),
    "linear-programming": with_bias(_linear_programming),
    "three-point": with_bias(_three_point),
    "cardinality": with_bias(_sparse_by("cardinality", "T3")),
    "layer-cake": with_bias(_best_layers),
    "water-filling": with_bias(_water_filling),
    "packing": packing,
    "packing-closed-form": packing_closed_form,
    "one-sign": one_sign,
}
