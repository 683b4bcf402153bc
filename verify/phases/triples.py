"""Three features in two dimensions: block phases, the triangle, and the phase of given weights.

In a block one feature has a dimension to itself, at no loss, and the other two share the second one as they would
alone. In a triangle all three share the plane, each at an obtuse angle with the others. Features 1 and 2 have
importance 1 and are exchangeable; feature 3 has the relative importance I.

At p = 1 the signs of columns mean nothing: x_i and 1 - x_i have one law, and the bias takes up the 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from sympy import Matrix, Rational

from numerics import expected_loss, phase_grid
from numerics.minimise.descent import lbfgs
from numerics.minimise.flat import FlatLoss
from theory import PHASES, ToyModel, phase
from theory.loss.vertex import vertex_loss
from verify.phases.sets import PhaseSet, own_losses, unit_pair_losses

__all__ = [
    "PAIRINGS",
    "TRIANGLE",
    "pairing_of",
    "triangle_certificate",
    "triangle_losses",
    "triple_phases",
    "unit_triple_losses",
]

PAIRINGS = (
    "feature 3 dropped",
    "feature 1 or 2 dropped",
    "features 1 and 2 share",
    "feature 3 shares",
    "triangle",
    "other",
)
TRIANGLE = PAIRINGS.index("triangle")
# Cosines of one direction, of nearly orthogonal ones, and of ones orthogonal to rounding.
_SAME, _APART, _RIGHT = 0.95, 0.3, 0.01
_STEPS, _FREQUENCIES = 300, 128
# (angle between features 1 and 2 in degrees, norm of feature 3): regular, and bent towards either block.
_SHAPES = ((120.0, 1.0), (100.0, 0.5), (150.0, 1.1))
_NORM, _BIAS = 0.87, 0.3
# Where a triangle is sought.
_DENSE, _ALIKE = 0.3, 3.0


def pairing_of(W: np.ndarray, zero: float = 0.05) -> int:
    """Index into PAIRINGS of weights of shape (2, 3); a column below a share `zero` of the longest counts as zero."""
    norms = np.linalg.norm(W, axis=0)
    shown = norms > zero * norms.max()
    if not shown[2]:
        return PAIRINGS.index("feature 3 dropped") if shown[:2].all() else PAIRINGS.index("other")
    if not shown[:2].all():
        return PAIRINGS.index("feature 1 or 2 dropped") if shown[:2].any() else PAIRINGS.index("other")
    unit = W / norms
    cosines = (unit.T @ unit)[[0, 0, 1], [1, 2, 2]]
    size = np.abs(cosines)
    if size[0] > _SAME and size[1:].max() < _APART:
        return PAIRINGS.index("features 1 and 2 share")
    if size[1:].max() > _SAME and size[0] < _APART:
        return PAIRINGS.index("feature 3 shares")
    # Three obtuse angles, or what signs of columns make of them.
    is_triangle = cosines.prod() < 0 and size.min() > _RIGHT and size.max() <= _SAME
    return TRIANGLE if is_triangle else PAIRINGS.index("other")


def triple_phases(densities: Sequence[float], importances: Sequence[float], triangle: bool = True) -> PhaseSet:
    """The loss of every phase for ReLU with a bias: blocks by `numerics.phase_grid`, the triangle by descent.

    Args:
        densities: in (0, 1].
        importances: of feature 3; features 1 and 2 have importance 1.
        triangle: whether to look for it, where p >= .3 and 1/3 <= I <= 3; without it only blocks are compared.
    """
    p, importance = np.asarray(densities, dtype=float), np.asarray(importances, dtype=float)
    third = own_losses(phase_grid("relu", p, importance, bias=True).losses)
    equal = own_losses(phase_grid("relu", p, [1.0], bias=True).losses)
    kind = {name: PHASES.index(name) for name in PHASES}
    shared = [kind["aligned"], kind["antipodal"]]
    losses = np.full((len(PAIRINGS) - 1, len(importance), len(p)), np.inf)
    losses[0] = third[kind["not represented"]]
    losses[1] = np.minimum(third[kind["dedicated"]], equal[kind["dedicated"]])
    losses[2] = equal[shared].min(0)
    losses[3] = third[shared].min(0)
    if triangle:
        rows = np.flatnonzero((importance >= 1 / _ALIKE) & (importance <= _ALIKE))
        columns = np.flatnonzero(p >= _DENSE)
        losses[TRIANGLE][np.ix_(rows, columns)] = triangle_losses(p[columns].tolist(), importance[rows].tolist())
    return PhaseSet(PAIRINGS[:-1], losses)


def triangle_losses(densities: Sequence[float], importances: Sequence[float]) -> np.ndarray:
    """The smallest loss of ReLU with a bias to which a triangle descends, shape (Q, P); inf where none stays one."""
    starts = np.stack([_NORM * _triangle(*shape) for shape in _SHAPES])
    losses = np.full((len(importances), len(densities)), np.inf)
    for place in np.ndindex(*losses.shape):
        model = ToyModel(3, 2, "relu", densities[place[1]], importance=[1, 1, importances[place[0]]], bias=True)
        flat = FlatLoss(model, _FREQUENCIES)
        start = flat.join(starts, np.full((len(starts), 3), _BIAS))
        found = lbfgs(flat, start, _STEPS, gradient_tolerance=1e-9, value_tolerance=1e-12)
        W, b = flat.split(found.x)
        assert b is not None
        kept = [i for i in range(len(W)) if np.isfinite(found.value[i]) and pairing_of(W[i]) == TRIANGLE]
        if kept:
            best = min(kept, key=lambda i: float(found.value[i]))
            losses[place] = expected_loss(model, W[best], b[best]).value
    return losses


def triangle_certificate() -> tuple[Fraction, Fraction]:
    """At p = 7/10 and equal importance: the exact loss of a rational triangle, and a bound below all blocks.

    A block loses at least what two features in one dimension do, which `theory.phase` encloses by branch and bound, in
    floats with an allowance for rounding. The first number, exact, is smaller than the second one, so no block is
    optimal there.
    """
    density = Rational(7, 10)
    c = np.sqrt(0.774) * _triangle(120.0, 1.0)
    W = Matrix(2, 3, [Rational(round(1000 * float(entry)), 1000) for entry in c.ravel()])
    loss = vertex_loss(ToyModel(3, 2, "relu", density, bias=True), W, [Rational(323, 1000)] * 3)
    pair = phase(ToyModel(2, 1, "relu", density, bias=True))
    assert pair.status == "proved"
    exact, below = (Fraction(int(value.p), int(value.q)) for value in (loss, pair.loss[0]))
    return exact, below


def unit_triple_losses(densities: Sequence[float], importances: Sequence[float]) -> np.ndarray:
    """Closed forms for ReLU with weights of norm 1, of the first four PAIRINGS: shape (4, Q, P).

    W is orthogonal to (0, 0, 1), to (1, 0, 0), to (1, 1, 0) or to (0, 1, 1): the dimension of a feature of its own adds
    nothing to the loss, and the others are `verify.phases.sets.unit_pair_losses`.
    """
    third, equal = unit_pair_losses(densities, importances), unit_pair_losses(densities, [1.0])
    return np.stack([third[0], third[1], np.broadcast_to(equal[3], third[3].shape), third[3]])


def _triangle(degrees: float, length: float) -> np.ndarray:
    """Columns of norm 1, 1 and `length`: the first two at an angle, the third opposite to their sum."""
    half = np.radians(degrees) / 2
    return np.array([[np.sin(half), -np.sin(half), 0.0], [np.cos(half), np.cos(half), -length]])
