"""The documents say what the code derives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import theory
from theory.loss.lower_bounds import LOWER_BOUNDS
from theory.loss.upper_bounds import UPPER_BOUNDS

DOCS = Path(__file__).parent.parent / "docs"
NAMES = {
    "GL": "GL(n)",
    "R+ wr S": "R>0 wr S_n",
    "R* wr S": "R* wr S_n",
    "B": "B_n",
    "S": "S_n",
    "O": "O(n)",
    "S + 1v": "P + 1v^T",
}
ROWS = re.findall(r"^\| (\w+) \| ([^|]+) \| ([^|]+) \|", (DOCS / "symmetry.md").read_text(), re.M)


def test_the_table_lists_every_registered_activation() -> None:
    assert [row[0] for row in ROWS if row[0] != "activation"] == list(theory.activation_names())


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] != "activation"], ids=lambda row: row[0])
def test_the_table_of_groups_is_what_is_derived(row: tuple[str, str, str]) -> None:
    name, group, intertwiner = (cell.strip() for cell in row)
    assert NAMES[theory.equivariance_group(name, 3).key] == group
    found = theory.intertwiner(name, 3).group
    assert intertwiner == NAMES[found.key] + ("" if found.status == "proved" else " (at least)")


def test_every_source_that_a_bound_cites_is_in_the_documents() -> None:
    text = (DOCS / "theory.md").read_text()
    models = [
        theory.ToyModel(7, 3, a, 0.1) for a in (theory.power(1), theory.power(2), "relu", theory.rectified_power(2))
    ]
    models.append(theory.ToyModel(3, 2, theory.power(2), 0.1, importance=[1, 0.5, 0.25]))
    seen = set()
    models.append(theory.ToyModel(3, 2, "relu", 0.1, importance=[1, 0.5, 0.2]))
    models.append(theory.ToyModel(2, 1, "relu", 0.1, law="two-sided:uniform", bias=True))
    models.append(theory.ToyModel(3, 1, "relu", 0.1, bias=True))
    models.append(theory.ToyModel(8, 30, "relu", 0.1, bias=True))
    models.append(theory.ToyModel(99, 1, "relu", 0.1, bias=True))
    for model in models:
        for of in ("sparse", "loss"):
            for bound in (*theory.lower_bounds(model, of), *theory.upper_bounds(model, of)):
                seen.add(bound.name)
                for theorem in re.findall(r"T(\d+)", bound.source):
                    assert f"## T{theorem}." in text
    assert seen == {*LOWER_BOUNDS, *UPPER_BOUNDS}
