"""The training step by hand against autograd, parts against the whole, and the choice among several starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import theory
from theory import InputError, ToyModel
from verify import FeatureSets, Network, Protocol, train
from verify.training import tied
from verify.training.batch import _start
from verify.training.network import batched_losses
from verify.training.tied import WeightedRows, in_parts, tied_gradient


def problem(sets: int, members: int, m: int, n: int, rows: int) -> tuple[torch.Tensor, ...]:
    rng = np.random.default_rng(m + n)
    arrays = (
        rng.random((sets, rows, n)) * (rng.random((sets, rows, n)) < 0.5), rng.random((sets, rows)),
        rng.normal(size=(sets, members, m, n)), rng.normal(size=(sets, members, n)), rng.random((sets, n)),
    )  # fmt: skip
    return tuple(map(torch.as_tensor, arrays))


@pytest.mark.parametrize(("m", "n"), [(2, 4), (2, 11)])
@pytest.mark.parametrize("name", ["relu", "gelu", "power:3", "elu", "sigmoid", "linear"])
def test_the_gradient_is_that_of_autograd(name: str, m: int, n: int) -> None:
    X, w, W, b, importance = problem(3, 2, m, n, 6)
    sigma = theory.activation(name)
    W, b = W.requires_grad_(), b.requires_grad_()
    expected = batched_losses(X, w, W, b, sigma, importance)
    d_weights, d_bias = torch.autograd.grad(expected.sum(), (W, b))
    found = tied_gradient(WeightedRows(X, w), W.detach(), b.detach(), sigma, importance)
    for one, other in zip(found, (expected.detach(), d_weights, d_bias), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


def test_parts_are_a_partition_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    X, w, *_ = problem(5, 1, 2, 4, 300)
    for cached, count in ((10**9, 1), (2 * 300 * 4, 3), (300 * 4 // 4, 5 * 4)):
        monkeypatch.setattr(tied, "_CACHED", cached)
        parts = in_parts(X, w, 1)
        assert len(parts) == count
        total = torch.zeros(5, dtype=w.dtype)
        for of, _, weights in parts:
            total[of] += weights.sum(dim=1)
        torch.testing.assert_close(total, w.sum(dim=1))
    models = [ToyModel(4, 2, name, density=0.3, bias=True) for name in ("relu", "softmax")]
    protocol = Protocol(steps=20, rows=200, dtype="float64")
    monkeypatch.setattr(tied, "_CACHED", 10**9)
    whole = train(models, 2, protocol)
    monkeypatch.setattr(tied, "_CACHED", 600)
    np.testing.assert_allclose(train(models, 2, protocol).W, whole.W, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "protocol", "network", "inputs"),
    [
        ("relu", Protocol(rows=64), Network(), None),
        ("softmax", Protocol(rows=64), Network(), None),
        ("relu", Protocol(rows=64, data="minibatch"), Network(tied=False), None),
        ("relu", Protocol(rows=64, data="minibatch", optimiser="sgd"), Network(), FeatureSets(2, 2, 0.3)),
        ("gelu", Protocol(data="population", frequencies=32), Network(), None),
    ],
    ids=["shared rows", "autograd", "untied minibatches", "joint law", "population"],
)
def test_the_start_that_leads_goes_on(
    name: str, protocol: Protocol, network: Network, inputs: FeatureSets | None
) -> None:
    """Screening to the end keeps the best of its starts, and the first of them is the only start without it."""
    protocol = replace(protocol, steps=30, dtype="float64", checkpoints=2)
    models = [ToyModel(4, 2, name, density=p, bias=True) for p in (0.1, 0.4)]
    alone = train(models, [3, 8], protocol, network=network, inputs=inputs)
    several = replace(protocol, starts=3, screening=12)
    runs = train(models, [3, 8], several, network=network, inputs=inputs)
    for i in range(2):
        for j in range(2):
            first = alone.loss_curve.values[i, j]
            curve = runs.loss_curve.values[i, j]
            assert curve.shape == first.shape
            same_start = np.allclose(runs.W_checkpoint.values[i, j, 0], alone.W_checkpoint.values[i, j, 0])
            if same_start:
                np.testing.assert_allclose(curve, first, rtol=1e-9)
                np.testing.assert_allclose(runs.W.values[i, j], alone.W.values[i, j], rtol=1e-8, atol=1e-10)
            else:
                # It was ahead of the first start when they were compared.
                assert curve[9:13].mean() < first[9:13].mean()
            assert np.allclose(runs.W_checkpoint.values[i, j, -1], runs.W.values[i, j])


def test_the_chosen_start_trains_as_it_would_alone() -> None:
    """Weights, gradients and the optimiser's memory go on together: a run of the chosen start alone is the same.

    Few rows, drawn at every step, make the loss of one step a bad guide: the mean over the last third decides.
    """
    model = ToyModel(6, 2, "relu", density=0.4, bias=True)
    protocol = Protocol(steps=40, rows=2, redraw_every=1, dtype="float64")
    seeds = [0, 1, 2, 3, 4, 5]
    runs = train(model, seeds, replace(protocol, starts=4, screening=15, checkpoints=2))
    chosen, by_last_step = [], []
    for j, seed in enumerate(seeds):
        start = runs.W_checkpoint.values[0, j, 0]
        numbers = [k for k in range(4) if np.allclose(_start(model, seed, k, protocol, "start"), start)]
        assert len(numbers) == 1
        chosen += numbers
        curves = []
        for k in range(4):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("verify.training.batch._start", lambda m, s, _, p, w, k=k: _start(m, s, k, p, w))
                curves.append(train(model, [seed], protocol).loss_curve.values[0, 0])
        assert int(np.argmin([curve[10:16].mean() for curve in curves])) == numbers[0]
        by_last_step.append(int(np.argmin([curve[15] for curve in curves])))
        np.testing.assert_allclose(runs.loss_curve.values[0, j], curves[numbers[0]], rtol=1e-9)
    assert len(set(chosen)) > 1
    assert by_last_step != chosen


def test_a_start_that_diverges_is_not_chosen() -> None:
    wild = Protocol(optimiser="sgd", learning_rate=0.01, momentum=0, steps=60, init="normal", init_scale=1.0)
    model = ToyModel(3, 2, "power:3", density=0.5)
    before, after = (train(model, 12, replace(wild, starts=k, screening=20)).diverged.values.sum() for k in (1, 6))
    assert (before, after) == (10, 0)


def test_bad_numbers_of_starts() -> None:
    for change in ({"starts": 0}, {"screening": 0}, {"starts": 2.0}):
        with pytest.raises(InputError, match=next(iter(change))):
            Protocol(**change)
