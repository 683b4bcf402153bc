"""Metrics of the experiments against weights whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from theory import InputError
from verify.experiments.basics import monosemantic_neurons, polysemantic_neurons
from verify.experiments.correlations import cosines_of_sets
from verify.experiments.pentagon import _regular, angle_gaps
from verify.geometry.clusters import discretisation_index, effective_clusters, neighbour_share
from verify.geometry.plateaux import stands_out
from verify.geometry.superposition import (
    antipodal_pairs,
    dimensions_per_feature,
    largest_overlap,
    overlapping_pairs,
    represented_features,
    represents_first,
)
from verify.phases.triples import PAIRINGS, pairing_of


def ring(n: int, turn: float = 0.0) -> np.ndarray:
    angles = 2 * np.pi * np.arange(n) / n + turn
    return np.array([np.cos(angles), np.sin(angles)])


def test_counts_on_known_configurations():
    cross = np.array([[1.0, -1.0, 0, 0, 0.1], [0, 0, 1.0, -1.0, 0.1]])
    assert represented_features(cross) == 4
    assert antipodal_pairs(cross) == 2
    assert overlapping_pairs(cross) == 0
    assert largest_overlap(cross) < 1e-12
    pentagon = ring(5)
    assert represented_features(pentagon) == 5
    assert antipodal_pairs(pentagon) == 0
    assert overlapping_pairs(pentagon) == 10
    assert largest_overlap(pentagon) == pytest.approx(np.cos(np.pi / 5))
    stack = np.stack([cross, np.concatenate([pentagon], axis=1)])
    np.testing.assert_array_equal(represented_features(stack), [4, 5])
    np.testing.assert_allclose(dimensions_per_feature(pentagon), 2 / 5)
    assert represented_features(np.zeros((2, 3))) == 0
    assert np.isinf(dimensions_per_feature(np.zeros((2, 3))))
    with pytest.raises(InputError, match="finite"):
        represented_features(np.full((2, 3), np.nan))
    with pytest.raises(InputError, match="shape"):
        represented_features(np.zeros(3))


def test_the_first_features_and_no_others():
    assert represents_first(np.eye(3, 5), 3)
    assert not represents_first(np.eye(3, 5), 2)
    assert not represents_first(np.eye(3, 5)[:, ::-1], 3)
    assert not represents_first(np.array([[1.0, -1, 0], [0, 0, 0.1]]), 2)
    assert not represents_first(np.array([[1.0, 0.2, 0], [0, 1, 0]]), 2)
    np.testing.assert_array_equal(represents_first(np.stack([np.eye(2, 3), np.zeros((2, 3))]), 2), [True, False])


def test_pairs_need_a_cosine_beyond_the_threshold():
    at = lambda degrees: np.array([[1.0, np.cos(np.radians(degrees))], [0, np.sin(np.radians(degrees))]])  # noqa: E731
    found = {d: (int(antipodal_pairs(at(d))), int(overlapping_pairs(at(d)))) for d in (90, 87, 80, 0, 150, 160, 165)}
    assert found == {90: (0, 0), 87: (0, 0), 80: (0, 1), 0: (0, 1), 150: (0, 1), 160: (0, 1), 165: (1, 0)}
    assert dimensions_per_feature(2 * np.eye(3)) == 1 / 4
    assert represented_features(np.array([[1.0, 0.51, 0.49]])) == 2


def test_angle_gaps():
    np.testing.assert_allclose(angle_gaps(ring(5, 0.3)), 72)
    np.testing.assert_allclose(np.sort(angle_gaps(np.array([[1.0, 0, -1], [0, 1, 0]]))), [90, 90, 180])


def test_discretisation():
    smooth = np.concatenate([ring(90), np.zeros((1, 90))])
    assert discretisation_index(smooth) == 0
    assert effective_clusters(smooth) == pytest.approx(90)
    grouped = np.repeat(ring(9), 10, axis=1)
    assert discretisation_index(grouped) == 1
    assert effective_clusters(grouped) == pytest.approx(9)
    uneven = np.concatenate([np.repeat(ring(2)[:, :1], 3, axis=1), ring(2)[:, 1:]], axis=1)
    share = np.array([0.75, 0.25])
    assert effective_clusters(uneven) == pytest.approx(np.exp(-(share * np.log(share)).sum()))
    with pytest.raises(InputError, match="shape"):
        discretisation_index(np.zeros((2, 1)))


def test_near_columns_count_only_below_their_thresholds():
    # Distances of 2 sin(pi/n) between neighbours on a ring: .0483 counts as merged, .0524 as near.
    assert discretisation_index(ring(130)) == pytest.approx(1 / 6)
    assert discretisation_index(ring(120)) == 0
    assert effective_clusters(ring(130)) == pytest.approx(1)
    assert discretisation_index(3 * ring(130)) == pytest.approx(1 / 6)


def test_neighbours_on_a_curve():
    assert neighbour_share(ring(30)) == 1
    assert neighbour_share(ring(30)[:, np.arange(0, 30 * 7, 7) % 30]) == 0
    assert neighbour_share(ring(5)[:, [0, 1, 2, 3, 4]]) == 1


def test_a_line_must_stand_out_from_its_flanks():
    spread = np.linspace(0.45, 0.55, 200)
    assert not stands_out(spread, 0.5)
    assert stands_out(np.concatenate([spread, np.full(40, 0.5)]), 0.5)
    assert not stands_out(np.full(9, 0.5), 0.5)


def test_monosemantic_neurons():
    W = np.array([[1.0, 0, 0.1], [0.7, 0.7, 0], [0, 0, 0]])
    assert monosemantic_neurons(W) == 1
    # The third neuron is dead, not polysemantic.
    assert polysemantic_neurons(W) == 1
    assert monosemantic_neurons(np.array([[3.0, 1, 0]])) == 1
    assert monosemantic_neurons(np.array([[2.9, 1, 0]])) == 0


def test_a_regular_pentagon_has_equal_angles_and_norms():
    tilted = ring(5) * np.array([1, 1, 1, 1, 0.5])
    bent = np.array([[np.cos(a), np.sin(a)] for a in np.radians([0, 75, 144, 216, 288])]).T
    np.testing.assert_array_equal(
        _regular(np.stack([ring(5, 0.3), 2 * ring(5), tilted, bent])), [True, True, False, False]
    )
    assert not len(_regular(np.zeros((0, 2, 5))))


@pytest.mark.parametrize(
    ("W", "name"),
    [
        ([[1, 0, 0], [0, 1, 0]], "feature 3 dropped"),
        ([[1, 0, 0], [0, 0, 1]], "feature 1 or 2 dropped"),
        ([[1, -1, 0], [0, 0, 1]], "features 1 and 2 share"),
        ([[1, 0, 0], [0, 1, -1]], "feature 3 shares"),
        ([[1, -0.5, -0.5], [0, 0.87, -0.87]], "triangle"),
    ],
)
def test_pairings(W, name):
    assert PAIRINGS[pairing_of(np.array(W, dtype=float))] == name


def test_cosines_of_sets():
    W = np.array([[1.0, -1, 0, 0, 0.01, 0], [0, 0, 1, 1, 0, 1]])
    inside, between = cosines_of_sets(W)
    np.testing.assert_allclose(np.sort(inside), [-1, 1])
    # The fifth column is too short to count.
    assert len(between) == 8
    np.testing.assert_allclose(np.sort(between), [0, 0, 0, 0, 0, 0, 1, 1], atol=1e-12)
