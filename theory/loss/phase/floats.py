"""The loss of two features in one dimension and its gradient, in floats, for many weights and biases at once.

The integrand is a polynomial between the kinks of sigma, and the kinks are lines in the unit square: Gauss-Legendre
rules between them are exact up to rounding, at every size of the weights. (The formula by corners that the exact
loss uses would cancel for small weights.)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from theory.activations import PowerForm

__all__ = ["output_losses", "pair_losses"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def pair_losses(form: PowerForm, density: Array, importance: Array, x: Array) -> tuple[Array, Array]:
    """Loss, shape (S,), and gradient, shape (S, 4), at points x = (w_1, w_2, b_1, b_2), for the uniform law.

    Args:
        form: a power with an integer exponent.
        density: shape (S,).
        importance: shape (S,), of feature 2; feature 1 has importance 1.
        x: shape (S, 4).
    """
    w1, w2, b1, b2 = x.T
    cross = w1 * w2
    first, d_first = output_losses(form, density, w1 * w1, cross, b1)
    second, d_second = output_losses(form, density, w2 * w2, cross, b2)
    by_cross = d_first[1] + importance * d_second[1]
    gradient = np.stack(
        [
            2 * w1 * d_first[0] + w2 * by_cross,
            2 * w2 * importance * d_second[0] + w1 * by_cross,
            d_first[2],
            importance * d_second[2],
        ],
        axis=1,
    )
    return first + importance * second, gradient


@lru_cache(maxsize=8)
def _rule(count: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def output_losses(form: PowerForm, p: Array, g: Array, c: Array, b: Array) -> tuple[Array, Array]:
    """E (x_1 - sigma(g x_1 + c x_2 + b))^2 and its derivatives by g, c and b, shape (3, S)."""
    a = int(form.exponent)
    nodes, weights = _rule(a + 2)
    q = 1 - p
    value, gradient = p / 3, np.zeros((3, len(g)))
    for coefficient, side in ((float(form.positive), 1.0), (float(form.negative), -1.0)):
        if coefficient == 0:
            continue
        G, C, b0 = side * g, side * c, side * b
        zero = np.zeros_like(b0)[:, None]
        everywhere = np.ones_like(zero)
        v, v_weight = _pieces(G, C, b0, nodes, weights)
        # The four sets of active features: none, the first, the second, both.
        for share, at_v, v_mass, has_first in (
            (q * q, zero, everywhere, False),
            (p * q, zero, everywhere, True),
            (p * q, v, v_weight, False),
            (p * p, v, v_weight, True),
        ):
            y = C[:, None] * at_v + b0[:, None]
            if has_first:
                u, u_mass = _positive_part(G[:, None], y, nodes, weights)
                mass = share[:, None, None] * v_mass[:, :, None] * u_mass
                z, other = G[:, None, None] * u + y[:, :, None], at_v[:, :, None]
            else:
                u, mass = zero[:, :, None], (share[:, None] * v_mass)[:, :, None]
                z, other = y[:, :, None], at_v[:, :, None]
            z = np.maximum(z, 0.0)
            power = coefficient * z ** (a - 1)
            sigma = power * z
            value = value + (mass * sigma * (sigma - 2 * u)).sum((1, 2))
            slope = 2 * mass * (sigma - u) * a * power * (z > 0)
            gradient[0] += side * (slope * u).sum((1, 2))
            gradient[1] += side * (slope * other).sum((1, 2))
            gradient[2] += side * slope.sum((1, 2))
    return value, gradient


def _pieces(g: Array, c: Array, b: Array, nodes: Array, weights: Array) -> tuple[Array, Array]:
    """Nodes and weights for v on [0, 1], cut where the line z = 0 leaves the square: shape (S, 3 N)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        cuts = np.stack([-b / c, -(b + g) / c], axis=1)
    cuts = np.sort(np.clip(np.where(np.isfinite(cuts), cuts, 0.0), 0.0, 1.0), axis=1)
    ends = np.concatenate([np.zeros((len(b), 1)), cuts, np.ones((len(b), 1))], axis=1)
    width = np.diff(ends, axis=1)
    v = ends[:, :-1, None] + width[:, :, None] * nodes
    return v.reshape(len(b), -1), (width[:, :, None] * weights).reshape(len(b), -1)


def _positive_part(g: Array, y: Array, nodes: Array, weights: Array) -> tuple[Array, Array]:
    """Nodes and weights for u on the part of [0, 1] where g u + y > 0: shape (S, V, N)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        kink = -y / g
    kink = np.clip(np.where(np.isfinite(kink), kink, 0.0), 0.0, 1.0)
    flat = np.broadcast_to(g == 0, y.shape)
    low = np.where(flat, 0.0, np.where(g > 0, kink, 0.0))
    high = np.where(flat, np.where(y > 0, 1.0, 0.0), np.where(g > 0, 1.0, kink))
    width = (high - low)[:, :, None]
    return low[:, :, None] + width * nodes, width * weights
