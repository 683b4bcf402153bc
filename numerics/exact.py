"""The expected loss in closed form: moments for polynomials, vertices for piecewise ones, supports."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import comb
from typing import Any

import numpy as np
import sympy

from numerics.compile import compile_activation
from numerics.scalar_map import polynomial_coefficients
from numerics.setting import Array, Setting
from numerics.vertex import vertex_applies, vertex_polynomial
from theory import FeatureLaw, InputError, ToyModel
from theory.arguments import as_weights, exact

__all__ = [
    "LARGEST_ENUMERATION",
    "cumulants_from_moments",
    "enumerated_loss",
    "exact_loss",
    "feature_moments",
    "moments_from_cumulants",
    "polynomial_loss",
    "support_count",
    "supports",
]

LARGEST_ENUMERATION = 2**16
_EPSILON = float(np.finfo(float).eps)


def moments_from_cumulants(cumulants: Sequence[Any]) -> list[Any]:
    """Raw moments M_0 .. M_R of a variable with cumulants chi_1 .. chi_R (numbers, arrays or expressions).

    M_r = sum_{s=1}^{r} C(r-1, s-1) chi_s M_{r-s}, with `cumulants[s - 1]` = chi_s.
    """
    moments: list[Any] = [1]
    for order in range(1, len(cumulants) + 1):
        moments.append(sum(comb(order - 1, s - 1) * cumulants[s - 1] * moments[order - s] for s in range(1, order + 1)))
    return moments


def cumulants_from_moments(moments: Sequence[Any]) -> list[Any]:
    """Cumulants chi_1 .. chi_R of a variable with raw moments M_1 .. M_R: the inverse of `moments_from_cumulants`."""
    cumulants: list[Any] = []
    for order in range(1, len(moments) + 1):
        lower = sum(comb(order - 1, s - 1) * cumulants[s - 1] * moments[order - s - 1] for s in range(1, order))
        cumulants.append(moments[order - 1] - lower)
    return cumulants


@cache
def _exact_cumulants(law: FeatureLaw, density: sympy.Expr, order: int) -> tuple[sympy.Expr, ...]:
    moments = [density * law.moment(r) for r in range(1, order + 1)]
    return tuple(sympy.expand(chi) for chi in cumulants_from_moments(moments))


@cache
def feature_moments(model: ToyModel, order: int) -> tuple[Array, Array]:
    """E x_i**r and the r-th cumulant of x_i = B_i U_i for r = 1 .. order, each of shape (order, n).

    The raw moments are p mu_r; the cumulants follow exactly and are rounded once (for p near 1 they cancel).
    """
    columns = []
    for density in model.densities:
        raw = [float(density * model.law.moment(r)) for r in range(1, order + 1)]
        columns.append((raw, [float(chi) for chi in _exact_cumulants(model.law, density, order)]))
    return np.array([c[0] for c in columns]).T, np.array([c[1] for c in columns]).T


def polynomial_loss(at: Setting) -> tuple[Array, Array]:
    """Loss per feature and its rounding error for a polynomial activation, each of shape (n,).

    E sigma(z_j)**2 and E x_j sigma(z_j) are sums of moments of z_j = b_j + sum_i G_ji x_i and of z_j without its own
    term, which follow from the cumulants of the features. Any n, density, law with moments, and bias; O(n**2 k).

    Raises:
        InputError: the activation is no polynomial.

    Source: docs/theory.md, T8(a).
    """
    coefficients = _coefficients(at.model)
    degree = len(coefficients) - 1
    order = max(2 * degree, degree + 1, 2)
    raw, cumulants = feature_moments(at.model, order)
    floats = [float(a) for a in coefficients]
    value = _row_losses(floats, at.gram, at.bias, raw, cumulants, sign=-1.0)
    # The same sums with every term positive bound how far rounding can carry the value.
    size = _row_losses(np.abs(floats), np.abs(at.gram), np.abs(at.bias), np.abs(raw), np.abs(cumulants), sign=1.0)
    return value, _EPSILON * (at.n_features + 6 * order) * size


def _row_losses(a: Any, gram: Array, bias: Array, raw: Array, cumulants: Array, sign: float) -> Array:
    degree = len(a) - 1
    own = np.diagonal(gram)
    terms = [gram ** (r + 1) * cumulants[r] for r in range(max(2 * degree, 1))]
    total = [term.sum(axis=1) for term in terms]
    without_own = [whole - np.diagonal(term) for whole, term in zip(total, terms, strict=True)]
    if sign > 0:
        without_own = total
    total[0], without_own[0] = total[0] + bias, without_own[0] + bias
    moments, rest = moments_from_cumulants(total), moments_from_cumulants(without_own)
    square = np.convolve(a, a)
    squared = sum(c * moment for c, moment in zip(square, moments[: len(square)], strict=True))
    crossed = sum(a[k] * comb(k, t) * raw[t] * own**t * rest[k - t] for k in range(degree + 1) for t in range(k + 1))
    return np.asarray(raw[1] + squared + 2 * sign * crossed + np.zeros_like(bias), dtype=float)


def exact_loss(model: ToyModel, W: Any, b: Any = None, most_active: int | None = None) -> sympy.Expr:
    """The expected loss as an exact number, or as a polynomial in the density where that is a symbol.

    L = sum_j I_j (p_j mu_2 - 2 E x_j sigma(z_j) + E sigma(z_j)**2): by the recursion of `polynomial_loss` for
    polynomials, and by sums over vertices for piecewise polynomials (ReLU, hard tanh, ...) under the uniform law.

    Args:
        model: a polynomial activation, or a piecewise polynomial with the uniform law and at most 10 features;
            density and importances may be symbols.
        W: exact weights of shape (m, n): a sympy matrix or nested sequences of ints, Fractions and sympy numbers.
            Floats are read as the decimals they print as.
        b: exact bias of length n.
        most_active: keep the inputs with at most this many active features only, an integer >= 0. They hold all terms
            of the loss of degree up to `most_active` in the density; any n up to a few hundred for 1 or 2.

    Raises:
        InputError: neither kind of activation, weights that are not rational for a piecewise polynomial, too many
            features, `most_active` with a polynomial activation, wrong shapes, or b for a model without bias.

    Source: docs/theory.md, T8(a); docs/expected_loss.md, "Exact routes".
    """
    by_vertices = vertex_applies(model) and (
        most_active is not None or polynomial_coefficients(model.activation) is None
    )
    if most_active is not None and (
        isinstance(most_active, bool) or most_active != int(most_active) or most_active < 0
    ):
        raise InputError(f"most_active={most_active!r} must be an integer >= 0")
    if most_active is not None and not by_vertices:
        raise InputError(
            f"most_active={most_active} needs a piecewise-polynomial activation and the uniform law, "
            f"not {model.activation.name} with {model.law}; leave it out, or use expected_loss"
        )
    coefficients = () if by_vertices else _coefficients(model)
    given = as_weights(W, model.n_hidden, model.n_features)
    if not isinstance(given, sympy.MatrixBase):
        given = sympy.Matrix([[exact("W", entry) for entry in row] for row in given.tolist()])
    n = given.cols
    if b is not None and not model.bias:
        raise InputError("b was given, but the model has no bias; build it with ToyModel(..., bias=True)")
    bias = [sympy.Integer(0)] * n if b is None else [exact("b", v) for v in b]
    if len(bias) != n:
        raise InputError(f"b has {len(bias)} entries; give a vector of length n_features={n}")
    gram = given.T * given
    if by_vertices:
        return vertex_polynomial(model, gram.tolist(), bias, most_active)
    degree = len(coefficients) - 1
    order = max(2 * degree, 1)
    features = [_exact_cumulants(model.law, p, order) for p in model.densities]
    square = sympy.Poly(list(reversed(coefficients)), sympy.Dummy()) ** 2
    loss = sympy.Integer(0)
    for j, (p, importance) in enumerate(zip(model.densities, model.importances, strict=True)):
        terms = [[gram[j, i] ** r * features[i][r - 1] for i in range(n)] for r in range(1, order + 1)]
        total = [sympy.expand(sum(term)) for term in terms]
        rest = [sympy.expand(whole - term[j]) for whole, term in zip(total, terms, strict=True)]
        total[0], rest[0] = total[0] + bias[j], rest[0] + bias[j]
        moments = [sympy.expand(v) for v in moments_from_cumulants(total)]
        others = [sympy.expand(v) for v in moments_from_cumulants(rest)]
        squared = sum(c * m for c, m in zip(reversed(square.all_coeffs()), moments, strict=False))
        crossed = sum(
            coefficients[k] * comb(k, t) * p * model.law.moment(t + 1) * gram[j, j] ** t * others[k - t]
            for k in range(degree + 1)
            for t in range(k + 1)
        )
        loss += importance * (p * model.law.moment(2) + squared - 2 * crossed)
    return sympy.expand(loss)


def _coefficients(model: ToyModel) -> tuple[sympy.Expr, ...]:
    found = polynomial_coefficients(model.activation)
    if found is None:
        raise InputError(
            f"activation {model.activation.name} is no polynomial, so moments do not give its loss, and no piecewise "
            f"polynomial with the uniform law (here {model.law}); use method='quadrature' or 'monte_carlo'"
        )
    return found


def support_count(model: ToyModel) -> int:
    """How many values x takes under the binary law: 2**n, or 3**n with signs."""
    return (3 if model.law.is_two_sided else 2) ** int(model.n_features)


def supports(model: ToyModel, densities: Array) -> tuple[Array, Array]:
    """Every value of x under the binary law, shape (S, n), with its probability, shape (S,)."""
    values = (0.0, 1.0, -1.0) if model.law.is_two_sided else (0.0, 1.0)
    n = len(densities)
    grids = np.meshgrid(*([np.array(values)] * n), indexing="ij")
    x = np.stack([grid.ravel() for grid in grids], axis=1)
    share = 0.5 if model.law.is_two_sided else 1.0
    return x, np.prod(np.where(x == 0, 1 - densities, share * densities), axis=1)


def enumerated_loss(at: Setting) -> tuple[Array, Array]:
    """Loss per feature and its rounding error for the binary law: the sum over all supports, any activation.

    Raises:
        InputError: another law, or more than 2**16 supports.
    """
    if at.model.law.name != "binary":
        raise InputError(f"law={at.model.law} is continuous: its supports have no finite list of values")
    count = support_count(at.model)
    if count > LARGEST_ENUMERATION:
        raise InputError(
            f"n_features={at.n_features} has {count} supports; enumeration stops at {LARGEST_ENUMERATION}: "
            "use method='monte_carlo'"
        )
    x, probability = supports(at.model, at.densities)
    squares = (x - compile_activation(at.model.activation)((x @ at.W.T) @ at.W + at.bias)) ** 2
    value = probability @ squares
    return value, _EPSILON * (count**0.5 + 8 * at.n_features) * (probability @ (squares + np.abs(x)))
