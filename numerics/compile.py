"""Numeric forms of an activation, compiled from its symbolic one: numpy arrays, torch tensors, mpmath numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import cache, reduce
from typing import Any

import numpy as np
import sympy

from theory import Activation, InputError
from theory.activations import r as radius
from theory.arguments import one_of
from theory.evaluation import Operations, Program

__all__ = [
    "compile_activation",
    "compile_expression",
    "compile_with_slope",
    "mpmath_operations",
    "numpy_operations",
    "slope_expression",
    "torch_operations",
]


def compile_expression(expression: sympy.Expr, *symbols: sympy.Symbol, backend: str = "numpy") -> Callable[..., Any]:
    """A function of arrays (one per symbol) that evaluates `expression` entry by entry.

    Args:
        expression: any sympy expression in the symbols.
        backend: "numpy", "torch" or "mpmath".

    Raises:
        InputError: unknown backend, or an expression without numeric form.
    """
    operations = _TABLES[one_of("backend", backend, _TABLES)]
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
    return _compiled_activation(activation, one_of("backend", backend, _TABLES))


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
    reducers = _REDUCERS[backend]
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


@cache
def numpy_operations() -> Operations:
    """Operations on numpy arrays."""
    from scipy import special

    def power(base: Any, exponent: Any) -> Any:
        if isinstance(exponent, sympy.Expr):
            if exponent.is_Integer:
                return np.power(np.asarray(base, dtype=np.result_type(base, np.float32)), int(exponent))
            if exponent == sympy.Rational(1, 2):
                return np.sqrt(base)
            exponent = float(exponent)
        return np.power(np.asarray(base, dtype=np.result_type(base, np.float32)), exponent)

    def piecewise(*pairs: Any) -> Any:
        result: Any = np.nan
        for value, condition in reversed(pairs):
            result = value if condition is True else np.where(condition, value, result)
        return result

    return {
        **_ARITHMETIC,
        "constant": _float_constant,
        "power": power,
        "piecewise": piecewise,
        "abs": np.abs,
        "max": lambda *v: reduce(np.maximum, v),
        "min": lambda *v: reduce(np.minimum, v),
        "heaviside": np.heaviside,
        "sign": np.sign,
        "erf": special.erf,
        "sigmoid": special.expit,
        "softplus": lambda v: np.logaddexp(0, v),
        "and": lambda *v: reduce(np.logical_and, v),
        "or": lambda *v: reduce(np.logical_or, v),
        "not": np.logical_not,
        "asinh": np.arcsinh,
        "acosh": np.arccosh,
        "atan": np.arctan,
        **{name: getattr(np, name) for name in ("cos", "cosh", "exp", "log", "sin", "sinh", "tan", "tanh")},
    }


@cache
def torch_operations() -> Operations:
    """Operations on torch tensors, with gradients that stay finite where the function is."""
    import torch

    def tensors(values: tuple[Any, ...]) -> list[Any]:
        like = next((v for v in values if isinstance(v, torch.Tensor)), None)
        if like is None:
            # Nothing says which precision is wanted; the caller rounds what comes of it.
            return [torch.as_tensor(v, dtype=torch.float64) for v in values]
        return [
            v if isinstance(v, torch.Tensor) else torch.as_tensor(v, dtype=like.dtype, device=like.device)
            for v in values
        ]

    def power(base: Any, exponent: Any) -> Any:
        if not isinstance(base, torch.Tensor) or not isinstance(exponent, sympy.Expr):
            return base**exponent
        if exponent.is_Integer:
            return base ** int(exponent)
        # d/du max(0, u)**a is infinite at 0 for a < 1 and would meet a zero factor: take the power off zero only.
        positive = base > 0
        at_zero = torch.where(base == 0, 0.0 if exponent > 0 else torch.inf, torch.nan).to(base.dtype)
        return torch.where(positive, torch.where(positive, base, torch.ones_like(base)) ** float(exponent), at_zero)

    def piecewise(*pairs: Any) -> Any:
        result: Any = None
        for value, condition in reversed(pairs):
            if condition is True:
                result = value
            else:
                other = torch.nan if result is None else result
                a, b = tensors((value, other))
                result = torch.where(condition, a, b)
        return result

    def heaviside(v: Any, at_zero: Any) -> Any:
        if isinstance(v, torch.Tensor) and at_zero == 0.5:
            # torch.heaviside is not vectorised: fifty times slower.
            return torch.sign(v).mul_(0.5).add_(0.5)
        return torch.heaviside(*tensors((v, at_zero)))

    def on_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *values: reduce(function, tensors(values))

    return {
        **_ARITHMETIC,
        "constant": _float_constant,
        "power": power,
        "piecewise": piecewise,
        "max": on_tensors(torch.maximum),
        "min": on_tensors(torch.minimum),
        "heaviside": heaviside,
        "softplus": lambda v: torch.logaddexp(v, torch.zeros_like(v)),
        "and": on_tensors(torch.logical_and),
        "or": on_tensors(torch.logical_or),
        "not": torch.logical_not,
        **{
            name: getattr(torch, name)
            for name in (
                "abs",
                "acosh",
                "asinh",
                "atan",
                "cos",
                "cosh",
                "erf",
                "exp",
                "log",
                "sigmoid",
                "sign",
                "sin",
                "sinh",
                "tan",
                "tanh",
            )
        },
    }


@cache
def mpmath_operations() -> Operations:
    """Operations on mpmath numbers, at the working precision of the moment."""
    import mpmath

    def constant(value: Any) -> Any:
        return (
            bool(value)
            if value in (sympy.true, sympy.false)
            else mpmath.mpf(value._to_mpmath(mpmath.mp.prec))
            if value.is_Atom
            else mpmath.mpmathify(sympy.N(value, mpmath.mp.dps + 5))
        )

    def power(base: Any, exponent: Any) -> Any:
        if isinstance(exponent, sympy.Expr):
            exponent = int(exponent) if exponent.is_Integer else constant(exponent)
        return mpmath.mpf(0) if base == 0 and exponent > 0 else base**exponent

    return {
        **_ARITHMETIC,
        "constant": constant,
        "power": power,
        "piecewise": lambda *pairs: next(value for value, condition in pairs if condition),
        "abs": abs,
        "max": max,
        "min": min,
        "heaviside": lambda v, at_zero: at_zero if v == 0 else mpmath.mpf(v > 0),
        "sign": mpmath.sign,
        "sigmoid": lambda v: 1 / (1 + mpmath.exp(-v)),
        "softplus": lambda v: mpmath.log1p(mpmath.exp(v)),
        "and": lambda *v: all(v),
        "or": lambda *v: any(v),
        "not": lambda v: not v,
        **{
            name: getattr(mpmath, name)
            for name in ("acosh", "asinh", "atan", "cos", "cosh", "erf", "exp", "log", "sin", "sinh", "tan", "tanh")
        },
    }


@cache
def _float_constant(value: Any) -> Any:
    # Cached: sympy takes as long to round sqrt(2) as torch takes for an array of a hundred thousand numbers.
    return bool(value) if value in (sympy.true, sympy.false) else float(value)


def _norm_numpy(v: np.ndarray) -> np.ndarray:
    scale = np.max(np.abs(v), axis=-1, keepdims=True)
    safe = np.where((scale > 0) & np.isfinite(scale), scale, 1)
    return safe * np.sqrt(np.sum((v / safe) ** 2, axis=-1, keepdims=True))


def _norm_torch(v: Any) -> Any:
    import torch

    # The largest entry is divided out: squares of float32 overflow from 2e19 and vanish below 1e-23.
    scale = v.detach().abs().amax(-1, keepdim=True)
    scale = scale.masked_fill((scale == 0) | ~scale.isfinite(), 1.0)
    return scale * torch.linalg.vector_norm(v / scale, dim=-1, keepdim=True)


def _product(*factors: Any) -> Any:
    # Constants first: each would cost a pass over the array.
    return reduce(operator.mul, sorted(factors, key=lambda factor: not isinstance(factor, float)))


_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    "add": lambda *v: reduce(lambda a, b: a + b, v),
    "mul": _product,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
}


_REDUCERS: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
    "numpy": {
        "sum": lambda v: np.sum(v, axis=-1, keepdims=True),
        "max": lambda v: np.max(v, axis=-1, keepdims=True),
        "norm": _norm_numpy,
    },
    "torch": {
        "sum": lambda v: v.sum(-1, keepdim=True),
        "max": lambda v: v.amax(-1, keepdim=True),
        "norm": _norm_torch,
    },
}
_TABLES: Mapping[str, Callable[[], Operations]] = {
    "numpy": numpy_operations,
    "torch": torch_operations,
    "mpmath": mpmath_operations,
}
