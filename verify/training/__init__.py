"""Training many toy models at once: protocol, network, inputs, engine, evaluation, labelled result."""

from verify.training.engine import train
from verify.training.inputs import CircleFeatures, FeatureSets, Inputs
from verify.training.network import Network
from verify.training.protocol import Protocol

__all__ = ["CircleFeatures", "FeatureSets", "Inputs", "Network", "Protocol", "train"]
