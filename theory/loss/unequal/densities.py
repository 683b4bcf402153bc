"""Features of unequal density: what no weights can beat, at every density, with one theorem per bound.

Everything here is for densities that are numbers; importances may differ too. All arithmetic is exact, and where a
value is shortened it is moved to the safe side. Source: docs/scaling.md, S1, S4 and S5.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import sympy

from theory.bound import Bound, Step
from theory.loss.capacity import has_kernel, sparse_constants
from theory.loss.unequal.stakes import HeldStake, held_stake
from theory.toy_model import ToyModel

__all__ = [
    "combined_lower",
    "first_order_lower",
    "has_numeric_densities",
    "heterogeneous_steps",
    "lone_weights",
    "rank_lower",
]

_SCALE = 1 << 400
_DIGITS = 110
_DOCS = "docs/scaling.md"


def has_numeric_densities(model: ToyModel) -> bool:
    """Whether densities differ and they, the importances, m and the activation's exponent are numbers."""
    return (
        isinstance(model.density, tuple)
        and model.n_hidden.is_number
        and not model.activation.parameters
        and all(value.is_number for value in (*model.densities, *model.importances))
    )


def lone_weights(model: ToyModel, up: bool = False) -> list[Fraction]:
    """w_i = p_i prod_(j != i) (1 - p_j), the probability that i alone is active, rounded down (up if `up`)."""
    densities = model.densities
    active = [as_fraction(p, up) for p in densities]
    silent = [as_fraction(1 - p, up) for p in densities]
    before, after = [Fraction(1)], [Fraction(1)]
    for q in silent[:-1]:
        before.append(_shortened(before[-1] * q, up))
    for q in reversed(silent[1:]):
        after.append(_shortened(after[-1] * q, up))
    return [_shortened(p * a * b, up) for p, a, b in zip(active, before, reversed(after), strict=True)]


def as_fraction(value: sympy.Expr, up: bool = False) -> Fraction:
    """An exact number >= 0 as a rational: itself, or where it is irrational one just below (above if `up`)."""
    if value.is_Rational:
        return Fraction(int(value.p), int(value.q))
    near = sympy.Rational(value.evalf(_DIGITS + 20))
    return Fraction(int(near.p), int(near.q)) * (1 + Fraction(1 if up else -1, 10**_DIGITS))


def _shortened(value: Fraction, up: bool) -> Fraction:
    if value.denominator <= _SCALE:
        return value
    top = value.numerator * _SCALE
    return Fraction(-(-top // value.denominator) if up else top // value.denominator, _SCALE)


# --- the first order -------------------------------------------------------------------------------------------------


def first_order_lower(model: ToyModel) -> Bound | None:
    """L* >= mu_2 sum_i s_i - kappa V with s_i = w_i I_i: at least one active feature, and what m dimensions hold."""
    found = _held(model)
    if found is None:
        return None
    return _bound(
        model, "first-order", _first_order_value(model, found), heterogeneous_steps(found), "p -> 0", "S1, S4"
    )


def _held(model: ToyModel) -> HeldStake | None:
    if model.bias or not has_numeric_densities(model) or not has_kernel(model.law, model.activation):
        return None
    kernel = sparse_constants(model.law, model.activation).kernel
    if not (kernel.exponent.is_number and kernel.negative.is_number and kernel.negative.is_nonnegative):
        return None
    stakes = [w * as_fraction(i) for w, i in zip(lone_weights(model), model.importances, strict=True)]
    return held_stake(stakes, kernel, int(model.n_hidden))


def _first_order_value(model: ToyModel, found: HeldStake) -> sympy.Expr:
    constants = sparse_constants(model.law, model.activation)
    value = constants.second_moment * rational(found.total) - constants.kappa * rational(found.held)
    return sympy.Max(0, value)


def heterogeneous_steps(found: HeldStake) -> tuple[Step, ...]:
    """S1 and S4, with the square that is completed re-checked by algebra."""
    root_i, root_j, v, y, level, beta, gamma = sympy.symbols("u_i u_j v y lambda beta gamma", positive=True)
    means = sympy.Eq((root_i**2 + root_j**2) / 2 - root_i * root_j, (root_i - root_j) ** 2 / 2, evaluate=False)
    square = sympy.Eq(
        (v - level) ** 2 / beta - (2 * (v - level) * y - beta * y**2),
        (v - level - beta * y) ** 2 / beta,
        evaluate=False,
    )
    lift = sympy.Eq(gamma * y**2 - 2 * level * y + level**2 / gamma, (gamma * y - level) ** 2 / gamma, evaluate=False)
    return (
        Step("one active feature: L >= sum_i w_i l_i(W), w_i = p_i prod_(j != i) (1 - p_j), since every l_A >= 0"),
        Step("l_i = mu_2 I_i - 2 M_1 I_i a_i + M_d sum_j I_j a_i a_j f(cos_ij); f is symmetric in i and j"),
        Step("(w_i I_j + w_j I_i)/2 >= v_i v_j with v_i = sqrt(w_i I_i) and equality at i = j, because f >= 0", means),
        Step("y_i = v_i a_i: L >= mu_2 |v|^2 - 2 M_1 v.y + M_d sum_ij y_i y_j f(cos_ij)"),
        Step("sum_ij y_i y_j f >= beta |y|^2 + gamma (sum y)^2 for h <= f: " + ", ".join(found.polynomials)),
        Step(f"{found.method}: v v^T is at least its sum over horizontal slabs of the stakes (Cauchy-Schwarz)"),
        Step("gamma (sum y)^2 >= 2 lambda sum y - lambda^2/gamma for every lambda", lift),
        Step("2 (v_i - lambda) y_i - beta y_i^2 <= (v_i - lambda)_+^2/beta for y_i >= 0", square),
    )


# --- monomials: the rank ---------------------------------------------------------------------------------------------


def rank_lower(model: ToyModel, rank: sympy.Expr) -> Bound | None:
    """S5: the sum of the n - R smallest I_i (p_i mu_2 - p_i^2 mu_1^2), for monomials; `rank` is R."""
    if not has_numeric_densities(model) or not rank.is_number:
        return None
    mu_1, mu_2 = model.law.moment(1), model.law.moment(2)
    kept = [i * (p * mu_2 - p**2 * mu_1**2) for i, p in zip(model.importances, model.densities, strict=True)]
    steps = (
        Step(f"x_hat lies in a space of dimension at most R = {rank}, so n - R principal directions of x are lost"),
        Step("E x x^T = diag(p_i mu_2 - p_i^2 mu_1^2) + mu_1^2 p p^T (with a bias: the covariance, without p p^T)"),
        Step("a positive matrix only raises eigenvalues: the smallest n - R are at least those of the diagonal"),
    )
    assumptions = ("the activation is the monomial z^k", "features are independent")
    return _bound(model, "rank", _smallest(kept, int(rank)), steps, "k = 1 and mu_1 = 0", "S5", assumptions)


def combined_lower(model: ToyModel, rank: sympy.Expr) -> Bound | None:
    """S5: one active feature by the held stake, two or more by the rank."""
    found = _held(model)
    if found is None or not rank.is_number:
        return None
    mu_1, mu_2 = model.law.moment(1), model.law.moment(2)
    # The part of E x x^T from one active feature is taken out in full: its weights are rounded up.
    weights = [rational(w) for w in lone_weights(model, up=True)]
    rest = [
        sympy.Max(0, i * ((p - w) * mu_2 - p**2 * mu_1**2))
        for i, p, w in zip(model.importances, model.densities, weights, strict=True)
    ]
    value = _first_order_value(model, found) + _smallest(rest, int(rank))
    steps = (
        *heterogeneous_steps(found),
        Step("E[x x^T; two or more active] = diag((p_i - w_i) mu_2 - p_i^2 mu_1^2) + mu_1^2 p p^T, and it is positive"),
        Step(f"x_hat lies in a space of dimension at most R = {rank}: at least the n - R smallest entries are lost"),
    )
    assumptions = ("b = 0", "the activation is the monomial z^k", "features are independent")
    return _bound(model, "combined", value, steps, "p -> 0", "S5", assumptions)


def _smallest(values: Sequence[sympy.Expr], rank: int) -> sympy.Expr:
    """The sum of all but the `rank` largest."""
    return sympy.Add(*sorted(values, reverse=True)[rank:])


def rational(value: Fraction) -> sympy.Rational:
    """A Fraction as a sympy number."""
    return sympy.Rational(value.numerator, value.denominator)


def _bound(
    model: ToyModel,
    name: str,
    value: sympy.Expr,
    steps: tuple[Step, ...],
    equality: str,
    source: str,
    assumptions: Any = ("b = 0", "the activation is homogeneous", "features are independent"),
) -> Bound:
    return Bound(
        name=name,
        side="lower",
        of="loss",
        expr=shortened_below(value),
        model=model,
        assumptions=assumptions,
        derivation=steps,
        equality=equality,
        source=f"{_DOCS}, {source}",
    )


def shortened_below(value: sympy.Expr) -> sympy.Expr:
    """A rational with thousands of digits replaced by one of forty decimals below it; other numbers as they are."""
    if not value.is_Rational or value.q < 10**60:
        return value
    scale = 10 ** (40 + max(0, len(str(value.q)) - len(str(abs(value.p)))))
    return sympy.Rational(int(value.p) * scale // int(value.q), scale)
