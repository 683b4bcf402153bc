"""The outcome of checking a statement: what was found, and everything needed to check it again."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from theory.arguments import one_of

__all__ = ["EXIT_CODES", "STATUSES", "Verdict", "versions"]

STATUSES = ("proved", "refuted", "supported", "undecided")
EXIT_CODES: Mapping[str, int] = {"proved": 0, "supported": 0, "refuted": 1, "undecided": 3}


@dataclass(frozen=True)
class Verdict:
    """What checking a statement gave; never just "passes".

    Attributes:
        statement: the claim in a sentence.
        status: "proved" (by a derivation or certificate), "refuted" (by the counterexample), "supported" (nothing
            found against it in the recorded tries) or "undecided" (the reason says why).
        reason: why, in a sentence or a few.
        counterexample: for "refuted", exact and printable values that a person can check.
        is_exact: whether a refutation is itself proved (exact or interval arithmetic) rather than float evidence.
        evidence: what was tried: counts, extreme values, intervals.
        seed: the seed of every random try.
        versions: of the packages that computed it.
    """

    statement: str
    status: str
    reason: str = ""
    counterexample: Any = None
    is_exact: bool = False
    evidence: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: versions(), repr=False, compare=False)

    def __post_init__(self) -> None:
        one_of("status", self.status, STATUSES)

    @property
    def exit_code(self) -> int:
        """0 for proved or supported, 1 for refuted, 3 for undecided."""
        return EXIT_CODES[self.status]

    def __str__(self) -> str:
        lines = [f"{self.status.upper()}: {self.statement}"]
        if self.reason:
            lines.append(f"  {self.reason}")
        if self.counterexample is not None:
            lines.extend("  " + line for line in str(self.counterexample).splitlines())
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        shown = self.counterexample
        return {
            "statement": self.statement,
            "status": self.status,
            "reason": self.reason,
            "counterexample": shown.to_dict() if hasattr(shown, "to_dict") else None if shown is None else str(shown),
            "is_exact": self.is_exact,
            "evidence": dict(self.evidence),
            "seed": self.seed,
            "versions": dict(self.versions),
        }


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    found = {"python": platform.python_version()}
    for name in ("superposition-theory", "sympy", "numpy", "scipy", "torch", "hypothesis"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
