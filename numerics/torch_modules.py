"""The symbolic form of torch's own activation modules, with the parameters they were built with.

A module is recognised by its exact class: a subclass may compute anything. Forms are those of evaluation mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import sympy

from theory import Activation, InputError, Layer, activation, layer, leaky_relu
from theory.activations import elementwise, z
from theory.arguments import exact
from theory.special import softplus

if TYPE_CHECKING:
    from torch import nn

__all__ = ["recognised_modules", "symbolic_form", "torch_class"]

LAST_AXIS = "give dim=-1, the last axis, so that it is a map of one vector"


def symbolic_form(module: nn.Module) -> Activation | Layer | None:
    """The map of one vector that a torch activation or normalisation module computes in evaluation mode, as a formula.

    Elementwise modules become an `Activation`, those that couple entries a `Layer` on the last axis (without the bias
    that LayerNorm adds). Options are read as the decimals they print as (a slope of 0.01 is 1/100), trained
    numbers (the slope of PReLU, gains) as the binary fractions they are.

    Args:
        module: an instance of a class of `torch.nn`.

    Returns:
        The form, or None where the class is none of `recognised_modules()`.

    Raises:
        InputError: the module is no single map of one vector: a softmax over another axis, a PReLU with one slope per
            channel, a norm over several axes.

    Source: the definitions in torch's documentation of each class; checked against torch in the tests.
    """
    name = torch_class(module)
    return _FORMS[name](module) if name is not None and name in _FORMS else None


def recognised_modules() -> tuple[str, ...]:
    """The names in `torch.nn` of the classes that have a symbolic form."""
    return tuple(_FORMS)


def torch_class(module: nn.Module) -> str | None:
    """The name in `torch.nn` of the module's exact class; None for every other class, subclasses included."""
    from torch import nn

    name = type(module).__name__
    return name if getattr(nn, name, None) is type(module) else None


def _fixed(name: str) -> Callable[[Any], Activation]:
    return lambda module: activation(name)


def _rectifier(slope: Any) -> Activation:
    """The identity above 0 and `slope` times it below."""
    s = exact("slope", slope)
    return activation("relu") if s == 0 else activation("linear") if s == 1 else leaky_relu(s)


def _leaky(module: Any) -> Activation:
    return _rectifier(module.negative_slope)


def _prelu(module: Any) -> Activation:
    slopes = {sympy.Rational(slope) for slope in module.weight.detach().flatten().tolist()}
    if len(slopes) > 1:
        raise InputError(
            f"PReLU has {module.weight.numel()} slopes that differ; it is not one function of every entry: audit it"
            " with verify.audit_network"
        )
    return _rectifier(slopes.pop())


def _rrelu(module: Any) -> Activation:
    return _rectifier((exact("lower", module.lower) + exact("upper", module.upper)) / 2)


def _threshold(module: Any) -> Activation:
    level, value = exact("threshold", module.threshold), exact("value", module.value)
    if level == value == 0:
        return activation("relu")
    return elementwise(sympy.Piecewise((z, z > level), (value, True)), f"where(z > {level}, z, {value})")


def _hardtanh(module: Any) -> Activation:
    low, high = exact("min_val", module.min_val), exact("max_val", module.max_val)
    if (low, high) == (-1, 1):
        return activation("hardtanh")
    return elementwise(sympy.Max(low, sympy.Min(high, z)), f"max({low}, min({high}, z))")


def _hardshrink(module: Any) -> Activation:
    bound = exact("lambd", module.lambd)
    if bound < 0:
        return activation("linear")
    return elementwise(sympy.Piecewise((z, sympy.Abs(z) > bound), (0, True)), f"hardshrink, lambda {bound}")


def _softshrink(module: Any) -> Activation:
    bound = exact("lambd", module.lambd)
    return elementwise(sympy.Max(0, z - bound) + sympy.Min(0, z + bound), f"softshrink, lambda {bound}")


def _softplus(module: Any) -> Activation:
    beta, threshold = exact("beta", module.beta), exact("threshold", module.threshold)
    if beta == 0:
        raise InputError("Softplus has beta=0; give a beta that is not 0")
    # Beyond the threshold torch returns the entry itself: a jump of log(1 + e^-threshold)/beta, 2e-9 by default.
    body = sympy.Piecewise((z, beta * z > threshold), (softplus(beta * z) / beta, True))
    usual = (beta, threshold) == (1, 20)
    return elementwise(body, "softplus" if usual else f"softplus, beta {beta}, threshold {threshold}")


def _elu(module: Any) -> Activation:
    alpha = exact("alpha", module.alpha)
    if alpha == 1:
        return activation("elu")
    return elementwise(sympy.Piecewise((alpha * (sympy.exp(z) - 1), z <= 0), (z, True)), f"elu, alpha {alpha}")


def _celu(module: Any) -> Activation:
    alpha = exact("alpha", module.alpha)
    if alpha == 1:
        return activation("elu")
    body = sympy.Max(0, z) + sympy.Min(0, alpha * (sympy.exp(z / alpha) - 1))
    return elementwise(body, f"celu, alpha {alpha}")


def _gelu(module: Any) -> Activation:
    return activation("gelu" if module.approximate == "none" else "gelu_tanh")


def _over_last_axis(key: str, **options: Any) -> Callable[[Any], Layer]:
    def build(module: Any) -> Layer:
        # dim = None lets torch choose: the last axis of a vector or of a batch of vectors.
        if getattr(module, "dim", -1) not in (-1, None):
            raise InputError(f"{type(module).__name__} acts over dim={module.dim}; {LAST_AXIS}")
        return layer(key, **options)

    return build


def _normalisation(key: str) -> Callable[[Any], Layer]:
    def build(module: Any) -> Layer:
        if len(module.normalized_shape) != 1:
            shape = tuple(module.normalized_shape)
            raise InputError(f"{type(module).__name__} has normalized_shape={shape}; give the size of the last axis")
        eps = module.eps
        if eps is None:
            import torch

            # RMSNorm without an eps uses the spacing of the numbers it is given: double precision in an audit.
            eps = torch.finfo(torch.float64).eps
        gain = None if module.weight is None else [sympy.Rational(value) for value in module.weight.detach().tolist()]
        if gain is not None and all(value == 1 for value in gain):
            gain = None
        return layer(key, eps=eps, gain=gain)

    return build


_FORMS: Mapping[str, Callable[[Any], Activation | Layer]] = {
    "Identity": _fixed("linear"),
    "Dropout": _fixed("linear"),
    "AlphaDropout": _fixed("linear"),
    "FeatureAlphaDropout": _fixed("linear"),
    "Dropout1d": _fixed("linear"),
    "Dropout2d": _fixed("linear"),
    "Dropout3d": _fixed("linear"),
    "ReLU": _fixed("relu"),
    "LeakyReLU": _leaky,
    "PReLU": _prelu,
    "RReLU": _rrelu,
    "Threshold": _threshold,
    "ReLU6": _fixed("relu6"),
    "Hardtanh": _hardtanh,
    "Hardsigmoid": _fixed("hardsigmoid"),
    "Hardswish": _fixed("hardswish"),
    "Hardshrink": _hardshrink,
    "Softshrink": _softshrink,
    "Tanhshrink": _fixed("tanhshrink"),
    "Tanh": _fixed("tanh"),
    "Softsign": _fixed("softsign"),
    "Sigmoid": _fixed("sigmoid"),
    "LogSigmoid": _fixed("logsigmoid"),
    "Softplus": _softplus,
    "SiLU": _fixed("silu"),
    "Mish": _fixed("mish"),
    "GELU": _gelu,
    "ELU": _elu,
    "SELU": _fixed("selu"),
    "CELU": _celu,
    "Softmax": _over_last_axis("softmax"),
    "Softmin": _over_last_axis("softmax", temperature=-1),
    "LogSoftmax": _over_last_axis("log_softmax"),
    "GLU": _over_last_axis("glu"),
    "LayerNorm": _normalisation("layer_norm"),
    "RMSNorm": _normalisation("rms_norm"),
}
