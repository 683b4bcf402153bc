"""The equivariance group {A in GL(n) : f(Ax) = A f(x) for all x} of an activation, derived with its proof.

Source: docs/symmetry.md, Theorems A, C, D and the layer maps.
"""

from __future__ import annotations

from typing import Any

import sympy

from theory.activations import Activation, elementwise, z
from theory.arguments import InputError, as_positive_count
from theory.registry import activation as as_activation
from theory.symmetry.groups import MatrixGroup
from theory.symmetry.homogeneity import ScalarSymmetry, excludes_discrete_scalings, scalar_symmetry, t, vanishes

__all__ = ["equivariance_group", "radial_as_elementwise"]

_PEXIDER = (
    "Theorem A: f is not affine, so by Pexider's equation each row of A has one non-zero entry: A = PD with P a "
    "permutation and D diagonal, its entries c satisfying f(cx) = c f(x)"
)


def equivariance_group(f: Any, n: Any) -> MatrixGroup:
    """{A in GL(n) : f(Ax) = A f(x) for all x in R^n}, with status and proof.

    Args:
        f: an activation, or anything `theory.activation` accepts.
        n: the dimension, an integer >= 1.

    Returns:
        The group; `status` is "proved", or "open" where only containment of the returned group is proved; `proof` is
        the reasoning, sentence by sentence.

    Raises:
        InputError: not an activation, or n out of range.

    Source: docs/symmetry.md, Theorem A (elementwise), Theorem D (isotropic), layer maps (softmax, SoLU).
    """
    activation, size = as_activation(f), _dimension(n)
    if activation.is_elementwise:
        return _elementwise(scalar_symmetry(activation), size)
    if activation.kind == "isotropic":
        return _isotropic(activation, size)
    return _coupled(activation, size)


def radial_as_elementwise(activation: Activation) -> Activation:
    """In one dimension, rho(|x|) x/|x| is the odd function sign(x) rho(|x|)."""
    profile = activation.profile
    if profile is None:
        raise InputError(f"activation {activation.name!r} is not isotropic")
    radius = next(iter(profile.free_symbols), None)
    body = profile if radius is None else profile.subs(radius, sympy.Abs(z))
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
        why = "permutations commute with every elementwise map; whether more does is open"
        return MatrixGroup("S", n, status="open", proof=(*found.reasons, why))
    key = {"1": "S", "±1": "B", "R>0": "R+ wr S", "R*": "R* wr S"}[found.homogeneous]
    return MatrixGroup(key, n, proof=(*found.reasons, _PEXIDER))


def _isotropic(activation: Activation, n: int) -> MatrixGroup:
    if n == 1:
        group = _elementwise(scalar_symmetry(radial_as_elementwise(activation)), 1)
        return MatrixGroup(group.key, 1, group.status, ("in one dimension f(x) = sign(x) rho(|x|)", *group.proof))
    rho = radius_profile(activation)
    constant = vanishes(rho - t * rho.subs(t, 1))
    if constant.value:
        return MatrixGroup("GL", n, proof=(f"rho(r)/r is constant {constant.why}, so f is linear",))
    contains = "f(x) = h(|x|) x with h(r) = rho(r)/r, so every orthogonal map commutes with f"
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
    if _same_map(activation, "softmax"):
        why = (
            "permutations commute with softmax, whose sum is symmetric",
            "its image is the open simplex; A maps it onto itself, hence its closure too, and permutes the corners e_i",
        )
        return MatrixGroup("S", n, proof=why)
    if _same_map(activation, "solu"):
        if n == 1:
            return MatrixGroup("GL", 1, proof=("in one dimension softmax is 1, so SoLU is the identity",))
        return MatrixGroup(
            "S",
            n,
            proof=(
                "permutations commute with SoLU, whose sum is symmetric",
                "at the origin SoLU is x/n + (1/n)(x_i^2 - mean(x) x_i) + ...; the quadratic terms give, for each row "
                "a_i, (a_i.x)(a_i.x - mean(Ax) + mean(x)) = sum_j a_ij x_j^2, a form of rank at most 2",
                "so a row has at most two non-zeros; the two-entry family e_j - e_k, -e_k fails the mean constraint",
                "one-entry rows: A = PD, and the same identity gives D = 1",
            ),
        )
    contained = "permutations commute with every layer built from its own entry and symmetric reductions"
    return MatrixGroup("S", n, status="open", proof=(contained, "whether more maps do is open"))


def _same_map(activation: Activation, name: str) -> bool:
    reference = as_activation(name)
    return (activation.expr, activation.reductions) == (reference.expr, reference.reductions)


def _dimension(n: Any) -> int:
    size = as_positive_count("n", n)
    if not size.is_number:
        raise InputError(f"n={n} must be a number")
    return int(size)
