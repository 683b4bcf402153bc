"""The phase of two features in one dimension: what becomes of the second one.

The words are those of Elhage et al. 2022. Feature 1 has importance 1, feature 2 the relative importance I:
"not represented" (w_2 = 0: the dimension belongs to feature 1), "dedicated" (w_1 = 0: it belongs to feature 2),
"antipodal" superposition (w_1 w_2 < 0) and "aligned" (w_1 w_2 > 0: one direction for the sum of the two). The names
have no tolerance: a feature with a tiny positive weight is aligned. Source: docs/theory.md, T12.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from theory.arguments import InputError
from theory.features import FeatureLaw
from theory.loss.phase.unbiased import Candidate, best_candidates, candidates
from theory.toy_model import ToyModel

__all__ = ["PHASES", "Phase", "phase", "phase_setting"]

PHASES = ("not represented", "dedicated", "aligned", "antipodal")
_SOURCE = "docs/theory.md, T12"


@dataclass(frozen=True)
class Phase:
    """Which phase minimises the loss of a model with n = 2, m = 1, and by how much.

    Attributes:
        model: the setting.
        name: one of PHASES; where the status is "undecided", the phase of the smallest upper end.
        loss: (lower, upper), rationals that enclose the smallest loss L* over all W (and b where the model has one).
        construction: (W, b) as float arrays of shapes (1, 2) and (2,), at which `upper` is attained up to rounding.
        status: "proved" (no other phase reaches the lower loss of this one, by exact arithmetic or a written proof),
            "numerical" (the smallest loss found by search) or "undecided" (two phases cannot be told apart).
        reason: a sentence.
        ratio: an enclosure of w_2/w_1 at the optimum, or of its inverse where |w_2| > |w_1|; None where not certified.
        equation: a polynomial in s = |ratio| that vanishes at the optimum; None where the ratio is exact.
        losses: for each phase, an enclosure of the infimum of the loss over it, where it is known.
        source: the theorem.
    """

    model: ToyModel
    name: str
    loss: tuple[sympy.Rational, sympy.Rational]
    construction: tuple[np.ndarray, np.ndarray] = field(compare=False, repr=False)
    status: str
    reason: str
    ratio: tuple[sympy.Rational, sympy.Rational] | None = None
    equation: sympy.Poly | None = field(default=None, compare=False, repr=False)
    losses: dict[str, tuple[sympy.Rational, sympy.Rational]] = field(default_factory=dict, compare=False, repr=False)
    source: str = _SOURCE

    def __str__(self) -> str:
        low, high = (float(end) for end in self.loss)
        return f"{self.name}: L* in [{low:.12g}, {high:.12g}]  [{self.status}: {self.reason}]"


def phase(model: ToyModel) -> Phase:
    """The phase that minimises the loss over all W, and over b where the model has one.

    Without bias the answer is exact for integer exponents of power activations and the laws uniform, binary,
    exponential and beta with integer parameters: the best scale is closed form, the direction a root of a polynomial.
    With bias see `theory.loss.phase.biased`: linear powers are exact, the rest is bounded from above exactly, and the
    phase is proved where the certificate closes.

    Args:
        model: n_features = 2, n_hidden = 1, every value a number, one density, importance (1, I) or one for both.

    Raises:
        InputError: any other model, or an activation or law without closed form.
    """
    form, law, density, importance, unit = phase_setting(model)
    if model.bias:
        from theory.loss.phase.biased import biased_phase

        return biased_phase(model)
    if density == 0:
        zero = sympy.Integer(0)
        return Phase(model, "not represented", (zero, zero), _construction((0.0, 0.0)), "undecided",
                     "at density 0 every W that maps 0 to 0 has loss 0")  # fmt: skip
    found = candidates(form, law, density, importance)
    total = _fraction(density * law.moment(2) * (1 + importance))
    scale = _fraction(unit)
    best = best_candidates(found)
    zero_map = (total * scale, total * scale)
    losses = {
        name: (_rational(scale * (total - candidate.saved[1])), _rational(scale * (total - candidate.saved[0])))
        for name, candidate in best.items()
    }
    # Aligned and antipodal weights come arbitrarily close to a dedicated dimension.
    axis = min((losses[name] for name in PHASES[:2] if name in losses), default=None)
    if axis is not None:
        losses = {name: min(value, axis) if name in PHASES[2:] else value for name, value in losses.items()}
    if not best or all(candidate.saved[1] == 0 for candidate in best.values()):
        ends = (_rational(zero_map[0]), _rational(zero_map[1]))
        reason = "no direction has a positive gain E<x, x_hat>, so W = 0 is best"
        return Phase(model, "not represented", ends, _construction((0.0, 0.0)), "proved", reason, losses=losses)
    winner = max(best, key=lambda name: best[name].saved[0])
    chosen = best[winner]
    rivals = [name for name in best if name != winner and best[name].saved[1] >= chosen.saved[0]]
    status, reason = "proved", "every critical direction is isolated and its loss enclosed, in exact arithmetic"
    if rivals:
        status, reason = "undecided", f"{winner} and {' and '.join(rivals)} have the same loss to 24 digits"
    ratio = chosen.ratio if chosen.sector.sign > 0 else (-chosen.ratio[1], -chosen.ratio[0])
    return Phase(
        model,
        winner,
        losses[winner],
        _construction(_weights(chosen, float(form.exponent))),
        status,
        reason,
        (_rational(ratio[0]), _rational(ratio[1])),
        chosen.equation,
        losses,
    )


def phase_setting(model: ToyModel) -> tuple[Any, FeatureLaw, sympy.Rational, sympy.Rational, sympy.Rational]:
    """(power form, law, density, importance of feature 2 relative to feature 1, importance of feature 1).

    Raises:
        InputError: a model that the phase diagram is not stated for; the message names the mend.
    """
    model.require_numbers()
    if (model.n_features, model.n_hidden) != (2, 1):
        raise InputError(
            f"n_features={model.n_features}, n_hidden={model.n_hidden}: phases are known for n_features=2, n_hidden=1; "
            "use theory.lower_bound and theory.upper_bound for other sizes"
        )
    form = model.activation.power_form
    if form is None:
        raise InputError(
            f"activation {model.activation.name} is no power; use power, rectified_power, signed_power or leaky_relu, "
            "or numerics.minimise_loss"
        )
    if isinstance(model.density, tuple):
        raise InputError(f"density={model.density}: the phase diagram has one density for both features")
    first, second = model.importances
    if first == 0:
        raise InputError("importance[0]=0: importances are relative to that of feature 1, which must be > 0")
    for name, value in (("density", model.density), ("importance", second / first)):
        if not value.is_Rational:
            raise InputError(f"{name}={value} is irrational; exact arithmetic needs a rational number or a decimal")
    return form, model.law, model.density, second / first, first


def _weights(candidate: Candidate, exponent: float) -> tuple[float, float]:
    """(w_1, w_2): the leading weight satisfies w^(2a) = A/B."""
    gain = float(sum(candidate.gain)) / 2
    length = gain ** (1 / (2 * exponent))
    ratio = float(sum(candidate.ratio)) / 2
    first, second = candidate.sector.direction(sympy.Float(ratio))
    return length * float(first), length * float(second)


def _construction(weights: tuple[float, float], bias: tuple[float, float] = (0.0, 0.0)) -> Any:
    return np.array([weights], dtype=float), np.array(bias, dtype=float)


def _fraction(value: sympy.Expr) -> Fraction:
    number = sympy.Rational(value)
    return Fraction(int(number.p), int(number.q))


def _rational(value: Fraction) -> sympy.Rational:
    return sympy.Rational(value.numerator, value.denominator)
