"""What is claimed, derived and proved, in symbols."""

from theory.activations import Activation, PowerForm, power, rectified_power, signed_power
from theory.arguments import InputError
from theory.bound import Bound, Step
from theory.features import FeatureLaw, beta, binary, exponential, feature_law, half_normal, uniform
from theory.layers import Layer, layer, layer_names
from theory.loss.capacity import capacity, effective_dimension, law_constant
from theory.loss.expansion import optimal_scale, sparse_coefficient, sparse_optimum
from theory.loss.lower_bounds import lower_bound, lower_bounds
from theory.loss.obtuse import pair_coefficient, pair_limit
from theory.loss.theorems import theorem, theorems
from theory.loss.upper_bounds import upper_bound, upper_bounds
from theory.registry import activation, activation_names, isotropic, leaky_relu
from theory.symmetry.equivariance import equivariance_group
from theory.symmetry.groups import GROUP_KEYS, MatrixGroup, group
from theory.symmetry.intertwiners import Intertwiner, intertwiner
from theory.symmetry.parameters import ParameterCase, ParameterCases, parameter_cases
from theory.theorem import Theorem
from theory.toy_model import DENSITY, ToyModel

__all__ = [
    "DENSITY",
    "GROUP_KEYS",
    "Activation",
    "Bound",
    "FeatureLaw",
    "InputError",
    "Intertwiner",
    "Layer",
    "MatrixGroup",
    "ParameterCase",
    "ParameterCases",
    "PowerForm",
    "Step",
    "Theorem",
    "ToyModel",
    "activation",
    "activation_names",
    "beta",
    "binary",
    "capacity",
    "effective_dimension",
    "equivariance_group",
    "exponential",
    "feature_law",
    "group",
    "half_normal",
    "intertwiner",
    "isotropic",
    "law_constant",
    "layer",
    "layer_names",
    "leaky_relu",
    "lower_bound",
    "lower_bounds",
    "optimal_scale",
    "pair_coefficient",
    "pair_limit",
    "parameter_cases",
    "power",
    "rectified_power",
    "signed_power",
    "sparse_coefficient",
    "sparse_optimum",
    "theorem",
    "theorems",
    "uniform",
    "upper_bound",
    "upper_bounds",
]
