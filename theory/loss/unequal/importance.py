"""Bounds for features of unequal importance, from the bounds for equal ones.

The loss is linear in the importances. From below, sorted layers of equal importance add up; from above, an average
over which feature takes which place of a construction costs each feature the same. Source: docs/theory.md, T9.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import sympy

from theory.bound import Bound, Step
from theory.loss.rounding import tidied
from theory.toy_model import ToyModel

__all__ = ["by_importance", "has_ranked_importances", "layer_cake", "spread"]

Build = Callable[[ToyModel], Bound | None]
# Beyond this many features only n, m and 2m are tried as the number of features to keep.
_TRY_EVERY = 12
_SMALL = sympy.Rational(1, 1000)


def has_ranked_importances(model: ToyModel) -> bool:
    """Whether the importances differ between features and are numbers, so that they can be sorted."""
    return isinstance(model.importance, tuple) and all(value.is_number for value in model.importance)


def by_importance(model: ToyModel) -> list[int]:
    """The features, most important first; exact comparisons, ties in their given order."""
    return sorted(range(int(model.n_features)), key=lambda i: model.importances[i], reverse=True)


def layer_cake(model: ToyModel, name: str, source: str, build: Build) -> Bound | None:
    """T9(a): sum_r (I_(r) - I_(r+1)) times a sparse lower bound for r equal features, by linearity in I.

    Args:
        model: its importances are numbers that differ.
        name: of the resulting bound.
        source: theorem of the bound for equal features.
        build: that bound; None where it does not apply.
    """
    ordered = [model.importances[i] for i in by_importance(model)]
    total: sympy.Expr = sympy.Integer(0)
    layers: list[Bound] = []
    for r, (here, below) in enumerate(zip(ordered, [*ordered[1:], sympy.Integer(0)], strict=True), 1):
        if here == below:
            continue
        layer = build(model.replace(n_features=r, importance=1))
        if layer is None:
            return None
        layers.append(layer)
        total += (here - below) * layer.expr
    certificates = [layer.certificate for layer in layers]
    return Bound(
        name=name,
        side="lower",
        of="sparse",
        expr=tidied(total),
        model=model,
        assumptions=layers[0].assumptions,
        derivation=(
            Step("c(W, I) = sum_r (I_(r) - I_(r+1)) c(W, 1 on the r most important features), by linearity in I"),
            Step("inputs outside those r features only add to their outputs' cost: drop them"),
            Step("each term is at least the bound for r features of importance 1 at the same m"),
        ),
        certificate=certificates if any(found is not None for found in certificates) else None,
        equality="one W is optimal for every layer at once",
        source=f"docs/theory.md, {source}",
    )


def spread(model: ToyModel, build: Build) -> Bound | None:
    """T9(c): the r most important features at their mean importance times an upper bound for r equal ones, best r.

    The other features are dropped. Averaged over which feature takes which place of the construction, every feature
    costs the same, so some assignment does at least as well.

    Args:
        model: its importances are numbers that differ; one density for all.
        build: the upper bound for equal features; None where it does not apply.
    """
    order = by_importance(model)
    ordered = [model.importances[i] for i in order]
    n, mu_2 = len(order), model.law.moment(2)
    best: tuple[Any, int, sympy.Expr, Bound] | None = None
    # From few to many: of two sizes that bound equally well the smaller keeps an explicit construction.
    for r in _sizes_to_try(model):
        equal = build(model.replace(n_features=r, importance=1))
        if equal is None:
            continue
        dropped = mu_2 * sympy.Add(*ordered[r:]) * (model.density if equal.of == "loss" else 1)
        expr = sympy.Add(*ordered[:r]) / r * equal.expr + dropped
        rank = _rank_of(expr, model)
        if best is None or (rank is not None and best[0] is not None and rank < best[0]):
            best = rank, r, expr, equal
    if best is None:
        return None
    _, kept, expr, equal = best
    return replace(
        equal,
        expr=tidied(expr),
        model=model,
        derivation=(
            *equal.derivation,
            Step(f"keep the {kept} most important features and drop the others, which cost mu_2 I_i each when active"),
            Step("the average over assignments of features to places is the mean importance times the equal loss"),
        ),
        construction=_assigned(equal.construction, order[:kept], n),
        equality="",
        source=f"{equal.source}, T9(c)",
    )


def _sizes_to_try(model: ToyModel) -> list[int]:
    n, m = int(model.n_features), model.n_hidden
    if not m.is_number:
        return [n]
    if n <= _TRY_EVERY:
        return list(range(1, n + 1))
    return sorted({n, *(size for size in (int(m), 2 * int(m)) if size < n)})


def _rank_of(expr: sympy.Expr, model: ToyModel) -> float | None:
    """What candidates are compared by; every candidate is a bound, so a symbolic density is merely taken as small."""
    value = expr.subs(model.density, _SMALL) if model.density.is_Symbol else expr
    return None if value.free_symbols else float(value)


def _assigned(construction: tuple[Any, Any] | None, features: list[int], n: int) -> tuple[Any, Any] | None:
    """The construction on the given features among n; None where its places differ, so that the order would matter."""
    if construction is None:
        return None
    W, b = construction
    numeric, biases = np.array(W.tolist(), dtype=float), np.array([float(value) for value in b])
    places = [j for j in range(numeric.shape[1]) if np.any(numeric[:, j])]
    if len(places) < len(features) or not _interchangeable(numeric[:, places], biases[places]):
        return None
    if isinstance(W, sympy.MatrixBase) and not biases.any():
        exact = sympy.zeros(W.rows, n)
        for feature, place in zip(features, places, strict=True):
            exact[:, feature] = W[:, place]
        return exact, sympy.zeros(n, 1)
    floats, shifts = np.zeros((W.shape[0], n)), np.zeros(n)
    floats[:, features], shifts[features] = numeric[:, places[: len(features)]], biases[places[: len(features)]]
    return floats, shifts


def _interchangeable(W: np.ndarray, b: np.ndarray) -> bool:
    """Whether every column meets the same inner products and biases, so that every feature has the same loss."""
    gram = np.sort(W.T @ W, axis=1)
    norms = np.linalg.norm(W, axis=0)
    same_bias = np.allclose(b, b[0], rtol=1e-9)
    return bool(
        same_bias and np.allclose(norms, norms[0], rtol=1e-9) and np.allclose(gram, gram[0], rtol=1e-9, atol=1e-9)
    )
