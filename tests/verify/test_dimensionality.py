"""Feature dimensionality against the definition, known figures and its bounds."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from theory import InputError
from verify.geometry.dimensionality import feature_dimensionality


def by_definition(W: np.ndarray) -> list[float]:
    found = []
    for w in W.T:
        norm = np.linalg.norm(w)
        found.append(0.0 if norm == 0 else norm**2 / sum(float((w / norm) @ other) ** 2 for other in W.T))
    return found


def polygon(k: int) -> np.ndarray:
    angles = 2 * np.pi * np.arange(k) / k
    return np.stack([np.cos(angles), np.sin(angles)])


@pytest.mark.parametrize(
    ("W", "expected"),
    [
        (np.eye(3), [1, 1, 1]),
        (np.array([[1.0, -1.0]]), [1 / 2, 1 / 2]),
        (polygon(5), [2 / 5] * 5),
        (polygon(3), [2 / 3] * 3),
        (np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]]), [1, 0, 1]),
    ],
)
def test_known_figures(W, expected):
    np.testing.assert_allclose(feature_dimensionality(W), expected, rtol=1e-14)


@given(arrays(np.float64, (3, 5), elements=st.floats(-2, 2).map(lambda v: round(v, 3))))
def test_definition_range_and_rank(W):
    D = feature_dimensionality(W)
    np.testing.assert_allclose(D, by_definition(W), rtol=1e-10, atol=1e-14)
    assert (D >= 0).all()
    assert (D <= 1 + 1e-12).all()
    assert D.sum() <= np.linalg.matrix_rank(W) + 1e-9
    np.testing.assert_allclose(feature_dimensionality(-1e-200 * W), D, rtol=1e-10, atol=1e-12)


def test_many_at_once_and_exact_input():
    W = np.random.default_rng(0).normal(size=(4, 2, 3, 5))
    D = feature_dimensionality(W)
    assert D.shape == (4, 2, 5)
    np.testing.assert_allclose(D[3, 1], feature_dimensionality(W[3, 1]), rtol=1e-13)
    exact = sympy.Matrix([[1, 0, sympy.Rational(3, 5)], [0, 1, sympy.Rational(4, 5)]])
    np.testing.assert_allclose(feature_dimensionality(exact), by_definition(np.array(exact.tolist(), dtype=float)))


@pytest.mark.parametrize("W", [np.zeros(3), np.full((2, 2), np.nan), "text", np.full((2, 2, 2), np.inf)])
def test_bad_input(W):
    with pytest.raises(InputError, match="W"):
        feature_dimensionality(W)
