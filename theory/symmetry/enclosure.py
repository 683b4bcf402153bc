"""Sound interval values of real expressions at exact points: what turns an inequality between numbers into a proof.

Interval arithmetic with outward rounding (mpmath) for the field operations, exp, log, sqrt, sin and cos; tanh, the
logistic function, softplus, atan and erf are enclosed here, by monotone hulls and by alternating series with remainder.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import sympy
from mpmath.ctx_iv import MPIntervalContext

from theory.arguments import InputError
from theory.evaluation import Program

__all__ = ["enclose", "is_algebraic_zero", "sign_of"]

_PRECISIONS = (64, 128, 256, 512, 1024, 2048)
_SIMPLIFIED = 120
# exp of more than this is enclosed by [exp(_LARGE), oo) and exp of less than its negative by [0, exp(-_LARGE)]: the
# exponents of the bounds stay small enough to compute with.
_LARGE = 2**16
Interval = Any


def enclose(expression: sympy.Expr, precision: int = 64) -> tuple[sympy.Rational, sympy.Rational]:
    """Rationals (low, high) that provably bracket a real number given as a closed expression.

    Args:
        expression: without free symbols, in the functions that activations are made of.
        precision: working precision in bits; the width shrinks with it.

    Raises:
        InputError: an unknown function, or undefined at this point (log of a negative number).
    """
    value = _Intervals(precision).of(sympy.sympify(expression))
    return _rational(value.a), _rational(value.b)


def sign_of(expression: sympy.Expr, or_zero: bool = True) -> int | None:
    """The sign of a closed real expression: 1 or -1 proved by intervals, 0 proved by algebra, None where neither.

    Args:
        expression: as for `enclose`.
        or_zero: whether to try to prove that it is 0; False is quicker where only an inequality is wanted.
    """
    expression = sympy.sympify(expression)
    if expression.is_Rational:
        return int(sympy.sign(expression))
    for precision in _PRECISIONS if or_zero else _PRECISIONS[:-1]:
        try:
            value = _Intervals(precision).of(expression)
        except InputError:
            # A denominator or logarithm that cannot be told from zero at this precision may be at the next.
            continue
        if value.a > 0:
            return 1
        if value.b < 0:
            return -1
        if precision == _PRECISIONS[1] and or_zero and is_algebraic_zero(expression):
            return 0
    return None


def is_algebraic_zero(expression: sympy.Expr) -> bool:
    """Whether rewriting shows that an expression is zero; False is no proof of the contrary."""
    if _has_large_argument(expression):
        return False
    if expression.is_zero:
        return True
    # Quick normal forms first; the general simplifier only on what is small.
    forms: list[Callable[[sympy.Expr], sympy.Expr]] = [
        sympy.expand,
        lambda e: sympy.cancel(e.rewrite(sympy.exp)),
        sympy.sqrtdenest,
    ]
    if sympy.count_ops(expression) <= _SIMPLIFIED:
        forms += [sympy.simplify, lambda e: sympy.simplify(e.rewrite(sympy.exp))]
    for form in forms:
        try:
            if sympy.expand(form(expression)) == 0:
                return True
        except (sympy.PolynomialError, NotImplementedError, ValueError, TypeError, RecursionError, AttributeError):
            continue
    return False


def _has_large_argument(expression: sympy.Expr) -> bool:
    """Whether a function is taken at a number so large that computer algebra would write out its digits."""
    for node in expression.atoms(sympy.Function):
        for argument in node.args:
            if isinstance(argument, sympy.Expr) and not argument.free_symbols:
                try:
                    value = _Intervals(_PRECISIONS[0]).of(argument)
                except InputError:
                    return True
                if value.b > _LARGE or value.a < -_LARGE:
                    return True
    return False


def _rational(value: Any) -> sympy.Rational:
    sign, mantissa, exponent, _ = value._mpi_[0]
    if not mantissa and exponent:
        raise InputError("the enclosure is unbounded at this precision")
    return sympy.Rational(-int(mantissa) if sign else int(mantissa)) * sympy.Integer(2) ** exponent


class _Intervals:
    """One table of interval operations at one precision."""

    def __init__(self, precision: int):
        self.ctx = MPIntervalContext()
        self.ctx.prec = precision
        self.precision = precision
        up = lambda function: lambda x: self.increasing(function, x)  # noqa: E731
        self.table: dict[str, Callable[..., Any]] = {
            "constant": self.constant,
            "add": lambda *v: reduce(lambda a, b: a + b, v),
            "mul": lambda *v: reduce(lambda a, b: a * b, v),
            "power": self.power,
            "piecewise": self.piecewise,
            "abs": lambda x: self.hull(abs(x.a), abs(x.b)) if not self.straddles(x) else self.hull(0, max(-x.a, x.b)),
            "max": lambda *v: reduce(lambda a, b: self.span(max(a.a, b.a), max(a.b, b.b)), v),
            "min": lambda *v: reduce(lambda a, b: self.span(min(a.a, b.a), min(a.b, b.b)), v),
            "sign": self.sign,
            "heaviside": self.heaviside,
            "exp": self.exp,
            "log": self.log,
            "sin": self.ctx.sin,
            "cos": self.ctx.cos,
            "tan": lambda x: self.ctx.sin(x) / self.nonzero(self.ctx.cos(x)),
            "sinh": up(lambda x: (self.exp(x) - self.exp(-x)) / 2),
            "cosh": lambda x: (self.exp(x) + self.exp(-x)) / 2,
            "tanh": up(lambda x: 1 - 2 / (self.exp(2 * x) + 1)),
            "sigmoid": up(lambda x: 1 / (1 + self.exp(-x))),
            "softplus": up(lambda x: (x if x.a > 0 else 0) + self.ctx.log(1 + self.exp(-x if x.a > 0 else x))),
            "asinh": up(lambda x: self.ctx.log(x + self.ctx.sqrt(x * x + 1))),
            "acosh": up(lambda x: self.log(x + self.ctx.sqrt(x * x - 1))),
            "atan": up(self.atan_at),
            "erf": up(self.erf_at),
            "lt": lambda a, b: True if a.b < b.a else False if a.a >= b.b else None,
            "le": lambda a, b: True if a.b <= b.a else False if a.a > b.b else None,
            "gt": lambda a, b: True if a.a > b.b else False if a.b <= b.a else None,
            "ge": lambda a, b: True if a.a >= b.b else False if a.b < b.a else None,
            "eq": lambda a, b: False if a.b < b.a or a.a > b.b else True if a.a == a.b == b.a == b.b else None,
            "ne": lambda a, b: True if a.b < b.a or a.a > b.b else False if a.a == a.b == b.a == b.b else None,
            "and": lambda *v: False if False in v else None if None in v else True,
            "or": lambda *v: True if True in v else None if None in v else False,
            "not": lambda v: None if v is None else not v,
        }

    def of(self, expression: sympy.Expr) -> Interval:
        if expression.free_symbols:
            raise InputError(f"{expression} has free symbols; an enclosure needs a number")
        try:
            return self.ctx.mpf(0) + self.evaluate(expression)
        except (ZeroDivisionError, ValueError, OverflowError) as problem:
            raise InputError(f"{expression} has no bounded enclosure here ({problem})") from None

    def evaluate(self, expression: sympy.Expr) -> Interval:
        return Program([expression], []).run(self.table)[0]

    def constant(self, value: Any) -> Any:
        if value in (sympy.true, sympy.false):
            return bool(value)
        if value.is_Rational:
            return self.ctx.mpf(int(value.p)) / int(value.q)
        if value.is_Float:
            return self.constant(sympy.Rational(value))
        if value is sympy.pi:
            return self.ctx.pi
        if value is sympy.E:
            return self.ctx.exp(1)
        if not value.args:
            return self.constant(value.expand(func=True)) if value is sympy.GoldenRatio else self.refuse(value)
        if isinstance(value, sympy.CRootOf):
            width = sympy.Rational(1, 2**self.precision)
            middle = value.eval_rational(dx=width)
            return self.hull(self.constant(middle - width), self.constant(middle + width))
        if isinstance(value, sympy.atanh):
            return self.evaluate(value.rewrite(sympy.log))
        # A composite number such as sqrt(2/pi): open it up, so that only atoms are constants.
        parts = [sympy.Dummy(f"c{i}", real=True) for i in range(len(value.args))]
        program = Program([value.func(*parts, evaluate=False)] if not value.is_Pow else [parts[0] ** value.exp], parts)
        return program.run(self.table, *(self.constant(argument) for argument in value.args))[0]

    def refuse(self, value: Any) -> Any:
        raise InputError(f"no enclosure is known for the constant {value}")

    def span(self, low: Any, high: Any) -> Interval:
        return self.ctx.mpf([low.a if hasattr(low, "a") else low, high.b if hasattr(high, "b") else high])

    def hull(self, *ends: Any) -> Interval:
        intervals = [self.ctx.mpf(end) for end in ends]
        return self.span(min(i.a for i in intervals), max(i.b for i in intervals))

    @staticmethod
    def straddles(x: Interval) -> bool:
        return bool(x.a < 0 < x.b)

    def nonzero(self, x: Interval) -> Interval:
        if x.a <= 0 <= x.b:
            raise ZeroDivisionError("the denominator may vanish")
        return x

    def increasing(self, function: Callable[[Interval], Interval], x: Interval) -> Interval:
        low, high = function(self.ctx.mpf(x.a)), function(self.ctx.mpf(x.b))
        return self.span(low.a, high.b)

    def exp(self, x: Interval) -> Interval:
        if x.b < -_LARGE:
            return self.span(0, self.ctx.exp(-_LARGE).b)
        if x.b > _LARGE:
            return self.ctx.mpf([self.exp(self.ctx.mpf(min(x.a, _LARGE))).a, "inf"])
        low = self.ctx.exp(x.a).a if x.a >= -_LARGE else 0
        return self.span(low, self.ctx.exp(x.b).b)

    def log(self, x: Interval) -> Interval:
        if x.a <= 0:
            raise ValueError("logarithm of a number that may not be positive")
        return self.ctx.log(x)

    def sign(self, x: Interval) -> Interval:
        low = 1 if x.a > 0 else 0 if x.a == 0 else -1
        high = -1 if x.b < 0 else 0 if x.b == 0 else 1
        return self.ctx.mpf([low, high])

    def heaviside(self, x: Interval, at_zero: Interval) -> Interval:
        if x.a > 0 or x.b < 0:
            return self.ctx.mpf(1 if x.a > 0 else 0)
        return at_zero if x.a == x.b == 0 else self.hull(0, 1, at_zero.a, at_zero.b)

    def power(self, base: Interval, exponent: Any) -> Interval:
        if not isinstance(exponent, sympy.Expr):
            return self.exp(exponent * self.log(base))
        if exponent.is_Integer:
            return base ** int(exponent) if exponent >= 0 else 1 / self.nonzero(base ** int(-exponent))
        if base.a < 0:
            raise ValueError("real power of a number that may be negative")
        if exponent == sympy.Rational(1, 2):
            return self.ctx.sqrt(base)
        raised = lambda x: self.exp(self.constant(exponent) * self.ctx.log(self.ctx.mpf(x)))  # noqa: E731
        if exponent < 0:
            return 1 / self.nonzero(self.power(base, -exponent))
        high = self.ctx.mpf(0) if base.b == 0 else raised(base.b)
        low = self.ctx.mpf(0) if base.a == 0 else raised(base.a)
        return self.span(low.a, high.b)

    def piecewise(self, *pairs: Any) -> Interval:
        possible = []
        for value, condition in pairs:
            if condition is False:
                continue
            possible.append(value)
            if condition is True:
                break
        if len(possible) == 1:
            return possible[0]
        return self.hull(*(end for value in possible for end in (value.a, value.b)))

    def atan_at(self, x: Interval) -> Interval:
        """Halve the angle until the argument is small, then the alternating series with the next term as remainder."""
        halvings = 4
        for _ in range(halvings):
            x = x / (1 + self.ctx.sqrt(1 + x * x))
        total, power, square = self.ctx.mpf(0), x, x * x
        terms = self.precision // 4 + 8
        for k in range(terms):
            total += (-1) ** k * power / (2 * k + 1)
            power *= square
        rest = abs(power) / (2 * terms + 1)
        return (total + self.span(-rest.b, rest.b)) * 2**halvings

    def erf_at(self, x: Interval) -> Interval:
        """The Maclaurin series, alternating with decreasing terms once k > x^2; the tail bound beyond |x| = 12."""
        if x.b < 0:
            return -self.erf_at(-x)
        root_pi = self.ctx.sqrt(self.ctx.pi)
        if x.a > 12:
            tail = self.exp(-x * x) / (x * root_pi)
            return self.span((1 - tail).a, self.ctx.mpf(1))
        wide = MPIntervalContext()
        # Terms grow to exp(x^2) before they fall: work with that many more bits.
        wide.prec = self.precision + int(1.5 * float(x.b) ** 2) + 64
        y = wide.mpf([x.a, x.b])
        total, term, square, k = wide.mpf(0), y, y * y, 0
        while True:
            total += term / (2 * k + 1)
            k += 1
            term = -term * square / k
            if k > square.b and abs(term).b < wide.mpf(2) ** (-self.precision - 8):
                break
        rest = abs(term) / (2 * k + 1)
        value = (total + wide.mpf([-rest.b, rest.b])) * 2 / wide.sqrt(wide.pi)
        return self.ctx.mpf([value.a, value.b])
