"""The loss at first order in the density, with biases: c(W, b), and where its derivative says that a bias pays.

The empty input costs sum_j I_j sigma(b_j)^2, whatever p. So L/p stays bounded as p -> 0 only where sigma(b_j) = 0: for
rectified powers b_j <= 0, for all other power activations b_j = 0. Source: docs/theory.md, T11.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy

from theory.arguments import InputError, as_vector, as_weights, exact
from theory.loss.bias.threshold import ThresholdLaw, threshold_law
from theory.loss.capacity import require_power_form
from theory.loss.expansion import sparse_coefficient
from theory.toy_model import ToyModel

__all__ = ["bias_derivative", "biased_sparse_coefficient", "has_thresholds", "require_biased_setting"]


def has_thresholds(model: ToyModel) -> bool:
    """Whether a bias can change lim L*/p: the activation vanishes on one side (a rectified power)."""
    form = model.activation.power_form
    return form is not None and form.family == "rectified" and form.positive.is_positive is True


def biased_sparse_coefficient(model: ToyModel, W: Any, b: Any) -> sympy.Expr | float:
    """c(W, b) with L(W, b) = p c(W, b) + O(p^2), exact for exact W and b.

    With beta = -b >= 0 and G = W^T W, for a rectified power sigma(z) = c (z)_+^a of U >= 0,
        c(W, b) = sum_j I_j [mu_2 - 2c g_j^a psi(beta_j/g_j) + c^2 sum_i (G_ij)_+^(2a) phi(beta_j/G_ij)],
    where psi(s) = E U (U - s)_+^a and phi(s) = E (U - s)_+^(2a). For two-sided laws both terms are halved and |G_ij|
    replaces (G_ij)_+. For activations that vanish on neither side b must be 0, and c(W, 0) is `sparse_coefficient`.

    Args:
        model: a power activation with bias=True, one density for all features (its value does not matter).
        W: weights of shape (m, n).
        b: biases of shape (n,), every one <= 0 (0 where sigma is no rectified power).

    Raises:
        InputError: the model has no bias, a bias for which L/p has no limit, no power activation, a law without closed
            form, or wrong shapes.

    Source: docs/theory.md, T11.
    """
    require_biased_setting(model)
    weights = as_weights(W, model.n_hidden, model.n_features)
    n = weights.shape[1]
    biases = _biases(b, n, isinstance(weights, sympy.MatrixBase))
    if not has_thresholds(model):
        if any(value != 0 for value in biases):
            raise InputError(
                f"b={list(biases)}: {model.activation.name} gives sigma(b)^2 > 0 on empty inputs, so L/p has a limit "
                "only for b = 0"
            )
        return sparse_coefficient(model.replace(bias=False), weights)
    if any(value > 0 for value in biases):
        worst = max(biases)
        raise InputError(
            f"b has the entry {worst} > 0: empty inputs cost sigma(b)^2 > 0, so L/p has no limit as p -> 0"
        )
    known = threshold_law(model.law, model.activation)
    shares = model.importances if model.n_features.is_number else (model.importance,) * n
    if isinstance(weights, sympy.MatrixBase) and not isinstance(biases, np.ndarray):
        return _exact_coefficient(known, weights, biases, shares)
    gram = np.array(sympy.Matrix(weights).tolist(), dtype=float) if isinstance(weights, sympy.MatrixBase) else weights
    return _float_coefficient(known, gram, np.array([float(v) for v in biases]), np.array([float(v) for v in shares]))


def _exact_coefficient(known: ThresholdLaw, W: sympy.Matrix, b: list[sympy.Expr], shares: Any) -> sympy.Expr:
    gram, a, c = W.T * W, known.exponent, known.scale
    total: sympy.Expr = sympy.Integer(0)
    for j, beta in enumerate(-value for value in b):
        own: sympy.Expr = sympy.Integer(0)
        if gram[j, j] != 0:
            own = gram[j, j] ** a * known.psi(beta / gram[j, j])
        spent: sympy.Expr = sympy.Integer(0)
        for i in range(gram.rows):
            overlap = gram[i, j]
            if known.is_two_sided:
                overlap = sympy.Abs(overlap)
            if overlap != 0 and overlap.evalf() > 0:
                spent += overlap ** (2 * a) * known.phi(beta / overlap)
        total += shares[j] * (known.second_moment + known.share * (c**2 * spent - 2 * c * own))
    return total if total.free_symbols or total.is_Rational else sympy.simplify(total)


def _float_coefficient(known: ThresholdLaw, W: np.ndarray, b: np.ndarray, shares: np.ndarray) -> float:
    gram, a, c = W.T @ W, float(known.exponent), float(known.scale)
    overlap = np.abs(gram) if known.is_two_sided else np.maximum(gram, 0.0)
    norms, beta = np.diagonal(gram), -b
    own = norms**a * known.values(known.gain, _ratio(beta, norms))
    # Column j of the Gram matrix is what output j sees.
    spent = (overlap ** (2 * a) * known.values(known.cost, _ratio(beta[None, :], overlap))).sum(axis=0)
    return float(shares @ (float(known.second_moment) + float(known.share) * (c**2 * spent - 2 * c * own)))


def _ratio(beta: np.ndarray, size: np.ndarray) -> np.ndarray:
    """beta/size, 0 where size is 0 (nothing passes there: the factor in front is 0)."""
    with np.errstate(over="ignore"):
        return np.where(size > 0, beta / np.where(size > 0, size, 1.0), 0.0)


def bias_derivative(model: ToyModel, W: Any) -> Any:
    """dc/dbeta_j at beta = 0, the gain from a first threshold on output j; shape (n,). Negative: a negative bias pays.

    For ReLU it is 2 mu_1 I_j [1 - g_j - sum_(i != j) (G_ij)_+]; in general
        dc/dbeta_j = 2a I_j [g_j^(a-1) E U^a - sum_i (G_ij)_+^(2a-1) E U^(2a-1)].
    Where the scale of W is stationary, for ReLU and I = 1,
        sum_j g_j dc/dbeta_j = 2 mu_1 sum_(i != j) (G_ij)_+ [(G_ij)_+ - (g_i + g_j)/2] <= 0.

    Args:
        model: a rectified power with exponent a > 1/2 of U >= 0.
        W: weights of shape (m, n), no column 0 where a < 1.

    Raises:
        InputError: another activation, a two-sided law, or a <= 1/2 (the derivative is then infinite).

    Source: docs/theory.md, T11(b).
    """
    require_biased_setting(model.replace(bias=True))
    if not has_thresholds(model) or model.law.is_two_sided:
        raise InputError(f"the derivative in the bias is stated for rectified powers of U >= 0, not {model.describe()}")
    form = require_power_form(model.activation)
    a, c = form.exponent, form.positive
    if not (a.is_number and a > sympy.Rational(1, 2)):
        raise InputError(f"exponent {a}: the derivative at b = 0 is finite for exponents > 1/2 only")
    weights = as_weights(W, model.n_hidden, model.n_features)
    first, second = model.law.absolute_moment(a), model.law.absolute_moment(2 * a - 1)
    if isinstance(weights, sympy.MatrixBase):
        gram = weights.T * weights
        positive = gram.applyfunc(lambda entry: entry if entry.evalf() > 0 else sympy.Integer(0))
        shares = model.importances if model.n_features.is_number else (model.importance,) * gram.rows
        return [
            2 * a * shares[j] * (
                c * gram[j, j] ** (a - 1) * first
                - c**2 * second * sum(v ** (2 * a - 1) for v in positive.col(j) if v != 0)
            )
            for j in range(gram.rows)
        ]  # fmt: skip
    gram = weights.T @ weights
    power, scale = float(a), float(c)
    shares = np.array([float(v) for v in model.importances])
    spent = (np.maximum(gram, 0.0) ** (2 * power - 1)).sum(axis=0) * float(second)
    return 2 * power * shares * (scale * np.diagonal(gram) ** (power - 1) * float(first) - scale**2 * spent)


def _biases(b: Any, n: int, want_exact: bool) -> Any:
    if isinstance(b, sympy.MatrixBase):
        b = list(b)
    if want_exact and not isinstance(b, np.ndarray):
        entries = [exact("b", value) for value in b]
        if len(entries) != n:
            raise InputError(f"b has {len(entries)} entries; give a vector of length n_features={n}")
        return entries
    return as_vector("b", [float(v) for v in b], n)


def require_biased_setting(model: ToyModel) -> None:
    """Raises InputError where c(W, b) has no meaning."""
    if not model.bias:
        raise InputError("bias=False: c(W, b) is about models with a bias; use sparse_coefficient, or bias=True")
    if isinstance(model.density, tuple):
        raise InputError("density differs between features; the limit L*/p needs one density p for all")
    require_power_form(model.activation)
    if has_thresholds(model):
        threshold_law(model.law, model.activation)
