"""The law of an active feature's value U in floating point: transforms, tails and integration rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import ceil

import numpy as np

from theory import FeatureLaw, InputError

__all__ = ["NumericLaw", "numeric_law", "unit_rule"]

Array = np.ndarray
Transforms = list[np.ndarray]

_SMALL = 1.0
_TAYLOR_TERMS = 17


@dataclass(frozen=True)
class NumericLaw:
    """What quadrature needs to know about U.

    Attributes:
        mean: mu_1 = E U.
        second: mu_2 = E U**2.
        upper: right end of the support of |U| (inf if unbounded).
        breaks: panel edges covering the support of |U| up to a tail below 1e-25.
        grading: how strongly nodes must crowd at the left and right panel edges (1: not at all).
        is_two_sided: whether the sign of U is random.
        is_flat: whether |U| has a constant density, so that rules exact for polynomials integrate sigma exactly.
        magnitude_transforms: (w, order) -> the list of E |U|**k e^(iw|U|) for k = 0 .. order (order at most 2).
        magnitude_density: density of |U| from (u, upper - u); the second keeps its accuracy at the right end.
        magnitude_mgf: s -> E e^(s|U|), inf where it diverges.
    """

    mean: float
    second: float
    upper: float
    breaks: tuple[float, ...]
    grading: tuple[int, int]
    is_two_sided: bool
    is_flat: bool
    magnitude_transforms: Callable[[Array, int], Transforms]
    magnitude_density: Callable[[Array, Array], Array]
    magnitude_mgf: Callable[[Array], Array]

    @property
    def signs(self) -> tuple[float, ...]:
        """The signs U can take; each has the same probability."""
        return (1.0, -1.0) if self.is_two_sided else (1.0,)

    def transforms(self, w: Array, order: int) -> Transforms:
        """E U**k e^(iwU) for k = 0 .. order, each of w's shape; order is at most 2."""
        found = self.magnitude_transforms(w, order)
        if not self.is_two_sided:
            return found
        return [1j * value.imag if k % 2 else value.real + 0j for k, value in enumerate(found)]

    def mgf(self, s: Array) -> Array:
        """E e^(sU), inf where it diverges."""
        with np.errstate(over="ignore"):
            if not self.is_two_sided:
                return self.magnitude_mgf(s)
            return (self.magnitude_mgf(s) + self.magnitude_mgf(-s)) / 2


def numeric_law(law: FeatureLaw) -> NumericLaw:
    """The floating-point form of a feature law.

    Raises:
        InputError: the binary law, whose sums live on a lattice, or a law this module does not know.
    """
    if law.name == "binary":
        raise InputError(
            f"law={law}: sums of it live on a lattice, where quadrature does not converge; "
            "use method='exact' (all supports, up to 16 features) or 'monte_carlo'"
        )
    if law.name not in _MAGNITUDES:
        raise InputError(f"law={law} has no quadrature form; the laws are {', '.join(_MAGNITUDES)}; use 'monte_carlo'")
    return _numeric_law(law)


@cache
def _numeric_law(law: FeatureLaw) -> NumericLaw:
    breaks, grading, transforms, density, mgf = _MAGNITUDES[law.name](*(float(p) for p in law.parameters))
    return NumericLaw(
        float(law.moment(1)),
        float(law.moment(2)),
        float(law.upper),
        breaks,
        grading,
        law.is_two_sided,
        law.name == "uniform",
        transforms,
        density,
        mgf,
    )


@cache
def unit_rule(count: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


Magnitude = tuple[
    tuple[float, ...],
    tuple[int, int],
    Callable[[Array, int], Transforms],
    Callable[[Array, Array], Array],
    Callable[[Array], Array],
]


def _uniform() -> Magnitude:
    def transforms(w: Array, order: int) -> Transforms:
        small = np.abs(w) < _SMALL
        inverse = 1 / np.where(small, 1.0, w)
        cosine, sine = np.cos(w), np.sin(w)
        found: Transforms = []
        # Integration by parts: (iw) E U**k e^(iwU) = e^(iw) - k E U**(k-1) e^(iwU), and e^(iw) - 1 for k = 0.
        for k in range(order + 1):
            value = np.empty(w.shape, dtype=np.complex128)
            value.real = (sine - k * found[-1].imag if k else sine) * inverse
            value.imag = (k * found[-1].real - cosine if k else 1 - cosine) * inverse
            found.append(value)
        if small.any():
            # The closed forms cancel near 0, where the power series needs few terms.
            powers = 1j * w[small]
            for k, target in enumerate(found):
                total = np.zeros_like(powers)
                for j in reversed(range(_TAYLOR_TERMS)):
                    total = total * powers / (j + 1) + 1 / (j + k + 1)
                target[small] = total
        return found

    def mgf(s: Array) -> Array:
        safe = np.where(s == 0, 1.0, s)
        return np.where(s == 0, 1.0, np.expm1(safe) / safe)

    return (0.0, 1.0), (1, 1), transforms, lambda u, v: np.ones_like(u), mgf


def _exponential() -> Magnitude:
    def transforms(w: Array, order: int) -> Transforms:
        phi = 1 / (1 - 1j * w)
        return [phi, phi * phi, 2 * phi**3][: order + 1]

    def mgf(s: Array) -> Array:
        return np.where(s < 1, 1 / np.where(s < 1, 1 - s, 1.0), np.inf)

    return (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0), (1, 1), transforms, lambda u, v: np.exp(-u), mgf


def _half_normal() -> Magnitude:
    from scipy.special import erfcx, wofz

    root = np.sqrt(2 / np.pi)
    # psi ~ -root sum_k (2k+1)!!/w^(2k+2); chi = -i psi'. Both closed forms cancel where the series is exact.
    odd_factorials = np.cumprod(np.arange(1.0, 31.0, 2.0))
    even = np.arange(2.0, 32.0, 2.0)

    def transforms(w: Array, order: int) -> Transforms:
        phi = wofz(w / np.sqrt(2))
        psi = 1j * w * phi + root
        chi = phi + 1j * w * psi
        far = np.abs(w) > 12
        if far.any():
            inverse = 1 / w[far]
            psi[far] = -root * inverse**2 * np.polynomial.polynomial.polyval(inverse**2, odd_factorials)
            chi[far] = -1j * root * inverse**3 * np.polynomial.polynomial.polyval(inverse**2, odd_factorials * even)
        return [phi, psi, chi][: order + 1]

    return (
        (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0),
        (1, 1),
        transforms,
        lambda u, v: root * np.exp(-(u**2) / 2),
        lambda s: erfcx(-s / np.sqrt(2)),
    )


def _beta(a: float, b: float) -> Magnitude:
    from scipy.special import betaln, hyp1f1, roots_jacobi

    # E U**k e^(iwU) is tabulated at integer w and continued from there by its Taylor series, which the next
    # moments give; beyond `far` the two endpoint expansions are exact to rounding. (scipy's hyp1f1 is not, for
    # imaginary arguments.)
    far = 60 + 6 * ceil(a + b)
    nodes, weights = roots_jacobi(far // 2 + 60, b - 1, a - 1)
    u, weights = (1 + nodes) / 2, weights / weights.sum()
    rising = u[:, None] ** np.arange(_TAYLOR_TERMS + 2)
    table = np.exp(1j * np.arange(far + 1)[:, None] * u) @ (weights[:, None] * rising)

    def near(w: Array, order: int) -> np.ndarray:
        grid = np.rint(w).astype(np.intp)
        step = 1j * (w - grid)
        total = np.zeros_like(step)
        for k in reversed(range(_TAYLOR_TERMS)):
            total = total * step / (k + 1) + table[grid, k + order]
        return total

    def transforms(w: Array, order: int) -> Transforms:
        size = np.abs(w)
        close = size <= far
        found: Transforms = []
        for k in range(order + 1):
            values = np.empty(w.shape, dtype=np.complex128)
            values[close] = near(size[close], k)
            # The expansions need fewer terms the larger w is.
            for part in (~close & (size <= 8 * far), size > 8 * far):
                if part.any():
                    values[part] = _beta_far(a, b, k, size[part])
            found.append(np.where(w < 0, values.conj(), values))
        return found

    def density(u: Array, v: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.exp((a - 1) * np.log(u) + (b - 1) * np.log(v) - betaln(a, b))

    grading = (_grading(a), _grading(b))
    return (0.0, 1.0), grading, transforms, density, lambda s: hyp1f1(a, a + b, s)


def _beta_far(a: float, b: float, order: int, w: Array) -> np.ndarray:
    """E U**order e^(iwU) for large w > 0: the contributions of the two ends of [0, 1] (DLMF 13.7.2)."""
    from scipy.special import gammaln, rgamma

    top = a + order
    scale = np.exp(gammaln(a + b) - gammaln(a))
    iw = 1j * w
    right, left = np.ones_like(iw), np.ones_like(iw)
    right_term, left_term = np.ones_like(iw), np.ones_like(iw)
    for s in range(30):
        right_term = right_term * ((1 - top + s) * (b + s)) / ((s + 1) * iw)
        left_term = left_term * ((top + s) * (1 - b + s)) / ((s + 1) * -iw)
        right, left = right + right_term, left + left_term
        if max(np.abs(right_term).max(), np.abs(left_term).max()) < 1e-18:
            break
    at_one = np.exp(iw) * iw**-b * right
    at_zero = (-iw) ** -top * left * np.exp(gammaln(top)) * rgamma(b)
    return scale * (at_one + at_zero)


def _grading(exponent: float) -> int:
    """Crowding that makes u**(exponent - 1) du smooth: u = s**r turns it into s**(r exponent - 1) ds."""
    if exponent == round(exponent):
        return 1
    for r in range(2, 9):
        if r * exponent == round(r * exponent):
            return r
    return max(4, ceil(6 / exponent))


_MAGNITUDES: dict[str, Callable[..., Magnitude]] = {
    "uniform": _uniform,
    "exponential": _exponential,
    "half_normal": _half_normal,
    "beta": _beta,
}
