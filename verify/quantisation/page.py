"""A page in a folder: one HTML file with its figures inline, the figures as files, and the data as JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify.tables import write_atomically, write_bytes_atomically
from verify.verdicts import versions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Table", "write_page"]


@dataclass(frozen=True)
class Table:
    """A titled table of text cells."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def write_page(
    folder: Path,
    title: str,
    lead: str,
    tables: Sequence[Table],
    figures: Sequence[tuple[str, Figure, str]],
    data: Any,
    command: str,
) -> None:
    """Write index.html, NAME.png and NAME.svg of every (name, figure, caption), and results.json."""
    from jinja2 import Environment, StrictUndefined

    from verify.plots.style import as_png, as_svg

    shown = []
    for name, figure, caption in figures:
        svg = as_svg(figure)
        write_bytes_atomically(folder / f"{name}.svg", svg)
        write_bytes_atomically(folder / f"{name}.png", as_png(figure))
        source = "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
        shown.append({"source": source, "caption": caption})
    text = (resources.files("verify.quantisation") / "page.html.j2").read_text(encoding="utf-8")
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
    known = ", ".join(f"{name} {value}" for name, value in versions().items())
    html = template.render(title=title, lead=lead, tables=tables, figures=shown, command=command, versions=known)
    write_atomically(folder / "results.json", json.dumps(data, indent=1, allow_nan=False) + "\n")
    write_atomically(folder / "index.html", html)
