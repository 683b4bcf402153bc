"""`superposition theorems`: the catalogue, or one theorem with its steps re-checked."""

from __future__ import annotations

import argparse
from typing import Any

import theory
from theory import Theorem
from verify.commands.output import Output
from verify.tables import text_table

__all__ = ["run"]

_MARKS = {True: "checked", False: "FAILED", None: "argued"}


def run(arguments: argparse.Namespace) -> Output:
    """The list of theorems, or those of one key; exit code 1 where a step fails its check."""
    found = [
        entry
        for entry in theory.theorems()
        if arguments.key in (None, entry.key, entry.key.partition("(")[0]) and arguments.status in (None, entry.status)
    ]
    if arguments.key is not None and not found:
        found = [theory.theorem(arguments.key)]  # raises the sentence that lists the keys, or shows it all the same
    outcomes = [entry.check() for entry in found]
    data = [_data(entry, checked) for entry, checked in zip(found, outcomes, strict=True)]
    failed = any(ok is False for checked in outcomes for ok in checked.values())
    if arguments.key is None:
        rows = [
            (entry.key, entry.status, _count(checked), entry.title)
            for entry, checked in zip(found, outcomes, strict=True)
        ]
        text = text_table(("theorem", "status", "steps re-checked", "title"), rows)
    else:
        text = "\n\n".join(_text(entry, checked) for entry, checked in zip(found, outcomes, strict=True))
    return Output(text, data, 1 if failed else 0)


def _count(checked: dict[str, bool | None]) -> str:
    return f"{sum(ok is True for ok in checked.values())} of {len(checked)}"


def _text(entry: Theorem, checked: dict[str, bool | None]) -> str:
    lines = [f"{entry.key}  {entry.title}  [{entry.status}]", f"  {entry.statement}"]
    lines += [f"  assumes: {sentence}" for sentence in entry.assumptions]
    lines += [f"  {i}. [{_MARKS[ok]}] {sentence}" for i, (sentence, ok) in enumerate(checked.items(), 1)]
    if entry.equality:
        lines.append(f"  equality: {entry.equality}")
    if entry.bounds:
        lines.append(f"  bounds: {', '.join(entry.bounds)}")
    if entry.functions:
        lines.append(f"  functions: {', '.join(entry.functions)}")
    lines.append(f"  source: {entry.source}")
    return "\n".join(lines)


def _data(entry: Theorem, checked: dict[str, bool | None]) -> dict[str, Any]:
    return {
        "key": entry.key,
        "title": entry.title,
        "status": entry.status,
        "statement": entry.statement,
        "relation": _written(entry.relation),
        "assumptions": list(entry.assumptions),
        "steps": [
            {
                "statement": step.statement,
                "relation": None if step.relation is None else str(step.relation),
                "holds": ok,
            }
            for step, ok in zip(entry.derivation, checked.values(), strict=True)
        ],
        "equality": entry.equality,
        "bounds": list(entry.bounds),
        "functions": list(entry.functions),
        "source": entry.source,
    }


def _written(relation: Any) -> str | None:
    return None if relation is None else str(relation)
