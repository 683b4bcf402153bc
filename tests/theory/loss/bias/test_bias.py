"""c(W, b): against the population loss, by exact arithmetic, and its first derivative in b."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import theory
from numerics import expected_loss
from theory import InputError, ToyModel

Q = sympy.Rational
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("law", ["uniform", "exponential", "two-sided:uniform", "beta:2,3", "binary"])
@pytest.mark.parametrize("a", [1, 2, 1.5, 0.5])
def test_it_is_the_limit_of_the_population_loss(law: str, a: float) -> None:
    if law == "beta:2,3" and a not in (1, 2):
        pytest.skip("no closed form")
    model = ToyModel(4, 2, theory.rectified_power(a), law=law, bias=True, importance=[1, 0.5, 2, 0])
    W, b = 0.6 * RNG.standard_normal((2, 4)), -0.3 * RNG.random(4)
    value = theory.biased_sparse_coefficient(model, W, b)
    small = [expected_loss(model.replace(density=p), W, b).value / p for p in (2e-4, 1e-4)]
    # Richardson: the next term is linear in p.
    assert value == pytest.approx(2 * small[1] - small[0], rel=1e-5)


def test_exact_input_gives_an_exact_result() -> None:
    W, b = sympy.Matrix([[1, Q(1, 2)], [0, 1]]), [Q(0), Q(-1, 3)]
    model = ToyModel(2, 2, "relu", bias=True)
    value = theory.biased_sparse_coefficient(model, W, b)

    def square(g: Fraction, beta: Fraction) -> Fraction:
        """E (gU - beta)_+^2 for g > beta."""
        return (g - beta) ** 3 / (3 * g)

    # Feature 1: g = 1, no threshold. Feature 2: g = 5/4, beta = 1/3; they overlap by 1/2.
    g, beta = Fraction(5, 4), Fraction(1, 3)
    cross = (g - beta) ** 2 / g**2 * ((g - beta) / 3 + beta / 2)
    alone = Fraction(1, 3) - 2 * cross + square(g, beta)
    total = alone + square(Fraction(1, 2), Fraction(0)) + square(Fraction(1, 2), beta)
    assert value == Q(total.numerator, total.denominator)
    floats = theory.biased_sparse_coefficient(model, np.array(W.tolist(), dtype=float), [0.0, -1 / 3])
    assert floats == pytest.approx(float(value), rel=1e-14)


@given(st.integers(1, 5), st.integers(1, 3), st.sampled_from([0.5, 1, 2.5]), st.integers(0, 10**6))
def test_without_thresholds_it_is_the_coefficient_without_bias(n: int, m: int, a: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for law in ("uniform", "two-sided:exponential"):
        plain = ToyModel(n, m, theory.rectified_power(a), law=law)
        W = rng.standard_normal((m, n))
        biased = theory.biased_sparse_coefficient(plain.replace(bias=True), W, np.zeros(n))
        assert biased == pytest.approx(theory.sparse_coefficient(plain, W), rel=1e-12)


def test_a_threshold_drops_a_feature() -> None:
    model = ToyModel(3, 2, "relu", bias=True)
    assert theory.biased_sparse_coefficient(model, np.ones((2, 3)), [-9.0] * 3) == pytest.approx(1)
    assert theory.biased_sparse_coefficient(model, sympy.zeros(2, 3), [0, -1, -2]) == 1


@given(st.integers(2, 6), st.integers(1, 3), st.sampled_from([1, 2, 1.5]), st.integers(0, 10**6))
def test_the_derivative_in_the_bias(n: int, m: int, a: float, seed: int) -> None:
    model = ToyModel(n, m, theory.rectified_power(a), bias=True)
    W = np.random.default_rng(seed).standard_normal((m, n)) + 0.2
    slope = theory.bias_derivative(model.replace(bias=False), W)
    gram = W.T @ W
    # The step must stay far below the smallest positive overlap.
    step = 1e-6 * min(1e-2, gram[gram > 0].min())
    for j in range(n):
        b = np.zeros(n)
        b[j] = -step
        moved = theory.biased_sparse_coefficient(model, W, b)
        here = theory.biased_sparse_coefficient(model, W, np.zeros(n))
        rounding = 1e-15 * abs(here) / step
        assert (moved - here) / step == pytest.approx(slope[j], rel=1e-3, abs=1e-4 + 20 * rounding)


def test_a_negative_bias_pays_wherever_relu_features_interfere() -> None:
    """T11(b): at the best scale sum_j g_j dc/dbeta_j = 2 mu_1 sum G_+ (G_+ - (g_i + g_j)/2) <= 0."""
    rng = np.random.default_rng(3)
    model = ToyModel(6, 2, "relu")
    for _ in range(20):
        W = theory.optimal_scale(model, rng.standard_normal((2, 6)))
        gram = W.T @ W
        g, positive = np.diagonal(gram), np.maximum(gram, 0) * (1 - np.eye(6))
        identity = (positive * (positive - (g[:, None] + g[None, :]) / 2)).sum()
        total = g @ theory.bias_derivative(model, W)
        assert total == pytest.approx(identity, rel=1e-9)
        assert total < 0


def test_the_identity_of_t11b_is_algebra() -> None:
    g = sympy.symbols("g1:4", positive=True)
    G = {(i, j): sympy.Symbol(f"G{min(i, j)}{max(i, j)}", positive=True) for i in range(3) for j in range(3) if i != j}
    mu = sympy.Symbol("mu_1", positive=True)
    slopes = [2 * mu * (1 - g[j] - sum(G[i, j] for i in range(3) if i != j)) for j in range(3)]
    left = sum(g[j] * slopes[j] for j in range(3))
    right = 2 * mu * sum(G[i, j] * (G[i, j] - (g[i] + g[j]) / 2) for i, j in G)
    stationary = sum(g[j] * (1 - g[j]) for j in range(3)) - sum(value**2 for value in G.values())
    assert sympy.expand(left - right - 2 * mu * stationary) == 0


def test_relu_squared_does_not_always_want_a_bias() -> None:
    model, turns = ToyModel(5, 2, theory.rectified_power(2)), 2 * np.pi * np.arange(5) / 5
    W = theory.optimal_scale(model, np.stack([np.cos(turns), np.sin(turns)]))
    assert (theory.bias_derivative(model, W) > 0).all()


def test_other_power_activations_take_no_bias() -> None:
    model = ToyModel(3, 2, theory.power(2), bias=True)
    W = RNG.standard_normal((2, 3))
    expected = theory.sparse_coefficient(model.replace(bias=False), W)
    assert theory.biased_sparse_coefficient(model, W, np.zeros(3)) == expected
    with pytest.raises(InputError, match="b = 0"):
        theory.biased_sparse_coefficient(model, W, [0, -0.1, 0])


@pytest.mark.parametrize(
    ("model", "b", "says"),
    [
        (ToyModel(3, 2, "relu"), [0, 0, 0], "bias=False"),
        (ToyModel(3, 2, "relu", bias=True), [0, 0.1, 0], "> 0"),
        (ToyModel(3, 2, "relu", bias=True), [0, 0], "shape"),
        (ToyModel(3, 2, "relu", [0.1, 0.2, 0.3], bias=True), [0, 0, 0], "density"),
        (ToyModel(3, 2, "tanh", bias=True), [0, 0, 0], "homogeneous"),
        (ToyModel(3, 2, "relu", law="half-normal", bias=True), [0, 0, 0], "closed form"),
    ],
)
def test_bad_input(model: ToyModel, b: list[float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        theory.biased_sparse_coefficient(model, np.ones((2, 3)), b)
    with pytest.raises(InputError, match=r"\w"):
        theory.bias_derivative(ToyModel(3, 2, theory.rectified_power(0.5)), np.ones((2, 3)))
