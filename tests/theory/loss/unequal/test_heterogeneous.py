"""Features of unequal density: no weights beat the bounds, and equal densities give the known ones back."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

import theory
from numerics import compile_activation, expected_loss
from theory import InputError, ToyModel
from theory.loss.capacity import sparse_constants
from theory.loss.minorants import minorants
from theory.loss.unequal.densities import lone_weights
from theory.loss.unequal.densities_upper import _random_saving
from theory.loss.unequal.stakes import held_stake, square_roots_below

Q = sympy.Rational
ACTIVATIONS = [
    theory.power(1),
    theory.power(2),
    theory.power(3),
    theory.activation("relu"),
    theory.rectified_power(2),
    theory.rectified_power(0.5),
    theory.signed_power(1.5),
    theory.leaky_relu(0.3),
]
DENSITIES = st.lists(st.sampled_from([Q(1, 2), Q(3, 10), Q(1, 10), Q(1, 50), Q(1, 1000), 0, 1]), min_size=2, max_size=5)


def binary_loss(model: ToyModel, W: np.ndarray) -> float:
    """L at b = 0 for binary features, by summing over every active set."""
    sigma, n = compile_activation(model.activation), W.shape[1]
    p, weights = (np.array([float(v) for v in values]) for values in (model.densities, model.importances))
    x = np.array(list(product((0.0, 1.0), repeat=n)))
    chance = np.prod(np.where(x == 1, p, 1 - p), axis=1)
    return float(chance @ ((x - sigma(x @ (W.T @ W))) ** 2 @ weights))


def first_order_loss(model: ToyModel, W: np.ndarray) -> float:
    """sum_i w_i l_i(W) straight from the definition, one active feature after another (binary features)."""
    sigma = compile_activation(model.activation)
    importances = np.array([float(v) for v in model.importances])
    gram = W.T @ W
    eye = np.eye(len(gram))
    lone = [importances @ (eye[i] - sigma(gram[:, i])) ** 2 for i in range(len(gram))]
    return float(np.dot([float(w) for w in lone_weights(model)], lone))


@settings(max_examples=40)
@given(DENSITIES, st.integers(1, 3), st.sampled_from(ACTIVATIONS), st.integers(0, 10**6))
def test_no_weights_beat_the_bounds(densities: list[object], m: int, activation: theory.Activation, seed: int) -> None:
    n, rng = len(densities), np.random.default_rng(seed)
    importances = [Q(int(v), 4) for v in rng.integers(0, 9, n)]
    model = ToyModel(n, m, activation, densities, law="binary", importance=importances)
    if not isinstance(model.density, tuple):
        return
    bounds = {bound.name: bound.evaluate() for bound in theory.lower_bounds(model)}
    assert "first-order" in bounds
    for bound in theory.upper_bounds(model):
        assert bound.evaluate() >= max(bounds.values()) - 1e-12, bound.name
    for W in (rng.standard_normal((m, n)), np.eye(m)[:, np.arange(n) % m] * np.where(np.arange(n) < m, 1.0, -1.0)):
        for objective, names in ((binary_loss, tuple(bounds)), (first_order_loss, ("first-order",))):
            found = optimize.minimize(
                lambda flat, f=objective: f(model, flat.reshape(m, n)), W.ravel(), options={"maxiter": 25}
            )
            for name in names:
                assert found.fun >= bounds[name] - 1e-10, name


@settings(max_examples=25)
@given(st.integers(2, 12), st.integers(1, 4), st.sampled_from(ACTIVATIONS))
def test_equal_stakes_give_the_capacity_bounds_back(n: int, m: int, activation: theory.Activation) -> None:
    """All stakes 1: the held stake is a bound on the capacity, no weaker than the closed forms of equal features."""
    kernel = sparse_constants(theory.uniform(), activation).kernel
    found = held_stake([Fraction(1)] * n, kernel, m)
    model = ToyModel(n, m, activation)
    constants = sparse_constants(model.law, model.activation)
    ours = float(constants.second_moment) * n - float(constants.kappa) * float(found.held)
    known = [b.evaluate() for b in theory.lower_bounds(model, of="sparse") if b.name != "linear-programming"]
    assert ours >= max(known) - 1e-9
    assert ours <= min(b.evaluate() for b in theory.upper_bounds(model, of="sparse")) + 1e-9


def test_equal_densities_give_the_combined_bound_back() -> None:
    """A density that differs by nothing that matters: the bounds for one density, to that accuracy."""
    for k in (1, 2):
        equal = {b.name: b.evaluate() for b in theory.lower_bounds(ToyModel(9, 2, theory.power(k), Q(1, 20)))}
        nearly = ToyModel(9, 2, theory.power(k), [Q(1, 20)] * 8 + [Q(1, 20) - Q(1, 10**12)])
        for bound in theory.lower_bounds(nearly):
            assert bound.evaluate() == pytest.approx(equal[bound.name], rel=1e-8), bound.name


def test_principal_components_at_first_order() -> None:
    """k = 1: the m largest stakes are held and no more, exactly."""
    stakes = [Fraction(1, i**2) for i in range(1, 30)]
    kernel = sparse_constants(theory.uniform(), theory.power(1)).kernel
    for m in (1, 3, 10):
        found = held_stake(stakes, kernel, m)
        assert float(found.held) == pytest.approx(float(sum(stakes[:m])), rel=1e-12)


@given(st.lists(st.fractions(min_value=0, max_value=10**6), min_size=1, max_size=5).filter(any))
def test_square_roots_are_below_and_close(values: list[Fraction]) -> None:
    for value, root in zip(values, square_roots_below(values), strict=True):
        assert root >= 0
        assert root * root <= value
        assert float(value - root * root) <= 1e-20 * float(max(values))


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("m", [1, 2, 3, 7, 20])
def test_minorants_hold_on_real_configurations(activation: theory.Activation, m: int) -> None:
    """sum_ij y_i y_j f >= beta |y|^2 + gamma (sum y)^2 on random, antipodal and clustered directions."""
    kernel = sparse_constants(theory.uniform(), activation).kernel
    rng = np.random.default_rng(m)
    for n in (m + 2, 3 * m + 4):
        shapes = [rng.standard_normal((m, n)), np.tile(np.eye(m), (1, n))[:, :n] + 0.05 * rng.standard_normal((m, n))]
        shapes += [W * rng.choice([-1, 1], n) for W in shapes]
        for W in shapes:
            unit = W / np.linalg.norm(W, axis=0)
            energy = kernel.values(np.clip(unit.T @ unit, -1, 1))
            for y in (np.ones(n), rng.uniform(0, 1, n) ** 3):
                value = y @ energy @ y
                for h in minorants(kernel, m, n):
                    assert value >= float(h.beta) * (y @ y) + float(h.gamma) * y.sum() ** 2 - 1e-9 * value, h.name


def test_weights_of_lone_features_are_rounded_to_the_safe_side() -> None:
    model = ToyModel(3, 1, "relu", [Q(1, 3), sympy.sqrt(2) / 2, Q(1, 7)])
    exact = [Q(1, 3) * (1 - sympy.sqrt(2) / 2) * Q(6, 7), Q(2, 3) * sympy.sqrt(2) / 2 * Q(6, 7)]
    for value, low, high in zip(exact, lone_weights(model), lone_weights(model, up=True), strict=False):
        assert (value - Q(low.numerator, low.denominator)).evalf(150) >= 0
        assert (Q(high.numerator, high.denominator) - value).evalf(150) >= 0
        assert float(high - low) <= 1e-100


def test_where_nothing_is_known_the_message_says_so() -> None:
    differ = ToyModel(3, 1, "relu", [0.1, 0.2, 0.3])
    with pytest.raises(InputError, match="no one limit"):
        theory.lower_bound(differ, of="sparse")
    with pytest.raises(InputError, match="with a bias only"):
        theory.lower_bound(differ.replace(bias=True))
    with pytest.raises(InputError, match="must be numbers"):
        theory.lower_bound(differ.replace(density=[0.1, sympy.Symbol("p", nonnegative=True), 0.3]))
    with pytest.raises(InputError, match="no power activation"):
        theory.lower_bound(differ.replace(activation="gelu"))
    assert [b.name for b in theory.lower_bounds(ToyModel(9, 1, theory.power(2), [0.1] * 8 + [0.2], bias=True))] == [
        "rank"
    ]


@given(DENSITIES, st.integers(1, 3), st.sampled_from(ACTIVATIONS), st.integers(0, 10**6))
def test_constructions_reach_what_they_claim(
    densities: list[object], m: int, activation: theory.Activation, seed: int
) -> None:
    importances = [Q(int(v), 4) for v in np.random.default_rng(seed).integers(0, 9, len(densities))]
    model = ToyModel(len(densities), m, activation, densities, law="binary", importance=importances)
    for bound in theory.upper_bounds(model):
        if isinstance(model.density, tuple) and bound.construction is not None:
            W = np.array(bound.construction[0].tolist(), dtype=float)
            assert binary_loss(model, W) == pytest.approx(bound.evaluate(), rel=1e-9, abs=1e-12), bound.name


def test_pairs_of_uniform_features_by_the_exact_loss() -> None:
    """Against the general-purpose expected loss, which knows nothing of pairs."""
    model = ToyModel(5, 3, "relu", [0.3, 0.25, 0.2, 0.1, 0.05], importance=[1, 2, 1, 1, 3])
    bound = theory.upper_bound(model, name="antipodal")
    W = np.array(bound.construction[0].tolist(), dtype=float)  # type: ignore[index]
    assert expected_loss(model, W).value == pytest.approx(bound.evaluate(), rel=1e-7)


def test_random_directions_are_the_average_over_directions() -> None:
    """Two features alike in one plane: against the loss averaged over the angle between them."""
    model = ToyModel(3, 2, theory.power(2), [Q(1, 2), Q(1, 3), Q(1, 4)], law="binary", importance=[1, 1, 2])
    bound = theory.upper_bound(model, name="random-directions")
    rng = np.random.default_rng(0)
    W = rng.standard_normal((4000, 2, 3))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    saved = []
    for gain in (0.0, 1.0):
        saved.append(np.array([binary_loss(model, np.sqrt(gain) * one) for one in W]))
    # L(gain) = c_0 - 2 gain A + gain^2 B for k = 2, where the gain is the square of the squared norm.
    double = np.array([binary_loss(model, 2**0.25 * np.sqrt(1.0) * one) for one in W])
    first, second = (saved[1] - saved[0]).mean(), (double - saved[0]).mean()
    cost = (second - 2 * first) / 2
    gain = -(first - cost) / 2
    assert saved[0][0] - gain**2 / cost >= bound.evaluate() - 0.02
    if "the 0 largest" in bound.derivation[0].statement and "next 3" in bound.derivation[1].statement:
        assert saved[0][0] - gain**2 / cost == pytest.approx(bound.evaluate(), abs=0.01)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_random_directions_of_equal_features_are_the_known_bound(k: int, d: int) -> None:
    """T7(b), which is derived another way, at one density for all: exactly the same number."""
    model = ToyModel(7, d, theory.power(k), Q(1, 5))
    moments = [Fraction(int(v.p), int(v.q)) for v in (model.law.moment(r) for r in range(2 * k + 2))]
    saved = _random_saving(k, d, [Fraction(1, 5)] * 7, [Fraction(1)] * 7, moments)
    known = theory.upper_bound(model, name="random-directions")
    assert Q(7, 15) - Q(saved.numerator, saved.denominator) == known.expr


def test_superposition_beats_dedication_where_densities_are_small_and_alike() -> None:
    model = ToyModel(12, 3, theory.power(2), [Q(1, 1000) + Q(i, 10**6) for i in range(12)])
    values = {bound.name: bound.evaluate() for bound in theory.upper_bounds(model)}
    assert values["random-directions"] < 0.97 * values["orthonormal"]
    assert values["random-directions"] >= theory.lower_bound(model).evaluate()
