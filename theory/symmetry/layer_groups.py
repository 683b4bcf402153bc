"""The equivariance and intertwiner groups of the coupled layers, each with its proof.

Source: docs/symmetry.md, layer maps. Every derivation is for n >= 2; in one dimension a layer is elementwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from theory.layers import Layer
from theory.symmetry.layers.folding import householder, sorting, winner
from theory.symmetry.layers.normalisation import layer_norm, rms_norm
from theory.symmetry.layers.pairing import crelu, gated, maxout
from theory.symmetry.layers.simplex import log_softmax, simplex, solu
from theory.symmetry.layers.symmetry import LayerSymmetry

__all__ = ["layer_symmetry"]

_RULES: Mapping[str, Callable[[Layer, int], LayerSymmetry]] = {
    "softmax": simplex,
    "sparsemax": simplex,
    "log_softmax": log_softmax,
    "solu": solu,
    "sort": sorting,
    "group_sort": sorting,
    "max_min": sorting,
    "householder": householder,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "winner_take_all": winner,
    "crelu": crelu,
    "maxout": maxout,
    **dict.fromkeys(("bilinear", "glu", "reglu", "geglu", "swiglu", "gated"), gated),
}


@cache
def layer_symmetry(found: Layer, n: int) -> LayerSymmetry:
    """Both groups, derived for this layer and dimension n (n >= 2, or an output space that is not R^n).

    Raises:
        InputError: the layer does not act on R^n.
    """
    found.form(n)
    return _RULES[found.key](found, n)
