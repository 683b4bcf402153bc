"""Everything the README tells a reader to type is typed here."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
COMMANDS = [
    line
    for block in re.findall(r"```(?:sh|console|bash)\n(.*?)```", README, re.S)
    for line in block.splitlines()
    if line.startswith("superposition ")
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[-1][:40])
def test_python_blocks_run(block: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", COMMANDS)
def test_command_lines_run(line: str, tmp_path: Path) -> None:
    words = shlex.split(line, comments=True)[1:]
    if words[0] == "report":
        pytest.skip("the report has its own tests")
    import numpy as np

    np.save(tmp_path / "W.npy", np.array([[1.0, -1.0, 0.5]]))
    np.save(tmp_path / "b.npy", np.zeros(3))
    done = subprocess.run(
        [sys.executable, "-m", "verify", *words], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode in (0, 1), done.stderr
    assert "error" not in done.stderr


def test_links_point_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_there_is_something_to_test() -> None:
    assert len(BLOCKS) >= 3
    assert len(COMMANDS) >= 5
