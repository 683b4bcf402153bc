"""What a minimisation of the population loss found, how sure it is, and what theory says about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

import theory
from numerics.estimate import Estimate
from numerics.minimise.hessian import HessianSpectrum
from numerics.setting import Array
from theory import Bound, InputError, ToyModel

__all__ = ["AGREEMENT", "Optimum"]

AGREEMENT = 1e-6
"""Starts whose losses differ from the best by less than this, relatively, are said to agree with it."""


@dataclass(frozen=True)
class Optimum:
    """The best weights found for the population loss: an upper estimate of L*.

    Attributes:
        W: shape (m, n).
        b: shape (n,), or None for a model without bias.
        loss: the expected loss there, by `expected_loss`.
        gradient_norm: Euclidean norm of the gradient of the loss there.
        losses: the expected loss that every start and every hop ended at, smallest first; those a few per cent above
            the best were given up early.
        hops: how many of these were perturbed copies of the best so far; the others are the starts.
        hessian: the smallest eigenvalues of the Hessian, where asked for.
        is_complete: False where the search was interrupted and this is the best so far.
        model: the setting.
        seed: of the random starts.
        evaluations: how many losses with gradient were computed.
        seconds: wall time.
    """

    W: Array
    b: Array | None
    loss: Estimate
    gradient_norm: float
    losses: Array
    hops: int
    hessian: HessianSpectrum | None
    is_complete: bool
    model: ToyModel
    seed: int
    evaluations: int
    seconds: float

    @property
    def agrees(self) -> np.ndarray:
        """Which of `losses` are within 1e-6 of the best, relatively; shape of `losses`."""
        least = min([self.loss.value, *self.losses])
        return self.losses <= least + AGREEMENT * abs(least)

    @property
    def success_rate(self) -> float:
        """The share of starts and hops that agree with the best: near 0, a better minimum may well have been missed.

        It is 0 where the last polish still improved on all of them: then `steps` were too few.
        """
        return float(self.agrees.mean()) if len(self.losses) else 0.0

    @cached_property
    def lower_bound(self) -> Bound | None:
        """The best lower bound proved for this very setting (with its bias, if it has one), or None.

        A bound proved without bias is never used for a model with one.
        """
        try:
            return theory.lower_bound(self.model)
        except InputError:
            return None

    @cached_property
    def upper_bound(self) -> Bound | None:
        """The best upper bound proved for this setting, or None; the optimum should not be above it."""
        try:
            return theory.upper_bound(self.model)
        except InputError:
            return None

    @property
    def gap(self) -> float | None:
        """How far the loss is above the lower bound, relative to the loss; None without one. At 0 it is optimal."""
        if self.lower_bound is None:
            return None
        return 1 - self.lower_bound.evaluate() / self.loss.value if self.loss.value > 0 else 0.0

    def __str__(self) -> str:
        agree = f"{int(self.agrees.sum())} of {len(self.losses)} searches agree, |gradient| = {self.gradient_norm:.0e}"
        bound = self.lower_bound
        known = "no lower bound is known" if bound is None else f"proved: L* >= {bound.evaluate():.6g} ({bound.name})"
        broken = "" if self.is_complete else "; interrupted"
        return f"L* <= {self.loss}; {agree}; {known}{broken}"
