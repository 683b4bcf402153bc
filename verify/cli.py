"""The `superposition` command: argument parsing and exit codes. What each command does is in `verify.commands`.

Exit codes: 0 proved or supported (or done), 1 refuted, 3 undecided, 2 misuse.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from typing import Any, NoReturn

__all__ = ["build_parser", "main"]

MISUSE, INTERRUPTED = 2, 130

_ACTIVATION_HELP = (
    "a registered name (relu, gelu, tanh, ...), a family (power:2, rectified-power:1.5, signed-power:3, leaky-relu:0.1,"
    " isotropic:tanh) or a formula in z such as 'max(0, z)**2'"
)
_LAW_HELP = (
    "law of an active feature: uniform, binary, exponential, half-normal, beta:A,B; prefix two-sided: for a random sign"
)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of repeating the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(MISUSE, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; importing it loads nothing heavier than argparse."""
    parser = _Parser(
        prog="superposition",
        description="Theory of superposition and activation symmetry: derive, compute, train, check.",
        epilog="exit codes: 0 proved or supported, 1 refuted, 3 undecided, 2 misuse",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"superposition {_version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    _add_bounds(commands)
    _add_attack(commands)
    _add_loss(commands)
    _add_symmetry(commands)
    _add_train(commands)
    _add_sweep(commands)
    _add_experiment(commands)
    _add_atlas(commands)
    _add_theorems(commands)
    _add_phase(commands)
    _add_scaling(commands)
    _add_gallery(commands)
    _add_quantisation(commands)
    _add_resonance(commands)
    _add_report(commands)
    return parser


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


def _version() -> str:
    try:
        return metadata.version("superposition-theory")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _command(commands: Any, name: str, summary: str, examples: Sequence[str]) -> argparse.ArgumentParser:
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


def _add_setting(
    parser: argparse.ArgumentParser, density_required: bool = False, activation_required: bool = True
) -> None:
    parser.add_argument("--activation", "-a", required=activation_required, metavar="SIGMA", help=_ACTIVATION_HELP)
    density = parser.add_mutually_exclusive_group(required=density_required)
    density.add_argument(
        "-p", "--density", metavar="P", help="probability that a feature is active, one or n values (a,b,c)"
    )
    density.add_argument("--sparsity", metavar="S", help="1 - density, instead of -p")
    parser.add_argument("--law", default="uniform", metavar="LAW", help=_LAW_HELP + " (default uniform)")
    parser.add_argument(
        "--importance", default="1", metavar="I", help="weight of each squared error, one or n values (a,b,c)"
    )


def _add_sizes(parser: argparse.ArgumentParser, required: bool) -> None:
    symbolic = "" if required else "; left out, it stays a symbol"
    parser.add_argument("-n", "--features", required=required, metavar="N", help=f"number of features{symbolic}")
    parser.add_argument("-m", "--hidden", required=required, metavar="M", help=f"hidden dimension{symbolic}")


def _add_bounds(commands: Any) -> None:
    parser = _command(
        commands,
        "bounds",
        "print every bound that applies and the interval they leave, or check a bound of your own",
        [
            "--activation power:2 -n 6 -m 2 -p 0.01",
            "--activation power:2                      # in symbols",
            "--activation relu -n 5 -m 2 --of sparse --claim 'n/3 - 2*m/3' --side lower",
            "--activation relu -n 5 -m 2 --of capacity --claim '2*D' --side upper",
            "--activation power:2 -n 6 -m 3 --of energy --claim 's**2/D' --side lower",
            "--activation relu -n 5 -m 2 --certificate pentagon.json",
            "--verify pentagon.json",
        ],
    )
    _add_setting(parser, activation_required=False)
    _add_sizes(parser, required=False)
    parser.add_argument("--bias", action="store_true", help="the model has a bias (bounds for b = 0 then do not apply)")
    parser.add_argument(
        "--of",
        choices=("sparse", "loss", "capacity", "energy"),
        help="sparse: c* = lim L*/p; loss: L* at density p (default: both where p is given); for a --claim also "
        "capacity: K*, or energy: E(W) for every W",
    )
    parser.add_argument(
        "--claim",
        metavar="FORMULA",
        help="your own bound, a formula in n, m, and p (of capacity and energy: a, D; of energy: times s**2); prints a "
        "verdict",
    )
    parser.add_argument("--side", choices=("lower", "upper"), help="which side the claim bounds")
    parser.add_argument(
        "--certificate", metavar="FILE", help="write the linear-programming certificate of this setting"
    )
    parser.add_argument(
        "--verify", metavar="FILE", help="re-check a certificate from scratch, exactly, and nothing else"
    )
    parser.add_argument(
        "--derivation", action="store_true", help="print assumptions and derivation of every bound, re-checked"
    )
    parser.add_argument(
        "--out", dest="out_file", metavar="FILE", help="write the output to FILE instead of the terminal"
    )


def _add_attack(commands: Any) -> None:
    parser = _command(
        commands,
        "attack",
        "hold every lower bound against minimised losses of thousands of random models; exits 1 if one is violated",
        ["--minimisations 200", "--minimisations 10000 --seed 0 --json --out attack.json"],
    )
    parser.add_argument(
        "--minimisations", type=int, default=1000, metavar="K", help="how many random models (default 1000)"
    )
    parser.add_argument(
        "--out", dest="out_file", metavar="FILE", help="write the output to FILE instead of the terminal"
    )


def _add_loss(commands: Any) -> None:
    parser = _command(
        commands,
        "loss",
        "compute the expected loss of given weights, with an error",
        [
            "--activation relu -p 0.05 --weights W.npy --bias b.npy",
            "--activation power:2 -p 0.05 --weights W.csv --method all",
        ],
    )
    _add_setting(parser, density_required=True)
    parser.add_argument("--weights", required=True, metavar="FILE", help="W of shape (m, n), as .npy, .csv or .txt")
    parser.add_argument("--bias", dest="bias_file", metavar="FILE", help="b of shape (n,), as .npy, .csv or .txt")
    parser.add_argument(
        "--method",
        choices=("auto", "exact", "quadrature", "hidden_quadrature", "monte_carlo", "all"),
        default="auto",
        help="route (default auto); all compares every route that applies",
    )
    parser.add_argument("--rtol", type=float, default=1e-8, help="relative error asked for (default 1e-8)")
    parser.add_argument(
        "--out", dest="out_file", metavar="FILE", help="write the output to FILE instead of the terminal"
    )


def _add_symmetry(commands: Any) -> None:
    parser = _command(
        commands,
        "symmetry",
        "derive the equivariance group of an activation, check a claimed one, or audit a torch network",
        [
            "tanh -n 3                     # derive the group",
            "tanh -n 2 --group O           # check a claim",
            "isotropic:tanh -n 3 --group O",
            "model.py:Autoencoder -n 6     # a class without arguments, an instance or a function; model.py is run",
            "model.py:ConvNet -n 1,28,28 --json",
            "package.module:make_model     # the size is read off the first Linear layer",
            "model.py:Autoencoder -n 6 --group S",
        ],
    )
    parser.add_argument(
        "activation",
        metavar="SIGMA",
        help=_ACTIVATION_HELP + "; or a torch network, FILE.py:NAME or package.module:NAME, which is imported and run",
    )
    parser.add_argument(
        "-n",
        "--features",
        metavar="N",
        help="dimension of the space it acts on (default 3); of a network the shape of one input, 6 or 1,28,28",
    )
    parser.add_argument(
        "--group", metavar="G", help="claimed group: S, B, O, SO, GL, CO, 'R+ wr S', 'R* wr S', Stab1, trivial"
    )
    parser.add_argument(
        "--out", dest="out_file", metavar="FILE", help="write the output to FILE instead of the terminal"
    )


def _add_train(commands: Any) -> None:
    parser = _command(
        commands,
        "train",
        "train tied autoencoders, many seeds at once, and set them beside the theory",
        [
            "--activation power:2 -n 6 -m 3 -p 0.01 --seeds 8",
            "--activation relu -n 5 -m 2 -p 0.05 --bias --out runs/pentagon.nc",
        ],
    )
    _add_setting(parser, density_required=True)
    _add_sizes(parser, required=True)
    parser.add_argument("--bias", action="store_true", help="train a bias as well")
    parser.add_argument("--seeds", type=int, default=8, help="how many seeds (default 8)")
    parser.add_argument("--steps", type=int, help="optimiser steps (default: the protocol's)")
    parser.add_argument("--out", dest="dataset", metavar="FILE.nc", help="also write weights and losses as NetCDF")


def _add_sweep(commands: Any) -> None:
    parser = _command(
        commands,
        "sweep",
        "train a grid of models described by a TOML file, resumably, into one labelled dataset",
        [
            "grid.toml --out runs/sweep --workers 2",
            "grid.toml --out runs/sweep --resume           # after an interruption, or a grown grid",
            "grid.toml --out runs/sweep --scheduler tcp://127.0.0.1:8786",
        ],
    )
    parser.add_argument(
        "grid",
        metavar="GRID.toml",
        help="names of the model, the network and the protocol; a list is an axis: "
        "activation = ['relu', 'gelu'], density = [0.1, 0.01], n_features = 5, n_hidden = 2, bias = true, seeds = 8",
    )
    parser.add_argument("--out", default="sweep", metavar="DIR", help="folder of the results (default sweep)")
    parser.add_argument("--resume", action="store_true", help="keep the finished cells of DIR and compute the others")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="compute on a Dask cluster instead")


def _add_experiment(commands: Any) -> None:
    parser = _command(
        commands,
        "experiment",
        "run a published toy-model experiment: figures, metrics, and a verdict on every claim",
        ["                             # the list", "activations --quick", "activations --out runs/experiments"],
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="which; left out, the list")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a minute, to see that it works")
    size.add_argument("--full", action="store_true", help="the published sizes and more seeds")
    parser.add_argument(
        "--out", default="experiments", metavar="DIR", help="folder of the results; a second run resumes (experiments)"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")


def _add_atlas(commands: Any) -> None:
    parser = _command(
        commands,
        "atlas",
        "map certified bounds and best-known configurations over a grid of (activation, m, n)",
        [
            "--out atlas                                   # powers 1, 2, 3, m <= 6, n <= 4m; resumes where it stopped",
            "--activations relu,power:2 -m 2-4 --out small",
            "--activations rectified-power:1.5 -m 2 --ratio 5 --restarts 100 --out own",
            "--out atlas --verify                          # re-check every certificate in this fresh process",
        ],
    )
    parser.add_argument(
        "--activations", metavar="A,B,...", help="power activations (default: powers 1, 2, 3, monomial and rectified)"
    )
    parser.add_argument("-m", "--hidden", default="1-6", metavar="M", help="hidden dimensions, as 2-6 or 2,4 (1-6)")
    parser.add_argument("-n", "--features", metavar="N", help="numbers of features, as 3-12 (default m < n <= ratio m)")
    parser.add_argument("--ratio", type=int, default=4, help="largest n/m where -n is not given (default 4)")
    parser.add_argument("--law", default="uniform", metavar="LAW", help=_LAW_HELP + " (default uniform)")
    parser.add_argument(
        "--restarts", type=int, metavar="R", help="search each cell anew with R starts (default: the shipped table)"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    parser.add_argument("--out", default="atlas", metavar="DIR", help="folder of the cells (default atlas)")
    parser.add_argument("--fresh", action="store_true", help="compute every cell again instead of resuming")
    parser.add_argument("--verify", action="store_true", help="re-check every stored cell and certificate, no more")


def _add_theorems(commands: Any) -> None:
    parser = _command(
        commands,
        "theorems",
        "list the theorems on the loss, or print one with its steps re-checked",
        ["--status open", "T5                     # T5 and its parts", "'T10(b)' --json"],
    )
    parser.add_argument(
        "key", nargs="?", metavar="KEY", help="T1 to T12, or a part such as 'T3(a)'; left out, the list"
    )
    parser.add_argument("--status", choices=("proved", "numerical", "open"), help="only those of this status")
    parser.add_argument(
        "--out", dest="out_file", metavar="FILE", help="write the output to FILE instead of the terminal"
    )


def _add_phase(commands: Any) -> None:
    parser = _command(
        commands,
        "phase",
        "compute the phase diagram of two features in one dimension, and check it against the minimised loss",
        [
            "--activation relu",
            "--activation relu --bias --grid 61 --out runs/phase",
            "--all --grid 61 --out runs/phase        # every power, with and without bias",
        ],
    )
    parser.add_argument("--activation", "-a", metavar="SIGMA", help="a power: relu, power:2, rectified-power:3, ...")
    parser.add_argument("--all", action="store_true", help="six powers, with and without bias, instead of one")
    parser.add_argument("--bias", action="store_true", help="the model has a bias")
    parser.add_argument("--law", default="uniform", metavar="LAW", help=_LAW_HELP + " (default uniform)")
    parser.add_argument("--grid", type=int, default=41, metavar="N", help="points per axis (default 41)")
    parser.add_argument(
        "--check", type=int, default=4, metavar="N", help="minimise the loss at N x N points (default 4; 0 for none)"
    )
    parser.add_argument("--out", metavar="DIR", help="also write the figure and the data there")


def _add_scaling(commands: Any) -> None:
    parser = _command(
        commands,
        "scaling",
        "show how the loss falls with the hidden dimension where densities follow a power law p_i = p_1 i^-s",
        [
            "--activation relu --s 1.5 -n 200 -m 2,4,8,16,32",
            "--activation power:2 --s 2 -n 100 -m 2,4,8 --restarts 0      # bounds alone",
            "--activation relu --s 1.5 -n 500 -m 4,8,16 --many --restarts 0   # infinitely many features",
            "--activation rectified-power:2 --s 1.5 --out scaling         # figure and data",
        ],
    )
    parser.add_argument("--activation", "-a", required=True, metavar="SIGMA", help=_ACTIVATION_HELP)
    parser.add_argument("--s", required=True, metavar="S", help="exponent of the densities, >= 0")
    parser.add_argument("-n", "--features", default="200", metavar="N", help="number of features (default 200)")
    parser.add_argument(
        "-m", "--m", dest="hidden", default="2,4,8,16,32", metavar="M", help="hidden dimensions (default 2,4,8,16,32)"
    )
    parser.add_argument("--law", default="uniform", metavar="LAW", help=_LAW_HELP + " (default uniform)")
    parser.add_argument(
        "--many", action="store_true", help="infinitely many features: the first N are placed, the others dropped"
    )
    parser.add_argument(
        "--restarts", type=int, default=6, help="starts of the search at each m, 0: no search (default 6)"
    )
    parser.add_argument("--out", metavar="DIR", help="write scaling.svg, scaling.png and scaling.json to DIR")


def _add_gallery(commands: Any) -> None:
    parser = _command(
        commands,
        "gallery",
        "draw every figure of the docs again and rewrite the measured sections of docs/experiments.md",
        ["--workers 2", "--only pentagon,circle", "--only scaling"],
    )
    parser.add_argument("--docs", default="docs", metavar="DIR", help="folder of the docs (default docs)")
    parser.add_argument(
        "--out", default="runs/gallery", metavar="DIR", help="folder of finished work; a second run resumes"
    )
    parser.add_argument("--only", metavar="A,B,...", help="names of experiments and pictures (default all)")
    parser.add_argument("--quick", action="store_true", help="quick experiments, to see that it works")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")


def _add_quantisation(commands: Any) -> None:
    parser = _command(
        commands,
        "quantisation",
        "train one autoencoder with many activations and test which directions each makes special",
        [
            "--quick                                  # 3 seeds, about a minute",
            "--full --out runs/quantisation           # 2 data sets, 2 optimisers, 10 seeds; resumes where it stopped",
            "--data train-images-idx3-ubyte.gz --activations tanh,isotropic:tanh",
            "--power                                  # how often each statistic finds a special frame",
        ],
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="3 seeds and short training")
    size.add_argument("--full", action="store_true", help="digits and sphere, SGD and Adam, 10 seeds")
    parser.add_argument(
        "--data", metavar="D,...", help="digits, sphere, manifold, or files (idx, .npy, .safetensors); default digits"
    )
    parser.add_argument("--activations", metavar="A,B,...", help="default: five elementwise, five isotropic")
    parser.add_argument("--optimisers", metavar="O,...", help="sgd, adam (default sgd)")
    parser.add_argument("--widths", metavar="W,...", help="hidden widths, the smallest latent (default 32,12,32)")
    parser.add_argument("--seeds", type=int, help="networks per setting (default 10)")
    parser.add_argument("--steps", type=int, help="optimiser steps (default 3000)")
    parser.add_argument("--rotations", type=int, help="random rotations per test (default 9999)")
    parser.add_argument("--power", action="store_true", help="only measure the power of the statistics")
    parser.add_argument(
        "--out", default="quantisation", metavar="DIR", help="folder of the page (default quantisation)"
    )


def _add_resonance(commands: Any) -> None:
    parser = _command(
        commands,
        "resonance",
        "test whether a frame of directions is special for the activations of a file",
        [
            "activations.npy",
            "model.safetensors --key layer.3 --frame directions.npy --out page",
            "activations.npy --epsilon 0.9 --rotations 1999 --json",
        ],
    )
    parser.add_argument("file", metavar="FILE", help="activations of shape (N, d): .npy or .safetensors")
    parser.add_argument("--key", metavar="NAME", help="which tensor of a .safetensors file")
    parser.add_argument("--frame", metavar="FILE", help="directions, one per row (default: the standard basis)")
    parser.add_argument("--epsilon", type=float, default=0.6, help="cosine of the cone's half-angle (default 0.6)")
    parser.add_argument("--rotations", type=int, default=9999, help="random rotations of the frame (default 9999)")
    parser.add_argument("--out", metavar="DIR", help="also write a page, its figure and its data there")


def _add_report(commands: Any) -> None:
    parser = _command(
        commands,
        "report",
        "derive, compute, train and check everything, and write one HTML page",
        ["--out report", "--full --out report-full"],
    )
    parser.add_argument(
        "--out", default="report", metavar="DIR", help="folder of the page, figures and data (default report)"
    )
    parser.add_argument("--full", action="store_true", help="the full sweep instead of the two-minute one")


if __name__ == "__main__":
    sys.exit(main())
