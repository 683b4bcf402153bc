"""The phase diagram set beside the population-loss minimiser: do they agree on the loss and on the phase?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import theory
from numerics.minimise.loss import minimise_loss
from numerics.minimise.phase_grid import PhaseGrid, phase_grid
from numerics.setting import Progress
from theory import PHASES, ToyModel

__all__ = ["EVERY_POWER", "PhaseCheck", "PhaseDiagram", "name_of_weights", "phase_diagram"]

EVERY_POWER = ("relu", "rectified-power:2", "rectified-power:3", "power:2", "power:3", "signed-power:2")
# A weight below this share of the other one is read as zero, in weights found by descent only.
_ZERO = 1e-2
# Two phases whose losses differ by less than this share of the loss are too close to tell apart by descent.
_CLOSE = 1e-4


@dataclass(frozen=True)
class PhaseCheck:
    """One point of the diagram, computed twice.

    Attributes:
        density, importance: the point.
        phase, loss: by theory: the smallest loss over the four phases.
        found, minimised: by `numerics.minimise_loss`: the phase of its weights, and its loss.
        error: of the minimised loss.
        near_boundary: whether a second phase comes within 1e-4 of the loss, so that the names need not agree.
    """

    density: float
    importance: float
    phase: str
    loss: float
    found: str
    minimised: float
    error: float
    near_boundary: bool

    @property
    def loss_agrees(self) -> bool:
        """Whether the minimiser reaches the loss of theory, to its error and 1e-6 of the loss, and no less."""
        slack = self.error + 1e-6 * self.loss
        return self.loss - slack <= self.minimised <= self.loss + slack

    @property
    def minimiser_stopped_early(self) -> bool:
        """Whether the minimiser stayed above theory: a local minimum, nothing against the theory."""
        return self.minimised > self.loss + self.error + 1e-6 * self.loss

    @property
    def phase_agrees(self) -> bool:
        """Whether the names agree, or need not."""
        return self.near_boundary or self.minimiser_stopped_early or self.phase == self.found


@dataclass(frozen=True)
class PhaseDiagram:
    """A grid of phases, the boundaries known in closed form, and the points that were checked."""

    activation: str
    bias: bool
    law: str
    grid: PhaseGrid
    boundaries: tuple[theory.PhaseBoundary, ...]
    checks: tuple[PhaseCheck, ...]

    @property
    def title(self) -> str:
        """One line for figures and tables."""
        return f"{self.activation}, {'bias' if self.bias else 'no bias'}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the grid, the boundaries as text, the checks."""
        return {
            "activation": self.activation,
            "bias": self.bias,
            "law": self.law,
            "densities": self.grid.densities.tolist(),
            "importances": self.grid.importances.tolist(),
            "phases": self.grid.names(),
            "losses": self.grid.loss.tolist(),
            "boundaries": [
                {"between": [b.below, b.above], "curve": None if b.curve is None else str(b.curve),
                 "at_equal_importance": None if b.at_equal_importance is None else str(b.at_equal_importance),
                 "kind": b.kind, "status": b.status, "statement": b.statement}
                for b in self.boundaries
            ],
            "checks": [
                {**vars(check), "loss_agrees": check.loss_agrees, "phase_agrees": check.phase_agrees}
                for check in self.checks
            ],
        }  # fmt: skip


def phase_diagram(
    activation: Any,
    bias: bool = False,
    law: Any = "uniform",
    size: int = 41,
    checks: int = 4,
    span: float = 10.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> PhaseDiagram:
    """The diagram on a size x size grid of (p, I), p in (0, 1], I from 1/span to span, and checks x checks comparisons.

    Args:
        activation, bias, law: the setting, as `theory.phase` takes it.
        size: points per axis of the grid.
        checks: points per axis at which the population loss is minimised; 0 for none.
        span: the largest relative importance; the smallest is its inverse.
        seed: of the minimiser's starts.
        progress: called with (done, total, text).

    Raises:
        InputError: a setting without a phase diagram, or sizes below 2.
    """
    if size < 2 or checks < 0 or not span > 1:
        raise theory.InputError(f"size={size}, checks={checks}, span={span}: give size >= 2, checks >= 0, span > 1")
    report = progress or (lambda done, total, text: None)
    sigma, active = theory.activation(activation), theory.feature_law(law)
    # Half a step away from 0, where every W is as good as any other.
    densities = (np.arange(size) + 0.5) / (size - 0.5)
    importances = np.geomspace(1 / span, span, size)
    total = 1 + checks * checks
    grid = phase_grid(sigma, densities, importances, bias, active)
    report(1, total, "grid")
    try:
        boundaries = theory.phase_boundaries(sigma, bias, active)
    except theory.InputError:
        boundaries = ()
    found = []
    for p, importance in _points(checks, span):
        found.append(check_point(sigma, bias, active, p, importance, seed))
        report(1 + len(found), total, f"minimising at p={p:g}, I={importance:g}")
    return PhaseDiagram(sigma.name, bias, active.label, grid, boundaries, tuple(found))


def check_point(activation: Any, bias: bool, law: Any, density: float, importance: float, seed: int = 0) -> PhaseCheck:
    """One point by theory and by the minimiser; without bias theory is exact."""
    model = ToyModel(2, 1, activation, density, law, (1, importance), bias)
    grid = phase_grid(activation, [density], [importance], bias, law)
    losses = grid.losses[:, 0, 0]
    name, loss = PHASES[int(grid.phase[0, 0])], float(grid.loss[0, 0])
    if not bias:
        exact = theory.phase(model)
        name, loss = exact.name, float(exact.loss[1])
    best = minimise_loss(model, restarts=6, seed=seed)
    found = name_of_weights(best.W[0])
    rival = losses[[i for i, other in enumerate(PHASES) if other != name]].min()
    near = bool(rival < losses.min() * (1 + _CLOSE))
    return PhaseCheck(density, importance, name, loss, found, best.loss.value, best.loss.error, near)


def name_of_weights(w: Sequence[float] | np.ndarray, zero: float = _ZERO) -> str:
    """The phase of weights found by descent: a weight below a share `zero` of the other one counts as zero."""
    first, second = float(w[0]), float(w[1])
    if abs(second) <= zero * abs(first):
        return "not represented"
    if abs(first) < zero * abs(second):
        return "dedicated"
    return "antipodal" if first * second < 0 else "aligned"


def _points(count: int, span: float) -> list[tuple[float, float]]:
    densities = [round((i + 0.5) / count, 4) for i in range(count)]
    exponents = [(2 * (j + 0.5) / count - 1) for j in range(count)]
    return [(p, round(float(span**e), 4)) for e in exponents for p in densities]
