"""Five features in two dimensions: ReLU finds the regular pentagon when features are sparse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import theory
from theory import ToyModel
from verify.experiments.base import Experiment, Outcome, Run, Table, claim, good_seeds, shown_interval
from verify.geometry.superposition import antipodal_pairs, overlapping_pairs, represented_features
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["EXPERIMENT", "angle_gaps"]

N, M, TOLERANCE, SPREAD = 5, 2, 2.0, 0.05
DENSITIES = [0.3, 0.1, 0.05, 0.01, 0.003]


def angle_gaps(W: np.ndarray) -> np.ndarray:
    """Angles in degrees between neighbouring columns of W, shape (..., n), for W of shape (..., 2, n)."""
    angles = np.sort(np.degrees(np.arctan2(W[..., 1, :], W[..., 0, :])) % 360, axis=-1)
    return np.diff(angles, axis=-1, append=angles[..., :1] + 360)


def run(how: Run) -> Outcome:
    """Train from many seeds with and without bias, and measure angles and norms of the converged ones."""
    from verify.plots.pentagon import pentagon_figure

    seeds = how.choose(10, 50, 200)
    runs = how.sweep(
        "pentagon",
        {"activation": "relu", "n_features": N, "n_hidden": M, "density": DENSITIES, "bias": [False, True],
         "seeds": seeds, "restarts": 8},
    )  # fmt: skip
    rows = []
    for has_bias in (False, True):
        for p in DENSITIES:
            cell = runs.sel(bias=has_bias, density=p)
            kept = cell["reached"].values
            W = cell["W"].values[kept]
            regular = _regular(W)
            norms = np.linalg.norm(W, axis=-2)
            rows.append((
                "yes" if has_bias else "no", p, f"{kept.mean():.0%}", f"{regular.mean():.0%}" if kept.any() else "—",
                float(np.abs(angle_gaps(W[regular]) - 72).max()) if regular.any() else np.nan,
                float((norms[regular] ** 2).mean()) if regular.any() else np.nan,
                float(cell["b"].values[kept][regular].mean()) if regular.any() and has_bias else 0.0,
                float(cell["best_known"]) / p, float(cell["lower_bound"]) / p,
            ))  # fmt: skip
    header = (
        "bias", "p", "seeds at the best known loss", "of those regular pentagons", "largest deviation of an angle (°)",
        "norm²", "b", "best known loss/p", "certified lower bound/p",
    )  # fmt: skip
    protocol = [
        f"n = {N}, m = {M}, ReLU, equal importance, uniform features; {seeds} seeds; Protocol().",
        f"A pentagon is regular if every angle between neighbours is within {TOLERANCE:g}° of 72° and the norms "
        f"spread by at most {SPREAD:.0%} of their mean.",
    ]
    return Outcome(
        protocol, [Table("Converged seeds", header, rows)], _claims(runs), {"pentagon": pentagon_figure(runs)}
    )


def _regular(W: np.ndarray) -> np.ndarray:
    if not len(W):
        return np.zeros(0, dtype=bool)
    norms = np.linalg.norm(W, axis=-2)
    equal = norms.std(axis=-1) <= SPREAD * norms.mean(axis=-1)
    found: np.ndarray = equal & (norms.min(axis=-1) > 0) & (np.abs(angle_gaps(W) - 72).max(axis=-1) <= TOLERANCE)
    return found


def _claims(runs: xarray.Dataset) -> list[Verdict]:
    found = []
    for has_bias in (True, False):
        shares = []
        for p in (value for value in DENSITIES if value <= 0.05):
            cell = runs.sel(bias=has_bias, density=p)
            regular = _regular(cell["W"].values[cell["reached"].values])
            shares += list(regular.astype(float))
        words = "with a bias" if has_bias else "without bias"
        found.append(
            claim(
                f"At p <= 0.05, ReLU {words} arranges five features as a regular pentagon",
                float(np.mean(shares)) >= 0.8 if shares else None,
                f"{shown_interval(shares, percent=True)} of {len(shares)} converged seeds are within {TOLERANCE:g}°, "
                "with equal norms",
                shares=shares,
            )
        )
    found += [_pairs(runs), *_norms(runs)]
    model = ToyModel(N, M, "relu")
    lower, upper = theory.lower_bound(model, of="sparse"), theory.upper_bound(model, of="sparse")
    low, high = lower.evaluate(), upper.evaluate()
    gap = high / low - 1
    is_pentagon = upper.construction is not None and bool(_regular(np.asarray(upper.construction[0])[None])[0])
    found.append(
        Verdict(
            "Without bias nothing beats the pentagon by more than a millionth of its loss as p -> 0",
            "proved" if 0 <= gap < 1e-6 and is_pentagon else "undecided",
            f"certified lower bound ({lower.name}) {low:.10g}, pentagon "
            f"({upper.name}) {high:.10g}: relative gap {gap:.1e}; with a bias the bound does not apply, and optimality "
            "is numerical: the best of the minimiser's starts and of all seeds",
        )
    )
    return found


def _pairs(runs: xarray.Dataset) -> Verdict:
    p = DENSITIES[0]
    W = good_seeds(runs.sel(bias=True, density=p))
    found = (represented_features(W) == 4) & (antipodal_pairs(W) == 2) & (overlapping_pairs(W) == 0)
    return claim(
        f"At p = {p:g}, ReLU with a bias keeps four features, as two orthogonal antipodal pairs",
        float(found.mean()) >= 0.8,
        f"{shown_interval(found, percent=True)} of {len(found)} converged seeds",
    )


def _norms(runs: xarray.Dataset) -> list[Verdict]:
    """The published relation between the norm of a feature and its bias -b', and the one that is measured."""
    plain, squared = [], []
    for p in (value for value in DENSITIES if value <= 0.1):
        cell = runs.sel(bias=True, density=p)
        kept = cell["reached"].values
        W, b = cell["W"].values[kept], cell["b"].values[kept]
        norms, regular = np.linalg.norm(W, axis=-2), _regular(W)
        plain += list((norms * (1 + b))[regular].ravel())
        squared += list((norms**2 * (1 + b))[regular].ravel())
    return [
        claim(
            f"Features of the pentagon have {name} near 1/(1 - b') at a bias of -b', to 6 %",
            bool(np.abs(np.array(values) - 1).max() <= 0.06) if values else None,
            f"{name} times (1 - b') is {min(values):.3f} to {max(values):.3f}, p <= .1" if values else "no pentagon",
        )
        for name, values in (("norm", plain), ("squared norm", squared))
    ]


EXPERIMENT = Experiment(
    "pentagon",
    "Five features in two dimensions",
    "Does sparse ReLU training find the regular pentagon, and is it optimal?",
    "Elhage et al. 2022, introduction (n = 5, m = 2)",
    run,
)
