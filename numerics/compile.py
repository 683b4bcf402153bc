"""Numeric forms of an activation, compiled from its symbolic one: numpy arrays, torch tensors, mpmath numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy

from numerics.operations import OPERATIONS, REDUCERS, mpmath_operations, torch_operations
from theory import Activation, InputError
from theory.activations import r as radius
from theory.arguments import one_of
from theory.evaluation import Program

__all__ = [
    "compile_activation",
    "compile_expression",
    "compile_with_slope",
    "slope_expression",
]


def compile_expression(expression: sympy.Expr, *symbols: sympy.Symbol, backend: str = "numpy") -> Callable[..., Any]:
    """A function of arrays (one per symbol) that evaluates `expression` entry by entry.

    Args:
        expression: any sympy expression in the symbols.
        backend: "numpy", "torch" or "mpmath".

    Raises:
        InputError: unknown backend, or an expression without numeric form.
    """
    operations = OPERATIONS[one_of("backend", backend, OPERATIONS)]
    program = Program([expression], symbols)

    def evaluate(*values: Any) -> Any:
        if backend == "numpy":
            values = tuple(np.asarray(value) for value in values)
            # Branches that `where` discards may overflow or divide by zero; the kept ones are finite.
            with np.errstate(all="ignore"):
                (result,) = program.run(operations(), *values)
            return (
                result
                if np.shape(result) == np.shape(values[0])
                else np.broadcast_to(result, np.shape(values[0])) + 0.0
            )
        (result,) = program.run(operations(), *values)
        return _like(values[0], result) if backend == "torch" else result

    return evaluate


def compile_activation(activation: Activation, backend: str = "numpy") -> Callable[[Any], Any]:
    """The activation as a function of an array of shape (..., n), acting on the last axis.

    Elementwise maps take any shape, scalars included. mpmath forms take a sequence of n numbers.

    Raises:
        InputError: unknown backend, or free parameters (a symbolic exponent) left in the activation.
    """
    if activation.parameters:
        names = ", ".join(sorted(map(str, activation.parameters)))
        raise InputError(f"activation {activation.name!r} has the free parameters {names}; substitute numbers first")
    return _compiled_activation(activation, one_of("backend", backend, OPERATIONS))


def _like(z: Any, result: Any) -> Any:
    """A result in the form of the tensor z, on which it may not depend (a constant, or a choice between constants)."""
    return result.to(z.dtype) if hasattr(result, "dtype") else z * 0 + result


def slope_expression(activation: Activation) -> sympy.Expr:
    """sigma'(z) of an elementwise activation away from its kinks; a jump has the slope of its sides."""
    slope = activation.expr.diff(activation.z)
    return slope.replace(lambda node: isinstance(node, sympy.DiracDelta), lambda node: sympy.Integer(0))


@cache
def compile_with_slope(activation: Activation) -> Callable[[Any], tuple[Any, Any]]:
    """z -> (sigma(z), sigma'(z)) on torch tensors, in one pass that shares subexpressions and needs no autograd.

    At a kink the slope is the mean of both sides (relu) or that of one of them (elu); where it has no finite value (the
    square root at 0) it is 0, as in the gradients of `compile_activation`.

    Args:
        activation: elementwise, without free parameters.

    Raises:
        InputError: free parameters, or an activation that is not elementwise.
    """
    if not activation.is_elementwise:
        raise InputError(f"activation {activation.name!r} is not elementwise: it has a Jacobian, not a slope")
    compile_activation(activation, "torch")  # Refuses free parameters.
    slope = slope_expression(activation)
    program = Program([activation.expr, slope], [activation.z])
    powers = [node for node in slope.atoms(sympy.Pow) if node.has(activation.z)]
    singular = any(not node.exp.is_nonnegative or not node.exp.is_integer for node in powers)

    def evaluate(z: Any) -> tuple[Any, Any]:
        value, slope = program.run(torch_operations(), z)
        value, slope = _like(z, value), _like(z, slope)
        return value, slope.nan_to_num(0.0, 0.0, 0.0) if singular else slope

    return evaluate


@cache
def _compiled_activation(activation: Activation, backend: str) -> Callable[[Any], Any]:
    if backend == "mpmath":
        return _mpmath_activation(activation)
    if activation.is_elementwise:
        return compile_expression(activation.expr, activation.z, backend=backend)
    reducers = REDUCERS[backend]
    summands = [
        compile_expression(r.summand, activation.z, *[s.symbol for s in activation.reductions[:i]], backend=backend)
        for i, r in enumerate(activation.reductions)
    ]
    final = compile_expression(
        activation.expr, activation.z, *[r.symbol for r in activation.reductions], backend=backend
    )

    slope = _slope_at_origin(activation) if backend == "torch" else None
    constant = [backend == "torch" and _only_a_shift(activation, k) for k in range(len(activation.reductions))]

    def evaluate(x: Any) -> Any:
        if backend == "numpy":
            x = np.asarray(x, dtype=np.result_type(x, np.float32))
        found: list[Any] = []
        for reduction, summand, is_constant in zip(activation.reductions, summands, constant, strict=True):
            reduced = reducers[reduction.operation](summand(x.detach() if is_constant else x, *found))
            found.append(reduced)
        if backend == "torch" and activation.profile is not None:
            # rho(r)/r has no gradient at r = 0, where autograd carries its NaN through the branch not taken, and its
            # derivative overflows where r^2 vanishes: there f(x) is rho'(0) x to rounding.
            at_origin = found[0] == 0 if slope is None else found[0] < _smallest_radius(found[0])
            away = final(x, found[0].masked_fill(at_origin, 1.0))
            return away.where(~at_origin, x * slope) if slope else away.masked_fill(at_origin, 0.0)
        return final(x, *found)

    return evaluate


def _only_a_shift(activation: Activation, k: int) -> bool:
    """Whether the output does not depend on the k-th reduction, as softmax does not on the maximum it subtracts.

    Then its gradient, which autograd would carry through several passes, adds up to zero: that of f through R and
    through later sums S = sum_j s(z_j, R) with ds/dR = c s is df/dR + sum_S c S df/dS.
    """
    reduction, later = activation.reductions[k], activation.reductions[k + 1 :]
    R = reduction.symbol
    total = activation.expr.diff(R)
    for other in later:
        rate = sympy.simplify(other.summand.diff(R) / other.summand)
        if other.operation != "sum" or rate.free_symbols or other.summand.has(*(r.symbol for r in later)):
            return False
        total += rate * other.symbol * activation.expr.diff(other.symbol)
    return bool(later) and sympy.simplify(total) == 0


def _slope_at_origin(activation: Activation) -> float | None:
    """rho'(0) of an isotropic map, its derivative at the origin; None where rho(r)/r has no finite limit."""
    if activation.profile is None:
        return None
    near, nearer = (
        sympy.N((activation.profile / radius).subs(radius, sympy.Rational(1, 10**digits)), 40) for digits in (60, 90)
    )
    settled = near.is_Number and nearer.is_Number and abs(near - nearer) <= 1e-12 * (1 + abs(near))
    return float(nearer) if settled else None


def _smallest_radius(r: Any) -> float:
    import torch

    return float(torch.finfo(r.dtype).tiny ** 0.4)


def _mpmath_activation(activation: Activation) -> Callable[[Any], Any]:
    operations = mpmath_operations()

    def evaluate(x: Any) -> Any:
        entries = [v if isinstance(v, sympy.Expr) else sympy.Float(v, 60) for v in x]
        return list(Program(activation.on(entries), []).run(operations))

    if activation.is_elementwise:
        function = compile_expression(activation.expr, activation.z, backend="mpmath")
        return lambda x: function(x) if not hasattr(x, "__len__") else [function(v) for v in x]
    return evaluate
