"""Branches of local minima against closed forms, and the claims of the perturbed pentagon on weights made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray

from theory import InputError, ToyModel
from verify.experiments import perturbation
from verify.experiments.branches import Crossing, Point, crossing, follow, local_minimum, slope
from verify.experiments.perturbation import DENSITY, angles_beside, densities, geometry

ANGLE = 2 * np.pi * np.arange(5) / 5
RING = np.array([np.cos(ANGLE), np.sin(ANGLE)])
PAIRS = np.array([[0.0, 1, -1, 0, 0], [0, 0, 0, 1, -1]])
TURN = np.array([[0.6, -0.8], [0.8, 0.6]])
MEAN = np.array([0.5, 0, 0, 0, 0])


def model(ratio: float) -> ToyModel:
    return ToyModel(5, 2, "relu", densities(ratio), bias=True)


def digon_loss(ratio: float) -> float:
    """Unit columns, b = 0 but for the mean of the dropped feature: each pair loses p^2/3."""
    rare = ratio * DENSITY
    return 2 * DENSITY**2 / 3 + rare / 3 - rare**2 / 4


def test_geometries():
    assert geometry(TURN @ RING) == "pentagon"
    assert geometry(TURN @ PAIRS[:, [0, 3, 1, 4, 2]]) == "digons"
    # Another feature dropped, a pair that is not opposite, pairs that are not orthogonal, and a diverged run.
    assert geometry(PAIRS[:, [1, 0, 2, 3, 4]]) == "other"
    assert geometry(PAIRS + 0.3 * np.array([[0, 0, 0, 1.0, 0], [0] * 5])) == "other"
    assert geometry(PAIRS + 0.5 * np.array([[0, 0, 0, 1.0, -1], [0] * 5])) == "other"
    assert geometry(RING * np.nan) == "other"
    assert angles_beside(TURN @ RING) == pytest.approx((72, 72))


def test_the_digons_have_the_loss_of_their_closed_form():
    point = local_minimum(model, 0.25, PAIRS, MEAN * 0.25 * DENSITY)
    assert geometry(point.W) == "digons"
    # The best scale and bias gain a little.
    assert 0.999 * digon_loss(0.25) < point.loss < digon_loss(0.25)
    assert point.curvature > 0
    rare = 0.25 * DENSITY
    assert slope(model, point) == pytest.approx(DENSITY * (1 / 3 - rare / 2), rel=1e-6)


def test_branches_end_and_cross():
    pentagon = local_minimum(model, 0.25, 1.1 * RING, np.array([-0.42, -0.18, -0.18, -0.18, -0.18]))
    digons = local_minimum(model, 0.25, PAIRS, MEAN * 0.25 * DENSITY)
    belongs = lambda point: geometry(point.W) == "pentagon"  # noqa: E731
    points, end = follow(model, pentagon, [0.2, 0.1], belongs, rtol=0.05)
    assert end is not None
    assert 0.115 < end[1] < end[0] < 0.135
    assert all(map(belongs, points))
    found = crossing(model, pentagon, digons, 0.2, 0.35, 0.02)
    # Where the pentagon's loss meets the closed form of the digons, from its values on either side of the crossing.
    ratios = np.array([0.2, 0.25, 0.3])
    losses = [local_minimum(model, r, pentagon.W, pentagon.b).loss - digon_loss(r) for r in ratios]
    roots = np.roots(np.polyfit(ratios, losses, 2))
    assert np.abs(roots - found.at).min() < found.error + 1e-3
    assert found.first.curvature > 0 < found.second.curvature
    with pytest.raises(InputError, match="do not cross"):
        crossing(model, pentagon, digons, 0.3, 0.35, 0.02)
    with pytest.raises(InputError, match="bias"):
        local_minimum(lambda r: ToyModel(5, 2, "relu", 0.1), 1.0, RING, np.zeros(5))


def test_claims_on_branches_made_by_hand():
    at = lambda r, W, loss=1.0, curvature=0.1: Point(r, W, np.zeros(5), loss, 0.0, curvature)  # noqa: E731
    first, second = at(0.4, RING), at(0.4, PAIRS)
    found = Crossing(0.4, 1e-4, first, second, (0.1, 0.3))
    assert perturbation._first_order(found).status == "supported"
    for broken in (
        replace(found, slopes=(0.3, 0.3)),
        replace(found, first=replace(first, curvature=-0.1)),
        replace(found, second=first),
    ):
        assert perturbation._first_order(broken).status == "refuted"
    none = cells({0.4: RING})
    assert perturbation._ratio(found, none).status == "supported"
    assert perturbation._ratio(replace(found, at=0.27), none).status == "refuted"

    def bent(r: float) -> np.ndarray:
        angle = ANGLE.copy()
        angle[[1, 4]] += 0.1 * np.log(r) * np.array([1, -1])
        return np.array([np.cos(angle), np.sin(angle)])

    smooth = [at(r, bent(r)) for r in (0.5, 0.7, 1.0, 1.4)]
    assert perturbation._deformation(smooth).status == "supported"
    assert perturbation._deformation([at(r, bent(1 / r)) for r in (0.5, 1.0, 2.0)]).status == "refuted"
    assert perturbation._deformation([at(r, bent(r)) for r in (0.05, 20.0)]).status == "refuted"


def cells(weights: dict[float, np.ndarray], loss: float = 1.0, minimised: float = 1.0) -> xarray.Dataset:
    W = np.stack([[w] * 4 for w in weights.values()])
    losses = np.full(W.shape[:2], loss)
    losses[:, 1] = np.nan
    return xarray.Dataset(
        {
            "W": (("density", "seed", "hidden", "feature"), W),
            "loss": (("density", "seed"), losses),
            "minimised": ("density", np.full(len(W), minimised)),
            "W_minimised": (("density", "hidden", "feature"), W[:, 0]),
        },
        coords={"density": list(weights)},
    )


def test_claims_on_seeds_made_by_hand():
    point = lambda W, loss: Point(1.0, W, np.zeros(5), loss, 0.0, 0.1)  # noqa: E731
    minima = {0.1: {"pentagon": point(RING, 2.0), "digons": point(PAIRS, 1.0)},
              1.0: {"pentagon": point(RING, 1.0), "digons": point(PAIRS, 2.0)}}  # fmt: skip
    good = {0.1: PAIRS, 1.0: RING}

    def statuses(data: xarray.Dataset) -> list[str]:
        return [verdict.status for verdict in perturbation._seeds(data, minima)]

    assert statuses(cells(good)) == ["supported", "supported", "refuted"]
    # The wrong geometry, a loss between the branches, and a third geometry below both.
    assert statuses(cells({0.1: RING, 1.0: RING})) == ["refuted", "supported", "refuted"]
    assert statuses(cells(good, loss=1.5)) == ["refuted", "supported", "supported"]
    assert statuses(cells(good, minimised=0.9)) == ["supported", "refuted", "refuted"]
    assert perturbation._below(cells(good), minima).status == "supported"
    assert perturbation._below(cells({**good, 0.1: PAIRS + 0.3 * MEAN}), minima).status == "refuted"
