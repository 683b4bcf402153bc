"""Rows with entries of very different size: exact truth, and the price of not splitting them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory
from numerics.laws import numeric_law
from numerics.quadrature import adaptive, clusters
from numerics.quadrature.adaptive import quadrature_loss
from numerics.quadrature.clusters import cluster_levels, clusters_of, suits
from numerics.quadrature.few_active import Rows, rows_of
from numerics.quadrature.many_active import compact
from numerics.scalar_map import scalar_map
from numerics.setting import Setting, setting
from numerics.vertex import vertex_loss
from theory import ToyModel


def nearly_antipodal(rng: np.random.Generator, noise: float, shape: str) -> np.ndarray:
    W = np.zeros((2, 6))
    W[0, :2], W[1, 2:4] = (1, -1), (1, -1)
    W += noise * rng.normal(size=W.shape)
    if shape == "two scales":
        W[:, 4:] *= noise
    elif shape == "small own":
        W[:, 5] = [noise, 0.3 * noise]
    return W


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    noise=st.sampled_from([1e-2, 1e-3, 1e-5, 1e-8]),
    name=st.sampled_from(["relu", "hardtanh", "rectified-power:2", "leaky-relu:0.1", "softshrink"]),
    law=st.sampled_from(["uniform", "two-sided:uniform"]),
    density=st.sampled_from([1e-6, 0.1, 0.9, 1.0]),
    shape=st.sampled_from(["pairs", "two scales", "small own"]),
    biased=st.booleans(),
)
def test_near_atoms_are_right(seed, noise, name, law, density, shape, biased) -> None:
    rng = np.random.default_rng(seed)
    W = nearly_antipodal(rng, noise, shape)
    b = np.array([0, -0.1, noise / 3, -noise / 3, 0, -1e-9]) * biased
    at = setting(ToyModel(6, 2, name, density, law=law, bias=True), W, b)
    truth = vertex_loss(at)[0].sum()
    with pytest.MonkeyPatch.context() as patch:
        # Split at once, however fast the plain series converges.
        patch.setattr(adaptive, "_PATIENCE", 0)
        found = quadrature_loss(at, 1e-9)
    assert abs(found.per_feature.sum() - truth) <= max(2 * found.total_error, 1e-15 * truth)
    assert found.total_error <= 1e-7 * truth


@pytest.mark.parametrize("law", ["beta:2,3", "two-sided:beta:2,1"])
@pytest.mark.parametrize("name", ["relu", "elu", "softsign"])
def test_splitting_does_not_change_the_loss(name: str, law: str) -> None:
    at = setting(
        ToyModel(6, 2, name, [0.1, 0.2, 0.3, 0.1, 0.5, 0.2], law=law, bias=True),
        nearly_antipodal(np.random.default_rng(5), 0.02, "pairs"),
        [0, -0.2, 0, 0.1, 0.01, 0],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adaptive, "_PATIENCE", 0)
        split = quadrature_loss(at, 1e-8)
        patch.setattr(adaptive, "_PATIENCE", 10**9)
        whole = quadrature_loss(at, 1e-8)
    assert abs(split.per_feature.sum() - whole.per_feature.sum()) <= 2 * (split.total_error + whole.total_error)
    assert split.total_error < 1e-6


def trained(noise: float, n: int = 20) -> Setting:
    W = np.zeros((n // 2, n))
    W[np.arange(n // 2), np.arange(0, n, 2)], W[np.arange(n // 2), np.arange(1, n, 2)] = 1, -1
    W += noise * np.random.default_rng(1).normal(size=W.shape)
    return setting(ToyModel(n, n // 2, "relu", 0.02), W)


def test_splitting_pays() -> None:
    with pytest.MonkeyPatch.context() as patch:
        split = quadrature_loss(trained(1e-3), 1e-8)
        patch.setattr(adaptive, "_PATIENCE", 10**9)
        whole = quadrature_loss(trained(1e-3), 1e-8)
    assert split.converged
    assert split.evaluations < whole.evaluations / 4
    assert abs(split.per_feature.sum() - whole.per_feature.sum()) <= split.total_error + whole.total_error


def test_the_compressed_smear_is_that_of_the_recursion() -> None:
    fast, slow = quadrature_loss(trained(1e-3), 1e-8), quadrature_loss(trained(1e-3), 1e-8, compressed=False)
    assert fast.per_feature.sum() == pytest.approx(slow.per_feature.sum(), rel=1e-12)


def test_clusters_are_a_factor_apart_and_carry_weight() -> None:
    gram = np.array([[1.0, -0.9, 1e-3, 2e-3, 0.0], [1.0, 0.5, 0.2, 0.1, 0.05], [1.0, 1.0, 1.0, 1.0, 1e-6]])
    visible = np.where(gram == 0, 0, [0.2, 0.2, 0.2, 0.2, 0.01])
    rows = Rows(gram, np.zeros(3), np.arange(3), visible, np.full(3, 0.2))
    found = [[sorted(cluster) for cluster in row] for row in clusters_of(rows)]
    assert found == [[[0, 1], [2, 3]], [[0, 1, 2, 3, 4]], [[0, 1, 2, 3, 4]]]
    narrow, count = compact(
        Rows(gram, np.zeros(3), np.arange(3), np.where(np.abs(gram) > 0.5, visible, 0), rows.density)
    )
    assert count == 4
    assert np.all(narrow.own_gram == rows.own_gram)


def test_singular_and_jumping_functions_are_not_split() -> None:
    uniform, steep = numeric_law(theory.uniform()), numeric_law(theory.feature_law("beta:0.5,0.5"))
    assert suits(scalar_map(theory.activation("relu")), uniform)
    assert not suits(scalar_map(theory.activation("relu")), steep)
    assert not suits(scalar_map(theory.activation("relu")), numeric_law(theory.exponential()))
    for name in ("heaviside", "rectified-power:0.5", "tanh"):
        assert not suits(scalar_map(theory.activation(name)), uniform)


def test_the_carried_functions_are_the_expectations_they_stand_for() -> None:
    at = setting(ToyModel(3, 2, "relu", 0.3), [[1.0, -0.8, 1e-3], [0.0, 0.6, 1e-3]])
    rows = rows_of(at, np.array([0]))
    levels, value, error, _ = cluster_levels(
        scalar_map(at.model.activation), numeric_law(at.model.law), rows, [np.array([0, 1]), np.array([2])]
    )
    assert len(levels) == 1
    assert error < 1e-14
    # No two of {0, 1} at once: nothing, x_0, x_1 or x_2 alone, or x_2 with one of the others.
    rng = np.random.default_rng(0)
    u, v = rng.random((2, 10**6))
    relu, g, p, q = lambda z: np.maximum(z, 0), rows.gram[0], 0.3, 0.7
    alone = q * q * p * np.mean(relu(g[2] * u) ** 2) + p * q * q * np.mean(relu(g[0] * u) ** 2 - 2 * u * relu(g[0] * u))
    both = p * p * q * np.mean(relu(g[0] * u + g[2] * v) ** 2 - 2 * u * relu(g[0] * u + g[2] * v))
    other = q * p * q * np.mean(relu(g[1] * u) ** 2) + q * p * p * np.mean(relu(g[1] * u + g[2] * v) ** 2)
    assert value == pytest.approx(alone + both + other, abs=2e-4)


def test_kinks_move_with_the_ends_of_the_entries() -> None:
    step = clusters._Step(
        scalar_map(theory.activation("hardtanh")),
        numeric_law(theory.feature_law("two-sided:uniform")),
        np.array([0.75, -0.5]),
        np.array([0.1, 0.2]),
        np.array([False, False]),
        0.0,
    )
    assert sorted(step.kinks(0.0, 1.0)) == pytest.approx([0.25, 0.5])
    assert sorted(set(step.kinks(-3.0, 3.0))) == pytest.approx([-1.75, -1.5, -1, -0.5, -0.25, 0.25, 0.5, 1, 1.5, 1.75])
