"""Ranks of float matrices, proved: a float is a rational, and its rank modulo a prime bounds the true one below."""

from __future__ import annotations

import numpy as np

__all__ = ["krylov_rank", "rank_at_least"]

_PRIME = 2**31 - 1
_LARGEST = 600


def rank_at_least(matrix: np.ndarray) -> int:
    """A proved lower bound of the rank of a float64 matrix, its entries taken as exact rationals.

    It is the rank modulo 2^31 - 1 (every float is an integer times a power of 2, which is invertible there): a minor
    that is not 0 modulo a prime is not 0. Generically it is the rank. 0, which proves nothing, beyond 600 rows and
    columns.

    Args:
        matrix: finite float64, shape (p, n).
    """
    if min(matrix.shape) == 0 or min(matrix.shape) > _LARGEST:
        return 0
    return _eliminated(_residues(matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T))


def krylov_rank(W: np.ndarray, b: np.ndarray) -> int:
    """A proved lower bound of the dimension of span{b, Wb, W^2 b, ...}, exact as `rank_at_least`.

    Args:
        W: finite float64, shape (n, n).
        b: finite float64, shape (n,).
    """
    if len(b) > _LARGEST:
        return 0
    rows, matrix, vector = [], _residues(W), _residues(b)
    for _ in range(len(b)):
        rows.append(vector)
        vector = (matrix * vector % _PRIME).sum(axis=1) % _PRIME
    return _eliminated(np.array(rows))


def _residues(values: np.ndarray) -> np.ndarray:
    mantissa, exponent = np.frexp(np.asarray(values, dtype=np.float64))
    whole = (mantissa * 2.0**53).astype(np.int64)
    # 2^31 = 1 modulo this prime, so powers of 2 of either sign depend on the exponent modulo 31 alone.
    return whole % _PRIME * (np.int64(1) << ((exponent.astype(np.int64) - 53) % 31)) % _PRIME


def _eliminated(rows: np.ndarray) -> int:
    """The rank modulo the prime, by elimination; every product stays below 2^62."""
    rows, rank = rows.copy(), 0
    for column in range(rows.shape[1]):
        candidates = np.flatnonzero(rows[rank:, column])
        if not len(candidates):
            continue
        pivot = rank + int(candidates[0])
        rows[[rank, pivot]] = rows[[pivot, rank]]
        rows[rank] = rows[rank] * pow(int(rows[rank, column]), -1, _PRIME) % _PRIME
        below = rows[rank + 1 :, column:]
        below[:, 1:] = (below[:, 1:] - below[:, :1] * rows[rank, column + 1 :]) % _PRIME
        rank += 1
        if rank == len(rows):
            break
    return rank
