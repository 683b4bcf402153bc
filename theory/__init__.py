"""What is claimed, derived and proved, in symbols."""

from theory.activations import Activation, PowerForm, power, rectified_power, signed_power
from theory.arguments import InputError
from theory.bound import Bound, Step
from theory.features import FeatureLaw, beta, binary, exponential, feature_law, half_normal, uniform
from theory.layers import Layer, layer, layer_names
from theory.loss.bias.coefficient import bias_derivative, biased_sparse_coefficient
from theory.loss.bias.threshold import threshold_constant, threshold_distortion, threshold_kernel
from theory.loss.capacity import capacity, effective_dimension, law_constant
from theory.loss.expansion import optimal_scale, sparse_coefficient, sparse_optimum
from theory.loss.lower_bounds import lower_bound, lower_bounds
from theory.loss.obtuse import pair_coefficient, pair_limit
from theory.loss.phase.boundaries import PhaseBoundary, phase_boundaries
from theory.loss.phase.pair_loss import pair_loss
from theory.loss.phase.phases import PHASES, Phase, phase
from theory.loss.theorems.catalogue import theorem, theorems
from theory.loss.unequal.scaling import (
    FirstOrderInterval,
    ScalingExponent,
    first_order_interval,
    scaling_exponent,
    zipf_densities,
)
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
    "PHASES",
    "Activation",
    "Bound",
    "FeatureLaw",
    "FirstOrderInterval",
    "InputError",
    "Intertwiner",
    "Layer",
    "MatrixGroup",
    "ParameterCase",
    "ParameterCases",
    "Phase",
    "PhaseBoundary",
    "PowerForm",
    "ScalingExponent",
    "Step",
    "Theorem",
    "ToyModel",
    "activation",
    "activation_names",
    "beta",
    "bias_derivative",
    "biased_sparse_coefficient",
    "binary",
    "capacity",
    "effective_dimension",
    "equivariance_group",
    "exponential",
    "feature_law",
    "first_order_interval",
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
    "pair_loss",
    "parameter_cases",
    "phase",
    "phase_boundaries",
    "power",
    "rectified_power",
    "scaling_exponent",
    "signed_power",
    "sparse_coefficient",
    "sparse_optimum",
    "theorem",
    "theorems",
    "threshold_constant",
    "threshold_distortion",
    "threshold_kernel",
    "uniform",
    "upper_bound",
    "upper_bounds",
    "zipf_densities",
]
