"""Phases judged by loss: sets of optimal phases, closed forms against exact losses, the triangle, the order."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import sympy
from sympy import Matrix, Rational

from numerics import expected_loss, minimise_loss
from theory import PHASES, InputError, ToyModel, pair_loss
from theory.loss.vertex import vertex_loss
from verify.phases.change import PhaseChange, SlopeJump, boundary_density, phase_change, slope_jump
from verify.phases.sets import PhaseSet, own_losses, pair_phases, unit_pair_losses
from verify.phases.triples import (
    PAIRINGS,
    TRIANGLE,
    pairing_of,
    triangle_certificate,
    triangle_losses,
    triple_phases,
    unit_triple_losses,
)


def test_ties_are_accepted_and_worse_phases_are_not():
    losses = np.array([[[1.0, 1.0, 1.0]], [[1.0, 1.002, 1.0005]], [[2.0, np.inf, 3.0]]])
    phases = PhaseSet(("a", "b", "c"), losses)
    np.testing.assert_array_equal(phases.clear(), [[False, True, False]])
    np.testing.assert_array_equal(phases.accepts(np.array([[1, 1, 1]])), [[True, False, True]])
    np.testing.assert_array_equal(phases.accepts(np.array([[2, 0, 0]])), [[False, True, True]])
    # A shape without a name is never right, whatever index it has.
    np.testing.assert_array_equal(phases.accepts(np.array([[3, -1, 0]])), [[False, False, True]])
    with pytest.raises(InputError, match="shape"):
        phases.accepts(np.zeros((2, 2), int))


def test_a_shrunken_pair_is_no_phase_of_its_own():
    losses = np.array([1.0, 3.0, 1.0 + 1e-10, 0.5])[:, None, None]
    np.testing.assert_array_equal(own_losses(losses)[:, 0, 0], [1.0, 3.0, np.inf, 0.5])
    # Where feature 2 is dropped no pair is left, so the cell is clear.
    assert pair_phases("relu", [0.9], [0.2]).clear().all()
    assert PHASES[pair_phases("relu", [0.9], [0.2]).phase[0, 0]] == "not represented"


def test_closed_forms_of_two_features_are_the_exact_losses_of_unit_weights():
    weights = {"not represented": [1, 0], "dedicated": [0, 1], "antipodal": [1, -1]}
    for p, r in ((Rational(1, 7), Rational(3, 2)), (Rational(9, 10), Rational(1, 4))):
        closed = unit_pair_losses([float(p)], [float(r)])[:, 0, 0]
        model = ToyModel(2, 1, "relu", p, importance=(1, r), bias=True)
        for name, w in weights.items():
            b = [0 if entry else p / 2 for entry in w]
            assert closed[PHASES.index(name)] == pytest.approx(float(pair_loss(model, [w], b)), rel=1e-14)
        assert np.isinf(closed[PHASES.index("aligned")])


def test_closed_forms_of_three_features_are_exact():
    """The losses are polynomials of degree at most 5 in p (3 of the inputs, 2 of the bias) and linear in I."""
    weights = {
        "feature 3 dropped": ([[1, 0, 0], [0, 1, 0]], [0, 0, 1]),
        "feature 1 or 2 dropped": ([[0, 1, 0], [0, 0, 1]], [1, 0, 0]),
        "features 1 and 2 share": ([[0, 0, 1], [1, -1, 0]], [1, 1, 0]),
        "feature 3 shares": ([[1, 0, 0], [0, 1, -1]], [0, 1, 1]),
    }
    for p in [Rational(k, 7) for k in range(1, 7)]:
        v = p / 3 - p**2 / 4
        for r in (Rational(1, 3), Rational(2)):
            closed = [r * v, v, p**2 / 3, (1 + r) * p**2 / 6]
            model = ToyModel(3, 2, "relu", p, importance=(1, 1, r), bias=True)
            for (W, kernel), value in zip(weights.values(), closed, strict=True):
                assert Matrix(W) * Matrix(kernel) == sympy.zeros(2, 1)
                lost = [p / 2 if all(row[i] == 0 for row in W) else 0 for i in range(3)]
                assert vertex_loss(model, Matrix(W), lost) == value
            found = unit_triple_losses([float(p)], [float(r)])[:, 0, 0]
            np.testing.assert_allclose(found, [float(value) for value in closed], rtol=1e-14)


def test_names_of_three_features():
    names = {
        "feature 3 dropped": [[1, 0, 0.01], [0, 1, 0]],
        "feature 1 or 2 dropped": [[1, 0, 0], [0, 0, 1]],
        "features 1 and 2 share": [[1, -0.9, 0], [0, 0, 1]],
        "feature 3 shares": [[1, 0, 0], [0, 0.9, -1]],
        "triangle": [[-0.5, -0.5, 1], [0.87, -0.87, 0]],
        "other": [[1, 0, 0.7], [0, 1, 0.7]],
    }
    for name, W in names.items():
        assert PAIRINGS[pairing_of(np.array(W, dtype=float))] == name
    # Three directions in one half plane, whatever their signs, are no triangle.
    assert PAIRINGS[pairing_of(np.array([[1, 0.5, 0.87], [0, 0.87, 0.5]]))] == "other"
    # Signs of columns, which mean nothing at p = 1.
    assert pairing_of(np.array(names["triangle"]) * [1, -1, 1]) == TRIANGLE
    assert PAIRINGS[pairing_of(np.array([[1.0, 0, 0], [0, 0, 0]]))] == "other"


def test_equal_importance_is_a_tie_of_blocks_and_dropping_is_none():
    phases = triple_phases([0.1, 0.3], [0.5, 1.0, 2.0], triangle=False)
    share12, share3 = (PAIRINGS.index(name) for name in ("features 1 and 2 share", "feature 3 shares"))
    np.testing.assert_allclose(phases.losses[share12, 1], phases.losses[share3, 1], rtol=1e-9)
    np.testing.assert_array_equal(phases.clear()[1], [False, False])
    for k in (share12, share3):
        assert phases.accepts(np.full((3, 2), k))[1].all()
    np.testing.assert_array_equal(phases.phase[[0, 2]], [[share3] * 2, [share12] * 2])


def test_block_losses_are_reached():
    phases = triple_phases([0.2], [0.5], triangle=False)
    found = minimise_loss(ToyModel(3, 2, "relu", 0.2, importance=(1, 1, 0.5), bias=True), restarts=3)
    assert found.loss.value == pytest.approx(phases.loss[0, 0], rel=1e-6)
    assert phases.accepts(np.array([[pairing_of(found.W)]])).all()


def test_a_triangle_beats_every_block_exactly():
    triangle, block = triangle_certificate()
    assert isinstance(triangle, Fraction)
    assert triangle < Fraction(95, 100) * block
    losses = triangle_losses([0.7], [1.0, 1.25])[:, 0]
    assert losses[0] == pytest.approx(float(triangle), rel=1e-4)
    assert losses[0] <= float(triangle) * (1 + 1e-9)
    phases = triple_phases([0.3, 0.7], [1.0])
    assert phases.phase[0, 1] == TRIANGLE
    assert phases.phase[0, 0] != TRIANGLE
    # The bound is one of blocks: the best block found is above it.
    assert triple_phases([0.7], [1.0], triangle=False).loss[0, 0] >= float(block) - 1e-12


def test_signs_of_columns_mean_nothing_at_density_one():
    model = ToyModel(3, 2, "relu", 1, bias=True)
    W, b = np.array([[1.0, -0.5, 0.3], [0.2, 0.8, -0.4]]), np.array([0.1, 0.2, -0.1])
    signs = np.array([1, -1, 1])
    gram = W.T @ W
    # Output j sees 1 - x_i for x_i wherever signs i and j differ, or, for j itself, everywhere else.
    shift = ((1 - np.outer(signs, signs)) / 2 * gram).sum(1)
    flipped = expected_loss(model, W * signs, b + shift).value
    assert flipped == pytest.approx(expected_loss(model, W, b).value, rel=1e-9)
    assert expected_loss(model.replace(density=0.5), W * signs, b + shift).value != pytest.approx(
        expected_loss(model.replace(density=0.5), W, b).value, rel=1e-3
    )


def test_two_losses_cross_or_the_pair_shrinks():
    jump, bend = phase_change("relu", 0.4), phase_change("relu", 0.6)
    assert jump.ends_in_jump
    assert not bend.ends_in_jump
    # Where the pair ends without a jump, a strong pair has given way to a weak one before.
    assert jump.jump.is_real
    assert jump.jump.density == pytest.approx(jump.density, rel=1e-3)
    assert bend.jump.is_real
    assert bend.jump.density == pytest.approx(0.526, abs=2e-3)
    strong, weak = (
        minimise_loss(ToyModel(2, 1, "relu", bend.jump.density * (1 + s), importance=(1, 0.6), bias=True), 8).W[0]
        for s in (-0.004, 0.004)
    )
    assert strong[1] / strong[0] < -0.7
    assert -0.5 < weak[1] / weak[0] < -0.1
    # By the minimiser and by theory, two routes to one slope.
    for found in (jump, bend):
        assert found.below == pytest.approx(found.theory_below, rel=2e-3)
        assert found.above == pytest.approx(found.theory_above, rel=2e-3)
    # Above the boundary L* = I(p/3 - p^2/4).
    p = jump.density * 1.002
    assert jump.above == pytest.approx(0.4 * (1 / 3 - p / 2), rel=1e-5)
    assert jump.below > 2 * jump.above
    assert jump.ratio < -0.5 < bend.ratio < 0


def test_a_boundary_has_a_pair_on_one_side_only():
    p = boundary_density("rectified-power:2", 0.3)
    phases = pair_phases("rectified-power:2", [0.99 * p, 1.01 * p], [0.3]).phase[0]
    assert [PHASES[k] for k in phases] == ["antipodal", "not represented"]
    with pytest.raises(InputError, match="importance"):
        boundary_density("relu", 1.0)


def test_a_smooth_line_has_no_jump(monkeypatch):
    def smooth(activation, p, importances, bias):
        p = np.asarray(p)
        return SimpleNamespace(loss=np.log1p(p)[None])

    monkeypatch.setattr("verify.phases.change.phase_grid", smooth)
    assert not slope_jump("relu", 0.5, 0.5).is_real


def test_a_bend_is_no_jump():
    about = {"activation": "relu", "importance": 0.5, "density": 0.5, "below": 2.0, "above": 1.0,
             "theory_below": 2.0, "theory_above": 1.0, "ratio": -0.5,
             "jump": SlopeJump(0.5, 2.0, 1.0, 1.0)}  # fmt: skip
    assert PhaseChange(**about, persistence=0.98).ends_in_jump
    assert not PhaseChange(**about, persistence=0.25).ends_in_jump
