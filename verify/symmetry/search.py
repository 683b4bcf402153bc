"""Searches for a counterexample: many inputs at once in floats, and Hypothesis, which shrinks."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import sympy

from theory import Activation, InputError, Layer
from verify.symmetry.rounding import Evaluate, compare

__all__ = ["float_form", "hypothesis_find", "kinks_of", "rows_to_try", "simplified", "suspects"]


def rows_to_try(n: int, count: int, seed: int, kinks: Sequence[Any] = (), dtype: str = "float64") -> np.ndarray:
    """Inputs for the float filter, shape (count, n): many scales, kinks and their float neighbours, ties, near-ties.

    Args:
        n: the dimension.
        count: how many, >= 8.
        seed: of the random ones.
        kinks: break points of the map.
        dtype: "float32" or "float64".
    """
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, n)) * np.geomspace(1e-3, 50, count)[rng.permutation(count), None]
    rows = rows.astype(dtype)
    number = np.dtype(dtype).type
    special = [number(v) for v in (0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 20.0, 1e-8, 1e3)]
    for kink in kinks:
        for point in (number(float(kink)), -number(float(kink))):
            special += [point, np.nextafter(point, number(np.inf)), np.nextafter(point, number(-np.inf))]
            special += [point + number(0.01), point - number(0.01)]
    quarter = count // 4
    chosen = rng.choice(np.array(special, dtype=dtype), size=(quarter, n))
    rows[:quarter] = np.where(rng.random((quarter, n)) < 0.6, chosen, rows[:quarter])
    # Ties, and vectors near the all-ones line.
    ties = slice(quarter, quarter + quarter // 2)
    rows[ties] = rows[ties, :1] * (1 + rng.choice([0.0, 0.0, 1e-6, -1e-3], size=rows[ties].shape)).astype(dtype)
    return rows


def suspects(evaluate: Evaluate, A: np.ndarray, rows: np.ndarray, dtype: str) -> Iterator[int]:
    """The rows at which f(Ax) and A f(x) differ beyond rounding, the largest excess first."""
    worst = compare(evaluate, A, rows, dtype).excess.max(axis=1)
    for row in np.argsort(-worst, kind="stable"):
        if worst[row] <= 1:
            return
        yield int(row)


def float_form(activation: Activation | Layer, n: int) -> Evaluate | None:
    """The map on rows of floats, compiled from its symbolic form; None where it has no numeric form."""
    from numerics import compile_activation, compile_layer

    try:
        compiled = (
            compile_activation(activation) if isinstance(activation, Activation) else compile_layer(activation, n)
        )
        compiled(np.ones((2, n)))
    except (InputError, TypeError, KeyError, ValueError, OverflowError):
        return None
    return lambda rows: np.asarray(compiled(rows), dtype=np.float64)


def kinks_of(activation: Activation | Layer) -> tuple[sympy.Expr, ...]:
    """Break points of an elementwise map; empty where there is none or no closed form."""
    try:
        return activation.kinks if isinstance(activation, Activation) and activation.is_elementwise else ()
    except InputError:  # no closed form: a search without them is still a search
        return ()


def simplified(x: Sequence[float], still: Callable[[list[float]], bool]) -> list[float]:
    """x with as many entries 0, whole or short as the property `still` allows, found greedily."""
    best = [float(v) for v in x]
    for i, value in enumerate(best):
        for shorter in (0.0, *(float(f"{value:.{digits}g}") for digits in (1, 2, 3, 6))):
            trial = [*best[:i], shorter, *best[i + 1 :]]
            if shorter != value and still(trial):
                best = trial
                break
    return best


def hypothesis_find(strategy: Any, condition: Callable[[Any], bool], examples: int, seed: int) -> Any:
    """`hypothesis.find` with a seed: the simplest example found, or None."""
    import hypothesis

    settings = hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return hypothesis.find(strategy, condition, settings=settings, random=random.Random(seed))
    except hypothesis.errors.NoSuchExample:
        return None
