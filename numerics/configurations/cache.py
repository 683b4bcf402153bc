"""Searched configurations on disk: one small file per cell, written whole, checked when read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from theory.storage import write_bytes_atomically

__all__ = ["ConfigurationCache", "default_folder"]

# Raise it when the search changes, so that results of an older search are not taken for this one's.
_SEARCH = 1

Columns = tuple[tuple[int, ...], ...]


def default_folder() -> Path:
    """$SUPERPOSITION_CACHE, or superposition-theory in the user's cache folder."""
    chosen = os.environ.get("SUPERPOSITION_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "superposition-theory"


class ConfigurationCache:
    """Blocks of integer columns by what they were searched for; a file that is damaged or foreign counts as absent.

    A stored block is only ever a candidate: its capacity is computed anew, exactly, by whoever reads it.
    """

    def __init__(self, folder: Path | None):
        self.folder = folder

    def get(self, key: dict[str, Any]) -> tuple[Columns, ...] | None:
        """The blocks stored under the key, or None."""
        if self.folder is None:
            return None
        try:
            stored = json.loads(self._path(key).read_text(encoding="utf-8"))
            if stored["key"] != {**key, "search": _SEARCH} or stored["digest"] != _digest(stored["blocks"]):
                return None
            blocks = tuple(tuple(tuple(column) for column in block) for block in stored["blocks"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        whole = all(type(x) is int for block in blocks for column in block for x in column)
        return blocks if whole and all(_is_matrix(block) for block in blocks) else None

    def put(self, key: dict[str, Any], blocks: Sequence[Columns]) -> None:
        """Store the blocks; a folder that cannot be written is no error, the search is then repeated next time."""
        if self.folder is None:
            return
        listed = [[list(column) for column in block] for block in blocks]
        document = {"key": {**key, "search": _SEARCH}, "blocks": listed, "digest": _digest(listed)}
        with suppress(OSError):
            write_bytes_atomically(self._path(key), json.dumps(document).encode())

    def _path(self, key: dict[str, Any]) -> Path:
        assert self.folder is not None
        name = hashlib.sha256(json.dumps({**key, "search": _SEARCH}, sort_keys=True).encode()).hexdigest()[:24]
        return self.folder / "configurations" / f"{name}.json"


def _digest(blocks: Any) -> str:
    return hashlib.sha256(json.dumps(blocks).encode()).hexdigest()


def _is_matrix(block: Columns) -> bool:
    return bool(block) and len({len(column) for column in block}) == 1 and len(block[0]) > 0
