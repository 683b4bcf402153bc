"""What one step of a network commutes with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import sympy
import torch
from torch import nn

from theory import Activation, InputError, Intertwiner, Layer, MatrixGroup, equivariance_group, group, intertwiner
from theory.symmetry.composite import composite
from verify.audit.affine import AffineMap, affine_map, affine_symmetry
from verify.audit.functions import RESHAPING, form_of, is_random, normalising_module, refusal
from verify.audit.tracing import Step, Trace

__all__ = ["LayerAudit", "audit_layer", "privileged_words"]

_LARGEST_COUPLED = 32
_LARGEST_LISTED = 32
_CONVOLUTIONS = ("Conv1d", "Conv2d", "Conv3d")
_PRIVILEGED = {
    "B": "±e_i first, then every pattern of 0 and ±1 up to scale",
    "R+ wr S": "+e_i and -e_i, two orbits",
    "R* wr S": "±e_i",
    "S": "only ±(1, ..., 1)",
    "S + 1v": "only ±(1, ..., 1)",
    "Stab1": "only ±(1, ..., 1)",
    "trivial": "no direction is related to another",
}


@dataclass(frozen=True, eq=False)
class LayerAudit:
    """One step of a network and the linear maps that commute with it.

    Attributes:
        name: the path of the module, or the name of the call.
        label: the class of the module, or the function.
        kind: "activation", "normalisation", "affine", "convolution", "sum", "shape" or "other".
        found_by: "module", or "trace" for a function called inside forward.
        input_shape, output_shape: without the batch axis.
        equivariance: {A : f(Ax) = A f(x)}, in words.
        intertwiners: {A : f(Ax) = B f(x) for some B}, in words.
        status: "proved", "supported" (by numbers), "open" (at least these) or "not analysed".
        reason: sentence by sentence.
        equivariance_group: as an object; None where it has no name.
        intertwiner: the intertwiner group and phi as objects; None for affine steps and where it has no name.
        form: the symbolic form of an activation.
        offset: for activations that add a constant after `form` (the bias of LayerNorm): that constant.
        affine: the matrix and bias of an affine step.
        privileged: the directions an activation singles out, in words; empty for other steps.
    """

    name: str
    label: str
    kind: str
    found_by: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...] | None
    equivariance: str
    intertwiners: str
    status: str
    reason: tuple[str, ...]
    equivariance_group: MatrixGroup | None = None
    intertwiner: Intertwiner | None = field(default=None, repr=False)
    form: Activation | Layer | None = field(default=None, repr=False)
    offset: tuple[float, ...] | None = field(default=None, repr=False)
    affine: AffineMap | None = field(default=None, repr=False)
    privileged: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "name": self.name,
            "label": self.label,
            "kind": self.kind,
            "found_by": self.found_by,
            "input_shape": list(self.input_shape),
            "output_shape": None if self.output_shape is None else list(self.output_shape),
            "form": None if self.form is None else self.form.name,
            "equivariance": self.equivariance,
            "intertwiners": self.intertwiners,
            "status": self.status,
            "reason": list(self.reason),
            "privileged": self.privileged,
        }


def audit_layer(trace: Trace, index: int) -> LayerAudit:
    """What commutes with one step, derived from its symbolic form or from its numbers."""
    step = trace.steps[index]
    if is_random(step):
        return _other(step, "its dropout is on in evaluation mode: pass training=self.training")
    try:
        form = form_of(step)
    except InputError:
        found = _per_channel(step)
        return _other(step, refusal(step)) if found is None else found
    if form is not None:
        return _activation(step, form)
    if type(step.operation).__name__ in _CONVOLUTIONS and isinstance(step.operation, nn.Module):
        return _convolution(step)
    if isinstance(step.operation, nn.Flatten) or step.operation in RESHAPING:
        same = step.output_shape is not None and prod(step.output_shape) == prod(step.input_shape)
        return _shape(step) if same else _other(step, "it mixes the batch axis into the entries")
    affine = affine_map(trace, index)
    if affine is not None:
        facts = affine_symmetry(affine)
        place = ("of the channels at one place",) if len(step.input_shape) > 1 else ()
        return _audit(
            step,
            "affine",
            facts.equivariance,
            facts.intertwiners,
            facts.status,
            (*place, *facts.reason),
            equivariance_group=facts.equivariance_group,
            affine=affine,
        )
    if step.operation in ("add", "iadd", "sub") and len(step.inputs) == 2:
        why = "f(u, v) = u + v or u - v: any A that acts on both branches acts on their sum"
        return _audit(step, "sum", "GL, the same A on both", "GL, the same A on both", "proved", (why,))
    return _other(step, refusal(step))


def _audit(
    step: Step, kind: str, equivariance: str, intertwiners: str, status: str, reason: Sequence[str], **more: Any
) -> LayerAudit:
    found_by = "module" if step.is_module else "trace"
    return LayerAudit(
        step.name, step.label, kind, found_by, step.input_shape, step.output_shape,
        equivariance, intertwiners, status, tuple(reason), **more,
    )  # fmt: skip


def _other(step: Step, why: str) -> LayerAudit:
    return _audit(step, "other", "-", "-", "not analysed", (why,))


def _shape(step: Step) -> LayerAudit:
    why = "the entries stay as they are, in another shape"
    return _audit(step, "shape", "GL", "GL", "proved", (why,))


def _convolution(step: Step) -> LayerAudit:
    why = (
        "a convolution is linear, and commutes with translations away from the border only; which other maps"
        " commute with these filters is not looked for",
    )
    return _audit(step, "convolution", "at least scalars", "at least scalars", "open", why)


def _activation(step: Step, form: Activation | Layer) -> LayerAudit:
    elementwise = isinstance(form, Activation) and form.is_elementwise
    n = prod(step.input_shape) if elementwise else step.input_shape[-1]
    kind = "normalisation" if getattr(form, "key", "") in ("layer_norm", "rms_norm") else "activation"
    if not elementwise and n > _LARGEST_COUPLED:
        return _large(step, form, n, kind)
    try:
        inner = intertwiner(form, n)
        own = equivariance_group(form, n) if _maps_to_itself(form, n) else None
    except InputError as problem:
        return _other(step, str(problem))
    reason = own.proof if own is not None and own.proof else inner.group.proof
    words = own.name if own is not None else f"maps R^{n} to R^{_size_after(form, n)}"
    status = "proved" if inner.group.status == "proved" and (own is None or own.status == "proved") else "open"
    offset = _offset(step)
    inner_words = f"{inner.group.name}"
    if offset is not None:
        words += ", those that fix the bias"
        inner_words += ", those with B bias = bias"
        reason = (*reason, "the layer adds a bias: at the origin f is the bias, so A must fix it, and B likewise")
    privileged = privileged_words(own if own is not None else inner.group) if offset is None else ""
    if not elementwise and len(step.input_shape) > 1:
        reason = (*reason, f"it acts on each of {prod(step.input_shape[:-1])} positions; the group is that of one")
    elif len(step.input_shape) > 1:
        shape = "x".join(map(str, step.input_shape))
        reason = (*reason, f"R^{n} are the {shape} entries together; the maps of channels alone are a subgroup")
    return _audit(
        step, kind, words, inner_words, status, reason,
        equivariance_group=own if offset is None else None, intertwiner=inner, form=form, offset=offset,
        privileged=privileged,
    )  # fmt: skip


def _large(step: Step, form: Activation | Layer, n: int, kind: str) -> LayerAudit:
    """Too many entries for the formulas; where the group at a small size is a named one, the theorem is for every n."""
    small = 8
    gain = isinstance(form, Layer) and dict(form.options).get("gain") is not None
    if not gain and _maps_to_itself(form, small):
        own, inner = equivariance_group(form, small), intertwiner(form, small)
        if (
            type(own) is MatrixGroup
            and type(inner.group) is MatrixGroup
            and own.status == inner.group.status == "proved"
        ):
            own, every = group(own.key, n), group(inner.group.key, n)
            why = (*equivariance_group(form, small).proof, "the derivation is the same for every n >= 2")
            if _offset(step) is None:
                return _audit(
                    step, kind, own.name, every.name, "proved", why,
                    equivariance_group=own, form=form, privileged=privileged_words(own),
                )  # fmt: skip
    why = (
        f"n={n} is too large to write the formulas of {getattr(form, 'key', form.name)} out (limit {_LARGEST_COUPLED})",
    )
    return _audit(step, kind, "-", "-", "open", why, form=form)


def _maps_to_itself(form: Activation | Layer, n: int) -> bool:
    return isinstance(form, Activation) or form.output_dimension(n) == n


def _size_after(form: Activation | Layer, n: int) -> int:
    return n if isinstance(form, Activation) else form.output_dimension(n)


def _offset(step: Step) -> tuple[float, ...] | None:
    """The bias of a LayerNorm, where it is not 0."""
    module: Any = step.operation
    if step.operation == "layer_norm":
        module = normalising_module("layer_norm", step.constants[0][1:], step.constants[1])
    bias = module.bias if isinstance(module, nn.LayerNorm) else None
    if bias is None or not bool(torch.any(bias != 0)):
        return None
    return tuple(bias.detach().tolist())


def _per_channel(step: Step) -> LayerAudit | None:
    """PReLU with one slope per entry: scales and permutations among equal slopes, any map where the slope is 1.

    A row of A whose function is not linear has one entry (Theorem A); f_i(d x) = b f_k(x) with d > 0 needs equal
    slopes, with d < 0 it needs slopes with s t = 1. A row whose function is the identity takes from such rows only.
    """
    slopes = _slopes(step)
    if slopes is None or len(step.input_shape) != 1 or len(slopes) != step.input_shape[0]:
        return None
    values = list(dict.fromkeys(slopes))
    blocks = [[i for i, slope in enumerate(slopes) if slope == value] for value in values]
    parts = [
        (group("GL", len(block)), 1) if value == 1 else (group("R+ wr S", 1), len(block))
        for value, block in zip(values, blocks, strict=True)
    ]
    order = [i for block in blocks for i in block]
    basis = sympy.Matrix(len(order), len(order), lambda i, j: int(i == order[j]))
    names = [
        f"GL({len(block)})" if value == 1 else f"R>0 wr S_{len(block)}"
        for value, block in zip(values, blocks, strict=True)
    ]
    title = " x ".join(names[:4]) + (" x ..." if len(names) > 4 else "") + " on the entries of equal slope"
    own = composite(*parts, basis=basis, title=title)
    more = any(value * other == 1 for i, value in enumerate(values) for other in values[i:] if value != 1)
    why = (
        f"{len(values)} different slopes; a row of A that meets a kink has one entry (Theorem A), a positive scale"
        " between entries of equal slope; where the slope is 1 the map is the identity, and rows take nothing else",
        "negative scales intertwine entries whose slopes have product 1, which some have: more maps do"
        if more
        else "a negative scale would need two slopes of product 1, so the intertwiners are the same",
    )
    every = replace(own, status="open" if more else "proved")
    return _audit(
        step, "activation", own.name, every.name, "open" if more else "proved", why,
        equivariance_group=own, intertwiner=Intertwiner(every, "A -> A", lambda A: A), privileged=privileged_words(own),
    )  # fmt: skip


def _slopes(step: Step) -> list[float] | None:
    if type(step.operation) is nn.PReLU:
        return [float(slope) for slope in step.operation.weight.detach().tolist()]
    if step.operation in ("prelu", "_prelu_kernel") and isinstance(step.constants[0][1], torch.Tensor):
        return [float(slope) for slope in step.constants[0][1].detach().flatten().tolist()]
    return None


def privileged_words(found: MatrixGroup) -> str:
    """The directions that a group singles out, in words; the rays of each orbit where the group has no common name.

    Source: docs/symmetry.md, predictions; `MatrixGroup.privileged_directions`.
    """
    if type(found) is MatrixGroup and found.conjugator is None and found.n > 1:
        return _PRIVILEGED.get(found.key, "none")
    if found.n > _LARGEST_LISTED:
        return "not listed at this size"
    orbits = found.privileged_directions()
    shown = [f"{_vector(orbit.representative)}, {orbit.size} rays" for orbit in orbits[:4]]
    return "; ".join([*shown, "..."] if len(orbits) > 4 else shown) or "none"


def _vector(entries: Sequence[Any]) -> str:
    if len(set(entries)) == 1 and len(entries) > 3:
        return f"({entries[0]}, ..., {entries[0]})"
    shown = ", ".join(map(str, entries[:8]))
    return f"({shown}, ...)" if len(entries) > 8 else f"({shown})"
