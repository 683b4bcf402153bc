"""What results depend on besides their inputs: the source files, of which a version number tells too little."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

__all__ = ["digest_of_files", "digest_of_sources"]


@cache
def digest_of_sources(packages: tuple[str, ...], leave_out: tuple[str, ...] = ()) -> str:
    """A digest of the Python and data files of the packages, without folders of the names in `leave_out`."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for package in packages:
        for path in sorted(_files(root / package, (".py", ".json"))):
            if not set(leave_out) & set(path.relative_to(root).parts):
                digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def digest_of_files(names: tuple[str, ...]) -> str:
    """A digest of single files, named from the folder that holds the packages."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for name in names:
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def _files(folder: Path, endings: Sequence[str]) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in endings and "__pycache__" not in path.parts]
