"""Training in batches: exact symmetries, independence of the batch, resuming, and what theory predicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import theory
from theory import InputError
from verify.quantisation.data import sphere
from verify.quantisation.directions import predicted, training_symmetry
from verify.quantisation.network import Recipe, _Orders, train_autoencoders
from verify.quantisation.runs import RunStore

ROWS = sphere(200, dimension=6, inputs=10)
SHORT = Recipe("tanh", widths=(8, 4, 8), steps=60, batch=20, dtype="float64")


@pytest.mark.parametrize("activation", ["tanh", "gelu", "isotropic:tanh", "isotropic:sqrt({n})*tanh(r/sqrt({n}))"])
def test_sgd_mirrors_a_conjugated_network_exactly(activation: str) -> None:
    """Q5: from conjugated weights, every step of SGD conjugates; Adam's do not."""
    recipe = replace(SHORT, activation=activation)
    plain = train_autoencoders(ROWS, recipe, [3, 4])
    turned = train_autoencoders(ROWS, replace(recipe, conjugated=True), [3, 4], "matched")
    assert np.allclose(turned.loss, plain.loss, rtol=1e-10)
    assert np.allclose(turned.post, plain.post @ turned.rotations, atol=1e-10)
    adam = train_autoencoders(ROWS, replace(recipe, optimiser="adam"), [3])
    other = train_autoencoders(ROWS, replace(recipe, optimiser="adam", conjugated=True), [3], "matched")
    assert abs(other.loss - adam.loss).max() > 1e-6


def test_an_isotropic_network_does_not_notice_the_conjugation() -> None:
    recipe = replace(SHORT, activation="isotropic:tanh")
    plain = train_autoencoders(ROWS, recipe, [1])
    assert np.allclose(train_autoencoders(ROWS, replace(recipe, conjugated=True), [1]).post, plain.post, atol=1e-10)


def test_a_seed_does_not_depend_on_its_batch() -> None:
    both, alone = train_autoencoders(ROWS, SHORT, [3, 4]), train_autoencoders(ROWS, SHORT, [4])
    assert np.allclose(both.post[1], alone.post[0], atol=1e-11)
    assert not np.allclose(both.post[0], both.post[1], atol=1e-2)
    # Activations share the initial weights: the first recorded loss is of untrained networks.
    assert both.curve[0].tolist()[:2] == [0, 10]
    assert both.loss.max() < both.curve[1][0].min()
    assert both.snapshots.shape == (7, 200, 4)
    assert np.allclose(np.tanh(both.pre), both.post)


def test_each_seed_has_its_own_order_and_every_pass_sees_every_row() -> None:
    orders = _Orders(50, 10, [1, 2])
    passes = [torch.cat([orders.next() for _ in range(5)], dim=1) for _ in range(2)]
    for order in passes:
        assert all(sorted(row.tolist()) == list(range(50)) for row in order)
        assert not torch.equal(order[0], order[1])
    assert not torch.equal(passes[0], passes[1])
    assert torch.equal(_Orders(50, 10, [2]).next()[0], _Orders(50, 10, [1, 2]).next()[1])


def test_the_loss_is_the_plain_one() -> None:
    """Against one network written out."""
    found = train_autoencoders(ROWS, SHORT, [5])
    h = ROWS
    weights, biases = found.parameters[0::2], found.parameters[1::2]
    for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
        h = h @ W[0].T + b[0]
        if layer < 3:
            h = np.tanh(h)
    assert found.loss[0] == pytest.approx(((h - ROWS) ** 2).sum(axis=1).mean())


def test_finished_batches_are_kept(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    first = store.get("sphere", ROWS, SHORT, [1, 2])
    (path,) = tmp_path.glob("sphere-tanh-sgd-*.npz")
    written = path.stat().st_mtime_ns
    again = store.get("sphere", ROWS, SHORT, [1, 2])
    assert path.stat().st_mtime_ns == written
    assert np.array_equal(first.post, again.post)
    assert np.array_equal(first.curve[1], again.curve[1])
    assert all(np.array_equal(a, b) for a, b in zip(first.parameters, again.parameters, strict=True))
    path.write_bytes(path.read_bytes()[:1000])
    assert np.allclose(store.get("sphere", ROWS, SHORT, [1, 2]).post, first.post)
    keys = {
        store.key(ROWS, SHORT, [1, 2]),
        store.key(ROWS, SHORT, [1, 3]),
        store.key(ROWS + 1e-9, SHORT, [1, 2]),
        store.key(ROWS, replace(SHORT, conjugated=True), [1, 2]),
        store.key(ROWS, replace(SHORT, steps=61), [1, 2]),
    }
    assert len(keys) == 5


def test_bad_recipes_are_named() -> None:
    with pytest.raises(InputError, match="optimiser='sdg'"):
        train_autoencoders(ROWS, replace(SHORT, optimiser="sdg"), [0])
    with pytest.raises(InputError, match="activation"):
        train_autoencoders(ROWS, replace(SHORT, activation="tahn"), [0])
    with pytest.raises(InputError, match="diverged"):
        train_autoencoders(ROWS * 1e4, replace(SHORT, activation="relu"), [0])


@pytest.mark.parametrize(
    ("activation", "sgd", "adam", "marks"),
    [
        ("tanh", "B", "B", ("T4",)),
        ("relu", "S", "S", ("T4", "T2", "T1", "T3")),
        ("gelu", "S", "S", ("T4", "T2", "T1", "T3")),
        ("isotropic:tanh", "O", "B", ()),
        ("linear", "O", "B", ()),
    ],
)
def test_predictions_follow_from_groups(activation: str, sgd: str, adam: str, marks: tuple[str, ...]) -> None:
    assert training_symmetry(activation, 5).key == sgd
    assert training_symmetry(activation, 5, "adam").key == adam
    found = predicted(activation, 5)
    assert found.marks == marks
    assert found.training.is_subgroup(theory.group("O", 5))
    assert found.training.is_subgroup(found.activation)
    assert np.allclose(np.linalg.norm(found.orbits, axis=1), 1)
    if sgd == "S":
        assert np.allclose(np.abs(found.orbits), 1 / np.sqrt(5))
    if sgd == "B":
        assert sum(found.sizes) == 3**5 - 1
    with pytest.raises(InputError, match="predictions cover"):
        predicted("z + 1", 5)
