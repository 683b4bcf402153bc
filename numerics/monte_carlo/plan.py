"""What a sampling scheme computes before it draws: exact terms, strata, evaluators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.monte_carlo.controls import control_means
from numerics.monte_carlo.drawing import Drawer
from numerics.monte_carlo.evaluation import Evaluator
from numerics.monte_carlo.few_active import few_active_loss, none_active_loss, one_active_work
from numerics.monte_carlo.schemes import Scheme
from numerics.monte_carlo.strata import MOST_STRATA, Stratum, inclusions, strata
from numerics.setting import Array, Setting

__all__ = ["Plan", "plan"]

FEWEST_WORTH = 2**14


@dataclass(frozen=True)
class Plan:
    """A loss split into what is known and strata to draw from: L = known + sum_h P(h) E[loss | h].

    Attributes:
        known, known_error: the loss per feature from no and one active feature, shape (n,); 0 where that is drawn too.
        evaluations: spent on it.
        parts: the strata.
        drawers: of their inputs.
        chances: P(feature is active | stratum), shape (H, n).
        means: exact means of the controls in each stratum, shape (H, 5, n); None for a scheme without.
    """

    at: Setting
    scheme: Scheme
    evaluator: Evaluator
    known: Array
    known_error: Array
    evaluations: int
    parts: list[Stratum]
    drawers: list[Drawer]
    chances: Array
    means: Array | None

    @property
    def needs_pilot(self) -> bool:
        """Whether controls have to be fitted or draws to be shared out."""
        return self.scheme.has_controls or len(self.parts) > 1


def plan(
    at: Setting, scheme: Scheme, device: str | None = None, limit: int = MOST_STRATA, most: int | None = None
) -> Plan:
    """The exact part of a scheme and its strata, at most `limit` of them.

    Many features under a coupled activation have one active feature as a stratum too, where its integrals would cost
    more than `most` draws.
    """
    evaluator = Evaluator(at, device)
    if scheme.is_stratified and most is not None and one_active_work(at) > max(most, FEWEST_WORTH):
        known, evaluations = none_active_loss(at), at.n_features
        known_error = np.finfo(float).eps * known
        parts = strata(at.densities, limit, first=1)
    elif scheme.is_stratified:
        known, known_error, evaluations = few_active_loss(at)
        parts = strata(at.densities, limit)
    else:
        known, known_error, evaluations = np.zeros(at.n_features), np.zeros(at.n_features), 0
        parts = [Stratum(0, False, 1.0)]
    means = np.array([control_means(at, part) for part in parts]) if scheme.has_controls else None
    drawers = [Drawer(at.model.law, at.densities, part) for part in parts]
    chances = np.array([inclusions(at.densities, part) for part in parts])
    return Plan(at, scheme, evaluator, known, known_error, evaluations, parts, drawers, chances, means)
