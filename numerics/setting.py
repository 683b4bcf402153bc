"""A toy model together with weights, in floating point: what every route to the loss starts from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from theory import InputError, ToyModel
from theory.arguments import as_vector, as_weights

__all__ = ["Array", "Progress", "Setting", "model_arrays", "setting"]

Array = np.ndarray
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Setting:
    """A numeric model with weights.

    Attributes:
        model: the model; every value is a number.
        W: weights, shape (m, n).
        gram: W^T W, shape (n, n).
        bias: b, shape (n,); zeros for a model without bias.
        densities: p_i, shape (n,).
        importances: I_i, shape (n,).
    """

    model: ToyModel
    W: Array
    gram: Array
    bias: Array
    densities: Array
    importances: Array

    @property
    def n_features(self) -> int:
        """n."""
        return self.W.shape[1]


def setting(model: ToyModel, W: Any, b: Any = None) -> Setting:
    """Checked floating-point form of a model with its weights and bias.

    Raises:
        InputError: symbols left in the model, W not of shape (m, n) or not finite, b not of shape (n,), b given to a
            model without bias, or weights so large that W^T W overflows.
    """
    if not isinstance(model, ToyModel):
        raise InputError(f"model={model!r:.80} must be a theory.ToyModel")
    model.require_numbers()
    weights = as_weights(W, model.n_hidden, model.n_features)
    if isinstance(weights, sympy.MatrixBase):
        if weights.free_symbols:
            names = ", ".join(sorted(map(str, weights.free_symbols)))
            raise InputError(f"W still has the symbols {names}; give them numbers")
        weights = np.array([[float(entry) for entry in weights.row(i)] for i in range(weights.rows)])
    n = weights.shape[1]
    if b is not None and not model.bias:
        raise InputError("b was given, but the model has no bias; build it with ToyModel(..., bias=True)")
    exact_bias = isinstance(b, sympy.MatrixBase)
    bias = np.zeros(n) if b is None else as_vector("b", [float(v) for v in b] if exact_bias else b, n)
    with np.errstate(over="ignore", invalid="ignore"):
        gram = weights.T @ weights
    if not np.isfinite(gram).all():
        raise InputError(f"W has entries up to {np.abs(weights).max():.3g}: W^T W overflows; rescale the weights")
    densities, importances = model_arrays(model)
    return Setting(model, weights, gram, bias, densities, importances)


def model_arrays(model: ToyModel) -> tuple[Array, Array]:
    """The densities and importances of a numeric model, each of shape (n,)."""
    return np.array([float(p) for p in model.densities]), np.array([float(v) for v in model.importances])
