"""Training inputs against exact moments and enumeration of the active sets."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory import ToyModel, feature_law
from verify.training.rows import _active_entries, law_rule, minibatch, stratified_rows, two_or_more_active

LAWS = ["uniform", "binary", "exponential", "half-normal", "beta:2,3", "beta:1/2,1/2"]


@pytest.mark.parametrize("name", LAWS)
def test_rule_integrates_every_moment_it_should(name):
    law = feature_law(name)
    u, w = law_rule(law)
    for order in range(16):
        assert np.sum(w * u**order) == pytest.approx(float(law.moment(order)), rel=1e-11)
    u, w = law_rule(law.two_sided())
    for order in range(16):
        exact = float(law.two_sided().moment(order))
        assert np.sum(w * u**order) == pytest.approx(exact, rel=1e-11, abs=1e-11 * np.sum(w * abs(u) ** order))


def test_rule_of_the_uniform_law_is_gauss_legendre():
    nodes, weights = np.polynomial.legendre.leggauss(8)
    u, w = law_rule(feature_law("uniform"))
    np.testing.assert_allclose(u, (nodes + 1) / 2, rtol=1e-13)
    np.testing.assert_allclose(w, weights / 2, rtol=1e-12)


def chance_of_set(p: np.ndarray, active: tuple[int, ...]) -> float:
    on = np.isin(np.arange(len(p)), active)
    return float(np.prod(np.where(on, p, 1 - p)))


@given(st.lists(st.sampled_from([0.0, 1e-9, 0.01, 0.3, 0.8, 1.0]), min_size=1, max_size=5))
def test_chance_of_two_or_more(densities):
    p = np.array(densities)
    exact = sum(chance_of_set(p, A) for k in range(2, len(p) + 1) for A in combinations(range(len(p)), k))
    masks, chance = two_or_more_active(p, 50, np.random.default_rng(0))
    assert chance == pytest.approx(exact, rel=1e-12, abs=0)
    if chance:
        assert (masks.sum(axis=1) >= 2).all()
        assert not masks[:, p == 0].any()
    else:
        assert not masks.any()


def test_sets_are_drawn_with_their_conditional_probability():
    p = np.array([0.05, 0.4, 0.01, 0.2])
    count = 200_000
    masks, chance = two_or_more_active(p, count, np.random.default_rng(1))
    codes = masks @ (1 << np.arange(4))
    for k in (2, 3, 4):
        for A in combinations(range(4), k):
            exact = chance_of_set(p, A) / chance
            found = np.mean(codes == sum(1 << i for i in A))
            assert abs(found - exact) < 5 * np.sqrt(exact / count) + 1e-9


@pytest.mark.parametrize("law", LAWS)
def test_rows_reproduce_the_moments_of_the_input(law):
    model = ToyModel(4, 2, "linear", density=[0.1, 0.3, 0, 0.02], law=law)
    X, w = stratified_rows(model, 100_000, np.random.default_rng(2))
    assert w.sum() == pytest.approx(1, rel=1e-12)
    p, mu1, mu2 = np.array([0.1, 0.3, 0, 0.02]), float(model.law.moment(1)), float(model.law.moment(2))
    second = mu1**2 * np.outer(p, p)
    np.fill_diagonal(second, mu2 * p)
    np.testing.assert_allclose(w @ X, mu1 * p, atol=2e-3 * mu2)
    np.testing.assert_allclose(X.T @ (w[:, None] * X), second, atol=4e-3 * mu2)


def test_dense_and_empty_inputs_have_rows_too():
    X, w = stratified_rows(ToyModel(3, 1, "relu", density=1), 10, np.random.default_rng(0))
    assert w[:-10].sum() == 0
    assert (X[-10:] > 0).all()
    _, w = stratified_rows(ToyModel(3, 1, "relu", density=0), 10, np.random.default_rng(0))
    assert w[0] == 1
    assert w[1:].sum() == 0


def test_minibatch_follows_densities_and_law():
    x = minibatch(ToyModel(2, 1, "relu", density=[0.2, 0.7], law="beta:2,3"), 100_000, np.random.default_rng(3))
    np.testing.assert_allclose((x > 0).mean(axis=0), [0.2, 0.7], atol=0.01)
    np.testing.assert_allclose(x.mean(axis=0), [0.2 * 0.4, 0.7 * 0.4], atol=0.005)


@pytest.mark.parametrize("law", ["uniform", "beta:2,3", "half-normal", "two-sided:exponential"])
@pytest.mark.parametrize("density", [1.0, 0.7, 0.3, [0.02, 0.3, 0.3, 0, 0.1], [1, 0.5, 0.9, 0.5, 0.01]])
def test_values_of_active_features_follow_the_law(law, density):
    # Both ways to draw (a number for every entry, a set of entries), and thinning where densities differ.
    from scipy import stats

    model = ToyModel(5, 1, "relu", density=density, law=law)
    count = 40_000
    x = minibatch(model, count, np.random.default_rng(4))
    plain = model.law.sample(np.random.default_rng(5), 50_000)
    for i, p in enumerate(map(float, model.densities)):
        active = x[:, i] != 0
        assert abs(active.mean() - p) <= 4 * np.sqrt(p * (1 - p) / count)
        if p:
            assert stats.ks_2samp(x[active, i], plain).pvalue > 1e-3
        for power in (1, 2):
            value = x[:, i] ** power
            exact = p * float(model.law.moment(power))
            assert abs(value.mean() - exact) <= 4.5 * value.std() / np.sqrt(count)


@pytest.mark.parametrize("density", [0.05, 0.3, 0.6, [0.3, 0.05, 0.2, 0.1]])
def test_activity_of_a_batch_is_independent_across_features_and_rows(density):
    # The law of every set of active features by its product formula, over all 16 sets.
    from scipy import stats

    model = ToyModel(4, 1, "relu", density=density)
    p = np.array([float(v) for v in model.densities])
    count = 60_000
    active = minibatch(model, count, np.random.default_rng(6)) > 0
    sets = [np.flatnonzero(active_set) for active_set in (np.arange(16)[:, None] >> np.arange(4)) & 1]
    expected = count * np.array([chance_of_set(p, tuple(A)) for A in sets])
    found = np.bincount(active @ (1 << np.arange(4)), minlength=16)
    likely = expected > 5
    assert (found[~likely] <= 25).all()
    assert (
        stats.chisquare(
            np.append(found[likely], found[~likely].sum() + 5),
            np.append(expected[likely], expected[~likely].sum() + 5),
            sum_check=False,
        ).pvalue
        > 1e-3
    )
    # Consecutive rows have nothing to do with each other.
    number = active.sum(axis=1)
    assert abs(np.corrcoef(number[1:], number[:-1])[0, 1]) < 4 / np.sqrt(count)
    # How many entries of a small batch are active varies as a sum of independent ones does.
    counts = np.array([(minibatch(model, 10, np.random.default_rng(s)) > 0).sum() for s in range(2000)])
    variance = 10 * (p * (1 - p)).sum()
    assert abs(counts.mean() - 10 * p.sum()) < 4 * np.sqrt(variance / 2000)
    assert abs(counts.var() / variance - 1) < 4 * np.sqrt(2 / 2000)


@pytest.mark.parametrize("density", [1e-8, [1e-8, 3e-8, 0, 2e-8]])
def test_active_entries_at_a_tiny_density(density):
    p = np.broadcast_to(density, 4).astype(float)
    rng, rows = np.random.default_rng(7), 10**10
    where = _active_entries(p, rows, rng)
    assert len(np.unique(where)) == len(where)
    found = np.bincount(where % 4, minlength=4)
    assert (np.abs(found - rows * p) <= 4 * np.sqrt(rows * p)).all()
    # Spread over all rows alike.
    assert abs((where // 4 < rows / 2).mean() - 0.5) < 2 / np.sqrt(len(where))


def test_dense_and_empty_minibatches():
    rng = np.random.default_rng(8)
    assert (minibatch(ToyModel(3, 1, "relu", density=1), 50, rng) > 0).all()
    assert not minibatch(ToyModel(3, 1, "relu", density=0), 50, rng).any()
    two_sided = minibatch(ToyModel(3, 1, "relu", density=1, law="two-sided:binary"), 4000, rng)
    assert set(np.unique(two_sided)) == {-1, 1}
    assert abs(two_sided.mean()) < 4 / np.sqrt(12_000)
