"""What an activation is: a map R^n -> R^n with a symbolic form, from which every property is derived.

Three kinds share one representation, an expression in the entry z itself and in reductions over all entries:
elementwise maps have no reduction, isotropic maps f(x) = rho(|x|) x/|x| have the norm r, coupled layers such as
softmax have sums and maxima.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sympy
from sympy.core.relational import Relational

from theory.arguments import InputError, exact

__all__ = [
    "Activation",
    "PowerForm",
    "Reduction",
    "elementwise",
    "isotropic_from_profile",
    "power",
    "rectified_power",
    "signed_power",
]

z = sympy.Symbol("z", real=True)
r = sympy.Symbol("r", nonnegative=True)
_t = sympy.Symbol("t", positive=True)


@dataclass(frozen=True)
class Reduction:
    """A number computed from all entries of x: the sum, maximum or Euclidean norm of `summand` over the entries."""

    symbol: sympy.Symbol
    operation: str
    summand: sympy.Expr

    def over(self, summands: Sequence[sympy.Expr]) -> sympy.Expr:
        """The reduction of explicit summands, one per entry."""
        if self.operation == "sum":
            return sympy.Add(*summands)
        if self.operation == "max":
            return sympy.Max(*summands)
        return sympy.sqrt(sympy.Add(*(summand**2 for summand in summands)))


@dataclass(frozen=True)
class PowerForm:
    """sigma(z) = positive * z**exponent for z > 0, negative * |z|**exponent for z < 0, and 0 at 0.

    Exactly the continuous activations with sigma(lambda z) = lambda**exponent sigma(z) for every lambda > 0:
    monomials, rectified and signed powers, and their mixtures (leaky ReLU has negative = -slope).
    """

    exponent: sympy.Expr
    positive: sympy.Expr
    negative: sympy.Expr

    @property
    def family(self) -> str:
        """ "monomial", "rectified", "signed" or "mixed"."""
        integer = self.exponent.is_integer
        if self.negative == 0:
            return "rectified"
        if self.positive == self.negative:
            return "monomial" if integer and self.exponent.is_even else "even"
        if self.positive == -self.negative:
            return "monomial" if integer and self.exponent.is_odd else "signed"
        if integer and sympy.simplify(self.negative - self.positive * (-1) ** self.exponent) == 0:
            return "monomial"
        return "mixed"


@dataclass(frozen=True)
class Activation:
    """A map R^n -> R^n, for every n at once, with a symbolic form.

    Attributes:
        name: how tables and messages call it.
        expr: the i-th output as an expression in z = x_i and in the symbols of `reductions`.
        reductions: numbers computed from all entries, in order; a later one may use the earlier ones.
        profile: for isotropic maps, rho(r) with f(x) = rho(|x|) x/|x| and f(0) = 0; else None.
    """

    name: str
    expr: sympy.Expr
    reductions: tuple[Reduction, ...] = ()
    profile: sympy.Expr | None = None
    z: sympy.Symbol = field(default=z, repr=False)

    @property
    def kind(self) -> str:
        """ "elementwise", "isotropic" or "coupled"."""
        if self.profile is not None:
            return "isotropic"
        return "coupled" if self.reductions else "elementwise"

    @property
    def is_elementwise(self) -> bool:
        """Whether output i depends on input i alone, through the same function for every i."""
        return self.kind == "elementwise"

    @property
    def parameters(self) -> frozenset[sympy.Symbol]:
        """Free symbols besides z and the reductions, for example a symbolic exponent."""
        bound = {self.z, *(reduction.symbol for reduction in self.reductions)}
        free = set(self.expr.free_symbols)
        for reduction in self.reductions:
            free |= reduction.summand.free_symbols
        return frozenset(free - bound)

    def on(self, xs: Sequence[Any]) -> tuple[sympy.Expr, ...]:
        """The outputs on explicit inputs x_1 .. x_n, exactly.

        Args:
            xs: numbers or sympy expressions.
        """
        inputs = [exact("x", x) for x in xs]
        values: dict[sympy.Symbol, sympy.Expr] = {}
        for reduction in self.reductions:
            summand = reduction.summand.subs(values)
            values[reduction.symbol] = reduction.over([summand.subs(self.z, x) for x in inputs])
        return tuple(self.expr.subs({**values, self.z: x}, simultaneous=True) for x in inputs)

    def subs(self, values: dict[Any, Any]) -> Activation:
        """The activation with its free parameters replaced by numbers."""
        exacts = {sympy.Symbol(k) if isinstance(k, str) else k: exact(str(k), v) for k, v in values.items()}
        named = {p: v for p in self.parameters for k, v in exacts.items() if p.name == k.name}
        label = ", ".join(f"{k}={v}" for k, v in sorted((str(k), str(v)) for k, v in named.items()))
        return Activation(
            f"{self.name} ({label})" if label else self.name,
            self.expr.subs(named),
            tuple(Reduction(q.symbol, q.operation, q.summand.subs(named)) for q in self.reductions),
            None if self.profile is None else self.profile.subs(named),
        )

    @cached_property
    def kinks(self) -> tuple[sympy.Expr, ...]:
        """Where an elementwise map may fail to be analytic, in increasing order (exact real numbers).

        Raises:
            InputError: not elementwise, or a break point that has no closed form.
        """
        if not self.is_elementwise:
            raise InputError(f"kinks are defined for elementwise activations; {self.name} is {self.kind}")
        return break_points(self.expr, self.name)

    @cached_property
    def power_form(self) -> PowerForm | None:
        """The homogeneous form of an elementwise map, derived from its expression; None where it has none."""
        if not self.is_elementwise:
            return None
        sides = []
        for sign in (1, -1):
            value = sympy.expand_power_base(sympy.simplify(self.expr.subs(self.z, sign * _t)))
            coefficient, exponent = (sympy.Integer(0), None) if value == 0 else _as_power_of_t(value)
            if coefficient.has(_t):
                return None
            sides.append((coefficient, exponent))
        (positive, e_plus), (negative, e_minus) = sides
        exponents = {e for e in (e_plus, e_minus) if e is not None}
        if len(exponents) != 1 or exponents == {sympy.Integer(0)}:
            return None
        exponent = exponents.pop()
        if exponent.is_positive is not True:
            return None
        at_zero = self.expr.subs(self.z, 0)
        if at_zero != 0 and not (at_zero.has(sympy.Pow) and exponent.free_symbols):
            return None
        return PowerForm(exponent, positive, negative)

    def __str__(self) -> str:
        return self.name


def elementwise(expr: Any, name: str | None = None) -> Activation:
    """The elementwise activation with the given expression in one real variable.

    Args:
        expr: a sympy expression; its only free symbol is taken as the variable, or the one called z if there are
            several (the others are parameters).
        name: how tables call it; by default the expression itself.

    Raises:
        InputError: no way to tell which symbol is the variable, or not real on the real line.
    """
    if not isinstance(expr, sympy.Expr):
        raise InputError(f"expr={expr!r} is not a sympy expression")
    free = sorted(expr.free_symbols, key=str)
    named = [symbol for symbol in free if symbol.name == "z"]
    if len(named) == 1:
        variable = named[0]
    elif len(free) == 1:
        variable = free[0]
    elif not free:
        variable = z
    else:
        raise InputError(f"activation {expr} has the symbols {', '.join(map(str, free))}; call the variable z")
    body = expr.subs(variable, z) if variable != z else expr
    if not (body.free_symbols - {z}):
        _require_real(body)
    return Activation(name or str(body), body)


def isotropic_from_profile(profile: sympy.Expr, name: str) -> Activation:
    """f(x) = rho(|x|) x/|x|, f(0) = 0, for a profile rho given in the symbol r (or in its only symbol)."""
    free = profile.free_symbols
    if len(free) > 1:
        raise InputError(f"profile {profile} has the symbols {sorted(map(str, free))}; use the radius alone")
    body = profile.subs(next(iter(free)), r) if free else profile
    ratio = sympy.Piecewise((body / r, r > 0), (sympy.Integer(0), True))
    return Activation(name, z * ratio, (Reduction(r, "norm", z),), body)


def power(k: Any) -> Activation:
    """The monomial sigma(z) = z**k.

    Args:
        k: an integer >= 1, or a positive integer symbol.

    Raises:
        InputError: anything else (use `rectified_power` or `signed_power` for real exponents).
    """
    exponent = exact("k", k)
    if exponent.is_number and not (exponent.is_integer and exponent >= 1):
        raise InputError(
            f"power(k={k}): k must be an integer >= 1; use rectified_power or signed_power for real exponents"
        )
    if not exponent.is_number and not (exponent.is_integer and exponent.is_positive):
        raise InputError(f"power(k={k}): declare the symbol with integer=True, positive=True")
    return Activation(f"power:{exponent}", z**exponent)


def rectified_power(a: Any) -> Activation:
    """The rectified power sigma(z) = max(0, z)**a, for real a > 0 (a = 1 is ReLU).

    Raises:
        InputError: a <= 0, or a symbol not declared positive.
    """
    exponent = _positive_exponent("rectified_power", a)
    return Activation(f"rectified-power:{exponent}", sympy.Max(0, z) ** exponent)


def signed_power(a: Any) -> Activation:
    """The signed power sigma(z) = sign(z) |z|**a, for real a > 0.

    Raises:
        InputError: a <= 0, or a symbol not declared positive.
    """
    exponent = _positive_exponent("signed_power", a)
    return Activation(f"signed-power:{exponent}", sympy.sign(z) * sympy.Abs(z) ** exponent)


def _positive_exponent(function: str, a: Any) -> sympy.Expr:
    exponent = exact("a", a)
    if exponent.is_positive is not True:
        mend = "must be > 0" if exponent.is_number else "must be declared with positive=True"
        raise InputError(f"{function}(a={a}): the exponent {mend}")
    return exponent


def _as_power_of_t(value: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
    """(c, e) with value = c t**e; c still contains t where the value is no power."""
    exponent = sympy.simplify(_t * sympy.diff(value, _t) / value)
    if exponent.has(_t):
        return value, exponent
    return sympy.simplify(value / _t**exponent), exponent


def _require_real(body: sympy.Expr) -> None:
    for point in (-2, -1, -sympy.Rational(1, 3), sympy.Rational(1, 3), 1, 2):
        value = body.subs(z, point)
        if value.is_real is False or value.has(sympy.nan, sympy.zoo, sympy.oo):
            raise InputError(f"activation {body} is {value} at z={point}; it must be real and finite on the whole line")


def break_points(expr: sympy.Expr, name: str = "the expression") -> tuple[sympy.Expr, ...]:
    """Where an expression in z may fail to be analytic, in increasing order: at least every such point.

    Raises:
        InputError: a break point that has no closed form.
    """
    found: set[sympy.Expr] = set()
    for zero in _break_expressions(expr):
        found |= real_zeros(zero, name)
    return tuple(sorted(found, key=lambda point: float(point)))


def _break_expressions(expr: sympy.Expr) -> set[sympy.Expr]:
    """Expressions in z at whose zeros `expr` may fail to be analytic."""
    found: set[sympy.Expr] = set()
    for node in sympy.preorder_traversal(expr):
        if isinstance(node, sympy.Max | sympy.Min):
            found |= {a - b for i, a in enumerate(node.args) for b in node.args[:i]}
        elif isinstance(node, sympy.Abs | sympy.sign | sympy.Heaviside):
            found.add(node.args[0])
        elif isinstance(node, Relational):
            found.add(node.lhs - node.rhs)
        elif isinstance(node, sympy.Pow) and not node.exp.is_integer and node.base.has(z):
            found.add(node.base)
    return {zero for zero in found if zero.has(z)}


def _branches(node: sympy.Expr) -> list[sympy.Expr] | None:
    """The analytic pieces a node switches between; None where it is no switch."""
    if isinstance(node, sympy.Max | sympy.Min):
        return list(node.args)
    if isinstance(node, sympy.Abs):
        return [node.args[0], -node.args[0]]
    if isinstance(node, sympy.sign):
        return [sympy.Integer(1), sympy.Integer(-1)]
    if isinstance(node, sympy.Heaviside):
        return [sympy.Integer(0), sympy.Integer(1)]
    if isinstance(node, sympy.Piecewise):
        return [value for value, _ in node.args]
    return None


def real_zeros(expression: sympy.Expr, name: str) -> set[sympy.Expr]:
    """The real zeros of every branch of an expression: at least its own isolated zeros."""
    for node in sympy.preorder_traversal(expression):
        branches = _branches(node)
        if branches is not None:
            return set().union(*(real_zeros(expression.xreplace({node: branch}), name) for branch in branches))
    if not expression.has(z):
        return set()
    if expression.is_polynomial(z):
        try:
            return set(sympy.Poly(expression, z).real_roots())
        except NotImplementedError:  # irrational coefficients
            pass
    solutions = sympy.solveset(expression, z, sympy.S.Reals)
    if isinstance(solutions, sympy.FiniteSet) or solutions is sympy.S.EmptySet:
        return set(solutions)
    raise InputError(
        f"the kinks of {name} (zeros of {expression}) have no closed form; "
        "write it as a Piecewise with explicit break points"
    )
