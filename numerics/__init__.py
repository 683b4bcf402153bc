"""The value of any expectation, with an error that can be trusted."""

from numerics.compile import compile_activation, compile_expression
from numerics.estimate import Estimate
from numerics.exact import exact_loss
from numerics.loss import expected_loss
from numerics.optimum import Optimum, minimise_loss
from numerics.population import population_loss
from numerics.sparse_optimum import SparseOptimum, minimise_sparse_coefficient
from numerics.weighted_sparse_optimum import WeightedOptimum, first_order_loss, minimise_first_order

__all__ = [
    "Estimate",
    "Optimum",
    "SparseOptimum",
    "WeightedOptimum",
    "compile_activation",
    "compile_expression",
    "exact_loss",
    "expected_loss",
    "first_order_loss",
    "minimise_first_order",
    "minimise_loss",
    "minimise_sparse_coefficient",
    "population_loss",
]
