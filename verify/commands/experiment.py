"""`superposition experiment`: run a published toy-model experiment, with its figures, metrics and verdicts."""

from __future__ import annotations

import argparse
from pathlib import Path

from verify.commands.output import Output, progress_bar
from verify.tables import text_table

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> Output:
    """Run one experiment, or list them."""
    from verify.experiments import EXPERIMENTS, load

    if arguments.name is None:
        found = [load(name) for name in EXPERIMENTS]
        rows = [(one.name, one.question) for one in found]
        data = [{"name": one.name, "title": one.title, "question": one.question, "source": one.source} for one in found]
        return Output(text_table(("experiment", "asks"), rows), {"experiments": data})
    from verify.experiments.base import Run

    experiment = load(arguments.name)
    size = "quick" if arguments.quick else "full" if arguments.full else "standard"
    folder = Path(arguments.out) / experiment.name
    with progress_bar() as report_progress:
        outcome = experiment.perform(Run(size, folder, arguments.workers, report_progress))
    written = outcome.write(folder)
    text = [f"{experiment.title} ({size})", f"  {experiment.source}", "", outcome.to_text(), ""]
    text.append(f"  {len(written)} files in {folder}")
    summary = {
        "experiment": experiment.name,
        "size": size,
        **outcome.to_dict(),
        "files": [str(path) for path in written],
    }
    return Output("\n".join(text), summary)
