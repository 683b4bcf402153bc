"""Members of an intertwiner group with their phi, as float matrices, for hidden layers of any width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from theory import Activation, Intertwiner, Layer, MatrixGroup, group, intertwiner
from theory.activations import elementwise
from theory.symmetry.elements import SCALES

__all__ = ["GaugeGroup", "gauge_group", "members", "tied_group"]

_LARGEST_EXACT = 12
_SCALED = ("R+ wr S", "R* wr S")
_SIGNED = ("B", "R* wr S")
_MONOMIAL = ("S", "B", "R+ wr S", "R* wr S")


@dataclass(frozen=True, eq=False)
class GaugeGroup:
    """The maps A with f(Ax) - offset = phi(A) (f(x) - offset): what may act on a hidden layer.

    Attributes:
        group: of these A.
        character: phi in words.
        offset: a constant per unit, float64; 0 where phi alone does.
        intertwiner: with phi; None for the linear map, phi(A) = A.
        scalar: the intertwiner of f in one dimension, where f is elementwise and nonlinear.
    """

    group: MatrixGroup
    character: str
    offset: np.ndarray
    intertwiner: Intertwiner | None = None
    scalar: Intertwiner | None = None

    @property
    def is_shifted(self) -> bool:
        """Whether the next layer's bias has to move too."""
        return bool(np.any(self.offset))


def gauge_group(
    form: Activation | Layer | None, units: int, bias: tuple[float, ...] | None = None, shifts: bool = True
) -> GaugeGroup:
    """What may act on a hidden layer of that many units.

    Args:
        form: the activation, or None for a hidden layer without one.
        units: its width.
        bias: a constant that the layer adds after `form`.
        shifts: whether the next layer has a bias, so that f - f(0) may be used where its group is larger: sigmoid - 1/2
            is odd.

    Raises:
        InputError: the form does not act on that many units.
    """
    none = np.zeros(units if form is None or isinstance(form, Activation) else form.output_dimension(units))
    if form is None:
        return GaugeGroup(group("GL", units), "A -> A", none)
    found = intertwiner(form, units)
    if not (isinstance(form, Activation) and form.is_elementwise):
        return GaugeGroup(found.group, found.character, none if bias is None else np.array(bias), found)
    start = form.expr.subs(form.z, 0)
    if shifts and start != 0 and start.is_number:
        centred = elementwise(form.expr - start, form.name)
        larger = intertwiner(centred, units)
        if larger.group.key != found.group.key and larger.group.status == "proved":
            offset = np.full(units, float(start))
            return GaugeGroup(larger.group, larger.character, offset, larger, intertwiner(centred, 1))
    return GaugeGroup(found.group, found.character, none, found, intertwiner(form, 1))


def tied_group(found: GaugeGroup) -> MatrixGroup | None:
    """{A in the group : phi(A) = A^-T}: what keeps the next weights the transpose of these; None where not derived.

    For A = P D this asks c chi(c) = 1 of every scale: c = 1 where chi is even or 1, c = ±1 where chi is odd. For sQ
    with phi = s^q Q it asks s^(q+1) = 1; for any A with phi(A) = A, orthogonality.
    """
    key, n = found.group.key, found.group.n
    if found.is_shifted or found.group.status != "proved" or type(found.group) is not MatrixGroup:
        return None
    if key in _MONOMIAL and found.scalar is not None:
        odd = key in _SIGNED and found.scalar.phi([[-1]])[0, 0] == -1
        return group("B" if odd else "S", n)
    if key == "GL" and found.character == "A -> A":
        return group("O", n)
    if key == "O" and "Q -> Q" in found.character.replace("A -> A", "Q -> Q"):
        return group("O", n)
    return group("S", n) if key == "S + 1v" else None


def members(found: GaugeGroup, inside: MatrixGroup, count: int, seed: int) -> tuple[list[tuple[Any, Any]], bool]:
    """Pairs (A, phi(A)) of random members of `inside`, a subgroup, and whether they are exact rationals.

    No pair where neither exact nor float members of that group are available at this size.
    """
    rng, n = np.random.default_rng(seed), inside.n
    if inside.key in _MONOMIAL and (found.scalar is not None or found.intertwiner is None):
        return [_monomial(found, inside, rng) for _ in range(count)], True
    if n <= _LARGEST_EXACT:
        exact = inside.exact_samples(count, seed)
        if found.intertwiner is None:
            return [(_floats(A), _floats(A)) for A in exact], True
        return [(_floats(A), _floats(found.intertwiner.phi(sympy.Matrix(A)))) for A in exact], True
    if inside.key == "S + 1v":
        P = [np.eye(n)[rng.permutation(n)] for _ in range(count)]
        return [(one + rng.integers(0, 4, n) / 4, one) for one in P], True
    if inside.key in ("GL", "O") and found.character in ("A -> A", "Q -> Q"):
        # Columns of an orthogonal matrix, scaled: a Gaussian matrix of this size may be nearly singular.
        spread = 0.5 if inside.key == "GL" else 0.0
        some = [group("O", n).sample(rng) * np.exp(spread * rng.standard_normal(n)) for _ in range(count)]
        return [(A, A) for A in some], False
    return [], False


def _monomial(found: GaugeGroup, inside: MatrixGroup, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    n = inside.n
    scales = [SCALES[i] if inside.key in _SCALED else sympy.Integer(1) for i in rng.integers(len(SCALES), size=n)]
    if inside.key in _SIGNED:
        scales = [scale * int(sign) for scale, sign in zip(scales, rng.choice([-1, 1], size=n), strict=True)]
    chi = {c: c if found.scalar is None else found.scalar.phi(sympy.Matrix([[c]]))[0, 0] for c in set(scales)}
    P = np.eye(n)[rng.permutation(n)]
    return P * np.array([float(c) for c in scales]), P * np.array([float(chi[c]) for c in scales])


def _floats(A: Any) -> np.ndarray:
    return np.array(A.tolist(), dtype=float)
