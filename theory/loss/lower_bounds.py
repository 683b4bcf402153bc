"""What no weights can beat: lower bounds on the optimal loss, at first order and at every density.

Source: docs/theory.md, T3, T5, T6, T9.
"""

from __future__ import annotations

from collections.abc import Mapping

from theory.arguments import InputError, one_of
from theory.bound import Bound
from theory.loss.bias.lower import (
    bias_dies_out,
)
from theory.loss.capacity import has_kernel
from theory.loss.lower_density import DENSITY_LOWER, first_order
from theory.loss.lower_sparse import SPARSE_LOWER, Build, built
from theory.loss.unequal.densities import has_numeric_densities
from theory.loss.unequal.importance import has_ranked_importances
from theory.toy_model import ToyModel

__all__ = ["LOWER_BOUNDS", "lower_bound", "lower_bounds"]

_BUILDERS: Mapping[str, Mapping[str, Build]] = {"sparse": SPARSE_LOWER, "loss": DENSITY_LOWER}
LOWER_BOUNDS = (*SPARSE_LOWER, *DENSITY_LOWER)
"""Names of lower bounds, those of the sparse limit first."""


def lower_bounds(model: ToyModel, of: str = "loss") -> list[Bound]:
    """Every lower bound known for the model, the largest first where they are numbers.

    Args:
        model: any toy model; n, m, p may be symbols.
        of: "loss" for L* at the model's density, "sparse" for c* = lim L*/p.

    Returns:
        Proved bounds; empty where none is known.

    Raises:
        InputError: unknown `of`.
    """
    one_of("of", of, ("loss", "sparse"))
    return built(_BUILDERS[of], model)


def lower_bound(model: ToyModel, of: str = "loss", name: str | None = None) -> Bound:
    """The best lower bound known for the model, or a named one.

    Args:
        model: the setting; n, m, p may be symbols.
        of: "loss" for L* at the model's density, "sparse" for c* = lim L*/p.
        name: one of `LOWER_BOUNDS`; by default the largest (with symbols: the most general). A bound of the sparse
            limit gives, of="loss", p q^(n-1) times itself.

    Raises:
        InputError: none is known for this setting, or the named one does not apply; the message says why.
    """
    one_of("of", of, ("loss", "sparse"))
    if name is not None:
        one_of("name", name, LOWER_BOUNDS)
        bound = _named(model, of, name)
        if bound is None:
            raise InputError(f"lower bound {name!r} of {of!r} does not apply to {model.describe()}{_why_none(model)}")
        return bound
    found = lower_bounds(model, of)
    if not found:
        raise InputError(f"no lower bound of {of!r} is known for {model.describe()}{_why_none(model)}")
    return found[0]


def _named(model: ToyModel, of: str, name: str) -> Bound | None:
    if name in _BUILDERS[of]:
        return _BUILDERS[of][name](model)
    return first_order(model, name) if of == "loss" else None


def _why_none(model: ToyModel) -> str:
    if model.activation.power_form is None:
        return f": {model.activation.name} is no power activation"
    if not has_kernel(model.law, model.activation):
        return f": {model.activation.name} is 0 on every value of U, so one active feature is never reconstructed"
    if isinstance(model.importance, tuple) and not has_ranked_importances(model):
        return ": importances that differ must be numbers, because the bounds sort them"
    if isinstance(model.density, tuple) and not has_numeric_densities(model):
        return ": densities that differ must be numbers, as must importances and m, because the bounds sort them"
    if model.bias:
        if bias_dies_out(model):
            return ": with a bias and p > 0 only the rank bound of monomials is known (the no-bias bounds do not hold)"
        return (
            ": with a bias only uniform features and integer exponents, n > 2m, have one (no-bias bounds do not hold)"
        )
    if isinstance(model.density, tuple):
        return ": where densities differ, 'first-order', 'rank' and 'combined' bound 'loss'; there is no one limit L*/p"
    return ""
