"""A bound: a statement about the optimal loss, with everything needed to check it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sympy

from theory.arguments import InputError, exact, one_of
from theory.toy_model import ToyModel

__all__ = ["SIDES", "TARGETS", "Bound", "Step"]

SIDES = ("lower", "upper")
TARGETS = ("loss", "sparse")


@dataclass(frozen=True)
class Step:
    """One step of a derivation: a sentence, and where it is an identity or inequality, the relation itself.

    Attributes:
        statement: what is claimed and why, in a sentence.
        relation: a sympy relation between expressions, or None for a step that is argued in words (its source says
            where); a relation is re-checked by `check`.
    """

    statement: str
    relation: sympy.Basic | None = None

    def check(self) -> bool | None:
        """True where sympy re-proves the relation, False where it refutes it, None where neither."""
        if self.relation is None:
            return None
        if self.relation in (sympy.true, sympy.false):
            return self.relation == sympy.true
        if isinstance(self.relation, sympy.Eq):
            difference = sympy.simplify(sympy.gammasimp(sympy.expand_func(self.relation.lhs - self.relation.rhs)))
            return difference.is_zero
        simplified = sympy.simplify(self.relation)
        return True if simplified == sympy.true else False if simplified == sympy.false else None


@dataclass(frozen=True)
class Bound:
    """A named inequality for the smallest achievable loss of a toy model.

    Attributes:
        name: for example "sidelnikov", "rank", "combined", "orthonormal", "antipodal", "random-directions".
        side: "lower" (the optimal loss is at least `expr`) or "upper" (at most `expr`).
        of: "loss" (L* = inf over W, and over b where the model has a bias, at the model's density) or
            "sparse" (c* = lim L*/p as p -> 0).
        expr: the bound, in the model's symbols or a number.
        model: the setting it is stated for.
        assumptions: sentences; every one is needed.
        conditions: the same assumptions as sympy relations in the model's symbols where they can be written so;
            `evaluate` refuses values that break one.
        derivation: the steps, re-checkable one by one.
        construction: for upper bounds, (W, b) that achieves it where it is explicit and numeric; else None.
        certificate: for lower bounds found by search, the exact object that proves it; else None.
        equality: when the bound is attained.
        source: theorem and paper.
        status: "proved", or "numerical" where a step rests on a search.
    """

    name: str
    side: str
    of: str
    expr: sympy.Expr
    model: ToyModel
    assumptions: tuple[str, ...] = ()
    conditions: tuple[sympy.Basic, ...] = ()
    derivation: tuple[Step, ...] = ()
    construction: tuple[Any, Any] | None = field(default=None, compare=False, repr=False)
    certificate: Any = field(default=None, compare=False, repr=False)
    equality: str = ""
    source: str = ""
    status: str = "proved"

    def __post_init__(self) -> None:
        one_of("side", self.side, SIDES)
        one_of("of", self.of, TARGETS)

    @property
    def value(self) -> sympy.Expr | None:
        """The exact value where the model is numeric; None where it still has symbols."""
        return self.expr if not self.expr.free_symbols else None

    @property
    def symbols(self) -> tuple[str, ...]:
        """The names `evaluate` needs."""
        free = self.expr.free_symbols.union(*(condition.free_symbols for condition in self.conditions))
        return tuple(sorted({symbol.name for symbol in free}))

    def evaluate(self, **values: Any) -> float:
        """The bound as a float where its symbols, by name, have the given values: bound.evaluate(n=10, m=3, p=0.001).

        Names the bound does not depend on are allowed where the model knows them (n, m, p of a symbolic model).

        Raises:
            InputError: a symbol without a value, an unknown name, or values outside the assumptions.
        """
        known = {symbol.name: symbol for symbol in self.expr.free_symbols | self.model.free_symbols}
        for condition in self.conditions:
            known.update({symbol.name: symbol for symbol in condition.free_symbols})
        for name in values:
            if name not in known:
                named = ", ".join(sorted(known)) or "none: its model is numeric already"
                raise InputError(
                    f"{name}={values[name]}: bound {self.name!r} has no symbol {name!r}; its symbols are {named}"
                )
        missing = [name for name in self.symbols if name not in values]
        if missing:
            raise InputError(f"bound {self.name!r} needs a value for {', '.join(missing)}")
        # Substituting into the model first checks the ranges (p in [0, 1], m >= 1) with the model's own messages.
        self.model.subs(
            **{name: value for name, value in values.items() if name in {s.name for s in self.model.free_symbols}}
        )
        table = [(symbol, exact(name, values[name])) for name, symbol in known.items() if name in values]
        for condition in self.conditions:
            if condition.subs(table) == sympy.false:
                raise InputError(f"bound {self.name!r} assumes {condition}, which {_listing(values)} breaks")
        result = self.expr.subs(table)
        if not result.is_real:
            result = sympy.simplify(result)
        return float(result)

    def check_derivation(self) -> dict[str, bool | None]:
        """Every step's statement with the outcome of re-checking it (None for steps argued in words)."""
        return {step.statement: step.check() for step in self.derivation}

    def __str__(self) -> str:
        sign = ">=" if self.side == "lower" else "<="
        return f"{'L*' if self.of == 'loss' else 'c*'} {sign} {self.expr}  [{self.name}, {self.status}]"


def _listing(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(values.items()))
