"""The basic results on toy models: what is learned, in which order, with which norms, and when axes mean something."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np

from verify.experiments.base import Experiment, Outcome, Run, Table, claim, good_seeds, shown_interval
from verify.geometry.superposition import antipodal_pairs, overlapping_pairs, represented_features, represents_first
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["EXPERIMENT", "monosemantic_neurons", "polysemantic_neurons"]

DENSITIES = [1.0, 0.3, 0.1, 0.03, 0.01, 0.003]
# Squared weight up to which a hidden neuron does nothing.
_DEAD = 1e-6
PRIVILEGED_DENSITIES = [0.7, 0.3, 0.15, 0.1, 0.06, 0.03]
# The published solutions by density: features that share, and the neurons they share.
SHARED = {0.3: (3, 2), 0.15: (5, 3), 0.06: (8, 5)}


def monosemantic_neurons(W: np.ndarray, share: float = 0.9) -> np.ndarray:
    """How many hidden neurons give at least `share` of their squared weight to one feature: W of shape (..., m, n)."""
    energy = W**2
    total = energy.sum(axis=-1)
    return ((energy.max(axis=-1) >= share * total) & (total > _DEAD)).sum(axis=-1)


def polysemantic_neurons(W: np.ndarray, share: float = 0.9) -> int:
    """How many hidden neurons are neither dead nor monosemantic, for W of shape (m, n)."""
    return int(((W**2).sum(axis=-1) > _DEAD).sum() - monosemantic_neurons(W, share))


def run(how: Run) -> Outcome:
    """Linear and ReLU models over density, importance and size; then ReLU in the hidden layer."""
    from verify.plots.basics import feature_bars, hidden_axes

    seeds = how.choose(3, 8, 20)
    small = how.sweep(
        "n20-m5",
        {"activation": ["linear", "relu"], "density": DENSITIES, "n_features": 20, "n_hidden": 5, "bias": True,
         "importance_ratio": 0.7, "seeds": seeds, "restarts": how.choose(0, 2, 8), "loss_rtol": 1e-3,
         "protocol": how.choose("default", "screened", "screened")},
    )  # fmt: skip
    large_seeds = how.choose(1, 3, 10)
    large = how.sweep(
        "n80-m20",
        {"activation": ["linear", "relu"], "density": how.choose(DENSITIES[::3], DENSITIES, DENSITIES), "bias": True,
         "n_features": 80, "n_hidden": 20, "importance_ratio": 0.9, "seeds": large_seeds, "restarts": 0,
         "loss_rtol": 1e-2,
         "training": {"data": "minibatch", "rows": 512, "learning_rate": 0.01, "steps": how.choose(200, 3000, 10_000)}},
    )  # fmt: skip
    privileged = how.sweep(
        "privileged-basis",
        {"activation": "relu", "hidden_activation": "relu", "density": PRIVILEGED_DENSITIES, "n_features": 10,
         "n_hidden": 5, "bias": True, "importance_ratio": 0.75, "seeds": how.choose(10, 1000, 1000), "restarts": 0},
    )  # fmt: skip
    header = (
        "n", "m", "activation", "p", "features represented", "antipodal pairs", "spread of their norms",
        "bias of the others", "E x = p/2", "seeds at the best known loss",
    )  # fmt: skip
    neurons = []
    for p in PRIVILEGED_DENSITIES:
        W = _excites(_best(privileged.sel(density=p)))
        single = int(monosemantic_neurons(W))
        neurons.append((p, int(represented_features(W)), single, polysemantic_neurons(W)))
    protocol = [
        f"n = 20, m = 5, importance .7^i, uniform features, a bias; {seeds} seeds; "
        f"{how.choose('Protocol()', 'Protocol.screened()', 'Protocol.screened()')}.",
        f"n = 80, m = 20, importance .9^i: {large_seeds} seeds, Adam with cosine decay from .01, "
        f"{how.choose(200, 3000, 10_000)} batches of 512; the best known loss is that of the best seed.",
        "Privileged basis: relu(W^T relu(W x) + b), n = 10, m = 5, importance .75^i; best of "
        f"{privileged.sizes['seed']} seeds.",
        "Represented: longer than half the longest column. Monosemantic: 90 % of a neuron's squared weight on one "
        "feature. With ReLU in the hidden layer a feature excites a neuron by a positive weight; negative weights, "
        "which only silence it where other features are active, are left out of both counts.",
    ]
    tables = [
        Table("No activation in the hidden layer", header, [*_rows(small), *_rows(large)]),
        Table("ReLU in the hidden layer", ("p", "features", "monosemantic neurons", "polysemantic neurons"), neurons),
    ]
    figures = {
        "basics_features": feature_bars(small),
        "basics_features_large": feature_bars(large),
        "basics_privileged": hidden_axes(privileged),
    }
    return Outcome(protocol, tables, _claims(small, privileged), figures)


def _rows(runs: xarray.Dataset) -> list[tuple[Any, ...]]:
    rows = []
    for name, p in product(runs["activation"].values, runs["density"].values):
        cell = runs.sel(activation=name, density=p)
        kept = good_seeds(cell)
        best, b = _best(cell), cell["b"].values[int(np.nanargmin(cell["loss"].values))]
        shown = _shown(best)
        norms = np.linalg.norm(best, axis=0)[shown]
        losses = cell["loss"].values
        reached = cell["reached"].values if "reached" in cell else losses <= 1.01 * np.nanmin(losses)
        rows.append(
            (runs.sizes["feature"], runs.sizes["hidden"], str(name), float(p),
             shown_interval(represented_features(kept)), shown_interval(antipodal_pairs(kept)),
             float(norms.std() / norms.mean()), float(b[~shown].mean()) if (~shown).any() else np.nan, float(p / 2),
             f"{float(np.mean(reached)):.0%}")
        )  # fmt: skip
    return rows


def _best(cell: xarray.Dataset) -> np.ndarray:
    found: np.ndarray = cell["W"].values[int(np.nanargmin(cell["loss"].values))]
    return found


def _claims(small: xarray.Dataset, privileged: xarray.Dataset) -> list[Verdict]:
    m = small.sizes["hidden"]
    kept = lambda name, p: good_seeds(small.sel(activation=name, density=p))  # noqa: E731
    linear = [bool(represents_first(kept("linear", p), m).all()) for p in DENSITIES]
    dense_relu = represents_first(kept("relu", DENSITIES[0]), m)
    found = [
        claim(
            "A linear model represents the m most important features, orthogonally, at every density",
            all(linear),
            f"{sum(linear)} of {len(DENSITIES)} densities, every seed that reached the best known loss",
        ),
        claim(
            "Dense ReLU models do the same",
            bool(dense_relu.all()),
            f"{int(dense_relu.sum())} of {len(dense_relu)} seeds at p = {DENSITIES[0]:g}",
        ),
        _biases(small),
    ]
    counts = [float(represented_features(kept("relu", p)).mean()) for p in DENSITIES]
    grows = all(b >= a - 0.25 for a, b in pairwise(counts))
    found.append(
        claim(
            "ReLU represents more features the sparser they are",
            grows and counts[-1] > counts[0] + 1,
            "features: " + ", ".join(f"{c:.3g} at p = {p:g}" for c, p in zip(counts, DENSITIES, strict=True)),
        )
    )
    first = _first_in_superposition(small)
    found.append(
        claim(
            "Superposition begins with the less important features, as antipodal pairs",
            None if first is None else first[1] > first[2] and first[3] == 0,
            "no superposition seen"
            if first is None
            else f"at p = {first[0]:g} features in antipodal pairs have mean rank {first[1]:.3g}, others {first[2]:.3g}"
            f"; {first[3]:g} pairs interfere otherwise",
        )
    )
    spread = {}
    for p in DENSITIES:
        norms = np.linalg.norm(_best(small.sel(activation="relu", density=p)), axis=0)
        shown = norms > 0.5 * norms.max()
        spread[p] = float(norms[shown].std() / norms[shown].mean())
    found.append(
        claim(
            "Represented features have nearly equal norms",
            max(spread.values()) < 0.15,
            "spread over mean of the norms: " + ", ".join(f"{v:.2g} at p = {p:g}" for p, v in spread.items()),
        )
    )
    excites = {p: _excites(_best(privileged.sel(density=p))) for p in PRIVILEGED_DENSITIES}
    mono = {p: int(monosemantic_neurons(W)) for p, W in excites.items()}
    poly = {p: polysemantic_neurons(W) for p, W in excites.items()}
    dense, sparse = PRIVILEGED_DENSITIES[0], PRIVILEGED_DENSITIES[-1]
    found.append(
        claim(
            "With an activation in the hidden layer neurons are monosemantic when dense and share features when sparse",
            mono[dense] == 5 and poly[sparse] >= 3,
            "monosemantic and polysemantic neurons of 5: "
            + ", ".join(f"{v} and {poly[p]} at p = {p:g}" for p, v in mono.items()),
        )
    )
    shared = {p: (int(represented_features(excites[p])) - mono[p], poly[p]) for p in SHARED}
    found.append(
        claim(
            "Neurons that share features do so in the published numbers: 3 features in 2 neurons, 5 in 3, 8 in 5",
            shared == SHARED,
            ", ".join(f"{features} in {neurons} at p = {p:g}" for p, (features, neurons) in shared.items()),
        )
    )
    plain = _aligned(small.sel(activation="relu", density=1.0))
    inside = _aligned(privileged.sel(density=dense))
    found.append(
        claim(
            "Only with an activation in the hidden layer do its axes mean something",
            inside > 0.9 and plain < 0.7,
            f"mean largest share of a represented feature on one hidden axis: {inside:.2f} with ReLU inside "
            f"(p = {dense:g}), {plain:.2f} without (p = 1); a random direction in five dimensions has about .55",
        )
    )
    return found


def _excites(W: np.ndarray) -> np.ndarray:
    """The weights by which features alone make hidden ReLU neurons respond."""
    return np.maximum(W, 0.0)


def _biases(small: xarray.Dataset) -> Verdict:
    left_out, learned = [], []
    for p in DENSITIES:
        cell = small.sel(activation="linear", density=p)
        shown, b = _shown(_best(cell)), cell["b"].values[int(np.nanargmin(cell["loss"].values))] / (p / 2)
        left_out += list(b[~shown])
        learned += list(b[shown])
    return claim(
        "A linear model gives features it leaves out their mean as bias, and those it represents none",
        bool(left_out and learned) and max(np.abs(np.array(left_out) - 1)) < 0.2 and max(np.abs(learned)) < 0.1,
        f"bias over E x = p/2: {min(left_out):.2f} to {max(left_out):.2f} for those left out, at most "
        f"{max(np.abs(learned)):.2f} in size for those represented",
    )


def _shown(W: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(W, axis=-2)
    return np.asarray(norms > 0.5 * norms.max(axis=-1, keepdims=True))


def _first_in_superposition(small: xarray.Dataset) -> tuple[float, float, float, float] | None:
    """The largest density at which the best seed represents more features than dimensions.

    Returns:
        p, the mean rank of importance in antipodal pairs, that of the other represented features (NaN where there are
        none), and the number of pairs that interfere without being antipodal.
    """
    for p in DENSITIES:
        W = _best(small.sel(activation="relu", density=p))
        shown = _shown(W)
        unit = W / np.linalg.norm(W, axis=0)
        paired = ((unit.T @ unit) * np.outer(shown, shown) < -0.95).any(axis=1)
        alone = shown & ~paired
        if shown.sum() > len(W):
            rank = np.arange(1, len(paired) + 1)
            inside, outside = (float(rank[of].mean()) if of.any() else np.nan for of in (paired, alone))
            return p, inside, outside, float(overlapping_pairs(W))
    return None


def _aligned(cell: xarray.Dataset) -> float:
    """The mean over represented features and seeds of the largest share of |W_i|^2 on one axis."""
    W = cell["W"].values[~cell["diverged"].values]
    share = (W**2).max(axis=-2) / np.maximum((W**2).sum(axis=-2), 1e-12)
    return float(share[_shown(W)].mean())


EXPERIMENT = Experiment(
    "basics",
    "Toy-model basics",
    "What do linear and ReLU models represent as density falls, and when do hidden axes mean something?",
    "Elhage et al. 2022, basic results and privileged basis (n = 20, m = 5; n = 10, m = 5)",
    run,
)
