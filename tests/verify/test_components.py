"""Components of the interference graph on direct sums of figures whose answer is known."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import block_diag
from scipy.stats import ortho_group

from theory import InputError
from verify.geometry.components import SHAPES, Kind, interference_components, kinds, shape_of
from verify.geometry.dimensionality import feature_dimensionality
from verify.geometry.plateaux import PLATEAUX

RANKS = {
    "a dimension of its own": (1, 1),
    "antipodal pair": (2, 1),
    "triangle": (3, 2),
    "tetrahedron": (4, 3),
    "4-simplex": (5, 4),
    "pentagon": (5, 2),
    "square antiprism": (8, 3),
}


def hidden_sum(names: list[str], rng: np.random.Generator, noise: float = 0.0, zeros: int = 2) -> np.ndarray:
    """Figures in orthogonal subspaces, turned, with columns in random order and `zeros` columns of length 0."""
    figures = [SHAPES[name] / np.linalg.norm(SHAPES[name][:, 0]) * rng.uniform(0.8, 1.2) for name in names]
    W = np.concatenate([block_diag(*figures), np.zeros((sum(f.shape[0] for f in figures), zeros))], axis=1)
    if len(W) > 1:
        W = ortho_group.rvs(len(W), random_state=rng) @ W
    return (W + noise * rng.normal(size=W.shape) * (np.linalg.norm(W, axis=0) > 0))[:, rng.permutation(W.shape[1])]


@given(st.lists(st.sampled_from(list(RANKS)), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_figures_in_orthogonal_subspaces_are_found(names, seed):
    W = hidden_sum(names, np.random.default_rng(seed))
    found = interference_components(W)
    assert all(component.isolated for component in found)
    assert kinds(found) == Counter(Kind(*RANKS[name], name) for name in names)
    features = [i for component in found for i in component.features]
    assert sorted(features) == np.flatnonzero(np.linalg.norm(W, axis=0) > 1e-9).tolist()
    # Independent of the graph: the dimensionality of every feature by its own definition.
    D = feature_dimensionality(W)
    for component in found:
        np.testing.assert_allclose(D[list(component.features)], float(component.kind.share), rtol=1e-9)


def test_a_little_noise_changes_nothing():
    names = ["antipodal pair"] * 4 + ["pentagon", "pentagon", "triangle", "square antiprism"]
    for seed in range(5):
        W = hidden_sum(names, np.random.default_rng(seed), noise=0.004)
        assert kinds(interference_components(W)) == Counter(Kind(*RANKS[name], name) for name in names)


def test_every_plateau_of_the_figure_is_the_share_of_its_shape():
    for fraction, words in PLATEAUX.items():
        assert Kind(*RANKS[words], words).share == fraction
        np.testing.assert_allclose(feature_dimensionality(SHAPES[words]), float(fraction), rtol=1e-12)


def test_an_antiprism_is_two_squares_turned_against_each_other():
    unit = SHAPES["square antiprism"] / np.sqrt(1.5)
    cosines = np.sort(np.round(unit.T @ unit, 12), axis=1)
    assert (cosines == cosines[0]).all()
    turned, flat = (1 / 3 + np.sqrt(2) / 3 - 2 / 3), np.sqrt(2) / 3
    expected = [-1 / 3 - flat, -1 / 3 - flat, -1 / 3, turned, turned, 1 / 3, 1 / 3, 1]
    np.testing.assert_allclose(cosines[0], expected, atol=1e-12)
    # A cube has the same numbers, (8, 3), and is no antiprism; it is two tetrahedra or four pairs of lines.
    cube = np.array([[x, y, z] for x in (1, -1) for y in (1, -1) for z in (1, -1)]).T / np.sqrt(3)
    assert shape_of(cube, 3) == ""


def test_numbers_alone_do_not_make_a_shape():
    # Four lines of the plane: one component, of a share that no figure of the list has.
    lines = np.array([[np.cos(a), np.sin(a)] for a in np.pi * np.arange(4) / 4]).T
    (component,) = interference_components(lines)
    assert component.kind == Kind(4, 2)
    assert component.kind.share == Fraction(1, 2)
    assert component.isolated
    # Five directions of the half-plane have the numbers of a pentagon, but share its dimensions unevenly.
    fan = np.array([[np.cos(a), np.sin(a)] for a in np.pi * np.arange(5) / 6]).T
    (component,) = interference_components(fan)
    assert component.kind == Kind(5, 2)
    assert not component.isolated
    assert not kinds([component])


def test_short_columns_and_weak_overlaps_end_isolation():
    pair = np.array([[1.0, -1.0, *[0.15] * 20]])
    (component,) = interference_components(pair)
    assert component.kind == Kind(2, 1, "antipodal pair")
    assert component.features == (0, 1)
    assert not component.isolated
    # 22 lines in 20 dimensions overlap by .07 each: as many pairs as features, and no pair has a dimension of its own.
    eigen = np.linalg.qr(np.concatenate([np.ones((22, 1)), np.random.default_rng(0).normal(size=(22, 21))], axis=1))[0]
    frame = eigen[:, 2:].T
    frame = np.concatenate([frame, -frame], axis=1)
    assert not kinds(interference_components(frame, cosine=0.5))
    assert interference_components(np.zeros((2, 4))) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: interference_components(np.zeros(3)), "W"),
        (lambda: interference_components(np.full((2, 2), np.nan)), "finite"),
        (lambda: interference_components(np.eye(2), cosine=2), "cosine"),
        (lambda: interference_components(np.eye(2), threshold=-1), "threshold"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_kinds_read_as_words():
    assert str(Kind(5, 2, "pentagon")) == "5 features in 2 dimensions (pentagon)"
    assert str(Kind(1, 1)) == "1 feature in 1 dimension"


def test_many_features_in_one_direction_are_isolated_only_without_leakage():
    """With 200 columns a share of 1/200 is smaller than .01: the tolerance shrinks with it."""
    W = np.zeros((5, 200))
    W[0] = 1.0
    assert interference_components(W)[0].isolated
    W[1:] = 0.5 * np.random.default_rng(0).normal(size=(4, 200)) / 2
    (component,) = interference_components(W)
    assert component.kind.size == 200
    assert not component.isolated
