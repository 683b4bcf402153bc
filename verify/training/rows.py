"""Training inputs: random minibatches, or weighted rows in which the sparse part of the expectation is exact.

A sparse input has mostly zero or one active feature. Stratified rows take those two cases out of the noise: the empty
input is one row, each feature alone is a Gauss rule of the law of its value, and only inputs with two or more active
features are sampled, with the probability of that event as their weight.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

from theory import FeatureLaw, ToyModel

__all__ = ["at_least_active", "law_rule", "minibatch", "one_active_rows", "stratified_rows", "two_or_more_active"]

RULE_ORDER = 8
# Above this density a number for every entry is drawn as fast as a set of entries.
_MASKED = 0.4


@cache
def law_rule(law: FeatureLaw, order: int = RULE_ORDER) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the Gauss rule of U: sum_r w_r g(u_r) = E g(U) for every polynomial g of degree < 2 order.

    Computed from the exact moments of |U| (Golub and Welsch 1969); a two-sided law mirrors the rule of |U| and is
    exact for polynomials in U of even degree < 2 order in |U| and for all odd ones.

    Returns:
        nodes u and weights w, each of shape (order,), or (2 order,) for a two-sided law; one node for |U| = 1.
    """
    if law.density_of_magnitude is None:
        nodes, weights = np.ones(1), np.ones(1)
    else:
        nodes, weights = _gauss_from_moments(law, order)
    if law.is_two_sided:
        nodes, weights = np.concatenate([nodes, -nodes]), np.concatenate([weights, weights]) / 2
    return nodes, weights


def _gauss_from_moments(law: FeatureLaw, order: int) -> tuple[np.ndarray, np.ndarray]:
    import mpmath
    from scipy.linalg import eigh_tridiagonal

    # The Hankel matrix of moments is badly conditioned, so its factor is computed with many digits.
    with mpmath.workdps(40 + 6 * order):
        moments = [law.absolute_moment(s)._to_mpmath(mpmath.mp.prec) for s in range(2 * order + 1)]
        hankel = mpmath.matrix([[moments[i + j] for j in range(order + 1)] for i in range(order + 1)])
        factor = mpmath.cholesky(hankel).T
        ratio = [factor[j, j + 1] / factor[j, j] for j in range(order)]
        diagonal = [float(ratio[j] - (ratio[j - 1] if j else 0)) for j in range(order)]
        beside = [float(factor[j + 1, j + 1] / factor[j, j]) for j in range(order - 1)]
    nodes, vectors = eigh_tridiagonal(np.array(diagonal), np.array(beside))
    return nodes, vectors[0] ** 2


def stratified_rows(model: ToyModel, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows X and weights w with sum_b w_b g(X_b) an unbiased estimate of E g(x), exact where at most one is active.

    Exact up to the Gauss rule, that is for g polynomial of degree < 16 in one active feature.

    Args:
        model: a numeric model; only its densities and law matter.
        count: how many rows with two or more active features to draw.

    Returns:
        X of shape (B, n) and w of shape (B,), w >= 0, sum w = 1.
    """
    densities = np.array([float(p) for p in model.densities])
    single, weights = one_active_rows(densities, model.law)
    masks, chance = two_or_more_active(densities, count, rng)
    several = np.where(masks, model.law.sample(rng, masks.shape), 0.0)
    X = np.concatenate([np.zeros((1, len(densities))), single, several])
    return X, np.concatenate([[np.prod(1 - densities)], weights, np.full(count, chance / count)])


def one_active_rows(densities: np.ndarray, law: FeatureLaw, order: int = RULE_ORDER) -> tuple[np.ndarray, np.ndarray]:
    """Every feature alone at every node of the rule of the law, with its probability: shapes (n R, n) and (n R,)."""
    nodes, weights = law_rule(law, order)
    n = len(densities)
    # The product of 1 - p over the other features, without dividing by 1 - p (which may be 0).
    others = np.array([np.prod(np.delete(1 - densities, i)) for i in range(n)])
    X = np.einsum("ij,r->irj", np.eye(n), nodes).reshape(-1, n)
    return X, np.outer(densities * others, weights).ravel()


def two_or_more_active(densities: np.ndarray, count: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Independent sets of active features, given that at least two are active, and the chance of that event."""
    return at_least_active(densities, 2, count, rng)


def at_least_active(
    densities: np.ndarray, least: int, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Independent sets of active features, given that at least `least` are active, and the chance of that event.

    One pass over the features: feature j is active with its probability given that the sets found so far still need
    `need` active ones among j, j+1, ... . Exact for unequal densities and for any density in [0, 1].

    Returns:
        masks of shape (count, n) and P(at least `least` active). Where that is 0 the masks are empty.
    """
    n = len(densities)
    # enough[j, r]: the chance of at least r active features among j, ..., n - 1; sums of products, no cancellation.
    enough = np.zeros((n + 1, least + 1))
    enough[:, 0] = 1.0
    for j in range(n - 1, -1, -1):
        enough[j, 1:] = densities[j] * enough[j + 1, :least] + (1 - densities[j]) * enough[j + 1, 1:]
    masks = np.zeros((count, n), dtype=bool)
    chance = float(enough[0, least])
    if chance == 0:
        return masks, 0.0
    need = np.full(count, least)
    for j, uniform in enumerate(rng.random((n, count))):
        active = densities[j] * enough[j + 1, np.maximum(need - 1, 0)]
        masks[:, j] = uniform * enough[j, need] < active
        need = np.maximum(need - masks[:, j], 0)
    return masks, chance


def minibatch(model: ToyModel, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` independent inputs of the model, shape (count, n); values are drawn for active entries alone."""
    densities, n = _float_densities(model), int(model.n_features)
    if densities.min() == 1:
        return model.law.sample(rng, (count, n))
    X = np.zeros(count * n)
    active = _active_entries(densities, count, rng)
    X[active] = model.law.sample(rng, len(active))
    return X.reshape(count, n)


def _active_entries(densities: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Which entries of `count` independent rows, laid end to end, are active: feature i with its density."""
    largest, size = float(densities.max()), count * len(densities)
    if largest > _MASKED:
        return np.flatnonzero(rng.random((count, len(densities))) < densities)
    # How many, then which: so many independent draws need not be made to find that most entries are empty.
    found = rng.choice(size, rng.binomial(size, largest), replace=False, shuffle=False)
    if densities.min() == largest:
        return found
    return found[rng.random(len(found)) * largest < densities[found % len(densities)]]


@lru_cache(maxsize=1024)
def _float_densities(model: ToyModel) -> np.ndarray:
    # Exact numbers of sympy are slow to turn into floats, and a model is asked for every batch.
    return np.array([float(p) for p in model.densities])
