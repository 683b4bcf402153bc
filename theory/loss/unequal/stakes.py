"""How much stake m dimensions can hold: the lower bound behind features of unequal density and importance.

With stakes s_i = w_i I_i (w_i the probability that feature i alone is active), the first-order loss is at least
mu_2 sum_i s_i - kappa V, where V bounds the stake that the configuration holds. Source: docs/scaling.md, S1 and S4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

import numpy as np

from theory.loss.capacity import Kernel
from theory.loss.minorants import Minorant, minorants
from theory.loss.unequal.water_level import water_level, water_levels

__all__ = ["HeldStake", "held_stake", "square_roots_below"]

_BITS = 80
_SHARES = tuple(Fraction(k, 24) for k in (24, 23, 22, 20, 18, 15, 12, 9, 6, 4, 2, 1))
_CUTS = 14


@dataclass(frozen=True)
class HeldStake:
    """An upper bound on the stake that m dimensions hold, out of a given total.

    Attributes:
        total: the sum of the stakes, each rounded down to the square of a short rational.
        held: V; the first-order loss is at least mu_2 total - kappa held.
        method: "layer-cake", "water-filling" or "layered water-filling".
        polynomials: the minorants used, for derivations.
    """

    total: Fraction
    held: Fraction
    method: str
    polynomials: tuple[str, ...]

    @property
    def lost(self) -> Fraction:
        """total - held, at least 0 up to rounding."""
        return self.total - self.held


def held_stake(stakes: Sequence[Fraction], kernel: Kernel, m: int) -> HeldStake:
    """The best of layer cake, water filling and their mixture, exact.

    Args:
        stakes: s_i >= 0, in any order; those that are 0 do not count.
        kernel: numeric exponent and negative weight.
        m: hidden dimension.

    Source: docs/scaling.md, S4.
    """
    roots = square_roots_below(sorted((s for s in stakes if s > 0), reverse=True))
    roots = [v for v in roots if v > 0]
    if not roots:
        return HeldStake(Fraction(0), Fraction(0), "layer-cake", ())
    family = minorants(kernel, m, len(roots))
    candidates = [_layer_cake(roots, family), _layered(roots, family)]
    return max(candidates, key=lambda found: found.lost)


def square_roots_below(values: Sequence[Fraction]) -> list[Fraction]:
    """Rationals whose squares are at most the values, on one grid of 80 bits below the largest."""
    top = max(values, default=Fraction(0))
    if top <= 0:
        return [Fraction(0)] * len(values)
    # floor(sqrt(s) 2^k)/2^k with k such that the largest root has 80 bits.
    exponent = _BITS - (top.numerator.bit_length() - top.denominator.bit_length()) // 2
    shift = 2 * exponent
    scaled = [
        (v.numerator << shift) // v.denominator if shift >= 0 else v.numerator // (v.denominator << -shift)
        for v in values
    ]
    return [Fraction(isqrt(max(v, 0)), 1) / Fraction(2) ** exponent for v in scaled]


def _layer_cake(roots: list[Fraction], family: tuple[Minorant, ...]) -> HeldStake:
    """V <= sum_r (s_(r) - s_(r+1)) K_r, with the best capacity bound for each r."""
    stakes = [v * v for v in roots]
    held, used = Fraction(0), []
    inverse = np.array([[float(h.gamma), float(h.beta)] for h in family])
    for r, (here, below) in enumerate(zip(stakes, [*stakes[1:], Fraction(0)], strict=True), 1):
        if here > below:
            h = family[int(np.argmax(inverse[:, 0] + inverse[:, 1] / r))]
            held += (here - below) * h.capacity(r)
            used.append(h.name)
    return HeldStake(sum(stakes, Fraction(0)), held, "layer-cake", tuple(dict.fromkeys(used)))


def _layered(roots: list[Fraction], family: tuple[Minorant, ...]) -> HeldStake:
    """Stakes cut into horizontal slabs, each slab filled with water: the best few cuts, by dynamic programming."""
    n = len(roots)
    cuts = sorted({0, n, *np.unique(np.geomspace(1, n, _CUTS).round().astype(int)).tolist()})
    options = _options(family)
    pairs = np.array([[float(beta), float(gamma)] for beta, gamma, _ in options])
    stakes = np.array([float(v) ** 2 for v in roots])
    best: list[tuple[float, int, int]] = [(0.0, -1, -1)]
    for j in range(1, len(cuts)):
        choices = []
        for i in range(j):
            slab = np.sqrt(_slab(stakes, cuts[i], cuts[j]))
            values = water_levels(np.maximum(slab, 0.0), *pairs.T)
            option = int(values.argmin())
            choices.append((best[i][0] + float(values[option]), i, option))
        best.append(min(choices))
    total, held, used, j, slabs = Fraction(0), Fraction(0), [], len(cuts) - 1, 0
    exact = [v * v for v in roots]
    while j > 0:
        _, i, option = best[j]
        slab_roots = square_roots_below(_slab_exact(exact, cuts[i], cuts[j]))
        beta, gamma, name = options[option]
        total += sum((v * v for v in slab_roots), Fraction(0))
        held += water_level(slab_roots, beta, gamma)[0]
        used.append(name)
        j, slabs = i, slabs + 1
    method = "water-filling" if slabs == 1 else "layered water-filling"
    return HeldStake(total, held, method, tuple(dict.fromkeys(used)))


def _options(family: tuple[Minorant, ...]) -> list[tuple[Fraction, Fraction, str]]:
    """(beta, gamma) of theta h: shares of a feasible polynomial are feasible."""
    return [(1 - share * (1 - h.beta), share * h.gamma, h.name) for h in family if h.gamma > 0 for share in _SHARES] + [
        (h.beta, h.gamma, h.name) for h in family if h.gamma == 0
    ]


def _slab(stakes: np.ndarray, low: int, high: int) -> np.ndarray:
    """The part of each stake between the levels of the features after cut `high` and after cut `low`."""
    top, bottom = stakes[low], stakes[high] if high < len(stakes) else 0.0
    return np.minimum(stakes[:high], top) - bottom


def _slab_exact(stakes: list[Fraction], low: int, high: int) -> list[Fraction]:
    top, bottom = stakes[low], stakes[high] if high < len(stakes) else Fraction(0)
    return [min(value, top) - bottom for value in stakes[:high]]
