"""From the words of a command line to models, sizes and arrays."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import sympy

from theory import InputError, ToyModel
from theory.parsing import parse_number

__all__ = ["array_of", "model_of", "size_of", "values_of"]

_N, _M = sympy.Symbol("n", integer=True, positive=True), sympy.Symbol("m", integer=True, positive=True)
_LARGEST_SIZE = 100_000


def model_of(arguments: argparse.Namespace, features: str | None, hidden: str | None, bias: bool) -> ToyModel:
    n = _N if features is None else size_of(features, "-n")
    m = _M if hidden is None else size_of(hidden, "-m")
    settings: dict[str, Any] = {}
    if arguments.density is not None:
        settings["density"] = values_of(arguments.density, "--density")
    elif arguments.sparsity is not None:
        value = values_of(arguments.sparsity, "--sparsity")
        settings["density"] = [1 - s for s in value] if isinstance(value, list) else 1 - value
    return ToyModel(
        n,
        m,
        arguments.activation,
        law=arguments.law,
        importance=values_of(arguments.importance, "--importance"),
        bias=bias,
        **settings,
    )


def size_of(text: str, option: str) -> int:
    value = parse_number(text, option)
    if not (value.is_integer and 1 <= value <= _LARGEST_SIZE):
        raise InputError(f"{option} {text} must be an integer from 1 to {_LARGEST_SIZE}")
    return int(value)


def values_of(text: str, option: str) -> Any:
    entries = [parse_number(part, option) for part in text.split(",")]
    return entries[0] if len(entries) == 1 else entries


def array_of(path: str, option: str) -> np.ndarray:
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{option} {path}: there is no such file")
    try:
        if file.suffix == ".npy":
            return np.asarray(np.load(file, allow_pickle=False), dtype=np.float64)
        return np.loadtxt(file, delimiter="," if file.suffix == ".csv" else None, ndmin=1, dtype=np.float64)
    except (ValueError, EOFError) as problem:
        raise InputError(
            f"{option} {path} is not a readable array of numbers ({problem}); save it with numpy.save"
        ) from None
