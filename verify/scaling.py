"""The loss against the hidden dimension for power-law densities: proved interval, search, and fitted exponent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

import numerics
import theory
from theory import InputError, ScalingExponent
from theory.arguments import exact
from theory.loss.unequal.power_laws import tail_interval, zipf_interval

__all__ = ["ScalingStudy", "fitted_exponent", "scaling_study"]

_SLACK = 1e-7


@dataclass(frozen=True)
class ScalingStudy:
    """The lost stake Lambda(m) for p_i = p_1 i^(-s), in units of p_1, and how it falls.

    Attributes:
        activation: its name.
        s: exponent of the densities.
        n: number of features that are treated one by one.
        many: whether infinitely many further features follow; a search drops them.
        hidden: m, shape (K,), increasing.
        lower, upper: the proved interval of Lambda at each m, shape (K,).
        dedicated: Lambda where the m largest densities get a dimension each, shape (K,).
        found: the smallest Lambda found by search, shape (K,); NaN without search.
        floor: (mu_2 - kappa) sum_i i^(-s), so that the loss is p_1 (floor + kappa Lambda).
        kappa: the constant of the law.
        exponent: what is proved about the slope for infinitely many features.
        fit: (slope, half-width of its 95 % confidence interval) through `found`; None for fewer than three points.
        constructions: of the upper bound, one per m.
    """

    activation: str
    s: float
    n: int
    many: bool
    hidden: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    dedicated: np.ndarray
    found: np.ndarray
    floor: float
    kappa: float
    exponent: ScalingExponent | None
    fit: tuple[float, float] | None
    constructions: tuple[str, ...]

    @property
    def slopes(self) -> tuple[float, float]:
        """The mean slopes over the whole range of m that the proved interval leaves: (least, most)."""
        span = float(np.log(self.hidden[-1] / self.hidden[0]))
        if span == 0 or min(self.lower.min(), self.upper.min()) <= 0:
            return float("nan"), float("nan")
        least = np.log(self.lower[0] / self.upper[-1]) / span
        return float(least), float(np.log(self.upper[0] / self.lower[-1]) / span)

    @property
    def violated(self) -> bool:
        """Whether a search went below the lower bound, which would refute it."""
        scale = self.dedicated[0] if len(self.dedicated) else 1.0
        return bool(np.any(self.found < self.lower * (1 - _SLACK) - 1e-12 * scale))

    def to_dict(self) -> dict[str, Any]:
        """Plain data; the exponents as text, so that they stay exact."""
        exponent = self.exponent
        return {
            "activation": self.activation,
            "s": self.s,
            "n": self.n,
            "many": self.many,
            "m": self.hidden.tolist(),
            "lost_lower": self.lower.tolist(),
            "lost_upper": self.upper.tolist(),
            "lost_dedicated": self.dedicated.tolist(),
            "lost_found": [None if np.isnan(v) else float(v) for v in self.found],
            "floor": self.floor,
            "kappa": self.kappa,
            "exponent": None if exponent is None else [str(exponent.lower), str(exponent.upper)],
            "fit": None if self.fit is None else list(self.fit),
            "slopes_left_by_bounds": [None if np.isnan(v) else v for v in self.slopes],
            "constructions": list(self.constructions),
        }


def scaling_study(
    activation: Any,
    s: Any,
    n: int = 200,
    hidden: Sequence[int] = (2, 4, 8, 16, 32),
    law: Any = "uniform",
    restarts: int = 6,
    seed: int = 0,
    steps: int = 1500,
    many: bool = False,
    progress: Callable[[float, float, str], None] | None = None,
) -> ScalingStudy:
    """Bounds, search and slope for densities p_i = p_1 i^(-s) of n features, at first order in p_1.

    Args:
        activation: a power activation, without bias.
        s: exponent >= 0.
        n: number of features.
        hidden: hidden dimensions m, increasing.
        law: of an active feature.
        restarts: starts of the search at each m; 0 leaves the search out.
        seed: of the search.
        steps: quasi-Newton steps per start.
        many: infinitely many features, of which a search places the first n and drops the others; needs s > 1.
        progress: called with (done, total, text).

    Raises:
        InputError: sizes below 1 or not increasing, or an activation without first-order theory.
    """
    sizes = [int(m) for m in hidden]
    if not sizes or sizes[0] < 1 or any(b <= a for a, b in pairwise(sizes)):
        raise InputError(f"hidden={list(hidden)} must be increasing integers >= 1")
    if isinstance(restarts, bool) or restarts < 0:
        raise InputError(f"restarts={restarts} must be an integer >= 0")
    sigma = theory.activation(activation)
    weights = theory.zipf_densities(n, s)
    power = exact("s", s)
    kappa, mu_2 = theory.law_constant(law, sigma), theory.feature_law(law).moment(2)
    columns: list[tuple[float, float, float, float]] = []
    constructions = []
    tail = float(tail_interval(power, n)[1]) if many else 0.0
    floor = float(mu_2 - kappa) * (float(sum(weights)) + tail)
    for i, m in enumerate(sizes):
        if progress is not None:
            progress(i, len(sizes), f"m = {m}")
        if many:
            low, high, spread = zipf_interval(sigma, m, s, n, law)
            lost, construction = (float(low), float(high)), spread.description
        else:
            interval = theory.first_order_interval(sigma, m, weights, law=law)
            lost, construction = (float(interval.lost[0]), float(interval.lost[1])), interval.construction
        found = float("nan")
        if restarts:
            floats = [float(w) for w in weights]
            found = numerics.minimise_first_order(
                sigma, m, floats, law=law, restarts=restarts, seed=seed, steps=steps
            ).lost
        columns.append((*lost, float(sum(weights[m:])) + tail, found + tail))
        constructions.append(construction)
    lower, upper, dedicated, searched = np.array(columns).T
    exponent = None
    if power > 1:
        exponent = theory.scaling_exponent(sigma, s, law=law)
    fit = fitted_exponent(np.array(sizes), searched) if restarts else None
    return ScalingStudy(
        sigma.name, float(s), n, many, np.array(sizes), lower, upper, dedicated, searched, floor, float(kappa),
        exponent, fit, tuple(constructions),
    )  # fmt: skip


def fitted_exponent(hidden: np.ndarray, lost: np.ndarray) -> tuple[float, float] | None:
    """Least squares of log Lambda against log m: the exponent and the half-width of its 95 % confidence interval.

    Curvature counts as scatter: for few features the slope is not one number, and a wide interval says so.
    """
    from scipy import stats

    usable = np.isfinite(lost) & (lost > 0)
    if usable.sum() < 3:
        return None
    result = stats.linregress(np.log(hidden[usable]), np.log(lost[usable]))
    half = float(stats.t.ppf(0.975, int(usable.sum()) - 2)) * float(result.stderr)
    return -float(result.slope), half
