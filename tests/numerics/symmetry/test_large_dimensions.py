"""Routes for large n against the dense one, and what each of them costs."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch

import theory
from numerics import discover_equivariance
from numerics.symmetry.claims import claims
from numerics.symmetry.maps import as_black_box
from numerics.symmetry.matrix_free import constraints, remainder
from theory import layer

TURN = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 6)))[0]
MAPS: dict[str, Any] = {
    "softmax": "softmax",
    "layer_norm": layer("layer_norm"),
    "sort": layer("sort"),
    "max_min": layer("max_min"),
    "isotropic": "isotropic:tanh",
    "relu": "relu",
    "tanh": "tanh",
    "linear": "z",
    "affine": "2*z + 1",
    "complex step": lambda x: x * np.tanh(np.sqrt((x**2).sum(-1, keepdims=True))),
    "differences": lambda x: np.abs(x) + 0 * x,
    "module": torch.nn.Softmax(dim=-1),
}


@pytest.mark.parametrize("name", MAPS)
def test_matrix_free_agrees_with_dense(name: str) -> None:
    dense, free = discover_equivariance(MAPS[name], 6), discover_equivariance(MAPS[name], 6, method="matrix-free")
    assert (free.method, free.status) == ("matrix-free", "certified")
    assert (free.dimension, free.name) == (dense.dimension, dense.name)
    assert free.group == dense.group
    flat = free.lie_algebra.reshape(free.dimension, 36)
    own = dense.lie_algebra.reshape(dense.dimension, 36)
    assert np.abs(own - own @ flat.T @ flat).max(initial=0) < 1e-7


def test_matrix_free_finds_a_conjugated_torus() -> None:
    def f(x: np.ndarray) -> np.ndarray:
        return np.maximum(x @ TURN.T, 0) @ TURN

    found = discover_equivariance(f, 6, method="matrix-free")
    assert (found.dimension, found.status) == (6, "certified")
    assert "R>0 wr S_6" in found.name


def test_matrix_free_says_what_it_has_no_name_for() -> None:
    found = discover_equivariance(layer("group_sort", size=3), 6, method="matrix-free")
    assert found.status == "ambiguous"
    assert "method='dense'" in found.name


@pytest.mark.parametrize("seed", range(6))
def test_an_algebra_read_off_its_own_element_is_checked_again(seed: int) -> None:
    """GL(2) x R* x R*: a generic element may have four real eigenvalues, but the algebra is larger than their torus."""
    Q = np.linalg.qr(TURN[:4, :4])[0]
    M = Q @ np.diag([1.0, 1.0, 2.0, 3.0]) @ Q.T
    found = discover_equivariance(lambda x: x @ M.T, 4, seed=seed, method="matrix-free")
    assert found.status == "ambiguous"


def test_matrix_free_flags_jumps() -> None:
    found = discover_equivariance(layer("winner_take_all"), 6, method="matrix-free")
    assert found.is_flagged
    assert found.jump is not None
    assert (found.dimension, found.verified_dimension) == (6, 0)


@pytest.mark.parametrize("name", ["relu", "tanh", "linear", "affine", "differences"])
def test_elementwise_agrees_with_dense(name: str) -> None:
    dense, rows = discover_equivariance(MAPS[name], 6), discover_equivariance(MAPS[name], 6, method="elementwise")
    assert (rows.method, rows.status) == ("elementwise", "certified")
    assert (rows.group, rows.dimension) == (dense.group, dense.dimension)


@pytest.mark.parametrize("name", ["softmax", "isotropic", "layer_norm", "complex step", "module"])
def test_products_are_adjoint_and_right(name: str) -> None:
    """<M Z, R> = <Z, M* R>, by stored derivatives and by products; and M Z is what finite differences give."""
    box, rng = as_black_box(MAPS[name], 6), np.random.default_rng(0)
    M = constraints(box, 40, rng)
    Z, R = rng.standard_normal((6, 6)), rng.standard_normal(M.F.shape)
    assert np.vdot(M.apply(Z), R) == pytest.approx(np.vdot(Z, M.adjoint(R)), rel=1e-10)
    forward, backward = box.linearised(M.X)
    np.testing.assert_allclose(forward(R), M.forward(R), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(backward(R), M.backward(R), rtol=1e-9, atol=1e-12)
    h = 1e-6
    difference = (box.values(M.X + h * M.X @ Z.T) - box.values(M.X - h * M.X @ Z.T)) / (2 * h)
    np.testing.assert_allclose(M.apply(Z), (difference - M.F @ Z.T) / M.scale, atol=1e-6)


def test_what_least_squares_leaves_is_in_the_null_space() -> None:
    M = constraints(as_black_box("isotropic:tanh", 6), 200, np.random.default_rng(0))
    left = remainder(M, np.random.default_rng(1), 200)
    assert left.share > 0.1
    np.testing.assert_allclose(left.Z, -left.Z.T, atol=1e-9)


def test_claims_are_orthogonal_projections_of_their_dimension() -> None:
    """Each claim's projection is idempotent, symmetric and has the stated rank."""
    n, rng = 4, np.random.default_rng(0)
    eye = np.eye(n * n).reshape(-1, n, n)
    everything = list(claims(n, np.eye(n), rng))
    found = {c.words: c for A in (np.eye(n), np.diag([1.0, 2, 3, 4]), TURN[:4, :4]) for c in claims(n, A, rng)}
    skew, centred = TURN[:4, :4] - TURN[:4, :4].T, np.eye(n) - 1 / n
    found |= {c.words: c for A in (skew, TURN[:4, :4] @ centred, centred @ skew @ centred) for c in claims(n, A, rng)}
    assert len(everything) >= 3
    assert len(found) >= 8
    for claim in found.values():
        P = np.array([claim.project(E).ravel() for E in eye]).T
        np.testing.assert_allclose(P @ P, P, atol=1e-9)
        np.testing.assert_allclose(P, P.T, atol=1e-9)
        assert np.trace(P) == pytest.approx(claim.dimension)


def test_elementwise_maps_of_128_entries() -> None:
    tracemalloc.start()
    found = discover_equivariance("relu", 128)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.method, found.dimension, found.status) == ("elementwise", 128, "certified")
    assert found.group == theory.group("R+ wr S", 128)
    assert peak < 2**31


@pytest.mark.slow
def test_a_coupled_map_of_128_entries() -> None:
    tracemalloc.start()
    found = discover_equivariance(torch.nn.Softmax(dim=-1), 128)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.method, found.dimension, found.status) == ("matrix-free", 0, "certified")
    assert found.group == theory.group("S", 128)
    assert peak < 2**31


@pytest.mark.slow
@pytest.mark.parametrize(("f", "key", "dimension"), [("isotropic:tanh", "O", 496), ("relu", "R+ wr S", 32)])
def test_dense_discovery_at_32(f: str, key: str, dimension: int) -> None:
    tracemalloc.start()
    found = discover_equivariance(f, 32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.method, found.dimension, found.status) == ("dense", dimension, "certified")
    assert found.group == theory.group(key, 32)
    assert found.gap > 1e6
    assert peak < 2**31
