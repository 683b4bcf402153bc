"""The value of any expectation, with an error that can be trusted."""

from numerics.compile import compile_activation, compile_expression
from numerics.estimate import Estimate
from numerics.exact import exact_loss
from numerics.loss import expected_loss

__all__ = [
    "Estimate",
    "compile_activation",
    "compile_expression",
    "exact_loss",
    "expected_loss",
]
