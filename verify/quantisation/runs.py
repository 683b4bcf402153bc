"""Trained batches on disk: named by what they depend on, written whole, so that an interrupted experiment resumes."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from verify.quantisation.network import Recipe, Trained, train_autoencoders
from verify.sources import digest_of_files, digest_of_sources
from verify.tables import write_atomically, write_bytes_atomically
from verify.verdicts import versions

__all__ = ["RunStore"]

_SCHEMA = 1
# What a trained network depends on: what is computed from it afterwards may change without training again.
_FILES = ("verify/quantisation/network.py", "verify/quantisation/clouds.py")
_TESTS = tuple(
    f"verify/quantisation/{name}.py" for name in ("clouds", "moments", "rotation_test", "statistics", "tested")
)
_VERSIONS = ("superposition-theory", "sympy", "numpy", "torch")
_ARRAYS = ("loss", "post", "pre", "rotations", "snapshots", "steps", "losses")


class RunStore:
    """Batches as NAME-KEY.npz in a folder.

    Args:
        folder: made on the first write; None keeps nothing.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder

    def get(
        self,
        data: str,
        rows: np.ndarray,
        recipe: Recipe,
        seeds: Sequence[int],
        progress: Callable[[float, float, str], None] | None = None,
    ) -> Trained:
        """The batch: from disk where it is finished, else trained and kept; a damaged file is trained again."""
        if self.folder is None:
            return train_autoencoders(rows, recipe, seeds, progress=progress)
        path = self.folder / f"{self.label(data, recipe)}-{self.key(rows, recipe, seeds)}.npz"
        found = _read(path)
        if found is None:
            found = train_autoencoders(rows, recipe, seeds, progress=progress)
            _write(path, found, {"data": data, "recipe": asdict(recipe), "seeds": list(seeds), "versions": versions()})
        return found

    def tested(
        self, rows: np.ndarray, recipe: Recipe, seeds: Sequence[int], rotations: int, compute: Callable[[], Any]
    ) -> Any:
        """What `compute` says about the batch, as plain values: from disk where the same was asked before."""
        if self.folder is None:
            return compute()
        content = json.dumps([self.key(rows, recipe, seeds), rotations, digest_of_files(_TESTS)])
        path = self.folder / "tests" / f"{hashlib.sha256(content.encode()).hexdigest()[:16]}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = compute()
            write_atomically(path, json.dumps(found))
            return found

    def label(self, data: str, recipe: Recipe) -> str:
        """A readable part of the file's name."""
        words = [Path(data).name, recipe.activation, "conjugated" if recipe.conjugated else "", recipe.optimiser]
        return "-".join("".join(c if c.isalnum() else "_" for c in word) for word in words if word)

    def key(self, rows: np.ndarray, recipe: Recipe, seeds: Sequence[int]) -> str:
        """A name for everything the batch depends on: the rows, the recipe, the seeds, sources and versions."""
        digest = hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
        content = json.dumps(
            [_SCHEMA, digest, list(rows.shape), asdict(recipe), list(map(int, seeds)), self._surroundings],
            sort_keys=True,
        )
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @cached_property
    def _surroundings(self) -> list[object]:
        found = versions()
        sources = [digest_of_sources(("theory", "numerics")), digest_of_files(_FILES)]
        return [{name: found[name] for name in _VERSIONS if name in found}, sources]


def _write(path: Path, trained: Trained, setting: dict[str, object]) -> None:
    target = io.BytesIO()
    steps, losses = trained.curve
    values = [trained.loss, trained.post, trained.pre, trained.rotations, trained.snapshots, steps, losses]
    np.savez_compressed(
        target,
        setting=np.array(json.dumps(setting)),
        **dict(zip(_ARRAYS, values, strict=True)),  # type: ignore[arg-type]
        **{f"parameter_{i}": value for i, value in enumerate(trained.parameters)},  # type: ignore[arg-type]
    )
    write_bytes_atomically(path, target.getvalue())


def _read(path: Path) -> Trained | None:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        count = sum(name.startswith("parameter_") for name in arrays)
        return Trained(
            **{name: arrays[name] for name in _ARRAYS[:5]},
            curve=(arrays["steps"], arrays["losses"]),
            parameters=[arrays[f"parameter_{i}"] for i in range(count)],
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
