"""Value and gradient of the part with several active features, both from the shared Chebyshev series.

Forwards, the sums over j of phi(G_ij t) and of the logarithms are sum_r c_r M_r, with coefficients c_r(t) shared by all
rows. Backwards, what a frequency wants of those sums is gathered per row and degree, B_r = sum_k v_k c_r(t_k), and
d/dG_ij = w_ij sum_r B_r T_r'(G_ij/g)/g: of order n**2 R + n K R for R degrees and K frequencies, where a recursion over
the features takes n**2 K.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from numerics.laws import NumericLaw
from numerics.quadrature.chebyshev import HermitianSeries
from numerics.quadrature.compressed import Compression, RowMoments, block_products, compress, shared_series
from numerics.quadrature.continuation import FourierForm
from numerics.quadrature.few_active import Part, Rows, joined
from numerics.quadrature.many_active import many_active
from numerics.setting import Array

__all__ = ["CompressedGradient", "chebyshev_derivative", "chebyshev_sum"]

_BLOCK = 2**16
_SUM_BLOCK = 2**18
_KEPT = 48
_FEWEST = 8
# Below what a fixed number of frequencies leaves out.
_RESOLVED = 1e-10
# The steps of g, at which series are kept: close weights then share them, and the loss stays smooth.
_STEPS_PER_OCTAVE = 4
# Nanoseconds per row and frequency, gradients included and series kept: a feature of the recursion; of the compressed
# kernel what does not depend on the degree, and a degree of a series.
_RECURSION_COST, _FIXED, _DEGREE = 130.0, 400.0, 1.5


class CompressedGradient:
    """What `many_active(..., gradient=True)` computes, faster; keeps the series of phi and of the logarithms."""

    def __init__(self, law: NumericLaw):
        self.law = law
        self._kept: dict[tuple[object, ...], list[HermitianSeries]] = {}

    def __call__(self, rows: Rows, form: FourierForm) -> Part:
        """Value, gradient and rounding of some rows; the truncation of the frequencies is not estimated."""
        count = len(form.frequencies)
        if len(rows) > max(1, _BLOCK // count):
            halves = np.split(np.arange(len(rows)), [len(rows) // 2])
            return joined([self(rows.take(index), form) for index in halves])
        data = compress(rows)
        if data is None:
            return many_active(self.law, rows, form, gradient=True)
        scale = 2.0 ** (np.ceil(_STEPS_PER_OCTAVE * np.log2(data.scale)) / _STEPS_PER_OCTAVE)
        data = replace(data, scale=scale, x=data.x * (data.scale / scale))
        edges = sorted({0, count // 4, count // 2, count})
        blocks = [np.arange(low, high) for low, high in pairwise(edges)]
        chosen = [
            some
            for some in blocks
            if _is_worth_it(data, float(form.frequencies[some[-1]]))
            and (not data.is_dense or _resolved(self._series(data, form.frequencies[some])).mean() > 0.5)
        ]
        left = np.ones(count, dtype=bool)
        found = Part(np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(rows.gram.shape), np.zeros(len(rows)), 0)
        if chosen:
            found = self._compressed(rows, form, data, chosen, left)
        if not left.any():
            return found
        rest = many_active(self.law, rows, _part_of(form, np.flatnonzero(left)), gradient=True)
        assert found.d_gram is not None
        assert found.d_bias is not None
        return Part(
            found.value + rest.value,
            rest.error,
            found.d_gram + rest.d_gram,
            found.d_bias + rest.d_bias,
            found.evaluations + rest.evaluations,
        )

    def _series(self, data: Compression, t: Array) -> list[HermitianSeries]:
        key = (data.scale, data.is_dense, data.values.tobytes(), t[0], t[-1], len(t))
        if key not in self._kept:
            while len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = shared_series(data, self.law, t)
        return self._kept[key]

    def _compressed(
        self, rows: Rows, form: FourierForm, data: Compression, chosen: list[np.ndarray], left: np.ndarray
    ) -> Part:
        """The sums over the chosen blocks of frequencies that the series resolve; these are struck off `left`."""
        index = np.arange(len(rows))
        series = [self._series(data, form.frequencies[some]) for some in chosen]
        degrees = max(one.degrees for block in series for one in block)
        row_moments = RowMoments(data, degrees)
        value, d_bias, d_own = np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(len(rows))
        wanted = [np.zeros((len(rows), degrees)) for _ in series[0]]
        own_visible, density = rows.visible[index, rows.own][:, None], rows.density[:, None]
        none = np.exp(data.log_none)[:, None]
        for some, block in zip(chosen, series, strict=True):
            one, more, _, _ = block_products(data, block, row_moments)
            resolved = _resolved(block)
            left[some[resolved]] = False
            t = form.frequencies[some]
            wave = np.exp(1j * (rows.bias[:, None] - form.low) * t)
            doubled = np.where(some == 0, 1.0, 2.0) * resolved
            square, cross = doubled * form.second[some] * wave, -2 * doubled * form.first[some] * wave
            phi, psi, chi = self.law.transforms(rows.own_gram[:, None] * t, 2)
            several = one + more
            # The sum is to_more * more + to_one * one: these are its derivatives.
            own_psi = density * psi
            to_one = square * (own_visible * phi) + cross * own_psi
            to_more = square * (1 - own_visible + own_visible * phi) + cross * own_psi
            sums = to_more * more + to_one * one
            value += sums.real.sum(axis=1)
            d_bias -= sums.imag @ t
            # d phi(G t)/dG = i t psi and d psi(G t)/dG = i t chi, for the own feature.
            d_own -= ((square * (own_visible * psi) + cross * (density * chi)) * several).imag @ t
            # more = none (e^(one/none + logs) - 1) - one, or e^logs - none - one where densities are large.
            to_single = to_one - to_more if data.is_dense else none * to_one + several * to_more
            to_logs = (none + several) * to_more
            for target, one_series, pull in zip(wanted, block, [to_single] + [to_logs] * len(data.values), strict=True):
                _gather(one_series, pull, target)
        d_gram = self._to_entries(data, wanted)
        d_gram[index, rows.own] = d_own
        work = sum(data.work(float(form.frequencies[some[-1]]), len(some)) for some in chosen)
        return Part(value, np.zeros(len(rows)), d_gram, d_bias, int(2 * work) + rows.gram.size)

    @staticmethod
    def _to_entries(data: Compression, wanted: list[Array]) -> Array:
        if not data.is_dense and len(data.values) == 1:
            # Both sums have the same weights but for a factor rho.
            wanted, weights = [wanted[0] + data.values[0] * wanted[1]], [data.single]
        else:
            weights = [data.single, *data.several]
        slopes = [chebyshev_sum(chebyshev_derivative(part), data.x) for part in wanted]
        return sum((w * s for w, s in zip(weights, slopes, strict=True)), np.zeros(data.x.shape)) / data.scale


def _is_worth_it(data: Compression, top: float) -> bool:
    reach = data.scale * top
    degrees = 2.1 * reach + 10 * np.cbrt(reach) + 40
    return _FIXED + _DEGREE * degrees * (1 + len(data.values)) < _RECURSION_COST * data.x.shape[1]


def _resolved(series: list[HermitianSeries]) -> np.ndarray:
    return np.max([one.defect for one in series], axis=0) < _RESOLVED


def _gather(series: HermitianSeries, pull: np.ndarray, into: Array) -> None:
    """Add, for each row and degree r, the real part of sum_k pull_k c_r(k)."""
    into[:, 0 : 2 * len(series.even) : 2] += pull.real @ series.even.T
    into[:, 1 : 2 * len(series.odd) : 2] -= pull.imag @ series.odd.T


def _part_of(form: FourierForm, some: np.ndarray) -> FourierForm:
    """The form with some of its frequencies only; the first, which counts once, and what fills up to 8 are emptied."""
    index = np.concatenate([[0], some[some > 0], np.repeat(some[-1], max(0, _FEWEST - len(some)))])
    is_empty = np.arange(len(index)) > (some > 0).sum()
    is_empty[0] = some[0] != 0
    first, second = (np.where(is_empty, 0.0, side[index]) for side in (form.first, form.second))
    return replace(form, frequencies=form.frequencies[index], first=first, second=second)


def chebyshev_derivative(coefficients: Array) -> Array:
    """Coefficients of the derivatives of sum_r c_r T_r, one series per row, shape (R, D) to (R, D).

    d_r = 2 sum of s c_s over s > r with s - r odd, and half of that for r = 0.
    """
    degrees = coefficients.shape[1]
    scaled = 2 * np.arange(degrees) * coefficients
    found = np.zeros_like(coefficients)
    for parity in (0, 1):
        tails = np.cumsum(scaled[:, parity::2][:, ::-1], axis=1)[:, ::-1]
        if parity:
            found[:, 0::2][:, : tails.shape[1]] = tails
        else:
            found[:, 1::2][:, : tails.shape[1] - 1] = tails[:, 1:]
    found[:, 0] /= 2
    return found


def chebyshev_sum(coefficients: Array, x: Array) -> Array:
    """sum_r c_r T_r(x_j), one series per row: `moments` transposed, with as many matrix products.

    Args:
        coefficients: shape (R, D).
        x: points in [-1, 1], shape (R, n).
    """
    count = coefficients.shape[1]
    steps = max(1, int(np.ceil(np.sqrt(count))))
    strides = -(-count // steps)
    table = np.zeros((len(x), strides, steps))
    table.reshape(len(x), -1)[:, :count] = coefficients
    # T_(cB+a) = 2 T_cB T_a - T_(cB-a), from the highest stride down; T_(cB-a) is entry B - a of the stride before.
    for c in range(strides - 1, 0, -1):
        table[:, c - 1, 1:] -= table[:, c, :0:-1]
        table[:, c, 1:] *= 2
    found = np.empty(x.shape)
    block = max(1, _SUM_BLOCK // (x.shape[1] * (steps + strides)))
    for first in range(0, len(x), block):
        some = slice(first, first + block)
        small = _polynomials(x[some], steps + 1)
        large = _polynomials(small[:, -1], strides)
        found[some] = ((table[some] @ small[:, :steps]) * large).sum(axis=1)
    return found


def _polynomials(x: Array, count: int) -> Array:
    """T_0 .. T_(count-1) of each entry, shape (R, count, n)."""
    found = np.empty((x.shape[0], max(count, 2), x.shape[1]))
    found[:, 0], found[:, 1] = 1.0, x
    for k in range(2, count):
        np.multiply(2 * x, found[:, k - 1], out=found[:, k])
        found[:, k] -= found[:, k - 2]
    return found[:, :count]
