"""Finished cells on disk: named by what they depend on, written whole, checked when read.

Killing the process at any moment loses the cell in progress and nothing else: a certificate is written before the cell
that refers to it, and every file appears under its name only when it is complete.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from verify.grid.cell import Cell, CellRequest
from verify.sources import digest_of_sources
from verify.tables import write_atomically
from verify.verdicts import versions

__all__ = ["CellStore"]

_SCHEMA = 1
# Packages whose versions can change a number; others (torch, hypothesis) have no part in a cell.
_NUMERIC = ("superposition-theory", "sympy", "numpy", "scipy")


class CellStore:
    """Cells and certificates in a folder: cells/LABEL-KEY.json and certificates/DIGEST.json.

    Args:
        folder: made on the first write.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def get(self, request: CellRequest) -> Cell | None:
        """The finished cell, or None where it is absent, damaged or of other sources."""
        return self._read(self._path(request), self.key(request))

    def put(self, cell: Cell) -> None:
        """Write the certificate, then the cell."""
        digest = None
        if cell.certificate is not None:
            digest = _digest(cell.certificate)
            write_atomically(self._certificate(digest), cell.certificate)
        content = cell.to_json()
        document = {"key": self.key(cell.request), "certificate": digest, "digest": _digest(content)}
        text = json.dumps(document, sort_keys=True)[:-1] + f', "cell": {content}}}\n'
        write_atomically(self._path(cell.request), text)

    def finished(self) -> Iterator[Cell]:
        """Every readable cell of the folder, of whatever sources, in the order of the file names.

        Where one setting was computed from several versions of the sources, the newest file counts.
        """
        newest: dict[CellRequest, tuple[float, Cell]] = {}
        for path in sorted((self.folder / "cells").glob("*.json")):
            cell = self._read(path, None)
            if cell is not None:
                age = path.stat().st_mtime
                if cell.request not in newest or newest[cell.request][0] < age:
                    newest[cell.request] = age, cell
        yield from (cell for _, cell in newest.values())

    def key(self, request: CellRequest) -> str:
        """A name for everything the cell depends on: the request, the sources of theory and numerics, versions."""
        content = json.dumps([_SCHEMA, asdict(request), self._surroundings], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @cached_property
    def _surroundings(self) -> list[object]:
        found = versions()
        return [{name: found[name] for name in _NUMERIC if name in found}, digest_of_sources(("theory", "numerics"))]

    def _path(self, request: CellRequest) -> Path:
        return self.folder / "cells" / f"{request.label}-{self.key(request)}.json"

    def _certificate(self, digest: str) -> Path:
        return self.folder / "certificates" / f"{digest[:24]}.json"

    def _read(self, path: Path, key: str | None) -> Cell | None:
        try:
            text = path.read_text(encoding="utf-8")
            document = json.loads(text)
            content = text[text.index('"cell": ') + len('"cell": ') :].rstrip()[:-1]
            if (key is not None and document["key"] != key) or document["digest"] != _digest(content):
                return None
            certificate = None
            if document["certificate"] is not None:
                certificate = self._certificate(document["certificate"]).read_text(encoding="utf-8")
                if _digest(certificate) != document["certificate"]:
                    return None
            return Cell.from_json(content, certificate)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
