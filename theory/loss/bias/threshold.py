"""What a threshold does to one feature and to one pair: a negative bias of a rectified power, seen by the law alone.

Output j sees sigma(G_ij U - beta_j), beta_j = -b_j >= 0. With the threshold tau_j = beta_j/g_j, everything follows from
two functions of the law,
    psi(s) = E U (U - s)_+^a     and     phi(s) = E (U - s)_+^(2a),
because E U sigma(gU - g tau) = g^a psi(tau) and E sigma(GU - beta)^2 = G^(2a) phi(beta/G) for G > 0.
For a two-sided law both are those of |U|; only half of the values pass, and opposite features interfere as well.

Source: docs/theory.md, T11(c).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import sympy

from theory.activations import Activation
from theory.arguments import InputError, exact
from theory.features import FeatureLaw, feature_law, uniform
from theory.features import u as _u
from theory.loss.capacity import require_power_form
from theory.registry import activation as as_activation

__all__ = [
    "ThresholdLaw",
    "threshold_constant",
    "threshold_distortion",
    "threshold_kernel",
    "threshold_law",
]

_s = sympy.Symbol("s", nonnegative=True)
_t = sympy.Symbol("t", positive=True)


@dataclass(frozen=True)
class ThresholdLaw:
    """psi and phi of a law and a rectified power sigma(z) = scale (z)_+^a, in closed form.

    Attributes:
        exponent: a.
        scale: the factor of the rectified power, > 0.
        second_moment: mu_2 = E U^2.
        gain: psi(s) = E |U| (|U| - s)_+^a for 0 <= s < upper, an expression in `symbol`.
        cost: phi(s) = E (|U| - s)_+^(2a) there.
        upper: the right end of the support of |U|: psi = phi = 0 from there on.
        is_two_sided: whether the sign of U is random.
        symbol: s.
    """

    exponent: sympy.Expr
    scale: sympy.Expr
    second_moment: sympy.Expr
    gain: sympy.Expr
    cost: sympy.Expr
    upper: sympy.Expr
    is_two_sided: bool
    symbol: sympy.Symbol = _s

    @property
    def share(self) -> sympy.Rational:
        """The probability that U > 0."""
        return sympy.Rational(1, 2) if self.is_two_sided else sympy.Integer(1)

    def psi(self, s: sympy.Expr) -> sympy.Expr:
        """psi at an exact s >= 0."""
        return self._at(self.gain, s)

    def phi(self, s: sympy.Expr) -> sympy.Expr:
        """phi at an exact s >= 0."""
        return self._at(self.cost, s)

    def _at(self, expr: sympy.Expr, s: sympy.Expr) -> sympy.Expr:
        s = sympy.sympify(s)
        if self.upper is not sympy.oo and s.is_number and s >= self.upper:
            return sympy.Integer(0)
        return expr.subs(self.symbol, s)

    def values(self, expr: sympy.Expr, s: np.ndarray) -> np.ndarray:
        """psi or phi (give the attribute `gain` or `cost`) at an array of s >= 0; 0 beyond the support."""
        s = np.asarray(s, dtype=float)
        inside = s < (np.inf if self.upper is sympy.oo else float(self.upper))
        with np.errstate(over="ignore", invalid="ignore"):
            found = _evaluate(expr, self.symbol, np.where(inside, s, 0.0))
        return np.where(inside, found, 0.0)


def threshold_law(law: Any, activation: Any) -> ThresholdLaw:
    """psi and phi for a law and a rectified power, exact.

    Closed forms: uniform, binary and exponential for every exponent a > 0; beta with integer parameters for integer a.

    Raises:
        InputError: the activation is no rectified power, or no closed form is at hand.

    Source: docs/theory.md, T11(c).
    """
    return _threshold_law(feature_law(law), as_activation(activation))


@cache
def _threshold_law(law: FeatureLaw, activation: Activation) -> ThresholdLaw:
    form = require_power_form(activation)
    if form.family != "rectified" or form.positive.is_positive is not True:
        raise InputError(
            f"activation {activation.name!r} is no rectified power c max(0, z)^a with c > 0: only for those does a "
            "bias below 0 change the loss at first order in the density"
        )
    psi, phi = _moments(law, form.exponent)
    return ThresholdLaw(
        form.exponent, form.positive, law.absolute_moment(2), psi, phi, law.upper, law.is_two_sided
    )  # fmt: skip


def _moments(law: FeatureLaw, a: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    if law.name == "uniform":
        psi = (1 - _s) ** (a + 1) * (a + 1 + _s) / ((a + 1) * (a + 2))
        return psi, (1 - _s) ** (2 * a + 1) / (2 * a + 1)
    if law.name == "binary":
        return (1 - _s) ** a, (1 - _s) ** (2 * a)
    if law.name == "exponential":
        psi = sympy.exp(-_s) * (sympy.gamma(a + 2) + _s * sympy.gamma(a + 1))
        return psi, sympy.exp(-_s) * sympy.gamma(2 * a + 1)
    if law.name == "beta" and all(p.is_Integer for p in law.parameters) and a.is_Integer:
        density = sympy.expand(law.density_of_magnitude)

        def tail(power: sympy.Expr) -> sympy.Expr:
            primitive = sympy.integrate(sympy.expand(power * density), _u)
            return sympy.expand(primitive.subs(_u, 1) - primitive.subs(_u, _s))

        return tail(_u * (_u - _s) ** a), tail((_u - _s) ** (2 * a))
    raise InputError(
        f"law={law} with exponent {a}: E (U - s)_+^a has no closed form here; closed forms are known for uniform, "
        "binary and exponential, and for beta with integer parameters and an integer exponent"
    )


def _evaluate(expr: sympy.Expr, symbol: sympy.Symbol, values: np.ndarray) -> np.ndarray:
    """An expression of sums, products, powers and exp at an array, without generating code."""
    if expr == symbol:
        return values
    if not expr.has(symbol):
        return np.full(values.shape, float(expr))
    parts = [_evaluate(part, symbol, values) for part in expr.args]
    if expr.is_Add:
        return np.sum(parts, axis=0)
    if expr.is_Mul:
        return np.prod(parts, axis=0)
    if expr.is_Pow:
        return parts[0] ** parts[1]
    return np.exp(parts[0])


def threshold_constant(tau: Any, activation: Any = "relu", law: Any = None) -> sympy.Expr:
    """kappa_tau = psi(tau)^2/phi(tau), halved for two-sided laws: what a feature of threshold tau can save at most.

    For U uniform it is (2a + 1)(1 - tau)((a + 1 + tau)/((a + 1)(a + 2)))^2; kappa_0 is `law_constant`.

    Args:
        tau: threshold -b/g >= 0, exact or a symbol; 0 is returned from the end of the support on.
        activation: a rectified power.
        law: of an active feature, uniform by default.

    Raises:
        InputError: tau < 0, no rectified power, or a law without closed form.

    Source: docs/theory.md, T11(c).
    """
    known = threshold_law(uniform() if law is None else law, activation)
    tau = as_threshold("tau", tau)
    if known.upper is not sympy.oo and tau.is_number and tau >= known.upper:
        return sympy.Integer(0)
    return sympy.powsimp(known.share * known.psi(tau) ** 2 / known.phi(tau))


def threshold_distortion(tau: Any, activation: Any = "relu", law: Any = None) -> sympy.Expr:
    """d(tau) = mu_2 - kappa_tau: the loss of one feature that nothing interferes with, at its best gain, per density.

    For ReLU and U uniform it is tau^2/4 + tau^3/12; for U binary and tau < 1 it is 0 at every exponent.

    Raises:
        InputError: as `threshold_constant`.

    Source: docs/theory.md, T11(c).
    """
    known = threshold_law(uniform() if law is None else law, activation)
    found = known.second_moment - threshold_constant(tau, activation, law)
    return sympy.factor(sympy.expand(found)) if known.exponent.is_Integer else sympy.simplify(found)


def threshold_kernel(cosine: Any, tau: Any, activation: Any = "relu", law: Any = None) -> sympy.Expr:
    """f_tau(t) = t^(2a) phi(tau/t)/phi(tau) for t > 0, else 0: the interference of unit features of threshold tau.

    f_tau(1) = 1. For U uniform it is (t - tau)_+^(2a+1)/(t (1 - tau)^(2a+1)). For two-sided laws t stands for |t|.

    Args:
        cosine: t in [-1, 1], exact.
        tau: threshold in [0, upper end of the support), exact.

    Raises:
        InputError: as `threshold_constant`, or phi(tau) = 0.

    Source: docs/theory.md, T11(c).
    """
    known = threshold_law(uniform() if law is None else law, activation)
    t, tau = exact("cosine", cosine), as_threshold("tau", tau)
    t = sympy.Abs(t) if known.is_two_sided else t
    if t.is_number and t.evalf() <= 0:
        return sympy.Integer(0)
    if known.phi(tau) == 0:
        raise InputError(f"tau={tau} is beyond the support of the law: no feature passes that threshold")
    reach = tau / t
    if known.upper is not sympy.oo and reach.is_number and reach.evalf() >= known.upper:
        return sympy.Integer(0)
    return t ** (2 * known.exponent) * known.phi(reach) / known.phi(tau)


def as_threshold(name: str, value: Any) -> sympy.Expr:
    """A threshold: a number >= 0 or a symbol.

    Raises:
        InputError: negative, or not a number.
    """
    result = exact(name, value)
    if result.is_number and result.evalf() < 0:
        raise InputError(f"{name}={value} is negative; a threshold is -b/g >= 0 (a positive bias is no threshold)")
    return result
