"""Thresholds: the two functions of the law against integration, and what they say about one feature and one code."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from scipy import integrate, optimize

import theory
from theory import InputError
from theory.loss.bias.threshold import threshold_law
from theory.loss.bias.thresholded import best_threshold, thresholded_code
from theory.loss.geometry.codes import code

Q = sympy.Rational
tau = sympy.Symbol("tau", positive=True)
DENSITIES = {
    "uniform": (lambda u: 1.0, 1.0),
    "exponential": (lambda u: np.exp(-u), np.inf),
    "beta:2,3": (lambda u: 12 * u * (1 - u) ** 2, 1.0),
}


@pytest.mark.parametrize("law", DENSITIES)
@pytest.mark.parametrize("a", [Q(1, 2), 1, Q(3, 2), 2, 3])
def test_psi_and_phi_are_the_integrals_they_stand_for(law: str, a: sympy.Rational) -> None:
    if law.startswith("beta") and not sympy.sympify(a).is_Integer:
        with pytest.raises(InputError, match="closed form"):
            threshold_law(law, theory.rectified_power(a))
        return
    known = threshold_law(law, theory.rectified_power(a))
    density, top = DENSITIES[law]
    for s in (0.0, 0.2, 0.7):
        psi = integrate.quad(lambda u, s=s: u * max(u - s, 0.0) ** float(a) * density(u), s, top)[0]
        phi = integrate.quad(lambda u, s=s: max(u - s, 0.0) ** float(2 * a) * density(u), s, top)[0]
        assert known.values(known.gain, np.array([s]))[0] == pytest.approx(psi, rel=1e-7)
        assert known.values(known.cost, np.array([s]))[0] == pytest.approx(phi, rel=1e-7)
        assert float(known.psi(theory.arguments.exact("s", s))) == pytest.approx(psi, rel=1e-7)
    assert known.values(known.cost, np.array([1.5]))[0] == (0 if top == 1 else pytest.approx(float(known.phi(Q(3, 2)))))


def test_the_distortion_of_relu() -> None:
    assert sympy.expand(theory.threshold_distortion(tau) - tau**2 / 4 - tau**3 / 12) == 0
    assert theory.threshold_distortion(Q(9, 10), "relu", "binary") == 0
    assert theory.threshold_distortion(1, "relu", "binary") == 1
    for a in (1, 2, Q(3, 2)):
        activation = theory.rectified_power(a)
        closed = (2 * a + 1) * (1 - tau) * ((a + 1 + tau) / ((a + 1) * (a + 2))) ** 2
        difference = theory.threshold_constant(tau, activation) - closed
        assert sympy.simplify(difference.subs(tau, Q(1, 3))) == 0
        assert theory.threshold_constant(0, activation) == theory.law_constant("uniform", activation)
    assert theory.threshold_constant(2) == 0
    # Half of the values of a symmetric feature pass.
    assert theory.threshold_constant(Q(1, 5), law="two-sided:uniform") == theory.threshold_constant(Q(1, 5)) / 2


def test_below_exponent_one_a_threshold_helps_a_feature_that_is_alone() -> None:
    root = theory.rectified_power(Q(1, 2))
    assert theory.threshold_distortion(Q(1, 10), root) < theory.threshold_distortion(0, root)
    for a in (1, 2, 3):
        assert theory.threshold_distortion(Q(1, 10), theory.rectified_power(a)) > theory.threshold_distortion(
            0, theory.rectified_power(a)
        )


def test_the_distortion_is_the_best_that_one_feature_can_do() -> None:
    u = (np.arange(20000) + 0.5) / 20000
    for t in (0.1, 0.4):
        best = optimize.minimize_scalar(lambda g, t=t: np.mean((u - np.maximum(g * (u - t), 0)) ** 2))
        assert best.fun == pytest.approx(float(theory.threshold_distortion(theory.arguments.exact("t", t))), rel=1e-6)


def test_the_kernel() -> None:
    assert theory.threshold_kernel(1, Q(1, 5)) == 1
    assert theory.threshold_kernel(Q(1, 5), Q(1, 5)) == theory.threshold_kernel(-1, Q(1, 5)) == 0
    assert theory.threshold_kernel(Q(3, 5), Q(1, 5)) == (Q(2, 5) ** 3) / (Q(3, 5) * Q(4, 5) ** 3)
    assert theory.threshold_kernel(Q(-3, 5), Q(1, 5), law="two-sided:uniform") > 0
    assert theory.threshold_kernel(Q(1, 2), 0) == Q(1, 4)


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [("polygon:5", 0.20606005593443, 0.0791281353725), ("icosahedron", 0.36647553034176, 0.53237966328)],
)
def test_reference_values(name: str, at: float, value: float) -> None:
    found_at, found = best_threshold(code(name))
    assert found == pytest.approx(value, rel=1e-12)
    assert found_at == pytest.approx(at, abs=1e-12)
    exact = thresholded_code(code(name), Q(round(at * 10**12), 10**12))
    assert float(exact.coefficient.evalf(30)) == pytest.approx(value, rel=2e-12)


def test_a_part_of_a_code_costs_at_most_the_mean_over_its_parts() -> None:
    known = threshold_law("uniform", "relu")
    for kept in (7, 9, 11):
        part = thresholded_code(code("icosahedron"), Q(7, 20), kept=kept)
        W, b = part.weights(known)
        assert W.shape == (3, kept)
        model = theory.ToyModel(kept, 3, "relu", bias=True)
        assert theory.biased_sparse_coefficient(model, W, b) <= float(part.coefficient) + 1e-12


def test_bad_input() -> None:
    with pytest.raises(InputError, match="rectified"):
        theory.threshold_distortion(Q(1, 5), theory.power(2))
    with pytest.raises(InputError, match="negative"):
        theory.threshold_distortion(-1)
    with pytest.raises(InputError, match="closed form"):
        theory.threshold_distortion(Q(1, 5), "relu", "half-normal")
    with pytest.raises(InputError, match="support"):
        theory.threshold_kernel(1, 2)
