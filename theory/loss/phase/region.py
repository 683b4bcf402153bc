"""A lower bound on the loss over all weights and biases of one sign pattern: branch and bound with proved remainders.

On a box in (w_1, w_2, b_1, b_2) the loss is bounded below by its value and gradient in the centre and by a bound on
how concave it can be: the curvature of E (x - sigma(z))^2 is at least -2 E x sigma''(z)_+ grad z grad z^T. Boxes
whose bound reaches the target are done; the others are cut in half. Values are floats with a rounding allowance.
Source: docs/theory.md, T12.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.activations import PowerForm
from theory.loss.phase.floats import output_losses

__all__ = ["RegionBound", "lower_bound_on_region"]

# Every evaluation adds fewer than 1e3 terms, each at most (1 + largest |sigma|)^2 where the sum is of use (a bound that
# is positive has subtracted no more than it has added): rounding is below 1e3 * 2^-53 < 2e-13 of that.
_ALLOWANCE = 1e-9
_BATCH = 20_000

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class RegionBound:
    """What was proved about one sign pattern.

    Attributes:
        lower: every loss in the region is at least this.
        closed: whether the target was reached on every box.
        boxes: how many boxes were bounded.
        open_low, open_high: shape (4,), the hull of the boxes left open; NaN where there is none.
    """

    lower: float
    closed: bool
    boxes: int
    open_low: Array
    open_high: Array


@dataclass(frozen=True)
class _Problem:
    form: PowerForm
    p: float
    importance: float

    @property
    def exponent(self) -> int:
        return int(self.form.exponent)

    @property
    def up(self) -> float:
        return float(self.form.positive)

    @property
    def down(self) -> float:
        return float(self.form.negative)

    @property
    def variance(self) -> float:
        return self.p / 3 - self.p**2 / 4


def lower_bound_on_region(
    form: PowerForm,
    density: float,
    importance: float,
    target: float,
    low: Array,
    high: Array,
    most_boxes: int = 400_000,
    settled: Callable[[Array, Array], np.ndarray] | None = None,
) -> RegionBound:
    """The largest proved lower bound, at most `target`, for (w_1, w_2, b_1, b_2) in a box with w_1 >= 0, uniform law.

    Args:
        form: positive >= 0 and an integer exponent.
        density, importance: of both features, and of feature 2 relative to feature 1.
        target: a box is done where its bound reaches this.
        low, high: shape (4,); w_2 must not change sign.
        most_boxes: stop after bounding this many.
        settled: says of boxes, given their lows and highs of shape (N, 4), where the target is proved by other means.
    """
    at = _Problem(form, density, importance)
    lows, highs = np.asarray([low], dtype=float), np.asarray([high], dtype=float)
    bounds, done = np.array([-np.inf]), 0
    while len(lows) and done < most_boxes:
        # Depth first in batches: the most open boxes last, so that memory stays small.
        order = np.argsort(-bounds, kind="stable")[-_BATCH:]
        rest = np.setdiff1d(np.arange(len(lows)), order, assume_unique=True)
        left, right = _halves(lows[order], highs[order])
        new_lows, new_highs = np.concatenate([left[0], right[0]]), np.concatenate([left[1], right[1]])
        new_bounds = np.maximum(_box_bound(at, new_lows, new_highs), np.tile(bounds[order], 2))
        done += len(new_lows)
        keep = new_bounds < target
        if settled is not None:
            keep &= ~settled(new_lows, new_highs)
        lows = np.concatenate([lows[rest], new_lows[keep]])
        highs = np.concatenate([highs[rest], new_highs[keep]])
        bounds = np.concatenate([bounds[rest], new_bounds[keep]])
    if not len(lows):
        nothing = np.full(4, np.nan)
        return RegionBound(target, True, done, nothing, nothing)
    return RegionBound(max(float(bounds.min()), 0.0), False, done, lows.min(0), highs.max(0))


def _halves(low: Array, high: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    width = high - low
    # A step in w moves G = w w^T by twice its size times w.
    width[:, :2] *= 2 * np.maximum(np.maximum(np.abs(low[:, :2]), np.abs(high[:, :2])), 0.5)
    axis, row = width.argmax(1), np.arange(len(low))
    middle = (low[row, axis] + high[row, axis]) / 2
    left_high, right_low = high.copy(), low.copy()
    left_high[row, axis], right_low[row, axis] = middle, middle
    return (low, left_high), (right_low, high)


def _box_bound(at: _Problem, low: Array, high: Array) -> Array:
    """A lower bound of the loss on each box."""
    centre, radius = (low + high) / 2, (high - low) / 2
    u, v, b1, b2 = centre.T
    ru, rv, r1, r2 = radius.T
    p = np.full(len(u), at.p)
    f1, d1 = output_losses(at.form, p, u * u, u * v, b1)
    f2, d2 = output_losses(at.form, p, v * v, u * v, b2)
    size_1, size_2 = 2 * np.abs(u) * ru + ru**2, 2 * np.abs(v) * rv + rv**2
    size_c = np.abs(u) * rv + np.abs(v) * ru + ru * rv
    corners = np.stack([low[:, 0] * low[:, 1], low[:, 0] * high[:, 1], high[:, 0] * low[:, 1], high[:, 0] * high[:, 1]])
    c_low, c_high = corners.min(0), corners.max(0)
    near, far = np.minimum(np.abs(low), np.abs(high)), np.maximum(np.abs(low), np.abs(high))
    range_1 = (near[:, 0] ** 2, far[:, 0] ** 2, c_low, c_high, low[:, 2], high[:, 2])
    range_2 = (near[:, 1] ** 2, far[:, 1] ** 2, c_low, c_high, low[:, 3], high[:, 3])
    bend_1 = _concavity(at, range_1, size_1, size_c, r1)
    bend_2 = _concavity(at, range_2, size_2, size_c, r2)
    by_c = d1[1] + at.importance * d2[1]
    joint = f1 + at.importance * f2 - bend_1 - at.importance * bend_2
    joint -= np.abs(2 * u * d1[0] + v * by_c) * ru + np.abs(2 * v * at.importance * d2[0] + u * by_c) * rv
    joint -= np.abs(d1[2]) * r1 + at.importance * np.abs(d2[2]) * r2
    joint -= np.maximum(-d1[0], 0) * ru**2 + at.importance * np.maximum(-d2[0], 0) * rv**2 + np.abs(by_c) * ru * rv
    alone_1 = f1 - np.abs(d1[0]) * size_1 - np.abs(d1[1]) * size_c - np.abs(d1[2]) * r1 - bend_1
    alone_2 = f2 - np.abs(d2[0]) * size_2 - np.abs(d2[1]) * size_c - np.abs(d2[2]) * r2 - bend_2
    first = np.fmax(alone_1, _crude(at, range_1))
    second = np.fmax(alone_2, _crude(at, range_2))
    largest = np.maximum(_largest_output(at, range_1), _largest_output(at, range_2))
    # Not-a-number never counts as a bound.
    found = np.nan_to_num(np.fmax(joint, first + at.importance * second), nan=-np.inf)
    return found - _ALLOWANCE * (1 + at.importance) * (1 + largest) ** 2


_Range = tuple[Array, Array, Array, Array, Array, Array]


def _concavity(at: _Problem, ranges: _Range, by_g: Array, by_c: Array, by_b: Array) -> Array:
    """An upper bound of E x_1 sigma''(z)_+ (|dg| x_1 + |dc| x_2 + |db|)^2 on the box."""
    g_low, g_high, c_low, c_high, b_low, b_high = ranges
    p, q, a = at.p, 1 - at.p, at.exponent
    if a == 1:
        jump = max(at.up + at.down, 0.0)
        nearest = np.where(c_low > 0, c_low, np.where(c_high < 0, -c_high, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            reach_1 = np.where(b_low < 0, np.minimum(-b_low / g_low, 1.0), 0.0)
            top = -b_low - np.minimum(c_low, 0)
            reach_2 = np.where(top > 0, np.minimum(top / g_low, 1.0), 0.0)
            density_1 = np.where(b_low < 0, reach_1 / g_low, 0.0)
            density_2 = np.where(top > 0, np.minimum(reach_2 / g_low, 0.5 / nearest), 0.0)
            alone = density_1 * (by_g * reach_1 + by_b) ** 2
            both = density_2 * (by_g * reach_2 + by_c + by_b) ** 2
            # A share of 0 times an unbounded curvature is 0: at p = 1 no feature is active alone.
            return jump * ((p * q * alone if q > 0 else 0.0) + p**2 * both)
    above = np.maximum(b_high + g_high + np.maximum(c_high, 0), 0)
    below = np.maximum(-(b_low + np.minimum(c_low, 0)), 0)
    bend = a * (a - 1) * np.maximum(at.up * above ** (a - 2) * (above > 0),
                                    max(at.down, 0.0) * below ** (a - 2) * (below > 0))  # fmt: skip
    square = by_g**2 * p / 4 + by_c**2 * p**2 / 6 + by_b**2 * p / 2
    square += 2 * by_g * by_c * p**2 / 6 + 2 * by_g * by_b * p / 3 + 2 * by_c * by_b * p**2 / 4
    return bend * square


def _largest_output(at: _Problem, ranges: _Range) -> Array:
    """The largest |sigma(z)| on the box."""
    _, g_high, c_low, c_high, b_low, b_high = ranges
    above = np.maximum(b_high + g_high + np.maximum(c_high, 0), 0)
    below = np.maximum(-(b_low + np.minimum(c_low, 0)), 0)
    return np.maximum(at.up * above**at.exponent, abs(at.down) * below**at.exponent)


def _crude(at: _Problem, ranges: _Range) -> Array:
    """Lower bounds of one output's loss that need no small box."""
    g_low, g_high, c_low, c_high, b_low, b_high = ranges
    p, a, up, down = at.p, at.exponent, at.up, at.down
    highest = b_high + g_high + np.maximum(c_high, 0)
    lowest = b_low + np.minimum(c_low, 0)
    above, below = np.maximum(highest, 0), np.maximum(-lowest, 0)
    slope = a * np.maximum(up * above ** (a - 1) * (above > 0), abs(down) * below ** (a - 1) * (below > 0))
    # x_hat_1 moves at most `slope g` times as fast as x_1, given x_2: it explains at most that much of Var x_1.
    spread = at.variance * np.maximum(1 - slope * g_high, 0) ** 2
    if a == 1 and down <= 0:
        mean = up * (np.maximum(b_high, 0) + (g_high + np.maximum(c_high, 0)) * p / 2)
    else:
        mean = np.maximum(up * above**a, max(down, 0.0) * below**a)
    found = spread + np.maximum(p / 2 - mean, 0) ** 2
    # A gain needs 0 < sigma(z) < 2 x_1, a window in x_1 that shrinks like 1/g.
    window = (2 / up) ** (1 / a) + ((2 / down) ** (1 / a) if down > 0 else 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.fmax(found, p * (1 / 3 - window / g_low))
        if down == 0:
            silent = np.clip((-b_high - np.maximum(c_high, 0)) / g_high, 0, 1)
            found = np.fmax(found, p * silent**3 / 3)
    found = np.maximum(found, np.maximum(up * np.maximum(lowest, 0) ** a - 1, 0) ** 2)
    far = np.maximum(-highest, 0) ** a
    return np.maximum(found, np.maximum(down * far - 1, 0) ** 2 if down >= 0 else (down * far) ** 2)
