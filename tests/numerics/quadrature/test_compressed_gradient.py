"""Values and gradients from compressed sums against the recursion over features, and tables against rules."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial import chebyshev

from numerics.laws import numeric_law
from numerics.quadrature import compressed_gradient, few_active_gradient
from numerics.quadrature.compressed_gradient import CompressedGradient, chebyshev_derivative, chebyshev_sum
from numerics.quadrature.continuation import fourier_form
from numerics.quadrature.few_active import Rows, few_active, make_rows
from numerics.quadrature.few_active_gradient import FewActiveGradient
from numerics.quadrature.many_active import many_active
from numerics.quadrature.ranges import range_groups
from numerics.scalar_map import scalar_map
from numerics.setting import model_arrays
from theory import ToyModel

N, M = 12, 3
UNEQUAL = tuple(np.random.default_rng(5).choice([0.01, 0.2, 0.35], N))
DIFFERENT = tuple(np.random.default_rng(6).uniform(0.01, 0.35, N))
MIXED = tuple(np.random.default_rng(7).choice([0.0, 0.05, 0.6, 1.0], N))


def rows_for(model: ToyModel, starts: int = 2, scale: float = 1.0, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    n, m = int(model.n_features), int(model.n_hidden)
    W, b = scale * rng.normal(size=(starts, m, n)) / np.sqrt(m), 0.1 * rng.normal(size=(starts, n))
    W[0, :, 0] = 0.0
    return make_rows(W.transpose(0, 2, 1) @ W, b, model_arrays(model)[0])


@pytest.mark.parametrize("degrees", [1, 2, 3, 10, 101])
def test_sums_of_chebyshev_polynomials_and_their_derivatives(degrees: int) -> None:
    rng = np.random.default_rng(degrees)
    c, x = rng.normal(size=(4, degrees)), rng.uniform(-1, 1, (4, 9))
    expected = [chebyshev.chebval(x[i], c[i]) for i in range(4)]
    assert chebyshev_sum(c, x) == pytest.approx(np.array(expected), abs=1e-12)
    slopes = np.array([chebyshev.chebval(x[i], chebyshev.chebder(c[i])) for i in range(4)])
    assert chebyshev_sum(chebyshev_derivative(c), x) == pytest.approx(slopes, abs=1e-13 * degrees**2 * 10)


@pytest.mark.parametrize("law", ["uniform", "two-sided:uniform", "exponential", "half-normal", "beta:2,3"])
@pytest.mark.parametrize("density", [1e-6, 0.05, 0.4, 0.6, 0.95, UNEQUAL, DIFFERENT, MIXED])
def test_agrees_with_the_recursion(law: str, density, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed_gradient, "_RECURSION_COST", np.inf)
    model = ToyModel(N, M, "gelu", density, law=law, bias=True)
    rows, transforms = rows_for(model), numeric_law(model.law)
    group, (low, high) = range_groups(transforms, rows, 1e-10)[0]
    rows = rows.take(group)
    form = fourier_form(scalar_map(model.activation), low, high, 64, 150.0)
    expected, found = many_active(transforms, rows, form, gradient=True), CompressedGradient(transforms)(rows, form)
    assert found.value == pytest.approx(expected.value, rel=1e-9, abs=1e-11 * np.abs(expected.value).max())
    shown = rows.visible > 0
    scale = np.abs(expected.d_gram).max()
    assert np.abs(np.where(shown, found.d_gram - expected.d_gram, 0)).max() <= 1e-9 * scale
    assert np.abs(found.d_bias - expected.d_bias).max() <= 1e-9 * np.abs(expected.d_bias).max()


def test_few_unresolved_frequencies_fall_back_to_the_recursion() -> None:
    """Any subset of frequencies adds up to the whole, a single one too."""
    model = ToyModel(N, M, "relu", 0.3, bias=True)
    rows, transforms = rows_for(model), numeric_law(model.law)
    form = fourier_form(scalar_map(model.activation), -8.0, 8.0, 64, 150.0)
    whole = many_active(transforms, rows, form, gradient=True)
    for some in (np.array([0]), np.array([0, 5]), np.array([7]), np.arange(3, 40)):
        rest = np.setdiff1d(np.arange(64), some)
        parts = [
            many_active(transforms, rows, compressed_gradient._part_of(form, index), gradient=True)
            for index in (some, rest)
        ]
        assert parts[0].value + parts[1].value == pytest.approx(whole.value, rel=1e-12)
        assert parts[0].d_gram + parts[1].d_gram == pytest.approx(whole.d_gram, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("activation", ["gelu", "tanh", "silu", "relu", "rectified-power:2"])
@pytest.mark.parametrize("law", ["uniform", "half-normal"])
@pytest.mark.parametrize("scale", [0.6, 2.0])
def test_one_active_feature_from_tables(activation: str, law: str, scale: float) -> None:
    model = ToyModel(N, M, activation, 0.1, law=law, bias=True)
    rows, sigma, numeric = rows_for(model, scale=scale), scalar_map(model.activation), numeric_law(model.law)
    expected = few_active(sigma, numeric, rows, 0.0, gradient=True, nodes=96)
    table = FewActiveGradient(sigma, numeric)
    found = table(rows)
    for part in ("value", "d_gram", "d_bias"):
        exact = getattr(expected, part)
        assert np.abs(getattr(found, part) - exact).max() <= 1e-7 * np.abs(exact).max(), part
    again = table(rows)
    assert np.array_equal(again.value, found.value)


def test_tables_are_used_where_sigma_is_smooth_and_resolved() -> None:
    uniform = numeric_law(ToyModel(1, 1, "gelu").law)
    for activation, scale, is_used in (("gelu", 0.6, True), ("relu", 0.6, False), ("tanh", 20.0, False)):
        model = ToyModel(N, M, activation, 0.1, bias=True)
        table = FewActiveGradient(scalar_map(model.activation), uniform)
        table(rows_for(model, scale=scale))
        assert bool(table._tables) == is_used, activation
    assert few_active_gradient._MOST_POINTS >= 64
