"""Control variates from the linear models: their loss is exact by moments, and correlates with the loss asked for.

The squared error of sigma(z) = alpha z + beta is a sum of multiples of x**2, x z, z**2, x and z, feature by feature.
Their means given a stratum are exact, so any multiple of them may be taken off each draw and its mean added back. The
multiples come from a pilot whose draws are not used again: given the pilot the estimate is unbiased, and its draws are
independent.
"""

from __future__ import annotations

import numpy as np

from numerics.monte_carlo.strata import Stratum, inclusions, pair_inclusions
from numerics.setting import Array, Setting

__all__ = ["CONTROLS", "control_means", "fitted"]

CONTROLS = ("x**2", "x z", "z**2", "x", "z")


def control_means(at: Setting, stratum: Stratum) -> Array:
    """Means of x_i**2, x_i z_i, z_i**2, x_i, z_i given the stratum, shape (5, n).

    With pi_i = P(i active), pi_ij = P(i, j active) given the stratum and z_i = b_i + sum_j G_ij x_j:
    E x_i z_i = (b_i mu_1 + G_ii mu_2) pi_i + mu_1**2 sum_{j != i} G_ij pi_ij, and
    E z_i**2 = b_i**2 + 2 b_i mu_1 (G pi)_i + mu_2 sum_j G_ij**2 pi_j + mu_1**2 sum_{j != l} G_ij G_il pi_jl.
    """
    mean, second = (float(at.model.law.moment(r)) for r in (1, 2))
    W, gram, b = at.W, at.gram, at.bias
    single = inclusions(at.densities, stratum)
    pairs, which = pair_inclusions(at.densities, stratum)
    members = np.eye(len(pairs))[which]
    own = pairs[which, which]
    sums = W @ members
    apart = (gram @ members * pairs[which]).sum(axis=1) - np.diagonal(gram) * own
    # W Pi W^T with the diagonal of Pi taken off, an (m, m) matrix.
    spread = sums @ pairs @ sums.T - (W * own) @ W.T
    first = gram @ single
    z_mean = b + mean * first
    x_z = (b * mean + np.diagonal(gram) * second) * single + mean**2 * apart
    squares = second * np.einsum("ij,ij,j->i", gram, gram, single) + mean**2 * np.einsum("mi,mk,ki->i", W, spread, W)
    z_z = b**2 + 2 * b * mean * first + squares
    return np.stack([second * single, x_z, z_z, mean * single, z_mean])


def fitted(totals: Array, controls: Array) -> Array:
    """Least-squares multiples of the controls, shape (5,); zeros where they explain nothing that can be trusted.

    Args:
        totals: the weighted loss of each pilot draw, shape (N,).
        controls: the weighted controls of each, shape (N, 5).
    """
    zeros = np.zeros(controls.shape[1])
    # A pilot of rare features has few inputs that are not zero: a fit explains them and nothing else.
    spread = ((controls - controls.mean(axis=0)) ** 2).sum(axis=1)
    if len(totals) < 6 * controls.shape[1] or spread.sum() ** 2 <= 2 * controls.shape[1] * (spread**2).sum():
        return zeros
    # Each half judges what the other found.
    halves = [slice(0, None, 2), slice(1, None, 2)]
    before = after = 0.0
    for fit, judge in (halves, halves[::-1]):
        left = totals[judge] - controls[judge] @ _regressed(totals[fit], controls[fit])
        before, after = before + totals[judge].var(), after + left.var()
    return _regressed(totals, controls) if after < before else zeros


def _regressed(totals: Array, controls: Array) -> Array:
    from scipy.linalg import lstsq

    centred = controls - controls.mean(axis=0)
    size = np.sqrt((centred**2).mean(axis=0))
    used = size > 1e-10 * np.abs(controls).max(axis=0, initial=1e-300)
    coefficients = np.zeros(controls.shape[1])
    if used.any():
        found = lstsq(centred[:, used] / size[used], totals - totals.mean(), cond=1e-6)[0]
        coefficients[used] = found / size[used]
    return coefficients
