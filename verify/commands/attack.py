"""`superposition attack`: the lower bounds against minimised losses of random models."""

from __future__ import annotations

import argparse

from verify.commands.output import Output, progress_bar

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> Output:
    """How often every lower bound was attacked, its smallest margin, and every violation with exact weights."""
    from verify.campaign import attack_bounds

    with progress_bar() as update:
        found = attack_bounds(arguments.minimisations, seed=arguments.seed, progress=update)
    return Output(str(found), found.to_dict(), found.exit_code)
