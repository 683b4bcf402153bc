"""What refutes a claim about the optimal loss, printed so that a person can check it by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from theory import Bound

__all__ = ["BoundCounterexample", "WeightsCounterexample"]


@dataclass(frozen=True)
class WeightsCounterexample:
    """Weights whose loss is below a claimed lower bound.

    Attributes:
        of: "sparse" or "loss".
        model: the setting, in one line.
        W: shape (m, n); a sympy matrix where exact.
        b: length n, or None.
        value: the loss (or c(W)) of these weights.
        claim: the claimed lower bound.
        error: error of `value`; 0 where it is exact.
    """

    of: str
    model: str
    W: Any
    b: Any
    value: Any
    claim: sympy.Expr
    error: float = 0.0

    @property
    def gap(self) -> Any:
        """claim - value > 0."""
        return self.claim - self.value

    def __str__(self) -> str:
        name = ("c" if self.of == "sparse" else "L") + ("(W)" if self.b is None else "(W, b)")
        lines = [f"for {self.model}", *_matrix("W", sympy.Matrix(self.W).tolist())]
        if self.b is not None:
            lines += _matrix("b", [list(self.b)])
        error = f" ± {self.error:.1e}" if self.error else ""
        lines.append(f"{name} = {_number(self.value)}{error} < {_number(self.claim)}, by {float(self.gap):.6g}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; exact numbers as text."""
        return {
            "kind": "weights",
            "of": self.of,
            "model": self.model,
            "W": [[_plain(entry) for entry in row] for row in sympy.Matrix(self.W).tolist()],
            "b": None if self.b is None else [_plain(entry) for entry in self.b],
            "value": _plain(self.value),
            "error": self.error,
            "claim": str(self.claim),
            "gap": float(self.gap),
        }


@dataclass(frozen=True)
class BoundCounterexample:
    """A proved bound on the other side that a claim contradicts.

    Attributes:
        bound: the proved bound, with its derivation.
        claim: the claimed value: below a lower bound, or above an upper bound.
    """

    bound: Bound
    claim: sympy.Expr

    def __str__(self) -> str:
        sign = "<" if self.bound.side == "lower" else ">"
        symbol = "c*" if self.bound.of == "sparse" else "L*"
        relation = ">=" if self.bound.side == "lower" else "<="
        lines = [
            f"the {self.bound.name} bound, for {self.bound.model.describe()}:",
            f"{symbol} {relation} {_number(self.bound.expr)}, but the claim is {_number(self.claim)} {sign} that",
        ]
        lines += [f"  {i}. {step.statement}" for i, step in enumerate(self.bound.derivation, 1)]
        if self.bound.source:
            lines.append(f"  source: {self.bound.source}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "kind": "bound",
            "name": self.bound.name,
            "side": self.bound.side,
            "of": self.bound.of,
            "model": self.bound.model.describe(),
            "value": str(self.bound.expr),
            "claim": str(self.claim),
            "derivation": [step.statement for step in self.bound.derivation],
            "source": self.bound.source,
        }


def _matrix(name: str, rows: Sequence[Sequence[Any]]) -> list[str]:
    cells = [[_cell(entry) for entry in row] for row in rows]
    widths = [max(len(row[j]) for row in cells) for j in range(len(cells[0]))]
    lines = []
    for i, row in enumerate(cells):
        head = f"{name} = [" if i == 0 else " " * (len(name) + 3) + "["
        lines.append(head + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + "]")
    return lines


def _cell(entry: Any) -> str:
    return f"{float(entry):.6g}" if isinstance(entry, float | sympy.Float) else str(entry)


def _number(value: Any) -> str:
    if isinstance(value, float | sympy.Float):
        return f"{float(value):.12g}"
    text, decimal = str(value), f"{float(value):.10g}"
    return text if text == decimal else f"{text} = {decimal}" if len(text) <= 60 else decimal


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, float | sympy.Float) else str(value)
