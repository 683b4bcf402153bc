"""A lower bound at every density for ReLU with at most 2m features, where the sparse loss vanishes.

Weights with a small c(W) = mu_2 delta^2 are within delta of an obtuse system, which costs (n - m) e(1) p^2 or more.
What the distance can save is traded against what it costs. Source: docs/theory.md, T10(f).
"""

from __future__ import annotations

from functools import cache

import sympy

from theory.bound import Bound, Step
from theory.loss.obtuse import RHO, has_pair_loss, pair_loss, pairs_are_best, weighted_steps
from theory.loss.rounding import power_of_complement
from theory.loss.unequal.importance import by_importance, has_ranked_importances
from theory.toy_model import ToyModel

__all__ = ["obtuse_loss", "robust_steps"]

_q = sympy.Rational


def obtuse_loss(model: ToyModel) -> Bound | None:
    """L* >= p^2 q^(n-2) ((n - m) e(1) (1 - (1 + 2 sqrt n) p) - p A^2/(4 mu_2))_+, A = 5 e(1) sqrt(n-m) + 2 mu_2 sqrt n.

    For ReLU, b = 0, m < n <= 2m and a law for which antipodal pairs are best. As p -> 0 it meets the antipodal
    construction: L*/p^2 -> (n - m) e(1). With importances that differ, in layers.

    Returns:
        None outside this setting, or where n or m is a symbol.
    """
    if model.bias or not has_pair_loss(model):
        return None
    if isinstance(model.importance, tuple) and not has_ranked_importances(model):
        return None
    if not (model.n_features.is_number and model.n_hidden.is_number) or not pairs_are_best(model.law):
        return None
    n, m, p = int(model.n_features), int(model.n_hidden), model.density
    if not m < n <= 2 * m:
        return None
    pair = sympy.simplify(pair_loss(model.law).subs(RHO, 1))
    ordered = [model.importances[i] for i in by_importance(model)]
    steps = [here - below for here, below in zip(ordered, [*ordered[1:], sympy.Integer(0)], strict=True)]
    total = sympy.Add(
        *(step * _bracket(r, m, p, pair, model.law.moment(2)) for r, step in enumerate(steps, 1) if r > m and step != 0)
    )
    layered = isinstance(model.importance, tuple)
    return Bound(
        name="obtuse",
        side="lower",
        of="loss",
        expr=p**2 * power_of_complement(p, sympy.Integer(n - 2)) * total,
        model=model,
        assumptions=(
            "b = 0",
            "sigma is ReLU and U >= 0",
            "features are independent and active with the same probability p",
            "e(rho) >= 2 rho^2/(1 + rho) e(1), which holds for this law",
        ),
        derivation=(
            *((Step("T9(a): layers of equal importance add up, other features inactive"),) if layered else ()),
            *weighted_steps(),
            *robust_steps(),
        ),
        equality="p -> 0, by antipodal pairs" if not layered else "",
        source="docs/theory.md, T10(f)" + (", T9(a)" if layered else ""),
    )


def _bracket(n: int, m: int, p: sympy.Expr, pair: sympy.Expr, mu_2: sympy.Expr) -> sympy.Expr:
    d = n - m
    # A^2 with its two square roots multiplied out, so that it stays short.
    square = 25 * pair**2 * d + 20 * pair * mu_2 * sympy.sqrt(d * n) + 4 * mu_2**2 * n
    slope = sympy.expand(d * pair * (1 + 2 * sympy.sqrt(n)) + square / (4 * mu_2))
    return sympy.Max(0, d * pair - slope * p)


@cache
def robust_steps() -> tuple[Step, ...]:
    """From weights near an obtuse system to the bound."""
    x, delta, n, p = sympy.symbols("x delta n p", positive=True)
    size, slope, mu_2 = sympy.symbols("N A mu_2", positive=True)
    q, room = 1 - p, sympy.Symbol("D", positive=True)
    return (
        Step("c(W) = mu_2 delta^2 with delta = |Delta|, Delta_ii = g_i - 1, Delta_ij = (G_ij)_+; G = 1 + Delta - N"),
        Step("P projects on n - m = d dimensions of the kernel of G: tr(N P) = d + tr(Delta P) >= d - delta sqrt d"),
        Step(
            "sum N_ij P_ij^2 <= sum P_ii^2 + delta sqrt d: G and the Schur product P o P are positive semidefinite, "
            "and |P o P| <= sqrt d"
        ),
        Step(
            "Cauchy-Schwarz as before, weights N^2 e(1)/e(N). For N > 1 e(N) = N^2 e(1/N), so the weight "
            "<= (N + N^2)/2 exceeds (1 + N)/2 by x + x^2/2 with x = N - 1",
            sympy.Eq((size + size**2) / 2 - (1 + size) / 2, (size - 1) + (size - 1) ** 2 / 2, evaluate=False),
        ),
        Step("x <= (|g_i - 1| + |g_j - 1|)/2 adds at most delta sqrt d + delta^2/2 to the weights' sum"),
        Step(
            "so sum_(i<j) e/e(1) >= d (1 - x)^2/(1 + 3x + x^2) >= d (1 - 5x) with x = delta/sqrt d",
            sympy.Eq((1 - x) ** 2 - (1 - 5 * x) * (1 + 3 * x + x**2), 15 * x**2 + 5 * x**3, evaluate=False),
        ),
        Step(
            "x_i = U, x_j = V active: the error of output i is at least |min(U, N V)| - |g_i - 1| sqrt mu_2 in norm, "
            "so the pairs cost at least sum e - 2 mu_2 delta |N 1|, |N 1| <= (1 + delta) sqrt n"
        ),
        Step("L >= p q^(n-1) mu_2 delta^2 + p^2 q^(n-2) (d e(1) - A delta - 2 mu_2 sqrt(n) delta^2) for every delta"),
        Step(
            "the least value over delta of mu_2 D delta^2 - p A delta, D = q - 2p sqrt n, is -p^2 A^2/(4 mu_2 D)",
            sympy.Eq(
                mu_2 * room * delta**2 - p * slope * delta,
                mu_2 * room * (delta - p * slope / (2 * mu_2 * room)) ** 2 - p**2 * slope**2 / (4 * mu_2 * room),
                evaluate=False,
            ),
        ),
        Step(
            "D <= 1, so d e(1) - p A^2/(4 mu_2 D) >= d e(1) D - p A^2/(4 mu_2) where that is positive",
            sympy.Eq(q - 2 * p * sympy.sqrt(n), 1 - (1 + 2 * sympy.sqrt(n)) * p, evaluate=False),
        ),
    )
