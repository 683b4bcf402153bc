"""The phase of two features in one dimension over a whole grid of densities and importances, in floats.

Without bias the loss along every direction is a rational function of one ratio, maximised on a fine grid of ratios;
with bias all points of the diagram descend together. `theory.phase` decides single points exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from numerics.minimise.descent import lbfgs
from numerics.setting import Array, Progress
from theory import PHASES, InputError, ToyModel
from theory.loss.phase.floats import pair_losses
from theory.loss.phase.gain import DENSITY, IMPORTANCE, RATIO, SECTORS, sector_functions
from theory.loss.phase.phases import phase_setting

__all__ = ["PhaseGrid", "phase_grid"]

_RATIOS, _REFINED = 201, 41
_TIE = 1e-7
_STEPS = 250
# Starts with bias as (w_1, w_2, b_1, b_2): strong and weak superposition, with little and with much bias.
_STARTS = {
    "antipodal": ((1.0, -1.0, 0.02, 0.02), (0.9, -0.8, 0.3, 0.35), (0.95, -0.2, 0.1, 0.3)),
    # At equal importance a symmetric start stays symmetric, which the optimum is not.
    "aligned": ((0.8, 0.8, -0.05, -0.05), (0.94, 0.37, -0.11, 0.26)),
    "not represented": ((1.0, 0.0, 0.02, 0.3), (0.85, 0.0, 0.35, 0.5)),
    "dedicated": ((0.0, 1.0, 0.3, 0.02), (0.0, 0.85, 0.5, 0.35)),
}
_FREE = {"antipodal": (1, 1, 1, 1), "aligned": (1, 1, 1, 1), "not represented": (1, 0, 1, 1), "dedicated": (0, 1, 1, 1)}


@dataclass(frozen=True)
class PhaseGrid:
    """The phase diagram of n = 2, m = 1 on a grid; feature 1 has importance 1.

    Attributes:
        densities: shape (P,).
        importances: shape (Q,), of feature 2.
        losses: shape (4, Q, P): the smallest loss found in each of `theory.PHASES`; inf where a phase was not met.
        phase: shape (Q, P), index into `theory.PHASES`.
    """

    densities: Array
    importances: Array
    losses: Array
    phase: np.ndarray

    @property
    def loss(self) -> Array:
        """The smallest loss found, shape (Q, P)."""
        return np.asarray(self.losses.min(0))

    def names(self) -> list[list[str]]:
        """The phases by name, one row per importance."""
        return [[PHASES[i] for i in row] for row in self.phase]


def phase_grid(
    activation: Any,
    densities: Sequence[float] | Array,
    importances: Sequence[float] | Array,
    bias: bool = False,
    law: Any = "uniform",
    progress: Progress | None = None,
) -> PhaseGrid:
    """The phase of every (p, I), found numerically and at once.

    Args:
        activation: a power with an integer exponent.
        densities: in (0, 1].
        importances: of feature 2, > 0.
        bias: whether the model has one; then only the uniform law.
        law: uniform, binary, exponential or beta with integer parameters.
        progress: called with (done, total, text).

    Raises:
        InputError: densities or importances out of range, or a setting `theory.phase` refuses.
    """
    p, importance = np.asarray(densities, dtype=float), np.asarray(importances, dtype=float)
    if not (p.ndim == importance.ndim == 1 and len(p) and len(importance)):
        raise InputError("densities and importances must be non-empty lists of numbers")
    if not ((p > 0) & (p <= 1)).all():
        raise InputError(f"densities={p.min()}..{p.max()}: every density must be in (0, 1]")
    if not ((importance > 0) & np.isfinite(importance)).all():
        raise InputError("importances must be finite and > 0")
    form, active, *_ = phase_setting(ToyModel(2, 1, activation, 0.5, law=law, bias=bias))
    if bias and (active.label != "uniform" or not form.exponent.is_Integer):
        raise InputError(f"law={active}: the diagram with bias needs the uniform law and an integer exponent")
    at_p, at_i = (grid.ravel() for grid in np.meshgrid(p, importance))
    report = progress or (lambda done, total, text: None)
    losses = _descended(form, at_p, at_i, report) if bias else _maximised(form, active, at_p, at_i, report)
    # A weak pair must beat the axis by more than rounding to count as one.
    favoured = losses * np.array([1.0, 1.0, 1 + _TIE, 1 + _TIE])[:, None] if bias else losses
    best = favoured.argmin(0)
    shape = (len(importance), len(p))
    return PhaseGrid(p, importance, losses.reshape(4, *shape), best.reshape(shape))


def _maximised(form: Any, law: Any, p: Array, importance: Array, report: Progress) -> Array:
    second = float(law.moment(2))
    losses = np.full((4, len(p)), np.inf)
    zero_map = p * second * (1 + importance)
    for done, sector in enumerate(SECTORS):
        report(done, len(SECTORS), "directions")
        functions = sector_functions(form, law, sector)
        evaluate = sympy.lambdify((RATIO, DENSITY, IMPORTANCE), functions, "numpy")

        def saved(ratio: Array, evaluate: Any = evaluate) -> Array:
            cross, square = evaluate(ratio, p, importance)
            return np.asarray(p * np.maximum(cross, 0.0) ** 2 / square + 0.0 * ratio)

        coarse = np.linspace(0.0, 1.0, _RATIOS)
        values = saved(coarse[1:, None])
        centre = coarse[1:][values.argmax(0)]
        low = np.maximum(centre - 1 / (_RATIOS - 1), 1e-6)
        high = np.minimum(centre + 1 / (_RATIOS - 1), 1.0)
        fine = low + (high - low) * np.linspace(0.0, 1.0, _REFINED)[:, None]
        best = np.maximum(values.max(0), saved(fine).max(0))
        for at_axis, gain in ((False, best), (True, saved(np.zeros((1, 1)))[0])):
            row = PHASES.index(sector.phase(at_axis))
            losses[row] = np.minimum(losses[row], zero_map - gain)
    report(len(SECTORS), len(SECTORS), "done")
    return losses


def _descended(form: Any, p: Array, importance: Array, report: Progress) -> Array:
    losses = np.full((4, len(p)), np.inf)
    total = sum(map(len, _STARTS.values()))
    done = 0
    for name, starts in _STARTS.items():
        free = np.array(_FREE[name], dtype=float)
        for start in starts:
            report(done, total, name)

            def objective(x: Array, rows: np.ndarray, free: Array = free) -> tuple[Array, Array]:
                value, gradient = pair_losses(form, p[rows], importance[rows], x)
                scale = p[rows] * (1 + importance[rows]) / 3
                return value / scale, gradient * free / scale[:, None]

            x = np.tile(np.array(start), (len(p), 1))
            found = lbfgs(objective, x, _STEPS, gradient_tolerance=1e-9, value_tolerance=1e-12)
            value = found.value * p * (1 + importance) / 3
            product = found.x[:, 0] * found.x[:, 1]
            row = np.where(product < 0, PHASES.index("antipodal"), PHASES.index("aligned"))
            row[product == 0] = PHASES.index("dedicated" if name == "dedicated" else "not represented")
            np.minimum.at(losses, (row, np.arange(len(p))), np.where(np.isfinite(value), value, np.inf))
            done += 1
    report(total, total, "done")
    return losses
