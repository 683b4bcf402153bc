"""Does f commute with a group? Proved from the theory, or refuted by a counterexample that a person can check.

Two stages. A float filter, sound for maps that are computed to a few roundings, picks out suspects; a suspect is judged
again at the exact rational value of its floats by interval arithmetic, so that rounding never refutes.
"""

from verify.symmetry.cases import EquivarianceCase, equivariance_cases
from verify.symmetry.check import assert_equivariance, check_equivariance
from verify.symmetry.counterexample import EquivarianceCounterexample, decimal
from verify.symmetry.torch_forms import symbolic_form

__all__ = [
    "EquivarianceCase",
    "EquivarianceCounterexample",
    "assert_equivariance",
    "check_equivariance",
    "decimal",
    "equivariance_cases",
    "symbolic_form",
]
