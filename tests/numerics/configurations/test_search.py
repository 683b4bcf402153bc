"""The search for configurations: derivatives, polishing, rounding to integers, and known optima found from nothing."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from numerics.configurations.blocks import BlockSearch
from numerics.configurations.rational_weights import integer_weights
from numerics.configurations.search import _derivatives, _value, maximise_capacity, polish
from theory.loss.capacity import Kernel
from theory.loss.geometry.integer_weights import capacity_from_below
from theory.loss.geometry.optimised import IntegerBlock, best_sum

Q = sympy.Rational
RECTIFIED, EVEN = sympy.Integer(0), sympy.Integer(1)


def kernel(a: object, negative: sympy.Expr) -> Kernel:
    return Kernel(sympy.sympify(a), negative)


@pytest.mark.parametrize("negative", [0.0, 1.0, 0.04])
@pytest.mark.parametrize("a", [1.0, 1.5, 2.0, 3.0])
def test_newton_uses_the_true_derivatives(a: float, negative: float) -> None:
    rng = np.random.default_rng(1)
    W = rng.standard_normal((3, 5))
    gradient, hessian = _derivatives(W, a, negative)
    step = 1e-5
    numeric = np.empty((15, 15))
    for k in range(15):
        shift = np.zeros(15)
        shift[k] = step
        up, down = W + shift.reshape(3, 5), W - shift.reshape(3, 5)
        assert (_value(up, a, negative) - _value(down, a, negative)) / (2 * step) == pytest.approx(
            gradient[k], abs=1e-8
        )
        numeric[k] = (_derivatives(up, a, negative)[0] - _derivatives(down, a, negative)[0]) / (2 * step)
    # For a = 1 the second derivative jumps where a cosine changes sign; no cosine is that small here.
    assert np.abs(numeric - hessian).max() < 1e-7


@pytest.mark.parametrize(("n", "m", "a", "negative"), [(5, 2, 1, 0), (7, 2, 2, 0), (9, 3, 1, 0), (5, 3, 2, 1)])
def test_polishing_reaches_the_last_digits(n: int, m: int, a: int, negative: int) -> None:
    search = BlockSearch(kernel(a, sympy.Integer(negative)), 40, 0)
    W = search.best(n, m).weights(n, m, search.kernel)
    rough = W * (1 + 1e-4 * np.random.default_rng(0).standard_normal(W.shape))
    polished, _ = polish(rough, float(a), float(negative))
    assert np.abs(_derivatives(polished, float(a), float(negative))[0]).max() < 1e-13


KNOWN = [
    # n, m, a, kernel, capacity
    (5, 2, 1, RECTIFIED, 5 / (1 + 2 * np.cos(2 * np.pi / 5) ** 2)),
    (9, 3, 1, RECTIFIED, 45 / 7),
    (11, 3, 1, RECTIFIED, 45 / 7),
    (12, 4, 1, RECTIFIED, 114 / 13),
    (10, 4, 1, RECTIFIED, 60 / 7),
    (16, 5, 1, RECTIFIED, 80 / 7),
    (12, 3, 3, RECTIFIED, 11.5384615385),
    (7, 2, 2, RECTIFIED, 5.37536624387),
    (6, 3, 2, EVEN, 5.0),
    (5, 3, 2, EVEN, 4.38567264283),
    (10, 5, 2, EVEN, 9.0),
]


@pytest.mark.parametrize(("n", "m", "a", "negative", "capacity"), KNOWN)
def test_optima_are_found_from_nothing(n: int, m: int, a: int, negative: sympy.Expr, capacity: float) -> None:
    """Without the table and without smaller cells, from random starts and parts of codes."""
    seed = np.random.SeedSequence(5)
    W, found = maximise_capacity(n, m, float(a), float(negative), 60, seed, [np.eye(m)[:, : min(n, m)]])
    assert found == pytest.approx(capacity, rel=1e-10)
    columns, exact = integer_weights(W[:, np.linalg.norm(W, axis=0) > 0], kernel(a, negative))
    assert exact == capacity_from_below(columns, sympy.Integer(a), negative)
    assert float(exact) == pytest.approx(capacity, rel=1e-10)


def test_integers_are_small_where_they_can_be() -> None:
    signs = np.array([[1 - 2 * (k >> i & 1) for i in range(5)] for k in range(32) if bin(k).count("1") % 2 == 0]).T
    columns, capacity = integer_weights(np.eye(3)[:, [0, 1, 2]] * 1.7, kernel(1, RECTIFIED))
    assert columns == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert capacity == 3
    assert float(integer_weights(signs * 0.3, kernel(1, RECTIFIED))[1]) == pytest.approx(80 / 7, rel=1e-13)


def test_sums_are_the_best_sums() -> None:
    """Dynamic programming against every multiset of blocks."""
    rng = np.random.default_rng(3)
    shapes = [(1, 2), (2, 3), (2, 5), (3, 4), (3, 7)]
    for _ in range(20):
        blocks = tuple(
            IntegerBlock(tuple(tuple([1] * d) for _ in range(f)), Q(int(rng.integers(1, 100 * f)), 100))
            for d, f in shapes
        )
        n, m = int(rng.integers(1, 12)), int(rng.integers(1, 6))

        def every(
            d: int, f: int, start: int, blocks: tuple[IntegerBlock, ...] = (*blocks, IntegerBlock(((1,),), Q(1)))
        ) -> sympy.Expr:
            best = Q(0)
            for k in range(start, len(blocks)):
                if blocks[k].m <= d and blocks[k].n <= f:
                    best = max(best, blocks[k].capacity + every(d - blocks[k].m, f - blocks[k].n, k))
            return best

        assert best_sum(n, m, blocks).capacity == every(m, n, 0)


def test_a_cell_does_not_depend_on_what_was_searched_before() -> None:
    alone = BlockSearch(kernel(1, RECTIFIED), 12, 0)
    busy = BlockSearch(kernel(1, RECTIFIED), 12, 0)
    busy.best(9, 3)
    busy.best(4, 4)
    # A larger cell may have come upon a block that fits here; the cell must not see it.
    busy._cells[20, 3] = (IntegerBlock(((1, 0, 0),) * 8, Q(79, 10)),)
    first, second = alone.best(8, 3), busy.best(8, 3)
    assert [block.columns for block in first.blocks] == [block.columns for block in second.blocks]
    assert first.capacity == second.capacity
