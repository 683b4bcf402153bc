"""Plain-text tables for the terminal, and writing files whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sympy

from theory.storage import write_bytes_atomically

__all__ = ["number", "text_table", "write_atomically", "write_bytes_atomically"]


def text_table(header: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[int] = ()) -> str:
    """Aligned columns under a ruled header; the columns listed in `right` are right-aligned."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[j]) for row in cells) for j in range(len(header))]
    align = lambda row: "  ".join(  # noqa: E731
        cell.rjust(width) if j in right else cell.ljust(width)
        for j, (cell, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    return "\n".join([align(cells[0]), "  ".join("─" * width for width in widths), *map(align, cells[1:])])


def number(value: Any, digits: int = 10) -> str:
    """A number to `digits` significant digits; a sympy expression with symbols as it is."""
    if isinstance(value, sympy.Expr) and value.free_symbols:
        return str(value)
    return f"{float(value):.{digits}g}"


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to `path` so that a reader sees the old file or the whole new one, never a part."""
    write_bytes_atomically(path, text.encode("utf-8"))
