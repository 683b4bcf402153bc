"""The phase-diagram experiment on data made by hand: the exchange of features, and claims that can fail."""

from __future__ import annotations

import numpy as np
import pytest
import xarray

from numerics import minimise_loss
from theory import PHASES, ToyModel
from verify.experiments import phases, phases_of_three
from verify.phases.change import PhaseChange, SlopeJump
from verify.phases.sets import PhaseSet, pair_phases
from verify.phases.triples import PAIRINGS, TRIANGLE

PAIR = [1.0, -0.9]
SPLIT = [1.0, 0.9]


def plane(found: list, starts: list, loss: list, ratios: tuple = (0.5, 1.0, 2.0)) -> phases.Plane:
    """Every cell has the same seeds: weights, starts and losses; the minimiser found a pair of loss 1 at I <= 1."""
    shape, low = (len(ratios), 2), len(ratios) // 2 + 1
    seeds = lambda w: np.broadcast_to(np.array(w, dtype=float)[:, None, :], (*shape, len(w), 1, 2))  # noqa: E731
    trained = xarray.Dataset(
        {
            "W": (("importance", "density", "seed", "hidden", "feature"), seeds(found)),
            "W_checkpoint": (
                ("importance", "density", "seed", "checkpoint", "hidden", "feature"),
                np.stack([seeds(starts), seeds(found)], axis=3),
            ),
            "loss": (
                ("importance", "density", "seed"),
                np.broadcast_to(loss, (*shape, len(loss))) * np.maximum(1, np.array(ratios))[:, None, None],
            ),
            "diverged": (("importance", "density", "seed"), np.zeros((*shape, len(loss)), bool)),
        }
    )
    least = xarray.Dataset(
        {
            "minimised": (("importance", "density"), np.ones((low, 2))),
            "W_minimised": (
                ("importance", "density", "hidden", "feature"),
                np.broadcast_to(np.array([[PAIR]]), (low, 2, 1, 2)),
            ),
        }
    )
    return phases.Plane("relu", trained, least, ratios)


def test_importances_come_with_their_inverses():
    densities, ratios = phases.grid_of(7)
    assert len(densities) == len(ratios) == 7
    assert densities[0] == 0.01
    assert densities[-1] == ratios[3] == 1
    np.testing.assert_allclose(np.array(ratios) * ratios[::-1], 1, rtol=1e-15)
    assert ratios == sorted(ratios)


def test_exchange_of_features_gives_the_other_half_of_the_plane():
    ratios, densities = (0.25, 1.0, 4.0), (0.1, 0.8)

    def found(ratio: float, p: float):
        return minimise_loss(ToyModel(2, 1, "power:2", p, importance=(1, ratio), bias=True), restarts=2)

    lower = [[found(r, p) for p in densities] for r in ratios[:2]]
    least = xarray.Dataset(
        {
            "minimised": (("importance", "density"), [[o.loss.value for o in row] for row in lower]),
            "W_minimised": (("importance", "density", "hidden", "feature"), [[o.W for o in row] for row in lower]),
        }
    )
    trained = xarray.Dataset(
        {
            "W": (("importance", "density", "seed", "hidden", "feature"), np.ones((3, 2, 1, 1, 2))),
            "W_checkpoint": (
                ("importance", "density", "seed", "checkpoint", "hidden", "feature"),
                np.ones((3, 2, 1, 2, 1, 2)),
            ),
            "loss": (("importance", "density", "seed"), np.ones((3, 2, 1))),
            "diverged": (("importance", "density", "seed"), np.zeros((3, 2, 1), bool)),
        }
    )
    whole = phases.Plane("power:2", trained, least, ratios)
    np.testing.assert_allclose(whole.least[2], [found(4.0, p).loss.value for p in densities], rtol=1e-6)
    exact = pair_phases("power:2", densities, ratios)
    np.testing.assert_allclose(whole.least, exact.loss, rtol=1e-6)
    assert exact.accepts(whole.minimised).all()
    assert [PHASES[k] for k in whole.minimised[:, 1]] == ["not represented", "antipodal", "dedicated"]


def test_the_best_seed_speaks_for_training():
    found = plane([SPLIT, PAIR, PAIR], [PAIR] * 3, [3.0, 1.001, np.nan])
    assert (found.trained == PHASES.index("antipodal")).all()
    np.testing.assert_allclose(found.excess, 0.001, rtol=1e-9)
    np.testing.assert_array_equal(found.reached[0, 0], [False, True, False])


def test_claim_on_the_signs_of_the_start():
    decided = plane([PAIR, PAIR, SPLIT, SPLIT], [PAIR, PAIR, SPLIT, SPLIT], [1.0, 1.0, 2.0, 2.0])
    mixed = plane([PAIR, SPLIT, PAIR, SPLIT], [PAIR, PAIR, SPLIT, SPLIT], [1.0, 2.0, 1.0, 2.0])
    assert phases._seed_claim({"relu": decided}).status == "supported"
    assert phases._seed_claim({"relu": mixed}).status == "refuted"
    assert phases._seed_claim({"relu": decided, "gelu": mixed}).status == "refuted"
    row = phases._seed_table({"relu": decided}).rows[0]
    assert row == ("relu", 6, "100%", "0%", "50%", 0)
    lost = plane([SPLIT], [PAIR], [2.0])
    assert phases._seed_table({"relu": lost}).rows[0][-1] == 6


def test_claims_on_phases_can_fail():
    densities, ratios = [0.1, 0.5], [0.25, 1.0, 4.0]
    theory = {"relu": pair_phases("relu", densities, ratios)}
    pairs = {"relu": plane([PAIR], [PAIR], [1.0], tuple(ratios))}
    statuses = [v.status for v in phases._phase_claims(pairs, theory, densities, ratios)]
    # At p = .5 unequal features do not share.
    assert statuses == ["refuted", "refuted", "supported"]
    pairs["relu"].trained = pairs["relu"].minimised = theory["relu"].phase
    assert [v.status for v in phases._phase_claims(pairs, theory, densities, ratios)] == ["supported"] * 3


def change(persistence: float, on_the_line: float = 1.0) -> PhaseChange:
    jump = SlopeJump(0.3, 2.0, 1.0, on_the_line)
    return PhaseChange("relu", 0.5, 0.4, 2.0, 1.0, 2.0, 1.0, -0.5, persistence, jump)


def test_one_line_without_a_jump_refutes_first_order():
    assert [v.status for v in phases._change_claims([change(0.97), change(0.25)])] == ["supported"]
    assert [v.status for v in phases._change_claims([change(0.97), change(0.25, 0.02)])] == ["refuted"]


def of_three(found: np.ndarray, theory: PhaseSet, zoom: PhaseSet, below: float = 1.0) -> list[str]:
    densities, ratios = [0.1, 0.7], [0.5, 1.0, 2.0]
    both = {"minimised": found, "trained": found}
    best = below * theory.loss
    return [
        v.status
        for v in phases_of_three._claims(both, theory, best, zoom, densities, ratios, densities, ratios)
    ]  # fmt: skip


def test_claims_on_three_features(monkeypatch):
    share3, share12, dropped = (
        PAIRINGS.index(name) for name in ("feature 3 shares", "features 1 and 2 share", "feature 3 dropped")
    )
    losses = np.full((5, 3, 2), 9.0)
    best = np.array([[share3, dropped], [share3, TRIANGLE], [share12, share12]])
    np.put_along_axis(losses, best[None], 1.0, axis=0)
    theory = PhaseSet(PAIRINGS[:-1], losses)
    blocks = PhaseSet(PAIRINGS[:-1], np.where(np.arange(5)[:, None, None] == TRIANGLE, np.inf, losses))
    assert of_three(best, theory, theory)[:3] == ["refuted", "supported", "supported"]
    assert of_three(best * 0 + PAIRINGS.index("other"), theory, theory)[1:3] == ["refuted", "refuted"]
    # A loss below all that theory knows would be a phase it lacks.
    assert of_three(best, theory, theory, below=0.99)[1] == "refuted"
    # The exact certificate alone refutes that there are only blocks.
    assert of_three(best, theory, blocks)[0] == "refuted"
    monkeypatch.setattr(phases_of_three, "triangle_certificate", lambda: (2.0, 1.0))
    assert of_three(best, theory, blocks)[0] == "supported"


@pytest.mark.parametrize("figure", ["pair", "triple"])
def test_figures_name_the_phases_that_are_there(figure):
    from verify.plots.phase_map import PhaseMap, phase_map_figure, triple_map_figure

    p, r = [0.1, 0.5, 1.0], [0.5, 1.0, 2.0]
    grid = PhaseMap(p, r, np.array([[3, 3, 0], [3, 3, 2], [3, 3, 1]]), (np.array(p), np.array(r)))
    if figure == "pair":
        drawn = phase_map_figure({"relu": {"trained": grid, "theory": grid}, "gelu": {"trained": grid}}, phases.LABELS)
        expected = {*phases.LABELS, "boundary by theory"}
    else:
        zoom = PhaseMap(p, r, np.full((3, 3), TRIANGLE))
        gain = np.array([[np.nan, 0.02, 0.0], [0.01, 0.06, 0.02], [0.0, 0.02, 0.0]])
        drawn = triple_map_figure({"trained": grid, "theory": grid}, zoom, gain, PAIRINGS)
        expected = {*PAIRINGS[:5], "boundary by theory"}
    assert {text.get_text() for text in drawn.legends[0].get_texts()} == expected
