"""Best known configurations: capacities, blocks, and what the certificates say about them."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import theory
from theory import ToyModel
from theory.loss.capacity import Kernel
from theory.loss.geometry.configurations import best_known_configuration
from theory.loss.linear_programming import linear_programming_certificate

Q = sympy.Rational
CASES = [
    (5, 2, 1, 0, "polygon:5", 4.19821271705),
    (9, 4, 1, 0, "polygon:5 ⊕ 2 × orthoplex:1", 8.19821271705),
    (6, 3, 2, 1, "icosahedron lines", 5.0),
    (12, 3, 2, 0, "icosahedron", 10.0),
    (16, 5, 1, 0, "Clebsch", 11.4285714286),
    (12, 3, 3, 0, "icosahedron", 11.5384615385),
    (28, 7, 2, 1, "56 lines", 21.0),
    (4, 3, 2, 1, "simplex:3", 4 / (1 + 3 / 81)),
]


@pytest.mark.parametrize(("n", "m", "exponent", "negative", "name", "capacity"), CASES)
def test_known_optima_are_found(n: int, m: int, exponent: int, negative: int, name: str, capacity: float) -> None:
    found = best_known_configuration(n, m, Kernel(sympy.Integer(exponent), sympy.Integer(negative)))
    assert found is not None
    assert found.name == name
    assert float(found.capacity) == pytest.approx(capacity, rel=1e-10)


@pytest.mark.parametrize("n", range(1, 10))
@pytest.mark.parametrize("m", range(1, 5))
@pytest.mark.parametrize(
    ("spec", "exponent", "negative"), [("relu", 1, 0), ("power:2", 2, 1), ("rectified-power:1.5", Q(3, 2), 0)]
)
def test_weights_have_the_claimed_capacity(n: int, m: int, spec: str, exponent: object, negative: int) -> None:
    kernel = Kernel(sympy.sympify(exponent), sympy.Integer(negative))
    found = best_known_configuration(n, m, kernel)
    assert found is not None
    W = np.array(found.weights(n, m, kernel).evalf().tolist(), dtype=float)
    assert W.shape == (m, n)
    assert theory.capacity(W, spec) == pytest.approx(float(found.capacity), rel=1e-10)
    model = ToyModel(n, m, spec)
    bound = theory.upper_bound(model, of="sparse", name="code")
    assert theory.sparse_coefficient(model, bound.construction[0]) == pytest.approx(
        bound.evaluate(), rel=1e-9, abs=1e-12
    )  # type: ignore[index]
    assert min(n, m) <= float(found.capacity) + 1e-12


@pytest.mark.parametrize(
    ("n", "m", "exponent", "negative"),
    [
        (5, 2, 1, 0),
        (6, 3, 2, 1),
        (12, 3, 2, 0),
        (12, 3, 3, 0),
        (16, 5, 2, 0),
        (27, 6, 2, 0),
        (4, 3, 2, 1),
        (28, 7, 2, 1),
    ],
)
def test_certified_optimal_configurations(n: int, m: int, exponent: int, negative: int) -> None:
    """The linear program certifies these codes: lower and upper bound meet to 1e-6."""
    found = best_known_configuration(n, m, Kernel(sympy.Integer(exponent), sympy.Integer(negative)))
    certificate = linear_programming_certificate(n, m, exponent, negative, 14)
    assert found is not None
    assert float(certificate.capacity) == pytest.approx(float(found.capacity), rel=1e-6)
    assert certificate.capacity >= sympy.N(found.capacity, 30) - Q(1, 10**25)


def test_too_large_is_left_alone() -> None:
    assert best_known_configuration(1000, 3, Kernel(sympy.Integer(1), sympy.Integer(0))) is None
    assert "code" not in [bound.name for bound in theory.upper_bounds(ToyModel(1000, 3, "relu"), of="sparse")]
