"""The best configurations: between the closed-form bounds, and at the known optima."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import theory
from numerics import minimise_sparse_coefficient
from numerics.configurations.search import log_inverse_capacity
from theory import InputError, ToyModel


@pytest.mark.parametrize("m", [2, 3, 4])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_every_cell_lies_between_the_closed_forms(k: int, m: int) -> None:
    """n mu_2 - kappa min(n, D) <= best c(W) <= the mean over random orthonormal bases, for n = m+1 .. 6m."""
    kappa = float(theory.law_constant("uniform", theory.power(k)))
    D = float(theory.effective_dimension(m, k))
    for n in range(m + 1, 6 * m + 1):
        found = minimise_sparse_coefficient(ToyModel(n, m, theory.power(k)))
        lower = n / 3 - kappa * min(n, D)
        whole, rest = divmod(n, m)
        shared = n * (n - 1) - whole * m * (m - 1) - rest * (rest - 1)
        upper = n / 3 - kappa * n**2 / (n + shared / D)
        assert lower - 1e-9 <= found.coefficient <= upper + 1e-9, n
        saturated = k == 1 or (m == 2 and n >= k + 1 and k + 1 > m) or (k, m, n) == (2, 3, 6)
        if saturated and n >= D:
            assert found.coefficient == pytest.approx(lower, abs=1e-10), n


@pytest.mark.parametrize(
    ("n", "m", "a", "capacity"),
    [
        (5, 2, 1, 5 / (1 + 2 * np.cos(2 * np.pi / 5) ** 2)),  # pentagon
        (11, 2, 1, 4.19821271705),  # the pentagon again: more features do not help
        (7, 2, 2, 5.37536624387),  # heptagon
        (9, 2, 3, 6.40927370996),  # enneagon
        (12, 3, 3, 11.5384615385),  # icosahedron
        (16, 5, 1, 80 / 7),  # Clebsch graph
        (8, 4, 1, 8),  # antipodal pairs
        (9, 3, 1, 45 / 7),
        (12, 4, 1, 114 / 13),
    ],
)
def test_rectified_optima(n: int, m: int, a: int, capacity: float) -> None:
    found = minimise_sparse_coefficient(ToyModel(n, m, theory.rectified_power(a)))
    assert found.capacity == pytest.approx(capacity, rel=1e-10)
    assert found.capacity == pytest.approx(float(theory.capacity(found.W, theory.rectified_power(a))), rel=1e-12)


def test_pentagon_coefficient_and_scale() -> None:
    model = ToyModel(5, 2, "relu")
    found = minimise_sparse_coefficient(model)
    assert found.coefficient == pytest.approx(0.267262427652, abs=1e-11)
    for factor in (0.99, 1.01):
        assert theory.sparse_coefficient(model, factor * found.W) > found.coefficient
    assert found.capacities.shape == (32,)
    assert np.all(np.diff(found.capacities) <= 0)


@given(
    seed=st.integers(0, 10**6),
    exponent=st.sampled_from([0.75, 1.0, 1.5, 2.0, 3.0]),
    negative=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_gradient_of_the_capacity(seed: int, exponent: float, negative: float) -> None:
    rng = np.random.default_rng(seed)
    W, towards, importances = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 3, 5)), rng.uniform(0, 2, 5)
    step = 1e-6
    up, _ = log_inverse_capacity(W + step * towards, exponent, negative, importances)
    down, _ = log_inverse_capacity(W - step * towards, exponent, negative, importances)
    _, gradient = log_inverse_capacity(W, exponent, negative, importances)
    slope = (gradient * towards).sum(axis=(1, 2))
    assert np.abs((up - down) / (2 * step) - slope).max() <= 1e-5 * (1 + np.abs(slope).max())


def test_importances_weigh_the_output() -> None:
    """With one hidden dimension and a linear map, the best direction is the most important feature: PCA."""
    model = ToyModel(3, 1, theory.power(1), importance=(1, 5, 2))
    assert minimise_sparse_coefficient(model).coefficient == pytest.approx(3 / 3, abs=1e-9)
    nothing = minimise_sparse_coefficient(ToyModel(3, 1, theory.power(1), importance=0))
    assert nothing.coefficient == 0


def test_even_powers_of_symmetric_features_gain_nothing() -> None:
    found = minimise_sparse_coefficient(ToyModel(5, 2, theory.power(2), law="two-sided:uniform"))
    assert found.coefficient == pytest.approx(5 / 3)
    assert np.all(found.W == 0)


def test_more_dimensions_than_features() -> None:
    assert minimise_sparse_coefficient(ToyModel(3, 5, "relu"), restarts=1).coefficient == pytest.approx(0, abs=1e-12)


def test_bad_input_is_refused() -> None:
    model = ToyModel(5, 2, "relu")
    for change, message in (
        ({"activation": "gelu"}, "not homogeneous"),
        ({"bias": True}, "bias=True"),
        ({"n_features": sympy.Symbol("n", integer=True, positive=True)}, "n_features=n is a symbol"),
        ({"importance": sympy.Symbol("I", positive=True)}, "symbols I"),
        ({"density": (0.1, 0.2, 0.1, 0.1, 0.1)}, "density differs"),
    ):
        with pytest.raises(InputError, match=message):
            minimise_sparse_coefficient(model.replace(**change))
    for restarts in (0, 1.5, True):
        with pytest.raises(InputError, match="restarts="):
            minimise_sparse_coefficient(model, restarts=restarts)  # type: ignore[arg-type]
