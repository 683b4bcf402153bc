"""Evidence: trained networks, property tests, verdicts, plots, report and command line.

Names load on first use, so that `superposition --help` costs neither torch nor matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verify.audit.network import NetworkAudit, audit_network
    from verify.bounds import check_bound
    from verify.campaign import Campaign, attack_bounds
    from verify.geometry.dimensionality import feature_dimensionality
    from verify.grid.atlas import atlas
    from verify.quantisation.modules import activation_module
    from verify.quantisation.plane_projection import privileged_plane_projection
    from verify.quantisation.rotation_test import rotation_test
    from verify.quantisation.spotlight import spotlight_resonance
    from verify.quantisation.tensors import load_activations, record_activations
    from verify.sweeps.sweep import sweep
    from verify.symmetry import assert_equivariance, check_equivariance
    from verify.training import CircleFeatures, FeatureSets, Network, Protocol, train
    from verify.verdicts import Verdict

_HOMES = {
    "Campaign": "verify.campaign",
    "CircleFeatures": "verify.training",
    "FeatureSets": "verify.training",
    "Network": "verify.training",
    "NetworkAudit": "verify.audit.network",
    "Protocol": "verify.training",
    "Verdict": "verify.verdicts",
    "activation_module": "verify.quantisation.modules",
    "assert_equivariance": "verify.symmetry",
    "atlas": "verify.grid.atlas",
    "attack_bounds": "verify.campaign",
    "audit_network": "verify.audit.network",
    "check_bound": "verify.bounds",
    "check_equivariance": "verify.symmetry",
    "feature_dimensionality": "verify.geometry.dimensionality",
    "sweep": "verify.sweeps.sweep",
    "load_activations": "verify.quantisation.tensors",
    "privileged_plane_projection": "verify.quantisation.plane_projection",
    "record_activations": "verify.quantisation.tensors",
    "rotation_test": "verify.quantisation.rotation_test",
    "spotlight_resonance": "verify.quantisation.spotlight",
    "train": "verify.training",
}
_MODULES = ("plots", "strategies")

__all__ = [
    "Campaign",
    "CircleFeatures",
    "FeatureSets",
    "Network",
    "NetworkAudit",
    "Protocol",
    "Verdict",
    "activation_module",
    "assert_equivariance",
    "atlas",
    "attack_bounds",
    "audit_network",
    "check_bound",
    "check_equivariance",
    "feature_dimensionality",
    "load_activations",
    "privileged_plane_projection",
    "record_activations",
    "rotation_test",
    "spotlight_resonance",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"verify.{name}")
    raise AttributeError(f"module 'verify' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
