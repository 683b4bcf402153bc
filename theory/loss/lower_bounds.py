"""What no weights can beat: lower bounds on the optimal loss, at first order and at every density.

Source: docs/theory.md, T3, T5, T6, T9.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import sympy

from theory.arguments import InputError, one_of
from theory.bound import Bound, Step
from theory.loss.biased_lower import (
    bias_dies_out,
    biased_first_order,
    one_sign,
    packing,
    packing_closed_form,
    with_bias,
)
from theory.loss.capacity import Kernel, has_kernel, sparse_constants
from theory.loss.capacity_bounds import capacity_bounds
from theory.loss.heterogeneous import combined_lower, first_order_lower, has_numeric_densities, rank_lower
from theory.loss.importance import by_importance, has_ranked_importances, layer_cake
from theory.loss.obtuse_bound import obtuse_loss
from theory.loss.rounding import power_of_complement, tidied
from theory.loss.water_filling import water_filling
from theory.toy_model import DENSITY, ToyModel

__all__ = ["LOWER_BOUNDS", "lower_bound", "lower_bounds"]

_THEORY = "docs/theory.md"
_q = sympy.Rational


def lower_bounds(model: ToyModel, of: str = "loss") -> list[Bound]:
    """Every lower bound known for the model, the largest first where they are numbers.

    Args:
        model: any toy model; n, m, p may be symbols.
        of: "loss" for L* at the model's density, "sparse" for c* = lim L*/p.

    Returns:
        Proved bounds; empty where none is known.

    Raises:
        InputError: unknown `of`.
    """
    one_of("of", of, ("loss", "sparse"))
    found = [bound for build in _BUILDERS[of].values() for bound in [build(model)] if bound is not None]
    if all(bound.value is not None for bound in found):
        found.sort(key=lambda bound: -float(bound.expr))
    return found


def lower_bound(model: ToyModel, of: str = "loss", name: str | None = None) -> Bound:
    """The best lower bound known for the model, or a named one.

    Args:
        model: the setting; n, m, p may be symbols.
        of: "loss" for L* at the model's density, "sparse" for c* = lim L*/p.
        name: one of `LOWER_BOUNDS`; by default the largest (with symbols: the most general). A bound of the sparse
            limit gives, of="loss", p q^(n-1) times itself.

    Raises:
        InputError: none is known for this setting, or the named one does not apply; the message says why.
    """
    one_of("of", of, ("loss", "sparse"))
    if name is not None:
        one_of("name", name, LOWER_BOUNDS)
        bound = _named(model, of, name)
        if bound is None:
            raise InputError(f"lower bound {name!r} of {of!r} does not apply to {model.describe()}{_why_none(model)}")
        return bound
    found = lower_bounds(model, of)
    if not found:
        raise InputError(f"no lower bound of {of!r} is known for {model.describe()}{_why_none(model)}")
    return found[0]


def _named(model: ToyModel, of: str, name: str) -> Bound | None:
    if name in _BUILDERS[of]:
        return _BUILDERS[of][name](model)
    return _first_order(model, name) if of == "loss" else None


def _why_none(model: ToyModel) -> str:
    if model.activation.power_form is None:
        return f": {model.activation.name} is no power activation"
    if not has_kernel(model.law, model.activation):
        return f": {model.activation.name} is 0 on every value of U, so one active feature is never reconstructed"
    if isinstance(model.importance, tuple) and not has_ranked_importances(model):
        return ": importances that differ must be numbers, because the bounds sort them"
    if isinstance(model.density, tuple) and not has_numeric_densities(model):
        return ": densities that differ must be numbers, as must importances and m, because the bounds sort them"
    if model.bias:
        if bias_dies_out(model):
            return ": with a bias and p > 0 only the rank bound of monomials is known (the no-bias bounds do not hold)"
        return (
            ": with a bias only uniform features and integer exponents, n > 2m, have one (no-bias bounds do not hold)"
        )
    if isinstance(model.density, tuple):
        return ": where densities differ, 'first-order', 'rank' and 'combined' bound 'loss'; there is no one limit L*/p"
    return ""


# --- the sparse limit ------------------------------------------------------------------------------------------------


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
    return layer_cake(model, "layer-cake", "T9(a)", _best_sparse)


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


@cache
def scale_out_steps() -> tuple[Step, ...]:
    """T1 and T2: from the loss to the capacity."""
    s, energy, gain, cost, big = sympy.symbols("s E M_1 M_d Lambda", positive=True)
    quadratic = -2 * gain * s * big + cost * energy * big**2
    square = cost * energy * (big - gain * s / (cost * energy)) ** 2 - gain**2 * s**2 / (cost * energy)
    return (
        Step("one active feature: c(W) = n mu_2 - 2 M_1 s + M_d E(W), s = sum_i |W_i|^(2a), by homogeneity"),
        Step(
            "scaling W multiplies s by Lambda and E by Lambda^2; complete the square in Lambda",
            sympy.Eq(quadratic, square, evaluate=False),
        ),
        Step("at the best Lambda = M_1 s/(M_d E), c = n mu_2 - (M_1^2/M_d) (s^2/E) = n mu_2 - kappa K(W)"),
    )


# --- every density ---------------------------------------------------------------------------------------------------


def _best_sparse(model: ToyModel) -> Bound | None:
    """The best bound of the sparse limit, found once for all densities."""
    return _best_at_any_density(model if isinstance(model.density, tuple) else model.replace(density=DENSITY))


@lru_cache(maxsize=256)
def _best_at_any_density(model: ToyModel) -> Bound | None:
    found = lower_bounds(model, of="sparse")
    if not found:
        return None
    if all(bound.value is not None for bound in found):
        return found[0]
    by_name = {bound.name: bound for bound in found}
    return by_name.get("layer-cake") or by_name.get("sidelnikov") or by_name.get("rectified-capacity") or found[0]


def _first_order(model: ToyModel, name: str | None = None) -> Bound | None:
    if isinstance(model.density, tuple):
        return first_order_lower(model) if name is None else None
    sparse = _best_sparse(model) if name is None else _BUILDERS["sparse"][name](model)
    if sparse is None:
        return None
    if model.bias:
        return biased_first_order(model, sparse, name or "first-order")
    p, n = model.density, model.n_features
    return Bound(
        name=name or "first-order",
        side="lower",
        of="loss",
        expr=p * power_of_complement(p, n - 1) * sparse.expr,
        model=model,
        assumptions=sparse.assumptions,
        derivation=(
            Step("L(p) = sum over active sets A of p^|A| q^(n-|A|) l_A, with every l_A >= 0"),
            Step(f"keep |A| = 1: L >= p q^(n-1) c(W) >= p q^(n-1) c*, and c* by {sparse.name!r}"),
        ),
        certificate=sparse.certificate,
        equality="p -> 0",
        source=f"{_THEORY}, T6(a)" + ("" if name is None else sparse.source.removeprefix(_THEORY)),
    )


def _monomial_exponent(model: ToyModel) -> sympy.Expr | None:
    form = model.activation.power_form
    if form is None or form.family != "monomial" or not form.exponent.is_number:
        return None
    return form.exponent


def _rank(model: ToyModel) -> Bound | None:
    """T6(b): x_hat lies in a space of dimension R whatever W, so n - R principal directions of x are lost."""
    k = _monomial_exponent(model)
    if k is None:
        return None
    p, m = model.density, model.n_hidden
    rank = _binomial(m + k, k) - 1 if model.bias else _binomial(m + k - 1, k)
    if isinstance(p, tuple):
        return rank_lower(model, rank)
    variance = p * model.law.moment(2) - p**2 * model.law.moment(1) ** 2
    lost = _lost_importance(model, rank)
    if lost is None:
        return None
    kind = "covariance of x, after subtracting the constant vector b^k" if model.bias else "second moment E x x^T"
    return Bound(
        name="rank",
        side="lower",
        of="loss",
        expr=lost * variance,
        model=model,
        assumptions=(
            "the activation is the monomial z^k",
            "features are independent and active with the same probability p",
        ),
        derivation=(
            Step(f"x_hat_j = <w_j^(x k), h^(x k)> lies in a space of dimension at most R = {rank}"),
            Step(f"so L is at least the sum of the n - R smallest eigenvalues of the {kind}"),
            Step("that matrix is (p mu_2 - p^2 mu_1^2) Id plus a positive matrix of rank at most one"),
        ),
        equality="k = 1: principal components, at every p",
        source=f"{_THEORY}, T6(b)",
    )


def _lost_importance(model: ToyModel, rank: sympy.Expr) -> sympy.Expr | None:
    """The sum of the n - rank smallest importances; None where they cannot be sorted or counted."""
    if not isinstance(model.importance, tuple):
        return model.importance * sympy.Max(0, model.n_features - rank)
    if not has_ranked_importances(model) or not rank.is_number:
        return None
    return sympy.Add(*(model.importances[i] for i in by_importance(model)[int(rank) :]))


def _combined(model: ToyModel) -> Bound | None:
    """T6(c): one active feature by the capacity, two or more by the rank."""
    if isinstance(model.density, tuple) and _monomial_exponent(model) is not None:
        k = _monomial_exponent(model)
        return combined_lower(model, _binomial(model.n_hidden + k - 1, k))
    k, sparse = _monomial_exponent(model), None if model.bias else _best_sparse(model)
    if k is None or sparse is None:
        return None
    p, n, m = model.density, model.n_features, model.n_hidden
    rank = _binomial(m + k - 1, k)
    mu_1, mu_2 = model.law.moment(1), model.law.moment(2)
    lost = _lost_importance(model, rank)
    if lost is None:
        return None
    per_single = sparse.expr - lost * mu_2
    single = p * power_of_complement(p, n - 1, up=per_single.is_negative is True)
    expr = single * per_single + lost * (p * mu_2 - p**2 * mu_1**2)
    return Bound(
        name="combined",
        side="lower",
        of="loss",
        expr=expr,
        model=model,
        assumptions=(*sparse.assumptions, "the activation is the monomial z^k"),
        derivation=(
            Step(
                "given |A| = s >= 2 active features, E x x^T has n - 1 eigenvalues (s/n) mu_2 - s(s-1)/(n(n-1)) mu_1^2"
            ),
            Step(f"x_hat lies in a space of dimension at most R = {rank}, so n - R of them are lost"),
            Step(
                f"|A| = 1 costs at least c*/n in the mean, with c* by {sparse.name!r}; sum over the binomial law of s"
            ),
            *_binomial_steps(),
        ),
        certificate=sparse.certificate,
        equality="p -> 0; k = 1 at every p",
        source=f"{_THEORY}, T6(c)",
    )


@cache
def _binomial_steps() -> tuple[Step, ...]:
    p, mu_1, mu_2 = sympy.symbols("p mu_1 mu_2", positive=True)
    n = 4
    weight = lambda s: sympy.binomial(n, s) * p**s * (1 - p) ** (n - s)  # noqa: E731
    eigenvalue = lambda s: _q(s, n) * mu_2 - _q(s * (s - 1), n * (n - 1)) * mu_1**2  # noqa: E731
    total = sympy.Add(*(weight(s) * eigenvalue(s) for s in range(2, n + 1)))
    closed = p * mu_2 - p**2 * mu_1**2 - p * (1 - p) ** (n - 1) * mu_2
    return (
        Step(
            "that sum is p mu_2 - p^2 mu_1^2 - p q^(n-1) mu_2 (re-checked at n = 4)",
            sympy.Eq(total, closed, evaluate=False),
        ),
    )


def _binomial(top: sympy.Expr, bottom: sympy.Expr) -> sympy.Expr:
    """C(top, bottom) for an integer bottom, as a polynomial in top."""
    return sympy.factor(sympy.Mul(*[(top - j) / (bottom - j) for j in range(int(bottom))]))


_BUILDERS: dict[str, dict[str, Callable[[ToyModel], Bound | None]]] = {
    "sparse": {
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
    },
    "loss": {"combined": _combined, "first-order": _first_order, "rank": _rank, "obtuse": obtuse_loss},
}
LOWER_BOUNDS = tuple(name for builders in _BUILDERS.values() for name in builders)
"""Names of lower bounds, those of the sparse limit first."""
