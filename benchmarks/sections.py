"""Sections of a page that several benchmarks share: each script replaces its own, between two markers.

A section lies between `<!-- name: begin -->` and `<!-- name: end -->`; one that is not there yet goes to the end.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from verify.tables import write_atomically

__all__ = ["machine", "markdown_table", "replaced", "write_section"]


def machine() -> str:
    """What the times were taken on, for one line under a title."""
    return f"{platform.machine()}, {os.cpu_count()} cores, one thread"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> list[str]:
    """Lines of a table; the columns listed in `left` are left-aligned, the others right-aligned."""
    rule = ["---" if j in left else "--:" for j in range(len(header))]
    return ["| " + " | ".join(row) + " |" for row in (header, rule, *rows)]


def replaced(text: str, name: str, section: str) -> str:
    """`text` with the section of that name replaced, or with it at the end.

    Raises:
        ValueError: only one of the two markers is there, or they are in the wrong order.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    new = f"{begin}\n{section.strip()}\n{end}\n"
    if begin not in text and end not in text:
        return (text.rstrip() + "\n\n" if text.strip() else "") + new
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has one marker of section {name!r} without the other; restore it, or remove both")
    following = after.lstrip("\n")
    return before + new + ("\n" + following if following else "")


def write_section(page: Path, name: str, section: str) -> None:
    """Replace the section in a file, which may not exist yet."""
    write_atomically(page, replaced(page.read_text(encoding="utf-8") if page.exists() else "", name, section))
