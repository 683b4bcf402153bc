"""`superposition gallery`: every figure of the docs, and the measured sections of docs/experiments.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from theory import InputError
from verify.commands.output import Output, progress_bar

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> Output:
    """Draw all figures, or some."""
    from verify.gallery import gallery

    docs = Path(arguments.docs)
    if not (docs / "experiments.md").is_file():
        raise InputError(f"--docs {arguments.docs} holds no experiments.md; run this in a checkout, or name its docs")
    only = None if arguments.only is None else [name.strip() for name in arguments.only.split(",")]
    with progress_bar() as report_progress:
        written = gallery(
            docs,
            Path(arguments.out),
            only,
            "quick" if arguments.quick else "standard",
            arguments.workers,
            report_progress,
        )
    return Output("\n".join(f"  {path}" for path in written), {"files": list(map(str, written))})
