"""The phase of two features in one dimension with bias: found by search, bounded exactly, proved where boxes close.

Linear activations are exact (principal components). For the others, each phase has a best point found by descent and
an exact rational loss there; a branch and bound over the sign patterns w_1 w_2 >= 0 and <= 0 proves that nothing else
is better. Source: docs/theory.md, T12.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from theory.activations import PowerForm
from theory.arguments import InputError
from theory.loss.phase.dedicated import dedicated_neighbourhood
from theory.loss.phase.floats import pair_losses
from theory.loss.phase.pair_loss import pair_loss
from theory.loss.phase.phases import Phase, phase_setting
from theory.loss.phase.region import RegionBound, lower_bound_on_region
from theory.toy_model import ToyModel

__all__ = ["biased_phase"]

Array = np.ndarray[Any, np.dtype[np.float64]]
_SMALL = 0.05  # how far w_2 is kept from 0 where the dedicated dimension has no lemma
_CLOSE = 1e-6  # relative width aimed at for the enclosure of the loss
_DENOMINATOR = 10**7


def biased_phase(model: ToyModel, most_boxes: int = 400_000) -> Phase:
    """The phase of a model with bias, for integer exponents and the uniform law (any law for linear activations).

    Raises:
        InputError: another law or exponent, or an activation without positive half.
    """
    form, law, p, importance, unit = phase_setting(model)
    if form.exponent == 1 and form.family == "monomial" and form.positive > 0:
        return _linear(model, form, p, importance, unit)
    if law.label != "uniform" or not form.exponent.is_Integer:
        raise InputError(
            f"law={law}, exponent {form.exponent}: phases with bias are known for the uniform law and integer "
            "exponents; use numerics.minimise_loss"
        )
    if not (form.positive.is_Rational and form.negative.is_Rational) or form.positive <= 0:
        raise InputError(f"activation {model.activation.name}: the positive half needs a rational coefficient > 0")
    if p == 0 or importance == 0:
        zero = sympy.Integer(0)
        return Phase(model, "not represented", (zero, zero if p == 0 else unit), (np.zeros((1, 2)), np.zeros(2)),
                     "undecided", "at density or importance 0 the second feature costs nothing")  # fmt: skip
    if importance > 1:
        return _swapped(model, biased_phase(model.replace(importance=(importance * unit, unit)), most_boxes))
    plain = model.replace(importance=(1, importance))
    points = {name: _rounded(x) for name, x in _best_points(form, float(p), float(importance)).items()}
    losses = {name: pair_loss(plain, [list(x[:2])], list(x[2:])) for name, x in points.items()}
    # A pair that shrinks onto the axis is the dedicated dimension.
    winner = min(losses, key=lambda name: (losses[name], name != "not represented"))
    if winner != "not represented" and losses["not represented"] - losses[winner] < losses[winner] / 10**7:
        winner = "not represented"
    upper = losses[winner]
    low, status, reason = _certified(form, float(p), float(importance), winner, float(upper), most_boxes)
    lower = upper if low is None else min(upper, sympy.Rational(Fraction(low).limit_denominator(10**15)))
    x = np.array([float(v) for v in points[winner]])
    return Phase(model, winner, (lower * unit, upper * unit), (x[None, :2], x[2:]), status, reason,
                 losses={name: (sympy.Integer(0), value * unit) for name, value in losses.items()})  # fmt: skip


def _linear(model: ToyModel, form: PowerForm, p: Any, importance: Any, unit: Any) -> Phase:
    """Principal components: one dimension removes one variance, so the less important feature pays."""
    mean = p * model.law.moment(1)
    variance = p * model.law.moment(2) - mean**2
    lost = variance * sympy.Min(1, importance) * unit
    name = "not represented" if importance <= 1 else "dedicated"
    gain = float(1 / form.positive) ** 0.5
    weights = np.array([[gain, 0.0] if importance <= 1 else [0.0, gain]])
    other = float(mean / form.positive)
    bias = np.array([0.0, other] if importance <= 1 else [other, 0.0])
    status, reason = "proved", "linear: rank one explains the larger of the variances V and I V, and the bias the means"
    if importance == 1 or variance == 0:
        status, reason = "undecided", "linear and equally important: every direction has the same loss"
    return Phase(model, name, (lost, lost), (weights, bias), status, reason)


def _swapped(model: ToyModel, found: Phase) -> Phase:
    """The answer for the features in the other order."""
    names = {"not represented": "dedicated", "dedicated": "not represented"}
    W, b = found.construction
    losses = {names.get(name, name): value for name, value in found.losses.items()}
    return replace(found, model=model, name=names.get(found.name, found.name), construction=(W[:, ::-1], b[::-1]),
                   losses=losses)  # fmt: skip


def _best_points(form: PowerForm, p: float, importance: float) -> dict[str, Array]:
    """The best point found of each phase, as (w_1, w_2, b_1, b_2)."""
    from scipy.optimize import minimize

    # The best constant for a feature that is not represented is its mean.
    mean = (p / 2 / float(form.positive)) ** (1 / int(form.exponent))

    def at(x: Array) -> tuple[float, Array]:
        value, gradient = pair_losses(form, np.array([p]), np.array([importance]), x[None])
        return float(value[0]), gradient[0]

    def descend(starts: list[list[float]], free: list[int], bounds: list[tuple[float | None, float | None]]) -> Array:
        best_value, best = np.inf, np.array(starts[0])
        for start in starts:
            full = np.array(start)

            def part(y: Array, full: Array = full) -> tuple[float, Array]:
                x = full.copy()
                x[free] = y
                value, gradient = at(x)
                return value, gradient[free]

            found = minimize(part, full[free], jac=True, method="L-BFGS-B", bounds=[bounds[i] for i in free],
                             options={"maxiter": 500, "ftol": 1e-15, "gtol": 1e-10})  # fmt: skip
            if found.fun < best_value:
                best_value, best = found.fun, full.copy()
                best[free] = found.x
        return best

    anywhere, positive, negative = (None, None), (0.0, None), (None, 0.0)
    both = [[s, -s * t, b, b] for s in (1.0, 0.85) for t in (1.0, 0.3) for b in (0.02, 0.35)]
    signs = [positive, negative, anywhere, anywhere]
    aligned = [[x[0], -x[1], b, b] for x in both for b in (-0.2, 0.1)]
    every = [0, 1, 2, 3]
    first = descend([[1.0, 0.0, b, mean] for b in (0.0, 0.3)], [0, 2], signs)
    second = descend([[0.0, -1.0, mean, b] for b in (0.0, 0.3)], [1, 3], signs)
    return {
        "not represented": first,
        "dedicated": second,
        "antipodal": descend(both, every, signs),
        "aligned": descend(aligned, every, [positive, positive, anywhere, anywhere]),
    }


def _rounded(x: Array) -> list[sympy.Rational]:
    return [sympy.Rational(Fraction(float(v)).limit_denominator(_DENOMINATOR)) for v in x]


def _certified(
    form: PowerForm, p: float, importance: float, winner: str, upper: float, most_boxes: int
) -> tuple[float | None, str, str]:
    """(lower end of the loss, None where it is the upper one; status; reason)."""
    bound = lambda sign, target, settled=None: _region(form, p, importance, sign, target, most_boxes, settled)  # noqa: E731
    if winner == "antipodal":
        others = bound(1, upper)
        own = bound(-1, upper * (1 - _CLOSE) - 1e-9)
        low = min(others.lower, own.lower)
        if others.closed:
            boxes = others.boxes + own.boxes
            how = f"branch and bound in floats with a rounding allowance, {boxes} boxes"
            return low, "proved", f"no W with w_1 w_2 >= 0 has a smaller loss: {how}"
        return low, "undecided", "some W with w_1 w_2 >= 0 could not be excluded"
    if winner != "not represented":
        regions = [bound(sign, upper * (1 - _CLOSE) - 1e-9) for sign in (1, -1)]
        return min(r.lower for r in regions), "numerical", "the smallest loss found by descent"
    if form.exponent == 1 and form.positive == 1 and form.negative == 0:
        near = {sign: dedicated_neighbourhood(p, importance, sign) for sign in (1, -1)}
        if all(near.values()):
            # The dedicated loss is I V exactly; the lemma covers what no box can.
            regions = [bound(sign, upper, near[sign]) for sign in (1, -1)]
            if all(region.closed for region in regions):
                boxes = sum(region.boxes for region in regions)
                return (
                    None,
                    "proved",
                    f"nothing beats I V: a lemma near w_2 = 0, branch and bound elsewhere ({boxes} boxes)",
                )
    far = lambda low, high: np.maximum(np.abs(low[:, 1]), np.abs(high[:, 1])) <= _SMALL  # noqa: E731
    away = [bound(sign, upper, far) for sign in (1, -1)]
    low = min(bound(sign, upper * (1 - 10 * _CLOSE) - 1e-9).lower for sign in (1, -1))
    if all(region.closed for region in away):
        return low, "numerical", f"every W with |w_2| > {_SMALL} is proved worse; that w_2 = 0 exactly is numerical"
    return low, "undecided", "superposition with a loss this close could not be excluded"


def _region(
    form: PowerForm,
    p: float,
    importance: float,
    sign: int,
    target: float,
    most_boxes: int,
    settled: Callable[[Array, Array], np.ndarray] | None,
) -> RegionBound:
    """The bound on one sign pattern; outside the box it is proved by the crude bounds alone."""
    a, up, down = int(form.exponent), float(form.positive), float(form.negative)
    window = (2 / up) ** (1 / a) + ((2 / down) ** (1 / a) if down > 0 else 0.0)
    if target >= 0.3333 * importance * p:
        # So close to the loss of a silent feature no large weight can be excluded.
        return RegionBound(0.0, False, 0, np.full(4, np.nan), np.full(4, np.nan))
    # |w|^2 beyond these leave a window too small to reach the target: p(1/3 - window/g) >= target/importance.
    lead = window / (1 / 3 - target / p)
    other = window / (1 / 3 - target / (importance * p))
    cross = float(np.sqrt(lead * other))
    loud = 1 + float(np.sqrt(target / importance))
    top = (loud / up) ** (1 / a) + (cross if sign < 0 else 0.0)
    reach = max(lead, other) + (cross if sign > 0 else 0.0)
    bottom = -reach - (0.0 if down == 0 else (loud / abs(down)) ** (1 / a))
    first, second = float(np.sqrt(lead)), float(np.sqrt(other))
    low = np.array([0.0, 0.0 if sign > 0 else -second, bottom, bottom])
    high = np.array([first, second if sign > 0 else 0.0, top, top])
    return lower_bound_on_region(form, p, importance, target, low, high, most_boxes, settled)
