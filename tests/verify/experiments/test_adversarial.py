"""Attacks against closed forms and stronger searches, and the claims about them on numbers made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from theory import InputError, ToyModel
from verify.experiments import adversarial
from verify.experiments.adversarial import DENSITIES, attack_size, common_vulnerability, vulnerability


def relu_losses(W: np.ndarray, b: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return ((np.maximum(y @ W.T @ W + b, 0) - x) ** 2).sum(axis=-1)


def test_a_model_without_superposition_has_vulnerability_one():
    model = ToyModel(6, 3, "relu", 0.3, bias=True)
    x = adversarial._inputs(model, 500)
    assert x.shape == (500, 6)
    assert (x > 0).mean() == pytest.approx(0.3, abs=0.05)
    W, b = np.eye(3, 6), np.array([0, 0, 0, 0.15, 0.15, 0.15])
    np.testing.assert_allclose(vulnerability(model, W, b, x, attack_size(x)), 1, rtol=1e-12)
    assert common_vulnerability(model, W, b, x, attack_size(x)) == pytest.approx(1, rel=1e-12)
    # Turning the hidden space changes nothing.
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    np.testing.assert_allclose(vulnerability(model, turn @ W, b, x, 0.2), 1, rtol=1e-10)


def test_the_worst_of_all_features_and_signs_is_taken():
    rng = np.random.default_rng(1)
    model = ToyModel(5, 2, "relu", 0.5, bias=True)
    W, b, x = rng.normal(size=(2, 5)), 0.1 * rng.normal(size=5), adversarial._inputs(model, 40)
    found = vulnerability(model, W, b, x, 0.3)
    gram = W.T @ W
    tried = [
        relu_losses(W, b, x, x + sign * 0.3 * gram[i] / np.linalg.norm(gram[i])) for i in range(5) for sign in (1, -1)
    ]
    rises = (np.array(tried) - relu_losses(W, b, x, x)) / 0.09
    np.testing.assert_allclose(found, rises.max(axis=0), rtol=1e-10)
    assert common_vulnerability(model, W, b, x, 0.3) == pytest.approx(rises.mean(axis=1).max(), rel=1e-10)
    assert (vulnerability(model, 0 * W, b, x, 0.3) == 0).all()


def test_antipodal_pairs_have_the_vulnerability_of_their_closed_form():
    # From x = 0: an attack along (1, -1)/sqrt(2) moves an output by sqrt(2) size and the other not at all.
    model = ToyModel(4, 2, "relu", 0.1, bias=True)
    W = np.array([[1.0, -1, 0, 0], [0, 0, 1, -1]])
    zero = np.zeros((1, 4))
    assert vulnerability(model, W, np.zeros(4), zero, 0.2)[0] == pytest.approx(2, rel=1e-12)
    one = vulnerability(model, W, np.zeros(4), zero, 0.2, directions=np.array([[3.0, 0, 0, 0]]))
    assert one[0] == pytest.approx(1, rel=1e-12)


def test_bad_arguments():
    model = ToyModel(4, 2, "relu", 0.1, bias=True)
    with pytest.raises(InputError, match="size"):
        vulnerability(model, np.eye(2, 4), np.zeros(4), np.zeros((1, 4)), 0.0)
    with pytest.raises(InputError, match="elementwise"):
        vulnerability(model.replace(activation="softmax"), np.eye(2, 4), np.zeros(4), np.zeros((1, 4)), 0.1)


def test_the_size_is_a_tenth_of_the_mean_norm():
    assert attack_size(np.array([[3.0, 4.0], [0, 0]])) == pytest.approx(0.25)


def test_claims_on_numbers_made_by_hand():
    densities = np.array(DENSITIES)
    line = np.linspace(1, 5, len(densities))[:, None] * np.ones((1, 4))
    seeds = np.random.default_rng(0).uniform(0.99, 1.01, line.shape)

    def statuses(harm: np.ndarray) -> list[str]:
        return [v.status for v in adversarial._claims(densities, harm, line, "any")]

    assert statuses(2 * line * seeds) == ["supported", "supported"]
    assert statuses(line[::-1] * seeds / line[-1] + 1) == ["refuted", "refuted"]
    assert statuses(10 * line**0.5 * seeds) == ["refuted", "supported"]
    assert statuses(line * np.nan) == ["undecided"]
    # Diverged seeds are left out.
    harm = 2 * line * seeds
    harm[3, 1] = np.nan
    assert statuses(harm) == ["supported", "supported"]
