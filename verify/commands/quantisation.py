"""`superposition quantisation`: the same autoencoder, only its activation changed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory import InputError
from verify.commands.output import Output, progress_bar
from verify.tables import text_table, write_atomically

if TYPE_CHECKING:
    from verify.quantisation.experiment import Experiment
    from verify.quantisation.page import Table

__all__ = ["run"]

_QUICK = {"seeds": 3, "null_seeds": 5, "rotations": 4999, "steps": 600, "optimisers": ("sgd",)}
_USUAL = {"seeds": 10, "null_seeds": 20, "optimisers": ("sgd",)}
_FULL = {"seeds": 10, "null_seeds": 20, "optimisers": ("sgd", "adam")}
_SHOWN = ("tanh", "relu", "gelu", "isotropic:tanh", "isotropic:sqrt({n})*tanh(r/sqrt({n}))")
_CAPTIONS = {
    "marks": "How far the frame lies from random rotations of it, every seed a point; green where the symmetry of the "
    "activation predicts a mark. Conjugated networks carry their marks in the rotated frame.",
    "profiles": "One seed. Above: the turning cone, over isotropic rows; below: rows near the planes of the frame.",
    "reconstruction": "Reconstruction error: every seed, and the mean with its 95 % interval over seeds.",
}


def run(arguments: argparse.Namespace) -> Output:
    """Train, test every frame, print the verdicts; or measure the power of the statistics."""
    if arguments.power:
        return _power(arguments)
    from verify.quantisation.experiment import run_experiment
    from verify.quantisation.findings import findings
    from verify.quantisation.summary import markdown_summary

    options: dict[str, Any] = dict(_QUICK if arguments.quick else _FULL if arguments.full else _USUAL)
    for name in ("seeds", "steps", "rotations"):
        if getattr(arguments, name) is not None:
            options[name] = getattr(arguments, name)
    options["null_seeds"] = max(options["null_seeds"], options["seeds"])
    if arguments.activations:
        options["activations"] = tuple(word.strip() for word in arguments.activations.split(","))
        options["conjugated"] = tuple(a for a in options["activations"] if a in ("tanh", "relu", "gelu"))
    if arguments.optimisers:
        options["optimisers"] = tuple(word.strip() for word in arguments.optimisers.split(","))
    if arguments.widths:
        options["widths"] = _widths(arguments.widths)
    data = arguments.data or ("digits,sphere" if arguments.full else "digits")
    names = tuple(word.strip() for word in data.split(","))
    folder = Path(arguments.out)
    with progress_bar() as report_progress:
        experiment = run_experiment(
            names, seed=arguments.seed, store=folder / "trained", progress=report_progress, **options
        )
    verdicts = findings(experiment)
    tables = [_outcomes(experiment), _verdicts(verdicts)]
    result = {**experiment.to_dict(), "verdicts": [verdict.to_dict() for verdict in verdicts]}
    write_atomically(folder / "summary.md", markdown_summary(experiment, verdicts))
    _write(folder, experiment, names, tuple(options["optimisers"]), tables, result, arguments)
    lines = [f"{table.title}\n\n{text_table(table.header, table.rows)}\n" for table in tables]
    return Output("\n".join([*lines, f"page, figures and data in {folder}"]), result)


def _write(
    folder: Path,
    experiment: Experiment,
    names: tuple[str, ...],
    optimisers: tuple[str, ...],
    tables: list[Table],
    result: dict[str, Any],
    arguments: argparse.Namespace,
) -> None:
    from verify.plots.quantisation import frame_marks, profiles, reconstruction
    from verify.quantisation.page import write_page

    shown = tuple(dict.fromkeys(o.activation for o in experiment.outcomes if not o.conjugated))
    figures = []
    for name in names:
        label = Path(name).stem
        for optimiser in optimisers:
            caption = f"{label}, {optimiser}. {_CAPTIONS['marks']}"
            figures.append((f"marks_{label}_{optimiser}", frame_marks(experiment, name, [optimiser]), caption))
        few = [a for a in _SHOWN if a in shown] or shown[:5]
        caption = f"{label}, {optimisers[0]}. {_CAPTIONS['profiles']}"
        figures.append((f"profiles_{label}", profiles(experiment, name, optimisers[0], few), caption))
    figures.append(("reconstruction", reconstruction(experiment, names), _CAPTIONS["reconstruction"]))
    size = " --full" if arguments.full else " --quick" if arguments.quick else ""
    write_page(
        folder,
        "Quantised representations",
        "The same autoencoder with only its activation changed: does the symmetry of the activation shape what the "
        "network represents? Frames are tested against random rotations of themselves.",
        tables,
        figures,
        result,
        f"superposition quantisation --data {','.join(names)}{size} --seed {arguments.seed}",
    )


def _outcomes(experiment: Experiment) -> Table:
    from verify.quantisation.findings import mark_of, share_below
    from verify.quantisation.page import Table
    from verify.quantisation.statistics import seed_interval

    rows = []
    for outcome in experiment.outcomes:
        for frame, tests in outcome.tests.items():
            cells = []
            for name in ("T4", "T2"):
                value, low, high = seed_interval(tests[name]["value"])
                z = seed_interval(tests[name]["z"])[0]
                cells += [f"{value:+.3f} [{low:+.3f}, {high:+.3f}]", f"{z:+.1f}"]
            stage, which = frame.split("/")
            expected = mark_of(outcome) if outcome.marks else "none"
            rows.append((
                outcome.data, outcome.optimiser, outcome.title, outcome.training, expected, stage, which, *cells,
                f"{share_below(tests['any']['p'], 0.001):.2f}", f"{share_below(tests['any']['p'], 0.05):.2f}",
                f"{seed_interval(outcome.loss)[0]:.3f}", str(len(outcome.seeds)),
            ))  # fmt: skip
    header = ("data", "optimiser", "activation", "group", "mark", "stage", "frame", "T4 [95 %]", "z", "T2 [95 %]", "z")
    return Table(
        "Every setting", (*header, "p < .001", "p < .05", "error", "seeds"), rows
    )  # fmt: skip


def _verdicts(verdicts: list[Any]) -> Table:
    from verify.quantisation.page import Table

    return Table(
        "Verdicts", ("verdict", "statement", "because"), [(v.status, v.statement, v.reason) for v in verdicts]
    )  # fmt: skip


def _power(arguments: argparse.Namespace) -> Output:
    from verify.quantisation.power import power_study

    with progress_bar() as report_progress:
        study = power_study(clouds=50 if arguments.quick else 200, seed=arguments.seed, progress=report_progress)
    names = list(next(iter(study.power.values())))
    rows = [(kind, *(f"{power[name]:.2f}" for name in names)) for kind, power in study.power.items()]
    text = text_table(("share rejected at 5 %", *names), rows, right=range(1, len(names) + 1))
    note = (
        f"{study.clouds} clouds of {study.rows} rows in R^{study.dimension} each, {study.rotations} rotations; a share "
        f"of 0.5 is known to ±{study.error(0.5):.2f}"
    )
    return Output(f"{text}\n\n{note}", {"power": study.power, "rows": study.rows, "dimension": study.dimension,
                                        "rotations": study.rotations, "clouds": study.clouds})  # fmt: skip


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise InputError(f"--widths {text!r} must be a list of whole numbers such as 32,12,32") from None
