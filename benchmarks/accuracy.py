"""Does the error that quadrature states cover the true one? Random models against routes that share little with it.

The truth is, in turn: moments (polynomial activations), the vertex formula at a hundred digits (rectified powers under
the uniform law, up to three features), and quadrature at a far smaller tolerance (everything else).

    python benchmarks/accuracy.py --models 2000
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product

import mpmath
import numpy as np

import theory
from numerics.exact import polynomial_loss
from numerics.quadrature.adaptive import quadrature_loss
from numerics.setting import Setting, setting

POWERS = ["0.5", "1", "1.5", "2", "3"]
POLYNOMIALS = ["power:1", "power:2", "power:3"]
OTHERS = [
    *("relu", "gelu", "tanh", "sigmoid", "silu", "softplus", "elu", "leaky-relu:0.1", "softsign", "mish", "selu"),
    *("rectified-power:2", "rectified-power:1.5", "signed-power:2", "hardtanh", "relu6", "sin"),
]
BOUNDED = ["uniform", "beta:2,3", "beta:0.5,0.5", "two-sided:uniform", "two-sided:beta:2,1"]
LAWS = [*BOUNDED, "uniform", "uniform", "uniform", "exponential", "half-normal"]
DENSITIES = [1e-10, 1e-6, 1e-3, 0.01, 0.1, 0.3, 0.44, 0.6, 0.9, 0.999, 1.0]
TOLERANCES = [1e-4, 1e-6, 1e-8, 1e-10]


@dataclass(frozen=True)
class Trial:
    """One model: the error stated, the true error, and the rounding floor of the loss."""

    name: str
    stated: float
    true: float
    floor: float

    @property
    def is_covered(self) -> bool:
        """Whether the truth lies within the stated error (or the rounding of the comparison itself)."""
        return self.true <= max(self.stated, self.floor)

    @property
    def excess(self) -> float:
        """How many times the stated error exceeds the larger of true error and floor."""
        return self.stated / max(self.true, self.floor)


def trial(seed: int, largest: int = 120, tightest: float = 1e-10) -> Trial:
    """A random model of at most `largest` features, and what quadrature says about it at a random tolerance."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(["moments", "vertex", "finer"], p=[0.3, 0.2, 0.5])
    n = int(
        rng.integers(1, 4)
        if kind == "vertex"
        else rng.choice([2, 3, 5, 8, 13, 30, 60, 120], p=[0.15] * 5 + [0.1, 0.1, 0.05])
    )
    n = min(n, largest)
    m = int(rng.integers(1, n + 1))
    law = "uniform" if kind == "vertex" else str(rng.choice(LAWS))
    names = {"moments": POLYNOMIALS, "vertex": [f"rectified-power:{a}" for a in POWERS], "finer": OTHERS}[str(kind)]
    activation = str(rng.choice(names))
    density: object = float(rng.choice(DENSITIES))
    if rng.random() < 0.25:
        density = tuple(float(p) for p in rng.choice([0.0, *DENSITIES], n))
    W, b = random_weights(rng, n, m), rng.normal(size=n) * rng.choice([0.0, 0.3, 2.0])
    importance = tuple(float(v) for v in rng.choice([0.0, 0.1, 1.0, 5.0], n)) if rng.random() < 0.25 else 1
    if importance != 1 and not any(importance):
        importance = 1
    model = theory.ToyModel(n, m, activation, density, law=law, importance=importance, bias=True)
    at, rtol = setting(model, W, b), max(float(rng.choice(TOLERANCES)), tightest)
    found = quadrature_loss(at, rtol)
    value = float(at.importances @ found.per_feature)
    truth, doubt = true_loss(at, str(kind), activation, found.total_error)
    floor = 4 * np.finfo(float).eps * n**0.5 * abs(truth) + doubt + 1e-300
    name = f"seed {seed}: {activation} n={n} m={m} {law} density {density if isinstance(density, float) else 'mixed'}"
    return Trial(f"{name} rtol {rtol:g} ({kind})", found.total_error, abs(value - truth), floor)


def random_weights(rng: np.random.Generator, n: int, m: int) -> np.ndarray:
    """Gaussian weights of several sizes; some with a zero column, antipodal pairs, or one large column."""
    W = rng.normal(size=(m, n)) / np.sqrt(m) * rng.choice([0.1, 0.5, 1.0, 1.0, 1.0, 3.0])
    shape = rng.choice(["plain", "plain", "plain", "zero", "pairs", "large"])
    if shape == "zero":
        W[:, rng.integers(n)] = 0.0
    elif shape == "pairs" and n > 1:
        W[:, 1] = -W[:, 0]
    elif shape == "large":
        W[:, 0] *= 10
    return W


def true_loss(at: Setting, kind: str, activation: str, stated: float) -> tuple[float, float]:
    """The loss by another route, and how far rounding may carry that."""
    if kind == "moments":
        value, error = polynomial_loss(at)
        return float(at.importances @ value), float(at.importances @ error)
    if kind == "vertex":
        return vertex_loss(at, float(activation.split(":")[1])), 0.0
    # The compressed kernel has tests of its own against the recursion, which takes too long for many features.
    wanted = stated / 30 if np.isfinite(stated) else 0.0
    finer = quadrature_loss(at, 1e-14, wanted, compressed=at.n_features > 30)
    # Where rounding does not allow a finer value, the two can only be compared to its own error.
    return float(at.importances @ finer.per_feature), 0.0 if finer.converged else finer.total_error


def vertex_loss(at: Setting, exponent: float) -> float:
    """Loss of max(0, z)**exponent under the uniform law, over all supports, at a hundred digits.

    E (sum g_i U_i + b)_+^r = Gamma(r+1)/(Gamma(r+s+1) prod g) sum_v (-1)^(s-|v|) (g.v + b)_+^(r+s), and
    E U_j z_+^r follows by integration by parts in U_j.
    """
    with mpmath.workdps(100):
        gram, a, n = mpmath.matrix(at.gram.tolist()), mpmath.mpf(exponent), at.n_features

        def mean(g: list, shift: object, r: object) -> object:
            g = [entry for entry in g if entry != 0]
            total = mpmath.mpf(0)
            for v in product((0, 1), repeat=len(g)):
                base = shift + mpmath.fsum(x * e for x, e in zip(g, v, strict=True))
                if base > 0:
                    total += (-1) ** (len(g) - sum(v)) * base ** (r + len(g))
            return total * mpmath.gamma(r + 1) / (mpmath.gamma(r + len(g) + 1) * mpmath.fprod(g))

        loss = mpmath.mpf(0)
        for support in product((0, 1), repeat=n):
            pairs = zip(at.densities, support, strict=True)
            chance = mpmath.fprod(mpmath.mpf(p) if on else 1 - mpmath.mpf(p) for p, on in pairs)
            active = [j for j in range(n) if support[j]]
            for i in range(n):
                g, shift = [gram[i, j] for j in active], mpmath.mpf(float(at.bias[i]))
                value = mean(g, shift, 2 * a)
                if support[i]:
                    own, rest = gram[i, i], [gram[i, j] for j in active if j != i]
                    if own == 0:
                        cross = mean(rest, shift, a) / 2
                    else:
                        cross = (mean(rest, shift + own, a + 1) - mean(g, shift, a + 1)) / (own * (a + 1))
                    value += mpmath.mpf(1) / 3 - 2 * cross
                loss += chance * float(at.importances[i]) * value
        return float(loss)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    options = parser.parse_args()
    trials = []
    for seed in range(options.first, options.first + options.models):
        try:
            trials.append(trial(seed))
        except theory.InputError as refusal:
            print(f"seed {seed} refused: {refusal}")
            continue
        last = trials[-1]
        if not last.is_covered or last.excess > 1e4:
            print(
                f"{'MISSED' if not last.is_covered else 'wide'}: {last.name}: "
                f"stated {last.stated:.1e}, true {last.true:.1e}, floor {last.floor:.1e}",
                flush=True,
            )
    covered = np.mean([one.is_covered for one in trials])
    tight = np.mean([one.excess <= 1e4 for one in trials])
    excess = np.quantile([one.excess for one in trials], [0.05, 0.5, 0.95])
    print(f"{len(trials)} models: covered {covered:.2%}; at most 1e4 times the true error {tight:.2%}")
    worst = np.quantile([one.true / one.stated if one.true > one.floor else 0.0 for one in trials], 0.995)
    print(f"true/stated at 99.5 %: {worst:.2g}")
    print("stated/true at 5 %, 50 %, 95 %: " + ", ".join(f"{v:.2g}" for v in excess))


if __name__ == "__main__":
    main()
