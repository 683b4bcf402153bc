"""The value of any expectation, with an error that can be trusted."""

from numerics.best_configuration import BestConfiguration, best_configuration
from numerics.biased_optimum import BiasedOptimum, minimise_biased_coefficient
from numerics.compile import compile_activation, compile_expression
from numerics.estimate import Estimate
from numerics.exact import exact_loss
from numerics.layers import compile_layer
from numerics.loss import expected_loss
from numerics.optimum import Optimum, minimise_loss
from numerics.phase_grid import PhaseGrid, phase_grid
from numerics.population import population_loss
from numerics.sparse_optimum import SparseOptimum, minimise_sparse_coefficient
from numerics.symmetry.discovery import Discovery, discover_equivariance
from numerics.symmetry.intertwining import IntertwinerDiscovery, discover_intertwiner
from numerics.weighted_sparse_optimum import WeightedOptimum, first_order_loss, minimise_first_order

__all__ = [
    "BestConfiguration",
    "BiasedOptimum",
    "Discovery",
    "Estimate",
    "IntertwinerDiscovery",
    "Optimum",
    "PhaseGrid",
    "SparseOptimum",
    "WeightedOptimum",
    "best_configuration",
    "compile_activation",
    "compile_expression",
    "compile_layer",
    "discover_equivariance",
    "discover_intertwiner",
    "exact_loss",
    "expected_loss",
    "first_order_loss",
    "minimise_biased_coefficient",
    "minimise_first_order",
    "minimise_loss",
    "minimise_sparse_coefficient",
    "phase_grid",
    "population_loss",
]
