"""Chebyshev moments and series of Hermitian functions against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.quadrature.chebyshev import hermitian_series, moments, summed


@given(seed=st.integers(0, 10**6), count=st.sampled_from([1, 2, 3, 7, 16, 50, 257]), n=st.integers(1, 30))
def test_moments_are_weighted_sums_of_chebyshev_polynomials(seed: int, count: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x, weights = rng.uniform(-1, 1, (3, n)), rng.normal(size=(3, n))
    x[0, 0], x[1, 0] = 1.0, -1.0
    expected = [(weights * np.cos(k * np.arccos(x))).sum(axis=1) for k in range(count)]
    assert np.abs(moments(x, weights, count) - np.stack(expected, axis=1)).max() < 1e-12


@pytest.mark.parametrize("wave_number", [0.0, 1.0, 30.0, 400.0])
def test_sums_of_waves_come_from_moments(wave_number: float) -> None:
    rng = np.random.default_rng(0)
    x, weights = rng.uniform(-1, 1, (4, 25)), rng.normal(size=(4, 25))
    t = wave_number * np.array([0.3, 1.0])
    series = hermitian_series(lambda points: np.exp(1j * np.multiply.outer(points, t)), 16 + int(wave_number))
    found = summed(series, moments(x, weights, series.degrees))
    expected = np.stack([(weights * np.exp(1j * x * s)).sum(axis=1) for s in t], axis=1)
    assert np.abs(found - expected).max() < 1e-12
    assert series.defect.max() < 1e-14


def test_a_series_says_where_it_fails() -> None:
    def function(x: np.ndarray) -> np.ndarray:
        return np.stack([np.exp(1j * x), np.sign(x) * 1j], axis=1)

    series = hermitian_series(function, 20)
    assert series.defect[0] < 1e-15
    assert series.defect[1] > 1e-3
