"""Activations by name: each one defined once, as a formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import sympy

from theory.activations import (
    Activation,
    Reduction,
    elementwise,
    isotropic_from_profile,
    power,
    r,
    rectified_power,
    signed_power,
    z,
)
from theory.arguments import InputError, exact, one_of
from theory.parsing import parse_expression, parse_number
from theory.special import sigmoid, softplus

__all__ = ["activation", "activation_names", "isotropic", "leaky_relu"]

_largest, _total = sympy.Symbol("M", real=True), sympy.Symbol("S", positive=True)
_SOFTMAX = (Reduction(_largest, "max", z), Reduction(_total, "sum", sympy.exp(z - _largest)))
_softmax = sympy.exp(z - _largest) / _total
_clip = lambda low, high, u: sympy.Max(low, sympy.Min(high, u))  # noqa: E731
_below = lambda bound, then, otherwise: sympy.Piecewise((then, z <= bound), (otherwise, True))  # noqa: E731
_q = sympy.Rational

# Constants of SELU: the fixed point of mean 0 and variance 1 (Klambauer et al. 2017, arXiv 1706.02515, eq. 14).
_SELU_SCALE, _SELU_ALPHA = _q("1.0507009873554805"), _q("1.6732632423543772")

_ELEMENTWISE: Mapping[str, Callable[[], sympy.Expr]] = {
    "linear": lambda: z,
    "abs": lambda: sympy.Abs(z),
    "leaky_relu": lambda: sympy.Max(0, z) + _q(1, 100) * sympy.Min(0, z),
    "relu6": lambda: _clip(0, 6, z),
    "hardtanh": lambda: _clip(-1, 1, z),
    "hardsigmoid": lambda: _clip(0, 1, z / 6 + _q(1, 2)),
    "hardswish": lambda: z * _clip(0, 1, z / 6 + _q(1, 2)),
    "softshrink": lambda: sympy.Max(0, z - _q(1, 2)) + sympy.Min(0, z + _q(1, 2)),
    "hardshrink": lambda: sympy.Piecewise((z, sympy.Abs(z) > _q(1, 2)), (0, True)),
    "sign": lambda: sympy.sign(z),
    "heaviside": lambda: sympy.Heaviside(z, _q(1, 2)),
    "sigmoid": lambda: sigmoid(z),
    "logsigmoid": lambda: -softplus(-z),
    "softplus": lambda: softplus(z),
    "silu": lambda: z * sigmoid(z),
    "mish": lambda: z * sympy.tanh(softplus(z)),
    "gelu": lambda: z * (1 + sympy.erf(z / sympy.sqrt(2))) / 2,
    "gelu_tanh": lambda: z * (1 + sympy.tanh(sympy.sqrt(2 / sympy.pi) * (z + _q("0.044715") * z**3))) / 2,
    "tanh": lambda: sympy.tanh(z),
    "tanhshrink": lambda: z - sympy.tanh(z),
    "softsign": lambda: z / (1 + sympy.Abs(z)),
    "arctan": lambda: sympy.atan(z),
    "erf": lambda: sympy.erf(z),
    "elu": lambda: _below(0, sympy.exp(z) - 1, z),
    "selu": lambda: _SELU_SCALE * _below(0, _SELU_ALPHA * (sympy.exp(z) - 1), z),
    "celu": lambda: _below(0, 2 * (sympy.exp(z / 2) - 1), z),
    "sin": lambda: sympy.sin(z),
    "cos": lambda: sympy.cos(z),
    "exp": lambda: sympy.exp(z),
    "gaussian": lambda: sympy.exp(-(z**2)),
    "snake": lambda: z + sympy.sin(z) ** 2,
}
_OTHERS: Mapping[str, Callable[[], Activation]] = {
    "relu": lambda: Activation("relu", rectified_power(1).expr),
    "softmax": lambda: Activation("softmax", _softmax, _SOFTMAX),
    "solu": lambda: Activation("solu", z * _softmax, _SOFTMAX),
    "isotropic_tanh": lambda: isotropic_from_profile(sympy.tanh(r), "isotropic:tanh"),
    "isotropic_relu": lambda: isotropic_from_profile(sympy.Max(0, r - 1), "isotropic:relu"),
}
_ALIASES = {"identity": "linear", "swish": "silu", "logistic": "sigmoid", "rectifier": "relu", "gelu_erf": "gelu"}
_FAMILIES: Mapping[str, Callable[[Any], Activation]] = {
    "power": power,
    "rectified_power": rectified_power,
    "signed_power": signed_power,
    "leaky_relu": lambda slope: leaky_relu(slope),
    "isotropic": lambda profile: isotropic(profile),
}


def activation_names() -> tuple[str, ...]:
    """The registered names, elementwise first."""
    return (*_ELEMENTWISE, *_OTHERS)


def activation(spec: Any) -> Activation:
    """An activation from its name, a family, a formula or a sympy expression.

    Args:
        spec: an `Activation` (returned as it is); a registered name such as "relu" or "isotropic-tanh"; a family
            with its parameter, "power:2", "rectified-power:1.5", "signed-power:3", "leaky-relu:0.1",
            "isotropic:tanh"; a safe formula in z such as "max(0, z)**2"; or a sympy expression in one symbol.

    Raises:
        InputError: unknown name, parameter out of range or unreadable formula. Text is never executed.
    """
    if isinstance(spec, Activation):
        return spec
    if isinstance(spec, sympy.Expr):
        return elementwise(spec)
    if not isinstance(spec, str):
        raise InputError(f"activation={spec!r} must be a name, a formula in z or a sympy expression")
    word = _normal(spec)
    family, colon, parameter = spec.partition(":")
    if colon and family.strip().replace("-", "_").isidentifier():
        return _from_family(_normal(family), parameter.strip())
    if word in activation_names() or word in _ALIASES:
        return _registered(_ALIASES.get(word, word))
    if spec.strip()[:1].isalpha() and spec.strip().replace("-", "_").isidentifier() and word != "z":
        one_of("activation", spec.strip(), [*activation_names(), *_ALIASES])
    return elementwise(parse_expression(spec, {"z": z}, "activation"), name=spec.strip())


def isotropic(profile: Any) -> Activation:
    """The isotropic map f(x) = rho(|x|) x/|x| with f(0) = 0; its equivariance group contains O(n).

    Args:
        profile: "tanh", "relu" (rho(r) = max(0, r - 1); without a threshold it would be the identity), any other
            registered elementwise activation, a formula in r or z, or a sympy expression in one symbol.

    Raises:
        InputError: not a function of one radius.
    """
    if isinstance(profile, str):
        word = _normal(profile)
        if f"isotropic_{word}" in _OTHERS:
            return _registered(f"isotropic_{word}")
        if word in _ELEMENTWISE or word in _ALIASES:
            return isotropic_from_profile(activation(word).expr, f"isotropic:{word}")
        expr = parse_expression(profile, {"r": r, "z": r}, "profile")
        return isotropic_from_profile(expr, f"isotropic:{profile.strip()}")
    if isinstance(profile, Activation) and profile.is_elementwise:
        return isotropic_from_profile(profile.expr, f"isotropic:{profile.name}")
    if isinstance(profile, sympy.Expr):
        return isotropic_from_profile(profile, f"isotropic:{profile}")
    raise InputError(f"profile={profile!r} must be a name, a formula in r or a sympy expression")


def leaky_relu(slope: Any = 0.01) -> Activation:
    """max(0, z) + slope min(0, z); slope may be a number or a real symbol."""
    s = exact("slope", slope)
    return Activation(f"leaky-relu:{s}", sympy.Max(0, z) + s * sympy.Min(0, z))


@cache
def _registered(name: str) -> Activation:
    return _OTHERS[name]() if name in _OTHERS else Activation(name, _ELEMENTWISE[name]())


def _from_family(family: str, parameter: str) -> Activation:
    one_of("activation family", family, _FAMILIES)
    if family == "isotropic":
        return isotropic(parameter)
    return _FAMILIES[family](parse_number(parameter, f"parameter of {family}"))


def _normal(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")
