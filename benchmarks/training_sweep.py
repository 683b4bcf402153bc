"""Training 7 activations x 10 densities x 10 seeds at once, against looping the published toy-model recipe.

The recipe (Elhage et al. 2022, public notebook) is written out below the way a user runs it: one model after another,
10,000 steps of AdamW on fresh batches. Both sides are judged by the population loss of the weights they end with. Every
trained recipe model is kept in the folder, so an interrupted run goes on where it stopped. What the recipe costs is
measured next to ours, on one model of each activation: its steps are the same for every density and seed.

    python benchmarks/training_sweep.py                            # about an hour of processor time
    python benchmarks/training_sweep.py --seeds 1 --densities .1   # a quick look
    python benchmarks/training_sweep.py --write docs/experiments.md
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import platform
import time
from pathlib import Path

import numpy as np
import torch
from sections import write_section
from tqdm import tqdm

import numerics
import verify
from theory import ToyModel

ACTIVATIONS = ("linear", "relu", "gelu", "silu", "sigmoid", "tanh", "solu")
DENSITIES = (1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.003)
N, M, DECAY, STEPS = 10, 5, 0.75, 10_000
# Chosen on seeds 0 to 19 and 200 to 259; what is reported are seeds that nothing was chosen on.
PROTOCOL = verify.Protocol.screened()
FRESH = 100

FUNCTIONS = {
    "linear": lambda z: z,
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "solu": lambda z: z * torch.softmax(z, dim=-1),
}


def published_recipe(name: str, density: float, seed: int, steps: int = STEPS) -> tuple[np.ndarray, np.ndarray]:
    """W of shape (m, n) and b of shape (n,) after the published recipe, for one model."""
    torch.manual_seed(seed)
    activation = FUNCTIONS[name]
    W = torch.nn.Parameter(torch.nn.init.xavier_normal_(torch.empty(1, N, M)))
    b = torch.nn.Parameter(torch.zeros(1, N))
    importance = DECAY ** torch.arange(N)
    optimiser = torch.optim.AdamW([W, b], lr=1e-3)
    for _ in range(steps):
        values = torch.rand(1024, 1, N)
        x = torch.where(torch.rand(1024, 1, N) <= density, values, torch.zeros(()))
        hidden = torch.einsum("...if,ifh->...ih", x, W)
        out = activation(torch.einsum("...ih,ifh->...if", hidden, W) + b)
        loss = (importance * (x.abs() - out) ** 2).mean(dim=(0, 2)).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return W.detach()[0].T.double().numpy(), b.detach()[0].double().numpy()


def model_of(name: str, density: float) -> ToyModel:
    """The setting of one cell."""
    return ToyModel(N, M, name, density=density, importance=[DECAY**i for i in range(N)], bias=True)


def recipe_loss(folder: Path, name: str, density: float, seed: int) -> float:
    """The population loss of one recipe run, trained once and kept."""
    key = hashlib.sha256(inspect.getsource(published_recipe).encode()).hexdigest()[:12]
    path = folder / f"{name}-p{density:g}-seed{seed}-{key}.npz"
    if not path.exists():
        W, b = published_recipe(name, density, seed)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, W=W, b=b)
        partial.replace(path)
    with np.load(path) as kept:
        W, b = kept["W"], kept["b"]
    return numerics.expected_loss(model_of(name, density), W, b, rtol=1e-4).value


def recipe_seconds(name: str) -> float:
    """Processor seconds of the recipe for one model, from a fifth of its steps."""
    started = time.process_time()
    published_recipe(name, 0.1, 0, STEPS // 5)
    return 5 * (time.process_time() - started)


def batched_results(name: str, densities: list[float], seeds: int) -> tuple[np.ndarray, float]:
    """Losses of shape (density, seed) and the processor seconds of training them all at once."""
    finished: list[float] = []

    def watch(done: float, total: float, text: str) -> None:
        if text.startswith("training"):
            finished.append(time.process_time())

    started = time.process_time()
    models = [model_of(name, p) for p in densities]
    runs = verify.train(models, seeds=range(FRESH, FRESH + seeds), protocol=PROTOCOL, progress=watch)
    return runs["loss"].values, finished[-1] - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--activations", default=",".join(ACTIVATIONS))
    parser.add_argument("--densities", default=",".join(f"{p:g}" for p in DENSITIES))
    parser.add_argument("--seeds", type=int, default=10, help="of our models (default 10)")
    parser.add_argument(
        "--recipe-seeds", type=int, help="of the recipe, each seed six minutes of processor time (default --seeds)"
    )
    parser.add_argument("--folder", default="runs/training_sweep", help="where trained recipe models are kept")
    parser.add_argument("--recipe-only", action="store_true", help="train what is missing of the recipe, no more")
    parser.add_argument("--write", metavar="FILE", help="replace the section of this benchmark in a page of the docs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(arguments.folder)
    folder.mkdir(parents=True, exist_ok=True)
    names, densities = arguments.activations.split(","), [float(p) for p in arguments.densities.split(",")]
    looped_seeds = range(arguments.recipe_seeds or arguments.seeds)
    cells = [(name, p, seed) for seed in looped_seeds for name in names for p in densities]
    recipe = {cell: recipe_loss(folder, *cell) for cell in tqdm(cells, disable=None, desc="published recipe")}
    if arguments.recipe_only:
        return
    # One small model first: importing the optimiser is no part of either side.
    verify.train(model_of("relu", 0.5), seeds=1, protocol=verify.Protocol(steps=2))
    published_recipe("relu", 0.5, 0, steps=2)
    rows, total_recipe, total_batched, missed = [], 0.0, 0.0, []
    for name in names:
        before = recipe_seconds(name)
        losses, batched = batched_results(name, densities, arguments.seeds)
        looped = (before + recipe_seconds(name)) / 2 * len(densities) * arguments.seeds
        excess = []
        for p, found in zip(densities, losses, strict=True):
            reference = np.median([recipe[name, p, seed] for seed in looped_seeds])
            excess.append(float(np.median(found) / reference - 1))
            if excess[-1] > 0.01:
                missed.append(f"{name} at p = {p:g} ({excess[-1]:+.1%})")
        total_recipe, total_batched = total_recipe + looped, total_batched + batched
        cells_shown = " | ".join(f"{value:+.1%}" for value in excess)
        rows.append(f"| {name} | {looped:.0f} s | {batched:.1f} s | {looped / batched:.0f} | {cells_shown} |")
    header = " | ".join(f"p = {p:g}" for p in densities)
    runs = len(names) * len(densities) * arguments.seeds
    lines = [
        f"{runs} models (n = {N}, m = {M}, importance {DECAY}^i, bias), one thread of {platform.machine()}, processor "
        f"time of training alone (the recipe's: {STEPS // 5} steps just before and after ours, scaled to {runs} "
        f"models); at once: `Protocol.screened()`, chosen on other seeds ({PROTOCOL.rows} rows, rate "
        f"{PROTOCOL.learning_rate:g}, {PROTOCOL.steps} steps, {PROTOCOL.starts} starts of column norm "
        f"{PROTOCOL.init_scale:g} of which one goes on after {PROTOCOL.screening}). Per density: median population "
        f"loss over {arguments.seeds} seeds, relative to the recipe's median over {len(looped_seeds)}.",
        "",
        f"| activation | recipe, looped | at once | ratio | {header} |",
        "|---|--:|--:|--:|" + "--:|" * len(densities),
        *rows,
        "",
        f"Together {total_recipe:.0f} s against {total_batched:.0f} s: {total_recipe / total_batched:.0f} times less. "
        + (f"More than 1 % above the recipe: {', '.join(missed)}." if missed else "No cell is more than 1 % above."),
    ]
    text = "\n".join(lines)
    print(text)
    if arguments.write:
        write_section(Path(arguments.write), "training_sweep", text)


if __name__ == "__main__":
    main()
