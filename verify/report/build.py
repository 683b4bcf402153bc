"""Run every stage, draw the figures, and write the page: whole, or not at all."""

from __future__ import annotations

import base64
import csv
import io
import platform
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from theory import InputError
from verify.report import stages
from verify.report.cache import StageCache
from verify.report.page import render_page
from verify.report.stages import ReportSize
from verify.tables import write_atomically, write_bytes_atomically
from verify.verdicts import versions

__all__ = ["ReportSummary", "build_report"]

Progress = Callable[[float, float, str], None]
# Shares of the time a default report takes, so that the bar moves evenly.
_SHARES = {"symbolic": 0.02, "claims": 0.03, "routes": 0.05, "symmetry": 0.2, "intervals": 0.2, "density": 0.5}


@dataclass(frozen=True)
class ReportSummary:
    """What a report found and where it is.

    Attributes:
        page: path of index.html.
        files: every file written, relative to the page's folder.
        verdicts: how many claims were proved, refuted, supported, undecided.
        problems: what contradicts a proved statement; empty in a healthy report.
        seconds: wall time.
        stages: seconds of each stage, and whether it came from the cache.
    """

    page: Path
    files: tuple[str, ...]
    verdicts: dict[str, int]
    problems: tuple[str, ...]
    seconds: float
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0, or 1 where something contradicts a proved statement."""
        return 1 if self.problems else 0

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.verdicts.items())
        lines = [f"{self.page}  ({self.seconds:.0f} s)", f"  verdicts: {counts}"]
        lines += [f"  CONTRADICTION: {problem}" for problem in self.problems]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "page": str(self.page), "files": list(self.files), "problems": list(self.problems)}


def build_report(
    out: Path | str, full: bool = False, seed: int = 0, progress: Progress | None = None, size: ReportSize | None = None
) -> ReportSummary:
    """Derive, compute, train and check everything, and write one self-contained page with its figures and data.

    Finished stages are kept in out/.cache, so that an interrupted run resumes; the page is written last and at once.

    Args:
        out: folder of index.html, figures/ and data/; made if missing.
        full: the full sweep instead of the two-minute one.
        seed: of every random choice.
        progress: called with (done, total, text).
        size: how much to compute, instead of one of the two presets.

    Raises:
        InputError: `out` is a file.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"out={out} is a file; give a folder for the report")
    folder.mkdir(parents=True, exist_ok=True)
    size = size or (ReportSize.full() if full else ReportSize())
    started = time.perf_counter()
    results, timings = _run_stages(
        StageCache(folder / ".cache"), size, seed, progress or (lambda done, total, text: None)
    )
    problems = contradictions(results)
    files = _data_files(results)
    verdicts = dict(_verdict_counts(results))
    context: dict[str, Any] = {
        "results": results,
        "problems": problems,
        "timings": timings,
        "versions": versions(),
        "machine": f"{platform.system()} {platform.machine()}",
        "seed": seed,
        "size": asdict(size),
        "is_full": full,
        "verdicts": verdicts,
        "data_files": sorted(files),
        "seconds": time.perf_counter() - started,
    }
    html, figures = render_page(context)
    files.update(figures)
    for name, content in files.items():
        write_bytes_atomically(folder / name, content)
    page = folder / "index.html"
    write_atomically(page, html)
    seconds = time.perf_counter() - started
    return ReportSummary(page, tuple(sorted([*files, "index.html"])), verdicts, tuple(problems), seconds, timings)


def contradictions(results: dict[str, Any]) -> list[str]:
    """Everything computed or trained that contradicts a proved statement, beyond its stated error."""
    found = []
    for panel in results["density"]["panels"]:
        for p, lower, losses, errors in zip(
            panel["points"], panel["lower"], panel["trained"], panel["errors"], strict=True
        ):
            for loss, error in zip(losses, errors, strict=True):
                if loss is not None and loss < lower - 2 * error - 1e-9 * lower:
                    where = f"{panel['activation']}, p = {p:g}"
                    found.append(f"{where}: a trained loss {loss:.9g} is below the bound {lower:.9g}")
    for panel in results["intervals"]["panels"]:
        for n, lower, best, upper in zip(panel["n"], panel["lower"], panel["best"], panel["upper"], strict=True):
            if not lower - 1e-9 <= best:
                found.append(f"{panel['activation']}, n = {n}, m = {panel['m']}: c(W) below its proved lower bound")
            if lower > upper + 1e-9:
                found.append(f"{panel['activation']}, n = {n}, m = {panel['m']}: lower bound above upper bound")
    return found


def _run_stages(
    cache: StageCache, size: ReportSize, seed: int, progress: Progress
) -> tuple[dict[str, Any], dict[str, Any]]:
    results: dict[str, Any] = {}
    timings: dict[str, Any] = {}
    done = 0.0
    for name, share in _SHARES.items():
        progress(done, 1.0, name)

        def tick(fraction: float, text: str, base: float = done, part: float = share) -> None:
            progress(base + part * fraction, 1.0, text)

        def compute(stage: str = name, report: Callable[[float, str], None] = tick) -> Any:
            if stage == "symbolic":
                return stages.symbolic(size)
            return getattr(stages, stage)(size, seed, report)

        started = time.perf_counter()
        results[name], cached = cache.get(name, {"size": asdict(size), "seed": seed}, compute)
        timings[name] = {"seconds": time.perf_counter() - started, "cached": cached}
        done += share
    progress(1.0, 1.0, "drawing")
    return results, timings


def _verdict_counts(results: dict[str, Any]) -> Counter[str]:
    statuses = [row["status"] for row in results["claims"]["rows"]]
    statuses += [verdict["status"] for row in results["symmetry"]["rows"] for verdict in row["verdicts"]]
    return Counter(dict(sorted(Counter(statuses).items())))


def _data_files(results: dict[str, Any]) -> dict[str, bytes]:
    losses: list[tuple] = [
        ("activation", "n", "m", "density", "lower_bound", "minimised", "upper_bound", "seed", "trained", "error")
    ]
    n, m = results["density"]["n"], results["density"]["m"]
    for panel in results["density"]["panels"]:
        for j, p in enumerate(panel["points"]):
            shared = (panel["activation"], n, m, p, panel["lower"][j], panel["minimised"][j], panel["upper"][j])
            pairs = zip(panel["trained"][j], panel["errors"][j], strict=True)
            losses += [(*shared, k, loss, error) for k, (loss, error) in enumerate(pairs)]
    intervals: list[tuple] = [
        ("activation", "m", "n", "lower_over_n_mu2", "best_over_n_mu2", "upper_over_n_mu2", "lower_name", "upper_name")
    ]
    for panel in results["intervals"]["panels"]:
        for j, features in enumerate(panel["n"]):
            values = (panel["lower"][j], panel["best"][j], panel["upper"][j])
            intervals.append((panel["activation"], panel["m"], features, *values, *panel["names"][j]))
    symmetry: list[tuple] = [
        ("activation", "derived_group", "status", *(f"equivariant_under_{key}" for key in results["symmetry"]["keys"]))
    ]
    for row in results["symmetry"]["rows"]:
        symmetry.append((row["activation"], row["group"], row["status"], *(v["status"] for v in row["verdicts"])))
    routes: list[tuple] = [("case", "model", "route", "value", "error", "kind", "refused")]
    for row in results["routes"]["rows"]:
        for route in row["routes"]:
            cells = (route.get("value"), route.get("error"), route.get("kind"), route.get("refused"))
            routes.append((row["label"], row["model"], route["method"], *cells))
    tables: dict[str, list[tuple]] = {
        "loss_per_density": losses,
        "intervals": intervals,
        "symmetry": symmetry,
        "routes": routes,
    }
    files = {f"data/{name}.csv": _csv(rows) for name, rows in tables.items()}
    files["data/training.nc"] = base64.b64decode(results["density"]["netcdf"])
    return files


def _csv(rows: list[tuple]) -> bytes:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(["" if v is None else v for v in row] for row in rows)
    return target.getvalue().encode()
