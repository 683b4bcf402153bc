"""The weighted loss of drawn inputs, with numpy or on a torch device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numerics.compile import compile_activation
from numerics.setting import Array, Setting
from theory import InputError

__all__ = ["Evaluator"]


class Evaluator:
    """Squared errors of inputs x of shape (N, n), in double precision.

    Args:
        at: the model with its weights.
        device: None for numpy; "cpu", "cuda", ... for torch.

    Raises:
        InputError: a device torch does not have.
    """

    def __init__(self, at: Setting, device: str | None = None) -> None:
        self.at, self.device = at, device
        self._sigma: Callable[[Any], Any] = compile_activation(
            at.model.activation, "numpy" if device is None else "torch"
        )
        constants = (at.W, np.ascontiguousarray(at.W.T), at.bias, at.importances)
        self._W, self._Wt, self._b, self._importances = map(self._placed, constants)

    def losses(self, x: Array, multiples: Array | None = None) -> tuple[Array, Array]:
        """Losses less `multiples` of the controls: of each input, weighted, shape (N,); per feature the mean, (n,)."""
        given, z, errors = self._errors(x)
        if multiples is not None and multiples.any():
            a, b, c, d, e = (float(v) for v in multiples)
            errors = errors - given * (a * given + b * z + d) - z * (c * z + e)
        totals, means = errors @ self._importances, errors.mean(0)
        if self.device is not None:
            totals, means = totals.cpu().numpy(), means.cpu().numpy()
        return self._checked(totals), means

    def controlled(self, x: Array) -> tuple[Array, Array]:
        """The weighted loss of each input, shape (N,), and its weighted controls, shape (N, 5)."""
        given, z, errors = self._errors(x)
        weights = self._importances
        columns = [errors, given * given, given * z, z * z, given, z]
        totals, *controls = [column @ weights for column in columns]
        if self.device is not None:
            totals, controls = totals.cpu().numpy(), [c.cpu().numpy() for c in controls]
        return self._checked(totals), np.stack(controls, axis=1)

    def _errors(self, x: Array) -> tuple[Any, Any, Any]:
        given = self._placed(x)
        with np.errstate(over="ignore", invalid="ignore"):
            z = (given @ self._Wt) @ self._W + self._b
            return given, z, (given - self._sigma(z)) ** 2

    def _placed(self, values: Array) -> Any:
        if self.device is None:
            return values
        import torch

        try:
            return torch.as_tensor(values, dtype=torch.float64, device=self.device)
        except (RuntimeError, AssertionError) as failure:
            reason = str(failure).splitlines()[0]
            raise InputError(f"device={self.device!r} cannot be used by torch here ({reason}); try 'cpu'") from failure

    def _checked(self, totals: Array) -> Array:
        if not np.isfinite(totals).all():
            name = self.at.model.activation.name
            raise InputError(f"activation {name} is not finite on sampled inputs with these weights; rescale W")
        return totals
