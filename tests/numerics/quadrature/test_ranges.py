"""Bennett's range against Chernoff's, and what the range must hold."""

from __future__ import annotations

import numpy as np
import pytest

import theory
from numerics.laws import numeric_law
from numerics.quadrature import ranges
from numerics.quadrature.few_active import Rows


@pytest.mark.parametrize("density", [1e-6, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("law", ["uniform", "exponential", "half-normal", "two-sided:uniform", "beta:0.5,2"])
def test_bennett_is_wider_than_chernoff_but_not_by_much(law: str, density: float) -> None:
    rng = np.random.default_rng(0)
    W = rng.normal(size=(20, 150)) / np.sqrt(20)
    gram = W.T @ W
    rows = Rows(gram, np.zeros(150), np.arange(150), np.full((150, 150), density), np.full(150, density))
    numeric = numeric_law(theory.feature_law(law))
    for direction in (-1.0, 1.0):
        tight = ranges._chernoff_end(numeric, rows, direction, 1e-18)
        loose = ranges._bennett_end(numeric, rows, direction, 1e-18)
        # Both minimise over the same slopes, in units of the largest entry.
        assert np.all(loose >= tight * (1 - 1e-12))
        assert np.median(loose / tight) < 3


def test_very_many_features_take_bennett(monkeypatch: pytest.MonkeyPatch) -> None:
    n = ranges._MANY_FEATURES + 1
    gram = np.eye(n)
    rows = Rows(gram, np.zeros(n), np.arange(n), np.where(gram > 0, 0.1, 0.0), np.full(n, 0.1))
    monkeypatch.setattr(ranges, "_chernoff_end", None)
    low, high = ranges.output_range(numeric_law(theory.uniform()), rows)
    assert np.all(low == 0)
    assert high == pytest.approx(1.0)
