"""A callable or torch module as a map of float vectors, one at a time or many at once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from theory import InputError
from theory.arguments import one_of
from verify.symmetry.rounding import DTYPES

__all__ = ["FloatMap"]


class FloatMap:
    """f on the rows of an array of shape (k, n), in single or double precision; values are returned as float64.

    Torch modules run on the CPU in evaluation mode, in a copy of the asked precision.

    Args:
        f: a callable of an array of shape (n,) (or (..., n)), or a torch module.
        n: the dimension.
        dtype: "float32" or "float64": the precision of the arrays that f is given.

    Attributes:
        name: what messages call f.
        precision: "float32" where f computes in single precision inside although asked for double; else `dtype`.
        is_deterministic: whether two calls with the same input agree.

    Raises:
        InputError: f fails on a vector of length n, or does not return n real numbers there.
    """

    def __init__(self, f: Callable[..., Any], n: int, dtype: str = "float64"):
        self.n, self.dtype = n, one_of("dtype", dtype, DTYPES)
        self.name = getattr(f, "__name__", None) or type(f).__name__
        raw = f
        if is_module(f):
            import torch

            module: Any = copy.deepcopy(f)
            raw = _on_tensors(module.to(dtype=getattr(torch, dtype), device="cpu").eval())
        self._raw = raw
        self._find_calling_convention(f)
        probe = np.linspace(-1.3, 1.7, n)
        self.is_deterministic = bool(np.array_equal(self.one(probe), self.one(probe)))
        self.precision = dtype if dtype == "float32" or not self._is_single_inside() else "float32"
        self.takes_rows = self._maps_rows()

    def one(self, x: np.ndarray) -> np.ndarray:
        """f(x) for one vector, shape (n,)."""
        with np.errstate(all="ignore"):
            value = np.asarray(self._raw(np.array(x, dtype=self.dtype)))
        if np.iscomplexobj(value):
            raise TypeError("the values are complex numbers")
        return value.astype(np.float64)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """f of each row, shape (k, n)."""
        if self.takes_rows:
            return self.one(rows)
        return np.stack([self.one(row) for row in rows])

    def _find_calling_convention(self, f: Callable[..., Any]) -> None:
        n = self.n
        probes = [sign * np.roll(np.linspace(-1.0, 2.0, n), k) for k in range(min(n, 3)) for sign in (1, -1)]
        try:
            values = [self.one(x) for x in probes]
        except Exception as problem:
            # A plain function of torch tensors, such as torch.tanh, does not take arrays.
            if "Tensor" not in str(problem):
                raise _failed(n, problem) from problem
            self._raw = _on_tensors(f)
            try:
                values = [self.one(x) for x in probes]
            except Exception as second:
                raise _failed(n, second) from second
        for x, value in zip(probes, values, strict=True):
            if value.shape != (n,):
                raise InputError(f"f maps a vector of length {n} to shape {value.shape}; it must map R^n to R^n")
            if np.isnan(value).any():
                raise InputError(f"f is NaN at x={x.tolist()}; it must be defined on all of R^n")

    def _is_single_inside(self) -> bool:
        """Whether every value is a float32 although the inputs are not."""
        values = [self.one(np.linspace(-1.3, 1.7, self.n) * scale) for scale in (1.0, 0.7, 1 / 3, 2.1)]
        with np.errstate(over="ignore"):
            return all(np.array_equal(value, value.astype(np.float32)) for value in values)

    def _maps_rows(self) -> bool:
        """Whether f of an array of rows is f of each row: then many inputs cost one call."""
        # As many rows as entries would hide a map that works along the wrong axis.
        rows = np.random.default_rng(0).standard_normal((self.n + 2, self.n)) * 3
        try:
            together = self.one(rows)
        except Exception:
            return False
        apart = np.stack([self.one(row) for row in rows])
        tolerance = 64 * float(np.finfo(self.precision).eps)
        return together.shape == apart.shape and bool(
            np.allclose(together, apart, rtol=tolerance, atol=tolerance, equal_nan=True)
        )


def is_module(f: Any) -> bool:
    """Whether f is a torch module, without importing torch."""
    return hasattr(f, "state_dict") and hasattr(f, "forward")


def _on_tensors(f: Callable[..., Any]) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    def evaluate(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return f(torch.from_numpy(x)).numpy()

    return evaluate


def _failed(n: int, problem: Exception) -> InputError:
    return InputError(f"f failed on a vector of length {n}: {type(problem).__name__}: {problem}")
