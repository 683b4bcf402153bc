"""What a sweep computes: every combination of the values given for model, network and protocol."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from theory import InputError, ToyModel
from theory.arguments import one_of
from verify.sources import digest_of_sources
from verify.training.inputs import CircleFeatures, FeatureSets, Inputs
from verify.training.network import Network
from verify.training.protocol import Protocol, named_protocol
from verify.training.records import canonical
from verify.verdicts import versions

__all__ = ["Cell", "Grid", "as_grid", "read_grid"]

MODEL = ("activation", "n_features", "n_hidden", "density", "law", "importance", "importance_ratio", "bias")
NETWORK = ("tied", "hidden_activation")
INPUTS = ("inputs", "set_size", "scale")
PROTOCOL = ("protocol", *(f.name for f in fields(Protocol)))
# What belongs to the sweep as a whole.
WHOLE = ("seeds", "restarts")
TABLES = ("model", "network", "inputs", "training")
KINDS = ("independent", "correlated", "anticorrelated", "circle")
# The integers of a NetCDF 3 file.
_LARGEST_SEED = 2**31
# Hypothesis has no part in a trained model.
_NUMERIC = ("superposition-theory", "sympy", "numpy", "scipy", "torch")


@dataclass(frozen=True)
class Cell:
    """One combination: a model, how it is trained, and the seeds.

    Attributes:
        place: position along every axis of the grid.
        restarts: of the minimiser that the trained losses are set beside; 0 for none.
    """

    place: tuple[int, ...]
    model: ToyModel
    protocol: Protocol
    network: Network
    inputs: Inputs | None
    seeds: tuple[int, ...]
    restarts: int

    @cached_property
    def key(self) -> str:
        """A name for everything the result depends on, sources and versions included."""
        found = versions()
        content = [
            canonical(self.model),
            self.protocol.to_json(),
            self.network.to_json(),
            None if self.inputs is None else self.inputs.to_json(),
            self.seeds,
            self.restarts,
            {name: found[name] for name in _NUMERIC if name in found},
            digest_of_sources(("theory", "numerics", "verify/training", "verify/sweeps")),
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]

    @property
    def family(self) -> tuple[Any, ...]:
        """Cells of one family can be trained by shared matrix products."""
        model = self.model
        return (model.n_features, model.n_hidden, model.activation, model.law, self.protocol, self.network, self.inputs)


@dataclass(frozen=True)
class Grid:
    """Axes (names with several values), fixed values, and the cells in the order of the product of the axes.

    Attributes:
        axes: name -> values along it.
        fixed: name -> value.
        cells: as many as the product of the lengths of the axes.
    """

    axes: Mapping[str, list[Any]]
    fixed: Mapping[str, Any]
    cells: tuple[Cell, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(map(len, self.axes.values()))


def read_grid(path: Path | str) -> Grid:
    """The grid described by a TOML file; nothing in it is evaluated as code.

    Raises:
        InputError: a file that is not there or not TOML, or what `as_grid` refuses.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not text"
        raise InputError(f"grid {str(path)!r} cannot be read: {reason}") from None
    try:
        return as_grid(tomllib.loads(text))
    except tomllib.TOMLDecodeError as problem:
        raise InputError(f"grid {str(path)!r} is not TOML: {problem}") from None


def as_grid(description: Mapping[str, Any]) -> Grid:
    """The grid of a description: a list is an axis, anything else is fixed; values of one axis in the order given.

    Args:
        description: names of `ToyModel` (activation, n_features, n_hidden, density, law, importance or
            importance_ratio r for I_i = r**i, bias), of `Network` (tied, hidden_activation), of `Protocol` (with
            protocol = "default", "published" or "screened" as the base of the other fields), `seeds` (a count or a
            list) and `restarts` (of the minimiser set beside the trained losses; 0 for none); and inputs = "correlated"
            or "anticorrelated" (sets of set_size features, active with the model's density) or "circle" (features of
            the given scale; the density means nothing there) instead of "independent". They may stand in tables
            "model", "network", "training". Per-feature values are a list in a list: density = [[0.1, 0.2, 0.2]].

    Raises:
        InputError: an unknown name, one given twice, a required one left out, an empty axis, or a value that
            `ToyModel`, `Network` or `Protocol` refuses.
    """
    flat = _flattened(description)
    for name in ("activation", "n_features", "n_hidden", "density"):
        if name not in flat:
            raise InputError(f"{name} is missing from the grid; give a value, or a list of values for an axis")
    if "importance" in flat and "importance_ratio" in flat:
        raise InputError("importance and importance_ratio are both given; keep one")
    seeds = _seeds(flat.pop("seeds", 8))
    restarts = flat.pop("restarts", 8)
    if isinstance(restarts, bool) or not isinstance(restarts, int) or restarts < 0:
        raise InputError(f"restarts={restarts!r} must be an integer >= 0")
    axes = {name: value for name, value in flat.items() if isinstance(value, list)}
    for name, values in axes.items():
        if not values:
            raise InputError(f"{name}=[] is an empty axis; give at least one value")
        if len({json.dumps(value, default=str) for value in values}) < len(values):
            raise InputError(f"{name}={values!r:.80} has a value twice")
    fixed = {name: value for name, value in flat.items() if name not in axes}
    cells = []
    for place in product(*(range(len(values)) for values in axes.values())):
        chosen = {name: values[i] for (name, values), i in zip(axes.items(), place, strict=True)}
        cells.append(Cell(place, *_setting({**fixed, **chosen}), seeds, restarts))
    return Grid(axes, {**fixed, "seeds": list(seeds), "restarts": restarts}, tuple(cells))


def _flattened(description: Mapping[str, Any]) -> dict[str, Any]:
    known = (*MODEL, *NETWORK, *INPUTS, *PROTOCOL, *WHOLE)
    flat: dict[str, Any] = {}
    for name, value in description.items():
        entries = value.items() if isinstance(value, Mapping) and name in TABLES else [(name, value)]
        for key, entry in entries:
            one_of("grid entry", key, known)
            if key in flat:
                raise InputError(f"{key} is given twice in the grid; keep one")
            flat[key] = _plain(entry)
    return flat


def _plain(value: Any) -> Any:
    """Lists for every kind of sequence, and Python numbers for those of numpy."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple | range) else value


def _setting(chosen: Mapping[str, Any]) -> tuple[ToyModel, Protocol, Network, Inputs | None]:
    model = {name: chosen[name] for name in MODEL if name in chosen and name != "importance_ratio"}
    network = Network(**{name: chosen[name] for name in NETWORK if name in chosen})
    changes = {name: chosen[name] for name in PROTOCOL if name in chosen and name != "protocol"}
    protocol = named_protocol(chosen.get("protocol", "default"), **changes)
    built = ToyModel(**model)
    if "importance_ratio" in chosen:
        ratio = chosen["importance_ratio"]
        if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 <= ratio < float("inf"):
            raise InputError(f"importance_ratio={ratio!r} must be a number >= 0")
        built = built.replace(importance=[float(ratio) ** i for i in range(int(built.n_features))])
    built.require_numbers()
    return built, protocol, network, _inputs(chosen, built)


def _inputs(chosen: Mapping[str, Any], model: ToyModel) -> Inputs | None:
    kind = one_of("inputs", chosen.get("inputs", "independent"), KINDS)
    n = int(model.n_features)
    for name, needed in (("set_size", ("correlated", "anticorrelated")), ("scale", ("circle",))):
        if name in chosen and kind not in needed:
            raise InputError(f"{name}={chosen[name]!r} has no meaning with inputs={kind!r}; leave it out")
    if kind == "independent":
        return None
    if kind == "circle":
        return CircleFeatures(n, chosen.get("scale", 0.3))
    size = chosen.get("set_size", 2)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1 or n % size:
        raise InputError(f"set_size={size!r} must be an integer that divides n_features={n}")
    if isinstance(model.density, tuple):
        raise InputError(f"density={chosen['density']!r}: with inputs={kind!r} one density serves all features")
    return FeatureSets(n // size, size, float(model.density), kind, model.law)


def _seeds(value: Any) -> tuple[int, ...]:
    listed = list(range(value)) if isinstance(value, int) and not isinstance(value, bool) else value
    whole = isinstance(listed, list | tuple) and all(
        isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < _LARGEST_SEED for seed in listed
    )
    if not whole or not listed or len(set(listed)) < len(listed):
        raise InputError(f"seeds={value!r:.80} must be a count >= 1, or a list of different integers >= 0 and < 2^31")
    return tuple(listed)
