"""A number that always carries its error and the kind of that error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from theory.arguments import one_of

__all__ = ["KINDS", "Estimate"]

KINDS = ("exact", "enclosure", "estimate", "statistical")


@dataclass(frozen=True)
class Estimate:
    """A value with an error, never a bare float.

    Attributes:
        value: the number.
        error: half-width of the interval around it, >= 0. For "exact" it is the rounding error.
        kind: "exact" (closed form, error is rounding only), "enclosure" (a proved bound on the error), "estimate"
            (an a-posteriori estimate, usually safe, not proved) or "statistical" (95 % confidence interval).
        method: which route computed it: "exact", "quadrature", "monte_carlo".
        per_feature: the loss of each feature, not weighted by importance, shape (n,); None where not computed.
        evaluations: how many samples or integrand evaluations were spent.
        seconds: wall time.
        seed: where randomness was used.
        reason: a sentence: why this route, and what to know about the result.
    """

    value: float
    error: float
    kind: str
    method: str
    per_feature: np.ndarray | None = field(default=None, repr=False, compare=False)
    evaluations: int = 0
    seconds: float = 0.0
    seed: int | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        one_of("kind", self.kind, KINDS)

    @property
    def interval(self) -> tuple[float, float]:
        """(value - error, value + error)."""
        return self.value - self.error, self.value + self.error

    def agrees_with(self, other: Estimate, z: float = 1.0) -> bool:
        """Whether the two values differ by at most the sum of their errors (times z for statistical errors)."""
        allowed = sum(e.error * (z if e.kind == "statistical" else 1.0) for e in (self, other))
        return abs(self.value - other.value) <= allowed

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        words = {"exact": "rounding", "enclosure": "proved", "estimate": "estimated", "statistical": "95 %"}
        return f"{self.value:.12g} ± {self.error:.1e} ({self.method}, {words[self.kind]})"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings, ready for JSON."""
        return {
            "value": self.value,
            "error": self.error,
            "kind": self.kind,
            "method": self.method,
            "per_feature": None if self.per_feature is None else [float(v) for v in self.per_feature],
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "seed": self.seed,
            "reason": self.reason,
        }
