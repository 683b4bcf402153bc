"""Unequal importances and densities: layer cake from below, an average over places from above."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

import theory
from numerics import compile_activation
from theory import InputError, ToyModel
from theory.loss.unequal.importance import by_importance

Q = sympy.Rational
ACTIVATIONS = [
    theory.power(1),
    theory.power(2),
    theory.activation("relu"),
    theory.rectified_power(2),
    theory.signed_power(1.5),
    theory.leaky_relu(0.1),
]
IMPORTANCES = st.lists(st.sampled_from([0, Q(1, 10), Q(1, 2), 1, 3]), min_size=2, max_size=5)


def binary_loss(model: ToyModel, W: np.ndarray) -> float:
    """L at b = 0 for binary features, by summing over every active set; densities and importances may differ."""
    sigma, n = compile_activation(model.activation), W.shape[1]
    p, weights = (np.array([float(v) for v in values]) for values in (model.densities, model.importances))
    x = np.array(list(product((0.0, 1.0), repeat=n)))
    chance = np.prod(np.where(x == 1, p, 1 - p), axis=1)
    return float(chance @ ((x - sigma(x @ (W.T @ W))) ** 2 @ weights))


@given(IMPORTANCES, st.integers(1, 3), st.sampled_from(ACTIVATIONS), st.sampled_from([0.01, 0.3, 0.9]))
def test_bounds_are_ordered_and_constructions_reach_them(
    importances: list[object], m: int, activation: theory.Activation, p: float
) -> None:
    model = ToyModel(len(importances), m, activation, p, law="binary", importance=importances)
    for of in ("sparse", "loss"):
        lower = max(bound.evaluate() for bound in theory.lower_bounds(model, of))
        uppers = theory.upper_bounds(model, of)
        assert uppers
        for bound in uppers:
            assert lower <= bound.evaluate() * (1 + 1e-9) + 1e-12, bound.name
            if bound.construction is not None:
                W = np.array(bound.construction[0].tolist(), dtype=float)
                assert W.shape == (m, len(importances))
                reached = binary_loss(model, W) if of == "loss" else float(theory.sparse_coefficient(model, W))
                assert reached <= bound.evaluate() * (1 + 1e-9) + 1e-9, bound.name


@given(IMPORTANCES, st.integers(1, 2), st.sampled_from(ACTIVATIONS), st.sampled_from([0.02, 0.5]), st.integers(0, 999))
def test_no_weights_beat_the_lower_bounds(
    importances: list[object], m: int, activation: theory.Activation, p: float, seed: int
) -> None:
    n = len(importances)
    model = ToyModel(n, m, activation, p, law="binary", importance=importances)
    loss, sparse = (theory.lower_bound(model, of=of).evaluate() for of in ("loss", "sparse"))
    W = np.random.default_rng(seed).standard_normal((m, n)) * 0.7
    found = optimize.minimize(lambda flat: binary_loss(model, flat.reshape(m, n)), W.ravel(), options={"maxiter": 30})
    assert found.fun >= loss - 1e-10
    assert theory.sparse_coefficient(model, found.x.reshape(m, n)) >= sparse - 1e-10


@given(IMPORTANCES, st.sampled_from(ACTIVATIONS), st.integers(0, 999))
def test_the_average_over_places_is_the_mean_importance(
    importances: list[object], activation: theory.Activation, seed: int
) -> None:
    """The identity behind the upper bounds, on arbitrary weights."""
    n = len(importances)
    W = np.random.default_rng(seed).standard_normal((2, n))
    equal = binary_loss(ToyModel(n, 2, activation, 0.3, law="binary"), W)
    weighted = [
        binary_loss(ToyModel(n, 2, activation, 0.3, law="binary", importance=list(order)), W)
        for order in set(permutations(importances))
    ]
    mean = sum(float(v) for v in importances) / n  # type: ignore[arg-type]
    assert np.mean(weighted) == pytest.approx(mean * equal, rel=1e-9)


def test_reference_values() -> None:
    model = ToyModel(5, 2, "relu", 0.01, importance=list(np.geomspace(1, 0.1, 5)))
    assert theory.lower_bound(model, of="sparse", name="layer-cake").evaluate() == pytest.approx(
        0.0267262427652, rel=2e-7
    )
    # Two antipodal pairs hold the four most important features; the fifth costs I_5/3.
    assert theory.upper_bound(model, of="sparse", name="antipodal").evaluate() == pytest.approx(0.1 / 3, rel=1e-12)


def test_the_most_important_features_get_the_dimensions() -> None:
    model = ToyModel(4, 2, theory.power(2), Q(1, 5), importance=[Q(1, 2), 3, 0, 1])
    assert by_importance(model) == [1, 3, 0, 2]
    bound = theory.upper_bound(model, name="orthonormal")
    # p (mu_2 sum I - kappa (3 + 1)) with mu_2 = 1/3 and kappa = 5/16.
    assert bound.expr == Q(1, 5) * (Q(9, 2) / 3 - Q(5, 16) * 4)
    kept = [j for j in range(4) if any(bound.construction[0][:, j])]  # type: ignore[index]
    assert kept == [1, 3]


@given(st.lists(st.sampled_from([0.05, 0.3, 0.8]), min_size=2, max_size=5), st.integers(1, 3), st.integers(0, 99))
def test_densities_that_differ(densities: list[float], m: int, seed: int) -> None:
    n = len(densities)
    importances = [Q(v) for v in np.random.default_rng(seed).integers(1, 5, n)]
    for activation in (theory.power(2), "relu"):
        model = ToyModel(n, m, activation, densities, law="binary", importance=importances)
        bound = theory.upper_bound(model, name="orthonormal")
        W = np.array(bound.construction[0].tolist(), dtype=float)  # type: ignore[index]
        assert binary_loss(model, W) == pytest.approx(bound.evaluate(), rel=1e-9, abs=1e-12)
        stakes = sorted((float(i) * d for i, d in zip(importances, densities, strict=True)), reverse=True)
        assert bound.evaluate() == pytest.approx(sum(stakes[m:]), abs=1e-12)


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("p", [0.001, 0.1, 0.6])
def test_the_combined_bound_beats_its_parts(k: int, p: float) -> None:
    model = ToyModel(9, 2, theory.power(k), p, importance=[Q(9 - i, 9) for i in range(9)])
    values = {bound.name: bound.evaluate() for bound in theory.lower_bounds(model)}
    assert values["combined"] >= max(values["rank"], values["first-order"]) - 1e-15
    if k == 2 and p == 0.1:
        assert values["combined"] > 1.005 * max(values["rank"], values["first-order"])


def test_the_best_layers_are_at_least_as_good_as_any_one_bound() -> None:
    for activation in ("relu", theory.power(2), theory.rectified_power(2)):
        model = ToyModel(6, 2, activation, importance=[1, 1, Q(1, 2), Q(1, 2), Q(1, 3), Q(1, 5)])
        values = {bound.name: bound.evaluate() for bound in theory.lower_bounds(model, of="sparse")}
        # Water filling cuts the importances into its own bands, and may do better still.
        assert values["layer-cake"] == max(value for name, value in values.items() if name != "water-filling")
        assert values["water-filling"] >= values["layer-cake"] - 1e-9


def test_a_sparse_bound_by_name_bounds_the_loss_too() -> None:
    model = ToyModel(6, 2, theory.power(2), Q(1, 20))
    for name in ("sidelnikov", "linear-programming", "cardinality"):
        sparse, loss = (theory.lower_bound(model, of=of, name=name) for of in ("sparse", "loss"))
        assert loss.expr == Q(1, 20) * Q(19, 20) ** 5 * sparse.expr
        assert (loss.name, loss.of) == (name, "loss")
    with pytest.raises(InputError, match="does not apply"):
        theory.lower_bound(model, of="sparse", name="rank")


def test_importances_in_symbols_cannot_be_sorted() -> None:
    model = ToyModel(3, 2, theory.power(2), 0.1, importance=[1, sympy.Symbol("I", positive=True), 1])
    for bounds, best in ((theory.lower_bounds, theory.lower_bound), (theory.upper_bounds, theory.upper_bound)):
        assert bounds(model) == bounds(model, of="sparse") == []
        with pytest.raises(InputError, match="must be numbers"):
            best(model)


def test_a_construction_is_given_only_where_every_place_is_alike() -> None:
    """One pair and one single feature: which feature sits alone decides the loss, so no assignment is offered."""
    importances = [3, Q(5, 2), Q(5, 2)]
    mixed = theory.upper_bound(ToyModel(3, 2, "relu", 0.3, law="binary", importance=importances), name="antipodal")
    equal = theory.upper_bound(ToyModel(3, 2, "relu", 0.3, law="binary"), name="antipodal")
    assert mixed.evaluate() == pytest.approx(8 / 3 * equal.evaluate())
    assert mixed.construction is None
    # The columns of the equal construction in the given order put the most important feature into the pair.
    model = ToyModel(3, 2, "relu", 0.3, law="binary", importance=importances)
    W = np.array(equal.construction[0].tolist(), dtype=float)  # type: ignore[index]
    assert binary_loss(model, W) > mixed.evaluate() + 1e-3
    assert binary_loss(model, W[:, ::-1]) < mixed.evaluate() - 1e-3
