"""From a dataset of trained autoencoders to the figure that sets them beside the theory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import numerics
import theory
from theory import InputError, ToyModel
from verify.plots.density import DensityPanel, loss_per_density, loss_per_density_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["theory_against_experiment"]


def theory_against_experiment(dataset: Any, axes: Axes | None = None, restarts: int = 8, seed: int = 0) -> Figure:
    """Draw loss per density against density: the proved band, the minimised population loss, every trained seed.

    One panel per setting (activation, sizes, law, bias), the densities of the dataset along its axis.

    Args:
        dataset: what `verify.train` returned.
        axes: where to draw; only for a dataset with a single setting.
        restarts, seed: of the minimiser.

    Raises:
        InputError: not a dataset of `verify.train`, per-feature densities or importances, a density of 0, or several
            settings on one Axes.
    """
    panels = [_panel(dataset, rows, restarts, seed) for rows in _settings(dataset).values()]
    if axes is None:
        return loss_per_density_figure([panels[i : i + 3] for i in range(0, len(panels), 3)])
    if len(panels) != 1:
        raise InputError(f"the dataset holds {len(panels)} settings; one Axes shows one (leave axes out for a grid)")
    axes.set_xlabel("density $p$")
    axes.set_ylabel("loss per density $L/p$")
    return loss_per_density(panels[0], axes)


def _settings(dataset: Any) -> dict[tuple, list[int]]:
    needed = ("activation", "n_features", "n_hidden", "density", "law", "bias", "importance")
    missing = [name for name in needed if name not in getattr(dataset, "coords", {})]
    if missing:
        raise InputError(f"dataset lacks the coordinates {', '.join(missing)}; give what verify.train returned")
    found: dict[tuple, list[int]] = {}
    for i in range(dataset.sizes["model"]):
        key = tuple(str(dataset[name].values[i]) for name in needed if name != "density")
        found.setdefault(key, []).append(i)
    return found


def _panel(dataset: Any, rows: list[int], restarts: int, seed: int) -> DensityPanel:
    value = lambda name, i: dataset[name].values[i]  # noqa: E731
    first = rows[0]
    try:
        densities = {i: float(value("density", i)) for i in rows}
        importance = float(value("importance", first))
    except ValueError:
        raise InputError("theory_against_experiment needs one density and one importance for all features") from None
    rows = sorted(rows, key=lambda i: densities[i])
    base = ToyModel(
        int(value("n_features", first)),
        int(value("n_hidden", first)),
        str(value("activation", first)),
        law=str(value("law", first)),
        importance=importance,
        bias=bool(value("bias", first)),
    )
    points = [densities[i] for i in rows]
    trained = np.array([dataset["loss"].values[i] for i in rows])
    minimised = []
    for p, losses in zip(points, trained, strict=True):
        optimum = numerics.minimise_loss(base.replace(density=p), restarts=restarts, seed=seed).loss.value
        minimised.append(min(optimum, np.nanmin(losses, initial=optimum)))
    grid = np.geomspace(min(points), max(points), 60) if len(points) > 1 else np.array(points)
    lower, upper = theory.lower_bounds(base), theory.upper_bounds(base)
    sparse = theory.lower_bounds(base, of="sparse"), theory.upper_bounds(base, of="sparse")
    title = f"{base.activation.name}, $n={base.n_features}$, $m={base.n_hidden}$" + (", bias" if base.bias else "")
    return DensityPanel(
        title,
        grid,
        bound_curve(lower, grid, 0.0),
        bound_curve(upper, grid, np.nan),
        np.array(points),
        np.array(minimised),
        trained,
        sparse[0][0].evaluate() if sparse[0] else None,
        sparse[1][0].evaluate() if sparse[1] else None,
    )


def bound_curve(bounds: list[theory.Bound], grid: np.ndarray, otherwise: float) -> np.ndarray:
    """The best of several bounds in the symbol p at every density of the grid; `otherwise` where there is none."""
    if not bounds:
        return np.full(len(grid), otherwise)
    curves = np.array([numerics.compile_expression(bound.expr, theory.DENSITY)(grid) for bound in bounds])
    return curves.max(axis=0) if bounds[0].side == "lower" else curves.min(axis=0)
