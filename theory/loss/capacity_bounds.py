"""Closed-form upper bounds on the capacity K*, from which lower bounds on the sparse loss follow.

Source: docs/theory.md, T3 and T5(e).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import sympy

from theory.bound import Step
from theory.loss.capacity import SparseConstants, effective_dimension, sparse_constants
from theory.loss.minorants import rectified_capacity
from theory.toy_model import ToyModel

__all__ = ["capacity_bounds"]

_q = sympy.Rational
_GENERIC = sympy.Symbol("m", integer=True, positive=True)


def capacity_bounds(model: ToyModel) -> dict[str, tuple[sympy.Expr, tuple[Step, ...], str]]:
    """Closed-form upper bounds on the capacity K*, by name, with their derivation and equality case."""
    constants = sparse_constants(model.law, model.activation)
    return {name: found for name, build in _CAPACITIES.items() if (found := build(model, constants)) is not None}


def _cardinality(model: ToyModel, constants: SparseConstants) -> tuple[sympy.Expr, tuple[Step, ...], str]:
    n = model.n_features
    steps = (
        Step("E(W) = sum_ij a_i a_j f(cos_ij) >= sum_i a_i^2, since f >= 0 and f(1) = 1"),
        Step("Cauchy-Schwarz: sum_i a_i^2 >= s^2/n with s = sum_i a_i, so K = s^2/E <= n"),
    )
    return n, steps, "no interference: all off-diagonal f(cos_ij) = 0 and equal norms (orthogonal features, n <= m)"


def _sidelnikov(model: ToyModel, constants: SparseConstants) -> tuple[sympy.Expr, tuple[Step, ...], str] | None:
    if constants.kernel.negative != 1:
        return None
    k, m = constants.kernel.exponent, model.n_hidden
    if not k.is_integer and not k.is_number:
        return None
    k = sympy.ceiling(k)
    dimension = effective_dimension(m, k)
    steps = [] if k == constants.kernel.exponent else [Step("f(t) = |t|^(2a) >= t^(2k) on [-1, 1] for k = ceil(a)")]
    steps += [
        Step("with T = sum_i W_i^(x 2k) and S = E u^(x 2k), u uniform on the sphere: <T, T> = sum_ij G_ij^(2k) = E(W)"),
        Step("<S, S> = E <u, v>^(2k) = 1/D and <T, S> = s/D by rotation invariance"),
        Step("Cauchy-Schwarz <T, S>^2 <= <T, T><S, S> gives E >= s^2/D, so K <= D"),
    ]
    if k.is_number:
        x, half = _GENERIC, _q(1, 2)
        ratio = sympy.gamma(x / 2 + k) * sympy.gamma(half) / (sympy.gamma(x / 2) * sympy.gamma(k + half))
        identity = sympy.Eq(effective_dimension(x, k), ratio, evaluate=False)
        steps.append(Step("D = prod_(j<k) (m + 2j)/(2j + 1) is the inverse 2k-th moment of a coordinate", identity))
    equality = (
        "the antipodal double of the features, weighted by a_i, is a spherical (2k+1)-design (possible for n large)"
    )
    return dimension, tuple(steps), equality


def _relu_capacity(model: ToyModel, constants: SparseConstants) -> tuple[sympy.Expr, tuple[Step, ...], str] | None:
    """T5(e): needs only f >= t_+^2, which holds for every exponent a <= 1 whatever r_ >= 0."""
    if constants.kernel.exponent.is_number is False or constants.kernel.exponent > 1 or constants.kernel.negative == 1:
        return None
    m = model.n_hidden
    c = _near_optimal_c(m)
    value = sympy.simplify(1 / (c / m - 4 * c**3 / (27 * (1 - c) ** 2)))
    t = sympy.Symbol("t", real=True)
    h = (1 - c) * t**3 + c * t**2 - 4 * c**3 / (27 * (1 - c) ** 2)
    root = -2 * c / (3 * (1 - c))
    floor = 4 * c**3 / (27 * (1 - c) ** 2)
    at_maximum = sympy.Eq(h.subs(t, root), 0, evaluate=False)
    above = sympy.Eq(t**2 - h, (1 - c) * t**2 * (1 - t) + floor, evaluate=False)
    steps = (
        Step(f"minorant h(t) = (1-c) t^3 + c t^2 - 4c^3/(27(1-c)^2) of f, with c = {c}"),
        Step("on t < 0: h has its maximum where h' = 0, and it is 0 there", at_maximum),
        Step("on 0 <= t <= 1: f - h >= t^2 - h = (1-c) t^2 (1 - t) + 4c^3/(27(1-c)^2) > 0", above),
        Step("t^3 and t^2 - 1/m are positive definite on the sphere, so E >= s^2 (c/m - 4c^3/(27(1-c)^2))"),
    )
    return value, steps, "not attained; for large m it grows like m^(3/2)"


def _rectified_capacity(model: ToyModel, constants: SparseConstants) -> tuple[sympy.Expr, tuple[Step, ...], str] | None:
    """T5(f): t^(2k-1) (t + x)^2/(1 + x)^2 - e lies below t_+^(2k), so below every kernel with exponent at most k."""
    if constants.kernel.exponent.is_number is False or constants.kernel.negative == 1:
        return None
    k = int(sympy.ceiling(constants.kernel.exponent))
    t, x = sympy.symbols("t x", positive=True)
    apart = sympy.Eq(t * (1 + x) ** 2 - (t + x) ** 2, (1 - t) * (t - x**2), evaluate=False)
    c = _q((2 * k - 1) ** (2 * k - 1), (2 * k) ** (2 * k))
    a = x**2 / (1 + x) ** 2
    highest = sympy.Eq(
        (t ** (2 * k - 1) * (a - t / (1 + x) ** 2)).subs(t, _q(2 * k - 1, 2 * k) * x**2),
        c * x ** (4 * k) / (1 + x) ** 2,
        evaluate=False,
    )
    steps = (
        Step(f"minorant h(t) = t^{2 * k - 1} (t + x)^2/(1 + x)^2 - e of f; on t < 0 it is at most -e"),
        Step(f"on 0 <= t <= 1: t^{2 * k} - h - e = t^{2 * k - 1} (1 - t)(t - x^2)/(1 + x)^2", apart),
        Step(f"that is negative for t < x^2 only, and at least -t^{2 * k - 1} (x^2 - t)/(1 + x)^2 >= -e", highest),
        Step(f"powers of t are positive definite; h has the constant term 2x/((1 + x)^2 D(m, {k})) - e"),
        Step("so K <= (1 + x)^2/(2x/D - c x^(4k)), c = (2k-1)^(2k-1)/(2k)^(2k); x maximises the denominator"),
    )
    equality = "not attained; for ReLU the rate m^(4/3) is right: generalised quadrangles reach half of m^(4/3)"
    return rectified_capacity(model.n_hidden, k), steps, equality


@cache
def _near_optimal_c(m: sympy.Expr) -> sympy.Expr:
    """A rational c in (0, 1) close to the maximiser of c/m - 4c^3/(27(1-c)^2); any such c gives a valid bound.

    The derivative vanishes where 4c^2(3 - c)/(27(1-c)^3) = 1/m; for a symbolic m, c = 3/(2 sqrt(m) + 3) is within a
    few per cent of it, equals the large-m solution 3/(2 sqrt(m)) there, and makes the bound m^(3/2) + 3m/2.
    """
    if not m.is_number:
        return 3 / (2 * sympy.sqrt(m) + 3)
    low, high = _q(0), _q(1)
    for _ in range(30):
        middle = (low + high) / 2
        if 4 * middle**2 * (3 - middle) / (27 * (1 - middle) ** 3) < 1 / m:
            low = middle
        else:
            high = middle
    return _q(round(low * 10**6), 10**6)


_CAPACITIES: dict[str, Callable[[ToyModel, SparseConstants], Any]] = {
    "cardinality": _cardinality,
    "sidelnikov": _sidelnikov,
    "relu-capacity": _relu_capacity,
    "rectified-capacity": _rectified_capacity,
}
