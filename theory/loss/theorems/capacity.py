"""T5: linear-programming bounds on the capacity, and where they are exact."""

from __future__ import annotations

import sympy

from theory.bound import Step
from theory.loss.gegenbauer import gegenbauer_coefficients
from theory.loss.theorems.first_order import BASICS, equals
from theory.theorem import Theorem

__all__ = ["capacity_theorems", "pentagon_minorant"]

_q = sympy.Rational
t = sympy.Symbol("t", real=True)
n, m = sympy.symbols("n m", positive=True)
_ROOT_5 = sympy.sqrt(5)
# cos 72 and cos 144 degrees, the cosines of the regular pentagon.
_NEAR, _FAR = (_ROOT_5 - 1) / 4, -(_ROOT_5 + 1) / 4


def capacity_theorems() -> tuple[Theorem, ...]:
    """T5 and its parts."""
    open_growth, triples, tightness = _open()
    closed = (_delsarte_yudin(), _minorants(), _pentagon(), _not_twice(), tightness, _closed_form())
    return (*closed, open_growth, triples)


def _delsarte_yudin() -> Theorem:
    total, squares, at_one, h_0 = sympy.symbols("s Q h_1 h_0", positive=True)
    theta, phi, ell = sympy.symbols("theta phi l", real=True)
    whole = sympy.Symbol("H", positive=True)
    second = (m * t**2 - 1) / (m - 1)
    return Theorem(
        key="T5",
        title="linear-programming bound",
        statement="if h = sum_l h_l P_l <= f on [-1, 1] with h_l >= 0 for l >= 1 (P_l the Gegenbauer polynomials of "
        "S^(m-1), P_l(1) = 1), then E >= s^2 (h_0 + (1 - h(1))/n), so K* <= 1/(h_0 + (1 - h(1))/n); also for unequal "
        "norms and dropped features.",
        status="proved",
        source="docs/theory.md, T5; P. Delsarte, J.-M. Goethals, J. J. Seidel (1977), V. A. Yudin (1992)",
        assumptions=BASICS,
        derivation=(
            Step(
                "sum_ij a_i a_j f >= Q + (H - h(1) Q), Q = sum a_i^2 (the diagonal of f), H = sum_ij a_i a_j h",
                equals(squares + (whole - at_one * squares), (1 - at_one) * squares + whole),
            ),
            Step(
                "P_l is positive definite: on the circle cos(l(theta - phi)) is a sum of two squares' kernels",
                equals(
                    sympy.cos(ell * theta) * sympy.cos(ell * phi) + sympy.sin(ell * theta) * sympy.sin(ell * phi),
                    sympy.cos(ell * (theta - phi)),
                ),
            ),
            Step(
                "P_2 = (m t^2 - 1)/(m - 1) from (l + m - 2) P_(l+1) = (2l + m - 2) t P_l - l P_(l-1)",
                equals((m * t * t - 1) / (m - 1), second),
            ),
            Step("so H >= h_0 s^2, the term l = 0, and 1 - h(1) >= 0 because h(1) <= f(1) = 1"),
            Step(
                "Q >= s^2/n: E >= s^2 (h_0 + (1 - h(1))/n)",
                equals((1 - at_one) * total**2 / n + h_0 * total**2, total**2 * (h_0 + (1 - at_one) / n)),
            ),
        ),
        equality="h = f at every cosine of the code, which is a weighted design in every degree with h_l > 0; equal "
        "norms unless h(1) = 1",
        bounds=("linear-programming",),
        functions=("theory.loss.linear_programming.linear_programming_certificate",),
    )


def _minorants() -> Theorem:
    dimension, share = sympy.symbols("D theta", positive=True)
    k = sympy.Symbol("k", integer=True, positive=True)
    return Theorem(
        key="T5(a)",
        title="the simplest minorants",
        statement="h = 0 gives K* <= n; for even kernels h = t^(2k) gives K* <= D(m, k), and h = theta t^(2k) gives "
        "K* <= n/((1 - theta) + n theta/D): T5 contains T3(a).",
        status="proved",
        source="docs/theory.md, T5",
        assumptions=BASICS,
        derivation=(
            Step("t^(2k) has nonnegative Gegenbauer coefficients, the constant one being its mean 1/D"),
            Step(
                "h = theta t^(2k): h_0 = theta/D and h(1) = theta",
                equals(1 / (share / dimension + (1 - share) / n), n / ((1 - share) + n * share / dimension)),
            ),
            Step(
                "in R^3 the mean of t^(2k) is 1/(2k + 1) = 1/D(3, k)",
                equals(sympy.Integral(t ** (2 * k), (t, 0, 1)), 1 / (2 * k + 1)),
            ),
        ),
        bounds=("cardinality", "sidelnikov", "linear-programming"),
    )


def pentagon_minorant() -> tuple[sympy.Expr, sympy.Expr, sympy.Expr]:
    """The exact h that proves the pentagon optimal for ReLU in the plane, and the two factors that show h <= f.

    h = h* + (T_5 - 1)(t + T_2)/100, h* the quartic that touches f at the pentagon's cosines and meets it at 1.
    Then t^2 - h = (t - cos 72)^2 (1 - t) `above` and -h = (t - cos 144)^2 `below`.
    """
    bump = (t + 2 * t**2 - 1) / 100
    above = (_q(8, 25) - 4 * _ROOT_5 / 25) * t + (2 + 2 * _ROOT_5) / 25 + 16 * (t - _FAR) ** 2 * bump
    below = ((4 * _ROOT_5 - 8) * t**2 + (2 * _ROOT_5 - 14) * t + 4 * _ROOT_5 - 8) / 25
    below -= 16 * (t - 1) * (t - _NEAR) ** 2 * bump
    return sympy.expand(t**2 - (t - _NEAR) ** 2 * (1 - t) * above), above, below


def _pentagon() -> Theorem:
    h, above, below = pentagon_minorant()
    weights = _chebyshev(h)
    capacity = 5 / (1 + 2 * sympy.cos(2 * sympy.pi / 5) ** 2)
    series = sum((weight * _polynomial(degree) for degree, weight in enumerate(weights)), sympy.Integer(0))
    # Degree 5 writes both factors with positive weights only, so that they are positive on their intervals.
    up, down = _bernstein(above, _q(0), 5), _bernstein(below, _q(-1), 5)
    return Theorem(
        key="T5(b)",
        title="the pentagon is optimal",
        statement="for ReLU (U >= 0) in the plane, K*(n, 2) = 5/(1 + 2 cos^2 72) = 4.198... for every n >= 5, exactly.",
        status="proved",
        source="docs/theory.md, T5; proof written for this project",
        assumptions=(*BASICS, "sigma is ReLU, U >= 0, m = 2, n >= 5"),
        derivation=(
            Step(
                "h = sum_l h_l T_l of degree 7, with h_5 = 0",
                equals(series, h),
            ),
            Step("every h_l, l >= 1, is nonnegative", _all_nonnegative(weights[1:])),
            Step(
                "on [0, 1]: t^2 - h = (t - cos 72)^2 (1 - t) A(t)",
                equals(t**2 - (t - _NEAR) ** 2 * (1 - t) * above, h),
            ),
            Step("on [-1, 0]: -h = (t - cos 144)^2 B(t)", equals(-((t - _FAR) ** 2) * below, h)),
            Step("A in Bernstein form of degree 5 on [0, 1]", equals(_from_bernstein(up, _q(0)), above)),
            Step("B in Bernstein form of degree 5 on [-1, 0]", equals(_from_bernstein(down, _q(-1)), below)),
            Step("all twelve Bernstein coefficients are positive, so h <= f", _all_nonnegative((*up, *down))),
            Step("h(1) = 1", equals(h.subs(t, 1), 1)),
            Step("1/h_0 is the pentagon's capacity", equals(1 / weights[0], capacity)),
        ),
        equality="the regular pentagon, further features dropped",
        bounds=("linear-programming", "code"),
        functions=("theory.capacity",),
    )


def _polynomial(degree: int) -> sympy.Expr:
    return sum((c * t**power for power, c in enumerate(gegenbauer_coefficients(degree, 2))), sympy.Integer(0))


def _chebyshev(h: sympy.Expr) -> list[sympy.Expr]:
    """Coefficients of a polynomial in T_0, T_1, ..., highest power first eliminated."""
    rest = sympy.Poly(h, t)
    weights = [sympy.Integer(0)] * (rest.degree() + 1)
    for degree in range(rest.degree(), -1, -1):
        leading = gegenbauer_coefficients(degree, 2)[-1]
        weights[degree] = sympy.radsimp(sympy.expand(rest.coeff_monomial(t**degree) / leading))
        rest = sympy.Poly(sympy.expand(rest.as_expr() - weights[degree] * _polynomial(degree)), t)
    return weights


def _bernstein(polynomial: sympy.Expr, start: sympy.Rational, degree: int) -> list[sympy.Expr]:
    """Coefficients on [start, start + 1] in the Bernstein basis of the given degree."""
    shifted = sympy.Poly(sympy.expand(polynomial.subs(t, start + t)), t)
    powers = [shifted.coeff_monomial(t**i) for i in range(degree + 1)]
    share = lambda k, i: sympy.binomial(k, i) / sympy.binomial(degree, i)  # noqa: E731
    return [sympy.expand(sum(share(k, i) * powers[i] for i in range(k + 1))) for k in range(degree + 1)]


def _from_bernstein(weights: list[sympy.Expr], start: sympy.Rational) -> sympy.Expr:
    x, degree = t - start, len(weights) - 1
    return sum(
        (w * sympy.binomial(degree, k) * x**k * (1 - x) ** (degree - k) for k, w in enumerate(weights)),
        sympy.Integer(0),
    )


def _all_nonnegative(values: list[sympy.Expr] | tuple[sympy.Expr, ...]) -> sympy.Basic:
    """A relation that says so; sympy decides each by its minimal polynomial or by intervals, never by rounding."""
    return sympy.true if all(value.is_nonnegative for value in values) else sympy.false


def _not_twice() -> Theorem:
    pentagon = 5 / (1 + 2 * sympy.cos(2 * sympy.pi / 5) ** 2)
    return Theorem(
        key="T5(c)",
        title="twice the dimension is no bound",
        statement="for rectified powers 2D(m, a) does not bound K*: the pentagon has K = 4.198... > 2D(2, 1) = 4.",
        status="proved",
        source="docs/theory.md, T5",
        assumptions=("sigma is ReLU, U >= 0",),
        derivation=(
            Step("cos 72 = (sqrt 5 - 1)/4", equals(sympy.cos(2 * sympy.pi / 5), _NEAR)),
            Step(
                "pentagon: s = 5 and E = 5 (1 + 2 cos^2 72), negative cosines do not count",
                equals(pentagon, 5 / (1 + 2 * _NEAR**2)),
            ),
            Step("K > 4", sympy.Gt(5 / (1 + 2 * _NEAR**2), 4, evaluate=False)),
        ),
        functions=("theory.capacity",),
    )


def _closed_form() -> Theorem:
    c, root = sympy.symbols("c r", positive=True)
    floor = 4 * c**3 / (27 * (1 - c) ** 2)
    h = (1 - c) * t**3 + c * t**2 - floor
    best = 3 / (2 * root + 3)
    first, third = t, ((m + 2) * t**3 - 3 * t) / (m - 1)
    star = sympy.Symbol("K_star", positive=True)
    return Theorem(
        key="T5(e)",
        title="closed form for exponents up to 1",
        statement="for ReLU, leaky ReLU and every kernel with a <= 1, K* <= 1/(c/m - 4c^3/(27(1-c)^2)) for any 0 < c "
        "< 1; c = 3/(2 sqrt(m) + 3) gives K* <= m^(3/2) + 3m/2, for every n.",
        status="proved",
        source="docs/theory.md, T5(e); proof written for this project",
        assumptions=(*BASICS, "a <= 1"),
        relation=sympy.Le(star, m ** _q(3, 2) + 3 * m / 2),
        derivation=(
            Step(
                "t < 0: h = (1-c) t^3 + c t^2 - 4c^3/(27(1-c)^2) has its maximum at t = -2c/(3(1-c)), and it is 0",
                equals(h.subs(t, -2 * c / (3 * (1 - c))), 0),
            ),
            Step("h'(t) = t (3(1-c) t + 2c)", equals(sympy.diff(h, t), t * (3 * (1 - c) * t + 2 * c))),
            Step(
                "0 <= t <= 1: f - h >= t^2 - h = (1-c) t^2 (1-t) + 4c^3/(27(1-c)^2) > 0",
                equals(t**2 - h, (1 - c) * t**2 * (1 - t) + floor),
            ),
            Step(
                "t^3 = 3/(m+2) P_1 + (m-1)/(m+2) P_3 is positive definite",
                equals(3 / (m + 2) * first + (m - 1) / (m + 2) * third, t**3),
            ),
            Step(
                "t^2 = 1/m + (m-1)/m P_2, so h_0 = c/m - 4c^3/(27(1-c)^2)",
                equals(1 / m + (m - 1) / m * (m * t**2 - 1) / (m - 1), t**2),
            ),
            Step(
                "at c = 3/(2 sqrt(m) + 3), with r = sqrt(m)",
                equals(1 / (best / root**2 - floor.subs(c, best)), root**3 + 3 * root**2 / 2),
            ),
        ),
        equality="not attained",
        bounds=("relu-capacity",),
    )


_U3, _V3, _T3 = sympy.symbols("u v t", real=True)


def _open() -> tuple[Theorem, ...]:
    return (
        Theorem(
            key="T5(f)",
            title="how fast the capacity of ReLU grows",
            statement="K* <= (2/3) 2^(-1/3) m^(4/3) (1 + (2/m)^(1/3))^2 for every n, and generalised quadrangles reach "
            "K = n/2 ~ m^(4/3)/2: the exponent is 4/3. The constant, between 0.5 and 0.53, is open.",
            status="proved",
            source="docs/theory.md, T5",
            assumptions=("sigma is ReLU, U >= 0", "in the lower half, m = q (q^2 - q + 1) with a prime power q"),
            derivation=(
                Step(
                    "minorant t (t+x)^2/(1+x)^2 - e of t_+^2: on [0, 1] they differ by e + t(1-t)(t-x^2)/(1+x)^2",
                    equals(_T3**2 * (1 + _U3) ** 2 - _T3 * (_T3 + _U3) ** 2, _T3 * (1 - _T3) * (_T3 - _U3**2)),
                ),
                Step(
                    "it is at least -t (x^2 - t)/(1+x)^2 >= -e, e = x^4/(4 (1+x)^2)",
                    equals(_U3**4 / 4 - _T3 * (_U3**2 - _T3), (_T3 - _U3**2 / 2) ** 2),
                ),
                Step("t, t^2, t^3 are positive definite: K* <= (1+x)^2/(2x/m - x^4/4), best at x^3 = 2/m"),
                Step(
                    "points of the elliptic quadric: one cosine 1, q(q^2+1) at -1/q, q^4 at 1/q^2; their sum is 0",
                    equals(1 - _T3 * (_T3**2 + 1) / _T3 + _T3**4 / _T3**2, 0),
                ),
                Step("so K = n/(1 + q^4/q^4) = n/2 with n = (q+1)(q^3+1)", equals(_T3**4 * (1 / _T3**2) ** 2, 1)),
            ),
            bounds=("rectified-capacity",),
            functions=("theory.loss.geometry.quadrangles.quadrangle",),
        ),
        Theorem(
            key="T5(g)",
            title="three-point bounds on the capacity",
            statement="if E less lambda s^3, eta s sum a_i^2 and positive semidefinite sums over triples is "
            "nonnegative on triples, pairs and single points, K* <= 1/(lambda + eta/n) for every n.",
            status="proved",
            source="docs/theory.md, T5",
            assumptions=("2a is an integer", "eta >= 0"),
            derivation=(
                Step(
                    "the kernel between the parts orthogonal to z: Q_1 = t - uv, at coinciding points 1 - u^2",
                    equals((_T3 - _U3 * _V3).subs({_T3: 1, _V3: _U3}), 1 - _U3**2),
                ),
                Step(
                    "the Gram determinant is s - Q_1^2 with s = (1-u^2)(1-v^2), so |Q_1| <= sqrt(s) on real cosines",
                    equals(
                        (1 - _U3**2) * (1 - _V3**2) - (_T3 - _U3 * _V3) ** 2,
                        1 + 2 * _U3 * _V3 * _T3 - _U3**2 - _V3**2 - _T3**2,
                    ),
                ),
                Step("what remains is a weighted sum of squares: each certificate shows it in integer arithmetic"),
            ),
            bounds=("three-point",),
        ),
        Theorem(
            key="T5(d)",
            title="where the linear program is exact",
            statement="for m >= 3 and n > 2m the linear program is not tight for ReLU in any case that was searched "
            "(gaps from 0.6 % to 8 %); in the plane the regular (2a + 3)-gon meets it for a = 1, ..., 5.",
            status="numerical",
            source="docs/theory.md, T5",
            assumptions=("rectified powers, U >= 0",),
            bounds=("linear-programming",),
        ),
    )
