"""Activations as torch modules, run from their one symbolic definition: isotropic, elementwise, or conjugated."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from numerics import compile_activation
from theory import InputError, activation

__all__ = ["ActivationModule", "activation_module"]


class ActivationModule(nn.Module):
    """f, or R^T f(R x), on the last axis of a tensor; differentiable, of any dtype and on any device.

    Isotropic maps f(x) = rho(|x|) x/|x| keep their value and gradient at the origin (rho'(0) x there) and at norms
    whose square overflows.
    """

    rotation: Tensor | None

    def __init__(self, spec: Any, rotation: Any = None):
        super().__init__()
        self.activation = activation(spec)
        compile_activation(self.activation, backend="torch")
        if rotation is not None:
            R = np.asarray(rotation.detach().cpu() if hasattr(rotation, "detach") else rotation, dtype=np.float64)
            if R.ndim != 2 or R.shape[0] != R.shape[1] or not np.allclose(R @ R.T, np.eye(len(R)), atol=1e-6):
                raise InputError(f"rotation of shape {R.shape} is not an orthogonal matrix")
            rotation = torch.as_tensor(R, dtype=torch.get_default_dtype())
        self.register_buffer("rotation", rotation)

    def forward(self, x: Tensor) -> Tensor:
        """The activation of x, shape (..., n)."""
        # Compiled forms are cached by the library, not kept here, so that the module can be pickled.
        sigma = compile_activation(self.activation, backend="torch")
        if self.rotation is None:
            return sigma(x)
        return sigma(x @ self.rotation.mT) @ self.rotation

    def extra_repr(self) -> str:
        return self.activation.name + ("" if self.rotation is None else ", conjugated")


def activation_module(spec: Any, rotation: Any = None) -> ActivationModule:
    """A torch module of an activation: `activation_module("isotropic:tanh")`, "isotropic:softshrink", "gelu", ...

    Args:
        spec: an `Activation`, a registered name, a family such as "isotropic:2*tanh(r/2)", or a formula in z.
        rotation: an orthogonal R, shape (n, n), for the conjugated activation x -> R^T f(R x); its privileged
            directions are R^-1 b.

    Raises:
        InputError: unknown activation, free parameters, or R not orthogonal.
    """
    return ActivationModule(spec, rotation)
