"""The catalogue of theorems: complete, consistent with documents and bounds, and re-checkable step by step."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import sympy

import theory
from theory import InputError, Step, Theorem
from theory.loss.lower_bounds import LOWER_BOUNDS
from theory.loss.theorems.capacity import pentagon_minorant
from theory.loss.upper_bounds import UPPER_BOUNDS
from verify.cli import main

DOCS = (Path(__file__).parents[4] / "docs" / "theory.md").read_text()
ENTRIES = theory.theorems()


def number(entry: Theorem) -> int:
    return int(entry.key.partition("(")[0][1:])


def test_every_number_is_there_in_order() -> None:
    numbers = [number(entry) for entry in ENTRIES]
    assert sorted(numbers) == numbers
    assert set(numbers) == set(range(1, 13))
    assert len({entry.key for entry in ENTRIES}) == len(ENTRIES)
    assert {entry.status for entry in ENTRIES} == {"proved", "numerical", "open"}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.key)
def test_every_relation_is_proved_again(entry: Theorem) -> None:
    """A step with a relation must come out True: an undecided one would only look like a proof."""
    outcomes = [step.check() for step in entry.derivation]
    for step, ok in zip(entry.derivation, outcomes, strict=True):
        assert ok is (None if step.relation is None else True), step.statement
    assert entry.check() == {step.statement: ok for step, ok in zip(entry.derivation, outcomes, strict=True)}
    assert len(entry.check()) == len(entry.derivation)
    if entry.status == "proved":
        assert True in outcomes, "a proved theorem shows some of its algebra"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.key)
def test_a_doctored_step_is_noticed(entry: Theorem) -> None:
    for step in entry.derivation:
        if isinstance(step.relation, sympy.Eq):
            wrong = Step(step.statement, sympy.Eq(step.relation.lhs, step.relation.rhs * 2 + 1, evaluate=False))
            assert wrong.check() is not True, step.statement
            assert replace(entry, derivation=(wrong,)).check()[step.statement] is not True


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.key)
def test_every_link_leads_somewhere(entry: Theorem) -> None:
    assert set(entry.bounds) <= {*LOWER_BOUNDS, *UPPER_BOUNDS}
    for name in entry.functions:
        module, _, attribute = name.rpartition(".")
        assert callable(getattr(import_module(module), attribute))
    assert f"## T{number(entry)}." in DOCS
    assert entry.source.startswith(f"docs/theory.md, T{number(entry)}")
    assert entry.statement[-1] in ".)"
    assert str(entry).startswith(f"{entry.key} [{entry.status}]")


def test_the_table_in_the_documents_is_the_catalogue() -> None:
    rows = re.findall(r"^\| (T\d+\S*) \| (\w+) \| ([^|]+) \|$", DOCS, re.M)
    assert [(key, status, title.strip()) for key, status, title in rows] == [
        (entry.key, entry.status, entry.title) for entry in ENTRIES
    ]


def test_every_bound_belongs_to_a_theorem() -> None:
    named = {name for entry in ENTRIES for name in entry.bounds}
    words = """sidelnikov linear-programming relu-capacity cardinality combined first-order rank layer-cake
        rectified-capacity three-point
        water-filling obtuse antipodal unit-pairs orthonormal principal-components random-directions random-bases
        remainder code"""
    assert set(words.split()) <= named


def test_lookup() -> None:
    assert theory.theorem("T5(e)").bounds == ("relu-capacity",)
    with pytest.raises(InputError, match=r"choose one of T10\(a\), T10\(b\)"):
        theory.theorem("T10")
    with pytest.raises(InputError, match="T13"):
        theory.theorem("T13")
    with pytest.raises(InputError, match="status"):
        Theorem(key="T1", title="", statement="", status="believed", source="")


def test_the_pentagon_minorant_in_numbers() -> None:
    """Independent of its factorisation: h <= f on a grid, and its mean over the circle is h_0."""
    h, _, _ = pentagon_minorant()
    t = sympy.Symbol("t", real=True)
    values = sympy.lambdify(t, h, "math")
    for i in range(-1000, 1001):
        x = i / 1000
        assert values(x) <= max(x, 0.0) ** 2 + 1e-12
    angle = sympy.Symbol("phi", real=True)
    mean = sympy.integrate(sympy.expand(h.subs(t, sympy.cos(angle))), (angle, 0, 2 * sympy.pi)) / (2 * sympy.pi)
    assert sympy.simplify(1 / mean - 5 / (1 + 2 * sympy.cos(2 * sympy.pi / 5) ** 2)) == 0


def test_the_command_lists_and_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["theorems"]) == 0
    listing = capsys.readouterr().out
    assert all(f"\n{entry.key} " in listing for entry in ENTRIES)
    assert main(["theorems", "T10", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [entry["key"] for entry in data] == ["T10(a)", "T10(b)", "T10(c)", "T10(d)", "T10(e)", "T10(f)"]
    assert data[1]["steps"][4]["holds"] is True
    assert main(["theorems", "T5(e)"]) == 0
    printed = capsys.readouterr().out
    assert "[checked]" in printed
    assert "relu-capacity" in printed
    assert main(["theorems", "--status", "open"]) == 0
    assert "proved" not in capsys.readouterr().out
    assert main(["theorems", "T99"]) == 2
    assert "T99" in capsys.readouterr().err


def test_a_failed_step_is_reported(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(theory.theorem("T2"), derivation=(Step("one is two", sympy.Eq(1, 2, evaluate=False)),))
    monkeypatch.setattr(theory, "theorems", lambda: (broken,))
    assert main(["theorems", "T2"]) == 1
    assert "FAILED" in capsys.readouterr().out
