"""The same autoencoder, only its activation changed: is the frame special, as its symmetry says, and at what cost?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from theory import InputError
from verify.quantisation.data import data_rows
from verify.quantisation.directions import predicted
from verify.quantisation.network import Recipe, Trained
from verify.quantisation.runs import RunStore
from verify.quantisation.tested import tests_of
from verify.verdicts import versions

__all__ = ["ACTIVATIONS", "CONJUGATED", "ISOTROPIC", "Experiment", "Outcome", "run_experiment"]

ELEMENTWISE = ("tanh", "relu", "leaky_relu", "gelu", "silu")
# A ball of radius sqrt(n) holds the cube [-1, 1]^n in which elementwise tanh ends: no less capacity.
MATCHED = "isotropic:sqrt({n})*tanh(r/sqrt({n}))"
# With a threshold of 1 whole layers would start, and stay, at zero.
ISOTROPIC_RELU, ISOTROPIC_SHRINK = "isotropic:max(0, r - 1/10)", "isotropic:max(0, r - 1/4)"
ISOTROPIC = ("isotropic:tanh", MATCHED, ISOTROPIC_RELU, ISOTROPIC_SHRINK, "linear")
_TITLES = {
    MATCHED: "isotropic tanh, radius √n",
    "isotropic:tanh": "isotropic tanh",
    ISOTROPIC_RELU: "isotropic ReLU, from 0.1",
    ISOTROPIC_SHRINK: "isotropic shrink, by 0.25",
    "leaky_relu": "leaky ReLU",
    "relu": "ReLU",
    "gelu": "GELU",
    "silu": "SiLU",
}
ACTIVATIONS = (*ELEMENTWISE, *ISOTROPIC)
"""What the experiment compares."""
CONJUGATED = ("tanh", "relu", "gelu")
"""Those that are also run as x -> R^T f(R x)."""


@dataclass(frozen=True)
class Outcome:
    """One activation on one data set with one optimiser, every seed.

    Attributes:
        data, activation, conjugated, optimiser: the setting.
        group, training: keys of the activation's group and of the training's symmetry.
        marks: statistics that the training's symmetry leaves free; theory says the others are 0 on average.
        seeds: one per network.
        loss: mean squared error of every seed over the variance of the data.
        dead: latent units of every seed that never change.
        tests: per "stage/frame" (post or pre; own frame, or standard where conjugated), then per "T4", "T2" or "any":
            lists over seeds of value, z and p.
    """

    data: str
    activation: str
    conjugated: bool
    optimiser: str
    group: str
    training: str
    marks: tuple[str, ...]
    seeds: tuple[int, ...]
    loss: tuple[float, ...]
    dead: tuple[int, ...]
    tests: Mapping[str, Mapping[str, Mapping[str, list[float]]]]

    @property
    def title(self) -> str:
        """The activation in words."""
        return _TITLES.get(self.activation, self.activation) + (", conjugated" if self.conjugated else "")


@dataclass(frozen=True)
class Experiment:
    """Every outcome, and what is needed to repeat it.

    Attributes:
        outcomes: in the order they were run.
        rotations: of the tests after the activation.
        widths, steps, batch: of the networks.
        clouds: latent activations of the first seed, per (data, activation, optimiser), for figures.
        snapshots: those of the first seed during training, with their steps.
    """

    outcomes: tuple[Outcome, ...]
    rotations: int
    widths: tuple[int, ...]
    steps: int
    batch: int
    clouds: Mapping[tuple[str, str, str], np.ndarray]
    snapshots: Mapping[tuple[str, str, str], tuple[np.ndarray, np.ndarray]]

    def find(self, data: str, activation: str, optimiser: str, conjugated: bool = False) -> Outcome | None:
        """The outcome of a setting; None where it was not run."""
        wanted = (data, activation, optimiser, conjugated)
        return next((o for o in self.outcomes if (o.data, o.activation, o.optimiser, o.conjugated) == wanted), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "outcomes": [{**asdict(outcome), "title": outcome.title} for outcome in self.outcomes],
            "rotations": self.rotations,
            "widths": list(self.widths),
            "steps": self.steps,
            "batch": self.batch,
            "versions": versions(),
        }


def run_experiment(
    data: Sequence[str] = ("digits",),
    activations: Sequence[str] = ACTIVATIONS,
    conjugated: Sequence[str] = CONJUGATED,
    optimisers: Sequence[str] = ("sgd",),
    seeds: int = 10,
    null_seeds: int = 20,
    rotations: int = 9999,
    widths: tuple[int, ...] = (32, 12, 32),
    steps: int = 3000,
    batch: int = 64,
    seed: int = 0,
    store: Path | None = None,
    progress: Callable[[float, float, str], None] | None = None,
) -> Experiment:
    """Train every setting (or read it from the store), and test the latent frame of every seed.

    Args:
        data: names or files, see `data_rows`.
        activations: plain ones.
        conjugated: those that are also conjugated by a fixed random rotation of every layer.
        optimisers: "sgd", "adam".
        seeds: networks per setting; the same initial weights and order of rows for every activation.
        null_seeds: networks of isotropic tanh, whose rate of false alarms is in question.
        rotations: of each test after the activation; before it 999 are used.
        widths, steps, batch: of the networks; the smallest width is the latent one.
        seed: the first seed.
        store: a folder of finished batches.
        progress: called with (done, total, text).

    Raises:
        InputError: a value out of range.
    """
    for name, value in (("seeds", seeds), ("rotations", rotations), ("steps", steps), ("batch", batch)):
        if int(value) != value or value < 1:
            raise InputError(f"{name}={value} must be an integer >= 1")
    if len(widths) % 2 == 0 or min(widths) < 2:
        raise InputError(f"widths={widths} must be an odd number of widths >= 2, such as 32,12,32")
    settings = [
        (name, activation, turned, optimiser)
        for name in data
        for optimiser in optimisers
        for turned, group in ((False, activations), (True, conjugated))
        for activation in group
    ]
    kept, outcomes = RunStore(store), []
    clouds: dict[tuple[str, str, str], np.ndarray] = {}
    snapshots: dict[tuple[str, str, str], tuple[np.ndarray, np.ndarray]] = {}
    rows_of = {name: data_rows(name) for name in data}
    for done, (name, activation, turned, optimiser) in enumerate(settings):
        recipe = Recipe(activation, turned, tuple(widths), optimiser, steps, batch)
        count = max(seeds, null_seeds) if activation == "isotropic:tanh" else seeds
        numbers = range(seed, seed + count)

        def within(part: float, total: float, text: str, done: int = done, name: str = name) -> None:
            if progress is not None:
                progress(done + part / total, len(settings), f"{name}, {text}")

        within(0, 1, activation)
        trained = kept.get(name, rows_of[name], recipe, numbers, progress=within)
        within(0.9, 1, f"{activation}: rotations")

        def test(recipe: Recipe = recipe, trained: Trained = trained, numbers: range = numbers) -> Any:
            return tests_of(recipe, numbers, trained, rotations)

        tests = kept.tested(rows_of[name], recipe, numbers, rotations, test)
        outcomes.append(_outcome(name, rows_of[name], recipe, numbers, trained, tests))
        if not turned and trained.post[0].any():
            clouds[name, activation, optimiser] = trained.post[0].astype(float)
            snapshots[name, activation, optimiser] = trained.curve[0], trained.snapshots.astype(float)
    return Experiment(tuple(outcomes), rotations, tuple(widths), steps, batch, clouds, snapshots)


def _outcome(
    data: str, rows: np.ndarray, recipe: Recipe, seeds: Sequence[int], trained: Trained, tests: Any
) -> Outcome:
    theory_says = predicted(recipe.activation_at(recipe.latent), recipe.widths[recipe.latent], recipe.optimiser)
    variance = float((rows**2).sum(axis=1).mean())
    return Outcome(
        data=data,
        activation=recipe.activation,
        conjugated=recipe.conjugated,
        optimiser=recipe.optimiser,
        group=theory_says.activation.key,
        training=theory_says.training.key,
        marks=theory_says.marks,
        seeds=tuple(seeds),
        loss=tuple(float(value) / variance for value in trained.loss),
        dead=tuple(int((cloud.std(axis=0) < 1e-6).sum()) for cloud in trained.post),
        tests=tests,
    )
