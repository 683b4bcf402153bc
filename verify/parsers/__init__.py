"""The parser of the `superposition` command; importing it loads nothing heavier than argparse."""

from __future__ import annotations

import argparse
from importlib import metadata

from verify.parsers.common import Parser
from verify.parsers.runs import (
    add_experiment,
    add_gallery,
    add_loss,
    add_quantisation,
    add_report,
    add_resonance,
    add_sweep,
    add_train,
)
from verify.parsers.theory import (
    add_atlas,
    add_attack,
    add_bounds,
    add_phase,
    add_scaling,
    add_symmetry,
    add_theorems,
)

__all__ = ["build_parser"]


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; importing it loads nothing heavier than argparse."""
    parser = Parser(
        prog="superposition",
        description="Theory of superposition and activation symmetry: derive, compute, train, check.",
        epilog="exit codes: 0 proved or supported, 1 refuted, 3 undecided, 2 misuse",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"superposition {_version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    add_bounds(commands)
    add_attack(commands)
    add_loss(commands)
    add_symmetry(commands)
    add_train(commands)
    add_sweep(commands)
    add_experiment(commands)
    add_atlas(commands)
    add_theorems(commands)
    add_phase(commands)
    add_scaling(commands)
    add_gallery(commands)
    add_quantisation(commands)
    add_resonance(commands)
    add_report(commands)
    return parser


def _version() -> str:
    try:
        return metadata.version("superposition-theory")
    except metadata.PackageNotFoundError:
        return "(not installed)"
