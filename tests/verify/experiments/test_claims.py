"""Claims of the experiments on weights made by hand: what should support them does, and garbage does not."""

from __future__ import annotations

import numpy as np
import pytest
import xarray

from verify.experiments import activations, basics, circle, correlations, pentagon, zipf
from verify.experiments.base import good_seeds

N, SCALES = 90, [1.0, 0.02]


def cells(weights: dict[float, np.ndarray], axis: str, loss: float = 1.0) -> xarray.Dataset:
    W = np.stack(list(weights.values()))
    shape = W.shape[:2]
    return xarray.Dataset(
        {
            "W": ((axis, "seed", "hidden", "feature"), W),
            "loss": ((axis, "seed"), np.full(shape, loss)),
            "diverged": ((axis, "seed"), np.zeros(shape, bool)),
            "reached": ((axis, "seed"), np.ones(shape, bool)),
        },
        coords={axis: list(weights)},
    )


def curve() -> np.ndarray:
    angle = 2 * np.pi * np.arange(N) / N
    return np.stack([[np.cos(angle), np.sin(angle), 0 * angle]] * 3)


def groups(count: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    centres = rng.normal(size=(3, count))
    centres /= np.linalg.norm(centres, axis=0)
    return np.stack([centres[:, rng.integers(count, size=N)]] * 3)


def cloud() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 3, N))


def of_circle(wide: np.ndarray, adam: np.ndarray, sgd: np.ndarray, loss: float = 1.0) -> list[str]:
    runs = cells({1.0: wide, 0.02: adam}, "scale", loss)
    usual = cells({1.0: wide, 0.02: sgd}, "scale")
    rates = cells(dict.fromkeys(circle.RATES, sgd), "learning_rate")
    return [verdict.status for verdict in circle._claims(runs, usual, rates, SCALES)]


def test_circle():
    smooth, grouped = curve(), groups(12)
    assert of_circle(smooth, grouped, smooth, loss=0.9) == ["supported"] * 5
    assert of_circle(smooth, grouped, smooth, loss=1.1)[-1] == "refuted"
    assert of_circle(smooth, grouped, smooth)[-1] == "undecided"
    assert of_circle(grouped, smooth, grouped)[:4] == ["refuted"] * 4
    # A cloud has no groups, but it is no curve; coinciding columns are no groups; without groups nothing compares.
    assert of_circle(cloud(), groups(1), smooth)[:3] == ["supported", "refuted", "refuted"]
    assert of_circle(smooth, cloud(), smooth, loss=0.9)[-1] == "undecided"


def test_circle_without_a_finite_run():
    def diverge(data: xarray.Dataset) -> xarray.Dataset:
        return data.assign(diverged=~data["diverged"], W=data["W"] * np.nan)

    runs = diverge(cells(dict.fromkeys(SCALES, curve()), "scale"))
    rates = diverge(cells(dict.fromkeys(circle.RATES, curve()), "learning_rate"))
    assert {v.status for v in circle._claims(runs, runs, rates, SCALES)} == {"undecided"}


def test_pairs_of_sets():
    assert correlations._mostly(np.array([True] * 9 + [False]))
    assert not correlations._mostly(np.array([True] * 7 + [False] * 3))
    assert correlations._mostly(np.zeros(0, bool)) is None
    assert "0" in correlations._share(np.zeros(0, bool))


def test_zipf():
    assert zipf._all_positive([(0.3, 0.1), (0.2, 0.1)])
    assert zipf._all_positive([(0.3, 0.1), (0.2, 0.3)]) is None
    assert zipf._all_positive([(0.3, 0.1), (-0.2, 0.1)]) is False
    assert zipf._all_positive([]) is None
    hidden = np.array([1, 2, 4])
    loss = np.array([hidden**-0.5, hidden**-1.0])[:, None, None, :, None] * np.ones((2, 1, 2, 3, 2))
    data = xarray.Dataset(
        {"loss": (("activation", "s", "bias", "n_hidden", "seed"), loss)},
        coords={"activation": ["linear", "relu"], "s": [1.5], "bias": [False, True], "n_hidden": hidden},
    )
    assert [v.status for v in zipf._claims(data)] == ["supported", "supported"]
    assert [v.status for v in zipf._claims(data.assign(loss=data["loss"][::-1].values + 0 * data["loss"]))] == [
        "supported",
        "refuted",
    ]
    # Losses that rise, and losses that are not there, are no support.
    assert zipf._claims(data.assign(loss=1 / data["loss"]))[0].status == "refuted"
    assert zipf._claims(data.where(data["n_hidden"] < 4))[0].status == "refuted"


def test_pentagon_norms_and_pairs():
    ring = np.array([f(2 * np.pi * np.arange(5) / 5) for f in (np.cos, np.sin)])
    cross = np.array([[1.0, -1, 0, 0, 0.01], [0, 0, 1, -1, 0]])
    for power, statuses in ((1, ["supported", "refuted"]), (0.5, ["refuted", "supported"])):
        W = {p: np.stack([ring * (1 / 0.7) ** power] * 4) for p in pentagon.DENSITIES} | {0.3: np.stack([cross] * 4)}
        data = cells(W, "density").expand_dims(bias=[True])
        data["b"] = data["W"].isel(hidden=0) * 0 - 0.3
        assert [v.status for v in pentagon._norms(data)] == statuses
        assert pentagon._pairs(data).status == "supported"
        data["W"][:] = np.random.default_rng(0).normal(size=data["W"].shape)
        assert [v.status for v in pentagon._norms(data)] == ["undecided"] * 2
        assert pentagon._pairs(data).status == "refuted"


def test_biases_of_linear_models():
    W = {p: np.stack([np.eye(5, 20)] * 2) for p in basics.DENSITIES}
    data = cells(W, "density").expand_dims(activation=["linear"])
    mean = np.array(basics.DENSITIES)[:, None, None] / 2 * (np.arange(20) >= 5) * np.ones((1, 2, 1))
    for factor, status in ((1, "supported"), (0.5, "refuted"), (1.5, "refuted")):
        data["b"] = (("activation", "density", "seed", "feature"), factor * mean[None])
        assert basics._biases(data).status == status
    data["b"] = data["b"] * 0 + np.array(basics.DENSITIES)[None, :, None, None] / 2
    assert basics._biases(data).status == "refuted"


@pytest.mark.parametrize("garbage", ["zero", "noise"])
def test_activations_on_garbage(garbage):
    def runs(names: tuple[str, ...]) -> xarray.Dataset:
        shape = (len(names), 3, 2, 5, 10)
        W = np.zeros(shape) if garbage == "zero" else np.random.default_rng(0).normal(size=shape)
        data = cells(dict.fromkeys([1.0, 0.7, 0.003], np.zeros((2, 5, 10))), "density")
        data = data.expand_dims(activation=list(names)).copy(deep=True)
        return data.assign(W=(("activation", "density", "seed", "hidden", "feature"), W))

    with np.errstate(divide="ignore"):
        found = activations._claims(runs(activations.MAIN), runs(activations.OTHERS[:1]))
    supported = {v.statement for v in found if v.status == "supported"}
    for words in ("top m", "Linear and tanh", "1/D*", "Every activation"):
        assert not any(words in statement for statement in supported)


def test_where_the_best_loss_is_none_small_losses_are_as_good():
    cell = cells({0.1: np.ones((3, 2, 4))}, "density").isel(density=0).drop_vars("reached")
    cell["loss"] = ("seed", [0.0, 1e-9, 1.0])
    assert len(good_seeds(cell)) == 1
    assert len(good_seeds(cell, negligible=1e-6)) == 2
