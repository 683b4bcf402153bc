"""Running moments against numpy's over the whole sample."""

from __future__ import annotations

import numpy as np
import pytest

from numerics.monte_carlo.interval import Running, half_width


def test_blocks_of_different_means_merge_to_the_whole() -> None:
    rng = np.random.default_rng(0)
    blocks = [rng.normal(loc, 1.0, size) for loc, size in ((0.0, 1), (5.0, 40), (-3.0, 7))]
    run = Running(1)
    for block in blocks:
        run.add(block, np.array([block.mean()]))
    whole = np.concatenate(blocks)
    assert run.mean == pytest.approx(whole.mean())
    assert run.variance == pytest.approx(whole.var(ddof=1))
    assert run.per_feature[0] == pytest.approx(whole.mean())
    assert half_width([1.0], [run]) == pytest.approx(2.0117 * whole.std(ddof=1) / 48**0.5, rel=1e-4)
