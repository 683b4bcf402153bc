"""Lower and upper bounds: reference values, order, and attempts to break them by brute force."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

import theory
from theory import InputError, Step, ToyModel
from theory.loss.geometry.constructions import antipodal_weights
from theory.loss.lower_bounds import LOWER_BOUNDS
from theory.loss.upper_bounds import UPPER_BOUNDS

Q = sympy.Rational
ACTIVATIONS = [
    theory.power(1),
    theory.power(2),
    theory.power(3),
    theory.activation("relu"),
    theory.rectified_power(2),
    theory.rectified_power(1.5),
    theory.rectified_power(0.5),
    theory.signed_power(1.5),
    theory.leaky_relu(0.1),
]
LAWS = ["uniform", "binary", "exponential", "two-sided:uniform"]
n_, m_ = sympy.symbols("n m", integer=True, positive=True)


@pytest.mark.parametrize(
    ("bound", "value"),
    [
        (theory.lower_bound(ToyModel(20, 3, theory.power(2), 0.1), name="combined"), 0.437576642931),
        (theory.lower_bound(ToyModel(20, 3, theory.power(2), 0.1), name="rank"), 0.431666666667),
        (theory.upper_bound(ToyModel(8, 3, theory.power(2), 0.3), name="random-directions"), 0.571698113208),
        (theory.upper_bound(ToyModel(2, 1, "relu", 0.3), name="antipodal"), 0.0296370967742),
        (theory.lower_bound(ToyModel(12, 3, theory.rectified_power(2)), of="sparse", name="linear-programming"), 0.875),
        (theory.lower_bound(ToyModel(5, 2, "relu"), of="sparse", name="linear-programming"), 0.267262427652),
        (
            theory.lower_bound(
                ToyModel(5, 2, "relu", importance=list(np.geomspace(1, 0.1, 5))), of="sparse", name="layer-cake"
            ),
            0.0267262427652,
        ),
    ],
)
def test_reference_values(bound: theory.Bound, value: float) -> None:
    assert bound.evaluate() == pytest.approx(value, rel=2e-7)


def test_symbolic_forms_are_readable() -> None:
    lower = theory.lower_bound(ToyModel(n_, m_, theory.power(2)), of="sparse", name="sidelnikov")
    assert sympy.simplify(lower.expr - (n_ / 3 - Q(5, 16) * sympy.Min(n_, m_ * (m_ + 2) / 3))) == 0
    upper = theory.upper_bound(ToyModel(n_, m_, "relu"), of="sparse", name="antipodal")
    assert sympy.simplify(upper.expr - (n_ - sympy.Min(n_, 2 * m_)) / 3) == 0
    assert lower.evaluate(n=6, m=2) == pytest.approx(
        float(theory.lower_bound(ToyModel(6, 2, theory.power(2)), of="sparse", name="sidelnikov").expr)
    )


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("law", LAWS)
def test_symbolic_and_numeric_bounds_agree(activation: theory.Activation, law: str) -> None:
    symbolic, numeric = ToyModel(n_, m_, activation, law=law), ToyModel(7, 3, activation, 0.05, law=law)
    for of, bounds in product(("sparse", "loss"), (theory.lower_bounds, theory.upper_bounds)):
        values = {bound.name: bound for bound in bounds(numeric, of)}
        for bound in bounds(symbolic, of):
            if bound.name in ("first-order", "combined", "relu-capacity"):
                # The numeric ones use the certificate of n, m, or a constant c tuned to m.
                assert bound.evaluate(n=7, m=3, p=0.05) <= float(values[bound.name].expr) * (1 + 1e-9) + 1e-15
            else:
                assert bound.evaluate(n=7, m=3, p=0.05) == pytest.approx(float(values[bound.name].expr), rel=1e-9)


@given(
    st.integers(1, 9),
    st.integers(1, 4),
    st.sampled_from(ACTIVATIONS),
    st.sampled_from(LAWS),
    st.sampled_from([0.0, 1e-6, 0.01, 0.3, 0.9, 1.0]),
    st.sampled_from([1, 0.5]),
)
def test_lower_bounds_never_exceed_upper_bounds(
    n: int, m: int, activation: theory.Activation, law: str, p: float, importance: float
) -> None:
    model = ToyModel(n, m, activation, p, law=law, importance=importance)
    for of in ("sparse", "loss"):
        lower = [bound.evaluate() for bound in theory.lower_bounds(model, of)]
        upper = [bound.evaluate() for bound in theory.upper_bounds(model, of)]
        assert lower == sorted(lower, reverse=True)
        assert upper == sorted(upper)
        assert lower[0] <= upper[0] * (1 + 1e-9) + 1e-14
        assert lower[0] >= -1e-14


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_derivations_recheck(activation: theory.Activation) -> None:
    for of, numeric in product(("sparse", "loss"), (True, False)):
        model = ToyModel(6, 2, activation, 0.1) if numeric else ToyModel(n_, m_, activation)
        for bound in (*theory.lower_bounds(model, of), *theory.upper_bounds(model, of)):
            outcomes = bound.check_derivation()
            assert outcomes
            assert False not in outcomes.values(), bound.name
            assert bound.source.startswith("docs/theory.md")
            assert bound.assumptions


def test_derivations_are_rechecked_by_algebra_and_a_doctored_one_fails() -> None:
    bound = theory.lower_bound(ToyModel(6, 2, "relu"), of="sparse", name="relu-capacity")
    assert sum(ok is True for ok in bound.check_derivation().values()) >= 3
    doctored = [
        Step(step.statement, None if step.relation is None else sympy.Eq(step.relation.lhs + 1, step.relation.rhs))
        for step in bound.derivation
    ]
    outcomes = replace(bound, derivation=tuple(doctored)).check_derivation()
    assert sum(ok is False for ok in outcomes.values()) >= 3


@given(st.integers(2, 8), st.integers(1, 4), st.sampled_from(ACTIVATIONS), st.sampled_from(LAWS), st.integers(0, 10**6))
def test_random_weights_never_beat_the_sparse_bounds(
    n: int, m: int, activation: theory.Activation, law: str, seed: int
) -> None:
    model = ToyModel(n, m, activation, law=law)
    rng = np.random.default_rng(seed)
    best = theory.lower_bounds(model, of="sparse")[0].evaluate()
    for _ in range(20):
        W = rng.standard_normal((m, n)) * rng.exponential(size=n)
        if theory.law_constant(law, activation) == 0:
            continue
        assert theory.sparse_coefficient(model, theory.optimal_scale(model, W)) >= best - 1e-9


@pytest.mark.parametrize(("k", "n", "m"), [(1, 4, 2), (2, 4, 2), (2, 6, 2), (3, 5, 2), (2, 5, 3)])
def test_minimised_sparse_loss_lies_between_the_bounds(k: int, n: int, m: int) -> None:
    model = ToyModel(n, m, theory.power(k))
    rng = np.random.default_rng(0)

    def negative_capacity(flat: np.ndarray) -> float:
        return -theory.capacity(flat.reshape(m, n), model.activation)

    capacity = max(-optimize.minimize(negative_capacity, rng.standard_normal(m * n)).fun for _ in range(6))
    found = n / 3 - float(theory.law_constant("uniform", model.activation)) * capacity
    assert theory.lower_bound(model, of="sparse").evaluate() <= found + 1e-9
    assert found <= theory.upper_bound(model, of="sparse").evaluate() + 1e-6


def enumerated_loss(model: ToyModel, W: np.ndarray) -> float:
    """L at b = 0 for binary features by summing over every active set."""
    from numerics import compile_activation

    sigma, n, p = compile_activation(model.activation), W.shape[1], float(model.density)
    x = np.array(list(product((0.0, 1.0), repeat=n)))
    weights = p ** x.sum(1) * (1 - p) ** (n - x.sum(1))
    importances = np.array([float(v) for v in model.importances])
    return float(weights @ ((x - sigma(x @ (W.T @ W))) ** 2 @ importances))


@given(
    st.integers(2, 6),
    st.integers(1, 3),
    st.sampled_from(ACTIVATIONS),
    st.sampled_from([0.01, 0.1, 0.5, 0.95]),
    st.integers(0, 10**6),
)
def test_no_weights_beat_the_bounds_at_any_density(
    n: int, m: int, activation: theory.Activation, p: float, seed: int
) -> None:
    """Random weights, each at its best scale, under the exact loss of binary features."""
    model = ToyModel(n, m, activation, p, law="binary")
    best = theory.lower_bounds(model)[0].evaluate()
    W = np.random.default_rng(seed).standard_normal((m, n))
    reached = min(enumerated_loss(model, scale * W) for scale in np.geomspace(0.05, 2, 30))
    assert reached >= best - 1e-12


@pytest.mark.parametrize(("n", "m"), [(2, 1), (3, 2), (4, 2), (5, 2), (2, 3)])
@pytest.mark.parametrize("activation", ["relu", theory.rectified_power(2), theory.power(2), theory.power(1)], ids=str)
@pytest.mark.parametrize("p", [0.02, 0.4, 1.0])
def test_constructions_achieve_what_they_claim(n: int, m: int, activation: object, p: float) -> None:
    model = ToyModel(n, m, activation, p, law="binary")
    for bound in theory.upper_bounds(model):
        if bound.construction is not None:
            W = np.array(bound.construction[0].tolist(), dtype=float)
            assert W.shape == (m, n)
            assert enumerated_loss(model, W) <= bound.evaluate() * (1 + 1e-9) + 1e-12, bound.name


@given(st.integers(2, 5), st.integers(1, 3), st.integers(1, 3), st.sampled_from([0.05, 0.4, 1.0]), st.integers(0, 99))
def test_random_directions_average(n: int, m: int, k: int, p: float, seed: int) -> None:
    """T7(b) is the best common gain on average over unit directions: sample those, enumerate the features."""
    model = ToyModel(n, m, theory.power(k), p, law="binary")
    rng = np.random.default_rng(seed)
    x = np.array(list(product((0.0, 1.0), repeat=n)))
    weights = p ** x.sum(1) * (1 - p) ** (n - x.sum(1))
    first, second = [], []
    for _ in range(400):
        W = rng.standard_normal((m, n))
        W /= np.linalg.norm(W, axis=0)
        z = (x @ (W.T @ W)) ** k
        first.append(weights @ (x * z).sum(1))
        second.append(weights @ (z * z).sum(1))
    estimate = n * p - np.mean(first) ** 2 / np.mean(second)
    spread = (
        2 * np.mean(first) / np.mean(second) * np.std(first) / 20
        + (np.mean(first) / np.mean(second)) ** 2 * np.std(second) / 20
    )
    claimed = theory.upper_bound(model, name="random-directions").evaluate()
    assert abs(estimate - claimed) < 6 * spread + 1e-9


def test_twice_the_effective_dimension_is_no_bound_for_relu() -> None:
    """The pentagon holds 4.198 > 2D = 4 features, so no bound for ReLU may use 2D."""
    for bound in theory.lower_bounds(ToyModel(5, 2, "relu"), of="sparse"):
        assert bound.evaluate() <= 0.267262427652
    with pytest.raises(InputError, match="does not apply"):
        theory.lower_bound(ToyModel(5, 2, "relu"), of="sparse", name="sidelnikov")


@pytest.mark.parametrize("p", ["1/10", "1/1000", "1/1000000"])
@pytest.mark.parametrize("n", [400, 2000, 20000])
def test_many_features_round_the_safe_way(n: int, p: str) -> None:
    """Powers (1-p)^(n-1) with thousands of digits are replaced by short rationals on the safe side."""
    model = ToyModel(n, 3, theory.power(2), Q(p))
    symbolic = ToyModel(n_, 3, theory.power(2))
    for name in ("combined", "first-order"):
        short = theory.lower_bound(model, name=name).expr
        reference = theory.lower_bound(symbolic, name=name).expr.subs({n_: n, symbolic.density: Q(p)})
        assert short <= reference
        assert float(short) == pytest.approx(float(reference), rel=1e-12, abs=1e-290)
        assert len(str(short)) < 1500


def test_principal_components_are_exact_at_every_density() -> None:
    for p in (0.01, 0.5, 1):
        model = ToyModel(6, 2, theory.power(1), p)
        assert theory.lower_bound(model).evaluate() == pytest.approx(theory.upper_bound(model).evaluate(), rel=1e-9)


def test_bounds_meet_as_the_density_vanishes() -> None:
    """Where the capacity is known exactly (2 n = 2m antipodal for ReLU^2), upper/lower -> 1."""
    ratios = []
    for p in (0.1, 0.01, 0.001):
        model = ToyModel(4, 2, theory.rectified_power(2), p)
        ratios.append(theory.upper_bound(model).evaluate() / theory.lower_bound(model).evaluate())
    assert ratios[0] > ratios[1] > ratios[2] > 1
    assert ratios[2] < 1.02


def test_a_bias_is_never_given_a_bound_that_assumes_none() -> None:
    biased = ToyModel(10, 2, theory.power(2), 0.1, bias=True)
    assert [bound.name for bound in theory.lower_bounds(biased)] == ["rank"]
    assert theory.lower_bound(biased).evaluate() == pytest.approx((10 - 5) * (0.1 / 3 - 0.01 / 4))
    # A rectified power: only what is derived for free biases, far below what holds without.
    relu = ToyModel(10, 2, "relu", 0.1, bias=True)
    assert [bound.name for bound in theory.lower_bounds(relu)] == ["first-order"]
    assert [bound.name for bound in theory.lower_bounds(relu, of="sparse")] == ["packing"]
    assert theory.lower_bound(relu).evaluate() < theory.lower_bound(relu.replace(bias=False)).evaluate()
    # A monomial: the limit p -> 0 is the same with a bias, by a step of its own; at p > 0 it is not.
    for bound in theory.lower_bounds(biased, of="sparse"):
        assert bound.model == biased
        assert "T11(a)" in bound.source
        assert "b = 0" not in bound.assumptions
    assert theory.upper_bounds(biased)
    unknown = ToyModel(10, 2, "relu", 0.1, law="exponential", bias=True)
    assert theory.lower_bounds(unknown) == theory.lower_bounds(unknown, of="sparse") == []
    with pytest.raises(InputError, match="bias"):
        theory.lower_bound(unknown)
    for name in ("sidelnikov", "linear-programming", "relu-capacity", "cardinality"):
        with pytest.raises(InputError, match="does not apply"):
            theory.lower_bound(relu, name=name)
        with pytest.raises(InputError, match="does not apply"):
            theory.lower_bound(biased, name=name)


@pytest.mark.parametrize("name", ["gelu", "tanh", "softmax", "isotropic:tanh"])
def test_no_bound_is_invented(name: str) -> None:
    model = ToyModel(5, 2, name, 0.1)
    assert theory.lower_bounds(model) == []
    with pytest.raises(InputError, match="no power activation"):
        theory.lower_bound(model)


def test_densities_that_differ_have_bounds_of_the_loss_but_no_sparse_limit() -> None:
    model = ToyModel(3, 1, "relu", [0.1, 0.2, 0.3])
    assert 0 < theory.lower_bound(model).evaluate() < theory.upper_bound(model).evaluate()
    with pytest.raises(InputError, match="no one limit"):
        theory.lower_bound(model, of="sparse")


def test_names_are_checked() -> None:
    model = ToyModel(5, 2, "relu", 0.1)
    with pytest.raises(InputError, match="sidelnikov"):
        theory.lower_bound(model, name="sidelnikof")
    with pytest.raises(InputError, match="of="):
        theory.lower_bounds(model, of="capacity")
    with pytest.raises(InputError, match="antipodal"):
        theory.upper_bound(model, name="antipodes")
    assert {"combined", "rank", "linear-programming"} <= set(LOWER_BOUNDS)
    assert {"orthonormal", "antipodal", "random-directions"} <= set(UPPER_BOUNDS)


def test_antipodal_weights_use_every_dimension() -> None:
    for m in (1, 2, 3):
        for n in range(1, 3 * m):
            W = np.array(antipodal_weights(n, m).tolist(), dtype=float)
            assert W.shape == (m, n)
            kept = (np.linalg.norm(W, axis=0) > 0).sum()
            assert kept == min(n, 2 * m)
            assert np.linalg.matrix_rank(W) == min(n, m)
