"""What a positive bias gains: never more than the bound, at the proved rate, and never in the limit."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from scipy import optimize

import theory
from numerics import minimise_loss
from theory import InputError, ToyModel
from theory.loss.bias.positive import positive_bias_gain, positive_bias_rate, positive_bias_steps

Q = sympy.Rational
U = (np.arange(4000) + 0.5) / 4000


@pytest.mark.parametrize("a", [Q(1, 4), Q(1, 2), Q(3, 4), 1, Q(3, 2), 2, 3])
@pytest.mark.parametrize("p", [1e-4, 0.1, 0.6])
def test_no_gain_exceeds_the_bound(a: sympy.Rational, p: float) -> None:
    power, odds = float(a), p / (1 - p)

    def gain(x: np.ndarray) -> float:
        g, b = np.exp(x)
        before, after = (g * U) ** power, (g * U + b) ** power
        return float(np.mean((U - before) ** 2 - (U - after) ** 2) - b ** (2 * power) / odds)

    starts = [(g, b) for g in (-12, -3, 0) for b in np.linspace(-14, 1, 6)]
    best = max(-optimize.minimize(lambda x: -gain(x), start, method="Nelder-Mead").fun for start in starts)
    bound = float(positive_bias_gain(theory.rectified_power(a), p))
    assert 0 < best <= bound * (1 + 1e-6)
    # Dropped features (g -> 0) reach a fixed share of it for a <= 1: p mu_1^2 against mu_1^2 p/q.
    if a <= 1:
        assert best >= (1 - p) * bound * (1 - 1e-3)


def test_a_dropped_feature_gains_at_relative_order_p_below_exponent_one() -> None:
    """The rate is p, not p^(1/(2a-1)), which would be smaller: the constant mu_1 p alone gains mu_1^2 p^2."""
    for a in (Q(1, 4), Q(1, 2), Q(3, 4)):
        assert positive_bias_rate(theory.rectified_power(a)) == 1
    assert positive_bias_rate("relu") == 1
    assert positive_bias_rate(theory.rectified_power(2)) == positive_bias_rate(theory.power(2)) == Q(1, 3)
    assert positive_bias_rate(theory.power(3)) == Q(1, 5)


@pytest.mark.parametrize("a", [1, 2, 3])
def test_the_steps_are_algebra(a: int) -> None:
    outcomes = [step.check() for step in positive_bias_steps(sympy.Integer(a))]
    assert False not in outcomes
    assert True in outcomes


def test_the_relative_gain_of_a_square_falls_like_the_cube_root() -> None:
    """T11(a) against the minimiser: exponent 1/(2k - 1) = 1/3 at k = 2, for the gain and for the bias."""
    gains, biases, densities = [], [], [1e-6, 1e-7, 1e-8]
    for p in densities:
        model = ToyModel(2, 1, theory.power(2), p, bias=True)
        found, plain = (minimise_loss(m, restarts=3) for m in (model, model.replace(bias=False)))
        gains.append(1 - found.loss.value / plain.loss.value)
        assert found.b is not None
        biases.append(np.abs(found.b).max())
        limit = float(theory.lower_bound(model, of="sparse").expr)
        assert found.loss.value / p < limit
    slopes = np.diff(np.log(gains)) / np.diff(np.log(densities))
    assert slopes == pytest.approx([1 / 3, 1 / 3], abs=0.006)
    assert np.diff(np.log(biases)) / np.diff(np.log(densities)) == pytest.approx([1 / 3, 1 / 3], abs=0.006)


def test_bad_input() -> None:
    with pytest.raises(InputError, match="p=1"):
        positive_bias_gain("relu", 1)
    with pytest.raises(InputError, match="rectified"):
        positive_bias_gain(theory.power(2), 0.1)
    with pytest.raises(InputError, match="rate"):
        positive_bias_rate(theory.signed_power(Q(1, 2)))
