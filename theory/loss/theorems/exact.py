"""T8 and T10-T12: exact losses, ReLU with at most 2m features, biases, and two features in one dimension."""

from __future__ import annotations

import sympy

from theory.bound import Step
from theory.loss.obtuse import block_steps, structure_steps, trace_steps, weighted_steps
from theory.loss.obtuse_bound import robust_steps
from theory.loss.theorems.first_order import BASICS, equals
from theory.theorem import Theorem

__all__ = ["exact_theorems"]

_q = sympy.Rational
_RELU = ("sigma is ReLU", "U >= 0", *BASICS[2:])
p, mu_1, mu_2 = sympy.symbols("p mu_1 mu_2", positive=True)
u, tau, a = sympy.symbols("u tau a", positive=True)
q = 1 - p


def exact_theorems() -> tuple[Theorem, ...]:
    """T8, T10, T11 and T12."""
    return (*_exact_losses(), *_obtuse(), *_biases(), *_two_features())


def _exact_losses() -> tuple[Theorem, ...]:
    one, two, three = sympy.symbols("chi_1:4", positive=True)
    first, second = one, one**2 + two
    third = three * 1 + 2 * two * first + one * second
    g, h, b, r = sympy.symbols("g h b r", positive=True)
    v = sympy.Symbol("v", positive=True)
    z = g * u + b
    return (
        Theorem(
            key="T8(a)",
            title="exact loss of polynomials",
            statement="for z^k with any n, b, I: L = sum_j I_j (p mu_2 - 2 E x_j z_j^k + E z_j^(2k)) from cumulants "
            "of z_j, chi_r(x) sum_i G_ji^r (+ b_j at r = 1), where x = B U has raw moments p mu_r; O(n^2 k + n k^2).",
            status="proved",
            source="docs/theory.md, T8(a)",
            assumptions=("the activation is a polynomial", *BASICS[2:]),
            derivation=(
                Step("cumulants of independent variables add; those of B U follow from its raw moments p mu_r"),
                Step(
                    "M_r = sum_s C(r-1, s-1) chi_s M_(r-s): third moment",
                    equals(third, one**3 + 3 * one * two + three),
                ),
                Step(
                    "the second cumulant of B U is p mu_2 - p^2 mu_1^2, not p times the variance of U",
                    equals(p * mu_2 - (p * mu_1) ** 2 - p * (mu_2 - mu_1**2), p * q * mu_1**2),
                ),
                Step("E x_j z_j^k: expand in x_j, whose part is independent of the rest of z_j"),
            ),
            equality="an identity",
            functions=("numerics.exact_loss",),
        ),
        Theorem(
            key="T8(b)",
            title="exact loss of rectified powers, uniform law",
            statement="E (g.U + b)_+^r = Gamma(r+1)/(Gamma(r+s+1) prod g) sum_(v in {0,1}^s) (-1)^(s-|v|) (g.v + "
            "b)_+^(r+s), and E U_j z_+^r = [E (z | U_j = 1)_+^(r+1) - E z_+^(r+1)]/(g_j (r+1)). In floating point "
            "the sum cancels as soon as some |g_i| is below 1e-3.",
            status="proved",
            source="docs/theory.md, T8(b)",
            assumptions=("U is uniform on [0, 1]", "all g_i are nonzero", *BASICS[2:]),
            derivation=(
                Step(
                    "one variable: an antiderivative of z^r",
                    equals(sympy.diff(z ** (r + 1) / (g * (r + 1)), u), z**r),
                ),
                Step(
                    "two variables, and so on: every integration divides by g_i and raises the power",
                    equals(sympy.diff((z + h * v) ** (r + 2) / (g * h * (r + 1) * (r + 2)), u, v), (z + h * v) ** r),
                ),
                Step("z_+^r is the limit of such powers: the antiderivatives are continuous at 0, so corners add up"),
                Step(
                    "by parts: U z^r = d/dU [U z^(r+1)/(g (r+1))] - z^(r+1)/(g (r+1))",
                    equals(sympy.diff(u * z ** (r + 1) / (g * (r + 1)), u) - z ** (r + 1) / (g * (r + 1)), u * z**r),
                ),
            ),
            equality="an identity",
            functions=("theory.loss.vertex.vertex_loss", "theory.loss.vertex.rectified_moment"),
        ),
    )


def _obtuse() -> tuple[Theorem, ...]:
    rho, v = sympy.symbols("rho v", positive=True)
    # min(u, rho v)^2 integrated over v, then u: rho v below u for v < u/rho where that is inside.
    below = sympy.Integral(rho**2 * v**2, (u, rho * v, 1), (v, 0, 1))
    above = sympy.Integral(u**2, (u, 0, rho * v), (v, 0, 1))
    return (
        Theorem(
            key="T10(a)",
            title="loss of an obtuse system",
            statement="c(W) = 0 exactly for unit features with all cosines <= 0 (possible iff n <= 2m). Then L = p^2 "
            "sum_(i<j) e(rho_ij) + O(p^3) with e(rho) = 2 E min(U, rho V)^2, rho = |cos|; uniform: (2 rho^2 - "
            "rho^3)/3.",
            status="proved",
            source="docs/theory.md, T10",
            assumptions=(*_RELU, "b = 0"),
            derivation=(
                *structure_steps()[:2],
                Step("uniform, where rho v < u", equals(below, rho**2 / 3 - rho**3 / 4)),
                Step("where u < rho v", equals(above, rho**3 / 12)),
                Step(
                    "twice the sum",
                    equals(2 * (rho**2 / 3 - rho**3 / 4 + rho**3 / 12), (2 * rho**2 - rho**3) / 3),
                ),
            ),
            equality="an identity",
            functions=("theory.pair_coefficient",),
        ),
        Theorem(
            key="T10(b)",
            title="antipodal pairs are best",
            statement="for uniform U and m <= n <= 2m, lim L*/p^2 = (n - m)/3, with or without biases; the "
            "minimisers are n - m antipodal pairs and an orthonormal rest, and nothing else. The same, (n - m) e(1), "
            "for every law with a density that does not increase.",
            status="proved",
            source="docs/theory.md, T10; proof written for this project",
            assumptions=(
                *_RELU,
                "equal importances (else the pairs are the least important features)",
                "e(rho) >= 2 rho^2/(1 + rho) e(1) on [0, 1]",
            ),
            derivation=(*structure_steps(), *weighted_steps()),
            equality="antipodal pairs: equality needs every cosine to be 0 or -1",
            functions=("theory.pair_limit", "theory.loss.obtuse.pairs_are_best"),
        ),
        Theorem(
            key="T10(c)",
            title="binary features prefer simplices",
            statement="for U = 1 and b = 0, lim L*/p^2 = sum_c k_c/(k_c - 1) over n - m blocks of k_c features, "
            "sizes as equal as possible, each block a regular simplex; for n = m + 1 it is (m + 1)/m. For any law "
            "the limit is at least e(1)/2 times that sum.",
            status="proved",
            source="docs/theory.md, T10; proof written for this project",
            assumptions=(*_RELU, "equal importances", "b = 0"),
            derivation=(*structure_steps(), *block_steps(), *trace_steps()),
            equality="regular simplices in orthogonal subspaces",
            functions=("theory.pair_limit",),
        ),
        Theorem(
            key="T10(d)",
            title="antipodal pairs at unit scale",
            statement="n - m antipodal pairs and an orthonormal rest at unit scale cost 2 (n - m) p^2 E min(U, V)^2 "
            "at EVERY p; for uniform U (n - m) p^2/3.",
            status="proved",
            source="docs/theory.md, T10",
            assumptions=(*_RELU, "m <= n <= 2m"),
            derivation=(
                Step("output 1 of a pair is (x_1 - x_2)_+, so its error is min(x_1, x_2), 0 unless both are active"),
                Step("E min(U, V)^2 = 1/6", equals(2 * sympy.Integral(u**2, (u, 0, v), (v, 0, 1)), _q(1, 6))),
            ),
            equality="an identity",
            bounds=("unit-pairs", "antipodal"),
            functions=("theory.loss.obtuse.unit_pairs_loss",),
        ),
        Theorem(
            key="T10(e)",
            title="other laws",
            statement="for laws with E U^2 < 2 E min(U, V)^2 simplices beat antipodal pairs once m is large; which "
            "obtuse system is best between the two is open, the interval of `pair_limit` is proved.",
            status="open",
            source="docs/theory.md, T10",
            assumptions=_RELU,
            functions=("theory.pair_limit",),
        ),
        Theorem(
            key="T10(f)",
            title="a lower bound at every density",
            statement="under the assumptions of T10(b), for m < n <= 2m and every p: L* >= p^2 q^(n-2) ((n - m) e(1) "
            "(1 - (1 + 2 sqrt n) p) - p A^2/(4 mu_2))_+, A = 5 e(1) sqrt(n - m) + 2 mu_2 sqrt n. With T10(d): "
            "upper/lower -> 1 as p -> 0 although c* = 0.",
            status="proved",
            source="docs/theory.md, T10; proof written for this project",
            assumptions=(*_RELU, "b = 0", "e(rho) >= 2 rho^2/(1 + rho) e(1) on [0, 1]"),
            derivation=(*weighted_steps(), *robust_steps()),
            equality="p -> 0, by antipodal pairs",
            bounds=("obtuse",),
        ),
    )


def _biases() -> tuple[Theorem, ...]:
    g, h, overlap, c, x = sympy.symbols("g h G_+ C x", positive=True)
    gain, cost = sympy.symbols("M_1 M_d", positive=True)
    one = (1 - tau) ** (a + 1) * (a + 1 + tau) / ((a + 1) * (a + 2))
    two = (1 - tau) ** (2 * a + 1) / (2 * a + 1)
    kappa = (2 * a + 1) * (1 - tau) * ((a + 1 + tau) / ((a + 1) * (a + 2))) ** 2
    d_tau = tau**2 / 4 + tau**3 / 12
    return (
        Theorem(
            key="T11(a)",
            title="positive biases do not pay at first order",
            statement="for monomials (any sign of b) and rectified powers with a > 1/2 and b > 0, b_j = "
            "O(p^(1/(2a))), so lim L*/p is the infimum over b <= 0 (rectified) or b = 0 (monomials); positive biases "
            "gain at most a relative order p^(1/(2a-1)).",
            status="proved",
            source="docs/theory.md, T11",
            assumptions=(*BASICS[1:], "a > 1/2"),
            derivation=(
                Step("the empty set costs q^n sum_j sigma(b_j)^2 = q^n sum_j b_j^(2a) <= L <= n p mu_2"),
                Step(
                    "a gain C p b - b^(2a) is stationary at b^(2a-1) = C p/(2a)",
                    equals(sympy.diff(c * p * x - x ** (2 * a), x), c * p - 2 * a * x ** (2 * a - 1)),
                ),
                Step(
                    "there it is of order p^(2a/(2a-1)) = p times p^(1/(2a-1))",
                    equals(2 * a / (2 * a - 1) - 1, 1 / (2 * a - 1)),
                ),
            ),
            equality="the rate is what minimisation measures",
        ),
        Theorem(
            key="T11(b)",
            title="a negative bias pays for ReLU",
            statement="b = -beta: at a scale-stationary W, sum_j g_j dc/dbeta_j at 0 = 2 mu_1 sum_(i != j) (G_ij)_+ "
            "[(G_ij)_+ - (g_i + g_j)/2] <= 0, and < 0 unless every pair with positive inner product is identical.",
            status="proved",
            source="docs/theory.md, T11",
            assumptions=_RELU,
            derivation=(
                Step(
                    "dc/dbeta_j at 0 = 2 mu_1 [(1 - g_j) - sum_(i != j) (G_ij)_+]; scale-stationary: sum_j g_j (1 - "
                    "g_j) = sum_(i != j) (G_ij)_+^2"
                ),
                Step(
                    "multiply by g_j and sum; a pair contributes (G_+)^2 twice and g_i G_+ + g_j G_+",
                    equals(2 * overlap**2 - (g + h) * overlap, 2 * overlap * (overlap - (g + h) / 2)),
                ),
                Step(
                    "G_ij <= sqrt(g_i g_j) <= (g_i + g_j)/2",
                    equals((g**2 + h**2) / 2 - g * h, (g - h) ** 2 / 2),
                ),
            ),
            equality="identical features, or no positive inner product",
        ),
        Theorem(
            key="T11(c)",
            title="thresholds",
            statement="at threshold tau = beta_j/g_j and without interference, uniform U: kappa_tau = (2a+1)(1-tau) "
            "((a+1+tau)/((a+1)(a+2)))^2; for ReLU a feature costs d(tau) = tau^2/4 + tau^3/12. So n unit vectors "
            "with all cosines <= tau have c* <= n d(tau): with biases the number of features at a fixed distortion "
            "grows exponentially in m, without them at most like m^(3/2) (T5(e)).",
            status="proved",
            source="docs/theory.md, T11",
            assumptions=("rectified powers", "U is uniform on [0, 1]", "0 <= tau < 1"),
            derivation=(
                Step(
                    "M_1 = int_tau^1 u (u - tau)^a du: antiderivative (u - tau)^(a+1) ((a+1) u + tau)/((a+1)(a+2))",
                    equals(
                        sympy.diff((u - tau) ** (a + 1) * ((a + 1) * u + tau) / ((a + 1) * (a + 2)), u)
                        / (u - tau) ** a,
                        u,
                    ),
                ),
                Step(
                    "at u = 1 that is (1-tau)^(a+1) (a+1+tau)/((a+1)(a+2)); M_d = (1-tau)^(2a+1)/(2a+1), kappa_tau = "
                    "M_1^2/M_d",
                    equals(one**2 / two, kappa),
                ),
                Step(
                    "ReLU: 1/3 - kappa_tau",
                    equals(_q(1, 3) - kappa.subs(a, 1), d_tau),
                ),
                Step("a cosine <= tau never reaches the threshold: G_ij U <= tau g_i, so nothing interferes"),
                Step(
                    "best scale: mu_2 - 2 M_1 A + M_d A^2 is least at A = M_1/M_d",
                    equals(mu_2 - 2 * gain * (gain / cost) + cost * (gain / cost) ** 2, mu_2 - gain**2 / cost),
                ),
            ),
            equality="the stated family",
        ),
        Theorem(
            key="T11(d)",
            title="equal norms and thresholds",
            statement="at one norm and threshold, c = n mu_2 - kappa_tau n^2/sum_ij f_tau(cos_ij), f_tau(t) = (t - "
            "tau)_+^(2a+1)/(t (1-tau)^(2a+1)); T5 with f_tau bounds this family for each tau. The best tau of "
            "pentagon and icosahedron is also what free norms and biases reach.",
            status="numerical",
            source="docs/theory.md, T11",
            assumptions=("rectified powers", "U is uniform on [0, 1]"),
            derivation=(
                Step(
                    "int_(tau/t)^1 (t u - tau)^(2a) du has the antiderivative (t u - tau)^(2a+1)/(t (2a+1))",
                    equals(sympy.diff((x * u - tau) ** (2 * a + 1) / (x * (2 * a + 1)), u), (x * u - tau) ** (2 * a)),
                ),
            ),
        ),
        Theorem(
            key="T11(e)",
            title="lower bounds with free biases",
            statement="a lower bound for rectified powers whose norms and biases are both free is open; bounds for b "
            "= 0 do not hold for biased models and are never given for them.",
            status="open",
            source="docs/theory.md, T11",
        ),
    )


def _two_features() -> tuple[Theorem, ...]:
    importance = sympy.Symbol("I", positive=True)
    first, second = q / 3 + p / 8, q / 3 + p / 12
    antipodal, aligned = 2 * (p / 3 - p * first**2 / second), p / 3 - p**2 / 4
    critical = (40 - 4 * sympy.sqrt(14)) / 43
    dedicated = importance * (p / 3 - p**2 / 4)
    limit = 4 * importance / (2 + 5 * importance)
    return (
        Theorem(
            key="T12(a)",
            title="two ReLU features in one dimension, no bias",
            statement="b = 0, I = 1, uniform U: L* = min(antipodal p^2 (32-25p)/(24 (4-3p)), aligned p/3 - p^2/4); "
            "they cross at p_c = (40 - 4 sqrt 14)/43. The aligned branch is proved (principal components), the "
            "antipodal optimum is numerical.",
            status="numerical",
            source="docs/theory.md, T12",
            assumptions=("n = 2, m = 1", "sigma is ReLU, b = 0", "U is uniform on [0, 1]"),
            derivation=(
                Step("W = (w, -v) with w = v: the best gain is A/B", equals(first / second, (8 - 5 * p) / (8 - 6 * p))),
                Step("antipodal", equals(antipodal, p**2 * (32 - 25 * p) / (24 * (4 - 3 * p)))),
                Step(
                    "W >= 0 makes ReLU linear: the optimum is T6(b) at k = 1", equals(p * _q(1, 3) - p**2 / 4, aligned)
                ),
                Step(
                    "difference",
                    equals(aligned - antipodal, p * (43 * p**2 - 80 * p + 32) / (24 * (4 - 3 * p))),
                ),
                Step("its smaller root", equals((43 * p**2 - 80 * p + 32).subs(p, critical), 0)),
            ),
            equality="the two stated weights",
            bounds=("antipodal",),
        ),
        Theorem(
            key="T12(b)",
            title="unequal importance, no bias",
            statement="b = 0 and I < 1 on the second feature: W = (1, 0) is never a local minimum for p > 0; a "
            "slightly aligned w_2 > 0 lowers the loss at the rate 2 I E x_1 x_2 = I p^2/2.",
            status="proved",
            source="docs/theory.md, T12",
            assumptions=("n = 2, m = 1", "sigma is ReLU, b = 0", "U is uniform on [0, 1]"),
            derivation=(
                Step("at W = (1, w), w > 0: output 2 is w x_1 + w^2 x_2, its loss I E (x_2 - w x_1)^2 + O(w^2)"),
                Step("E x_1 x_2 = p^2 mu_1^2", equals(2 * (p * _q(1, 2)) ** 2, p**2 / 2)),
                Step("output 1 is x_1 + w x_2: its loss is w^2 E x_2^2, of second order"),
            ),
        ),
        Theorem(
            key="T12(c)",
            title="dedicated and antipodal with a bias",
            statement="with biases: dedicated W = (1, 0), b = (0, p/2) costs I (p/3 - p^2/4); antipodal unit weights "
            "cost p^2 (1 + I)/6. So superposition beats the dedicated solution for p < 4I/(2 + 5I).",
            status="proved",
            source="docs/theory.md, T12",
            assumptions=("n = 2, m = 1", "sigma is ReLU", "U is uniform on [0, 1]"),
            derivation=(
                Step("a constant b_2 = E x_2 leaves the variance", equals(p / 3 - (p / 2) ** 2, p / 3 - p**2 / 4)),
                Step("E min(x_1, x_2)^2 = p^2/6 for each of the two outputs (T10(d))"),
                Step("equal at p = 4I/(2 + 5I)", equals((dedicated - p**2 * (1 + importance) / 6).subs(p, limit), 0)),
                Step(
                    "and the difference is p (4I - (2 + 5I) p)/12",
                    equals(
                        dedicated - p**2 * (1 + importance) / 6, p * (4 * importance - (2 + 5 * importance) * p) / 12
                    ),
                ),
            ),
            equality="sufficient, not necessary: better antipodal weights exist",
        ),
        Theorem(
            key="T12(d)",
            title="the phase diagram with a bias",
            statement="with biases the switch between superposition and dedicated lies between p = .5 and .6 (I = "
            ".6), .3 and .4 (I = .3), .1 and .2 (I = .1); at I = 1 superposition wins at every p tried; 'feature 1 "
            "not represented' never occurs for I < 1.",
            status="numerical",
            source="docs/theory.md, T12",
            assumptions=("n = 2, m = 1", "sigma is ReLU", "U is uniform on [0, 1]"),
        ),
    )
