"""The expected loss by sampling, for any activation: zero and one active feature exactly, the rest drawn.

At small density almost every plain sample has no active feature. The number of active features is therefore split
off: none and one are computed, and only inputs with two or more are drawn, so the statistical error is proportional
to the probability of two active features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from numerics.compile import compile_activation
from numerics.laws import numeric_law, unit_rule
from numerics.quadrature.few_active import few_active, make_rows
from numerics.scalar_map import scalar_map
from numerics.setting import Array, Progress, Setting
from theory import FeatureLaw, InputError

__all__ = ["SamplingResult", "monte_carlo_loss", "sample_at_least"]

MOST_SAMPLES = 2**18
_BATCH = 2**14
_FEWEST_NODES, _MOST_NODES = 16, 512


@dataclass(frozen=True)
class SamplingResult:
    """Loss per feature, half-width of the 95 % confidence interval of the weighted total, work done."""

    per_feature: Array
    error: float
    samples: int
    evaluations: int


def monte_carlo_loss(
    at: Setting,
    rtol: float,
    atol: float = 0.0,
    seed: int = 0,
    samples: int | None = None,
    progress: Progress | None = None,
) -> SamplingResult:
    """Loss per feature with a 95 % confidence interval for the total, in constant memory.

    Args:
        at: any activation and law.
        rtol, atol: without `samples`, drawing stops once the half-width is at most max(atol, rtol * loss), or after
            2**18 draws.
        seed: of numpy's default generator.
        samples: how many inputs with two or more active features to draw, at least 2.
        progress: called with (samples, most, text).

    Raises:
        InputError: samples below 2.
    """
    if samples is not None and (isinstance(samples, bool) or samples != int(samples) or samples < 2):
        raise InputError(f"samples={samples} must be an integer >= 2")
    most = MOST_SAMPLES if samples is None else int(samples)
    known, known_error, evaluations = _few_active_loss(at)
    several = _at_least_table(at.densities)[0, 2]
    if several == 0:
        return SamplingResult(known, float(at.importances @ known_error), 0, evaluations)
    sigma = compile_activation(at.model.activation)
    rng = np.random.default_rng(seed)
    count, mean, squares = 0, 0.0, 0.0
    per_feature = np.zeros(at.n_features)
    half_width = np.inf
    batch = max(1, min(_BATCH, 2**22 // at.n_features))
    while count < most:
        size = min(batch, most - count)
        x = sample_at_least(rng, at.model.law, at.densities, size)
        with np.errstate(over="ignore", invalid="ignore"):
            errors = (x - sigma((x @ at.W.T) @ at.W + at.bias)) ** 2
        totals = errors @ at.importances
        if not np.isfinite(totals).all():
            raise InputError(
                f"activation {at.model.activation.name} is not finite on sampled inputs with these weights; rescale W"
            )
        # Chan's update: merges the batch without ever forming a difference of large sums.
        shift = totals.mean() - mean
        squares += ((totals - totals.mean()) ** 2).sum() + shift**2 * count * size / (count + size)
        mean += shift * size / (count + size)
        per_feature += (errors.mean(axis=0) - per_feature) * size / (count + size)
        count += size
        half_width = several * _student(count - 1) * np.sqrt(squares / max(count - 1, 1) / count)
        if progress is not None:
            progress(count, most, f"± {half_width:.1e}")
        loss = float(at.importances @ known) + several * mean
        if samples is None and half_width <= max(atol, rtol * loss):
            break
    error = float(half_width + at.importances @ known_error)
    return SamplingResult(known + several * per_feature, error, count, evaluations + count * at.n_features)


def sample_at_least(rng: np.random.Generator, law: FeatureLaw, densities: Array, size: int, active: int = 2) -> Array:
    """Inputs conditioned on at least `active` (0, 1 or 2) active features, shape (size, n).

    Features are decided one after another; each is active with its probability given how many are still wanted.
    """
    table = _at_least_table(densities)
    wanted = np.full(size, active)
    on = np.empty((size, len(densities)), dtype=bool)
    for j, p in enumerate(densities):
        still = np.maximum(wanted - 1, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            chance = np.where(table[j] > 0, p * table[j + 1, [0, 0, 1]] / table[j], 0.0)
        on[:, j] = rng.random(size) < chance[wanted]
        wanted = np.where(on[:, j], still, wanted)
    return np.where(on, law.sample(rng, on.shape), 0.0)


def _at_least_table(densities: Array) -> Array:
    """P(at least c of the features j .. n are active) at [j, c], c = 0, 1, 2; sums of positive terms only."""
    table = np.zeros((len(densities) + 1, 3))
    table[:, 0] = 1.0
    for j in reversed(range(len(densities))):
        p = densities[j]
        table[j, 1] = p + (1 - p) * table[j + 1, 1]
        table[j, 2] = p * table[j + 1, 1] + (1 - p) * table[j + 1, 2]
    return table


def _few_active_loss(at: Setting) -> tuple[Array, Array, int]:
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
    value = np.prod(off) * sigma(at.bias) ** 2
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


def _student(degrees: int) -> float:
    """The two-sided 95 % quantile of Student's t; infinite without a degree of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975)) if degrees > 0 else np.inf
