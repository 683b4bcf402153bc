"""Training many toy models and seeds at once, under a protocol that is recorded with every result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from theory import InputError, ToyModel
from verify.protocol import Protocol
from verify.records import canonical, seed_sequence, to_dataset
from verify.rows import minibatch, stratified_rows

if TYPE_CHECKING:
    import torch
    import xarray

__all__ = ["Protocol", "train"]

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
) -> xarray.Dataset:
    """Train every model from every seed, many at once, and evaluate the population loss of what was learned.

    Models may differ in anything. The result of one (model, seed) is the same, up to rounding, whatever is trained
    with it.

    Args:
        models: numeric models.
        seeds: how many (0, 1, ...) or which.
        protocol: by default `Protocol()`.
        progress: called with (done, total, text) now and then.

    Returns:
        A dataset over (model, seed) with `loss` (the population loss L of the trained weights, importance-weighted and
        summed over features) and `loss_error` (the error of that number), `trained_loss` (the training objective at
        the end, in the same unit), `diverged` (not finite; its losses are NaN), `loss_curve` (…, step), `W`
        (…, hidden, feature) and `b` (…, feature; 0 without bias), padded with NaN where sizes differ; with the
        settings as coordinates, and protocol, models and versions as JSON attributes.

    Raises:
        InputError: no model, a model with symbols, bad seeds, or a device that is not there.
    """
    protocol = Protocol() if protocol is None else protocol
    models, seeds = _checked(models, seeds, protocol)
    batches = list(_batches(models, len(seeds), protocol))
    total = len(batches) * protocol.steps + len(models) * len(seeds)
    report = progress or (lambda done, total, text: None)

    recorded = np.unique(np.linspace(0, protocol.steps, _CURVE_POINTS + 1).astype(int))
    curve = np.empty((len(models), len(seeds), len(recorded)))
    weights: list[Any] = [np.empty(0)] * len(models)
    biases: list[Any] = [np.empty(0)] * len(models)
    for number, (indices, columns) in enumerate(batches):
        together = [models[i] for i in indices]
        name = f"training {together[0].activation.name}"
        step_done = lambda step, done=number, text=name: report(done * protocol.steps + step, total, text)  # noqa: E731
        W, b, losses = _train_together(together, [seeds[j] for j in columns], protocol, recorded.tolist(), step_done)
        for k, i in enumerate(indices):
            weights[i] = W[k] if not weights[i].size else np.concatenate([weights[i], W[k]])
            biases[i] = b[k] if not biases[i].size else np.concatenate([biases[i], b[k]])
            curve[i, columns] = losses[k]
    tick = lambda left: report(total - left, total, "evaluating")  # noqa: E731
    found = _evaluate(models, weights, biases, curve, protocol, tick)
    return to_dataset(models, seeds, recorded.tolist(), found, weights, biases, protocol.to_json())


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


def _train_together(
    models: list[ToyModel], seeds: list[int], protocol: Protocol, recorded: list[int], tick: Callable[[int], None]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W (model, seed, m, n), b (model, seed, n) and the loss curve (model, seed, recorded) of one batch."""
    import torch

    from verify.autoencoder import batched_losses

    shape = (len(models), len(seeds))
    n, m = int(models[0].n_features), int(models[0].n_hidden)
    # Stratified rows are shared by the seeds of a model; in minibatches everybody is alone.
    layout = shape if protocol.data == "stratified" else (shape[0] * shape[1], 1)
    repeat = layout[0] // shape[0]
    tensor = lambda array: torch.as_tensor(  # noqa: E731
        np.ascontiguousarray(array), dtype=getattr(torch, protocol.dtype), device=protocol.device
    )
    start = np.array([[_start(model, seed, protocol) for seed in seeds] for model in models])
    W = tensor(start.reshape(*layout, m, n)).requires_grad_()
    b = torch.zeros(*layout, n, dtype=W.dtype, device=W.device, requires_grad=True)
    has_bias = tensor(np.repeat([float(model.bias) for model in models], repeat)[:, None, None])
    importance = tensor(np.repeat([[float(v) for v in model.importances] for model in models], repeat, axis=0))
    scale = tensor(np.repeat([_gradient_scale(model, protocol) for model in models], repeat)[:, None])
    optimiser = _optimiser([W, b] if any(model.bias for model in models) else [W], protocol)
    draw = _rows(models, seeds, protocol)

    losses: list[Any] = []
    size = shape[0] * shape[1] * n * (protocol.rows + n)
    with torch.enable_grad(), _threads(size):
        for step in range(protocol.steps + 1):
            if step < protocol.steps and (protocol.data == "minibatch" or step % protocol.redraw_every == 0):
                X, weights = (tensor(array) for array in draw(step))
            loss = batched_losses(X, weights, W, b * has_bias, models[0].activation, importance)
            if step in recorded:
                losses.append(loss.detach().double().cpu().numpy().reshape(shape))
                tick(step)
            if step == protocol.steps:
                break
            if protocol.schedule == "cosine":
                for group in optimiser.param_groups:
                    group["lr"] = protocol.learning_rate * (1 + np.cos(np.pi * step / protocol.steps)) / 2
            optimiser.zero_grad()
            (loss * scale).sum().backward()
            optimiser.step()
    plain = lambda value: value.detach().double().cpu().numpy()  # noqa: E731
    return plain(W).reshape(*shape, m, n), plain(b * has_bias).reshape(*shape, n), np.stack(losses, axis=-1)


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


def _start(model: ToyModel, seed: int, protocol: Protocol) -> np.ndarray:
    n, m = int(model.n_features), int(model.n_hidden)
    std = {"unit": m**-0.5, "xavier": (2 / (n + m)) ** 0.5, "normal": 1.0}[protocol.init] * protocol.init_scale
    rng = np.random.default_rng(seed_sequence(["start", canonical(model)], seed))
    return rng.normal(scale=std, size=(m, n))


def _gradient_scale(model: ToyModel, protocol: Protocol) -> float:
    if protocol.reduction == "mean":
        return 1 / int(model.n_features)
    if protocol.reduction == "sum":
        return 1.0
    weight = sum(float(i) * float(p) for i, p in zip(model.importances, model.densities, strict=True))
    predicting_zero = weight * float(model.law.absolute_moment(2))
    return 1 / predicting_zero if predicting_zero > 0 else 1.0


def _optimiser(parameters: list[torch.Tensor], protocol: Protocol) -> torch.optim.Optimizer:
    import torch

    if protocol.optimiser == "sgd":
        return torch.optim.SGD(
            parameters, protocol.learning_rate, momentum=protocol.momentum, weight_decay=protocol.weight_decay
        )
    kind = torch.optim.Adam if protocol.optimiser == "adam" else torch.optim.AdamW
    return kind(parameters, protocol.learning_rate, weight_decay=protocol.weight_decay)


def _rows(
    models: list[ToyModel], seeds: list[int], protocol: Protocol
) -> Callable[[int], tuple[np.ndarray, np.ndarray]]:
    """step -> rows (set, row, n) and their weights (set, row)."""
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
    weights: list[Any],
    biases: list[Any],
    curve: np.ndarray,
    protocol: Protocol,
    tick: Callable[[int], None],
) -> dict[str, np.ndarray]:
    from numerics import expected_loss

    found = {name: np.full(curve.shape[:2], np.nan) for name in ("loss", "loss_error")}
    diverged = ~np.isfinite(curve[..., -1])
    left = diverged.size
    for i, model in enumerate(models):
        for j in range(diverged.shape[1]):
            W, b = weights[i][j], biases[i][j]
            diverged[i, j] |= not (np.isfinite(W).all() and np.isfinite(b).all())
            if not diverged[i, j]:
                estimate = expected_loss(model, W, b if model.bias else None, rtol=protocol.loss_rtol)
                found["loss"][i, j], found["loss_error"][i, j] = estimate.value, estimate.error
            left -= 1
            tick(left)
    trained = np.where(diverged, np.nan, curve[..., -1])
    return {**found, "trained_loss": trained, "diverged": diverged, "loss_curve": curve}
