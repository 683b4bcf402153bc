"""Minimising from many starts at once: every step evaluates all starts in one batched call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from numerics.setting import Array

__all__ = ["Descent", "adam", "lbfgs"]

Objective = Callable[[Array, np.ndarray], tuple[Array, Array]]

_SUFFICIENT = 1e-4
_SHORTEST = 1e-14


@dataclass(frozen=True)
class Descent:
    """Where every start ended.

    Attributes:
        x: shape (S, d).
        value: shape (S,).
        gradient: shape (S, d).
        evaluations: how many single evaluations were spent.
    """

    x: Array
    value: Array
    gradient: Array
    evaluations: int


def adam(objective: Objective, x: Array, steps: int, rate: float, final_rate: float) -> Array:
    """`steps` of Adam from every start, the step size falling geometrically; starts that diverge stay where they were.

    Args:
        objective: values (S,) and gradients (S, d) at points of shape (S, d), with the indices of the starts.
        x: starts, shape (S, d).
    """
    first, second = np.zeros_like(x), np.zeros_like(x)
    everyone = np.arange(len(x))
    for step in range(steps):
        _, gradient = objective(x, everyone)
        gradient = np.where(np.isfinite(gradient).all(axis=1, keepdims=True), gradient, 0.0)
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        size = rate * (final_rate / rate) ** (step / max(steps - 1, 1))
        direction = first / (1 - 0.9 ** (step + 1))
        scale = np.sqrt(second / (1 - 0.99 ** (step + 1)))
        x = x - size * direction / (scale + 1e-30 + 1e-12 * scale.max(axis=1, keepdims=True))
    return x


def lbfgs(
    objective: Objective,
    x: Array,
    steps: int,
    gradient_tolerance: float = 1e-12,
    value_tolerance: float = 1e-15,
    memory: int = 12,
) -> Descent:
    """Limited-memory BFGS with backtracking from every start; a start that has converged is evaluated no more.

    Each call of the objective tries one step for every open start: where it lowers the value enough, the start moves
    and gets a new direction; elsewhere its step is shortened. A start ends when its gradient is below the tolerance,
    ten moves in a row gain less than `value_tolerance` relative to the value, or its step has become too short.

    Args:
        objective: values (S,) and gradients (S, d) at points of shape (S, d), with the indices of the starts.
        x: starts, shape (S, d).
        steps: at most this many calls.
    """
    starts, size = x.shape
    x = x.copy()
    everyone = np.arange(starts)
    value, gradient = objective(x, everyone)
    evaluations = starts
    moves, changes = np.zeros((memory, starts, size)), np.zeros((memory, starts, size))
    inverse = np.zeros((memory, starts))
    scale = 1 / np.maximum(np.abs(gradient).sum(axis=1), 1e-300)
    step, stalls = np.ones(starts), np.zeros(starts, dtype=int)
    direction = -gradient * np.minimum(scale, 1.0)[:, None]
    is_open = np.isfinite(value) & (np.abs(gradient).max(axis=1) > gradient_tolerance)
    for _ in range(steps):
        index = np.flatnonzero(is_open)
        if not len(index):
            break
        slope = np.einsum("sd,sd->s", direction[index], gradient[index])
        uphill = slope >= 0
        direction[index[uphill]] = -gradient[index[uphill]]
        slope = np.where(uphill, -np.einsum("sd,sd->s", gradient[index], gradient[index]), slope)
        trial = x[index] + step[index, None] * direction[index]
        new_value, new_gradient = objective(trial, index)
        evaluations += len(index)
        # At the bottom, rounding hides the decrease: accept what is equal to rounding and let the stall count end it.
        slack = 4 * np.finfo(float).eps * np.abs(value[index])
        accepted = new_value <= value[index] + _SUFFICIENT * step[index] * slope + slack
        accepted &= np.isfinite(new_gradient).all(axis=1)
        refused = index[~accepted]
        step[refused] *= _shorter(value[index], new_value, step[index], slope)[~accepted]
        is_open[refused[step[refused] < _SHORTEST]] = False
        moved = index[accepted]
        if not len(moved):
            continue
        move, change = trial[accepted] - x[moved], new_gradient[accepted] - gradient[moved]
        gain = value[moved] - new_value[accepted]
        little = gain <= value_tolerance * np.abs(value[moved])
        stalls[moved] = np.where(little, stalls[moved] + 1, 0)
        x[moved], value[moved], gradient[moved] = trial[accepted], new_value[accepted], new_gradient[accepted]
        curvature = np.einsum("sd,sd->s", move, change)
        useful = curvature > 1e-12 * np.linalg.norm(move, axis=1) * np.linalg.norm(change, axis=1)
        kept = moved[useful]
        moves[:-1, kept], changes[:-1, kept], inverse[:-1, kept] = moves[1:, kept], changes[1:, kept], inverse[1:, kept]
        moves[-1, kept], changes[-1, kept], inverse[-1, kept] = move[useful], change[useful], 1 / curvature[useful]
        direction[moved] = -_two_loops(gradient[moved], moves[:, moved], changes[:, moved], inverse[:, moved])
        step[moved] = 1.0
        is_open[moved] = (np.abs(gradient[moved]).max(axis=1) > gradient_tolerance) & (stalls[moved] < 10)
    return Descent(x, value, gradient, evaluations)


def _shorter(value: Array, trial: Array, step: Array, slope: Array) -> Array:
    """How much to shorten a refused step: to the minimum of the parabola through both values, between 0.1 and 0.5."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        best = -slope * step / (2 * (trial - value - slope * step))
    return np.where(np.isfinite(best), np.clip(best, 0.1, 0.5), 0.1)


def _two_loops(gradient: Array, moves: Array, changes: Array, inverse: Array) -> Array:
    """The inverse Hessian of the last pairs applied to the gradient; pairs not yet filled have inverse 0."""
    result = gradient.copy()
    weights = np.empty(inverse.shape)
    for i in reversed(range(len(inverse))):
        weights[i] = inverse[i] * np.einsum("sd,sd->s", moves[i], result)
        result -= weights[i][:, None] * changes[i]
    curvature = np.einsum("sd,sd->s", changes[-1], changes[-1]) * inverse[-1]
    fallback = 1 / np.maximum(np.abs(gradient).sum(axis=1), 1e-300)
    result *= np.where(curvature > 0, 1 / np.where(curvature > 0, curvature, 1.0), np.minimum(fallback, 1.0))[:, None]
    for i in range(len(inverse)):
        back = inverse[i] * np.einsum("sd,sd->s", changes[i], result)
        result += (weights[i] - back)[:, None] * moves[i]
    return result
