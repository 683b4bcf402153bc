"""Two features in one dimension without bias: exact phases, and the statements of T12."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import numerics
import theory
from theory import InputError, ToyModel
from theory.loss.bernstein import proved_sign
from theory.loss.phase.boundaries import aligned_everywhere
from theory.loss.phase.gain import DENSITY, IMPORTANCE, RATIO, SECTORS, Sector, overlap_moments, sector_functions
from theory.loss.phase.unbiased import candidates

POWERS = ["relu", "rectified-power:2", "rectified-power:3", "power:1", "power:2", "power:3", "signed-power:2"]
s, p, weight = RATIO, DENSITY, IMPORTANCE


def model(activation: str = "relu", density: object = "3/10", importance: object = 1, **more: object) -> ToyModel:
    return ToyModel(2, 1, activation, sympy.Rational(str(density)), importance=(1, importance), **more)


# --- the closed forms against quadrature and enumeration -------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "law"),
    [
        *((activation, law) for activation in [*POWERS, "leaky-relu:0.1"] for law in ("uniform", "binary")),
        ("relu", "exponential"),
        ("power:3", "exponential"),
        ("relu", "beta:2,3"),
        ("signed-power:2", "beta:2,3"),
    ],
)
def test_gain_along_every_direction_is_the_expected_loss(activation: str, law: str) -> None:
    rng = np.random.default_rng(3)
    form = theory.activation(activation).power_form
    for sector in SECTORS:
        ratio, density, importance, gain = rng.uniform([0.1, 0.1, 0.2, 0.4], [0.9, 0.9, 2.0, 1.1])
        A, B = sector_functions(form, theory.feature_law(law), sector)
        at = {s: ratio, p: density, weight: importance}
        length = gain ** (1 / (2 * float(form.exponent)))
        W = length * np.array([[float(x) for x in sector.direction(ratio)]])
        setting = ToyModel(2, 1, activation, density, law, (1, importance))
        expected = numerics.expected_loss(setting, W, rtol=1e-7)
        zero = density * float(setting.law.moment(2)) * (1 + importance)
        closed = zero + density * (gain**2 * float(B.subs(at)) - 2 * gain * float(A.subs(at)))
        assert closed == pytest.approx(expected.value, abs=1e-9 + expected.error)


def test_overlap_moments_of_the_uniform_law_by_integration() -> None:
    u, v = sympy.symbols("u v", positive=True)
    up, down = overlap_moments(theory.uniform(), 3)
    inner = sympy.integrate((u - s * v) ** 3, (u, s * v, 1))
    assert sympy.expand(sympy.integrate(sympy.expand(inner), (v, 0, 1)) - up) == 0
    below = sympy.integrate((s * v - u) ** 3, (u, 0, s * v))
    assert sympy.expand(sympy.integrate(sympy.expand(below), (v, 0, 1)) - down) == 0


# --- reference values ------------------------------------------------------------------------------------------------


def test_reference_values() -> None:
    pair = theory.phase(model())
    assert (pair.name, pair.status) == ("antipodal", "proved")
    assert f"{float(pair.loss[0]):.13f}" == f"{float(pair.loss[1]):.13f}" == "0.0296370967742"
    assert pair.ratio == (-1, -1)
    (boundary,) = theory.phase_boundaries("relu")
    assert sympy.simplify(boundary.at_equal_importance - (40 - 4 * sympy.sqrt(14)) / 43) == 0
    assert f"{float(boundary.at_equal_importance):.12f}" == "0.582171405881"
    low, high = boundary.at(1)
    assert low < boundary.at_equal_importance < high
    assert high - low <= 1e-6


@pytest.mark.parametrize("density", ["1/10", "1/2", "58/100"])
def test_relu_pair_at_equal_importance_is_the_formula(density: str) -> None:
    x = sympy.Rational(density)
    found = theory.phase(model(density=density))
    q = 1 - x
    exact = 2 * (x / 3 - x * (q / 3 + x / 8) ** 2 / (q / 3 + x / 12))
    assert found.loss == (exact, exact)
    W, _ = found.construction
    assert W[0, 0] ** 2 == pytest.approx(float((8 - 5 * x) / (8 - 6 * x)))
    assert W[0, 1] == pytest.approx(-W[0, 0])


def test_aligned_relu_is_principal_components_at_equal_importance_only() -> None:
    x, top, off = sympy.Rational(4, 5), sympy.Rational(4, 15), sympy.Rational(4, 25)
    equal = theory.phase(model(density=x))
    assert (equal.name, equal.loss) == ("aligned", (top - off, top - off))
    # With unequal importances the best rank-one map is not symmetric, and W^T W is.
    half = sympy.Rational(3, 5)
    rank = ((1 + half) * top - sympy.sqrt((1 - half) ** 2 * top**2 + 4 * half * off**2)) / 2
    unequal = theory.phase(model(density=x, importance=half))
    assert unequal.name == "aligned"
    assert float(unequal.loss[0]) > float(rank) + 0.004


# --- the statements --------------------------------------------------------------------------------------------------


def test_relu_pair_at_equal_importance_has_equal_norms_for_every_density_to_three_quarters() -> None:
    A, B = (
        f.subs(weight, 1)
        for f in sector_functions(theory.activation("relu").power_form, theory.uniform(), Sector(-1, 1))
    )
    slope = sympy.factor(2 * sympy.diff(A, s) * B - A * sympy.diff(B, s))
    rest = sympy.cancel(slope / (s * (1 - s)))
    assert proved_sign(rest, {s: (0, 1), p: (0, sympy.Rational(3, 4))}) == 1  # the gain grows all the way to s = 1


def test_unequal_importances_have_unequal_norms() -> None:
    found = theory.phase(model(importance=sympy.Rational(3, 5)))
    assert found.name == "antipodal"
    assert -1 < found.ratio[0] <= found.ratio[1] < sympy.Rational(-97, 100)
    equal_norms = theory.phase(model()).loss[1] * sympy.Rational(4, 5)
    assert found.loss[1] < equal_norms - sympy.Rational(1, 20000)


@pytest.mark.parametrize("activation", POWERS)
def test_the_dedicated_direction_is_never_best_for_the_uniform_law(activation: str) -> None:
    A, B = sector_functions(theory.activation(activation).power_form, theory.uniform(), Sector(1, 1))
    slope = sympy.factor((2 * sympy.diff(A, s) * B - A * sympy.diff(B, s)).subs(s, 0))
    positive = slope.subs({p: sympy.Symbol("x", positive=True), weight: sympy.Symbol("y", positive=True)})
    assert positive.is_positive


@pytest.mark.parametrize("activation", ["power:1", "power:2", "power:3", "signed-power:2", "signed-power:3"])
def test_monomials_are_aligned_everywhere(activation: str) -> None:
    assert aligned_everywhere(theory.activation(activation), theory.uniform())
    assert theory.phase_boundaries(activation) == ()
    for density, importance in (("1/100", "1"), ("1/2", "1/10"), ("99/100", "3")):
        assert theory.phase(model(activation, density, sympy.Rational(importance))).name == "aligned"


def test_rectified_powers_are_not_aligned_everywhere() -> None:
    assert not aligned_everywhere(theory.activation("relu"), theory.uniform())


@pytest.mark.parametrize("activation", ["rectified-power:2", "rectified-power:3"])
def test_boundary_of_rectified_powers(activation: str) -> None:
    (boundary,) = theory.phase_boundaries(activation)
    low, high = boundary.at(1, 1e-4)
    assert low < boundary.at_equal_importance < high
    half = sympy.Rational(1, 2)
    low, high = boundary.at(half, 1e-2)
    assert theory.phase(model(activation, low, half)).name == "antipodal"
    assert theory.phase(model(activation, high, half)).name == "aligned"


def test_exchanging_the_features_exchanges_the_phases() -> None:
    first = theory.phase(ToyModel(2, 1, "relu", 0.9, "binary", (1, 0.2)))
    second = theory.phase(ToyModel(2, 1, "relu", 0.9, "binary", (0.2, 1)))
    assert first.loss[1] == pytest.approx(float(second.loss[1]), abs=1e-20)
    assert first.construction[0][0, ::-1] == pytest.approx(second.construction[0][0])


# --- the minimiser ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", POWERS)
def test_agrees_with_the_minimised_population_loss(activation: str) -> None:
    for density, importance in ((0.25, 0.4), (0.8, 0.9)):
        setting = ToyModel(2, 1, activation, density, importance=(1, importance))
        found = theory.phase(setting)
        best = numerics.minimise_loss(setting, restarts=6)
        assert found.status == "proved"
        assert best.loss.value == pytest.approx(float(found.loss[1]), abs=1e-9 + best.loss.error)
        assert (best.W[0, 0] * best.W[0, 1] < 0) == (found.name == "antipodal")
        assert numerics.expected_loss(setting, found.construction[0]).value == pytest.approx(
            float(found.loss[1]), abs=1e-9
        )


def test_no_direction_on_a_fine_grid_does_better() -> None:
    form = theory.activation("rectified-power:2").power_form
    density, importance = sympy.Rational(2, 5), sympy.Rational(7, 10)
    best = max(float(c.saved[1]) for c in candidates(form, theory.uniform(), density, importance))
    for sector in SECTORS:
        A, B = sector_functions(form, theory.uniform(), sector)
        ratio = np.linspace(0, 1, 2001)
        values = sympy.lambdify(s, (A**2 / B).subs({p: density, weight: importance}), "numpy")(ratio)
        assert (0.4 * values <= best + 1e-12).all()


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (ToyModel(3, 1, "relu", 0.1), "n_features=2, n_hidden=1"),
        (ToyModel(2, 1, "gelu", 0.1), "is no power"),
        (ToyModel(2, 1, "relu"), "symbols p"),
        (ToyModel(2, 1, "relu", (0.1, 0.2)), "one density"),
        (ToyModel(2, 1, "relu", 0.1, importance=(0, 1)), "importance"),
        (ToyModel(2, 1, "relu", 0.1, "half-normal"), "closed form"),
        (ToyModel(2, 1, "relu", 0.1, "two-sided:uniform"), "one-sided"),
        (ToyModel(2, 1, theory.rectified_power(1.5), 0.1), "integer exponent"),
        (ToyModel(2, 1, "relu", sympy.sqrt(2) / 2), "irrational"),
    ],
)
def test_other_settings_are_refused_with_the_mend(setting: ToyModel, words: str) -> None:
    with pytest.raises(InputError, match=words):
        theory.phase(setting)


def test_density_zero_is_undecided() -> None:
    found = theory.phase(model(density=0))
    assert (found.status, found.loss) == ("undecided", (0, 0))


def test_bernstein_signs() -> None:
    x, y = sympy.symbols("x y")
    square = {x: (0, 1), y: (0, 1)}
    assert proved_sign(x**2 + y**2 - x * y + sympy.Rational(1, 100), square) == 1
    assert proved_sign(x**2 + y**2 - x * y - sympy.Rational(1, 100), square) == 0
    assert proved_sign(-((x - y) ** 2), square) == -1
    assert proved_sign(x - y, square) == 0
    assert proved_sign((x - sympy.Rational(1, 3)) ** 2 + sympy.Rational(1, 10**6), {x: (0, 1)}) == 1
    assert proved_sign(x - 2, {x: (2, 5)}) == 1
    with pytest.raises(InputError, match="no ends for y"):
        proved_sign(x - y, {x: (0, 1)})
