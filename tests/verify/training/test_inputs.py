"""Held-out rows of features in sets against enumeration and quadrature, at any density."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from theory import ToyModel
from verify import CircleFeatures, FeatureSets, Network, Protocol, train
from verify.training.evaluation import held_out_rows, sampled_losses
from verify.training.inputs import SparseInputs, weighted_rows


def enumerated_loss(model, inputs, W, b):
    """Sum over the values of the input (law: binary) of their chance times their loss."""
    per_set = [(0,) * inputs.size] if inputs.density < 1 else []
    kinds = (
        [(1,) * inputs.size] if inputs.kind == "correlated" else [tuple(row) for row in np.eye(inputs.size, dtype=int)]
    )
    total = 0.0
    for choice in product(per_set + kinds, repeat=inputs.sets):
        x = np.array(choice, dtype=float).ravel()
        on = sum(map(any, choice))
        chance = (inputs.density / len(kinds)) ** on * (1 - inputs.density) ** (inputs.sets - on)
        error = np.maximum(W.T @ (W @ x) + b, 0) - x
        total += chance * float(np.array([float(v) for v in model.importances]) @ error**2)
    return total


@pytest.mark.parametrize("kind", ["correlated", "anticorrelated"])
@pytest.mark.parametrize("p", [1.0, 0.3, 1e-3, 1e-8, 1e-200, 0.0])
def test_the_held_out_loss_of_feature_sets_by_enumeration(kind, p):
    inputs = FeatureSets(3, 2, p, kind, "binary")
    model = ToyModel(6, 2, "relu", density=0.5, importance=[1, 2, 3, 1, 1, 1], bias=True)
    rng = np.random.default_rng(3)
    W, b = 0.8 * rng.normal(size=(6, 2, 6)), -0.1 * rng.random((6, 6))
    rows = held_out_rows(model, inputs)
    assert rows.weights.sum() == pytest.approx(1, rel=1e-12)
    losses, errors = sampled_losses(model, rows, W, b, None, Network())
    exact = np.array([enumerated_loss(model, inputs, w, bias) for w, bias in zip(W, b, strict=True)])
    assert (np.abs(losses - exact) <= 2 * errors + 1e-12 * exact).all()
    assert (errors <= 0.03 * exact).all()
    if 0 < p < 0.01:
        # An interval of no width would pass too: it has to be that of 2^15 rows with one active set.
        assert (errors > 1e-4 * exact).all()


@pytest.mark.parametrize("kind", ["correlated", "anticorrelated"])
def test_the_held_out_loss_per_density_has_a_limit(kind):
    model = ToyModel(6, 2, "relu", density=0.5, bias=True)
    rng = np.random.default_rng(4)
    W, b = 0.8 * rng.normal(size=(1, 2, 6)), -0.1 * rng.random((1, 6))
    per_density = {}
    for p in (1e-4, 1e-8, 1e-12):
        losses, errors = sampled_losses(model, held_out_rows(model, FeatureSets(3, 2, p, kind)), W, b, None, Network())
        per_density[p] = losses[0] / p, errors[0] / p
    # One set alone: 64 Gauss nodes for each of its features.
    nodes, weights = np.polynomial.legendre.leggauss(64)
    nodes, weights = (nodes + 1) / 2, weights / 2
    limit = 0.0
    for k in range(3):
        values = [(u, v) for u in nodes for v in nodes] if kind == "correlated" else [(u, 0) for u in nodes]
        chances = np.outer(weights, weights).ravel() if kind == "correlated" else weights / 2
        for side in (False, True) if kind == "anticorrelated" else (False,):
            x = np.zeros((len(values), 6))
            x[:, 2 * k : 2 * k + 2] = np.array(values)[:, ::-1] if side else values
            error = np.maximum(x @ W[0].T @ W[0] + b[0], 0) - x
            limit += chances @ (error**2).sum(axis=1)
    for value, error in per_density.values():
        assert abs(value - limit) < 2 * error + 1e-3 * limit
        assert error < 0.03 * limit


@pytest.mark.parametrize(
    "inputs", [FeatureSets(3, 2, 0.2, "anticorrelated", "two-sided:uniform"), CircleFeatures(6, 0.5)]
)
def test_weighted_rows_have_the_moments_of_plain_rows(inputs):
    X, w = weighted_rows(inputs, 60_000, np.random.default_rng(0))
    plain = inputs.draw(60_000, np.random.default_rng(1))
    assert len(X) == 60_000 + isinstance(inputs, SparseInputs)
    assert w.sum() == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(w @ X, plain.mean(axis=0), atol=0.006)
    np.testing.assert_allclose(X.T @ (w[:, None] * X), plain.T @ plain / len(plain), atol=0.006)
    if isinstance(inputs, SparseInputs):
        assert not X[0].any()
        assert w[0] == pytest.approx(0.8**3, rel=1e-12)
        assert (X[1:] != 0).any(axis=1).all()


def test_training_on_sets_works_at_any_density() -> None:
    """Loss over density has a limit: at 1e-8 it is that at 1e-4 (plain batches of 256 rows would all be empty)."""
    protocol = Protocol(data="minibatch", rows=256, steps=400, learning_rate=0.03)
    losses = {}
    for p in (1e-4, 1e-8):
        runs = train(ToyModel(6, 2, "relu", density=p), 4, protocol, inputs=FeatureSets(3, 2, p))
        losses[p] = float(runs.loss.min()) / p
    assert losses[1e-8] == pytest.approx(losses[1e-4], rel=0.02)
    # Predicting 0 costs 3 sets * 2 features * 1/3.
    assert 0.1 < losses[1e-8] < 1.5
