"""A function on an interval as a trigonometric polynomial: periodic continuation and its Fourier coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from numerics.laws import unit_rule
from numerics.setting import Array

__all__ = ["FourierForm", "Pair", "fourier_form", "smallest_count", "stacked_form"]

_NODES = 16
_PHASE_PER_PANEL = 10.0
_GAP_PHASE = 300.0
_DEFECT = 1e-12
_MAX_REFINEMENTS = 6
_PROBES, _GOLDEN = 23, 0.6180339887498949


class Pair(Protocol):
    """sigma and sigma**2, or two functions in their places."""

    @property
    def kinks(self) -> tuple[float, ...]:
        """Where one of them may fail to be analytic."""

    @property
    def is_singular(self) -> bool:
        """Whether a derivative may be unbounded at a kink."""

    def both(self, z: Array) -> Array:
        """Values of the two, shape (2, ...)."""


@dataclass(frozen=True)
class FourierForm:
    """sigma(z) = Re sum_k eps_k c1_k e^(i t_k (z - low)) on [low, high], eps_0 = 1, eps_k = 2, and c2 for sigma**2.

    Attributes:
        low, high: where the series represents sigma; shape (R,) where every row has a function of its own.
        frequencies: t_k = 2 pi k/period, shape (K,).
        first: c1, shape (K,) or (R, K).
        second: c2, shape (K,) or (R, K).
        defect: relative size of what the panels do not resolve; rounding level where sigma is resolved.
        is_complete: False where sigma oscillates faster than the highest frequency, which its coefficients cannot tell.
    """

    low: float | Array
    high: float | Array
    frequencies: Array
    first: np.ndarray
    second: np.ndarray
    defect: float
    is_complete: bool

    def take(self, index: np.ndarray) -> FourierForm:
        """The form of some rows."""
        if self.first.ndim == 1:
            return self
        low, high = np.asarray(self.low)[index], np.asarray(self.high)[index]
        return replace(self, low=low, high=high, first=self.first[index], second=self.second[index])


def stacked_form(functions: Sequence[Pair], low: Array, width: float, count: int) -> FourierForm:
    """The forms of several pairs of functions, each on an interval of its own but of the same width."""
    forms = [fourier_form(f, float(left), float(left) + width, count) for f, left in zip(functions, low, strict=True)]
    return FourierForm(
        low,
        low + width,
        forms[0].frequencies,
        np.stack([form.first for form in forms]),
        np.stack([form.second for form in forms]),
        max(form.defect for form in forms),
        all(form.is_complete for form in forms),
    )


def smallest_count() -> int:
    """The least number of frequencies that leaves room for the blend between the two ends."""
    return int(_GAP_PHASE / (2 * np.pi)) + 8


def fourier_form(sigma: Pair, low: float, high: float, count: int, gap_phase: float = _GAP_PHASE) -> FourierForm:
    """Fourier coefficients of sigma and sigma**2, continued periodically from [low, high].

    The period is high - low + gap. Over the gap an error function blends the right end into the left one; the gap
    is as long as the blend's spectrum needs to stay below rounding at the cut-off frequency. Panels of Gauss-Legendre
    nodes end at the kinks, and the sum over equal panels is a fast Fourier transform.

    Args:
        sigma: the function.
        low, high: the interval, low < high.
        count: K, the number of frequencies, at least `smallest_count()`.
        gap_phase: gap times cut-off frequency. 150 puts the blend below rounding at the cut-off, 300 at half of it, so
            that the last octave tells the error.
    """
    cutoff = (2 * np.pi * count - gap_phase) / (high - low)
    gap = gap_phase / cutoff
    period = high - low + gap
    frequencies = 2 * np.pi * np.arange(count) / period
    shown = [kink for kink in sigma.kinks if kink >= low - gap]
    # Everything is measured from `low`: far from 0, the phases of z itself would lose the digits of a short interval.
    offsets = [offset for kink in shown for offset in (kink - low, kink - low + period)]
    images = sorted(offset for offset in offsets if 0 <= offset < period)
    start = next((image for image in images if image <= high - low), 0.0)
    panels = int(np.ceil(2 * np.pi * count / _PHASE_PER_PANEL))
    previous = np.inf
    for _ in range(_MAX_REFINEMENTS):
        first, second, defect = _coefficients(sigma, low, high, gap, start, images, panels, frequencies)
        # Very many panels are so narrow that the rounding of z itself shows; halving them again does not help.
        if defect < _DEFECT or (defect < 100 * _DEFECT and defect > previous / 4):
            break
        panels, previous = 2 * panels, defect
    is_complete = _is_complete(sigma, low, high, frequencies, np.stack([first, second]))
    return FourierForm(low, high, frequencies, first, second, defect, is_complete)


def _is_complete(sigma: Pair, low: float, high: float, frequencies: Array, coefficients: np.ndarray) -> bool:
    """Whether sigma and its square differ from their series by no more than the last octave of them explains."""
    count = len(frequencies)
    offsets = (high - low) * np.modf(np.arange(1, _PROBES + 1) * _GOLDEN)[0]
    wave = np.exp(1j * np.outer(frequencies, offsets))
    coefficients = 2 * coefficients
    coefficients[:, 0] /= 2
    exact = sigma.both(low + offsets)
    miss = np.median(np.abs((coefficients @ wave).real - exact), axis=1)
    allowed = 10 * np.abs(coefficients[:, count // 2 :]).sum(axis=1) + 1e-9 * np.abs(exact).max(axis=1)
    return bool(np.all(miss <= allowed))


def _coefficients(
    sigma: Pair,
    low: float,
    high: float,
    gap: float,
    start: float,
    images: list[float],
    panels: int,
    frequencies: Array,
) -> tuple[np.ndarray, np.ndarray, float]:
    from scipy.fft import fft, next_fast_len

    panels = next_fast_len(panels)
    period = high - low + gap
    width = period / panels
    nodes, weights = unit_rule(_NODES)
    edges = start + width * np.arange(panels)
    values = _continued(sigma, low, high, gap, edges[None, :] + width * nodes[:, None])
    cut = _cut_panels(images, start, width, panels, sigma.is_singular)
    if cut:
        values[:, :, list(cut)] = 0.0
    defect = _unresolved(values)
    index = np.arange(len(frequencies)) % panels
    totals = np.zeros((2, len(frequencies)), dtype=np.complex128)
    for position, node in enumerate(nodes):
        wave = np.exp(-1j * frequencies * (start + width * node)) * (weights[position] * width / period)
        totals += wave * fft(values[:, position], axis=1)[:, index]
    for panel, inside in cut.items():
        z, w = _cut_rule(start + width * panel, width, inside, sigma.is_singular)
        waves = np.exp(-1j * np.outer(frequencies, z)) * (w / period)
        totals += (waves @ _continued(sigma, low, high, gap, z).T).T
    return totals[0], totals[1], defect


def _continued(sigma: Pair, low: float, high: float, gap: float, offset: Array) -> Array:
    """sigma and sigma**2 at low + offset, of period high - low + gap, themselves on [low, high]; shape (2, ...)."""
    from scipy.special import erfc

    period = high - low + gap
    offset = np.mod(offset, period)
    both = sigma.both(low + offset)
    blend = offset > high - low
    if blend.any():
        left = sigma.both(low + (offset[blend] - period))
        share = erfc(12 * ((offset[blend] - (high - low)) / gap - 0.5)) / 2
        both[:, blend] = both[:, blend] * share + left * (1 - share)
    return both


def _cut_panels(
    images: list[float], start: float, width: float, panels: int, is_singular: bool
) -> dict[int, list[float]]:
    """The panels that a kink cuts (or, where sigma is singular, touches), with the kinks in each, relative to it."""
    found: dict[int, list[float]] = {}
    for image in images:
        position = (image - start) / width
        nearest = round(position)
        if abs(position - nearest) > 1e-9:
            found.setdefault(int(np.floor(position)) % panels, []).append(position - np.floor(position))
        elif is_singular:
            found.setdefault(nearest % panels, []).append(0.0)
            found.setdefault((nearest - 1) % panels, []).append(1.0)
    return found


def _cut_rule(edge: float, width: float, inside: list[float], is_singular: bool) -> tuple[Array, Array]:
    """Nodes and weights on one panel, split at its kinks and crowded towards them where sigma is singular."""
    nodes, weights = unit_rule(3 * _NODES // 2)
    power = 4 if is_singular else 1
    breaks = sorted({0.0, 1.0, *inside})
    z, w = [], []
    for left, right in pairwise(breaks):
        half = (right - left) / 2
        crowded, jacobian = half * nodes**power, half * power * nodes ** (power - 1) * weights
        z += [left + crowded, right - crowded]
        w += [jacobian, jacobian]
    return edge + width * np.concatenate(z), width * np.concatenate(w)


def _unresolved(values: Array) -> float:
    """The last two Legendre coefficients of a panel against the largest value: how much a panel leaves out."""
    nodes, weights = unit_rule(_NODES)
    legendre = np.polynomial.legendre.legvander(2 * nodes - 1, _NODES - 1)[:, -2:]
    top = (2 * np.array([_NODES - 2, _NODES - 1]) + 1)[:, None] * (legendre * weights[:, None]).T
    size = np.abs(values).max(axis=(1, 2))
    tail = np.abs(np.einsum("cq,fqp->fcp", top, values)).max(axis=(1, 2))
    return float(np.max(tail / np.where(size > 0, size, 1.0)))
