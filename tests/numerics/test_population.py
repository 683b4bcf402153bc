"""The differentiable population loss: values against the front door, gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import theory
from numerics import expected_loss, population_loss
from numerics.population import population_objective
from theory import InputError, ToyModel

CASES = [
    ("relu", "uniform"),
    ("relu", "binary"),
    ("gelu", "uniform"),
    ("tanh", "two-sided:uniform"),
    ("rectified-power:1.5", "beta:2,3"),
    ("rectified-power:2", "half-normal"),
    ("leaky-relu:0.1", "exponential"),
    ("power:1", "exponential"),
    ("power:2", "uniform"),
    ("power:3", "two-sided:half-normal"),
    ("1 + z - z**3/3", "beta:1,2"),
    ("signed-power:2", "two-sided:binary"),
]


@pytest.mark.parametrize(("activation", "law"), CASES)
@pytest.mark.parametrize("density", [1e-3, (0.1, 0.9, 0.3, 0.0, 1.0)])
def test_value_and_gradient(activation: str, law: str, density) -> None:
    rng = np.random.default_rng(1)
    W, b = 0.8 * rng.normal(size=(3, 2, 5)), 0.3 * rng.normal(size=(3, 5))
    model = ToyModel(5, 2, activation, density, law=law, importance=(1, 2, 3, 0.1, 0.5), bias=True)
    objective = population_objective(model, 512)
    value, d_weights, d_bias = objective(W, b)
    expected = [expected_loss(model, W[s], b[s], rtol=1e-7).value for s in range(3)]
    # A fixed number of frequencies must cover the long tail of the exponential law as well.
    assert value == pytest.approx(expected, rel=2e-3 if law == "exponential" else 1e-6)
    step = 1e-5
    for _ in range(2):
        towards, shift = rng.normal(size=W.shape), rng.normal(size=b.shape)
        up, down = (
            objective(W + step * towards, b + step * shift)[0],
            objective(W - step * towards, b - step * shift)[0],
        )
        slope = (d_weights * towards).sum(axis=(1, 2)) + (d_bias * shift).sum(axis=1)
        assert np.abs((up - down) / (2 * step) - slope).max() <= 1e-6 * (np.abs(slope).max() + np.abs(value).max())


def test_gradient_where_features_are_hidden_from_each_other() -> None:
    """At G_ij = 0 the feature is dropped from the law of z_i, yet moving it there must still show in the gradient."""
    W, towards = np.eye(3)[None], np.random.default_rng(0).normal(size=(1, 3, 3))
    b = np.array([[0.2, 0.1, 0.3]])
    objective = population_objective(ToyModel(3, 3, "gelu", 0.4, bias=True), 512)
    _, d_weights, _ = objective(W, b)
    step = 1e-4
    slope = (objective(W + step * towards, b)[0] - objective(W - step * towards, b)[0]) / (2 * step)
    assert slope[0] == pytest.approx((d_weights * towards).sum(), rel=1e-6)


def _slopes_of_the_loss(
    model: ToyModel, W: np.ndarray, b: np.ndarray, towards: list, step: float, rtol: float
) -> list[float]:
    """Derivatives of `expected_loss` along directions (V, v), by differences of fourth order."""
    found = []
    for move, shift in towards:
        values = [
            expected_loss(model, W + k * step * move, b + k * step * shift, rtol=rtol).value for k in (-2, -1, 1, 2)
        ]
        found.append((values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step))
    return found


@pytest.mark.parametrize(
    ("activation", "law", "density", "tolerance"),
    [
        ("gelu", "uniform", 0.1, 1e-7),
        ("tanh", "two-sided:half-normal", 0.3, 1e-7),
        ("relu", "uniform", 0.2, 1e-5),
        ("rectified-power:2", "beta:2,3", (0.1, 0.02) * 6, 1e-6),
        ("silu", "exponential", 0.05, 1e-5),
    ],
)
def test_gradient_of_the_compressed_kernel_against_differences_of_the_loss(
    activation: str, law: str, density, tolerance: float
) -> None:
    rng = np.random.default_rng(3)
    model = ToyModel(12, 3, activation, density, law=law, bias=True, importance=tuple(range(1, 13)))
    W, b = rng.normal(size=(3, 12)) / np.sqrt(3), 0.1 * rng.normal(size=12)
    _, d_weights, d_bias = population_objective(model, 512)(W[None], b[None])
    towards = [(rng.normal(size=W.shape), rng.normal(size=12)) for _ in range(2)]
    expected = _slopes_of_the_loss(model, W, b, towards, 2e-3, 1e-3 * tolerance)
    found = [(d_weights[0] * move).sum() + d_bias[0] @ shift for move, shift in towards]
    assert found == pytest.approx(expected, rel=tolerance, abs=tolerance * np.abs(d_weights).max())


def test_gradient_against_autograd_over_all_supports() -> None:
    """Every support of three features, a Gauss rule on each: torch differentiates the sum itself."""
    p, n = 0.3, 3
    nodes, weights = (torch.tensor(v) for v in np.polynomial.legendre.leggauss(16))
    nodes, weights = (nodes + 1) / 2, weights / 2
    rng = np.random.default_rng(4)
    W = torch.tensor(rng.normal(size=(2, n)), requires_grad=True)
    b = torch.tensor(0.2 * rng.normal(size=n), requires_grad=True)
    # One feature: 0 with probability q, else a node of the rule.
    values, masses = (
        torch.cat([torch.zeros(1), nodes]),
        torch.cat([torch.tensor([1 - p], dtype=torch.float64), p * weights]),
    )
    x = torch.cartesian_prod(values, values, values)
    mass = torch.cartesian_prod(masses, masses, masses).prod(dim=1)
    loss = (mass[:, None] * (x - torch.nn.functional.gelu(x @ W.T @ W + b)) ** 2).sum()
    loss.backward()
    value, d_weights, d_bias = population_objective(ToyModel(n, 2, "gelu", p, bias=True), 256)(
        W.detach().numpy()[None], b.detach().numpy()[None]
    )
    assert value[0] == pytest.approx(float(loss.detach()), rel=1e-10)
    assert W.grad is not None
    assert b.grad is not None
    assert d_weights[0] == pytest.approx(W.grad.numpy(), rel=1e-8, abs=1e-10)
    assert d_bias[0] == pytest.approx(b.grad.numpy(), rel=1e-8, abs=1e-10)


def test_it_works_in_a_torch_loop() -> None:
    model = ToyModel(6, 2, "gelu", 0.1, bias=True)
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(2, 6, generator=generator, dtype=torch.float64).requires_grad_()
    b = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([W, b], max_iter=60, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = population_loss(model, W, b)
        loss.backward()
        return loss

    before = float(closure().detach())
    optimiser.step(closure)
    after = float(closure().detach())
    assert after < 0.8 * before
    assert after == pytest.approx(expected_loss(model, W.detach(), b.detach()).value, rel=1e-8)
    assert W.grad is not None
    assert W.grad.abs().max() < 1e-3


def test_second_derivatives_are_differences_and_third_ones_refused() -> None:
    model = ToyModel(4, 2, "gelu", 0.2, bias=True, importance=(1, 2, 1, 1))
    rng = np.random.default_rng(2)
    W = torch.tensor(rng.normal(size=(2, 4)), requires_grad=True)
    b = torch.tensor(0.2 * rng.normal(size=4), requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda w, c: population_loss(model, w, c), (W, b), eps=1e-4, atol=1e-5)
    (slope,) = torch.autograd.grad(population_loss(model.replace(bias=False), W), W, create_graph=True)
    (second,) = torch.autograd.grad(slope.square().sum(), W, create_graph=True)
    with pytest.raises(RuntimeError):
        torch.autograd.grad(second.sum(), W)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_history_does_not_matter(activation: str) -> None:
    """Series, tables and intervals are kept between calls; weights that have left them get new ones."""
    rng = np.random.default_rng(8)
    model = ToyModel(16, 3, activation, 0.1, bias=True)
    W, b = rng.normal(size=(2, 3, 16)) / 2, 0.1 * rng.normal(size=(2, 16))
    objective = population_objective(model, 512)
    for factor in (1.0, 1.02, 1.3, 4.0, 0.3):
        found, fresh = objective(factor * W, factor * b), population_objective(model, 512)(factor * W, factor * b)
        for old, new in zip(found, fresh, strict=True):
            assert np.abs(old - new).max() <= 2e-5 * np.abs(new).max()


def test_torch_gradients() -> None:
    model = ToyModel(4, 2, "relu", 0.2, bias=True, importance=(1, 2, 1, 1))
    rng = np.random.default_rng(2)
    W = torch.tensor(rng.normal(size=(2, 4)), requires_grad=True)
    b = torch.tensor(0.2 * rng.normal(size=4), requires_grad=True)
    assert torch.autograd.gradcheck(lambda w, c: population_loss(model, w, c), (W, b), eps=1e-5, atol=1e-6)
    (3 * population_loss(model, W)).backward()
    assert W.grad is not None
    value = population_loss(model, W.detach().float())
    assert value.dtype == torch.float32
    assert float(value) == pytest.approx(expected_loss(model, W.detach()).value, rel=1e-5)


def test_bad_input_is_refused() -> None:
    model = ToyModel(4, 2, "relu", 0.2)
    with pytest.raises(InputError, match="shape"):
        population_loss(model, torch.ones(4, 2))
    with pytest.raises(InputError, match="no bias"):
        population_loss(model, torch.ones(2, 4), torch.zeros(4))
    with pytest.raises(InputError, match="b has shape"):
        population_loss(model.replace(bias=True), torch.ones(2, 4), torch.zeros(3))
    with pytest.raises(InputError, match="coupled"):
        population_objective(model.replace(activation="softmax"))
    with pytest.raises(InputError, match="jumps at 0"):
        population_objective(model.replace(activation="heaviside"))
    with pytest.raises(InputError, match="supports"):
        population_objective(ToyModel(30, 2, "relu", 0.2, law="binary"))
    with pytest.raises(InputError, match="symbols p"):
        population_objective(ToyModel(4, 2, theory.power(2)))
