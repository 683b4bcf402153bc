"""Figures that set theory, computation and trained networks side by side; each takes an optional Axes."""

from verify.plots.agreement import RoutePair, route_agreement
from verify.plots.atlas import atlas, atlas_panel
from verify.plots.bias_capacity import bias_capacity
from verify.plots.dataset import theory_against_experiment
from verify.plots.density import DensityPanel, excess_of_training, loss_per_density, loss_per_density_figure
from verify.plots.intervals import IntervalPanel, sparse_interval, sparse_interval_figure
from verify.plots.phase import phase_diagram_figure, phase_panel
from verify.plots.scaling import scaling, scaling_figure
from verify.plots.style import as_png, as_svg, styled
from verify.plots.symmetry import SymmetryRow, symmetry_table

__all__ = [
    "DensityPanel",
    "IntervalPanel",
    "RoutePair",
    "SymmetryRow",
    "as_png",
    "as_svg",
    "atlas",
    "atlas_panel",
    "bias_capacity",
    "excess_of_training",
    "loss_per_density",
    "loss_per_density_figure",
    "phase_diagram_figure",
    "phase_panel",
    "route_agreement",
    "scaling",
    "scaling_figure",
    "sparse_interval",
    "sparse_interval_figure",
    "styled",
    "symmetry_table",
    "theory_against_experiment",
]
