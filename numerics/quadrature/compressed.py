"""The transforms of all other features at once, from Chebyshev moments instead of a recursion over the features.

With rho_j = p_j/q_j and a_j = rho_j phi(G_ij t), the product over j of (q_j + p_j phi) is A_0 exp(sum_j log(1 + a_j)).
A sum over j of a function of G_ij is a sum over a few moments of the row. Densities near 1, where the logarithm has
singularities close by, take the sum of log(q_j + p_j phi) at the low frequencies, where that is smooth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from numerics.laws import NumericLaw
from numerics.quadrature.chebyshev import HermitianSeries, hermitian_series, moments, summed
from numerics.quadrature.few_active import Rows, at_most_one
from numerics.setting import Array

__all__ = ["DENSEST", "Compression", "RowMoments", "block_products", "compress", "products", "shared_series"]

Transform = Callable[[Array], np.ndarray]
Transforms = tuple[np.ndarray, np.ndarray, Array, Array]

# Above this density log(1 + rho phi) is singular too close to the real axis.
DENSEST = 0.45
_MOST_DENSITIES = 8
_ACCURATE = 1e-12
# Costs in nanoseconds: a step of the recursion, a node of a series, a moment times a coefficient, an entry of a moment.
_STEP, _NODE, _PRODUCT, _MOMENT = 60.0, 150.0, 1.5, 0.25


@dataclass(frozen=True)
class Compression:
    """The row data from which the product of the others follows at any frequency.

    Attributes:
        scale: g, at least every |G_ij| of another feature.
        log_none: log of the probability that no other visible feature is active, shape (R,); -inf where one must be.
        is_dense: which of the two formulas applies.
        values: the distinct rho (sparse) or p (dense), or Chebyshev points between them, shape (S,).
        x: G_ij/g, 0 where the feature does not show, shape (R, n).
        single: weights of the sum that gives exactly one active feature, shape (R, n).
        several: weights of the sums of logarithms, one per value, each of shape (R, n).
        cancelled: size of what is subtracted to leave the event of several active features, shape (R,).
    """

    scale: float
    log_none: Array
    is_dense: bool
    values: Array
    x: Array
    single: Array
    several: list[Array]
    cancelled: Array

    def work(self, top: float, frequencies: int) -> float:
        """The cost at `frequencies` frequencies up to `top`, in steps of the recursion over features."""
        rows, n = self.x.shape
        degrees, sums = _degrees(self.scale * top), 1 + len(self.values)
        per_frequency = degrees * (_NODE / 2 + rows * _PRODUCT / 2) * sums
        return (per_frequency * frequencies + rows * n * degrees * sums * _MOMENT) / _STEP

    def is_faster(self, top: float, frequencies: int) -> bool:
        """Whether this beats the recursion at frequencies up to `top`."""
        return self.work(top, frequencies) < self.x.size * frequencies


def compress(rows: Rows) -> Compression | None:
    """The compression of some rows; None where densities differ too much for it."""
    others = rows.others
    x = np.where(others > 0, rows.gram, 0.0)
    scale = float(np.abs(x).max(initial=0.0))
    if scale == 0:
        return None
    x = x / scale
    top = others.max()
    with np.errstate(divide="ignore"):
        log_none = np.log1p(-others).sum(axis=1)
    if top >= DENSEST:
        values = _distinct(others)
        if len(values) > _MOST_DENSITIES:
            return None
        single = at_most_one(others)[1]
        several = [(others == p).astype(float) for p in values]
        return Compression(scale, log_none, True, values, x, single, several, np.ones(len(rows)))
    rho = others / (1 - others)
    values = _distinct(rho)
    cancelled = np.exp(log_none) * rho.sum(axis=1) ** 2
    if len(values) <= _MOST_DENSITIES:
        several = [np.where(rho == value, value**2, 0.0) for value in values]
        return Compression(scale, log_none, False, values, x, rho, several, cancelled)
    values, shares = _between(values[0], values[-1], rho)
    return Compression(scale, log_none, False, values, x, rho, [share * rho**2 for share in shares], cancelled)


def _distinct(values: Array) -> Array:
    """The distinct positive values; without sorting where there is only one."""
    positive = values[values > 0]
    return positive[:1] if positive.min() == positive.max() else np.unique(positive)


def _between(low: float, high: float, rho: Array) -> tuple[Array, list[Array]]:
    """Chebyshev points of [low, high] and, per point, the Lagrange polynomial at each rho.

    The logarithm is analytic for |rho| < 1, so that the error falls like the Bernstein ellipse through 1.
    """
    centre, half = (low + high) / 2, (high - low) / 2
    ratio = (1 - centre) / half
    count = int(np.ceil(37 / np.log(ratio + np.sqrt(ratio**2 - 1)))) + 1
    angle = np.pi * (np.arange(count) + 0.5) / count
    points = np.arccos(np.clip((rho - centre) / half, -1, 1))
    cosines = [np.cos(r * points) * (1 if r else 0.5) for r in range(count)]
    shares = [sum(2 / count * np.cos(r * angle[s]) * cosines[r] for r in range(count)) for s in range(count)]
    return centre + half * np.cos(angle), [np.asarray(share) for share in shares]


def _degrees(reach: float) -> int:
    """Degrees that resolve phi(G t)**2 for |G t| <= reach: twice the wave number and a margin."""
    return int(2.1 * reach + 10 * np.cbrt(reach) + 40)


class RowMoments:
    """Moments of the rows, computed once for the most degrees asked for."""

    def __init__(self, data: Compression, degrees: int):
        self.single = moments(data.x, data.single, degrees)
        same = len(data.several) == 1 and not data.is_dense
        self.several = (
            [self.single * data.values[0]] if same else [moments(data.x, weight, degrees) for weight in data.several]
        )


def products(data: Compression, law: NumericLaw, blocks: list[Array]) -> list[Transforms]:
    """For each block of frequencies: transforms with exactly one and with at least two others active, each (R, K).

    The third array says at which frequencies the series resolve the logarithms (elsewhere the values mean nothing);
    the fourth bounds what they leave out there, relative to the transforms.
    """
    series = [shared_series(data, law, t) for t in blocks]
    degrees = max(one.degrees for block in series for one in block)
    rows = RowMoments(data, degrees)
    return [block_products(data, block, rows) for block in series]


def shared_series(data: Compression, law: NumericLaw, t: Array) -> list[HermitianSeries]:
    """The series of phi and, per value, of the logarithm, for a block of frequencies; all rows share them."""
    count = _degrees(data.scale * float(t[-1]))
    found: dict[int, np.ndarray] = {}

    def transform(x: Array) -> np.ndarray:
        if len(x) not in found:
            found[len(x)] = law.transforms(np.multiply.outer(data.scale * x, t), 0)[0]
        return found[len(x)]

    logarithm = _dense_logarithm if data.is_dense else _sparse_logarithm
    return [
        hermitian_series(transform, count),
        *(hermitian_series(partial(logarithm, value, transform), count) for value in data.values),
    ]


def _dense_logarithm(p: float, transform: Transform, x: Array) -> np.ndarray:
    shifted = 1 - p + p * transform(x)
    # Where the product may vanish the logarithm has no use; a jump marks the frequency as unresolved.
    return np.log(np.where(np.abs(shifted) < 1e-3, 1e-3, shifted))


def _sparse_logarithm(rho: float, transform: Transform, x: Array) -> np.ndarray:
    return _logarithm_remainder(rho, transform(x))


def _logarithm_remainder(rho: float, phi: np.ndarray) -> np.ndarray:
    """(log(1 + rho phi) - rho phi)/rho**2 without cancellation, |rho phi| < 1."""
    a = rho * phi
    terms = int(np.ceil(38 / -np.log(rho))) if rho < 1 else 100
    if terms <= 24:
        total = np.zeros_like(phi)
        for k in range(terms + 1, 1, -1):
            total *= a
            total += 1 / k if k % 2 else -1 / k
        return total * phi * phi
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = (np.log1p(a) - a) / rho**2
    small = np.abs(a) < 0.2
    direct[small] = _logarithm_remainder(0.2, phi[small] * (rho / 0.2)) * 0.04 / rho**2
    return direct


def block_products(data: Compression, series: list[HermitianSeries], rows: RowMoments) -> Transforms:
    """One block of `products` from its series."""
    one = summed(series[0], rows.single)
    logs = sum(summed(part, sums) for part, sums in zip(series[1:], rows.several, strict=True))
    log_none = data.log_none[:, None]
    none = np.exp(log_none)
    defect = np.max([part.defect for part in series], axis=0)
    resolved, inexact = defect < _ACCURATE, 4 * defect * np.sum(data.several, axis=0).sum(axis=1)[:, None]
    if data.is_dense:
        return one, np.exp(logs) - none - one, resolved, inexact
    exponent = one + logs
    with np.errstate(over="ignore", invalid="ignore"):
        more = np.exp(exponent + log_none) - none * (1 + one)
        small = np.abs(exponent) < 1
        close = none * (_exponential_remainder(np.where(small, exponent, 0.0)) + logs)
    return none * one, np.where(small, close, more), resolved, inexact


def _exponential_remainder(x: np.ndarray) -> np.ndarray:
    """e^x - 1 - x for |x| <= 1, by its power series."""
    total = np.zeros_like(x)
    for k in range(20, 1, -1):
        total = (total * x + 1) / k
    return total * x * x
