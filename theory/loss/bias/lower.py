"""Lower bounds for models with a bias: what no weights and no biases can beat.

Source: docs/theory.md, T11(a) and (e).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache

import sympy

from theory.bound import Bound, Step
from theory.loss.bias.coefficient import has_thresholds
from theory.loss.bias.packing_search import best_packing_certificate
from theory.loss.bias.positive import positive_bias_gain, positive_bias_steps
from theory.loss.positivity import is_positive, multiplied, shifted_power
from theory.loss.rounding import power_of_complement
from theory.loss.unequal.importance import has_ranked_importances, layer_cake
from theory.toy_model import ToyModel

__all__ = ["bias_dies_out", "biased_first_order", "one_sign", "packing", "packing_closed_form", "with_bias"]

_THEORY = "docs/theory.md"
_ASSUMPTIONS = (
    "b is free",
    "the activation is a rectified power",
    "features are independent and active with the same probability p",
)
# Beyond these the search takes long or its numbers grow.
_LARGEST_M, _LARGEST_N = 400, 10**6
_LEVELS, _LAYER_LEVELS = 4, 3
_DENOMINATOR = 10**12
Build = Callable[[ToyModel], Bound | None]


def bias_dies_out(model: ToyModel) -> bool:
    """Whether sigma(b) = 0 for b = 0 alone, so that lim L*/p is the same with and without a bias (T11(a))."""
    form = model.activation.power_form
    return form is not None and form.positive.is_zero is False and form.negative.is_zero is False


def with_bias(build: Build) -> Build:
    """A lower bound on c* derived for b = 0, made one for models with a bias where T11(a) allows it; else None."""

    def built(model: ToyModel) -> Bound | None:
        if not model.bias:
            return build(model)
        if not bias_dies_out(model):
            return None
        found = build(model.replace(bias=False))
        if found is None:
            return None
        step = Step(
            "empty inputs cost q^n sum_j I_j sigma(b_j)^2, and L* <= p mu_2 sum I: as p -> 0, b -> 0 while W^T W stays "
            "bounded, so lim L*/p = inf over W of c(W, 0)"
        )
        return replace(
            found,
            model=model,
            assumptions=("b is free: it tends to 0 as p -> 0", *found.assumptions[1:]),
            derivation=(step, *found.derivation),
            source=f"{found.source}, T11(a)",
        )

    return built


def packing(model: ToyModel) -> Bound | None:
    """T11(e): free norms, free thresholds; integer exponents and uniform features."""
    form = model.activation.power_form
    if not _applies(model) or form is None or model.law.name != "uniform":
        return None
    if not (form.exponent.is_Integer and model.n_features.is_number and model.n_hidden.is_number):
        return None
    n, m = int(model.n_features), int(model.n_hidden)
    if n > _LARGEST_N or m > _LARGEST_M:
        return None
    if isinstance(model.importance, tuple):
        return layer_cake(model, "packing", "T11(e), T9(a)", _packing_or_nothing)
    return _equal_packing(model)


def _equal_packing(model: ToyModel, levels: int = _LEVELS) -> Bound | None:
    form = model.activation.power_form
    if form is None:
        return None
    n, m, a = int(model.n_features), int(model.n_hidden), int(form.exponent)
    certificate = None
    # Up to m (2m) features need not interfere; each then costs d(0), the least of all d(tau) for a >= 1.
    if n > (m if model.law.is_two_sided else 2 * m):
        certificate = best_packing_certificate(n, m, a, model.law.is_two_sided, levels)
    alone = n * (sympy.Rational(1, 3) - sympy.Rational(2 * a + 1, (a + 2) ** 2))
    if certificate is None and alone == 0:
        return None
    found, steps = alone, _packing_steps(model)[:1]
    if certificate is not None and certificate.bound(n) > alone:
        # Rounded down: the exact value has hundreds of digits.
        found, steps = sympy.Rational(int(certificate.bound(n) * _DENOMINATOR), _DENOMINATOR), _packing_steps(model)
    else:
        certificate = None
    if model.law.is_two_sided:
        found = sympy.Rational(n, 6) + found / 2
    return Bound(
        name="packing",
        side="lower",
        of="sparse",
        expr=model.importance * found,
        model=model,
        assumptions=_ASSUMPTIONS,
        derivation=steps,
        certificate=certificate,
        equality="not attained; sharper with more levels of thresholds",
        source=f"{_THEORY}, T11(e)",
    )


def _packing_or_nothing(model: ToyModel) -> Bound | None:
    """For layers of importance: a layer of few features may cost nothing."""
    found = _equal_packing(model, _LAYER_LEVELS)
    if found is not None:
        return found
    share = sympy.Rational(1, 6) if model.law.is_two_sided else sympy.Integer(0)
    step = Step("every loss is >= 0; of symmetric features one sign is never reconstructed")
    return Bound(
        "packing", "lower", "sparse", share * model.n_features, model, _ASSUMPTIONS, derivation=(step,),
        source=f"{_THEORY}, T11(e)",
    )  # fmt: skip


def _packing_steps(model: ToyModel) -> tuple[Step, ...]:
    r, s = sympy.symbols("r s", positive=True)
    third = sympy.Rational(1, 3)
    steps = [
        Step(
            "positive biases do not help in the limit (T11(a)); with thresholds tau = -b/g >= 0, rho = cos: feature j "
            "alone costs mu_2 - 2 gamma psi(tau) + gamma^2 phi(tau), gamma = g^a, at least d(tau) >= d(0)"
        ),
        Step(
            "a pair costs gamma_i gamma_j rho^(2a) [phi(tau_j r/rho) + phi(tau_i/(r rho))], r^2 = g_j/g_i, at least "
            "2 gamma_i gamma_j F(sqrt(tau_i tau_j), rho) over all r; F falls in its first argument"
        ),
    ]
    if model.activation.power_form is not None and model.activation.power_form.exponent == 1:
        # phi(s r) + phi(s/r) = ((1 - sr)^3 + (1 - s/r)^3)/3 is stationary in r > 1 where s(r + 1/r) = 1 - s.
        total, product = 1 + s, s + s**2
        steps.append(
            Step(
                "for ReLU the best r solves s (r + 1/r) = 1 - s where s < 1/3: 1 - sr and 1 - s/r then have sum 1 + s "
                "and product s + s^2, so F = rho^2 (1 + s)^2 (1 - 2s)/6; for s >= 1/3 it is r = 1",
                sympy.Eq((total**3 - 3 * product * total) * third / 2, (1 + s) ** 2 * (1 - 2 * s) / 6, evaluate=False),
            )
        )
        steps.append(
            Step(
                "its derivative in r changes sign there: r(1 - sr) - (1 - s/r) = (r - 1)(1 - s(r + 1 + 1/r))",
                sympy.Eq(r * (1 - s * r) - (1 - s / r), (r - 1) * (1 - s * (r + 1 + 1 / r)), evaluate=False),
            )
        )
    y, h, x = sympy.symbols("y h x", positive=True)
    steps += [
        Step(
            "h_kl = sum_q w_qk w_ql h_q <= F on every pair of levels: exact, in the Bernstein basis; each h_q is "
            "positive definite, so the interference is at least sum_q [h_q0 (sum_j w_q gamma_j)^2 - h_q(1) sum_j "
            "w_q^2 gamma_j^2]"
        ),
        Step(
            "h_q0 x^2 >= 2 y_q x - y_q^2/h_q0 separates the features",
            sympy.Eq(h * x**2 - 2 * y * x + y**2 / h, h * (x - y / h) ** 2, evaluate=False),
        ),
        Step("on every level (mu_2 - v)(phi - eta) > (psi - Y)^2, so every feature costs at least v: exact as well"),
    ]
    return tuple(steps)


def packing_closed_form(model: ToyModel) -> Bound | None:
    """T11(e) in closed form for ReLU: n d(1/(4 sqrt(m))) - (24/625)(m^(3/2) + 3m/2), for symbols as well."""
    form = model.activation.power_form
    if not _applies(model) or isinstance(model.importance, tuple) or form is None or form.exponent != 1:
        return None
    if model.law.name != "uniform" or model.law.is_two_sided:
        return None
    n, m = model.n_features, model.n_hidden
    tau = 1 / (4 * sympy.sqrt(m))
    expr = n * (tau**2 / 4 + tau**3 / 12) - sympy.Rational(24, 625) * (m ** sympy.Rational(3, 2) + 3 * m / 2)
    if expr.is_number and expr.evalf() <= 0:
        return None
    return Bound(
        name="packing-closed-form",
        side="lower",
        of="sparse",
        expr=model.importance * expr,
        model=model,
        assumptions=_ASSUMPTIONS,
        derivation=(*_packing_steps(model)[:2], *_closed_form_steps()),
        equality="not attained; up to a logarithm in n it has the right order for n >> m^(5/2)",
        source=f"{_THEORY}, T11(e)",
    )


@cache
def _closed_form_steps() -> tuple[Step, ...]:
    u, c, m = sympy.symbols("u c m", positive=True)
    bracket = (1 - c) * (u * c / (1 - c)) ** 3 + c * (u * c / (1 - c)) ** 2 - 4 * c**3 / (27 * (1 - c) ** 2)
    root = 3 / (2 * sympy.sqrt(m) + 3)
    mean = root / m - 4 * root**3 / (27 * (1 - root) ** 2)
    third = Fraction(1, 3)
    d_quarter = Fraction(1, 64) + Fraction(1, 768)
    phi = [value / 3 for value in shifted_power(Fraction(1), Fraction(-1), 3)]
    psi = multiplied(shifted_power(Fraction(1), Fraction(-1), 2), [third, Fraction(1, 6)])
    phi[0] -= Fraction(1, 24)
    psi[0] -= Fraction(1, 25)
    gap = [-value for value in multiplied(psi, psi)]
    for i, value in enumerate(phi):
        gap[i] += (third - d_quarter) * value
    pays = sympy.true if is_positive(gap, Fraction(0), Fraction(1, 4)) else sympy.false
    return (
        Step(
            "24 h = (1-c) t^3 + c t^2 - 4c^3/(27(1-c)^2) with t = uc/(1-c) is (u - 1/3)(u + 2/3)^2 c^3/(1-c)^2: at "
            "most 0 up to u = 1/3",
            sympy.Eq(bracket, (u - sympy.Rational(1, 3)) * (u + sympy.Rational(2, 3)) ** 2 * c**3 / (1 - c) ** 2,
                     evaluate=False),
        ),
        Step(
            "with c = 3/(2 sqrt(m) + 3) that is t <= 1/(2 sqrt(m)) = 2T",
            sympy.Eq(root / (3 * (1 - root)), 1 / (2 * sympy.sqrt(m)), evaluate=False),
        ),
        Step("for t >= 2T, 24 h <= t^2, and F(T, t) >= t^2 phi(1/2) = t^2/24: so h <= F; h(1) <= 1/24"),
        Step(
            "h_0 = (c/m - 4c^3/(27(1-c)^2))/24 = 1/(24 (m^(3/2) + 3m/2))",
            sympy.Eq(mean, 1 / (m ** sympy.Rational(3, 2) + 3 * m / 2), evaluate=False),
        ),
        Step(
            "y = 1/25: (1/3 - d(1/4))(phi(tau) - 1/24) > (psi(tau) - 1/25)^2 on [0, 1/4], so every feature with tau <= "
            "T costs at least d(T), and the others cost d(tau) >= d(T) (exact, in the Bernstein basis)",
            pays,
        ),
    )  # fmt: skip


def one_sign(model: ToyModel) -> Bound | None:
    """Symmetric features of a rectified power: the sign that does not pass is lost, whatever the bias."""
    if not (_applies(model) and model.law.is_two_sided):
        return None
    whole = sympy.Add(*model.importances) if model.n_features.is_number else model.n_features * model.importance
    return Bound(
        name="one-sign",
        side="lower",
        of="sparse",
        expr=model.law.absolute_moment(2) * whole / 2,
        model=model,
        assumptions=_ASSUMPTIONS,
        derivation=(Step("for U < 0 alone the output is >= 0 and the target < 0: E U^2 1[U < 0] = mu_2/2 is lost"),),
        equality="n <= m in the limit p -> 0 for ReLU",
        source=f"{_THEORY}, T11(e)",
    )


def _applies(model: ToyModel) -> bool:
    if not model.bias or isinstance(model.density, tuple) or not has_thresholds(model):
        return False
    return not isinstance(model.importance, tuple) or has_ranked_importances(model)


def biased_first_order(model: ToyModel, sparse: Bound, name: str) -> Bound | None:
    """From lim L*/p to every density: the empty input and one active feature, with what positive biases may gain."""
    form, p, n = model.activation.power_form, model.density, model.n_features
    if form is None or not has_thresholds(model) or p == 1:
        return None
    single = p * power_of_complement(p, n - 1)
    mu_1, mu_2 = model.law.absolute_moment(1), model.law.absolute_moment(2)
    if sparse.name == "one-sign":
        expr = single * sparse.expr
    elif form.exponent == 1:
        expr = single * (1 - p * mu_1**2 / mu_2) * sparse.expr
    else:
        shares = sympy.Add(*model.importances) if n.is_number else n * model.importance
        left = sparse.expr - shares * positive_bias_gain(model.activation, p, model.law)
        if left.is_number and left.evalf() <= 0:
            return None
        expr = single * sympy.Max(0, left)
    return Bound(
        name=name,
        side="lower",
        of="loss",
        expr=expr,
        model=model,
        assumptions=sparse.assumptions,
        derivation=(
            *positive_bias_steps(form.exponent),
            Step(f"inf over W and b <= 0 of c(W, b) by {sparse.name!r}"),
        ),
        certificate=sparse.certificate,
        equality="p -> 0",
        source=f"{_THEORY}, T6(a), T11(a)",
    )
