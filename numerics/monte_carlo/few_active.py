"""The part of the loss in which no or one feature is active, by integration: any activation, any law."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from numerics.compile import compile_activation
from numerics.laws import numeric_law, unit_rule
from numerics.quadrature.few_active import few_active, make_rows
from numerics.scalar_map import scalar_map
from numerics.setting import Array, Setting
from theory import FeatureLaw

__all__ = ["few_active_loss", "none_active_loss", "one_active_work"]

_FEWEST_NODES, _MOST_NODES = 16, 512


def one_active_work(at: Setting) -> int:
    """About how many inputs would cost what the integrals over one active feature do."""
    is_quick = at.model.activation.is_elementwise and at.model.law.name != "binary"
    nodes = 2 if at.model.law.name == "binary" else 6 * _FEWEST_NODES
    return 0 if is_quick else nodes * at.n_features


def none_active_loss(at: Setting) -> Array:
    """Loss per feature from the input without any active feature."""
    return np.prod(1 - at.densities) * compile_activation(at.model.activation)(at.bias) ** 2


def few_active_loss(at: Setting) -> tuple[Array, Array, int]:
    """Loss per feature from inputs with no or one active feature, its error, and the work."""
    off = 1 - at.densities
    only = np.array([p * np.prod(np.delete(off, j)) for j, p in enumerate(at.densities)])
    if at.model.activation.is_elementwise and at.model.law.name != "binary":
        law = numeric_law(at.model.law)
        rows = make_rows(at.gram[None], at.bias[None], at.densities)
        rows = replace(rows, visible=np.tile(at.densities, (len(rows), 1)))
        with np.errstate(over="ignore", invalid="ignore"):
            part = few_active(scalar_map(at.model.activation), law, rows, 1e-12)
        value = only * law.second + part.value
        return value, part.error + 4 * np.finfo(float).eps * only * law.second, part.evaluations
    sigma = compile_activation(at.model.activation)
    value = none_active_loss(at)
    error = np.finfo(float).eps * value
    evaluations = at.n_features
    for j in np.flatnonzero(only):
        result, result_error, work = _one_active(at, int(j), sigma)
        value, error = value + only[j] * result, error + only[j] * result_error
        evaluations += work
    return value, error, evaluations


def _one_active(at: Setting, j: int, sigma: Callable[[Array], Array]) -> tuple[Array, Array, int]:
    """E (x_i - sigma(b + G_.j U)_i)**2 for every i where x_j = U is the only active feature."""
    coarse, error, work = np.zeros(at.n_features), np.zeros(at.n_features), 0
    for u, weights in _rules(at.model.law):
        with np.errstate(over="ignore", invalid="ignore"):
            misses = -sigma(at.bias + u[:, None] * at.gram[:, j])
            misses[:, j] += u
            fine = weights @ misses**2
        work += u.size * at.n_features
        error = np.abs(fine - coarse) + 8 * np.finfo(float).eps * np.abs(fine)
        coarse = fine
        if error.sum() <= 1e-12 * fine.sum():
            break
    return coarse, error, work


def _rules(law: FeatureLaw) -> Iterator[tuple[Array, Array]]:
    """Finer and finer rules for E g(U); where g has kinks they converge slowly, and the difference says so."""
    if law.name == "binary":
        signs = np.array([1.0, -1.0] if law.is_two_sided else [1.0])
        yield from [(signs, np.full(len(signs), 1 / len(signs)))] * 2
        return
    numeric = numeric_law(law)
    edges, top, signs = np.array(numeric.breaks), numeric.breaks[-1], np.array(numeric.signs)
    count = _FEWEST_NODES
    while count <= _MOST_NODES:
        nodes, weights = unit_rule(count)
        half = np.diff(edges)[:, None] / 2
        found_u, found_w = [], []
        for edge, side, power in ((edges[:-1], 1.0, numeric.grading[0]), (edges[1:], -1.0, numeric.grading[1])):
            step = half * nodes**power
            u = edge[:, None] + side * step
            density = numeric.magnitude_density(u, (top - edge)[:, None] - side * step)
            found_u.append(u.ravel())
            found_w.append((half * power * nodes ** (power - 1) * weights * density).ravel())
        u, w = np.concatenate(found_u), np.concatenate(found_w)
        yield (signs[:, None] * u).ravel(), np.tile(w / len(signs), len(signs))
        count *= 2
