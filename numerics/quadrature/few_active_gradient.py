"""Value and gradient of the part with at most one active feature, by one table for all entries where sigma is smooth.

h(b, g) = E sigma(b + g U)**2 is then an analytic function of two numbers: a product Chebyshev series on a rectangle
that holds every (b_i, G_ij). It is kept while the weights stay in that rectangle, so that a gradient takes no
evaluation of sigma but for the own features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.laws import NumericLaw
from numerics.quadrature.compressed_gradient import chebyshev_derivative, chebyshev_sum
from numerics.quadrature.few_active import Part, Rows, at_most_one, few_active
from numerics.scalar_map import ScalarMap
from numerics.setting import Array

__all__ = ["FewActiveGradient"]

_NODES, _STEEP = 16, 2.5
_FEWEST_POINTS, _MOST_POINTS = 16, 128
_RESOLVED = 1e-14
_LEAST_ENTRIES = 8
_KEPT = 16


@dataclass(frozen=True)
class _Table:
    """h(b, g) = sum_rs c_rs T_r(b/bias) T_s(g/gram); c of shape (B, G)."""

    bias: float
    gram: float
    coefficients: Array

    def sums(self, rows: Rows, weights: Array) -> tuple[Array, Array, Array]:
        """sum_j w_j h(b_i, G_ij), w_j dh/dg and sum_j w_j dh/db, of shapes (R,), (R, n) and (R,)."""
        angle = np.arccos(np.clip(rows.bias / self.bias, -1, 1))[:, None]
        along = np.cos(angle * np.arange(len(self.coefficients)))
        series = along @ self.coefficients
        x = rows.gram / self.gram
        value = (weights * chebyshev_sum(series, x)).sum(axis=1)
        slope = weights * chebyshev_sum(chebyshev_derivative(series), x) / self.gram
        shifted = along @ chebyshev_derivative(self.coefficients.T).T / self.bias
        return value, slope, (weights * chebyshev_sum(shifted, x)).sum(axis=1)


class FewActiveGradient:
    """What `few_active(..., gradient=True)` computes, from tables where sigma has no kink."""

    def __init__(self, sigma: ScalarMap, law: NumericLaw):
        self.sigma, self.law = sigma, law
        self._tables: list[_Table] = []
        self._has_table = not sigma.kinks

    def __call__(self, rows: Rows) -> Part:
        """Value and gradient of the rows; no error is estimated."""
        table = self._table(rows) if self._has_table and rows.gram.shape[1] >= _LEAST_ENTRIES else None
        if table is None:
            return self._by_rule(rows)
        index, n = np.arange(len(rows)), rows.gram.shape[1]
        none, single = at_most_one(rows.visible)
        value, d_gram, d_bias = table.sums(rows, single)
        # A row with its own feature only, never seen: sigma(b)**2 - 2 density E U sigma(b + G_ii U).
        alone = at_most_one(rows.others)[0] * rows.density
        own = Rows(rows.own_gram[:, None], rows.bias, np.zeros_like(rows.own), np.zeros((len(rows), 1)), alone)
        part = self._by_rule(own)
        assert part.d_gram is not None
        assert part.d_bias is not None
        at_bias = self.sigma.value(rows.bias)
        d_gram[index, rows.own] += part.d_gram[:, 0]
        value = value + part.value - (1 - none) * at_bias**2
        d_bias = d_bias + part.d_bias - (1 - none) * 2 * at_bias * self.sigma.derivative(rows.bias)
        return Part(value, np.zeros(len(rows)), d_gram, d_bias, len(rows) * (n + part.evaluations))

    def _by_rule(self, rows: Rows) -> Part:
        # Between kinks a polynomial, against a constant density: the rule is exact. Else steep maps need more nodes.
        if self.sigma.degree is not None and self.law.is_flat:
            nodes = self.sigma.degree + 1
        else:
            steepness = np.abs(rows.gram).max() / _STEEP
            nodes = _NODES * 2 ** int(np.clip(np.ceil(np.log2(max(steepness, 1.0))), 0, 3))
        return few_active(self.sigma, self.law, rows, 0.0, gradient=True, nodes=nodes)

    def _table(self, rows: Rows) -> _Table | None:
        bias, gram = np.abs(rows.bias).max(), np.abs(rows.gram).max()
        if not (np.isfinite(bias) and 0 < gram < np.inf):
            return None
        for table in self._tables:
            if bias <= table.bias and gram <= table.gram and table.gram <= 4 * gram:
                return table
        # A margin, so that a descent does not need a table at every step.
        made = self._resolved(max(1.5 * bias, 0.1), 1.5 * gram)
        if made is None:
            self._has_table = False
        else:
            self._tables = [*self._tables[-(_KEPT - 1) :], made]
        return made

    def _resolved(self, bias: float, gram: float) -> _Table | None:
        from scipy.fft import dctn

        points = _FEWEST_POINTS
        while points <= _MOST_POINTS:
            x = np.cos(np.pi * (np.arange(points) + 0.5) / points)
            b, g = (side.reshape(-1) for side in np.meshgrid(bias * x, gram * x, indexing="ij"))
            # One feature, always active, whose reconstruction does not count: E sigma(b + g U)**2.
            ones = np.ones((len(b), 1))
            entries = Rows(g[:, None], b, np.zeros(len(b), dtype=int), ones, np.zeros(len(b)))
            values = few_active(self.sigma, self.law, entries, 1e-15, nodes=2 * _NODES).value.reshape(points, points)
            series = dctn(values, 2) / points**2
            series[0] /= 2
            series[:, 0] /= 2
            size = np.abs(series).max()
            tail = max(np.abs(series[-3:]).max(), np.abs(series[:, -3:]).max())
            if tail <= _RESOLVED * size:
                return _Table(bias, gram, _chopped(series, size))
            points *= 2
        return None


def _chopped(series: Array, size: float) -> Array:
    kept = np.abs(series) > 1e-17 * size
    return series[: np.flatnonzero(kept.any(axis=1))[-1] + 1, : np.flatnonzero(kept.any(axis=0))[-1] + 1]
