"""T6, T7 and T9: bounds at every density, from below and above, and features of unequal importance."""

from __future__ import annotations

import sympy

from theory.bound import Step
from theory.loss.theorems.first_order import BASICS, equals
from theory.loss.unequal.water_filling import water_filling_steps
from theory.theorem import Theorem

__all__ = ["density_theorems"]

_q = sympy.Rational
n, m, s = sympy.symbols("n m s", integer=True, positive=True)
p, mu_1, mu_2, kappa = sympy.symbols("p mu_1 mu_2 kappa", positive=True)
q = 1 - p


def density_theorems() -> tuple[Theorem, ...]:
    """T6, T7 and T9."""
    return (*_from_below(), *_from_above(), *_importances())


def _choose(top: sympy.Expr, bottom: sympy.Expr) -> sympy.Expr:
    return sympy.gamma(top + 1) / (sympy.gamma(bottom + 1) * sympy.gamma(top - bottom + 1))


def _from_below() -> tuple[Theorem, ...]:
    monomial = (*BASICS, "the activation is the monomial z^k")
    rank, first = sympy.symbols("R c_star", positive=True)
    j = sympy.Symbol("j", integer=True, nonnegative=True)
    combined = p * q ** (n - 1) * first + (n - rank) * (p * mu_2 - p**2 * mu_1**2 - p * q ** (n - 1) * mu_2)
    by_rank = (n - rank) * (p * mu_2 - p**2 * mu_1**2)

    def summed(count: int) -> sympy.Expr:
        weight = lambda k: sympy.binomial(count, k) * p**k * q ** (count - k)  # noqa: E731
        value = lambda k: _q(k, count) * mu_2 - _q(k * (k - 1), count * (count - 1)) * mu_1**2  # noqa: E731
        return sympy.Add(*(weight(k) * value(k) for k in range(2, count + 1)))

    closed = lambda count: p * mu_2 - p**2 * mu_1**2 - p * q ** (count - 1) * mu_2  # noqa: E731
    star = sympy.Symbol("L_star", positive=True)
    return (
        Theorem(
            key="T6(a)",
            title="first order at every density",
            statement="L*(p) >= p q^(n-1) c*, for every p.",
            status="proved",
            source="docs/theory.md, T6(a)",
            assumptions=BASICS,
            relation=sympy.Ge(star, p * q ** (n - 1) * first),
            derivation=(
                Step("L(p) = sum_A p^|A| q^(n-|A|) l_A with every l_A >= 0; keep the n sets with |A| = 1"),
                Step("they have weight p q^(n-1) each: (s/n) C(n, s) = 1 at s = 1", equals(_choose(n, 1) / n, 1)),
            ),
            equality="p -> 0",
            bounds=("first-order",),
        ),
        Theorem(
            key="T6(b)",
            title="rank",
            statement="for z^k, L* >= (n - R)_+ (p mu_2 - p^2 mu_1^2) with R = C(m+k-1, k) without bias and C(m+k, "
            "k) - 1 with one; with importances the n - R smallest ones replace (n - R)_+.",
            status="proved",
            source="docs/theory.md, T6(b)",
            assumptions=("the activation is the monomial z^k", *BASICS[2:]),
            relation=sympy.Ge(star, by_rank),
            derivation=(
                Step(
                    "x_hat_j = <w_j^(x k), h^(x k)> (h = W x) lies in a fixed space of dimension R, so the loss is "
                    "at least the sum of the n - R smallest eigenvalues of E x x^T"
                ),
                Step(
                    "E x x^T has p mu_2 - p^2 mu_1^2 on all differences x_i - x_j (n - 1 of them)",
                    equals(p * mu_2 - (p * mu_1) ** 2, p * mu_2 - p**2 * mu_1**2),
                ),
                Step(
                    "with a bias the forms have degree at most k in m variables: C(m+k, k) of them, minus the constant",
                    equals(_choose(m + 2, 2) - 1, m * (m + 3) / 2),
                ),
            ),
            equality="k = 1: principal components, at every p",
            bounds=("rank", "principal-components"),
        ),
        Theorem(
            key="T6(c)",
            title="combined",
            statement="for z^k and b = 0, L* >= p q^(n-1) c* + (n - R)_+ [p mu_2 - p^2 mu_1^2 - p q^(n-1) mu_2]: "
            "valid at every p, tight as p -> 0, never worse than T6(a) or T6(b).",
            status="proved",
            source="docs/theory.md, T6(c)",
            assumptions=monomial,
            relation=sympy.Ge(star, combined),
            derivation=(
                Step(
                    "given |A| = s, a feature is active with probability s/n",
                    equals(_choose(n - 1, s - 1) / _choose(n, s), s / n),
                ),
                Step(
                    "and two given ones with s(s-1)/(n(n-1)): E x x^T has n - 1 eigenvalues (s/n) mu_2 - "
                    "s(s-1)/(n(n-1)) mu_1^2",
                    equals(_choose(n - 2, s - 2) / _choose(n, s), s * (s - 1) / (n * (n - 1))),
                ),
                Step("|A| >= 2 costs at least n - R of them (T6(b) given A), |A| = 1 costs p q^(n-1) c* in all"),
                Step(
                    "sum over s >= 2: the s/n terms give p (1 - q^(n-1)) mu_2, the others p^2 mu_1^2 (n = 3)",
                    equals(summed(3), closed(3)),
                ),
                Step("the same at n = 6", equals(summed(6), closed(6))),
                Step(
                    "it exceeds T6(b) by p q^(n-1) (c* - (n - R) mu_2)",
                    equals(combined - by_rank, p * q ** (n - 1) * (first - (n - rank) * mu_2)),
                ),
                Step(
                    "which is >= 0: c* >= n mu_2 - mu_2 D and D <= R factor by factor",
                    equals((m + j) / (1 + j) - (m + 2 * j) / (2 * j + 1), j * (m - 1) / ((1 + j) * (2 * j + 1))),
                ),
            ),
            equality="p -> 0; k = 1 at every p",
            bounds=("combined",),
        ),
        Theorem(
            key="T6(d)",
            title="rectified powers at larger densities",
            statement="for rectified powers only T6(a) is known, which decays like e^(-np); so does T6(c) for n <= "
            "R. A bound linear in np is open.",
            status="open",
            source="docs/theory.md, T6",
            assumptions=BASICS,
            bounds=("first-order",),
        ),
    )


def _from_above() -> tuple[Theorem, ...]:
    x, y, c, two, three = sympy.symbols("x y c S_2 S_3", positive=True)
    count = sympy.Symbol("n", positive=True)
    rest = 2 * p**2 * q * two + p**3 * three
    ratio = sympy.cancel(sympy.expand(rest / p)) / (q**2 * c)
    zeta = p * mu_2 * (1 + (count - 1) / m)
    u, v = sympy.symbols("u v", positive=True)
    bound = 2 * (p / 3 - p * (q / 3 + p / 8) ** 2 / (q / 3 + p / 12))
    return (
        Theorem(
            key="T7(a)",
            title="explicit remainder",
            statement="L* <= p q^(n-1) c + sum_(s>=2) C(n-1, s-1) p^s q^(n-s) (sqrt(n mu_2) + sqrt(s^((2a-1)_+) "
            "kappa K))^2 for any attainable capacity K, c = n mu_2 - kappa K. So upper/lower -> 1 as np -> 0 "
            "wherever K* is certified and c* > 0.",
            status="proved",
            source="docs/theory.md, T7(a)",
            assumptions=BASICS,
            derivation=(
                Step(
                    "|x_hat_j|^2 <= s^((2a-1)_+) sum_(i in A) sigma(G_ji U_i)^2 for |A| = s: power means, signs cancel"
                ),
                Step("at the best scale M_d E = kappa K, so E |x_hat|^2 summed over |A| = s has that share; Minkowski"),
                Step(
                    "C(n-1, s-1) p^s q^(n-s): each feature is active with s - 1 of the others",
                    equals(_choose(n, s) * s / n, _choose(n - 1, s - 1)),
                ),
                Step("(x + y)^2 = 2x^2 + 2y^2 - (x - y)^2", equals((x + y) ** 2, 2 * x**2 + 2 * y**2 - (x - y) ** 2)),
                Step(
                    "so R <= 2p {n mu_2 (1 - q^(n-1)) + kappa K (E (1+N)^((2a-1)_+) - q^(n-1))}, N binomial(n-1, p): "
                    "of order n p (np)"
                ),
                Step("at n = 3: (upper - p q^2 c)/(p q^2 c) is 0 at p = 0", equals(ratio.subs(p, 0), 0)),
            ),
            equality="p -> 0",
            bounds=("remainder",),
        ),
        Theorem(
            key="T7(b)",
            title="random directions",
            statement="for z^k, L* <= n p mu_2 - n (E x_1 zeta^k)^2/E zeta^(2k), zeta = x_1 + sum_(i>=2) t_i x_i "
            "with t_i independent coordinates of uniform unit vectors: rational in p, for every p.",
            status="proved",
            source="docs/theory.md, T7(b)",
            assumptions=(*BASICS, "the activation is the monomial z^k"),
            derivation=(
                Step("given w_1 the <w_1, w_i> are independent; average numerator and denominator at a common scale"),
                Step(
                    "k = 1: E zeta^2 = p mu_2 (1 + (n-1)/m) gives T4's n m/(n + m - 1) at every p",
                    equals(
                        count * p * mu_2 - count * (p * mu_2) ** 2 / zeta,
                        p * mu_2 * (count - count * m / (count + m - 1)),
                    ),
                ),
            ),
            equality="p -> 0 with n -> oo",
            bounds=("random-directions",),
        ),
        Theorem(
            key="T7(c)",
            title="dedicated dimensions and antipodal pairs",
            statement="min(n, m) orthonormal features cost n p mu_2 - kappa min(n, m) p exactly; an antipodal pair "
            "(rectified, U >= 0) costs 2(p mu_2 - A^2/B), A = p(q M_1 + p E U sigma(U - V)), B = p(q M_d + p E "
            "sigma(U - V)^2).",
            status="proved",
            source="docs/theory.md, T7(c)",
            assumptions=BASICS,
            derivation=(
                Step("E U (U - V)_+ = 1/8 for uniform U", equals(_triangle(u * (u - v), u, v), _q(1, 8))),
                Step("E (U - V)_+^2 = 1/12", equals(_triangle((u - v) ** 2, u, v), _q(1, 12))),
                Step(
                    "so a ReLU pair at its best scale costs p^2 (32 - 25p)/(24 (4 - 3p))",
                    equals(bound, p**2 * (32 - 25 * p) / (24 * (4 - 3 * p))),
                ),
            ),
            equality="the stated weights",
            bounds=("orthonormal", "antipodal"),
        ),
    )


def _triangle(integrand: sympy.Expr, u: sympy.Symbol, v: sympy.Symbol) -> sympy.Integral:
    """The integral over 0 < v < u < 1."""
    return sympy.Integral(sympy.expand(integrand), (v, 0, u), (u, 0, 1))


def _importances() -> tuple[Theorem, ...]:
    weights, costs = sympy.symbols("I_1:4", positive=True), sympy.symbols("c_1:4", positive=True)
    steps = [*weights[1:], sympy.Integer(0)]
    layers = sum((weights[r] - steps[r]) * sum(costs[: r + 1]) for r in range(3))
    plain = sum(i * c for i, c in zip(weights, costs, strict=True))
    orders = [costs, costs[1:] + costs[:1], costs[2:] + costs[:2]]
    mean = sum(sum(i * c for i, c in zip(weights, order, strict=True)) for order in orders) / 3
    v, beta, gamma = sympy.symbols("v beta gamma", positive=True)
    return (
        Theorem(
            key="T9(a)",
            title="layer cake",
            statement="L is linear in I, so L*(I) >= sum_r (I_(r) - I_(r+1)) L*_r, with L*_r any lower bound for r "
            "equal features at the same m.",
            status="proved",
            source="docs/theory.md, T9(a)",
            assumptions=BASICS,
            derivation=(
                Step("Abel summation (n = 3)", equals(layers, plain)),
                Step("inputs outside the r most important features only add to their outputs' cost: drop them"),
            ),
            equality="one W is optimal for every layer at once",
            bounds=("layer-cake",),
        ),
        Theorem(
            key="T9(b)",
            title="water filling",
            statement="with v_i = sqrt(I_i), beta = 1 - h(1), gamma = h_0 of any h that T5 allows: c* >= mu_2 sum I "
            "- kappa V, V = sum_(i<=r) (v_i - mean_r)^2/beta + (sum_(i<=r) v_i)^2/(r (beta + r gamma)); the "
            "importances may be cut into bands min(I, high) - min(I, low) first.",
            status="proved",
            source="docs/theory.md, T9(b)",
            assumptions=(*BASICS, "beta, gamma >= 0"),
            derivation=(
                *water_filling_steps(),
                Step(
                    "equal importances: V = I/(gamma + beta/n), which is I times T5's capacity",
                    equals((n * v) ** 2 / (n * (beta + n * gamma)), v**2 / (gamma + beta / n)),
                ),
            ),
            equality="equal importances where T5 is attained",
            bounds=("water-filling",),
            functions=("theory.loss.unequal.water_level.water_level",),
        ),
        Theorem(
            key="T9(c)",
            title="spreading",
            statement="L*(I) <= mean of the r largest I times any upper bound for r equal features, plus p mu_2 I_i "
            "for each dropped one, for every r.",
            status="proved",
            source="docs/theory.md, T9(c)",
            assumptions=BASICS,
            derivation=(
                Step(
                    "averaged over which feature takes which place, every feature costs the same (n = 3, cyclic "
                    "orders)",
                    equals(mean, sum(weights) / 3 * sum(costs)),
                ),
                Step("some order does no worse than the average"),
            ),
            equality="equal importances",
            bounds=("code", "antipodal", "random-directions", "orthonormal"),
        ),
    )
