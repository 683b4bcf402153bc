"""What no weights can beat at a density: lower bounds on L*, from one active feature and from the rank.

Source: docs/theory.md, T6, T10.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import sympy

from theory.bound import Bound, Step
from theory.loss.bias.lower import (
    biased_first_order,
)
from theory.loss.lower_sparse import SPARSE_LOWER, Build, best_sparse
from theory.loss.obtuse_bound import obtuse_loss
from theory.loss.rounding import power_of_complement
from theory.loss.unequal.densities import combined_lower, first_order_lower, rank_lower
from theory.loss.unequal.importance import by_importance, has_ranked_importances
from theory.toy_model import ToyModel

__all__ = ["DENSITY_LOWER", "first_order"]

_THEORY = "docs/theory.md"
_q = sympy.Rational


def first_order(model: ToyModel, name: str | None = None) -> Bound | None:
    if isinstance(model.density, tuple):
        return first_order_lower(model) if name is None else None
    sparse = best_sparse(model) if name is None else SPARSE_LOWER[name](model)
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
    k, sparse = _monomial_exponent(model), None if model.bias else best_sparse(model)
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


DENSITY_LOWER: Mapping[str, Build] = {
    "combined": _combined,
    "first-order": first_order,
    "rank": _rank,
    "obtuse": obtuse_loss,
}
