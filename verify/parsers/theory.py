"""Parsers of the commands that derive, prove and check."""

from __future__ import annotations

import os
from typing import Any

from verify.parsers.common import ACTIVATION_HELP, LAW_HELP, add_setting, add_sizes, command

__all__ = ["add_atlas", "add_attack", "add_bounds", "add_phase", "add_scaling", "add_symmetry", "add_theorems"]


def add_bounds(commands: Any) -> None:
    parser = command(
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
    add_setting(parser, activation_required=False)
    add_sizes(parser, required=False)
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


def add_attack(commands: Any) -> None:
    parser = command(
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


def add_symmetry(commands: Any) -> None:
    parser = command(
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
        help=ACTIVATION_HELP + "; or a torch network, FILE.py:NAME or package.module:NAME, which is imported and run",
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


def add_atlas(commands: Any) -> None:
    parser = command(
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
    parser.add_argument("--law", default="uniform", metavar="LAW", help=LAW_HELP + " (default uniform)")
    parser.add_argument(
        "--restarts", type=int, metavar="R", help="search each cell anew with R starts (default: the shipped table)"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)")
    parser.add_argument("--out", default="atlas", metavar="DIR", help="folder of the cells (default atlas)")
    parser.add_argument("--fresh", action="store_true", help="compute every cell again instead of resuming")
    parser.add_argument("--verify", action="store_true", help="re-check every stored cell and certificate, no more")


def add_theorems(commands: Any) -> None:
    parser = command(
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


def add_phase(commands: Any) -> None:
    parser = command(
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
    parser.add_argument("--law", default="uniform", metavar="LAW", help=LAW_HELP + " (default uniform)")
    parser.add_argument("--grid", type=int, default=41, metavar="N", help="points per axis (default 41)")
    parser.add_argument(
        "--check", type=int, default=4, metavar="N", help="minimise the loss at N x N points (default 4; 0 for none)"
    )
    parser.add_argument("--out", metavar="DIR", help="also write the figure and the data there")


def add_scaling(commands: Any) -> None:
    parser = command(
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
    parser.add_argument("--activation", "-a", required=True, metavar="SIGMA", help=ACTIVATION_HELP)
    parser.add_argument("--s", required=True, metavar="S", help="exponent of the densities, >= 0")
    parser.add_argument("-n", "--features", default="200", metavar="N", help="number of features (default 200)")
    parser.add_argument(
        "-m", "--m", dest="hidden", default="2,4,8,16,32", metavar="M", help="hidden dimensions (default 2,4,8,16,32)"
    )
    parser.add_argument("--law", default="uniform", metavar="LAW", help=LAW_HELP + " (default uniform)")
    parser.add_argument(
        "--many", action="store_true", help="infinitely many features: the first N are placed, the others dropped"
    )
    parser.add_argument(
        "--restarts", type=int, default=6, help="starts of the search at each m, 0: no search (default 6)"
    )
    parser.add_argument("--out", metavar="DIR", help="write scaling.svg, scaling.png and scaling.json to DIR")
