"""Correlated and anticorrelated features: which of them end up orthogonal, side by side, or opposite each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from verify.experiments.base import Experiment, Outcome, Run, Table, claim, good_seeds, shown_interval
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["EXPERIMENT", "cosines_of_sets"]

DENSITIES = [0.5, 0.2, 0.1, 0.05, 0.02]
SIZE = 2


def cosines_of_sets(W: np.ndarray, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Cosines between columns of W within sets and between sets; only columns longer than half the longest count."""
    norms = np.linalg.norm(W, axis=0)
    shown = norms > 0.5 * norms.max()
    unit = W / np.maximum(norms, 1e-12)
    gram = unit.T @ unit
    group = np.arange(len(norms)) // size
    pairs = np.triu(np.outer(shown, shown), 1)
    same = group[:, None] == group
    return gram[pairs & same], gram[pairs & ~same]


def _good(cell: xarray.Dataset) -> np.ndarray:
    """The seeds near the best one, and those that lose less than a thousandth of what predicting 0 does."""
    n, p = cell.sizes["feature"], float(cell["density"])
    active = n * p if str(cell["inputs"].values) == "correlated" else n * p / SIZE
    return good_seeds(cell, negligible=1e-3 * active / 3)


def run(how: Run) -> Outcome:
    """Two and three sets of two features in two dimensions, that act together or exclude each other."""
    from verify.plots.correlations import correlation_figure

    seeds = how.choose(3, 20, 50)
    runs = {
        n: how.sweep(
            f"n{n}",
            {"activation": "relu", "n_features": n, "n_hidden": 2, "bias": True, "density": DENSITIES,
             "inputs": ["correlated", "anticorrelated"], "set_size": SIZE, "seeds": seeds,
             "training": {"data": "minibatch", "rows": 512, "steps": how.choose(300, 2000, 4000)}},
        )
        for n in (4, 6)
    }  # fmt: skip
    rows = []
    for n, data in runs.items():
        for kind in ("correlated", "anticorrelated"):
            for p in DENSITIES:
                W = _good(data.sel(inputs=kind, density=p))
                inside, between = (np.concatenate(parts) for parts in zip(*map(cosines_of_sets, W), strict=True))
                norms = np.linalg.norm(W, axis=1)
                shown = (norms > 0.5 * norms.max(axis=1, keepdims=True)).sum(axis=1)
                rows.append((
                    f"{n // SIZE} sets of {SIZE}", kind, p, shown_interval(inside), shown_interval(np.abs(between)),
                    shown_interval(shown), len(W),
                ))  # fmt: skip
    header = (
        "features", "within a set", "p", "cosine within sets", "|cosine| between sets", "features represented",
        "seeds within 1 % of the best, or without loss",
    )  # fmt: skip
    protocol = [
        f"m = 2, ReLU, a bias, equal importance; a set is active with probability p; {seeds} seeds.",
        "Correlated: both features of an active set are on, with independent values; anticorrelated: exactly one is.",
        "Adam with cosine decay on batches of 512; test loss on 32,768 rows. Two anticorrelated sets of two can be "
        "reconstructed without loss: less than a thousandth of that of predicting 0 counts as none.",
    ]
    return Outcome(protocol, [Table("Angles", header, rows)], _claims(runs), {"correlations": correlation_figure(runs)})


def _mostly(hits: np.ndarray) -> bool | None:
    """Whether more than 80 % of the pairs do; undecided where no set has both of its features represented."""
    return None if not len(hits) else float(hits.mean()) > 0.8


def _share(hits: np.ndarray) -> str:
    return f"{hits.mean():.0%} of {len(hits)} represented" if len(hits) else "none of 0 represented"


def _claims(runs: dict[int, xarray.Dataset]) -> list[Verdict]:
    found = []
    sparse = [p for p in DENSITIES if p <= 0.1]
    inside = {
        kind: np.concatenate(
            [cosines_of_sets(W)[0] for p in sparse for W in _good(runs[4].sel(inputs=kind, density=p))]
        )
        for kind in ("correlated", "anticorrelated")
    }
    together, apart = inside["correlated"], inside["anticorrelated"]
    found.append(
        claim(
            "Correlated features prefer to be orthogonal",
            _mostly(np.abs(together) < 0.2),
            f"two sets of two, p <= .1: |cos| < .2 in {_share(np.abs(together) < 0.2)} pairs",
        )
    )
    found.append(
        claim(
            "Anticorrelated features prefer to be opposite each other",
            _mostly(apart < -0.9),
            f"two sets of two, p <= .1: cos < -.9 in {_share(apart < -0.9)} pairs",
        )
    )
    crowded = np.concatenate(
        [cosines_of_sets(W)[0] for p in sparse for W in _good(runs[6].sel(inputs="correlated", density=p))]
    )
    found.append(
        claim(
            "Where correlated features cannot be orthogonal they prefer to lie side by side",
            _mostly(crowded > 0),
            f"three sets of two, p <= .1: cos > 0 in {_share(crowded > 0)} pairs",
        )
    )
    merged = {}
    for p in DENSITIES:
        cosines = np.concatenate([cosines_of_sets(W)[0] for W in _good(runs[6].sel(inputs="correlated", density=p))])
        if len(cosines):
            merged[p] = float(cosines.mean())
    found.append(
        claim(
            "Denser correlated sets collapse onto their principal component",
            bool(merged) and max(merged.values()) > 0.95 and max(merged, key=lambda p: merged[p]) >= 0.2,
            "three sets of two, mean cosine within sets: "
            + ", ".join(f"{v:.2f} at p = {p:g}" for p, v in merged.items()),
        )
    )
    return found


EXPERIMENT = Experiment(
    "correlations",
    "Correlated and anticorrelated features",
    "How do correlations between features decide which of them interfere?",
    "Elhage et al. 2022, correlated and anticorrelated features (4 and 6 features, 2 dimensions)",
    run,
)
