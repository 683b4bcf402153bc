"""What the whole network commutes with: proved through its layers where possible, else seen in floats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import combinations, permutations, product
from typing import Any

import numpy as np
import torch
from torch import nn

from theory import InputError, MatrixGroup
from verify.audit.layers import LayerAudit
from verify.audit.signed import SignedPermutation, carried, is_rounded
from verify.audit.tracing import Trace

__all__ = ["WholeAudit", "audit_whole"]

_ENUMERATED = 4
_LARGEST = 256
_SAMPLES = 240
_TOLERANCE = 1e-9
_LARGEST_DISCOVERED = 32


@dataclass(frozen=True)
class WholeAudit:
    """The signed permutations of the inputs that the network commutes with, and what was found beyond them.

    Attributes:
        input_shape, output_shape: without the batch axis.
        equivariance: {A : f(Ax) = A f(x)} among signed permutations, in words.
        intertwiners: {A : f(Ax) = B f(x) for some matrix B} among signed permutations, in words.
        status: "proved" (all that were tried, by exact arithmetic on the weights), "supported" (some commute or fail in
            floats only) or "not analysed".
        reason: how it was found.
        tried: signed permutations that were tried.
        commuting: how many of them commute.
        intertwining: how many of them intertwine.
        proved: how many of those that intertwine are proved.
        contains: what commutes with every layer, hence with the whole, proved; empty where a layer has no named group.
        discovered: the group that a search of all matrices found, in words; or why there was none.
    """

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...] | None
    equivariance: str
    intertwiners: str
    status: str
    reason: str
    tried: int = 0
    commuting: int = 0
    intertwining: int = 0
    proved: int = 0
    contains: str = ""
    discovered: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}


def audit_whole(
    module: nn.Module, trace: Trace, layers: tuple[LayerAudit, ...], shape: tuple[int, ...], seed: int
) -> Any:
    """The network as one map, on signed permutations of its inputs and by discovery where that is available."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(_SAMPLES, *shape, dtype=torch.float64, generator=generator)
    x *= torch.logspace(-1, 1, _SAMPLES, dtype=torch.float64).reshape(-1, *[1] * len(shape))
    with torch.no_grad():
        value, again = module(x.clone()), module(x.clone())  # a module may change its input in place
    if not isinstance(value, torch.Tensor):
        return _not_analysed(shape, None, "its output is no single tensor")
    out = tuple(value.shape[1:])
    if len(shape) != 1 or len(out) != 1:
        return _not_analysed(shape, out, "it does not map vectors to vectors")
    if shape[0] > _LARGEST:
        return _not_analysed(shape, out, f"more than {_LARGEST} inputs")
    if not torch.equal(value, again):
        return _not_analysed(shape, out, "it gives another answer the second time")
    if not bool(torch.isfinite(value).all()):
        return _not_analysed(shape, out, "it is not finite everywhere")
    n, p = shape[0], out[0]
    tried, proved = 0, 0
    commuting: list[SignedPermutation] = []
    intertwining: list[SignedPermutation] = []
    rounded = is_rounded(trace)
    for A in candidates(n):
        tried += 1
        if A.is_identity:
            B: SignedPermutation | None = A
        else:
            B = None if rounded else carried(trace, layers, A)
        if B is not None:
            proved += 1
            intertwining.append(A)
            if A == B:
                commuting.append(A)
                continue
        with torch.no_grad():
            moved = module(x @ torch.from_numpy(A.matrix().T)).numpy()
        if n == p and _close(moved, value.numpy() @ A.matrix().T):
            commuting.append(A)
            if B is None:
                intertwining.append(A)
        elif B is None and _intertwines(moved, value.numpy()):
            intertwining.append(A)
    every = n <= _ENUMERATED
    others = len(intertwining) - proved
    last = "s" if len(intertwining) == 1 else ""
    which = "all" if every else "swaps, flips, shifts, reversals"
    reason = f"of {tried} signed permutations ({which}) {len(intertwining)} intertwine{last}: {proved} proved, carried"
    reason += f" through the layers by exact arithmetic on the weights, {others} seen in floats only"
    reason += "; the others fail in floats" if len(intertwining) < tried else ""
    return WholeAudit(
        shape,
        out,
        words(commuting, n, every) if n == p else f"maps R^{n} to R^{p}",
        words(intertwining, n, every),
        "proved" if proved == tried else "supported",
        reason,
        tried,
        len(commuting),
        len(intertwining),
        proved,
        _intersection(layers, n) if n == p and trace.found_by == "torch.fx" else "",
        discovery(module, n, seed) if n == p else "not searched: inputs and outputs differ in number",
    )


def _not_analysed(shape: tuple[int, ...], out: tuple[int, ...] | None, why: str) -> WholeAudit:
    return WholeAudit(shape, out, "-", "-", "not analysed", why)


def _intersection(layers: tuple[LayerAudit, ...], n: int) -> str:
    """What commutes with every layer commutes with the whole: a lower bound, where every layer has a named group."""
    found: MatrixGroup | None = None
    for layer in layers:
        if layer.kind in ("sum", "shape"):
            continue
        own = layer.equivariance_group
        if own is None or own.n != n:
            return ""
        try:
            found = own if found is None else found.intersection(own)
        except InputError:
            return ""
    return "" if found is None else found.name


def candidates(n: int) -> Iterator[SignedPermutation]:
    """All signed permutations up to n = 4; beyond, swaps, flips, the negation, shifts and reversals."""
    identity, plus = tuple(range(n)), (1,) * n
    if n <= _ENUMERATED:
        for places, signs in product(permutations(range(n)), product((1, -1), repeat=n)):
            yield SignedPermutation(places, signs)
        return
    yield SignedPermutation(identity, plus)
    pairs = list(combinations(range(n), 2)) if n <= 32 else [(i, i + 1) for i in range(n - 1)]
    for i, j in pairs:
        swapped = [j if k == i else i if k == j else k for k in identity]
        yield SignedPermutation(tuple(swapped), plus)
    for i in range(n):
        yield SignedPermutation(identity, tuple(-1 if k == i else 1 for k in range(n)))
    minus = (-1,) * n
    yield SignedPermutation(identity, minus)
    yield SignedPermutation((*identity[1:], 0), plus)
    yield SignedPermutation(identity[::-1], plus)
    yield SignedPermutation(identity[::-1], minus)


def words(found: list[SignedPermutation], n: int, every: bool) -> str:
    """A name for the group that signed permutations generate; with `every`, they are all of it."""
    if every:
        return _named(found, n)
    identity, plus, minus = tuple(range(n)), (1,) * n, (-1,) * n
    swaps = [A for A in found if A.is_positive and sum(p != i for i, p in enumerate(A.places)) == 2]
    blocks = [sorted(block) for block in _joined(n, [[i for i, p in enumerate(A.places) if p != i] for A in swaps])]
    flips = [A.signs.index(-1) for A in found if A.places == identity and A.signs.count(-1) == 1]
    if len(blocks) == 1 and n > 1:
        return (
            f"B_{n}: signed permutations"
            if len(flips) == n
            else f"S_{n}: permutations" + (" and -1" if SignedPermutation(identity, minus) in found else "")
        )
    parts = [f"S_{len(block)} on {{{', '.join(str(i + 1) for i in block)}}}" for block in blocks if len(block) > 1]
    if flips:
        parts.append("every sign" if len(flips) == n else f"signs of {', '.join(str(i + 1) for i in flips)}")
    elif SignedPermutation(identity, minus) in found:
        parts.append("-1")
    if not swaps:
        parts += ["cyclic shifts"] * (SignedPermutation((*identity[1:], 0), plus) in found)
        parts += ["the reversal"] * (SignedPermutation(identity[::-1], plus) in found)
        parts += ["minus the reversal"] * (not flips and SignedPermutation(identity[::-1], minus) in found)
    return ", ".join(parts) or "the identity only"


def _named(found: list[SignedPermutation], n: int) -> str:
    positive = sum(A.is_positive for A in found)
    total = int(np.prod(range(1, n + 1)))
    if len(found) == 1:
        return "the identity only"
    if len(found) == total * 2**n:
        return f"B_{n}: signed permutations"
    if positive == total:
        return f"S_{n}: permutations" + ("" if len(found) == total else f" and more, {len(found)} in all")
    if len(found) == 2 and any(set(A.signs) == {-1} and A.places == tuple(range(n)) for A in found):
        return "{1, -1}"
    return f"a group of {len(found)} signed permutations"


def _joined(n: int, pairs: list[list[int]]) -> list[set[int]]:
    block = {i: {i} for i in range(n)}
    for i, j in pairs:
        if block[i] is not block[j]:
            union = block[i] | block[j]
            block.update(dict.fromkeys(union, union))
    return list({id(one): one for one in block.values()}.values())


def _close(left: np.ndarray, right: np.ndarray) -> bool:
    """Equal up to rounding, input by input: large values must not hide a difference at a small one."""
    scale = np.abs(left).max(axis=1) + np.abs(right).max(axis=1)
    return bool(np.all(np.abs(left - right).max(axis=1) <= _TOLERANCE * scale + 1e-300))


def _intertwines(moved: np.ndarray, value: np.ndarray) -> bool:
    """Whether some matrix B gives moved = value B^T; asked only with more inputs than its entries per row."""
    if value.shape[1] * 2 > len(value) or not np.any(value):
        return False
    # Inputs of all scales weigh the same.
    scale = np.abs(value).max(axis=1, keepdims=True) + np.abs(moved).max(axis=1, keepdims=True) + 1e-300
    B, *_ = np.linalg.lstsq(value / scale, moved / scale, rcond=1e-13)
    return bool(np.all(np.abs(value / scale @ B - moved / scale) <= 1e-8))


class _Batched(nn.Module):
    """The module on vectors with any number of batch axes: BatchNorm and others insist on one."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The inner module's value on the last axis."""
        return self.inner(x.reshape(-1, x.shape[-1])).reshape(*x.shape[:-1], -1)


def discovery(module: nn.Module, n: int, seed: int) -> str:
    """What `numerics.discover_equivariance` finds for the network, in words; or why it was not asked."""
    search: Callable[..., Any] | None = getattr(import_module("numerics"), "discover_equivariance", None)
    if search is None:
        return "not searched: this version has no numerics.discover_equivariance"
    if n > _LARGEST_DISCOVERED:
        return f"not searched: more than {_LARGEST_DISCOVERED} inputs"
    try:
        found = search(_Batched(module), n, seed=seed)
    except InputError as problem:
        return f"not searched: {problem}"
    gap, status = getattr(found, "gap", None), getattr(found, "status", "in floats")
    shown = f", gap {gap:.2g}" if isinstance(gap, int | float) else ""
    return f"{found.name} (dimension {found.dimension}{shown}; {status}, numerical)"
