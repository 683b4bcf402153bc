"""What is claimed, derived and proved, in symbols."""

from theory.activations import Activation, PowerForm, power, rectified_power, signed_power
from theory.arguments import InputError
from theory.bound import Bound, Step
from theory.features import FeatureLaw, beta, binary, exponential, feature_law, half_normal, uniform
from theory.registry import activation, activation_names, isotropic, leaky_relu
from theory.toy_model import ToyModel

__all__ = [
    "Activation",
    "Bound",
    "FeatureLaw",
    "InputError",
    "PowerForm",
    "Step",
    "ToyModel",
    "activation",
    "activation_names",
    "beta",
    "binary",
    "exponential",
    "feature_law",
    "half_normal",
    "isotropic",
    "leaky_relu",
    "power",
    "rectified_power",
    "signed_power",
    "uniform",
]
