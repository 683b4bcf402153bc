"""Law constants, effective dimension, capacity and the first-order loss, each against an independent route."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize

import theory
from theory import InputError, ToyModel
from theory.loss.capacity import sparse_constants

Q = sympy.Rational
PENTAGON = sympy.Matrix(2, 5, lambda i, j: [sympy.cos, sympy.sin][i](2 * sympy.pi * j / 5))
POWERS = [
    theory.power(1),
    theory.power(2),
    theory.power(3),
    theory.rectified_power(1),
    theory.rectified_power(1.5),
    theory.signed_power(0.5),
    theory.leaky_relu(0.1),
]
LAWS = [
    theory.uniform(),
    theory.binary(),
    theory.exponential(),
    theory.half_normal(),
    theory.beta(2, 3),
    theory.uniform().two_sided(),
]


def polygon(n: int) -> np.ndarray:
    angles = 2 * np.pi * np.arange(n) / n
    return np.array([np.cos(angles), np.sin(angles)])


@pytest.mark.parametrize(
    ("m", "a", "value"),
    [(3, 2, 5), (4, 3, Q(64, 5)), (3, 1.5, 4), (2, 0.75, 1.7972103521), (7, 1, 7), (1, 2.5, 1), (2, 3, Q(64, 20))],
)
def test_effective_dimension_reference(m: int, a: float, value: object) -> None:
    assert float(theory.effective_dimension(m, a)) == pytest.approx(float(value), rel=1e-10)  # type: ignore[arg-type]


@pytest.mark.parametrize("m", [2, 3, 5])
@pytest.mark.parametrize("a", [0.5, 1, 1.7, 2, 3])
def test_effective_dimension_is_an_average_over_the_sphere(m: int, a: float) -> None:
    weight = lambda angle: np.sin(angle) ** (m - 2)  # noqa: E731
    top, _ = integrate.quad(lambda angle: abs(np.cos(angle)) ** (2 * a) * weight(angle), 0, np.pi, points=[np.pi / 2])
    bottom, _ = integrate.quad(weight, 0, np.pi)
    assert float(theory.effective_dimension(m, a)) == pytest.approx(bottom / top, rel=1e-7)


def test_effective_dimension_in_symbols() -> None:
    m = sympy.Symbol("m", integer=True, positive=True)
    assert theory.effective_dimension(m, 2) == m * (m + 2) / 3
    a = sympy.Symbol("a", positive=True)
    general = theory.effective_dimension(m, a)
    for size, exponent in ((2, 2), (3, 3), (5, 1)):
        assert sympy.simplify(general.subs({m: size, a: exponent}) - theory.effective_dimension(size, exponent)) == 0


@pytest.mark.parametrize("activation", POWERS, ids=str)
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_law_constants_are_moments_of_samples(activation: theory.Activation, law: theory.FeatureLaw) -> None:
    from numerics import compile_activation

    sigma = compile_activation(activation)
    constants = sparse_constants(law, activation)
    u = law.sample(np.random.default_rng(1), 400_000)
    for sample, exact in ((u * sigma(u), constants.gain), (sigma(u) ** 2, constants.cost)):
        assert abs(sample.mean() - float(exact)) < 5 * sample.std() / np.sqrt(u.size) + 1e-12
    ratio = sigma(-u) ** 2 - float(constants.kernel.negative) * sigma(u) ** 2
    assert abs(ratio.mean()) < 5 * ratio.std() / np.sqrt(u.size) + 1e-12
    assert 0 <= float(theory.law_constant(law, activation)) <= float(law.moment(2)) + 1e-12


def test_law_constant_closed_forms() -> None:
    a = sympy.Symbol("a", positive=True)
    assert sympy.simplify(theory.law_constant("uniform", theory.rectified_power(a)) - (2 * a + 1) / (a + 2) ** 2) == 0
    assert [theory.law_constant("uniform", theory.power(k)) for k in (1, 2, 3)] == [Q(1, 3), Q(5, 16), Q(7, 25)]
    assert theory.law_constant("two-sided:uniform", theory.power(2)) == 0
    assert theory.law_constant("two-sided:uniform", "relu") == Q(1, 6)


@pytest.mark.parametrize(
    ("W", "activation", "value"),
    [
        (PENTAGON, "relu", 4.19821271705),
        (polygon(7), theory.rectified_power(2), 5.37536624387),
        (polygon(9), theory.rectified_power(3), 6.40927370996),
        (np.eye(4), theory.power(3), 4),
        (np.hstack([np.eye(3), -np.eye(3)]), "relu", 6),
        (np.hstack([np.eye(3), -np.eye(3)]), theory.power(2), 3),
        (polygon(5), theory.power(2), Q(8, 3)),
    ],
)
def test_capacity_reference(W: object, activation: object, value: object) -> None:
    assert float(theory.capacity(W, activation)) == pytest.approx(float(value), rel=1e-10)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "activation", "value"),
    [
        ("icosahedron", theory.rectified_power(3), 11.5384615385),
        ("Clebsch", "relu", 11.4285714286),
        ("icosahedron", theory.rectified_power(2), 10),
        ("icosahedron lines", theory.power(2), 5),
    ],
)
def test_capacity_of_codes(name: str, activation: object, value: float) -> None:
    from theory.loss.geometry.codes import code

    exact = theory.capacity(code(name).W, activation)
    assert isinstance(exact, sympy.Expr)
    assert float(exact) == pytest.approx(value, rel=1e-10)


@given(st.integers(1, 4), st.integers(1, 6), st.sampled_from(POWERS), st.integers(0, 10**6), st.floats(0.1, 10))
def test_capacity_does_not_change_with_scale_and_lies_between_one_and_n(
    m: int, n: int, activation: theory.Activation, seed: int, scale: float
) -> None:
    W = np.random.default_rng(seed).standard_normal((m, n))
    value = theory.capacity(W, activation)
    assert theory.capacity(scale * W, activation) == pytest.approx(value, rel=1e-8)
    assert 0 < value <= n * (1 + 1e-12)


def brute_force_sparse_loss(model: ToyModel, W: np.ndarray) -> float:
    """sum_i E_U |I^(1/2)(U e_i - sigma(W^T W e_i U))|^2 by quadrature over U."""
    from numerics import compile_activation

    sigma = compile_activation(model.activation)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    u, w = (nodes + 1) / 2, weights / 2
    gram, n = W.T @ W, W.shape[1]
    importances = np.array([float(v) for v in model.importances])
    total = 0.0
    for i in range(n):
        target = np.zeros((u.size, n))
        target[:, i] = u
        total += float(w @ ((target - sigma(np.outer(u, gram[:, i]))) ** 2 @ importances))
    return total


@given(
    st.integers(1, 3),
    st.integers(1, 5),
    st.sampled_from(
        [theory.power(2), theory.power(3), theory.activation("relu"), theory.rectified_power(2), theory.leaky_relu(0.1)]
    ),
    st.integers(0, 10**6),
)
def test_the_sparse_coefficient_is_the_loss_with_one_active_feature(
    m: int, n: int, activation: theory.Activation, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((m, n))
    model = ToyModel(n, m, activation, importance=list(np.round(rng.uniform(0.1, 1, n), 3)))
    assert theory.sparse_coefficient(model, W) == pytest.approx(brute_force_sparse_loss(model, W), rel=1e-8)


def test_exact_weights_give_exact_coefficients() -> None:
    model = ToyModel(3, 2, theory.power(2))
    W = [[1, Q(1, 2), 0], [0, Q(-1, 3), 2]]
    value = theory.sparse_coefficient(model, W)
    assert isinstance(value, sympy.Rational)
    assert float(value) == pytest.approx(theory.sparse_coefficient(model, np.array(W, dtype=float)), rel=1e-12)
    g = sympy.Symbol("g", positive=True)
    symbolic = theory.sparse_coefficient(ToyModel(1, 1, theory.power(2)), sympy.Matrix([[g]]))
    assert sympy.expand(symbolic - (Q(1, 3) - 2 * g**4 / 4 + g**8 / 5)) == 0


def test_the_loss_of_all_supports_tends_to_the_sparse_coefficient() -> None:
    """Independent of T1: enumerate every active set for binary features at small p."""
    W = np.array([[0.9, -0.5, 0.3], [0.2, 0.7, -0.6]])
    model = ToyModel(3, 2, theory.power(2), law="binary")

    def loss(p: float) -> float:
        total = 0.0
        for size in range(4):
            for active in combinations(range(3), size):
                x = np.zeros(3)
                x[list(active)] = 1
                total += p**size * (1 - p) ** (3 - size) * float(np.sum((x - (W.T @ W @ x) ** 2) ** 2))
        return total

    assert loss(1e-6) / 1e-6 == pytest.approx(theory.sparse_coefficient(model, W), rel=1e-4)


@pytest.mark.parametrize(
    "activation", [theory.power(2), theory.activation("relu"), theory.rectified_power(1.5)], ids=str
)
def test_scale_out_is_the_minimum_over_scales(activation: theory.Activation) -> None:
    W = np.random.default_rng(3).standard_normal((2, 4))
    model = ToyModel(4, 2, activation)
    best = optimize.minimize_scalar(
        lambda s: theory.sparse_coefficient(model, np.exp(s) * W),
        bounds=(-5, 3),
        method="bounded",
        options={"xatol": 1e-10},
    )
    scaled = theory.optimal_scale(model, W)
    assert theory.sparse_coefficient(model, scaled) == pytest.approx(best.fun, rel=1e-9)
    assert theory.sparse_optimum(model, W) == pytest.approx(best.fun, rel=1e-9)


def test_the_pentagon_is_exact() -> None:
    model = ToyModel(5, 2, "relu")
    exact = theory.sparse_coefficient(model, theory.optimal_scale(model, PENTAGON))
    assert float(exact) == pytest.approx(0.267262427652, rel=1e-11)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: theory.capacity(np.zeros((2, 3)), "relu"), "zero"),
        (lambda: theory.capacity(np.ones((2, 3)), "gelu"), "not homogeneous"),
        (lambda: theory.capacity([[1.0, np.nan]], "relu"), "not finite"),
        (lambda: theory.effective_dimension(0, 1), "m=0"),
        (lambda: theory.effective_dimension(3, -1), "a=-1"),
        (lambda: theory.law_constant("uniform", "tanh"), "not homogeneous"),
        (lambda: theory.sparse_coefficient(ToyModel(3, 2, "relu", bias=True), np.ones((2, 3))), "bias=True"),
        (
            lambda: theory.sparse_coefficient(ToyModel(3, 2, "relu", density=[0.1, 0.2, 0.3]), np.ones((2, 3))),
            "density",
        ),
        (lambda: theory.sparse_coefficient(ToyModel(3, 2, "relu"), np.ones((3, 2))), "n_hidden"),
        (lambda: theory.optimal_scale(ToyModel(3, 2, "relu"), np.zeros((2, 3))), "zero"),
        (lambda: theory.sparse_optimum(ToyModel(2, 1, "relu", importance=[1, 0.5]), np.ones((1, 2))), "importance"),
    ],
)
def test_bad_input(call: object, word: str) -> None:
    with pytest.raises(InputError, match=word):
        call()  # type: ignore[operator]
