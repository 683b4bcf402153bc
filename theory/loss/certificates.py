"""Proof objects that anyone can re-check exactly, without trusting the search that found them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, TypeGuard

import sympy

from theory.arguments import InputError
from theory.loss.certificate_format import FORMAT, VERSION
from theory.loss.gegenbauer import gegenbauer_coefficients
from theory.loss.minorant import above_power
from theory.loss.three_point.certificate import ThreePointCertificate, parse_three_point

__all__ = ["Certificate", "LinearProgrammingCertificate", "parse_certificate", "read_certificate", "why_rejected"]

_t = sympy.Symbol("t", real=True)
_MAX_DEGREE, _MAX_DIGITS, _MAX_BYTES = 80, 200, 1_000_000


@dataclass(frozen=True)
class LinearProgrammingCertificate:
    """h = sum_l coefficients[l] P_l, a minorant of the kernel that proves an upper bound on the capacity.

    What is proved for a kernel holds for every larger one: for smaller exponents, since |t| <= 1, and for more
    `negative`. So an irrational exponent is certified through a rational one just above it.

    Attributes:
        m: hidden dimension; P_l are the Gegenbauer polynomials of S^(m-1) with P_l(1) = 1.
        n: number of features, or None for a bound that holds for every n.
        exponent: rational a > 0 of the kernel f(t) = t_+^(2a) + negative t_-^(2a).
        negative: rational >= 0.
        coefficients: rational h_0, h_1, ...
    """

    m: int
    n: int | None
    exponent: sympy.Rational
    negative: sympy.Rational
    coefficients: tuple[sympy.Rational, ...]

    @cached_property
    def polynomial(self) -> sympy.Poly:
        """h as a polynomial in t, exact."""
        powers = [sympy.Integer(0)] * len(self.coefficients)
        for degree, weight in enumerate(self.coefficients):
            for power, value in enumerate(gegenbauer_coefficients(degree, self.m)):
                powers[power] += weight * value
        return sympy.Poly(powers[::-1], _t, domain="QQ")

    @property
    def capacity(self) -> sympy.Rational:
        """The proved bound: K* <= 1/(h_0 + (1 - h(1))/n), exact."""
        share = sympy.Integer(0) if self.n is None else (1 - sum(self.coefficients)) / self.n
        return 1 / (self.coefficients[0] + share)

    def check(self) -> str | None:
        """None where the certificate proves its bound; else the reason it does not. All arithmetic is exact."""
        if any(value < 0 for value in self.coefficients[1:]):
            return "a coefficient h_l with l >= 1 is negative, so its kernel is not positive semidefinite"
        if self.negative < 0:
            return f"negative={self.negative} is below 0"
        for side, sign, weight in (("[0, 1]", 1, Fraction(1)), ("[-1, 0]", -1, _fraction(self.negative))):
            found = self._above_kernel(sign, weight)
            if found == "open":
                return f"h comes so close to the kernel f on {side} that h <= f is not shown; a smaller h_0 helps"
            if found is not None:
                return f"h exceeds the kernel f somewhere on {side}: at t = {sign * found}"
        if not self.coefficients[0] + (0 if self.n is None else (1 - sum(self.coefficients)) / self.n) > 0:
            return "h_0 + (1 - h(1))/n is not positive, so nothing follows"
        return None

    def _above_kernel(self, sign: int, weight: Fraction) -> Fraction | Literal["open"] | None:
        """A t in [0, 1] with h(sign t) > weight t^(2a); None where there is none, "open" where that stays open."""
        h = [_fraction(value) * sign**power for power, value in enumerate(reversed(self.polynomial.all_coeffs()))]
        if self.m == 1:  # the cosines are 1 and -1 alone
            return None if sum(h) <= weight else Fraction(1)
        return above_power(h, weight, 2 * _fraction(self.exponent))

    def to_json(self) -> str:
        """The certificate as a small JSON text."""
        data = {
            "format": FORMAT,
            "version": VERSION,
            "kind": "linear-programming",
            "statement": "n unit vectors in R^m have capacity at most `capacity` under t_+^(2a) + negative t_-^(2a)",
            "m": self.m,
            "n": self.n,
            "exponent": str(self.exponent),
            "negative": str(self.negative),
            "coefficients": [str(value) for value in self.coefficients],
            "capacity": str(self.capacity),
        }
        return json.dumps(data, indent=1)


Certificate = LinearProgrammingCertificate | ThreePointCertificate
"""What proves an upper bound on the capacity: has `check`, `capacity` and `to_json`."""


def read_certificate(text: str) -> Certificate:
    """The certificate a JSON text holds, re-checked from scratch.

    Raises:
        InputError: not a certificate, damaged, or one whose statement does not follow; the message says why.
    """
    certificate, claimed = parse_certificate(text)
    reason = why_rejected(certificate, claimed)
    if reason is not None:
        raise InputError(f"certificate proves nothing: {reason}")
    return certificate


def why_rejected(certificate: Certificate, claimed: sympy.Rational) -> str | None:
    """None where the certificate proves the claimed capacity; else the reason it does not. Exact arithmetic only."""
    reason = certificate.check()
    if reason is None and claimed < certificate.capacity:
        return f"it claims capacity <= {float(claimed):.12g}, but proves only {float(certificate.capacity):.12g}"
    return reason


def parse_certificate(text: str) -> tuple[Certificate, sympy.Rational]:
    """The certificate a JSON text holds and the capacity it claims, not yet checked.

    Raises:
        InputError: the text is no certificate, or is damaged.
    """
    if len(text) > _MAX_BYTES:
        raise InputError(f"certificate has {len(text)} characters; at most {_MAX_BYTES} are read")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as problem:  # no JSON, or an integer with thousands of digits
        raise InputError(f"certificate is not JSON that can be read: {problem}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(f"certificate lacks the field format={FORMAT!r}")
    kind = data.get("kind")
    if data.get("version") != VERSION or kind not in ("linear-programming", "three-point"):
        raise InputError(f"certificate of version {data.get('version')!r:.40}, kind {kind!r:.40} is unknown here")
    m, n = data.get("m"), data.get("n")
    if not _is_count(m) or not (n is None or _is_count(n)):
        raise InputError(f"certificate has m={m!r:.40}, n={n!r:.40}; both must be integers >= 1 (n may be null)")
    exponent = _rational(data.get("exponent"), "exponent")
    if not 0 < exponent <= _MAX_DEGREE:
        raise InputError(f"certificate has exponent={exponent}; it must be in (0, {_MAX_DEGREE}]")
    negative, claimed = _rational(data.get("negative"), "negative"), _rational(data.get("capacity"), "capacity")
    if kind == "three-point":
        return parse_three_point(data, m, n, exponent, negative), claimed
    listed = data.get("coefficients")
    if not isinstance(listed, list) or not 1 <= len(listed) <= _MAX_DEGREE + 1:
        raise InputError(f"certificate must list 1 to {_MAX_DEGREE + 1} coefficients")
    certificate = LinearProgrammingCertificate(
        m=m,
        n=n,
        exponent=exponent,
        negative=negative,
        coefficients=tuple(_rational(value, f"coefficients[{i}]") for i, value in enumerate(listed)),
    )
    return certificate, claimed


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10**6


def _rational(value: Any, name: str) -> sympy.Rational:
    text = value if isinstance(value, str) else ""
    numerator, slash, denominator = text.partition("/")
    whole = lambda part: part.removeprefix("-").isascii() and part.removeprefix("-").isdigit()  # noqa: E731
    if len(text) > _MAX_DIGITS or not whole(numerator) or (slash and (not whole(denominator) or int(denominator) <= 0)):
        raise InputError(f"certificate has {name}={value!r:.80}; write a rational number as a string such as '5/16'")
    return sympy.Rational(int(numerator), int(denominator) if slash else 1)


def _fraction(value: sympy.Rational) -> Fraction:
    return Fraction(int(value.p), int(value.q))
