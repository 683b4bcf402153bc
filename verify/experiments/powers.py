"""Power activations: trained losses over density against certified bounds, with and without a bias."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import theory
from numerics import minimise_loss
from theory import ToyModel
from verify.experiments.base import Experiment, Outcome, Run, Table, claim
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["EXPERIMENT"]

ACTIVATIONS = ["power:1", "power:2", "power:3", "relu", "rectified-power:2", "rectified-power:3"]
SIZES = [(6, 3), (5, 2), (12, 4)]
DENSITIES = [0.1, 0.03, 0.01, 0.003, 0.001]
SPARSE = 0.01
# The published losses of z**2 and max(0, z)**2 with a bias come up to their limit like p**(1/3).
VERY_SPARSE = [1e-5, 1e-6, 1e-7]
EXPONENT_OF = {"power:2": 1 / 3, "rectified-power:2": 1 / 3}


def run(how: Run) -> Outcome:
    """Train over n, m, density, power and bias; set every seed beside the bound and the minimised loss."""
    from verify.plots.density import loss_per_density_figure

    seeds = how.choose(4, 8, 20)
    sizes = how.choose(SIZES[:1], SIZES[:2], SIZES)
    densities = how.choose(DENSITIES[1::2], DENSITIES, [*DENSITIES, 3e-4, 1e-4])
    runs = {
        (n, m): how.sweep(
            f"n{n}-m{m}",
            {"activation": ACTIVATIONS, "n_features": n, "n_hidden": m, "density": densities, "bias": [False, True],
             "seeds": seeds, "restarts": how.choose(2, 4, 8)},
        )
        for n, m in sizes
    }  # fmt: skip
    rows = [
        (name, n, m, "yes" if has_bias else "no", *_row(data.sel(activation=name, bias=has_bias), densities))
        for (n, m), data in runs.items()
        for name in ACTIVATIONS
        for has_bias in (False, True)
    ]
    header = (
        "activation", "n", "m", "bias", f"best loss/p at p = {densities[-1]:g}", "over the best known",
        "certified lower bound/p there", "seeds that reach it", "smallest loss/bound over all p",
    )  # fmt: skip
    protocol = [
        f"(n, m) in {', '.join(map(str, sizes))}; densities {', '.join(f'{p:g}' for p in densities)}; {seeds} seeds.",
        "Equal importance, uniform features, Protocol(). Bounds are those of the same bias setting.",
    ]
    first = runs[sizes[0]]
    panels = [[_panel(first, name, sizes[0], has_bias) for name in ACTIVATIONS[1:4]] for has_bias in (False, True)]
    return Outcome(
        protocol,
        [Table("Trained losses and bounds", header, rows)],
        _claims(runs, densities, how.choose(0, 8, 16)),
        {"power_losses": loss_per_density_figure(panels)},
    )


def _row(data: xarray.Dataset, densities: list[float]) -> tuple[Any, ...]:
    p = densities[-1]
    last = data.sel(density=p)
    best = float(np.nanmin(last["loss"].values))
    ratio = data["loss"] / data["lower_bound"]
    return (
        best / p, f"{best / float(last['best_known']) - 1:+.2%}", float(last["lower_bound"]) / p,
        f"{float(last['success_rate']):.0%}", float(ratio.min()) if bool(np.isfinite(ratio).any()) else np.nan,
    )  # fmt: skip


def _claims(runs: dict[tuple[int, int], xarray.Dataset], densities: list[float], restarts: int) -> list[Verdict]:
    found = []
    for has_bias in (False, True):
        below = total = 0
        smallest = np.inf
        for data in runs.values():
            one = data.sel(bias=has_bias)
            loss, error = one["loss"].values, one["loss_error"].values
            bound = one["lower_bound"].values[..., None]
            known = np.isfinite(loss) & np.isfinite(bound) & (bound > 0)
            below += int(((loss + error < bound) & known).sum())
            total += int(known.sum())
            smallest = min(smallest, float(np.where(known, loss / np.where(bound > 0, bound, 1), np.inf).min()))
        words = "with a bias" if has_bias else "without bias"
        found.append(
            claim(
                f"No trained loss {words} is below the certified lower bound of that setting",
                below == 0 if total else None,
                f"{below} of {total} runs below; the smallest ratio of loss to bound is {smallest:.4f}",
                below=below,
                total=total,
            )
        )
    excess = {}
    for (n, m), data in runs.items():
        for name in ACTIVATIONS:
            for has_bias in (False, True):
                for p in (value for value in densities if value <= SPARSE):
                    cell = data.sel(activation=name, bias=has_bias, density=p)
                    excess[name, n, m, has_bias, p] = float(cell["loss"].min() / cell["minimised"]) - 1
    # Also late: no number at all, where every seed diverged or nothing was minimised.
    late = {key: value for key, value in excess.items() if not value <= 0.01}
    found.append(
        claim(
            "The best seed is within 1 % of the minimised population loss in the sparse regime",
            not late,
            f"{len(excess) - len(late)} of {len(excess)} settings with p <= {SPARSE:g}; largest excess "
            f"{max(excess.values()):.2%}"
            + ("" if not late else ": " + ", ".join(f"{k[0]} n={k[1]} m={k[2]} p={k[4]:g}" for k in list(late)[:6])),
        )
    )
    for name, expected in EXPONENT_OF.items():
        if restarts:
            exponent = _approach(name, restarts)
            found.append(
                claim(
                    f"With a bias, {name} comes up to its sparse limit like p^(1/3)",
                    abs(exponent - expected) < 0.05,
                    f"exponent {exponent:.3f} of 1 - (loss/p)/c* (minimised loss, 1e-7 <= p <= 1e-5, n = 6, m = 3)",
                    exponent=exponent,
                )
            )
    return found


def _approach(name: str, restarts: int) -> float:
    """The exponent with which the minimised loss with a bias comes up to its limit, n = 6, m = 3."""
    model = ToyModel(6, 3, name, bias=True)
    limit = theory.upper_bound(model.replace(bias=False), of="sparse").evaluate()
    losses = [minimise_loss(model.replace(density=p), restarts=restarts).loss.value for p in VERY_SPARSE]
    gap = 1 - np.array(losses) / np.array(VERY_SPARSE) / limit
    return float(np.polyfit(np.log(VERY_SPARSE), np.log(gap), 1)[0]) if (gap > 0).all() else np.nan


def _panel(data: xarray.Dataset, name: str, sizes: tuple[int, int], has_bias: bool) -> Any:
    from verify.plots.dataset import bound_curve
    from verify.plots.density import DensityPanel

    one = data.sel(activation=name, bias=has_bias)
    points = one["density"].values
    model = ToyModel(*sizes, name, bias=has_bias)
    grid = np.geomspace(points.min(), points.max(), 60)
    lower, upper = theory.lower_bounds(model), theory.upper_bounds(model)
    order = np.argsort(points)
    return DensityPanel(
        f"{name}, $n={sizes[0]}$, $m={sizes[1]}$" + (", bias" if has_bias else ""),
        grid,
        bound_curve(lower, grid, 0.0),
        bound_curve(upper, grid, np.nan),
        points[order],
        one["best_known"].values[order],
        one["loss"].values[order],
    )


EXPERIMENT = Experiment(
    "powers",
    "Power activations against certified bounds",
    "How close do trained losses come to the proved bounds as density falls, with and without a bias?",
    "This project's theory (docs/theory.md), protocol of Elhage et al. 2022",
    run,
)
