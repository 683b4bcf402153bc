"""What refutes a claim about the optimal loss, printed so that a person can check it by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from theory import Bound
from theory.loss.expansion import scale_out_steps

__all__ = [
    "BoundCounterexample",
    "CapacityBoundCounterexample",
    "CapacityCounterexample",
    "WeightsCounterexample",
]

_LONGEST = 160


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


@dataclass(frozen=True)
class CapacityCounterexample:
    """Exact weights that hold more features than a claim allows (or, for a claim from below, as many as it asks).

    Attributes:
        of: "capacity" or "energy".
        model: the setting, in one line.
        W: shape (m, n), exact.
        gains: s = sum_i |W_i|^(2a), exact.
        energy: E(W) = sum_ij a_i a_j f(cos_ij), exact.
        capacity: K(W) = s^2/E(W), exact.
        claim: the claimed capacity, or the claimed constant c of E(W) >= c s^2.
        source: what found W.
    """

    of: str
    model: str
    W: sympy.Matrix
    gains: sympy.Expr
    energy: sympy.Expr
    capacity: sympy.Expr
    claim: sympy.Expr
    source: str = "search"

    @property
    def gap(self) -> sympy.Expr:
        """K(W) - claim, or E(W) - c s^2."""
        return self.capacity - self.claim if self.of == "capacity" else self.energy - self.claim * self.gains**2

    def __str__(self) -> str:
        lines = [f"for {self.model}", *_matrix("W", self.W.tolist())]
        lines.append(f"s = sum_i |W_i|^(2a) = {_exact(self.gains)}, E(W) = {_exact(self.energy)}")
        left, right = ("K(W) = s^2/E(W)", "the claim") if self.of == "capacity" else ("E(W)", "c s^2")
        value = self.capacity if self.of == "capacity" else self.energy
        gap, claimed = float(self.gap), self.claim if self.of == "capacity" else self.claim * self.gains**2
        sign = ">" if gap > 0 else "<" if gap < 0 else "="
        lines.append(f"{left} = {_exact(value)}")
        lines.append(f"{sign} {right} = {_exact(claimed)}, by {abs(gap):.6g}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; exact numbers as text."""
        return {
            "kind": "weights",
            "of": self.of,
            "model": self.model,
            "W": [[_plain(entry) for entry in row] for row in self.W.tolist()],
            "s": str(self.gains),
            "energy": str(self.energy),
            "capacity": str(self.capacity),
            "claim": str(self.claim),
            "gap": float(self.gap),
        }


@dataclass(frozen=True)
class CapacityBoundCounterexample:
    """A proved bound on the capacity that a claim contradicts.

    Attributes:
        of: "capacity" or "energy".
        model: the setting, in one line.
        bound: where the bound comes from, with its derivation: a lower bound n - K for binary features bounds K above.
        capacity: what it proves about K*, exact.
        claim: the claimed capacity, or the claimed constant c of E(W) >= c s^2.
    """

    of: str
    model: str
    bound: Bound
    capacity: sympy.Expr
    claim: sympy.Expr

    def __str__(self) -> str:
        most = self.bound.side == "lower"
        if self.of == "capacity":
            name, value, relation = "K*", self.capacity, "<=" if most else ">="
        else:
            name, value, relation = "the smallest E(W)/s^2", 1 / self.capacity, ">=" if most else "<="
        against = ">" if relation == "<=" else "<"
        lines = [
            f"the {self.bound.name} bound, for {self.model}:",
            f"{name} {relation} {_exact(value)}",
            f"but the claim is {_exact(self.claim)} {against} that",
        ]
        lines += [f"  {i}. {statement}" for i, statement in enumerate(self.derivation, 1)]
        if self.bound.source:
            lines.append(f"  source: {self.bound.source}")
        return "\n".join(lines)

    @property
    def derivation(self) -> list[str]:
        """The steps about the capacity; those from the loss to it do not concern the claim."""
        return [step.statement for step in self.bound.derivation if step not in scale_out_steps()]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; exact numbers as text."""
        return {
            "kind": "bound",
            "of": self.of,
            "name": self.bound.name,
            "model": self.model,
            "capacity": str(self.capacity),
            "claim": str(self.claim),
            "derivation": self.derivation,
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


def _exact(value: sympy.Expr) -> str:
    """Exact, with its decimals where it does not print as them."""
    text, decimal = str(value), f"{float(value):.10g}"
    return text if text == decimal else f"{text} = {decimal}" if len(text) <= _LONGEST else f"{decimal} (exact in JSON)"


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, float | sympy.Float) else str(value)
