"""Water filling: a lower bound for features of unequal importance from linear-programming certificates.

(I_i + I_j)/2 >= sqrt(I_i I_j) turns the weighted energy into that of u_i = sqrt(I_i) a_i, for which the certificate
gives beta |u|^2 + gamma (sum u)^2; what is left is a concave quadratic over u >= 0. Cutting the importances into bands
first contains the layer cake as well. Source: docs/theory.md, T9(b).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import isqrt
from typing import Any

import numpy as np
import sympy

from theory.bound import Bound, Step
from theory.loss.capacity import sparse_constants
from theory.loss.certificates import LinearProgrammingCertificate
from theory.loss.unequal.importance import by_importance
from theory.loss.unequal.water_level import water_level, water_levels
from theory.toy_model import ToyModel

__all__ = ["square_root_above", "water_filling", "water_filling_steps"]

_BITS = 60
_MOST_CERTIFICATES, _MOST_LEVELS, _SHARES = 6, 12, 32


def square_root_above(value: sympy.Rational) -> sympy.Rational:
    """A rational number at least sqrt(value), exact where that is rational, else within a relative 2^-59."""
    top, bottom = int(value.p), int(value.q)
    if top == 0:
        return sympy.Integer(0)
    # sqrt(top/bottom) = sqrt(top bottom)/bottom, with enough extra bits for the relative precision.
    shift = max(0, _BITS - (top * bottom).bit_length() // 2)
    square = (top * bottom) << (2 * shift)
    root = isqrt(square)
    return sympy.Rational(root + (root * root < square), bottom << shift)


def water_filling(model: ToyModel, certify: Callable[[int | None, int, Any, Any], Any]) -> Bound | None:
    """T9(b): c* >= mu_2 sum I - kappa sum V over bands of importance, each V by `water_level` with its own best h.

    L is linear in I, so the importances may be cut into bands min(I, high) - min(I, low) that are bounded one by one:
    one band is water filling alone, a band per level is the layer cake. A dynamic program finds the best cuts in
    floats; the bound itself is then summed in rationals, with v_i = sqrt(I_i) rounded up.

    Args:
        model: importances that are numbers and differ; numeric n and m, one density, no bias.
        certify: (n, m, exponent, negative) -> an exact linear-programming certificate; n = None for every n.

    Returns:
        None where the kernel or the importances are not rational.
    """
    constants = sparse_constants(model.law, model.activation)
    kernel = constants.kernel
    if not model.n_hidden.is_number or not all(value.is_Rational for value in model.importances):
        return None
    if not (kernel.exponent.is_Rational and kernel.negative.is_Rational and 0 <= kernel.negative <= 1):
        return None
    ordered = [value for i in by_importance(model) if (value := model.importances[i]) > 0]
    m = int(model.n_hidden)
    found = [certify(size, m, kernel.exponent, kernel.negative) for size in _sizes(len(ordered), m)]
    # h = 0 proves K* <= n, and is the best for bands of few features.
    found.append(LinearProgrammingCertificate(m, None, kernel.exponent, kernel.negative, (sympy.Integer(0),)))
    saved, used = sympy.Integer(0), []
    for low, high in _cuts(ordered, found):
        band = [min(value, high) - low for value in ordered if value > low]
        certificate = replace(_mixture(found, *_best_mixture(found, band)[1]), n=len(band))
        roots = [square_root_above(value) for value in band]
        volume, _ = water_level(roots, *_beta_gamma(certificate))
        saved += min(volume, sympy.Add(*band))
        used.append(certificate)
    expr = constants.second_moment * sympy.Add(*ordered) - constants.kappa * saved
    return Bound(
        name="water-filling",
        side="lower",
        of="sparse",
        expr=expr if expr.free_symbols else sympy.simplify(expr),
        model=model,
        assumptions=(
            "b = 0",
            "the activation is homogeneous: sigma(lambda z) = lambda^a sigma(z) for lambda > 0",
            "features are independent and active with the same probability p",
        ),
        derivation=(
            Step(
                f"L is linear in I: {len(used)} bands min(I, high) - min(I, low) of importance, each bounded by itself"
            ),
            *water_filling_steps(),
            Step("h is the band's certificate; square roots are rounded up, which is safe because V grows with v"),
        ),
        certificate=used,
        equality="equal importances where the linear-programming bound is attained",
        source="docs/theory.md, T9(b)",
    )


def _sizes(n: int, m: int) -> list[int | None]:
    """The numbers of equal features whose certificates are tried: the best h suits the effective number kept."""
    # Up to m features the certificate is h = 0.
    sizes = range(m + 1, n + 1)
    stride = -(-len(sizes) // _MOST_CERTIFICATES) or 1
    return [*sizes[::-1][::stride][::-1], None]


def _cuts(
    ordered: list[sympy.Rational], found: list[LinearProgrammingCertificate]
) -> list[tuple[sympy.Rational, sympy.Rational]]:
    """The bands (low, high) from 0 to the largest importance that save least, by dynamic programming over the cuts."""
    distinct = sorted(set(ordered))
    stride = -(-len(distinct) // _MOST_LEVELS) or 1
    levels = [sympy.Integer(0), *distinct[::-1][::stride][::-1]]
    best: list[tuple[float, int]] = [(0.0, 0)]
    for top in range(1, len(levels)):
        options = []
        for bottom in range(top):
            band = [min(value, levels[top]) - levels[bottom] for value in ordered if value > levels[bottom]]
            options.append((best[bottom][0] + _best_mixture(found, band)[0], bottom))
        best.append(min(options))
    cuts, top = [], len(levels) - 1
    while top > 0:
        bottom = best[top][1]
        cuts.append((levels[bottom], levels[top]))
        top = bottom
    return cuts


def _beta_gamma(certificate: LinearProgrammingCertificate) -> tuple[sympy.Rational, sympy.Rational]:
    return 1 - sum(certificate.coefficients), certificate.coefficients[0]


def _best_mixture(
    found: list[LinearProgrammingCertificate], band: list[sympy.Rational]
) -> tuple[float, tuple[int, int, int]]:
    """The smallest V over mixtures k h_i + (N - k) h_j, in floats, and its (i, j, k): V is convex in h.

    A mixture of minorants is a minorant, so every choice is valid; floats only choose.
    """
    corners = np.array([[float(value) for value in _beta_gamma(certificate)] for certificate in found])
    first, second = np.triu_indices(len(found))
    share = np.arange(_SHARES + 1)[:, None, None] / _SHARES
    mixed = share * corners[first] + (1 - share) * corners[second]
    volumes = water_levels(np.sqrt(np.array([float(value) for value in band])), mixed[..., 0], mixed[..., 1])
    k, pair = np.unravel_index(int(volumes.argmin()), volumes.shape)
    return float(volumes[k, pair]), (int(first[pair]), int(second[pair]), int(k))


def _mixture(found: list[LinearProgrammingCertificate], i: int, j: int, k: int) -> LinearProgrammingCertificate:
    share, length = sympy.Rational(k, _SHARES), max(len(found[x].coefficients) for x in (i, j))
    padded = [[*found[x].coefficients, *[sympy.Integer(0)] * length][:length] for x in (i, j)]
    return replace(found[i], coefficients=tuple(share * a + (1 - share) * b for a, b in zip(*padded, strict=True)))


@cache
def water_filling_steps() -> tuple[Step, ...]:
    """Why c* >= mu_2 sum I - kappa V, and why V has its closed form (at r = 3 kept features)."""
    a, b = sympy.symbols("a b", nonnegative=True)
    beta, gamma, level = sympy.symbols("beta gamma tau", positive=True)
    gain, cost, value = sympy.symbols("M_1 M_d Q", positive=True)
    v = sympy.symbols("v_1:4", positive=True)
    y, total = sympy.symbols("y S", nonnegative=True)
    mean, weight = sum(v) / 3, beta + 3 * gamma
    best = [(value_i - gamma * sum(v) / weight) / beta for value_i in v]
    attained = 2 * sum(x * z for x, z in zip(v, best, strict=True)) - beta * sum(z**2 for z in best)
    attained -= gamma * sum(best) ** 2
    closed = sum((x - mean) ** 2 for x in v) / beta + sum(v) ** 2 / (3 * weight)
    return (
        Step(
            "(I_i + I_j)/2 >= sqrt(I_i I_j): the energy is at least sum_ij u_i u_j f(cos_ij), u_i = sqrt(I_i) a_i",
            sympy.Eq((a**2 + b**2) / 2 - a * b, (a - b) ** 2 / 2, evaluate=False),
        ),
        Step("T5: that is at least beta |u|^2 + gamma (sum u)^2, beta = 1 - h(1), gamma = h_0"),
        Step(
            "scaling u = (M_1/M_d) y takes M_1^2/M_d = kappa out",
            sympy.Eq(
                2 * gain * (gain / cost) * y - cost * (gain / cost) ** 2 * value,
                gain**2 / cost * (2 * y - value),
                evaluate=False,
            ),
        ),
        Step(
            "gamma S^2 >= 2 gamma tau S - gamma tau^2 for any tau, so V <= sum_i (v_i - gamma tau)_+^2/beta + gamma "
            "tau^2",
            sympy.Eq(
                gamma * total**2 - 2 * gamma * level * total + gamma * level**2,
                gamma * (total - level) ** 2,
                evaluate=False,
            ),
        ),
        Step(
            "at tau = S_r both sides meet in V = sum (v_i - mean)^2/beta + (sum v)^2/(r (beta + r gamma)) (at r = 3)",
            sympy.Eq(attained, closed, evaluate=False),
        ),
    )
