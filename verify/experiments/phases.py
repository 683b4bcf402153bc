"""Phase diagrams: two features in one dimension and three in two, trained, minimised and by theory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from numerics import phase_grid
from theory import PHASES, activation
from verify.experiments.base import Experiment, Outcome, Run, Table, claim
from verify.phases import name_of_weights
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["EXPERIMENT", "PAIRINGS", "pairing_of"]

ACTIVATIONS = ["relu", "power:2", "rectified-power:2", "gelu", "silu", "sigmoid", "tanh"]
# A trained weight below this share of the other one is read as zero; Adam leaves it small, not zero.
ZERO = 0.05
PAIRINGS = ("feature 3 dropped", "feature 1 or 2 dropped", "features 1 and 2 share", "feature 3 shares", "other")


def run(how: Run) -> Outcome:
    """Train and minimise on a grid of density and relative importance; compare phases and losses with theory."""
    from verify.plots.phase_map import phase_map_figure

    size = how.choose(3, 7, 15)
    names = how.choose(ACTIVATIONS[:2], ACTIVATIONS, ACTIVATIONS)
    densities = [round(float(p), 4) for p in np.geomspace(0.01, 1, size)]
    ratios = [round(float(r), 4) for r in np.geomspace(0.1, 10, size)]
    setting = {"density": densities, "bias": True, "seeds": how.choose(3, 6, 10), "restarts": how.choose(2, 4, 8)}
    pair = how.sweep(
        "two-in-one",
        {**setting, "activation": names, "n_features": 2, "n_hidden": 1, "importance": [[1, r] for r in ratios]},
    )
    triple = how.sweep(
        "three-in-two",
        {**setting, "activation": "relu", "n_features": 3, "n_hidden": 2, "importance": [[1, 1, r] for r in ratios]},
    )
    maps: dict[str, dict[str, np.ndarray]] = {}
    rows, agreement = [], {}
    for name in names:
        one = pair.sel(activation=name).transpose("importance", "density", ...)
        maps[name] = {"trained": _phases(one, trained=True), "minimised": _phases(one, trained=False)}
        exact = _theory(name, densities, ratios)
        best = one["loss"].min("seed").values
        excess = float(np.nanmax(best / one["best_known"].values)) - 1
        same = float((maps[name]["trained"] == maps[name]["minimised"]).mean())
        against, loss_gap = "—", "—"
        if exact is not None:
            phases, losses, clear = exact
            maps[name]["theory"] = phases
            equal = {kind: (maps[name][kind] == phases)[clear] for kind in ("trained", "minimised")}
            agreement[name] = {kind: float(value.mean()) for kind, value in equal.items()}
            against = f"{agreement[name]['trained']:.0%}, {agreement[name]['minimised']:.0%} of {int(clear.sum())}"
            loss_gap = f"{float(np.abs(one['minimised'].values / losses - 1).max()):.1e}"
        superposed = float((maps[name]["minimised"] == PHASES.index("antipodal")).mean())
        rows.append((name, f"{superposed:.0%}", f"{excess:.2%}", f"{same:.0%}", against, loss_gap))
    header = (
        "activation", "antipodal share of the plane", "worst best-seed excess over the best known loss",
        "trained = minimised phase", "trained, minimised = theory, of clear cells", "minimised against exact loss",
    )  # fmt: skip
    three, table = _three_in_two(triple, densities, ratios)
    protocol = [
        f"{size} x {size} grid: density from .01 to 1, relative importance of the last feature from .1 to 10, a bias.",
        f"Best of {setting['seeds']} seeds, Protocol(); a weight below {ZERO:g} of the other counts as zero.",
        "Theory: `numerics.phase_grid` (powers). Clear cells: the second phase is at least .1 % worse.",
    ]
    return Outcome(
        protocol,
        [Table("Two features in one dimension", header, rows), table],
        _claims(names, maps, agreement, three, densities, ratios),
        {
            "phases_two_in_one": phase_map_figure(maps, densities, ratios, PHASES),
            "phases_three_in_two": phase_map_figure({"relu": three}, densities, ratios, PAIRINGS),
        },
    )


def _phases(data: xarray.Dataset, trained: bool) -> np.ndarray:
    """Index into PHASES of the best seed, or of the minimiser: shape (importance, density)."""
    data = data.transpose("importance", "density", ...)
    found = np.zeros((data.sizes["importance"], data.sizes["density"]), dtype=int)
    for place in np.ndindex(*found.shape):
        cell = data.isel(importance=place[0], density=place[1])
        found[place] = PHASES.index(name_of_weights(_weights(cell, trained)[0], ZERO))
    return found


def _weights(cell: xarray.Dataset, trained: bool) -> np.ndarray:
    if trained:
        return np.asarray(cell["W"].values[int(np.nanargmin(cell["loss"].values))])
    return np.asarray(cell["W_minimised"].values)


def _theory(name: str, densities: list[float], ratios: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Phases, losses, and where the second best phase is clearly worse; None for activations without theory."""
    if activation(name).power_form is None:
        return None
    grid = phase_grid(name, densities, ratios, bias=True)
    ordered = np.sort(grid.losses, axis=0)
    return grid.phase, grid.loss, ordered[1] > 1.001 * ordered[0]


def pairing_of(W: np.ndarray) -> int:
    """Index into PAIRINGS of weights of shape (2, 3)."""
    norms = np.linalg.norm(W, axis=0)
    shown = norms > ZERO * norms.max()
    if not shown[2]:
        return 0
    if not shown[:2].all():
        return 1
    unit = W / norms
    gram = np.abs(unit.T @ unit)
    if gram[0, 1] > 0.95 and gram[:2, 2].max() < 0.3:
        return 2
    if gram[:2, 2].max() > 0.95 and gram[0, 1] < 0.3:
        return 3
    return 4


def _three_in_two(
    data: xarray.Dataset, densities: list[float], ratios: list[float]
) -> tuple[dict[str, np.ndarray], Table]:
    """Phases of three features in two dimensions, and how they compare with the best block solution.

    In a block solution one feature has a dimension, and the other two share one: its loss is that of two in one.
    """
    data = data.transpose("importance", "density", ...)
    shape = (len(ratios), len(densities))
    maps = {"trained": np.zeros(shape, dtype=int), "minimised": np.zeros(shape, dtype=int)}
    for place in np.ndindex(*shape):
        cell = data.isel(importance=place[0], density=place[1])
        for kind in maps:
            maps[kind][place] = pairing_of(_weights(cell, kind == "trained"))
    with_last, without = (
        phase_grid("relu", densities, ratios, bias=True),
        phase_grid("relu", densities, [1.0], bias=True),
    )
    block = np.minimum(with_last.loss, without.loss)
    names = np.array([{"not represented": 0, "dedicated": 1, "antipodal": 3, "aligned": 3}[name] for name in PHASES])
    others = np.array([{"not represented": 1, "dedicated": 1, "antipodal": 2, "aligned": 2}[name] for name in PHASES])
    maps["block theory"] = np.where(
        with_last.loss <= without.loss * (1 + 1e-9),
        names[with_last.phase],
        others[np.broadcast_to(without.phase, shape)],
    )
    best = np.fmin(data["minimised"].values, data["best_known"].values)
    gain = 1 - best / block
    rows = [
        (f"{p:g}", f"{gain[:, j].max():.2%}", f"{ratios[int(gain[:, j].argmax())]:g}",
         f"{max(0.0, -gain[:, j].min()):.2%}",
         ", ".join(PAIRINGS[k] for k in np.unique(maps["minimised"][:, j])))
        for j, p in enumerate(densities)
    ]  # fmt: skip
    header = ("p", "largest gain over a block solution", "at importance", "largest loss against it", "phases found")
    return maps, Table("Three features in two dimensions, ReLU", header, rows)


def _claims(
    names: list[str],
    maps: dict[str, dict[str, np.ndarray]],
    agreement: dict[str, dict[str, float]],
    three: dict[str, np.ndarray],
    densities: list[float],
    ratios: list[float],
) -> list[Verdict]:
    pair = PHASES.index("antipodal")
    minimised = min(v["minimised"] for v in agreement.values())
    trained = min(v["trained"] for v in agreement.values())
    found = [
        claim(
            "The minimised population loss falls into the phase that theory gives",
            minimised >= 0.98,
            "clear cells: " + ", ".join(f"{name} {v['minimised']:.0%}" for name, v in agreement.items()),
        ),
        claim(
            "The best trained seed falls into the phase that theory gives",
            trained >= 0.95,
            "clear cells: " + ", ".join(f"{name} {v['trained']:.0%}" for name, v in agreement.items()),
        ),
    ]
    share = {name: float((maps[name]["minimised"] == pair).mean()) for name in names}
    if {"sigmoid", "gelu", "silu"} <= set(names):
        same = float((maps["sigmoid"]["minimised"] == maps["relu"]["minimised"]).mean())
        found.append(
            claim(
                "The phase diagram of sigmoid looks like that of ReLU",
                same >= 0.8,
                f"the same phase in {same:.0%} of the plane; antipodal in {share['sigmoid']:.0%} of it, for ReLU in "
                f"{share['relu']:.0%}",
            )
        )
        sparse = [j for j, p in enumerate(densities) if p <= 0.03]
        shared = [PHASES.index(phase) for phase in ("antipodal", "aligned")]
        alone = {
            name: float((~np.isin(maps[name]["minimised"][:, sparse], shared)).mean()) for name in ("gelu", "silu")
        }
        found.append(
            claim(
                "GELU and SiLU stay monosemantic when features are sparse",
                min(alone.values()) >= 0.8,
                "share of cells with p <= .03 without superposition: "
                + ", ".join(f"{name} {value:.0%}" for name, value in alone.items()),
            )
        )
    seen = [PAIRINGS[k] for k in np.unique(three["minimised"])]
    same = float((three["minimised"] == three["block theory"]).mean())
    found.append(
        claim(
            "Three features in two dimensions show the phases of two in one, beside a feature of its own",
            same >= 0.9,
            f"the phase of the minimised loss is that of block theory in {same:.0%} of the plane; phases found: "
            + ", ".join(seen),
        )
    )
    return found


EXPERIMENT = Experiment(
    "phases",
    "Phase diagrams",
    "Where in the plane of density and importance is a feature dropped, given a dimension, or put into superposition?",
    "Elhage et al. 2022, superposition as a phase change (2 to 1 and 3 to 2); activation-function study (2023)",
    run,
)
