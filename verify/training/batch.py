"""One batch: models of one shape, activation and law, trained together from several seeds by shared matrix products."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from theory import ToyModel
from verify.training.inputs import Inputs, weighted_rows
from verify.training.network import Network, batched_losses
from verify.training.protocol import Protocol
from verify.training.records import canonical, seed_sequence
from verify.training.rows import minibatch, stratified_rows
from verify.training.tied import WeightedRows, in_parts, tied_gradient

if TYPE_CHECKING:
    import torch

__all__ = ["Batch", "Trained"]

Draw = Callable[[int], tuple[np.ndarray, np.ndarray]]
Objective = Callable[[int, bool], Any]

# Below this many numbers a second thread gains little, and waiting for it on a busy machine costs many times more.
_WORTH_THREADS = 200_000


@dataclass
class Trained:
    """What one (model, seed) ended with."""

    W: np.ndarray = field(default_factory=lambda: np.empty(0))
    b: np.ndarray = field(default_factory=lambda: np.empty(0))
    V: np.ndarray | None = None
    curve: np.ndarray = field(default_factory=lambda: np.empty(0))
    checkpoints: np.ndarray = field(default_factory=lambda: np.empty(0))
    loss: float = np.nan
    loss_error: float = np.nan
    diverged: bool = False

    @property
    def trained_loss(self) -> float:
        return np.nan if self.diverged else float(self.curve[-1])


class Batch:
    """Models and their seeds, each from one or several starts.

    Members of a set share their rows: the seeds of a model, or, of independent minibatches, the starts of a seed.
    """

    def __init__(
        self, models: list[ToyModel], seeds: list[int], protocol: Protocol, network: Network, inputs: Inputs | None
    ):
        import torch

        self.models, self.seeds, self.protocol, self.network, self.inputs = models, seeds, protocol, network, inputs
        self.shape = (len(models), len(seeds))
        self.n, self.m = int(models[0].n_features), int(models[0].n_hidden)
        alone = protocol.data == "minibatch" and inputs is None
        self.sets = self.shape[0] * self.shape[1] if alone else self.shape[0]
        repeat = self.sets // self.shape[0]
        kind = torch.float64 if protocol.data == "population" else getattr(torch, protocol.dtype)
        self.tensor = lambda array: torch.as_tensor(np.ascontiguousarray(array), dtype=kind, device=protocol.device)
        self.W = self._starts("start")
        self.V = None if network.tied else self._starts("start out")
        self.b = torch.zeros_like(self.W[:, :, 0]).requires_grad_()
        self.has_bias = self.tensor(np.repeat([float(model.bias) for model in models], repeat)[:, None, None])
        weights = [[float(v) for v in model.importances] for model in models]
        self.importance = self.tensor(np.repeat(weights, repeat, axis=0))
        scales = [_gradient_scale(model, protocol, inputs) for model in models]
        self.scale = self.tensor(np.repeat(scales, repeat)[:, None])

    def train(self, recorded: list[int], kept: list[int], tick: Callable[[int], None]) -> list[list[Trained]]:
        """Every (model, seed) after the last step; `recorded` steps of the loss, `kept` steps of the weights."""
        import torch

        protocol = self.protocol
        parameters = [self.W] + [p for p in (self.V,) if p is not None]
        biased = any(model.bias for model in self.models)
        optimiser = _optimiser([*parameters, self.b] if biased else parameters, protocol)
        objective = self._objective()
        choosing = min(protocol.screening, protocol.steps) if protocol.starts > 1 else -1
        # One draw of rows favours the starts that happen to suit it, so the last third of the screening is averaged.
        compared = range(choosing - choosing // 3, choosing + 1) if protocol.starts > 1 else ()
        score: Any = 0
        losses: list[np.ndarray] = []
        snapshots: list[np.ndarray] = []
        with torch.enable_grad(), _threads(self.b.numel() * (protocol.rows + self.n)):
            for step in range(protocol.steps + 1):
                optimiser.zero_grad()
                loss = objective(step, step in recorded or step in compared)
                if step in recorded:
                    losses.append(self._by_seed(loss))
                    tick(step)
                if step in kept:
                    snapshots.append(self._by_seed(self.W))
                if step in compared:
                    score = score + self._by_seed(loss)
                if step == choosing:
                    best = np.nan_to_num(score, nan=np.inf).argmin(axis=2)
                    self._keep(best, optimiser)
                    losses, snapshots = ([_chosen(array, best) for array in kind] for kind in (losses, snapshots))
                if step == protocol.steps:
                    break
                if protocol.schedule == "cosine":
                    for group in optimiser.param_groups:
                        group["lr"] = protocol.learning_rate * (1 + np.cos(np.pi * step / protocol.steps)) / 2
                optimiser.step()
        W, b = self._by_seed(self.W)[:, :, 0], self._by_seed(self.b * self.has_bias)[:, :, 0]
        V = None if self.V is None else self._by_seed(self.V)[:, :, 0].swapaxes(-1, -2)
        curve = np.concatenate(losses, axis=2)
        states = np.concatenate(snapshots, axis=2) if snapshots else np.empty((*self.shape, 0))
        return [
            [
                Trained(W[i, j], b[i, j], None if V is None else V[i, j], curve[i, j], states[i, j])
                for j in range(self.shape[1])
            ]
            for i in range(self.shape[0])
        ]

    def _starts(self, which: str) -> torch.Tensor:
        found = [
            [[_start(model, seed, k, self.protocol, which) for k in range(self.protocol.starts)] for seed in self.seeds]
            for model in self.models
        ]
        return self.tensor(np.reshape(found, (self.sets, -1, self.m, self.n))).requires_grad_()

    def _by_seed(self, value: torch.Tensor) -> np.ndarray:
        """A copy (the optimiser goes on writing to the original), of shape (model, seed, start, ...)."""
        return np.array(value.detach().double().cpu().numpy()).reshape(*self.shape, -1, *value.shape[2:])

    def _keep(self, best: np.ndarray, optimiser: torch.optim.Optimizer) -> None:
        """Go on with one start per (model, seed): its parameters, gradients and the optimiser's memory of them."""
        import torch

        index = torch.as_tensor(best, device=self.W.device)

        def chosen(value: torch.Tensor) -> torch.Tensor:
            per_seed = value.view(*self.shape, -1, *value.shape[2:])
            at = index.view(*self.shape, *[1] * (per_seed.ndim - 2)).expand(*self.shape, 1, *per_seed.shape[3:])
            return per_seed.gather(2, at).view(self.sets, -1, *value.shape[2:])

        for parameter in (self.W, self.b, *([] if self.V is None else [self.V])):
            full, gradient = parameter.shape, parameter.grad
            parameter.data = chosen(parameter.detach())
            parameter.grad = None if gradient is None else chosen(gradient)
            memory = optimiser.state.get(parameter, {})
            for name, value in memory.items():
                if isinstance(value, torch.Tensor) and value.shape == full:
                    memory[name] = chosen(value)

    def _objective(self) -> Objective:
        """(step, whether losses are wanted) -> losses of shape (set, member); leaves the gradients behind."""
        if self.protocol.data == "population":
            return self._population()
        draw = _rows(self.models, self.seeds, self.protocol, self.inputs)
        by_hand = self.network.is_toy_model and self.models[0].activation.is_elementwise
        return self._by_hand(draw) if by_hand else self._by_autograd(draw)

    def _redraws(self, step: int) -> bool:
        redraws = 1 if self.protocol.data == "minibatch" else self.protocol.redraw_every
        return step == 0 or (step < self.protocol.steps and step % redraws == 0)

    def _by_autograd(self, draw: Draw) -> Objective:
        import torch

        parts: list[tuple[slice, torch.Tensor, torch.Tensor]] = []
        activation = self.models[0].activation

        def objective(step: int, wanted: bool) -> torch.Tensor:
            if self._redraws(step):
                X, weights = map(self.tensor, draw(step))
                parts[:] = in_parts(X, weights, self.W.shape[1])
            total = torch.zeros_like(self.b[..., 0])
            for of, X, weights in parts:
                out = None if self.V is None else self.V[of].mT
                b, importance = self.b[of] * self.has_bias[of], self.importance[of]
                loss = batched_losses(X, weights, self.W[of], b, activation, importance, self.network, out)
                (loss * self.scale[of]).sum().backward()
                total[of] += loss.detach()
            return total

        return objective

    def _by_hand(self, draw: Draw) -> Objective:
        import torch

        parts: list[tuple[slice, WeightedRows]] = []
        activation = self.models[0].activation

        def objective(step: int, wanted: bool) -> torch.Tensor:
            if self._redraws(step):
                X, weights = map(self.tensor, draw(step))
                cut = in_parts(X, weights, self.W.shape[1])
                parts[:] = [(of, WeightedRows(X, weights)) for of, X, weights in cut]
            W, b = self.W.detach(), self.b.detach() * self.has_bias
            total, d_weights, d_bias = torch.zeros_like(b[..., 0]), torch.zeros_like(W), torch.zeros_like(b)
            for of, rows in parts:
                loss, by_weights, by_bias = tied_gradient(
                    rows, W[of], b[of], activation, self.importance[of], loss_too=wanted
                )
                total[of] += loss
                d_weights[of] += by_weights
                d_bias[of] += by_bias
            self._set_gradients(d_weights, d_bias)
            return total

        return objective

    def _population(self) -> Objective:
        from numerics.population import population_objective

        losses = [population_objective(model, self.protocol.frequencies) for model in self.models]

        def objective(step: int, wanted: bool) -> torch.Tensor:
            W, b = (value.detach().cpu().numpy() for value in (self.W, self.b * self.has_bias))
            # Runs that diverge overflow here, and are reported as diverged.
            with np.errstate(over="ignore", invalid="ignore"):
                found = [one(W[i], b[i]) for i, one in enumerate(losses)]
            loss, d_weights, d_bias = (self.tensor(np.stack(parts)) for parts in zip(*found, strict=True))
            self._set_gradients(d_weights, d_bias)
            return loss

        return objective

    def _set_gradients(self, d_weights: torch.Tensor, d_bias: torch.Tensor) -> None:
        self.W.grad = d_weights * self.scale[..., None, None]
        self.b.grad = d_bias * self.scale[..., None] * self.has_bias


def _chosen(array: np.ndarray, best: np.ndarray) -> np.ndarray:
    index = best.reshape(*best.shape, *[1] * (array.ndim - 2))
    return np.take_along_axis(array, index, axis=2)


@contextmanager
def _threads(size: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    try:
        if size < _WORTH_THREADS:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)


def _start(model: ToyModel, seed: int, number: int, protocol: Protocol, which: str) -> np.ndarray:
    n, m = int(model.n_features), int(model.n_hidden)
    std = {"unit": m**-0.5, "xavier": (2 / (n + m)) ** 0.5, "normal": 1.0}[protocol.init] * protocol.init_scale
    # The first start of a seed is the same however many there are.
    key = [which, canonical(model), *([number] if number else [])]
    rng = np.random.default_rng(seed_sequence(key, seed))
    return rng.normal(scale=std, size=(m, n))


def _gradient_scale(model: ToyModel, protocol: Protocol, inputs: Inputs | None) -> float:
    if protocol.reduction == "mean":
        return 1 / int(model.n_features)
    if protocol.reduction == "sum":
        return 1.0
    importances = np.array([float(i) for i in model.importances])
    if inputs is None:
        weight = importances @ [float(p) for p in model.densities]
        predicting_zero = float(weight) * float(model.law.absolute_moment(2))
    else:
        X, weights = weighted_rows(inputs, 4096, np.random.default_rng(0))
        predicting_zero = float(weights @ (X**2) @ importances)
    return 1 / predicting_zero if predicting_zero > 0 else 1.0


def _optimiser(parameters: list[torch.Tensor], protocol: Protocol) -> torch.optim.Optimizer:
    import torch

    if protocol.optimiser == "sgd":
        return torch.optim.SGD(
            parameters, protocol.learning_rate, momentum=protocol.momentum, weight_decay=protocol.weight_decay
        )
    kind = torch.optim.Adam if protocol.optimiser == "adam" else torch.optim.AdamW
    return kind(parameters, protocol.learning_rate, betas=(0.9, protocol.beta2), weight_decay=protocol.weight_decay)


def _rows(models: list[ToyModel], seeds: list[int], protocol: Protocol, inputs: Inputs | None) -> Draw:
    """step -> rows (set, row, n) and their weights (set, row)."""
    if inputs is not None:
        # The same rows for every model, seed and batch: they depend on the step alone.
        key = ["inputs", inputs.to_json()]

        def shared(step: int) -> tuple[np.ndarray, np.ndarray]:
            X, weights = weighted_rows(inputs, protocol.rows, np.random.default_rng(seed_sequence(key, step)))
            return np.tile(X, (len(models), 1, 1)), np.tile(weights, (len(models), 1))

        return shared
    if protocol.data == "minibatch":
        streams = [
            (model, np.random.default_rng(seed_sequence(["minibatch", canonical(model)], seed)))
            for model in models
            for seed in seeds
        ]
        weights = np.full((len(streams), protocol.rows), 1 / protocol.rows)
        return lambda step: (np.stack([minibatch(model, protocol.rows, rng) for model, rng in streams]), weights)

    def draw(step: int) -> tuple[np.ndarray, np.ndarray]:
        pairs = []
        for model in models:
            key = ["rows", [str(p) for p in model.densities], model.law.label]
            pairs.append(stratified_rows(model, protocol.rows, np.random.default_rng(seed_sequence(key, step))))
        return np.stack([X for X, _ in pairs]), np.stack([weights for _, weights in pairs])

    return draw
