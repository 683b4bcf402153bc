"""The value of any expectation, with an error that can be trusted."""

from numerics.compile import compile_activation, compile_expression, compile_with_slope
from numerics.configurations.best import BestConfiguration, best_configuration
from numerics.estimate import Estimate
from numerics.exact import exact_loss
from numerics.layers import compile_layer
from numerics.loss import expected_loss
from numerics.minimise.biased import BiasedOptimum, minimise_biased_coefficient
from numerics.minimise.hessian import HessianSpectrum, hessian_spectrum
from numerics.minimise.loss import Optimum, minimise_loss
from numerics.minimise.phase_grid import PhaseGrid, phase_grid
from numerics.minimise.sparse import SparseOptimum, minimise_sparse_coefficient
from numerics.minimise.weighted_sparse import WeightedOptimum, first_order_loss, minimise_first_order
from numerics.population import population_loss
from numerics.symmetry.discovery import Discovery, discover_equivariance
from numerics.symmetry.intertwining import IntertwinerDiscovery, discover_intertwiner
from numerics.torch_modules import symbolic_form

__all__ = [
    "BestConfiguration",
    "BiasedOptimum",
    "Discovery",
    "Estimate",
    "HessianSpectrum",
    "IntertwinerDiscovery",
    "Optimum",
    "PhaseGrid",
    "SparseOptimum",
    "WeightedOptimum",
    "best_configuration",
    "compile_activation",
    "compile_expression",
    "compile_layer",
    "compile_with_slope",
    "discover_equivariance",
    "discover_intertwiner",
    "exact_loss",
    "expected_loss",
    "first_order_loss",
    "hessian_spectrum",
    "minimise_biased_coefficient",
    "minimise_first_order",
    "minimise_loss",
    "minimise_sparse_coefficient",
    "phase_grid",
    "population_loss",
    "symbolic_form",
]
