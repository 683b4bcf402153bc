"""A theorem: a statement of the theory with its assumptions, its steps, its equality case and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from theory.arguments import one_of
from theory.bound import Step

__all__ = ["STATUSES", "Theorem"]

STATUSES = ("proved", "numerical", "open")


@dataclass(frozen=True)
class Theorem:
    """One numbered statement of docs/theory.md, or a part of one.

    Attributes:
        key: as the documents cite it: "T2", "T3(a)", "T5(e)".
        title: a few words.
        statement: the claim in plain text.
        relation: the claim as a sympy relation where it can be written as one; else None. It is shown, not checked.
        assumptions: sentences; every one is needed.
        derivation: the steps; `check` re-proves those that carry a relation.
        equality: when the claim is attained, or how sharp it is.
        status: "proved" (by a written proof whose algebra is re-checked), "numerical" (only observed) or "open".
        source: where the proof is written, and whose it is.
        bounds: names of the lower and upper bounds that state it for a model.
        functions: dotted names of the functions that compute it.
    """

    key: str
    title: str
    statement: str
    status: str
    source: str
    assumptions: tuple[str, ...] = ()
    relation: sympy.Basic | None = None
    derivation: tuple[Step, ...] = ()
    equality: str = ""
    bounds: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        one_of("status", self.status, STATUSES)

    def check(self) -> dict[str, bool | None]:
        """Every step's statement with the outcome of re-checking it (None for steps argued in words)."""
        return {step.statement: step.check() for step in self.derivation}

    def __str__(self) -> str:
        return f"{self.key} [{self.status}] {self.title}: {self.statement}"
