"""Where searches of the population loss start: known shapes, random directions, and perturbed optima."""

from __future__ import annotations

import numpy as np

from numerics.configurations.best import best_configuration
from numerics.minimise.composed import composed_weights
from numerics.minimise.sparse import minimise_sparse_coefficient
from numerics.setting import Array, model_arrays
from theory import InputError, ToyModel
from theory.loss.geometry.optimised import TABLE_HIDDEN, TABLE_RATIO

__all__ = ["perturbed", "starting_points", "with_means"]

_SPARSE_RESTARTS = 8
_NOISE = 0.03
# Columns shorter than this share of the longest represent nothing.
_LEFT_OUT = 0.1


def starting_points(model: ToyModel, restarts: int, rng: np.random.Generator) -> tuple[Array, Array | None]:
    """W of shape (S, m, n) and b of shape (S, n), None without bias: known shapes, then random directions.

    The shapes are the best composition of small optima (equal features, four or more hidden dimensions), the optimum
    of the sparse limit (the best known configuration where the table has it), of ReLU's for activations that are no
    power, orthonormal and antipodal ones. They get a little noise, which leaves saddles. The random starts have, in
    turn, small columns and columns of length 0.7 to 1.2; from small ones, features that are not worth it never grow.
    """
    n, m = int(model.n_features), int(model.n_hidden)
    densities, _ = model_arrays(model)
    # Where shapes are not what is optimal, half of the starts are still free of them.
    shaped = _shapes(model, restarts // 2, rng)
    weights = [W + _NOISE * rng.standard_normal((m, n)) for W, _ in shaped]
    drawn = rng.standard_normal((restarts - len(shaped), m, n))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    lengths = rng.uniform(0.7, 1.2, (len(drawn), 1, 1))
    lengths[0::2] *= 0.25
    W = np.concatenate([np.array(weights).reshape(-1, m, n), lengths * drawn])
    if not model.bias:
        return W, None
    b = _biases(model, densities, restarts, rng)
    for s, (_, known) in enumerate(shaped):
        if known is not None:
            b[s] = known
    return W, b


def _biases(model: ToyModel, densities: Array, count: int, rng: np.random.Generator) -> Array:
    return 0.5 * densities * float(model.law.moment(1)) + 0.02 * rng.standard_normal((count, len(densities)))


def _shapes(model: ToyModel, count: int, rng: np.random.Generator) -> list[tuple[Array, Array | None]]:
    """At most `count` pairs of W and its b, None where any will do."""
    if count == 0:
        return []
    composed = composed_weights(model, rng)
    found: list[tuple[Array, Array | None]] = [] if composed is None else [composed]
    if len(found) < count:
        found += [(W, None) for W in _plain_shapes(model, rng)]
    return found[:count]


def _plain_shapes(model: ToyModel, rng: np.random.Generator) -> list[Array]:
    n, m = int(model.n_features), int(model.n_hidden)
    densities, importances = model_arrays(model)
    order = np.argsort(-importances * densities, kind="stable")
    orthonormal, antipodal = np.zeros((m, n)), np.zeros((m, n))
    orthonormal[np.arange(min(m, n)), order[:m]] = 1.0
    antipodal[np.arange(min(2 * m, n)) % m, order[: 2 * m]] = np.where(np.arange(min(2 * m, n)) < m, 1.0, -1.0)
    sparse = _sparse_optimum(model, rng)
    return [*([] if sparse is None else [sparse]), orthonormal, antipodal]


def _sparse_optimum(model: ToyModel, rng: np.random.Generator) -> Array | None:
    """The weights that are best as p -> 0; those of ReLU where sigma is no power."""
    n, m = int(model.n_features), int(model.n_hidden)
    seed = int(rng.integers(2**31))
    known = model.activation if model.activation.power_form is not None else "relu"
    single = model.density if not isinstance(model.density, tuple) else max(model.density)
    try:
        plain = model.replace(bias=False, density=single, activation=known)
        form = plain.activation.power_form
        has_table = form.exponent.is_integer and form.exponent <= 3 and m <= TABLE_HIDDEN and n <= TABLE_RATIO * m
        if has_table and not isinstance(model.importance, tuple):
            return best_configuration(n, m, plain.activation, plain.law, seed, restarts=0, cache=False).W
        return minimise_sparse_coefficient(plain, _SPARSE_RESTARTS, seed).W
    except InputError:
        # sigma vanishes on every feature value, for example: the sparse limit has no optimum to start from.
        return None


def perturbed(
    model: ToyModel, W: Array, b: Array | None, count: int, rng: np.random.Generator
) -> tuple[Array, Array | None]:
    """`count` copies of one optimum, each with some features redrawn or every weight shaken: the hops of basin hopping.

    Args:
        W, b: the optimum, shapes (m, n) and (n,).
    """
    m, n = W.shape
    densities, _ = model_arrays(model)
    lengths = np.linalg.norm(W, axis=0)
    typical = float(np.median(lengths[lengths > 0.1 * lengths.max()])) if lengths.max() > 0 else 1.0
    copies, biases = np.repeat(W[None], count, axis=0), None if b is None else np.repeat(b[None], count, axis=0)
    fresh = _biases(model, densities, count, rng)
    for s in range(count):
        if s % 3 == 2:
            copies[s] += rng.uniform(0.1, 0.4) * typical * rng.standard_normal((m, n)) / np.sqrt(m)
            continue
        redrawn = rng.permutation(n)[: rng.integers(1, max(2, n // 4) + 1)]
        columns = rng.standard_normal((m, len(redrawn)))
        copies[s][:, redrawn] = typical * columns / np.linalg.norm(columns, axis=0)
        copies[s] += _NOISE * typical * rng.standard_normal((m, n))
        if biases is not None:
            biases[s, redrawn] = fresh[s, redrawn]
    return copies, biases


def with_means(model: ToyModel, W: Array, b: Array | None) -> tuple[Array, Array] | None:
    """The optimum with the features it leaves out predicted by their mean; None where it leaves none out, or has no b.

    An output that a negative bias has silenced, such as ReLU's, has no gradient that would bring it back.
    """
    lengths = np.linalg.norm(W, axis=0)
    left_out = lengths < _LEFT_OUT * lengths.max()
    if b is None or not left_out.any():
        return None
    densities, _ = model_arrays(model)
    return np.where(left_out, 0.0, W), np.where(left_out, densities * float(model.law.moment(1)), b)
