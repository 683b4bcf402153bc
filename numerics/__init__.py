"""The value of any expectation, with an error that can be trusted."""

from numerics.compile import compile_activation, compile_expression
from numerics.estimate import Estimate

__all__ = [
    "Estimate",
    "compile_activation",
    "compile_expression",
]
