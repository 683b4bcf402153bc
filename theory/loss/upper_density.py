"""What some weights achieve at a density: upper bounds on L*, with their constructions.

Source: docs/theory.md, T7, T10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import sympy

from theory.bound import Bound, Step
from theory.loss.bias.thresholded import THRESHOLDED
from theory.loss.capacity import effective_dimension, has_kernel, sparse_constants
from theory.loss.geometry.constructions import (
    antipodal_weights,
    moments_of_sum,
    orthonormal_weights,
    pair_construction,
    pair_moments,
    scaled,
)
from theory.loss.obtuse import has_pair_loss, unit_pairs_loss
from theory.loss.unequal.densities_upper import pairs_upper, random_upper
from theory.loss.upper_sparse import SPARSE_UPPER, Build, equal_features, is_rectified
from theory.toy_model import DENSITY, ToyModel

__all__ = ["DENSITY_UPPER"]

_THEORY = "docs/theory.md"


def _loss(
    model: ToyModel,
    name: str,
    expr: sympy.Expr,
    steps: tuple[Step, ...],
    equality: str,
    source: str,
    weights: Any = None,
) -> Bound:
    return Bound(
        name=name,
        side="upper",
        of="loss",
        expr=model.importance * expr,
        model=model,
        assumptions=("b = 0 is allowed", "features are independent with one density p"),
        conditions=sparse_constants(model.law, model.activation).conditions,
        derivation=steps,
        construction=weights,
        equality=equality,
        source=f"{_THEORY}, {source}",
    )


def _orthonormal_loss(model: ToyModel) -> Bound | None:
    if isinstance(model.density, tuple):
        return _orthonormal_by_stake(model)
    constants = equal_features(model)
    if constants is None:
        return None
    n, kept, p = model.n_features, sympy.Min(model.n_features, model.n_hidden), model.density
    expr = p * (n * constants.second_moment - constants.kappa * kept)
    steps = (
        Step("output j of a kept feature sees g x_j alone: E (x - sigma(g x))^2 = p (mu_2 - 2 M_1 a + M_d a^2)"),
        Step("the best a gives p (mu_2 - kappa); a dropped feature costs p mu_2; this is exact at every p"),
    )
    return _loss(
        model,
        "orthonormal",
        expr,
        steps,
        "p -> 0 with n <= m; k = 1 without gain from the mean",
        "T7(c)",
        scaled(model, orthonormal_weights),
    )


def _orthonormal_by_stake(model: ToyModel) -> Bound | None:
    """Densities that differ: the dimensions go to the features with the largest I_i p_i, exactly at every density."""
    stakes = [weight * p for weight, p in zip(model.importances, model.densities, strict=True)]
    m = model.n_hidden
    if not has_kernel(model.law, model.activation) or not m.is_number or not all(stake.is_number for stake in stakes):
        return None
    constants = sparse_constants(model.law, model.activation)
    kept = sorted(range(len(stakes)), key=lambda i: stakes[i], reverse=True)[: int(m)]
    place = sympy.zeros(int(m), len(stakes))
    for row, feature in enumerate(kept):
        place[row, feature] = 1
    expr = constants.second_moment * sympy.Add(*stakes) - constants.kappa * sympy.Add(*(stakes[i] for i in kept))
    steps = (
        Step("output i of a kept feature sees g x_i alone: at its best scale it costs p_i (mu_2 - kappa)"),
        Step("a dropped feature costs p_i mu_2; keep the m features with the largest I_i p_i"),
    )
    alike = model.replace(density=DENSITY, importance=1)
    bound = _loss(alike, "orthonormal", expr, steps, "", "T7(c)", scaled(alike, lambda n, m: place))
    return replace(bound, model=model, assumptions=("b = 0 is allowed", "features are independent"))


def _principal_components(model: ToyModel) -> Bound | None:
    """k = 1 is principal component analysis, at every p: the rank bound is attained."""
    form = model.activation.power_form
    if equal_features(model) is None or form is None or (form.exponent, form.positive, form.negative) != (1, 1, -1):
        return None
    p, mu_1, mu_2 = model.density, model.law.moment(1), model.law.moment(2)
    expr = sympy.Max(0, model.n_features - model.n_hidden) * (p * mu_2 - p**2 * mu_1**2)
    steps = (Step("E x x^T = (p mu_2 - p^2 mu_1^2) Id + p^2 mu_1^2 1 1^T; W^T W projects on m leading eigenvectors"),)
    return _loss(model, "principal-components", expr, steps, "always", "T6(b)")


def _antipodal_loss(model: ToyModel) -> Bound | None:
    """Pairs at their optimal scale: exact at every p where E U(U-V)_+^a and E (U-V)_+^(2a) are known."""
    if isinstance(model.density, tuple):
        return pairs_upper(model)
    constants = equal_features(model)
    if constants is None or not is_rectified(model, constants) or model.law.is_two_sided:
        return None
    # The best gain of a pair is positive only if M_1 is.
    if constants.gain.is_nonpositive:
        return None
    a, up = constants.kernel.exponent, model.activation.power_form.positive
    moments = pair_moments(model.law.name, a)
    if moments is None:
        return None
    n, m, p = model.n_features, model.n_hidden, model.density
    q, gain, cost = 1 - DENSITY, constants.gain, constants.cost
    both_gain, both_cost = up * moments[0], up**2 * moments[1]
    # One feature of a pair: E x x_hat = A a, E x_hat^2 = B a^2 at gain a, so the loss is p mu_2 - A^2/B.
    first = q * gain + DENSITY * both_gain
    second = q * cost + DENSITY * both_cost
    # Cancelled before p gets its value: binary features at p = 1 would give 0/0.
    best_gain = sympy.cancel(first / second).subs(DENSITY, p)
    saved_by_one = p * sympy.cancel(first**2 / second).subs(DENSITY, p)
    pairs = sympy.Min(m, sympy.Max(0, n - m))
    single = sympy.Max(0, sympy.Min(n, m) - pairs)
    saved = 2 * pairs * saved_by_one + single * p * constants.kappa
    expr = sympy.simplify(n * p * constants.second_moment) - saved
    steps = (
        Step("in a pair (w, -w) output 1 is a sigma(x_1 - x_2): E x_1 x_hat_1 = A a and E x_hat_1^2 = B a^2"),
        Step(
            "A = p(q M_1 + p E U sigma(U - V)), B = p(q M_d + p E sigma(U - V)^2), with U, V independent active values"
        ),
        Step(
            "the best a gives p mu_2 - A^2/B per paired feature; single features p (mu_2 - kappa), dropped ones p mu_2"
        ),
    )
    return _loss(model, "antipodal", expr, steps, "p -> 0 with n <= 2m", "T7, T10", pair_construction(model, best_gain))


def _unit_pairs(model: ToyModel) -> Bound | None:
    """T10(d): antipodal pairs at unit scale, for every law with a closed E min(U, V)^2."""
    n, m = model.n_features, model.n_hidden
    if equal_features(model) is None or not (n.is_number and m.is_number) or n > 2 * m or not has_pair_loss(model):
        return None
    steps = (
        Step("output 1 of a pair is (x_1 - x_2)_+, so its error is min(x_1, x_2), 0 unless both are active"),
        Step("n - m pairs cost 2 (n - m) p^2 E min(U, V)^2, the orthonormal rest nothing: exact at every p"),
    )
    W = antipodal_weights(int(n), int(m)), sympy.zeros(int(n), 1)
    expr = unit_pairs_loss(model.replace(importance=1))
    return _loss(model, "unit-pairs", expr, steps, "p -> 0 where antipodal pairs are best", "T10(d)", W)


def _random_directions_loss(model: ToyModel) -> Bound | None:
    """T7(b): monomials at every p, rational in p."""
    if isinstance(model.density, tuple):
        return random_upper(model)
    constants = equal_features(model)
    form = model.activation.power_form
    if (
        constants is None
        or form is None
        or form.family != "monomial"
        or not form.exponent.is_Integer
        or form.positive != 1
    ):
        return None
    k, n, m, p = int(form.exponent), model.n_features, model.n_hidden, model.density
    if k > 4 and (n.free_symbols or m.free_symbols):
        return None

    def raw(r: int) -> sympy.Expr:
        return p * model.law.moment(r) if r else sympy.Integer(1)

    def direction(r: int) -> sympy.Expr:
        if r % 2:
            return sympy.Integer(0)
        return 1 / effective_dimension(m, r // 2) if r else sympy.Integer(1)

    others = moments_of_sum([direction(r) * raw(r) for r in range(2 * k + 1)], n - 1)
    mean = sympy.Add(*(sympy.binomial(k, t) * raw(t + 1) * others[k - t] for t in range(k + 1)))
    square = sympy.Add(*(sympy.binomial(2 * k, t) * raw(t) * others[2 * k - t] for t in range(2 * k + 1)))
    saved = n * mean**2 / square
    if mean.is_number and mean <= 0:
        return None
    expr = n * p * constants.second_moment - (saved if saved.free_symbols else sympy.simplify(saved))
    steps = (
        Step("given w_1, the <w_1, w_i> are independent coordinates t_i of unit vectors: zeta = x_1 + sum t_i x_i"),
        Step(
            "at one common gain a: E L = n p mu_2 - 2 a n E x_1 zeta^k + a^2 n E zeta^(2k); the best a gives the bound"
        ),
        Step("some W does no worse than the average over W"),
    )
    return _loss(model, "random-directions", expr, steps, "p -> 0 with n -> oo", "T7(b)")


def _remainder(model: ToyModel) -> Bound | None:
    """T7(a): the best construction of the sparse limit, with everything else bounded."""
    constants = equal_features(model)
    if constants is None or not constants.gain.is_positive:
        return None
    if model.n_features.free_symbols or model.n_hidden.free_symbols or model.activation.parameters:
        return None
    plain = model.replace(importance=1, bias=False)
    found = [bound for build in SPARSE_UPPER.values() for bound in [build(plain)] if bound is not None]
    best = min(found, key=lambda bound: float(bound.expr))
    n, p, a = model.n_features, model.density, constants.kernel.exponent
    gained = n * constants.second_moment - best.expr
    if int(n) > 200:
        return None
    rest: sympy.Expr = sympy.Integer(0)
    for s in range(2, int(n) + 1):
        growth = sympy.Integer(s) ** sympy.Max(0, 2 * a - 1)
        size = (sympy.sqrt(n * constants.second_moment) + sympy.sqrt(growth * gained)) ** 2
        rest += sympy.binomial(n - 1, s - 1) * p**s * (1 - p) ** (n - s) * size
    steps = (
        Step(
            f"some W at its optimal scale gives exactly c = {best.expr} for one active feature: "
            f"{best.name!r} gives at most that, one direction for all gives more, and K is continuous in W"
        ),
        Step(
            "|x_hat_j|^2 <= s^((2a-1)_+) sum_(i in A) sigma(G_ji U_i)^2 for s = |A| active features; Minkowski over A"
        ),
    )
    return _loss(
        model, "remainder", p * (1 - p) ** (n - 1) * best.expr + rest, steps, "p -> 0", "T7(a)", best.construction
    )


DENSITY_UPPER: Mapping[str, Build] = {
    "antipodal": _antipodal_loss,
    "unit-pairs": _unit_pairs,
    "principal-components": _principal_components,
    "random-directions": _random_directions_loss,
    "orthonormal": _orthonormal_loss,
    "remainder": _remainder,
    **THRESHOLDED["loss"],
}
