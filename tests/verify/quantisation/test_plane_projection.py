"""Privileged-plane projection against the definition and the isotropic closed forms."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from theory import InputError
from verify.quantisation.nulls import rayleigh
from verify.quantisation.plane_projection import privileged_plane_projection


def test_it_agrees_with_the_literal_definition() -> None:
    rng = np.random.default_rng(0)
    X, frame = rng.standard_normal((60, 4)) * rng.lognormal(size=(60, 1)), rng.standard_normal((5, 4))
    X[11] = 0
    result = privileged_plane_projection(X, frame, epsilon=0.6)
    unit = frame / np.linalg.norm(frame, axis=1, keepdims=True)
    expected = []
    for plane, (i, j) in enumerate(combinations(range(5), 2)):
        e2 = unit[j] - (unit[i] @ unit[j]) * unit[i]
        e2 /= np.linalg.norm(e2)
        for row, a in enumerate(X):
            point = np.array([a @ unit[i], a @ e2])
            if row != 11 and np.linalg.norm(point) >= 0.6 * np.linalg.norm(a):
                expected.append([plane, row, *point])
    found = np.column_stack([result.plane, result.row, result.points])
    assert np.allclose(found, np.array(expected))
    assert result.zero_rows == 1
    lengths = np.linalg.norm(result.points, axis=1) / np.linalg.norm(X[result.row], axis=1)
    assert np.allclose(result.lengths, lengths)


@pytest.mark.parametrize("d", [2, 3, 6, 12])
def test_isotropic_rows(d: int) -> None:
    """The share kept, the ring and sector density, and the harmonics of an isotropic cloud."""
    X = np.random.default_rng(d).standard_normal((60_000, d)) * 7
    result = privileged_plane_projection(X, epsilon=0.85, normalise=True)
    share, pairs = result.null_share, d * (d - 1) / 2
    assert share == pytest.approx((1 - 0.85**2) ** ((d - 2) / 2))
    error = np.sqrt(share / (60_000 * pairs))
    assert abs(result.kept_share - share) <= 5 * error + 1e-12
    density = result.density(bins=8, rings=3)
    assert density.shape == (1 if d == 2 else 3, 8)
    assert np.abs(density - 1).max() < 5 * np.sqrt(density.size / len(result.points))
    edges, histogram = result.angular_histogram(12)
    assert np.abs(histogram - 1).max() < 5 * np.sqrt(12 / len(result.points))
    assert np.allclose(np.diff(edges), np.pi / 6)
    mean, length = result.harmonic(4)
    assert max(abs(mean), length) < 4 / np.sqrt(len(result.points))
    if d > 2:
        # r^2 ~ Beta(1, (d-2)/2), cut at epsilon.
        squares = stats.beta(1, (d - 2) / 2)
        cut = squares.cdf(0.85**2)
        assert stats.kstest((squares.cdf(result.lengths**2) - cut) / (1 - cut), "uniform").pvalue > 1e-4


def test_rows_on_axes_show_the_fourth_harmonic() -> None:
    rng = np.random.default_rng(1)
    X = np.eye(5)[rng.integers(5, size=400)] * rng.choice([-1.0, 1.0], size=(400, 1))
    result = privileged_plane_projection(X)
    assert result.harmonic(4) == pytest.approx((1, 1))
    corners = rng.choice([-1.0, 1.0], size=(400, 5)) * np.array([1, 1, 0.1, 0.1, 0.1])
    assert privileged_plane_projection(corners, pairs=[(0, 1)]).harmonic(4)[0] == pytest.approx(-1)
    assert result.rayleigh_p(0) < 1e-10


def test_rayleigh_p_values_are_uniform() -> None:
    """10,000 isotropic samples: the closed-form test rejects as often as it says, already at 6 points."""
    angles = np.random.default_rng(7).uniform(0, 2 * np.pi, (10_000, 6))
    values = np.array([rayleigh(row, 4)[1] for row in angles])
    assert stats.kstest(values, "uniform").pvalue > 0.01
    assert np.mean(values < 0.01) < 0.014


def test_edges() -> None:
    X = np.random.default_rng(2).standard_normal((30, 40))
    empty = privileged_plane_projection(X, epsilon=0.999)
    assert len(empty.points) == 0
    assert np.isnan(empty.angular_histogram()[1]).all()
    assert np.isnan(empty.harmonic()).all()
    assert np.isnan(rayleigh(np.array([]))).all()
    assert empty.density().sum() == 0
    assert privileged_plane_projection([[3.0, 4.0]], epsilon=1.0).points.tolist() == [[3.0, 4.0]]
    with pytest.raises(InputError, match=r"epsilon=1\.5"):
        privileged_plane_projection(X, epsilon=1.5)
    with pytest.raises(InputError, match="bins=0"):
        empty.angular_histogram(0)
