"""What an isotropic cloud shows: closed forms for directions uniform on the sphere of R^d.

Source: docs/quantisation.md, Q1.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from theory.arguments import InputError

__all__ = [
    "kept_share",
    "mean_largest_cosine",
    "quartic_moments",
    "rayleigh",
    "spotlight_band",
    "spotlight_null",
]


def spotlight_null(dimension: int, epsilon: float) -> float:
    """E S(theta) = I_{1 - epsilon^2}((d-1)/2, 1/2)/2: the share of a cap of half-angle arccos(epsilon)."""
    from scipy.special import betainc

    _at_least_two(dimension)
    return float(betainc((dimension - 1) / 2, 0.5, 1 - epsilon**2) / 2)


def spotlight_band(
    dimension: int, epsilon: float, rows: int, level: float = 0.95, signed: bool = False
) -> tuple[float, float]:
    """Quantiles of S(theta) of one plane at one angle over clouds of `rows` isotropic rows.

    Raises:
        InputError: level outside (0, 1).
    """
    from scipy.stats import binom, norm

    if not 0 < level < 1:
        raise InputError(f"level={level} must lie strictly between 0 and 1")
    share = spotlight_null(dimension, epsilon)
    tail = (1 - level) / 2
    if signed:
        half = float(norm.isf(tail)) * math.sqrt(2 * share / rows)
        return -half, half
    low, high = binom.ppf([tail, 1 - tail], rows, share) / rows
    return float(low), float(high)


def kept_share(dimension: int, epsilon: float) -> float:
    """P(r >= epsilon) = (1 - epsilon^2)^((d-2)/2) for the length r of a unit row's projection on a plane."""
    _at_least_two(dimension)
    return float((1 - epsilon**2) ** ((dimension - 2) / 2))


def rayleigh(angles: np.ndarray, harmonic: int = 1) -> tuple[float, float]:
    """The length R of the mean of e^{ih phi}, and the p-value that uniform angles give one as long.

    p = exp(sqrt(1 + 4M + 4M^2(1 - R^2)) - (1 + 2M)): the tail of 2 M R^2 ~ chi^2_2 with its correction for finite M.

    Source: J. H. Zar, Biostatistical Analysis, the Rayleigh test.
    """
    count = len(angles)
    if count == 0:
        return math.nan, math.nan
    length = float(abs(np.exp(1j * harmonic * angles).mean()))
    exponent = math.sqrt(1 + 4 * count + 4 * count**2 * max(0.0, 1 - length**2)) - (1 + 2 * count)
    return length, min(1.0, math.exp(exponent))


@cache
def mean_largest_cosine(dimension: int) -> float:
    """E max_i |u_i| over an orthonormal basis = E max |g_i| / E |g| for a Gaussian vector g.

    E max |g_i| = integral of 1 - erf(t/sqrt 2)^d over t > 0; E |g| = sqrt 2 Gamma((d+1)/2)/Gamma(d/2).
    """
    from scipy.integrate import quad
    from scipy.special import erf

    _at_least_two(dimension)
    top, _ = quad(lambda t: 1 - erf(t / math.sqrt(2)) ** dimension, 0, math.inf, epsabs=1e-12)
    norm = math.sqrt(2) * math.exp(math.lgamma((dimension + 1) / 2) - math.lgamma(dimension / 2))
    return float(top / norm)


def quartic_moments(dimension: int) -> tuple[float, float]:
    """Mean and variance of sum_i u_i^4 for one isotropic row: 3/(d+2), and from E u_1^8 and E u_1^4 u_2^4.

    E u_1^8 = 105/D and E u_1^4 u_2^4 = 9/D with D = d(d+2)(d+4)(d+6).
    """
    _at_least_two(dimension)
    d = dimension
    mean = 3 / (d + 2)
    second = (105 * d + 9 * d * (d - 1)) / (d * (d + 2) * (d + 4) * (d + 6))
    return mean, second - mean**2


def _at_least_two(dimension: int) -> None:
    if dimension < 2:
        raise InputError(f"dimension={dimension} must be at least 2; a line has two directions and no planes")
