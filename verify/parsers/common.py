"""What the parsers of several commands share: help texts, options of a setting, one-line errors."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

__all__ = ["ACTIVATION_HELP", "LAW_HELP", "MISUSE", "Parser", "add_setting", "add_sizes", "command"]

MISUSE = 2

ACTIVATION_HELP = (
    "a registered name (relu, gelu, tanh, ...), a family (power:2, rectified-power:1.5, signed-power:3, leaky-relu:0.1,"
    " isotropic:tanh) or a formula in z such as 'max(0, z)**2'"
)
LAW_HELP = (
    "law of an active feature: uniform, binary, exponential, half-normal, beta:A,B; prefix two-sided: for a random sign"
)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of repeating the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(MISUSE, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def command(commands: Any, name: str, summary: str, examples: Sequence[str]) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog="examples:\n" + "\n".join(f"  superposition {name} {example}" for example in examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print JSON for machines instead of tables")
    parser.add_argument("--seed", type=int, default=0, help="seed of every random choice (default 0)")
    return parser


def add_setting(
    parser: argparse.ArgumentParser, density_required: bool = False, activation_required: bool = True
) -> None:
    parser.add_argument("--activation", "-a", required=activation_required, metavar="SIGMA", help=ACTIVATION_HELP)
    density = parser.add_mutually_exclusive_group(required=density_required)
    density.add_argument(
        "-p", "--density", metavar="P", help="probability that a feature is active, one or n values (a,b,c)"
    )
    density.add_argument("--sparsity", metavar="S", help="1 - density, instead of -p")
    parser.add_argument("--law", default="uniform", metavar="LAW", help=LAW_HELP + " (default uniform)")
    parser.add_argument(
        "--importance", default="1", metavar="I", help="weight of each squared error, one or n values (a,b,c)"
    )


def add_sizes(parser: argparse.ArgumentParser, required: bool) -> None:
    symbolic = "" if required else "; left out, it stays a symbol"
    parser.add_argument("-n", "--features", required=required, metavar="N", help=f"number of features{symbolic}")
    parser.add_argument("-m", "--hidden", required=required, metavar="M", help=f"hidden dimension{symbolic}")
