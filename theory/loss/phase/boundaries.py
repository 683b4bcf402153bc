"""Where the phase changes: exact curves in (p, I) where there are any, certified intervals everywhere else.

Importances are those of feature 2 relative to feature 1, 0 < I <= 1; I > 1 is the same diagram with the features
exchanged. Source: docs/theory.md, T12.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy

from theory.activations import Activation
from theory.arguments import InputError, exact
from theory.features import FeatureLaw, feature_law
from theory.loss.bernstein import proved_sign
from theory.loss.phase.gain import DENSITY, IMPORTANCE, RATIO, Sector, sector_functions
from theory.loss.phase.phases import phase
from theory.loss.phase.unbiased import best_candidates, candidates
from theory.registry import activation as as_activation
from theory.toy_model import ToyModel

__all__ = ["PhaseBoundary", "aligned_everywhere", "phase_boundaries"]

_p, _I, _s = DENSITY, IMPORTANCE, RATIO


@dataclass(frozen=True)
class PhaseBoundary:
    """A curve in (p, I), 0 < p <= 1, 0 < I <= 1, on whose two sides different phases hold.

    Attributes:
        activation, bias, law: the setting.
        below, above: the phases at smaller and at larger density.
        curve: the exact curve as an equation in the symbols p and I; None where there is no closed form.
        at_equal_importance: the exact density at I = 1; None where there is none.
        kind: "transition" (the optimum changes there), "sufficient" (below it `below` is certified, but the transition
            lies further right) or "stability" (the optimum changes there continuously; where it jumps, further right).
        status: "proved" or "numerical".
        statement: a sentence.
    """

    activation: Activation
    bias: bool
    law: FeatureLaw
    below: str
    above: str
    curve: sympy.Basic | None
    at_equal_importance: sympy.Expr | None
    kind: str
    status: str
    statement: str

    def at(self, importance: Any, width: Any = 1e-6) -> tuple[sympy.Rational, sympy.Rational]:
        """An interval of densities that holds a transition at this importance: `below` is proved at its left end.

        Without bias `above` is proved at the right end too, and the interval is as narrow as asked. With bias it
        stops narrowing where `theory.phase` is undecided; at its right end `above` is the phase found.

        Args:
            importance: I in (0, 1], rational.
            width: how narrow the interval should be.

        Raises:
            InputError: importance out of range, or `below` is not met at any density tried.
        """
        value = exact("importance", importance)
        if not (value.is_Rational and 0 < value <= 1):
            raise InputError(f"importance={importance} must be a rational in (0, 1]; for I > 1 exchange the features")
        low, high = sympy.Integer(0), sympy.Integer(1)
        if self._name(high, value)[0] == self.below:
            raise InputError(f"importance={importance}: {self.below} still holds at density 1, so nothing changes")
        found = False
        while high - low > exact("width", width):
            middle = _short((low + high) / 2)
            name, status = self._name(middle, value)
            if status == "proved" and name == self.below:
                low, found = middle, True
            elif name != self.below:
                high = middle
            else:
                break
        if not found:
            raise InputError(f"importance={importance}: {self.below} was met at no density above {float(high):.2g}")
        return sympy.Rational(low), sympy.Rational(high)

    def _name(self, density: sympy.Expr, importance: sympy.Expr) -> tuple[str, str]:
        if density == 0:
            return self.below, "proved"
        if self.bias:
            found = phase(self._model(density, importance))
            return found.name, found.status
        form = self.activation.power_form
        assert form is not None
        best = best_candidates(candidates(form, self.law, density, importance))
        name = max(best, key=lambda key: best[key].saved[0])
        clear = all(best[key].saved[1] < best[name].saved[0] for key in best if key != name)
        return name, "proved" if clear else "undecided"

    def _model(self, density: sympy.Expr, importance: sympy.Expr) -> ToyModel:
        return ToyModel(2, 1, self.activation, density, self.law, (1, importance), self.bias)

    def __str__(self) -> str:
        line = "no closed form"
        if isinstance(self.curve, sympy.Eq):
            line = f"{self.curve.lhs} = {self.curve.rhs}"
        if len(line) > 60:
            line = "a closed form, see theory.phase_boundaries"
        return f"{self.below} | {self.above}: {line}  [{self.kind}, {self.status}]"


def phase_boundaries(activation: Any, bias: bool = False, law: Any = "uniform") -> tuple[PhaseBoundary, ...]:
    """The phase boundaries of n = 2, m = 1 for 0 < I <= 1; empty where one phase holds everywhere.

    Without bias: rectified powers change from antipodal to aligned, monomials and signed powers (uniform law,
    exponents up to 3) are aligned everywhere. With bias: linear activations never superpose (I = 1 is the boundary),
    the others change from antipodal to a dedicated dimension for feature 1.

    Raises:
        InputError: an activation or law that `theory.phase` has no closed form for.
    """
    sigma, active = as_activation(activation), feature_law(law)
    form = sigma.power_form
    if form is None:
        raise InputError(f"activation {sigma.name} is no power; use power, rectified_power or signed_power")
    if bias:
        return _with_bias(sigma, active)
    if aligned_everywhere(sigma, active):
        return ()
    if form.family not in ("rectified", "mixed"):
        raise InputError(
            f"law={active}, activation {sigma.name}: that one phase holds everywhere is not proved here; "
            "ask theory.phase at the points you need"
        )
    equal = _equal_importance(sigma, active)
    statement = (
        "antipodal below, aligned above; at a given importance both losses are algebraic numbers, compared exactly"
    )
    return (
        PhaseBoundary(sigma, False, active, "antipodal", "aligned", None, equal, "transition", "proved", statement),
    )


def aligned_everywhere(activation: Activation, law: FeatureLaw) -> bool:
    """Whether aligned is proved optimal at every 0 < p <= 1, 0 < I <= 1, without bias.

    Two facts, by exact arithmetic: along w_1 w_2 <= 0 the gain never exceeds that of the dedicated dimension,
    kappa B >= A^2 (Bernstein coefficients), and along w_1 w_2 > 0 it grows away from it.
    """
    form = activation.power_form
    if form is None:
        return False
    first, square = law.moment(form.exponent + 1), law.moment(2 * form.exponent)
    kappa = first**2 / square
    box = {_s: (0, 1), _p: (0, 1), _I: (0, 1)}
    for leader in (1, 2):
        A, B = sector_functions(form, law, Sector(-1, leader))
        gap = sympy.numer(sympy.together(kappa * B - A**2))
        if not gap.is_polynomial(_s, _p, _I) or proved_sign(gap, box, depth=12) <= 0:
            return False
    A, B = sector_functions(form, law, Sector(1, 1))
    slope = sympy.factor((2 * sympy.diff(A, _s) * B - A * sympy.diff(B, _s)).subs(_s, 0))
    # At the axis the slope must be positive for every p, I > 0: a product of positive constants and powers of them.
    constant, factors = sympy.factor_list(slope)
    return bool(constant > 0 and all(base in (_p, _I) for base, _ in factors))


def _equal_importance(sigma: Activation, law: FeatureLaw) -> sympy.Expr | None:
    """The density at which W = (1, -1) and W = (1, 1) at their best scales lose the same at I = 1, where it decides."""
    gains = []
    for sign in (-1, 1):
        A, B = sector_functions(sigma.power_form, law, Sector(sign, 1))
        gains.append((A**2 / B).subs({_s: 1, _I: 1}))
    numerator = sympy.numer(sympy.together(gains[0] - gains[1]))
    if not numerator.has(_p):
        return None
    roots = [root for root in sympy.Poly(numerator, _p).real_roots() if 0 < root < 1]
    if len(roots) != 1:
        return None
    root = roots[0]
    middle, step = sympy.Rational(str(sympy.N(root, 15))), sympy.Rational(1, 10**6)
    boundary = PhaseBoundary(sigma, False, law, "antipodal", "aligned", None, None, "transition", "proved", "")
    one = sympy.Integer(1)
    sides = [boundary._name(middle - step, one), boundary._name(middle + step, one)]
    return sympy.radsimp(root) if sides == [("antipodal", "proved"), ("aligned", "proved")] else None


def _with_bias(sigma: Activation, law: FeatureLaw) -> tuple[PhaseBoundary, ...]:
    form = sigma.power_form
    assert form is not None
    if form.exponent == 1 and form.family == "monomial":
        statement = "linear: the more important feature has the dimension, at every density"
        line = sympy.Eq(_I, 1)
        return (
            PhaseBoundary(
                sigma, True, law, "not represented", "dedicated", line, None, "transition", "proved", statement
            ),
        )
    if law.label != "uniform":
        raise InputError(f"law={law}: boundaries with bias are known for the uniform law")
    pointwise = PhaseBoundary(
        sigma, True, law, "antipodal", "not represented", None, None, "transition", "numerical",
        "antipodal is proved at the left end of every interval `at` returns",
    )  # fmt: skip
    if form != as_activation("relu").power_form:
        return (pointwise,)
    stable = PhaseBoundary(
        sigma, True, law, "antipodal", "not represented", sympy.Eq(_I, _stiffness_ratio()), None, "stability", "proved",
        "to the left the dedicated dimension is unstable: feature 2 is superposed",
    )  # fmt: skip
    line = sympy.Eq(_p, 4 * _I / (2 + 5 * _I))
    pair = "to the left the unit antipodal pair, p^2 (1 + I)/6, beats the dedicated I (p/3 - p^2/4)"
    enough = PhaseBoundary(
        sigma, True, law, "antipodal", "not represented", line, sympy.Rational(4, 7), "sufficient", "proved", pair
    )
    return pointwise, stable, enough


def _stiffness_ratio() -> sympy.Expr:
    """K_0(p)/V(p): the importance above which a dedicated ReLU dimension is unstable to antipodal superposition.

    K_0 = min over (gamma, beta) of p(gamma^2/3 + gamma beta + beta^2) - p^2(gamma/2 + beta) + p^2/3 + q^2 beta^2
    + p q beta^3/3, 0 <= beta <= 1. Stationary: gamma = 3p/4 - 3 beta/2 and p q beta^2 + (p/2 + 2 q^2) beta = p^2/4.
    """
    q = 1 - _p
    linear = _p / 2 + 2 * q**2
    # The root written so that p -> 1 stays finite.
    beta = (_p**2 / 2) / (linear + sympy.sqrt(linear**2 + _p**3 * q))
    value = _p**2 / 3 - 3 * _p**3 / 16 + linear * beta**2 / 2 - _p**2 * beta / 4 + _p * q * beta**3 / 3
    return value / (_p / 3 - _p**2 / 4)


def _short(x: sympy.Rational) -> sympy.Rational:
    return sympy.Rational(round(x * 2**30), 2**30)
