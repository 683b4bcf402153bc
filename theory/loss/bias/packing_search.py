"""Finding packing certificates: a convex program solved by cutting planes with HiGHS, then made exact.

For fixed levels and profiles, n v - sum_q y_q^2/h_q0 is concave in (h, y, v), and what every feature pays is convex:
Y_k >= psi(tau) - sqrt((mu_2 - v)(phi(tau) - eta_k)). Nothing found here is trusted: the certificate checks itself.

Source: docs/theory.md, T11(e).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from theory.loss.bias.packing import PackingCertificate
from theory.loss.gegenbauer import gegenbauer_values

__all__ = ["best_packing_certificate", "search_packing_certificate"]

_TOPS = (0.1, 0.16, 0.25, 0.36, 0.5, 0.7)
_SMALLEST_SCALE = 10**9
_ROUNDS = 60
_TOLERANCES = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


@cache
def best_packing_certificate(
    n: int, m: int, exponent: int = 1, two_sided: bool = False, levels: int = 4, degree: int = 10
) -> PackingCertificate | None:
    """The best certificate found for n features over a few choices of the last level; None where none is positive.

    Args:
        n: number of features.
        m: hidden dimension.
        exponent: a, an integer >= 1.
        two_sided: whether features are symmetric.
        levels: how many levels of thresholds; more are sharper, and slower roughly as their square.
        degree: highest Gegenbauer degree.
    """
    coarse: list[tuple[float, float]] = []
    for top in _TOPS:
        found = _Program(n, m, exponent, two_sided, _even_levels(top, 2), degree).solve(12)
        coarse.append((-np.inf if found is None else found[0], top))
    _, top = max(coarse)
    # Finer levels can tell more thresholds apart, so the best last level moves up with their number.
    certificates = [
        search_packing_certificate(n, m, exponent, two_sided, _even_levels(t, levels), degree)
        for t in (top, min(1.35 * top, 0.9))
    ]
    known = [found for found in certificates if found is not None and found.bound(n) > 0]
    return max(known, key=lambda found: found.bound(n)) if known else None


def _even_levels(top: float, count: int) -> tuple[Fraction, ...]:
    return tuple(Fraction(round(top * (k + 1) / count * 1000), 1000) for k in range(count))


def search_packing_certificate(
    n: int,
    m: int,
    exponent: int = 1,
    two_sided: bool = False,
    levels: Sequence[Fraction] = (Fraction(1, 4), Fraction(1, 2)),
    degree: int = 10,
) -> PackingCertificate | None:
    """A certificate with the given levels that has passed its own exact check; None where the search finds none."""
    program = _Program(n, m, exponent, two_sided, tuple(levels), degree)
    found = program.solve(_ROUNDS)
    if found is None:
        return None
    _, kernels, multipliers = found
    shift = max(program.excess(kernels) + 0.1 * program.margin, 0.0)
    for attempt in range(8):
        certificate = program.exact(kernels, multipliers, shift * (1 + attempt), 1e-6 * 4.0**attempt)
        if certificate is not None and certificate.check() is None:
            return certificate
    return None


class _Program:
    """The convex program over kernels h (Q, D), multipliers y (Q), the loss v and the discounts z (Q)."""

    def __init__(self, n: int, m: int, exponent: int, two_sided: bool, levels: tuple[Fraction, ...], degree: int):
        self.n, self.m, self.a, self.two_sided, self.levels = n, m, exponent, two_sided, levels
        self.edges = np.array([0.0, *(float(t) for t in levels)])
        self.profiles = _profiles(levels)
        self.w = np.array([[float(v) for v in row] for row in self.profiles])
        top = min(degree, 1) if m == 1 else degree
        self.degrees = np.arange(0, top + 1, 2 if two_sided else 1)
        self.count, self.size = len(levels), len(self.degrees)
        self.pairs = list(combinations_with_replacement(range(self.count), 2))
        # What grids overlook between their points, and rounding; small against the mean of a kernel, about 1/n.
        self.margin = 1e-4 / n
        q = len(self.profiles)
        self.at_y, self.at_v = q * self.size, q * self.size + q
        self.at_z, self.width = self.at_v + 1, self.at_v + 1 + q

    # psi, phi and d of the uniform law.
    def psi(self, tau: Any) -> Any:
        return (1 - tau) ** (self.a + 1) * (self.a + 1 + tau) / ((self.a + 1) * (self.a + 2))

    def phi(self, tau: Any) -> Any:
        return (1 - tau) ** (2 * self.a + 1) / (2 * self.a + 1)

    def floor(self, k: int, other: int, t: np.ndarray) -> np.ndarray:
        """F(sqrt(T_k T_l), |t| or t_+), as the certificate bounds it from below."""
        p, size = 2 * self.a + 1, np.abs(t) if self.two_sided else np.maximum(t, 0.0)
        start = np.sqrt(self.edges[k + 1] * self.edges[other + 1])
        ratio = start / np.maximum(size, 1e-9)
        equal = np.maximum(1 - ratio, 0.0) ** p / p
        relu = (1 + ratio) ** 2 * (1 - 2 * ratio) / 6
        beyond = relu if self.a == 1 else np.maximum((1 - 1 / p) ** p / p, equal / 2)
        return np.where(size > start, size ** (2 * self.a) * np.where(ratio < 1 / p, beyond, equal), 0.0)

    def basis(self, t: np.ndarray) -> np.ndarray:
        return gegenbauer_values(int(self.degrees[-1]) if self.size > 1 else 0, self.m, t)[self.degrees]

    def grid(self, count: int) -> np.ndarray:
        if self.m == 1:
            return np.array([-1.0, 1.0])
        t = np.cos(np.pi * np.arange(count + 1) / count)
        return t[t >= -1e-12] if self.two_sided else np.append(t, 0.0)

    def weights(self, k: int, other: int) -> np.ndarray:
        return self.w[:, k] * self.w[:, other]

    def kernel_rows(self, k: int, other: int, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = np.zeros((t.size, self.width))
        rows[:, : self.at_y] = np.einsum("q,dt->tqd", self.weights(k, other), self.basis(t)).reshape(t.size, -1)
        return rows, self.floor(k, other, t) - self.margin

    def pay_row(self, k: int, tau: float, v: float, eta: float) -> tuple[np.ndarray, float]:
        """The tangent of psi - sqrt((mu_2 - v)(phi - eta)) <= Y at the given v and eta."""
        mu_2, phi = 1 / 3, float(self.phi(tau))
        room, left = max(mu_2 - v, 1e-9), max(phi - eta, 1e-3 * phi)
        slope_v, slope_eta = 0.5 * np.sqrt(left / room), 0.5 * np.sqrt(room / left)
        row = np.zeros(self.width)
        row[self.at_v] = slope_v
        row[: self.at_y] = np.repeat(slope_eta * self.w[:, k] ** 2, self.size)
        row[self.at_y : self.at_v] = -self.w[:, k]
        return row, slope_v * mu_2 + slope_eta * phi - float(self.psi(tau))

    def discount_row(self, q: int, ratio: float) -> tuple[np.ndarray, float]:
        """y^2/h_0 >= 2 r y - r^2 h_0; r = y/h_0 stands for sum_j w_q gamma_j and is of the order of n at most."""
        row = np.zeros(self.width)
        row[self.at_y + q], row[q * self.size], row[self.at_z + q] = 2 * ratio, -(ratio**2), -1.0
        return row, 0.0

    def first_rows(self) -> list[tuple[np.ndarray, float]]:
        rows = [self.discount_row(q, self.n * r) for q in range(len(self.w)) for r in (0.02, 0.1, 0.3, 0.6, 1.0)]
        for k in range(self.count):
            for tau in np.linspace(self.edges[k], self.edges[k + 1], 3):
                rows += [self.pay_row(k, float(tau), 0.03, share * float(self.phi(tau))) for share in (0.05, 0.5)]
            at_one = np.zeros(self.width)
            at_one[: self.at_y] = np.repeat(self.w[:, k] ** 2, self.size)
            rows.append((at_one, 0.9 * float(self.phi(self.edges[k + 1]))))
        return rows

    def solve(self, rounds: int) -> tuple[float, np.ndarray, np.ndarray] | None:
        """The best (value, kernels, multipliers) met by cutting planes."""
        from scipy.optimize import linprog

        blocks, limits = [], []
        for k, other in self.pairs:
            rows, right = self.kernel_rows(k, other, self.grid(48))
            blocks.append(rows)
            limits.append(right)
        cuts = self.first_rows()
        q, mu_2 = len(self.w), 1 / 3
        last = float(self.distortion(self.edges[-1]))
        box = (
            [(4 * self.margin, None), *[(0, None)] * (self.at_y - 1)] + [(0, mu_2)] * q + [(0, last)] + [(0, None)] * q
        )
        objective = np.zeros(self.width)
        objective[self.at_v], objective[self.at_z :] = -self.n, 1.0
        best: tuple[float, np.ndarray, np.ndarray] | None = None
        for _ in range(rounds):
            A = np.vstack([*blocks, *(row[None] for row, _ in cuts)])
            right = np.concatenate([*limits, [limit for _, limit in cuts]])
            found = linprog(objective, A_ub=A, b_ub=right, bounds=box, options=_TOLERANCES)
            if found.x is None:
                break
            h, y = found.x[: self.at_y].reshape(q, self.size), found.x[self.at_y : self.at_v]
            overlooked = False
            for k, other in self.pairs:
                peaks = self.peaks(k, other, h)
                if peaks.size:
                    overlooked = True
                    rows, limit = self.kernel_rows(k, other, peaks)
                    blocks.append(rows)
                    limits.append(limit)
            v, tightest = self.paid(h, y)
            cuts += [self.pay_row(k, tau, float(found.x[self.at_v]), eta) for k, tau, eta in tightest]
            value = self.n * min(v, last) - float(self.discounts(h, y).sum())
            for i in range(q):
                if y[i] > 1e-12:
                    cuts.append(self.discount_row(i, min(y[i] / max(h[i, 0], 1e-300), 2.0 * self.n)))
            if not overlooked and (best is None or value > best[0]):
                best = value, h, y
            if best is not None and -found.fun - best[0] < 2e-3 * abs(best[0]):
                break
        return best

    def distortion(self, tau: float) -> float:
        return 1 / 3 - self.psi(tau) ** 2 / self.phi(tau)

    def discounts(self, h: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.where(y > 1e-12, y**2 / np.maximum(h[:, 0], 1e-15), 0.0)

    def paid(self, h: np.ndarray, y: np.ndarray) -> tuple[float, list[tuple[int, float, float]]]:
        """The least that a feature pays, and on every level the thresholds where it pays least."""
        least, where = np.inf, []
        for k in range(self.count):
            tau = np.linspace(self.edges[k], self.edges[k + 1], 25)
            shift, eta = float(self.w[:, k] @ y), float(self.w[:, k] ** 2 @ h.sum(axis=1))
            paid = 1 / 3 - (self.psi(tau) - shift) ** 2 / np.maximum(self.phi(tau) - eta, 1e-12)
            least = min(least, float(paid.min()))
            where += [(k, float(t), eta) for t in {tau[int(paid.argmin())], tau[0], tau[-1]}]
        return least, where

    def peaks(self, k: int, other: int, h: np.ndarray) -> np.ndarray:
        """Cosines at which the kernel of a pair exceeds its floor most."""
        if self.m == 1:
            return np.empty(0)
        t = self.grid(600)
        over = (self.weights(k, other) @ h) @ self.basis(t) - self.floor(k, other, t)
        middle = over[1:-1]
        return t[1:-1][(middle >= over[:-2]) & (middle >= over[2:]) & (middle > -self.margin / 4)]

    def excess(self, h: np.ndarray) -> float:
        """The most by which a kernel exceeds its floor on a grid far finer than the peaks are searched on."""
        t = self.grid(5000)
        values = self.basis(t)
        return float(max(((self.weights(*pair) @ h) @ values - self.floor(*pair, t)).max() for pair in self.pairs))

    def exact(self, h: np.ndarray, y: np.ndarray, shift: float, slack: float) -> PackingCertificate | None:
        """Rational kernels, lowered by `shift`, and the loss that every feature then pays, less the share `slack`."""
        lowered = np.maximum(h, 0.0)
        # The first profile is 1 on every level, so it lowers the kernels of all pairs at once.
        lowered[0, 0] -= shift
        if lowered[0, 0] <= 0:
            return None
        # A kernel of mean 0 earns nothing, yet may keep the sum of kernels below the floor.
        used = [i for i in range(len(y)) if lowered[i].max() > 0]
        v, _ = self.paid(lowered, np.where(y > 1e-12, y, 0.0))
        v = min(v, self.distortion(self.edges[-1])) * (1 - slack)
        if not v > 0:
            return None
        kernels = []
        for i in used:
            row = [Fraction(0)] * (int(self.degrees[-1]) + 1)
            for degree, value in zip(self.degrees, lowered[i], strict=True):
                row[degree] = Fraction(int(value * _SMALLEST_SCALE * 1000), _SMALLEST_SCALE * 1000)
            kernels.append(tuple(row))
        return PackingCertificate(
            m=self.m,
            exponent=self.a,
            two_sided=self.two_sided,
            levels=self.levels,
            profiles=tuple(self.profiles[i] for i in used),
            kernels=tuple(kernels),
            multipliers=tuple(Fraction(int(y[i] * 10**12) + 1, 10**12) if y[i] > 1e-12 else Fraction(0) for i in used),
            loss=Fraction(int(v * 10**12), 10**12),
        )


def _profiles(levels: Sequence[Fraction]) -> list[tuple[Fraction, ...]]:
    """For every level T_k: 1 up to it, and the tent 1 - tau/T_k at the lower end of each level; the full step first."""
    lower, one = [Fraction(0), *levels[:-1]], Fraction(1)
    steps = [tuple(one if t < top else Fraction(0) for t in lower) for top in reversed(levels)]
    tents = [tuple(max(1 - t / top, Fraction(0)) for t in lower) for top in levels[1:]]
    return steps + tents
