"""Feature laws: moments, densities and samples describe the same law."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from scipy import integrate

import theory
from theory import InputError
from theory.features import u

LAWS = [
    theory.uniform(),
    theory.binary(),
    theory.exponential(),
    theory.half_normal(),
    theory.beta(2, 3),
    theory.beta(0.5, 1),
]
ORDERS = [0, 0.5, 1, 1.5, 2, 3, 6]


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("order", ORDERS)
def test_moments_are_integrals_of_the_density(law: theory.FeatureLaw, order: float) -> None:
    if law.density_of_magnitude is None:
        assert law.moment(order) == 1
        return
    density = sympy.lambdify(u, law.density_of_magnitude, "scipy")
    top = np.inf if law.upper == sympy.oo else float(law.upper)
    # u = t**2 takes the end-point singularity of beta(1/2, 1) away.
    value, _ = integrate.quad(
        lambda t: 2 * t * (t * t) ** order * density(t * t), 0, np.sqrt(top), epsabs=1e-13, epsrel=1e-12
    )
    assert float(law.moment(order)) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("law", [*LAWS, *(law.two_sided() for law in LAWS)], ids=str)
def test_samples_have_the_moments(law: theory.FeatureLaw) -> None:
    sample = law.sample(np.random.default_rng(0), (200_000,))
    assert sample.shape == (200_000,)
    for order in (1, 2, 3, 4):
        spread = np.sqrt(float(law.absolute_moment(2 * order)) / sample.size)
        assert abs(np.mean(sample**order) - float(law.moment(order))) < 5 * spread


def test_closed_forms() -> None:
    s = sympy.Symbol("s", positive=True)
    assert theory.uniform().moment(s) == 1 / (s + 1)
    assert theory.exponential().moment(4) == 24
    assert theory.half_normal().moment(2) == 1
    assert theory.beta(1, 1).moment(3) == sympy.Rational(1, 4)
    assert theory.uniform().two_sided().moment(3) == 0
    assert theory.uniform().two_sided().moment(4) == sympy.Rational(1, 5)


@pytest.mark.parametrize("law", [*LAWS, theory.uniform().two_sided(), theory.beta(2, 3).two_sided()], ids=str)
def test_the_label_reads_back(law: theory.FeatureLaw) -> None:
    assert theory.feature_law(law.label) == law
    assert theory.feature_law(law) is law


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: theory.feature_law("unifrom"), "uniform"),
        (lambda: theory.feature_law("beta:1"), "two parameters"),
        (lambda: theory.feature_law("uniform:3"), "no parameter"),
        (lambda: theory.feature_law("beta:1,-2"), "> 0"),
        (lambda: theory.feature_law("beta:1,os"), "unknown"),
        (lambda: theory.feature_law(3), "must be"),
        (lambda: theory.beta(0, 1), "> 0"),
        (lambda: theory.uniform().moment(-1), "negative"),
        (lambda: theory.uniform().two_sided().moment(1.5), "integer order"),
    ],
)
def test_bad_laws(call: object, word: str) -> None:
    with pytest.raises(InputError, match=word):
        call()  # type: ignore[operator]
