"""Many small autoencoders at once: the forward pass and the loss of every model of a batch in a few matrix products."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numerics import compile_activation
from theory import Activation, InputError
from theory import activation as as_activation
from verify.training.records import formula

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Network", "batched_losses", "is_thin", "reconstruct"]

# Above this many features per hidden dimension two thin products beat one with the Gram matrix.
_THIN = 4


@dataclass(frozen=True)
class Network:
    """x_hat = sigma(V h + b) with h = phi(W x): the tied, linear toy model of the theory, or a variant of it.

    Attributes:
        tied: V = W^T; otherwise V, of shape (n, m), is trained too, from a start of its own.
        hidden_activation: phi, anything `theory.activation` accepts; None for none. With one, the hidden axes mean
            something (W -> Q W is no longer a symmetry), and a privileged basis can form.

    Raises:
        InputError: an unknown activation.

    Source: Elhage et al. 2022, "The privileged basis"; untied weights as in their computation experiments.
    """

    tied: bool = True
    hidden_activation: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.tied, bool):
            raise InputError(f"tied={self.tied!r} must be True or False")
        if self.hidden_activation is not None:
            object.__setattr__(self, "hidden_activation", as_activation(self.hidden_activation))

    @property
    def is_toy_model(self) -> bool:
        """Whether theory and `numerics.expected_loss` speak of this network."""
        return self.tied and self.hidden_activation is None

    def to_json(self) -> str:
        """One line of JSON, equal exactly where the networks are."""
        phi = self.hidden_activation
        return json.dumps({"tied": self.tied, "hidden_activation": None if phi is None else formula(phi)})


def is_thin(n: int, m: int) -> bool:
    """Whether W x and W^T h, one after the other, cost less than the product with the Gram matrix."""
    return n > _THIN * m


def reconstruct(
    X: Tensor, W: Tensor, b: Tensor, activation: Activation, network: Network | None = None, V: Tensor | None = None
) -> Tensor:
    """x_hat of every model on every row.

    Args:
        X: rows shared by the s members of each of g sets of models, shape (g, B, n).
        W: weights, shape (g, s, m, n).
        b: biases, shape (g, s, n).
        network: the tied, linear one by default.
        V: weights out of an untied network, shape (g, s, n, m).

    Returns:
        x_hat of shape (g, B, s, n).
    """
    network = Network() if network is None else network
    sets, members, m, n = W.shape
    sigma = compile_activation(activation, backend="torch")
    if network.is_toy_model and not is_thin(n, m):
        gram = W.mT @ W
        # All members of a set in one product: [B, n] times [n, s n].
        z = X @ gram.permute(0, 2, 1, 3).reshape(sets, n, members * n)
        return sigma(z.view(sets, -1, members, n) + b[:, None])
    hidden = (X @ W.permute(0, 3, 1, 2).reshape(sets, n, members * m)).view(sets, -1, members, m)
    if network.hidden_activation is not None:
        hidden = compile_activation(network.hidden_activation, backend="torch")(hidden)
    out = W if V is None else V.mT
    return sigma((hidden.transpose(1, 2) @ out).transpose(1, 2) + b[:, None])


def batched_losses(
    X: Tensor,
    weights: Tensor,
    W: Tensor,
    b: Tensor,
    activation: Activation,
    importance: Tensor,
    network: Network | None = None,
    V: Tensor | None = None,
) -> Tensor:
    """The loss of every model on the weighted rows: sum_b w_b sum_i I_i (x_i - x_hat_i)^2.

    Args:
        X, W, b, network, V: as in `reconstruct`.
        weights: shape (g, B).
        importance: shape (g, n).

    Returns:
        Losses of shape (g, s).
    """
    sets, members, _, n = W.shape
    error = reconstruct(X, W, b, activation, network, V) - X[:, :, None]
    squared = (error * error).reshape(sets, -1, members * n)
    per_feature = (weights[:, None] @ squared).view(sets, members, n)
    return (per_feature @ importance[:, :, None]).squeeze(-1)
