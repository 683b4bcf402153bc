"""Dimensions per feature: how the hidden dimensions are shared out as density falls, and the plateaux of the shares."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from verify.experiments.base import Experiment, Outcome, Run, Table, claim
from verify.geometry.dimensionality import feature_dimensionality
from verify.geometry.plateaux import NEAR, PLATEAUX, stands_out
from verify.geometry.superposition import dimensions_per_feature, represented_features
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["EXPERIMENT"]

ACTIVATIONS = ["relu", "gelu", "silu", "sigmoid", "tanh", "solu", "rectified-power:2"]
DENSITIES = [1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05, 0.02]


def run(how: Run) -> Outcome:
    """Train large models over densities and activations; measure the dimensionality of every feature."""
    from verify.plots.dimensions import dimensions_figure, plateaux_figure

    n, m = how.choose((60, 12), (200, 20), (400, 30))
    densities = how.choose(DENSITIES[::3], DENSITIES, DENSITIES)
    names = how.choose(ACTIVATIONS[:2], ACTIVATIONS, ACTIVATIONS)
    runs = how.sweep(
        f"n{n}-m{m}",
        {"activation": names, "density": densities, "n_features": n, "n_hidden": m, "bias": True,
         "seeds": how.choose(1, 1, 3), "restarts": 0, "loss_rtol": 1e-2,
         "training": {"data": "minibatch", "rows": 512, "learning_rate": 0.005, "steps": how.choose(600, 2000, 5000)}},
    )  # fmt: skip
    W = runs["W"].values
    D = feature_dimensionality(W)
    per_feature = dimensions_per_feature(W)
    counts = represented_features(W)
    header = ("activation", *(f"p = {p:g}" for p in densities))
    tables = [
        Table("D* = m/|W|², seed 0", header, _rows(names, per_feature)),
        Table(f"Features represented of {n}, seed 0", header, _rows(names, counts)),
        Table("Sum of the feature dimensionalities (at most m), seed 0", header, _rows(names, D.sum(axis=-1))),
        Table(
            "Features within .005 of a plateau, all seeds (bold in the figure where they form a line)",
            ("activation", "p", *(f"{f} {word}" for f, word in PLATEAUX.items())),
            [
                (name, p, *(int((np.abs(D[i, j] - float(f)) <= NEAR).sum()) for f in PLATEAUX))
                for i, name in enumerate(names)
                for j, p in enumerate(densities)
            ],
        ),
    ]
    protocol = [
        f"n = {n}, m = {m}, equal importance, uniform features, a bias.",
        f"Adam with cosine decay from .005, fresh batches of 512, {how.choose(600, 2000, 5000)} steps.",
    ]
    figures = {"dimensions_per_feature": dimensions_figure(runs), "feature_dimensionality": plateaux_figure(runs)}
    return Outcome(protocol, tables, _claims(runs, D, per_feature, counts), figures)


def _rows(names: list[str], values: np.ndarray) -> list[tuple[object, ...]]:
    return [(name, *(round(float(v), 3) for v in values[i, :, 0])) for i, name in enumerate(names)]


def _claims(runs: xarray.Dataset, D: np.ndarray, per_feature: np.ndarray, counts: np.ndarray) -> list[Verdict]:
    names, densities = [str(v) for v in runs["activation"].values], runs["density"].values
    n, m = runs.sizes["feature"], runs.sizes["hidden"]
    relu = names.index("relu")
    lines = {f: [p for j, p in enumerate(densities) if stands_out(D[relu, j].ravel(), float(f))] for f in PLATEAUX}
    shown = "; ".join(f"{f} ({PLATEAUX[f]}) at p = {', '.join(f'{p:g}' for p in ps)}" for f, ps in lines.items() if ps)
    found = [
        claim(
            "ReLU is sticky at 1/2: over a range of densities features come in antipodal pairs",
            len(lines[Fraction(1, 2)]) >= 2,
            f"lines of feature dimensionality: {shown or 'none'}; a range: at two of the densities or more",
        ),
        claim(
            "Feature dimensionalities of ReLU pile up at other fractions as well, at two or more of 3/4, 2/3, 2/5, 3/8",
            sum(bool(lines[f]) for f in (Fraction(3, 4), Fraction(2, 3), Fraction(2, 5), Fraction(3, 8))) >= 2,
            f"lines at {', '.join(str(f) for f, ps in lines.items() if ps) or 'no fraction'}",
        ),
    ]
    others = [
        f"{name} at p = {p:g} ({int((np.abs(D[i, j] - 0.5) <= NEAR).sum())} features)"
        for i, name in enumerate(names)
        for j, p in enumerate(densities)
        if name != "relu" and stands_out(D[i, j].ravel(), 0.5)
    ]
    found.append(
        claim(
            "Only ReLU is sticky at 1/2",
            bool(lines[Fraction(1, 2)]) and not others,
            "also: " + ", ".join(others) if others else "no other line at 1/2",
        )
    )
    held = [int(counts[names.index(name), -1, 0]) / m for name in ("sigmoid", "solu") if name in names]
    artefact = {
        name: (float(1 / per_feature[i, -1, 0]), int(counts[i, -1, 0]))
        for i, name in enumerate(names)
        if 1 / per_feature[i, -1, 0] > n / m
    }
    found.append(
        claim(
            "Sigmoid and SoLU hold about 20 features per dimension",
            min(held) >= 15 if len(held) == 2 else None,
            f"features represented per dimension: {', '.join(f'{v:.3g}' for v in held) or 'not measured'}; "
            f"1/D* exceeds the ceiling n/m = {n / m:g} for "
            + (", ".join(f"{name} ({v:.3g}, with {c} of {n} features represented)" for name, (v, c) in artefact.items())
               or "no activation")
            + f" at p = {densities[-1]:g}: D* mixes norms with numbers",
        )
    )  # fmt: skip
    total = float(D.sum(axis=-1).max())
    found.append(
        claim(
            "Feature dimensionalities add up to at most the hidden dimension",
            total <= m * (1 + 1e-9),
            f"largest sum {total:.6g} of {m}; proved by Cauchy and Schwarz, an identity for tight frames",
        )
    )
    return found


EXPERIMENT = Experiment(
    "dimensions",
    "Dimensions per feature",
    "How are hidden dimensions shared out as features become sparse, and at which fractions do the shares pile up?",
    "Elhage et al. 2022, the geometry of superposition; activation-function study (2023)",
    run,
)
