"""Audits of this folder do not search all matrices, which has tests of its own, unless a test asks for it."""

from __future__ import annotations

import pytest

import numerics


@pytest.fixture(autouse=True)
def _no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numerics, "discover_equivariance", None, raising=False)
