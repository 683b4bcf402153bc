"""Linear-programming certificates: they prove what they say, and nothing else passes as one."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special

from theory import InputError
from theory.loss.certificates import LinearProgrammingCertificate, read_certificate
from theory.loss.gegenbauer import gegenbauer_coefficients, gegenbauer_values
from theory.loss.linear_programming import linear_programming_certificate

Q = sympy.Rational
t = sympy.Symbol("t", real=True)


@pytest.mark.parametrize("m", [2, 3, 4, 5, 8])
def test_gegenbauer_polynomials_are_orthogonal_on_the_sphere(m: int) -> None:
    """Against Jacobi polynomials of scipy, and against orthogonality under (1 - t^2)^((m-3)/2)."""
    points = np.linspace(-1, 1, 7)
    jacobi = (m - 3) / 2
    for degree in range(8):
        reference = special.eval_jacobi(degree, jacobi, jacobi, points) / special.eval_jacobi(
            degree, jacobi, jacobi, 1.0
        )
        exact = np.polyval([float(c) for c in gegenbauer_coefficients(degree, m)][::-1], points)
        assert exact == pytest.approx(reference, abs=1e-12)
        assert gegenbauer_values(7, m, points)[degree] == pytest.approx(reference, abs=1e-12)

    def product(a: int, b: int) -> float:
        def integrand(angle: float) -> float:
            values = gegenbauer_values(7, m, np.array([np.cos(angle)]))[:, 0]
            return float(values[a] * values[b] * np.sin(angle) ** (m - 2))

        return integrate.quad(integrand, 0, np.pi)[0]

    assert all(abs(product(a, b)) < 1e-10 for a, b in pairwise(range(6)))


# (n, m, exponent, negative, degree, capacity): closed forms, and values found independently to the digits shown.
KNOWN = [
    (5, 2, 1, 0, 14, 4.19821271705),
    (None, 2, 1, 0, 30, 4.19821271705),
    (9, 3, 1, 0, 30, 6.51603642529),
    (5, 3, 2, 1, 14, 4.49461779404),
    (6, 3, 2, 1, 14, 5.0),
    (12, 3, 2, 0, 14, 10.0),
    (7, 2, 2, 0, 14, 5.37536624387),
    (9, 2, 3, 0, 16, 6.40927370996),
    (12, 3, 3, 0, 14, 11.5384615385),
    (4, 1, 1, 0, 4, 2.0),
    (9, 1, 2, 1, 4, 1.0),
    (7, 3, 1, 1, 6, 3.0),
]


@pytest.mark.parametrize(("n", "m", "exponent", "negative", "degree", "capacity"), KNOWN)
def test_known_values(n: int | None, m: int, exponent: int, negative: int, degree: int, capacity: float) -> None:
    certificate = linear_programming_certificate(n, m, exponent, negative, degree)
    assert float(certificate.capacity) == pytest.approx(capacity, rel=1e-6)
    assert certificate.check() is None


def test_a_fractional_exponent_is_certified_exactly() -> None:
    certificate = linear_programming_certificate(7, 2, Q(3, 2), 0)
    assert read_certificate(certificate.to_json()).capacity == certificate.capacity
    assert linear_programming_certificate(7, 3, Q(3, 4), 1).check() is None


@given(st.integers(2, 4), st.integers(2, 9), st.integers(1, 3), st.sampled_from([0, 1]), st.integers(0, 10**6))
def test_no_configuration_exceeds_a_certified_capacity(m: int, n: int, exponent: int, negative: int, seed: int) -> None:
    """K(W) of random and of clustered, unequally weighted configurations stays below the bound."""
    certificate = linear_programming_certificate(n, m, exponent, negative, 8)
    rng = np.random.default_rng(seed)
    for spread in (0.05, 1.0):
        W = rng.standard_normal((m, 1)) * (1 - spread) + rng.standard_normal((m, n)) * spread
        W /= np.linalg.norm(W, axis=0)
        weights = rng.exponential(size=n)
        cosines = np.clip(W.T @ W, -1, 1)
        kernel = np.where(cosines >= 0, 1.0, negative) * np.abs(cosines) ** (2 * exponent)
        assert weights.sum() ** 2 / (weights @ kernel @ weights) <= float(certificate.capacity) * (1 + 1e-12)


@given(st.lists(st.floats(-0.3, 0.6), min_size=1, max_size=6), st.sampled_from([0, 1]), st.integers(1, 3))
def test_the_exact_check_agrees_with_sampling(values: list[float], negative: int, exponent: int) -> None:
    coefficients = tuple(Q(repr(round(v, 3))) if i == 0 else abs(Q(repr(round(v, 3)))) for i, v in enumerate(values))
    certificate = LinearProgrammingCertificate(3, 6, Q(exponent), Q(negative), coefficients)
    x = np.linspace(-1, 1, 4001)
    h = (
        np.array([float(c) for c in coefficients]) @ gegenbauer_values(len(coefficients) - 1, 3, x)
        if len(coefficients) > 1
        else np.full(x.size, float(coefficients[0]))
    )
    gap = (np.where(x >= 0, 1.0, negative) * np.abs(x) ** (2 * exponent) - h).min()
    if certificate.check() is None:
        assert gap > -1e-12
    elif gap > 1e-6:
        assert "positive" in str(certificate.check())


@pytest.fixture(scope="module")
def document() -> dict:
    return json.loads(linear_programming_certificate(5, 2, 1, 0).to_json())


def test_a_certificate_survives_a_round_trip(document: dict) -> None:
    assert float(read_certificate(json.dumps(document)).capacity) == pytest.approx(4.19821271705, rel=1e-7)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"capacity": "41/10"}, "proves only"),
        ({"coefficients": ["1/2", "1/2"]}, "exceeds the kernel"),
        ({"coefficients": ["1/10", "-1/10"]}, "negative"),
        ({"coefficients": ["-1/10"]}, "capacity"),
        ({"coefficients": []}, "coefficients"),
        ({"coefficients": ["1/0"]}, "rational"),
        ({"coefficients": ["__import__('os')"]}, "rational"),
        ({"coefficients": [0.5]}, "rational"),
        ({"coefficients": ["1" * 500]}, "rational"),
        ({"coefficients": ["0"] * 500}, "coefficients"),
        ({"m": 0}, "m=0"),
        ({"m": True}, "m=True"),
        ({"n": 2.5}, "n=2.5"),
        ({"exponent": "-1"}, "exponent"),
        ({"exponent": "0"}, "exponent"),
        ({"exponent": "1e5"}, "rational"),
        ({"exponent": "100"}, "exponent"),
        ({"exponent": "1001/1000"}, "exceeds the kernel"),
        ({"negative": "-1/10"}, "below 0"),
        ({"version": 99}, "version 99"),
        ({"kind": "oracle"}, "oracle"),
        ({"format": "something else"}, "format"),
    ],
)
def test_a_doctored_certificate_is_rejected_with_the_reason(document: dict, change: dict, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_certificate(json.dumps({**document, **change}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}', "[" * 10_000, "x" * 300_000])
def test_a_damaged_certificate_is_rejected(text: str) -> None:
    with pytest.raises(InputError, match="certificate"):
        read_certificate(text)


def test_every_doctored_coefficient_that_helps_is_caught(document: dict) -> None:
    """Raising any h_l far enough to improve the bound breaks h <= f: the exact check must see it."""
    for position, value in enumerate(document["coefficients"]):
        doctored = list(document["coefficients"])
        doctored[position] = str(Q(value) + Q(1, 1000))
        with pytest.raises(InputError, match="proves"):
            read_certificate(json.dumps({**document, "coefficients": doctored, "capacity": "419/100"}))
