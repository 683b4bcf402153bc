"""The equivariance group {A in GL(n) : f(Ax) = A f(x) for all x} of an activation, derived with its proof.

Source: docs/symmetry.md, Theorems A, C, D and the layer maps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy

from theory.activations import Activation, elementwise, z
from theory.arguments import InputError, as_positive_count
from theory.layers import Layer, as_map
from theory.registry import activation as as_activation
from theory.symmetry.groups import MatrixGroup
from theory.symmetry.homogeneity import ScalarSymmetry, excludes_discrete_scalings, scalar_symmetry
from theory.symmetry.identities import is_defined, t, vanishes

__all__ = ["as_function_of_one_variable", "dimension", "equivariance_group", "is_same_map", "radius_profile"]

_PEXIDER = (
    "Theorem A: f is not affine, so by Pexider's equation each row of A has one non-zero entry: A = PD with P a "
    "permutation and D diagonal, its entries c satisfying f(cx) = c f(x)"
)


def equivariance_group(f: Any, n: Any) -> MatrixGroup:
    """{A in GL(n) : f(Ax) = A f(x) for all x in R^n}, with status and proof.

    Args:
        f: an activation or a layer, or anything `theory.activation` accepts, or the name of a layer.
        n: the dimension, an integer >= 1.

    Returns:
        The group; `status` is "proved", or "open" where only containment of the returned group is proved; `proof` is
        the reasoning, sentence by sentence.

    Raises:
        InputError: not an activation, n out of range, or a layer to a space of another dimension.

    Source: docs/symmetry.md, Theorem A (elementwise), Theorem D (isotropic), layer maps (the others).
    """
    activation, size = as_map(f), dimension(n)
    if isinstance(activation, Layer) and (size > 1 or activation.output_dimension(1) > 1):
        from theory.symmetry.layer_groups import layer_symmetry

        found = layer_symmetry(activation, size).equivariance
        if found is None:
            p = activation.output_dimension(size)
            raise InputError(f"f={activation.name} maps R^{size} to R^{p}; ask for its intertwiner group instead")
        return found
    if activation.is_elementwise:
        return _elementwise(scalar_symmetry(activation), size)
    if size == 1:
        scalar = as_function_of_one_variable(activation)
        alone = _elementwise(scalar_symmetry(scalar), 1)
        return replace(alone, proof=(f"in one dimension f(z) = {scalar.expr}", *alone.proof))
    if isinstance(activation, Layer):
        raise TypeError(activation)
    return _isotropic(activation, size) if activation.kind == "isotropic" else _coupled(activation, size)


def as_function_of_one_variable(activation: Activation | Layer) -> Activation:
    """The elementwise activation that a coupled or isotropic map is in one dimension."""
    if isinstance(activation, Layer) or activation.profile is None:
        return elementwise(activation.on([z])[0], activation.name)
    radius = next(iter(activation.profile.free_symbols), None)
    body = activation.profile if radius is None else activation.profile.subs(radius, sympy.Abs(z))
    return elementwise(sympy.sign(z) * body, activation.name)


def _elementwise(found: ScalarSymmetry, n: int) -> MatrixGroup:
    if found.kind in ("linear", "zero"):
        why = (
            "a linear f commutes with every linear map" if found.kind == "linear" else "the zero map commutes with all"
        )
        return MatrixGroup("GL", n, proof=(*found.reasons, why))
    if found.kind in ("affine", "constant"):
        why = "f(x) = a x + b 1 with b != 0: f(Ax) = A f(x) exactly if A 1 = 1"
        return MatrixGroup("Stab1", n, proof=(*found.reasons, why))
    if found.homogeneous is None:
        key, which = (
            ("B", "signed permutations commute with every odd")
            if found.parity == -1
            else ("S", "permutations commute with every")
        )
        why = f"{which} elementwise map; whether more does is open"
        return MatrixGroup(key, n, status="open", proof=(*found.reasons, why))
    key = {"1": "S", "±1": "B", "R>0": "R+ wr S", "R*": "R* wr S"}[found.homogeneous]
    return MatrixGroup(key, n, proof=(*found.reasons, _PEXIDER))


def _isotropic(activation: Activation, n: int) -> MatrixGroup:
    rho = radius_profile(activation)
    contains = "f(x) = h(|x|) x with h(r) = rho(r)/r, so every orthogonal map commutes with f"
    defined = is_defined(rho)
    if not defined.value:
        return MatrixGroup("O", n, status="open", proof=(contains, f"whether rho is defined is open: {defined.why}"))
    constant = vanishes(rho - t * rho.subs(t, 1))
    if constant.value:
        return MatrixGroup("GL", n, proof=(f"rho(r)/r is constant {constant.why}, so f is linear",))
    if constant.value is None:
        return MatrixGroup("O", n, status="open", proof=(contains, f"whether h is constant is open: {constant.why}"))
    discrete = excludes_discrete_scalings(rho)
    steps = (
        contains,
        f"h is not constant: {constant.why}",
        "Theorem D: f(Ax) = A f(x) forces h(|Ax|) = h(|x|); if A stretched some directions more than others, h would be"
        " constant, so A = sQ with Q orthogonal and h(sr) = h(r)",
        discrete.why,
    )
    if not discrete.value:
        return MatrixGroup("O", n, status="open", proof=steps)
    return MatrixGroup("O", n, proof=(*steps, "h(sr) = h(r) for all r then forces s = 1"))


def radius_profile(activation: Activation) -> sympy.Expr:
    """rho as an expression in the positive symbol t."""
    profile = activation.profile
    if profile is None:
        raise InputError(f"activation {activation.name!r} is not isotropic")
    radius = next(iter(profile.free_symbols), None)
    return profile if radius is None else profile.subs(radius, t)


def _coupled(activation: Activation, n: int) -> MatrixGroup:
    if is_same_map(activation, "softmax"):
        why = (
            "permutations commute with softmax, whose sum is symmetric",
            "its image is the open simplex; A maps it onto itself, hence its closure too, and permutes the corners e_i",
        )
        return MatrixGroup("S", n, proof=why)
    if is_same_map(activation, "solu"):
        return MatrixGroup(
            "S",
            n,
            proof=(
                "permutations commute with SoLU, whose sum is symmetric",
                "at the origin SoLU is x_i/n + x_i (x_i - mean(x))/n + ...; the quadratic terms give, for each row a_i,"
                " (a_i.x)(a_i.x - l) = sum_j a_ij x_j^2 with l = mean(Ax) - mean(x), a form of rank at most 2",
                "so a row has at most two non-zeros; two of them are c, -c, and l is the same for every row only if"
                " the rows are -e_b and e_a - e_b, a != b, which contradicts l = mean(Ax) - mean(x) for n >= 2",
                "so every row is a multiple c e_k with l = (c - 1) x_k: l = 0 and c = 1, or all rows are parallel",
            ),
        )
    contained = "permutations commute with every layer built from its own entry and symmetric reductions"
    return MatrixGroup("S", n, status="open", proof=(contained, "whether more maps do is open"))


def is_same_map(activation: Activation, name: str) -> bool:
    """Whether an activation is the registered one of that name, whatever it is called."""
    reference = as_activation(name)
    return (activation.expr, activation.reductions) == (reference.expr, reference.reductions)


def dimension(n: Any) -> int:
    """n as an int >= 1.

    Raises:
        InputError: a symbol, or out of range.
    """
    size = as_positive_count("n", n)
    if not size.is_number:
        raise InputError(f"n={n} must be a number")
    return int(size)
