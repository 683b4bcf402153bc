"""Constants of the law, kernel of the geometry: the two halves into which the sparse loss separates.

With one active feature, output j sees sigma(G_ji U). For a homogeneous sigma this leaves a number that depends on the
law alone (kappa) and one that depends on the configuration alone (the capacity K). Source: docs/theory.md, T1-T2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import sympy

from theory.activations import Activation, PowerForm
from theory.arguments import InputError, as_positive_count, as_weights, exact
from theory.features import FeatureLaw, feature_law, uniform
from theory.registry import activation as as_activation

__all__ = [
    "Kernel",
    "SparseConstants",
    "capacity",
    "effective_dimension",
    "has_kernel",
    "law_constant",
    "require_power_form",
    "sparse_constants",
]


@dataclass(frozen=True)
class Kernel:
    """The interference kernel f(t) = t_+^(2a) + negative t_-^(2a) of two feature directions at cosine t.

    Attributes:
        exponent: a, the exponent of the activation.
        negative: r_ = E sigma(-U)^2 / E sigma(U)^2, the weight of negative cosines (0 for rectified powers of U >= 0,
            1 for monomials and for every power under a two-sided law).
    """

    exponent: sympy.Expr
    negative: sympy.Expr

    @property
    def is_even_polynomial(self) -> bool:
        """Whether f(t) = t^(2k) with an integer k, the case in which Sidelnikov's inequality applies."""
        return bool(self.exponent.is_integer) and self.negative == 1

    def values(self, t: np.ndarray) -> np.ndarray:
        """f at an array of cosines."""
        return np.where(t >= 0, 1.0, float(self.negative)) * np.abs(t) ** (2 * float(self.exponent))


@dataclass(frozen=True)
class SparseConstants:
    """What the law and the activation contribute at first order in the density.

    Attributes:
        gain: M_1 = E U sigma(U), how much an active feature is reconstructed.
        cost: M_d = E sigma(U)^2, what one unit of reconstruction costs.
        second_moment: mu_2 = E U^2.
        kernel: the interference kernel.
    """

    gain: sympy.Expr
    cost: sympy.Expr
    second_moment: sympy.Expr
    kernel: Kernel

    @property
    def conditions(self) -> tuple[sympy.Basic, ...]:
        """M_1 > 0 as a relation in the activation's parameters where its sign is not known; else nothing."""
        return () if self.gain.is_positive or self.gain.is_nonpositive else (self.gain > 0,)

    @cached_property
    def kappa(self) -> sympy.Expr:
        """M_1^2/M_d, at most mu_2 (Cauchy-Schwarz); 0 where M_1 <= 0, because W = 0 is then optimal."""
        if self.gain.is_nonpositive:
            return sympy.Integer(0)
        return sympy.gammasimp(self.gain**2 / self.cost)


def require_power_form(activation: Activation) -> PowerForm:
    """The homogeneous form of the activation.

    Raises:
        InputError: it has none, so that none of the theorems for power activations applies.
    """
    form = activation.power_form
    if form is None:
        raise InputError(
            f"activation {activation.name!r} is not homogeneous: the loss theory covers power(k), rectified_power(a), "
            "signed_power(a) and their mixtures; use numerics.expected_loss for others"
        )
    return form


def has_kernel(law: FeatureLaw, activation: Activation) -> bool:
    """Whether sigma is homogeneous and not 0 on every value of U, so that `sparse_constants` exist."""
    form = activation.power_form
    return form is not None and (law.is_two_sided or form.positive != 0)


@cache
def sparse_constants(law: FeatureLaw, activation: Activation) -> SparseConstants:
    """M_1, M_d, mu_2 and the kernel, exact. Source: docs/theory.md, T1 and T3(c).

    Raises:
        InputError: the activation is not homogeneous.
    """
    form = require_power_form(activation)
    a, up, down = form.exponent, form.positive, form.negative
    first, second = law.absolute_moment(a + 1), law.absolute_moment(2 * a)
    if law.is_two_sided:
        # U = +-|U| with equal odds: U sigma(U) is |U|^(a+1) times `up` or times -`down`.
        gain, cost, negative = (up - down) / 2 * first, (up**2 + down**2) / 2 * second, sympy.Integer(1)
    else:
        gain, cost, negative = up * first, up**2 * second, sympy.simplify(down**2 / up**2) if up != 0 else sympy.oo
    if cost == 0 or negative == sympy.oo:
        raise InputError(
            f"activation {activation.name!r} is 0 on every value of U, so one active feature alone is never "
            "reconstructed: c* = n mu_2, reached at W = 0"
        )
    return SparseConstants(sympy.simplify(gain), sympy.simplify(cost), law.absolute_moment(2), Kernel(a, negative))


def law_constant(law: Any, activation: Any) -> sympy.Expr:
    """kappa = (E U sigma(U))^2 / E sigma(U)^2, exact: what one unit of capacity takes off the sparse loss.

    For U uniform and exponent a it is (2a + 1)/(a + 2)^2. kappa <= mu_2, with equality exactly if sigma(U) is
    proportional to U.

    Raises:
        InputError: the activation is not homogeneous.

    Source: docs/theory.md, T2.
    """
    return sparse_constants(feature_law(law), as_activation(activation)).kappa


def effective_dimension(m: Any, a: Any) -> sympy.Expr:
    """D(m, a) = 1/E|<u, v>|^(2a) for independent uniform unit vectors u, v in R^m, exact.

    D = sqrt(pi) Gamma(m/2 + a)/(Gamma(m/2) Gamma(a + 1/2)); for integer a = k it is prod_(j<k) (m + 2j)/(2j + 1).

    Args:
        m: hidden dimension, integer >= 1 or symbol.
        a: exponent > 0, a number or a positive symbol.

    Raises:
        InputError: out of range.

    Source: docs/theory.md, T3.
    """
    m, a = as_positive_count("m", m), exact("a", a)
    if a.is_number and not a > 0:
        raise InputError(f"a={a} must be > 0")
    if a.is_Integer:
        return sympy.factor(sympy.Mul(*[sympy.Rational(1, 2 * j + 1) * (m + 2 * j) for j in range(int(a))]))
    half = sympy.Rational(1, 2)
    return sympy.gammasimp(sympy.sqrt(sympy.pi) * sympy.gamma(m / 2 + a) / (sympy.gamma(m / 2) * sympy.gamma(a + half)))


def capacity(W: Any, activation: Any, law: Any = None) -> sympy.Expr | float:
    """K(W) = (sum_i a_i)^2 / sum_ij a_i a_j f(cos_ij), a_i = |W_i|^(2a): the effective number of features W holds.

    1 <= K <= n; it does not change when W is scaled, and the law enters only through the kernel's r_.

    Args:
        W: weights of shape (m, n); exact input (sympy matrix, nested ints and Rationals) gives an exact result.
        activation: a power activation.
        law: of an active feature, uniform by default.

    Raises:
        InputError: malformed or zero W, or an activation that is not homogeneous.

    Source: docs/theory.md, T2.
    """
    constants = sparse_constants(uniform() if law is None else feature_law(law), as_activation(activation))
    weights = as_weights(W)
    total, energy = gains_and_energy(weights, constants.kernel)
    if isinstance(weights, sympy.MatrixBase):
        if total.is_zero:
            raise InputError("W is zero; its capacity is undefined")
        return (
            sympy.simplify(total**2 / energy) if not (total.free_symbols | energy.free_symbols) else total**2 / energy
        )
    if total == 0:
        raise InputError("W is zero; its capacity is undefined")
    return float(total**2 / energy)


def gains_and_energy(W: np.ndarray | sympy.Matrix, kernel: Kernel, importances: Any = None) -> tuple[Any, Any]:
    """sum_i I_i a_i and sum_ij I_j a_i a_j f(cos_ij) for the Gram matrix of W, without dividing by norms.

    a_i a_j f(cos_ij) is |G_ij|^(2a) times 1 or r_ by the sign of G_ij, so that zero columns need no special case.
    """
    if isinstance(W, sympy.MatrixBase):
        gram = W.T * W
        n = gram.shape[0]
        shares = [sympy.Integer(1)] * n if importances is None else list(importances)
        a = kernel.exponent
        total = sympy.Add(*(shares[i] * gram[i, i] ** a for i in range(n)))
        energy = sympy.Add(*(shares[j] * _interference(gram[i, j], kernel) for i in range(n) for j in range(n)))
        return total, energy
    gram = W.T @ W
    weights = np.ones(gram.shape[0]) if importances is None else np.array([float(v) for v in importances])
    exponent = float(kernel.exponent)
    total = float(weights @ np.diag(gram) ** exponent)
    kernel_values = np.where(gram >= 0, 1.0, float(kernel.negative)) * np.abs(gram) ** (2 * exponent)
    return total, float((kernel_values @ weights).sum())


def _interference(entry: sympy.Expr, kernel: Kernel) -> sympy.Expr:
    power = 2 * kernel.exponent
    if kernel.negative == 1:
        return entry**power if power.is_even else sympy.Abs(entry) ** power
    entry = sympy.simplify(entry)
    if entry.is_nonnegative:
        return entry**power
    if entry.is_nonpositive:
        return kernel.negative * (-entry) ** power
    return sympy.Max(0, entry) ** power + kernel.negative * sympy.Max(0, -entry) ** power
