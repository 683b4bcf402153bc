"""The tied, linear toy model with an elementwise activation: loss and gradient of many models, without autograd.

With z = W^T W x + b and e = sigma(z) - x, the loss sum_b w_b sum_i I_i e_bi^2 has, with R = e sigma'(z),

    dL/db = 2 I w^T R,      dL/dW = W (D + D^T),    D = 2 (w X)^T R I  (rows of X weighted by w),

so that sigma and sigma' are the only passes over arrays of the size of the batch, beside products with small matrices.
For n much larger than m the products go through h = W x instead: dL/dW = 2 (h w)^T R I + 2 (R I W^T)^T (w X).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from numerics import compile_with_slope
from theory import Activation
from verify.training.network import is_thin

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["WeightedRows", "in_parts", "tied_gradient"]


# Numbers in one temporary array on a CPU: little enough to stay in its cache.
_CACHED = 64_000
_FEWEST_ROWS = 64


class WeightedRows:
    """Rows X of shape (g, B, n) with weights of shape (g, B) and what every step needs of them."""

    def __init__(self, X: Tensor, weights: Tensor):
        import torch

        self.X, self.weights, self._target = X, weights, X
        # A column of ones carries the bias into the product with the Gram matrix.
        self.with_one = torch.cat([X, torch.ones_like(X[..., :1])], dim=-1)
        self.weighted = (weights[..., None] * self.with_one).mT.contiguous()

    def target(self, members: int) -> Tensor:
        """X once for every member, shape (g, B, s n).

        Written out, it is subtracted in one run through memory instead of n numbers at a time.
        """
        n = self.X.shape[-1]
        if self._target.shape[-1] != members * n:
            self._target = self.X.repeat(1, 1, members)
        return self._target


def in_parts(X: Tensor, weights: Tensor, members: int) -> list[tuple[slice, Tensor, Tensor]]:
    """Rows cut into parts small enough for the cache, by sets and, where one set is too large, by rows.

    Returns:
        (which sets, their X, their weights); losses and gradients of a set are the sums over its parts.
    """
    sets, rows, n = X.shape
    if X.is_cuda:
        return [(slice(0, sets), X, weights)]
    height = max(1, _CACHED // (rows * members * n))
    depth = rows if rows * members * n <= 2 * _CACHED else max(_FEWEST_ROWS, _CACHED // (members * n))
    return [
        (
            slice(top, top + height),
            X[top : top + height, row : row + depth],
            weights[top : top + height, row : row + depth],
        )
        for top in range(0, sets, height)
        for row in range(0, rows, depth)
    ]


def tied_gradient(
    rows: WeightedRows, W: Tensor, b: Tensor, activation: Activation, importance: Tensor, loss_too: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """The losses of every model on the weighted rows and their gradients.

    Args:
        rows: shared by the s members of each of g sets of models.
        W: weights, shape (g, s, m, n).
        b: biases, shape (g, s, n).
        activation: elementwise.
        importance: shape (g, n).
        loss_too: whether the losses are wanted; gradients alone take one pass less.

    Returns:
        Losses of shape (g, s) (zeros where they are not wanted), dL/dW of shape (g, s, m, n), dL/db of shape (g, s, n).
    """
    import torch

    sets, members, m, n = W.shape
    sigma = compile_with_slope(activation)
    losses = torch.zeros_like(b[..., 0])
    if is_thin(n, m):
        into = W.permute(0, 3, 1, 2).reshape(sets, n, members * m)
        hidden = (rows.X @ into).view(sets, -1, members, m).transpose(1, 2)
        value, slope = sigma(hidden @ W + b[:, :, None])
        error = value - rows.X[:, None]
        weights = rows.weights[:, None, None]
        if loss_too:
            losses = ((weights @ error.square()).squeeze(2) @ importance[..., None]).squeeze(-1)
        pull, scale = error * slope, 2 * importance[:, None, None]
        d_bias = (weights @ pull * scale).squeeze(2)
        d_hidden = pull @ (scale * W).mT
        d_weights = (hidden * weights.mT).mT @ pull * scale + (rows.weighted[:, None, :n] @ d_hidden).mT
    else:
        # All members of a set in one product: [B, n + 1] times [n + 1, s n].
        gram = torch.cat([(W.mT @ W).transpose(1, 2), b[:, None]], dim=1).view(sets, n + 1, members * n)
        value, slope = sigma(rows.with_one @ gram)
        error = value - rows.target(members)
        if loss_too:
            per_feature = (rows.weights[:, None] @ error.square()).view(sets, members, n)
            losses = (per_feature @ importance[..., None]).squeeze(-1)
        both = (rows.weighted @ (error * slope)).view(sets, n + 1, members, n) * (2 * importance[:, None, None])
        d_bias, D = both[:, n], both[:, :n].transpose(1, 2)
        d_weights = W @ (D + D.mT)
    return losses, d_weights, d_bias
