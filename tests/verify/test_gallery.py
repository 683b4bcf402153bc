"""The gallery knows every figure of the docs, and rewrites its sections of a page and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from theory import InputError
from verify import gallery as module
from verify.experiments import EXPERIMENTS
from verify.experiments.base import Experiment, Outcome, Table, claim
from verify.gallery import PICTURES, gallery, replace_section

DOCS = Path(__file__).parents[2] / "docs"
PAGE = "# Page\n\n<!-- experiment toy: begin -->\nstale\n<!-- experiment toy: end -->\n\ntail\n"


def test_the_page_has_a_section_for_every_experiment():
    page = (DOCS / "experiments.md").read_text()
    for name in EXPERIMENTS:
        assert page != replace_section(page, f"experiment {name}", "changed", "page")


def test_every_picture_is_shown_somewhere():
    shown = set()
    for page in [DOCS.parent / "README.md", *DOCS.glob("*.md")]:
        shown |= set(re.findall(r"figures/(\w+)\.png", page.read_text()))
    assert set(PICTURES) <= shown
    assert shown <= {path.stem for path in (DOCS / "figures").glob("*.png")}


def test_an_experiment_rewrites_its_section_and_figures(tmp_path, monkeypatch):
    outcome = Outcome(["how"], [Table("T", ("a",), [(1,)])], [claim("It holds", True, "measured")], {"toy": Figure()})
    monkeypatch.setattr(module, "EXPERIMENTS", {"toy": "unused"})
    monkeypatch.setattr(module, "load", lambda name: Experiment("toy", "Toy", "?", "s", lambda how: outcome))
    (tmp_path / "experiments.md").write_text(PAGE)
    written = gallery(tmp_path, tmp_path / "work", ["toy"])
    text = (tmp_path / "experiments.md").read_text()
    assert text.startswith("# Page\n")
    assert text.endswith("\ntail\n")
    assert "stale" not in text
    assert "| It holds | supported | measured |" in text
    assert (tmp_path / "figures" / "toy.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in written} == {"experiments.md", "toy.png"}
    assert gallery(tmp_path, tmp_path / "work", ["toy"])
    assert (tmp_path / "experiments.md").read_text() == text


def test_a_picture_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(PICTURES, "atlas", lambda work, workers, progress: b"picture")
    assert gallery(tmp_path, tmp_path, ["atlas"]) == [tmp_path / "figures" / "atlas.png"]
    assert (tmp_path / "figures" / "atlas.png").read_bytes() == b"picture"


@pytest.mark.parametrize(
    "page", ["no marks", PAGE + PAGE, "<!-- experiment toy: end -->\n<!-- experiment toy: begin -->"]
)
def test_a_page_without_its_marks_is_left_alone(page):
    with pytest.raises(InputError, match="must hold"):
        replace_section(page, "experiment toy", "new", "page")


def test_unknown_names():
    with pytest.raises(InputError, match="did you mean 'circle'"):
        gallery(DOCS, DOCS, ["circel"])
