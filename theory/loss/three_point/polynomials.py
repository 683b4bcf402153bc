"""Sparse polynomials in up to three variables: a mapping from exponents (i, j, k) to coefficients of any number type.

The search for a certificate uses them with floats, its check with integers, through the same few operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["ONE", "Exponents", "Polynomial", "degree", "monomial", "permuted", "product", "scaled", "swapped", "total"]

Exponents = tuple[int, int, int]
Polynomial = Mapping[Exponents, Any]

ONE: Polynomial = {(0, 0, 0): 1}
_SWAP = (1, 0, 2)


def monomial(axis: int, power: int, coefficient: Any = 1) -> Polynomial:
    """coefficient x_axis^power."""
    exponents = [0, 0, 0]
    exponents[axis] = power
    return {(exponents[0], exponents[1], exponents[2]): coefficient}


def total(terms: Iterable[Polynomial]) -> Polynomial:
    """The sum."""
    result: dict[Exponents, Any] = {}
    for term in terms:
        for exponents, value in term.items():
            result[exponents] = result.get(exponents, 0) + value
    return result


def scaled(polynomial: Polynomial, factor: Any) -> Polynomial:
    """factor times the polynomial."""
    return {exponents: value * factor for exponents, value in polynomial.items()}


def product(left: Polynomial, right: Polynomial) -> Polynomial:
    """The product."""
    result: dict[Exponents, Any] = {}
    for (a, b, c), x in left.items():
        for (d, e, f), y in right.items():
            exponents = (a + d, b + e, c + f)
            result[exponents] = result.get(exponents, 0) + x * y
    return result


def permuted(polynomial: Polynomial, order: tuple[int, int, int]) -> Polynomial:
    """p(x_order[0], x_order[1], x_order[2])."""
    result: dict[Exponents, Any] = {}
    for exponents, value in polynomial.items():
        moved = [0, 0, 0]
        for axis in range(3):
            moved[order[axis]] += exponents[axis]
        result[moved[0], moved[1], moved[2]] = value
    return result


def swapped(polynomial: Polynomial) -> Polynomial:
    """p with its first two variables exchanged."""
    return permuted(polynomial, _SWAP)


def degree(polynomial: Polynomial) -> int:
    """Total degree; 0 for the zero polynomial."""
    return max((sum(exponents) for exponents, value in polynomial.items() if value != 0), default=0)
