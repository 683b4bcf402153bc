"""Zipf densities: how the loss of trained models falls with the hidden dimension, beside the proved exponents."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

import theory
from verify.experiments.base import Experiment, Outcome, Run, Table, claim
from verify.scaling import fitted_exponent
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["EXPERIMENT"]

ACTIVATIONS = ["linear", "relu", "gelu", "power:2"]
EXPONENTS = [1.2, 1.5, 2.0]
HIDDEN = [1, 2, 4, 8, 16]
TOP = 0.05


def run(how: Run) -> Outcome:
    """Train over m for densities p_i = p_1 i^(-s); fit the slope of the loss against m."""
    from verify.plots.zipf import zipf_figure

    n = how.choose(20, 64, 200)
    hidden = how.choose(HIDDEN[:3], HIDDEN, [*HIDDEN, 32])
    names = how.choose(ACTIVATIONS[:2], ACTIVATIONS, ACTIVATIONS)
    exponents = how.choose(EXPONENTS[1:2], EXPONENTS, EXPONENTS)
    runs = how.sweep(
        f"n{n}",
        {"activation": names, "n_features": n, "n_hidden": hidden, "bias": [False, True],
         "density": [_densities(n, s) for s in exponents], "seeds": how.choose(2, 4, 8), "restarts": 0,
         "loss_rtol": 1e-3, "training": {"steps": how.choose(300, 1500, 3000)}},
    )  # fmt: skip
    runs = runs.assign_coords(density=exponents).rename(density="s")
    rows = []
    for name in names:
        for s in exponents:
            for has_bias in (False, True):
                best = _best(runs.sel(activation=name, s=s, bias=has_bias))
                fit = fitted_exponent(np.array(hidden), best)
                zero = TOP * sum(i**-s for i in range(1, n + 1)) / 3
                shares = [f"{value / zero:.3g}" for value in best]
                slope = "—" if fit is None else f"{fit[0]:.2f} ± {fit[1]:.2f}"
                rows.append((name, s, "yes" if has_bias else "no", *shares, slope, _theory(name, s, has_bias)))
    header = (
        "activation", "s", "bias", *(f"m = {m}" for m in hidden), "fitted slope -d log L/d log m",
        "proved exponent, n infinite, p_1 -> 0",
    )  # fmt: skip
    protocol = [
        f"n = {n} features of density p_i = {TOP:g} i^(-s), equal importance, uniform values; Protocol() with "
        f"{how.choose(300, 1500, 3000)} steps; best of {how.choose(2, 4, 8)} seeds.",
        "Entries: loss over that of predicting 0. A fitted slope over few m is no exponent: its interval includes "
        "curvature, and the last features run out at m near n.",
    ]
    tables = [Table("Loss against the hidden dimension", header, rows)]
    return Outcome(protocol, tables, _claims(runs), {"zipf_scaling": zipf_figure(runs)})


def _densities(n: int, s: float) -> list[float]:
    return [float(f"{TOP * i**-s:.6g}") for i in range(1, n + 1)]


def _best(cells: xarray.Dataset) -> np.ndarray:
    return np.asarray(cells["loss"].min("seed").values)


def _theory(name: str, s: float, has_bias: bool) -> str:
    try:
        found = theory.scaling_exponent(name, s, bias=has_bias)
    except theory.InputError:
        return "—"
    if found.is_exact:
        return f"{float(found.lower):.3g}"
    low, high = (("?" if value is None else f"{float(value):.3g}") for value in (found.lower, found.upper))
    return f"[{low}, {high}]"


def _claims(runs: xarray.Dataset) -> list[Verdict]:
    hidden = runs["n_hidden"].values
    steps: list[tuple[Any, ...]] = []
    for name in runs["activation"].values:
        for s in runs["s"].values:
            for has_bias in (False, True):
                best = _best(runs.sel(activation=name, s=s, bias=has_bias))
                steps += [(str(name), float(s), has_bias, int(m), float(b / a))
                          for m, (a, b) in zip(hidden[1:], pairwise(best), strict=True)]  # fmt: skip
    rising = [step for step in steps if not step[-1] <= 1.001]
    found = [
        claim(
            "More hidden dimensions never hurt",
            not rising,
            f"the best trained loss falls in {len(steps) - len(rising)} of {len(steps)} doublings of m"
            + ("" if not rising else "; not for " + ", ".join(f"{a} s={s:g} m={m}" for a, s, _, m, _ in rising[:5])),
        )
    ]
    gains = {}
    for s in runs["s"].values:
        linear, relu = (_best(runs.sel(activation=name, s=s, bias=True)) for name in ("linear", "relu"))
        gain = fitted_exponent(hidden, relu / linear)
        if gain:
            gains[float(s)] = gain
    found.append(
        claim(
            "Superposition makes the loss fall faster with m than dedicating dimensions (linear)",
            _all_positive(list(gains.values())),
            "fitted slope of ReLU minus that of linear: "
            + ", ".join(f"{gain:.2f} ± {half:.2f} at s = {s:g}" for s, (gain, half) in gains.items()),
        )
    )
    return found


def _all_positive(values: list[tuple[float, float]]) -> bool | None:
    """Whether all values exceed 0, given with half-widths; undecided where an interval includes 0."""
    if any(value + half < 0 for value, half in values):
        return False
    return True if values and all(value - half > 0 for value, half in values) else None


EXPERIMENT = Experiment(
    "zipf",
    "Zipf densities and the scaling of the loss",
    "How does the loss fall with the hidden dimension when the densities of features follow a power law?",
    "This project's theory (docs/scaling.md); the question is from Elhage et al. 2022, open questions",
    run,
)
