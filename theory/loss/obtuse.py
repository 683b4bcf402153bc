"""ReLU with at most 2m features: the sparse loss vanishes, and what is left is of order p^2.

c* = 0 exactly where unit features have pairwise nonpositive cosines (an obtuse system, possible for n <= 2m). Then a
pair at cosine -rho costs e(rho) p^2, e(rho) = 2 E min(U, rho V)^2, and nothing else costs anything at this order.
Source: docs/theory.md, T10.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import sympy

from theory.arguments import InputError, as_weights
from theory.bound import Step
from theory.features import FeatureLaw
from theory.loss.unequal.importance import has_ranked_importances
from theory.toy_model import ToyModel

__all__ = [
    "RHO",
    "PairLimit",
    "has_pair_loss",
    "pair_coefficient",
    "pair_limit",
    "pair_loss",
    "pairs_are_best",
    "unit_pairs_loss",
]

RHO = sympy.Symbol("rho", nonnegative=True)
_s = sympy.Symbol("s", nonnegative=True)
_TOLERANCE = 1e-8
_q = sympy.Rational


@dataclass(frozen=True)
class PairLimit:
    """lim L*/p^2 as p -> 0 for ReLU with n <= 2m, between two exact numbers.

    Attributes:
        lower: at most the limit.
        upper: at least the limit, reached by `configuration`.
        configuration: obtuse unit features that cost `upper`, in words.
        derivation: the steps, re-checkable.
        model: the setting.
    """

    lower: sympy.Expr
    upper: sympy.Expr
    configuration: str
    derivation: tuple[Step, ...]
    model: ToyModel

    @property
    def value(self) -> sympy.Expr | None:
        """The limit where the two bounds meet; else None."""
        return self.lower if self.lower == self.upper else None

    @property
    def status(self) -> str:
        """ "proved" where the limit itself is known, "open" where only the interval is (both its ends are proved)."""
        return "proved" if self.value is not None else "open"


@cache
def pair_loss(law: FeatureLaw) -> sympy.Expr:
    """e(rho) = 2 E min(U, rho V)^2, what two unit features at cosine -rho cost when both are active; in the symbol RHO.

    Uniform: (2 rho^2 - rho^3)/3. Binary: 2 rho^2. Exponential: 4 rho^2/(1 + rho)^2. Half-normal:
    (4/pi)(rho^2 atan(1/rho) + atan(rho) - rho). Beta with integer parameters: a polynomial.

    Raises:
        InputError: a two-sided law, or one without a closed form.

    Source: docs/theory.md, T10.
    """
    if law.is_two_sided:
        raise InputError(f"law={law}: nonpositive cosines interfere under a two-sided law; use a law with U >= 0")
    if law.name == "binary":
        return 2 * RHO**2
    if law.name == "exponential":
        # min(U, rho V) is exponential with rate 1 + 1/rho.
        return 4 * RHO**2 / (1 + RHO) ** 2
    if law.name == "half_normal":
        return 4 / sympy.pi * (RHO**2 * sympy.acot(RHO) + sympy.atan(RHO) - RHO)
    survival = _polynomial_survival(law)
    if survival is None:
        raise InputError(f"law={law}: E min(U, rho V)^2 has a closed form for integer parameters of beta only")
    # E min(U, rho V)^2 = rho^2 int_0^1 2 s S(s) S(rho s) ds with S(s) = P(U > s).
    integrand = sympy.Poly(2 * _s * survival * survival.subs(_s, RHO * _s), _s)
    return sympy.expand(2 * RHO**2 * integrand.integrate(_s).eval(1))


def _polynomial_survival(law: FeatureLaw) -> sympy.Expr | None:
    """P(U > s) on [0, 1] where it is a polynomial in s; else None."""
    if law.name == "uniform":
        return 1 - _s
    if law.name != "beta" or not all(value.is_Integer for value in law.parameters):
        return None
    a, b = (int(value) for value in law.parameters)
    density = sympy.Poly(_s ** (a - 1) * (1 - _s) ** (b - 1), _s)
    mass = density.integrate(_s)
    return sympy.expand(1 - mass.as_expr() / mass.eval(1))


def pairs_are_best(law: FeatureLaw) -> bool | None:
    """Whether e(rho) >= 2 rho^2/(1 + rho) e(1) on [0, 1] is proved, so that antipodal pairs minimise; None if unknown.

    It holds for every law with a density that does not increase (there even e(rho) >= rho^2 (2 - rho) e(1), with
    equality for the uniform law), and is decided exactly where e is a polynomial.

    Source: docs/theory.md, T10.
    """
    if law.name in ("uniform", "exponential", "half_normal"):
        return True
    if law.name == "beta" and law.parameters[0] <= 1 and law.parameters[1] >= 1:
        return True
    if law.name == "binary":
        return False
    if _polynomial_survival(law) is None:
        return None
    e = sympy.Poly(pair_loss(law), RHO)
    gap = sympy.Poly((1 + RHO) * sympy.quo(e, sympy.Poly(RHO**2, RHO)).as_expr() - 2 * e.eval(1), RHO)
    rest = sympy.quo(gap, sympy.Poly(1 - RHO, RHO))  # gap vanishes at rho = 1, where both sides are e(1)
    return bool(rest.eval(0) > 0 and rest.eval(1) > 0 and rest.count_roots(0, 1) == 0)


def pair_coefficient(model: ToyModel, W: Any) -> sympy.Expr | float:
    """lim L(W)/p^2 for ReLU at an obtuse system of unit features: sum_(i<j) (I_i + I_j)/2 e(|cos_ij|).

    Exact for exact W.

    Args:
        model: ReLU, no bias, a law with U >= 0, one density (its value does not matter).
        W: weights of shape (m, n) whose columns have norm 1 and pairwise inner products <= 0.

    Raises:
        InputError: another activation, law or density, or W with a column of another norm or two columns at an acute
            angle (L is then of order p; use `sparse_coefficient`).

    Source: docs/theory.md, T10.
    """
    _require_relu(model)
    weights = as_weights(W, model.n_hidden, model.n_features)
    exact_gram = isinstance(weights, sympy.MatrixBase)
    gram = weights.T * weights if exact_gram else np.asarray(weights).T @ np.asarray(weights)
    n = gram.shape[0]
    shares = model.importances if model.n_features.is_number else (model.importance,) * n
    e = pair_loss(model.law)
    numeric = None if exact_gram else sympy.lambdify(RHO, e, "numpy")
    total: Any = sympy.Integer(0) if exact_gram else 0.0
    for i in range(n):
        _require_unit(gram[i, i], i)
        for j in range(i):
            cosine = _nonpositive(gram[i, j], j, i)
            share = (shares[i] + shares[j]) / 2
            if cosine != 0:
                total += share * e.subs(RHO, -cosine) if numeric is None else float(share) * float(numeric(-cosine))
    return sympy.simplify(total) if exact_gram and not total.is_Rational else total


def pair_limit(model: ToyModel) -> PairLimit:
    """lim L*/p^2 for ReLU and n <= 2m: its proved value, or a proved interval.

    For a law with e(rho) >= 2 rho^2/(1 + rho) e(1) (uniform, exponential, half-normal: `pairs_are_best`) it is
    (n - m) e(1), reached by n - m antipodal pairs and an orthonormal rest and by nothing else; for uniform U this is
    (n - m)/3. With importances that differ the pairs are the least important features: e(1)/2 times the sum of the
    2(n - m) smallest importances. For binary U regular simplices are better: sum_c k_c/(k_c - 1) over n - m blocks of
    k_c features, as equal as possible.

    Args:
        model: ReLU, one-sided law, n <= 2m, numeric; a bias is allowed unless the law is binary.

    Raises:
        InputError: outside this setting.

    Source: docs/theory.md, T10.
    """
    _require_relu(model)
    if isinstance(model.importance, tuple) and not (pairs_are_best(model.law) and has_ranked_importances(model)):
        raise InputError(
            "importance differs between features: the p^2 coefficient is then known for numbers, and laws for which "
            "antipodal pairs are best"
        )
    if model.bias and model.law.name == "binary":
        raise InputError("bias=True with the binary law: a threshold then removes interference below it")
    for name, value in (("n_features", model.n_features), ("n_hidden", model.n_hidden)):
        if not value.is_number:
            raise InputError(f"{name}={value} is a symbol; give it a number (ToyModel.subs)")
    n, m = int(model.n_features), int(model.n_hidden)
    if n > 2 * m:
        raise InputError(f"n_features={n} > 2 n_hidden={2 * m}: no obtuse system, so L* is of order p, not p^2")
    e, blocks = pair_loss(model.law), max(n - m, 0)
    whole = sympy.simplify(e.subs(RHO, 1))
    if isinstance(model.importance, tuple):
        return _by_importance(model, whole)
    scale = model.importance
    pairs = blocks * whole
    sizes = [n // blocks + (c < n % blocks) for c in range(blocks)] if blocks else []
    simplices = sympy.Add(*(_q(k * (k - 1), 2) * e.subs(RHO, _q(1, k - 1)) for k in sizes))
    simplices = sympy.simplify(simplices)
    floor = whole / 2 * sympy.Add(*(_q(k, k - 1) for k in sizes))
    best = pairs_are_best(model.law)
    if best:
        lower, upper, words = pairs, pairs, f"{blocks} antipodal pairs, {n - 2 * blocks} orthonormal"
    elif not simplices < pairs:
        lower, upper, words = floor, pairs, f"{blocks} antipodal pairs, {n - 2 * blocks} orthonormal"
    else:
        lower, upper, words = floor, simplices, f"regular simplices of {', '.join(map(str, sizes))} features"
    steps = (*structure_steps(), *(weighted_steps() if best else (*block_steps(), *trace_steps())))
    return PairLimit(scale * lower, scale * upper, words if blocks else "orthonormal", steps, model)


def _by_importance(model: ToyModel, whole: sympy.Expr) -> PairLimit:
    """The least important features share dimensions: e(1)/2 times the sum of the 2(n - m) smallest importances.

    Features of importance 0 are dropped first.
    """
    kept = sorted(value for value in model.importances if value > 0)
    pairs = max(len(kept) - int(model.n_hidden), 0)
    value = whole / 2 * sympy.Add(*kept[: 2 * pairs])
    last = Step(
        "a pair of a singular block costs at least its two smallest importances' mean times e; with n - m blocks "
        "these are at least the 2(n - m) smallest of all"
    )
    words = f"{pairs} antipodal pairs of the least important features, the others orthonormal"
    return PairLimit(value, value, words, (*structure_steps(), *block_steps(), *weighted_steps(), last), model)


def unit_pairs_loss(model: ToyModel) -> sympy.Expr:
    """The loss of n - m antipodal pairs and an orthonormal rest at unit scale: (n - m) e(1) p^2, exact at EVERY p.

    Output 1 of a pair is (x_1 - x_2)_+, so its error is min(x_1, x_2) whatever the values. For uniform U the loss is
    (n - m) p^2/3. It bounds L* from above.

    Raises:
        InputError: not ReLU, n > 2m where both are numbers, importances or densities that differ, or a two-sided law.

    Source: docs/theory.md, T10.
    """
    _require_relu(model)
    n, m = model.n_features, model.n_hidden
    if isinstance(model.importance, tuple):
        raise InputError("importance differs between features; pass the weights to numerics.expected_loss")
    if (n - 2 * m).is_positive:
        raise InputError(f"n_features={n} > 2 n_hidden={2 * m}: there is no room for antipodal pairs")
    pairs = sympy.Max(0, n - m)
    return model.importance * pairs * sympy.simplify(pair_loss(model.law).subs(RHO, 1)) * model.density**2


# --- why -------------------------------------------------------------------------------------------------------------


@cache
def structure_steps() -> tuple[Step, ...]:
    """From the loss to a sum over the pairs of an obtuse system."""
    u, v, rho = sympy.symbols("u v rho", positive=True)
    error = u - (u - rho * v)
    return (
        Step("c(W) = mu_2 (sum_i (1 - g_i)^2 + sum_(i != j) (G_ij)_+^2), so c(W) = 0 only for obtuse unit features"),
        Step(
            "x_i = u and x_j = v active: output i is (u - rho v)_+, its error min(u, rho v); the other outputs are 0",
            sympy.Eq(error, rho * v, evaluate=False),
        ),
        Step("minimisers W_p have c(W_p) = O(p), and {c = 0} is compact: liminf L*/p^2 >= min over it of sum_(i<j) e"),
    )


@cache
def weighted_steps() -> tuple[Step, ...]:
    """sum_(i<j) 2 rho^2/(1 + rho) >= n - m in every obtuse system, hence sum_(i<j) e(rho_ij) >= (n - m) e(1)."""
    rho, total, d = sympy.symbols("rho S d", positive=True)
    weight = (1 + rho) / 2
    return (
        Step("G = 1 - N has a kernel of dimension d >= n - m; P, its projection: tr(N P) = tr P = d since G P = 0"),
        Step(
            "Cauchy-Schwarz with weights: d^2 <= [sum_(i != j) 2 rho^2/(1 + rho)] [sum_(i != j) (1 + rho)/2 P_ij^2]",
            sympy.Eq(2 * rho**2 / (1 + rho) * weight, rho**2, evaluate=False),
        ),
        Step("sum_ij G_ij P_ij^2 >= 0: G and the Schur product P o P are positive semidefinite"),
        Step(
            "so sum_(i != j) rho_ij P_ij^2 <= sum_i P_ii^2 = S, and the second factor is at most (d - S + S)/2: the "
            "first is at least 2d",
            sympy.Eq(d**2 / ((d - total + total) / 2), 2 * d, evaluate=False),
        ),
        Step(
            "for uniform U, e(rho)/e(1) = 2 rho^2 - rho^3 >= 2 rho^2/(1 + rho), with equality only at rho = 0 and 1",
            sympy.Eq(2 * rho**2 - rho**3 - 2 * rho**2 / (1 + rho), rho**3 * (1 - rho) / (1 + rho), evaluate=False),
        ),
        Step("a density that does not increase makes P(U > s) convex, so e(rho)/rho^2 is convex with slope -e(1) at 1"),
    )


@cache
def block_steps() -> tuple[Step, ...]:
    """Obtuse systems split into irreducible blocks."""
    return (
        Step(
            "an obtuse system splits into orthogonal blocks whose Gram matrix 1 - N has N >= 0 irreducible; by "
            "Perron and Frobenius each is singular at most once, so at least n - m blocks have largest eigenvalue(N) "
            "= 1"
        ),
    )


@cache
def trace_steps() -> tuple[Step, ...]:
    """For every law: sum_(i<j) e(rho_ij) >= e(1)/2 k/(k - 1) in a singular block of k features."""
    k = sympy.Symbol("k", integer=True, positive=True)
    return (
        Step("min(u, rho v) >= rho min(u, v), so e(rho) >= rho^2 e(1), with equality for binary U"),
        Step(
            "N has trace 0 and one eigenvalue 1: the others sum to -1, so tr N^2 >= 1 + 1/(k - 1)",
            sympy.Eq(1 + (k - 1) * (1 / (k - 1)) ** 2, k / (k - 1), evaluate=False),
        ),
        Step(
            "the regular simplex, rho = 1/(k - 1), has sum_(i<j) rho^2 = k/(2(k - 1)), so it reaches this",
            sympy.Eq(k * (k - 1) / 2 / (k - 1) ** 2, k / (2 * (k - 1)), evaluate=False),
        ),
        Step("k/(k - 1) is convex in k: n - m blocks of sizes as equal as possible are best"),
    )


def has_pair_loss(model: ToyModel) -> bool:
    """Whether the model is one for which `pair_loss` and `unit_pairs_loss` exist: ReLU, U >= 0, a closed form."""
    if not _is_relu(model) or isinstance(model.density, tuple) or model.law.is_two_sided:
        return False
    named = model.law.name in ("binary", "exponential", "half_normal")
    return named or _polynomial_survival(model.law) is not None


def _is_relu(model: ToyModel) -> bool:
    form = model.activation.power_form
    return form is not None and (form.exponent, form.positive, form.negative) == (1, 1, 0)


def _require_relu(model: ToyModel) -> None:
    if not _is_relu(model):
        raise InputError(f"activation={model.activation.name}: the p^2 coefficient is known for relu")
    if model.law.is_two_sided:
        raise InputError(f"law={model.law}: nonpositive cosines interfere under a two-sided law; use a law with U >= 0")
    if isinstance(model.density, tuple):
        raise InputError("density differs between features; the limit L*/p^2 needs one density p for all")


def _require_unit(value: Any, i: int) -> None:
    size = sympy.simplify(value - 1) if isinstance(value, sympy.Expr) else value - 1
    if (size != 0) if isinstance(size, sympy.Expr) else abs(size) > _TOLERANCE:
        raise InputError(f"W: column {i} has squared norm {value}; c(W) vanishes only for columns of norm 1")


def _nonpositive(value: Any, i: int, j: int) -> Any:
    """The cosine of two unit columns, refused where it is positive; float rounding counts as 0."""
    if isinstance(value, sympy.Expr):
        value = sympy.simplify(value)
        is_acute = bool(value > 0)
    else:
        is_acute = value > _TOLERANCE
        value = min(float(value), 0.0)
    if is_acute:
        raise InputError(f"W: columns {i} and {j} have inner product {value} > 0, so L is of order p, not p^2")
    return value
