"""The loss of given weights and biases for two features in one dimension, exact: rationals in, a rational out.

Output j sees z_j = G_j1 x_1 + G_j2 x_2 + b_j with G = w w^T. Conditioning on which features are active leaves
integrals of piecewise polynomials over the unit square, whose antiderivatives are known at its corners.
Source: docs/theory.md, T8(b), T12.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import factorial
from typing import Any

import sympy

from theory.activations import PowerForm
from theory.arguments import InputError, as_weights, exact
from theory.features import FeatureLaw
from theory.loss.phase.phases import phase_setting
from theory.toy_model import ToyModel

__all__ = ["output_loss", "pair_loss", "rectified_moment"]


def pair_loss(model: ToyModel, W: Any, b: Any = None) -> sympy.Rational:
    """The expected loss at (W, b), an exact rational.

    L = sum_j I_j sum_A P(A) E (x_j - sigma(z_j))^2, over the four sets A of active features.

    Args:
        model: n_features = 2, n_hidden = 1; a power activation with integer exponent and rational coefficients; the
            uniform or the binary law.
        W: shape (1, 2), rational; floats are read as the decimals they print as.
        b: two rationals, or None for zero bias.

    Raises:
        InputError: another model, irrational weights, or b for a model without bias.

    Source: docs/theory.md, T8(b), T12.
    """
    form, law, density, second, first = phase_setting(model)
    if b is not None and not model.bias:
        raise InputError("b was given, but the model has no bias; build it with ToyModel(..., bias=True)")
    weights = as_weights(W, 1, 2)
    entries = list(weights) if isinstance(weights, sympy.MatrixBase) else weights.ravel().tolist()
    w = [_fraction("W", entry) for entry in entries]
    bias = [Fraction(0)] * 2 if b is None else [_fraction("b", value) for value in b]
    if len(bias) != 2:
        raise InputError(f"b has {len(bias)} entries; give a vector of length n_features=2")
    p, loss = _fraction("density", density), Fraction(0)
    for j, importance in enumerate((1, second)):
        own, other = w[j] ** 2, w[0] * w[1]
        loss += _fraction("importance", importance) * output_loss(form, law, p, own, other, bias[j])
    result = loss * _fraction("importance", first)
    return sympy.Rational(result.numerator, result.denominator)


def output_loss(
    form: PowerForm, law: FeatureLaw, p: Fraction, own: Fraction, other: Fraction, bias: Fraction
) -> Fraction:
    """E (x_1 - sigma(own x_1 + other x_2 + bias))^2 for two features of density p, exact.

    Raises:
        InputError: an exponent that is not an integer, irrational coefficients, or a law without closed form.
    """
    if not (form.exponent.is_Integer and form.positive.is_Rational and form.negative.is_Rational):
        raise InputError(
            "the exact loss needs an integer exponent and rational coefficients; use numerics.expected_loss"
        )
    if law.label not in ("uniform", "binary"):
        raise InputError(f"law={law} has no exact loss with bias; use uniform or binary, or numerics.expected_loss")
    a, q = int(form.exponent), 1 - p
    loss = p * _fraction("moment", law.moment(2))
    # The negative half of sigma is the positive half of sigma(-z).
    for coefficient, side in ((form.positive, 1), (form.negative, -1)):
        c = _fraction("coefficient", coefficient)
        if c == 0:
            continue
        g, k, b = side * own, side * other, side * bias
        for slopes, weight in (((), q * q), ((g,), p * q), ((k,), p * q), ((g, k), p * p)):
            loss += weight * c**2 * rectified_moment(law, 2 * a, slopes, b)
        loss -= 2 * c * p * q * rectified_moment(law, a, (g,), b, first=True)
        loss -= 2 * c * p * p * rectified_moment(law, a, (g, k), b, first=True)
    return loss


def rectified_moment(law: FeatureLaw, r: int, slopes: Sequence[Fraction], b: Fraction, first: bool = False) -> Fraction:
    """E (sum_i slopes_i U_i + b)_+^r, or E U_1 (...)_+^r where `first`, for independent U_i of the law.

    Uniform: r!/((r+s)! prod g) sum over the corners v of (-1)^(s-|v|) (g.v + b)_+^(r+s), zero slopes left out; the
    weight U_1 by parts: [E(z | U_1 = 1)_+^(r+1) - E z_+^(r+1)]/(g_1 (r+1)).
    """
    if law.name == "binary":
        return _positive(sum(slopes, Fraction(0)) + b) ** r if r else Fraction(1)
    if first:
        g, rest = slopes[0], slopes[1:]
        if g == 0:
            return rectified_moment(law, r, rest, b) / 2
        at_one = rectified_moment(law, r + 1, rest, b + g)
        return (at_one - rectified_moment(law, r + 1, slopes, b)) / (g * (r + 1))
    kept = [g for g in slopes if g != 0]
    order = r + len(kept)
    total = Fraction(0)
    for corner in product((0, 1), repeat=len(kept)):
        reach = _positive(sum((g for g, v in zip(kept, corner, strict=True) if v), b))
        total += (-1) ** (len(kept) - sum(corner)) * reach**order
    for g in kept:
        total /= g
    return total * Fraction(factorial(r), factorial(order))


def _positive(value: Fraction) -> Fraction:
    return max(value, Fraction(0))


def _fraction(name: str, value: Any) -> Fraction:
    number = value if isinstance(value, Fraction) else exact(name, value)
    if isinstance(number, Fraction):
        return number
    if not number.is_Rational:
        raise InputError(f"{name}={value} is irrational; exact arithmetic needs a rational number or a decimal")
    return Fraction(int(number.p), int(number.q))
