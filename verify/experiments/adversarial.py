"""How much harm a small attack does to a toy model, against how many features share a dimension."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from numerics.scalar_map import scalar_map
from theory import InputError, ToyModel
from verify.experiments.base import Experiment, Outcome, Run, Table, claim, interval, shown_interval
from verify.geometry.superposition import dimensions_per_feature, represented_features
from verify.training.records import canonical, seed_sequence
from verify.verdicts import Verdict

__all__ = ["EXPERIMENT", "attack_size", "common_vulnerability", "vulnerability"]

SHARE = 0.1
DENSITIES = [1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01]
# Numbers in one intermediate array.
_LARGEST = 2_000_000


def attack_size(x: np.ndarray) -> float:
    """A tenth of the mean Euclidean norm of the inputs, zeros included; x of shape (rows, n)."""
    return SHARE * float(np.linalg.norm(x, axis=1).mean())


def vulnerability(
    model: ToyModel, W: np.ndarray, b: np.ndarray, x: np.ndarray, size: float, directions: np.ndarray | None = None
) -> np.ndarray:
    """How much the loss of every input rises under its worst attack, in units of size^2: shape (rows,).

        max over i and both signs of L(x, x + d) - L(x, x),    d = ± size (W^T W)_i/|(W^T W)_i|,

    where L(x, y) = sum_j I_j (x_j - sigma(W^T W y + b)_j)^2: the original input is to be reconstructed. A model of
    equal importances without superposition (W^T W = 1 on m features) has exactly 1 under ReLU, because an attack on
    one feature comes through unchanged and no other output moves: so this is the published measure relative to a
    model without superposition, (L' - L)/(L'_0 - L_0).

    Args:
        model: numeric, with an elementwise activation.
        W, b: shapes (m, n) and (n,).
        x: inputs, shape (rows, n).
        size: Euclidean length of the attack, > 0.
        directions: other directions to try, shape (k, n), of any length.

    Raises:
        InputError: a size that is not positive, or an activation that is not elementwise.

    Source: Elhage et al. 2022, relationship to adversarial robustness.
    """
    return np.concatenate([rises.max(axis=1) for rises in _rises(model, W, b, x, size, directions)])


def common_vulnerability(model: ToyModel, W: np.ndarray, b: np.ndarray, x: np.ndarray, size: float) -> float:
    """As the mean of `vulnerability`, but with the same feature and sign for all inputs: again 1 without superposition.

    Raises:
        InputError: as `vulnerability`.
    """
    return float(sum(rises.sum(axis=0) for rises in _rises(model, W, b, x, size, None)).max()) / len(x)


def _rises(
    model: ToyModel, W: np.ndarray, b: np.ndarray, x: np.ndarray, size: float, directions: np.ndarray | None
) -> Iterator[np.ndarray]:
    """Rise of the loss over size^2 for every attack, shape (some rows, attacks)."""
    if not size > 0:
        raise InputError(f"size={size} must be a number > 0")
    if not model.activation.is_elementwise:
        raise InputError(f"activation {model.activation.name} is {model.activation.kind}; give an elementwise one")
    sigma, gram = scalar_map(model.activation), W.T @ W
    importance = np.array([float(v) for v in model.importances])
    lines = gram if directions is None else directions
    lengths = np.linalg.norm(lines, axis=1, keepdims=True)
    # A feature that is not represented has no attack; a model that represents none is not moved by any.
    units = np.divide(lines, lengths, out=np.zeros_like(lines), where=lengths > 1e-9 * lengths.max())
    moves = size * np.concatenate([units, -units]) @ gram
    step = max(1, _LARGEST // moves.size)
    for first in range(0, len(x), step):
        part = x[first : first + step]
        z = part @ gram + b
        before = (sigma.value(z) - part) ** 2 @ importance
        after = (sigma.value(z[:, None, :] + moves) - part[:, None, :]) ** 2 @ importance
        yield (after - before[:, None]) / size**2


def _inputs(model: ToyModel, rows: int) -> np.ndarray:
    """Fresh inputs, the same for every seed of a model."""
    rng = np.random.default_rng(seed_sequence(["attacked", canonical(model)]))
    shape = (rows, int(model.n_features))
    active = rng.random(shape) < np.array([float(p) for p in model.densities])
    return np.where(active, model.law.sample(rng, shape), 0.0)


def run(how: Run) -> Outcome:
    """Train at every density, attack fresh inputs, and set the harm beside the features per dimension."""
    from verify.plots.adversarial import adversarial_figure

    n, m = how.choose((20, 5), (60, 10), (200, 20))
    seeds, rows = how.choose(2, 8, 10), how.choose(256, 2048, 4096)
    densities = how.choose(DENSITIES[::3], DENSITIES, DENSITIES)
    runs = how.sweep(
        "trained",
        {"activation": "relu", "n_features": n, "n_hidden": m, "bias": True, "density": densities, "seeds": seeds,
         "restarts": 0, "training": {"steps": how.choose(300, 1000, 2000), "loss_rtol": 1e-2}},
    )  # fmt: skip
    harm, common, by_chance, errors, sizes = (np.full((len(densities), seeds), np.nan) for _ in range(5))
    for i, p in enumerate(densities):
        model = ToyModel(n, m, "relu", p, bias=True)
        x = _inputs(model, rows)
        size = attack_size(x)
        random = np.random.default_rng(0).standard_normal((1, n))
        for s in range(seeds):
            if runs["diverged"].values[i, s]:
                continue
            W, b = runs["W"].values[i, s], runs["b"].values[i, s]
            each = vulnerability(model, W, b, x, size)
            harm[i, s], errors[i, s], sizes[i, s] = each.mean(), 1.96 * each.std(ddof=1) / np.sqrt(rows), size
            common[i, s] = common_vulnerability(model, W, b, x, size)
            by_chance[i, s] = vulnerability(model, W, b, x, size, random).mean()
    per_dimension = 1 / dimensions_per_feature(runs["W"].values)
    table_rows = [
        (
            p, float(np.nanmean(sizes[i])), shown_interval(harm[i][np.isfinite(harm[i])]), float(np.nanmax(errors[i])),
            shown_interval(common[i][np.isfinite(common[i])]), shown_interval(per_dimension[i]),
            shown_interval(represented_features(runs["W"].values[i]) / m),
            float(np.nanmean(harm[i] / per_dimension[i])), float(np.nanmean(by_chance[i])),
        )
        for i, p in enumerate(densities)
    ]  # fmt: skip
    header = (
        "p", "size of the attack", "vulnerability", "its sample error, per seed",
        "one attack for all inputs", "1/D*", "features represented/m",
        "vulnerability·D*", "attack in a random direction",
    )  # fmt: skip
    protocol = [
        f"n = {n}, m = {m}, ReLU, a bias, equal importance, uniform features; {seeds} seeds of Protocol().",
        f"Attack on each of {rows:,} fresh inputs x: x + d with d = ±λ(WᵀW)_i/|(WᵀW)_i|, the feature i and the sign "
        f"that raise the squared error against x most; λ = {SHARE:g} of the mean norm of x (zero inputs included).",
        "Or, as one attack for all inputs, the same i and sign for every x; the source leaves open which is meant.",
        "Vulnerability: rise of the mean loss, relative to that of a model without superposition, which is λ² exactly.",
    ]
    return Outcome(
        protocol,
        [Table("Vulnerability and features per dimension", header, table_rows)],
        [
            *_claims(np.array(densities), harm, per_dimension, "worst attack for each input"),
            *_claims(np.array(densities), common, per_dimension, "one attack for all inputs"),
        ],
        {"adversarial": adversarial_figure(np.array(densities), harm, common, per_dimension, n / m)},
    )


def _claims(densities: np.ndarray, harm: np.ndarray, per_dimension: np.ndarray, words: str) -> list[Verdict]:
    """Densities falling, the others of shape (densities, seeds)."""
    kept = np.isfinite(harm).all(axis=0)
    if not kept.any():
        return [claim(f"Attacks do more harm to models with superposition ({words})", None, "every seed diverged")]
    harm, per_dimension = harm[:, kept], per_dimension[:, kept]
    rise = harm.max(axis=0) / harm[0]
    _, low, high = interval(rise)
    top = int(harm.mean(axis=1).argmax())
    linear = [float(np.corrcoef(a, d)[0, 1]) for a, d in zip(harm.T, per_dimension.T, strict=True)]
    _, linear_low, linear_high = interval(linear)
    ratio = (harm / per_dimension).mean(axis=1)
    return [
        claim(
            f"Vulnerability rises by more than three times as superposition forms ({words})",
            True if low > 3 else False if high < 3 else None,
            f"{shown_interval(harm[0])} at p = {densities[0]:g}, {shown_interval(harm[top])} at p = {densities[top]:g}"
            f": {shown_interval(rise)} times",
            rise=rise,
        ),
        claim(
            f"Vulnerability closely tracks the features per dimension 1/D* ({words})",
            True if linear_low > 0.9 else False if linear_high < 0.9 else None,
            f"correlation over the densities {shown_interval(linear)} per seed; their ratio is {ratio.min():.2f} to "
            f"{ratio.max():.2f}",
            correlations=linear,
        ),
    ]


EXPERIMENT = Experiment(
    "adversarial",
    "Superposition and adversarial attacks",
    "Does superposition make a model vulnerable to small attacks, and by how much?",
    "Elhage et al. 2022, relationship to adversarial robustness",
    run,
)
