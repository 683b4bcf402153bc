"""The symbolic form of a torch activation: what is seen of the module in floats can be proved of its formula."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import sympy

from theory import Activation, Layer, layer
from theory.activations import z
from theory.layers import as_map
from theory.registry import leaky_relu
from theory.special import softplus

__all__ = ["symbolic_form"]

_NAMES = {
    "Identity": "linear", "ReLU": "relu", "ReLU6": "relu6", "Hardsigmoid": "hardsigmoid", "Hardswish": "hardswish",
    "Tanhshrink": "tanhshrink", "Tanh": "tanh", "Softsign": "softsign", "Sigmoid": "sigmoid",
    "LogSigmoid": "logsigmoid", "SiLU": "silu", "Mish": "mish", "SELU": "selu",
}  # fmt: skip
_FUNCTIONS = {
    "torch": ("tanh", "sigmoid", "relu", "selu", "erf", "sin", "cos", "exp", "abs", "sign", "arctan"),
    "torch.nn.functional": (
        "tanh", "sigmoid", "relu", "relu6", "hardsigmoid", "hardswish", "tanhshrink", "softsign", "logsigmoid",
        "silu", "mish", "selu", "gelu",
    ),
    "numpy": ("tanh", "sin", "cos", "exp", "abs", "sign", "arctan"),
}  # fmt: skip


def symbolic_form(f: Any, n: int) -> Activation | Layer | None:
    """The formula that torch documents for one of its activation modules (or a plain function of torch or numpy).

    Decimal arguments are read as decimals: LeakyReLU(0.01) has the slope 1/100. Evaluation mode: RReLU has its mean
    slope. Dropout is the identity.

    Args:
        f: a module or a function.
        n: the dimension of the vectors that it acts on.

    Returns:
        None for anything else, and where a map has weights (an affine LayerNorm, a PReLU with several slopes).
    """
    rule = _RULES.get(type(f).__name__) if (type(f).__module__ or "").startswith("torch.nn.modules") else None
    if rule is not None:
        return rule(f, n)
    for home, names in _FUNCTIONS.items():
        module = sys.modules.get(home)
        for name in names if module is not None else ():
            if f is getattr(module, name, None):
                return as_map(name)
    return None


def _number(value: Any) -> sympy.Rational:
    """The decimal that prints like this float."""
    return sympy.Rational(repr(float(value)))


def _below(bound: Any, then: sympy.Expr, otherwise: sympy.Expr) -> sympy.Expr:
    return sympy.Piecewise((then, z <= bound), (otherwise, True))


def _named(key: str) -> Callable[[Any, int], Activation | Layer | None]:
    return lambda f, n: as_map(key)


def _prelu(f: Any, n: int) -> Activation | None:
    # A trained number, not a decimal that somebody wrote: taken at its exact binary value.
    return leaky_relu(sympy.Rational(float(f.weight.detach()[0]))) if f.num_parameters == 1 else None


def _softplus(f: Any, n: int) -> Activation | None:
    beta, threshold = _number(f.beta), _number(f.threshold)
    if beta <= 0:
        return None
    # torch switches to the identity where beta z > threshold, a jump of about exp(-threshold)/beta.
    expr = sympy.Piecewise((softplus(beta * z) / beta, z <= threshold / beta), (z, True))
    return Activation(f"softplus(beta={beta}, threshold={threshold})", expr)


def _softshrink(f: Any, n: int) -> Activation:
    bound = _number(f.lambd)
    return Activation(f"softshrink:{bound}", sympy.Max(0, z - bound) + sympy.Min(0, z + bound))


def _hardshrink(f: Any, n: int) -> Activation:
    bound = _number(f.lambd)
    return Activation(f"hardshrink:{bound}", sympy.Piecewise((z, sympy.Abs(z) > bound), (0, True)))


def _hardtanh(f: Any, n: int) -> Activation:
    low, high = _number(f.min_val), _number(f.max_val)
    return Activation(f"hardtanh({low}, {high})", sympy.Max(low, sympy.Min(high, z)))


def _threshold(f: Any, n: int) -> Activation:
    bound, value = _number(f.threshold), _number(f.value)
    return Activation(f"threshold({bound}, {value})", sympy.Piecewise((z, z > bound), (value, True)))


def _elu(f: Any, n: int) -> Activation:
    alpha = _number(f.alpha)
    return Activation(f"elu:{alpha}", _below(0, alpha * (sympy.exp(z) - 1), z))


def _celu(f: Any, n: int) -> Activation:
    alpha = _number(f.alpha)
    return Activation(f"celu:{alpha}", _below(0, alpha * (sympy.exp(z / alpha) - 1), z))


def _along_last(name: str, **options: Any) -> Callable[[Any, int], Layer | None]:
    return lambda f, n: layer(name, **options) if f.dim in (-1, 0) else None


def _layer_norm(f: Any, n: int) -> Layer | None:
    fits = tuple(f.normalized_shape) == (n,) and not f.elementwise_affine
    return layer("layer_norm", eps=_number(f.eps)) if fits else None


def _rms_norm(f: Any, n: int) -> Layer | None:
    fits = tuple(f.normalized_shape) == (n,) and not f.elementwise_affine and f.eps is not None
    return layer("rms_norm", eps=_number(f.eps)) if fits else None


_RULES: Mapping[str, Callable[[Any, int], Activation | Layer | None]] = {
    **{name: _named(key) for name, key in _NAMES.items()},
    **dict.fromkeys(("Dropout", "AlphaDropout", "FeatureAlphaDropout"), _named("linear")),
    "LeakyReLU": lambda f, n: leaky_relu(_number(f.negative_slope)),
    "PReLU": _prelu,
    "RReLU": lambda f, n: leaky_relu((_number(f.lower) + _number(f.upper)) / 2),
    "Threshold": _threshold,
    "Hardtanh": _hardtanh,
    "Hardshrink": _hardshrink,
    "Softshrink": _softshrink,
    "Softplus": _softplus,
    "GELU": lambda f, n: as_map("gelu" if f.approximate == "none" else "gelu_tanh"),
    "ELU": _elu,
    "CELU": _celu,
    "Softmax": _along_last("softmax"),
    "Softmin": _along_last("softmax", temperature=-1),
    "LogSoftmax": _along_last("log_softmax"),
    "LayerNorm": _layer_norm,
    "RMSNorm": _rms_norm,
}
