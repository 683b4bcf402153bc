"""Activation functions and superposition: how many features each activation represents, and how, as density falls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from verify.experiments.base import Experiment, Outcome, Run, Table, claim, good_seeds, interval
from verify.geometry.superposition import (
    antipodal_pairs,
    dimensions_per_feature,
    largest_overlap,
    overlapping_pairs,
    represented_features,
    represents_first,
)
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["EXPERIMENT", "MAIN", "OTHERS"]

MAIN = ("linear", "relu", "gelu", "silu", "sigmoid", "tanh", "solu")
OTHERS = (
    "leaky_relu", "relu6", "hardtanh", "hardsigmoid", "hardswish", "softshrink", "softplus", "mish", "gelu_tanh",
    "tanhshrink", "softsign", "arctan", "erf", "elu", "selu", "celu", "sin", "gaussian", "snake", "abs", "power:2",
    "rectified-power:2", "softmax",
)  # fmt: skip
N, M, RATIO = 10, 5, 0.75
DENSITIES = [1.0, 0.9, 0.7, 0.5, 0.3, 0.1, 0.05, 0.01, 0.003]


def run(how: Run) -> Outcome:
    """Train every activation at every density, count features and pairs, judge the claims of the study."""
    from verify.plots.activations import gram_grid, represented_map, weight_grid

    seeds = how.choose(2, 8, 20)
    densities = how.choose([1.0, 0.7, 0.1, 0.003], DENSITIES, DENSITIES)
    others = how.choose(OTHERS[:2], OTHERS, OTHERS)
    setting = {
        "n_features": N, "n_hidden": M, "importance_ratio": RATIO, "bias": True, "density": densities, "seeds": seeds,
        "loss_rtol": 1e-3, **how.choose({"steps": 300}, {"protocol": "screened"}, {"protocol": "screened"}),
    }  # fmt: skip
    main = how.sweep("main", {**setting, "activation": list(MAIN), "restarts": how.choose(0, 2, 8)})
    other = how.sweep("others", {**setting, "activation": list(others), "restarts": 0})
    tables = [
        _counts("Features represented (columns longer than half the longest)", (main, other),
                represented_features),
        _counts("Antipodal pairs", (main,), antipodal_pairs),
        _counts("Interfering pairs that are not antipodal", (main, other), overlapping_pairs),
        _counts("1/D*, the published features per dimension (the ceiling is n/m = 2)", (main,),
                lambda W: 1 / dimensions_per_feature(W)),
        _standing(main),
    ]  # fmt: skip
    protocol = [
        f"n = {N}, m = {M}, importance I_i = {RATIO}^i, uniform features, a bias; {seeds} seeds.",
        "Counts are means over the seeds within 1 % of the best known loss (minimised population loss or best seed), "
        "or the best seed where none is.",
        "Adam with cosine decay on stratified rows, all models of an activation at once "
        f"({how.choose('Protocol(steps=300)', 'Protocol.screened()', 'Protocol.screened()')}).",
        "The study states neither its importances nor optimiser, steps and seeds.",
    ]
    figures = {
        "activations_gram": gram_grid(main),
        "activations_weights": weight_grid(main),
        "activations_represented": represented_map([main, other], represented_features),
    }
    return Outcome(protocol, tables, _claims(main, other), figures)


def _at(data: xarray.Dataset, activation: str, density: float, metric: Callable[[np.ndarray], Any]) -> np.ndarray:
    # Seeds stuck in a worse minimum say little about the activation.
    return np.asarray(metric(good_seeds(data.sel(activation=activation, density=density))), dtype=float)


def _counts(title: str, sets: Sequence[xarray.Dataset], metric: Callable[[np.ndarray], Any]) -> Table:
    densities = sets[0]["density"].values
    rows = [
        (str(name), *(round(float(np.mean(_at(data, str(name), p, metric))), 2) for p in densities))
        for data in sets
        for name in data["activation"].values
    ]
    return Table(title, ("activation", *(f"p = {p:g}" for p in densities)), rows)


def _standing(main: xarray.Dataset) -> Table:
    rows = [
        (str(name), *(f"{float(v):.0%}" for v in main["success_rate"].sel(activation=name).values))
        for name in main["activation"].values
    ]
    header = ("activation", *(f"p = {p:g}" for p in main["density"].values))
    return Table("Seeds within 1 % of the best known loss", header, rows)


def _claims(main: xarray.Dataset, other: xarray.Dataset) -> list[Verdict]:
    densities = main["density"].values
    sparse, dense = float(densities[-1]), float(densities[0])
    counts = lambda name, p: _at(main, name, p, represented_features)  # noqa: E731
    pairs = lambda name, p, metric: _at(main, name, p, metric)  # noqa: E731
    found = []

    first = lambda a, p: bool(pairs(a, p, lambda W: represents_first(W, M)).all())  # noqa: E731
    top = [first(a, p) for a in ("linear", "tanh") for p in densities]
    found.append(
        claim(
            "Linear and tanh represent the m most important features, orthogonally, at every density",
            all(top),
            f"{sum(top)} of {len(top)} (activation, density) cells, every seed",
        )
    )
    dense_relu = first("relu", dense)
    antipodes = interval(pairs("relu", sparse, antipodal_pairs))
    found.append(
        claim(
            "ReLU: the top m features when dense, antipodal pairs when sparse",
            dense_relu and antipodes[1] > M - 1.5,
            f"{_range(interval(counts('relu', dense)))} features at p = {dense:g}; "
            f"{_range(antipodes)} antipodal pairs of {M} possible at p = {sparse:g}",
            pairs=antipodes,
        )
    )
    superposed = [float(p) for p in densities if interval(counts("relu", p))[1] > M]
    for name in ("gelu", "silu"):
        # Where both hold all features there is no telling.
        full = [p for p in superposed if min(counts(name, p).min(), counts("relu", p).min()) == N]
        judged = [p for p in superposed[1:] if p not in full]
        fewer = [interval(counts(name, p))[2] < interval(counts("relu", p))[1] for p in judged]
        found.append(
            claim(
                f"{name} superposes less than relu",
                all(fewer) if fewer else None,
                f"features, {name} against relu: "
                + ", ".join(
                    f"{_range(interval(counts(name, p)))} against {_range(interval(counts('relu', p)))} at p = {p:g}"
                    for p in superposed
                )
                + f"; fewer at {sum(fewer)} of the {len(judged)} densities that are judged (not the first, where "
                f"superposition sets in, nor those where both hold all {N})",
            )
        )
    two = [float(pairs(a, p, overlapping_pairs).mean()) for a in ("gelu", "silu") for p in densities]
    found.append(
        claim(
            "GELU and SiLU put at most two features on one direction",
            max(two) <= 0.5,
            f"at most {max(two):.2g} interfering pairs beyond antipodes, mean over seeds, over all densities",
        )
    )
    early = [p for p in densities if 0.7 <= p < 1]
    sigmoid = [float((counts("sigmoid", p) > M).mean()) for p in early]
    found.append(
        claim(
            "Sigmoid superposes as soon as there is any sparsity",
            min(sigmoid) > 0.5,
            "share of seeds with more than m features: "
            + ", ".join(f"{share:.0%} at p = {p:g}" for share, p in zip(sigmoid, early, strict=True))
            + "; the answer depends on the importances, which the study does not state",
        )
    )
    speckles = {p: interval(pairs("sigmoid", p, overlapping_pairs)) for p in densities if p < 1}
    faint = [float(pairs("sigmoid", p, largest_overlap).max()) for p in speckles]
    found.append(
        claim(
            "Sigmoid shows speckles: interference beyond antipodal pairs",
            max(v[1] for v in speckles.values()) > 0.5,
            "interfering pairs beyond antipodes (|cos| > .1): "
            + ", ".join(f"{_range(v)} at p = {p:g}" for p, v in speckles.items())
            + f"; what W^T W shows there is weak: |cos| at most {max(faint):.2g}",
        )
    )
    solu = interval(counts("solu", dense))
    found.append(
        claim(
            "SoLU superposes everywhere, even at density 1",
            all((counts("solu", p) > M).all() for p in densities),
            f"{_range(solu)} features at p = {dense:g}; {_range(interval(pairs('solu', dense, overlapping_pairs)))} of "
            f"{N * (N - 1) // 2} pairs interfere there",
        )
    )
    per_dimension = {a: interval(1 / _at(main, a, sparse, dimensions_per_feature)) for a in ("relu", "sigmoid", "solu")}
    held = [float(counts(a, sparse).mean()) for a in per_dimension]
    found.append(
        claim(
            "1/D* counts features per dimension",
            all(
                shown > 0 and abs(M * v[0] - shown) <= 0.1 * shown
                for v, shown in zip(per_dimension.values(), held, strict=True)
            ),
            f"no more than n/m = {N / M:g} are possible; 1/D* at p = {sparse:g}: "
            + ", ".join(
                f"{a} {_range(v)} ({shown / M:.3g} represented)"
                for (a, v), shown in zip(per_dimension.items(), held, strict=True)
            )
            + ": it measures norms as much as numbers",
            **per_dimension,
        )
    )
    names = [*main["activation"].values, *other["activation"].values]
    more = {str(a): float(_at(main if a in main["activation"] else other, str(a), sparse, represented_features).mean())
            for a in names}  # fmt: skip
    some = [a for a, value in more.items() if value > M + 0.5]
    found.append(
        claim(
            "Every activation but the linear one superposes when features are sparse",
            set(more) - set(some) == {"linear"},
            f"{len(some)} of {len(more)} do at p = {sparse:g}; those that do not: "
            + ", ".join(sorted(set(more) - set(some))),
        )
    )
    return found


def _range(value: tuple[float, float, float]) -> str:
    mean, low, high = value
    return f"{mean:.3g}" if high - low < 1e-9 else f"{mean:.3g} [{low:.3g}, {high:.3g}]"


EXPERIMENT = Experiment(
    "activations",
    "Activation functions and superposition",
    "Which activations put more features than dimensions into the hidden layer, from which density on, and how?",
    "Activation-function study of toy models (2023), n = 10, m = 5; figures only, importances not stated",
    run,
)
