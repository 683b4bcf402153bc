"""Mathematical text to sympy, through a whitelist of Python's own grammar: nothing is ever evaluated as code."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import sympy

from theory.arguments import InputError
from theory.special import sigmoid, softplus

__all__ = ["FUNCTIONS", "parse_expression", "parse_number"]

MAX_LENGTH = 2000
MAX_DEPTH = 60
MAX_EXPONENT = 1000
MAX_DIGITS = 60

FUNCTIONS: Mapping[str, Callable[..., sympy.Expr]] = {
    "abs": sympy.Abs,
    "atan": sympy.atan,
    "arctan": sympy.atan,
    "cos": sympy.cos,
    "cosh": sympy.cosh,
    "erf": sympy.erf,
    "exp": sympy.exp,
    "gamma": sympy.gamma,
    "heaviside": lambda u: sympy.Heaviside(u),
    "log": sympy.log,
    "max": sympy.Max,
    "min": sympy.Min,
    "relu": lambda u: sympy.Max(0, u),
    "sigmoid": sigmoid,
    "sign": sympy.sign,
    "sin": sympy.sin,
    "sinh": sympy.sinh,
    "softplus": softplus,
    "sqrt": sympy.sqrt,
    "tan": sympy.tan,
    "tanh": sympy.tanh,
    "where": lambda condition, then, otherwise: sympy.Piecewise((then, condition), (otherwise, True)),
}
_ARITY = {"max": (1, 8), "min": (1, 8), "where": (3, 3)}
_CONSTANTS = {"pi": sympy.pi, "e": sympy.E}
_OPERATORS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}
_COMPARISONS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Lt: sympy.Lt,
    ast.LtE: sympy.Le,
    ast.Gt: sympy.Gt,
    ast.GtE: sympy.Ge,
}


def parse_expression(text: str, symbols: Mapping[str, sympy.Symbol], what: str = "expression") -> sympy.Expr:
    """The sympy expression that `text` writes, in the given symbols.

    Accepts + - * / ** ^, parentheses, decimal numbers (read exactly: 0.1 is 1/10), comparisons inside
    `where(condition, then, otherwise)`, the constants pi and e, and the functions of `FUNCTIONS`.

    Args:
        text: for example "max(0, z)**2" or "n/3 - 2*m/3".
        symbols: the names that may occur, with their symbols.
        what: how error messages call the text.

    Raises:
        InputError: anything else; the message quotes the part that is not understood. Nothing is executed.
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{what}={text!r} is empty; write a formula in {', '.join(symbols) or 'numbers'}")
    if len(text) > MAX_LENGTH:
        raise InputError(f"{what} has {len(text)} characters; at most {MAX_LENGTH} are read")
    try:
        tree = ast.parse(text.strip().replace("^", "**"), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise InputError(f"{what}={text!r} is not a formula; write it like 'max(0, z)**2'") from None
    result = _Reader(text, symbols, what).read(tree.body, 0)
    if not isinstance(result, sympy.Expr):
        raise InputError(f"{what}={text!r} is a condition, not a number; use where(condition, then, otherwise)")
    if result.has(sympy.nan, sympy.zoo, sympy.oo):
        raise InputError(f"{what}={text!r} is not finite (a division by zero?)")
    return result


def parse_number(text: str, what: str) -> sympy.Expr:
    """The exact real number that `text` writes ("3", "0.01", "1/100", "sqrt(2)").

    Raises:
        InputError: not a finite real number.
    """
    value = parse_expression(text, {}, what)
    if not value.is_real:
        raise InputError(f"{what}={text!r} is not a real number")
    return value


class _Reader:
    """One pass over a syntax tree that knows only arithmetic."""

    def __init__(self, text: str, symbols: Mapping[str, sympy.Symbol], what: str):
        self.text, self.symbols, self.what = text, symbols, what

    def refuse(self, node: ast.AST, why: str) -> InputError:
        part = ast.get_source_segment(self.text.strip().replace("^", "**"), node) or self.text
        return InputError(f"{self.what}={self.text!r}: {part!r} {why}")

    def read(self, node: ast.AST, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self.refuse(node, f"is nested more than {MAX_DEPTH} deep")
        if isinstance(node, ast.Constant):
            return self.number(node)
        if isinstance(node, ast.Name):
            return self.name(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            operand = self.expression(node.operand, depth)
            return -operand if isinstance(node.op, ast.USub) else operand
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            return self.power(node, depth)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            left, right = self.expression(node.left, depth), self.expression(node.right, depth)
            if isinstance(node.op, ast.Div) and right.is_zero:
                raise self.refuse(node, "divides by zero")
            return _OPERATORS[type(node.op)](left, right)
        if isinstance(node, ast.Compare):
            return self.condition(node, depth)
        if isinstance(node, ast.Call):
            return self.call(node, depth)
        raise self.refuse(
            node, "is not arithmetic; use + - * / ** ( ) and the functions " + ", ".join(sorted(FUNCTIONS))
        )

    def expression(self, node: ast.AST, depth: int) -> sympy.Expr:
        value = self.read(node, depth + 1)
        if not isinstance(value, sympy.Expr):
            raise self.refuse(node, "is a condition where a number is wanted")
        return value

    def number(self, node: ast.Constant) -> sympy.Expr:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise self.refuse(node, "is not a real number")
        source = ast.get_source_segment(self.text.strip().replace("^", "**"), node) or repr(node.value)
        digits = source.replace("_", "")
        if len(digits) > MAX_DIGITS or abs(_decimal_exponent(digits)) > MAX_EXPONENT:
            raise self.refuse(node, "is too long a number")
        try:
            fraction = Fraction(digits)
        except ValueError:
            raise self.refuse(node, "is not a decimal number") from None
        return sympy.Rational(fraction.numerator, fraction.denominator)

    def name(self, node: ast.Name) -> sympy.Expr:
        if node.id in self.symbols:
            return self.symbols[node.id]
        if node.id.lower() in _CONSTANTS:
            return _CONSTANTS[node.id.lower()]
        known = ", ".join([*self.symbols, *_CONSTANTS])
        raise self.refuse(node, f"is unknown; the names are {known}")

    def power(self, node: ast.BinOp, depth: int) -> sympy.Expr:
        base, exponent = self.expression(node.left, depth), self.expression(node.right, depth)
        if exponent.is_number and (not exponent.is_real or abs(exponent) > MAX_EXPONENT):
            raise self.refuse(node.right, f"is too large an exponent (at most {MAX_EXPONENT})")
        if base.is_zero and exponent.is_negative:
            raise self.refuse(node, "divides by zero")
        # A tower of integer powers is only exponent by exponent small; bound the size of the result as well.
        if base.is_Rational and exponent.is_Rational and len(str(base)) * abs(int(exponent) + 1) > 20 * MAX_EXPONENT:
            raise self.refuse(node, "is too large a number")
        return base**exponent

    def condition(self, node: ast.Compare, depth: int) -> Any:
        if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARISONS:
            raise self.refuse(node, "is not a single comparison with < <= > >=")
        left, right = self.expression(node.left, depth), self.expression(node.comparators[0], depth)
        return _COMPARISONS[type(node.ops[0])](left, right)

    def call(self, node: ast.Call, depth: int) -> sympy.Expr:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise self.refuse(node, "is not a plain function call")
        name = node.func.id.lower()
        if name not in FUNCTIONS:
            raise self.refuse(node.func, "is an unknown function; the functions are " + ", ".join(sorted(FUNCTIONS)))
        least, most = _ARITY.get(name, (1, 1))
        if not least <= len(node.args) <= most:
            raise self.refuse(
                node, f"has {len(node.args)} arguments; {name} takes {least if least == most else f'{least} to {most}'}"
            )
        arguments = [self.read(argument, depth + 1) for argument in node.args]
        for position, (argument, value) in enumerate(zip(node.args, arguments, strict=True)):
            wants_condition = name == "where" and position == 0
            if isinstance(value, sympy.Expr) == wants_condition and not isinstance(value, bool):
                raise self.refuse(
                    argument, "is a condition where a number is wanted" if not wants_condition else "is not a condition"
                )
        value = FUNCTIONS[name](*arguments)
        if value.is_number and value.has(sympy.nan, sympy.zoo, sympy.oo):
            raise self.refuse(node, "is not finite")
        return value


def _decimal_exponent(digits: str) -> int:
    _, mark, exponent = digits.lower().partition("e")
    return int(exponent) if mark and exponent.lstrip("+-").isdigit() else 0
