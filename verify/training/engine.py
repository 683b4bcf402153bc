"""Training many toy models and seeds at once, under a protocol that is recorded with every result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from theory import InputError, ToyModel
from verify.training.batch import Batch, Trained
from verify.training.evaluation import population_losses
from verify.training.inputs import Inputs
from verify.training.network import Network
from verify.training.protocol import Protocol
from verify.training.records import to_dataset

if TYPE_CHECKING:
    import xarray

__all__ = ["Protocol", "check_variant", "train"]

Progress = Callable[[float, float, str], None]

_CURVE_POINTS = 100
# Numbers in one intermediate array; larger batches are split, which changes no result.
_LARGEST_BATCH = 4_000_000


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
    cells = [[Trained() for _ in seeds] for _ in models]
    for number, (indices, columns) in enumerate(batches):
        together = [models[i] for i in indices]
        name = f"training {together[0].activation.name}"
        step_done = lambda step, done=number, text=name: report(done * protocol.steps + step, total, text)  # noqa: E731
        run = Batch(together, [seeds[j] for j in columns], protocol, network, inputs)
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
        fits = max(1, _LARGEST_BATCH // (rows * int(n) * protocol.starts))
        columns = min(seeds, fits)
        height = max(1, fits // columns)
        for top in range(0, len(members), height):
            for left in range(0, seeds, columns):
                yield members[top : top + height], list(range(left, min(left + columns, seeds)))


def _evaluate(
    models: list[ToyModel],
    cells: list[list[Trained]],
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
