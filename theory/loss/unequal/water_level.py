"""How much weight fits under an energy beta |y|^2 + gamma (sum y)^2: the quadratic behind every water-filling bound.

Source: docs/theory.md, T9(b).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["water_level", "water_levels"]


def water_level(v: Sequence[Any], beta: Any, gamma: Any) -> tuple[Any, int]:
    """V = max over y >= 0 of 2 v.y - beta |y|^2 - gamma (1.y)^2, and how many y_i are positive there.

    With v sorted downwards, S_r = sum_(i<=r) v_i/(beta + r gamma) and r the first with v_(r+1) <= gamma S_r,
        V = sum_(i<=r) (v_i - mean_r)^2/beta + (sum_(i<=r) v_i)^2/(r (beta + r gamma)),
    the form that does not cancel as beta -> 0 (where V = v_1^2/gamma). Numbers may be floats or exact.

    Args:
        v: nonnegative numbers.
        beta: >= 0.
        gamma: >= 0, and > 0 where beta = 0.

    Source: docs/theory.md, T9(b).
    """
    v = sorted(v, reverse=True)
    if beta == 0:
        return v[0] ** 2 / gamma, 1
    total = v[0] * 0
    for r, value in enumerate(v, 1):
        total = total + value
        if r == len(v) or v[r] * (beta + r * gamma) <= gamma * total:
            break
    mean = total / r
    return sum((value - mean) ** 2 for value in v[:r]) / beta + total**2 / (r * (beta + r * gamma)), r


def water_levels(v: np.ndarray, beta: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    """`water_level` in floats for many (beta, gamma) of one shape at once; infinite where both are 0 or one is below.

    Args:
        v: sorted downwards, shape (n,).
        beta, gamma: any shape, the same.
    """
    counts, total = np.arange(1, v.size + 1), np.cumsum(v)
    weight = beta[..., None] + counts * gamma[..., None]
    is_last = np.append(v[1:], 0.0) * weight <= gamma[..., None] * total
    is_last[..., -1] = True
    # Without beta all the weight goes to the largest entry.
    kept = np.where(beta == 0, 0, is_last.argmax(axis=-1))
    spread = np.maximum(np.cumsum(v**2) - total**2 / counts, 0.0)
    share = np.take_along_axis(weight, kept[..., None], axis=-1)[..., 0]
    usable = (beta >= 0) & (gamma >= 0) & (share > 0)
    safe = np.where(beta > 0, beta, 1.0)
    value = spread[kept] / safe + total[kept] ** 2 / (counts[kept] * np.where(usable, share, 1.0))
    return np.where(usable, value, np.inf)
