"""Symbolic parameters: the generic group, and the parameter values where it is another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy
from sympy.core.relational import Relational

from theory.activations import Activation
from theory.arguments import InputError
from theory.layers import Layer, as_map
from theory.symmetry.equivariance import dimension, equivariance_group
from theory.symmetry.groups import MatrixGroup
from theory.symmetry.intertwiners import Intertwiner, intertwiner

__all__ = ["ParameterCase", "ParameterCases", "parameter_cases"]

_POWERS = (0, 1, -1, 2, -2)


@dataclass(frozen=True)
class ParameterCase:
    """The groups for some values of the parameters.

    Attributes:
        values: (symbol, value) pairs; empty for generic values.
        equivariance: {A : f(Ax) = A f(x)}; None where f maps to a space of another dimension.
        intertwiner: the intertwiner group and phi.
    """

    values: tuple[tuple[sympy.Symbol, sympy.Expr], ...]
    equivariance: MatrixGroup | None
    intertwiner: Intertwiner

    def __str__(self) -> str:
        where = ", ".join(f"{symbol} = {value}" for symbol, value in self.values) or "otherwise"
        own = "none" if self.equivariance is None else _worded(self.equivariance)
        return f"{where}: {own}; intertwiners {_worded(self.intertwiner.group)}, {self.intertwiner.character}"


@dataclass(frozen=True)
class ParameterCases:
    """Generic and exceptional groups of an activation with symbolic parameters.

    Attributes:
        name: the activation.
        generic: the groups for all admissible values that are not exceptional.
        exceptional: values at which a group is another, each with its groups.
        reasons: why these are all; "open" in the first sentence where that is not known.
    """

    name: str
    generic: ParameterCase
    exceptional: tuple[ParameterCase, ...]
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join([self.name, *(f"  {case}" for case in (*self.exceptional, self.generic))])


def parameter_cases(f: Any, n: Any) -> ParameterCases:
    """The groups of an activation or layer with symbolic parameters: for generic values, and where they differ.

    Power-like maps a z_+^p + b z_-^p: the group depends only on whether a, b, a + b, a - b vanish and on whether p = 1.
    A map that is g(s z) times a power of the parameter s has the groups of g for every s != 0, because every A commutes
    with scalars. Layers: each derivation holds for every admissible temperature and eps.

    Args:
        f: an activation or layer with free symbols (declare what is known of them: positive, integer, even).
        n: the dimension, an integer >= 1.

    Raises:
        InputError: no free parameter, or n out of range.
    """
    found, size = as_map(f), dimension(n)
    if not found.parameters:
        raise InputError(f"f={found.name} has no free parameters; ask for its equivariance_group")
    names = ", ".join(sorted(map(str, found.parameters)))
    if isinstance(found, Layer):
        why = f"the derivation holds for every admissible value of {names}"
        return ParameterCases(found.name, _case(found, size), (), (why,))
    form = found.power_form if found.is_elementwise else None
    if form is not None:
        return _power_cases(found, size, (form.positive, form.negative), form.exponent)
    base = _without_scale(found)
    if base is not None:
        symbol = next(iter(found.parameters))
        why = f"f(z) is g({symbol} z) times a power of {symbol}, g(z) = {base.expr}: scalars commute with every A"
        at_zero = _at_zero(found, symbol)
        extra = () if at_zero is None else (_case(at_zero, size, ((symbol, sympy.Integer(0)),)),)
        return ParameterCases(found.name, _case(base, size), extra, (why,))
    why = f"open: no derivation is known for the parameters {names}"
    return ParameterCases(found.name, _case(found, size), (), (why,))


def _worded(found: MatrixGroup) -> str:
    return str(found) if found.status == "proved" else f"at least {found} (open)"


def _case(found: Activation | Layer, n: int, values: tuple = ()) -> ParameterCase:
    try:
        own: MatrixGroup | None = equivariance_group(found, n)
    except InputError:
        own = None
    return ParameterCase(values, own, intertwiner(found, n))


def _power_cases(found: Activation, n: int, sides: tuple[sympy.Expr, ...], exponent: sympy.Expr) -> ParameterCases:
    up, down = sides
    generic = _case(found, n)
    unknown = sorted(found.parameters, key=str)
    systems = ([up], [down], [up + down], [up - down], [exponent - 1], [up, down], [exponent - 1, up + down])
    candidates: dict[tuple, None] = {}
    for system in systems:
        equations = [sympy.simplify(equation) for equation in system]
        if any(equation.is_number and equation != 0 for equation in equations):
            continue
        equations = [equation for equation in equations if equation != 0]
        for solution in sympy.solve(equations, unknown, dict=True) if equations else []:
            if solution and all(_admissible(symbol, value) for symbol, value in solution.items()):
                candidates[tuple(sorted(solution.items(), key=lambda item: str(item[0])))] = None
    cases = [_case(found.subs({symbol.name: value for symbol, value in values}), n, values) for values in candidates]
    different = tuple(case for case in cases if _facts(case) != _facts(generic))
    why = f"f = a z^p for z > 0 and b |z|^p for z < 0 with a = {up}, b = {down}, p = {exponent}"
    table = "Theorem C: the groups depend only on whether a, b, a + b and a - b vanish and on whether p = 1"
    return ParameterCases(found.name, generic, different, (why, table))


def _admissible(symbol: sympy.Symbol, value: sympy.Expr) -> bool:
    """Whether a value agrees with what was declared of the symbol."""
    assumed = symbol.assumptions0
    keys = ("positive", "negative", "integer", "even", "odd", "nonzero", "nonnegative", "real")
    return all(assumed.get(key) is None or getattr(value, f"is_{key}") is not (not assumed[key]) for key in keys)


def _facts(case: ParameterCase) -> tuple:
    own = case.equivariance
    found = case.intertwiner
    return (None if own is None else (own.name, own.status), found.group.name, found.group.status, found.character)


def _without_scale(found: Activation) -> Activation | None:
    """g with f(z) = c(s) g(s z) for the only parameter s, c a power of s; None where no such form is seen."""
    if len(found.parameters) != 1 or not found.is_elementwise:
        return None
    symbol = next(iter(found.parameters))
    scale = symbol if symbol.is_nonzero else sympy.Symbol(symbol.name, real=True, nonzero=True)
    body = found.expr.subs(symbol, scale)
    for factor in (1 / scale, scale):
        moved = body.subs(found.z, found.z * factor)
        if moved.has(sympy.Piecewise) and not scale.is_positive:
            continue
        moved = sympy.simplify(moved.replace(lambda e: isinstance(e, Relational), lambda e: _unscaled(e, scale)))
        for power in _POWERS:
            candidate = sympy.simplify(moved * scale**power)
            if scale not in candidate.free_symbols:
                return Activation(f"{found.name} at {symbol.name} = 1", candidate)
    return None


def _unscaled(relation: Relational, scale: sympy.Symbol) -> Relational:
    """A comparison divided by a positive number: b z > 0 becomes z > 0."""
    ratio = sympy.simplify((relation.lhs - relation.rhs) / scale)
    return relation if scale in ratio.free_symbols or not scale.is_positive else relation.func(ratio, 0)


def _at_zero(found: Activation, symbol: sympy.Symbol) -> Activation | None:
    """The map at s = 0, where the symbol may be 0 and the formula makes sense there."""
    if symbol.is_nonzero or symbol.is_positive:
        return None
    value = found.expr.subs(symbol, 0)
    return (
        None if value.has(sympy.nan, sympy.zoo, sympy.oo) else Activation(f"{found.name} at {symbol.name} = 0", value)
    )
