"""`audit_network`: the symmetry of each layer of a torch module, of its hidden layers and of the whole."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theory import InputError
from verify.verdicts import versions

if TYPE_CHECKING:
    from torch import nn

    from verify.audit.hidden import HiddenLayer
    from verify.audit.layers import LayerAudit
    from verify.audit.whole import WholeAudit

__all__ = ["NetworkAudit", "audit_network", "input_shape"]


@dataclass(frozen=True, eq=False)
class NetworkAudit:
    """What commutes with a network: layer by layer, hidden layer by hidden layer, and as a whole.

    Attributes:
        name: of the module.
        layers: one entry per step of the forward pass, in order.
        hidden: the group that acts on the weights around each hidden layer.
        whole: the network as one map.
        found_by: "torch.fx", or "hooks" where the forward pass cannot be traced.
        note: what the way of finding the layers could not see.
        unused: modules that the forward pass did not use.
        seed: of every random choice.
    """

    name: str
    layers: tuple[LayerAudit, ...]
    hidden: tuple[HiddenLayer, ...]
    whole: WholeAudit
    found_by: str
    note: str
    unused: tuple[str, ...]
    seed: int

    @property
    def not_analysed(self) -> tuple[str, ...]:
        """Every part that has no answer, with the reason."""
        lost = [f"{one.name} ({one.label}): {one.reason[0]}" for one in self.layers if one.status == "not analysed"]
        lost += [f"weights around {one.name}: {one.reason}" for one in self.hidden if one.status == "not analysed"]
        if self.whole.status == "not analysed":
            lost.append(f"the network as one map: {self.whole.reason}")
        if self.note and not any(self.note.endswith(one.partition(": ")[2]) for one in lost):
            lost.append(self.note)
        return tuple(lost)

    @property
    def exit_code(self) -> int:
        """0 where everything is proved or supported, 1 where a run contradicts a proof, 3 where something is open."""
        if any(one.status == "refuted" for one in self.hidden):
            return 1
        statuses = [one.status for one in self.layers] + [one.status for one in self.hidden]
        return 3 if "open" in statuses or self.not_analysed else 0

    def __str__(self) -> str:
        from verify.audit.page import page

        return page(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "name": self.name,
            "found_by": self.found_by,
            "layers": [one.to_dict() for one in self.layers],
            "hidden": [one.to_dict() for one in self.hidden],
            "whole": self.whole.to_dict(),
            "not_analysed": list(self.not_analysed),
            "unused": list(self.unused),
            "seed": self.seed,
            "versions": versions(),
        }


def audit_network(
    module: nn.Module, input_shape: int | Sequence[int] | None = None, name: str | None = None, seed: int = 0
) -> NetworkAudit:
    """The linear maps that commute with each layer of a torch module, with its hidden layers' weights, and with it.

    A copy of the module is analysed, on the CPU, in double precision and evaluation mode. Activations are read as
    formulas and their groups derived; the ranks behind the groups of affine layers are exact where that is possible;
    around each hidden layer random members of the group are applied to the weights and the outputs compared; signed
    permutations of the inputs are carried through the whole network without rounding.

    Args:
        module: an instance.
        input_shape: the shape of one input, without the batch axis: n for vectors, (C, H, W) for images. Left out, it
            is that of the first layer if this is an `nn.Linear`.
        name: what to call it; by default its class.
        seed: of every random choice.

    Raises:
        InputError: no module, a shape that is needed or does not fit, or a forward pass that fails.

    Source: docs/symmetry.md, auditing a network.
    """
    from torch import nn

    if not isinstance(module, nn.Module):
        raise InputError(f"module={type(module).__name__} must be a torch.nn.Module instance")
    shape = _input_shape(module, input_shape)
    from verify.audit.hidden import hidden_layers
    from verify.audit.layers import audit_layer
    from verify.audit.tracing import trace
    from verify.audit.whole import audit_whole

    own = _prepared(module, shape)
    found = trace(own, shape, seed)
    layers = tuple(audit_layer(found, i) for i in range(len(found.steps)))
    return NetworkAudit(
        name or type(module).__name__,
        layers,
        hidden_layers(found, layers, seed),
        audit_whole(own, found, layers, shape, seed),
        found.found_by,
        found.note,
        _unused(own, {step.name for step in found.steps}),
        seed,
    )


def _prepared(module: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    try:
        own = copy.deepcopy(module)
    except Exception as problem:
        why = f"{type(problem).__name__}: {problem}"
        raise InputError(f"module cannot be copied ({why}); give one that copy.deepcopy accepts") from problem
    own = own.cpu().double().eval()
    _initialise_lazy_layers(own, shape)
    return own.requires_grad_(False)


def _initialise_lazy_layers(module: nn.Module, shape: tuple[int, ...]) -> None:
    import torch
    from torch.nn.parameter import is_lazy

    from verify.audit.tracing import run_forward

    if any(is_lazy(one) for one in module.parameters()):
        run_forward(module, torch.zeros(2, *shape, dtype=torch.float64))


def input_shape(module: nn.Module, given: int | Sequence[int] | None = None) -> tuple[int, ...]:
    """The shape of one input, without the batch axis: as given, or that of the first layer if this is an `nn.Linear`.

    Raises:
        InputError: not given where the first layer does not tell it, or no integers >= 1.
    """
    from torch import nn

    if given is None:
        for one in module.modules():
            if isinstance(one, nn.Linear):
                return (one.in_features,)
            if isinstance(one, nn.modules.conv._ConvNd | nn.Embedding | nn.MultiheadAttention | nn.RNNBase):
                break
        raise InputError(
            "input_shape is needed: the first layer does not tell it; give the shape of one input, without the batch"
            " axis, such as 6 or (1, 8, 8) (on the command line -n 6 or -n 1,8,8)"
        )
    sizes = (given,) if isinstance(given, int) else tuple(given)
    if not sizes or not all(isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in sizes):
        raise InputError(
            f"input_shape={given!r} must hold integers >= 1: the shape of one input, such as 6 or (1, 8, 8)"
        )
    return sizes


def _unused(module: nn.Module, used: set[str]) -> tuple[str, ...]:
    """Leaf modules that no step ran, such as layers defined but not called."""
    leaves = [(name, one) for name, one in module.named_modules() if name and not list(one.children())]
    inside = tuple(f"{name}." for name in used)
    return tuple(name for name, _ in leaves if name not in used and not name.startswith(inside))


_input_shape = input_shape
