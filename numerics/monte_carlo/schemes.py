"""The sampling schemes, and which of them to take."""

from __future__ import annotations

from dataclasses import dataclass

from numerics.monte_carlo.strata import strata
from numerics.setting import Setting

__all__ = ["SCHEMES", "Scheme", "choose"]

_ENOUGH_FOR_SOBOL = 2**12
_FEW_DIMENSIONS, _SOME_DIMENSIONS = 10, 40
_ALMOST_SURE = 0.95


@dataclass(frozen=True)
class Scheme:
    """How inputs are drawn.

    Attributes:
        name: as callers spell it.
        words: what it does.
        is_stratified: none and one active feature by integration, more by strata; else plain inputs.
        has_controls: whether linear control variates are taken off.
        is_quasi: whether the inputs come from scrambled Sobol points.
    """

    name: str
    words: str
    is_stratified: bool = False
    has_controls: bool = False
    is_quasi: bool = False


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("naive", "plain inputs"),
        Scheme("control_variate", "plain inputs with linear control variates", has_controls=True),
        Scheme("stratified", "strata by the number of active features", is_stratified=True),
        Scheme(
            "stratified_control",
            "strata by the number of active features with linear control variates",
            is_stratified=True,
            has_controls=True,
        ),
        Scheme("sobol", "scrambled Sobol points", is_quasi=True),
        Scheme(
            "sobol_control", "scrambled Sobol points with linear control variates", has_controls=True, is_quasi=True
        ),
        Scheme(
            "stratified_sobol",
            "scrambled Sobol points in strata by the number of active features",
            is_stratified=True,
            is_quasi=True,
        ),
        Scheme(
            "stratified_sobol_control",
            "scrambled Sobol points in strata by the number of active features with linear control variates",
            is_stratified=True,
            has_controls=True,
            is_quasi=True,
        ),
    )
}


def choose(at: Setting, most: int) -> Scheme:
    """The scheme with the least variance times time on the measured table of docs/benchmarks.md.

    Few active features: strata by their number, from Sobol points where the budget makes them even. Many: plain inputs
    with controls, from Sobol points where the dimensions are few; without controls if every feature is always active.
    """
    parts = strata(at.densities)
    is_even = most >= _ENOUGH_FOR_SOBOL
    if not parts:
        return SCHEMES["stratified"]
    if parts[0].is_exact:
        return SCHEMES["stratified_sobol_control" if is_even else "stratified_control"]
    if parts[0].probability < _ALMOST_SURE:
        return SCHEMES["stratified_control"]
    if is_even and at.n_features <= _FEW_DIMENSIONS:
        return SCHEMES["sobol_control"]
    if is_even and at.n_features <= _SOME_DIMENSIONS and at.densities.min() == 1:
        return SCHEMES["sobol"]
    return SCHEMES["control_variate"]
