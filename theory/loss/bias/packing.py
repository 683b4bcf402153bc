"""A lower bound on c* that holds for all norms and all biases b <= 0: a proof object, checked by exact arithmetic.

Rectified powers (z)_+^a with an integer a and uniform features. Write gamma_j = g_j^a, tau_j = -b_j/g_j, p = 2a + 1,
psi and phi as in `threshold`. Over all norms a pair of features with cosine rho > 0 costs at least
    2 gamma_i gamma_j F(sqrt(tau_i tau_j), rho),
    F(S, rho) = rho^(2a) min_r [phi(S r/rho) + phi(S/(r rho))]/2,
and F falls in S. Sort the thresholds into levels 0 = T_0 < T_1 < ... < T_K; level k holds T_(k-1) <= tau <= T_k. Given
profiles w_q >= 0 on the levels and positive definite h_q = sum_l h_ql P_l with
    sum_q w_qk w_ql h_q(rho) <= F(S_kl, rho),  S_kl^2 >= T_k T_l,
Delsarte's argument and sum_q h_q0 (sum_j w_q gamma_j)^2 >= sum_q [2 y_q sum_j w_q gamma_j - y_q^2/h_q0] leave one
feature at a time. If each costs at least v on every level, and d(T_K) >= v, then c* >= n v - sum_q y_q^2/h_q0.

Source: docs/theory.md, T11(e).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import isqrt

from theory.loss.gegenbauer import gegenbauer_coefficients
from theory.loss.positivity import is_positive, multiplied, shifted_power

__all__ = ["PackingCertificate", "pair_floor"]

_SQUARE_ROOT_BITS = 40
Polynomial = list[Fraction]


@dataclass(frozen=True)
class PackingCertificate:
    """Levels, profiles, kernels and multipliers that prove a lower bound on c* with free norms and biases b <= 0.

    Attributes:
        m: hidden dimension.
        exponent: a, an integer >= 1.
        two_sided: whether U is symmetric, so that features interfere at cosine rho as at -rho.
        levels: T_1 < ... < T_K in (0, 1), rational.
        profiles: w_q, one rational >= 0 per level, for every q.
        kernels: h_q, rational Gegenbauer coefficients h_q0, h_q1, ... >= 0.
        multipliers: y_q >= 0, rational.
        loss: v, what every feature is shown to cost.
    """

    m: int
    exponent: int
    two_sided: bool
    levels: tuple[Fraction, ...]
    profiles: tuple[tuple[Fraction, ...], ...]
    kernels: tuple[tuple[Fraction, ...], ...]
    multipliers: tuple[Fraction, ...]
    loss: Fraction

    @property
    def discount(self) -> Fraction:
        """sum_q y_q^2/h_q0: the bound for n features is n v minus this."""
        pairs = zip(self.multipliers, self.kernels, strict=True)
        return sum((y**2 / h[0] for y, h in pairs if y), Fraction(0))

    def bound(self, n: int) -> Fraction:
        """The proved bound on inf c(W, b) over b <= 0 for n one-sided features of importance 1; may be negative.

        For symmetric U the same object bounds 2 c - n mu_2.
        """
        return n * self.loss - self.discount

    def check(self) -> str | None:
        """None where everything that the bound rests on holds exactly; else the first thing that fails."""
        counts = {len(self.profiles), len(self.kernels), len(self.multipliers)}
        if len(counts) != 1 or any(len(profile) != len(self.levels) for profile in self.profiles):
            return "profiles, kernels and multipliers do not match"
        if self.exponent < 1 or self.m < 1 or not self.levels:
            return "the exponent must be an integer >= 1, m >= 1, and there must be a level"
        if list(self.levels) != sorted(set(self.levels)) or not self.levels[0] > 0 or not self.levels[-1] < 1:
            return "the levels do not increase within (0, 1)"
        if any(value < 0 for row in (*self.profiles, *self.kernels, self.multipliers) for value in row):
            return "a profile, a multiplier or a Gegenbauer coefficient is negative"
        if any(y > 0 and h[0] == 0 for y, h in zip(self.multipliers, self.kernels, strict=True)):
            return "a multiplier has a kernel of mean 0"
        if self.two_sided and any(any(h[1::2]) for h in self.kernels):
            return "an odd Gegenbauer coefficient is not 0, but symmetric features need even kernels"
        if not self.loss < Fraction(1, 3) or not self.loss <= self._distortion(self.levels[-1]):
            return "features beyond the last level may cost less than the claimed loss"
        for k in range(len(self.levels)):
            if not self._every_feature_pays(k):
                return f"a feature of level {k + 1} may cost less than the claimed loss"
            if not all(self._stays_below(k, other) for other in range(k, len(self.levels))):
                return f"the kernel of a pair with level {k + 1} exceeds the interference of that pair"
        return None

    def _distortion(self, tau: Fraction) -> Fraction:
        a = self.exponent
        ratio = (a + 1 + tau) / Fraction((a + 1) * (a + 2))
        return Fraction(1, 3) - (2 * a + 1) * (1 - tau) * ratio**2

    @cached_property
    def _powers(self) -> tuple[Polynomial, ...]:
        """Every h_q in powers of rho."""
        found = []
        for kernel in self.kernels:
            powers = [Fraction(0)] * len(kernel)
            for degree, weight in enumerate(kernel):
                for power, value in enumerate(gegenbauer_coefficients(degree, self.m)):
                    powers[power] += weight * Fraction(int(value.p), int(value.q))
            found.append(powers)
        return tuple(found)

    def _kernel(self, k: int, other: int) -> Polynomial:
        total = [Fraction(0)] * max(len(h) for h in self._powers)
        for profile, powers in zip(self.profiles, self._powers, strict=True):
            weight = profile[k] * profile[other]
            if weight:
                for i, value in enumerate(powers):
                    total[i] += weight * value
        return total

    def _every_feature_pays(self, k: int) -> bool:
        """(mu_2 - v)(phi - eta) > (psi - Y)^2 there: then mu_2 - 2 gamma (psi - Y) + gamma^2 (phi - eta) >= v."""
        a = self.exponent
        low = self.levels[k - 1] if k else Fraction(0)
        eta = sum(self._kernel(k, k), Fraction(0))
        shift = sum((w[k] * y for w, y in zip(self.profiles, self.multipliers, strict=True)), Fraction(0))
        one, room = Fraction(1), Fraction(1, 3) - self.loss
        phi = [value / (2 * a + 1) for value in shifted_power(one, -one, 2 * a + 1)]
        psi = multiplied(shifted_power(one, -one, a + 1), [Fraction(1, a + 2), Fraction(1, (a + 1) * (a + 2))])
        phi[0] -= eta
        psi[0] -= shift
        square = multiplied(psi, psi)
        gap = [-value for value in square]
        for i, value in enumerate(phi):
            gap[i] += room * value
        return is_positive(gap, low, self.levels[k])

    def _stays_below(self, k: int, other: int) -> bool:
        """h_kl < F(S_kl, .) at every cosine that can occur."""
        kernel = self._kernel(k, other)
        if not any(kernel):
            return True
        start = _root_above(self.levels[k] * self.levels[other])
        if self.m == 1:
            aligned = _floor_at_one(start, self.exponent)
            opposite = aligned if self.two_sided else Fraction(0)
            return _at(kernel, Fraction(1)) <= aligned and _at(kernel, Fraction(-1)) <= opposite
        negative = [-value for value in kernel]
        # An even kernel is checked on [0, 1] alone.
        if not is_positive(negative, Fraction(0) if self.two_sided else Fraction(-1), start):
            return False
        stretched = [Fraction(0), *negative]
        for low, high, floor in pair_floor(start, self.exponent):
            gap = list(floor) + [Fraction(0)] * (len(stretched) - len(floor))
            for i, value in enumerate(stretched):
                gap[i] += value
            if not is_positive(gap, low, high):
                return False
        return True


def pair_floor(start: Fraction, a: int) -> list[tuple[Fraction, Fraction, Polynomial]]:
    """rho F(S, rho) from below on [S, 1]: pieces (low, high, polynomial) for a rational S in (0, 1).

    Up to rho = pS, p = 2a + 1, equal norms are the cheapest: F = (rho - S)^p/(p rho). Beyond that, exactly
    (rho + S)^2 (rho - 2S)/(6 rho) for a = 1; else the larger of rho^(2a) phi(1/p) and half of (rho - S)^p/(p rho).
    """
    p, one = 2 * a + 1, Fraction(1)
    turn = min(p * start, one)
    equal = [value / p for value in shifted_power(-start, one, p)]
    pieces = [(start, turn, equal)]
    if turn == 1:
        return pieces
    if a == 1:
        beyond = multiplied(shifted_power(start, one, 2), [-2 * start / 6, Fraction(1, 6)])
        return [*pieces, (turn, one, beyond)]
    flat = [Fraction(0)] * (2 * a + 1) + [(1 - Fraction(1, p)) ** p / p]
    # Half of equal norms overtakes where (1 - S/rho)^p = 2 (1 - 1/p)^p; any rational point near it will do.
    ratio = 1 - 2.0 ** (1 / p) * (1 - 1 / p)
    switch = Fraction(round(float(start) / ratio * 10**6), 10**6) if ratio > 0 else one
    if not turn < switch < 1:
        return [*pieces, (turn, one, flat)]
    return [*pieces, (turn, switch, flat), (switch, one, [value / 2 for value in equal])]


def _floor_at_one(start: Fraction, a: int) -> Fraction:
    return next(_at(floor, Fraction(1)) for low, high, floor in pair_floor(start, a) if high == 1)


def _at(polynomial: Sequence[Fraction], t: Fraction) -> Fraction:
    return sum((value * t**i for i, value in enumerate(polynomial)), Fraction(0))


def _root_above(value: Fraction) -> Fraction:
    """A rational at least the square root, exact for squares."""
    numerator, denominator = isqrt(value.numerator), isqrt(value.denominator)
    if numerator**2 == value.numerator and denominator**2 == value.denominator:
        return Fraction(numerator, denominator)
    scale = 1 << _SQUARE_ROOT_BITS
    return Fraction(isqrt(value.numerator * scale**2 // value.denominator) + 1, scale)
