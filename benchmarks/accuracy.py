"""Does the error that quadrature states cover the true one? Random models against routes that share little with it.

The truth is, in turn: moments (polynomial activations), sums over vertices without rounding (piecewise polynomials
under the uniform law) or at a hundred digits (rectified powers), tensor rules over every support (smooth activations),
all supports (the binary law), and quadrature at a far smaller tolerance by the slower kernel (everything else).

    python benchmarks/accuracy.py --models 2000
    python benchmarks/accuracy.py --models 2000 --first 30000 --write     # the tables of docs/expected_loss.md
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import mpmath
import numpy as np

import theory
from numerics.compile import compile_activation
from numerics.exact import enumerated_loss, polynomial_loss
from numerics.lattice import lattice_loss, levels_needed
from numerics.laws import numeric_law, unit_rule
from numerics.monte_carlo.sampling import monte_carlo_loss
from numerics.quadrature.adaptive import quadrature_loss
from numerics.scalar_map import scalar_map
from numerics.setting import Setting, setting
from numerics.vertex import vertex_applies, vertex_loss

DOCUMENT = Path(__file__).parents[1] / "docs" / "expected_loss.md"
POWERS = ["0.5", "1.5", "2.5", "1", "2", "3"]
POLYNOMIALS = ["power:1", "power:2", "power:3"]
REGISTERED = [name for name in theory.activation_names() if theory.activation(name).is_elementwise]
OTHERS = [*REGISTERED, *("leaky-relu:0.1", "rectified-power:1.5", "rectified-power:2", "signed-power:2", "tanh(20*z)")]
PIECEWISE = [name for name in OTHERS if vertex_applies(theory.ToyModel(2, 1, name, 0.1))]
SMOOTH = [name for name in REGISTERED if not theory.activation(name).kinks]
BOUNDED = ["uniform", "beta:2,3", "beta:0.5,0.5", "two-sided:uniform", "two-sided:beta:2,1"]
LAWS = [*BOUNDED, "uniform", "uniform", "exponential", "half-normal", "two-sided:half-normal"]
DENSITIES = [1e-10, 1e-6, 1e-3, 0.01, 0.1, 0.3, 0.44, 0.6, 0.9, 0.999, 1.0]
TOLERANCES = [1e-4, 1e-6, 1e-8, 1e-10]
KINDS = {"moments": 0.2, "exact": 0.3, "digits": 0.1, "tensor": 0.1, "supports": 0.05, "finer": 0.25}


@dataclass(frozen=True)
class Trial:
    """One model: the error stated, the true error, and the rounding floor of the loss."""

    name: str
    stated: float
    true: float
    floor: float
    family: str = ""
    law: str = ""
    kind: str = ""
    sampled: float | None = None

    @property
    def is_covered(self) -> bool:
        """Whether the truth lies within the stated error (or the rounding of the comparison itself)."""
        return self.true <= max(self.stated, self.floor)

    @property
    def excess(self) -> float:
        """How many times the stated error exceeds the larger of true error and floor."""
        return self.stated / max(self.true, self.floor) if np.isfinite(self.stated) else np.inf


def trial(seed: int, largest: int = 120, tightest: float = 1e-10, samples: int = 0) -> Trial:
    """A random model of at most `largest` features, and what quadrature says about it at a random tolerance.

    With `samples`, Monte Carlo is asked too, and `sampled` is its deviation in units of its 95 % half-width.
    """
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    n = int(rng.choice([2, 3, 5, 8, 13, 30, 60, 120], p=[0.17] * 5 + [0.08, 0.05, 0.02]))
    n = min(n, largest, {"exact": 5, "digits": 3, "tensor": 3, "supports": 10}.get(kind, n))
    m = int(rng.integers(1, n + 1))
    law, activation = random_law(rng, kind), random_activation(rng, kind)
    density: object = float(rng.choice(DENSITIES))
    if rng.random() < 0.25:
        density = tuple(float(p) for p in rng.choice([0.0, *DENSITIES], n))
    W, b = random_weights(rng, n, m), rng.normal(size=n) * rng.choice([0.0, 0.3, 2.0])
    importance = tuple(float(v) for v in rng.choice([0.0, 0.1, 1.0, 5.0], n)) if rng.random() < 0.25 else 1
    if importance != 1 and not any(importance):
        importance = 1
    model = theory.ToyModel(n, m, activation, density, law=law, importance=importance, bias=True)
    at, rtol = setting(model, W, b), max(float(rng.choice(TOLERANCES)), tightest)
    if kind == "supports":
        levels = levels_needed(at.densities, 2 if model.law.is_two_sided else 1, rtol)
        part = lattice_loss(at, at.n_features if levels is None else levels, rtol)
        value, stated = float(at.importances @ part.per_feature), part.total_error
    else:
        found = quadrature_loss(at, rtol)
        value, stated = float(at.importances @ found.per_feature), found.total_error
    truth, doubt = true_loss(at, kind, activation, stated)
    floor = 4 * np.finfo(float).eps * n**0.5 * abs(truth) + doubt + 1e-300
    name = f"seed {seed}: {activation} n={n} m={m} {law} density {density if isinstance(density, float) else 'mixed'}"
    sampled = None
    if samples:
        drawn = monte_carlo_loss(at, rtol, seed=seed, samples=samples)
        half_width = max(drawn.error, stated, floor)
        sampled = abs(float(at.importances @ drawn.per_feature) - value) / half_width
    label = f"{name} rtol {rtol:g} ({kind})"
    return Trial(label, stated, abs(value - truth), floor, family(activation), law, kind, sampled)


def random_law(rng: np.random.Generator, kind: str) -> str:
    """A law for which the truth of this kind is known."""
    laws = {
        "exact": ["uniform", "two-sided:uniform"],
        "digits": ["uniform"],
        "supports": ["binary", "two-sided:binary"],
    }
    laws["tensor"] = ["uniform", "two-sided:uniform", "beta:2,3"]
    return str(rng.choice(laws.get(kind, LAWS)))


def random_activation(rng: np.random.Generator, kind: str) -> str:
    """An activation for which the truth of this kind is known."""
    names = {"moments": POLYNOMIALS, "exact": PIECEWISE, "digits": [f"rectified-power:{a}" for a in POWERS]}
    names["tensor"] = SMOOTH
    return str(rng.choice(names.get(kind, OTHERS)))


def family(activation: str) -> str:
    """What makes an activation hard for quadrature."""
    sigma = scalar_map(theory.activation(activation))
    if sigma.jumps:
        return "with jumps"
    if sigma.is_singular:
        return "non-integer powers"
    if sigma.kinks:
        return "piecewise polynomial" if sigma.degree is not None else "other kinks"
    return "polynomial" if sigma.degree is not None else "smooth"


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
    routes: dict[str, Callable[[Setting], tuple[np.ndarray, np.ndarray]]] = {
        "moments": polynomial_loss,
        "exact": vertex_loss,
        "tensor": tensor_loss,
        "supports": enumerated_loss,
    }
    if kind in routes:
        value, error = routes[kind](at)
        doubt = float(at.importances @ error)
        # Steep functions are beyond the tensor rules, which then know less than what they are to judge.
        if kind != "tensor" or doubt <= max(1e-3 * stated, 1e-12 * float(at.importances @ value)):
            return float(at.importances @ value), doubt
    if kind == "digits":
        return digits_loss(at, float(activation.split(":")[1])), 0.0
    # The compressed kernel has tests of its own against the recursion, which takes too long for many features.
    wanted = stated / 30 if np.isfinite(stated) else 0.0
    finer = quadrature_loss(at, 1e-14, wanted, compressed=at.n_features > 30)
    # Where rounding does not allow a finer value, the two can only be compared to its own error.
    return float(at.importances @ finer.per_feature), 0.0 if finer.converged else finer.total_error


def tensor_loss(at: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Loss of a smooth activation for up to three features: every support by tensor rules, and their last change."""
    law, sigma = numeric_law(at.model.law), compile_activation(at.model.activation)

    def with_rule(count: int) -> np.ndarray:
        nodes, weights = unit_rule(count)
        weights = weights * law.magnitude_density(nodes, 1 - nodes)
        signs = law.signs
        u = np.concatenate([sign * nodes for sign in signs])
        w = np.concatenate([weights / len(signs)] * len(signs))
        total = np.zeros(at.n_features)
        for support in product((0, 1), repeat=at.n_features):
            chance = np.prod([p if on else 1 - p for p, on in zip(at.densities, support, strict=True)])
            axes, shares = zip(*[(u, w) if on else (np.zeros(1), np.ones(1)) for on in support], strict=True)
            x = np.stack([grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")], axis=1)
            share = np.prod(np.stack([grid.ravel() for grid in np.meshgrid(*shares, indexing="ij")], axis=1), axis=1)
            total += chance * (share @ (x - sigma((x @ at.W.T) @ at.W + at.bias)) ** 2)
        return total

    fine = with_rule(48)
    return fine, np.abs(fine - with_rule(36)) + 1e-14 * np.abs(fine)


def digits_loss(at: Setting, exponent: float) -> float:
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


def table(trials: list[Trial], column: str) -> list[str]:
    """A line of Markdown per family, law or kind of truth."""
    rows = [
        f"| {column} | models | covered | at most 10⁴ times | stated / true: 5 %, 50 %, 95 % |",
        "|---|--:|--:|--:|--:|",
    ]
    groups: dict[str, list[Trial]] = {}
    for one in trials:
        groups.setdefault(getattr(one, column), []).append(one)
    for name, some in [*sorted(groups.items()), ("all", trials)]:
        covered, tight = (
            np.mean([f(one) for one in some]) for f in (lambda t: t.is_covered, lambda t: t.excess <= 1e4)
        )
        low, middle, high = np.quantile([one.excess for one in some], [0.05, 0.5, 0.95], method="lower")
        rows.append(f"| {name} | {len(some):,} | {covered:.2%} | {tight:.1%} | {low:.2g}, {middle:.2g}, {high:.2g} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--samples", type=int, default=0, help="also ask Monte Carlo, with this many draws")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/expected_loss.md")
    options = parser.parse_args()
    trials, refused, started = [], 0, time.process_time()
    for seed in range(options.first, options.first + options.models):
        try:
            trials.append(trial(seed, samples=options.samples))
        except theory.InputError as refusal:
            refused += 1
            print(f"seed {seed} refused: {refusal}")
            continue
        last = trials[-1]
        if not last.is_covered or last.excess > 1e4:
            print(
                f"{'MISSED' if not last.is_covered else 'wide'}: {last.name}: "
                f"stated {last.stated:.1e}, true {last.true:.1e}, floor {last.floor:.1e}",
                flush=True,
            )
    missed = sorted((one.true / max(one.stated, one.floor) for one in trials if not one.is_covered), reverse=True)
    factors = f" (by factors of {', '.join(f'{v:.2g}' for v in missed)})" if missed else ""
    minutes = (time.process_time() - started) / 60
    lines = [
        f"`python benchmarks/accuracy.py {' '.join(sys.argv[1:])}`: {len(trials):,} models, {refused} refused (the "
        f"loss is infinite), {len(missed)} missed{factors}; {minutes:.0f} minutes of processor time.",
        "",
    ]
    for column in ("family", "law", "kind"):
        lines += [*table(trials, column), ""]
    drawn = [one.sampled for one in trials if one.sampled is not None]
    if drawn:
        lines.append(
            f"Monte Carlo ({options.samples:,} draws) within its 95 % interval: {np.mean(np.array(drawn) <= 1):.1%}."
        )
    print("\n".join(lines))
    if options.write:
        from sections import write_section

        write_section(DOCUMENT, "coverage", "\n".join(lines))


if __name__ == "__main__":
    main()
