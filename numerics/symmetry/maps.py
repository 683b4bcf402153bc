"""A black box as a map of batches (N, n) -> (N, p) in double precision, with derivatives that can be trusted.

Derivatives come from automatic differentiation where f is a torch module or has a symbolic form, from complex steps
where f is analytic code, else from central differences. The first two are believed only where they agree with
differences: a custom backward pass (a straight-through estimator) does not describe the map.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy

from numerics.compile import compile_activation
from numerics.layers import compile_layer
from numerics.symmetry.differences import central_jacobians, complex_step, directional
from numerics.symmetry.sampling import points
from theory import Activation, InputError, Layer
from theory.arguments import as_positive_count
from theory.layers import as_map

__all__ = ["BlackBox", "as_black_box"]

_MODERATE = (1e-2, 10.0)
Product = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class BlackBox:
    """f: R^n -> R^p, evaluated on batches.

    Attributes:
        n: the input dimension.
        p: the output dimension.
        label: how f is called.
        values: (N, n) -> (N, p); overflow gives infinities or NaN, without warnings.
        unit: the unit roundoff that f computes with: that of float64, or of float32 where f rounds to it inside.
        derivative: "autograd", "complex step" or "differences".
    """

    n: int
    p: int
    label: str
    values: Callable[[np.ndarray], np.ndarray]
    unit: float
    derivative: str
    _torch: Callable[[Any], Any] | None = field(default=None, repr=False)
    _complex: Callable[[np.ndarray], np.ndarray] | None = field(default=None, repr=False)

    def jacobians(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Df at each point, shape (N, p, n), and an estimate of its absolute error, shape (N,)."""
        if self.derivative == "autograd" and self._torch is not None:
            found = _torch_jacobians(self._torch, X, self.p)
        elif self.derivative == "complex step" and self._complex is not None:
            found = complex_step(self._complex, X)
        else:
            return central_jacobians(self.values, X, self.unit)
        with np.errstate(all="ignore"):
            return found, 4 * self.unit * np.sqrt((found**2).sum((1, 2))) + self._wobble(X)

    def _wobble(self, X: np.ndarray) -> np.ndarray:
        """How much Df(x) v jitters as x moves by 1e-10 of its size: cancellation inside f, where Df should be small."""
        rng = np.random.default_rng(0)
        size, V = 1e-10 * np.abs(X).max(axis=1, keepdims=True), rng.standard_normal(X.shape)
        at, worst = self.jvp(X, V), np.zeros(len(X))
        for _ in range(3):
            step = size * rng.standard_normal(X.shape)
            jitter = self.jvp(X + step, V) - 2 * at + self.jvp(X - step, V)
            worst = np.maximum(worst, np.linalg.norm(jitter, axis=1))
        return worst

    def jvp(self, X: np.ndarray, V: np.ndarray) -> np.ndarray:
        """Df(x) v for each row, shape (N, p)."""
        if self.derivative == "autograd" and self._torch is not None:
            return _torch_jvp(self._torch, X, V)
        if self.derivative == "complex step" and self._complex is not None:
            step = 1e-30
            return self._complex(X + 1j * step * V).imag / step
        return directional(self.values, X, V, self.unit)[0]

    def vjp(self, X: np.ndarray, W: np.ndarray) -> np.ndarray:
        """Df(x)^T w for each row, shape (N, n); by reverse accumulation where there is one, else through Df."""
        if self.derivative == "autograd" and self._torch is not None:
            return _torch_vjp(self._torch, X, W)
        return np.einsum("spn,sp->sn", self.jacobians(X)[0], W)

    def linearised(self, X: np.ndarray) -> tuple[Product, Product]:
        """V -> Df(x) v and W -> Df(x)^T w at fixed points: what does not depend on V and W is computed once."""
        if self.derivative == "autograd" and self._torch is not None:
            return _torch_linearised(self._torch, X)
        return (lambda V: self.jvp(X, V)), (lambda W: self.vjp(X, W))


def as_black_box(f: Any, n: Any, seed: int = 0) -> BlackBox:
    """f as a `BlackBox`.

    Args:
        f: an activation or layer (or its name or expression), a torch module, or a callable on arrays or tensors that
            acts on the last axis, or on single vectors.
        n: the dimension, an integer >= 1.
        seed: of the points at which f is tried.

    Raises:
        InputError: n out of range; f fails, is NaN at a point of moderate size, does not return one vector per point,
            or gives two different answers to one question.
    """
    count = as_positive_count("n", n)
    if not count.is_number:
        raise InputError(f"n={n} must be a number")
    size, rng = int(count), np.random.default_rng(seed)
    X = points(size, 12, rng, _MODERATE)
    raw, on_tensors, label = _readings(f, size, X)
    values = _checked(raw, X, label, size)
    p = values(X).shape[1]
    unit = _unit_roundoff(values, X)
    if on_tensors is not None and _is_differentiable(on_tensors, X):
        tried = BlackBox(size, p, label, values, unit, "autograd", _torch=on_tensors)
        if _agrees(tried, X, rng):
            return tried
    if on_tensors is None:
        analytic = _guarded_complex(raw, values, X)
        if analytic is not None:
            tried = BlackBox(size, p, label, values, unit, "complex step", _complex=analytic)
            if _agrees(tried, np.concatenate([X, points(size, 36, rng)]), rng):
                return tried
    return BlackBox(size, p, label, values, unit, "differences")


# --- reading f --------------------------------------------------------------------------------------------------------


def _readings(f: Any, n: int, X: np.ndarray) -> tuple[Callable[[np.ndarray], Any], Callable[[Any], Any] | None, str]:
    """f on arrays, f on tensors (or None), and its name."""
    if isinstance(f, str | sympy.Expr | Activation | Layer):
        found = as_map(f)
        if isinstance(found, Layer):
            return compile_layer(found, n), compile_layer(found, n, "torch"), found.name
        return compile_activation(found), compile_activation(found, "torch"), found.name
    if not callable(f):
        raise InputError(f"f={f!r:.80} is not callable; give an activation, a torch module or a function of arrays")
    label = getattr(f, "__name__", None) or type(f).__name__
    if hasattr(f, "state_dict") and hasattr(f, "forward"):
        import copy

        module: Any = copy.deepcopy(f)
        on_tensors = module.double().cpu().eval()
        for parameter in on_tensors.parameters():
            parameter.requires_grad_(False)
        return _through_torch(on_tensors), on_tensors, label
    try:
        with np.errstate(all="ignore"):
            f(X[0].copy())
    except Exception as problem:
        # A plain function of torch tensors, such as torch.tanh, does not take arrays.
        if "tensor" not in str(problem).lower() and "ndarray" not in str(problem).lower():
            raise InputError(
                f"f={label} failed on a vector of length {n}: {type(problem).__name__}: {problem}"
            ) from problem
        return _through_torch(f), f, label
    return f, None, label


def _through_torch(f: Callable[[Any], Any]) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    def evaluate(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return f(torch.from_numpy(np.ascontiguousarray(x))).numpy()

    return evaluate


def _checked(raw: Callable[[np.ndarray], Any], X: np.ndarray, label: str, n: int) -> Callable[..., np.ndarray]:
    def one(x: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            value = np.asarray(raw(x.copy()))
        if np.iscomplexobj(value):
            raise InputError(f"f={label} is complex at x={x.tolist()}; it must map R^{n} to real vectors")
        return value.astype(np.float64)

    try:
        rows = [one(x) for x in X]
        again = [one(x) for x in X]
    except InputError:
        raise
    except Exception as problem:
        raise InputError(
            f"f={label} failed on a vector of length {n}: {type(problem).__name__}: {problem}"
        ) from problem
    if any(row.ndim != 1 for row in rows) or len({row.shape for row in rows}) != 1:
        raise InputError(f"f={label} maps a vector of length {n} to shape {rows[0].shape}; it must map R^{n} to R^p")
    for x, row, second in zip(X, rows, again, strict=True):
        if np.isnan(row).any():
            raise InputError(f"f={label} is NaN at x={x.tolist()}; it must be defined on all of R^{n}")
        if not np.array_equal(row, second):
            raise InputError(
                f"f={label} gives two different answers at x={x.tolist()}; fix its randomness (evaluation mode, a seed)"
            )
    by_row = np.stack(rows)

    def single(X: np.ndarray) -> np.ndarray:
        return np.stack([one(x) for x in X]) if len(X) else np.zeros((0, by_row.shape[1]))

    try:
        together = one(X)
        works = together.shape == by_row.shape and np.allclose(together, by_row, rtol=1e-9, atol=1e-300)
    except Exception:
        works = False
    return one if works else single


def _unit_roundoff(values: Callable[[np.ndarray], np.ndarray], X: np.ndarray) -> float:
    Y = values(X)
    with np.errstate(over="ignore"):
        single = np.array_equal(Y, Y.astype(np.float32)) and not np.array_equal(Y, np.round(Y))
    # Exact copies of the input are no sign of single precision: the input has more digits.
    return float(np.finfo(np.float32 if single else np.float64).eps)


def _agrees(box: BlackBox, X: np.ndarray, rng: np.random.Generator) -> bool:
    """Whether derivatives agree with central differences at nine of ten points (kinks excuse the tenth)."""
    V = rng.standard_normal(X.shape) * np.abs(X).max(axis=1, keepdims=True)
    try:
        exact = box.jvp(X, V)
    except Exception:
        return False
    reference, noise = directional(box.values, X, V, box.unit)
    usable = np.isfinite(reference).all(1) & np.isfinite(noise) & np.isfinite(exact).all(1)
    if not usable.any():
        return False
    size = np.abs(reference).max(1) + np.abs(exact).max(1)
    close = np.abs(exact - reference).max(1) <= 1e-5 * size + 30 * noise
    return bool(np.mean(close[usable]) >= 0.9)


def _guarded_complex(
    raw: Callable[[np.ndarray], Any], values: Callable[[np.ndarray], np.ndarray], X: np.ndarray
) -> Callable[[np.ndarray], np.ndarray] | None:
    def evaluate(Z: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            found = np.asarray(raw(Z.copy()))
        return found.astype(np.complex128)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = np.asarray(raw(X + 1e-30j))
        same = np.iscomplexobj(found) and found.shape == values(X).shape
        return evaluate if same and np.allclose(found.real, values(X), rtol=1e-9, atol=1e-300) else None
    except Exception:
        return None


# --- torch ------------------------------------------------------------------------------------------------------------


def _is_differentiable(f: Callable[[Any], Any], X: np.ndarray) -> bool:
    import torch

    try:
        x = torch.from_numpy(X.copy()).requires_grad_(True)
        y = f(x)
        if not (y.requires_grad and y.shape[0] == len(X)):
            return False
        torch.autograd.grad(y.sum(), x)
    except Exception:
        return False
    return True


def _torch_jacobians(f: Callable[[Any], Any], X: np.ndarray, p: int) -> np.ndarray:
    import torch

    x = torch.from_numpy(X.copy()).requires_grad_(True)
    y = f(x)
    rows = [torch.autograd.grad(y[:, i].sum(), x, retain_graph=i + 1 < p)[0] for i in range(p)]
    return torch.stack(rows, dim=1).numpy()


def _torch_vjp(f: Callable[[Any], Any], X: np.ndarray, W: np.ndarray) -> np.ndarray:
    import torch

    x = torch.from_numpy(X.copy()).requires_grad_(True)
    (found,) = torch.autograd.grad(f(x), x, grad_outputs=torch.from_numpy(np.ascontiguousarray(W)))
    return found.numpy()


def _torch_jvp(f: Callable[[Any], Any], X: np.ndarray, V: np.ndarray) -> np.ndarray:
    import torch

    x, v = torch.from_numpy(X.copy()), torch.from_numpy(np.ascontiguousarray(V))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.func.jvp(f, (x,), (v,))[1].numpy()
    except Exception:
        # Forward mode is not written for every operation; two reverse passes give the same vector.
        x = x.requires_grad_(True)
        y = f(x)
        w = torch.zeros_like(y, requires_grad=True)
        (back,) = torch.autograd.grad(y, x, grad_outputs=w, create_graph=True)
        (found,) = torch.autograd.grad((back * v).sum(), w)
        return found.numpy()


def _torch_linearised(f: Callable[[Any], Any], X: np.ndarray) -> tuple[Product, Product]:
    import torch

    x = torch.from_numpy(X.copy()).requires_grad_(True)
    y = f(x)
    w = torch.zeros_like(y, requires_grad=True)
    (back,) = torch.autograd.grad(y, x, grad_outputs=w, create_graph=True)

    def jvp(V: np.ndarray) -> np.ndarray:
        v = torch.from_numpy(np.ascontiguousarray(V))
        return torch.autograd.grad(back, w, grad_outputs=v, retain_graph=True)[0].numpy()

    def vjp(W: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(np.ascontiguousarray(W))
        return torch.autograd.grad(y, x, grad_outputs=given, retain_graph=True)[0].numpy()

    return jvp, vjp
