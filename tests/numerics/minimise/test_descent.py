"""Batched descent on functions with known minima."""

from __future__ import annotations

import numpy as np
import pytest

from numerics.minimise.descent import adam, lbfgs


def rosenbrock(x: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = x[:, 0], x[:, 1]
    value = (1 - a) ** 2 + 100 * (b - a**2) ** 2
    return value, np.stack([-2 * (1 - a) - 400 * a * (b - a**2), 200 * (b - a**2)], axis=1)


def test_every_start_reaches_the_valley_floor() -> None:
    starts = np.random.default_rng(0).uniform(-2, 2, (20, 2))
    found = lbfgs(rosenbrock, starts, 300)
    assert found.x == pytest.approx(np.ones((20, 2)), abs=1e-7)
    assert found.value.max() < 1e-14
    assert found.evaluations < 20 * 150


def test_starts_do_not_influence_each_other() -> None:
    starts = np.random.default_rng(1).uniform(-2, 2, (5, 2))
    together = lbfgs(rosenbrock, starts, 25)
    for i in range(5):
        alone = lbfgs(rosenbrock, starts[[i]], 25)
        assert alone.x[0] == pytest.approx(together.x[i], abs=1e-12)


def test_ill_conditioned_quadratics_need_few_steps() -> None:
    scales = np.geomspace(1, 1e4, 12)

    def quadratic(x: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 0.5 * (scales * x**2).sum(axis=1), scales * x

    found = lbfgs(quadratic, np.ones((3, 12)), 400, gradient_tolerance=1e-9)
    assert np.abs(found.gradient).max() <= 1e-9


def test_the_index_names_the_starts() -> None:
    target = np.array([1.0, -2.0, 3.0])

    def shifted(x: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        miss = x - target[index, None]
        return (miss**2).sum(axis=1), 2 * miss

    assert lbfgs(shifted, np.zeros((3, 1)), 50).x[:, 0] == pytest.approx(target)


def test_infinite_starts_are_left_alone() -> None:
    def wall(x: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.where(x[:, 0] < 0, np.inf, x[:, 0] ** 2), 2 * x

    found = lbfgs(wall, np.array([[-1.0], [2.0]]), 50)
    assert found.x[0, 0] == -1.0
    assert abs(found.x[1, 0]) < 1e-6


def test_adam_walks_downhill() -> None:
    starts = np.random.default_rng(0).uniform(-2, 2, (10, 2))
    before = rosenbrock(starts, np.arange(10))[0]
    after = rosenbrock(adam(rosenbrock, starts, 300, 0.05, 0.005), np.arange(10))[0]
    assert np.all(after < before)
