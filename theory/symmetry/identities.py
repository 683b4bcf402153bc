"""Identities in one variable t > 0: refuted at rational points by intervals, or proved by algebra piece by piece.

What is neither is open, with the reason: a failed proof is never read as a refutation.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cmp_to_key

import sympy

from theory.activations import break_points, real_zeros, z
from theory.arguments import InputError
from theory.evaluation import Program
from theory.symmetry.enclosure import enclose, is_algebraic_zero, sign_of

__all__ = ["Answer", "is_defined", "power_degree", "t", "vanishes"]

t = sympy.Symbol("t", positive=True)
_POINTS = tuple(map(sympy.Rational, ("1", "2", "1/2", "3", "1/3", "4", "5/7", "7/2", "1/10", "10", "1/1000", "100")))
_MAX_DENOMINATOR = 60
_SMALL = sympy.Rational(1, 10**6)


@dataclass(frozen=True)
class Answer:
    """Whether an identity holds: True or False are proved, None is open. `why` is the reason in words."""

    value: bool | None
    why: str


def vanishes(expression: sympy.Expr) -> Answer:
    """Whether an expression in t is zero for every t > 0."""
    expression = sympy.sympify(expression)
    if expression == 0 or sympy.expand(expression) == 0:
        return Answer(True, "identically")
    if expression.free_symbols - {t}:
        return Answer(None, f"{expression} has free parameters")
    try:
        points = _piece_ends(expression.subs(t, z))
    except InputError as problem:
        return _refuted(expression, _POINTS) or Answer(None, str(problem))
    cells = _cell_points(points)
    refuted = _refuted(expression, (*_POINTS, *cells, *points))
    if refuted is not None:
        return refuted
    on_pieces = all(is_algebraic_zero(resolve(expression, inside)) for inside in cells)
    if on_pieces and all(is_algebraic_zero(expression.subs(t, point)) for point in points):
        return Answer(True, f"by algebra on each piece, break points {listed(points)}" if points else "by algebra")
    return Answer(None, f"neither proved nor refuted: {expression} = 0 for t > 0")


def power_degree(side: sympy.Expr) -> tuple[Answer, sympy.Expr | None]:
    """Whether an expression that is not identically zero equals a t^p for t > 0, and p where it does.

    Refuted by f(st) f(1) != f(s) f(t), which needs no guess of p; proved by `vanishes` for the only possible p.
    """
    at_one = side.subs(t, 1)
    if sign_of(at_one) == 0:
        # a = f(1) = 0 leaves the zero function only.
        return Answer(False, "f vanishes at t = 1 but not everywhere"), None
    unknown = f"whether {side} is a power of t is neither proved nor refuted"
    for degree in _possible_degrees(side):
        is_power = vanishes(side - at_one * t**degree).value
        if is_power:
            return Answer(True, f"it is ({at_one}) t^p with p = {degree}"), degree
        if is_power is None:
            # Either it is this power, and every other test is in vain, or f(1) is out of range.
            return _not_a_power_near_zero(side) or Answer(None, unknown), None
    points: tuple[sympy.Expr, ...] = ()
    with suppress(InputError):
        ends = _piece_ends(side.subs(t, z))
        points = (*_cell_points(ends), *ends)
    for s in (*_POINTS[1:], *points):
        for u in dict.fromkeys((s, sympy.Integer(2), sympy.Rational(1, 2))):
            gap = side.subs(t, s * u) * at_one - side.subs(t, s) * side.subs(t, u)
            if sign_of(gap, or_zero=False) in (1, -1):
                return Answer(False, f"f(st) f(1) differs from f(s) f(t) at s = {s}, t = {u}"), None
    return _not_a_power_near_zero(side) or Answer(None, unknown), None


def _not_a_power_near_zero(side: sympy.Expr) -> Answer | None:
    first, second, fourth = (side.subs(t, k * _SMALL) for k in (1, 2, 4))
    if sign_of(first * fourth - second**2, or_zero=False) in (1, -1):
        return Answer(False, f"f(t) f(4t) differs from f(2t)^2 at t = {_SMALL}")
    return None


def is_defined(side: sympy.Expr) -> Answer:
    """Whether an expression in t is a real number for every t > 0: no poles, no logarithm or root of a negative."""
    body = side.subs(t, z)
    try:
        Program([body], [z])
        if not _delicate_arguments(body):
            return Answer(True, "composed of functions that are real everywhere")
        points = _piece_ends(body)
    except InputError as problem:
        return Answer(None, str(problem))
    for point in (*points, *_cell_points(points)):
        try:
            enclose(body.subs(z, point), 256)
        except InputError:
            return Answer(None, f"no real value is known at t = {point}")
    return Answer(True, "real for every t > 0")


def resolve(expression: sympy.Expr, inside: sympy.Rational) -> sympy.Expr:
    """The analytic form of `expression` on the cell around `inside`, where no switch changes its branch."""
    if not expression.args or not expression.has(t):
        return expression
    if isinstance(expression, sympy.Piecewise):
        for value, condition in expression.args:
            holds = condition.subs(t, inside)
            if holds == sympy.true:
                return resolve(value, inside)
            if holds != sympy.false:  # an undecided condition is no reason to take the next branch
                return expression
        return sympy.nan
    parts = [resolve(argument, inside) for argument in expression.args]
    if isinstance(expression, sympy.Max | sympy.Min):
        best = parts[0]
        for part in parts[1:]:
            larger = sign_of((part - best).subs(t, inside))
            if larger is None:
                return expression.func(*parts)
            if (larger > 0) == isinstance(expression, sympy.Max) and larger != 0:
                best = part
        return best
    if isinstance(expression, sympy.Abs | sympy.sign | sympy.Heaviside):
        side = sign_of(parts[0].subs(t, inside))
        if side in (1, -1):
            if isinstance(expression, sympy.Abs):
                return side * parts[0]
            return sympy.Integer(side) if isinstance(expression, sympy.sign) else sympy.Integer((side + 1) // 2)
    return expression.func(*parts)


def listed(values: list) -> str:
    """Values as words: "1, 2"."""
    return ", ".join(map(str, values))


def _possible_degrees(side: sympy.Expr) -> list[sympy.Expr]:
    """Guesses of the degree t f'(t)/f(t), read off the piece around t = 1; a guess need not be right."""
    piece = resolve(side, sympy.Rational(1))
    value = (t * sympy.diff(piece, t) / piece).subs(t, 1)
    if not value.is_number or value.has(sympy.nan, sympy.zoo, sympy.oo):
        return []
    if value.is_Rational:
        return [value]
    try:
        decimal = sympy.N(value, 30)
        if not _SMALL < abs(decimal) < 1 / _SMALL:
            return []
        near = sympy.Rational(str(decimal)).limit_denominator(_MAX_DENOMINATOR)
    except (TypeError, ValueError):
        return []
    if abs(near - decimal) < sympy.Rational(1, 10**20):
        return [near]
    exact = sympy.simplify(value) if sympy.count_ops(value) <= _MAX_DENOMINATOR else value
    return [exact] if not exact.has(sympy.Function) and exact.is_real else []


def _delicate_arguments(body: sympy.Expr) -> set[sympy.Expr]:
    """Denominators and arguments of logarithms and roots that may vanish: between their zeros, and the break points,
    the expression is analytic or nowhere real."""
    found: set[sympy.Expr] = set()
    for node in sympy.preorder_traversal(body):
        if isinstance(node, sympy.tan):
            raise InputError("tan has poles")
        if isinstance(node, sympy.Pow) and not (node.exp.is_integer and node.exp.is_nonnegative):
            argument, harmless = node.base, node.exp.is_nonnegative and node.base.is_nonnegative
        elif isinstance(node, sympy.log):
            argument, harmless = node.args[0], False
        elif isinstance(node, sympy.acosh):
            argument, harmless = node.args[0] - 1, False
        else:
            continue
        if argument.has(z) and not harmless and argument.is_positive is not True:
            found.add(argument)
    return found


def _piece_ends(body: sympy.Expr) -> list[sympy.Expr]:
    """Every positive point where an expression in z may fail to be analytic, in increasing order."""
    found = set(break_points(body))
    for argument in _delicate_arguments(body):
        found |= real_zeros(argument, f"{argument}, a denominator or the argument of a logarithm or root")
    positive = []
    for point in found:
        # By intervals: a point whose sign sympy's assumptions do not know must not be lost.
        side = sign_of(point)
        if side is None:
            raise InputError(f"whether the break point {point} is positive is not known")
        if side > 0:
            positive.append(point)
    return _in_order(positive)


def _in_order(points: list[sympy.Expr]) -> list[sympy.Expr]:
    """Exact numbers in increasing order, each once. Floats would not tell 2 from 2 + 1e-30, and lose a cell between.

    Raises:
        InputError: two of them can be neither told apart nor proved equal.
    """

    def compare(a: sympy.Expr, b: sympy.Expr) -> int:
        side = sign_of(a - b)
        if side is None:
            raise InputError(f"the break points {a} and {b} cannot be told apart")
        return side

    ordered: list[sympy.Expr] = []
    for point in sorted(points, key=cmp_to_key(compare)):
        if not ordered or compare(ordered[-1], point) != 0:
            ordered.append(point)
    return ordered


def _refuted(expression: sympy.Expr, points: tuple[sympy.Expr, ...]) -> Answer | None:
    for point in points:
        if sign_of(expression.subs(t, point), or_zero=False) in (1, -1):
            return Answer(False, f"at t = {point}")
    return None


def _cell_points(points: list[sympy.Expr]) -> tuple[sympy.Rational, ...]:
    """One rational inside each piece of (0, oo) between the break points."""
    edges = [sympy.Integer(0), *points]
    inside = []
    for low, high in zip(edges, [*edges[1:], None], strict=True):
        middle = low + 1 if high is None else (low + high) / 2
        inside.append(middle if middle.is_Rational else _rational_between(low, high))
    return tuple(inside)


def _rational_between(low: sympy.Expr, high: sympy.Expr | None) -> sympy.Rational:
    """A rational strictly between two exact numbers, by enclosures of both."""
    precision = 64
    while True:
        a = enclose(low, precision)[1]
        b = a + 2 if high is None else enclose(high, precision)[0]
        if a < b:
            return (a + b) / 2
        precision *= 2
        if precision > 2**14:
            raise InputError(f"the break points {low} and {high} cannot be told apart")
