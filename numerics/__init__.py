"""The value of any expectation, with an error that can be trusted."""

from numerics.compile import compile_activation, compile_expression
from numerics.estimate import Estimate
from numerics.exact import exact_loss
from numerics.layers import compile_layer
from numerics.loss import expected_loss
from numerics.optimum import Optimum, minimise_loss
from numerics.population import population_loss
from numerics.sparse_optimum import SparseOptimum, minimise_sparse_coefficient

__all__ = [
    "Estimate",
    "Optimum",
    "SparseOptimum",
    "compile_activation",
    "compile_expression",
    "compile_layer",
    "exact_loss",
    "expected_loss",
    "minimise_loss",
    "minimise_sparse_coefficient",
    "population_loss",
]
