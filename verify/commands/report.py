"""`superposition report`: run everything and write the page."""

from __future__ import annotations

import argparse
from pathlib import Path

from verify.commands.output import Output, progress_bar
from verify.report import build_report

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> Output:
    """Run everything and write the page."""

    with progress_bar() as report_progress:
        summary = build_report(Path(arguments.out), full=arguments.full, seed=arguments.seed, progress=report_progress)
    return Output(str(summary), summary.to_dict(), summary.exit_code)
