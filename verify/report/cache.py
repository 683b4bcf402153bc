"""Finished stages on disk, so that an interrupted report resumes and a second one is quick."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from verify.tables import write_atomically
from verify.verdicts import versions

__all__ = ["StageCache"]

_SCHEMA = 1


class StageCache:
    """Results of stages as JSON files, named by what they depend on: the stage, its configuration and all versions."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._versions = versions()

    def get(self, stage: str, configuration: Mapping[str, Any], compute: Callable[[], Any]) -> tuple[Any, bool]:
        """The stage's result and whether it came from the cache; a damaged file is computed again."""
        path = self.folder / f"{stage}-{self._key(stage, configuration)}.json"
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["stage"] == stage and stored["schema"] == _SCHEMA:
                return stored["result"], True
        except (OSError, ValueError, KeyError, TypeError):
            pass
        result = compute()
        document = {"stage": stage, "schema": _SCHEMA, "configuration": configuration, "result": result}
        write_atomically(path, json.dumps(document))
        return json.loads(json.dumps(result)), False

    def _key(self, stage: str, configuration: Mapping[str, Any]) -> str:
        content = json.dumps([stage, _SCHEMA, configuration, self._versions, _sources()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def _sources() -> str:
    """A digest of the three packages' source files: in a checkout the version alone does not tell code apart."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for package in ("theory", "numerics", "verify"):
        for path in sorted((root / package).rglob("*.py")):
            if "report" not in path.parts and "plots" not in path.parts:
                digest.update(path.read_bytes())
    return digest.hexdigest()
