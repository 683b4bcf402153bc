"""Which changes of the weights leave the network's function as it is: the symmetry of each hidden layer.

Between x -> W1 x + b1, f, and y -> W2 y + b2 every A with f(Ax) = phi(A) f(x) acts: W1 -> A W1, b1 -> A b1,
W2 -> W2 phi(A)^-1. The proof is one line; the network itself is also run with the changed weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import torch
from torch import nn

from theory import Activation, InputError, MatrixGroup, equivariance_group
from theory.activations import elementwise
from theory.symmetry.elements import MONOMIAL
from verify.audit.affine import affine_map
from verify.audit.elements import GaugeGroup, gauge_group, members, tied_group
from verify.audit.layers import LayerAudit, privileged_words
from verify.audit.reweighting import CONVOLUTIONS, Before, Place, deviation, reweighted, tensors
from verify.audit.tracing import Trace

__all__ = ["HiddenLayer", "hidden_layers"]

_TOLERANCE = 1e-9
_ELEMENTS, _INPUTS = 8, 64
_WEIGHTED = ("linear", "matmul", "mm", "einsum")
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """The group that acts on the weights around one hidden layer without changing the network.

    Attributes:
        name: of the activation; for two affine maps in a row, of both.
        before, after: the layers whose weights change.
        units: the width of the hidden layer (its channels, between convolutions).
        group: of A, in words.
        character: phi in words.
        is_tied: whether the next weights are the transpose of these and stay so.
        is_shifted: whether the next bias changes as well.
        status: "proved", "open" (at least these), "refuted" (the network did change) or "not analysed".
        reason: why, in a sentence or two.
        tried: how many members were applied to the weights.
        is_exact: whether these were exact rationals.
        deviation: the largest change of an output over the largest output, float64.
        control: the same for a matrix outside the group; None where every matrix is inside.
        privileged: the directions of the hidden space that its activation singles out, in words.
    """

    name: str
    before: str
    after: tuple[str, ...]
    units: int
    group: str
    character: str
    is_tied: bool
    is_shifted: bool
    status: str
    reason: str
    tried: int = 0
    is_exact: bool = False
    deviation: float | None = None
    control: float | None = None
    privileged: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}


def hidden_layers(trace: Trace, layers: tuple[LayerAudit, ...], seed: int = 0) -> tuple[HiddenLayer, ...]:
    """The symmetry of every hidden layer: each activation with weights on both sides, and each pair of affine maps."""
    found: list[HiddenLayer | None] = []
    if trace.found_by != "torch.fx":
        return ()
    for index, layer in enumerate(layers):
        if layer.kind in ("activation", "normalisation") and not _passes(layer):
            found.append(_around(trace, layers, index, seed))
        elif _is_weighted(trace, index, layer):
            found.append(_without_activation(trace, layers, index, seed))
    return tuple(one for one in found if one is not None)


def _around(trace: Trace, layers: tuple[LayerAudit, ...], index: int, seed: int) -> HiddenLayer | None:
    source = trace.steps[index].inputs[0]
    earlier = source >= 0 and source not in trace.outputs and trace.users(source) == [index]
    if earlier and _is_elementwise(layers[source]) and _is_elementwise(layers[index]):
        return None  # part of the activation that starts earlier
    layer, last = _composed(trace, layers, index)
    before, after = _before(trace, layers, source, index), _after(trace, layers, last)
    if before is None or after is None:
        return None  # the first or the last layer of the network
    if isinstance(before, str) or isinstance(after, str):
        return _not_analysed(layer, before if isinstance(before, str) else str(after))
    return _audited(trace, layers, layer, before, *after, seed)


def _composed(trace: Trace, layers: tuple[LayerAudit, ...], index: int) -> tuple[LayerAudit, int]:
    """Elementwise functions in a row as one, such as max(0, z)**2, and the step that ends them."""
    layer, last = layers[index], index
    while _is_elementwise(layer):
        users = trace.users(last)
        if len(users) != 1 or last in trace.outputs or not _is_elementwise(layers[users[0]]):
            break
        inner, outer = layer.form, layers[users[0]].form
        assert isinstance(inner, Activation)
        assert isinstance(outer, Activation)
        name, last = f"{layer.name}, {layers[users[0]].name}", users[0]
        form = elementwise(outer.expr.subs(outer.z, inner.expr), f"{outer.name} of {inner.name}")
        own = equivariance_group(form, prod(layer.input_shape))
        layer = replace(layer, name=name, form=form, privileged=privileged_words(own))
    return layer, last


def _is_elementwise(layer: LayerAudit) -> bool:
    return isinstance(layer.form, Activation) and layer.form.is_elementwise and not _passes(layer)


def _without_activation(trace: Trace, layers: tuple[LayerAudit, ...], index: int, seed: int) -> HiddenLayer | None:
    """Weights that directly follow those at `index`."""
    last, biases = index, []
    users = trace.users(last)
    while len(users) == 1 and (_passes(layers[users[0]]) or _is_bias(trace, users[0], layers[users[0]])):
        last = users[0]
        biases += [] if _passes(layers[last]) else [last]
        users = trace.users(last)
    if not users or last in trace.outputs or not all(_is_weighted(trace, user, layers[user]) for user in users):
        return None
    return _audited(trace, layers, None, Before(index, None, tuple(biases)), tuple(users), 1, seed)


def _before(trace: Trace, layers: tuple[LayerAudit, ...], index: int, user: int) -> Before | str | None:
    """The weights whose output reaches the activation, and what is added on the way; or why not."""
    biases: list[int] = []
    norm: int | None = None
    while True:
        if index == -1:
            return None
        layer = layers[index]
        if trace.users(index) != [user] or index in trace.outputs:
            return f"the value before it, {layer.name}, is used elsewhere too"
        if _is_weighted(trace, index, layer):
            return Before(index, norm, tuple(biases))
        if layer.affine is not None and isinstance(trace.steps[index].operation, _NORMS) and norm is None:
            norm = index
        elif not _passes(layer):
            if not _is_bias(trace, index, layer) or norm is not None:
                return f"{layer.label} stands between it and the weights before"
            biases.append(index)
        index, user = trace.steps[index].inputs[0], index


def _after(trace: Trace, layers: tuple[LayerAudit, ...], index: int) -> tuple[tuple[int, ...], int] | str | None:
    """The weights that take the activation's value, and into how many entries each unit is spread by a reshaping."""
    repeats = 1
    while True:
        users = trace.users(index)
        if index in trace.outputs or not users:
            return None if len(users) == 0 else "its value is an output of the network too"
        if all(_is_weighted(trace, user, layers[user]) for user in users):
            return tuple(users), repeats
        if len(users) > 1:
            return "its value is used by more than weights"
        index = users[0]
        if layers[index].kind == "shape" and len(layers[index].output_shape or ()) == 1:
            repeats *= prod(layers[index].input_shape[1:])
        elif not _passes(layers[index]):
            return f"{layers[index].label} stands between it and the weights after"


def _passes(layer: LayerAudit) -> bool:
    """Identity and dropout, which do nothing in evaluation mode."""
    return layer.form is not None and layer.form.name == "linear"


def _is_bias(trace: Trace, index: int, layer: LayerAudit) -> bool:
    return layer.affine is not None and trace.steps[index].operation in ("add", "iadd", "sub", "rsub")


def _is_weighted(trace: Trace, index: int, layer: LayerAudit) -> bool:
    operation = trace.steps[index].operation
    if isinstance(operation, CONVOLUTIONS):
        return type(operation) in CONVOLUTIONS and operation.groups == 1
    return layer.affine is not None and (type(operation) is nn.Linear or operation in _WEIGHTED)


def _not_analysed(layer: LayerAudit, why: str) -> HiddenLayer:
    units = layer.input_shape[0] if len(layer.input_shape) > 1 else layer.input_shape[-1]
    return HiddenLayer(
        layer.name, "", (), units, "-", "-", False, False, "not analysed", why, privileged=layer.privileged
    )


def _audited(
    trace: Trace,
    layers: tuple[LayerAudit, ...],
    layer: LayerAudit | None,
    before: Before,
    consumers: tuple[int, ...],
    repeats: int,
    seed: int,
) -> HiddenLayer:
    producer = before.producer
    is_convolution = isinstance(trace.steps[producer].operation, CONVOLUTIONS)
    shape = layers[producer].output_shape or (0,)
    units = shape[0] if is_convolution else shape[-1]
    place = Place(before, consumers, units, repeats)
    name = "no activation" if layer is None else layer.name
    form = None if layer is None else layer.form
    blank = HiddenLayer(
        name, layers[producer].name, tuple(layers[one].name for one in consumers), units, "-", "-", False, False,
        "not analysed", "", privileged="none" if layer is None else layer.privileged,
    )  # fmt: skip
    shared = _sharing(trace, producer, consumers)
    if isinstance(shared, str):
        return _with(blank, reason=shared)
    misfit = _misfit(trace, place, is_convolution, form)
    if misfit:
        return _with(blank, reason=misfit)
    try:
        shifts = all(_takes_a_shift(trace.steps[one].operation) for one in consumers) and not shared
        if layer is not None and form is None and layer.intertwiner is not None:
            found = GaugeGroup(layer.intertwiner.group, "A -> A", np.zeros(units), layer.intertwiner)
        else:
            found = gauge_group(form, units, None if layer is None else layer.offset, shifts)
    except InputError as problem:
        return _with(blank, reason=str(problem))
    inside = tied_group(found) if shared else found.group
    if before.norm is not None and found.group.key not in MONOMIAL:
        return _with(blank, reason=f"{found.group.name} do not pass through {layers[before.norm].label}")
    if inside is None:
        return _with(
            blank, reason="the weights after are the transpose of those before; what keeps them so is not derived"
        )
    return _checked(trace, place, found, inside, _with(blank, is_tied=shared), seed)


def _misfit(trace: Trace, place: Place, is_convolution: bool, form: Any) -> str:
    """Why the units before and after are not the same; empty where they are."""
    for one in place.consumers:
        step = trace.steps[one]
        if not is_convolution and (isinstance(step.operation, CONVOLUTIONS) or place.repeats > 1):
            return "the weights after act on another axis than those before"
        if is_convolution and not isinstance(step.operation, CONVOLUTIONS) and len(step.input_shape) != 1:
            return "the weights after act on another axis than the channels"
    if is_convolution and form is not None and not form.is_elementwise:
        return "it couples the last axis of an image, not the channels"
    return ""


def _checked(
    trace: Trace, place: Place, found: GaugeGroup, inside: MatrixGroup, blank: HiddenLayer, seed: int
) -> HiddenLayer:
    keeps = " and keeps W2 = W1^T, because A^T phi(A) = 1" if blank.is_tied else ""
    moved = ", b2 -> b2 + W2 (c - phi(A)^-1 c) with f - c in place of f, c = f(0)," if found.is_shifted else ""
    moved += " with A split between the weights and the norm" if place.before.norm is not None else ""
    reason = (
        f"f(Ax) = phi(A) f(x): W1 -> A W1, b1 -> A b1, W2 -> W2 phi(A)^-1{moved} leaves the function as it is{keeps}"
    )
    status = "proved" if inside.status == "proved" else "open"
    stated = _with(
        blank, group=inside.name, character=found.character, is_shifted=found.is_shifted, status=status, reason=reason
    )
    pairs, exact = members(found, inside, _ELEMENTS, seed)
    if not pairs:
        return _with(stated, reason=f"{reason}; not run at this size")
    generator = torch.Generator().manual_seed(seed)
    first = next(step for step in trace.steps if -1 in step.inputs)
    x = torch.randn(_INPUTS, *first.input_shape, dtype=torch.float64, generator=generator)
    run = lambda A, B: tensors(trace.run(x, reweighted(trace, place, A, B, found.offset)))  # noqa: E731
    original = tensors(trace.run(x, {}))
    if not all(torch.equal(one, other) for one, other in zip(original, tensors(trace.run(x, {})), strict=True)):
        return _with(stated, reason=f"{reason}; not run: the network answers differently the second time")
    if not all(bool(torch.isfinite(one).all()) for one in original):
        return _with(stated, reason=f"{reason}; not run: its outputs are not finite")
    worst = max(deviation(original, run(A, B)) for A, B in pairs)
    rng = np.random.default_rng(seed)
    outside = np.eye(place.units) + rng.standard_normal((place.units, place.units)) / (2 * place.units**0.5)
    control = None
    if inside.key != "GL" or blank.is_tied:
        size = len(pairs[0][1])
        other = np.linalg.inv(outside).T if blank.is_tied else outside if size == place.units else np.eye(size)
        control = deviation(original, run(outside, other))
    if not worst <= _TOLERANCE:
        status, reason = "refuted", f"{reason}; but running the changed network gives other outputs"
    return _with(
        stated, status=status, reason=reason, tried=len(pairs), is_exact=exact, deviation=worst, control=control
    )


def _takes_a_shift(operation: Any) -> bool:
    """Whether the next layer has a bias that can take up a constant; a padded convolution would need one per place."""
    return isinstance(operation, nn.Linear) and operation.bias is not None


def _sharing(trace: Trace, producer: int, consumers: tuple[int, ...]) -> bool | str:
    """Whether the weights after are the transpose of those before; a sentence where weights are shared otherwise."""
    own, later = trace.steps[producer].storages, [trace.steps[one].storages for one in consumers]
    for i, step in enumerate(trace.steps):
        if i != producer and i not in consumers and step.storages & frozenset().union(own, *later):
            return f"it shares weights with {step.name}, which would change too"
    if trace.steps[producer].is_computed or any(trace.steps[one].is_computed for one in consumers):
        return "the weights are computed from parameters, which need not follow"
    if not own & frozenset().union(*later):
        return "the same weights are used twice" if len(consumers) > len(set(later)) else False
    first, second = affine_map(trace, producer), affine_map(trace, consumers[0])
    known = len(consumers) == 1 and first is not None and second is not None
    # A symmetric W used twice is no transpose that follows W.
    if known and not np.array_equal(second.W, first.W) and np.array_equal(second.W, first.W.T):  # type: ignore[union-attr]
        return True
    return "the weights after are those before in another form, and would change with them"


def _with(found: HiddenLayer, **changes: Any) -> HiddenLayer:
    return replace(found, **changes)
