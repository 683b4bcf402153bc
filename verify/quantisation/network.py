"""Autoencoders alike in all but their activation: every seed trained at once, in the same matrix products."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from numerics import compile_activation
from theory import InputError, activation
from theory.arguments import one_of
from verify.quantisation.clouds import haar_rotations

__all__ = ["OPTIMISERS", "Recipe", "Trained", "train_autoencoders"]

OPTIMISERS = {"sgd": 0.02, "adam": 0.003}
"""Optimisers and their learning rates: SGD with momentum 0.9, and Adam; a warm-up, then a cosine down to zero."""
_MOMENTUM = 0.9
_WARM_UP = 0.05


@dataclass(frozen=True)
class Recipe:
    """Everything a batch of trained autoencoders depends on, besides the rows.

    Attributes:
        activation: of every hidden layer, the latent one included; the output layer is linear. {n} in it stands for
            the width of the layer.
        conjugated: whether f is replaced by x -> R^T f(R x), R a Haar rotation of each layer and seed.
        widths: of the hidden layers; the smallest is the latent one.
        optimiser: "sgd" or "adam".
        steps, batch: of the training.
        dtype: "float32" or "float64".
    """

    activation: str
    conjugated: bool = False
    widths: tuple[int, ...] = (32, 8, 32)
    optimiser: str = "sgd"
    steps: int = 3000
    batch: int = 64
    dtype: str = "float32"

    @property
    def latent(self) -> int:
        """Which hidden layer is the latent one."""
        return int(np.argmin(self.widths))

    def activation_at(self, layer: int) -> str:
        """The activation of a hidden layer."""
        return self.activation.replace("{n}", str(self.widths[layer]))

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        part = step / self.steps
        return OPTIMISERS[self.optimiser] * min(1.0, part / _WARM_UP + 0.01) * 0.5 * (1 + math.cos(math.pi * part))


@dataclass(frozen=True)
class Trained:
    """What a batch of seeds gave.

    Attributes:
        loss: mean squared error of every seed over all rows, summed over coordinates, shape (S,).
        post, pre: latent activations after and before the activation, shape (S, N, d).
        rotations: R of the latent layer, shape (S, d, d); identities unless conjugated.
        curve: steps and losses during training, shapes (T,) and (T, S).
        snapshots: latent activations of the first seed at those steps, shape (T, N, d).
        parameters: weights and biases of every layer.
    """

    loss: np.ndarray
    post: np.ndarray
    pre: np.ndarray
    rotations: np.ndarray
    curve: tuple[np.ndarray, np.ndarray]
    snapshots: np.ndarray
    parameters: list[np.ndarray] = field(repr=False)


def train_autoencoders(
    rows: np.ndarray,
    recipe: Recipe,
    seeds: Sequence[int],
    initial_rotations: Any = None,
    progress: Callable[[float, float, str], None] | None = None,
    snapshots: int = 6,
) -> Trained:
    """Train one autoencoder per seed, all in the same matrix products.

    A seed fixes the initial weights (Gaussian, variance 1/fan-in; biases zero), the order of the rows and R, whatever
    the activation. The result of a seed does not depend on which other seeds are in the batch, to rounding.

    Args:
        rows: data of shape (N, d_in).
        recipe: the setting.
        seeds: one per network.
        initial_rotations: "matched" to start a conjugated network from the conjugated weights of the plain one, whose
            training SGD then mirrors exactly (a check); by default both start from the same weights.
        progress: called with (done, total, text).
        snapshots: how many times during training the latents of the first seed are kept.

    Raises:
        InputError: unknown activation or optimiser, or a training that diverged.
    """
    one_of("optimiser", recipe.optimiser, OPTIMISERS)
    dtype = getattr(torch, one_of("dtype", recipe.dtype, ("float32", "float64")))
    sigmas = [
        compile_activation(activation(recipe.activation_at(layer)), backend="torch")
        for layer in range(len(recipe.widths))
    ]
    sizes = [rows.shape[1], *recipe.widths, rows.shape[1]]
    R = _rotations(recipe, seeds)
    parameters = _initial(sizes, seeds, R if initial_rotations == "matched" else None)
    tensors = [torch.as_tensor(p, dtype=dtype).requires_grad_() for p in parameters]
    turns = [torch.as_tensor(r, dtype=dtype) for r in R] if recipe.conjugated else None
    data = torch.as_tensor(rows, dtype=dtype)
    every = max(1, recipe.steps // max(1, snapshots))
    curve: list[tuple[int, np.ndarray]] = []
    kept: list[np.ndarray] = []
    orders = _Orders(len(rows), recipe.batch, seeds)
    optimiser = _optimiser(recipe.optimiser, tensors)
    for step in range(recipe.steps):
        if step % every == 0:
            _record(data, tensors, sigmas, turns, recipe, curve, kept, step)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate(step)
        X = data[orders.next()]
        loss = _errors(X, tensors, sigmas, turns).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if progress is not None and step % 50 == 0:
            progress(step, recipe.steps, f"{recipe.activation}{' conjugated' if recipe.conjugated else ''}")
    _record(data, tensors, sigmas, turns, recipe, curve, kept, recipe.steps)
    with torch.no_grad():
        everything = data.expand(len(seeds), *data.shape)
        losses = _errors(everything, tensors, sigmas, turns).double().numpy()
        pre, post = _latent(everything, tensors, sigmas, turns, recipe.latent)
    if not np.isfinite(losses).all():
        raise InputError(f"training of {recipe.activation!r} with {recipe.optimiser} diverged; lower the learning rate")
    return Trained(
        loss=losses,
        post=post.numpy(),
        pre=pre.numpy(),
        rotations=R[recipe.latent],
        curve=(np.array([step for step, _ in curve]), np.stack([values for _, values in curve])),
        snapshots=np.stack(kept),
        parameters=[p.detach().numpy() for p in tensors],
    )


def _rotations(recipe: Recipe, seeds: Sequence[int]) -> list[np.ndarray]:
    """R per hidden layer, shape (S, width, width)."""
    found = []
    for layer, width in enumerate(recipe.widths):
        if recipe.conjugated:
            found.append(
                np.concatenate([haar_rotations(1, width, np.random.default_rng([s, 3, layer])) for s in seeds])
            )
        else:
            found.append(np.broadcast_to(np.eye(width), (len(seeds), width, width)).copy())
    return found


def _initial(sizes: list[int], seeds: Sequence[int], R: list[np.ndarray] | None) -> list[np.ndarray]:
    """W (S, out, in) and b (S, 1, out) of every layer, in turn."""
    found: list[np.ndarray] = []
    for layer, (inside, outside) in enumerate(pairwise(sizes)):
        W = np.stack([
            np.random.default_rng([s, 4, layer]).standard_normal((outside, inside)) / math.sqrt(inside) for s in seeds
        ])  # fmt: skip
        if R is not None:
            # The plain network's hidden h becomes R^T h.
            W = R[layer].mT @ W if layer < len(R) else W
            W = W @ R[layer - 1] if layer > 0 else W
        found += [W, np.zeros((len(seeds), 1, outside))]
    return found


class _Orders:
    """Which rows each seed sees at each step: a fresh shuffle per pass, of its own generator."""

    def __init__(self, rows: int, batch: int, seeds: Sequence[int]):
        self._rngs = [np.random.default_rng([s, 5]) for s in seeds]
        self._rows, self._batch = rows, min(batch, rows)
        self._place = rows

    def next(self) -> Tensor:
        if self._place + self._batch > self._rows:
            self._order = torch.from_numpy(np.stack([rng.permutation(self._rows) for rng in self._rngs]))
            self._place = 0
        self._place += self._batch
        return self._order[:, self._place - self._batch : self._place]


def _optimiser(name: str, tensors: list[Tensor]) -> torch.optim.Optimizer:
    if name == "sgd":
        return torch.optim.SGD(tensors, lr=OPTIMISERS[name], momentum=_MOMENTUM)
    return torch.optim.Adam(tensors, lr=OPTIMISERS[name])


def _layer(h: Tensor, W: Tensor, b: Tensor, sigma: Callable[[Any], Any], turn: Tensor | None) -> tuple[Tensor, Tensor]:
    z = torch.baddbmm(b, h, W.mT)
    return z, sigma(z) if turn is None else sigma(z @ turn.mT) @ turn


def _errors(X: Tensor, tensors: list[Tensor], sigmas: list[Callable[[Any], Any]], turns: list[Tensor] | None) -> Tensor:
    """Squared error summed over coordinates, mean over rows, per seed; X of shape (S, B, d_in)."""
    h = X
    for layer, sigma in enumerate(sigmas):
        h = _layer(h, tensors[2 * layer], tensors[2 * layer + 1], sigma, turns[layer] if turns else None)[1]
    error = torch.baddbmm(tensors[-1], h, tensors[-2].mT) - X
    return (error * error).sum(-1).mean(-1)


def _latent(
    X: Tensor, tensors: list[Tensor], sigmas: list[Callable[[Any], Any]], turns: list[Tensor] | None, latent: int
) -> tuple[Tensor, Tensor]:
    h, z = X, X
    for layer, sigma in enumerate(sigmas[: latent + 1]):
        z, h = _layer(h, tensors[2 * layer], tensors[2 * layer + 1], sigma, turns[layer] if turns else None)
    return z, h


def _record(
    data: Tensor,
    tensors: list[Tensor],
    sigmas: list[Callable[[Any], Any]],
    turns: list[Tensor] | None,
    recipe: Recipe,
    curve: list[tuple[int, np.ndarray]],
    kept: list[np.ndarray],
    step: int,
) -> None:
    with torch.no_grad():
        seeds = len(tensors[0])
        curve.append((step, _errors(data.expand(seeds, *data.shape), tensors, sigmas, turns).double().numpy()))
        first = [p[:1] for p in tensors]
        own = [t[:1] for t in turns] if turns else None
        kept.append(_latent(data[None], first, sigmas, own, recipe.latent)[1][0].numpy())
