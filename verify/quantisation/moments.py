"""Polynomial statistics under many rotations of the frame: from moments, without going over the rows again."""

from __future__ import annotations

from functools import cached_property

import numpy as np

__all__ = ["Moments"]

_CHUNK = 4_000_000


class Moments:
    """Mean of <u, v>^t over unit rows u for any directions v and t = 1, 2, 3, 4.

    Pairs of coordinates are lifted to Sym^2(R^d), of dimension D = d(d+1)/2, scaled so that inner products of lifts
    are squares of inner products. Then <u, v>^4 = <lift u, lift v>^2 is a quadratic form of lifts.

    Args:
        unit: unit rows, shape (N, d).
    """

    def __init__(self, unit: np.ndarray):
        self._unit = unit
        d = unit.shape[1]
        self._i, self._j = np.triu_indices(d)
        self._scale = np.where(self._i == self._j, 1.0, np.sqrt(2.0))

    @staticmethod
    def pay(rows: int, dimension: int, order: int) -> bool:
        """Whether a direction costs less through moments than through its inner products with every row."""
        lifted = dimension * (dimension + 1) // 2
        return lifted * (lifted if order == 4 else dimension) < rows * dimension

    def mean_power(self, directions: np.ndarray, order: int) -> np.ndarray:
        """Mean over rows of <u, v>^order, for directions of shape (..., d); the result has shape (...)."""
        flat = directions.reshape(-1, directions.shape[-1])
        step = max(1, _CHUNK // len(self._i))
        parts = [self._powers(flat[start : start + step], order) for start in range(0, len(flat), step)]
        return np.concatenate(parts).reshape(directions.shape[:-1])

    def _powers(self, V: np.ndarray, order: int) -> np.ndarray:
        if order == 1:
            return V @ self._first
        if order == 2:
            return np.einsum("kd,kd->k", V @ self._second, V)
        lifted = self._lift(V)
        if order == 3:
            return np.einsum("kd,kd->k", lifted @ self._third, V)
        return np.einsum("kd,kd->k", lifted @ self._fourth, lifted)

    def _lift(self, V: np.ndarray) -> np.ndarray:
        return V[:, self._i] * V[:, self._j] * self._scale

    @cached_property
    def _first(self) -> np.ndarray:
        return self._unit.mean(axis=0)

    @cached_property
    def _second(self) -> np.ndarray:
        return self._unit.T @ self._unit / len(self._unit)

    @cached_property
    def _third(self) -> np.ndarray:
        return self._over_rows(lambda U: self._lift(U).T @ U)

    @cached_property
    def _fourth(self) -> np.ndarray:
        def outer(U: np.ndarray) -> np.ndarray:
            lifted = self._lift(U)
            return lifted.T @ lifted

        return self._over_rows(outer)

    def _over_rows(self, product) -> np.ndarray:  # type: ignore[no-untyped-def]
        step = max(1, _CHUNK // len(self._i))
        total = sum(product(self._unit[start : start + step]) for start in range(0, len(self._unit), step))
        return np.asarray(total) / len(self._unit)
