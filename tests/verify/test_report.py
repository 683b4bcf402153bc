"""The report, opened in a real browser; and what it does when something goes wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray

from theory import InputError
from verify.report import ReportSummary, build_report
from verify.report import build as build_module
from verify.report.build import contradictions
from verify.report.cache import StageCache
from verify.report.page import loss_table
from verify.report.stages import ReportSize

TINY = ReportSize(n=3, m=2, densities=(0.01, 0.1), seeds=2, steps=60, restarts=2, hidden=(2,), powers=(1, 2))
BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ReportSummary:
    return build_report(tmp_path_factory.mktemp("report"), size=TINY)


def test_everything_is_written(report: ReportSummary) -> None:
    folder = report.page.parent
    figures = {
        f"figures/{name}.{kind}"
        for name in ("loss_per_density", "intervals", "routes", "symmetry")
        for kind in ("svg", "png")
    }
    assert figures <= set(report.files)
    for name in report.files:
        assert (folder / name).stat().st_size > 100
    assert (folder / "figures/symmetry.png").read_bytes().startswith(b"\x89PNG")
    assert not list(folder.rglob(".*.tmp"))
    assert report.problems == ()
    assert report.exit_code == 0
    assert report.verdicts["proved"] > 10
    assert report.verdicts["refuted"] > 10
    json.dumps(report.to_dict())
    assert str(report.page) in str(report)


def test_the_data_files_hold_the_data(report: ReportSummary) -> None:
    folder = report.page.parent / "data"
    rows = (folder / "loss_per_density.csv").read_text().splitlines()
    assert rows[0].startswith("activation,n,m,density,lower_bound")
    assert len(rows) == 1 + 4 * 2 * 2
    with xarray.open_dataset(folder / "training.nc", engine="scipy") as dataset:
        assert dataset.sizes["model"] == 8
        assert json.loads(dataset.attrs["protocol"])["steps"] == 60
        assert np.isfinite(dataset["loss"].values).all()


def test_the_page_needs_nothing_from_elsewhere(report: ReportSummary) -> None:
    text = report.page.read_text()
    assert not re.search(r"(src|href)=\"(https?:)?//", text)
    assert "<script" not in text
    for target in re.findall(r'href="([^"#][^"]*)"', text):
        assert (report.page.parent / target).exists(), target


@pytest.mark.skipif(
    BROWSER is None, reason="no chromium, chromium-browser or google-chrome on PATH to open the page with"
)
def test_the_page_in_a_browser(report: ReportSummary, tmp_path: Path) -> None:
    """Figures are laid out with a size, formulas are laid out, verdicts are there, nothing is wider than a phone."""
    probe = """<script>addEventListener("load", () => {
      const report = {
        figures: [...document.querySelectorAll("figure img")].map(i => [i.naturalWidth, i.clientWidth, i.clientHeight]),
        formulas: [...document.querySelectorAll("math")].filter(m => m.getBoundingClientRect().width > 5).length,
        badges: [...document.querySelectorAll(".badge")].map(b => b.textContent),
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      };
      const out = document.createElement("pre"); out.id = "probe"; out.textContent = JSON.stringify(report);
      document.body.append(out); });</script></body>"""
    page = tmp_path / "index.html"
    page.write_text(report.page.read_text().replace("</body>", probe))
    for width in (1200, 420):
        command = [
            str(BROWSER),
            *FLAGS,
            f"--user-data-dir={tmp_path}/{width}",
            f"--window-size={width},900",
            "--virtual-time-budget=5000",
            "--dump-dom",
            page.as_uri(),
        ]
        dom = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
        found = re.search(r'<pre id="probe">(.*?)</pre>', dom, re.S)
        assert found, "the page did not load"
        seen = json.loads(found.group(1).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
        assert len(seen["figures"]) == 4
        assert all(natural > 100 and shown > 200 and height > 100 for natural, shown, height in seen["figures"])
        assert seen["formulas"] > 8
        assert {"proved", "refuted"} <= set(seen["badges"])
        assert seen["overflow"] <= 0, f"the page is wider than a screen of {width}"


def test_the_page_says_what_a_reader_came_for(report: ReportSummary) -> None:
    text = report.page.read_text()
    for phrase in (
        "capacity",
        "proved by interval arithmetic",
        "tanh(",
        "B_2: signed permutations",
        "checked",
        "What falls short",
    ):
        assert phrase in text, phrase
    assert "FAILED" not in text


def test_a_second_run_computes_nothing_again(report: ReportSummary) -> None:
    again = build_report(report.page.parent, size=TINY)
    assert all(stage["cached"] for stage in again.stages.values())
    assert again.verdicts == report.verdicts


def test_a_damaged_cache_is_computed_again(tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    assert cache.get("stage", {"a": 1}, lambda: [1, 2]) == ([1, 2], False)
    assert cache.get("stage", {"a": 1}, lambda: pytest.fail("computed again")) == ([1, 2], True)
    assert cache.get("stage", {"a": 2}, lambda: 3) == (3, False)
    for path in tmp_path.iterdir():
        path.write_text(path.read_text()[:-5])
    assert cache.get("stage", {"a": 1}, lambda: [1, 2]) == ([1, 2], False)


def test_an_interruption_leaves_no_half_page_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = build_module.stages.routes
    monkeypatch.setattr(build_module.stages, "routes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        build_report(tmp_path, size=TINY)
    assert not (tmp_path / "index.html").exists()
    assert len(list((tmp_path / ".cache").glob("*.json"))) == 2
    monkeypatch.setattr(build_module.stages, "routes", original)
    resumed: list[str] = []
    monkeypatch.setattr(build_module.stages, "claims", lambda *_: resumed.append("claims"))
    monkeypatch.setattr(build_module.stages, "symmetry", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        build_report(tmp_path, size=TINY)
    assert resumed == []


def test_contradictions_are_reported() -> None:
    """The alarm is tested: a trained loss below its bound, and crossed bounds."""
    panel = {
        "activation": "relu",
        "points": [0.1],
        "lower": [0.5],
        "trained": [[0.4, 0.6, None]],
        "errors": [[1e-9, 1e-9, None]],
        "upper": [1.0],
        "minimised": [0.4],
    }
    crossed = {"activation": "relu", "m": 2, "n": [3, 4], "lower": [0.5, 0.2], "best": [0.5, 0.1], "upper": [0.4, 0.3]}
    results = {"density": {"panels": [panel]}, "intervals": {"panels": [crossed]}}
    assert len(contradictions(results)) == 3
    (row,) = loss_table(results["density"])
    assert row["violation"]
    assert (row["seeds"], row["diverged"]) == (3, 1)


def test_what_comes_from_data_is_escaped(report: ReportSummary) -> None:
    from verify.report.page import render_page

    cache = {
        path.name.split("-")[0]: json.loads(path.read_text())["result"]
        for path in (report.page.parent / ".cache").glob("*.json")
    }
    cache["claims"]["rows"][0]["label"] = "<script>alert(1)</script>"
    html, _ = render_page(
        {
            "results": cache,
            "problems": ["<b>x</b>"],
            "timings": {},
            "versions": {},
            "machine": "",
            "seed": 0,
            "size": {},
            "is_full": False,
            "verdicts": {},
            "data_files": [],
            "seconds": 0.0,
        }
    )
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "<b>x</b>" not in html


def test_progress_moves_forward(tmp_path: Path) -> None:
    seen: list[float] = []
    build_report(tmp_path, size=TINY, progress=lambda done, total, text: seen.append(done / total))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        build_report(tmp_path / "file", size=TINY)
