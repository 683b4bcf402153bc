"""A three-point bound on the capacity as an exact proof object: integer factors whose squares add up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import sympy

from theory.arguments import InputError
from theory.loss.certificate_format import FORMAT, VERSION
from theory.loss.three_point.conditions import Region, Setting
from theory.loss.three_point.polynomials import ONE, Polynomial, monomial, product, scaled, total

__all__ = ["MAX_DEGREE", "ThreePointCertificate", "parse_three_point"]

MAX_DEGREE, MAX_ORDER, MAX_POWER, MAX_BITS = 8, 16, 12, 80
_LARGEST_ENTRY, _LARGEST_DIMENSION = 2**100, 1000
# An honest search leaves over what a solver in floats does; more than this is a file that was changed.
_LARGEST_SLACK = Fraction(1, 10**4)

Factor = tuple[tuple[int, ...], ...]
"""A matrix R of integers; with the certificate's denominator it stands for the positive semidefinite R^T R."""


@dataclass(frozen=True)
class ThreePointCertificate:
    """Proves K* <= 1/(lambda - slack + eta/n) by sums of squares that are checked in integer arithmetic.

    Every positive semidefinite matrix is given by an integer factor R over 2^bits, so nothing has to be believed about
    it. What the sums of squares leave over is bounded by the sum of its absolute coefficients (cosines are at most 1)
    and taken off lambda; where that is more than rounding, the file is rejected.

    Attributes:
        m: hidden dimension, >= 2.
        n: number of features, or None for a bound that holds for every n.
        exponent: a > 0 with 2a an integer, of the kernel f(t) = t_+^(2a) + negative t_-^(2a).
        negative: rational in [0, 1].
        degree, order: the size of the setting (`Setting`).
        bits: entries of factors are integers over 2^bits, constants integers over 2^(2 bits).
        constant: lambda, the bound on the energy for n -> oo.
        per_feature: eta >= 0, the coefficient of sum_i a_i^2 >= 1/n.
        positive: the factor of F_k for each harmonic degree k.
        squares: for each region, pairs before triples, the factors of its squares.

    Source: docs/theory.md, T5(g).
    """

    m: int
    n: int | None
    exponent: sympy.Rational
    negative: sympy.Rational
    degree: int
    order: int
    bits: int
    constant: int
    per_feature: int
    positive: tuple[Factor, ...]
    squares: tuple[tuple[Factor, ...], ...]

    @cached_property
    def setting(self) -> Setting:
        """The conditions to be shown."""
        power, weight = int(2 * self.exponent), Fraction(int(self.negative.p), int(self.negative.q))
        return Setting(self.m, power, weight, self.degree, self.order)

    @cached_property
    def slack(self) -> Fraction:
        """What the sums of squares leave over, as an amount to take off lambda; exact."""
        pairs, triples = self.setting.pair_regions, self.setting.triple_regions
        # lambda enters the condition for pairs three times.
        over_pairs = [self._left_over(region, self._on_pairs(region), place) / 3 for place, region in enumerate(pairs)]
        over_triples = [
            self._left_over(region, self._on_triples(region), len(pairs) + place)
            for place, region in enumerate(triples)
        ]
        return max(Fraction(0), -self._on_points(), *over_pairs, *over_triples)

    @property
    def energy(self) -> Fraction:
        """The proved bound E >= lambda - slack + eta/n for weights of sum 1, exact."""
        share = Fraction(0) if self.n is None else self._constant(self.per_feature) / self.n
        return self._constant(self.constant) - self.slack + share

    @property
    def capacity(self) -> sympy.Rational:
        """The proved bound on K*, exact."""
        energy = self.energy
        return sympy.Rational(energy.denominator, energy.numerator)

    def for_features(self, n: int | None) -> ThreePointCertificate:
        """The same proof, read for another number of features."""
        found = replace(self, n=n)
        if "slack" in self.__dict__:
            found.__dict__["slack"] = self.slack  # it does not depend on n, and takes most of the time
        return found

    def check(self) -> str | None:
        """None where the certificate proves a bound; else the reason it does not. All arithmetic is exact."""
        if self.per_feature < 0:
            return "eta is negative, so sum a_i^2 >= 1/n does not help"
        expected = [self.setting.size(k) for k in self.setting.harmonics]
        if [_width(factor) for factor in self.positive] != expected:
            return f"the matrices F_k must have orders {expected}"
        regions = [*self.setting.pair_regions, *self.setting.triple_regions]
        if len(self.squares) != len(regions):
            return f"squares are needed for {len(regions)} regions, but there are {len(self.squares)}"
        for region, factors in zip(regions, self.squares, strict=True):
            widths = [len(square.basis) for square in self.setting.squares(region)]
            if [_width(factor) for factor in factors] != widths:
                return f"the squares on the region with signs {region} must have orders {widths}"
        if self.slack > _LARGEST_SLACK:
            return f"the sums of squares do not add up: {float(self.slack):.1e} is left over"
        if self.energy <= 0:
            return "lambda + eta/n is not positive, so nothing follows"
        return None

    def to_json(self) -> str:
        """The certificate as a JSON text."""
        data = {
            "format": FORMAT,
            "version": VERSION,
            "kind": "three-point",
            "statement": "n unit vectors in R^m have capacity at most `capacity` under t_+^(2a) + negative t_-^(2a)",
            "m": self.m,
            "n": self.n,
            "exponent": str(self.exponent),
            "negative": str(self.negative),
            "capacity": str(_rounded_up(self.capacity)),
            "degree": self.degree,
            "order": self.order,
            "bits": self.bits,
            "lambda": self.constant,
            "eta": self.per_feature,
            "positive": self.positive,
            "squares": self.squares,
        }
        return json.dumps(data, separators=(",", ":"))

    def _constant(self, value: int) -> Fraction:
        return Fraction(value, 4**self.bits)

    def _on_points(self) -> Fraction:
        """1 - lambda - eta - (F_0)_00."""
        corner = sum(row[0] ** 2 for row in self.positive[0])
        return 1 - self._constant(self.constant + self.per_feature + corner)

    def _on_pairs(self, region: Region) -> Polynomial:
        """1 + 2 f(t) - 3 lambda - eta - what the F_k contribute where two of three points coincide."""
        setting, sign = self.setting, region[0]
        constant = self._constant(3 * self.constant + self.per_feature)
        terms = [scaled(setting.kernel(0, sign), 2), monomial(0, 0, 1 - constant)]
        for k, factor in enumerate(self.positive):
            functions = [setting.function(which, 0, sign) for which in setting.functions(k)]
            for row in factor:
                apex, others = (row[0], row[1:]) if k == 0 else (0, row)
                form = _combination(others, functions)
                square = product(product(form, form), setting.pair_kernels[k])
                terms += [scaled(square, -self._constant(1)), scaled(form, -2 * self._constant(apex))]
        return total(terms)

    def _on_triples(self, region: Region) -> Polynomial:
        """(f(u) + f(v) + f(t))/3 - lambda - the average over apexes of <F_k, b(u) b(v)^T> Q_k."""
        setting = self.setting
        terms = [scaled(setting.kernel(axis, region[axis]), Fraction(1, 3)) for axis in range(3)]
        terms.append(scaled(ONE, -self._constant(self.constant)))
        for k, factor in enumerate(self.positive):
            rows = [row[1:] for row in factor] if k == 0 else factor

            def form(signs: Region, rows: Sequence[Sequence[int]] = rows, k: int = k) -> Polynomial:
                which = setting.functions(k)
                first, second = ([setting.function(w, axis, signs[axis]) for w in which] for axis in (0, 1))
                return total(product(_combination(row, first), _combination(row, second)) for row in rows)

            terms.append(scaled(setting.on_triples(region, k, form), -self._constant(1)))
        return total(terms)

    def _left_over(self, region: Region, function: Polynomial, place: int) -> Fraction:
        """Sum of the absolute coefficients of the function minus its sums of squares."""
        gathered: dict[Any, int] = {}
        for square, factor in zip(self.setting.squares(region), self.squares[place], strict=True):
            size = len(square.basis)
            for i in range(size):
                for j in range(i, size):
                    entry = sum(row[i] * row[j] for row in factor) * (1 if i == j else 2)
                    if entry:
                        for exponents, value in square.of_entry(i, j).items():
                            gathered[exponents] = gathered.get(exponents, 0) + entry * value
        rest = total([function, {e: -self._constant(value) for e, value in gathered.items()}])
        return sum((abs(Fraction(value)) for value in rest.values()), Fraction(0))


def parse_three_point(data: Mapping[str, Any], m: int, n: int | None, exponent: Any, negative: Any) -> Any:
    """The certificate that the fields of a JSON object describe, not yet checked.

    Raises:
        InputError: a field is missing, of the wrong kind or out of range.
    """
    power = 2 * exponent
    if not (power.is_Integer and 1 <= power <= MAX_POWER and 0 <= negative <= 1 and 2 <= m <= _LARGEST_DIMENSION):
        raise InputError(
            f"certificate has m={m}, exponent={exponent}, negative={negative}; a three-point one needs m >= 2, 2a an "
            f"integer up to {MAX_POWER}, negative in [0, 1]"
        )
    numbers: dict[str, int] = {}
    for name, least, most in (
        ("degree", 1, MAX_DEGREE), ("order", 2, MAX_ORDER), ("bits", 1, MAX_BITS),
        ("lambda", -_LARGEST_ENTRY**2, _LARGEST_ENTRY**2), ("eta", -_LARGEST_ENTRY**2, _LARGEST_ENTRY**2),
    ):  # fmt: skip
        value = data.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise InputError(
                f"certificate has {name}={value!r:.60}; it must be an integer from {least:.3g} to {most:.3g}"
            )
        numbers[name] = value
    positive = _matrices(data.get("positive"), "positive")
    listed = data.get("squares")
    if not isinstance(listed, list) or len(listed) > 12:
        raise InputError("certificate must list the squares of at most 12 regions")
    return ThreePointCertificate(
        m=m, n=n, exponent=exponent, negative=negative,
        degree=numbers["degree"], order=numbers["order"], bits=numbers["bits"],
        constant=numbers["lambda"], per_feature=numbers["eta"], positive=positive,
        squares=tuple(_matrices(entry, f"squares[{i}]") for i, entry in enumerate(listed)),
    )  # fmt: skip


def _matrices(value: Any, name: str) -> tuple[Factor, ...]:
    if not isinstance(value, list) or len(value) > 64:
        raise InputError(f"certificate has no list of at most 64 matrices under {name}")
    return tuple(_matrix(entry, f"{name}[{i}]") for i, entry in enumerate(value))


def _matrix(value: Any, name: str) -> Factor:
    rows = value if isinstance(value, list) else None
    width = len(rows[0]) if rows and isinstance(rows[0], list) else 0
    if rows is None or not 1 <= width <= 400 or len(rows) > 400:
        raise InputError(f"certificate has no matrix under {name}")
    for row in rows:
        if not isinstance(row, list) or len(row) != width:
            raise InputError(f"certificate has rows of different lengths in {name}")
        if not all(_is_integer(entry) and abs(entry) <= _LARGEST_ENTRY for entry in row):
            raise InputError(f"certificate has an entry in {name} that is no integer of at most 100 bits")
    return tuple(tuple(row) for row in rows)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _width(factor: Factor) -> int:
    return len(factor[0]) if factor else 0


def _combination(weights: Sequence[int], functions: Sequence[Polynomial]) -> Polynomial:
    return total(scaled(function, weight) for weight, function in zip(weights, functions, strict=True) if weight)


def _rounded_up(value: sympy.Rational, digits: int = 15) -> sympy.Rational:
    """A short rational at least as large."""
    scale = 10**digits
    return sympy.Rational(-((-value.p * scale) // value.q), scale)
