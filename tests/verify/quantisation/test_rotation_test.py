"""The statistics and the rotation test: identities, agreement of both routes, and uniform p-values."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from theory import InputError
from verify.quantisation.clouds import haar_rotations
from verify.quantisation.moments import Moments
from verify.quantisation.nulls import mean_largest_cosine, quartic_moments
from verify.quantisation.plane_projection import privileged_plane_projection
from verify.quantisation.rotation_test import rank_p_values, rotation_test
from verify.quantisation.statistics import STATISTICS, quantisation_statistics, row_values, seed_interval


def cloud(d: int, rows: int = 300, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, d)) ** 3 @ rng.standard_normal((d, d)) + rng.standard_normal(d)


def value(name: str, X: np.ndarray, frame: np.ndarray | None = None) -> float:
    return quantisation_statistics(X, frame, [name], bootstrap=1)[name][0]


@pytest.mark.parametrize("d", [2, 3, 8])
def test_values_of_simple_clouds(d: int) -> None:
    corners = np.array(list(product([-1.0, 1.0], repeat=d)))
    ones = np.ones((1, d))
    assert value("T4", np.eye(d)) == pytest.approx(1)
    assert value("T4", corners) == pytest.approx(-2 / d)
    assert value("T2", ones) == pytest.approx(1)
    assert value("T2", corners) == pytest.approx(0)
    assert value("T1", -ones) == pytest.approx(-1)
    assert value("T3", np.eye(d)) == pytest.approx(1)
    assert value("T3", -np.eye(d)) == pytest.approx(-1)
    isotropic = np.random.default_rng(d).standard_normal((40_000, d))
    for name in STATISTICS:
        C = isotropic / np.linalg.norm(isotropic, axis=1, keepdims=True)
        rows = row_values(name, C, np.sqrt(d), d)
        assert abs(rows.mean()) < 4.5 * rows.std() / 200 + 1e-15, name


@pytest.mark.parametrize("d", [3, 5, 8])
def test_t4_is_the_fourth_harmonic_of_all_planes(d: int) -> None:
    """Q2: the sum over planes of the mean of r^4 cos(4 phi) is (d - 1) T4."""
    X = cloud(d)
    found = privileged_plane_projection(X, epsilon=0.0, normalise=True)
    total = (found.lengths**4 * np.cos(4 * found.angles)).sum() / len(X)
    assert total == pytest.approx((d - 1) * value("T4", X))


@pytest.mark.parametrize("d", [3, 4, 7])
def test_every_orbit_of_signed_permutations_gives_the_same_quartic_test(d: int) -> None:
    """Q3: mean <u, v>^4 over the orbit with k non-zeros is a + b T4 with b > 0 for k < (d+2)/3, b < 0 beyond."""
    X = cloud(d)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    fourth = value("T4", X) * (1 - 3 / (d + 2)) + 3 / (d + 2)
    patterns = np.array(list(product([-1, 0, 1], repeat=d)))
    for k in range(1, d + 1):
        orbit = patterns[np.abs(patterns).sum(axis=1) == k] / np.sqrt(k)
        mean = ((unit @ orbit.T) ** 4).mean()
        slope = (1 - 3 * (k - 1) / (d - 1)) / (k * d)
        assert mean == pytest.approx(slope * fourth + 3 * (k - 1) / (k * d * (d - 1)))
        assert np.sign(slope) == np.sign(d + 2 - 3 * k)


@pytest.mark.parametrize("d", [2, 3, 8, 30])
def test_isotropic_moments(d: int) -> None:
    U = np.random.default_rng(d).standard_normal((200_000, d))
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    fourth = (U**4).sum(axis=1)
    mean, variance = quartic_moments(d)
    assert abs(fourth.mean() - mean) < 4.5 * np.sqrt(variance / 200_000)
    assert fourth.var() == pytest.approx(variance, rel=0.02)
    largest = np.abs(U).max(axis=1)
    assert abs(largest.mean() - mean_largest_cosine(d)) < 4.5 * largest.std() / np.sqrt(200_000)
    if d == 2:
        assert mean_largest_cosine(2) == pytest.approx(2 * np.sqrt(2) / np.pi)


def test_moments_are_means_of_powers() -> None:
    X = cloud(5)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    V = np.random.default_rng(1).standard_normal((3, 4, 5))
    for order in (1, 2, 3, 4):
        assert np.allclose(Moments(unit).mean_power(V, order), ((V @ unit.T) ** order).mean(axis=-1))


@pytest.mark.parametrize("rows", [10, 2000])
@pytest.mark.parametrize("k", [3, 6, 9])
def test_the_draws_are_the_statistics_of_rotated_frames(rows: int, k: int) -> None:
    """Both routes (moments for many rows, rows for few) against the plain statistic at the same rotations."""
    X, frame = cloud(6, rows), np.random.default_rng(2).standard_normal((k, 6))
    test = rotation_test(X, frame, STATISTICS, rotations=5, seed=3)
    Q = haar_rotations(5, 6, np.random.default_rng(3))
    unit = frame / np.linalg.norm(frame, axis=1, keepdims=True)
    for row, rotation in zip(test.draws, [np.eye(6), *Q], strict=True):
        expected = quantisation_statistics(X, unit @ rotation.T, STATISTICS, bootstrap=1)
        assert np.allclose(row, [expected[name][0] for name in STATISTICS], atol=1e-10)


def test_rank_p_values_by_hand() -> None:
    draws = np.array([[5.0, 1.0], [1.0, 1.0], [2.0, 1.0], [3.0, 1.0 + 1e-15], [4.0, 2.0]])
    assert rank_p_values(draws)[:, 0].tolist() == [0.4, 0.4, 0.8, 1.0, 0.8]
    # Ties, to rounding, count against significance.
    assert rank_p_values(draws)[:, 1].tolist() == [1.0, 1.0, 1.0, 1.0, 0.4]


def test_p_values_are_uniform_whatever_the_covariance() -> None:
    """10,000 clouds of very unequal axes, placed at random: ranks are uniform, the joint p-value never too small."""
    rng, single, joint = np.random.default_rng(11), [], []
    for trial in range(10_000):
        X = rng.standard_normal((6, 3)) * [5, 1, 0.2] + [0, 3, 0]
        test = rotation_test(X @ haar_rotations(1, 3, rng)[0].T, rotations=19, seed=trial)
        single.append([test.statistics[name].p for name in ("T4", "T2")])
        joint.append(test.p)
    # A p-value of 2j/20 spread over ((j-1)/10, j/10] is uniform on [0, 1] exactly if the rank is.
    spread = np.array(single) - rng.random((10_000, 2)) / 10
    assert min(stats.kstest(column, "uniform").pvalue for column in spread.T) > 0.01
    for level in (0.1, 0.2, 0.5):
        assert np.mean(np.array(joint) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 10_000)
    assert np.mean(np.array(joint) <= 0.2) > 0.15


def test_a_special_frame_is_found_and_rotates() -> None:
    rng = np.random.default_rng(4)
    X = np.tanh(4 * rng.standard_normal((400, 6)))
    Q = haar_rotations(1, 6, rng)[0]
    plain = rotation_test(X)
    assert plain.p < 0.001
    assert plain.statistics["T4"].z < -5
    assert plain.statistics["T2"].p > 0.01
    # The activations of a conjugated network: rows Q^T h, frame Q^T e_i (the rows of Q).
    assert rotation_test(X @ Q, Q).p < 0.001
    assert rotation_test(X @ Q).p > 0.01
    # The other side: rows near axes.
    axes = rotation_test(rng.standard_normal((400, 6)) ** 9)
    assert axes.p < 0.001
    assert axes.statistics["T4"].z > 5


def test_covariance_alone_is_not_taken_for_a_special_frame() -> None:
    rng = np.random.default_rng(8)
    X = rng.standard_normal((3000, 5)) * [9, 3, 1, 1, 0.1] @ haar_rotations(1, 5, rng)[0]
    assert rotation_test(X, rotations=999).p > 0.01


def test_bad_input_is_named() -> None:
    X = cloud(4)
    for arguments, words in (
        ({"statistics": ["T5"]}, "statistics='T5'"),
        ({"statistics": []}, "statistics is empty"),
        ({"rotations": 0}, "rotations=0"),
        ({"frame": np.vstack([np.eye(4), -np.eye(4)])}, "sum of the directions"),
    ):
        with pytest.raises(InputError, match=words):
            rotation_test(X, **arguments)
    assert rotation_test(X, np.vstack([np.eye(4), -np.eye(4)]), ["T4"], rotations=9).p <= 1
    with pytest.raises(InputError, match="bootstrap=0"):
        quantisation_statistics(X, bootstrap=0)


def test_intervals() -> None:
    rng, covered = np.random.default_rng(5), 0
    truth = quartic_moments(4)[0]
    for seed in range(200):
        _, low, high = quantisation_statistics(rng.standard_normal((150, 4)), bootstrap=200, seed=seed)["T4"]
        covered += low <= 0 <= high
    assert truth > 0
    assert 0.88 < covered / 200 < 0.99
    mean, low, high = seed_interval([1.0, 2.0, 3.0])
    assert (mean, high - mean) == pytest.approx((2.0, 4.302653 / np.sqrt(3)), rel=1e-6)
    assert low == pytest.approx(4 - high)
    assert seed_interval([1.0])[1:] == (-np.inf, np.inf)
