"""The intertwiner group {A in GL(n) : f(Ax) = phi(A) f(x) for some matrix phi(A)} of an activation.

Source: docs/symmetry.md, Theorems B and D; Godfrey et al. 2022, arXiv 2205.14258.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import sympy

from theory.arguments import InputError, as_weights
from theory.layers import Layer, as_map
from theory.symmetry.elements import permutation_part
from theory.symmetry.equivariance import (
    as_function_of_one_variable,
    dimension,
    equivariance_group,
    is_same_map,
    radius_profile,
)
from theory.symmetry.groups import MatrixGroup
from theory.symmetry.homogeneity import ScalarSymmetry, scalar_symmetry
from theory.symmetry.identities import power_degree

__all__ = ["Intertwiner", "intertwiner"]


@dataclass(frozen=True)
class Intertwiner:
    """A group and the homomorphism phi with f(Ax) = phi(A) f(x).

    Attributes:
        group: {A : f(Ax) = B f(x) for some B}, with status and proof.
        character: phi in words, for example "c -> c^2 on each scale".
    """

    group: MatrixGroup
    character: str
    _phi: Callable[[sympy.Matrix], sympy.Matrix] = field(repr=False, compare=False)

    def phi(self, A: Any) -> sympy.Matrix:
        """The matrix B with f(Ax) = B f(x) for all x, exact.

        Args:
            A: an element of `group`, exact, shape (n, n).

        Raises:
            InputError: A is not exact, or not in the group.
        """
        matrix = as_weights(A, self.group.n, self.group.n)
        if not isinstance(matrix, sympy.MatrixBase):
            raise InputError("A must be exact (a sympy matrix, or nested ints and Fractions)")
        if not self.group.contains(matrix):
            raise InputError(f"A={matrix.tolist()} is not in {self.group.name}")
        return self._phi(matrix)


def intertwiner(f: Any, n: Any) -> Intertwiner:
    """The intertwiner group of an activation and its homomorphism phi.

    It contains the equivariance group, on which phi(A) = A. For relu^2 it is all positively scaled permutations, with
    phi squaring the scales.

    Args:
        f: an activation or a layer, or anything `theory.activation` accepts, or the name of a layer.
        n: the dimension, an integer >= 1.

    Raises:
        InputError: not an activation, or n out of range.

    Source: docs/symmetry.md, Theorems B and D.
    """
    activation, size = as_map(f), dimension(n)
    if isinstance(activation, Layer) and (size > 1 or activation.output_dimension(1) > 1):
        from theory.symmetry.layer_groups import layer_symmetry

        found = layer_symmetry(activation, size)
        return Intertwiner(found.intertwiners, found.character, found.phi)
    if size == 1 and not activation.is_elementwise:
        activation = as_function_of_one_variable(activation)
    if isinstance(activation, Layer):
        raise TypeError(activation)
    if activation.is_elementwise:
        return _elementwise(scalar_symmetry(activation), size)
    group = equivariance_group(activation, size)
    if activation.kind == "isotropic":
        return _isotropic(radius_profile(activation), group)
    if is_same_map(activation, "softmax"):
        why = (
            "f(Ax) = B f(x): the image of softmax is the open simplex, B maps it onto itself, so B is a permutation P",
            "softmax(Ax) = softmax(Px) makes (A - P)x a multiple of 1 for every x: A = P + 1 v^T, and phi(A) = P",
        )
        return Intertwiner(MatrixGroup("S + 1v", size, proof=why), "P + 1 v^T -> P", permutation_part)
    if is_same_map(activation, "solu"):
        linear = "the linear Taylor term x_i/n gives phi(A) = A for every intertwiner A"
        return Intertwiner(replace(group, proof=(*group.proof, linear)), "A -> A", lambda A: A)
    return Intertwiner(group, "A -> A", lambda A: A)


def _isotropic(rho: sympy.Expr, group: MatrixGroup) -> Intertwiner:
    """Theorem D: {sQ : h(sr) = mu h(r)}, given the equivariance group."""
    if group.key == "GL" or group.status == "open":
        return Intertwiner(group, "A -> A", lambda A: A)
    power, degree = power_degree(rho)
    if degree is not None:
        law = f"rho(r) = a r^q with q = {degree}: f(sQx) = s^q Q f(x) for s > 0 and orthogonal Q (Theorem D)"
        return Intertwiner(MatrixGroup("CO", group.n, proof=(law,)), f"sQ -> s^{degree} Q", _scale_orthogonal(degree))
    law = f"intertwiners are sQ with h(sr) = mu h(r) (Theorem D), so s = 1 unless rho is a power: {power.why}"
    status = "open" if power.value is None else "proved"
    return Intertwiner(replace(group, status=status, proof=(*group.proof, law)), "A -> A", lambda A: A)


def _elementwise(found: ScalarSymmetry, n: int) -> Intertwiner:
    if found.kind in ("linear", "affine"):
        key = "GL" if found.kind == "linear" else "Stab1"
        return Intertwiner(MatrixGroup(key, n, proof=found.reasons), "A -> A", lambda A: A)
    if found.kind in ("zero", "constant"):
        why = (*found.reasons, "phi is not unique: any B works for 0, any B with B 1 = 1 for a constant")
        return Intertwiner(MatrixGroup("GL", n, proof=why), "A -> 1 (not unique)", lambda A: sympy.eye(A.rows))
    if found.multipliers is None:
        why = (*found.reasons, "permutations intertwine every elementwise map; whether more does is open")
        return Intertwiner(MatrixGroup("S", n, status="open", proof=why), "P -> P", lambda A: A)
    key = {"1": "S", "±1": "B", "R>0": "R+ wr S", "R*": "R* wr S"}[found.multipliers]
    why = (*found.reasons, "Theorem B: A = PD with multipliers on the diagonal, and phi(PD) = P chi(D) is unique")
    p, parity = found.degree, found.parity
    character = {
        "1": "c -> 1", "±1": "-1 -> 1" if parity == 1 else "-1 -> -1", "R>0": f"c -> c^{p}",
        "R*": f"c -> |c|^{p}" if parity == 1 else f"c -> sign(c) |c|^{p}",
    }[found.multipliers]  # fmt: skip

    def phi(A: sympy.Matrix) -> sympy.Matrix:
        return A.applyfunc(chi)

    def chi(c: sympy.Expr) -> sympy.Expr:
        if c == 0:
            return sympy.Integer(0)
        size = sympy.Integer(1) if p is None else sympy.Abs(c) ** p
        return size if c.is_positive or parity == 1 else -size

    return Intertwiner(MatrixGroup(key, n, proof=why), character, phi)


def _scale_orthogonal(degree: sympy.Expr) -> Callable[[sympy.Matrix], sympy.Matrix]:
    def phi(A: sympy.Matrix) -> sympy.Matrix:
        scale = sympy.sqrt(sympy.simplify((A.T * A)[0, 0]))
        return (A * scale ** (degree - 1)).applyfunc(sympy.simplify)

    return phi
