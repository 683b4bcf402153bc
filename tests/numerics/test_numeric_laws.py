"""Transforms, densities and tails of the feature laws against mpmath and quadrature."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import theory
from numerics.laws import numeric_law, unit_rule
from theory import FeatureLaw, InputError

LAWS = ["uniform", "exponential", "half-normal", "beta:2,3", "beta:0.5,0.5", "beta:0.3,2.5", "beta:5,1", "beta:20,30"]
FREQUENCIES = np.array(
    [0.0, 1e-8, 1e-3, 0.7, 0.999, 1.001, 3.0, 11.99, 12.01, 25.0, 49.0, 70.0, 91.0, 130.0, 700.0, 1e5]
)


def expected_transform(law: FeatureLaw, w: float, order: int) -> complex:
    """E U**order e^(iwU) at forty digits."""
    with mpmath.workdps(40):
        iw = 1j * mpmath.mpf(w)
        if law.name == "uniform":
            return complex(mpmath.hyp1f1(order + 1, order + 2, iw) / (order + 1))
        if law.name == "beta":
            a, b = (mpmath.mpf(p.p) / p.q for p in law.parameters)
            return complex(mpmath.beta(a + order, b) / mpmath.beta(a, b) * mpmath.hyp1f1(a + order, a + b + order, iw))
        if law.name == "exponential":
            return complex(mpmath.factorial(order) / (1 - iw) ** (order + 1))
        # E N**k e^(iw|N|) through parabolic cylinder functions, 2 Gamma(k + 1)/sqrt(2 pi) e^(-w^2/4) D_(-k-1)(-iw).
        factor = 2 * mpmath.gamma(order + 1) / mpmath.sqrt(2 * mpmath.pi) * mpmath.exp(-(mpmath.mpf(w) ** 2) / 4)
        return complex(factor * mpmath.pcfd(-order - 1, -iw))


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_transforms_against_forty_digits(name: str, order: int) -> None:
    law = theory.feature_law(name)
    w = FREQUENCIES[FREQUENCIES < 1000] if name == "half-normal" else FREQUENCIES
    expected = np.array([expected_transform(law, float(v), order) for v in w])
    scale = float(law.moment(order))
    # Gauss-Jacobi nodes next to the singular end of beta:0.3,2.5 are good to 1e-12 only.
    tolerance = 3e-12 if name == "beta:0.3,2.5" else 2e-14
    numeric = numeric_law(law)
    assert np.abs(numeric.transforms(w, 2)[order] - expected).max() <= tolerance * max(scale, 1)
    assert np.abs(numeric.transforms(-w, order)[-1] - expected.conj()).max() <= tolerance * max(scale, 1)
    two_sided = numeric_law(law.two_sided()).transforms(w, order)[-1]
    symmetric = (expected + (-1) ** order * expected.conj()) / 2
    assert np.abs(two_sided - symmetric).max() <= tolerance * max(scale, 1)


@pytest.mark.parametrize("name", [*LAWS, "two-sided:beta:2,3"])
def test_densities_and_generating_functions(name: str) -> None:
    law = theory.feature_law(name)
    numeric = numeric_law(law)
    nodes, weights = unit_rule(60)
    total = np.zeros(3)
    for low, high in zip(numeric.breaks[:-1], numeric.breaks[1:], strict=True):
        half = (high - low) / 2
        for edge, side, power in ((low, 1.0, numeric.grading[0]), (high, -1.0, numeric.grading[1])):
            u = edge + side * half * nodes**power
            to_top = (numeric.breaks[-1] - edge) - side * half * nodes**power
            w = half * power * nodes ** (power - 1) * weights * numeric.magnitude_density(u, to_top)
            total += [w.sum(), w @ u**2, w @ np.cosh(u / 2)]
    mgf = (numeric.mgf(np.array(0.5)) + numeric.mgf(np.array(-0.5))) / 2
    assert total == pytest.approx([1.0, numeric.second, float(mgf)], rel=1e-11)
    assert numeric.mgf(np.array(0.0)) == pytest.approx(1.0)


def test_exponential_generating_function_diverges_at_one() -> None:
    assert numeric_law(theory.exponential()).mgf(np.array([1.0, 2.0])).tolist() == [np.inf, np.inf]


def test_binary_law_is_refused_with_the_mend() -> None:
    with pytest.raises(InputError, match=r"lattice.*method='exact'"):
        numeric_law(theory.binary())
