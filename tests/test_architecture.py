"""The house: no arrow points back up, and looking in costs little."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("theory", "numerics", "verify")
FORBIDDEN = {
    "theory": {"torch", "matplotlib", "numerics", "verify", "hypothesis", "xarray"},
    "numerics": {"verify", "matplotlib", "hypothesis", "xarray"},
    "verify": set(),
}
# What a module may import only inside a function, because merely importing the package must not pay for it.
LAZY = {"theory": {"scipy"}, "numerics": {"torch"}, "verify": set()}


def imported(path: Path, top_level_only: bool) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import; packages import each other by full name"
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_arrow_points_back_up(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        assert not imported(path, top_level_only=False) & FORBIDDEN[package], path
        assert not imported(path, top_level_only=True) & LAZY[package], path


def loaded_by(code: str) -> set[str]:
    listing = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nsys.stdout.write(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT.parent,
    )
    return {name.split(".")[0] for name in listing.stdout.split()}


def test_importing_theory_loads_no_torch() -> None:
    assert not loaded_by("import theory") & {"torch", "scipy", "matplotlib", "numerics", "verify"}


def test_importing_numerics_loads_no_torch() -> None:
    assert not loaded_by("import numerics") & {"torch", "matplotlib", "verify"}


def test_help_loads_nothing_heavy() -> None:
    code = "from verify.cli import build_parser\nbuild_parser().format_help()"
    assert not loaded_by(code) & {"torch", "sympy", "numpy", "scipy", "matplotlib", "xarray", "theory", "numerics"}


def test_deriving_a_symmetry_loads_no_torch() -> None:
    assert "torch" not in loaded_by("import theory\ntheory.equivariance_group('tanh', 2)")


def test_files_stay_readable() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for package in PACKAGES
        for p in (ROOT / package).rglob("*.py")
        if (n := len(p.read_text().splitlines())) > 500
    }
    assert not long, f"files that hold more than one idea: {long}"


def test_the_library_neither_prints_nor_shows() -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            names = {node.func.id for node in calls if isinstance(node.func, ast.Name)}
            shows = [node for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr == "show"]
            assert not names & {"print", "eval", "exec"}, path
            assert not shows, path
