"""How the loss falls with the hidden dimension: intervals, exponents, quadrangles, and the asymptotics behind them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import theory
from theory import InputError
from theory.loss.capacity import Kernel, sparse_constants
from theory.loss.geometry.quadrangles import quadrangle, quadrangle_gram, quadrangles_within
from theory.loss.geometry.spreading import spread_stake
from theory.loss.minorants import Minorant, capacity_bound, minorants, rectified_capacity
from theory.loss.unequal.stakes import held_stake

Q = sympy.Rational
RELU = Kernel(sympy.Integer(1), sympy.Integer(0))


@pytest.mark.parametrize("q", [2, 3])
def test_quadrangles_are_what_is_claimed(q: int) -> None:
    """From the quadric itself: positive semidefinite, of rank m, with the capacity n/2 for ReLU."""
    gram, found = quadrangle_gram(q), quadrangle(q)
    eigenvalues = np.linalg.eigvalsh(gram)
    assert gram.shape == (found.n, found.n)
    assert eigenvalues[0] > -1e-9
    assert int((eigenvalues > 1e-9).sum()) == found.m
    for activation in ("relu", "leaky-relu:0.3", theory.rectified_power(1.5), theory.power(2)):
        kernel = sparse_constants(theory.uniform(), theory.activation(activation)).kernel
        energy = kernel.values(np.clip(gram, -1, 1)).sum()
        assert float(found.capacity(kernel)) == pytest.approx(found.n**2 / energy, rel=1e-12)
    assert found.capacity(RELU) == Q(found.n, 2)


def test_capacity_of_relu_grows_like_the_four_thirds_power() -> None:
    """Quadrangles from below, the cubic minorant from above: a factor 1.06 apart in the limit."""
    for q in (4, 9, 27, 125):
        found = quadrangle(q)
        above = float(rectified_capacity(sympy.Integer(found.m)))
        assert found.n / 2 <= above
        assert above <= float(found.m ** Q(4, 3)) * (1 + (2 / found.m) ** (1 / 3)) ** 2 * 0.53
    limit = float(rectified_capacity(sympy.Integer(10**15))) / 1e20
    assert limit == pytest.approx(2 / 3 * 2 ** (-1 / 3), rel=1e-4)
    assert 0.5 < limit < 0.5294


@pytest.mark.parametrize(("m", "k"), [(3, 1), (16, 1), (50, 1), (20, 2), (40, 3)])
def test_the_closed_form_is_the_best_cubic(m: int, k: int) -> None:
    """The minorants found on a grid, exactly checked elsewhere, are close to the formula at its best x."""
    kernel = Kernel(sympy.Integer(k), sympy.Integer(0))
    grid = float(capacity_bound(kernel, m, 10**7).capacity(10**7))
    assert grid <= 1.02 * float(rectified_capacity(sympy.Integer(m), k))


@given(st.integers(1, 3), st.floats(0.02, 5), st.floats(0.01, 1))
def test_cubic_minorants_lie_below_the_kernel(j: int, x: float, share: float) -> None:
    """theta t^(2j-1) (t+x)^2/(1+x)^2 - e <= t_+^(2j), with the constant of the code, and with none much smaller."""
    from theory.loss.minorants import _shift

    shift = float(_shift(Fraction(x), Fraction(share), j))
    t = np.concatenate([np.linspace(-1, 1, 2001), np.geomspace(1e-6, 1, 4000)])
    raised = share * t ** (2 * j - 1) * (t + x) ** 2 / (1 + x) ** 2 - np.maximum(t, 0.0) ** (2 * j)
    assert raised.max() <= shift * (1 + 1e-9)
    # For small x the constant is the maximum itself, up to (1 - t) <= 1.
    if x < 0.1 and share > 0.5:
        assert raised.max() >= 0.8 * shift


@pytest.mark.parametrize(("a", "j", "m"), [(2, 1, 5), (3, 1, 4), (Q(3, 2), 1, 7), (Q(5, 2), 1, 3)])
def test_tangents_touch_the_kernel_from_below(a: Q, j: int, m: int) -> None:
    """slope t^(2j) - drop, recovered from h(1) and h_0, on a fine grid."""
    t = np.linspace(0, 1, 20_001)
    dimension = float(theory.effective_dimension(m, j))
    found = 0
    for h in minorants(Kernel(sympy.Rational(a), sympy.Integer(1)), m, 200):
        if h.name != f"the tangent of t^{2 * a} in t^{2 * j}":
            continue
        slope = float(1 - h.beta - h.gamma) / (1 - 1 / dimension)
        drop = slope / dimension - float(h.gamma)
        gap = t ** (2 * float(a)) - (slope * t ** (2 * j) - drop)
        assert -1e-9 <= gap.min() <= 1e-6
        found += 1
    assert found >= 5


def test_exponents() -> None:
    exponent = theory.scaling_exponent
    for k in (1, 2, 3):
        for s in (Q(5, 4), Q(3, 2), 2, 3, 5):
            found = exponent(theory.power(k), s)
            assert found.is_exact
            assert found.lower == min(k * (s - 1), k + s - 2)
            assert exponent(theory.power(k), s, bias=True).lower == found.lower
    assert exponent("relu", Q(3, 2)).lower == exponent("relu", Q(3, 2)).upper == Q(2, 3)
    assert exponent("relu", 2).lower == exponent("relu", 2).upper == Q(4, 3)
    assert (exponent("relu", 3).lower, exponent("relu", 3).upper) == (Q(7, 3), Q(8, 3))
    assert exponent("leaky-relu:0.1", Q(3, 2)).lower == exponent("leaky-relu:0.1", Q(3, 2)).upper == Q(1, 2)
    assert exponent(theory.rectified_power(2), Q(3, 2)).upper == Q(8, 7)
    assert exponent("relu", Q(3, 2), bias=True).lower == Q(3, 2)
    assert exponent("relu", Q(3, 2), bias=True).upper == sympy.oo
    assert exponent("relu", Q(3, 2), bias=True, law="binary").lower == sympy.oo
    assert exponent(theory.power(2), Q(1, 2), regime="finite").lower == 2
    assert "2/3" in str(exponent("relu", 1.5))


@given(st.integers(1, 45), st.integers(11, 60), st.sampled_from(["many", "finite"]), st.booleans())
def test_exponents_are_ordered(tenths: int, s: int, regime: str, bias: bool) -> None:
    if regime == "finite" and tenths <= 7:
        return
    found = theory.scaling_exponent(theory.rectified_power(Q(tenths, 10)), Q(s, 10), bias=bias, regime=regime)
    assert 0 < found.lower <= found.upper
    assert found.status == "proved"
    # More is not worse: dedication alone reaches s - 1.
    assert regime == "finite" or found.lower >= Q(s, 10) - 1


@pytest.mark.parametrize(
    ("activation", "s"), [("power:2", 1.5), ("power:3", 1.25), ("power:2", 3), ("relu", 1.5), ("relu", 3), ("relu", 5)]
)
def test_bounds_at_large_sizes_fall_with_the_proved_exponents(activation: str, s: float) -> None:
    """max_n s_n (n - K_n) from below, and blocks of 2^b m features from above, between m = 10^4 and 10^6."""
    kernel = sparse_constants(theory.uniform(), theory.activation(activation)).kernel
    exponent = theory.scaling_exponent(activation, s)
    sizes = (10**4, 10**6)
    below, above = [], []
    for m in sizes:
        lost = []
        for n in np.unique(np.geomspace(2 * m + 1, float(m) ** 3.5, 40)):
            bound = capacity_bound(kernel, m, int(n))
            lost.append(n**-s * _deficit(bound, n))
        below.append(max(lost))
        rate = 4 / 3 if activation == "relu" else float(kernel.exponent)
        blocks = np.arange(1, np.log2(m) * (rate - 1) + 1)
        width = m / (len(blocks) + 1)
        counts = width * 2 ** (blocks - 1)
        above.append(float((counts ** (2 - s) / width**rate).sum() + (counts[-1] * 2) ** (1 - s) / (s - 1)))
    # Above, the number of blocks adds a power of log m.
    gap = np.log(sizes[1] / sizes[0])
    assert np.log(below[0] / below[1]) / gap == pytest.approx(float(exponent.upper), rel=0.03)
    assert np.log(above[0] / above[1]) / gap == pytest.approx(float(exponent.lower), rel=0.25)


def _deficit(bound: Minorant, n: float) -> float:
    """n - K_n, without cancellation: n (n gamma + beta - 1)/(n gamma + beta)."""
    excess = float(int(n) * bound.gamma + bound.beta - 1)
    return n * excess / (1 + excess)


def test_water_filling_of_power_laws() -> None:
    """S9: how many features the water reaches, for v_i = i^(-s/2), against the asymptotic formulas."""
    i = np.arange(1, 2_000_001)
    for s, ratio, expected in (
        (1.0, 1e5, (2 - 1.0) / 1.0 * 1e5),
        (3.0, 1e4, (1e4 / float(sympy.zeta(Q(3, 2)))) ** (2 / 3)),
    ):
        v = i ** (-s / 2)
        level = np.cumsum(v) / (ratio + i)
        kept = int(np.argmax(np.append(v[1:], 0) <= level)) + 1
        assert kept == pytest.approx(expected, rel=0.12)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9),
    st.integers(1, 4),
    st.sampled_from(["relu", "power:2", "leaky-relu:0.3", "rectified-power:1/2", "signed-power:3/2", "power:1"]),
)
def test_intervals_are_ordered(pairs: list[tuple[int, int]], m: int, activation: str) -> None:
    weights, importances = [Q(a, 10) for a, _ in pairs], [Q(b, 3) for _, b in pairs]
    found = theory.first_order_interval(activation, m, weights, importances)
    assert found.floor <= found.lower + Q(1, 10**20)
    assert found.lower <= found.upper + Q(1, 10**20)
    assert found.upper <= found.dedicated + Q(1, 10**20)
    assert 0 <= found.lost[0] <= found.lost[1] + Q(1, 10**20)
    if activation == "power:1":
        assert float(found.upper - found.lower) == pytest.approx(0, abs=1e-12) or len(set(importances)) > 1


def test_many_features_stay_exact_and_readable() -> None:
    found = theory.first_order_interval("power:2", 8, theory.zipf_densities(200, Q(3, 2), Q(1, 100)))
    assert found.lower.is_Rational
    assert 0.3 < float(found.lost[0]) * 100 < float(found.lost[1]) * 100 < 0.5
    assert "icosahedron" in found.construction


def test_spreading_drops_nothing_without_need() -> None:
    """At most m features (2m for rectified powers): nothing is lost, in both bounds."""
    for activation, n in (("power:2", 3), ("relu", 6)):
        kernel = sparse_constants(theory.uniform(), theory.activation(activation)).kernel
        stakes = [Fraction(i + 1, 7) for i in range(n)]
        assert spread_stake(stakes, [Fraction(1)] * n, kernel, 3).held == sum(stakes)
        assert float(held_stake(stakes, kernel, 3).lost) == pytest.approx(0, abs=1e-15)


def test_zipf_densities() -> None:
    assert theory.zipf_densities(3, 2, Q(1, 2)) == (Q(1, 2), Q(1, 8), Q(1, 18))
    rounded = theory.zipf_densities(50, 1.5)
    assert all(value.is_Rational and value <= sympy.Integer(i) ** Q(-3, 2) for i, value in enumerate(rounded, 1))
    assert [float(v) for v in rounded] == pytest.approx([i**-1.5 for i in range(1, 51)], rel=1e-14)
    for bad in ({"s": -1}, {"s": 2, "p1": 2}, {"s": sympy.Symbol("s")}):
        with pytest.raises(InputError):
            theory.zipf_densities(3, **bad)


def test_messages() -> None:
    with pytest.raises(InputError, match="s=1 must be > 1"):
        theory.scaling_exponent("relu", 1)
    with pytest.raises(InputError, match="gains nothing"):
        theory.scaling_exponent(theory.power(2), 2, law="two-sided:uniform")
    with pytest.raises(InputError, match="capacity beyond m"):
        theory.scaling_exponent(theory.power(1), 2, regime="finite")
    with pytest.raises(InputError, match="not homogeneous"):
        theory.scaling_exponent("gelu", 2)
    with pytest.raises(InputError, match="prime power"):
        quadrangle(6)
    with pytest.raises(InputError, match="one per feature"):
        theory.first_order_interval("relu", 2, [1, 2], [1])
    assert [found.q for found in quadrangles_within(60)] == [2, 3, 4]
