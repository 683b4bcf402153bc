"""What some weights achieve: upper bounds on the optimal loss, with their constructions.

Source: docs/theory.md, T2, T4, T7, T10.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import sympy

from theory.arguments import InputError, one_of
from theory.bound import Bound, Step
from theory.loss.capacity import SparseConstants, effective_dimension, has_kernel, sparse_constants
from theory.loss.configurations import best_known_configuration
from theory.loss.constructions import (
    antipodal_weights,
    moments_of_sum,
    orthonormal_weights,
    pair_construction,
    pair_moments,
    scaled,
)
from theory.loss.expansion import optimal_scale
from theory.loss.heterogeneous_upper import pairs_upper, random_upper
from theory.loss.importance import has_ranked_importances, spread
from theory.loss.lower_bounds import scale_out_steps
from theory.loss.obtuse import has_pair_loss, unit_pairs_loss
from theory.loss.optimised import optimised_configuration
from theory.loss.thresholded import THRESHOLDED
from theory.toy_model import DENSITY, ToyModel

__all__ = ["UPPER_BOUNDS", "upper_bound", "upper_bounds"]

_THEORY = "docs/theory.md"


def upper_bounds(model: ToyModel, of: str = "loss") -> list[Bound]:
    """Every upper bound known for the model, the smallest first where they are numbers.

    Those achieved with b = 0 hold for models with a bias as well; those that need b < 0 are given to such models only.

    Args:
        model: any toy model; n, m, p may be symbols.
        of: "loss" for L* at the model's density, "sparse" for c* = lim L*/p.

    Returns:
        Proved bounds, with `construction` = (W, b) where it is explicit and numeric.

    Raises:
        InputError: unknown `of`.
    """
    one_of("of", of, ("loss", "sparse"))
    found = [bound for build in _BUILDERS[of].values() for bound in [build(model)] if bound is not None]
    if all(bound.value is not None for bound in found):
        found.sort(key=lambda bound: float(bound.expr))
    return found


def upper_bound(model: ToyModel, of: str = "loss", name: str | None = None) -> Bound:
    """The best upper bound known for the model, or a named one.

    Args:
        model: the setting; n, m, p may be symbols.
        of: "loss" for L* at the model's density, "sparse" for c* = lim L*/p.
        name: one of `UPPER_BOUNDS`; by default the smallest (with symbols: the first that applies).

    Raises:
        InputError: none is known for this setting, or the named one does not apply.
    """
    one_of("of", of, ("loss", "sparse"))
    if name is not None:
        one_of("name", name, UPPER_BOUNDS)
        bound = _BUILDERS[of][name](model) if name in _BUILDERS[of] else None
        if bound is None:
            raise InputError(f"upper bound {name!r} of {of!r} does not apply to {model.describe()}{_why_none(model)}")
        return bound
    found = upper_bounds(model, of)
    if not found:
        raise InputError(f"no upper bound of {of!r} is known for {model.describe()}{_why_none(model)}")
    return found[0]


def _why_none(model: ToyModel) -> str:
    if not has_kernel(model.law, model.activation):
        return f": {model.activation.name} is no power activation, or 0 on every value of U"
    if isinstance(model.density, tuple):
        return ": where densities differ, 'orthonormal', 'antipodal' and 'random-directions' bound 'loss', for numbers"
    if isinstance(model.importance, tuple) and not has_ranked_importances(model):
        return ": importances that differ must be numbers, because the bounds sort them"
    return ""


# --- constructions ---------------------------------------------------------------------------------------------------


def _constants(model: ToyModel) -> SparseConstants | None:
    """The constants where the setting is one that constructions are stated for: equal features, a power activation."""
    if not model.is_homogeneous or not has_kernel(model.law, model.activation):
        return None
    return sparse_constants(model.law, model.activation)


def _is_rectified(model: ToyModel, constants: SparseConstants) -> bool:
    return constants.kernel.negative == 0


# --- the sparse limit ------------------------------------------------------------------------------------------------


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
    if _constants(model) is None:
        return None
    cap = sympy.Min(model.n_features, model.n_hidden)
    steps = (Step("min(n, m) orthonormal features do not interfere: s = E = min(n, m), so K = min(n, m)"),)
    return _sparse(model, "orthonormal", cap, steps, "n <= m, or k = 1", "T4", orthonormal_weights)


def _antipodal_sparse(model: ToyModel) -> Bound | None:
    constants = _constants(model)
    if constants is None or not _is_rectified(model, constants):
        return None
    cap = sympy.Min(model.n_features, 2 * model.n_hidden)
    steps = (Step("2m antipodal features: f(-1) = f(0) = 0 for rectified powers of U >= 0, so s = E = min(n, 2m)"),)
    return _sparse(model, "antipodal", cap, steps, "n <= 2m", "T4", antipodal_weights)


def _code_sparse(model: ToyModel) -> Bound | None:
    """Famous codes in orthogonal blocks, for numeric n, m and exponent."""
    constants = _constants(model)
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
    constants = _constants(model)
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


def _mean_kernel(model: ToyModel, constants: SparseConstants) -> sympy.Expr:
    """1/E f(<u, v>) = 2D/(1 + r_) for random directions."""
    return 2 * effective_dimension(model.n_hidden, constants.kernel.exponent) / (1 + constants.kernel.negative)


def _random_directions_sparse(model: ToyModel) -> Bound | None:
    constants = _constants(model)
    if constants is None:
        return None
    n, mean = model.n_features, _mean_kernel(model, constants)
    cap = n * mean / (n + mean - 1)
    steps = (
        Step("independent uniform directions, equal norms: E[E(W)]/a^2 = n + n(n-1)/D_f with 1/D_f = E f(<u, v>)"),
        Step("some W does at least as well as the average: K* >= n^2/(n + n(n-1)/D_f) = n D_f/(n + D_f - 1)"),
    )
    return _sparse(model, "random-directions", cap, steps, "n -> oo for monomials", "T4")


def _random_bases_sparse(model: ToyModel) -> Bound | None:
    constants = _constants(model)
    if constants is None or not (_is_rectified(model, constants) or constants.kernel.negative == 1):
        return None
    n, m, mean = model.n_features, model.n_hidden, _mean_kernel(model, constants)
    size = 2 * m if _is_rectified(model, constants) else m
    groups = sympy.floor(n / size)
    rest = n - groups * size
    pairs = n * (n - 1) - groups * size * (size - 1) - rest * (rest - 1)
    cap = n**2 / (n + pairs / mean)
    kind = "cross-polytopes of 2m points" if _is_rectified(model, constants) else "orthonormal bases of m vectors"
    steps = (Step(f"independent random {kind}: pairs inside a group do not interfere, the others average 1/D_f"),)
    return _sparse(model, "random-bases", cap, steps, "n <= m (n <= 2m for rectified powers)", "T4")


# --- every density ---------------------------------------------------------------------------------------------------


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
    constants = _constants(model)
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
    if _constants(model) is None or form is None or (form.exponent, form.positive, form.negative) != (1, 1, -1):
        return None
    p, mu_1, mu_2 = model.density, model.law.moment(1), model.law.moment(2)
    expr = sympy.Max(0, model.n_features - model.n_hidden) * (p * mu_2 - p**2 * mu_1**2)
    steps = (Step("E x x^T = (p mu_2 - p^2 mu_1^2) Id + p^2 mu_1^2 1 1^T; W^T W projects on m leading eigenvectors"),)
    return _loss(model, "principal-components", expr, steps, "always", "T6(b)")


def _antipodal_loss(model: ToyModel) -> Bound | None:
    """Pairs at their optimal scale: exact at every p where E U(U-V)_+^a and E (U-V)_+^(2a) are known."""
    if isinstance(model.density, tuple):
        return pairs_upper(model)
    constants = _constants(model)
    if constants is None or not _is_rectified(model, constants) or model.law.is_two_sided:
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
    if _constants(model) is None or not (n.is_number and m.is_number) or n > 2 * m or not has_pair_loss(model):
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
    constants = _constants(model)
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
    constants = _constants(model)
    if constants is None or not constants.gain.is_positive:
        return None
    if model.n_features.free_symbols or model.n_hidden.free_symbols or model.activation.parameters:
        return None
    best = upper_bounds(model.replace(importance=1, bias=False), of="sparse")[0]
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


def _for_any_importance(build: Callable[[ToyModel], Bound | None]) -> Callable[[ToyModel], Bound | None]:
    def built(model: ToyModel) -> Bound | None:
        if has_ranked_importances(model) and not isinstance(model.density, tuple):
            return spread(model, build)
        return build(model)

    return built


_BUILDERS: dict[str, dict[str, Callable[[ToyModel], Bound | None]]] = {
    of: {name: _for_any_importance(build) for name, build in builders.items()}
    for of, builders in {
        "sparse": {
            "code": _code_sparse,
            "optimised": _optimised_sparse,
            "antipodal": _antipodal_sparse,
            "random-bases": _random_bases_sparse,
            "random-directions": _random_directions_sparse,
            "orthonormal": _orthonormal_sparse,
            **THRESHOLDED["sparse"],
        },
        "loss": {
            "antipodal": _antipodal_loss,
            "unit-pairs": _unit_pairs,
            "principal-components": _principal_components,
            "random-directions": _random_directions_loss,
            "orthonormal": _orthonormal_loss,
            "remainder": _remainder,
            **THRESHOLDED["loss"],
        },
    }.items()
}
UPPER_BOUNDS = tuple(dict.fromkeys(name for builders in _BUILDERS.values() for name in builders))
"""Names of upper bounds, those of the sparse limit first."""
