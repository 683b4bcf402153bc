"""Finished units of a sweep on disk: each file is whole, names the cells it holds, and is checked when read."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from theory.storage import write_bytes_atomically

__all__ = ["UnitStore", "unit_name"]

Result = Mapping[str, np.ndarray]


def unit_name(keys: Sequence[str]) -> str:
    """The name of a unit: a digest of the keys of its cells."""
    return hashlib.sha256(" ".join(keys).encode()).hexdigest()[:24]


class UnitStore:
    """Results of cells in a folder: units/NAME.npz, one file for the cells that were computed together.

    A file appears under its name only when it is complete, so killing the process at any moment loses the units in
    progress and nothing else.

    Args:
        folder: made on the first write, if it is not there.
    """

    def __init__(self, folder: Path):
        self.folder = folder / "units"

    def put(self, results: Mapping[str, Result]) -> None:
        """Write the results of one unit, by cell key."""
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {
            f"{key}/{name}": value for key, result in results.items() for name, value in result.items()
        }
        np.savez_compressed(buffer, keys=np.array(json.dumps(list(results))), **arrays)
        write_bytes_atomically(self.folder / f"{unit_name(list(results))}.npz", buffer.getvalue())

    def read(self) -> dict[str, Result]:
        """Every readable result by cell key; damaged files are passed over, and their cells computed again."""
        found: dict[str, Result] = {}
        for path in sorted(self.folder.glob("*.npz")):
            try:
                # allow_pickle stays off: a file is data, never code. Every member is read, so that its checksum counts.
                with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
                    keys = json.loads(str(kept["keys"]))
                    arrays = {name: kept[name] for name in kept.files if name != "keys"}
                if unit_name(keys) != path.stem:
                    continue
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
                continue
            for key in keys:
                start = f"{key}/"
                found[key] = {name[len(start) :]: value for name, value in arrays.items() if name.startswith(start)}
        return found
