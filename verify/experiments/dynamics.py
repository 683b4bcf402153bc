"""How superposition comes about in training: features between levels of dimensionality, and an octahedron in stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from verify.experiments.base import Experiment, Outcome, Run, Table, claim, interval, shown_interval
from verify.experiments.trajectories import RELAXATION, fastest_share, level_changes, settled, stages, together
from verify.geometry.dimensionality import feature_dimensionality
from verify.geometry.plateaux import PLATEAUX
from verify.training.inputs import FeatureSets
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["EXPERIMENT", "Path", "are_merged", "is_crossed_octahedron"]

# n, m and p where all features end in antipodal pairs, and where they end near pentagons.
PLATEAU_RUNS = {"1/2": (30, 15, 0.25), "2/5": (25, 10, 0.07)}
LEVELS = sorted({0.0, *map(float, PLATEAUX)})
# Less than half the distance of the closest levels, 3/8 and 2/5.
NEAR, SETTLED = 0.01, 0.02
_SHIFTS = (-0.05, 0.05)
SETS, SIZE, SET_DENSITY = 2, 3, 0.05
TEST_ROWS = 2**14


@dataclass(frozen=True)
class Path:
    """One seed on its way, at the steps of its loss curve.

    Attributes:
        steps: evenly spaced, shape (steps,).
        D: feature dimensionalities, shape (steps, n).
        loss: shape (steps,).
        end: the step from which on every D_i stays within .02 of its last value.
    """

    steps: np.ndarray
    D: np.ndarray
    loss: np.ndarray
    end: int

    @property
    def moving(self) -> np.ndarray:
        """Which steps are before the end."""
        found: np.ndarray = self.steps <= self.end
        return found

    def changes(self, levels: Sequence[float] = tuple(LEVELS)) -> set[int]:
        """Features that change level: a tenth of the time until the end within .01 of one, later of another."""
        return {i for i, *_ in level_changes(self.D, self.steps, levels, NEAR, self.end / 10)}

    def changes_by_chance(self, last: float) -> float:
        """How many would if all levels but the last were elsewhere, where smooth paths rest by chance alone."""
        elsewhere = [[last, *(level + shift for level in LEVELS if level != last)] for shift in _SHIFTS]
        return float(np.mean([len(self.changes(levels)) for levels in elsewhere]))

    def fastest_share(self) -> float:
        """Share of the movement in the fastest tenth of the time until the end."""
        return fastest_share(self.D[self.moving], self.steps[self.moving])

    def together(self) -> float:
        """Rank correlation of the rates of movement and of descent until the end, time taken out."""
        D, loss, steps = self.D[self.moving], self.loss[self.moving], self.steps[self.moving]
        return together(np.abs(np.diff(D, axis=0)).sum(axis=1), -np.diff(loss), steps[1:])


def _paths(data: xarray.Dataset) -> list[Path]:
    steps, kept = data["step"].values, data["checkpoint"].values
    found = []
    for s in range(data.sizes["seed"]):
        if bool(data["diverged"][s]):
            continue
        states = feature_dimensionality(data["W_checkpoint"].values[s])
        D = np.stack([np.interp(steps, kept, path) for path in states.T], axis=1)
        found.append(Path(steps, D, data["loss_curve"].values[s], settled(D, steps, SETTLED)))
    return found


def _cosines(W: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(W, axis=-2, keepdims=True)
    unit = W / np.maximum(norms, 1e-12)
    found: np.ndarray = np.swapaxes(unit, -1, -2) @ unit
    return found


def is_crossed_octahedron(W: np.ndarray) -> np.ndarray:
    """Whether six columns form three orthogonal antipodal pairs, each with a member of either set: shape (...,).

    Args:
        W: shape (..., 3, 6), features of one set side by side.
    """
    cosines = _cosines(W)
    across, inside = cosines[..., :SIZE, SIZE:], cosines[..., :SIZE, :SIZE]
    partner = across.argmin(axis=-1)
    paired = (across.min(axis=-1) < -0.95).all(axis=-1) & (np.sort(partner, axis=-1) == np.arange(SIZE)).all(axis=-1)
    orthogonal = (np.abs(inside - np.eye(SIZE)) < 0.2).all(axis=(-2, -1))
    norms = np.linalg.norm(W, axis=-2)
    found: np.ndarray = paired & orthogonal & (norms.min(axis=-1) > 0.5 * norms.max(axis=-1))
    return found


def are_merged(W: np.ndarray) -> np.ndarray:
    """Whether both sets are represented by one direction each (a mean cosine above .95 within sets): shape (...,)."""
    cosines = _cosines(W)
    upper = np.triu_indices(SIZE, 1)
    within = [cosines[..., k : k + SIZE, k : k + SIZE][..., upper[0], upper[1]] for k in (0, SIZE)]
    lengths = np.linalg.norm(W, axis=-2)
    found: np.ndarray = (np.minimum(*(w.mean(axis=-1) for w in within)) > 0.95) & (lengths.min(axis=-1) > 0.1)
    return found


def _test_losses(data: xarray.Dataset, inputs: FeatureSets) -> np.ndarray:
    """Losses of all checkpoints on the same fresh rows, the bias refitted: shape (seeds, checkpoints)."""
    X = inputs.draw(TEST_ROWS, np.random.default_rng(1))
    states = data["W_checkpoint"].values
    # Most rows are zero and say the same.
    active = X[X.any(axis=1)]
    silent = TEST_ROWS - len(active)
    found = np.empty(states.shape[:2])
    for index in np.ndindex(*found.shape):
        W = states[index]
        z = active @ W.T @ W
        found[index] = _refitted(z, active, silent)
    return found


def _refitted(z: np.ndarray, x: np.ndarray, silent: int) -> float:
    """min over b of the loss of relu(z + b): each output has a bias of its own, so that a grid of one dimension does.

    Args:
        z, x: shape (rows, n), rows with an active feature.
        silent: how many rows without one there are.
    """
    grid = np.linspace(-1, 0.5, 61)
    losses = np.array([((np.maximum(z + b, 0) - x) ** 2).sum(axis=0) + silent * max(b, 0.0) ** 2 for b in grid])
    return float(losses.min(axis=0).sum()) / (len(x) + silent)


def run(how: Run) -> Outcome:
    """Follow feature dimensionalities in training on the exact loss, and two correlated sets on batches."""
    from verify.plots.dynamics import octahedron_figure, plateaux_figure

    seeds, steps = how.choose(2, 8, 24), how.choose(200, 500, 1000)
    paths = {}
    for name, (n, m, p) in PLATEAU_RUNS.items():
        runs = how.sweep(
            f"plateau_{n}_{m}",
            {"activation": "relu", "n_features": n, "n_hidden": m, "density": p, "bias": True, "seeds": seeds,
             "restarts": 0,
             "training": {"data": "population", "frequencies": 64, "learning_rate": 0.003, "schedule": "constant",
                          "beta2": 0.999, "init_scale": 0.3, "steps": steps, "checkpoints": 250}},
        )  # fmt: skip
        paths[name] = _paths(runs)
    set_seeds, set_steps = how.choose(4, 20, 100), how.choose(1500, 6000, 10_000)
    sets = how.sweep(
        "sets",
        {"activation": "relu", "n_features": SETS * SIZE, "n_hidden": 3, "density": SET_DENSITY, "bias": True,
         "inputs": "correlated", "set_size": SIZE, "seeds": set_seeds, "restarts": 0,
         "training": {"data": "minibatch", "rows": 1024, "learning_rate": 0.003, "schedule": "constant",
                      "beta2": 0.999, "init_scale": 0.1, "steps": set_steps, "checkpoints": 150}},
    )  # fmt: skip
    losses = _test_losses(sets, FeatureSets(SETS, SIZE, SET_DENSITY))
    protocol = [
        "Plateaux: "
        + "; ".join(f"n = {n}, m = {m}, p = {p:g} ({name})" for name, (n, m, p) in PLATEAU_RUNS.items())
        + f"; ReLU, a bias, equal importance; {seeds} seeds; Adam at a constant rate of .003 on the exact population "
        f"loss, {steps} steps from columns of norm .3, so that neither the loss nor D_i has noise.",
        f"A feature changes level if D_i stays within {NEAR:g} of one of 0, 3/8, 2/5, 1/2, 2/3, 3/4, 1 and later of "
        "another, each for a tenth of the time until all are settled; beside it, the same count with all levels but "
        "the last shifted by ±.05, where smooth paths rest by chance.",
        f"Sets: n = 6, m = 3, two sets of 3 correlated features, each active with p = {SET_DENSITY:g}; {set_seeds} "
        f"seeds; Adam at a constant rate of .003 on batches of 1024, {set_steps:,} steps from columns of norm .1; "
        f"losses on {TEST_ROWS:,} other rows, with the best bias for the weights of that step.",
    ]
    tables = [_plateau_table(paths), _set_table(sets, losses)]
    claims = [*_plateau_claims(paths), *_set_claims(sets, losses)]
    figures = {"dynamics_plateaux": plateaux_figure(paths), "dynamics_octahedron": octahedron_figure(sets, losses)}
    return Outcome(protocol, tables, claims, figures)


def _plateau_table(paths: dict[str, list[Path]]) -> Table:
    rows = []
    for name, found in paths.items():
        last = np.array([path.D[-1] for path in found])
        changed = [len(path.changes()) for path in found]
        by_chance = [path.changes_by_chance(_fraction(name)) for path in found]
        rows.append((
            name, len(found), f"{(np.abs(last - _fraction(name)) <= NEAR).mean():.0%}",
            shown_interval([path.end for path in found]), shown_interval(changed), last.shape[1],
            shown_interval(by_chance),
            shown_interval([path.fastest_share() for path in found], percent=True),
            shown_interval([path.together() for path in found]),
        ))  # fmt: skip
    header = (
        "plateau", "seeds", f"D_i within {NEAR:g} of it at the end", "settled at step", "features that change level",
        "of", "at shifted levels", "movement in the fastest tenth of the time", "correlation of movement and descent",
    )  # fmt: skip
    return Table("Feature dimensionalities in training", header, rows)


def _fraction(name: str) -> float:
    above, below = name.split("/")
    return int(above) / int(below)


def _set_table(sets: xarray.Dataset, losses: np.ndarray) -> Table:
    W, kept = sets["W_checkpoint"].values, sets["checkpoint"].values
    merged, crossed = are_merged(W), is_crossed_octahedron(W)
    rows = []
    for words, flags in (("one direction per set", merged), ("octahedron with antipodes across sets", crossed)):
        seen = flags.any(axis=1)
        first = kept[flags[seen].argmax(axis=1)] if seen.any() else np.empty(0)
        at = losses[seen, flags[seen].argmax(axis=1)] if seen.any() else np.empty(0)
        rows.append((
            words, f"{seen.mean():.0%}", shown_interval(first), shown_interval(at / SET_DENSITY),
            f"{flags[:, -1].mean():.0%}",
        ))  # fmt: skip
    header = ("geometry", "seeds that pass through it", "first at step", "loss/p then", "seeds that end in it")
    return Table("Two sets of three correlated features", header, rows)


def _plateau_claims(paths: dict[str, list[Path]]) -> list[Verdict]:
    every = [path for found in paths.values() for path in found]
    beyond = [
        len(path.changes()) - path.changes_by_chance(_fraction(name)) for name, found in paths.items() for path in found
    ]
    some = [bool(path.changes()) for path in paths["1/2"]]
    share = {name: [len(path.changes()) / path.D.shape[1] for path in found] for name, found in paths.items()}
    fastest = {name: [path.fastest_share() for path in found] for name, found in paths.items()}
    linked = [path.together() for path in every]
    at_once = [interval(values)[1] > 0.5 for values in share.values()]
    sudden = [interval(values)[1] > RELAXATION for values in fastest.values()]
    return [
        claim(
            "Some features jump: they rest at one published level of dimensionality and end at another",
            _more(beyond, 0.0),
            f"{shown_interval(beyond)} features per seed more than with the other levels shifted by .05; on the way to "
            f"antipodal pairs at least one in {shown_interval(some, percent=True)} of the seeds",
        ),
        claim(
            "Learning is dominated by jumps between levels of feature dimensionality",
            all(at_once) and all(sudden),
            "; ".join(
                f"plateau {name}: {shown_interval(share[name], percent=True)} of the features ever change level, and "
                f"the fastest tenth of the time holds {shown_interval(fastest[name], percent=True)} of the movement"
                for name in paths
            )
            + f" (exponential relaxation to a hundredth: {RELAXATION:.0%}, to a tenth: less; jumps: 100%)",
        ),
        claim(
            "The loss falls faster while features move",
            _more(linked, 0.0),
            "rank correlation of both rates, with the slowing down that they share taken out: "
            f"{shown_interval(linked)} over {len(linked)} seeds",
        ),
    ]


def _more(values: object, least: float) -> bool | None:
    """Whether a mean over seeds is above a number; undecided where its interval holds the number."""
    _, low, high = interval(values)
    return True if low > least else False if high < least else None


def _set_claims(sets: xarray.Dataset, losses: np.ndarray) -> list[Verdict]:
    W, kept = sets["W_checkpoint"].values, sets["checkpoint"].values
    merged, crossed = are_merged(W), is_crossed_octahedron(W)
    counts = [stages(loss, kept) for loss in losses]
    final = is_crossed_octahedron(sets["W"].values)
    first = [
        bool(m.any()) and bool(c.any()) and int(m.argmax()) < int(c.argmax())
        for m, c in zip(merged, crossed, strict=True)
    ]
    return [
        claim(
            "Two sets of three correlated features end as an octahedron with antipodes from different sets",
            _more(final, 0.8),
            f"{shown_interval(final, percent=True)} of {len(final)} seeds",
        ),
        claim(
            "Most runs first pass through the linear solution, one principal direction per set",
            _more(first, 0.5),
            f"{shown_interval(first, percent=True)} of {len(first)} seeds",
        ),
        claim(
            "The loss falls in distinct stages",
            _more(np.array(counts) >= 2, 0.8),
            f"descents set apart by a stretch of half their rate or less: {shown_interval(counts)} per seed, "
            f"two or more in {np.mean(np.array(counts) >= 2):.0%} of the seeds",
            counts=counts,
        ),
    ]


EXPERIMENT = Experiment(
    "dynamics",
    "Learning dynamics",
    "Do features jump between levels while superposition forms, and does the loss fall in stages?",
    "Elhage et al. 2022, superposition and learning dynamics",
    run,
)
