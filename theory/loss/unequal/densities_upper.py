"""Features of unequal density: what some weights achieve at every density, exactly.

Blocks of orthogonal dimensions do not see each other: losses add at every density. Source: docs/scaling.md, S6.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import comb
from typing import Any

import numpy as np
import sympy

from theory.bound import Bound, Step
from theory.loss.capacity import has_kernel, sparse_constants
from theory.loss.geometry.constructions import pair_moments
from theory.loss.unequal.densities import has_numeric_densities, rational
from theory.toy_model import ToyModel

__all__ = ["pairs_upper", "random_upper"]

_DOCS = "docs/scaling.md"
_LARGEST_POWER, _LARGEST_N = 4, 120


def pairs_upper(model: ToyModel) -> Bound | None:
    """Antipodal pairs for rectified powers of U >= 0: the 2m largest stakes, paired as neighbours or end to end."""
    if not has_numeric_densities(model) or model.law.is_two_sided or not has_kernel(model.law, model.activation):
        return None
    constants = sparse_constants(model.law, model.activation)
    if constants.kernel.negative != 0 or not constants.gain.is_positive:
        return None
    moments = pair_moments(model.law.name, constants.kernel.exponent)
    form = model.activation.power_form
    if moments is None or form is None:
        return None
    both_gain, both_cost = form.positive * moments[0], form.positive**2 * moments[1]
    order, m = _by_stake(model), int(model.n_hidden)
    chosen = order[: 2 * m]
    doubled = max(0, len(chosen) - m)
    p, shares = model.densities, model.importances

    def best(i: int, j: int) -> tuple[sympy.Expr, sympy.Expr]:
        """(gain at the best scale, what the pair saves): sum_i I_i (p_i mu_2 - 2 a A_i + a^2 B_i)."""
        first, second = sympy.Integer(0), sympy.Integer(0)
        for x, y in ((i, j), (j, i)):
            first += shares[x] * p[x] * ((1 - p[y]) * constants.gain + p[y] * both_gain)
            second += shares[x] * p[x] * ((1 - p[y]) * constants.cost + p[y] * both_cost)
        return (first / second, first**2 / second) if second != 0 else (sympy.Integer(1), sympy.Integer(0))

    single = [(i,) for i in chosen[: len(chosen) - 2 * doubled]]
    rest = chosen[len(chosen) - 2 * doubled :]
    pairings = (
        [(rest[2 * t], rest[2 * t + 1]) for t in range(doubled)],
        [(rest[t], rest[-1 - t]) for t in range(doubled)],
    )
    found = [([best(*pair) for pair in pairs], pairs) for pairs in pairings]
    values, pairs = max(found, key=lambda option: float(sympy.Add(*(saved for _, saved in option[0]))))
    saved = sympy.Add(*(value for _, value in values))
    saved += constants.kappa * sympy.Add(*(p[i] * shares[i] for (i,) in single))
    root = 1 / (2 * constants.kernel.exponent)
    W = sympy.zeros(m, len(p))
    for axis, (i,) in enumerate(single):
        W[axis, i] = (constants.gain / constants.cost) ** root
    for axis, ((i, j), (gain, _)) in enumerate(zip(pairs, values, strict=True), len(single)):
        W[axis, i], W[axis, j] = gain**root, -(gain**root)
    steps = (
        Step("the pair i, j in one dimension: output i is a sigma(x_i - x_j), and not active x_i gives 0"),
        Step("A_i = p_i ((1 - p_j) M_1 + p_j E U sigma(U - V)), B_i = p_i ((1 - p_j) M_d + p_j E sigma(U - V)^2)"),
        Step("at the best common gain a pair saves (sum I A)^2/(sum I B); single features save kappa p_i I_i"),
    )
    return _bound(model, "antipodal", saved, steps, (W, sympy.zeros(len(p), 1)))


def random_upper(model: ToyModel) -> Bound | None:
    """Monomials: the largest stakes alone, the next in random directions of the other dimensions, the rest dropped."""
    form = model.activation.power_form
    if not has_numeric_densities(model) or form is None or form.family != "monomial" or form.positive != 1:
        return None
    k, n = int(form.exponent), int(model.n_features)
    moments = [model.law.moment(r) for r in range(2 * k + 2)]
    rationals = all(value.is_Rational for value in (*moments, *model.densities, *model.importances))
    constants = sparse_constants(model.law, model.activation)
    if k > _LARGEST_POWER or n > _LARGEST_N or not rationals or not constants.gain.is_positive:
        return None
    order, m = _by_stake(model), int(model.n_hidden)
    if not order:
        return None
    exact = [Fraction(int(v.p), int(v.q)) for v in moments]
    p = [Fraction(int(model.densities[i].p), int(model.densities[i].q)) for i in order]
    shares = [Fraction(int(model.importances[i].p), int(model.importances[i].q)) for i in order]
    alone, stop = _best_split(k, m, p, shares, exact, float(constants.kappa))
    saved = rational(_random_saving(k, m - alone, p[alone:stop], shares[alone:stop], exact))
    saved += constants.kappa * sympy.Add(*(model.densities[i] * model.importances[i] for i in order[:alone]))
    steps = (
        Step(f"the {alone} largest stakes have a dimension each and save kappa p_i I_i, exactly at every density"),
        Step(
            f"the next {stop - alone} in random directions of the other {m - alone}: given w_i, the <w_i, w_j> are"
            " independent coordinates t_j of unit vectors, so output i is a (x_i + sum_j t_j x_j)^k"
        ),
        Step("on average over directions the best gain saves (sum I_i E x_i zeta_i^k)^2/sum I_i E zeta_i^(2k)"),
        Step("some directions do no worse than the average; orthogonal blocks add; dropped features cost mu_2 p_i I_i"),
    )
    return _bound(model, "random-directions", saved, steps, None)


def _best_split(
    k: int, m: int, p: list[Fraction], shares: list[Fraction], moments: list[Fraction], kappa: float
) -> tuple[int, int]:
    """How many features to put alone, and where to stop, compared in floats over a few sizes."""
    rough_p, rough_shares, rough = ([float(v) for v in values] for values in (p, shares, moments))
    options = []
    for alone in sorted({a for a in (0, m // 4, m // 2, 3 * m // 4, m - 1) if a < len(p)}):
        first = kappa * sum(a * b for a, b in zip(rough_p[:alone], rough_shares[:alone], strict=True))
        for stop in np.unique(np.geomspace(alone + 1, len(p), 10).round().astype(int)).tolist():
            inside = slice(alone, stop)
            held = _random_saving(k, m - alone, rough_p[inside], rough_shares[inside], rough)
            options.append((first + held, alone, stop))
    _, alone, stop = max(options)
    return alone, stop


def _random_saving(k: int, d: int, p: Sequence[Any], shares: Sequence[Any], moments: Sequence[Any]) -> Any:
    """(sum_i I_i E x_i zeta_i^k)^2/sum_i I_i E zeta_i^(2k), zeta_i = x_i + sum_(j != i) t_j x_j."""
    top = 2 * k
    exact = [_coordinate_moment(r, d) for r in range(top + 1)]
    coordinate: list[Any] = exact if isinstance(p[0], Fraction) else [float(value) for value in exact]
    one = coordinate[0]
    # Cumulants of t_j x_j, feature by feature; those of the sum over j != i are the total without the own ones.
    own = [_cumulants([one, *(coordinate[r] * density * moments[r] for r in range(1, top + 1))]) for density in p]
    total = [sum((c[r] for c in own), 0 * one) for r in range(top + 1)]
    first, second = 0 * one, 0 * one
    for density, share, mine in zip(p, shares, own, strict=True):
        others = _raw([total[r] - mine[r] for r in range(top + 1)], one)
        first += share * sum((comb(k, t) * density * moments[t + 1] * others[k - t] for t in range(k + 1)), 0 * one)
        square = others[top] + sum(
            (comb(top, t) * density * moments[t] * others[top - t] for t in range(1, top + 1)), 0 * one
        )
        second += share * square
    return first * first / second if second else 0 * one


def _coordinate_moment(r: int, d: int) -> Fraction:
    """E t^r for a coordinate t of a uniform unit vector in R^d."""
    if r % 2:
        return Fraction(0)
    value = Fraction(1)
    for j in range(r // 2):
        value *= Fraction(2 * j + 1, d + 2 * j)
    return value


def _cumulants(raw: list[Any]) -> list[Any]:
    result = [0 * raw[0]] * len(raw)
    for r in range(1, len(raw)):
        result[r] = raw[r] - sum((comb(r - 1, j - 1) * result[j] * raw[r - j] for j in range(1, r)), 0 * raw[0])
    return result


def _raw(cumulants: list[Any], one: Any) -> list[Any]:
    result = [one] + [0 * one] * (len(cumulants) - 1)
    for r in range(1, len(cumulants)):
        result[r] = sum((comb(r - 1, j - 1) * cumulants[j] * result[r - j] for j in range(1, r + 1)), 0 * one)
    return result


def _by_stake(model: ToyModel) -> list[int]:
    stakes = [p * i for p, i in zip(model.densities, model.importances, strict=True)]
    return sorted((i for i in range(len(stakes)) if stakes[i] != 0), key=lambda i: stakes[i], reverse=True)


def _bound(model: ToyModel, name: str, saved: sympy.Expr, steps: tuple[Step, ...], construction: Any) -> Bound:
    whole = model.law.moment(2) * sympy.Add(*(p * i for p, i in zip(model.densities, model.importances, strict=True)))
    return Bound(
        name=name,
        side="upper",
        of="loss",
        expr=whole - saved,
        model=model,
        assumptions=("b = 0 is allowed", "features are independent"),
        derivation=steps,
        construction=construction,
        equality="p -> 0 with n <= 2m" if name == "antipodal" else "",
        source=f"{_DOCS}, S6",
    )
