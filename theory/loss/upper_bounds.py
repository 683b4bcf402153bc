"""What some weights achieve: upper bounds on the optimal loss, at first order and at every density.

Source: docs/theory.md, T2, T4, T7, T9(c), T10.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from theory.arguments import InputError, one_of
from theory.bound import Bound
from theory.loss.capacity import has_kernel
from theory.loss.unequal.importance import has_ranked_importances, spread
from theory.loss.upper_density import DENSITY_UPPER
from theory.loss.upper_sparse import SPARSE_UPPER, Build
from theory.toy_model import ToyModel

__all__ = ["UPPER_BOUNDS", "upper_bound", "upper_bounds"]


def upper_bounds(model: ToyModel, of: str = "loss") -> list[Bound]:
    """Every upper bound known for the model, the smallest first where they are numbers.

    Those achieved with b = 0 hold for models with a bias as well; those that need b < 0 are given to such models only.

    Args:
        model: any toy model; n, m, p may be symbols.
        of: "loss" for L* at the model's density, "sparse" for c* = lim L*/p.

    Returns:
        Proved bounds, with `construction` = (W, b) where it is explicit and numeric.

    Raises:
        InputError: unknown `of`.
    """
    one_of("of", of, ("loss", "sparse"))
    found = [bound for build in _BUILDERS[of].values() for bound in [build(model)] if bound is not None]
    if all(bound.value is not None for bound in found):
        found.sort(key=lambda bound: float(bound.expr))
    return found


def upper_bound(model: ToyModel, of: str = "loss", name: str | None = None) -> Bound:
    """The best upper bound known for the model, or a named one.

    Args:
        model: the setting; n, m, p may be symbols.
        of: "loss" for L* at the model's density, "sparse" for c* = lim L*/p.
        name: one of `UPPER_BOUNDS`; by default the smallest (with symbols: the first that applies).

    Raises:
        InputError: none is known for this setting, or the named one does not apply.
    """
    one_of("of", of, ("loss", "sparse"))
    if name is not None:
        one_of("name", name, UPPER_BOUNDS)
        bound = _BUILDERS[of][name](model) if name in _BUILDERS[of] else None
        if bound is None:
            raise InputError(f"upper bound {name!r} of {of!r} does not apply to {model.describe()}{_why_none(model)}")
        return bound
    found = upper_bounds(model, of)
    if not found:
        raise InputError(f"no upper bound of {of!r} is known for {model.describe()}{_why_none(model)}")
    return found[0]


def _why_none(model: ToyModel) -> str:
    if not has_kernel(model.law, model.activation):
        return f": {model.activation.name} is no power activation, or 0 on every value of U"
    if isinstance(model.density, tuple):
        return ": where densities differ, 'orthonormal', 'antipodal' and 'random-directions' bound 'loss', for numbers"
    if isinstance(model.importance, tuple) and not has_ranked_importances(model):
        return ": importances that differ must be numbers, because the bounds sort them"
    return ""


def _for_any_importance(build: Callable[[ToyModel], Bound | None]) -> Callable[[ToyModel], Bound | None]:
    def built(model: ToyModel) -> Bound | None:
        if has_ranked_importances(model) and not isinstance(model.density, tuple):
            return spread(model, build)
        return build(model)

    return built


_BUILDERS: Mapping[str, Mapping[str, Build]] = {
    of: {name: _for_any_importance(build) for name, build in builders.items()}
    for of, builders in (("sparse", SPARSE_UPPER), ("loss", DENSITY_UPPER))
}
UPPER_BOUNDS = tuple(dict.fromkeys(name for builders in _BUILDERS.values() for name in builders))
"""Names of upper bounds, those of the sparse limit first."""
