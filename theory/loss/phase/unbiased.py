"""The largest gain A_+^2/B over all directions, in exact arithmetic: roots isolated, values enclosed in rationals.

Within a sector the gain is a rational function of one ratio s in [0, 1], so its maximum is at an end or at a root of
2A'B - AB'. The roots are isolated by exact arithmetic and every value is enclosed by rational interval arithmetic, so
comparing the candidates is a proof. Source: docs/theory.md, T12.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import sympy

from theory.activations import PowerForm
from theory.features import FeatureLaw
from theory.loss.phase.gain import DENSITY, IMPORTANCE, RATIO, SECTORS, Sector, sector_functions

__all__ = ["Candidate", "best_candidates", "candidates"]

_WIDTH = Fraction(1, 10**24)
Interval = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Candidate:
    """A direction where the gain may be largest.

    Attributes:
        sector: which quarter of the directions.
        ratio: enclosure of s, exact where both ends agree.
        saved: enclosure of the loss saved, p A_+^2/B, at the best scale.
        gain: enclosure of the best output gain A/B, that is |w_lead|^(2a).
        equation: a polynomial in s that vanishes at the ratio; None at the ends 0 and 1.
    """

    sector: Sector
    ratio: Interval
    saved: Interval
    gain: Interval
    equation: sympy.Poly | None = None

    @property
    def phase(self) -> str:
        """What becomes of feature 2."""
        return self.sector.phase(self.ratio == (0, 0))


def candidates(
    form: PowerForm, law: FeatureLaw, density: sympy.Rational, importance: sympy.Rational
) -> list[Candidate]:
    """Every critical direction and every end of a sector, for rational density and importance.

    Raises:
        InputError: an exponent or a law without closed form.
    """
    found = []
    for sector in SECTORS:
        functions = sector_functions(form, law, sector)
        table = {DENSITY: density, IMPORTANCE: importance}
        A, B = (_Ratio.of(function.subs(table)) for function in functions)
        for ratio, equation in _critical_ratios(A, B):
            if ratio == (0, 0) and sector.sign < 0:
                continue  # the axis belongs to the aligned sector too
            cross, square = A(ratio), B(ratio)
            if square[0] <= 0:
                continue
            kept = (max(cross[0], Fraction(0)), max(cross[1], Fraction(0)))
            p = _fraction(density)
            saved = (p * kept[0] ** 2 / square[1], p * kept[1] ** 2 / square[0])
            gain = (kept[0] / square[1], kept[1] / square[0])
            found.append(Candidate(sector, ratio, _rounded(saved), _rounded(gain), equation))
    return found


def best_candidates(found: list[Candidate]) -> dict[str, Candidate]:
    """The candidate with the largest saving of each phase."""
    best: dict[str, Candidate] = {}
    for candidate in found:
        phase = candidate.phase
        if phase not in best or candidate.saved[1] > best[phase].saved[1]:
            best[phase] = candidate
    return best


class _Polynomial:
    """A polynomial with rational coefficients, evaluated exactly at rationals and on rational intervals."""

    def __init__(self, poly: sympy.Poly):
        self.poly = poly
        self.coefficients = [_fraction(c) for c in reversed(poly.all_coeffs())]

    def at(self, x: Fraction) -> Fraction:
        value = Fraction(0)
        for c in reversed(self.coefficients):
            value = value * x + c
        return value

    def on(self, interval: Interval) -> Interval:
        """An enclosure on a short interval in [0, 1]: the value in the middle and a bound on the slope."""
        low, high = interval
        if low == high:
            value = self.at(low)
            return value, value
        # |s| <= 1, so the derivative is at most the sum of its absolute coefficients.
        slope = sum(abs(k * c) for k, c in enumerate(self.coefficients))
        middle = self.at((low + high) / 2)
        return middle - slope * (high - low) / 2, middle + slope * (high - low) / 2


class _Ratio:
    """A rational function of s whose denominator has no zero on [0, 1]."""

    def __init__(self, numerator: sympy.Poly, denominator: sympy.Poly):
        self.numerator, self.denominator = numerator, denominator
        self._parts = _Polynomial(numerator), _Polynomial(denominator)

    @classmethod
    def of(cls, expr: sympy.Expr) -> _Ratio:
        numerator, denominator = sympy.fraction(sympy.together(expr)) if not expr.is_polynomial(RATIO) else (expr, 1)
        polys = (sympy.Poly(numerator, RATIO, domain="QQ"), sympy.Poly(denominator, RATIO, domain="QQ"))
        if polys[1].eval(0) < 0:
            polys = (-polys[0], -polys[1])
        return cls(*polys)

    def __call__(self, interval: Interval) -> Interval:
        (a, b), (c, d) = (part.on(interval) for part in self._parts)
        return min(a / c, a / d), max(b / c, b / d)


def _critical_ratios(A: _Ratio, B: _Ratio) -> list[tuple[Interval, sympy.Poly | None]]:
    """The ends of [0, 1] and the critical points of A^2/B between them, each enclosed."""
    ends: list[tuple[Interval, sympy.Poly | None]] = [((Fraction(e), Fraction(e)), None) for e in (0, 1)]
    a, b, c, d = A.numerator, A.denominator, B.numerator, B.denominator
    slope = 2 * a.diff() * d * b * c + a * (d.diff() * b * c - 2 * b.diff() * d * c - c.diff() * d * b)
    if slope.is_zero or slope.degree() == 0:
        return ends
    inner = slope.sqf_part()
    # A root at an end would share its sign with the isolating interval of the next one; the ends are candidates anyway.
    for end in (0, 1):
        if inner.eval(end) == 0:
            inner = inner.quo(sympy.Poly(RATIO - end, RATIO, domain="QQ"))
    polynomial = _Polynomial(inner)
    inside = []
    for (low, high), _ in inner.intervals(inf=0, sup=1) if inner.degree() > 0 else []:
        inside.append((_sharpened(polynomial, (_fraction(low), _fraction(high))), inner))
    return ends + inside


def _sharpened(polynomial: _Polynomial, interval: Interval) -> Interval:
    """The isolating interval of a simple root narrowed to at most 1e-24, by bisection with exact signs."""
    low, high = interval
    if low == high:
        return interval
    sign_low, sign_high = polynomial.at(low), polynomial.at(high)
    if sign_low == 0 or sign_high == 0 or (sign_low > 0) == (sign_high > 0):
        raise ArithmeticError(f"[{low}, {high}] does not isolate one simple root")
    while high - low > _WIDTH:
        middle = _simpler((low + high) / 2, high - low)
        value = polynomial.at(middle)
        if value == 0:
            return middle, middle
        if (value > 0) == (sign_low > 0):
            low = middle
        else:
            high = middle
    return low, high


def _simpler(x: Fraction, width: Fraction) -> Fraction:
    """A fraction near x with a small power of two below: bisection then keeps its numbers short."""
    scale = 1 << max(4, (16 * width.denominator // max(1, width.numerator)).bit_length())
    return Fraction(round(x * scale), scale)


def _fraction(value: sympy.Rational) -> Fraction:
    value = sympy.Rational(value)
    return Fraction(int(value.p), int(value.q))


def _rounded(interval: Interval) -> Interval:
    """The enclosure widened to 30 decimals where its ends are longer than that; a short exact value stays exact."""
    low, high = interval
    if low == high and low.denominator.bit_length() <= 256:
        return interval
    scale = 10**30
    return Fraction((low * scale).__floor__(), scale), Fraction((high * scale).__ceil__(), scale)
