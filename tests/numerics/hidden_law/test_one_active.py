"""Adaptive rules along one feature: kinks, jumps and singular densities without being told."""

from __future__ import annotations

import numpy as np
import pytest

from numerics.hidden_law.one_active import at_most_one_active, feature_mean
from numerics.laws import numeric_law
from theory import feature_law

LAWS = ["uniform", "exponential", "half-normal", "beta:2,3", "beta:0.5,0.5", "two-sided:uniform", "two-sided:beta:2,1"]


@pytest.mark.parametrize("name", LAWS)
def test_moments(name: str) -> None:
    law = numeric_law(feature_law(name))
    mean, error, _ = feature_mean(lambda u: np.stack([np.ones_like(u), u, u**2], axis=-1), law, 1e-13)
    assert mean == pytest.approx([1.0, law.mean, law.second], rel=1e-12, abs=1e-13)
    assert (error <= 1e-10).all()


def test_kinks_and_jumps_need_not_be_known() -> None:
    law = numeric_law(feature_law("uniform"))
    at = 1 / np.pi
    mean, error, _ = feature_mean(lambda u: np.stack([np.abs(u - at), 1.0 * (u > at)], axis=-1), law, 1e-13)
    assert mean == pytest.approx([(at**2 + (1 - at) ** 2) / 2, 1 - at], rel=1e-12)
    assert (error <= 1e-11).all()


def test_the_sum_counts_each_event_with_its_probability() -> None:
    # sigma = 0: what is left is E x_i**2 where only i is active.
    law, p = numeric_law(feature_law("uniform")), np.array([0.2, 0.5, 1e-9])
    value, error, _ = at_most_one_active(np.zeros_like, law, np.eye(3), np.zeros(3), p, 1e-13)
    others = [np.prod(np.delete(1 - p, i)) for i in range(3)]
    assert value == pytest.approx(p * others / 3, rel=1e-12)
    # sigma = 1 (whatever z): no active feature costs 1 in every output.
    value, error, _ = at_most_one_active(np.ones_like, law, np.eye(3), np.zeros(3), p, 1e-13)
    none = np.prod(1 - p)
    only = p * others
    assert value == pytest.approx(none + only.sum() - only + only / 3, rel=1e-12)
    assert (error <= 1e-12).all()
