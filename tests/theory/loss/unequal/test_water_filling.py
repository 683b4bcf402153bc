"""T9(b): water filling against brute-force maximisation, the equal case and adversarial minimisation."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

import numerics
import theory
from theory import ToyModel
from theory.loss.linear_programming import linear_programming_certificate
from theory.loss.unequal.water_filling import square_root_above, water_filling, water_filling_steps
from theory.loss.unequal.water_level import water_level, water_levels

Q = sympy.Rational
FRACTIONS = st.fractions(min_value=0, max_value=4, max_denominator=50)


def test_the_reference_value() -> None:
    v = np.sqrt(np.geomspace(1, 0.1, 4))
    assert water_level(v, 0.6, 0.15) == (pytest.approx(1.70353264711, abs=6e-12), 4)


@given(st.lists(st.floats(0.01, 2), min_size=1, max_size=6), st.floats(0.01, 1), st.floats(0, 2), st.integers(0, 10**6))
def test_the_closed_form_is_the_maximum(v: list[float], beta: float, gamma: float, seed: int) -> None:
    v = sorted(v, reverse=True)
    value, kept = water_level(v, beta, gamma)
    objective = lambda y: 2 * np.dot(v, y) - beta * np.dot(y, y) - gamma * np.sum(y) ** 2  # noqa: E731
    level = sum(v[:kept]) / (beta + kept * gamma)
    best = np.maximum(np.array(v) - gamma * level, 0) / beta
    assert objective(best) == pytest.approx(value, rel=1e-9)
    assert np.count_nonzero(best > 1e-12) <= kept
    for y in np.random.default_rng(seed).exponential(size=(50, len(v))) * (0.1 + best.max()):
        assert objective(y) <= value * (1 + 1e-12)
    found = optimize.minimize(lambda y: -objective(y), best + 0.1, bounds=[(0, None)] * len(v))
    assert -found.fun <= value * (1 + 1e-9)


def test_nothing_is_lost_as_beta_vanishes() -> None:
    """The textbook form loses four digits here; the variance form does not."""
    v = np.sqrt(np.geomspace(1, 0.999, 4))
    for beta in (1e-4, 1e-7, 1e-10):
        exact, _ = water_level([sympy.Rational(float(x)) for x in v], Q(repr(beta)), Q(1, 5))
        assert water_level(v, beta, 0.2)[0] == pytest.approx(float(exact), rel=1e-9)
    assert water_level(v, 0, 0.2) == (pytest.approx(5.0), 1)
    assert water_level(v, 1e-12, 0.2)[0] == pytest.approx(5.0, rel=1e-6)


@given(FRACTIONS)
def test_square_roots_are_rounded_up(value: object) -> None:
    x = Q(value)
    root = square_root_above(x)
    assert root**2 >= x
    assert root**2 <= x * (1 + Q(1, 2**57))
    if sympy.sqrt(x).is_Rational:
        assert root == sympy.sqrt(x)


def certify(n: int | None, m: int, exponent: object, negative: object) -> object:
    return linear_programming_certificate(n, m, exponent, negative)


@pytest.mark.parametrize(("activation", "n", "m"), [("relu", 5, 2), (theory.power(2), 6, 3), ("relu", 7, 3)])
def test_equal_importances_recover_the_linear_program(activation: object, n: int, m: int) -> None:
    equal = ToyModel(n, m, activation, importance=Q(4, 9))
    plain = theory.lower_bound(equal, of="sparse", name="linear-programming")
    assert water_filling(equal, certify).expr >= plain.expr  # type: ignore[union-attr]
    assert float(water_filling(equal, certify).expr) == pytest.approx(float(plain.expr), rel=1e-6)  # type: ignore[union-attr]


@given(
    st.lists(st.sampled_from([Q(1, 10), Q(1, 3), Q(1, 2), Q(9, 10), 1, 3]), min_size=2, max_size=6),
    st.integers(1, 3),
    st.sampled_from([theory.power(2), theory.power(3), theory.activation("relu"), theory.rectified_power(2),
                     theory.leaky_relu(0.1)]),
    st.sampled_from(["uniform", "binary", "exponential"]),
)  # fmt: skip
def test_no_minimisation_beats_it(importances: list[object], m: int, activation: object, law: str) -> None:
    model = ToyModel(len(importances), m, activation, law=law, importance=importances)
    if not isinstance(model.importance, tuple):
        return
    bound = theory.lower_bound(model, of="sparse", name="water-filling")
    found = numerics.minimise_sparse_coefficient(model, restarts=6, steps=150)
    assert bound.evaluate() <= found.coefficient + 1e-9
    assert bound.expr.is_Rational
    assert bound.evaluate() >= -1e-12


def test_it_sharpens_the_layer_cake() -> None:
    """Six cubic features whose importances differ mildly: the layers waste more than the square roots."""
    model = ToyModel(6, 2, theory.power(3), Q(1, 100), importance=[Q(v, 10) for v in (10, 9, 8, 7, 6, 5)])
    values = {bound.name: bound.evaluate() for bound in theory.lower_bounds(model, of="sparse")}
    assert values["water-filling"] > 1.01 * values["layer-cake"]
    bound = theory.lower_bound(model, of="sparse")
    assert bound.name == "water-filling"
    assert [certificate.check() for certificate in bound.certificate] == [None] * len(bound.certificate)
    assert False not in bound.check_derivation().values()
    loss = theory.lower_bound(model, name="water-filling")
    assert loss.expr == Q(1, 100) * Q(99, 100) ** 5 * bound.expr
    assert "water-filling" in " ".join(step.statement for step in theory.lower_bound(model).derivation)


@pytest.mark.parametrize("lowest", [0.8, 0.3, 0.05])
@pytest.mark.parametrize("activation", ["relu", theory.power(2), theory.power(3), theory.rectified_power(2)], ids=str)
def test_bands_are_at_least_as_good_as_layers(activation: object, lowest: float) -> None:
    """A band per level of importance is the layer cake, up to the rounding of certificates."""
    model = ToyModel(6, 2, activation, importance=list(np.geomspace(1, lowest, 6).round(3)))
    values = {bound.name: bound.evaluate() for bound in theory.lower_bounds(model, of="sparse")}
    assert values["water-filling"] >= values["layer-cake"] - 1e-6
    found = numerics.minimise_sparse_coefficient(model, restarts=8)
    assert values["water-filling"] <= found.coefficient + 1e-9


@given(st.lists(FRACTIONS.filter(bool), min_size=1, max_size=6), st.integers(0, 10**6))
def test_levels_in_floats_are_the_exact_ones(values: list[object], seed: int) -> None:
    ordered = sorted((float(v) for v in values), reverse=True)  # type: ignore[arg-type]
    rng = np.random.default_rng(seed)
    beta, gamma = rng.exponential(size=(2, 5))
    found = water_levels(np.array(ordered), beta, gamma)
    assert found == pytest.approx([water_level(ordered, b, g)[0] for b, g in zip(beta, gamma, strict=True)], rel=1e-9)


def test_every_step_is_algebra_but_one() -> None:
    assert [step.check() for step in water_filling_steps()].count(True) == 4
    assert False not in [step.check() for step in water_filling_steps()]


def test_where_it_does_not_apply() -> None:
    irrational = ToyModel(3, 2, theory.power(2), importance=[1, sympy.sqrt(2), 2])
    assert "water-filling" not in {bound.name for bound in theory.lower_bounds(irrational, of="sparse")}
    assert "water-filling" not in {bound.name for bound in theory.lower_bounds(ToyModel(3, 2, "relu"), of="sparse")}
    zero = ToyModel(3, 1, "relu", importance=[1, 0, 0])
    assert theory.lower_bound(zero, of="sparse", name="water-filling").expr == 0
