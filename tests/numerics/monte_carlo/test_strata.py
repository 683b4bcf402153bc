"""Strata by the number of active features: probabilities, inclusions and draws against every set of active features."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory
from numerics.monte_carlo.drawing import Drawer, quantile
from numerics.monte_carlo.strata import Stratum, count_table, inclusions, pair_inclusions, strata

DENSITIES = [
    [0.3] * 5,
    [0.01, 0.9, 0.4, 0.4, 0.2],
    [1.0, 0.2, 0.0, 0.5, 0.5],
    [1e-6] * 5,
    [1.0, 1.0, 1.0, 1.0, 0.5],
    # Sure features behind a rare one: what lies behind them is impossible, and bisection must not be led there.
    [0.0, 0.0, 1.0, 0.001, 1.0],
    [1.0] * 5,
]


def chances_of(p: np.ndarray, stratum: Stratum) -> dict[tuple[int, ...], float]:
    """The probability of every set of active features within the stratum, not normalised."""
    sets = {s: float(np.prod(np.where(s, p, 1 - p))) for s in product((0, 1), repeat=len(p))}
    return {s: v for s, v in sets.items() if (sum(s) == stratum.low if stratum.is_exact else sum(s) >= stratum.low)}


def every_stratum(p: np.ndarray) -> list[Stratum]:
    whole = count_table(p, 2)[0, 2]
    return [
        Stratum(0, False, 1.0),
        *strata(p),
        *strata(p, first=1)[:1],
        *([Stratum(2, False, float(whole))] if whole > 0 else []),
    ]


@pytest.mark.parametrize("densities", DENSITIES)
def test_probabilities_and_inclusions_by_brute_force(densities: list[float]) -> None:
    p = np.array(densities)
    for stratum in every_stratum(p):
        sets = chances_of(p, stratum)
        total = sum(sets.values())
        assert stratum.probability == pytest.approx(total, rel=1e-13)
        single, (pairs, which) = inclusions(p, stratum), pair_inclusions(p, stratum)
        for i in range(len(p)):
            assert single[i] == pytest.approx(sum(v for s, v in sets.items() if s[i]) / total, rel=1e-12, abs=1e-300)
            for j in set(range(len(p))) - {i}:
                both = sum(v for s, v in sets.items() if s[i] and s[j]) / total
                assert pairs[which[i], which[j]] == pytest.approx(both, rel=1e-12, abs=1e-300)


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([0.0, 1e-8, 0.01, 0.3, 0.8, 1.0]), min_size=2, max_size=9),
    st.integers(1, 8),
    st.integers(1, 2),
)
def test_strata_cover_all_with_the_first_or_more(densities: list[float], limit: int, first: int) -> None:
    p = np.array(densities)
    found = strata(p, limit, first)
    assert sum(s.probability for s in found) == pytest.approx(count_table(p, first)[0, first], rel=1e-12)
    assert len(found) <= limit


def test_many_active_features_or_many_densities_make_one_stratum() -> None:
    assert [str(s) for s in strata(np.full(200, 0.1))] == ["K >= 2"]
    assert [str(s) for s in strata(np.linspace(1e-5, 1e-4, 400))] == ["K >= 2"]
    assert [str(s) for s in strata(np.full(400, 1e-4))] == ["K = 2", "K = 3", "K >= 4"]


@pytest.mark.parametrize("densities", DENSITIES)
def test_draws_have_their_conditional_law(densities: list[float]) -> None:
    p, size = np.array(densities), 20_000
    rng = np.random.default_rng(0)
    for stratum in every_stratum(p):
        sets = chances_of(p, stratum)
        total = sum(sets.values())
        drawer = Drawer(theory.uniform(), p, stratum)
        for x in (drawer.stream(0).draw(size), drawer.mapped(rng.random((size, drawer.dimension)))):
            on = (x != 0).astype(int)
            for support in product((0, 1), repeat=len(p)):
                share = sets.get(support, 0.0) / total
                count = int((on == support).all(axis=1).sum())
                assert abs(count - size * share) <= 5 * np.sqrt(size * share * (1 - share)) + 1e-9 * size
            values = x[x != 0]
            if len(values) > 100:
                assert abs(values.mean() - 0.5) < 5 * np.sqrt(1 / 12 / len(values))


@pytest.mark.parametrize("law", ["exponential", "two-sided:half-normal", "beta:2,3"])
def test_streams_do_not_depend_on_the_blocks(law: str) -> None:
    p = np.array([0.2, 0.5, 0.01, 0.3])
    for stratum in (Stratum(0, False, 1.0), Stratum(2, True, 0.1), Stratum(2, False, 0.1)):
        drawer = Drawer(theory.feature_law(law), p, stratum)
        whole, parts = drawer.stream(7, 1, 2).draw(500), drawer.stream(7, 1, 2)
        assert np.array_equal(whole, np.concatenate([parts.draw(k) for k in (1, 99, 150, 250)]))
        assert not np.array_equal(whole, drawer.stream(8, 1, 2).draw(500))


@pytest.mark.parametrize("law", ["uniform", "exponential", "half-normal", "beta:2,3", "binary"])
@pytest.mark.parametrize("two_sided", [False, True])
def test_quantiles_have_the_moments_of_the_law(law: str, two_sided: bool) -> None:
    feature = theory.feature_law(("two-sided:" if two_sided else "") + law)
    u = (np.arange(400_000) + 0.5) / 400_000
    values = quantile(feature, u)
    assert (np.diff(values) >= 0).all()
    for order in (1, 2, 3, 4):
        assert (values**order).mean() == pytest.approx(float(feature.moment(order)), rel=2e-3, abs=1e-9)
