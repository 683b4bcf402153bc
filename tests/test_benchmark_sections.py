"""Benchmarks that share a page replace their own section and leave the others alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "sections.py"


@pytest.fixture(scope="module")
def sections():
    """The helper of the benchmark scripts as a module."""
    spec = importlib.util.spec_from_file_location("sections", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sections_are_appended_and_replaced(sections, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    sections.write_section(page, "one", "1")
    sections.write_section(page, "two", "2\n")
    page.write_text("# Title\n\n" + page.read_text())
    sections.write_section(page, "one", "\nnew 1\n")
    expected = "# Title\n\n<!-- one: begin -->\nnew 1\n<!-- one: end -->\n\n<!-- two: begin -->\n2\n<!-- two: end -->\n"
    assert page.read_text() == expected
    for name, text in (("one", "new 1"), ("two", "2")):
        sections.write_section(page, name, text)
    assert page.read_text() == expected


def test_a_lost_marker_is_not_papered_over(sections) -> None:
    with pytest.raises(ValueError, match="one marker of section 'one'"):
        sections.replaced("<!-- one: begin -->\nhalf", "one", "new")
    with pytest.raises(ValueError, match="one marker"):
        sections.replaced("half\n<!-- one: end -->", "one", "new")


def test_tables_are_aligned_as_asked(sections) -> None:
    assert sections.markdown_table(("a", "b"), [("x", "1")], left=(0,)) == [
        "| a | b |",
        "| --- | --: |",
        "| x | 1 |",
    ]
