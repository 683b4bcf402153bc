"""Every figure of the docs, drawn again from what it shows, and the measured sections of the experiments' page."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from theory import InputError
from theory.arguments import one_of
from verify.experiments import EXPERIMENTS, load
from verify.experiments.base import Outcome, Run
from verify.tables import write_atomically, write_bytes_atomically

__all__ = ["PICTURES", "gallery", "replace_section"]

Progress = Callable[[float, float, str], None]

PAGE = "experiments.md"


def gallery(
    docs: Path,
    work: Path,
    only: Sequence[str] | None = None,
    size: str = "standard",
    workers: int = 1,
    progress: Progress | None = None,
) -> list[Path]:
    """Draw the figures of the docs; finished work in `work` is kept, so that an interrupted run resumes.

    Args:
        docs: the folder with experiments.md and figures/.
        work: folder of sweeps, cells and stages.
        only: names of experiments and pictures; None for all.
        size: of the experiments, as `Run` takes it.
        workers: processes.
        progress: called with (done, total, text).

    Returns:
        The files written.

    Raises:
        InputError: an unknown name, or a page without the section of an experiment.
    """
    names = list(only) if only is not None else [*PICTURES, *EXPERIMENTS]
    for name in names:
        one_of("only", name, [*PICTURES, *EXPERIMENTS])
    report = progress or (lambda done, total, text: None)
    written: list[Path] = []
    for number, name in enumerate(names):
        step: Progress = lambda d, t, text, i=number: report(i + (d / t if t else 0), len(names), text)  # type: ignore[misc]  # noqa: E731
        step(0, 1, name)
        if name in PICTURES:
            path = docs / "figures" / f"{name}.png"
            write_bytes_atomically(path, PICTURES[name](work / name, workers, step))
            written.append(path)
        else:
            replace_section((docs / PAGE).read_text(encoding="utf-8"), f"experiment {name}", "", str(docs / PAGE))
            outcome = load(name).perform(Run(size, work / "experiments" / name, workers, step))
            written += _experiment(docs, name, outcome)
    report(1, 1, "done")
    return written


def _experiment(docs: Path, name: str, outcome: Outcome) -> list[Path]:
    from verify.plots.style import as_png

    page = docs / PAGE
    text = replace_section(page.read_text(encoding="utf-8"), f"experiment {name}", outcome.to_markdown(), str(page))
    written = []
    for figure, drawn in outcome.figures.items():
        written.append(docs / "figures" / f"{figure}.png")
        write_bytes_atomically(written[-1], as_png(drawn, dpi=110))
    write_atomically(page, text)
    return [*written, page]


def replace_section(page: str, name: str, text: str, where: str) -> str:
    """The page with the lines between `<!-- NAME: begin -->` and `<!-- NAME: end -->` replaced.

    Raises:
        InputError: the two marks are not there, once each and in this order.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if len(re.findall(re.escape(begin), page)) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise InputError(f"{where} must hold {begin!r} and {end!r}, once each and in this order")
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n{text.strip()}\n{end}{after}"


def _loss_per_density(work: Path, workers: int, progress: Progress) -> bytes:
    from verify.report import build_report

    build_report(work, progress=progress)
    return (work / "figures" / "loss_per_density.png").read_bytes()


def _phase_diagram(work: Path, workers: int, progress: Progress) -> bytes:
    from verify.phases.diagram import EVERY_POWER, phase_diagram
    from verify.plots.phase import phase_diagram_figure
    from verify.plots.style import as_png

    settings = [
        (name, bias) for names in (EVERY_POWER[:3], EVERY_POWER[3:]) for bias in (False, True) for name in names
    ]
    diagrams = []
    for done, (name, bias) in enumerate(settings):
        step: Progress = lambda d, t, text, i=done: progress(i + d / t, len(settings), text)  # type: ignore[misc]  # noqa: E731
        diagrams.append(phase_diagram(name, bias, size=61, progress=step))
    return as_png(phase_diagram_figure(diagrams), dpi=130)


def _atlas(work: Path, workers: int, progress: Progress) -> bytes:
    from verify.grid.atlas import atlas
    from verify.plots.atlas import atlas as draw
    from verify.plots.style import as_png

    return as_png(draw(atlas(n_hidden=range(1, 7), out=work, workers=workers, progress=progress)))


def _scaling(work: Path, workers: int, progress: Progress) -> bytes:
    from verify.plots.scaling import scaling_figure
    from verify.plots.style import as_png
    from verify.scaling import scaling_study

    names = ("relu", "power:2", "rectified-power:2")
    # Certificates for rectified powers in many dimensions are the slow part.
    reach = {name: [4, 8, 16, 32] + ([] if name == "rectified-power:2" else [64]) for name in names}
    jobs = [(name, s, 200, [2, 4, 8, 16, 32], 8, False) for s in (1.5, 2.0) for name in names]
    jobs += [(name, 1.5, 1500, reach[name], 0, True) for name in names]
    studies = []
    for done, (name, s, n, hidden, restarts, many) in enumerate(jobs):
        step: Progress = lambda d, t, text, i=done: progress(i + d / t, len(jobs), text)  # type: ignore[misc]  # noqa: E731
        studies.append(scaling_study(name, s, n, hidden, restarts=restarts, many=many, progress=step))
    return as_png(scaling_figure([studies[:3], studies[3:6], studies[6:]]), dpi=100)


@cache
def _quantisation_folder(folder: Path) -> Path:
    from verify.cli import build_parser
    from verify.commands import quantisation

    quantisation.run(build_parser().parse_args(["quantisation", "--full", "--out", str(folder)]))
    return folder


def _quantisation(picture: str) -> Callable[[Path, int, Progress], bytes]:
    def draw(work: Path, workers: int, progress: Progress) -> bytes:
        return (_quantisation_folder(work.parent / "quantisation") / f"{picture}.png").read_bytes()

    return draw


PICTURES: dict[str, Callable[[Path, int, Progress], bytes]] = {
    "loss_per_density": _loss_per_density,
    "phase_diagram": _phase_diagram,
    "atlas": _atlas,
    "scaling": _scaling,
    "quantisation_marks": _quantisation("marks_digits_sgd"),
    "quantisation_marks_sphere": _quantisation("marks_sphere_sgd"),
    "quantisation_profiles": _quantisation("profiles_digits"),
    "quantisation_reconstruction": _quantisation("reconstruction"),
}
