"""T10: the p^2 coefficient of ReLU against integrals, random obtuse systems and the exact loss at small density."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize

import numerics
import theory
from theory import InputError, ToyModel
from theory.loss.geometry.codes import code
from theory.loss.obtuse import RHO, pair_loss, pairs_are_best, unit_pairs_loss
from theory.loss.vertex import vertex_loss

Q = sympy.Rational
LAWS = ["uniform", "exponential", "half-normal", "beta:2,3", "beta:1,3"]


def test_the_reference_value() -> None:
    assert pair_loss(theory.uniform()).subs(RHO, Q(1, 2)) == Q(1, 8)
    assert sympy.expand(pair_loss(theory.uniform()) - (2 * RHO**2 - RHO**3) / 3) == 0


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("rho", [0.2, 0.7, 1.0])
def test_pair_losses_are_integrals(law: str, rho: float) -> None:
    """E min(U, rho V)^2 = int 2 t P(U > t) P(V > t/rho) dt, from the density alone."""
    found = theory.feature_law(law)
    density = sympy.lambdify(sympy.Symbol("u", nonnegative=True), found.density_of_magnitude, "numpy")
    top = 1.0 if found.upper == 1 else 40.0
    survival = lambda t: integrate.quad(density, t, top)[0] if t < top else 0.0  # noqa: E731
    value, _ = integrate.quad(lambda t: 4 * t * survival(t) * survival(t / rho), 0, min(top * rho, 12), limit=60)
    assert float(pair_loss(found).subs(RHO, rho)) == pytest.approx(value, rel=1e-6)


def blocks(rng: np.random.Generator, k: int) -> np.ndarray:
    """A random symmetric N >= 0 with zero diagonal, entries <= 1 and largest eigenvalue 1: a singular obtuse block."""
    while True:
        N = np.abs(rng.standard_normal((k, k))) ** rng.choice([0.3, 1.0, 4.0]) * (rng.random((k, k)) < 0.8)
        N = np.triu(N, 1) + np.triu(N, 1).T
        top = np.linalg.eigvalsh(N)[-1]
        if top > 0 and (N / top).max() <= 1:
            return N / top


@given(st.integers(2, 8), st.integers(0, 10**6))
def test_every_singular_block_costs_at_least_a_pair(k: int, seed: int) -> None:
    N = blocks(np.random.default_rng(seed), k)
    rho = N[np.triu_indices(k, 1)]
    assert (2 * rho**2 / (1 + rho)).sum() >= 1 - 1e-12
    assert 2 * (rho**2).sum() >= k / (k - 1) - 1e-12
    for law in ("uniform", "exponential", "half-normal", "beta:1,3", "beta:2,4"):
        e = sympy.lambdify(RHO, pair_loss(theory.feature_law(law)), "numpy")
        assert e(np.maximum(rho, 1e-12)).sum() >= e(1.0) - 1e-9


@pytest.mark.parametrize("law", ["uniform", "binary"])
@pytest.mark.parametrize(("n", "m"), [(3, 2), (4, 3), (5, 3)])
def test_minimised_obtuse_systems_end_at_the_limit(law: str, n: int, m: int) -> None:
    """Penalised minimisation over all unit vectors with nonpositive cosines."""
    e = sympy.lambdify(RHO, pair_loss(theory.feature_law(law)), "numpy")
    above = np.triu_indices(n, 1)

    def cost(flat: np.ndarray, penalty: float) -> float:
        W = flat.reshape(m, n)
        cosines = (W.T @ W / np.outer(*[np.linalg.norm(W, axis=0)] * 2))[above]
        return float(e(np.maximum(-cosines, 0)).sum() + penalty * (np.maximum(cosines, 0) ** 2).sum())

    rng, found = np.random.default_rng(0), []
    for _ in range(6):
        flat = rng.standard_normal(m * n)
        for penalty in (1.0, 30.0, 1e3, 1e5):
            flat = optimize.minimize(cost, flat, args=(penalty,)).x
        found.append(cost(flat, 1e5))
    limit = theory.pair_limit(ToyModel(n, m, "relu", law=law))
    assert limit.value is not None
    assert min(found) == pytest.approx(float(limit.value), abs=2e-4)


def test_limits() -> None:
    assert theory.pair_limit(ToyModel(5, 3, "relu")).value == Q(2, 3)
    assert theory.pair_limit(ToyModel(3, 4, "relu")).value == 0
    assert theory.pair_limit(ToyModel(5, 3, "relu", bias=True)).value == Q(2, 3)
    # Five binary features in three dimensions: a triangle and a pair, 3/2 + 2.
    assert theory.pair_limit(ToyModel(5, 3, "relu", law="binary")).value == Q(7, 2)
    # Six in four: two triangles rather than a tetrahedron and a pair.
    assert theory.pair_limit(ToyModel(6, 4, "relu", law="binary")).value == 3
    half = theory.pair_limit(ToyModel(4, 3, "relu", law="beta:2,1", importance=Q(1, 2)))
    assert (half.status, half.lower) == ("open", Q(2, 9))
    assert half.lower < half.upper < Q(1, 2) * pair_loss(theory.beta(2, 1)).subs(RHO, 1)
    assert all(step.check() is not False for step in half.derivation)


def test_which_laws_prefer_pairs() -> None:
    best = {law: pairs_are_best(theory.feature_law(law)) for law in (*LAWS, "binary", "beta:2,4", "beta:2.5,3")}
    assert all(best[law] for law in ("uniform", "exponential", "half-normal", "beta:1,3", "beta:2,4"))
    assert best["binary"] is False
    assert best["beta:2,3"] is False
    assert best["beta:2.5,3"] is None
    # The exact decision agrees with the criterion on a grid.
    for law in ("beta:2,3", "beta:2,4", "beta:3,4"):
        e = sympy.lambdify(RHO, pair_loss(theory.feature_law(law)), "numpy")
        rho = np.linspace(0.01, 1, 200)
        assert bool((e(rho) >= 2 * rho**2 / (1 + rho) * e(1.0) - 1e-12).all()) == pairs_are_best(
            theory.feature_law(law)
        )


@pytest.mark.parametrize(("n", "m"), [(2, 1), (3, 2), (4, 2)])
def test_antipodal_pairs_at_unit_scale_are_exact_at_every_density(n: int, m: int) -> None:
    """As a polynomial identity in p, by the corner formula."""
    from theory.loss.geometry.constructions import antipodal_weights

    model = ToyModel(n, m, "relu")
    assert sympy.expand(vertex_loss(model, antipodal_weights(n, m)) - unit_pairs_loss(model)) == 0
    assert theory.pair_coefficient(model, antipodal_weights(n, m)) == Q(n - m, 3)


def test_the_coefficient_is_that_of_the_exact_loss() -> None:
    """Rational obtuse unit features: the p^2 coefficient of the polynomial L(p)."""
    W = sympy.Matrix([[1, -Q(3, 5), -Q(4, 5)], [0, Q(4, 5), -Q(3, 5)]])
    for importance in (1, [1, Q(1, 2), 3]):
        model = ToyModel(3, 2, "relu", importance=importance)
        polynomial = sympy.Poly(vertex_loss(model, W), model.density)
        assert polynomial.coeff_monomial(model.density) == 0
        assert polynomial.coeff_monomial(model.density**2) == theory.pair_coefficient(model, W)
        floats = np.array(W.tolist(), dtype=float)
        assert theory.pair_coefficient(model, floats) == pytest.approx(float(theory.pair_coefficient(model, W)))


def test_simplices_of_binary_features() -> None:
    """A triangle costs 3/2, less than the 2 of a pair and a single feature."""
    model = ToyModel(3, 2, "relu", law="binary")
    assert theory.pair_coefficient(model, code("polygon:3").W) == Q(3, 2)
    assert theory.pair_coefficient(model, [[1, -1, 0], [0, 0, 1]]) == 2
    assert theory.pair_coefficient(ToyModel(3, 2, "relu"), code("polygon:3").W) > Q(1, 3)


def near_obtuse(rng: np.random.Generator, n: int, m: int, spread: float) -> np.ndarray:
    """Antipodal pairs and single axes, turned, moved by noise."""
    W = np.concatenate([np.eye(m), -np.eye(m)[:, : n - m]], axis=1)
    return np.linalg.qr(rng.standard_normal((m, m)))[0] @ W + spread * rng.standard_normal((m, n))


@given(st.integers(1, 4), st.integers(1, 4), st.sampled_from([0.01, 0.1, 0.4]), st.integers(0, 10**6))
def test_the_distance_from_obtuse_systems_saves_at_most_what_is_claimed(
    m: int, extra: int, spread: float, seed: int
) -> None:
    """The inequality behind T10(f), with all pair losses by quadrature."""
    n, d = m + min(extra, m), min(extra, m)
    W = near_obtuse(np.random.default_rng(seed), n, m, spread)
    G = W.T @ W
    own = np.diag(G)
    off = G - np.diag(own)
    delta = np.sqrt(((own - 1) ** 2).sum() + (np.maximum(off, 0) ** 2).sum())
    nodes, weights = np.polynomial.legendre.leggauss(40)
    u, w = (nodes + 1) / 2, weights / 2
    total = 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                error = u[:, None] - np.maximum(own[i] * u[:, None] + off[i, j] * u[None, :], 0)
                total += float(w @ error**2 @ w)
    assert total >= d / 3 - (5 * np.sqrt(d) + 2 * np.sqrt(n) * (1 + delta)) * delta / 3 - 1e-4


@pytest.mark.parametrize(("n", "m"), [(2, 1), (3, 2), (4, 2)])
@pytest.mark.parametrize("p", [Q(1, 1000), Q(1, 100), Q(3, 100)])
def test_the_bound_at_every_density_stays_below_what_minimisation_finds(n: int, m: int, p: sympy.Rational) -> None:
    model = ToyModel(n, m, "relu", p)
    bound = theory.lower_bound(model, name="obtuse")
    assert theory.lower_bound(model) == bound
    assert 0 < bound.evaluate() < theory.upper_bound(model).evaluate()
    assert False not in bound.check_derivation().values()
    rng = np.random.default_rng(7)
    starts = [near_obtuse(rng, n, m, 0.05) for _ in range(3)]
    e1 = n - m

    def loss(flat: np.ndarray) -> float:
        return float(numerics.expected_loss(model, flat.reshape(m, n), rtol=1e-5).value)

    if n == 2:
        found = min(optimize.minimize(loss, W.ravel(), method="Nelder-Mead").fun for W in starts)
        assert bound.evaluate() <= found <= e1 * float(p) ** 2 / 3 * (1 + 1e-6)
    else:
        assert all(loss(W) >= bound.evaluate() for W in starts)


def test_the_ratio_of_bounds_tends_to_one_where_the_sparse_loss_vanishes() -> None:
    for law in ("uniform", "exponential", "half-normal", "beta:2,4"):
        ratios = []
        for p in (Q(1, 100), Q(1, 1000), Q(1, 10**5)):
            model = ToyModel(5, 3, "relu", p, law=law)
            ratios.append(theory.upper_bound(model).evaluate() / theory.lower_bound(model).evaluate())
        assert ratios[0] > ratios[1] > ratios[2] > 1
        assert ratios[2] < 1.001


@pytest.mark.parametrize(("n", "m"), [(2, 1), (5, 3), (12, 6)])
@pytest.mark.parametrize("law", ["uniform", "half-normal"])
def test_the_bound_at_every_density_is_the_least_of_its_trade(n: int, m: int, law: str) -> None:
    """The quadratic in delta that the proof ends with, minimised on a grid."""
    model, d = ToyModel(n, m, "relu", law=law), n - m
    e1, mu_2 = float(pair_loss(model.law).subs(RHO, 1)), float(model.law.moment(2))
    bound = theory.lower_bound(model, name="obtuse")
    delta = np.linspace(0, 1, 200001)
    for p in (1e-4, 1e-3, 1e-2):
        saved = (5 * e1 * np.sqrt(d) + 2 * mu_2 * np.sqrt(n) * (1 + delta)) * delta
        trade = p * (1 - p) ** (n - 1) * mu_2 * delta**2 + p**2 * (1 - p) ** (n - 2) * (d * e1 - saved)
        assert bound.evaluate(p=p) <= trade.min() + 1e-15
        if p < 0.01:
            assert bound.evaluate(p=p) == pytest.approx(trade.min(), rel=30 * p)


def test_where_the_bound_at_every_density_applies() -> None:
    names = lambda model: {bound.name for bound in theory.lower_bounds(model)}  # noqa: E731
    assert "obtuse" in names(ToyModel(4, 2, "relu"))
    for model in (
        ToyModel(5, 2, "relu", 0.01),
        ToyModel(2, 2, "relu", 0.01),
        ToyModel(4, 2, "relu", 0.01, bias=True),
        ToyModel(4, 2, "relu", 0.01, law="binary"),
        ToyModel(4, 2, "relu", 0.01, law="two-sided:uniform"),
        ToyModel(4, 2, theory.power(1), 0.01),
        ToyModel(4, 2, theory.leaky_relu(0.1), 0.01),
    ):
        assert "obtuse" not in names(model)
    # Every density: the expression in p never turns positive again outside its range.
    bound = theory.lower_bound(ToyModel(4, 2, "relu"), name="obtuse")
    assert [bound.evaluate(p=p) for p in (0, 0.2, 0.7, 1)] == [0, 0, 0, 0]


def test_importances_share_among_the_least_important() -> None:
    model = ToyModel(4, 3, "relu", importance=[1, Q(1, 2), 3, Q(1, 4)])
    limit = theory.pair_limit(model)
    assert limit.value == Q(1, 6) * (Q(1, 2) + Q(1, 4))
    W = sympy.Matrix([[1, 0, 0, 0], [0, 1, 0, -1], [0, 0, 1, 0]])
    assert theory.pair_coefficient(model, W) == limit.value
    assert theory.pair_limit(ToyModel(4, 3, "relu", importance=[1, 0, 3, 2])).value == 0
    layered = theory.lower_bound(model.replace(density=Q(1, 1000)), name="obtuse")
    assert 0 < layered.evaluate() <= float(limit.value) * 1e-6


@given(st.integers(2, 5), st.integers(0, 10**6))
def test_no_obtuse_system_beats_the_limit_of_unequal_importances(k: int, seed: int) -> None:
    """One singular block of k features in k - 1 dimensions, random importances."""
    rng = np.random.default_rng(seed)
    N, shares = blocks(rng, k), rng.integers(1, 20, k)
    e = (2 * N**2 - N**3) / 3
    cost = sum((shares[i] + shares[j]) / 2 * e[i, j] for i in range(k) for j in range(i))
    limit = theory.pair_limit(ToyModel(k, k - 1, "relu", importance=[int(v) for v in shares]))
    assert cost >= float(limit.lower) - 1e-12


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: theory.pair_coefficient(ToyModel(2, 1, theory.power(2)), [[1, -1]]), "relu"),
        (lambda: theory.pair_coefficient(ToyModel(2, 1, "relu"), [[1, 1]]), "inner product"),
        (lambda: theory.pair_coefficient(ToyModel(2, 1, "relu"), [[1.0, 1.0]]), "inner product"),
        (lambda: theory.pair_coefficient(ToyModel(2, 1, "relu"), [[1, -Q(1, 2)]]), "squared norm"),
        (lambda: theory.pair_coefficient(ToyModel(2, 1, "relu", law="two-sided:uniform"), [[1, -1]]), "two-sided"),
        (lambda: theory.pair_coefficient(ToyModel(2, 1, "relu", density=[0.1, 0.2]), [[1, -1]]), "density"),
        (lambda: theory.pair_limit(ToyModel(5, 2, "relu")), "of order p"),
        (lambda: theory.pair_limit(ToyModel(2, 1, "relu", law="binary", importance=[1, 2])), "importance"),
        (lambda: theory.pair_limit(ToyModel(2, 1, "relu", law="binary", bias=True)), "threshold"),
        (lambda: theory.pair_limit(ToyModel(2, 1, "relu", law="beta:2.5,1")), "closed form"),
        (lambda: unit_pairs_loss(ToyModel(3, 1, "relu")), "no room"),
    ],
)
def test_bad_input(call: object, word: str) -> None:
    with pytest.raises(InputError, match=word):
        call()  # type: ignore[operator]
