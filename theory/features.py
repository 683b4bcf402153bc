"""The law of an active feature's value U."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sympy

from theory.arguments import InputError, exact, one_of
from theory.parsing import parse_number

if TYPE_CHECKING:
    import numpy as np

__all__ = ["FeatureLaw", "beta", "binary", "exponential", "feature_law", "half_normal", "uniform"]

u = sympy.Symbol("u", nonnegative=True)
_s = sympy.Symbol("s", nonnegative=True)


@dataclass(frozen=True)
class FeatureLaw:
    """The law of the value U of an active feature, given by the law of its magnitude |U|.

    One-sided: U = |U| >= 0. Two-sided: U = +|U| or -|U| with probability 1/2 each, independently of |U|.

    Attributes:
        name: the family.
        parameters: its exact parameters, in order.
        moment_of_magnitude: E |U|**s as an expression in the symbol s.
        density_of_magnitude: the probability density of |U| in the symbol u; None where |U| is the constant 1.
        upper: the right end of the support of |U| (oo if unbounded).
        is_two_sided: whether the sign is random.
    """

    name: str
    parameters: tuple[sympy.Expr, ...]
    moment_of_magnitude: sympy.Expr
    density_of_magnitude: sympy.Expr | None
    upper: sympy.Expr
    is_two_sided: bool = False

    def absolute_moment(self, order: Any) -> sympy.Expr:
        """E |U|**order, exact, for real order >= 0 or a symbol."""
        s = exact("order", order)
        if s.is_negative:
            raise InputError(f"order={order} is negative; moments are given for order >= 0")
        return sympy.gammasimp(self.moment_of_magnitude.subs(_s, s))

    def moment(self, order: Any) -> sympy.Expr:
        """mu_order = E U**order, exact.

        Args:
            order: for a one-sided law any real >= 0; for a two-sided law an integer >= 0.

        Raises:
            InputError: negative order, or a two-sided law with an order whose parity is unknown.
        """
        s = exact("order", order)
        if self.is_two_sided:
            if s.is_odd:
                return sympy.Integer(0)
            if not s.is_even:
                raise InputError(
                    f"order={order}: U**order of a two-sided law needs an integer order; see absolute_moment"
                )
        return self.absolute_moment(s)

    def two_sided(self) -> FeatureLaw:
        """The symmetric law with the same magnitude."""
        return replace(self, is_two_sided=True)

    def sample(self, rng: np.random.Generator, size: Any) -> np.ndarray:
        """Independent values of U, shape `size`, float64."""
        magnitude = _SAMPLERS[self.name](rng, size, *(float(p) for p in self.parameters))
        if not self.is_two_sided:
            return magnitude
        return magnitude * (2.0 * rng.integers(0, 2, size=size) - 1.0)

    @property
    def label(self) -> str:
        """The name as the command line writes it, for example "two-sided:beta:2,3"."""
        values = ":" + ",".join(map(str, self.parameters)) if self.parameters else ""
        return ("two-sided:" if self.is_two_sided else "") + self.name.replace("_", "-") + values

    def __str__(self) -> str:
        return self.label


def uniform() -> FeatureLaw:
    """U uniform on [0, 1]: mu_s = 1/(s + 1)."""
    return FeatureLaw("uniform", (), 1 / (_s + 1), sympy.Integer(1), sympy.Integer(1))


def binary() -> FeatureLaw:
    """U = 1: mu_s = 1."""
    return FeatureLaw("binary", (), sympy.Integer(1), None, sympy.Integer(1))


def exponential() -> FeatureLaw:
    """U exponential with mean 1: mu_s = Gamma(s + 1)."""
    return FeatureLaw("exponential", (), sympy.gamma(_s + 1), sympy.exp(-u), sympy.oo)


def half_normal() -> FeatureLaw:
    """U = |N(0, 1)|: mu_s = 2**(s/2) Gamma((s + 1)/2)/sqrt(pi)."""
    moment = 2 ** (_s / 2) * sympy.gamma((_s + 1) / 2) / sympy.sqrt(sympy.pi)
    return FeatureLaw("half_normal", (), moment, sympy.sqrt(2 / sympy.pi) * sympy.exp(-(u**2) / 2), sympy.oo)


def beta(a: Any, b: Any) -> FeatureLaw:
    """U ~ Beta(a, b) on [0, 1], a, b > 0: mu_s = Gamma(a + s) Gamma(a + b)/(Gamma(a) Gamma(a + b + s)).

    Raises:
        InputError: a or b is not positive.
    """
    a, b = exact("a", a), exact("b", b)
    for name, value in (("a", a), ("b", b)):
        if value.is_positive is not True:
            raise InputError(f"beta({name}={value}): both parameters must be > 0")
    gamma = sympy.gamma
    moment = gamma(a + _s) * gamma(a + b) / (gamma(a) * gamma(a + b + _s))
    density = u ** (a - 1) * (1 - u) ** (b - 1) * gamma(a + b) / (gamma(a) * gamma(b))
    return FeatureLaw("beta", (a, b), moment, density, sympy.Integer(1))


def feature_law(spec: Any) -> FeatureLaw:
    """A law from its name: "uniform", "binary", "exponential", "half-normal", "beta:2,3", "two-sided:uniform".

    Raises:
        InputError: unknown name or wrong parameters.
    """
    if isinstance(spec, FeatureLaw):
        return spec
    if not isinstance(spec, str):
        raise InputError(f"law={spec!r} must be a FeatureLaw or a name: {', '.join(_LAWS)}")
    name, _, text = spec.strip().partition(":")
    name = name.lower().replace("-", "_")
    if name == "two_sided":
        return feature_law(text).two_sided()
    one_of("law", name, _LAWS)
    values = [parse_number(part, f"parameter of {name}") for part in text.split(",")] if text else []
    if len(values) != (2 if name == "beta" else 0):
        raise InputError(
            f"law={spec!r}: {name} takes {'two parameters, as in beta:2,3' if name == 'beta' else 'no parameter'}"
        )
    return _LAWS[name](*values)


_LAWS: dict[str, Callable[..., FeatureLaw]] = {
    "uniform": uniform,
    "binary": binary,
    "exponential": exponential,
    "half_normal": half_normal,
    "beta": beta,
}
_SAMPLERS: dict[str, Callable[..., Any]] = {
    "uniform": lambda rng, size: rng.random(size),
    "binary": lambda rng, size: rng.random(size) * 0.0 + 1.0,
    "exponential": lambda rng, size: rng.standard_exponential(size),
    "half_normal": lambda rng, size: abs(rng.standard_normal(size)),
    "beta": lambda rng, size, a, b: rng.beta(a, b, size),
}
