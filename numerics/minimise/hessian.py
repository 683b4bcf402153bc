"""The smallest eigenvalues of the Hessian of the population loss: is this a minimum, and how flat is it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.minimise.flat import FlatLoss, gauge_directions
from numerics.setting import Array
from theory import InputError, ToyModel

__all__ = ["HessianSpectrum", "hessian_spectrum"]

_STEP = 1e-4
_DENSE = 600
_BATCH_ENTRIES = 2**16
_TOLERANCE = 1e-6
_FREQUENCIES = 512


@dataclass(frozen=True)
class HessianSpectrum:
    """Eigenvalues of the Hessian of L in (W, b), without those that rotations of the hidden space make zero.

    Attributes:
        eigenvalues: the smallest, increasing, shape (count,).
        gauge_modes: how many zero modes were projected out: the dimension of the orbit {OW : O orthogonal} at W,
            m(m - 1)/2 for W of full rank.
        gauge_curvature: the largest |v^T H v| over those directions: 0 at a stationary point but for errors, so that it
            shows the accuracy of the eigenvalues.
        is_dense: whether the whole Hessian was computed; else Lanczos on Hessian-vector products.
    """

    eigenvalues: Array
    gauge_modes: int
    gauge_curvature: float
    is_dense: bool


def hessian_spectrum(
    model: ToyModel, W: Array, b: Array | None = None, count: int = 6, frequencies: int = _FREQUENCIES
) -> HessianSpectrum:
    """The `count` smallest eigenvalues of the Hessian of the population loss, gauge modes projected out.

    Products with the Hessian are central differences of exact gradients, with an error of about 1e-7 of the largest
    eigenvalue; up to 600 variables they give the whole matrix, beyond that Lanczos' method its lower end. Where an
    entry of W^T W and the biases are exactly 0 at a kink of sigma, the loss has one-sided second derivatives, and these
    are their means.

    Args:
        model: every value a number; an elementwise, continuous activation.
        W: shape (m, n); a minimum, if the eigenvalues are to say that it is one.
        b: shape (n,), for a model with bias.
        count: how many, at least 1; fewer come back where there are fewer.
        frequencies: accuracy of quadrature.

    Raises:
        InputError: count below 1, or a model without population gradient.
    """
    if isinstance(count, bool) or count != int(count) or count < 1:
        raise InputError(f"hessian={count} must be an integer >= 1: how many of the smallest eigenvalues to return")
    loss = FlatLoss(model, frequencies)
    x = loss.join(np.asarray(W, dtype=float)[None], None if b is None else np.asarray(b, dtype=float)[None])[0]
    loss(x[None])  # the series kept from here on hold every nearby point
    gauge = gauge_directions(np.asarray(W, dtype=float), loss.size)
    step = _STEP * max(1.0, float(np.abs(x).max()))
    products = lambda V: _products(loss, x, V, step)  # noqa: E731
    curvature = float(np.abs(np.einsum("vd,dv->v", products(gauge.T), gauge)).max(initial=0.0)) * loss.scale
    free = loss.size - gauge.shape[1]
    wanted = min(int(count), free)
    is_dense = loss.size <= _DENSE or wanted >= free - 1
    if is_dense:
        whole = products(np.eye(loss.size))
        basis = np.linalg.qr(gauge, mode="complete")[0][:, gauge.shape[1] :] if gauge.size else np.eye(loss.size)
        values = np.linalg.eigvalsh(basis.T @ ((whole + whole.T) / 2) @ basis)[:wanted]
    else:
        values = _lanczos(products, gauge, loss.size, wanted)
    return HessianSpectrum(values * loss.scale, gauge.shape[1], curvature, is_dense)


def _products(loss: FlatLoss, x: Array, directions: Array, step: float) -> Array:
    """H v for each row v of `directions`, all of length about 1, shape (V, d)."""
    found = np.empty((len(directions), loss.size))
    batch = max(1, _BATCH_ENTRIES // (2 * loss.n**2))
    for first in range(0, len(directions), batch):
        move = step * directions[first : first + batch]
        _, gradients = loss(np.concatenate([x + move, x - move]))
        found[first : first + batch] = (gradients[: len(move)] - gradients[len(move) :]) / (2 * step)
    return found


def _lanczos(products, gauge: Array, size: int, count: int) -> Array:  # type: ignore[no-untyped-def]
    from scipy.sparse.linalg import LinearOperator, eigsh

    def without_gauge(v: Array) -> Array:
        return v - gauge @ (gauge.T @ v)

    # The gauge modes must not sit at the lower end: they are lifted above the rest of the spectrum.
    start = without_gauge(np.random.default_rng(0).standard_normal(size))
    start /= np.linalg.norm(start)
    top = start
    for _ in range(12):
        top = without_gauge(products(top[None])[0])
        lift = float(np.linalg.norm(top))
        top /= lift or 1.0

    def multiply(v: Array) -> Array:
        v = v.reshape(-1)
        inside = without_gauge(v)
        norm = float(np.linalg.norm(inside))
        image = without_gauge(products(inside[None] / norm)[0]) * norm if norm > 0 else np.zeros_like(v)
        return image + 2 * lift * (v - inside)

    operator = LinearOperator((size, size), matvec=multiply, dtype=float)
    basis = min(size - 1, max(4 * count, 40))
    values = eigsh(operator, count, which="SA", v0=start, ncv=basis, tol=_TOLERANCE, return_eigenvectors=False)
    return np.sort(values)
