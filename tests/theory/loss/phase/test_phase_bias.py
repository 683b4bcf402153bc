"""Two features in one dimension with bias: exact losses, branch and bound, and the lemma near a dedicated dimension."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import numerics
import theory
from theory import InputError, ToyModel
from theory.loss.phase.dedicated import Neighbourhood, dedicated_neighbourhood, stiffness
from theory.loss.phase.floats import output_losses, pair_losses
from theory.loss.phase.region import _box_bound, _Problem, lower_bound_on_region

POWERS = ["relu", "leaky-relu:0.1", "rectified-power:2", "rectified-power:3", "power:1", "power:2", "power:3",
          "signed-power:2"]  # fmt: skip


def biased(activation: str, density: float, importance: float, law: str = "uniform") -> ToyModel:
    return ToyModel(2, 1, activation, density, law, (1, importance), True)


# --- the exact loss, three ways --------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", ["uniform", "binary"])
@pytest.mark.parametrize("activation", POWERS)
def test_exact_loss_is_the_expected_loss(activation: str, law: str) -> None:
    rng = np.random.default_rng(5)
    for _ in range(3):
        W, b = np.round(rng.uniform(-1.2, 1.2, (1, 2)), 2), np.round(rng.uniform(-0.6, 0.6, 2), 2)
        model = biased(activation, round(rng.uniform(0.05, 1), 2), 0.6, law)
        expected = numerics.expected_loss(model, W, b)
        assert float(theory.pair_loss(model, W, b.tolist())) == pytest.approx(
            expected.value, abs=1e-12 + expected.error
        )


@pytest.mark.parametrize("activation", POWERS)
def test_float_loss_is_the_exact_one_and_its_gradient_is_right(activation: str) -> None:
    rng = np.random.default_rng(0)
    form = theory.activation(activation).power_form
    x = np.round(rng.uniform(-1, 1, (6, 4)), 3)
    x[0, 1], x[1], x[2, 0] = 0, x[1] * 1e-3, 1e-6  # zero, small and tiny weights: where formulas by corners cancel
    p, importance = np.round(rng.random(6), 2), np.round(rng.random(6), 2)
    value, gradient = pair_losses(form, p, importance, x)
    for k in range(6):
        model = biased(activation, p[k], importance[k])
        assert value[k] == pytest.approx(float(theory.pair_loss(model, x[k : k + 1, :2], x[k, 2:].tolist())), abs=1e-13)
    step = 1e-6
    for j, shift in enumerate(step * np.eye(4)):
        ahead, behind = (pair_losses(form, p, importance, x + side * shift)[0] for side in (1, -1))
        assert gradient[:, j] == pytest.approx((ahead - behind) / (2 * step), abs=1e-7)


def test_exact_loss_refuses_a_bias_the_model_lacks_and_odd_input() -> None:
    with pytest.raises(InputError, match="no bias"):
        theory.pair_loss(ToyModel(2, 1, "relu", 0.1), [[1, -1]], [0, 0])
    with pytest.raises(InputError, match="entries"):
        theory.pair_loss(biased("relu", 0.1, 1), [[1, -1]], [0])
    with pytest.raises(InputError, match="no exact loss"):
        theory.pair_loss(biased("relu", 0.1, 1, "exponential"), [[1, -1]], [0, 0])
    with pytest.raises(InputError, match="irrational"):
        theory.pair_loss(biased("relu", 0.1, 1), [[sympy.sqrt(2), -1]], [0, 0])


# --- reference values and verdicts -----------------------------------------------------------------------------------


def test_reference_values() -> None:
    for density, importance, text in ((0.3, 0.6, "0.0233151598548"), (0.5, 1, "0.0762824469896")):
        found = theory.phase(biased("relu", density, importance))
        assert (found.name, found.status) == ("antipodal", "proved")
        assert f"{float(found.loss[1]):.13f}" == text
        assert found.loss[0] >= found.loss[1] * (1 - 2e-6)
        W, b = found.construction
        assert float(theory.pair_loss(found.model, np.round(W, 9), np.round(b, 9).tolist())) == pytest.approx(
            float(found.loss[1]), abs=1e-12
        )


def test_a_dedicated_dimension_is_proved_to_the_last_digit() -> None:
    p, importance = sympy.Rational(7, 10), sympy.Rational(3, 5)
    found = theory.phase(biased("relu", p, importance))
    assert (found.name, found.status) == ("not represented", "proved")
    exact = importance * (p / 3 - p**2 / 4)
    assert found.loss == (exact, exact)
    swapped = theory.phase(ToyModel(2, 1, "relu", p, importance=(importance, 1), bias=True))
    assert (swapped.name, swapped.status, swapped.loss) == ("dedicated", "proved", (exact, exact))
    assert swapped.construction[0][0, 0] == 0


def test_monomials_superpose_with_bias_but_not_without() -> None:
    with_bias = theory.phase(biased("power:2", 0.1, 1))
    assert (with_bias.name, with_bias.status) == ("antipodal", "proved")
    without = theory.phase(ToyModel(2, 1, "power:2", 0.1))
    assert (without.name, without.status) == ("aligned", "proved")


@pytest.mark.parametrize("law", ["uniform", "exponential", "half-normal"])
def test_linear_activations_give_the_dimension_to_the_more_important_feature(law: str) -> None:
    for importance, name in ((0.5, "not represented"), (2, "dedicated")):
        model = biased("power:1", 0.4, importance, law)
        found = theory.phase(model)
        assert (found.name, found.status) == (name, "proved")
        assert numerics.expected_loss(model, *found.construction).value == pytest.approx(float(found.loss[0]))
    assert theory.phase(biased("power:1", 0.4, 1)).status == "undecided"


@pytest.mark.parametrize(
    "activation", ["relu", "power:2", "signed-power:2", pytest.param("power:3", marks=pytest.mark.slow)]
)
def test_agrees_with_the_minimised_population_loss(activation: str) -> None:
    model = biased(activation, 0.25, 0.7)
    found, best = (
        theory.phase(
            model,
        ),
        numerics.minimise_loss(model, restarts=6),
    )
    low, high = (float(end) for end in found.loss)
    assert (found.name, found.status) == ("antipodal", "proved")
    assert low - best.loss.error <= best.loss.value <= high + best.loss.error + 1e-9


# --- the certificate can fail ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "leaky-relu:0.1", "rectified-power:2", "power:2", "power:3",
                                        "signed-power:2"])  # fmt: skip
def test_no_box_is_bounded_above_a_loss_inside_it(activation: str) -> None:
    rng = np.random.default_rng(1)
    form, p, importance = theory.activation(activation).power_form, 0.4, 0.7
    for size in (0.02, 0.2, 1.0):
        low = rng.uniform([0, -1.5, -1, -1], [1.5, 1.5, 1, 1], (400, 4))
        high = low + size * rng.random((400, 4))
        high[:, 1] = np.where(low[:, 1] < 0, np.minimum(high[:, 1], 0), high[:, 1])
        bound = _box_bound(_Problem(form, p, importance), low, high)
        for _ in range(40):
            # Corners and insides: the smallest loss of a box is often at its rim.
            t = np.round(rng.random((400, 4))) if rng.random() < 0.5 else rng.random((400, 4))
            value, _ = pair_losses(form, np.full(400, p), np.full(400, importance), low + t * (high - low))
            assert (bound <= value).all()
        assert np.isfinite(bound).all()


def test_a_target_above_the_minimum_is_never_reached() -> None:
    form = theory.activation("relu").power_form
    best = 0.029310355270963807
    low, high = np.array([0.0, -2, -8, -8]), np.array([2.0, 0, 3, 3])
    false = lower_bound_on_region(form, 0.3, 1.0, best * 1.001, low, high, 150_000)
    assert not false.closed
    assert false.lower <= best
    assert false.open_low[0] < 1.0104 < false.open_high[0]
    true = lower_bound_on_region(form, 0.3, 1.0, best * 0.999, low, high, 150_000)
    assert true.closed


def test_density_one_is_bounded_too() -> None:
    form = theory.activation("relu").power_form
    false = lower_bound_on_region(form, 1.0, 0.5, 0.0425, np.zeros(4), np.array([1.5, 0.5, 1, 1]), 60_000)
    assert not false.closed  # the dedicated dimension costs I V = 1/24 < 0.0425
    assert false.lower <= 1 / 24


def test_the_lemma_holds_where_it_says() -> None:
    p, importance = 0.7, 0.6
    stake = importance * (p / 3 - p**2 / 4)
    rng = np.random.default_rng(2)
    form = theory.activation("relu").power_form
    for sign in (-1, 1):
        holds = dedicated_neighbourhood(p, importance, sign)
        assert holds is not None
        x = rng.uniform([0.9, 0, -0.15, -0.3], [1.1, 0.2, 0.15, 0.9], (20_000, 4))
        x[:, 1] *= sign
        inside = holds(x, x)
        assert 200 < inside.sum() < len(x)
        value, _ = pair_losses(form, np.full(len(x), p), np.full(len(x), importance), x)
        assert (value[inside] >= stake - 1e-12).all()
    assert dedicated_neighbourhood(0.5, 0.6, -1) is None  # there the dedicated dimension is unstable
    assert isinstance(Neighbourhood(0.1, 0.9, p), Neighbourhood)


@pytest.mark.parametrize("sign", [-1, 1])
def test_both_halves_of_the_lemma_hold_where_the_dedicated_dimension_is_not_best(sign: int) -> None:
    p, delta = 0.3, 0.2
    form, variance = theory.activation("relu").power_form, p / 3 - p**2 / 4
    rng = np.random.default_rng(4)
    # Scales from 1 down to 1e-3: the first half is tight as c -> 0.
    u, v = rng.uniform(0.8, 1.2, 20_000), sign * 0.2 * 10 ** rng.uniform(-3, 0, 20_000)
    b1 = v * rng.uniform(-1, 1, 20_000)
    c = u * v
    inside = (np.abs(c) + np.abs(b1) <= delta * u**2) & (p / 2 - 2 * np.abs(c) - v**2 >= np.abs(c) * variance**0.5)
    density = np.full(20_000, p)
    first, _ = output_losses(form, density, 1 + v * rng.uniform(-1, 1, 20_000), c, b1)
    second, _ = output_losses(form, density, v**2, c, rng.uniform(-0.2, 0.5, 20_000))
    assert inside.sum() > 1000
    assert (first >= c**2 * stiffness(p, sign, delta) - 1e-12)[inside].all()
    assert (second >= variance * ((1 - v**2) ** 2 + c**2) - 1e-12)[inside].all()


def test_the_lemma_needs_a_large_first_weight() -> None:
    near = Neighbourhood(0.1, 0.9, 0.7)
    for first, inside in ((0.97, True), (0.93, False)):
        x = np.array([[first, 0.01, 0.0, 0.35]])
        assert near.holds(x, x)[0] == inside


def test_stiffness_is_the_closed_form_of_the_stability_curve() -> None:
    _, stability, enough = theory.phase_boundaries("relu", bias=True)
    for p in (0.1, 0.4, 0.7, 0.95, 1.0):
        ratio = stiffness(p, -1) / (p / 3 - p**2 / 4)
        assert float(stability.curve.rhs.subs(theory.DENSITY, p)) == pytest.approx(ratio, rel=1e-7)
    assert enough.at_equal_importance == sympy.Rational(4, 7)


def test_a_dedicated_dimension_is_unstable_at_equal_importance() -> None:
    p = sympy.Symbol("p", positive=True)
    q, shift = 1 - p, p / 2
    leak = p * shift**2 - p**2 * shift + p**2 / 3 + q**2 * shift**2 + p * q * shift**3 / 3
    bracket = sympy.Rational(1, 3) - p / 2 + p**2 / 4 - p**3 / 24
    assert sympy.expand(p / 3 - p**2 / 4 - leak - p * q * bracket) == 0
    assert sympy.expand(sympy.diff(bracket, p) + (p - 2) ** 2 / 8) == 0  # it falls
    assert bracket.subs(p, 1) == sympy.Rational(1, 24)
    assert all(stiffness(x, -1) <= float(leak.subs(p, x)) + 1e-12 for x in (0.1, 0.5, 0.9))


def test_below_the_stability_curve_a_weak_pair_beats_the_dedicated_dimension() -> None:
    # K_0/V = 0.6 near p = 0.5431: a weak pair wins just left of it and not just right of it.
    form = theory.activation("relu").power_form
    for p, wins in ((0.535, True), (0.56, False)):
        q, size = 1 - p, 0.02
        linear = p / 2 + 2 * q**2
        beta = (p**2 / 2) / (linear + np.sqrt(linear**2 + p**3 * q))
        gamma = 3 * p / 4 - 1.5 * beta
        u = np.sqrt(1 + gamma * size)
        x = np.array([[u, -size / u, beta * size, p / 2 * (1 + size)]])
        value, _ = pair_losses(form, np.array([p]), np.array([0.6]), x)
        assert (value[0] < 0.6 * (p / 3 - p**2 / 4)) == wins


@pytest.mark.slow
def test_transition_with_bias_is_enclosed() -> None:
    transition, _, enough = theory.phase_boundaries("relu", bias=True)
    low, high = transition.at(0.3, 0.02)
    assert high - low <= 0.02
    assert float(enough.curve.rhs.subs({sympy.Symbol("I", nonnegative=True): 0.3})) < high


def test_boundaries_of_linear_and_of_other_laws() -> None:
    (line,) = theory.phase_boundaries("power:1", bias=True)
    assert line.curve.rhs == 1
    with pytest.raises(InputError, match="uniform law"):
        theory.phase_boundaries("relu", bias=True, law="binary")
    with pytest.raises(InputError, match="uniform law"):
        theory.phase(biased("relu", 0.3, 1, "binary"))
