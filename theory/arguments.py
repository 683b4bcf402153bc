"""Checks of what a caller passes in: one place, one style of message.

Every message names the argument, the value that was received and the mend.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

__all__ = [
    "InputError",
    "as_density",
    "as_importance",
    "as_positive_count",
    "as_vector",
    "as_weights",
    "exact",
    "one_of",
]


class InputError(ValueError):
    """A value the caller passed in cannot be used; the message says which, why and what to do."""


def exact(name: str, value: Any) -> sympy.Expr:
    """`value` as an exact sympy number or expression.

    A float is read as the decimal it prints as (0.01 becomes 1/100), so that exact results stay exact;
    converting back gives the same double.

    Raises:
        InputError: not a real number or expression, NaN or infinite.
    """
    if isinstance(value, bool | np.bool_):
        raise InputError(f"{name}={value!r} is a truth value; give a number or a sympy expression")
    if isinstance(value, sympy.Expr):
        result = value
    elif isinstance(value, int | np.integer):
        return sympy.Integer(int(value))
    elif isinstance(value, Fraction):
        return sympy.Rational(value.numerator, value.denominator)
    elif isinstance(value, float | np.floating):
        if not np.isfinite(value):
            raise InputError(f"{name}={value!r} is not finite; give a finite number")
        return sympy.Rational(repr(float(value)))
    elif getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return exact(name, value.item())
    else:
        raise InputError(f"{name}={value!r} is not a number; give an int, float, Fraction or sympy expression")
    if result.has(sympy.nan, sympy.zoo, sympy.oo) or result.is_real is False:
        raise InputError(f"{name}={value} is not a finite real number")
    if isinstance(result, sympy.Float):
        return exact(name, float(result))
    return result


def as_positive_count(name: str, value: Any) -> sympy.Expr:
    """A number of features or of hidden dimensions: an integer >= 1, or a symbol.

    Raises:
        InputError: not an integer, or below 1.
    """
    result = exact(name, value)
    if result.is_number and not (result.is_integer and result >= 1):
        raise InputError(f"{name}={value} must be an integer >= 1")
    return result


def as_density(name: str, value: Any) -> sympy.Expr:
    """A probability that a feature is active: in [0, 1], or a symbol.

    Raises:
        InputError: outside [0, 1] or not a number.
    """
    result = exact(name, value)
    if result.is_number and not (result >= 0 and result <= 1):
        raise InputError(f"{name}={value} is outside [0, 1]; density is the probability that a feature is active")
    return result


def as_importance(name: str, value: Any) -> sympy.Expr:
    """The weight of a feature's squared error in the loss: a number >= 0, or a symbol.

    Raises:
        InputError: negative or not a number.
    """
    result = exact(name, value)
    if result.is_number and not result >= 0:
        raise InputError(f"{name}={value} is negative; importance weighs a squared error and must be >= 0")
    return result


def is_sequence(value: Any) -> bool:
    """Whether `value` holds one entry per feature rather than one for all."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str)


def as_weights(W: Any, n_hidden: Any = None, n_features: Any = None) -> np.ndarray | sympy.Matrix:
    """Weights of shape (m, n): a sympy Matrix where every entry is exact, else a float64 array.

    Exact input is a sympy matrix, or nested sequences of ints, Fractions and sympy numbers.

    Raises:
        InputError: not two-dimensional, empty, not finite, or not of shape (n_hidden, n_features).
    """
    if isinstance(W, sympy.MatrixBase):
        result: np.ndarray | sympy.Matrix = sympy.Matrix(W)
        if any(entry.has(sympy.nan, sympy.oo, sympy.zoo) for entry in result):
            raise InputError("W has an entry that is NaN or infinite; weights must be finite")
    elif isinstance(W, Sequence) and W and all(isinstance(row, Sequence) for row in W) and _all_exact(W):
        if len({len(row) for row in W}) != 1:
            raise InputError(f"W has rows of lengths {[len(row) for row in W]}; give a matrix of shape (m, n)")
        result = sympy.Matrix([[exact("W", entry) for entry in row] for row in W])
    else:
        result = _float_array("W", W)
        if result.ndim != 2 or 0 in result.shape:
            raise InputError(f"W has shape {result.shape}; give a matrix of shape (m, n), hidden by features")
    for axis, (name, wanted) in enumerate((("n_hidden", n_hidden), ("n_features", n_features))):
        if wanted is not None and getattr(wanted, "is_number", True) and result.shape[axis] != int(wanted):
            raise InputError(f"W has shape {tuple(result.shape)}, but {name}={wanted}; W is (n_hidden, n_features)")
    return result


def as_vector(name: str, value: Any, length: int) -> np.ndarray:
    """A float64 vector of the given length.

    Raises:
        InputError: wrong shape or not finite.
    """
    result = _float_array(name, value)
    if result.shape != (length,):
        raise InputError(f"{name} has shape {result.shape}; give a vector of shape ({length},)")
    return result


def one_of(name: str, value: Any, allowed: Iterable[str]) -> str:
    """`value` where it is one of the allowed words.

    Raises:
        InputError: anything else; the message lists the words and the nearest one.
    """
    words = list(allowed)
    if value in words:
        return str(value)
    near = get_close_matches(str(value), words, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"{name}={value!r} is unknown; {hint}choose one of {', '.join(words)}")


def _all_exact(rows: Sequence[Sequence[Any]]) -> bool:
    return all(
        isinstance(entry, int | Fraction | sympy.Expr) and not isinstance(entry, bool | sympy.Float)
        for row in rows
        for entry in row
    )


def _float_array(name: str, value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        result = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is not an array of real numbers: {value!r:.120}") from None
    if not np.isfinite(result).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(result))[0])
        raise InputError(f"{name}{list(where)}={result[where]} is not finite; every entry must be a finite number")
    return result
