"""What refutes a symmetry claim: a matrix, an input, and the two sides that differ, as exact numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from theory import Activation, Layer
from theory.symmetry.enclosure import enclose, sign_of

__all__ = ["EquivarianceCounterexample", "decimal", "exact_difference"]


@dataclass(frozen=True)
class EquivarianceCounterexample:
    """A in the claimed group and x with f(Ax) != A f(x).

    Attributes:
        A: the group element, shape (n, n): exact rationals for symbolic maps, floats for black boxes.
        x: the input, shape (n,).
        coordinate: the entry in which the two sides differ, from 0.
        left: that entry of f(Ax): exact, or a float.
        right: that entry of A f(x).
        is_exact: whether the inequality is proved by intervals rather than seen in floating point.
        allowed: for floats, the difference that rounding could explain.
    """

    A: Any
    x: tuple[Any, ...]
    coordinate: int
    left: Any
    right: Any
    is_exact: bool
    allowed: float = 0.0

    def __str__(self) -> str:
        rows = [[str(value) for value in row] for row in np.array(self.A.tolist(), dtype=object).tolist()]
        width = max(len(value) for row in rows for value in row)
        lines = [
            ("A = " if i == 0 else "    ") + "[" + "  ".join(v.rjust(width) for v in row) + "]"
            for i, row in enumerate(rows)
        ]
        lines.append(f"x = ({', '.join(map(str, self.x))})")
        i = self.coordinate + 1
        if not self.is_exact:
            lines += [f"f(Ax)_{i}   = {self.left!r}", f"(A f(x))_{i} = {self.right!r}"]
            gap = abs(self.left - self.right)
            return "\n".join([*lines, f"they differ by {gap:.3g}; rounding explains at most {self.allowed:.3g}"])
        lines.append(f"f(Ax)_{i}   = {_shown(self.left)}")
        lines.append(f"(A f(x))_{i} = {_shown(self.right)}")
        # Not from floats: the two sides may agree in every digit that a float has.
        relation = "<" if sign_of(self.left - self.right, or_zero=False) == -1 else ">"
        return "\n".join([*lines, f"f(Ax)_{i} {relation} (A f(x))_{i}, proved by interval arithmetic"])

    def to_dict(self) -> dict[str, Any]:
        """Plain strings and numbers, ready for JSON."""
        return {
            "A": [[str(value) for value in row] for row in self.A.tolist()],
            "x": [str(value) for value in self.x],
            "coordinate": self.coordinate,
            "left": str(self.left),
            "right": str(self.right),
            "left_value": _as_float(self.left),
            "right_value": _as_float(self.right),
            "is_exact": self.is_exact,
        }


def exact_difference(
    activation: Activation | Layer, A: sympy.Matrix, x: Sequence[sympy.Expr]
) -> EquivarianceCounterexample | None:
    """The first coordinate in which f(Ax) and A f(x) provably differ, by intervals; None where none is found.

    Args:
        activation: a map with a symbolic form and no free parameters.
        A: exact, shape (n, n).
        x: exact, length n.
    """
    moved = list(A * sympy.Matrix(x))
    left, plain = activation.on(moved), activation.on(x)
    right = list(A * sympy.Matrix(plain))
    for i in range(A.rows):
        if sign_of(left[i] - right[i], or_zero=False) in (1, -1):
            return EquivarianceCounterexample(A, tuple(x), i, left[i], right[i], is_exact=True)
    return None


def decimal(value: sympy.Expr, digits: int = 12) -> str:
    """The first significant digits of an exact real number, cut off rather than rounded, each certainly right."""
    low, high = enclose(value, 256)
    if low <= 0 <= high or abs(high) >= 10**digits or abs(low) * 10**digits < 1:
        return f"{float(low):.6g}" if abs(high) < 10**300 else str(sympy.N(value, digits))
    places = digits - len(str(int(min(abs(low), abs(high))))) if abs(low) >= 1 else digits
    ends = {int(abs(end) * 10**places) for end in (low, high)}
    whole, part = divmod(ends.pop(), 10**places)
    return f"{'-' if high < 0 else ''}{whole}.{part:0{places}d}" if not ends else f"{float(low):.6g}"


def _shown(value: sympy.Expr) -> str:
    return str(value) if value.is_Rational else f"{value} = {decimal(value)}…"


def _as_float(value: Any) -> float | None:
    """None where a float overflows."""
    try:
        return float(value)
    except OverflowError:
        return None
