"""ReLU with bias near a dedicated dimension: the loss is at least that of the dedicated dimension, by a lemma.

The kinks of ReLU meet at the dedicated optimum w = (1, 0), b = (0, p/2), so boxes around it never get small enough.
There the loss is compared with a convex function of two variables instead. Source: docs/theory.md, T12.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Neighbourhood", "dedicated_neighbourhood", "stiffness"]

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Neighbourhood:
    """Where L >= I V is proved for one sign of w_1 w_2; V = p/3 - p^2/4 is the variance of a feature.

    Attributes:
        delta: |w_1 w_2| + |b_1| <= delta w_1^2.
        least: w_1^2 >= least.
        density: p.
    """

    delta: float
    least: float
    density: float

    def holds(self, low: Array, high: Array) -> np.ndarray:
        """Which boxes, given by lows and highs of shape (N, 4), lie inside."""
        first = low[:, 0] ** 2
        other = np.maximum(np.abs(low[:, 1]), np.abs(high[:, 1]))
        cross = high[:, 0] * other
        bias = np.maximum(np.abs(low[:, 2]), np.abs(high[:, 2]))
        p = self.density
        mean_is_missed = p / 2 - 2 * cross - other**2 >= cross * np.sqrt(p / 3 - p**2 / 4)
        return (first >= self.least) & (cross + bias <= self.delta * first) & mean_is_missed


def dedicated_neighbourhood(
    density: float, importance: float, sign: int
) -> Callable[[Array, Array], np.ndarray] | None:
    """A test of boxes: True where the loss is proved to be at least I V; None where the lemma does not apply.

    Where |c| + |b_1| <= delta g (g = w_1^2, c = w_1 w_2), output 1 alone loses at least c^2 K_delta, and output 2 at
    least V((1 - w_2^2)^2 + c^2). Together that is at least I V where w_1^2 >= 2 I V/(K_delta + I V).
    """
    variance = density / 3 - density**2 / 4
    stake = importance * variance
    for delta in (0.3, 0.2, 0.12, 0.07, 0.04, 0.02, 0.01):
        least = 2 * stake / (stiffness(density, sign, delta) + stake) + 1e-9
        # The neighbourhood must hold w_1 = 1 with room to spare, or the boxes around it never fit.
        if least < 1 - delta / 4:
            return Neighbourhood(delta, least, density).holds
    return None


def stiffness(density: float, sign: int, delta: float = 0.0) -> float:
    """A lower bound of K_delta: what output 1 loses, over c^2, when feature 2 leaks into it by c -> 0.

    K_delta = min over (gamma, beta) of q p E[e^2; U > delta] + p^2 E[(e + sign V)^2; U > delta] + q^2 beta_+^2
    + p q E(beta + sign V)_+^2 with e = gamma U + beta. The function is strongly convex, so its value and gradient at
    any point bound the minimum.

    Args:
        density: p in (0, 1].
        sign: -1 for antipodal, +1 for aligned.
        delta: how much of U near 0 is given away.
    """
    from scipy.optimize import minimize

    p, q = density, 1 - density
    m0, m1, m2 = (1 - delta), (1 - delta**2) / 2, (1 - delta**3) / 3

    def leak(x: Array) -> tuple[float, Array]:
        slope, shift = x
        square = slope**2 * m2 + 2 * slope * shift * m1 + shift**2 * m0
        value = p * square + p**2 * (sign * (slope * m1 + shift * m0) + m0 / 3)
        gradient = np.array(
            [2 * p * (slope * m2 + shift * m1) + p**2 * sign * m1, 2 * p * (slope * m1 + shift * m0) + p**2 * sign * m0]
        )
        # E (beta + sign V)_+^k as differences of antiderivatives at the two ends of V.
        top, bottom = max(shift, shift + sign, 0.0), max(min(shift, shift + sign), 0.0)
        value += q**2 * max(shift, 0.0) ** 2 + p * q * (top**3 - bottom**3) / 3
        gradient[1] += 2 * q**2 * max(shift, 0.0) + p * q * (top**2 - bottom**2)
        return float(value), gradient

    best = minimize(leak, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-12})
    value, gradient = leak(best.x)
    curvature = 2 * p * float(np.linalg.eigvalsh(np.array([[m2, m1], [m1, m0]]))[0])
    return value - float(gradient @ gradient) / (2 * curvature) - 1e-12
