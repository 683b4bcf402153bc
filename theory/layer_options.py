"""The parameters of coupled layers: each option's check, which names the option, the value and the mend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy

from theory.activations import Activation
from theory.arguments import InputError, as_positive_count, exact
from theory.registry import activation as as_activation

__all__ = ["CHECKS"]


def _nonzero(name: str) -> Callable[[Any], sympy.Expr]:
    def check(value: Any) -> sympy.Expr:
        result = exact(name, value)
        if result.is_nonzero is not True:
            mend = "must not be 0" if result.is_number else "must be declared with nonzero=True, real=True"
            raise InputError(f"{name}={value}: it {mend}")
        return result

    return check


def _eps(value: Any) -> sympy.Expr:
    result = exact("eps", value)
    if not (result == 0 or result.is_positive):
        raise InputError(f"eps={value}: it must be >= 0 (a symbol declared with positive=True)")
    return result


def _count_option(name: str) -> Callable[[Any], sympy.Expr]:
    def check(value: Any) -> sympy.Expr:
        result = as_positive_count(name, value)
        if not result.is_number or result < 2:
            raise InputError(f"{name}={value} must be an integer >= 2")
        return result

    return check


def _vector(name: str) -> Callable[[Any], tuple[sympy.Expr, ...] | None]:
    def check(value: Any) -> tuple[sympy.Expr, ...] | None:
        if value is None and name == "gain":
            return None
        if isinstance(value, str) or not hasattr(value, "__len__") or not len(value):
            raise InputError(f"{name}={value!r} must be a sequence of numbers, one per entry")
        entries = tuple(exact(name, entry) for entry in value)
        if not all(entry.is_number for entry in entries) or all(entry == 0 for entry in entries):
            raise InputError(f"{name}={value} must hold numbers that are not all 0")
        return entries

    return check


def _gate(value: Any) -> Activation:
    found = as_activation(value)
    if not found.is_elementwise:
        raise InputError(f"gate={value}: it is {found.kind}; give an elementwise activation")
    return found


CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "temperature": _nonzero("temperature"),
    "size": _count_option("size"),
    "pieces": _count_option("pieces"),
    "eps": _eps,
    "gain": _vector("gain"),
    "normal": _vector("normal"),
    "gate": _gate,
}
