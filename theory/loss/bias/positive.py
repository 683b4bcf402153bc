"""How little a positive bias can gain: the rate at which L*/p of a biased model reaches its limit from below.

A bias b > 0 costs sigma(b)^2 on every empty input, q^n sum_j b_j^(2a) in all, and it gains only in outputs whose own
feature is active, p q^(n-1) times a multiple of b. Source: docs/theory.md, T11(a).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sympy

from theory.arguments import InputError, as_density
from theory.bound import Step
from theory.features import feature_law, uniform
from theory.loss.capacity import require_power_form
from theory.registry import activation as as_activation

__all__ = ["positive_bias_gain", "positive_bias_rate", "positive_bias_steps"]


def positive_bias_rate(activation: Any) -> sympy.Expr:
    """The exponent r with (lim L*/p - L*/p)/lim = O(p^r) through biases alone, where the limit is > 0.

    r = min(1, 1/(2a - 1)) for rectified powers: 1/(2a - 1) where a >= 1, and 1 where a <= 1, because a dropped feature
    always gains mu_1^2 p from the constant output mu_1 p. For other power activations r = 1/(2a - 1) where a >= 1.

    Raises:
        InputError: no power activation, or an exponent below 1 of one that is not rectified.

    Source: docs/theory.md, T11(a).
    """
    form = require_power_form(as_activation(activation))
    if form.family != "rectified" and not (form.exponent.is_number and form.exponent >= 1):
        raise InputError(f"exponent {form.exponent}: the rate is proved for rectified powers, and otherwise for a >= 1")
    rate = 1 / (2 * form.exponent - 1)
    if not form.exponent.is_number:
        return sympy.Piecewise((rate, form.exponent > 1), (sympy.Integer(1), True))
    return rate if form.exponent > 1 else sympy.Integer(1)


def positive_bias_gain(activation: Any, p: Any, law: Any = None) -> sympy.Expr:
    """The most that a positive bias takes off one feature's loss, in units of p q^(n-1), for rectified powers.

    sup over g, b >= 0 of E(U - (gU)^a)^2 - E(U - (gU + b)^a)^2 - (q/p) b^(2a) is at most
        mu_1^2 p/q                                                          for a <= 1,
        (1 - 1/(2a)) C (C p/(2a q))^(1/(2a-1)),  C = a 2^(2-1/a) mu_(2-1/a),   for a >= 1,
    so that L* >= p q^(n-1) [inf over b <= 0 of c(W, b) - n gain].

    Args:
        activation: a rectified power with a number as exponent.
        p: density in [0, 1), a number or a symbol.
        law: of an active feature, uniform by default; for two-sided laws the moments are those of |U|.

    Raises:
        InputError: no rectified power, or p outside [0, 1).

    Source: docs/theory.md, T11(a).
    """
    chosen, form = uniform() if law is None else feature_law(law), require_power_form(as_activation(activation))
    if form.family != "rectified" or not form.exponent.is_number:
        raise InputError(f"activation {activation}: the gain is stated for rectified powers with a number as exponent")
    p = as_density("p", p)
    if p == 1:
        raise InputError("p=1: no input is ever empty, so a positive bias costs nothing there; give p < 1")
    a, odds = form.exponent, p / (1 - p)
    if a <= 1:
        return chosen.absolute_moment(1) ** 2 * odds
    slope = a * 2 ** (2 - 1 / a) * chosen.absolute_moment(2 - 1 / a)
    return (1 - 1 / (2 * a)) * slope * (slope * odds / (2 * a)) ** (1 / (2 * a - 1))


@cache
def positive_bias_steps(a: sympy.Expr) -> tuple[Step, ...]:
    """T11(a) for the rectified power of exponent a, with its two maxima re-checked."""
    b, slope, odds, g, mu_1, mu_2, p = sympy.symbols("b C omega g mu_1 mu_2 p", positive=True)
    first = Step(
        "L >= q^n sum_j sigma(b_j)^2 + p q^(n-1) c(W, b): the empty input and one active feature; interference grows "
        "with b_j, so b_j > 0 is compared with b_j = 0 in the loss of feature j alone"
    )
    if a == 1:
        loss = (1 - g) ** 2 * mu_2 - 2 * b * (1 - g) * mu_1 + b**2 / p
        square = (b - p * (1 - g) * mu_1) ** 2 / p + (1 - g) ** 2 * (mu_2 - p * mu_1**2)
        return (
            first,
            Step(
                "E(U - gU - b)^2 + (q/p) b^2 is a square plus (1 - p mu_1^2/mu_2) times its value at b = 0",
                sympy.Eq(loss, square, evaluate=False),
            ),
        )
    best = (slope * odds / (2 * a)) ** (1 / (2 * a - 1))
    value = (1 - 1 / (2 * a)) * slope * best
    return (
        first,
        Step(
            "y = (gU + b)^a and y_0 = (gU)^a: (U - y_0)^2 - (U - y)^2 <= 2U (y - y_0) where y < 2U, else <= 0; there "
            "y - y_0 <= a b y^(1-1/a) <= a b (2U)^(1-1/a), so the gain is at most C b, C = a 2^(2-1/a) mu_(2-1/a)"
        ),
        Step(
            "C b - b^(2a) q/p is largest at b = (C p/(2a q))^(1/(2a-1)), where it is (1 - 1/(2a)) C b",
            sympy.Eq(slope * best - best ** (2 * a) / odds, value, evaluate=False),
        ),
    )
