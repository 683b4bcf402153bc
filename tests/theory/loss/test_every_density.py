"""Bounds at every density against integrals over every active set, and the sign of the gain M_1."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize

import theory
from theory import InputError, ToyModel
from theory.loss.geometry.constructions import pair_moments

Q = sympy.Rational
NODES, WEIGHTS = np.polynomial.legendre.leggauss(5)
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2


def parts(W: np.ndarray, k: int, p: float) -> tuple[float, float, float]:
    """E|x|^2, E<x, x_hat>, E|x_hat|^2 for z^k and uniform values, over every active set.

    Five Gauss-Legendre nodes per active feature integrate polynomials of degree 9, so the sums are exact for k <= 4.
    """
    n = W.shape[1]
    total = np.zeros(3)
    for size in range(1, n + 1):
        grid = np.array(list(product(NODES, repeat=size)))
        weights = np.prod(np.array(list(product(WEIGHTS, repeat=size))), axis=1)
        for active in combinations(range(n), size):
            x = np.zeros((len(grid), n))
            x[:, active] = grid
            hat = (x @ (W.T @ W)) ** k
            moments = [float(weights @ (a * b).sum(1)) for a, b in ((x, x), (x, hat), (hat, hat))]
            total += p**size * (1 - p) ** (n - size) * np.array(moments)
    return tuple(total)


def loss(W: np.ndarray, k: int, p: float) -> float:
    own, cross, square = parts(W, k, p)
    return own - 2 * cross + square


@given(
    st.integers(2, 4), st.integers(1, 2), st.integers(1, 3), st.sampled_from([0.01, 0.2, 0.7, 1.0]), st.integers(0, 99)
)
def test_no_weights_beat_the_monomial_bounds(n: int, m: int, k: int, p: float, seed: int) -> None:
    """T6: random weights, each at its exactly best scale by the scale-out identity at density p."""
    lower = theory.lower_bound(ToyModel(n, m, theory.power(k), p)).evaluate()
    rng = np.random.default_rng(seed)
    for _ in range(3):
        own, cross, square = parts(rng.standard_normal((m, n)), k, p)
        assert own - max(cross, 0) ** 2 / square >= lower - 1e-12


@pytest.mark.parametrize(("n", "m", "k", "p"), [(3, 1, 1, 0.3), (4, 1, 2, 0.2), (4, 2, 1, 0.8), (4, 1, 2, 0.9)])
def test_minimised_losses_stay_between_the_bounds(n: int, m: int, k: int, p: float) -> None:
    model = ToyModel(n, m, theory.power(k), p)
    rng = np.random.default_rng(1)
    found = min(
        optimize.minimize(lambda flat: loss(flat.reshape(m, n), k, p), rng.standard_normal(m * n)).fun for _ in range(4)
    )
    assert theory.lower_bound(model).evaluate() <= found + 1e-9
    assert found <= theory.upper_bound(model).evaluate() + 1e-7
    if k == 1:
        assert found == pytest.approx(theory.lower_bound(model, name="rank").evaluate(), abs=1e-7)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize(("n", "m"), [(2, 1), (3, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("p", [0.05, 0.6, 1.0])
def test_random_directions_are_averaged_exactly(n: int, m: int, k: int, p: float) -> None:
    """T7(b): signs for m = 1; for m = 2 more equispaced angles than the trigonometric degree 2k average exactly."""
    angles = np.arange(2 * k + 1) * 2 * np.pi / (2 * k + 1)
    circle = [np.array([1.0]), np.array([-1.0])] if m == 1 else [np.array([np.cos(a), np.sin(a)]) for a in angles]
    rows = [parts(np.column_stack([circle[0], *rest]), k, p) for rest in product(circle, repeat=n - 1)]
    own, cross, square = np.mean(rows, axis=0)
    claimed = theory.upper_bound(ToyModel(n, m, theory.power(k), p), name="random-directions").evaluate()
    # With m = 2 the first output sees independent angles; pairs among the others are differences, equispaced again.
    assert claimed == pytest.approx(own - cross**2 / square, rel=1e-10)


@pytest.mark.parametrize("a", [Q(1, 2), 1, 2, Q(5, 2)])
@pytest.mark.parametrize("law", ["uniform", "exponential"])
def test_pair_moments_are_integrals(law: str, a: sympy.Expr) -> None:
    top = 1.0 if law == "uniform" else 60.0
    density = (lambda u: 1.0) if law == "uniform" else (lambda u: np.exp(-u))
    for exact, power, factor in zip(pair_moments(law, sympy.sympify(a)), (a, 2 * a), (1, 0), strict=True):  # type: ignore[arg-type]
        inner = lambda u: integrate.quad(lambda v: (u - v) ** float(power) * density(v), 0, u)[0]  # noqa: B023, E731
        value, _ = integrate.quad(lambda u: u**factor * density(u) * inner(u), 0, top, epsabs=1e-11)  # noqa: B023
        assert value == pytest.approx(float(exact), rel=1e-7)


def test_the_remainder_reference() -> None:
    """n = 6, m = 3, k = 2: the icosahedral lines, K = 5, c = 2 - (5/16) 5."""
    bound = theory.upper_bound(ToyModel(6, 3, theory.power(2), Q(1, 100)), name="remainder")
    assert bound.evaluate() - 0.01 * 0.99**5 * 7 / 16 == pytest.approx(0.0123871940909, rel=1e-10)


def test_two_relu_features_in_one_dimension_switch_at_the_critical_density() -> None:
    """T12: the antipodal pair and the aligned pair, p/3 - p^2/4, cost the same at (40 - 4 sqrt 14)/43."""
    antipodal = theory.upper_bound(ToyModel(2, 1, "relu"), name="antipodal")
    critical = (40 - 4 * sympy.sqrt(14)) / 43
    difference = antipodal.expr - (antipodal.model.density / 3 - antipodal.model.density**2 / 4)
    assert sympy.simplify(difference.subs(antipodal.model.density, critical)) == 0
    assert difference.subs(antipodal.model.density, Q(1, 2)) < 0 < difference.subs(antipodal.model.density, Q(3, 5))


@pytest.mark.parametrize("p", [0.1, 0.7])
def test_antipodal_pairs_of_relu_cost_at_most_their_unit_scale(p: float) -> None:
    """T10: pairs at unit scale and orthonormal others cost (n - m) p^2/3 exactly."""
    for n, m in ((2, 1), (3, 2), (4, 2), (5, 3)):
        bound = theory.upper_bound(ToyModel(n, m, "relu", p), name="antipodal")
        assert bound.evaluate() <= (n - m) * p**2 / 3 + 1e-15
    at_small_p = theory.upper_bound(ToyModel(4, 2, "relu", 1e-6), name="antipodal").evaluate()
    assert at_small_p / (2 * 1e-12 / 3) == pytest.approx(1, rel=1e-4)


# --- the sign of M_1 -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("formula", ["-1*max(0, z)", "-1*z**2", "-1*z", "max(0, z) + 3*max(0, -z)"])
@pytest.mark.parametrize("law", ["binary", "uniform", "two-sided:uniform"])
@pytest.mark.parametrize("p", [0.05, 0.8])
def test_bounds_stay_ordered_whatever_the_sign_of_the_gain(formula: str, law: str, p: float) -> None:
    for n, m in ((2, 1), (4, 2), (2, 3)):
        model = ToyModel(n, m, formula, p, law=law)
        for of in ("sparse", "loss"):
            lower = max(bound.evaluate() for bound in theory.lower_bounds(model, of))
            assert lower <= min(bound.evaluate() for bound in theory.upper_bounds(model, of)) + 1e-12


def test_a_negative_relu_reconstructs_nothing() -> None:
    """sigma <= 0 <= x, so every output only adds to the loss: L* = n p mu_2, and no upper bound may be below it."""
    for n, m, p in ((2, 1, 0.4), (4, 2, 0.1), (5, 2, 0.9)):
        model = ToyModel(n, m, "-1*max(0, z)", p)
        assert all(bound.evaluate() >= n * p / 3 - 1e-12 for bound in theory.upper_bounds(model))
        assert theory.upper_bound(model).evaluate() == pytest.approx(n * p / 3)


def test_an_activation_that_vanishes_on_the_values_has_no_bounds() -> None:
    model = ToyModel(3, 2, "max(0, -z)", 0.1)
    for bounds, best in ((theory.lower_bounds, theory.lower_bound), (theory.upper_bounds, theory.upper_bound)):
        assert bounds(model) == bounds(model, of="sparse") == []
        with pytest.raises(InputError, match="0 on every value"):
            best(model)
    assert theory.lower_bounds(model.replace(law="two-sided:uniform"))


def test_a_symbolic_slope_carries_the_condition_it_needs() -> None:
    slope = sympy.Symbol("s", real=True)
    for of in ("sparse", "loss"):
        symbolic = ToyModel(4, 2, theory.leaky_relu(slope), Q(1, 10), law="two-sided:uniform")
        for bound in theory.upper_bounds(symbolic, of):
            numeric = theory.upper_bound(
                symbolic.replace(activation=theory.leaky_relu(Q(1, 3))), of=of, name=bound.name
            )
            assert bound.evaluate(s=Q(1, 3)) == pytest.approx(numeric.evaluate(), rel=1e-9)
            # For s < -1 the gain is negative and W = 0 is best: the formula would be too small.
            with pytest.raises(InputError, match="assumes"):
                bound.evaluate(s=-3)
        for lower in theory.lower_bounds(symbolic, of):
            numeric = theory.lower_bound(symbolic.replace(activation=theory.leaky_relu(-3)), of=of)
            assert lower.evaluate(s=-3) <= numeric.evaluate() + 1e-12


def test_scaling_works_where_the_number_of_features_is_a_symbol() -> None:
    n = sympy.Symbol("n", integer=True, positive=True)
    W = np.random.default_rng(0).standard_normal((2, 4))
    scaled = [theory.optimal_scale(ToyModel(count, 2, "relu"), W) for count in (n, 4)]
    assert np.array_equal(*scaled)
