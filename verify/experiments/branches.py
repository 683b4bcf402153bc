"""Families of local minima: followed along a parameter of the model, from minimum to neighbouring minimum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from numerics.loss import expected_loss
from numerics.minimise.descent import lbfgs
from numerics.minimise.flat import FlatLoss
from numerics.minimise.hessian import hessian_spectrum
from theory import InputError, ToyModel

__all__ = ["Crossing", "Point", "crossing", "follow", "local_minimum", "slope"]

Family = Callable[[float], ToyModel]

_FREQUENCIES, _STEPS = 512, 600
# Zeros that symmetry leaves in W^T W make the loss of a fixed quadrature jump when they are left; nobody stays on them.
_NOISE = 1e-4


@dataclass(frozen=True)
class Point:
    """A local minimum of the population loss.

    Attributes:
        at: value of the parameter.
        W, b: shapes (m, n) and (n,).
        loss, error: expected loss there and the error of that number.
        curvature: smallest eigenvalue of the Hessian, rotations of the hidden space left out; > 0 for a minimum.
    """

    at: float
    W: np.ndarray
    b: np.ndarray
    loss: float
    error: float
    curvature: float


@dataclass(frozen=True)
class Crossing:
    """Where two branches have the same loss.

    Attributes:
        at, error: value of the parameter, and how far the true one can be away: the last interval of the bisection,
            and the errors of the losses over the difference of the slopes.
        first, second: the two minima there.
        slopes: derivatives of their losses with respect to the parameter.
    """

    at: float
    error: float
    first: Point
    second: Point
    slopes: tuple[float, float]


def local_minimum(family: Family, at: float, W: np.ndarray, b: np.ndarray) -> Point:
    """The minimum that quasi-Newton descent reaches from W and b.

    Args:
        family: the model at a value of the parameter; it has a bias.
        at: value of the parameter.
        W, b: shapes (m, n) and (n,).

    Raises:
        InputError: a model without bias.
    """
    model = family(at)
    if not model.bias:
        raise InputError("the family has no bias; build its models with ToyModel(..., bias=True)")
    loss = FlatLoss(model, _FREQUENCIES)
    x = loss.join(np.asarray(W, dtype=float)[None], np.asarray(b, dtype=float)[None])
    x = x + _NOISE * np.random.default_rng(0).standard_normal(x.shape)
    found = lbfgs(loss, x, _STEPS, gradient_tolerance=1e-10, value_tolerance=1e-14)
    weights, biases = loss.split(found.x)
    assert biases is not None
    value = expected_loss(model, weights[0], biases[0])
    spectrum = hessian_spectrum(model, weights[0], biases[0], 1)
    return Point(at, weights[0], biases[0], value.value, value.error, float(spectrum.eigenvalues[0]))


def follow(
    family: Family, start: Point, values: Sequence[float], belongs: Callable[[Point], bool], rtol: float = 0.01
) -> tuple[list[Point], tuple[float, float] | None]:
    """The branch through a minimum, from neighbour to neighbour, as far as it exists.

    Where descent leaves the branch, steps are halved from the last minimum on, until they are below `rtol`.

    Args:
        start: a minimum on the branch.
        values: of the parameter, in the order in which they are visited.
        belongs: whether a minimum is still of this branch.
        rtol: relative length of the shortest step.

    Returns:
        The points, and between which values the branch ends (None where it reaches the last one).
    """
    points, last = [], start
    left = list(values)
    while left:
        point = local_minimum(family, left[0], last.W, last.b)
        if belongs(point):
            points.append(point)
            last = point
            left.pop(0)
        elif abs(left[0] - last.at) <= rtol * abs(last.at):
            return points, (last.at, left[0])
        else:
            left = [(left[0] + last.at) / 2, left[0]]
    return points, None


def crossing(family: Family, first: Point, second: Point, low: float, high: float, tolerance: float) -> Crossing:
    """Where the losses of two branches cross, by bisection; both branches are followed into every interval.

    Args:
        first, second: minima on the branches, near the interval.
        low, high: values of the parameter on either side of the crossing.
        tolerance: length of the last interval.

    Raises:
        InputError: the difference of the losses has the same sign at both ends.
    """

    def at(value: float) -> tuple[Point, Point]:
        return local_minimum(family, value, first.W, first.b), local_minimum(family, value, second.W, second.b)

    difference = lambda pair: pair[0].loss - pair[1].loss  # noqa: E731
    ends = [difference(at(value)) for value in (low, high)]
    if ends[0] * ends[1] > 0:
        raise InputError(f"low={low:g} and high={high:g}: the losses of the branches do not cross between them")
    while high - low > tolerance:
        middle = (low + high) / 2
        first, second = pair = at(middle)
        if difference(pair) * ends[0] > 0:
            low = middle
        else:
            high = middle
    middle = (low + high) / 2
    first, second = at(middle)
    slopes = slope(family, first), slope(family, second)
    error = (high - low) / 2 + (first.error + second.error) / max(abs(slopes[0] - slopes[1]), 1e-300)
    return Crossing(middle, error, first, second, slopes)


def slope(family: Family, point: Point, step: float = 1e-4) -> float:
    """dL/d(parameter) along the branch: at a minimum the weights need not move, so that they stay where they are."""
    sides = [expected_loss(family(point.at + s), point.W, point.b).value for s in (step, -step)]
    return float((sides[0] - sides[1]) / (2 * step))
