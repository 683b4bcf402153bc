"""Affine layers: exact ranks against sympy, dimensions of both groups against brute-force null spaces."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
import torch
from torch import nn

from verify.audit.affine import AffineMap, affine_map, affine_symmetry
from verify.audit.exact_rank import krylov_rank, rank_at_least
from verify.audit.tracing import trace


def matrix_of_rank(rng: np.random.Generator, p: int, n: int, rank: int) -> np.ndarray:
    return (rng.integers(-5, 6, (p, rank)) @ rng.integers(-5, 6, (rank, n))) / 8.0


@pytest.mark.parametrize("seed", range(12))
def test_ranks_are_those_of_exact_rationals(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, n = rng.integers(1, 7, 2)
    M = matrix_of_rank(rng, p, n, int(rng.integers(1, 7))) * 2.0 ** rng.integers(-300, 300)
    assert rank_at_least(M) == sympy.Matrix(p, n, [sympy.Rational(float(v)) for v in M.ravel()]).rank()


def test_a_rank_that_floats_cannot_see() -> None:
    nearly = np.array([[1.0, 1.0], [1.0, np.nextafter(1.0, 2.0)]])
    assert rank_at_least(nearly) == 2
    assert rank_at_least(np.array([[1e-300, 0.0], [0.0, 1e300]])) == 2
    assert rank_at_least(np.array([[5e-324, 0.0], [0.0, -1.0]])) == 2
    assert rank_at_least(np.zeros((3, 2))) == 0


def test_entries_of_very_different_sizes_do_not_raise_the_rank() -> None:
    left, right = 2.0 ** np.array([0, 20, 45, 70, -61]), 2.0 ** np.array([3, -33, 64, -90])
    assert rank_at_least(np.outer(left, right) * 3) == 1


def test_krylov_ranks() -> None:
    W = np.diag([1.0, 1.0, 2.0, 3.0])
    assert krylov_rank(W, np.ones(4)) == 3
    assert krylov_rank(W, np.array([1.0, 0, 0, 0])) == 1
    assert krylov_rank(W, np.zeros(4)) == 0
    rng = np.random.default_rng(0)
    assert krylov_rank(rng.standard_normal((9, 9)), rng.standard_normal(9)) == 9


def nullity(system: np.ndarray) -> int:
    return system.shape[1] - np.linalg.matrix_rank(system)


def brute_force(W: np.ndarray, b: np.ndarray) -> tuple[int, int, int]:
    """Dimensions of pairs (X, Y) with Y W = W X and Y b = 0, of their X, and of X with X W = W X and X b = 0."""
    (p, n), one = W.shape, np.eye
    # vec is column-major: vec(W X) = (1 x W) vec X, vec(Y W) = (W^T x 1) vec Y, vec(Y b) = (b^T x 1) vec Y.
    top = np.hstack([np.kron(one(n), W), -np.kron(W.T, one(p))])
    system = np.vstack([top, np.hstack([np.zeros((p, n * n)), np.kron(b[None, :], one(p))])])
    pairs = nullity(system)
    alone = nullity(system[:, n * n :])  # the Y that go with X = 0
    own = np.vstack([np.kron(one(n), W) - np.kron(W.T, one(n)), np.kron(b[None, :], one(n))]) if p == n else None
    return pairs, pairs - alone, -1 if own is None else nullity(own)


CASES = [(p, n, rank, bias) for p, n in ((2, 4), (4, 2), (3, 3), (4, 4)) for rank in (1, 2, 3, 4) if rank <= min(p, n)
         for bias in ("none", "generic", "inside")]  # fmt: skip


@pytest.mark.parametrize(("p", "n", "rank", "bias"), CASES)
def test_dimensions_agree_with_brute_force(p: int, n: int, rank: int, bias: str) -> None:
    rng = np.random.default_rng(100 * p + 10 * n + rank)
    W = matrix_of_rank(rng, p, n, rank)
    assert np.linalg.matrix_rank(W) == rank
    b = {"none": np.zeros(p), "generic": rng.integers(-9, 10, p) / 4.0, "inside": W @ rng.integers(1, 5, n)}[bias]
    found = affine_symmetry(AffineMap(W, b))
    pairs, intertwiners, commutant = brute_force(W, b)
    assert f"pairs (A, B) have dimension {pairs}" in found.reason[0]
    dimension = (
        int(found.intertwiner_group.dimension) if found.intertwiner_group else int(found.intertwiners.split()[-1])
    )
    assert dimension == intertwiners
    if p != n:
        assert found.equivariance == f"maps R^{n} to R^{p}"
    elif found.equivariance_group is not None:
        assert found.equivariance_group.dimension == commutant
    else:
        assert found.equivariance.endswith(f"dim {commutant}")
    if rank == min(p, n) and bias != "inside":
        assert found.status == "proved" or (p == n and commutant not in (0, n))


def test_special_matrices() -> None:
    one = np.eye(3)
    assert affine_symmetry(AffineMap(2 * one, np.zeros(3))).equivariance_group.key == "GL"
    assert affine_symmetry(AffineMap(2 * one, np.ones(3))).equivariance_group.key == "Stab1"
    assert affine_symmetry(AffineMap(2 * one, np.array([1.0, 2, 3]))).equivariance == "fixes b: dim 6"
    assert affine_symmetry(AffineMap(np.zeros((3, 3)), np.zeros(3))).equivariance_group.key == "GL"
    assert affine_symmetry(AffineMap(np.eye(1) * 3, np.ones(1))).equivariance_group.key == "trivial"
    scaled_swap = np.array([[1.0, 1.0], [1.0, 1.0]])
    assert affine_symmetry(AffineMap(scaled_swap, np.zeros(2))).equivariance == "q(W): dim 2"


class Functions(nn.Module):
    """Every way to write an affine map that is read off a forward pass."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.W = nn.Parameter(torch.randn(3, 3, generator=generator))
        self.b = nn.Parameter(torch.randn(3, generator=generator))
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.linear(x, self.W, self.b)
        x = x @ self.W.T
        x = torch.einsum("bf,hf->bh", x, self.W)
        x = torch.matmul(x, self.W)
        x = self.b - (x + self.b) * 3
        x = x / 2 - 1
        x = -self.norm(x)
        x += self.b
        return x.mm(self.W)


def test_affine_steps_are_read_off_a_forward_pass() -> None:
    network = Functions().double().eval().requires_grad_(False)
    found = trace(network, (3,))
    x = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    value = x.numpy()
    assert len(found.steps) == 13
    for i in range(len(found.steps)):
        step = affine_map(found, i)
        assert step is not None, found.steps[i].label
        value = value @ step.W.T + step.b
    assert np.allclose(value, network(x).numpy(), rtol=1e-12)
    assert np.array_equal(affine_map(found, 0).W, network.W.numpy())  # type: ignore[union-attr]


class Sums(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 3e17 - (torch.rsub(x + 1e17, 0.1) - 2e17)


def test_sums_are_read_off_without_rounding() -> None:
    found = trace(Sums().double(), (2,))
    steps = [affine_map(found, i) for i in range(4)]
    assert [step.W[0, 0] for step in steps if step is not None] == [1, -1, 1, -1]
    assert all(np.array_equal(np.abs(step.W), np.eye(2)) for step in steps if step is not None)


class Products(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x + 1 / (x * x + 1)


def test_products_and_quotients_of_data_are_not_affine() -> None:
    found = trace(Products().double(), (3,))
    kinds = {step.label: affine_map(found, i) is not None for i, step in enumerate(found.steps)}
    assert kinds["mul()"] is False
    assert kinds["truediv()"] is False
