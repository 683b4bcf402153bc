"""Phase diagrams: two features in one dimension and three in two, trained, minimised and by theory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from theory import PHASES, activation
from verify.experiments.base import Experiment, Outcome, Run, Table, claim
from verify.experiments.phases_of_three import three_in_two
from verify.phases.change import PhaseChange, boundary_curve, phase_change
from verify.phases.diagram import name_of_weights
from verify.phases.sets import TOLERANCE, PhaseSet, pair_phases, unit_pair_losses
from verify.plots.phase_map import PhaseMap, phase_map_figure
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["EXPERIMENT"]

ACTIVATIONS = ["relu", "power:2", "rectified-power:2", "gelu", "silu", "sigmoid", "tanh"]
# A trained weight below this share of the other one is read as zero; Adam leaves it small, not zero.
ZERO = 0.05
REACHED = 1.01
PAIR = PHASES.index("antipodal")
LABELS = ("feature 2 not represented", "feature 2 has the dimension", "aligned", "antipodal superposition")


def run(how: Run) -> Outcome:
    """Train and minimise on a grid of density and relative importance; compare phases and losses with theory."""
    size = how.choose(3, 15, 21)
    names = how.choose(ACTIVATIONS[:2], ACTIVATIONS, ACTIVATIONS)
    seeds = how.choose(3, 12, 24)
    densities, ratios = grid_of(size)
    fine = grid_of(how.choose(9, 61, 81))
    common = {"density": densities, "bias": True, "seeds": seeds}
    two = {**common, "activation": names, "n_features": 2, "n_hidden": 1}
    pair = how.sweep("two-in-one", {**two, "importance": [[1, r] for r in ratios], "restarts": 0, "checkpoints": 1})
    # Exchanging the features turns importance r into 1/r, so half of the plane is minimised; one step, one seed:
    # nothing is to be trained here.
    half = {"seeds": 1, "steps": 1, "restarts": how.choose(2, 2, 6)}
    least = how.sweep("two-in-one-minimised", {**two, **half, "importance": [[1, r] for r in ratios if r <= 1]})
    triple = how.sweep(
        "three-in-two",
        {
            **common, "activation": "relu", "n_features": 3, "n_hidden": 2, "restarts": how.choose(2, 4, 8),
            "importance": [[1, 1, r] for r in ratios],
        },
    )  # fmt: skip
    found = {name: Plane(name, pair.sel(activation=name), least.sel(activation=name), ratios) for name in names}
    theory = {name: pair_phases(name, densities, ratios) for name in names if activation(name).power_form is not None}
    curves = {name: boundary_curve(name, how.choose(4, 12, 24)) for name in theory}
    maps = {}
    for name, plane in found.items():
        ways = {"trained": plane.trained, "minimised": plane.minimised}
        maps[name] = {way: PhaseMap(densities, ratios, phases) for way, phases in ways.items()}
        if name in theory:
            exact = pair_phases(name, *fine)
            maps[name]["theory"] = PhaseMap(*fine, exact.phase, curves[name])
    changes = [
        phase_change(name, ratio)
        for name in names
        if name in theory
        for ratio in how.choose((0.4,), (0.2, 0.4, 0.6, 0.8), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9))
    ]
    triples = three_in_two(triple, densities, ratios, fine, curves["relu"], how.choose(5, 17, 25))
    protocol = [
        f"{size} x {size} grid: density from .01 to 1, importance of the last feature from .1 to 10 (the others have "
        "importance 1), a bias.",
        f"Trained: best of {seeds} seeds, Protocol(); a weight below {ZERO:g} of the largest counts as zero. "
        "Minimised: `numerics.minimise_loss`. Theory: `numerics.phase_grid`, powers only.",
        f"Two features: what becomes of feature 2. A cell is clear where one phase alone comes within {TOLERANCE:.1%} "
        "of the smallest loss by theory; elsewhere every phase that does is right.",
    ]
    return Outcome(
        protocol,
        [_agreement_table(found, theory), _seed_table(found), _change_table(changes), triples.table],
        [*_phase_claims(found, theory, densities, ratios), _seed_claim(found), *_change_claims(changes),
         *_study_claims(found, densities), *triples.claims],
        {"phases_two_in_one": phase_map_figure(maps, LABELS), "phases_three_in_two": triples.figure},
    )  # fmt: skip


def grid_of(size: int) -> tuple[list[float], list[float]]:
    """Densities from .01 to 1 and importances from .1 to 10, as many of each; with every importance its inverse.

    Args:
        size: odd.
    """
    lower = [round(float(r), 4) for r in np.geomspace(0.1, 1, size // 2 + 1)]
    return [round(float(p), 4) for p in np.geomspace(0.01, 1, size)], lower + [1 / r for r in lower[-2::-1]]


class Plane:
    """What training and minimising found for one activation; arrays of shape (importance, density).

    Attributes:
        losses: of the seeds, shape (importance, density, seed).
        opposite: whether a seed started with weights of opposite signs, of the same shape.
        least: the minimised loss.
        best: the smallest loss known.
        trained, minimised: index into PHASES.
    """

    def __init__(self, name: str, trained: xarray.Dataset, least: xarray.Dataset, ratios: Sequence[float]):
        self.name = name
        trained = trained.transpose("importance", "density", "seed", ...)
        least = least.transpose("importance", "density", ...)
        self.losses = np.where(trained["diverged"].values, np.nan, trained["loss"].values)
        start = trained["W_checkpoint"].isel(checkpoint=0).values[..., 0, :]
        self.opposite = start[..., 0] * start[..., 1] < 0
        lower, weights = least["minimised"].values, least["W_minimised"].values[..., 0, :]
        # L(1, 1/r) = L(1, r)/r, with the features exchanged.
        above = lower[-2::-1] / np.array(ratios[: len(lower) - 1])[::-1, None]
        self.least = np.concatenate([lower, above])
        self.minimised = _phases(np.concatenate([weights, weights[-2::-1, :, ::-1]]))
        self.best = np.fmin(self.least, np.nanmin(self.losses, axis=-1))
        first = np.nanargmin(self.losses, axis=-1)[..., None, None]
        self.trained = _phases(np.take_along_axis(trained["W"].values[..., 0, :], first, axis=-2)[..., 0, :])

    @property
    def reached(self) -> np.ndarray:
        """Seeds within 1 % of the best known loss, shape (importance, density, seed)."""
        return np.asarray(self.losses <= REACHED * self.best[..., None])

    @property
    def excess(self) -> np.ndarray:
        """Of the best seed over the best known loss, relative."""
        return np.asarray(np.nanmin(self.losses, axis=-1) / self.best - 1)


def _phases(weights: np.ndarray) -> np.ndarray:
    """Index into PHASES of weights of shape (importance, density, 2)."""
    return np.array([[PHASES.index(name_of_weights(w, ZERO)) for w in row] for row in weights])


def _agreement_table(found: dict[str, Plane], theory: dict[str, PhaseSet]) -> Table:
    rows = []
    for name, plane in found.items():
        shares = ("—", "—", "—", "—")
        if name in theory:
            exact = theory[name]
            clear = exact.clear()
            trained, minimised = (exact.accepts(phases) for phases in (plane.trained, plane.minimised))
            gap = float(np.abs(plane.least / exact.loss - 1).max())
            shares = (f"{int(clear.sum())} of {clear.size}", f"{minimised[clear].mean():.1%}",
                      f"{trained[clear].mean():.1%}", f"{gap:.1e}")  # fmt: skip
        same = (plane.trained == plane.minimised) | (plane.excess <= TOLERANCE)
        rows.append((name, f"{(plane.minimised == PAIR).mean():.0%}", *shares, f"{same.mean():.1%}",
                     f"{plane.excess.max():.2%}"))  # fmt: skip
    header = (
        "activation", "antipodal share of the plane", "clear cells", "of these, minimised in the phase of theory",
        "best seed in the phase of theory", "largest relative difference of minimised and exact loss",
        "best seed in the minimised phase, or within .1 % of its loss", "worst excess of a best seed",
    )  # fmt: skip
    return Table("Two features in one dimension", header, rows)


def _seed_table(found: dict[str, Plane]) -> Table:
    rows = []
    for name, plane in found.items():
        cells = plane.minimised == PAIR
        reached, opposite = plane.reached[cells], plane.opposite[cells]
        per_cell = reached.mean(-1) if cells.any() else np.zeros(1)
        rows.append((name, int(cells.sum()), f"{_share(reached[opposite]):.0%}", f"{_share(reached[~opposite]):.0%}",
                     f"{per_cell.min():.0%}", int((~reached.any(-1)).sum())))  # fmt: skip
    header = ("activation", "cells where a pair is best", "seeds within 1 %: started with opposite signs",
              "started with equal signs", "lowest share of seeds in a cell", "cells that no seed reached")  # fmt: skip
    return Table("Which seeds find the antipodal pair", header, rows)


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if flags.size else float("nan")


def _change_table(changes: Sequence[PhaseChange]) -> Table:
    rows = [
        (c.activation, c.importance, f"{c.density:.4f}", f"{c.below:.4f}", f"{c.above:.4f}",
         f"{c.theory_below:.4f}, {c.theory_above:.4f}", f"{c.ratio:.2f}",
         "jumps" if c.ends_in_jump else "continuous",
         f"{c.jump.below:.4f} to {c.jump.above:.4f} at p = {c.jump.density:.4f}" if c.jump.is_real else "none")
        for c in changes
    ]  # fmt: skip
    header = ("activation", "importance", "p* where the pair ends", "dL*/dp at p* - .2 %", "dL*/dp at p* + .2 %",
              "both by theory", "w2/w1 at p* - .2 %", "the slope there",
              "largest jump on the line, by theory")  # fmt: skip
    return Table("The order of the phase change: slopes of the minimised loss on both sides", header, rows)


def _phase_claims(
    found: dict[str, Plane], theory: dict[str, PhaseSet], densities: list[float], ratios: list[float]
) -> list[Verdict]:
    share = {
        kind: {name: float(e.accepts(getattr(found[name], kind))[e.clear()].mean()) for name, e in theory.items()}
        for kind in ("minimised", "trained")
    }
    shown = {kind: ", ".join(f"{name} {v:.1%}" for name, v in values.items()) for kind, values in share.items()}
    fewest = min(found[name].losses.shape[-1] for name in theory)
    verdicts = [
        claim(
            "The minimised population loss falls into the phase that theory gives",
            min(share["minimised"].values()) >= 0.98,
            f"clear cells: {shown['minimised']}",
        ),
        claim(
            f"The best of {fewest} trained seeds falls into the phase that theory gives",
            min(share["trained"].values()) >= 0.95,
            f"clear cells: {shown['trained']}",
        ),
    ]
    exact, unit = theory["relu"], unit_pair_losses(densities, ratios)
    same = float((unit.argmin(0) == exact.phase)[exact.clear()].mean())
    verdicts.append(
        claim(
            "The closed forms of ReLU with weights 0 and 1 predict the phase",
            same >= 0.9,
            f"in {same:.1%} of the clear cells; their smallest loss is up to "
            f"{float((unit.min(0) / exact.loss).max() - 1):.1%} above the optimum over all weights and biases",
        )
    )
    return verdicts


def _seed_claim(found: dict[str, Plane]) -> Verdict:
    """Training is a descent into the basin of the start: a weight that has shrunk to zero is a stationary point."""
    parts, gains = [], []
    for name, plane in found.items():
        cells = plane.minimised == PAIR
        if cells.mean() < 0.1:
            continue
        reached, opposite = plane.reached[cells], plane.opposite[cells]
        gains.append(_share(reached[opposite]) - _share(reached[~opposite]))
        parts.append(f"{name} {_share(reached[opposite]):.0%} against {_share(reached[~opposite]):.0%}")
    return claim(
        "The signs of its start decide whether a seed finds the antipodal pair",
        min(gains, default=0.0) >= 0.1,
        "seeds within 1 % of the best known loss, started with opposite against equal signs: " + ", ".join(parts),
    )


def _change_claims(changes: Sequence[PhaseChange]) -> list[Verdict]:
    verdicts = []
    for name in dict.fromkeys(c.activation for c in changes):
        lines = [c for c in changes if c.activation == name]
        jumps = [c for c in lines if c.jump.is_real]
        text = f"the slope of the least loss jumps on {len(jumps)} of {len(lines)} lines of constant importance"
        shrinks = [c for c in lines if not c.ends_in_jump]
        if shrinks:
            text += "; at importance " + ", ".join(
                f"{c.importance:g} it does so at p = {c.jump.density:.3f}, from a strong pair to a weak one, which "
                f"shrinks to nothing at p* = {c.density:.3f} without a jump"
                for c in shrinks
            )
        statement = f"The phase change of {name} is of first order: two losses cross"
        verdicts.append(claim(statement, len(jumps) == len(lines), text))
    return verdicts


def _study_claims(found: dict[str, Plane], densities: list[float]) -> list[Verdict]:
    if not {"sigmoid", "gelu", "silu"} <= set(found):
        return []
    share = {name: float((plane.minimised == PAIR).mean()) for name, plane in found.items()}
    same = float((found["sigmoid"].minimised == found["relu"].minimised).mean())
    sparse = [j for j, p in enumerate(densities) if p <= 0.03]
    shared = [PHASES.index(phase) for phase in ("antipodal", "aligned")]
    alone = {name: float((~np.isin(found[name].minimised[:, sparse], shared)).mean()) for name in ("gelu", "silu")}
    return [
        claim(
            "The phase diagram of sigmoid looks like that of ReLU",
            same >= 0.8,
            f"the same phase in {same:.0%} of the plane; antipodal in {share['sigmoid']:.0%} of it, for ReLU in "
            f"{share['relu']:.0%}",
        ),
        claim(
            "GELU and SiLU stay monosemantic when features are sparse",
            min(alone.values()) >= 0.8,
            "share of cells with p <= .03 without superposition: "
            + ", ".join(f"{name} {value:.0%}" for name, value in alone.items()),
        ),
    ]


EXPERIMENT = Experiment(
    "phases",
    "Phase diagrams",
    "Where in the plane of density and importance is a feature dropped, given a dimension, or put into superposition?",
    "Elhage et al. 2022, superposition as a phase change (2 to 1 and 3 to 2); activation-function study (2023)",
    run,
)
