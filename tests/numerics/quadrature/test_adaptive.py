"""Characteristic-function quadrature against independent integration, exact moments and itself at higher cost."""

from __future__ import annotations

import math
from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import theory
from numerics import expected_loss
from numerics.laws import numeric_law
from numerics.quadrature import adaptive
from numerics.quadrature.adaptive import quadrature_loss
from numerics.quadrature.continuation import fourier_form, smallest_count
from numerics.quadrature.few_active import few_active, make_rows, rows_of
from numerics.quadrature.ranges import output_range, range_groups
from numerics.scalar_map import scalar_map
from numerics.setting import setting
from theory import InputError, ToyModel


def vertex_loss(W: np.ndarray, b: np.ndarray, densities: list[float], exponent: float) -> float:
    """Loss of max(0, z)**exponent under the uniform law, all supports, by the vertex formula at 120 digits.

    E (sum g_i U_i + b)_+^r = Gamma(r+1)/(Gamma(r+s+1) prod g) sum_v (-1)^(s-|v|) (g.v + b)_+^(r+s), and
    E U_j z_+^r follows by integration by parts in U_j.
    """
    with mpmath.workdps(120):
        n = W.shape[1]
        gram = mpmath.matrix(W.T.tolist()) * mpmath.matrix(W.tolist())

        def mean(g: list, shift: object, r: object) -> object:
            g = [entry for entry in g if entry != 0]
            total = mpmath.mpf(0)
            for v in product((0, 1), repeat=len(g)):
                base = shift + mpmath.fsum(a * e for a, e in zip(g, v, strict=True))
                if base > 0:
                    total += (-1) ** (len(g) - sum(v)) * base ** (r + len(g))
            return total * mpmath.gamma(r + 1) / (mpmath.gamma(r + len(g) + 1) * mpmath.fprod(g))

        loss, a = mpmath.mpf(0), mpmath.mpf(exponent)
        for support in product((0, 1), repeat=n):
            chance = mpmath.fprod(
                mpmath.mpf(p) if on else 1 - mpmath.mpf(p) for p, on in zip(densities, support, strict=True)
            )
            active = [j for j in range(n) if support[j]]
            for i in range(n):
                g, shift = [gram[i, j] for j in active], mpmath.mpf(float(b[i]))
                value = mean(g, shift, 2 * a)
                if support[i]:
                    own = gram[i, i]
                    rest = [gram[i, j] for j in active if j != i]
                    if own == 0:
                        cross = mean(rest, shift, a) / 2
                    else:
                        cross = (mean(rest, shift + own, a + 1) - mean(g, shift, a + 1)) / (own * (a + 1))
                    value += mpmath.mpf(1) / 3 - 2 * cross
                loss += chance * value
        return float(loss)


def tensor_loss(W: np.ndarray, b: np.ndarray, densities: list[float], f, law: str) -> float:
    """Loss of a smooth f for up to three features: all supports, tensor Gauss rules."""
    if law == "exponential":
        nodes, weights = np.polynomial.laguerre.laggauss(60)
    else:
        nodes, weights = np.polynomial.legendre.leggauss(40)
        nodes, weights = (nodes + 1) / 2, weights / 2
    n, total = W.shape[1], 0.0
    for support in product((0, 1), repeat=n):
        chance = np.prod([p if on else 1 - p for p, on in zip(densities, support, strict=True)])
        axes = [nodes if on else np.zeros(1) for on in support]
        shares = [weights if on else np.ones(1) for on in support]
        x = np.stack([grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")], axis=1)
        w = np.prod(np.stack([grid.ravel() for grid in np.meshgrid(*shares, indexing="ij")], axis=1), axis=1)
        total += chance * float(w @ ((x - f(x @ W.T @ W + b)) ** 2).sum(axis=1))
    return total


def test_reference_values() -> None:
    W = [[1, -0.5, 0.2], [0, 0.8, 0.9]]
    biased = ToyModel(3, 2, "relu", 0.4, bias=True)
    assert expected_loss(biased, W, [0.1, -0.2, 0], "quadrature", rtol=1e-10).value == pytest.approx(
        0.119761429014, abs=1e-11
    )
    steep = ToyModel(3, 2, theory.rectified_power(1.5), 0.4)
    assert expected_loss(steep, W, method="quadrature", rtol=1e-10).value == pytest.approx(0.104593932536, abs=1e-10)
    pair = expected_loss(ToyModel(2, 1, "relu", 0.3), [[1, -1]], method="quadrature", rtol=1e-10)
    assert abs(pair.value - 0.03) <= pair.error < 1e-10


@given(
    seed=st.integers(0, 10**6),
    exponent=st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0]),
    density=st.sampled_from([1e-6, 0.01, 0.3, 0.9, 1.0]),
    features=st.integers(1, 4),
)
def test_rectified_powers_against_the_vertex_formula(seed, exponent, density, features) -> None:
    rng = np.random.default_rng(seed)
    W, b = rng.normal(size=(2, features)), rng.normal(size=features) * rng.integers(0, 2)
    densities = [density] * features
    found = expected_loss(
        ToyModel(features, 2, theory.rectified_power(exponent), density, bias=True), W, b, "quadrature"
    )
    truth = vertex_loss(W, b, densities, exponent)
    assert abs(found.value - truth) <= found.error
    assert found.error <= 1e-7 * truth


@pytest.mark.parametrize("law", ["uniform", "exponential"])
@pytest.mark.parametrize("name", ["tanh", "gelu", "sigmoid", "silu", "sin", "softplus"])
def test_smooth_activations_against_tensor_rules(name: str, law: str) -> None:
    f = {
        "tanh": np.tanh,
        "gelu": lambda z: z * scalar_normal(z),
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "silu": lambda z: z / (1 + np.exp(-z)),
        "sin": np.sin,
        "softplus": lambda z: np.logaddexp(0, z),
    }[name]
    rng = np.random.default_rng(4)
    W, b, densities = 0.6 * rng.normal(size=(2, 3)), 0.5 * rng.normal(size=3), [0.05, 0.9, 0.4]
    found = expected_loss(ToyModel(3, 2, name, densities, law=law, bias=True), W, b, rtol=1e-9)
    truth = tensor_loss(W, b, densities, f, law)
    # The tensor rule itself is good to 1e-9 under the exponential law.
    assert abs(found.value - truth) <= found.error + 2e-8 * truth * (law == "exponential") + 1e-13


def scalar_normal(z: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))


@given(
    seed=st.integers(0, 10**6),
    law=st.sampled_from(
        ["uniform", "half-normal", "beta:2,3", "beta:0.5,0.5", "two-sided:uniform", "two-sided:beta:2,1"]
    ),
    k=st.integers(1, 3),
    densities=st.lists(st.sampled_from([0.0, 1e-10, 1e-3, 0.2, 0.999, 1.0]), min_size=4, max_size=4),
)
def test_quadrature_meets_moments_within_its_error(seed, law, k, densities) -> None:
    rng = np.random.default_rng(seed)
    W, b = 0.7 * rng.normal(size=(2, 4)), 0.3 * rng.normal(size=4)
    model = ToyModel(4, 2, theory.power(k), densities, law=law, importance=(1, 0, 2, 0.5), bias=True)
    exact = expected_loss(model, W, b, method="exact")
    found = expected_loss(model, W, b, method="quadrature")
    assert exact.agrees_with(found)
    assert np.abs(found.per_feature - exact.per_feature).max() <= 1e-5 * (exact.per_feature.max() + 1e-300)


@pytest.mark.parametrize("density", [0, 1e-10, 1e-6, 0.5, 0.999, 1])
def test_every_density_is_accurate(density: float) -> None:
    W = np.random.default_rng(0).normal(size=(2, 4))
    found = expected_loss(ToyModel(4, 2, "relu", density), W, method="quadrature")
    truth = vertex_loss(W, np.zeros(4), [density] * 4, 1.0)
    assert abs(found.value - truth) <= max(found.error, 1e-300)
    assert found.error <= 1.01e-8 * truth


def awkward_weights() -> dict[str, np.ndarray]:
    W = np.random.default_rng(1).normal(size=(2, 4))
    dead, large = W.copy(), W.copy()
    dead[:, 2] = 0
    large[:, 0] *= 30
    return {
        "zero column": dead,
        "everything zero": np.zeros((2, 4)),
        "thirty times": 30 * W,
        "tiny": 1e-4 * W,
        "one large column": large,
        "antipodal pairs": np.array([[1.0, -1, 0, 0], [0, 0, 1, -1]]),
        "identical": np.ones((2, 4)),
        "nearly antipodal": np.array([[1.0, -1, 1e-5, 0], [1e-6, 0, 1, -1]]),
    }


@pytest.mark.parametrize("name", awkward_weights())
@pytest.mark.parametrize("biased", [False, True])
def test_awkward_weights_are_right_or_flagged(name: str, biased: bool) -> None:
    W = awkward_weights()[name]
    b = np.array([0.0, -0.3, 0.2, 1e-3]) * biased
    found = expected_loss(ToyModel(4, 2, "relu", 0.2, bias=True), W, b, "quadrature")
    truth = vertex_loss(W, b, [0.2] * 4, 1.0)
    assert abs(found.value - truth) <= max(found.error, 1e-15 * truth)
    assert found.error <= 1e-6 * truth


def test_steep_and_discontinuous_activations_keep_honest_errors() -> None:
    W = np.random.default_rng(2).normal(size=(2, 4))
    for spec in ("tanh(20*z)", "heaviside", "hardshrink", "hardtanh", "softsign", "max(0,z)**0.3"):
        model = ToyModel(4, 2, spec, 0.1)
        coarse, fine = (expected_loss(model, W, method="quadrature", rtol=rtol) for rtol in (1e-4, 1e-9))
        assert abs(coarse.value - fine.value) <= coarse.error + fine.error, spec
        sampled = expected_loss(model, W, method="monte_carlo", samples=100_000)
        assert fine.agrees_with(sampled, z=2.0), spec


def test_unreached_tolerance_is_said() -> None:
    W = np.random.default_rng(0).normal(size=(2, 5))
    found = expected_loss(ToyModel(5, 2, theory.power(3), 0.3, law="exponential"), W, method="quadrature")
    exact = expected_loss(ToyModel(5, 2, theory.power(3), 0.3, law="exponential"), W)
    assert "tolerance was not reached" in found.reason
    assert found.error > 1e-8 * found.value
    assert exact.agrees_with(found)


@given(seed=st.integers(0, 10**6), law=st.sampled_from(["uniform", "exponential", "two-sided:half-normal"]))
def test_range_holds_the_outputs(seed: int, law: str) -> None:
    rng = np.random.default_rng(seed)
    W, b = rng.normal(size=(3, 15)), rng.normal(size=15)
    at = setting(ToyModel(15, 3, "relu", 0.2, law=law, bias=True), W, b)
    rows = make_rows(at.gram[None], at.bias[None], at.densities)
    low, high = output_range(numeric_law(at.model.law), rows)
    x = at.model.law.sample(rng, (4000, 15)) * (rng.random((4000, 15)) < 0.2)
    z = x @ at.gram + b
    assert np.all(z >= low - 1e-12)
    assert np.all(z <= high + 1e-12)
    groups = range_groups(numeric_law(at.model.law), rows)
    assert sorted(np.concatenate([members for members, _ in groups])) == list(range(15))
    for members, (left, right) in groups:
        assert left <= low[members].min()
        assert right >= high[members].max()


@pytest.mark.parametrize(
    ("spec", "tolerance"), [("tanh", 1e-12), ("gelu", 1e-12), ("exp", 1e-11), ("relu", 1e-6), ("hardtanh", 1e-5)]
)
def test_fourier_form_represents_the_function(spec: str, tolerance: float) -> None:
    sigma = scalar_map(theory.activation(spec))
    form = fourier_form(sigma, -1.3, 2.1, 1024)
    z = np.array([-1.3, -1.11, -0.4, 0.3, 0.8, 1.4, 2.1])
    doubled = np.where(np.arange(1024) == 0, 1.0, 2.0)
    waves = np.exp(1j * np.outer(z - form.low, form.frequencies)) * doubled
    assert np.abs((waves @ form.first).real - sigma.value(z)).max() < tolerance
    assert np.abs((waves @ form.second).real - sigma.value(z) ** 2).max() < tolerance * 10
    assert form.defect < 1e-10
    assert smallest_count() < 64


def test_what_quadrature_cannot_do_is_refused() -> None:
    W = np.ones((2, 4))
    with pytest.raises(InputError, match="solu is coupled"):
        quadrature_loss(setting(ToyModel(4, 2, "solu", 0.1), W), 1e-6)
    with pytest.raises(InputError, match="lattice"):
        quadrature_loss(setting(ToyModel(4, 2, "relu", 0.1, law="binary"), W), 1e-6)
    for method in ("quadrature", "monte_carlo"):
        with pytest.raises(InputError, match="grows too fast"):
            expected_loss(ToyModel(4, 2, "exp", 0.1, law="exponential"), W, method=method)


def test_oscillations_above_the_frequencies_are_noticed() -> None:
    sigma = scalar_map(theory.activation("sin(40*z)"))
    assert not fourier_form(sigma, 0.0, 30.0, 64).is_complete
    assert fourier_form(sigma, 0.0, 30.0, 1024).is_complete
    model = ToyModel(3, 2, "sin", 0.9, law="exponential")
    W = 2 * np.random.default_rng(3).normal(size=(2, 3))
    found = expected_loss(model, W, rtol=1e-6)
    assert found.agrees_with(expected_loss(model, W, method="monte_carlo", samples=200_000), z=2.0)


def test_a_short_interval_far_from_zero_keeps_its_digits() -> None:
    W = 1e-5 * np.random.default_rng(1).normal(size=(2, 4))
    b = np.array([3.0, -3.0, 0.5, -0.1])
    found = expected_loss(ToyModel(4, 2, "relu", 0.2, bias=True), W, b, "quadrature", rtol=1e-13)
    assert abs(found.value - vertex_loss(W, b, [0.2] * 4, 1.0)) <= 1e-14 * found.value


@pytest.mark.parametrize(("activation", "rtol"), [("relu", 1e-8), ("gelu", 1e-10), ("tanh", 1e-10)])
def test_two_hundred_features_reach_their_tolerance(activation: str, rtol: float) -> None:
    W = np.random.default_rng(0).normal(size=(20, 200))
    W /= np.linalg.norm(W, axis=0)
    model = ToyModel(200, 20, activation, 0.01)
    found, finer = expected_loss(model, W, rtol=rtol), expected_loss(model, W, rtol=rtol / 20)
    assert found.error <= rtol * found.value
    assert abs(found.value - finer.value) <= found.error
    # Counted in steps of the recursion over features; the recursion alone would take 200**2 per frequency.
    assert found.evaluations < 1.2e7


def test_total_error_is_smaller_than_the_sum_of_the_rows() -> None:
    W = np.random.default_rng(0).normal(size=(8, 60)) / 3
    at = setting(ToyModel(60, 8, "relu", 0.05), W)
    found = quadrature_loss(at, 1e-7)
    assert found.converged
    assert found.total_error < found.error.sum() / 2
    finer = quadrature_loss(at, 1e-10)
    assert abs(found.per_feature.sum() - finer.per_feature.sum()) <= found.total_error
    assert np.mean(np.abs(found.per_feature - finer.per_feature) <= found.error) > 0.95


def test_an_estimate_that_the_next_one_refutes_widens_it() -> None:
    found = adaptive._overrun(np.array([1.0, 6.0, -6.0, 0.0]), np.array([2.0, 2.0, 3.0, 0.0]))
    assert found == pytest.approx([1, 3, 2, 1])
    at = setting(ToyModel(4, 2, "relu", 0.3), np.random.default_rng(0).normal(size=(2, 4)))
    sigma, law, index = scalar_map(at.model.activation), numeric_law(at.model.law), np.arange(4)
    weights = np.ones((2, 4))

    def refined(stated: float) -> float:
        unit = adaptive._Unit(index, -4.0, 8.0, smallest_count())
        adaptive._refine(at, sigma, law, unit, weights, True)
        unit.total_error = np.full(2, stated)
        adaptive._refine(at, sigma, law, unit, weights, True)
        return float(unit.total_error[0])

    honest, optimistic = refined(1.0), refined(1e-9)
    assert optimistic > 10 * honest


def test_the_one_active_panels_have_an_error_of_their_own() -> None:
    # Nothing is left for the frequencies to tell: two features that are hardly ever active together.
    model, W = ToyModel(2, 2, "tanh(200*z)", 1e-9), np.array([[1.0, 0.3], [0.0, 0.9]])
    at = setting(model, W)
    sigma, law, rows = scalar_map(model.activation), numeric_law(model.law), rows_of(at, np.arange(2))
    few = few_active(sigma, law, rows, 1e-3)
    finer = few_active(sigma, law, rows, 1e-14)
    miss = np.abs(few.value - finer.value)
    assert np.all(miss <= few.error + finer.error)
    assert few.error.max() > 100 * finer.error.max()
    assert 1e-9 * few.error.sum() < few.value.sum()
