"""What the operations of a compiled expression are on numpy arrays, torch tensors and mpmath numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import cache, reduce
from typing import Any

import numpy as np
import sympy

from theory.evaluation import Operations

__all__ = ["OPERATIONS", "REDUCERS", "mpmath_operations", "numpy_operations", "torch_operations"]


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
            # torch.heaviside is not vectorised.
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
    # Cached: sympy is slow to round sqrt(2), and programs run at every step of a training.
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


REDUCERS: Mapping[str, Mapping[str, Callable[[Any], Any]]] = {
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
OPERATIONS: Mapping[str, Callable[[], Operations]] = {
    "numpy": numpy_operations,
    "torch": torch_operations,
    "mpmath": mpmath_operations,
}
