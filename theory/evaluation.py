"""A sympy expression as a straight-line program, run over any kind of number.

The program is the only bridge from symbols to numbers: numpy arrays, torch tensors, mpmath numbers and intervals
differ in the table of operations they bring, never in what is computed. Shared subexpressions are evaluated once,
and no source text is generated or executed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, BooleanFalse, BooleanTrue, Not, Or

from theory.arguments import InputError
from theory.special import sigmoid, softplus

__all__ = ["OPERATIONS", "Program"]

_FUNCTIONS: Mapping[type, str] = {
    sympy.Abs: "abs",
    sympy.Heaviside: "heaviside",
    sympy.Max: "max",
    sympy.Min: "min",
    sympy.acosh: "acosh",
    sympy.asinh: "asinh",
    sympy.atan: "atan",
    sympy.cos: "cos",
    sympy.cosh: "cosh",
    sympy.erf: "erf",
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.sign: "sign",
    sympy.sin: "sin",
    sympy.sinh: "sinh",
    sympy.tan: "tan",
    sympy.tanh: "tanh",
    sigmoid: "sigmoid",
    softplus: "softplus",
}

OPERATIONS = frozenset(_FUNCTIONS.values()) | {
    "add", "and", "constant", "ge", "gt", "le", "lt", "mul", "not", "or", "piecewise", "power", "eq", "ne",
}  # fmt: skip
"""The names a table may define. "constant" takes a sympy number; "power" takes a value and an exponent that is a
sympy number where it is constant and a value otherwise; "piecewise" takes (value, condition) pairs in order, the
last condition being the literal True; every other operation takes values."""

_RELATIONS: Mapping[type, str] = {
    sympy.Ge: "ge",
    sympy.Gt: "gt",
    sympy.Le: "le",
    sympy.Lt: "lt",
    sympy.Eq: "eq",
    sympy.Ne: "ne",
}

Operations = Mapping[str, Callable[..., Any]]


class Program:
    """Straight-line evaluation of one or more expressions in the given symbols.

    Raises:
        InputError: an expression contains a function that has no numeric form, or a symbol that is not listed.
    """

    def __init__(self, expressions: Sequence[sympy.Expr], symbols: Sequence[sympy.Symbol]):
        self.symbols = tuple(symbols)
        self._steps: list[tuple[str, tuple[Any, ...]]] = [("symbol", (i,)) for i in range(len(self.symbols))]
        self._index: dict[Any, int] = {symbol: i for i, symbol in enumerate(self.symbols)}
        self.outputs = tuple(self._add(sympy.sympify(expression)) for expression in expressions)

    @property
    def needs(self) -> frozenset[str]:
        """The operations this program uses."""
        return frozenset(name for name, _ in self._steps if name != "symbol")

    def run(self, operations: Operations, *values: Any) -> tuple[Any, ...]:
        """The value of each expression where the symbols have the given values."""
        if len(values) != len(self.symbols):
            raise TypeError(f"{len(self.symbols)} values are needed, one per symbol, but {len(values)} were given")
        done: list[Any] = list(values)
        for name, arguments in self._steps[len(self.symbols) :]:
            if name == "constant":
                done.append(operations["constant"](arguments[0]))
            elif name == "power":
                base, exponent = arguments
                done.append(operations["power"](done[base], done[exponent] if isinstance(exponent, int) else exponent))
            elif name == "piecewise":
                pairs = [
                    (done[value], True if condition is True else done[condition]) for value, condition in arguments
                ]
                done.append(operations["piecewise"](*pairs))
            else:
                done.append(operations[name](*(done[i] for i in arguments)))
        return tuple(done[i] for i in self.outputs)

    def _add(self, node: Any) -> int:
        if node not in self._index:
            step = self._step(node)
            self._steps.append(step)
            self._index[node] = len(self._steps) - 1
        return self._index[node]

    def _step(self, node: Any) -> tuple[str, tuple[Any, ...]]:
        if isinstance(node, sympy.Symbol):
            raise InputError(f"symbol {node} has no value; known symbols are {', '.join(map(str, self.symbols))}")
        if isinstance(node, BooleanTrue | BooleanFalse):
            return "constant", (node,)
        if node.is_number and not node.args:
            return "constant", (node,)
        if node.is_number and node.is_real and not node.has(sigmoid, softplus):
            return "constant", (node,)
        if isinstance(node, sympy.Add):
            return "add", tuple(self._add(argument) for argument in node.args)
        if isinstance(node, sympy.Mul):
            return "mul", tuple(self._add(argument) for argument in node.args)
        if isinstance(node, sympy.Pow):
            exponent: Any = node.exp if node.exp.is_number else self._add(node.exp)
            return "power", (self._add(node.base), exponent)
        if isinstance(node, sympy.Piecewise):
            return "piecewise", tuple((self._add(value), self._condition(when)) for value, when in node.args)
        if isinstance(node, Relational) and type(node) in _RELATIONS:
            return _RELATIONS[type(node)], (self._add(node.lhs), self._add(node.rhs))
        if isinstance(node, And | Or):
            return ("and" if isinstance(node, And) else "or"), tuple(self._add(argument) for argument in node.args)
        if isinstance(node, Not):
            return "not", (self._add(node.args[0]),)
        if isinstance(node, sympy.Heaviside):
            return "heaviside", (self._add(node.args[0]), self._add(node.args[1]))
        if type(node) in _FUNCTIONS:
            return _FUNCTIONS[type(node)], tuple(self._add(argument) for argument in node.args)
        raise InputError(f"{node} has no numeric form here: {type(node).__name__} is not among the known functions")

    def _condition(self, when: Any) -> Any:
        return True if isinstance(when, BooleanTrue) else self._add(when)
