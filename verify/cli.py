"""The `superposition` command: argument parsing and exit codes. What each command does is in `verify.commands`.

Exit codes: 0 proved or supported (or done), 1 refuted, 3 undecided, 2 misuse.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from verify.parsers import build_parser
from verify.parsers.common import MISUSE

__all__ = ["build_parser", "main"]

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: the words after `superposition`; by default those of the process.
    """
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; finished work is kept where the command has an output folder\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has left; nothing is wrong, and nothing more may be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(arguments: argparse.Namespace) -> int:
    from theory.arguments import InputError

    command: Any = import_module(f"verify.commands.{arguments.command}")
    from verify.commands.output import deliver

    try:
        output = command.run(arguments)
        deliver(output, as_json=arguments.json, out=getattr(arguments, "out_file", None))
    except (InputError, OSError) as problem:
        sys.stderr.write(f"superposition {arguments.command}: error: {' '.join(str(problem).split())}\n")
        return MISUSE
    return int(output.exit_code)


if __name__ == "__main__":
    sys.exit(main())
