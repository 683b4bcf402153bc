"""Three features in two dimensions: the second half of the phase diagrams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from verify.experiments.base import Table, claim
from verify.phases.sets import TOLERANCE, PhaseSet
from verify.phases.triples import (
    PAIRINGS,
    TRIANGLE,
    pairing_of,
    triangle_certificate,
    triple_phases,
    unit_triple_losses,
)
from verify.plots.phase_map import PhaseMap, triple_map_figure
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

__all__ = ["Triples", "three_in_two"]


@dataclass(frozen=True)
class Triples:
    """What the experiment shows of three features."""

    table: Table
    claims: list[Verdict]
    figure: Figure


def three_in_two(
    data: xarray.Dataset,
    densities: list[float],
    ratios: list[float],
    fine: tuple[list[float], list[float]],
    boundary: tuple[np.ndarray, np.ndarray],
    zoomed: int,
) -> Triples:
    """Phases of the best seed and of the minimised loss beside those of theory, and the region of the triangle.

    Args:
        data: the sweep over importance and density.
        densities, ratios: its axes.
        fine: densities and importances of the map of theory.
        boundary: of two features in one dimension, as densities and importances.
        zoomed: points per axis of the neighbourhood of equal importance.
    """
    data = data.transpose("importance", "density", "seed", ...)
    losses = np.where(data["diverged"].values, np.nan, data["loss"].values)
    first = np.nanargmin(losses, axis=-1)
    found = {
        "trained": _pairings(np.take_along_axis(data["W"].values, first[..., None, None, None], axis=2)[:, :, 0]),
        "minimised": _pairings(data["W_minimised"].values),
    }
    theory = triple_phases(densities, ratios)
    best = np.fmin(data["minimised"].values, np.nanmin(losses, axis=-1))
    zoom_p, zoom_r = np.linspace(0.4, 1, zoomed).tolist(), np.geomspace(0.5, 2, zoomed).tolist()
    zoom = triple_phases(zoom_p, zoom_r)
    smooth = triple_phases(*fine, triangle=False)
    # A block drops feature 3 where two features in one dimension would, which for importances above 1 they never do.
    lower = boundary[1] <= 1
    # The triangle is a region of few cells: on the map of theory it comes from the magnified one.
    return Triples(
        _table(found, theory, best, densities, ratios),
        _claims(found, theory, best, zoom, zoom_p, zoom_r, densities, ratios),
        triple_map_figure(
            {
                **{way: PhaseMap(densities, ratios, phases) for way, phases in found.items()},
                "theory": PhaseMap(
                    *fine,
                    _with_triangle(smooth, zoom, fine, (zoom_p, zoom_r)),
                    (boundary[0][lower], boundary[1][lower]),
                ),
            },
            PhaseMap(zoom_p, zoom_r, zoom.phase),
            _gain(zoom),
            PAIRINGS,
        ),
    )


def _pairings(weights: np.ndarray) -> np.ndarray:
    return np.array([[pairing_of(W) for W in row] for row in weights])


def _gain(phases: PhaseSet) -> np.ndarray:
    """Of the triangle over the best block, relative; NaN where there is none."""
    block = phases.losses[:TRIANGLE].min(0)
    return np.asarray(np.where(np.isfinite(phases.losses[TRIANGLE]), 1 - phases.losses[TRIANGLE] / block, np.nan))


def _with_triangle(
    smooth: PhaseSet,
    zoom: PhaseSet,
    fine: tuple[Sequence[float], Sequence[float]],
    axes: tuple[Sequence[float], Sequence[float]],
) -> np.ndarray:
    """Phases of the fine map, with the triangle where the magnified map, interpolated, has it."""
    from scipy.interpolate import RegularGridInterpolator

    p, ratio = np.meshgrid(*map(np.asarray, fine))
    wins = (zoom.phase == TRIANGLE).astype(float)
    at = RegularGridInterpolator((np.log(axes[1]), np.asarray(axes[0])), wins, bounds_error=False, fill_value=0.0)
    return np.where(at((np.log(ratio), p)) > 0.5, TRIANGLE, smooth.phase)


def _table(
    found: dict[str, np.ndarray], theory: PhaseSet, best: np.ndarray, densities: list[float], ratios: list[float]
) -> Table:
    block = theory.losses[:TRIANGLE].min(0)
    gain = 1 - best / block
    rows = []
    for j, p in enumerate(densities):
        largest, where = float(gain[:, j].max()), int(gain[:, j].argmax())
        wins = largest > TOLERANCE
        rows.append((
            p, f"{largest:.2%}" if wins else "none", f"{ratios[where]:.3g}" if wins else "—",
            *(f"{theory.accepts(found[kind])[:, j].mean():.0%}" for kind in ("minimised", "trained")),
            ", ".join(PAIRINGS[k] for k in np.unique(found["minimised"][:, j])),
        ))  # fmt: skip
    header = ("p", "largest gain over the best block", "at importance", "minimised in an optimal phase",
              "best seed in an optimal phase", "phases of the minimised loss")  # fmt: skip
    return Table("Three features in two dimensions, ReLU", header, rows)


def _claims(
    found: dict[str, np.ndarray],
    theory: PhaseSet,
    best: np.ndarray,
    zoom: PhaseSet,
    zoom_p: list[float],
    zoom_r: list[float],
    densities: list[float],
    ratios: list[float],
) -> list[Verdict]:
    gain = np.nan_to_num(_gain(zoom), nan=-1.0)
    rows, columns = np.nonzero(gain > TOLERANCE)
    top = np.unravel_index(int(gain.argmax()), gain.shape)
    triangle, block = triangle_certificate()
    region = "no cell of the magnified map"
    if len(rows):
        region = (
            f"cells of the magnified map between p = {zoom_p[columns.min()]:.2f} and {zoom_p[columns.max()]:.2f} and "
            f"between importances {zoom_r[rows.min()]:.2f} and {zoom_r[rows.max()]:.2f}, up to "
            f"{gain[top]:.1%} (p = {zoom_p[top[1]]:.2f}, "
            f"importance {zoom_r[top[0]]:.2f})"
        )
    accepted = {kind: theory.accepts(phases) for kind, phases in found.items()}
    outside = theory.phase != TRIANGLE
    clear = theory.clear()
    below = float((1 - best / theory.loss).max())
    unit = unit_triple_losses(densities, ratios)
    plain = clear & outside
    same = float((unit.argmin(0) == theory.phase)[plain].mean())
    return [
        claim(
            "Three features in two dimensions: a feature of its own beside the phases of two in one, and nothing else",
            bool(triangle >= block) and not len(rows),
            f"a triangle that all three share beats every block by more than {TOLERANCE:.1%} for {region}; at p = .7 "
            f"and importance 1 exactly {float(triangle):.6f}, and no block below {float(block):.6f} (branch and bound "
            "in floats, with an allowance for rounding)",
        ),
        claim(
            "Outside the region of the triangle the minimised loss falls into the best block phase",
            bool(accepted["minimised"][outside].mean() >= 0.98) and below <= TOLERANCE,
            f"in {accepted['minimised'][outside].mean():.1%} of {int(outside.sum())} cells, in "
            f"{accepted['minimised'][plain].mean():.1%} of the {int(plain.sum())} where one phase alone is within "
            f"{TOLERANCE:.1%} of the best; nothing found is more than {max(below, 0.0):.1e} below theory",
        ),
        claim(
            "The best trained seed of three features falls into an optimal phase",
            bool(accepted["trained"][clear].mean() >= 0.95),
            f"in {accepted['trained'][clear].mean():.1%} of {int(clear.sum())} clear cells, "
            f"{accepted['trained'].mean():.1%} of all {clear.size}",
        ),
        claim(
            "The closed forms of three features with columns of norm 0 and 1 predict the phase",
            same >= 0.9,
            f"in {same:.1%} of the {int(plain.sum())} clear cells outside the triangle; they do not know the triangle",
        ),
    ]
