"""Running means and variances in constant memory, and 95 % intervals of weighted sums of means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numerics.setting import Array

__all__ = ["Running", "half_width", "student"]


class Running:
    """Count, mean and squared deviations of a stream of totals; mean per feature beside it."""

    def __init__(self, n: int) -> None:
        self.count, self.mean, self.squares = 0, 0.0, 0.0
        self.per_feature = np.zeros(n)

    def add(self, totals: Array, means: Array) -> None:
        """Chan's update: merges a block without ever forming a difference of large sums."""
        size = len(totals)
        mean = float(totals.mean())
        shift, self.count = mean - self.mean, self.count + size
        share = size / self.count
        self.squares += float(((totals - mean) ** 2).sum()) + shift**2 * share * (self.count - size)
        self.mean += shift * share
        self.per_feature += (means - self.per_feature) * share

    @property
    def variance(self) -> float:
        """Of one draw; infinite while it is unknown."""
        return self.squares / (self.count - 1) if self.count > 1 else np.inf


def student(degrees: float) -> float:
    """The two-sided 95 % quantile of Student's t; infinite without a degree of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975)) if degrees > 0 else np.inf


def half_width(weights: Array | Sequence[float], runs: Sequence[Running]) -> float:
    """Half-width of the 95 % interval of sum_h w_h mean_h, with Welch and Satterthwaite's degrees of freedom.

    The variance is V = sum_h v_h, v_h = w_h**2 s_h**2 / n_h; the degrees are V**2 / sum_h v_h**2/(n_h - 1).
    """
    parts = np.array([w**2 * run.variance / max(run.count, 1) for w, run in zip(weights, runs, strict=True)])
    total = float(parts.sum())
    if total == 0 or not np.isfinite(total):
        return total
    # Scaled first: the squares of tiny variances would vanish.
    degrees = 1 / sum((part / total) ** 2 / (run.count - 1) for part, run in zip(parts, runs, strict=True))
    return student(degrees) * float(np.sqrt(total))
