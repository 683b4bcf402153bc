"""Training many toy models and seeds at once, under a protocol that is recorded with every result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from theory import InputError, ToyModel
from verify.training.evaluation import population_losses
from verify.training.inputs import Inputs
from verify.training.network import Network, batched_losses
from verify.training.protocol import Protocol
from verify.training.records import canonical, seed_sequence, to_dataset
from verify.training.rows import minibatch, stratified_rows

if TYPE_CHECKING:
    import torch
    import xarray

__all__ = ["Protocol", "check_variant", "train"]

Progress = Callable[[float, float, str], None]

_CURVE_POINTS = 100
# Numbers in one intermediate array; larger batches are split, which changes no result.
_LARGEST_BATCH = 4_000_000
# Below this many numbers a second thread gains little, and waiting for it on a busy machine costs many times more.
_WORTH_THREADS = 200_000


def train(
    models: ToyModel | Sequence[ToyModel],
    seeds: int | Sequence[int] = 8,
    protocol: Protocol | None = None,
    progress: Progress | None = None,
    network: Network | None = None,
    inputs: Inputs | None = None,
) -> xarray.Dataset:
    """Train every model from every seed, many at once, and evaluate the population loss of what was learned.

    Models may differ in anything. The result of one (model, seed) is the same, up to rounding, whatever is trained
    with it.

    Args:
        models: numeric models.
        seeds: how many (0, 1, ...) or which.
        protocol: by default `Protocol()`.
        progress: called with (done, total, text) now and then.
        network: a variant of the toy model (untied, or with an activation in the hidden layer); its loss is that of a
            fixed test sample, and `loss_error` the half-width of a 95 % interval.
        inputs: a joint law of the features, instead of the models' independent ones (densities and law of the models
            then mean nothing); needs a protocol with data="minibatch", and the loss is that of a test sample.

    Returns:
        A dataset over (model, seed) with `loss` (the population loss L of the trained weights, importance-weighted and
        summed over features) and `loss_error` (the error of that number), `trained_loss` (the training objective at
        the end, in the same unit), `diverged` (not finite; its losses are NaN), `loss_curve` (…, step), `W`
        (…, hidden, feature) and `b` (…, feature; 0 without bias), padded with NaN where sizes differ; `V`
        (…, feature, hidden) of an untied network and `W_checkpoint` (…, checkpoint, hidden, feature) where asked for;
        with the settings as coordinates, and protocol, network, inputs, models and versions as JSON attributes.

    Raises:
        InputError: no model, a model with symbols, bad seeds, a device that is not there, or a protocol that the
            network, the inputs or the activation does not allow.
    """
    protocol = Protocol() if protocol is None else protocol
    network = Network() if network is None else network
    models, seeds = _checked(models, seeds, protocol)
    check_variant(models, protocol, network, inputs)
    batches = list(_batches(models, len(seeds), protocol))
    total = len(batches) * protocol.steps + len(models) * len(seeds)
    report = progress or (lambda done, total, text: None)

    recorded = np.unique(np.linspace(0, protocol.steps, _CURVE_POINTS + 1).astype(int))
    kept = _checkpoint_steps(protocol)
    cells = [[_Trained() for _ in seeds] for _ in models]
    for number, (indices, columns) in enumerate(batches):
        together = [models[i] for i in indices]
        name = f"training {together[0].activation.name}"
        step_done = lambda step, done=number, text=name: report(done * protocol.steps + step, total, text)  # noqa: E731
        run = _Run(together, [seeds[j] for j in columns], protocol, network, inputs)
        found = run.train(recorded.tolist(), kept, step_done)
        for k, i in enumerate(indices):
            for r, j in enumerate(columns):
                cells[i][j] = found[k][r]
    tick = lambda left: report(total - left, total, "evaluating")  # noqa: E731
    _evaluate(models, cells, protocol, network, inputs, tick)
    about = {
        "protocol": protocol.to_json(),
        "network": network.to_json(),
        "inputs": "independent features" if inputs is None else inputs.to_json(),
    }
    return to_dataset(models, seeds, recorded.tolist(), kept, cells, about)


@dataclass
class _Trained:
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


def _checked(models: Any, seeds: Any, protocol: Protocol) -> tuple[list[ToyModel], list[int]]:
    models = [models] if isinstance(models, ToyModel) else list(models)
    if not models:
        raise InputError("models is empty; give one ToyModel or a sequence of them")
    for model in models:
        if not isinstance(model, ToyModel):
            raise InputError(f"models holds {model!r:.80}; every entry must be a ToyModel")
        model.require_numbers()
    count = isinstance(seeds, int | np.integer) and not isinstance(seeds, bool)
    if count and seeds < 1:
        raise InputError(f"seeds={seeds} must be at least 1, or the seeds themselves")
    listed = list(range(seeds)) if count else list(seeds) if isinstance(seeds, Sequence | range | np.ndarray) else []
    whole = [isinstance(s, int | np.integer) and not isinstance(s, bool) and s >= 0 for s in listed]
    if not listed or not all(whole) or len(set(listed)) != len(listed):
        raise InputError(f"seeds={seeds!r:.80} must be a count, or different integers >= 0")
    if protocol.device.startswith("cuda"):
        import torch

        wanted = torch.device(protocol.device).index or 0
        if wanted >= torch.cuda.device_count():
            raise InputError(f"device={protocol.device!r} is not there; this machine has {torch.cuda.device_count()}")
    return models, [int(s) for s in listed]


def check_variant(models: list[ToyModel], protocol: Protocol, network: Network, inputs: Inputs | None) -> None:
    """Refuse what cannot be trained together, before any work is done.

    Raises:
        InputError: inputs without minibatches or of another number of features, a network that the population loss
            does not know, or a hidden activation with free parameters.
    """
    if inputs is not None:
        if protocol.data != "minibatch":
            raise InputError(f"data={protocol.data!r}: inputs of your own need Protocol(data='minibatch')")
        for model in models:
            if int(model.n_features) != inputs.n_features:
                raise InputError(
                    f"n_features={model.n_features} of {model.describe()}, but inputs have {inputs.n_features}"
                )
    if protocol.data == "population" and not network.is_toy_model:
        raise InputError("data='population' knows the tied, linear network alone; use 'stratified' or 'minibatch'")
    if network.hidden_activation is not None and network.hidden_activation.parameters:
        raise InputError(f"hidden_activation={network.hidden_activation.name} has free parameters; give them values")


def _checkpoint_steps(protocol: Protocol) -> list[int]:
    if not protocol.checkpoints:
        return []
    # The start, then logarithmic spacing up to the last step, which comes on top; close steps fall together.
    spaced = np.rint(np.geomspace(1, protocol.steps, protocol.checkpoints)).astype(int)[:-1]
    return sorted({0, *spaced.tolist(), protocol.steps})


def _batches(models: list[ToyModel], seeds: int, protocol: Protocol) -> Iterator[tuple[list[int], list[int]]]:
    """Which models (by index) and which seeds (by position) share matrix products: same shapes, activation and law."""
    groups: dict[Any, list[int]] = {}
    for i, model in enumerate(models):
        groups.setdefault((model.n_features, model.n_hidden, model.activation, model.law), []).append(i)
    for (n, *_), members in groups.items():
        # One-active rows: at most 16 per feature.
        rows = protocol.rows + (16 * int(n) if protocol.data == "stratified" else 0)
        fits = max(1, _LARGEST_BATCH // (rows * int(n)))
        columns = min(seeds, fits)
        height = max(1, fits // columns)
        for top in range(0, len(members), height):
            for left in range(0, seeds, columns):
                yield members[top : top + height], list(range(left, min(left + columns, seeds)))


class _Run:
    """One batch: models of one shape, activation and law, and their seeds, trained by shared matrix products."""

    def __init__(
        self, models: list[ToyModel], seeds: list[int], protocol: Protocol, network: Network, inputs: Inputs | None
    ):
        import torch

        self.models, self.seeds, self.protocol, self.network, self.inputs = models, seeds, protocol, network, inputs
        self.shape = (len(models), len(seeds))
        self.n, self.m = int(models[0].n_features), int(models[0].n_hidden)
        # Rows are shared by the seeds of a model; independent minibatches leave everybody alone.
        alone = protocol.data == "minibatch" and inputs is None
        self.layout = (self.shape[0] * self.shape[1], 1) if alone else self.shape
        repeat = self.layout[0] // self.shape[0]
        kind = torch.float64 if protocol.data == "population" else getattr(torch, protocol.dtype)
        self.tensor = lambda array: torch.as_tensor(np.ascontiguousarray(array), dtype=kind, device=protocol.device)
        start = lambda which, shape: self.tensor(  # noqa: E731
            np.array([[_start(model, seed, protocol, which) for seed in seeds] for model in models]).reshape(shape)
        ).requires_grad_()
        self.W = start("start", (*self.layout, self.m, self.n))
        self.V = None if network.tied else start("start out", (*self.layout, self.m, self.n))
        self.b = torch.zeros(*self.layout, self.n, dtype=self.W.dtype, device=self.W.device, requires_grad=True)
        self.has_bias = self.tensor(np.repeat([float(model.bias) for model in models], repeat)[:, None, None])
        weights = [[float(v) for v in model.importances] for model in models]
        self.importance = self.tensor(np.repeat(weights, repeat, axis=0))
        scales = [_gradient_scale(model, protocol, inputs) for model in models]
        self.scale = self.tensor(np.repeat(scales, repeat)[:, None])

    def train(self, recorded: list[int], kept: list[int], tick: Callable[[int], None]) -> list[list[_Trained]]:
        """Every (model, seed) after the last step; `recorded` steps of the loss, `kept` steps of the weights."""
        import torch

        protocol, (rows, columns) = self.protocol, self.shape
        parameters = [self.W] + [p for p in (self.V,) if p is not None]
        optimiser = _optimiser(
            [*parameters, self.b] if any(model.bias for model in self.models) else parameters, protocol
        )
        objective = self._population() if protocol.data == "population" else self._sampled()
        # A copy: in float64 on the CPU the array would share the memory that the optimiser goes on writing to.
        plain = lambda value: np.array(value.detach().double().cpu().numpy())  # noqa: E731
        losses: list[Any] = []
        snapshots: list[Any] = []
        with torch.enable_grad(), _threads(rows * columns * self.n * (protocol.rows + self.n)):
            for step in range(protocol.steps + 1):
                loss, backward = objective(step)
                if step in recorded:
                    losses.append(plain(loss).reshape(rows, columns))
                    tick(step)
                if step in kept:
                    snapshots.append(plain(self.W).reshape(rows, columns, self.m, self.n))
                if step == protocol.steps:
                    break
                if protocol.schedule == "cosine":
                    for group in optimiser.param_groups:
                        group["lr"] = protocol.learning_rate * (1 + np.cos(np.pi * step / protocol.steps)) / 2
                optimiser.zero_grad()
                backward()
                optimiser.step()
        W = plain(self.W).reshape(rows, columns, self.m, self.n)
        V = None if self.V is None else plain(self.V.mT).reshape(rows, columns, self.n, self.m)
        b, curve = plain(self.b * self.has_bias).reshape(rows, columns, self.n), np.stack(losses, axis=-1)
        states = np.stack(snapshots, axis=2) if snapshots else np.empty((rows, columns, 0))
        return [
            [
                _Trained(W[i, j], b[i, j], None if V is None else V[i, j], curve[i, j], states[i, j])
                for j in range(columns)
            ]
            for i in range(rows)
        ]

    def _sampled(self) -> Callable[[int], tuple[torch.Tensor, Callable[[], None]]]:
        draw = _rows(self.models, self.seeds, self.protocol, self.inputs)
        now: list[torch.Tensor] = []
        activation = self.models[0].activation

        def objective(step: int) -> tuple[torch.Tensor, Callable[[], None]]:
            redraws = 1 if self.protocol.data == "minibatch" else self.protocol.redraw_every
            if step == 0 or (step < self.protocol.steps and step % redraws == 0):
                now[:] = [self.tensor(array) for array in draw(step)]
            out = None if self.V is None else self.V.mT
            b = self.b * self.has_bias
            X, weights = now
            loss = batched_losses(X, weights, self.W, b, activation, self.importance, self.network, out)
            return loss, (loss * self.scale).sum().backward

        return objective

    def _population(self) -> Callable[[int], tuple[torch.Tensor, Callable[[], None]]]:
        from numerics.population import population_objective

        losses = [population_objective(model, self.protocol.frequencies) for model in self.models]

        def objective(step: int) -> tuple[torch.Tensor, Callable[[], None]]:
            W, b = (value.detach().cpu().numpy() for value in (self.W, self.b * self.has_bias))
            # Runs that diverge overflow here, and are reported as diverged.
            with np.errstate(over="ignore", invalid="ignore"):
                found = [one(W[i], b[i]) for i, one in enumerate(losses)]
            loss, d_weights, d_bias = (self.tensor(np.stack(parts)) for parts in zip(*found, strict=True))

            def backward() -> None:
                self.W.grad = d_weights * self.scale[..., None, None]
                self.b.grad = d_bias * self.scale[..., None] * self.has_bias

            return loss, backward

        return objective


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


def _start(model: ToyModel, seed: int, protocol: Protocol, which: str) -> np.ndarray:
    n, m = int(model.n_features), int(model.n_hidden)
    std = {"unit": m**-0.5, "xavier": (2 / (n + m)) ** 0.5, "normal": 1.0}[protocol.init] * protocol.init_scale
    rng = np.random.default_rng(seed_sequence([which, canonical(model)], seed))
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
        predicting_zero = float(importances @ (inputs.draw(4096, np.random.default_rng(0)) ** 2).mean(axis=0))
    return 1 / predicting_zero if predicting_zero > 0 else 1.0


def _optimiser(parameters: list[torch.Tensor], protocol: Protocol) -> torch.optim.Optimizer:
    import torch

    if protocol.optimiser == "sgd":
        return torch.optim.SGD(
            parameters, protocol.learning_rate, momentum=protocol.momentum, weight_decay=protocol.weight_decay
        )
    kind = torch.optim.Adam if protocol.optimiser == "adam" else torch.optim.AdamW
    return kind(parameters, protocol.learning_rate, betas=(0.9, protocol.beta2), weight_decay=protocol.weight_decay)


def _rows(
    models: list[ToyModel], seeds: list[int], protocol: Protocol, inputs: Inputs | None
) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """step -> rows (set, row, n) and their weights (set, row)."""
    if inputs is not None:
        # The same rows for every model, seed and batch: they depend on the step alone.
        key, even = ["inputs", inputs.to_json()], np.full(protocol.rows, 1 / protocol.rows)

        def shared(step: int) -> tuple[np.ndarray, np.ndarray]:
            X = inputs.draw(protocol.rows, np.random.default_rng(seed_sequence(key, step)))
            return np.tile(X, (len(models), 1, 1)), np.tile(even, (len(models), 1))

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


def _evaluate(
    models: list[ToyModel],
    cells: list[list[_Trained]],
    protocol: Protocol,
    network: Network,
    inputs: Inputs | None,
    tick: Callable[[int], None],
) -> None:
    left = sum(map(len, cells))
    for model, row in zip(models, cells, strict=True):
        for cell in row:
            parts = [cell.curve[-1:], cell.W, cell.b] + ([] if cell.V is None else [cell.V])
            cell.diverged = not all(np.isfinite(part).all() for part in parts)
            if not cell.diverged:
                cell.loss, cell.loss_error = population_losses(
                    model, cell.W, cell.b, cell.V, network, inputs, protocol.loss_rtol
                )
            left -= 1
            tick(left)
