"""What an experiment is: a question, a way to run it in one of three sizes, and a result that a page can show."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory import InputError
from theory.arguments import one_of
from verify.sweeps.sweep import sweep
from verify.tables import text_table, write_atomically, write_bytes_atomically
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

__all__ = ["SIZES", "Experiment", "Outcome", "Run", "Table", "claim", "good_seeds", "interval", "shown_interval"]

SIZES = ("quick", "standard", "full")
Progress = Callable[[float, float, str], None]


@dataclass(frozen=True)
class Run:
    """How an experiment is run.

    Attributes:
        size: "quick" (under a minute, to see that it works), "standard" (what the docs show) or "full" (the published
            sizes and more seeds).
        folder: where finished work is kept; None to keep nothing.
        workers: processes.
        progress: called with (done, total, text).
    """

    size: str = "standard"
    folder: Path | None = None
    workers: int = 1
    progress: Progress | None = None

    def __post_init__(self) -> None:
        one_of("size", self.size, SIZES)

    def choose(self, quick: Any, standard: Any, full: Any) -> Any:
        """The value for this size."""
        return {"quick": quick, "standard": standard, "full": full}[self.size]

    def sweep(self, name: str, grid: Mapping[str, Any]) -> xarray.Dataset:
        """A sweep of the experiment, resumed from the folder where it was interrupted."""
        report = self.progress or (lambda done, total, text: None)
        store = None if self.folder is None else self.folder / "sweeps" / name
        return sweep(grid, store, workers=self.workers, progress=lambda d, t, text: report(d, t, f"{name}: {text}"))


@dataclass(frozen=True)
class Table:
    """A metric table: a title, a header and rows of plain values."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def to_text(self) -> str:
        """For a terminal."""
        numeric = [j for j in range(len(self.header)) if all(_is_number(row[j]) for row in self.rows)]
        return f"{self.title}\n\n{text_table(self.header, [list(map(_shown, row)) for row in self.rows], numeric)}"

    def to_markdown(self) -> str:
        """For a page of the docs."""
        numeric = [all(_is_number(row[j]) for row in self.rows) for j in range(len(self.header))]
        rule = "|" + "|".join("--:" if right else "---" for right in numeric) + "|"
        lines = [_markdown_row(row) for row in (self.header, *self.rows)]
        return "\n".join([f"**{self.title}**", "", lines[0], rule, *lines[1:]])


@dataclass(frozen=True)
class Outcome:
    """What running an experiment gave.

    Attributes:
        protocol: how it was run, in sentences.
        tables: its metrics.
        claims: each verbal claim of the source with verdict, metric and interval.
        figures: by file name without ending.
    """

    protocol: Sequence[str]
    tables: Sequence[Table]
    claims: Sequence[Verdict]
    figures: Mapping[str, Figure] = field(default_factory=dict)

    def to_text(self) -> str:
        """For a terminal."""
        parts = [*(f"  {line}" for line in self.protocol), ""]
        for table in self.tables:
            parts += [table.to_text(), ""]
        return "\n".join([*parts, "Claims", "", *(str(verdict) for verdict in self.claims)])

    def to_markdown(self) -> str:
        """For a page of the docs, without figures."""
        lines = [f"- {line}" for line in self.protocol]
        for table in self.tables:
            lines += ["", table.to_markdown()]
        lines += ["", "| claim | verdict | measured |", "|---|---|---|"]
        lines += [_markdown_row((v.statement, v.status, v.reason)) for v in self.claims]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "protocol": list(self.protocol),
            "tables": [
                {"title": t.title, "header": list(t.header), "rows": [list(map(_plain, row)) for row in t.rows]}
                for t in self.tables
            ],
            "claims": [verdict.to_dict() for verdict in self.claims],
        }

    def write(self, folder: Path) -> list[Path]:
        """Write figures (SVG and PNG), result.json and result.md, each whole or not at all."""
        from verify.plots.style import as_png, as_svg

        written = []
        for name, figure in self.figures.items():
            for ending, content in ((".svg", as_svg(figure)), (".png", as_png(figure))):
                written.append(folder / f"{name}{ending}")
                write_bytes_atomically(written[-1], content)
        for name, text in (
            ("result.json", json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"),
            ("result.md", self.to_markdown() + "\n"),
        ):
            written.append(folder / name)
            write_atomically(written[-1], text)
        return written


@dataclass(frozen=True)
class Experiment:
    """A published experiment.

    Attributes:
        name: on the command line.
        title: in a heading.
        question: what it asks, in a sentence.
        source: the publication.
        run: computes it; call `perform`.
    """

    name: str
    title: str
    question: str
    source: str
    run: Callable[[Run], Outcome]

    def perform(self, how: Run) -> Outcome:
        """Run it. A quick run is too short to judge a claim: its measurements are shown, its verdicts are undecided."""
        outcome = self.run(how)
        if how.size != "quick":
            return outcome
        unjudged = [
            replace(verdict, status="undecided", reason=f"not judged by a quick run; measured: {verdict.reason}")
            if verdict.status in ("supported", "refuted")
            else verdict
            for verdict in outcome.claims
        ]
        return replace(outcome, claims=unjudged)


def interval(values: Any, seed: int = 0, draws: int = 4000) -> tuple[float, float, float]:
    """Mean of independent values (one per seed) with a 95 % bootstrap interval: (mean, low, high).

    Raises:
        InputError: no value, or one that is not finite.
    """
    values = np.asarray(values, dtype=float)
    if not values.size or not np.isfinite(values).all():
        raise InputError(f"values={values!r:.80} must be finite numbers, at least one")
    means = values[np.random.default_rng(seed).integers(len(values), size=(draws, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def shown_interval(values: Any, percent: bool = False) -> str:
    """The mean of independent values with its 95 % bootstrap interval, as text."""
    if not np.asarray(values).size:
        return "none"
    mean, low, high = interval(values)
    show = (lambda v: f"{v:.0%}") if percent else (lambda v: f"{v:.3g}")
    return show(mean) if high - low < 1e-9 else f"{show(mean)} [{show(low)}, {show(high)}]"


def good_seeds(cell: xarray.Dataset, negligible: float = 0.0) -> np.ndarray:
    """Weights of the seeds within 1 % of the best known loss, or of the best seed where none is: shape (kept, m, n).

    Args:
        cell: one cell of a sweep.
        negligible: a loss that is as good as none, where the best is 0 and a ratio means nothing.

    Raises:
        InputError: every seed diverged.
    """
    losses = np.where(cell["diverged"].values, np.inf, cell["loss"].values)
    best = losses.min()
    if not np.isfinite(best):
        raise InputError("every seed of a cell diverged; nothing can be measured on it")
    kept = cell["reached"].values.astype(bool) if "reached" in cell else losses <= max(1.01 * best, negligible)
    return np.asarray(cell["W"].values[kept if kept.any() else losses == best])


def claim(statement: str, holds: bool | None, measured: str, **evidence: Any) -> Verdict:
    """The verdict on a verbal claim: supported, refuted (by float evidence), or undecided where `holds` is None."""
    status = "undecided" if holds is None else "supported" if holds else "refuted"
    return Verdict(statement, status, measured, evidence={key: _plain(value) for key, value in evidence.items()})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    if not _is_number(value):
        return str(value)
    return "—" if not np.isfinite(value) else f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def _markdown_row(row: Sequence[Any]) -> str:
    # A bare | would end the cell.
    return "| " + " | ".join(_shown(entry).replace("|", r"\|") for entry in row) + " |"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
