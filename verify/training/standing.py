"""Where trained losses stand: against the best loss known and against the certified bound of the same setting."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

import theory
from theory import InputError, ToyModel

__all__ = ["Standing", "standing"]


@dataclass(frozen=True)
class Standing:
    """How good trained losses are.

    Attributes:
        best_known: the smallest of the minimised population loss and the trained losses; NaN where there is neither.
        minimised: the minimised population loss, NaN for activations without a population gradient.
        W, b: where the minimiser ended; None where it did not run, or without bias.
        lower_bound: the best certified lower bound for the same bias setting, NaN where none is known.
        gap: loss over best known, minus 1, per seed; NaN for a diverged seed.
        reached: whether the gap is at most the tolerance, per seed.
    """

    best_known: float
    minimised: float
    lower_bound: float
    gap: np.ndarray
    reached: np.ndarray
    W: np.ndarray | None = None
    b: np.ndarray | None = None

    @property
    def success_rate(self) -> float:
        """The share of seeds that reached the best known loss."""
        return float(self.reached.mean())


def standing(
    model: ToyModel, losses: np.ndarray, restarts: int = 8, seed: int = 0, tolerance: float = 0.01
) -> Standing:
    """Set the losses of several seeds beside the best known loss and the certified lower bound.

    Args:
        model: numeric.
        losses: shape (seeds,), NaN where a seed diverged.
        restarts: starts of the minimiser; 0 to compare trained losses with each other alone.
        seed: of the minimiser.
        tolerance: relative gap up to which a seed counts as having reached the best known loss.
    """
    import numerics

    minimised, found = np.nan, None
    if restarts:
        # Coupled and discontinuous activations have no population gradient; trained seeds are all there is.
        with suppress(InputError):
            found = numerics.minimise_loss(model, restarts=restarts, seed=seed)
            minimised = found.loss.value
    known = np.append(losses[np.isfinite(losses)], minimised)
    best = float(np.nanmin(known)) if np.isfinite(known).any() else np.nan
    bounds = [float(bound.value) for bound in theory.lower_bounds(model, of="loss") if bound.value is not None]
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = losses / best - 1
    # A best loss of exactly 0 (nothing to reconstruct) is reached by 0 alone.
    gap = np.where((best == 0) & (losses == 0), 0.0, gap)
    reached = np.nan_to_num(gap, nan=np.inf) <= tolerance
    where = (None, None) if found is None else (found.W, found.b)
    return Standing(best, minimised, max(bounds, default=np.nan), gap, reached, *where)
