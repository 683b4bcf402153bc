"""Parsers of the commands that compute, train and draw."""

from __future__ import annotations

from typing import Any

from verify.parsers.common import add_setting, add_sizes, command

__all__ = [
    "add_experiment",
    "add_gallery",
    "add_loss",
    "add_quantisation",
    "add_report",
    "add_resonance",
    "add_sweep",
    "add_train",
]


def add_loss(commands: Any) -> None:
    parser = command(
        commands,
        "loss",
        "compute the expected loss of given weights, with an error",
        [
            "--activation relu -p 0.05 --weights W.npy --bias b.npy",
            "--activation power:2 -p 0.05 --weights W.csv --method all",
        ],
    )
    add_setting(parser, density_required=True)
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


def add_train(commands: Any) -> None:
    parser = command(
        commands,
        "train",
        "train tied autoencoders, many seeds at once, and set them beside the theory",
        [
            "--activation power:2 -n 6 -m 3 -p 0.01 --seeds 8",
            "--activation relu -n 5 -m 2 -p 0.05 --bias --out runs/pentagon.nc",
        ],
    )
    add_setting(parser, density_required=True)
    add_sizes(parser, required=True)
    parser.add_argument("--bias", action="store_true", help="train a bias as well")
    parser.add_argument("--seeds", type=int, default=8, help="how many seeds (default 8)")
    parser.add_argument(
        "--protocol",
        default="default",
        choices=("default", "screened", "published"),
        help="how to train: the default, several starts per seed of which the best goes on, or the notebook's recipe",
    )
    parser.add_argument("--steps", type=int, help="optimiser steps (default: the protocol's)")
    parser.add_argument("--out", dest="dataset", metavar="FILE.nc", help="also write weights and losses as NetCDF")


def add_sweep(commands: Any) -> None:
    parser = command(
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


def add_experiment(commands: Any) -> None:
    parser = command(
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


def add_gallery(commands: Any) -> None:
    parser = command(
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


def add_quantisation(commands: Any) -> None:
    parser = command(
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


def add_resonance(commands: Any) -> None:
    parser = command(
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


def add_report(commands: Any) -> None:
    parser = command(
        commands,
        "report",
        "derive, compute, train and check everything, and write one HTML page",
        ["--out report", "--full --out report-full"],
    )
    parser.add_argument(
        "--out", default="report", metavar="DIR", help="folder of the page, figures and data (default report)"
    )
    parser.add_argument("--full", action="store_true", help="the full sweep instead of the two-minute one")
