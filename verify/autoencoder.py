"""Many tied autoencoders at once: the forward pass and the loss of every model of a batch in a few matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numerics import compile_activation
from theory import Activation

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["batched_losses", "reconstruct"]


def reconstruct(X: Tensor, W: Tensor, b: Tensor, activation: Activation) -> Tensor:
    """x_hat = sigma(W^T W x + b) of every model on every row.

    Args:
        X: rows shared by the s members of each of g sets of models, shape (g, B, n).
        W: weights, shape (g, s, m, n).
        b: biases, shape (g, s, n).

    Returns:
        x_hat of shape (g, B, s, n).
    """
    sets, members, _, n = W.shape
    gram = W.mT @ W
    # All members of a set in one product: [B, n] times [n, s n].
    z = X @ gram.permute(0, 2, 1, 3).reshape(sets, n, members * n)
    sigma = compile_activation(activation, backend="torch")
    return sigma(z.view(sets, -1, members, n) + b[:, None])


def batched_losses(
    X: Tensor, weights: Tensor, W: Tensor, b: Tensor, activation: Activation, importance: Tensor
) -> Tensor:
    """The loss of every model on the weighted rows: sum_b w_b sum_i I_i (x_i - x_hat_i)^2.

    Args:
        X, W, b: as in `reconstruct`.
        weights: shape (g, B).
        importance: shape (g, n).

    Returns:
        Losses of shape (g, s).
    """
    sets, members, _, n = W.shape
    error = reconstruct(X, W, b, activation) - X[:, :, None]
    squared = (error * error).reshape(sets, -1, members * n)
    per_feature = (weights[:, None] @ squared).view(sets, members, n)
    return (per_feature @ importance[:, :, None]).squeeze(-1)
