"""The transforms of h = W x where several features are active, against a sum over every support."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from numerics.hidden_law.characteristic import several_active, several_active_squares
from numerics.hidden_law.grid import hidden_grid
from numerics.laws import numeric_law
from theory import feature_law


@pytest.mark.parametrize("name", ["uniform", "exponential", "two-sided:beta:2,1"])
def test_products_are_sums_over_supports(name: str) -> None:
    rng, law = np.random.default_rng(0), numeric_law(feature_law(name))
    columns, p, t = rng.normal(size=(2, 4)), np.array([0.3, 1e-7, 1.0, 0.6]), rng.normal(size=(5, 2))
    found = several_active(law, columns, p, t)
    phi, psi = law.transforms((t @ columns).T, 1)
    plain, weighted = np.zeros(5, complex), np.zeros((4, 5), complex)
    for support in product((0, 1), repeat=4):
        if sum(support) < 2:
            continue
        chance = np.prod(np.where(support, p, 1 - p))
        plain += chance * np.prod([phi[j] for j in range(4) if support[j]], axis=0)
        for i in range(4):
            if support[i]:
                weighted[i] += chance * np.prod([psi[j] if j == i else phi[j] for j in range(4) if support[j]], axis=0)
    assert found.plain == pytest.approx(plain, rel=1e-13)
    assert found.weighted == pytest.approx(weighted, rel=1e-13)


def test_tiny_densities_keep_their_digits() -> None:
    law, p = numeric_law(feature_law("uniform")), np.full(3, 1e-12)
    found = several_active(law, np.ones((1, 3)), p, np.zeros((1, 1)))
    assert found.plain == pytest.approx([3e-24], rel=1e-11)
    assert found.weighted[:, 0] == pytest.approx(np.full(3, 1e-24), rel=1e-11)
    assert several_active_squares(law, p) == pytest.approx(np.full(3, 2e-24 / 3), rel=1e-11)
    assert several_active_squares(law, np.array([1.0, 0.5, 0.0])) == pytest.approx([0.5 / 3, 0.5 / 3, 0.0])


@pytest.mark.parametrize("d", [1, 2])
def test_the_lattice_integrates_smooth_functions(d: int) -> None:
    # The law of h is a point mass at a: every function of h has its value there.
    a = np.array([0.3, -0.8])[:d]
    grid = hidden_grid(np.full(d, -1.0), np.full(d, 2.0), 96)
    density = grid.density(np.exp(1j * grid.frequencies @ a))
    index, weights, h = grid.part(0, grid.size)
    for f in (lambda h: np.ones(len(h)), lambda h: np.exp(h.sum(axis=1)), lambda h: np.tanh(h).prod(axis=1)):
        assert float((density[index] * weights) @ f(h)) == pytest.approx(f(a[None])[0], rel=1e-12)
