"""The loss at first order in the density: c(W), and its minimum over the scale of W.

Source: docs/theory.md, T1 and T2.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import sympy

from theory.arguments import InputError, as_weights
from theory.bound import Step
from theory.loss.capacity import capacity, gains_and_energy, sparse_constants
from theory.toy_model import ToyModel

__all__ = ["optimal_scale", "scale_out_steps", "sparse_coefficient", "sparse_optimum"]


def sparse_coefficient(model: ToyModel, W: Any) -> sympy.Expr | float:
    """c(W) with L(W) = p c(W) + O(p^2) for b = 0, exact for exact W.

    c(W, I) = mu_2 sum_i I_i - 2 M_1 sum_i I_i a_i + M_d sum_ij I_j a_i a_j f(cos_ij), a_i = |W_i|^(2a); importances sit
    on the output index j.

    Args:
        model: a power activation, no bias, one density for all features (its value does not matter).
        W: weights of shape (m, n).

    Raises:
        InputError: the activation is not homogeneous, the model has a bias, densities differ, or W has a wrong shape.

    Source: docs/theory.md, T1.
    """
    require_sparse_setting(model)
    weights = as_weights(W, model.n_hidden, model.n_features)
    constants = sparse_constants(model.law, model.activation)
    importances = _importances(model, weights)
    total, energy = gains_and_energy(weights, constants.kernel, importances)
    whole = constants.second_moment * sympy.Add(*importances)
    if isinstance(weights, sympy.MatrixBase):
        value = whole - 2 * constants.gain * total + constants.cost * energy
        return value if value.free_symbols else sympy.simplify(value)
    return float(whole) - 2 * float(constants.gain) * total + float(constants.cost) * energy


def optimal_scale(model: ToyModel, W: Any) -> Any:
    """W rescaled so that c is smallest along its ray: the entries are multiplied by Lambda^(1/(2a)).

    Lambda = M_1 s/(M_d E) minimises the quadratic -2 M_1 s Lambda + M_d E Lambda^2; there c = n mu_2 - kappa K(W).
    Where M_1 <= 0 the best scale is 0.

    Raises:
        InputError: as `sparse_coefficient`, or W is zero.

    Source: docs/theory.md, T2.
    """
    require_sparse_setting(model)
    weights = as_weights(W, model.n_hidden, model.n_features)
    constants = sparse_constants(model.law, model.activation)
    total, energy = gains_and_energy(weights, constants.kernel, _importances(model, weights))
    if total == 0:
        raise InputError("W is zero on every feature with importance > 0; it has no scale")
    if constants.gain.is_nonpositive:
        return weights * 0
    if isinstance(weights, sympy.MatrixBase):
        factor = sympy.simplify(constants.gain * total / (constants.cost * energy)) ** (
            1 / (2 * constants.kernel.exponent)
        )
        return weights * factor
    factor = (float(constants.gain) * total / (float(constants.cost) * energy)) ** (
        0.5 / float(constants.kernel.exponent)
    )
    return np.asarray(weights) * factor


def sparse_optimum(model: ToyModel, W: Any) -> sympy.Expr | float:
    """n mu_2 - kappa K(W): the smallest c along the ray of W, for importance 1.

    Raises:
        InputError: as `sparse_coefficient`; importances that differ (use `optimal_scale` and `sparse_coefficient`).
    """
    require_sparse_setting(model)
    if model.importance != 1:
        raise InputError(f"importance={model.importance}: the scale-out identity is stated for importance 1")
    constants = sparse_constants(model.law, model.activation)
    value = capacity(as_weights(W, model.n_hidden, model.n_features), model.activation, model.law)
    if isinstance(value, float):
        return float(model.n_features * constants.second_moment) - float(constants.kappa) * value
    return model.n_features * constants.second_moment - constants.kappa * value


def _importances(model: ToyModel, weights: Any) -> tuple[sympy.Expr, ...]:
    """One per column of W, also where n_features is a symbol."""
    return model.importances if model.n_features.is_number else (model.importance,) * weights.shape[1]


def require_sparse_setting(model: ToyModel) -> None:
    """Raises InputError where the first-order expansion of T1 does not apply."""
    if model.bias:
        raise InputError("bias=True: c(W) is the coefficient at b = 0; use model.replace(bias=False)")
    if isinstance(model.density, tuple):
        raise InputError("density differs between features; the limit L*/p needs one density p for all")
    sparse_constants(model.law, model.activation)


@cache
def scale_out_steps() -> tuple[Step, ...]:
    """T1 and T2: from the loss to the capacity."""
    s, energy, gain, cost, big = sympy.symbols("s E M_1 M_d Lambda", positive=True)
    quadratic = -2 * gain * s * big + cost * energy * big**2
    square = cost * energy * (big - gain * s / (cost * energy)) ** 2 - gain**2 * s**2 / (cost * energy)
    return (
        Step("one active feature: c(W) = n mu_2 - 2 M_1 s + M_d E(W), s = sum_i |W_i|^(2a), by homogeneity"),
        Step(
            "scaling W multiplies s by Lambda and E by Lambda^2; complete the square in Lambda",
            sympy.Eq(quadratic, square, evaluate=False),
        ),
        Step("at the best Lambda = M_1 s/(M_d E), c = n mu_2 - (M_1^2/M_d) (s^2/E) = n mu_2 - kappa K(W)"),
    )
