"""The formula of a torch module or function: what is seen of it in floats can be proved of its formula."""

from __future__ import annotations

import sys
from typing import Any

from theory import Activation, InputError, Layer
from theory.layers import as_map

__all__ = ["symbolic_form"]

_FUNCTIONS = {
    "torch": ("tanh", "sigmoid", "relu", "selu", "erf", "sin", "cos", "exp", "abs", "sign", "arctan"),
    "torch.nn.functional": (
        "tanh", "sigmoid", "relu", "relu6", "hardsigmoid", "hardswish", "tanhshrink", "softsign", "logsigmoid",
        "silu", "mish", "selu", "gelu",
    ),
    "numpy": ("tanh", "sin", "cos", "exp", "abs", "sign", "arctan"),
}  # fmt: skip


def symbolic_form(f: Any, n: int) -> Activation | Layer | None:
    """The formula of one of torch's activation modules (`numerics.symbolic_form`), or of a function of torch or numpy.

    Args:
        f: a module or a function.
        n: the dimension of the vectors that it acts on.

    Returns:
        None for anything else, and where no one formula from R^n to R^n is the whole map: a LayerNorm with a bias, a
        PReLU with several slopes, a GLU.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(f, torch.nn.Module):
        return _of_module(f, n, torch)
    for home, names in _FUNCTIONS.items():
        module = sys.modules.get(home)
        for name in names if module is not None else ():
            if f is getattr(module, name, None):
                return as_map(name)
    return None


def _of_module(f: Any, n: int, torch: Any) -> Activation | Layer | None:
    import numerics

    bias = getattr(f, "bias", None)
    if isinstance(bias, torch.Tensor) and bool(bias.any()):
        return None
    if tuple(getattr(f, "normalized_shape", (n,))) != (n,) or isinstance(f, torch.nn.GLU):
        return None
    try:
        return numerics.symbolic_form(f)
    except InputError:
        return None
