"""Softmax and its relatives, whose outputs or gradients fill the simplex."""

from __future__ import annotations

from theory.layers import Layer
from theory.symmetry.elements import permutation_part
from theory.symmetry.groups import group
from theory.symmetry.layers.symmetry import LayerSymmetry, same, stated

__all__ = ["log_softmax", "simplex", "solu"]


def simplex(found: Layer, n: int) -> LayerSymmetry:
    """Softmax and sparsemax: permutations; intertwiners up to multiples of 1."""
    T = "" if found.key == "sparsemax" or found.option("temperature") == 1 else (
        "f(x) = g(x/T) with g at temperature 1, and A commutes with x/T: the temperature T changes neither group",
    )  # fmt: skip
    closed = found.key == "sparsemax"
    image = (
        f"the image of {found.key} is the {'closed' if closed else 'open'} simplex, and so is that of f(Ax), A being "
        "invertible: B maps the simplex onto itself, hence permutes the corners: B = P"
    )
    rest = (
        "so sparsemax(P^-1 A x) = sparsemax(x); on the open set where all outputs are positive, sparsemax(x) = "
        "x - tau 1, "
        "hence P^-1 A x - x is a multiple of 1 there and, being linear, everywhere: A = P + 1 v^T"
        if closed
        else "softmax(Ax) = softmax(Px) makes (A - P)x a multiple of 1 for every x: A = P + 1 v^T"
    )
    shifts = f"{found.key}(x + c 1) = {found.key}(x), so every such A with 1 + sum of v != 0 is one, and phi(A) = P"
    equal = "for equivariance B = A, so A = P; permutations commute with f, whose reductions are symmetric"
    return LayerSymmetry(
        stated(group("S", n), (*T, image, equal)),
        stated(group("S + 1v", n), (*T, image, rest, shifts)),
        "P + 1 v^T -> P",
        permutation_part,
    )


def log_softmax(found: Layer, n: int) -> LayerSymmetry:
    """Permutations; intertwiners up to multiples of 1."""
    steps = (
        "f(x) = x - L(x) 1 with L(x) = log sum exp(x_i), strictly convex across 1 and so not linear (at "
        "temperature T, "
        "f(x) = g(x/T), which changes nothing)",
        "f(Ax) = B f(x) reads (A - B) x = L(Ax) 1 - L(x) B1; were B1 no multiple of 1, a functional that kills "
        "1 and not "
        "B1 would make L linear; so B1 = c 1, A = B + 1 w^T and L(Ax) = c L(x) + w.x",
        "gradients: A^T p(Ax) = c p(x) + w with p the softmax, onto the open simplex: B^T maps the simplex onto "
        "c times "
        "itself; c = 0 would make f(Ax) = 0; so B = cP",
        "then L(cPx) = c L(x); at x = 0, log n = c log n, so c = 1: B = P and A = P + 1 w^T, which does intertwine",
    )
    return LayerSymmetry(
        stated(group("S", n), (*steps, "for equivariance B = A, so A = P")),
        stated(group("S + 1v", n), steps),
        "P + 1 v^T -> P",
        permutation_part,
    )


def solu(found: Layer, n: int) -> LayerSymmetry:
    """Permutations, for both groups."""
    from theory.symmetry.equivariance import equivariance_group

    base = equivariance_group("solu", n)
    scaled = (
        "f(x) = T g(x/T) with SoLU g at temperature 1: x -> T x commutes with every A, so both groups are those of g"
    )
    linear = "the linear Taylor term x_i/n gives phi(A) = A for every intertwiner A"
    return LayerSymmetry(
        stated(base, (scaled, *base.proof)), stated(base, (scaled, *base.proof, linear)), "A -> A", same
    )
