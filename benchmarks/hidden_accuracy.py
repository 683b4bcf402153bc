"""Does the error that quadrature in the hidden space states cover the true one? Random models of rank one and two.

The truth is one-dimensional quadrature to 1e-12 for elementwise activations, and for the others a lattice of three
times as many points (thirty times, in one dimension).

    python benchmarks/hidden_accuracy.py --models 400
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import combinations

import numpy as np

import theory
from numerics.compile import compile_activation
from numerics.hidden_law.adaptive import hidden_loss, hidden_rank, remainder
from numerics.hidden_law.one_active import at_most_one_active
from numerics.laws import NumericLaw, numeric_law
from numerics.quadrature.adaptive import quadrature_loss
from numerics.setting import Setting, setting

SMOOTH = ["solu", "softmax", "isotropic:tanh", "isotropic:softsign"]
KINKED = ["isotropic:relu", "isotropic:sigmoid", "isotropic:gelu", "isotropic:hardtanh"]
ELEMENTWISE = ["relu", "gelu", "tanh", "leaky-relu:0.1", "hardtanh", "rectified-power:2", "rectified-power:0.5", "elu"]
LAWS = ["uniform", "uniform", "exponential", "half-normal", "beta:2,3", "two-sided:uniform", "two-sided:beta:2,1"]
DENSITIES = [1e-6, 1e-4, 0.01, 0.1, 0.3, 0.6, 0.9, 1.0]
TOLERANCES = [1e-3, 1e-4, 1e-5, 1e-7]
LARGEST_LATTICE = {1: 10**6, 2: 1200}


@dataclass(frozen=True)
class Trial:
    """One model: the error stated, the true error, and how well the truth is known."""

    name: str
    stated: float
    true: float
    floor: float

    @property
    def is_covered(self) -> bool:
        """Whether the truth lies within the stated error, or the doubt of the truth itself."""
        return self.true <= self.stated + self.floor


def trial(seed: int, most_features: int = 12) -> Trial:
    """A random model, and what quadrature in its hidden space says at a random tolerance."""
    rng = np.random.default_rng(seed)
    group = [SMOOTH, KINKED, ELEMENTWISE][rng.integers(3)]
    activation, law, m = str(rng.choice(group)), str(rng.choice(LAWS)), int(rng.choice([1, 2, 2]))
    n = int(rng.integers(3, most_features + 1))
    density: object = float(rng.choice(DENSITIES))
    if rng.random() < 0.25:
        density = tuple(float(p) for p in rng.choice([0.0, *DENSITIES], n))
    importance = tuple(float(v) for v in rng.choice([0.1, 1.0, 5.0], n)) if rng.random() < 0.25 else 1
    W = rng.normal(size=(m, n)) / np.sqrt(m) * rng.choice([0.1, 0.5, 1.0, 1.0, 2.0])
    shape = rng.choice(["plain", "plain", "plain", "zero", "pairs"])
    if shape == "zero":
        W[:, rng.integers(n)] = 0.0
    elif shape == "pairs":
        W[:, 1] = -W[:, 0]
    b = rng.normal(size=n) * rng.choice([0.0, 0.3, 1.0])
    at = setting(theory.ToyModel(n, m, activation, density, law=law, importance=importance, bias=True), W, b)
    # Truth costs nine times the points; where lattices settle slowly, the tightest tolerances are left out.
    rtol = max(float(rng.choice(TOLERANCES)), 1e-7 if m == 1 or group is SMOOTH else 1e-5)
    found = hidden_loss(at, rtol)
    truth, doubt = true_loss(at, found.points)
    shown = density if isinstance(density, float) else "mixed"
    name = f"seed {seed}: {activation} n={n} m={m} {law} density {shown} rtol {rtol:g}"
    return Trial(name, found.total_error, abs(float(at.importances @ found.per_feature) - truth), doubt)


def true_loss(at: Setting, points: int) -> tuple[float, float]:
    """The loss by another route, or a far finer lattice, and the doubt about it."""
    law, outputs = numeric_law(at.model.law), compile_activation(at.model.activation)
    if at.model.activation.is_elementwise:
        finer = quadrature_loss(at, 1e-12)
        return float(at.importances @ finer.per_feature), finer.total_error
    base, error, _ = at_most_one_active(outputs, law, at.gram, at.bias, at.densities, 1e-14)
    if points == 0:
        return float(at.importances @ base), float(at.importances @ error)
    factor = 30 if hidden_rank(at.W) == 1 else 3
    finer, floor, _ = remainder(
        at, law, outputs, 2 * round(min(factor * points, LARGEST_LATTICE[hidden_rank(at.W)]) / 2) + 2
    )
    return float(at.importances @ (base + finer)), float(at.importances @ (error + floor))


def tensor_loss(at: Setting, nodes: int) -> float:
    """The loss over every support, by tensor products of Gauss-Legendre rules."""
    law, outputs = numeric_law(at.model.law), compile_activation(at.model.activation)
    u, w = law_rule(law, nodes)
    total = 0.0
    for size in range(at.n_features + 1):
        for support in combinations(range(at.n_features), size):
            on = np.isin(np.arange(at.n_features), support)
            chance = np.prod(np.where(on, at.densities, 1 - at.densities))
            if chance == 0:
                continue
            x = np.zeros((len(u) ** size, at.n_features))
            weights = np.ones(1)
            for place, j in enumerate(support):
                x[:, j] = np.tile(np.repeat(u, len(u) ** (size - 1 - place)), len(u) ** place)
                weights = np.outer(weights, w).ravel()
            squares = (x - outputs(x @ at.gram + at.bias)) ** 2 @ at.importances
            total += chance * float(weights @ squares)
    return total


def law_rule(law: NumericLaw, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for E g(U), panel by panel of the law."""
    base, share = np.polynomial.legendre.leggauss(nodes)
    found_u, found_w = [], []
    for low, high in zip(law.breaks[:-1], law.breaks[1:], strict=True):
        u = low + (high - low) * (base + 1) / 2
        weight = (high - low) / 2 * share * law.magnitude_density(u, law.breaks[-1] - u) / len(law.signs)
        for sign in law.signs:
            found_u.append(sign * u)
            found_w.append(weight)
    return np.concatenate(found_u), np.concatenate(found_w)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=400)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--features", type=int, default=12, metavar="N", help="largest number of features")
    options = parser.parse_args()
    trials = []
    for seed in range(options.first, options.first + options.models):
        try:
            trials.append(trial(seed, options.features))
        except theory.InputError as refusal:
            print(f"seed {seed} refused: {refusal}")
            continue
        last = trials[-1]
        if not last.is_covered:
            print(
                f"MISSED: {last.name}: stated {last.stated:.1e}, true {last.true:.1e}, floor {last.floor:.1e}",
                flush=True,
            )
        if len(trials) % 50 == 0:
            print(f"{len(trials)}: covered {np.mean([one.is_covered for one in trials]):.2%}", flush=True)
    excess = np.quantile([one.stated / max(one.true, one.floor, 1e-300) for one in trials], [0.05, 0.5, 0.95])
    print(f"{len(trials)} models: covered {np.mean([one.is_covered for one in trials]):.2%}")
    print("stated/true at 5 %, 50 %, 95 %: " + ", ".join(f"{v:.2g}" for v in excess))


if __name__ == "__main__":
    main()
