"""The whole setting of a question: tied autoencoder, sparse features, importances."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import sympy

from theory.arguments import InputError, as_density, as_importance, as_positive_count, exact, is_sequence
from theory.features import feature_law, uniform
from theory.registry import activation

__all__ = ["DENSITY", "ToyModel"]

DENSITY = sympy.Symbol("p", nonnegative=True)
_UNIFORM = uniform()


@dataclass(frozen=True)
class ToyModel:
    """The tied autoencoder x_hat = sigma(W^T W x + b) on sparse features (Elhage et al. 2022).

    Feature i is x_i = B_i U_i, all independent, P(B_i = 1) = density_i, U_i drawn from `law`. The loss is the SUM
    over features, weighted by importance on the output: L = sum_i I_i E (x_i - x_hat_i)^2. W has shape (m, n).

    Args:
        n_features: n, an integer >= 1 or a symbol.
        n_hidden: m, an integer >= 1 or a symbol (the hidden dimension; m >= n means no superposition is needed).
        activation: sigma, anything `theory.activation` accepts.
        density: p in [0, 1], a number, a symbol, or one per feature. Floats are read as decimals: 0.01 is 1/100.
        law: the law of an active feature's value, anything `theory.feature_law` accepts.
        importance: I >= 0, a number, a symbol, or one per feature.
        bias: whether the model has a bias b; bounds for b = 0 do not hold for models with a bias.

    Raises:
        InputError: a value out of range, or a sequence whose length is not n_features.
    """

    n_features: Any
    n_hidden: Any
    activation: Any
    density: Any = DENSITY
    law: Any = _UNIFORM
    importance: Any = 1
    bias: bool = False

    def __post_init__(self) -> None:
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731  (the way to normalise a frozen dataclass)
        put("n_features", as_positive_count("n_features", self.n_features))
        put("n_hidden", as_positive_count("n_hidden", self.n_hidden))
        put("activation", activation(self.activation))
        put("law", feature_law(self.law))
        put("density", self._per_feature("density", as_density))
        put("importance", self._per_feature("importance", as_importance))
        if not isinstance(self.bias, bool):
            raise InputError(f"bias={self.bias!r} must be True or False: whether the model has a bias, not its value")

    def _per_feature(self, name: str, check: Any) -> Any:
        value = getattr(self, name)
        if not is_sequence(value):
            return check(name, value)
        if not self.n_features.is_number:
            raise InputError(f"{name} has one value per feature, but n_features={self.n_features} is a symbol")
        if len(value) != int(self.n_features):
            raise InputError(
                f"{name} has {len(value)} values for n_features={self.n_features}; give one value or one per feature"
            )
        entries = tuple(check(f"{name}[{i}]", entry) for i, entry in enumerate(value))
        return entries[0] if len(set(entries)) == 1 else entries

    @property
    def densities(self) -> tuple[sympy.Expr, ...]:
        """The density of each feature. Raises InputError where n_features is a symbol."""
        return self._spread("density")

    @property
    def importances(self) -> tuple[sympy.Expr, ...]:
        """The importance of each feature. Raises InputError where n_features is a symbol."""
        return self._spread("importance")

    def _spread(self, name: str) -> tuple[sympy.Expr, ...]:
        value = getattr(self, name)
        if isinstance(value, tuple):
            return value
        if not self.n_features.is_number:
            raise InputError(f"n_features={self.n_features} is a symbol; one {name} per feature needs a number")
        return (value,) * int(self.n_features)

    @property
    def is_homogeneous(self) -> bool:
        """Whether all features have the same density and importance."""
        return not isinstance(self.density, tuple) and not isinstance(self.importance, tuple)

    @property
    def free_symbols(self) -> frozenset[sympy.Symbol]:
        """The symbols that still need a value before the model is numeric."""
        parts = [self.n_features, self.n_hidden]
        for value in (self.density, self.importance):
            parts.extend(value if isinstance(value, tuple) else (value,))
        found = set().union(*(part.free_symbols for part in parts), self.activation.parameters)
        return frozenset(found)

    def require_numbers(self) -> None:
        """Raises InputError naming the symbols, unless every value of the model is a number."""
        if self.free_symbols:
            names = ", ".join(sorted(map(str, self.free_symbols)))
            raise InputError(f"the model still has the symbols {names}; give them numbers (ToyModel.replace or .subs)")

    def replace(self, **changes: Any) -> ToyModel:
        """The same model with some fields changed.

        Raises:
            InputError: a field that does not exist.
        """
        known = [entry.name for entry in fields(self)]
        for name in changes:
            if name not in known:
                raise InputError(f"ToyModel has no field {name!r}; its fields are {', '.join(known)}")
        return replace(self, **changes)

    def subs(self, **values: Any) -> ToyModel:
        """The same model with symbols, given by name, replaced by numbers: model.subs(n=6, m=2, p=0.01)."""
        named = [symbol for symbol in self.free_symbols if symbol.name in values]
        table = {symbol: exact(symbol.name, values[symbol.name]) for symbol in named}
        put = lambda value: tuple(v.subs(table) for v in value) if isinstance(value, tuple) else value.subs(table)  # noqa: E731
        return replace(
            self,
            n_features=put(self.n_features),
            n_hidden=put(self.n_hidden),
            activation=self.activation.subs({k: v for k, v in table.items() if k in self.activation.parameters}),
            density=put(self.density),
            importance=put(self.importance),
        )

    def describe(self) -> str:
        """One line for tables and titles."""
        bias = "bias" if self.bias else "no bias"
        sizes = [f"n={self.n_features}", f"m={self.n_hidden}"]
        if self.density != DENSITY:
            sizes.append(f"p={_short(self.density)}")
        parts = [self.activation.name, *sizes, str(self.law), bias]
        if self.importance != 1:
            parts.append(f"I={_short(self.importance)}")
        return ", ".join(parts)


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({_short(value[0])}, …, {_short(value[-1])})"
    return f"{float(value):g}" if value.is_number else str(value)
