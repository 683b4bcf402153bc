"""How many features fit at a given loss per feature: exponentially many with a bias, polynomially many without.

Source: docs/theory.md, T5(e) and T11(d), (e).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import exp, floor, log
from typing import Any

import sympy

from theory.arguments import InputError, as_positive_count, exact
from theory.loss.bias.packing_search import best_packing_certificate
from theory.loss.bias.threshold import threshold_distortion

__all__ = ["FeatureCounts", "feature_counts"]

_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class FeatureCounts:
    """Certified numbers of features at c*/n <= distortion, for ReLU and features uniform on [0, 1].

    Attributes:
        m: hidden dimension.
        distortion: delta, the loss per feature and density that is allowed; predicting 0 costs 1/3.
        with_bias: at least this many features are held by some weights and biases (inf beyond floating point).
        with_bias_at_most: no weights and biases hold more; inf where no bound is known.
        without_bias: at least this many features are held without a bias: 2m at no loss, others dropped.
        without_bias_at_most: no weights hold more without a bias.
    """

    m: int
    distortion: float
    with_bias: float
    with_bias_at_most: float
    without_bias: float
    without_bias_at_most: float


def feature_counts(m: Any, distortion: Any, upper: bool = True) -> FeatureCounts:
    """Certified counts of features that ReLU holds in m dimensions at the given loss per feature, both ways.

    With a bias: 1 + e^(m tau^2/2) unit vectors with cosines at most tau exist, so with d(tau) = tau^2/4 + tau^3/12 =
    delta at least that many are held (T11(d)); a packing certificate with loss v > delta and discount C shows that at
    most C/(v - delta) are (T11(e)). Without: n (1/3 - delta) <= K*/3 <= (m^(3/2) + 3m/2)/3, so n <= (m^(3/2) + 3m/2) /
    (1 - 3 delta) (T5(e)); 2m/(1 - 3 delta) are held by antipodal pairs.

    Args:
        m: hidden dimension, an integer >= 1.
        distortion: delta in (0, 1/3).
        upper: whether to search for the upper count with a bias (seconds); else it is inf.

    Raises:
        InputError: out of range.

    Source: docs/theory.md, T5(e), T11(d) and (e).
    """
    size, allowed = as_positive_count("m", m), exact("distortion", distortion)
    if not size.is_number:
        raise InputError(f"m={m} is a symbol; give a number")
    if not (allowed.is_number and 0 < allowed < sympy.Rational(1, 3)):
        raise InputError(f"distortion={distortion} must be in (0, 1/3): at 1/3 every feature may be dropped")
    dimension, delta = int(size), float(allowed)
    power = dimension * float(_threshold_of(allowed)) ** 2 / 2
    held = float("inf") if power > _LARGEST_EXPONENT else 1 + floor(exp(power) * (1 - 1e-12))
    room = 1 - 3 * delta
    most = floor((dimension**1.5 + 1.5 * dimension) / room * (1 + 1e-12))
    fewest = floor(2 * dimension / room * (1 - 1e-12))
    return FeatureCounts(
        dimension,
        delta,
        # Two opposite features per dimension cost nothing, whatever the threshold.
        max(held, fewest),
        _most_with_bias(dimension, Fraction(int(allowed.p), int(allowed.q))) if upper else float("inf"),
        fewest,
        most,
    )


def _threshold_of(allowed: sympy.Expr) -> sympy.Rational:
    """The largest tau, rounded down, with d(tau) <= delta, d(tau) = tau^2/4 + tau^3/12."""
    low, high = sympy.Rational(0), sympy.Rational(1)
    tau = sympy.Symbol("tau", positive=True)
    d = threshold_distortion(tau)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if d.subs(tau, middle) <= allowed else (low, middle)
    return low


@cache
def _most_with_bias(m: int, allowed: Fraction) -> float:
    """The smallest n at which a certificate excludes n features; certificates are searched on a geometric ladder."""
    best = float("inf")
    start = 2 * m + 1
    for step in range(40):
        n = round(start * 2.0**step)
        if n > 10**7 or n > 4 * best:
            break
        certificate = best_packing_certificate(n, m, levels=3)
        if certificate is not None and certificate.loss > allowed:
            # One certificate bounds every n: n v - C <= n delta fails from C/(v - delta) on.
            best = min(best, float(certificate.discount / (certificate.loss - allowed)))
            if log(n) > log(best):
                break
    return best if best == float("inf") else floor(best * (1 + 1e-12))
