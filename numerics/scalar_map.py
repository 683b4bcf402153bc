"""An elementwise activation as functions of one real variable in floating point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import sympy

from numerics.compile import compile_activation, compile_expression, slope_expression
from theory import Activation, InputError

__all__ = ["ScalarMap", "polynomial_coefficients", "scalar_map"]

Array = np.ndarray


@dataclass(frozen=True)
class ScalarMap:
    """sigma as quadrature sees it.

    Attributes:
        value: sigma, entry by entry.
        derivative: sigma' off the kinks (0 where the formula leaves it undefined).
        kinks: where sigma may fail to be analytic, increasing.
        is_singular: whether a derivative may be unbounded at a kink (non-integer powers).
        jumps: the kinks where sigma itself is discontinuous.
        degree: of the polynomials that sigma is between its kinks; None where it is anything else.
    """

    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    kinks: tuple[float, ...]
    is_singular: bool
    jumps: tuple[float, ...]
    degree: int | None

    def both(self, z: Array) -> Array:
        """sigma and sigma**2, shape (2, ...)."""
        value = self.value(z)
        return np.stack([value, value * value])


def scalar_map(activation: Activation) -> ScalarMap:
    """The numeric form of an elementwise activation.

    Raises:
        InputError: coupled or isotropic activations, or free parameters.
    """
    if not activation.is_elementwise:
        raise InputError(
            f"activation {activation.name} is {activation.kind}: an output depends on several inputs, and no "
            "one-dimensional law gives its loss; use method='monte_carlo'"
        )
    return _scalar_map(activation)


@cache
def _scalar_map(activation: Activation) -> ScalarMap:
    value = compile_activation(activation, "numpy")
    kinks = tuple(sorted({float(kink) for kink in activation.kinks}))
    is_singular = any(
        node.exp.is_integer is not True and node.base.has(activation.z)
        for node in activation.expr.atoms(sympy.Pow)
        if not node.exp.has(activation.z)
    )
    points, steps = np.array(kinks), 1e-9 * np.maximum(1.0, np.abs(kinks))
    sides = zip(value(points - steps), value(points + steps), strict=True)
    # A continuous map moves by far less than this over such a step, except a root steeper than z**(1/3).
    jumps = tuple(
        kink for kink, (left, right) in zip(kinks, sides, strict=True) if abs(right - left) > 1e-3 * (1 + abs(left))
    )
    return ScalarMap(value, _derivative(activation), kinks, is_singular, jumps, _degree(activation))


def _degree(activation: Activation) -> int | None:
    form = activation.power_form
    if form is not None:
        return int(form.exponent) if form.exponent.is_integer and form.exponent >= 0 else None
    pieces = activation.expr.rewrite(sympy.Piecewise)
    if not pieces.has(sympy.Piecewise):
        parts = [pieces]
    else:
        folded = sympy.piecewise_fold(pieces)
        parts = [part for part, _ in folded.args] if isinstance(folded, sympy.Piecewise) else [folded]
    if not all(part.is_polynomial(activation.z) for part in parts):
        return None
    return max(int(sympy.degree(part, activation.z)) if part.has(activation.z) else 0 for part in parts)


def _derivative(activation: Activation) -> Callable[[Array], Array]:
    form = activation.power_form
    if form is not None:
        exponent, positive, negative = float(form.exponent), float(form.positive), float(form.negative)

        def homogeneous(z: Array) -> Array:
            size = np.abs(z)
            with np.errstate(divide="ignore"):
                slope = np.where(size > 0, size, 1.0 if exponent < 1 else 0.0) ** (exponent - 1)
            return exponent * slope * np.where(z > 0, positive, np.where(z < 0, -negative, 0.0))

        return homogeneous
    compiled = compile_expression(slope_expression(activation), activation.z)

    def derivative(z: Array) -> Array:
        # 0 * infinity on a flat branch, as in the derivative of max(0, z)**(1/2) for z < 0.
        return np.nan_to_num(compiled(z), nan=0.0, posinf=0.0, neginf=0.0)

    return derivative


@cache
def polynomial_coefficients(activation: Activation) -> tuple[sympy.Expr, ...] | None:
    """Exact coefficients a_0 .. a_k of a polynomial sigma(z) = sum_r a_r z**r; None where sigma is no polynomial."""
    if not activation.is_elementwise or activation.parameters or not activation.expr.is_polynomial(activation.z):
        return None
    return tuple(reversed(sympy.Poly(activation.expr, activation.z).all_coeffs()))
