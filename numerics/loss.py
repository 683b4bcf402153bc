"""The one front door to the expected loss: it picks the route and says why."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

from numerics.estimate import Estimate
from numerics.exact import LARGEST_ENUMERATION, enumerated_loss, polynomial_loss, support_count
from numerics.hidden_law.route import hidden_note, is_hidden_law_cheap
from numerics.lattice import lattice_loss, levels_needed
from numerics.monte_carlo.sampling import monte_carlo_loss
from numerics.quadrature.adaptive import quadrature_loss
from numerics.quadrature.enclosure import enclosed_loss
from numerics.scalar_map import polynomial_coefficients
from numerics.setting import Array, Progress, Setting, setting
from numerics.vertex import vertex_applies, vertex_loss, vertex_work
from theory import InputError, ToyModel
from theory.arguments import one_of

__all__ = ["METHODS", "expected_loss"]

METHODS = ("auto", "exact", "quadrature", "hidden_quadrature", "monte_carlo")
# Up to five features, a few hundredths of a second.
_QUICK_VERTEX_WORK = 2430
# Exact numbers cost more than quadrature to a modest accuracy.
_MODEST = 1e-8


def expected_loss(
    model: ToyModel,
    W: Any,
    b: Any = None,
    method: str = "auto",
    rtol: float = 1e-8,
    atol: float = 0.0,
    seed: int = 0,
    samples: int | None = None,
    progress: Progress | None = None,
    enclosure: bool = False,
    scheme: str = "auto",
    device: str | None = None,
) -> Estimate:
    """The expected loss L = sum_i I_i E (x_i - sigma((W^T W x + b)_i))**2 with its error.

    Args:
        model: a numeric model.
        W: weights of shape (m, n): an array, a tensor, or exact numbers.
        b: bias of shape (n,), only for a model with bias; None means 0.
        method: "exact" (polynomial activations by moments; piecewise polynomials under the uniform law by vertices,
            up to 10 features; the binary law by its supports: all, or those whose probability matters),
            "quadrature" (elementwise activations and laws with a density), "hidden_quadrature" (any activation, laws
            with a density, W of rank at most 3), "monte_carlo" (anything), or "auto" (the first of these that applies;
            `Estimate.reason` says why; sampling where `samples`, `scheme` or `device` is given).
        rtol, atol: the quadratures work, and "monte_carlo" without `samples` draws, until the error is at most
            max(atol, rtol * |L|) or a fixed amount of work is spent; the error returned is the one reached.
        seed: of the random numbers of "monte_carlo".
        samples: number of draws of "monte_carlo".
        progress: called with (done, total, text).
        enclosure: whether the error must be a proved bound instead of an estimate: an exact route, or quadrature where
            its truncation is bounded (continuous piecewise-linear activations, uniform law).
        scheme: how "monte_carlo" draws: "naive", "control_variate", "stratified", ... or "auto"; see
            docs/expected_loss.md.
        device: where "monte_carlo" evaluates: None for numpy, else a torch device such as "cpu" or "cuda".

    Returns:
        An `Estimate`; `per_feature` holds E (x_i - x_hat_i)**2, not weighted by importance.

    Raises:
        InputError: symbols in the model, wrong shapes or values, b without a bias, or a method that does not apply.

    Source: docs/theory.md, T8; docs/expected_loss.md.
    """
    one_of("method", method, METHODS)
    _check_tolerances(rtol, atol)
    at = setting(model, W, b)
    started = perf_counter()
    chosen, why = _choose(at, rtol) if method == "auto" else (method, f"{method} was asked for")
    drawing = {"samples": samples is not None, "scheme": scheme != "auto", "device": device is not None}
    if method == "auto" and chosen != "monte_carlo" and any(drawing.values()):
        given = " and ".join(name for name, is_given in drawing.items() if is_given)
        chosen, why = "monte_carlo", f"given {given}, inputs are drawn"
    if enclosure and chosen in ("monte_carlo", "hidden_quadrature"):
        raise InputError(
            f"enclosure=True: method={chosen!r} proves no bound; use 'exact' or 'quadrature', or leave it out"
        )
    if chosen == "exact":
        per_feature, error, evaluations, kind, note = _exact(at, rtol, atol)
    elif chosen == "hidden_quadrature":
        per_feature, error, evaluations, kind, note = hidden_note(at, rtol, atol, progress)
    elif chosen == "quadrature":
        per_feature, error, evaluations, kind, note = _quadrature(at, rtol, atol, progress, enclosure)
    else:
        result = monte_carlo_loss(at, rtol, atol, seed, samples, progress, scheme, device)
        per_feature, error, evaluations, kind = result.per_feature, result.error, result.evaluations, "statistical"
        note = result.note
    return Estimate(
        value=float(at.importances @ per_feature),
        error=float(error),
        kind=kind,
        method=chosen,
        per_feature=per_feature,
        evaluations=evaluations,
        seconds=perf_counter() - started,
        seed=seed if chosen == "monte_carlo" else None,
        reason=f"{why}; {note}",
    )


def _choose(at: Setting, rtol: float) -> tuple[str, str]:
    model, activation = at.model, at.model.activation
    if polynomial_coefficients(activation) is not None:
        return "exact", f"{activation.name} is a polynomial, so moments give the loss in closed form"
    if model.law.name == "binary":
        if support_count(model) <= LARGEST_ENUMERATION:
            return "exact", f"under the binary law x takes only {support_count(model)} values"
        if _levels(at, rtol) is not None:
            return "exact", "under the binary law few of the values of x have a probability that matters"
        return "monte_carlo", "the binary law has no density and its supports are too many to list"
    if rtol <= _MODEST and vertex_applies(model) and vertex_work(at.n_features) <= _QUICK_VERTEX_WORK:
        return (
            "exact",
            f"{activation.name} is piecewise polynomial and the features few, so integrals over boxes are exact",
        )
    if activation.is_elementwise:
        return "quadrature", f"{activation.name} is elementwise, so one-dimensional laws give the loss"
    if is_hidden_law_cheap(at, rtol):
        return (
            "hidden_quadrature",
            f"{activation.name} is {activation.kind}: its outputs depend on W x, in few dimensions",
        )
    return "monte_carlo", f"{activation.name} is {activation.kind}: its outputs depend on several inputs"


def _levels(at: Setting, rtol: float) -> int | None:
    return levels_needed(at.densities, 2 if at.model.law.is_two_sided else 1, rtol)


def _exact(at: Setting, rtol: float, atol: float) -> tuple[Array, float, int, str, str]:
    kind = "exact"
    with np.errstate(over="ignore", invalid="ignore"):
        if polynomial_coefficients(at.model.activation) is not None:
            per_feature, error = polynomial_loss(at)
            total_error = float(at.importances @ error)
            evaluations, note = at.n_features**2, "moments by recursion"
        elif vertex_applies(at.model):
            per_feature, error = vertex_loss(at)
            total_error = float(at.importances @ error)
            evaluations, note = vertex_work(at.n_features), "sum over the vertices of every support, without rounding"
        elif at.model.law.name != "binary":
            raise InputError(
                "method='exact' needs a polynomial activation, a piecewise polynomial under the uniform law, or the "
                f"binary law, not {at.model.activation.name} with law {at.model.law}; use 'quadrature' or 'monte_carlo'"
            )
        elif support_count(at.model) <= LARGEST_ENUMERATION:
            per_feature, error = enumerated_loss(at)
            total_error = float(at.importances @ error)
            evaluations, note = support_count(at.model) * at.n_features, "sum over all supports"
        else:
            levels = _levels(at, rtol)
            if levels is None:
                raise InputError(
                    f"n_features={at.n_features}: too many supports of the binary law matter at rtol={rtol:g}; "
                    "use method='monte_carlo' or a larger rtol"
                )
            result = lattice_loss(at, levels, rtol, atol)
            per_feature, total_error = result.per_feature, result.total_error
            evaluations, note = result.supports * at.n_features, f"sum over {result.supports:,} supports"
            if not result.is_complete:
                kind, note = "estimate", note + ", the rest estimated from the growth of the last terms"
    if not np.isfinite(per_feature).all():
        raise InputError(f"the loss overflows for weights up to {np.abs(at.W).max():.3g}; rescale W")
    return per_feature, total_error, evaluations, kind, note


def _quadrature(
    at: Setting, rtol: float, atol: float, progress: Progress | None, enclosure: bool
) -> tuple[Array, float, int, str, str]:
    if enclosure:
        result = enclosed_loss(at, rtol, atol, progress)
        note = "characteristic functions, what is left out bounded by a proof and rounding by a model"
    else:
        result = quadrature_loss(at, rtol, atol, progress)
        note = "characteristic functions, error estimated from the last octave of frequencies and one doubling"
    if not result.converged:
        note += "; the tolerance was not reached: raise rtol, or compare with method='monte_carlo'"
    return result.per_feature, result.total_error, result.evaluations, "enclosure" if enclosure else "estimate", note


def _check_tolerances(rtol: float, atol: float) -> None:
    for name, value in (("rtol", rtol), ("atol", atol)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.floating) or not 0 <= value < np.inf:
            raise InputError(f"{name}={value!r} must be a finite number >= 0")
