"""Variants of the toy model and of its inputs: untied, an activation inside, features that are not independent."""

from __future__ import annotations

import json

import numpy as np
import pytest

import numerics
from numerics import compile_activation
from theory import InputError, ToyModel, activation
from verify import CircleFeatures, FeatureSets, Network, Protocol, train
from verify.training.batch import _start
from verify.training.engine import _checkpoint_steps
from verify.training.evaluation import held_out_rows, sampled_losses
from verify.training.network import reconstruct

MINIBATCH = Protocol(data="minibatch", rows=64, steps=60)


@pytest.mark.parametrize("n", [4, 20])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("hidden", [None, "relu", "softmax"])
def test_forward_pass_against_a_plain_loop(n, tied, hidden):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    sets, members, m, rows = 2, 3, 2, 5
    X = rng.random((sets, rows, n))
    W, V = rng.normal(size=(sets, members, m, n)), rng.normal(size=(sets, members, n, m))
    b = rng.normal(size=(sets, members, n))
    network = Network(tied=tied, hidden_activation=hidden)
    sigma, phi = compile_activation(activation("gelu")), compile_activation(activation(hidden or "linear"))
    out = None if tied else torch.as_tensor(V)
    found = reconstruct(*map(torch.as_tensor, (X, W, b)), activation("gelu"), network, out)
    for g in range(sets):
        for s in range(members):
            back = W[g, s].T if tied else V[g, s]
            expected = np.array([sigma(back @ phi(W[g, s] @ x) + b[g, s]) for x in X[g]])
            np.testing.assert_allclose(found[g, :, s].numpy(), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["gelu", "relu"])
@pytest.mark.parametrize("p", [0.1, 0.01, 1e-5])
def test_the_sampled_loss_agrees_with_quadrature(name, p):
    # Sparse inputs leave little to the sample: what remains of a kink under the rules must be in the interval too.
    model = ToyModel(6, 2, name, density=p, importance=[1, 2, 3, 1, 1, 1], bias=True)
    rng = np.random.default_rng(1)
    W, b = 0.8 * rng.normal(size=(4, 2, 6)), 0.2 * rng.normal(size=(4, 6))
    losses, errors = sampled_losses(model, held_out_rows(model, None), W, b, None, Network())
    for k in range(4):
        exact = numerics.expected_loss(model, W[k], b[k], rtol=1e-6)
        assert abs(losses[k] - exact.value) < 2 * errors[k] + exact.error
        assert errors[k] < 0.02 * exact.value


@pytest.mark.parametrize("p", [0, 1e-200, 1e-9, 0.3, 1])
@pytest.mark.parametrize("law", ["uniform", "binary"])
def test_held_out_weights_add_up_at_every_density(p, law):
    rows = held_out_rows(ToyModel(3, 2, "relu", density=p, law=law), None, count=50)
    alone = rows.feature >= 0
    for weights in (rows.weights, rows.coarse):
        assert weights.sum() == pytest.approx(1, rel=1e-12)
        assert weights[alone].sum() == pytest.approx(3 * p * (1 - p) ** 2, rel=1e-12)
    assert (np.count_nonzero(rows.X[alone], axis=1) == 1).all()
    assert (rows.X[alone, rows.feature[alone]] > 0).all()
    assert (np.count_nonzero(rows.X[-rows.sampled :], axis=1) >= 2).all() == (p > 1e-100)


def test_population_gradients_find_what_samples_find():
    model = ToyModel(5, 2, "relu", density=0.05, bias=True)
    sampled = train(model, seeds=3, protocol=Protocol(steps=150))
    exact = train(model, seeds=3, protocol=Protocol(steps=150, data="population", frequencies=64))
    assert float(exact.loss.min()) <= 1.005 * float(sampled.loss.min())
    # The objective is the loss itself: no sampling error between the two.
    np.testing.assert_allclose(exact.trained_loss, exact.loss, rtol=2e-4)


def test_population_training_respects_importance_and_bias():
    models = [
        ToyModel(2, 1, "linear", density=0.1, importance=[1, 0.01]),
        ToyModel(2, 1, "linear", density=0.1, importance=[0.01, 1], bias=True),
    ]
    runs = train(models, seeds=2, protocol=Protocol(steps=300, data="population"))
    W = np.abs(runs.W.values[:, :, 0])
    assert (W[0, :, 0] > 0.9).all()
    assert (W[1, :, 1] > 0.9).all()
    assert (runs.b.values[0] == 0).all()
    assert (np.abs(runs.b.values[1]).max(axis=1) > 1e-3).all()


def test_untied_weights_are_trained_apart():
    runs = train(ToyModel(4, 2, "linear", density=0.5), 3, Protocol(steps=300), network=Network(tied=False))
    assert runs.V.dims == ("model", "seed", "feature", "hidden")
    W, V = runs.W.values[0], runs.V.values[0]
    assert np.abs(V - W.transpose(0, 2, 1)).max() > 0.05
    # Both matrices have a start of their own.
    begun = train(
        ToyModel(4, 2, "linear", density=0.5), 1, Protocol(steps=1, learning_rate=1e-9), network=Network(False)
    )
    assert np.abs(begun.V.values[0, 0] - begun.W.values[0, 0].T).max() > 0.1
    # Untied linear networks reach the same principal components.
    tied = train(ToyModel(4, 2, "linear", density=0.5), 3, Protocol(steps=300))
    assert float(runs.loss.min()) == pytest.approx(float(tied.loss.min()), rel=0.02)
    assert json.loads(runs.network)["tied"] is False


def test_an_activation_in_the_hidden_layer_changes_the_network():
    model = ToyModel(4, 2, "relu", density=0.2, bias=True)
    runs = train(model, 4, Protocol(steps=300), network=Network(hidden_activation="relu"))
    plain = train(model, 4, Protocol(steps=300))
    assert (runs.loss_error > 0).all()
    # Two of four quadrants of the hidden plane are gone, so it can only be worse.
    assert float(runs.loss.min()) > float(plain.loss.min())
    assert json.loads(runs.network)["hidden_activation"] == ["Max(0, z)"]


@pytest.mark.parametrize("kind", ["correlated", "anticorrelated"])
def test_feature_sets(kind):
    inputs = FeatureSets(3, 2, 0.3, kind)
    X = inputs.draw(40_000, np.random.default_rng(0))
    assert X.shape == (40_000, 6)
    pairs = (X.reshape(-1, 3, 2) > 0).sum(axis=2)
    assert set(np.unique(pairs)) == ({0, 2} if kind == "correlated" else {0, 1})
    np.testing.assert_allclose((pairs > 0).mean(axis=0), 0.3, atol=0.01)
    np.testing.assert_allclose(X[X > 0].mean(), 0.5, atol=0.01)
    # Sets are independent of each other.
    active = pairs > 0
    assert abs((active[:, 0] & active[:, 1]).mean() - 0.09) < 0.01


def test_circle_features():
    inputs = CircleFeatures(12, 0.3)
    X = inputs.draw(20_000, np.random.default_rng(0))
    assert X.shape == (20_000, 12)
    assert X.min() >= 0
    assert X.max() <= 1
    # A feature responds within scale pi/2 on both sides, and E x_i = E r * scale/pi.
    np.testing.assert_allclose((X > 0).mean(axis=0), 0.3 / 2, atol=0.015)
    np.testing.assert_allclose(X.mean(axis=0), 0.5 * 0.3 / np.pi, rtol=0.1)
    everything = CircleFeatures(12, 2.5).draw(1000, np.random.default_rng(0))
    assert (everything > 0).all()


def test_anticorrelated_pairs_become_antipodal_and_correlated_ones_orthogonal():
    model = ToyModel(4, 2, "relu", density=0.1, bias=True)
    protocol = Protocol(data="minibatch", rows=256, steps=800, loss_rtol=1e-2)
    inner = {}
    for kind in ("correlated", "anticorrelated"):
        runs = train(model, 6, protocol, inputs=FeatureSets(2, 2, 0.1, kind))
        W = runs.W.values[0, int(np.argmin(runs.loss.values[0]))]
        unit = W / np.linalg.norm(W, axis=0)
        inner[kind] = [float(unit[:, 2 * k] @ unit[:, 2 * k + 1]) for k in (0, 1)]
    np.testing.assert_allclose(inner["anticorrelated"], -1, atol=0.05)
    np.testing.assert_allclose(inner["correlated"], 0, atol=0.1)


def test_rows_of_own_inputs_do_not_depend_on_the_batch():
    inputs = FeatureSets(2, 2, 0.3)
    models = [ToyModel(4, 2, name, density=0.3, bias=True) for name in ("relu", "gelu")]
    protocol = Protocol(data="minibatch", rows=32, steps=20, dtype="float64")
    together = train(models, seeds=[3, 1], protocol=protocol, inputs=inputs)
    alone = train(models[1], seeds=[1], protocol=protocol, inputs=inputs)
    np.testing.assert_allclose(together.W.values[1, 1], alone.W.values[0, 0], rtol=1e-9, atol=1e-12)
    assert json.loads(together.inputs)["kind"] == "correlated"


def test_checkpoints_hold_the_way_from_start_to_end():
    runs = train(
        [ToyModel(4, 2, "relu", density=0.1), ToyModel(3, 1, "relu", density=0.1)],
        2,
        Protocol(steps=100, checkpoints=6),
    )
    assert runs.checkpoint.values[0] == 0
    assert runs.checkpoint.values[-1] == 100
    assert runs.W_checkpoint.dims == ("model", "seed", "checkpoint", "hidden", "feature")
    assert runs.sizes["checkpoint"] == 7
    np.testing.assert_array_equal(runs.W_checkpoint[:, :, -1], runs.W)
    np.testing.assert_array_equal(
        runs.W_checkpoint[1, 1, 0, :1, :3],
        _start(ToyModel(3, 1, "relu", density=0.1), 1, 0, Protocol(), "start").astype("f4"),
    )
    assert np.abs(runs.W_checkpoint[0, 0, 0] - runs.W[0, 0]).max() > 0.1


@pytest.mark.parametrize("inputs", [None, FeatureSets(2, 2, 0.3)])
def test_what_gradients_are_taken_of(inputs):
    # One step of plain gradient descent is proportional to the scale of the objective.
    model = ToyModel(4, 2, "relu", density=0.3, importance=[1, 2, 3, 4])
    step = {}
    for reduction in ("sum", "mean", "relative"):
        protocol = Protocol(
            optimiser="sgd", momentum=0.0, steps=1, data="minibatch", rows=64, reduction=reduction, learning_rate=0.01,
            dtype="float64", checkpoints=1,
        )  # fmt: skip
        runs = train(model, 1, protocol, inputs=inputs)
        step[reduction] = (runs.W - runs.W_checkpoint.isel(checkpoint=0)).values
    assert np.abs(step["sum"]).max() > 1e-3
    np.testing.assert_allclose(step["mean"], step["sum"] / 4, rtol=1e-9)
    predicting_zero = (1 + 2 + 3 + 4) * 0.3 / 3
    np.testing.assert_allclose(step["relative"], step["sum"] / predicting_zero, rtol=1e-9 if inputs is None else 0.06)


@pytest.mark.parametrize("setting", [{"dtype": "float64"}, {"data": "population"}])
def test_checkpoints_in_double_precision_are_not_overwritten(setting):
    model = ToyModel(4, 2, "relu", density=0.1)
    runs = train(model, 1, Protocol(steps=30, checkpoints=3, **setting))
    np.testing.assert_allclose(runs.W_checkpoint[0, 0, 0], _start(model, 0, 0, Protocol(), "start"), rtol=1e-12)
    assert np.abs(np.diff(runs.W_checkpoint[0, 0], axis=0)).max(axis=(1, 2)).min() > 1e-3


@pytest.mark.parametrize("count", [1, 2, 5])
def test_so_many_checkpoints_besides_the_last(count):
    steps = _checkpoint_steps(Protocol(steps=1000, checkpoints=count))
    assert (steps[0], steps[-1], len(steps)) == (0, 1000, count + 1)


def test_networks_are_told_apart_by_the_sums_inside_an_activation():
    names = ["relu", "softmax", "isotropic:tanh"]
    assert len({Network(hidden_activation=name).to_json() for name in names}) == 3
    assert "S=sum" in Network(hidden_activation="softmax").to_json()


def test_diverging_population_training_is_reported():
    wild = Protocol(data="population", optimiser="sgd", learning_rate=1e4, steps=30)
    assert train(ToyModel(3, 2, "power:3", density=0.5), 2, wild).diverged.all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Network(tied=1), "tied"),
        (lambda: Network(hidden_activation="rulu"), "rulu"),
        (lambda: FeatureSets(2, 2, 1.5), "density"),
        (lambda: FeatureSets(0, 2, 0.5), "sets"),
        (lambda: FeatureSets(2, 2, 0.5, "mixed"), "kind"),
        (lambda: CircleFeatures(1, 0.5), "n_features"),
        (lambda: CircleFeatures(8, 0.0), "scale"),
        (lambda: train(ToyModel(4, 2, "relu", density=0.1), 1, MINIBATCH, inputs=FeatureSets(3, 2, 0.1)), "n_features"),
        (lambda: train(ToyModel(4, 2, "relu", density=0.1), 1, inputs=FeatureSets(2, 2, 0.1)), "minibatch"),
        (
            lambda: train(ToyModel(4, 2, "relu", density=0.1), 1, Protocol(data="population"), network=Network(False)),
            "population",
        ),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()
