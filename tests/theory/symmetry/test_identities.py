"""Identities are proved, refuted or open: functions in disguise, poles, and numbers too large to write out."""

from __future__ import annotations

import mpmath
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import theory
from theory import Activation
from theory.symmetry.enclosure import enclose, sign_of
from theory.symmetry.homogeneity import excludes_discrete_scalings
from theory.symmetry.identities import is_defined, power_degree, t, vanishes

Q = sympy.Rational

# formula: (equivariance, intertwiner), what the same function gives when written plainly.
DISGUISED = {
    "where(z > 0, softplus(z) - softplus(-z), 0)": ("R+ wr S", "R+ wr S"),
    "where(z > 0, z*(sigmoid(z) + sigmoid(-z)), 0)": ("R+ wr S", "R+ wr S"),
    "where(z > 0, z*sinh(z)/cosh(z)/tanh(z), 0)": ("R+ wr S", "R+ wr S"),
    "where(z > 0, z**2*(exp(z)/(1 + exp(z)) + 1/(1 + exp(z))), 0)": ("S", "R+ wr S"),
    "where(z > 0, exp(sqrt(2)*log(z)), 0)": ("S", "R+ wr S"),
    "z*(sin(z)**2 + cos(z)**2)": ("GL", "GL"),
    "sin(z)**2 + cos(z)**2": ("Stab1", "GL"),
    "2*sigmoid(z) - 1 - tanh(z/2)": ("GL", "GL"),
    "abs(z)*sqrt(2 + sqrt(3)) - z*(sqrt(6) + sqrt(2))/2": ("R+ wr S", "R+ wr S"),
    "max(0, z - sqrt(2))": ("S", "S"),
    "abs(z**2 - pi)": ("S", "B"),
    "where(z < 0, 0, where(z < 1000, z, 2*z))": ("S", "S"),
    "where(z > 0, log(z), 0)": ("S", "S"),
    "where(z > 0, 1/z, 0)": ("S", "R+ wr S"),
    "abs(sin(z))": ("S", "B"),
}


@pytest.mark.parametrize("text", DISGUISED)
def test_functions_in_disguise(text: str) -> None:
    group, intertwiner = theory.equivariance_group(text, 2), theory.intertwiner(text, 2).group
    assert (group.key, intertwiner.key) == DISGUISED[text]
    assert (group.status, intertwiner.status) == ("proved", "proved")


@pytest.mark.parametrize(
    "text",
    [
        "1/z",
        "1/(z**2 - 2)",
        "sin(z)/z",
        "log(abs(z))",
        "tan(z)",
        "gamma(z**2 + 1)",
        "where(z > 0, z*(2*atan(z) + 2*atan(1/z)), 0)",
        "where(abs(z) > 0, z*(2 + sin(log(abs(z)))), 0)",
    ],
)
def test_poles_unknown_functions_and_unproved_identities_are_open(text: str) -> None:
    """The sixth formula is undefined for us, the seventh is pi*relu, which no rewriting here shows."""
    assert theory.equivariance_group(text, 2).status == "open"
    assert theory.intertwiner(text, 2).group.status == "open"


def test_an_open_degree_is_no_refutation() -> None:
    """(pi/2) relu^2 in disguise: not affine, neither even nor odd, all proved; only the power law is not."""
    text = "where(z > 0, z**2*(atan(z) + atan(1/z)), 0)"
    assert theory.equivariance_group(text, 2).status == "open"
    assert theory.intertwiner(text, 2).group.status == "open"
    odd = "where(abs(z) > 0, z*abs(z)*(atan(abs(z)) + atan(1/abs(z))), 0)"
    assert (theory.equivariance_group(odd, 2).key, theory.equivariance_group(odd, 2).status) == ("B", "open")


def test_an_open_odd_map_commutes_at_least_with_signs() -> None:
    found = theory.equivariance_group("where(abs(z) > 0, z*(2 + sin(log(abs(z)))), 0)", 2)
    assert (found.key, found.status) == ("B", "open")


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("r**2*(sigmoid(r) + sigmoid(-r))", (("O", "proved"), ("CO", "proved"))),
        ("r*(sigmoid(r) + sigmoid(-r))", (("GL", "proved"), ("GL", "proved"))),
        ("1/r", (("O", "proved"), ("CO", "proved"))),
        ("where(r < 1, 0, 1)", (("O", "proved"), ("O", "proved"))),
        ("r**2*(atan(r) + atan(1/r))", (("O", "proved"), ("O", "open"))),
        ("sqrt(r - 2)", (("O", "open"), ("O", "open"))),
        ("1/(r - 1)", (("O", "open"), ("O", "open"))),
        ("r*(2 + sin(log(r)))", (("O", "open"), ("O", "open"))),
    ],
)
def test_radial_profiles(profile: str, expected: object) -> None:
    f = theory.isotropic(profile)
    group, intertwiner = theory.equivariance_group(f, 2), theory.intertwiner(f, 2).group
    assert ((group.key, group.status), (intertwiner.key, intertwiner.status)) == expected


def test_layers_are_recognised_by_their_formula() -> None:
    softmax, solu = theory.activation("softmax"), theory.activation("solu")
    assert theory.equivariance_group(Activation("mine", softmax.expr, softmax.reductions), 3).status == "proved"
    assert theory.intertwiner(Activation("mine", softmax.expr, softmax.reductions), 3).group.key == "S + 1v"
    other = Activation("softmax", softmax.expr**2, softmax.reductions)
    assert theory.equivariance_group(other, 3).status == "open"
    assert theory.intertwiner(other, 3).group.status == "open"
    assert theory.intertwiner(solu, 3).group.key == "S"
    # In one dimension softmax is constant 1 and SoLU the identity.
    assert theory.equivariance_group(softmax, 1).order == 1
    assert theory.intertwiner(softmax, 1).group.key == "GL"
    assert theory.intertwiner(solu, 1).group.key == "GL"


def test_softmax_intertwines_shifts_exactly() -> None:
    found = theory.intertwiner("softmax", 3)
    softmax = theory.activation("softmax")
    x = sympy.Matrix([Q(1, 2), -1, 2])
    for A in (*found.group.generators(), *found.group.exact_samples(5)):
        B = found.phi(sympy.Matrix(A))
        assert theory.group("S", 3).contains(B)
        left, right = softmax.on(list(A * x)), B * sympy.Matrix(softmax.on(list(x)))
        assert all(sympy.simplify(a - b) == 0 for a, b in zip(left, right, strict=True))


def test_answers_on_the_half_line() -> None:
    assert vanishes(sympy.log(t**2) - 2 * sympy.log(t)).value is True
    assert vanishes(sympy.Max(0, t - 1000)).value is False
    assert vanishes(sympy.atan(t) + sympy.atan(1 / t) - sympy.pi / 2).value is None
    assert vanishes(sympy.Symbol("s") * t).value is None
    assert power_degree(3 * t ** Q(5, 7)) == (power_degree(3 * t ** Q(5, 7))[0], Q(5, 7))
    assert power_degree(t + sympy.Max(0, t - 1000))[0].value is False
    assert power_degree(sympy.Max(0, t - 1))[0].value is False
    assert is_defined(sympy.log(t)).value is True
    assert is_defined(1 / (t - 2)).value is None
    assert is_defined(sympy.Piecewise((sympy.log(t - 2), t > 2), (0, True))).value is True


def test_one_half_line_excludes_discrete_scalings() -> None:
    """f is l-periodic relative to a power on each half line, so one that is not suffices."""
    periodic = t * (2 + sympy.sin(2 * sympy.pi * sympy.log(t) / sympy.log(2)))
    assert excludes_discrete_scalings(periodic, periodic).value is None
    assert excludes_discrete_scalings(periodic, sympy.sin(t)).value is True
    assert excludes_discrete_scalings(t, periodic).value is None


def test_numbers_too_large_to_write_out_stay_cheap() -> None:
    big = sympy.Integer(10) ** 12
    assert sign_of(sympy.exp(sympy.exp(100))) == 1
    assert sign_of(sympy.tanh(big)) == 1
    assert sign_of(1 - sympy.tanh(big)) is None
    assert sign_of(sympy.exp(-sympy.exp(sympy.exp(20)))) is None
    with pytest.raises(theory.InputError, match="unbounded"):
        enclose(sympy.exp(big))


x = sympy.Symbol("x")
_UNARY = (sympy.exp, sympy.sin, sympy.cos, sympy.tanh, sympy.atan, sympy.erf, sympy.Abs, sympy.asinh, sympy.cosh)
_numbers = st.builds(Q, st.integers(-40, 40), st.integers(1, 9))


@st.composite
def closed_expressions(draw: st.DrawFn) -> sympy.Expr:
    """Sums and products of functions of rationals, nested twice."""
    value = draw(_numbers)
    for _ in range(draw(st.integers(1, 2))):
        function = draw(st.sampled_from(_UNARY))
        value = function(sympy.sin(value) * 3 + draw(_numbers) / 4) * draw(_numbers) + draw(_numbers)
    return value


@given(closed_expressions(), st.sampled_from([64, 128]))
def test_enclosures_hold_the_value_at_many_more_digits(expression: sympy.Expr, precision: int) -> None:
    """mpmath at 60 digits beyond the working precision, by sympy's own evaluation."""
    low, high = enclose(expression, precision)
    with mpmath.workdps(120):
        value = mpmath.mpf(str(sympy.N(expression, 110)))
        slack = mpmath.mpf(10) ** -100 * (1 + abs(value))
        assert mpmath.mpf(int(low.p)) / int(low.q) <= value + slack
        assert mpmath.mpf(int(high.p)) / int(high.q) >= value - slack
        assert high - low <= Q(1, 2 ** (precision - 50)) * (1 + abs(Q(str(sympy.N(value, 20)))))
