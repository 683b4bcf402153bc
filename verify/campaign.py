"""An attack on the lower bounds of the library: thousands of random models, each minimised and held against them.

Every random model (verify.random_models) is minimised four times: its sparse coefficient c(W) or c(W, b), and its loss
at three densities. Whatever the minimiser finds is the value of real weights, so a lower bound above it is false.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

import theory
from theory import Bound, ToyModel
from theory.arguments import InputError
from verify.adversary import NumericClaim
from verify.random_models import random_density, random_model
from verify.verdicts import versions
from verify.witnesses import Candidate

__all__ = ["Campaign", "Violation", "attack_bounds"]

_PER_MODEL = 4
_STARTS, _STEPS, _ROWS, _SAMPLES = 4, 60, 120, 4000
_MANY_SAMPLES = 200_000
_MOST_SUPPORTS = 2**11
# Relative to the loss of the zero map: what rounding may hide.
_ROUNDING, _SHARP = 1e-10, 1e-8
_DRAWS = 400

Bounds = Callable[[ToyModel, str], list[Bound]]
Progress = Callable[[float, float, str], None]


@dataclass(frozen=True)
class Violation:
    """Weights below a lower bound.

    Attributes:
        item: which minimisation found it: with the campaign's seed it can be repeated.
        bound: the bound, with its model.
        value: what the weights achieve, a float.
        counterexample: exact weights that confirm it; None where only floats say so.
    """

    item: int
    bound: Bound
    value: float
    counterexample: Any

    def __str__(self) -> str:
        head = f"minimisation {self.item}: {self.bound.name} gives {self.bound} for {self.bound.model.describe()}"
        return head + "\n" + (str(self.counterexample) if self.counterexample else f"weights with {self.value:.12g}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "item": self.item,
            "bound": self.bound.name,
            "of": self.bound.of,
            "model": self.bound.model.describe(),
            "bound_value": float(self.bound.expr),
            "value": self.value,
            "counterexample": None if self.counterexample is None else self.counterexample.to_dict(),
        }


@dataclass(frozen=True)
class Campaign:
    """What an attack on the lower bounds found.

    Attributes:
        minimisations: how many, four of each random model.
        starts: descents of each minimisation.
        seed: of everything random.
        comparisons: by "target/bound", how often the bound was held against a minimum.
        smallest_margin: by "target/bound", the smallest (minimum - bound)/(loss of the zero map) and its model.
        routes: how the minima were found and evaluated, with counts.
        violations: every bound that weights were found below.
        seconds: wall time.
    """

    minimisations: int
    starts: int
    seed: int
    comparisons: dict[str, int]
    smallest_margin: dict[str, tuple[float, str]]
    routes: dict[str, int]
    violations: tuple[Violation, ...]
    seconds: float = field(compare=False, default=0.0)

    @property
    def exit_code(self) -> int:
        """0 where every bound survived, 1 where one was broken."""
        return 1 if self.violations else 0

    def __str__(self) -> str:
        from verify.tables import text_table

        rows = [
            (name, str(count), f"{self.smallest_margin[name][0]:.3g}", self.smallest_margin[name][1])
            for name, count in sorted(self.comparisons.items())
        ]
        outcome = f"{len(self.violations)} VIOLATED" if self.violations else "none violated"
        lines = [
            f"{self.minimisations} minimisations of {self.starts} starts, seed {self.seed}, "
            f"{sum(self.comparisons.values())} comparisons: {outcome} ({self.seconds:.0f} s)",
            "",
            text_table(("bound", "compared", "smallest margin", "for"), rows, right=(1, 2)),
            "",
            "margin: (smallest value found - bound)/(loss of W = 0); routes: "
            + ", ".join(f"{name} {count}" for name, count in sorted(self.routes.items())),
        ]
        return "\n".join([*lines, *(f"\n{violation}" for violation in self.violations)])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "minimisations": self.minimisations,
            "starts": self.starts,
            "seed": self.seed,
            "comparisons": self.comparisons,
            "smallest_margin": {name: {"margin": v, "model": w} for name, (v, w) in self.smallest_margin.items()},
            "routes": self.routes,
            "violations": [violation.to_dict() for violation in self.violations],
            "seconds": self.seconds,
            "versions": versions(),
        }


def attack_bounds(
    minimisations: int = 10_000, seed: int = 0, progress: Progress | None = None, bounds: Bounds | None = None
) -> Campaign:
    """Holds every lower bound of the library against minimised losses of random models.

    Of each model the sparse coefficient is minimised once, and the loss at three densities from 1/1000 to 1, over W,
    and over b where the model has one. Minimisation i depends on the seed and on i alone, so that a longer campaign
    repeats a shorter one and goes on.

    Args:
        minimisations: how many.
        seed: of models and starts.
        progress: called with (done, total, text).
        bounds: the lower bounds to attack, as a function of a model and of "sparse" or "loss"; by default
            `theory.lower_bounds`.

    Raises:
        InputError: minimisations below 1, or a seed below 0.
    """
    for name, value, least in (("minimisations", minimisations, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{name}={value!r} must be an integer >= {least}")
    attacked = bounds or theory.lower_bounds
    started = perf_counter()
    comparisons: dict[str, int] = {}
    margins: dict[str, tuple[float, str]] = {}
    routes: dict[str, int] = {}
    violations: list[Violation] = []
    for item in range(minimisations):
        if item % _PER_MODEL == 0:
            drawn = _attackable(np.random.default_rng([seed, item]), attacked)
        rng = np.random.default_rng([seed, item, 1])
        of = "loss" if item % _PER_MODEL else "sparse"
        model = drawn.replace(density=random_density(rng))
        found, route = (_minimise_sparse if of == "sparse" else _minimise_loss)(model, rng)
        scale, claims = _zero_map(model, of), _claims(model, of, attacked)
        open_to = found.value - found.error if found.error > _SHARP * scale else np.inf
        if route == "rows" and any(open_to < float(bound.expr) for bound in claims):
            found, route = _sharpened(model, found, rng), "rows, sharpened"
        routes[route] = routes.get(route, 0) + 1
        for bound in claims:
            name = f"{of}/{bound.name}"
            comparisons[name] = comparisons.get(name, 0) + 1
            margin = (found.value - float(bound.expr)) / scale
            if name not in margins or margin < margins[name][0]:
                margins[name] = margin, model.describe()
            if margin < -(_ROUNDING + found.error / scale):
                claim = NumericClaim(model, "lower", of, bound.expr)
                violations.append(Violation(item, bound, found.value, claim.refutation(found)))
        if progress is not None:
            progress(item + 1, minimisations, f"{len(violations)} violations")
    return Campaign(
        minimisations, _STARTS, seed, comparisons, margins, routes, tuple(violations), perf_counter() - started
    )


def _attackable(rng: np.random.Generator, bounds: Bounds) -> ToyModel:
    """A random model that has bounds."""
    for _ in range(_DRAWS):
        model = random_model(rng)
        if all(_claims(model, of, bounds) for of in ("sparse", "loss")):
            return model
    raise InputError(f"bounds: none of {_DRAWS} random models has a lower bound")


def _claims(model: ToyModel, of: str, bounds: Bounds) -> list[Bound]:
    """The numeric bounds that are stated for this very model: one for b = 0 is no claim about a model with a bias."""
    return [bound for bound in bounds(model, of) if bound.value is not None and bound.model == model]


def _zero_map(model: ToyModel, of: str) -> float:
    """The loss of W = 0, b = 0, in whose units margins are given."""
    whole = float(model.law.moment(2)) * sum(float(weight) for weight in model.importances)
    return whole * (float(model.density) if of == "loss" else 1.0)


def _minimise_sparse(model: ToyModel, rng: np.random.Generator) -> tuple[Candidate, str]:
    import numerics

    start, error = int(rng.integers(2**31)), 1e-12 * _zero_map(model, "sparse")
    if model.bias:
        optimum = numerics.minimise_biased_coefficient(model, restarts=_STARTS, seed=start, steps=300)
        return Candidate(optimum.W, optimum.b, optimum.coefficient, error, False, "search"), "c(W, b)"
    best = numerics.minimise_sparse_coefficient(model, restarts=_STARTS, seed=start, steps=300)
    return Candidate(best.W, None, best.coefficient, error, False, "search"), "c(W)"


def _minimise_loss(model: ToyModel, rng: np.random.Generator) -> tuple[Candidate, str]:
    """Descends on the exact loss where it is cheap, else on the loss of weighted rows; the value is the true loss."""
    from numerics.minimise.descent import lbfgs

    objective, route = _objective(model, rng)
    n, m, scale = int(model.n_features), int(model.n_hidden), _zero_map(model, "loss")

    def flat(x: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        b = x[:, m * n :] if model.bias else np.zeros((len(x), n))
        with np.errstate(over="ignore", invalid="ignore"):
            value, d_weights, d_bias = objective(x[:, : m * n].reshape(-1, m, n), b)
        parts = [d_weights.reshape(len(x), -1), *([d_bias] if model.bias else [])]
        return value / scale, np.concatenate(parts, axis=1) / scale

    ended = lbfgs(flat, _starts(model, rng), _STEPS, gradient_tolerance=1e-10, value_tolerance=1e-11)
    best = ended.x[int(np.argmin(np.where(np.isfinite(ended.value), ended.value, np.inf)))]
    W, b = best[: m * n].reshape(m, n), best[m * n :] if model.bias else None
    sampled: dict[str, Any] = {"method": "monte_carlo", "samples": _SAMPLES} if route == "rows" else {}
    return _evaluated(model, W, b, rng, **sampled), route


def _sharpened(model: ToyModel, found: Candidate, rng: np.random.Generator) -> Candidate:
    """The same weights with a smaller error: by many more samples where quadrature would take seconds."""
    form = model.activation.power_form
    if form is not None and not form.exponent.is_integer and model.law.name != "binary":
        return _evaluated(model, found.W, found.b, rng, method="monte_carlo", samples=_MANY_SAMPLES)
    return _evaluated(model, found.W, found.b, rng, rtol=1e-5, atol=_SHARP * _zero_map(model, "loss"))


def _evaluated(model: ToyModel, W: Any, b: Any, rng: np.random.Generator, **how: Any) -> Candidate:
    import numerics

    estimate = numerics.expected_loss(model, W, b, seed=int(rng.integers(2**31)), **how)
    # A 95 % interval is too weak to refute with: take three of them.
    error = estimate.error * (3 if estimate.kind == "statistical" else 1)
    return Candidate(W, b, estimate.value, error, estimate.kind == "enclosure", f"search, {estimate.method}")


def _starts(model: ToyModel, rng: np.random.Generator) -> np.ndarray:
    """The optimum of the sparse limit, one feature per dimension, antipodal pairs, random directions; (starts, d)."""
    n, m = int(model.n_features), int(model.n_hidden)
    shapes = [np.eye(m)[:, np.arange(n) % m] * (np.arange(n) < kept) * _turns(n, m) for kept in (m, 2 * m)]
    drawn = rng.standard_normal((_STARTS - 2, m, n))
    weights = [*shapes, *(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))]
    if not model.bias and rng.random() < 0.5:
        found, _ = _minimise_sparse(model, rng)
        weights[-1] = found.W
    # A little noise leaves saddles; the exact zeros of the shapes would hide features from each other.
    x = np.array(weights).reshape(_STARTS, m * n) + 0.02 * rng.standard_normal((_STARTS, m * n))
    return np.concatenate([x, 0.02 * rng.standard_normal((_STARTS, n))], axis=1) if model.bias else x


def _turns(n: int, m: int) -> np.ndarray:
    return np.where((np.arange(n) // m) % 2 == 0, 1.0, -1.0)


def _objective(model: ToyModel, rng: np.random.Generator) -> tuple[Any, str]:
    from numerics.exact import support_count
    from numerics.population import population_objective
    from numerics.scalar_map import polynomial_coefficients

    if polynomial_coefficients(model.activation) is not None:
        return population_objective(model), "moments"
    if model.law.name == "binary" and support_count(model) <= _MOST_SUPPORTS:
        return population_objective(model), "supports"
    return _Sampled(model, rng), "rows"


class _Sampled:
    """The loss over weighted rows, exact but for rows with two or more active features: good to descend on."""

    def __init__(self, model: ToyModel, rng: np.random.Generator):
        from numerics.scalar_map import scalar_map
        from verify.training.rows import stratified_rows

        self.x, self.chance = stratified_rows(model, _ROWS, rng)
        self.sigma = scalar_map(model.activation)
        self.importances = np.array([float(weight) for weight in model.importances])

    def __call__(self, W: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        z = (self.x @ W.transpose(0, 2, 1)) @ W + b[:, None, :]
        miss = self.sigma.value(z) - self.x
        value = np.einsum("k,skn,n->s", self.chance, miss**2, self.importances)
        pull = 2 * self.chance[:, None] * self.importances * miss * self.sigma.derivative(z)
        d_gram = pull.transpose(0, 2, 1) @ self.x
        return value, W @ (d_gram + d_gram.transpose(0, 2, 1)), pull.sum(axis=1)
