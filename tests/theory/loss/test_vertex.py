"""T8(b): the corner formula against the cumulant recursion, quadrature and known integrals."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import numerics
import theory
from theory import InputError, ToyModel
from theory.loss.vertex import rectified_moment, vertex_loss

Q = sympy.Rational
TENTHS = st.integers(-9, 9).map(lambda v: Q(v, 10))


@pytest.mark.parametrize(("a", "b", "value"), [(1, [0.1, -0.2, 0], 0.119761429014), (1.5, None, 0.104593932536)])
def test_reference_values(a: float, b: object, value: float) -> None:
    model = ToyModel(3, 2, theory.rectified_power(a), 0.4, bias=b is not None)
    found = vertex_loss(model, [[1, -0.5, 0.2], [0, 0.8, 0.9]], b)
    assert float(found) == pytest.approx(value, abs=6e-13)
    assert found.is_Rational == (a == 1)


@given(st.lists(TENTHS, min_size=6, max_size=6), st.lists(TENTHS, min_size=3, max_size=3), st.integers(1, 3))
def test_monomials_are_two_rectified_halves(entries: list[object], b: list[object], k: int) -> None:
    """z^k = z_+^k + (-1)^k z_-^k: the corners and the cumulants give the same polynomial in p."""
    model = ToyModel(3, 2, theory.power(k), bias=True, importance=[1, 2, Q(1, 3)])
    W = sympy.Matrix(2, 3, entries)
    assert sympy.expand(vertex_loss(model, W, b) - numerics.exact_loss(model, W, b)) == 0


@pytest.mark.parametrize(
    "activation", ["relu", theory.rectified_power(2), theory.rectified_power(1.5), theory.leaky_relu(0.1),
                   theory.signed_power(1.5)], ids=str
)  # fmt: skip
@pytest.mark.parametrize("seed", [0, 1])
def test_against_quadrature(activation: object, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = ToyModel(3, 2, activation, [0.2, 0.5, 0.9], importance=[1, 0.5, 2], bias=True)
    W, b = rng.integers(-9, 10, (2, 3)) / 10, rng.integers(-3, 4, 3) / 10
    estimate = numerics.expected_loss(model, W, b)
    assert abs(float(vertex_loss(model, W, b)) - estimate.value) <= 10 * estimate.error + 1e-9


def test_known_moments() -> None:
    assert rectified_moment([1, 1], -1, 1) == Q(1, 6)
    assert rectified_moment([1, -1], 0, 2) == Q(1, 12)
    assert rectified_moment([2], -1, 0) == Q(1, 2)
    assert rectified_moment([], Q(1, 3), 2) == Q(1, 9)
    assert rectified_moment([-1], 0, 2) == 0
    # int_0^1 (u/2)^(3/2) du
    assert float(rectified_moment([Q(1, 2)], 0, 1.5)) == pytest.approx(0.5**1.5 / 2.5, rel=1e-15)


def test_tiny_weights_do_not_cancel() -> None:
    """In double precision this sum is worthless: six entries of size 1e-9 against corners of size 1."""
    tiny = [1e-9, -2e-9, 3e-9, -1e-9, 2e-9, -3e-9]
    plain = rectified_moment([0.5, -0.3], 0.1, 1.5)
    assert float(rectified_moment([0.5, -0.3, *tiny], 0.1, 1.5)) == pytest.approx(float(plain), rel=1e-8)
    cubes = rectified_moment([0.5, -0.3, *tiny], 0.1, 3), rectified_moment([0.5, -0.3], 0.1, 3)
    assert float(cubes[0] / cubes[1]) == pytest.approx(1)
    # Twelve digits lost per entry: more than the sum starts with.
    tiny = [1e-12, -2e-12, 3e-12, -1e-12, 2e-12, -3e-12, 1e-12]
    assert float(rectified_moment([0.5, -0.3, *tiny], 0.1, 1.5)) == pytest.approx(float(plain), rel=1e-10)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: vertex_loss(ToyModel(2, 1, "relu", law="binary"), [[1, 1]]), "uniform"),
        (lambda: vertex_loss(ToyModel(2, 1, "gelu"), [[1, 1]]), "not homogeneous"),
        (lambda: vertex_loss(ToyModel(2, 1, "relu"), [[1, sympy.sqrt(2)]]), "not rational"),
        (lambda: vertex_loss(ToyModel(2, 1, "relu"), [[1, 1]], [0, 0]), "no bias"),
        (lambda: vertex_loss(ToyModel(2, 1, "relu", bias=True), [[1, 1]], [0]), "length"),
        (lambda: vertex_loss(ToyModel(10, 1, "relu"), [[1] * 10]), "n_features=10"),
        (lambda: rectified_moment([1], 0, -1), "must be > -1"),
        (lambda: rectified_moment([1] * 13, 0, 1), "at most 12"),
    ],
)
def test_bad_input(call: object, word: str) -> None:
    with pytest.raises(InputError, match=word):
        call()  # type: ignore[operator]
