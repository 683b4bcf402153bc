"""Changing the weights around a hidden layer, and running the network with them.

Source: docs/symmetry.md, auditing a network.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from verify.audit.affine import affine_map
from verify.audit.tracing import Trace

__all__ = ["CONVOLUTIONS", "Before", "Place", "deviation", "reweighted", "tensors"]

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, eq=False)
class Before:
    """What leads to an activation: weights, then at most one BatchNorm, then biases."""

    producer: int
    norm: int | None = None
    biases: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Place:
    """Where a matrix is inserted, and into how many entries a reshaping spreads each unit."""

    before: Before
    consumers: tuple[int, ...]
    units: int
    repeats: int


def reweighted(
    trace: Trace, place: Place, A: np.ndarray, B: np.ndarray, offset: np.ndarray
) -> dict[int, Callable[..., torch.Tensor]]:
    """The affine steps with changed weights."""
    back = np.linalg.inv(B)
    shift = offset - back @ offset
    before = place.before
    inner = A
    changed: dict[int, Callable[..., torch.Tensor]] = {}
    if before.norm is not None:
        # Its statistics are permuted, its gain and bias take the scales; the weights are permuted only.
        inner = (A != 0).astype(float)
        changed[before.norm] = _normalisation(trace.steps[before.norm].operation, inner, A)
    changed[before.producer] = _affine(trace, before.producer, left=inner)
    changed |= {one: _affine(trace, one, left=A, bias_only=True) for one in before.biases}
    for one in place.consumers:
        wide = np.kron(back, np.eye(place.repeats))
        changed[one] = _affine(trace, one, right=wide, shift=np.repeat(shift, place.repeats))
    return changed


def _affine(
    trace: Trace,
    index: int,
    left: np.ndarray | None = None,
    right: np.ndarray | None = None,
    shift: np.ndarray | None = None,
    bias_only: bool = False,
) -> Callable[..., torch.Tensor]:
    """The step with W -> left W right, b -> left (b + W shift)."""
    operation = trace.steps[index].operation
    if isinstance(operation, CONVOLUTIONS):
        return _convolution(operation, left, right)
    found = affine_map(trace, index)
    assert found is not None
    W, b = found.W, found.b
    if shift is not None:
        b = b + W @ shift
    if right is not None:
        W = W @ right
    if left is not None:
        W, b = (W if bias_only else left @ W), left @ b
    matrix, constant = torch.from_numpy(np.ascontiguousarray(W.T)), torch.from_numpy(np.ascontiguousarray(b))
    return lambda x: x @ matrix + constant


def _convolution(operation: Any, left: np.ndarray | None, right: np.ndarray | None) -> nn.Module:
    """A copy with changed filters: `left` on the channels it makes, `right` on those it takes."""
    changed = copy.deepcopy(operation)
    with torch.no_grad():
        weight = changed.weight
        if left is not None:
            weight = torch.einsum("ij,j...->i...", torch.from_numpy(left), weight)
            if changed.bias is not None:
                changed.bias.copy_(torch.from_numpy(left) @ changed.bias)
        if right is not None:
            weight = torch.einsum("oi...,ij->oj...", weight, torch.from_numpy(right))
        changed.weight.copy_(weight)
    return changed


def _normalisation(operation: Any, permuted: np.ndarray, scaled: np.ndarray) -> nn.Module:
    """BatchNorm with permuted statistics, and gain and bias moved by a monomial matrix."""
    changed = copy.deepcopy(operation)
    P, A = torch.from_numpy(permuted), torch.from_numpy(scaled)
    size = P @ torch.ones_like(changed.running_mean)
    changed.weight = nn.Parameter(A @ (size if operation.weight is None else operation.weight), requires_grad=False)
    changed.bias = nn.Parameter(A @ (0 * size if operation.bias is None else operation.bias), requires_grad=False)
    changed.running_mean.copy_(P @ operation.running_mean)
    changed.running_var.copy_(P @ operation.running_var)
    return changed


def tensors(value: Any) -> list[torch.Tensor]:
    """Every tensor that a network returns."""
    if isinstance(value, torch.Tensor):
        return [value.to(torch.float64)]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return [one for entry in inside for one in tensors(entry)]


def deviation(original: list[torch.Tensor], changed: list[torch.Tensor]) -> float:
    """The largest change of an output, over the largest output of its tensor."""
    worst = 0.0
    for one, other in zip(original, changed, strict=True):
        scale = float(one.abs().max())
        worst = max(worst, float((other - one).abs().max()) / (scale if scale > 0 else 1.0))
    return worst
