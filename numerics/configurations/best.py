"""The best-known configuration of n features in m dimensions, with its exact capacity and its geometry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import sympy

from numerics.configurations.blocks import BlockSearch
from numerics.configurations.cache import ConfigurationCache, default_folder
from numerics.setting import Array
from theory.arguments import InputError
from theory.loss.capacity import Kernel, sparse_constants
from theory.loss.geometry.configurations import Configuration, best_known_configuration
from theory.loss.geometry.integer_weights import is_exact_kernel
from theory.loss.geometry.optimised import (
    TABLE_HIDDEN,
    TABLE_RATIO,
    BlockSum,
    IntegerBlock,
    optimised_configuration,
    shipped_blocks,
)
from theory.loss.geometry.recognition import Geometry, recognise
from theory.registry import activation as as_activation
from theory.toy_model import ToyModel

__all__ = ["BestConfiguration", "best_configuration"]

_RESTARTS, _LARGEST = 60, 4000


@dataclass(frozen=True)
class BestConfiguration:
    """Weights with the largest capacity known, and what they look like.

    Attributes:
        W: shape (m, n), each orthogonal block at its own best scale; columns of dropped features are zero.
        capacity: K(W): exact, or a rational just below it; so n mu_2 - kappa capacity >= c* is a theorem. Where 2a is
            no integer it is K(W) to about 1e-13 and `is_proved` is False.
        is_proved: whether the capacity is a proved lower bound on K*.
        geometry: its orthogonal blocks, what they are called, and the features dropped.
        kernel: the interference kernel.
        origin: "code" (famous codes), "optimised" (the shipped table) or "searched" (a search made now or before).
        blocks: its blocks in integer columns, from which the capacity can be computed again; empty for famous codes.
    """

    W: Array
    capacity: sympy.Expr
    is_proved: bool
    geometry: Geometry
    kernel: Kernel
    origin: str
    blocks: tuple[IntegerBlock, ...]

    @property
    def name(self) -> str:
        """For example "pentagon ⊕ 2 × antipodal pair"."""
        return self.geometry.name

    @cached_property
    def norms(self) -> Array:
        """|W_i|, shape (n,)."""
        return np.linalg.norm(self.W, axis=0)

    @cached_property
    def gram_spectrum(self) -> Array:
        """Eigenvalues of W W^T, largest first, shape (m,): the nonzero ones of the Gram matrix and zeros."""
        return np.sort(np.linalg.svd(self.W, compute_uv=False) ** 2)[::-1]

    @cached_property
    def cosines(self) -> tuple[tuple[float, int], ...]:
        """The different cosines between kept features, increasing, each with the number of pairs."""
        kept = self.W[:, self.norms > 0] / self.norms[self.norms > 0]
        values = np.sort((kept.T @ kept)[np.triu_indices(kept.shape[1], 1)])
        breaks = np.flatnonzero(np.diff(values) > 1e-6) + 1
        return tuple((float(group.mean()), len(group)) for group in np.split(values, breaks) if len(group))


def best_configuration(
    n: int,
    m: int,
    activation: Any,
    law: Any = None,
    seed: int = 0,
    restarts: int | None = None,
    cache: Path | str | bool = True,
) -> BestConfiguration:
    """The configuration with the largest capacity known: famous codes, the shipped table, and a search of its own.

    Inside the table (integer powers 1 to 3, monomial or rectified, m <= 6, n <= 4m) nothing is searched by default.
    Elsewhere every smaller cell is searched first, because optima are often sums of smaller ones.

    Args:
        n: number of features, >= 1.
        m: hidden dimension, >= 1.
        activation: a power activation.
        law: of an active feature, uniform by default; it enters through the kernel alone.
        seed: of the search.
        restarts: starts per cell; None for none inside the table and 60 elsewhere; 0 for no search.
        cache: keep searched cells on disk (in $SUPERPOSITION_CACHE or the user's cache folder); a folder to keep them
            there; False to keep nothing.

    Raises:
        InputError: an activation that is not homogeneous or has symbols, sizes that are no counts, or nm > 4000.

    Source: docs/theory.md, T2; docs/atlas.md.
    """
    model = ToyModel(n, m, as_activation(activation), **({} if law is None else {"law": law}))
    kernel = sparse_constants(model.law, model.activation).kernel
    if model.n_features.free_symbols or model.n_hidden.free_symbols or kernel.exponent.free_symbols:
        raise InputError(f"best_configuration needs numbers; got {model.describe()}")
    n, m = int(model.n_features), int(model.n_hidden)
    if n * m > _LARGEST:
        raise InputError(f"n={n}, m={m}: n m is at most {_LARGEST} here; see theory.upper_bounds for larger models")
    if restarts is not None and (isinstance(restarts, bool) or restarts != int(restarts) or restarts < 0):
        raise InputError(f"restarts={restarts!r} must be an integer >= 0, or None")
    if restarts is None:
        inside = bool(shipped_blocks(kernel)) and m <= TABLE_HIDDEN and n <= TABLE_RATIO * m
        restarts = 0 if inside else _RESTARTS
    found: list[tuple[str, Configuration | BlockSum]] = []
    code = best_known_configuration(n, m, kernel)
    if code is not None:
        found.append(("code", code))
    table = optimised_configuration(n, m, kernel)
    if table is not None:
        found.append(("optimised", table))
    if restarts or not found:
        folder = default_folder() if cache is True else None if cache is False else Path(cache)
        search = BlockSearch(kernel, int(restarts), seed, shipped_blocks(kernel), ConfigurationCache(folder))
        found.append(("searched", search.best(n, m)))
    # A famous code comes before an entry of the table that rounding put a hair below or above it.
    most = max(float(construction.capacity) for _, construction in found)
    origin, best = next(item for item in found if float(item[1].capacity) >= most * (1 - 1e-11))
    W = _weights(best, n, m, kernel)
    return BestConfiguration(
        W=W,
        capacity=best.capacity,
        is_proved=origin == "code" or is_exact_kernel(kernel.exponent, kernel.negative),
        geometry=recognise(W, kernel.negative == 1),
        kernel=kernel,
        origin=origin,
        blocks=best.blocks if isinstance(best, BlockSum) else (),
    )


def _weights(found: Configuration | BlockSum, n: int, m: int, kernel: Kernel) -> Array:
    if isinstance(found, BlockSum):
        return found.weights(n, m, kernel)
    return np.array(found.weights(n, m, kernel).evalf().tolist(), dtype=float)
