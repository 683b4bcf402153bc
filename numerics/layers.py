"""Numeric forms of a coupled layer, run from its one symbolic definition: numpy arrays and torch tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from numerics.operations import numpy_operations, torch_operations
from theory import InputError, Layer
from theory.arguments import one_of
from theory.evaluation import Program

__all__ = ["compile_layer"]


def compile_layer(layer: Layer, n: int, backend: str = "numpy") -> Callable[[Any], Any]:
    """The layer as a function of an array of shape (..., n), acting on the last axis; the result has shape (..., p).

    Args:
        layer: a coupled layer without free parameters.
        n: the dimension.
        backend: "numpy" or "torch" (differentiable, on any device).

    Raises:
        InputError: unknown backend, free parameters left, or a layer that does not act on R^n.
    """
    if layer.parameters:
        names = ", ".join(sorted(map(str, layer.parameters)))
        raise InputError(f"layer {layer.name!r} has the free parameters {names}; substitute numbers first")
    return _compiled(layer, int(n), one_of("backend", backend, ("numpy", "torch")))


@cache
def _compiled(layer: Layer, n: int, backend: str) -> Callable[[Any], Any]:
    form = layer.form(n)
    place = {symbol: i for i, symbol in enumerate(form.inputs)}
    known = [*form.inputs, *(symbol for _, ordered in form.sorted_groups for symbol in ordered)]
    steps = []
    for symbol, expression in form.definitions:
        steps.append(Program([expression], known))
        known.append(symbol)
    last = Program(form.outputs, known)

    def evaluate(x: Any) -> Any:
        if backend == "numpy":
            x = np.asarray(x, dtype=np.result_type(x, np.float32))
        if x.shape[-1] != n:
            raise InputError(f"x has shape {tuple(x.shape)}; its last axis must have length {n}")
        values = [x[..., i] for i in range(n)]
        for group, _ in form.sorted_groups:
            ordered = _sorted(x[..., [place[symbol] for symbol in group]], backend)
            values += [ordered[..., i] for i in range(len(group))]
        operations = numpy_operations() if backend == "numpy" else torch_operations()
        with np.errstate(all="ignore"):
            for program in steps:
                values.append(_full(program.run(operations, *values)[0], values[0]))
            return _stacked([_full(value, values[0]) for value in last.run(operations, *values)], backend)

    return evaluate


def _sorted(values: Any, backend: str) -> Any:
    return np.sort(values, axis=-1) if backend == "numpy" else values.sort(-1).values


def _full(value: Any, like: Any) -> Any:
    """An array of the common shape: a constant output has none of its own."""
    return value if getattr(value, "shape", None) == like.shape else like * 0 + value


def _stacked(columns: list[Any], backend: str) -> Any:
    if backend == "numpy":
        return np.stack(columns, axis=-1)
    import torch

    return torch.stack(columns, dim=-1)
