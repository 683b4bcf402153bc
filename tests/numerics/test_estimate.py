"""A value with its error."""

from __future__ import annotations

import json

import numpy as np
import pytest

from numerics import Estimate
from theory import InputError


def test_interval_and_number() -> None:
    estimate = Estimate(2.0, 0.5, "estimate", "quadrature")
    assert estimate.interval == (1.5, 2.5)
    assert float(estimate) == 2.0


def test_agreement_counts_both_errors() -> None:
    exact = Estimate(1.0, 0.0, "exact", "exact")
    sampled = Estimate(1.3, 0.2, "statistical", "monte_carlo")
    assert not exact.agrees_with(sampled)
    assert exact.agrees_with(sampled, z=2.0)
    # Only statistical errors are stretched.
    assert not exact.agrees_with(Estimate(1.3, 0.2, "estimate", "quadrature"), z=2.0)


def test_text_says_what_kind_of_error() -> None:
    assert str(Estimate(1.0, 1e-9, "statistical", "monte_carlo")) == "1 ± 1.0e-09 (monte_carlo, 95 %)"
    assert "proved" in str(Estimate(1.0, 1e-9, "enclosure", "exact"))


def test_data_is_plain() -> None:
    data = Estimate(1.0, 0.1, "exact", "exact", per_feature=np.array([0.25, 0.75]), evaluations=3).to_dict()
    assert json.loads(json.dumps(data))["per_feature"] == [0.25, 0.75]


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="kind='certain'"):
        Estimate(1.0, 0.0, "certain", "exact")
