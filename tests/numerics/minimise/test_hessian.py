"""Eigenvalues of the Hessian against second differences of the expected loss, and Lanczos against the whole matrix."""

from __future__ import annotations

import numpy as np
import pytest

from numerics import expected_loss, hessian_spectrum, minimise_loss
from numerics.minimise import hessian
from numerics.minimise.flat import FlatLoss, gauge_directions
from theory import InputError, ToyModel


def dense_hessian(model: ToyModel, W: np.ndarray, step: float = 3e-3) -> np.ndarray:
    """Fourth-order second differences of the loss itself, entry by entry."""
    size = W.size

    def loss(*moves: tuple[int, float]) -> float:
        x = W.reshape(-1).copy()
        for i, move in moves:
            x[i] += move * step
        return expected_loss(model, x.reshape(W.shape), rtol=1e-11).value

    found = np.zeros((size, size))
    at = loss()
    for i in range(size):
        near, far = (loss((i, k)) + loss((i, -k)) for k in (1, 2))
        found[i, i] = (16 * near - far - 30 * at) / (12 * step**2)
        for j in range(i):
            cross = [sum(a * c * loss((i, a * k), (j, c * k)) for a in (1, -1) for c in (1, -1)) for k in (1, 2)]
            found[i, j] = found[j, i] = (16 * cross[0] / 4 - cross[1] / 4) / (12 * step**2)
    return found


@pytest.mark.slow
def test_matches_second_differences_of_the_loss() -> None:
    model = ToyModel(5, 2, "gelu", 0.2)
    best = minimise_loss(model, restarts=4, hops=0, hessian=9)
    assert best.hessian is not None
    whole = np.linalg.eigvalsh(dense_hessian(model, best.W))
    # One mode, the rotation of the plane, is zero; the others are what was reported.
    assert best.hessian.gauge_modes == 1
    assert best.hessian.gauge_curvature < 1e-6 * whole.max()
    zero = int(np.argmin(np.abs(whole)))
    assert np.delete(whole, zero) == pytest.approx(best.hessian.eigenvalues, abs=1e-6 * whole.max())
    assert abs(whole[zero]) < 1e-6 * whole.max()
    assert best.hessian.eigenvalues[0] > 1e-5


def test_one_feature_in_one_dimension() -> None:
    """L = p E (U - relu(w^2 U))^2 = p/3 (1 - w^2)^2 has L'' = 8 p/3 at w = 1."""
    found = hessian_spectrum(ToyModel(1, 1, "relu", 0.3), np.ones((1, 1)))
    assert found.eigenvalues == pytest.approx([8 * 0.3 / 3], rel=1e-6)
    assert found.gauge_modes == 0


def test_lanczos_finds_the_lower_end(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ToyModel(10, 3, "gelu", 0.2, bias=True)
    best = minimise_loss(model, restarts=2, hops=0)
    whole = hessian_spectrum(model, best.W, best.b, count=4, frequencies=128)
    assert whole.is_dense
    monkeypatch.setattr(hessian, "_DENSE", 0)
    lower = hessian_spectrum(model, best.W, best.b, count=4, frequencies=128)
    assert not lower.is_dense
    assert lower.gauge_modes == whole.gauge_modes == 3
    assert lower.eigenvalues == pytest.approx(whole.eigenvalues, abs=1e-5 * FlatLoss(model, 64).scale)


def test_a_saddle_has_a_negative_eigenvalue() -> None:
    """Two features on one line with the same sign: turning one round lowers the loss."""
    model = ToyModel(2, 2, "relu", 0.1)
    found = hessian_spectrum(model, np.array([[0.8, 0.8], [0.0, 0.0]]), count=3)
    assert found.eigenvalues[0] < -1e-3


def test_gauge_directions_are_the_orbit() -> None:
    W = np.random.default_rng(0).normal(size=(3, 5))
    basis = gauge_directions(W, 20)
    assert basis.shape == (20, 3)
    assert basis.T @ basis == pytest.approx(np.eye(3), abs=1e-12)
    loss = FlatLoss(ToyModel(5, 3, "gelu", 0.3, bias=True), 64)
    point = loss.join(W[None], np.full((1, 5), 0.1))
    _, gradient = loss(point)
    assert np.abs(gradient @ basis).max() < 1e-10 * np.abs(gradient).max()
    assert gauge_directions(np.zeros((2, 3)), 6).shape == (6, 0)
    assert gauge_directions(np.ones((1, 3)), 3).shape == (3, 0)


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="hessian=0"):
        hessian_spectrum(ToyModel(2, 1, "relu", 0.1), np.ones((1, 2)), count=0)
