"""T1-T4: the first order in the density, the capacity, Sidelnikov's inequality and what constructions reach."""

from __future__ import annotations

import sympy

from theory.bound import Step
from theory.loss.capacity import effective_dimension
from theory.loss.expansion import scale_out_steps
from theory.theorem import Theorem

__all__ = ["BASICS", "equals", "first_order_theorems"]

_q = sympy.Rational
BASICS = (
    "b = 0",
    "the activation is homogeneous: sigma(lambda z) = lambda^a sigma(z) for lambda > 0",
    "features are independent and active with the same probability p",
)
n, m = sympy.symbols("n m", integer=True, positive=True)
a, u, p = sympy.symbols("a u p", positive=True)
s, energy, dimension, kappa, mu_2 = sympy.symbols("s E D kappa mu_2", positive=True)


def equals(left: sympy.Expr, right: sympy.Expr | int) -> sympy.Eq:
    """left = right, left unevaluated so that a step re-proves it."""
    return sympy.Eq(left, right, evaluate=False)


def first_order_theorems() -> tuple[Theorem, ...]:
    """T1 to T4."""
    return (*_expansion(), *_scale_out(), *_sidelnikov(), _constructions())


def _expansion() -> tuple[Theorem, ...]:
    g, h, rho, gain = sympy.symbols("g h rho A", positive=True)
    q = 1 - p
    several = 6 * p**2 * q**2 + 4 * p**3 * q + p**4
    return (
        Theorem(
            key="T1",
            title="first order",
            statement="L(W) = p q^(n-1) c(W) + O(p^2) with c(W) = n mu_2 - 2 M_1 s + M_d E(W), where s = sum_i a_i, "
            "a_i = |W_i|^(2a), and E(W) = sum_ij a_i a_j f(cos_ij) over ordered pairs, diagonal included. With "
            "importances on the output, c = mu_2 sum I_i - 2 M_1 sum I_i a_i + M_d sum_ij I_j a_i a_j f(cos_ij).",
            status="proved",
            source="docs/theory.md, T1",
            assumptions=BASICS,
            derivation=(
                Step(
                    "only x_i = U active: output j is sigma(G_ji U), and sigma is homogeneous",
                    equals((g * u) ** a, g**a * u**a),
                ),
                Step(
                    "the feature's own output costs mu_2 - 2 M_1 A + M_d A^2 at gain A = a_i",
                    equals((u - gain * u**a) ** 2, u**2 - 2 * gain * (u * u**a) + gain**2 * (u**a) ** 2),
                ),
                Step("M_1 = 1/(a + 2) for uniform U", equals(sympy.Integral(u ** (a + 1), (u, 0, 1)), 1 / (a + 2))),
                Step("M_d = 1/(2a + 1)", equals(sympy.Integral(u ** (2 * a), (u, 0, 1)), 1 / (2 * a + 1))),
                Step(
                    "the other outputs cost M_d |G_ij|^(2a) = M_d a_i a_j f(cos_ij)",
                    equals((rho * sympy.sqrt(g * h)) ** (2 * a), g**a * h**a * rho ** (2 * a)),
                ),
                Step(
                    "two or more are active with probability at most C(n, 2) p^2 (at n = 4)",
                    equals(several, 6 * p**2 - p**3 * (8 - 3 * p)),
                ),
            ),
            equality="an identity",
            functions=("theory.sparse_coefficient",),
        ),
    )


def _scale_out() -> tuple[Theorem, ...]:
    overlap, size, scale = sympy.symbols("A B Lambda", positive=True)
    first, second = sympy.symbols("K_1 K_2", positive=True)
    star, capacity = sympy.symbols("c_star K_star", positive=True)
    uniform = (2 * a + 1) / (a + 2) ** 2
    return (
        Theorem(
            key="T2",
            title="scale-out: the capacity",
            statement="c* = inf_W c(W) = n mu_2 - kappa K* with kappa = M_1^2/M_d and K* = sup_W s^2/E(W). The law "
            "enters through kappa (and r) alone, the geometry through the capacity K*. Where M_1 <= 0, c* = n mu_2.",
            status="proved",
            source="docs/theory.md, T2",
            assumptions=(*BASICS, "M_1 > 0"),
            relation=equals(star, n * mu_2 - kappa * capacity),
            derivation=(
                *scale_out_steps(),
                Step(
                    "kappa <= mu_2 by Cauchy-Schwarz; for uniform U the difference is (a - 1)^2/(3 (a + 2)^2)",
                    equals(_q(1, 3) - uniform, (a - 1) ** 2 / (3 * (a + 2) ** 2)),
                ),
            ),
            equality="W scaled by Lambda^(1/(2a)) with Lambda = M_1 s/(M_d E)",
            functions=("theory.capacity", "theory.law_constant", "theory.optimal_scale", "theory.sparse_optimum"),
        ),
        Theorem(
            key="T2(a)",
            title="scale-out at every density",
            statement="L*(p) = n p mu_2 - sup_W (E <x, x_hat>)_+^2 / E |x_hat|^2, so that any W certifies an upper "
            "bound.",
            status="proved",
            source="docs/theory.md, T2",
            assumptions=BASICS,
            derivation=(
                Step(
                    "along a ray L = E|x|^2 - 2 A Lambda + B Lambda^2, A = E <x, x_hat>, B = E |x_hat|^2",
                    equals(
                        -2 * overlap * scale + size * scale**2, size * (scale - overlap / size) ** 2 - overlap**2 / size
                    ),
                ),
                Step("Lambda >= 0, so only a positive A helps"),
            ),
            equality="an identity",
        ),
        Theorem(
            key="T2(b)",
            title="structure of the capacity",
            statement="1 <= K* <= n; K* grows with n and m; K*(n + n', m + m') >= K*(n, m) + K*(n', m'); for "
            "rectified powers of U >= 0, K*(2n, m) >= 2 K*_even(n, m).",
            status="proved",
            source="docs/theory.md, T2",
            assumptions=BASICS,
            derivation=(
                Step("one direction for all gives K = 1; E >= sum a_i^2 >= s^2/n gives K <= n"),
                Step("zero columns and zero rows keep K, so K* grows with n and m"),
                Step(
                    "orthogonal blocks at their own best scale have s = E = K_1 + K_2",
                    equals((first + second) ** 2 / (first + second), first + second),
                ),
                Step(
                    "the antipodal double of n vectors has 2s and, as f = 0 on negative cosines, energy 2 E_even",
                    equals((2 * s) ** 2 / (2 * energy), 2 * (s**2 / energy)),
                ),
            ),
            functions=("theory.capacity",),
        ),
    )


def _sidelnikov() -> tuple[Theorem, ...]:
    k = sympy.Symbol("k", integer=True, positive=True)
    half, pi = _q(1, 2), sympy.pi

    def general(x: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
        top = sympy.sqrt(pi) * sympy.gamma(x / 2 + exponent)
        return top / (sympy.gamma(x / 2) * sympy.gamma(exponent + half))

    lines = lambda count, power: sum(sympy.cos(pi * j / count) ** (2 * power) for j in range(count))  # noqa: E731
    star = sympy.Symbol("K_star", positive=True)
    return (
        Theorem(
            key="T3(a)",
            title="Sidelnikov's inequality",
            statement="for f(t) = t^(2k) with integer k, K* <= min(n, D(m, k)), D(m, k) = prod_(j<k) (m + 2j)/(2j + "
            "1).",
            status="proved",
            source="docs/theory.md, T3(a); V. M. Sidelnikov (1974), B. Venkov",
            assumptions=(*BASICS, "the kernel is even: monomials, signed powers, or a two-sided law"),
            relation=sympy.Le(star, sympy.Min(n, dimension)),
            derivation=(
                Step("T = sum_i W_i^(x 2k), S = E u^(x 2k): <T, T> = E, <S, S> = 1/D, <T, S> = s/D"),
                Step(
                    "|T - s S|^2 = E - s^2/D >= 0",
                    equals(energy - 2 * s * (s / dimension) + s**2 / dimension, energy - s**2 / dimension),
                ),
                Step(
                    "D(m, k + 1)/D(m, k) = (m + 2k)/(2k + 1) for the inverse moment of a coordinate",
                    equals(general(m, k + 1) / general(m, k), (m + 2 * k) / (2 * k + 1)),
                ),
                Step(
                    "so D is the product, and D(m, 0) = 1 (at k = 3)",
                    equals(general(m, sympy.Integer(3)), effective_dimension(m, 3)),
                ),
                Step("E >= sum_i a_i^2 >= s^2/n gives K <= n"),
            ),
            equality="D: exactly if the antipodal double, weighted by a_i, is a spherical (2k+1)-design; n: "
            "orthogonal features",
            bounds=("sidelnikov", "cardinality"),
            functions=("theory.effective_dimension",),
        ),
        Theorem(
            key="T3(a')",
            title="non-integer exponents",
            statement="for f(t) = |t|^(2a), K* <= min(n, D(m, ceil(a))). With D(m, a) itself this is false.",
            status="proved",
            source="docs/theory.md, T3(a')",
            assumptions=(*BASICS, "the kernel is even: signed powers, or a two-sided law"),
            derivation=(
                Step("|t|^(2a) >= t^(2k) on [-1, 1] for k = ceil(a), so the energy is at least that of t^(2k)"),
                Step(
                    "three lines at 60 degrees with a = 3/2 hold K = 12/5",
                    equals(3 / (1 + 2 * sympy.cos(pi / 3) ** 3), _q(12, 5)),
                ),
                Step("which is more than D(2, 3/2) = 3 pi/4", equals(general(sympy.Integer(2), _q(3, 2)), 3 * pi / 4)),
                Step("12/5 > 3 pi/4", sympy.Gt(_q(12, 5), 3 * pi / 4, evaluate=False)),
            ),
            bounds=("sidelnikov",),
            functions=("theory.effective_dimension",),
        ),
        Theorem(
            key="T3(b)",
            title="saturation",
            statement="for n >= N(m, k), the least size of a weighted projective k-design, K* = D exactly. N(2, k) = "
            "k + 1 (equispaced lines), N(m, 1) = m.",
            status="proved",
            source="docs/theory.md, T3(b)",
            assumptions=(*BASICS, "the kernel is t^(2k) with integer k"),
            derivation=(
                Step("a weighted projective k-design attains equality in T3(a); further features are dropped"),
                Step("equispaced lines in the plane, k = 1", equals(lines(2, 1), 2 / effective_dimension(2, 1))),
                Step("k = 2", equals(lines(3, 2), 3 / effective_dimension(2, 2))),
                Step("k = 3", equals(lines(4, 3), 4 / effective_dimension(2, 3))),
                Step(
                    "D(2, k) = 4^k/C(2k, k)",
                    equals(general(sympy.Integer(2), k), 4**k * sympy.gamma(k + 1) ** 2 / sympy.gamma(2 * k + 1)),
                ),
                Step("N exists and is at most C(m + 2k - 1, 2k), by Caratheodory"),
            ),
            bounds=("sidelnikov", "code"),
            functions=("theory.capacity",),
        ),
        Theorem(
            key="T3(c)",
            title="two-sided laws",
            statement="for U symmetric about 0: even monomials have M_1 = 0, so c* = n mu_2; rectified powers have "
            "an even kernel, and M_1 and M_d are halved: ReLU has c* = n mu_2 - (mu_2/2) min(n, m).",
            status="proved",
            source="docs/theory.md, T3(c)",
            assumptions=(*BASICS, "U and -U have the same law"),
            derivation=(
                Step(
                    "odd moments vanish (uniform on [-1, 1], z^2)",
                    equals(sympy.Integral(_v * _v**2 / 2, (_v, -1, 1)), 0),
                ),
                Step("for z_+: kappa = (mu_2/2)^2/(mu_2/2)", equals((mu_2 / 2) ** 2 / (mu_2 / 2), mu_2 / 2)),
                Step("f(t) = |t|^(2a) off the diagonal, so T3(a) applies with D(m, 1) = m"),
            ),
            equality="min(n, m) orthonormal features",
            bounds=("sidelnikov", "orthonormal"),
            functions=("theory.law_constant",),
        ),
    )


_v = sympy.Symbol("v", real=True)


def _constructions() -> Theorem:
    size, mean, r = sympy.symbols("M D_f r", positive=True)
    count = sympy.Symbol("n", positive=True)
    pairs = count * (count - 1) - count * (size - 1)
    at_random = count * mean / (count + mean - 1)
    bases = count * mean / (count + mean - size)
    return Theorem(
        key="T4",
        title="what constructions hold",
        statement="K* >= min(n, m) (orthonormal), min(n, 2m) (antipodal pairs: rectified, U >= 0), n D_f/(n + D_f - "
        "1) (random directions, D_f = 2D/(1 + r)), n^2/(n + [n(n-1) - floor(n/M) M(M-1) - R(R-1)]/D_f) with R = n "
        "mod M (random bases of M = m vectors, or 2m antipodal points), and the sum of the capacities of famous "
        "codes in orthogonal blocks.",
        status="proved",
        source="docs/theory.md, T4",
        assumptions=BASICS,
        derivation=(
            Step("the mean energy of independent unit directions is n + n(n - 1)/D_f; some W does no worse"),
            Step("random directions", equals(count**2 / (count + count * (count - 1) / mean), at_random)),
            Step("random bases, M divides n", equals(count**2 / (count + pairs / mean), bases)),
            Step(
                "bases are at least as good as single directions, M >= 1",
                equals(1 / at_random - 1 / bases, (size - 1) / (count * mean)),
            ),
            Step(
                "1/D_f = E f(<u, v>) = (1 + r)/2 E |<u, v>|^(2a); in R^3 a coordinate is uniform, so D(3, a) = 2a + 1",
                equals(sympy.Integral((1 + r) / 2 * u ** (2 * a), (u, 0, 1)), (1 + r) / (2 * (2 * a + 1))),
            ),
        ),
        equality="orthonormal: n <= m; antipodal: n <= 2m; random: n -> oo for monomials",
        bounds=("orthonormal", "antipodal", "random-directions", "random-bases", "code"),
    )
