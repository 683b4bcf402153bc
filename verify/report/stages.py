"""The computations behind the page, one function per section; each returns plain data, ready for JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

import numerics
import theory
from theory import InputError, ToyModel

__all__ = ["ReportSize", "claims", "density", "intervals", "routes", "symbolic", "symmetry"]

Tick = Callable[[float, str], None]


@dataclass(frozen=True)
class ReportSize:
    """How much the report computes.

    Attributes:
        n, m: sizes of the trained autoencoders.
        densities: at which they are trained and minimised.
        seeds, steps: of training.
        restarts: of the minimiser.
        hidden: hidden dimensions of the intervals; n runs from m + 1 to 6m.
        powers: exponents, for monomials and for rectified powers.
        symmetry_n: dimension of the symmetry claims.
    """

    n: int = 5
    m: int = 2
    densities: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
    seeds: int = 8
    steps: int = 600
    restarts: int = 8
    hidden: tuple[int, ...] = (2, 3, 4)
    powers: tuple[int, ...] = (1, 2, 3)
    symmetry_n: int = 2

    @classmethod
    def full(cls) -> ReportSize:
        """The real sweep."""
        densities = (1e-4, 3e-4, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5)
        return cls(
            n=6, m=3, densities=densities, seeds=20, steps=2000, restarts=24, hidden=(2, 3, 4, 5, 6), symmetry_n=3
        )


_n, _m = sympy.Symbol("n", integer=True, positive=True), sympy.Symbol("m", integer=True, positive=True)


def activations(powers: tuple[int, ...]) -> list[tuple[str, theory.Activation]]:
    """(title, activation) of the power activations the report studies: monomials, then rectified powers."""
    monomials = [("$z$ (linear)" if k == 1 else f"$z^{k}$", theory.power(k)) for k in powers]
    rectified = [
        (
            "$(z)_+$ (ReLU)" if k == 1 else f"$(z)_+^{k}$",
            theory.activation("relu") if k == 1 else theory.rectified_power(k),
        )
        for k in powers
    ]
    return monomials + rectified


def symbolic(size: ReportSize) -> dict[str, Any]:
    """The bounds in symbols, and one derivation in full with every step re-checked."""
    rows = []
    for _, activation in activations(size.powers):
        model = ToyModel(_n, _m, activation)
        chosen = theory.lower_bounds(model, of="sparse")[0], theory.upper_bounds(model, of="sparse")[0]
        lower = next((b for b in theory.lower_bounds(model, of="sparse") if b.name == "sidelnikov"), chosen[0])
        upper = next(
            (b for b in theory.upper_bounds(model, of="sparse") if b.name in ("antipodal", "orthonormal")), chosen[1]
        )
        rows.append({"activation": activation.name, "lower": _bound(lower), "upper": _bound(upper)})
    model = ToyModel(_n, _m, theory.power(2))
    derivations = []
    for bound in (
        theory.lower_bound(model, of="sparse", name="sidelnikov"),
        theory.lower_bound(ToyModel(_n, _m, "relu"), of="sparse", name="relu-capacity"),
        theory.lower_bound(model, of="loss", name="combined"),
    ):
        checked = bound.check_derivation()
        steps = [
            {"text": text, "checked": ok, "math": _relation(bound, i)} for i, (text, ok) in enumerate(checked.items())
        ]
        derivations.append({**_bound(bound), "steps": steps, "activation": bound.model.activation.name})
    return {"rows": rows, "derivations": derivations}


def density(size: ReportSize, seed: int, tick: Tick) -> dict[str, Any]:
    """Bounds, minimised losses and trained seeds against density, for every power activation."""
    from verify.plots.dataset import bound_curve
    from verify.training import Protocol, train

    chosen = activations(size.powers)
    models = [ToyModel(size.n, size.m, activation, p) for _, activation in chosen for p in size.densities]
    protocol = Protocol(steps=size.steps)
    dataset = train(
        models,
        seeds=range(seed, seed + size.seeds),
        protocol=protocol,
        progress=lambda d, t, text: tick(0.6 * d / t, f"training: {text}"),
    )
    losses = dataset["loss"].values.reshape(len(chosen), len(size.densities), size.seeds)
    errors = dataset["loss_error"].values.reshape(losses.shape)
    panels = []
    for i, (title, activation) in enumerate(chosen):
        minimised, lower, upper = [], [], []
        for j, p in enumerate(size.densities):
            model = ToyModel(size.n, size.m, activation, p)
            optimum = numerics.minimise_loss(model, restarts=size.restarts, seed=seed)
            # A trained seed is a start like any other: the smaller of both is the best known loss.
            minimised.append(min(optimum.loss.value, *(v for v in losses[i, j] if np.isfinite(v))))
            lower.append(theory.lower_bound(model).evaluate())
            upper.append(theory.upper_bound(model).evaluate())
            tick(
                0.6 + 0.4 * (i * len(size.densities) + j + 1) / len(models), f"minimising: {activation.name}, p = {p:g}"
            )
        grid = np.geomspace(min(size.densities), max(size.densities), 60)
        sparse = ToyModel(size.n, size.m, activation)
        panels.append({
            "title": title,
            "activation": activation.name,
            "grid": grid.tolist(),
            "lower_curve": bound_curve(theory.lower_bounds(sparse), grid, 0.0).tolist(),
            "upper_curve": bound_curve(theory.upper_bounds(sparse), grid, np.nan).tolist(),
            "points": list(size.densities),
            "lower": lower,
            "upper": upper,
            "minimised": minimised,
            "trained": [[v if np.isfinite(v) else None for v in row] for row in losses[i].tolist()],
            "errors": [[v if np.isfinite(v) else None for v in row] for row in errors[i].tolist()],
            "sparse_lower": theory.lower_bound(sparse, of="sparse").evaluate(),
            "sparse_upper": theory.upper_bound(sparse, of="sparse").evaluate(),
        })  # fmt: skip
    return {
        "n": size.n,
        "m": size.m,
        "panels": panels,
        "netcdf": _netcdf(dataset),
        "protocol": dataset.attrs["protocol"],
    }


def intervals(size: ReportSize, seed: int, tick: Tick) -> dict[str, Any]:
    """Closed-form bounds on c* and the smallest c(W) found, for every n from m + 1 to 6m."""
    chosen = [*activations(size.powers)[: len(size.powers)], ("ReLU", theory.activation("relu"))]
    total, done, panels = len(chosen) * len(size.hidden), 0, []
    for m in size.hidden:
        for title, activation in chosen:
            numbers = list(range(m + 1, 6 * m + 1))
            lower, upper, best, names = [], [], [], []
            for n in numbers:
                model = ToyModel(n, m, activation)
                bounds = theory.lower_bounds(model, of="sparse")[0], theory.upper_bounds(model, of="sparse")[0]
                whole = n * float(model.law.moment(2))
                lower.append(bounds[0].evaluate() / whole)
                upper.append(bounds[1].evaluate() / whole)
                names.append([bounds[0].name, bounds[1].name])
                best.append(numerics.minimise_sparse_coefficient(model, seed=seed).coefficient / whole)
            done += 1
            tick(done / total, f"intervals: {activation.name}, m = {m}")
            panels.append(
                {
                    "title": f"{title}, $m={m}$",
                    "activation": activation.name,
                    "m": m,
                    "n": numbers,
                    "lower": lower,
                    "upper": upper,
                    "best": best,
                    "names": names,
                }
            )
    return {"panels": panels}


def routes(size: ReportSize, seed: int, tick: Tick) -> dict[str, Any]:
    """The same expected loss by every route that applies."""
    cases: list[tuple[str, ToyModel, bool]] = [
        ("z², dense", ToyModel(6, 3, theory.power(2), 0.3), False),
        ("z³, sparse", ToyModel(6, 3, theory.power(3), 0.01), False),
        ("z² with bias, two-sided", ToyModel(8, 3, theory.power(2), 0.1, law="two-sided:uniform", bias=True), True),
        ("ReLU, sparse", ToyModel(6, 3, "relu", 0.01), False),
        ("ReLU with bias", ToyModel(20, 5, "relu", 0.05, bias=True), True),
        ("rectified 3/2, exponential", ToyModel(6, 2, theory.rectified_power(1.5), 0.1, law="exponential"), False),
        ("GELU", ToyModel(10, 5, "gelu", 0.05, bias=True), True),
        ("tanh, half-normal", ToyModel(10, 5, "tanh", 0.2, law="half-normal"), False),
        ("sigmoid with bias", ToyModel(10, 5, "sigmoid", 0.1, bias=True), True),
    ]
    rows = []
    for position, (label, model, biased) in enumerate(cases):
        rng = np.random.default_rng([seed, position])
        n, m = int(model.n_features), int(model.n_hidden)
        W, b = rng.normal(scale=m**-0.5, size=(m, n)), rng.normal(scale=0.1, size=n) if biased else None
        found: list[dict[str, Any]] = []
        for method in ("exact", "quadrature", "monte_carlo"):
            try:
                estimate = numerics.expected_loss(model, W, b, method=method, seed=seed)
            except InputError as refusal:
                found.append({"method": method, "refused": str(refusal)})
                continue
            entry: dict[str, Any] = {"method": method, "value": estimate.value, "error": estimate.error}
            found.append({**entry, "kind": estimate.kind, "seconds": estimate.seconds})
        rows.append({"label": label, "model": model.describe(), "routes": found})
        tick((position + 1) / len(cases), f"routes: {label}")
    return {"rows": rows}


def symmetry(size: ReportSize, seed: int, tick: Tick) -> dict[str, Any]:
    """The derived group of every registered activation, and the verdict on four claims."""
    from verify.symmetry import check_equivariance

    keys = ["S", "B", "R+ wr S", "O"]
    names = theory.activation_names()
    rows = []
    for position, name in enumerate(names):
        derived = theory.equivariance_group(name, size.symmetry_n)
        verdicts = []
        for key in keys:
            verdict = check_equivariance(name, key, size.symmetry_n, seed=seed)
            shown = verdict.counterexample
            verdicts.append(
                {"group": key, "status": verdict.status, "counterexample": None if shown is None else str(shown)}
            )
        found = {"activation": name, "group": derived.name, "status": derived.status, "proof": list(derived.proof)}
        rows.append({**found, "verdicts": verdicts})
        tick((position + 1) / len(names), f"symmetry: {name}")
    tanh = check_equivariance("tanh", "O", 2, seed=seed)
    return {
        "keys": keys,
        "rows": rows,
        "n": size.symmetry_n,
        "tanh": {**tanh.to_dict(), "text": str(tanh.counterexample)},
    }


def claims(size: ReportSize, seed: int, tick: Tick) -> dict[str, Any]:
    """Bounds as a reader might claim them, true and false, with their verdicts."""
    from verify.bounds import check_bound

    relu, square = ToyModel(5, 2, "relu"), ToyModel(6, 3, theory.power(2))
    cases: list[tuple[str, ToyModel, dict[str, Any]]] = [
        ("z², n = 6, m = 3: capacity at most D = m(m+2)/3", square, {"lower": "n/3 - 5/16*m*(m+2)/3"}),
        ("z², n = 6, m = 3: the energy constant 1/D is off by 1 %", square, {"lower": "n/3 - 5/16*m*(m+2)/3/1.01"}),
        ("ReLU, n = 5, m = 2: capacity at most 2D = 4", relu, {"lower": "n/3 - 2*m/3"}),
        ("ReLU, n = 5, m = 2: five features fit with c* ≤ 0.27", relu, {"upper": "0.27"}),
    ]
    rows = []
    for position, (label, model, claim) in enumerate(cases):
        started = time.perf_counter()
        verdict = check_bound(model, **claim, of="sparse", seed=seed)
        ((side, text),) = claim.items()
        words = f"c* {'≥' if side == 'lower' else '≤'} {text}"
        seconds = time.perf_counter() - started
        shown = str(verdict.counterexample or "")
        entry = {"label": label, "claim": words, "model": model.describe(), "seconds": seconds, "text": shown}
        rows.append({**entry, **verdict.to_dict()})
        tick((position + 1) / len(cases), f"claims: {label}")
    return {"rows": rows}


def _bound(bound: theory.Bound) -> dict[str, Any]:
    from sympy.printing.mathml import mathml

    return {
        "name": bound.name,
        "side": bound.side,
        "of": bound.of,
        "math": mathml(bound.expr, printer="presentation"),
        "text": str(bound.expr),
        "assumptions": list(bound.assumptions),
        "equality": bound.equality,
        "source": bound.source,
        "status": bound.status,
    }


def _relation(bound: theory.Bound, position: int) -> str | None:
    from sympy.printing.mathml import mathml

    relation = bound.derivation[position].relation
    if relation is None or relation in (sympy.true, sympy.false):
        return None
    return mathml(relation, printer="presentation")


def _netcdf(dataset: Any) -> str:
    """The dataset as NetCDF bytes, in base64 so that it fits the stage's JSON."""
    import base64

    return base64.b64encode(bytes(dataset.to_netcdf(engine="scipy"))).decode()
