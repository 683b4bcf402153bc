"""Functions called inside a forward pass: which activation, affine map or change of shape each of them is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy
import torch
from torch import nn

from numerics import symbolic_form
from theory import Activation, InputError, Layer, activation, power
from theory.activations import elementwise, z
from theory.arguments import exact
from verify.audit.tracing import Step

__all__ = ["AFFINE", "RESHAPING", "form_of", "is_random"]

AFFINE = frozenset(
    [
        "linear",
        "matmul",
        "mm",
        "einsum",
        "add",
        "sub",
        "rsub",
        "mul",
        "multiply",
        "div",
        "true_divide",
        "truediv",
        "neg",
    ]
)
"""Functions that are affine in one data argument where the others are constants."""
RESHAPING = frozenset(["flatten", "view", "reshape", "squeeze", "unsqueeze", "contiguous", "clone", "detach", "to"])
"""Functions that only change the shape, where the number of entries stays the same."""

# function: its class in torch.nn and the parameters it takes after the data, in order
_AS_MODULES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "relu": ("ReLU", ()),
    "relu6": ("ReLU6", ()),
    "leaky_relu": ("LeakyReLU", ("negative_slope",)),
    "rrelu": ("RReLU", ("lower", "upper")),
    "threshold": ("Threshold", ("threshold", "value")),
    "elu": ("ELU", ("alpha",)),
    "selu": ("SELU", ()),
    "celu": ("CELU", ("alpha",)),
    "gelu": ("GELU", ("approximate",)),
    "silu": ("SiLU", ()),
    "mish": ("Mish", ()),
    "softplus": ("Softplus", ("beta", "threshold")),
    "softsign": ("Softsign", ()),
    "sigmoid": ("Sigmoid", ()),
    "expit": ("Sigmoid", ()),
    "tanh": ("Tanh", ()),
    "hardtanh": ("Hardtanh", ("min_val", "max_val")),
    "hardsigmoid": ("Hardsigmoid", ()),
    "hardswish": ("Hardswish", ()),
    "hardshrink": ("Hardshrink", ("lambd",)),
    "softshrink": ("Softshrink", ("lambd",)),
    "tanhshrink": ("Tanhshrink", ()),
    "logsigmoid": ("LogSigmoid", ()),
    "log_sigmoid": ("LogSigmoid", ()),
    "softmax": ("Softmax", ("dim",)),
    "softmin": ("Softmin", ("dim",)),
    "log_softmax": ("LogSoftmax", ("dim",)),
    "glu": ("GLU", ("dim",)),
    "dropout": ("Dropout", ("p",)),
    "alpha_dropout": ("AlphaDropout", ("p",)),
}
_REGISTERED = {
    "erf": "erf", "sin": "sin", "cos": "cos", "exp": "exp", "abs": "abs", "absolute": "abs", "sign": "sign",
    "atan": "arctan", "arctan": "arctan", "square": "power:2",
}  # fmt: skip


def form_of(step: Step) -> Activation | Layer | None:
    """The symbolic form of a step that is an activation or a normalisation; None for every other step.

    Raises:
        InputError: it is one, but no single map of one vector.
    """
    axes = 1 + len(step.input_shape)
    if isinstance(step.operation, nn.Module):
        module = step.operation
        dim = getattr(module, "dim", None)
        if (
            isinstance(dim, int)
            and dim == axes - 1
            and type(module).__name__ in ("Softmax", "Softmin", "LogSoftmax", "GLU")
        ):
            return symbolic_form(type(module)(dim=-1))
        return symbolic_form(module)
    name, (positional, keywords) = step.operation.strip("_"), step.constants
    if len(step.inputs) != 1 or not positional or positional[0] is not None:
        return None
    rest = positional[1:]
    if name in _AS_MODULES:
        class_name, parameters = _AS_MODULES[name]
        given = dict(zip(parameters, rest, strict=False))
        given |= {key: value for key, value in keywords.items() if key in parameters}
        if isinstance(given.get("dim"), int) and given["dim"] == axes - 1:
            given["dim"] = -1
        return symbolic_form(getattr(nn, class_name)(**given))
    if name in _REGISTERED:
        return activation(_REGISTERED[name])
    if name == "prelu":
        module = nn.PReLU(rest[0].numel())
        module.weight = nn.Parameter(rest[0].detach().reshape(-1))
        return symbolic_form(module)
    if name in ("layer_norm", "rms_norm"):
        return symbolic_form(normalising_module(name, rest, keywords))
    if name in ("pow", "clamp", "clip", "clamp_min", "clamp_max"):
        return _with_numbers(name, rest, keywords)
    return None


def normalising_module(name: str, rest: tuple[Any, ...], keywords: Mapping[str, Any]) -> nn.Module:
    """The LayerNorm or RMSNorm that a call of the function is."""
    names = (
        ("normalized_shape", "weight", "bias", "eps") if name == "layer_norm" else ("normalized_shape", "weight", "eps")
    )
    given = {**dict(zip(names, rest, strict=False)), **keywords}
    weight, bias = given.get("weight"), given.get("bias")
    options = {"eps": given["eps"]} if given.get("eps") is not None else {}
    module: Any = (nn.LayerNorm if name == "layer_norm" else nn.RMSNorm)(
        tuple(given["normalized_shape"]), elementwise_affine=False, **options
    )
    module.weight = None if weight is None else nn.Parameter(weight.detach())
    if name == "layer_norm":
        module.bias = None if bias is None else nn.Parameter(bias.detach())
    return module


def _with_numbers(name: str, rest: tuple[Any, ...], keywords: Mapping[str, Any]) -> Activation | None:
    if name == "pow":
        exponent = keywords.get("exponent", rest[0] if rest else None)
        whole = isinstance(exponent, int | float) and float(exponent).is_integer() and exponent >= 1
        return power(int(exponent)) if whole else None
    names = ("min", "max") if name in ("clamp", "clip") else ("max",) if name == "clamp_max" else ("min",)
    given = {**dict(zip(names, rest, strict=False)), **keywords}
    bounds = [given.get("min"), given.get("max")]
    if any(isinstance(bound, torch.Tensor) for bound in bounds):
        return None
    low, high = (None if bound is None else exact("bound", bound) for bound in bounds)
    body = z if high is None else sympy.Min(high, z)
    if (low, high) == (0, None):
        return activation("relu")
    body = body if low is None else sympy.Max(low, body)
    return elementwise(body, f"clamp to [{'-oo' if low is None else low}, {'oo' if high is None else high}]")


def is_random(step: Step) -> bool:
    """Whether a functional dropout is on although the network is in evaluation mode (its default is on)."""
    if not isinstance(step.operation, str) or "dropout" not in step.operation:
        return False
    positional, keywords = step.constants
    return bool(keywords.get("training", positional[2] if len(positional) > 2 else True))


def refusal(step: Step) -> str:
    """Why a step that is no activation, affine map or reshaping is not analysed."""
    try:
        form_of(step)
    except InputError as problem:
        return str(problem)
    if step.operation in AFFINE and len(step.inputs) == 1 and len(step.input_shape) != 1:
        return "affine, but it mixes more than the last axis: matrices are read off maps of vectors only"
    return _REFUSALS.get(step.label, "no symbolic form is known for it")


_REFUSALS = {
    "TransformerEncoderLayer": "attention couples the positions of a sequence: it is no fixed map of one vector",
    "LSTM": "it has a state",
    "GRU": "it has a state",
    "RNN": "it has a state",
    "BatchNorm1d": "its statistics are those of the batch",
    "BatchNorm2d": "its statistics are those of the batch",
    "GroupNorm": "it couples channels and places of an image",
    "MaxPool2d": "a maximum over places, channel by channel",
    "AvgPool2d": "a mean over places, channel by channel",
    "AdaptiveAvgPool2d": "a mean over places, channel by channel",
    "MultiheadAttention": "attention couples the positions of a sequence: it is no fixed map of one vector",
    "Softmax2d": "it acts on the channels of an image",
    "mul()": "a product of two values of the network",
    "matmul()": "a product of two values of the network",
    "getitem()": "it picks entries",
    "cat()": "it joins values of the network",
}
