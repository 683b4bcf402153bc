"""The table of searched configurations: exact, safe to read, at least as good as the codes, below every certificate."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest
import sympy

import theory
from theory import InputError, ToyModel
from theory.loss.capacity import Kernel
from theory.loss.geometry.codes import code
from theory.loss.geometry.configurations import best_known_configuration, code_capacity
from theory.loss.geometry.optimised import (
    IntegerBlock,
    optimised_configuration,
    read_blocks,
    shipped_blocks,
    table_of_blocks,
)
from theory.loss.linear_programming import linear_programming_certificate

Q = sympy.Rational
KERNELS = [Kernel(sympy.Integer(a), sympy.Integer(r)) for a in (1, 2, 3) for r in (0, 1)]
TABLE = resources.files("theory.loss").joinpath("data", "configurations.json").read_text(encoding="utf-8")

# Best known for the ReLU where n is large enough, as fractions identified from many digits (numerical).
SATURATED = {2: 5 / (1 + 2 * np.cos(2 * np.pi / 5) ** 2), 3: 45 / 7, 4: 114 / 13, 5: 80 / 7, 6: 430 / 31}


@pytest.mark.parametrize(("m", "capacity"), SATURATED.items())
def test_best_known_for_the_relu(m: int, capacity: float) -> None:
    found = optimised_configuration(4 * m, m, KERNELS[0])
    assert found is not None
    assert float(found.capacity) == pytest.approx(capacity, rel=1e-12)
    just_above = optimised_configuration(2 * m + 1, m, KERNELS[0])
    assert just_above is not None
    assert float(just_above.capacity) == pytest.approx(2 * m + 0.19821271705, rel=1e-11)


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_the_whole_grid(kernel: Kernel) -> None:
    """Never below the famous codes, growing with n and m, between min(n, m) and n, and attained by the weights."""
    previous: dict[tuple[int, int], sympy.Rational] = {}
    for m in range(1, 7):
        for n in range(m, 4 * m + 1):
            found = optimised_configuration(n, m, kernel)
            if found is None:
                assert not shipped_blocks(kernel)
                return
            if m in (3, 5) and n in (2 * m + 1, 4 * m):
                known = best_known_configuration(n, m, kernel)
                assert known is not None
                assert float(found.capacity) >= float(known.capacity) * (1 - 1e-12), (n, m)
            assert m <= found.capacity <= n
            assert found.capacity >= previous.get((n - 1, m), Q(0))
            assert found.capacity >= previous.get((n - 1, m - 1), Q(0)) + 1 - Q(1, 10**14)
            W = found.weights(n, m, kernel)
            gram = W.T @ W
            gains = np.diag(gram) ** float(kernel.exponent)
            energy = kernel.values(np.sign(gram)) * np.abs(gram) ** (2 * float(kernel.exponent))
            # At its own best scale every block has s = E = K, and so has their sum.
            assert gains.sum() == pytest.approx(float(found.capacity), rel=1e-12)
            assert energy.sum() == pytest.approx(float(found.capacity), rel=1e-12)
            previous[n, m] = found.capacity


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_no_block_beats_its_certificate(kernel: Kernel) -> None:
    """Every block of the table against the linear program, both exact: a wrong capacity would cross it."""
    for block in shipped_blocks(kernel):
        if block.m <= 3 or (block.m + block.n) % 9 == 0:
            certificate = linear_programming_certificate(block.n, block.m, kernel.exponent, kernel.negative)
            assert block.capacity <= certificate.capacity, (block.m, block.n)


@pytest.mark.parametrize(("n", "m", "spec"), [(9, 3, "relu"), (10, 4, "power:2"), (13, 4, "rectified-power:3")])
def test_the_bound(n: int, m: int, spec: str) -> None:
    model = ToyModel(n, m, spec)
    bound = theory.upper_bound(model, of="sparse", name="optimised")
    assert bound.status == "proved"
    assert bound.expr.is_Rational
    assert bound.construction is not None
    assert float(theory.sparse_coefficient(model, bound.construction[0])) == pytest.approx(float(bound.expr), rel=1e-9)
    assert bound.expr >= theory.lower_bound(model, of="sparse").expr
    assert theory.upper_bounds(model, of="sparse")[0].name in ("optimised", "code")


def test_where_nothing_is_tabulated() -> None:
    assert optimised_configuration(9, 3, Kernel(Q(3, 4), Q(0))) is None
    assert optimised_configuration(9, 3, Kernel(Q(7), Q(0))) is None
    assert optimised_configuration(1000, 3, KERNELS[0]) is None
    names = [bound.name for bound in theory.upper_bounds(ToyModel(9, 3, "rectified-power:0.75"), of="sparse")]
    assert "optimised" not in names


def test_writing_and_reading() -> None:
    blocks = (IntegerBlock(((1, 0), (-2, 3), (0, 5)), Q(2)), IntegerBlock(((1,), (-1,)), Q(2)))
    text = table_of_blocks([(KERNELS[0], blocks), (KERNELS[1], ())])
    assert [block.columns for block in read_blocks(text, KERNELS[0])] == [block.columns for block in blocks]
    assert read_blocks(text, KERNELS[1]) == ()
    assert json.loads(TABLE)["version"] == 1


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda data: "{", "not JSON"),
        (lambda data: "[" * 100_000, "not JSON"),
        (lambda data: json.dumps({**data, "format": "x"}), "lacks format"),
        (lambda data: json.dumps({**data, "version": 2}), "lacks format"),
        (lambda data: json.dumps({**data, "kernels": 3}), "no list"),
        (lambda data: _with_block(data, [[1, 2], [3]]), "equally many"),
        (lambda data: _with_block(data, [[1.5, 2]]), "equally many"),
        (lambda data: _with_block(data, [["1", "2"]]), "equally many"),
        (lambda data: _with_block(data, [[True, False]]), "equally many"),
        (lambda data: _with_block(data, [[10**40, 1]]), "equally many"),
        (lambda data: _with_block(data, [[0, 0]]), "every column is zero"),
        (lambda data: " " * 5_000_000, "at most"),
    ],
)
def test_damaged_tables(change: object, part: str) -> None:
    with pytest.raises(InputError, match=part):
        read_blocks(change(json.loads(table_of_blocks([(KERNELS[0], ())]))), KERNELS[0])  # type: ignore[operator]


def _with_block(data: dict, block: list) -> str:
    data["kernels"][0]["blocks"] = [block]
    return json.dumps(data)


# docs/theory.md, T5: where the linear program proves a famous code optimal. (code, a, r, degree)
TIGHT = [
    *((f"simplex:{m}", k, 1, 8) for m in (3, 5, 7) for k in (2, 3)),
    *((f"polygon:{2 * n} lines", k, 1, 8) for n, k in ((3, 2), (3, 3), (4, 3))),
    *(("icosahedron lines", k, 1, 8) for k in (2, 3)),
    *(("Johnson lines", k, 1, 8) for k in (2, 3)),
    ("24-cell lines", 3, 1, 8),
    ("E6 lines", 3, 1, 8),
    *(("56 lines", k, 1, 8) for k in (2, 3)),
    ("E7 lines", 3, 1, 8),
    ("E8 lines", 3, 1, 8),
    ("polygon:5", 1, 0, 14),
    ("polygon:7", 2, 0, 14),
    ("polygon:9", 3, 0, 14),
    *((f"orthoplex:{m}", a, 0, 8) for m in (2, 4) for a in (1, 2, 3)),
    *((name, a, 0, 14) for name in ("icosahedron", "Clebsch", "Schlaefli", "56") for a in (2, 3)),
    ("E8", 3, 0, 8),
]


@pytest.mark.parametrize(("name", "a", "negative", "degree"), TIGHT)
def test_codes_that_the_linear_program_proves_optimal(name: str, a: int, negative: int, degree: int) -> None:
    found = code(name)
    capacity = code_capacity(found, Kernel(sympy.Integer(a), sympy.Integer(negative)))
    certificate = linear_programming_certificate(found.n, found.m, a, negative, degree)
    assert float(certificate.capacity) == pytest.approx(float(capacity), rel=1e-6)
    assert certificate.capacity >= sympy.N(capacity, 40) - Q(1, 10**30)


@pytest.mark.parametrize(("name", "a", "negative"), [("cuboctahedron", 2, 0), ("24-cell", 2, 0), ("D:5", 3, 0)])
def test_codes_that_it_does_not(name: str, a: int, negative: int) -> None:
    """A bound that met every code would prove too much."""
    found = code(name)
    capacity = code_capacity(found, Kernel(sympy.Integer(a), sympy.Integer(negative)))
    certificate = linear_programming_certificate(found.n, found.m, a, negative)
    assert float(certificate.capacity) > float(capacity) * 1.002
