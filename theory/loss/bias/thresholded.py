"""What a negative bias achieves: thresholded codes, and codes so large that only a bias can hold them.

Features of equal norm and threshold tau interfere through f_tau, which vanishes for cosines up to tau; so any spherical
code with cosines at most tau is held at d(tau) per feature. Source: docs/theory.md, T11(c) and (d).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import sympy

from theory.bound import Bound, Step
from theory.loss.bias.coefficient import has_thresholds
from theory.loss.bias.threshold import ThresholdLaw, threshold_distortion, threshold_kernel, threshold_law
from theory.loss.capacity import sparse_constants
from theory.loss.geometry.codes import Code
from theory.loss.geometry.configurations import blocks_that_fit
from theory.toy_model import ToyModel

__all__ = ["THRESHOLDED", "ThresholdedCode", "best_threshold", "best_thresholded_blocks", "thresholded_code"]

_THEORY = "docs/theory.md"
# The loss is stationary in tau: a threshold this close to the best one loses nothing that is printed.
_DENOMINATOR = 10**7
_LARGEST_SEARCH, _LARGEST_M = 60, 16
_LARGEST_REMAINDER = 200
_LARGEST_DRAWN, _DRAWS = 200, 200_000


@dataclass(frozen=True)
class ThresholdedCode:
    """A code whose features share one norm and one threshold, at the norm that is best for it.

    Attributes:
        code: the directions.
        tau: threshold -b/g, rational.
        gain: g^a at the best norm, for sigma(z) = (z)_+^a with factor 1, exact.
        coefficient: c(W, b) of the block, exact: n mu_2 - kappa_tau n/sum_j f_tau(cos_1j).
        output: at least sum_ij E sigma(G_ij U)^2 without the threshold, which is at least E |x_hat|^2, exact.
        kept: how many vectors of the code are used; below its size, `coefficient` and `output` are means over subsets.
    """

    code: Code
    tau: sympy.Rational
    gain: sympy.Expr
    coefficient: sympy.Expr
    output: sympy.Expr
    kept: int

    def weights(self, known: ThresholdLaw) -> tuple[np.ndarray, np.ndarray]:
        """(W, b) of the block as floats, shapes (m, n) and (n,)."""
        g = (float(self.gain) / float(known.scale)) ** (1 / float(known.exponent))
        vectors = np.array([[float(v) for v in vector] for vector in self.code.vectors])
        cosines = vectors @ vectors.T
        size = np.abs(cosines) if known.is_two_sided else np.maximum(cosines, 0.0)
        ratio = float(self.tau) / np.maximum(size, 1e-12)
        spent = size ** (2 * float(known.exponent)) * known.values(known.cost, ratio)
        np.fill_diagonal(spent, 0.0)
        left = list(range(self.code.n))
        # Removing the vector that interferes most leaves at most the mean over all subsets of one fewer.
        while len(left) > self.kept:
            shares = spent[np.ix_(left, left)].sum(axis=1)
            left.pop(int(np.argmax(np.round(shares, 9))))
        return np.sqrt(g) * vectors[left].T, np.full(self.kept, -float(self.tau) * g)


def best_threshold(
    found: Code, activation: Any = "relu", law: Any = "uniform", kept: int | None = None
) -> tuple[float, float]:
    """(tau, c): the best common threshold of a code with equal norms, and c = n mu_2 - kappa_tau n/sum_j f_tau there.

    Args:
        found: a code whose inner products are the same from every vector.
        activation: a rectified power.
        law: of an active feature.
        kept: how many of its vectors to use, all by default; with fewer, c is that of the mean over subsets.

    Raises:
        InputError: no rectified power, a law without closed form, or a code without a single distribution.

    Source: docs/theory.md, T11(c).
    """
    from scipy.optimize import brentq

    known = threshold_law(law, activation)
    top = 4.0 if known.upper is sympy.oo else float(known.upper)
    loss, slope = _float_loss(found, known, found.n if kept is None else kept)
    grid = np.linspace(0, top, 81)[:-1]
    values = np.array([loss(tau) for tau in grid])
    best = int(np.argmin(values))
    low, high = float(grid[max(best - 1, 0)]), min(float(grid[best]) + top / 80, top * (1 - 1e-9))
    # A root of the derivative is found to rounding, where a minimum of the loss is found to its square root only.
    if slope(low) < 0 < slope(high):
        tau = float(brentq(slope, low, high, xtol=1e-15))
        return tau, loss(tau)
    return float(grid[best]), float(values[best])


def _float_loss(
    found: Code, known: ThresholdLaw, kept: int
) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """The loss of a code as a function of its threshold, and a function with the sign of its derivative."""
    cosines = np.array([float(x) for x in found.distribution])
    counts = np.array(list(found.distribution.values()), dtype=float)
    cosines = np.abs(cosines) if known.is_two_sided else cosines
    others = (kept - 1) / (found.n - 1) if found.n > 1 else 0.0
    counts = np.where(cosines > 1 - 1e-12, 1 + (counts - 1) * others, counts * others)
    counts, cosines = counts[cosines > 1e-12], cosines[cosines > 1e-12]
    a, share, mu_2 = float(known.exponent), float(known.share), float(known.second_moment)
    d_gain, d_cost = sympy.diff(known.gain, known.symbol), sympy.diff(known.cost, known.symbol)
    at = lambda expr, s: float(known.values(expr, np.array([s]))[0])  # noqa: E731

    def spent(tau: float) -> float:
        return float(counts @ (cosines ** (2 * a) * known.values(known.cost, tau / cosines)))

    def loss(tau: float) -> float:
        cost = spent(tau)
        return kept * (mu_2 - share * at(known.gain, tau) ** 2 / cost) if cost > 0 else kept * mu_2

    def slope(tau: float) -> float:
        d_spent = float(counts @ (cosines ** (2 * a - 1) * known.values(d_cost, tau / cosines)))
        return at(known.gain, tau) * d_spent - 2 * at(d_gain, tau) * spent(tau)

    return loss, slope


def thresholded_code(
    found: Code, tau: Any, activation: Any = "relu", law: Any = "uniform", kept: int | None = None
) -> ThresholdedCode:
    """The code, or `kept` of its vectors, at the given exact threshold and its best common norm, with its exact loss.

    Raises:
        InputError: as `best_threshold`, or a threshold beyond the support of the law.

    Source: docs/theory.md, T11(c).
    """
    known = threshold_law(law, activation)
    tau, used = sympy.sympify(tau), found.n if kept is None else kept
    # On average over subsets every other vector of the code is there with this probability.
    others = sympy.Rational(used - 1, found.n - 1) if found.n > 1 else sympy.Integer(0)
    weights = {x: (1 + (count - 1) * others if x == 1 else count * others) for x, count in found.distribution.items()}
    interference = sympy.Add(*(count * threshold_kernel(x, tau, activation, law) for x, count in weights.items()))
    psi, phi = known.psi(tau), known.phi(tau)
    gain = psi / (phi * interference)
    positive = [
        (sympy.Abs(x) if known.is_two_sided else x, count)
        for x, count in found.distribution.items()
        if known.is_two_sided or x.evalf() > 0
    ]
    raw = sympy.Add(*(count * x ** (2 * known.exponent) for x, count in positive))
    coefficient = used * (known.second_moment - known.share * psi**2 / (phi * interference))
    output = used * known.share * known.phi(sympy.Integer(0)) * gain**2 * raw
    return ThresholdedCode(found, tau, gain, coefficient, output, used)


@cache
def _best_code(found: Code, kept: int, activation: Any, law: Any) -> ThresholdedCode:
    tau, _ = best_threshold(found, activation, law, kept)
    return thresholded_code(found, sympy.Rational(round(tau * _DENOMINATOR), _DENOMINATOR), activation, law, kept)


@cache
def _saved(found: Code, kept: int, activation: Any, law: Any) -> float:
    """What `kept` vectors of a code take off the loss of as many features."""
    return kept * float(law.absolute_moment(2)) - best_threshold(found, activation, law, kept)[1]


def best_thresholded_blocks(model: ToyModel) -> tuple[ThresholdedCode, ...] | None:
    """Thresholded famous codes, or parts of them, in orthogonal blocks: the smallest c for n features in m dimensions.

    Features that no block takes are dropped. None where n or m is a symbol or too large to search.
    """
    n, m = model.n_features, model.n_hidden
    if not (n.is_number and m.is_number) or model.activation.parameters or int(m) > _LARGEST_M:
        return None
    kernel = sparse_constants(model.law, model.activation).kernel
    codes = blocks_that_fit(min(2 * int(n), _LARGEST_SEARCH), min(int(m), 8), kernel)
    table: dict[tuple[int, int], tuple[float, tuple[tuple[Code, int], ...]]] = {}

    def best(features: int, dimensions: int) -> tuple[float, tuple[tuple[Code, int], ...]]:
        """The most that can be taken off n mu_2, and the (codes, vectors used) that do."""
        if features <= 0 or dimensions <= 0:
            return 0.0, ()
        key = (features, dimensions)
        if key not in table:
            choices: list[tuple[float, tuple[tuple[Code, int], ...]]] = [(0.0, ())]
            for block in codes:
                if block.m <= dimensions:
                    kept = min(block.n, features)
                    rest, others = best(features - kept, dimensions - block.m)
                    saved = _saved(block, kept, model.activation, model.law)
                    choices.append((saved + rest, ((block, kept), *others)))
            # Of equally good choices the one with fewer blocks, so that the result does not depend on rounding.
            table[key] = max(choices, key=lambda choice: (round(choice[0], 12), -len(choice[1])))
        return table[key]

    _, blocks = best(min(int(n), _LARGEST_SEARCH), int(m))
    ordered = sorted(blocks, key=lambda choice: (-choice[0].m, -choice[0].n))
    return tuple(_best_code(block, kept, model.activation, model.law) for block, kept in ordered)


# --- the bounds ------------------------------------------------------------------------------------------------------


def _applies(model: ToyModel) -> bool:
    """Only models with a bias: without one no construction here is allowed."""
    if not (model.bias and model.is_homogeneous and has_thresholds(model)):
        return False
    law, exponent = model.law, model.activation.power_form.exponent
    return law.name in ("uniform", "binary", "exponential") or (
        law.name == "beta" and exponent.is_Integer and all(p.is_Integer for p in law.parameters)
    )


def _sparse(model: ToyModel, name: str, expr: sympy.Expr, steps: tuple[Step, ...], source: str, **more: Any) -> Bound:
    return Bound(
        name=name,
        side="upper",
        of="sparse",
        expr=model.importance * expr,
        model=model,
        assumptions=(
            "the model has a bias: b < 0 is used, so nothing follows for models without",
            "the activation is a rectified power",
            "features are independent with one density p",
        ),
        derivation=(*_first_order_steps(), *steps),
        source=f"{_THEORY}, {source}",
        **more,
    )


@cache
def _first_order_steps() -> tuple[Step, ...]:
    psi, phi, interference, a = sympy.symbols("psi phi F gamma", positive=True)
    quadratic = -2 * a * psi + a**2 * phi * interference
    square = phi * interference * (a - psi / (phi * interference)) ** 2 - psi**2 / (phi * interference)
    return (
        Step("b <= 0: empty inputs cost nothing, so L/p -> c(W, b) = sum_i (loss with x_i alone active)"),
        Step(
            "equal norms g and thresholds tau: c/n = mu_2 - 2 gamma psi(tau) + gamma^2 phi(tau) F with gamma = g^a and "
            "F = sum_j f_tau(cos_1j); complete the square",
            sympy.Eq(quadratic, square, evaluate=False),
        ),
    )


def _code_sparse(model: ToyModel) -> Bound | None:
    blocks = best_thresholded_blocks(model) if _applies(model) else None
    if blocks is None:
        return None
    n, taken = model.n_features, sum(block.kept for block in blocks)
    dropped = n - taken
    expr = sympy.Add(*(block.coefficient for block in blocks)) + dropped * model.law.absolute_moment(2)
    named = " ⊕ ".join(f"{_part(block)}{block.code.name} at tau = {float(block.tau):.7g}" for block in blocks)
    steps = (
        Step(f"{named}; {dropped} features dropped: each block's c from its exact inner products"),
        Step("orthogonal blocks do not interfere: their losses add"),
    )
    construction = _assembled(model, blocks) if int(n) <= 2000 else None
    equality = "pentagon and icosahedron: a free search over all norms and biases finds nothing smaller (numerical)"
    return _sparse(model, "threshold-code", expr, steps, "T11(c)", construction=construction, equality=equality)


def _part(block: ThresholdedCode) -> str:
    return "" if block.kept == block.code.n else f"{block.kept} vectors of "


def _assembled(model: ToyModel, blocks: tuple[ThresholdedCode, ...]) -> tuple[np.ndarray, np.ndarray]:
    known = threshold_law(model.law, model.activation)
    W, b = np.zeros((int(model.n_hidden), int(model.n_features))), np.zeros(int(model.n_features))
    row = column = 0
    for block in blocks:
        inner, biases = block.weights(known)
        W[row : row + block.code.m, column : column + block.kept] = inner
        b[column : column + block.kept] = biases
        row, column = row + block.code.m, column + block.kept
    return W, b


def _random_threshold(model: ToyModel) -> sympy.Expr | None:
    """tau with n unit vectors in R^m whose cosines (for two-sided laws their sizes) are at most tau; None if > 1."""
    n, m = model.n_features, model.n_hidden
    others = (n - 1) * (2 if model.law.is_two_sided else 1)
    if n == 1 or others == 1:
        return sympy.Integer(0)
    tau = sympy.sqrt(2 * sympy.log(others) / m)
    return None if tau.is_number and tau.evalf() >= 1 else tau


def _random_sparse(model: ToyModel) -> Bound | None:
    if not _applies(model) or model.activation.parameters:
        return None
    tau = _random_threshold(model)
    known = threshold_law(model.law, model.activation)
    if tau is None or (known.upper is not sympy.oo and tau.is_number and tau.evalf() >= known.upper):
        return None
    symbol = sympy.Symbol("tau", nonnegative=True)
    expr = model.n_features * threshold_distortion(symbol, model.activation, model.law).subs(symbol, tau)
    conditions = () if tau.is_number else (tau < 1, model.n_features >= 2)
    steps = (
        Step(
            "a coordinate t of a uniform unit vector has E t^(2r) <= (2r-1)!!/m^r, so E e^(lambda t) <= "
            "e^(lambda^2/(2m)) and P(t > tau) < e^(-m tau^2/2)"
        ),
        Step(
            f"tau = {tau}: choose vectors one by one; n - 1 caps of cosine > tau (two-sided: double caps) never cover "
            "the sphere, so n unit vectors with cosines at most tau exist"
        ),
        Step("F = 1: c = n mu_2 - n kappa_tau = n d(tau)"),
    )
    construction = _drawn(model, known, float(tau)) if tau.is_number else None
    return _sparse(
        model, "random-thresholded", expr, steps, "T11(d)", construction=construction, conditions=conditions,
        equality="not attained; up to a constant and a logarithm it is the truth for e^m >> n >> m^(3/2) (T11(e))",
    )  # fmt: skip


def _drawn(model: ToyModel, known: ThresholdLaw, tau: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Such vectors, drawn one by one; None where they are too many or not found quickly."""
    n, m = int(model.n_features), int(model.n_hidden)
    if n > _LARGEST_DRAWN or m > 1000:
        return None
    rng = np.random.default_rng(0)
    kept = np.empty((0, m))
    for _ in range(_DRAWS // 1000):
        for vector in rng.standard_normal((1000, m)):
            unit = vector / np.linalg.norm(vector)
            cosines = kept @ unit
            if not len(kept) or (np.abs(cosines) if known.is_two_sided else cosines).max() <= tau:
                kept = np.vstack([kept, unit])
                if len(kept) == n:
                    exact_tau = np.array([tau])
                    gain = known.values(known.gain, exact_tau)[0] / known.values(known.cost, exact_tau)[0]
                    g = (gain / float(known.scale)) ** (1 / float(known.exponent))
                    return np.sqrt(g) * kept.T, np.full(n, -tau * g)
    return None


def _code_remainder(model: ToyModel) -> Bound | None:
    """T7(a) with a bias: the thresholded code at every density, everything but one active feature bounded."""
    blocks = best_thresholded_blocks(model) if _applies(model) else None
    if blocks is None or int(model.n_features) > _LARGEST_REMAINDER:
        return None
    n, p, a = model.n_features, model.density, model.activation.power_form.exponent
    mu_2 = model.law.absolute_moment(2)
    dropped = n - sum(block.kept for block in blocks)
    coefficient = sympy.Add(*(block.coefficient for block in blocks)) + dropped * mu_2
    output = sympy.Add(*(block.output for block in blocks))
    rest: sympy.Expr = sympy.Integer(0)
    for s in range(2, int(n) + 1):
        growth = sympy.Integer(s) ** sympy.Max(0, 2 * a - 1)
        size = (sympy.sqrt(n * mu_2) + sympy.sqrt(growth * output)) ** 2
        rest += sympy.binomial(n - 1, s - 1) * p**s * (1 - p) ** (n - s) * size
    steps = (
        Step("the empty input costs 0 and |A| = 1 costs p q^(n-1) c(W, b), with c by 'threshold-code'"),
        Step(
            "b <= 0 makes x_hat smaller: |x_hat_j|^2 <= s^((2a-1)_+) sum_(i in A) sigma((G_ji U_i)_+)^2 for s = |A| "
            "active features; Minkowski over A"
        ),
    )
    return Bound(
        name="threshold-remainder",
        side="upper",
        of="loss",
        expr=model.importance * (p * (1 - p) ** (n - 1) * coefficient + rest),
        model=model,
        assumptions=("the model has a bias: b < 0 is used", "features are independent with one density p"),
        derivation=steps,
        construction=_assembled(model, blocks),
        equality="p -> 0 where the thresholded code is optimal",
        source=f"{_THEORY}, T7(a), T11(c)",
    )


THRESHOLDED: dict[str, dict[str, Callable[[ToyModel], Bound | None]]] = {
    "sparse": {"threshold-code": _code_sparse, "random-thresholded": _random_sparse},
    "loss": {"threshold-remainder": _code_remainder},
}
"""Builders of the upper bounds that need a bias; each returns None for a model without."""
