"""Dimensions per feature: how the hidden dimensions are shared out as density falls, and the plateaux of the shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from verify.experiments.base import Experiment, Outcome, Run, Table, claim, interval, shown_interval
from verify.geometry.components import Kind, interference_components, kinds
from verify.geometry.dimensionality import feature_dimensionality
from verify.geometry.plateaux import NEAR, PLATEAUX, stands_out
from verify.geometry.superposition import dimensions_per_feature, represented_features
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["EXPERIMENT", "kept_weights"]

ACTIVATIONS = ["relu", "gelu", "silu", "sigmoid", "tanh", "solu", "rectified-power:2"]
DENSITIES = [1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05, 0.02, 0.01]
# The published axis: from 1 to 1/20 in twenty steps.
PUBLISHED = [round(float(p), 4) for p in 20.0 ** -np.linspace(0, 1, 20)]
# The lower rate ends at the lower loss; the higher one leaves sharper figures.
RATES = [0.005, 0.02]
Found = Mapping[tuple[float, float], np.ndarray]
# Share of the features on a line that have to be in a figure for the figure to be what the line means.
_MOSTLY = 0.8


def run(how: Run) -> Outcome:
    """Every activation over a few densities; ReLU over the published ones, where plateaux are looked for."""
    from verify.plots.dimensions import dimensions_figure, plateaux_figure

    n, m = how.choose((60, 12), (200, 20), (400, 30))
    steps, few = how.choose(600, 2000, 4000), how.choose(DENSITIES[::4], DENSITIES, DENSITIES)
    names, seeds = how.choose(ACTIVATIONS[:2], ACTIVATIONS, ACTIVATIONS), how.choose(1, 1, 3)
    curves = _sweep(how, "curves", n, m, steps, few, names, RATES[:1], 0.7, seeds)
    wide, narrow = how.choose((60, 12), (400, 30), (400, 30))
    many, starts = how.choose(PUBLISHED[::7], PUBLISHED, PUBLISHED), how.choose(1, 3, 10)
    longer = how.choose(600, 3000, 10_000)
    lines = _sweep(how, "plateaux", wide, narrow, longer, many, ["relu"], RATES, 0.1, starts).sel(activation="relu")
    found = {(rate, p): kept_weights(lines.sel(learning_rate=rate, density=p)) for rate in RATES for p in many}
    tables = [*_curve_tables(curves), _plateau_table(found), _figure_table(lines, found), _dense_table(lines, found)]
    lost = int(curves["diverged"].sum()), int(lines["diverged"].sum())
    protocol = [
        "Equal importance, uniform features, a bias; Adam with cosine decay on fresh batches of 256.",
        f"Curves: n = {n}, m = {m}, rate {RATES[0]:g}, {steps} steps, columns of norm .7 at the start, "
        f"{_counted(seeds, 'seed')}.",
        f"Plateaux: ReLU, n = {wide}, m = {narrow}, the published densities, rates {RATES[0]:g} and {RATES[1]:g}, "
        f"{longer} steps, columns of norm .1 at the start, {_counted(starts, 'seed')}.",
        f"Diverged and left out: {lost[0]} of {curves['diverged'].size} runs of the curves, {lost[1]} of "
        f"{lines['diverged'].size} of the plateaux.",
        f"A line: at least 10 features of all seeds within {NEAR:g} of a fraction, twice as many as beside it.",
        "Isolated component: features that interfere (|cos| > .1) with no represented feature outside, each of "
        "dimensionality rank/size within .01 (within a tenth of it where that is less), so that nothing else lies in "
        "their dimensions.",
    ]
    figures = {"dimensions_per_feature": dimensions_figure(curves), "feature_dimensionality": plateaux_figure(found)}
    return Outcome(protocol, tables, [*_line_claims(found, narrow), *_curve_claims(curves)], figures)


def _sweep(
    how: Run,
    name: str,
    n: int,
    m: int,
    steps: int,
    densities: list[float],
    activations: list[str],
    rates: list[float],
    norm: float,
    seeds: int,
) -> xarray.Dataset:
    return how.sweep(
        f"{name}-n{n}-m{m}",
        {"activation": activations, "density": densities, "n_features": n, "n_hidden": m, "bias": True,
         "seeds": seeds, "restarts": 0, "loss_rtol": 1e-3,
         "training": {"data": "minibatch", "rows": 256, "learning_rate": rates, "steps": steps, "init_scale": norm}},
    )  # fmt: skip


def kept_weights(cell: xarray.Dataset) -> np.ndarray:
    """Weights of the seeds that did not diverge: shape (kept, m, n), kept = 0 where every one did."""
    return np.asarray(cell["W"].values[_kept(cell)])


def finite_losses(cell: xarray.Dataset) -> np.ndarray:
    """Losses of the seeds that did not diverge."""
    return np.asarray(cell["loss"].values[_kept(cell)])


def _kept(cell: xarray.Dataset) -> np.ndarray:
    finite = np.isfinite(cell["W"].values).all(axis=(1, 2)) & np.isfinite(cell["loss"].values)
    return np.asarray(finite & ~cell["diverged"].values.astype(bool))


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'s' if count > 1 else ''}"


def _curve_tables(curves: xarray.Dataset) -> list[Table]:
    densities, names = curves["density"].values, [str(name) for name in curves["activation"].values]
    header = ("activation", *(f"p = {p:g}" for p in densities))

    def rows(measure: Any) -> list[tuple[object, ...]]:
        # No number where every seed diverged.
        mean = lambda W: round(float(measure(W).mean()), 3) if len(W) else np.nan  # noqa: E731
        return [(name, *(mean(_of_curve(curves, name, p)) for p in densities)) for name in names]

    n, over = curves.sizes["feature"], _counted(curves.sizes["seed"], "seed")
    return [
        Table(f"D* = m/|W|², mean over {over}", header, rows(dimensions_per_feature)),
        Table(f"Features represented of {n}, mean over {over}", header, rows(represented_features)),
        Table(
            "Isolated components of every activation, all seeds and densities together",
            ("activation", "at p =", "components"),
            [_all_figures(curves, name) for name in names],
        ),
    ]


def _all_figures(curves: xarray.Dataset, name: str) -> tuple[str, str, str]:
    by_density = {p: isolated_kinds(_of_curve(curves, name, p)) for p in curves["density"].values}
    total = sum(by_density.values(), start=Counter())
    return name, ", ".join(f"{p:g}" for p, counts in by_density.items() if counts) or "none", _counts(total) or "none"


def _of_curve(curves: xarray.Dataset, name: str, p: float) -> np.ndarray:
    return kept_weights(curves.sel(activation=name, density=p, learning_rate=RATES[0]))


def features_near(W: np.ndarray, fraction: Fraction) -> np.ndarray:
    """How many features of every seed have a dimensionality within .005 of the fraction: shape (seeds,)."""
    return np.asarray((np.abs(feature_dimensionality(W) - float(fraction)) <= NEAR).sum(axis=-1))


def lined_up(W: np.ndarray, fraction: Fraction) -> bool:
    """Whether the features of all seeds together form a line at the fraction; W of shape (seeds, m, n)."""
    return bool(len(W)) and stands_out(feature_dimensionality(W).ravel(), float(fraction))


def _lines(found: Found, fraction: Fraction) -> list[tuple[float, float]]:
    """The (rate, density) at which there is a line."""
    return [key for key, W in found.items() if lined_up(W, fraction)]


def _shown(keys: Iterable[tuple[float, float]]) -> str:
    """Densities by rate, as text."""
    by_rate = {rate: [f"{p:.3g}" for r, p in keys if r == rate] for rate in RATES}
    return "; ".join(f"{', '.join(ps)} (rate {rate:g})" for rate, ps in by_rate.items() if ps)


def share_in_figure(W: np.ndarray, fraction: Fraction) -> np.ndarray:
    """Of the features near the fraction, the share in isolated copies of its figure; shape (seeds with any,)."""
    shares = []
    for one in W:
        near = set(np.flatnonzero(np.abs(feature_dimensionality(one) - float(fraction)) <= NEAR).tolist())
        inside = {
            i
            for component in interference_components(one)
            if component.isolated and component.kind.shape == PLATEAUX[fraction]
            for i in component.features
        }
        if near:
            shares.append(len(near & inside) / len(near))
    return np.array(shares)


def _plateau_table(found: Found) -> Table:
    rows = []
    for fraction, words in PLATEAUX.items():
        at = _lines(found, fraction)
        if at:
            best = max(at, key=lambda key: float(features_near(found[key], fraction).mean()))
            most = shown_interval(features_near(found[best], fraction))
            shares = np.concatenate([share_in_figure(found[key], fraction) for key in at])
            rows.append(
                (f"{fraction} {words}", _shown(at), f"{most} at {_shown([best])}", shown_interval(shares, percent=True))
            )
    return Table(
        "ReLU: fractions where dimensionalities form a line (mean, 95 % interval over seeds; the last over lines too)",
        ("fraction", "line at p =", "most features within .005, per seed", "of those on lines, in isolated copies"),
        rows or [("none", "", "", "")],
    )


def isolated_kinds(W: np.ndarray) -> Counter[Kind]:
    """How often each kind of isolated component is there, over all seeds."""
    return sum((kinds(interference_components(one)) for one in W), start=Counter())


def _counts(counts: Counter[Kind]) -> str:
    """Those that hold most features first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[0].size * item[1], item[0]))
    return "; ".join(f"{kind}: {c} times" if c > 1 else f"{kind}: once" for kind, c in ordered)


def _figure_table(lines: xarray.Dataset, found: Found) -> Table:
    rows = []
    for (rate, p), W in found.items():
        if not (counts := isolated_kinds(W)):
            continue
        shown = represented_features(W)
        inside = [sum(kind.size * c for kind, c in kinds(interference_components(one)).items()) for one in W]
        losses = {other: finite_losses(lines.sel(learning_rate=other, density=p)) for other in RATES}
        best = min(float(found.mean()) for found in losses.values() if len(found))
        above = float(losses[rate].mean()) / best - 1
        rows.append(
            (rate, f"{p:.3g}", shown_interval(dimensions_per_feature(W)), shown_interval(shown),
             shown_interval(inside / shown, percent=True), f"{above:.2%}",
             _counts(counts))
        )  # fmt: skip
    return Table(
        "ReLU: isolated components, all seeds together (densities without any are left out)",
        (
            "rate",
            "p",
            "D*",
            "represented",
            "of these in isolated components",
            "loss above the better rate",
            "components",
        ),
        rows or [("none", *[""] * 6)],
    )


def _dense_table(lines: xarray.Dataset, found: Found) -> Table:
    n, m = lines.sizes["feature"], lines.sizes["hidden"]
    W, cell = found[RATES[0], 1.0], lines.sel(density=1.0, learning_rate=RATES[0])
    losses, kept = finite_losses(cell), (n - m) / 12
    gram = np.swapaxes(W, -1, -2) @ W
    apart = np.linalg.norm(gram @ gram - gram, axis=(1, 2)) / np.linalg.norm(gram, axis=(1, 2))
    D = feature_dimensionality(W)
    # A feature that is never predicted costs E x^2 = 1/3 instead of its variance.
    dead = (gram.sum(axis=-1) / 2 + cell["b"].values[_kept(cell)] <= 0).sum(axis=-1)
    rows = [
        ("loss over that of m features kept, (n - m)/12", shown_interval(losses / kept)),
        ("dead features: predicted 0 at the mean input", shown_interval(dead)),
        ("loss over (n - m)/12 + 1/4 for every dead feature", shown_interval(losses / (kept + dead / 4))),
        ("distance of G = WᵀW from a projection, |G² - G|/|G|", shown_interval(apart)),
        ("D*", shown_interval(dimensions_per_feature(W))),
        ("features represented", shown_interval(represented_features(W))),
        ("smallest feature dimensionality", shown_interval(D.min(axis=-1))),
        ("largest feature dimensionality", shown_interval(D.max(axis=-1))),
    ]
    return Table(
        f"ReLU at p = 1, n = {n}, m = {m}, rate {RATES[0]:g}: any subspace will do (mean and 95 % interval over seeds)",
        ("measure", "value"),
        rows,
    )


def _line_claims(found: Found, m: int) -> list[Verdict]:
    if not any(len(W) for W in found.values()):
        return [claim("ReLU dimensionalities line up at fractions", None, "every run diverged")]
    claims = []
    for fraction, words in PLATEAUX.items():
        at = _lines(found, fraction)
        near = {key: features_near(W, fraction) for key, W in found.items() if len(W)}
        best = max(near, key=lambda key: float(near[key].mean()))
        shares = np.concatenate([share_in_figure(found[key], fraction) for key in at]) if at else np.zeros(0)
        measured = (
            f"lines at p = {_shown(at)}; {shown_interval(shares, percent=True)} of their features in isolated copies"
            if at
            else f"no line; most features near it, per seed: {shown_interval(near[best])} at p = {_shown([best])}"
        )
        # Undecided where the seeds do not agree on what stands on the line.
        _, low, high = interval(shares) if len(shares) else (0.0, 0.0, 0.0)
        holds = None if at and low < _MOSTLY <= high else bool(at) and low >= _MOSTLY
        claims.append(claim(f"ReLU dimensionalities line up at {fraction}, and this means: {words}", holds, measured))
    for level in (1.0, 0.5):
        sticky, ranges = [], []
        for rate in RATES:
            stars = {p: float(dimensions_per_feature(W).mean()) for (r, p), W in found.items() if r == rate and len(W)}
            if not stars:
                continue
            at_level = [p for p, D in stars.items() if abs(np.log(D / level)) <= 0.1]
            evenly = 0.2 * (len(stars) - 1) / max(-np.log(min(stars.values())), 0.2)
            sticky.append(len(at_level) >= 2 * evenly)
            ranges.append(
                f"within 10 % at {len(at_level)} of {len(stars)} densities"
                + (f", p = {at_level[0]:.3g} to {at_level[-1]:.3g}" if at_level else "")
                + f" (rate {rate:g}; {evenly:.2g} if D* fell evenly)"
            )
        claims.append(
            claim(f"D* is sticky at {Fraction(level)}: twice as many densities as if it fell evenly", all(sticky),
                  "; ".join(ranges))
        )  # fmt: skip
    sums = [float(feature_dimensionality(W).sum(axis=-1).max()) for W in found.values() if len(W)]
    claims.append(
        Verdict(
            "Feature dimensionalities add up to at most the hidden dimension",
            "proved" if max(sums) <= m * (1 + 1e-9) else "refuted",
            "with W_i = S^(1/2) u_i, S = W W^T and sum_i u_i u_i^T a projection, Cauchy and Schwarz give D_i <= "
            f"|u_i|^2; largest sum measured {max(sums):.6g} of {m}",
        )
    )
    return claims


def _curve_claims(curves: xarray.Dataset) -> list[Verdict]:
    names, densities = [str(v) for v in curves["activation"].values], curves["density"].values
    n, m = curves.sizes["feature"], curves.sizes["hidden"]
    weights = {name: {p: _of_curve(curves, name, p) for p in densities} for name in names}
    half = {name: [p for p in densities if lined_up(weights[name][p], Fraction(1, 2))] for name in names}
    shown = [f"{name} at p = {', '.join(f'{p:g}' for p in ps)}" for name, ps in half.items() if ps]
    claims = [
        claim(
            "Only ReLU is sticky at 1/2",
            bool(half["relu"]) and not any(ps for name, ps in half.items() if name != "relu"),
            f"lines at 1/2: {'; '.join(shown) or 'none'}",
        )
    ]
    sparsest = {name: weights[name][densities[-1]] for name in names if len(weights[name][densities[-1]])}
    counts = {name: float(represented_features(W).mean()) for name, W in sparsest.items()}
    inverse = {name: float((1 / dimensions_per_feature(W)).mean()) for name, W in sparsest.items()}
    held = [counts[name] / m for name in ("sigmoid", "solu") if name in counts]
    over = [f"{name} ({v:.3g}, with {counts[name]:.4g} of {n} represented)" for name, v in inverse.items() if v > n / m]
    claims.append(
        claim(
            "Sigmoid and SoLU hold about 20 features per dimension",
            (n / m >= 15 and min(held) >= 15) if len(held) == 2 else None,
            f"no more than n/m = {n / m:.3g} are possible; features represented per dimension: "
            f"{', '.join(f'{v:.3g}' for v in held) or 'not measured'}; 1/D* exceeds "
            f"that ceiling for {', '.join(over) or 'no activation'} "
            f"at p = {densities[-1]:g}: D* mixes norms with numbers",
        )
    )
    return claims


EXPERIMENT = Experiment(
    "dimensions",
    "Dimensions per feature",
    "How are hidden dimensions shared out as features become sparse, and at which fractions do the shares pile up?",
    "Elhage et al. 2022, the geometry of superposition; activation-function study (2023)",
    run,
)
