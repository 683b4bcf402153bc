"""Finished stages on disk, so that an interrupted report resumes and a second one is quick."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from verify.sources import digest_of_sources
from verify.tables import write_atomically
from verify.verdicts import versions

__all__ = ["StageCache"]

_SCHEMA = 1
_PACKAGES = ("theory", "numerics", "verify")


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
        content = json.dumps(
            [stage, _SCHEMA, configuration, self._versions, digest_of_sources(_PACKAGES, ("report", "plots", "grid"))],
            sort_keys=True,
        )
        return hashlib.sha256(content.encode()).hexdigest()[:16]
