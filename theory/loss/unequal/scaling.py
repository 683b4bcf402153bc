"""How the optimal loss falls with the hidden dimension where densities follow a power law, p_i = p_1 i^(-s).

At first order the loss is (mu_2 - kappa) sum_i s_i + kappa Lambda: a floor that no dimension removes (0 where sigma(U)
is proportional to U), and the lost stake Lambda(m), which falls like a power of m. Source: docs/scaling.md, S7 to S9.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy

from theory.arguments import InputError, as_importance, as_positive_count, exact, one_of
from theory.bound import Step
from theory.features import feature_law
from theory.loss.capacity import sparse_constants
from theory.loss.geometry.spreading import spread_stake
from theory.loss.unequal.densities import as_fraction, rational
from theory.loss.unequal.stakes import held_stake
from theory.registry import activation as as_activation

__all__ = ["FirstOrderInterval", "ScalingExponent", "first_order_interval", "scaling_exponent", "zipf_densities"]

REGIMES = ("many", "finite")
_DIGITS = 15
_q = sympy.Rational


def zipf_densities(n: Any, s: Any, p1: Any = 1) -> tuple[sympy.Rational, ...]:
    """p_i = p_1 i^(-s) for i = 1 .. n, rational: exact for integer s, else rounded down to 15 digits.

    The convention: p_1 is the largest density, not a normalisation; the expected number of active features is
    p_1 sum_i i^(-s).

    Args:
        n: number of features.
        s: exponent >= 0.
        p1: the density of the first feature, in [0, 1].

    Raises:
        InputError: out of range or symbolic.
    """
    count, power, top = as_positive_count("n", n), exact("s", s), exact("p1", p1)
    if not (count.is_number and power.is_number and top.is_Rational):
        raise InputError(f"n={n}, s={s}, p1={p1} must be numbers, and p1 rational")
    if not power >= 0 or not 0 <= top <= 1:
        raise InputError(f"s={s} must be >= 0 and p1={p1} in [0, 1]")
    return tuple(top * _inverse_power(i, power) for i in range(1, int(count) + 1))


def _inverse_power(i: int, s: sympy.Expr) -> sympy.Rational:
    value = sympy.Integer(i) ** (-s)
    if value.is_Rational:
        return value
    digits = _DIGITS + len(str(i)) * (int(s) + 1)
    return _q(int(sympy.floor(value.evalf(digits + 15) * 10**digits)), 10**digits)


@dataclass(frozen=True)
class FirstOrderInterval:
    """What theory leaves for the first-order optimum inf_W sum_i w_i l_i(W), in exact numbers.

    Attributes:
        lower, upper: the proved interval of the loss.
        floor: (mu_2 - kappa) sum_i w_i I_i, the part that no hidden dimension removes.
        lost: the proved interval of the lost stake, (loss - floor)/kappa; (0, 0) where kappa is 0.
        dedicated: the loss of dedicating m dimensions to the largest stakes.
        method: of the lower bound.
        construction: of the upper bound, in words.
    """

    lower: sympy.Expr
    upper: sympy.Expr
    floor: sympy.Expr
    lost: tuple[sympy.Rational, sympy.Rational]
    dedicated: sympy.Expr
    method: str
    construction: str


def first_order_interval(
    activation: Any, m: Any, weights: Sequence[Any], importances: Sequence[Any] | None = None, law: Any = "uniform"
) -> FirstOrderInterval:
    """A proved interval for inf_W sum_i w_i l_i(W), w_i the weight of feature i alone being active.

    With w_i = p_i it is the limit of L*/p_1 times p_1 as p_1 -> 0; with w_i = p_i prod_(j != i) (1 - p_j) its lower end
    bounds L* at every density.

    Args:
        activation: a power activation, no bias.
        m: hidden dimension.
        weights: w_i >= 0, one per feature.
        importances: I_i >= 0, one per feature; 1 by default.
        law: of an active feature.

    Raises:
        InputError: symbols, an activation that is not homogeneous, or lengths that differ.

    Source: docs/scaling.md, S4 and S6.
    """
    size = as_positive_count("m", m)
    constants = sparse_constants(feature_law(law), as_activation(activation))
    shares = [1] * len(weights) if importances is None else list(importances)
    if len(shares) != len(weights) or not weights:
        raise InputError(f"weights has {len(weights)} values and importances {len(shares)}; give one per feature")
    w = [as_importance(f"weights[{i}]", value) for i, value in enumerate(weights)]
    share = [as_importance(f"importances[{i}]", value) for i, value in enumerate(shares)]
    kernel = constants.kernel
    if not size.is_number or kernel.exponent.free_symbols or kernel.negative.free_symbols:
        raise InputError(f"m={m} and the activation's exponent must be numbers")
    if not all(value.is_Rational for value in (*w, *share)):
        raise InputError("weights and importances must be rational numbers")
    below_w, below_i = [as_fraction(v) for v in w], [as_fraction(v) for v in share]
    stakes = [a * b for a, b in zip(below_w, below_i, strict=True)]
    total = sum(stakes, Fraction(0))
    held = held_stake(stakes, kernel, int(size))
    spread = spread_stake(below_w, below_i, kernel, int(size))
    mu_2, kappa = constants.second_moment, constants.kappa
    floor = (mu_2 - kappa) * rational(total)
    lower = mu_2 * rational(held.total) - kappa * rational(held.held)
    top = sum(sorted(stakes, reverse=True)[: int(size)], Fraction(0))
    # What is lost is at least 0: the diagonal of the kernel alone costs as much as it gains.
    lost = (rational(max(held.total - held.held, Fraction(0))), rational(total - spread.held))
    if kappa == 0:
        lost = (sympy.Integer(0), sympy.Integer(0))
    return FirstOrderInterval(
        lower=sympy.Max(lower, floor),
        upper=floor + kappa * rational(total - spread.held),
        floor=floor,
        lost=lost,
        dedicated=floor + kappa * rational(total - top),
        method=held.method,
        construction=spread.description,
    )


@dataclass(frozen=True)
class ScalingExponent:
    """Between which exponents the lost stake falls: m^(-upper) <= Lambda <= m^(-lower), up to constants and logarithms.

    Attributes:
        activation: its name.
        s: the exponent of the densities.
        bias: whether the model has one.
        regime: "many" (n infinite), or "finite" (n fixed, m below n but its capacity above n).
        lower, upper: the interval of e in Lambda ~ m^(-e), exact; upper is oo where no lower bound is known.
        status: "proved": both ends are.
        derivation: why, step by step.
    """

    activation: str
    s: sympy.Expr
    bias: bool
    regime: str
    lower: sympy.Expr
    upper: sympy.Expr
    status: str
    derivation: tuple[Step, ...]

    @property
    def is_exact(self) -> bool:
        """Whether both ends agree."""
        return bool(self.lower == self.upper)

    def __str__(self) -> str:
        value = f"= {self.lower}" if self.is_exact else f"in [{self.lower}, {self.upper}]"
        return f"{self.activation}, p_i ~ i^(-{self.s}): Lambda ~ m^(-e), e {value}  [{self.status}]"


def scaling_exponent(
    activation: Any, s: Any, bias: bool = False, law: Any = "uniform", regime: str = "many"
) -> ScalingExponent:
    """The exponent e of the lost stake Lambda(m) ~ m^(-e) for densities p_i = p_1 i^(-s), at first order in p_1.

    Even kernels t^(2a), a >= 1 (monomials, signed powers, leaky ReLU): e = min(a (s-1), a + s - 2), exactly. ReLU:
    e = 4 (s-1)/3 for 1 < s <= 2, exactly. Other rectified powers: an interval.

    Args:
        activation: a power activation with a numeric exponent.
        s: > 1 for regime "many"; >= 0 for regime "finite".
        bias: whether the model has a bias; then only upper bounds on the loss are known, except for monomials.
        law: of an active feature.
        regime: "many": n infinite. "finite": n fixed, with m well below n and n well below m^a (for rectified powers
            m^(4/3), or m^(4a/3) where a < 1).

    Raises:
        InputError: s too small for the regime, a symbolic exponent, or an activation that gains nothing at first order.

    Source: docs/scaling.md, S7 and S8.
    """
    one_of("regime", regime, REGIMES)
    sigma, power, value_law = as_activation(activation), exact("s", s), feature_law(law)
    constants = sparse_constants(value_law, sigma)
    a, negative = constants.kernel.exponent, constants.kernel.negative
    if not (power.is_number and a.is_number and negative.is_number):
        raise InputError(f"s={s} and the exponent of {sigma.name} must be numbers")
    if not constants.gain.is_positive:
        raise InputError(f"activation {sigma.name} gains nothing at first order (E U sigma(U) <= 0): W = 0 is optimal")
    if regime == "many" and not power > 1:
        raise InputError(f"s={s} must be > 1: else infinitely many densities have no finite sum; use regime='finite'")
    if not power >= 0:
        raise InputError(f"s={s} must be >= 0")
    even = negative != 0
    if regime == "finite" and not (a > 1 if even else a > _q(3, 4)):
        raise InputError(f"regime='finite' needs a capacity beyond m, and none is known for {sigma.name}; use 'many'")
    low, high, steps = (_even if even else _rectified)(a, power, regime)
    if bias and sigma.power_form is not None and sigma.power_form.family == "monomial":
        steps = (*steps, Step("T11(a): for monomials the best bias tends to 0 with p_1, so the limit is that of b = 0"))
    elif bias:
        low, high, steps = _with_bias(a, power, even, value_law.name == "binary", low, steps, regime)
    return ScalingExponent(sigma.name, power, bias, regime, low, high, "proved", steps)


Result = tuple[sympy.Expr, sympy.Expr, tuple[Step, ...]]


def _even(a: sympy.Expr, s: sympy.Expr, regime: str) -> Result:
    a = sympy.Max(1, a)
    steps = (
        Step(f"capacity K* <= const m^a with a = {a}, and n - K*(n, m) >= const n^2 m^(-a) for 2m <= n <= m^a (S2)"),
        Step("layer cake: Lambda >= s_n (n - K*(n, m)) for every n, and Lambda >= sum over i > K* of s_i"),
        Step("blocks of N = m, 2m, 4m, ... features in m/log m dimensions lose at most N^(2-s) (m/log m)^(-a) (S6)"),
    )
    if regime == "finite":
        exponent = a + sympy.Max(0, s - 2)
        return exponent, exponent, (*steps, Step("n fixed: the last block decides where s < 2, the first where s > 2"))
    exponent = sympy.Min(a * (s - 1), a + s - 2)
    last = "a (s-1): the features that are dropped" if s <= 2 else "a + s - 2: the features just after the first m"
    return exponent, exponent, (*steps, Step(f"what decides is {last}"))


def _rectified(a: sympy.Expr, s: sympy.Expr, regime: str) -> Result:
    raised = sympy.Max(1, a)
    steps = (
        Step("t^(2j-1) (t+x)^2/(1+x)^2 - e <= t_+^(2j): K* <= const m^(4j^2/(4j-1)) for t_+^(2j) (S3)"),
        Step("tangents of u^(a/j) carry it to other exponents; at n = 3m, n - K* >= const m^(2-2a) (S3)"),
        Step("generalised quadrangles: N <= m^(4/3) features lose a share of at most N m^(-4a/3), 2m nothing (S3)"),
        Step("random bases: N features lose a share of at most N m^(-a) (S6)"),
    )
    if regime == "finite":
        low = a * _q(4, 3)
        return low + sympy.Max(0, s - 2), sympy.Min(4 * raised, s + 2 * raised - 2) if s > 2 else 4 * raised, steps
    whole, above = int(sympy.floor(raised)), int(sympy.ceiling(raised))
    rate = lambda j: _q(4 * j * j, 4 * j - 1)  # noqa: E731
    high = sympy.Min(
        rate(above) * (s - 1),
        s + 2 * raised - 2,
        *(rate(j) * (s - 2 + raised / j) for j in range(1, whole + 1)),
    )
    low = max(_strategies(a, s), key=float)
    return low, high, steps


def _strategies(a: sympy.Expr, s: sympy.Expr) -> list[sympy.Expr]:
    """Exponents blocks reach: N = m^x .. m^y features that lose a share N m^(-d) cost d + x (s-2) or d + y (s-2)."""
    third = _q(4, 3)
    far = sympy.Min(third, a * third)
    found = [s - 1]
    if far >= 1:
        found.append(sympy.Min(far * (s - 1), a * third + s - 2, a * third + far * (s - 2)))
    if a >= 1:
        found.append(sympy.Min(a * (s - 1), a + s - 2))
    if a > third:
        ends = (a * third + s - 2, a * third + third * (s - 2), a + third * (s - 2), a + a * (s - 2))
        found.append(sympy.Min(*ends))
    return found


def _with_bias(
    a: sympy.Expr, s: sympy.Expr, even: bool, binary: bool, low: sympy.Expr, steps: tuple[Step, ...], regime: str
) -> Result:
    """Upper bounds on the loss only: the constructions without bias, and thresholds for rectified powers."""
    open_end = Step("no lower bound on the loss is known with free biases [O], so the exponent has no upper end")
    if even:
        return low, sympy.oo, (*steps[2:], Step("b = 0 is allowed"), open_end)
    if binary:
        exact_codes = Step("binary U, tau < 1: exp(c m) features with cosines below tau are recovered exactly")
        return sympy.oo, sympy.oo, (exact_codes, Step("so Lambda falls exponentially in m, faster than any power"))
    if a == 1 and regime == "many":
        codes = (
            Step("N unit vectors have cosines below tau = sqrt(4 log N/m) (union bound): a threshold silences them"),
            Step("a threshold costs E min(U, tau)^2 <= tau^2 per feature; m/2 features are dedicated and cost none"),
            Step("features m/2 .. N = m^(s/(s-1)) cost m^(1-s) log m/m, dropped ones N^(1-s) = m^(-s)"),
        )
        return sympy.Max(low, s), sympy.oo, (*codes, open_end)
    return low, sympy.oo, (*steps[2:], Step("b = 0 is allowed"), open_end)
