"""Features on a circle: a smooth curve of feature directions, or a few groups, by scale and optimiser."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from theory import ToyModel
from verify.experiments.base import Experiment, Outcome, Run, Table, claim, interval, shown_interval
from verify.geometry.clusters import discretisation_index, effective_clusters, neighbour_share
from verify.training.evaluation import held_out_rows
from verify.training.inputs import CircleFeatures
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["EXPERIMENT"]

N, M = 90, 3
SCALES = [1.0, 0.6, 0.3, 0.15, 0.1, 0.05, 0.02]
# Learning rates of SGD with momentum for the loss averaged over features; the studies state none.
RATES = [1.0, 3.0, 10.0, 30.0]
USUAL_RATE = 3.0


def run(how: Run) -> Outcome:
    """Train at every scale with Adam and with SGD; measure norms, biases and how far directions have merged."""
    from verify.plots.circle import circle_curves, circle_views

    seeds, steps = how.choose(2, 5, 10), how.choose(800, 12_000, 12_000)
    scales = how.choose(SCALES[::3], SCALES, SCALES)
    setting = {
        "activation": "relu", "n_features": N, "n_hidden": M, "density": 1.0, "bias": True, "inputs": "circle",
        "seeds": seeds,
    }  # fmt: skip
    training = {
        "data": "minibatch", "rows": 512, "steps": steps, "schedule": "constant", "reduction": "mean",
        "init": "xavier", "init_scale": 1.0,
    }  # fmt: skip
    adam = how.sweep(
        "adam",
        {**setting, "scale": scales, "training": {**training, "learning_rate": 1e-3, "beta2": 0.999}},
    )
    sgd = {"optimiser": "sgd", "momentum": 0.9}
    usual = how.sweep("sgd", {**setting, "scale": scales, "training": {**training, **sgd, "learning_rate": USUAL_RATE}})
    rates = how.sweep(
        "sgd-rates", {**setting, "scale": scales[-1], "training": {**training, **sgd, "learning_rate": RATES}}
    )
    rows = [_row("Adam, 1e-3", float(s), adam.sel(scale=s)) for s in scales]
    rows += [_row(f"SGD, {USUAL_RATE:g}", float(s), usual.sel(scale=s)) for s in scales]
    rows += [_row(f"SGD, {r:g}", scales[-1], rates.sel(learning_rate=r)) for r in RATES]
    header = (
        "optimiser, rate", "scale", "discretisation index Q", "clusters K", "nearest is a neighbour",
        "loss relative to predicting 0", "column norm: spread/mean", "diverged",
    )  # fmt: skip
    protocol = [
        f"{N} features at equal angles, {M} hidden dimensions, ReLU, a bias; x_i = r cos(d_i/scale), r ~ U[0, 1].",
        f"{steps} steps on batches of 512, constant rate, loss averaged over features; SGD with momentum .9.",
        f"{seeds} seeds. Q: share of close pairs of columns that have merged (0 smooth, 1 grouped).",
        "The studies state neither rates nor steps.",
    ]
    tables = [Table("Discretisation, mean and 95 % interval over seeds", header, rows)]
    figures = {"circle_views": circle_views(adam, usual), "circle_curves": circle_curves(adam, usual)}
    return Outcome(protocol, tables, _claims(adam, usual, rates, scales), figures)


def index_of(cell: xarray.Dataset) -> np.ndarray:
    """Q of every seed that did not diverge, shape (seeds,)."""
    return np.array([discretisation_index(W) for W in _kept(cell)])


def relative_loss(cell: xarray.Dataset, scale: float) -> np.ndarray:
    """Loss over that of predicting 0, on the same test rows, for every seed that did not diverge."""
    return np.asarray(cell["loss"].values[~cell["diverged"].values]) / _energy(cell.sizes["feature"], scale)


@cache
def _energy(n_features: int, scale: float) -> float:
    inputs = CircleFeatures(n_features, scale)
    rows = held_out_rows(ToyModel(n_features, 1, "relu", density=1), inputs)
    return float(rows.weights @ (rows.X**2).sum(axis=1))


def _lower(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool | None:
    """Whether the first mean is lower; undecided where the intervals overlap."""
    return True if one[2] < other[1] else False if other[2] < one[1] else None


def _kept(cell: xarray.Dataset) -> np.ndarray:
    return np.asarray(cell["W"].values[~cell["diverged"].values])


def _row(label: str, scale: float, cell: xarray.Dataset) -> tuple[Any, ...]:
    kept = _kept(cell)
    norms = np.linalg.norm(kept, axis=-2)
    return (
        label, scale, shown_interval(index_of(cell)), shown_interval([effective_clusters(W) for W in kept]),
        shown_interval([neighbour_share(W) for W in kept], percent=True),
        shown_interval(relative_loss(cell, scale)), shown_interval(norms.std(axis=-1) / norms.mean(axis=-1)),
        int(cell["diverged"].sum()),
    )  # fmt: skip


def _claims(adam: xarray.Dataset, usual: xarray.Dataset, rates: xarray.Dataset, scales: list[float]) -> list[Verdict]:
    found = []
    cells = [runs.sel(scale=s) for s in scales if s >= 0.1 for runs in (adam, usual)]
    wide = np.concatenate([index_of(cell) for cell in cells])
    found.append(
        claim(
            "At scales of 0.1 and more the feature directions do not merge into groups",
            bool(max(wide) <= 0.1) if len(wide) else None,
            f"largest Q {max(wide, default=np.nan):.2g} over {len(wide)} runs of both optimisers",
        )
    )
    beside = np.concatenate([[neighbour_share(W) for W in _kept(cell)] for cell in cells])
    found.append(
        claim(
            "At scales of 0.1 and more they form a smooth curve that follows the circle",
            bool(max(wide) <= 0.1 and np.mean(beside) >= 0.9) if len(wide) else None,
            f"columns whose nearest other column is a neighbour on the circle: {shown_interval(beside, percent=True)} "
            f"over these runs, {min(beside, default=np.nan):.0%} in the worst; 2 % at random",
        )
    )
    small = scales[-1]
    grouped = index_of(adam.sel(scale=small))
    clusters = np.array([effective_clusters(W) for W in _kept(adam.sel(scale=small))])
    # Q is 1 for columns that all coincide, too; that is no set of groups.
    discretises = bool(len(grouped)) and interval(grouped)[1] > 0.5 and float(clusters.min()) > 2
    found.append(
        claim(
            f"Adam discretises at a small scale ({small:g})",
            discretises if len(grouped) else None,
            f"Q = {shown_interval(grouped)}, K = {shown_interval(clusters)}",
            Q=grouped,
        )
    )
    by_rate = {float(r): index_of(rates.sel(learning_rate=r)) for r in RATES}
    by_rate = {r: q for r, q in by_rate.items() if len(q)}
    found.append(
        claim(
            "SGD with momentum never discretises",
            max(float(q.mean()) for q in by_rate.values()) < 0.3 if by_rate else None,
            f"Q at scale {small:g}: " + ", ".join(f"{shown_interval(q)} at rate {r:g}" for r, q in by_rate.items()),
        )
    )
    ours = interval(relative_loss(adam.sel(scale=small), small)) if len(grouped) else (np.nan, np.nan, np.nan)
    losses = {r: interval(relative_loss(rates.sel(learning_rate=r), small)) for r in by_rate}
    smooth = {r: v for r, v in losses.items() if by_rate[r].mean() < 0.3}
    best = min(smooth, key=lambda r: smooth[r][0]) if smooth else None
    found.append(
        claim(
            "Discretised representations are the better optimum",
            None if best is None or not discretises else _lower(ours, smooth[best]),
            f"relative loss of Adam {ours[0]:.4f} [{ours[1]:.4f}, {ours[2]:.4f}]"
            + (
                ""
                if best is None
                else f"; of SGD at rate {best:g}, with Q = {by_rate[best].mean():.2f}, {smooth[best][0]:.4f} "
                f"[{smooth[best][1]:.4f}, {smooth[best][2]:.4f}]"
            ),
        )
    )
    return found


EXPERIMENT = Experiment(
    "circle",
    "Features on a circle",
    "Do the directions of features on a circle form a smooth curve or a few groups, and what decides it?",
    "Olah and Batson 2023, Feature Manifold Toy Model; Bowcott's replication (90 features, 3 dimensions)",
    run,
)
