"""Weights that speak for or against a claim: searched for in floats, then made rational and evaluated exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

import theory
from theory import InputError, ToyModel
from theory.arguments import exact
from verify.training import Protocol, train

__all__ = [
    "Candidate",
    "candidates",
    "evaluated",
    "exact_value",
    "exact_versions",
    "exact_witness",
    "rounded_witness",
    "sign_of",
]

# Small denominators first: a counterexample is to be read.
_DENOMINATORS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 30, 50, 100, *(10**k for k in range(3, 15)))
_DIGITS = 60


@dataclass(frozen=True)
class Candidate:
    """Weights and what they achieve.

    Attributes:
        W: shape (m, n), a float64 array, or a sympy matrix where the construction is exact.
        b: shape (n,), or None.
        value: c(W), c(W, b) or the loss, as a float.
        error: of `value`.
        is_enclosed: whether `error` is proved.
        source: "search", or the name of the construction.
    """

    W: Any
    b: Any
    value: float
    error: float
    is_enclosed: bool
    source: str


def candidates(model: ToyModel, of: str, restarts: int, seed: int) -> list[Candidate]:
    """The known constructions and the result of a search, the smallest loss first."""
    found = [_search(model, of, restarts, seed)]
    for bound in theory.upper_bounds(model, of=of):
        if bound.construction is not None:
            found.append(evaluated(model, of, *bound.construction, source=f"{bound.name} construction"))
    return sorted(found, key=lambda candidate: candidate.value)


def evaluated(model: ToyModel, of: str, W: Any, b: Any, source: str) -> Candidate:
    """The candidate with its value computed from its weights."""
    import numerics

    W_float = np.array(sympy.Matrix(W).tolist(), dtype=np.float64)
    if of == "sparse":
        value = float(_sparse_value(model, W_float, None if b is None else [float(entry) for entry in b]))
        return Candidate(W, b if model.bias else None, value, 1e-12 * max(1.0, abs(value)), False, source)
    b_float = None if b is None or not model.bias else np.array([float(entry) for entry in b])
    estimate = numerics.expected_loss(model, W_float, b_float)
    # A 95 % interval is too weak to refute with: take three of them.
    error = estimate.error * (3 if estimate.kind == "statistical" else 1)
    return Candidate(W, b if model.bias else None, estimate.value, error, estimate.kind == "enclosure", source)


def _sparse_value(model: ToyModel, W: Any, b: Any) -> Any:
    """c(W), or c(W, b) where the model has a bias: the two are never mixed up."""
    if not model.bias:
        return theory.sparse_coefficient(model, W)
    return theory.biased_sparse_coefficient(model, W, [0] * W.shape[1] if b is None else b)


def _search(model: ToyModel, of: str, restarts: int, seed: int) -> Candidate:
    import numerics

    if of == "sparse" and model.bias:
        optimum = numerics.minimise_biased_coefficient(model, restarts=restarts, seed=seed)
        return evaluated(model, of, optimum.W, optimum.b, "search")
    if of == "sparse":
        found = numerics.minimise_sparse_coefficient(model, restarts=restarts, seed=seed)
        return evaluated(model, of, found.W, None, "search")
    if model.activation.is_elementwise:
        best = numerics.minimise_loss(model, restarts=restarts, seed=seed)
        return evaluated(model, of, best.W, best.b, "search")
    # Coupled outputs have no population gradient; training on sampled rows needs none.
    runs = train(model, seeds=range(seed, seed + restarts), protocol=Protocol(loss_rtol=1e-2))
    losses = np.where(runs.diverged.values[0], np.inf, runs.loss.values[0])
    lowest = int(np.argmin(losses))
    W, b = runs.W.values[0, lowest], runs.b.values[0, lowest]
    return evaluated(
        model, of, *((W, b) if np.isfinite(losses[lowest]) else (np.zeros_like(W), np.zeros_like(b))), "training"
    )


def exact_value(model: ToyModel, of: str, W: sympy.Matrix, b: list[sympy.Expr] | None) -> sympy.Expr | None:
    """c(W), c(W, b) or the loss of rational weights as an exact number; None where no exact formula is known."""
    if of == "sparse":
        return sympy.sympify(_sparse_value(model, W, b))
    import numerics

    sigma = model.activation
    if not (sigma.is_elementwise and sigma.expr.is_polynomial(sigma.z)):
        return None
    return sympy.sympify(numerics.exact_loss(model, W, b))


def exact_witness(
    model: ToyModel, of: str, candidate: Candidate, accept: Callable[[sympy.Expr], bool]
) -> tuple[sympy.Matrix, list[sympy.Expr] | None, sympy.Expr] | None:
    """Exact weights (W, b) near the candidate, and their exact value, where `accept` takes that value; else None.

    The loss depends on W^T W alone, so W is first rotated to an upper triangle: fewer entries to read.
    """
    for W, b in exact_versions(candidate):
        near = evaluated(model, of, W, b, candidate.source)
        # Exact evaluation is the slow part: try it only where floats do not already rule the rounding out.
        if not accept(sympy.Float(near.value - 2 * near.error - 1e-9 * abs(near.value))):
            continue
        value = exact_value(model, of, W, b)
        if value is None:
            return None
        if accept(value):
            return W, b, value
    return None


def rounded_witness(model: ToyModel, candidate: Candidate, ceiling: float) -> Candidate | None:
    """Weights with small denominators near the candidate whose loss, with its error, is below the ceiling; else None.

    For activations whose loss has no exact formula: the weights are exact, their loss is an estimate.
    """
    for W, b in exact_versions(candidate):
        near = evaluated(model, "loss", W, b, candidate.source)
        if near.value + near.error < ceiling:
            return near
    return None


def exact_versions(candidate: Candidate) -> Iterator[tuple[sympy.Matrix, list[sympy.Expr] | None]]:
    """Exact weights (W, b) ever nearer to the candidate, the smallest denominators first; up to a rotation of W."""
    given: list[tuple[sympy.Matrix, list[sympy.Expr] | None]] = []
    if isinstance(candidate.W, sympy.MatrixBase):
        b = None if candidate.b is None else [exact("b", entry) for entry in candidate.b]
        given = [(sympy.Matrix(candidate.W), b)]
        if all(entry.is_Rational for entry in candidate.W):
            yield from given
    W = _triangle(np.array(sympy.Matrix(candidate.W).tolist(), dtype=np.float64))
    for denominator in _DENOMINATORS:
        rational = lambda value, d=denominator: sympy.Rational(  # noqa: E731
            *Fraction(float(value)).limit_denominator(d).as_integer_ratio()
        )
        b = None if candidate.b is None else [rational(entry) for entry in candidate.b]
        yield sympy.Matrix(*W.shape, [rational(entry) for entry in W.ravel()]), b
    yield from given  # irrational constructions are the hardest to read


def _triangle(W: np.ndarray) -> np.ndarray:
    """R with R^T R = W^T W, upper triangular with diagonal >= 0, of the same shape."""
    R = np.zeros_like(W)
    upper = np.linalg.qr(W, mode="r")
    R[: len(upper)] = upper * np.where(np.diagonal(upper) < 0, -1.0, 1.0)[:, None]
    return R


def sign_of(expression: sympy.Expr) -> int:
    """-1, 0 or 1: the sign of an exact real number, decided by exact arithmetic or to 60 digits.

    Raises:
        InputError: not a real number, or a difference that is below 1e-40 and cannot be shown to be 0.
    """
    value = sympy.sympify(expression)
    if value.is_Rational:
        return int(sympy.sign(value))
    decimal = value.evalf(_DIGITS)
    if not decimal.is_real:
        raise InputError(f"{expression} is not a real number")
    if abs(decimal) > sympy.Rational(1, 10**40):
        return 1 if decimal > 0 else -1
    if sympy.simplify(value) == 0 or value.equals(0):
        return 0
    raise InputError(f"{expression} is {decimal}: whether it is 0 could not be decided; give a simpler claim")
