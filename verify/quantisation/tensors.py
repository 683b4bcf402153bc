"""Activations from outside: .npy and .safetensors files, and modules of a torch network while it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.arguments import InputError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["load_activations", "record_activations"]

_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1",
    "BF16": "<u2",
}  # fmt: skip


def load_activations(path: str | Path, key: str | None = None) -> np.ndarray:
    """The array of a .npy file, or one tensor of a .safetensors file, float64.

    Args:
        path: the file.
        key: which tensor of a .safetensors file; may be left out where it holds one.

    Raises:
        InputError: unknown ending, unreadable content, or no such tensor. Nothing in the file is ever executed.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file}: there is no such file; give a .npy or .safetensors file of activations")
    if file.suffix == ".npy":
        try:
            array = np.load(file, allow_pickle=False)
        except (ValueError, EOFError) as problem:
            raise InputError(f"{file} is no .npy file of numbers: {problem}") from None
    elif file.suffix == ".safetensors":
        array = _safetensor(file, key)
    else:
        raise InputError(f"{file} must end in .npy or .safetensors")
    if array.dtype.kind not in "fiu":
        raise InputError(f"{file} holds values of type {array.dtype}; activations are real numbers")
    return array.astype(np.float64)


def _safetensor(path: Path, key: str | None) -> np.ndarray:
    """One tensor: 8 bytes with the length of a JSON header, the header, then the raw values."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
        tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
        names = sorted(tensors)
        if key is None and len(names) != 1:
            raise InputError(f"{path} holds {len(names)} tensors ({', '.join(names[:8])}); name one with key")
        name = names[0] if key is None else key
        if name not in tensors:
            raise InputError(f"{path} holds no tensor {name!r}; it holds {', '.join(names[:8])}")
        entry = tensors[name]
        start, end = entry["data_offsets"]
        if entry["dtype"] not in _TYPES:
            raise InputError(f"tensor {name!r} has type {entry['dtype']}; use one of {', '.join(_TYPES)}")
        raw = np.frombuffer(content[8 + length + start : 8 + length + end], dtype=_TYPES[entry["dtype"]])
        array = raw.reshape(entry["shape"])
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path} is no safetensors file, or it is cut short") from None
    if entry["dtype"] == "BF16":
        # A bfloat16 is the upper half of a float32.
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array


@contextmanager
def record_activations(module: nn.Module, name: str | None = None) -> Iterator[list[Any]]:
    """Collect what a module of a network puts out while the `with` block runs: a list of arrays (..., d).

        with record_activations(network, "encoder.3") as seen:
            network(batch)
        rotation_test(np.concatenate(seen))

    Args:
        module: the network.
        name: the dotted name of the part to listen to; by default the network itself.

    Raises:
        InputError: no part of that name, or it puts out no tensor.
    """
    parts = dict(module.named_modules())
    if (name or "") not in parts:
        raise InputError(f"the network has no part {name!r}; it has {', '.join(sorted(filter(None, parts))[:12])}")
    seen: list[Any] = []

    def keep(_module: Any, _inputs: Any, output: Any) -> None:
        if not hasattr(output, "detach"):
            raise InputError(f"part {name!r} puts out {type(output).__name__}, not a tensor; name a part inside it")
        seen.append(output.detach().cpu().double().numpy())

    handle = parts[name or ""].register_forward_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()
