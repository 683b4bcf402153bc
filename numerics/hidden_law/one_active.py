"""The part of the loss in which at most one feature is active, for any activation: adaptive rules along each column."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from numerics.laws import NumericLaw, unit_rule
from numerics.setting import Array

__all__ = ["at_most_one_active", "feature_mean"]

_NODES = 16
_MOST_ROUNDS, _MOST_PANELS = 60, 2048
_EPSILON = float(np.finfo(float).eps)


def at_most_one_active(
    outputs: Callable[[Array], Array], law: NumericLaw, gram: Array, bias: Array, densities: Array, tolerance: float
) -> tuple[Array, Array, int]:
    """sum over "none active" and "only j active" of E (x_i - sigma_i)**2, its error (both of shape (n,)), the work.

    Args:
        outputs: sigma as a function of z = W^T W x + b, of shape (..., n).
        law: of an active feature's value.
        gram, bias, densities: W^T W, b and p.
        tolerance: relative to the sum.
    """
    n = len(bias)
    off = 1 - densities
    only = np.array([p * np.prod(np.delete(off, j)) for j, p in enumerate(densities)])
    value = np.prod(off) * outputs(bias) ** 2
    error, evaluations = 4 * _EPSILON * value, n
    for j in map(int, np.flatnonzero(only)):

        def squares(u: Array, j: int = j) -> Array:
            miss = -outputs(bias + u[:, None] * gram[:, j])
            miss[:, j] += u
            return miss**2

        mean, doubt, work = feature_mean(squares, law, tolerance)
        value, error, evaluations = value + only[j] * mean, error + only[j] * doubt, evaluations + work * n
    return value, error, evaluations


def feature_mean(g: Callable[[Array], Array], law: NumericLaw, tolerance: float) -> tuple[Array, Array, int]:
    """E g(U) for a vector-valued g, its error, and the number of nodes: panels are halved until two rules agree.

    Wherever g is not smooth (a kink on a circle, say) the panels around that point shrink by halves, so that kinks
    need not be known.
    """
    panels = [
        (sign, low, high, side)
        for sign in law.signs
        for low, high in zip(law.breaks[:-1], law.breaks[1:], strict=True)
        for side in (1.0, -1.0)
    ]
    signs, lows, highs, sides = (np.array(column) for column in zip(*panels, strict=True))
    left, right = np.zeros(len(panels)), np.ones(len(panels))
    shape = (signs, lows, highs, sides)
    coarse = _panel_means(g, law, shape, left, right)
    done, error, work = np.zeros(coarse.shape[1]), np.zeros(coarse.shape[1]), coarse.shape[0] * _NODES
    for spent in range(1, _MOST_ROUNDS + 1):
        middle = (left + right) / 2
        halves = tuple(np.repeat(column, 2) for column in shape)
        ends = np.stack([left, middle, middle, right], axis=1).reshape(-1, 2)
        fine = _panel_means(g, law, halves, ends[:, 0], ends[:, 1])
        work += fine.shape[0] * _NODES
        pairs = fine.reshape(-1, 2, fine.shape[1]).sum(axis=1)
        change = np.abs(pairs - coarse)
        total = np.abs(done + pairs.sum(axis=0)).sum()
        settled = change.sum(axis=1) <= max(tolerance * total / 8, 1e-300)
        if spent == _MOST_ROUNDS or len(left) > _MOST_PANELS:
            settled[:] = True
        done += pairs[settled].sum(axis=0)
        error += change[settled].sum(axis=0)
        if settled.all():
            break
        keep = np.repeat(~settled, 2)
        left, right, coarse = ends[keep, 0], ends[keep, 1], fine[keep]
        shape = tuple(column[keep] for column in halves)
    return done, error + 8 * _EPSILON * np.abs(done), work


def _panel_means(
    g: Callable[[Array], Array], law: NumericLaw, shape: tuple[Array, ...], left: Array, right: Array
) -> Array:
    """The part of E g(U) from each panel; shape (panels, outputs).

    A panel is an interval [left, right] of s in [0, 1]; u leaves one end of [low, high] like s**power and reaches its
    middle at s = 1, so that the nodes crowd at an end where the density is singular.
    """
    signs, lows, highs, sides = shape
    nodes, weights = unit_rule(_NODES)
    s = left[:, None] + (right - left)[:, None] * nodes
    power = np.where(sides > 0, law.grading[0], law.grading[1])[:, None]
    half = ((highs - lows) / 2)[:, None]
    step = half * s**power
    edge = np.where(sides > 0, lows, highs)[:, None]
    u = edge + sides[:, None] * step
    to_top = (law.breaks[-1] - edge) - sides[:, None] * step
    slope = half * power * s ** (power - 1)
    w = (right - left)[:, None] * weights * slope * law.magnitude_density(u, to_top) / len(law.signs)
    values = g((signs[:, None] * u).ravel()).reshape(*u.shape, -1)
    return np.einsum("pq,pqi->pi", w, values)
