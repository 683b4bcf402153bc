"""The catalogue of theorems T1-T12: every statement of docs/theory.md as an object that re-checks its own algebra."""

from __future__ import annotations

from functools import cache

from theory.arguments import InputError, one_of
from theory.theorem import Theorem

__all__ = ["theorem", "theorems"]


@cache
def theorems() -> tuple[Theorem, ...]:
    """Every theorem on the loss, T1 to T12 with their parts, in the order of docs/theory.md."""
    # Building the relations takes a moment, so that merely importing the package must not pay for it.
    from theory.loss.theorems.capacity import capacity_theorems
    from theory.loss.theorems.density import density_theorems
    from theory.loss.theorems.exact import exact_theorems
    from theory.loss.theorems.first_order import first_order_theorems

    found = (*first_order_theorems(), *capacity_theorems(), *density_theorems(), *exact_theorems())
    return tuple(sorted(found, key=lambda entry: int(entry.key.partition("(")[0][1:])))


def theorem(key: str) -> Theorem:
    """A theorem by its key: "T2", "T3(a)", "T5(e)".

    Raises:
        InputError: no such key; the message lists the parts of that number, or every key.
    """
    known = {entry.key: entry for entry in theorems()}
    if key in known:
        return known[key]
    parts = [name for name in known if name.partition("(")[0] == key]
    if parts:
        raise InputError(f"theorem={key!r} has parts; choose one of {', '.join(parts)}")
    return known[one_of("theorem", key, known)]
