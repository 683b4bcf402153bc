"""Layers to a space of another dimension: CReLU, maxout and gated linear units. They have intertwiners only."""

from __future__ import annotations

import sympy

from theory.layers import Layer, gate_of
from theory.symmetry.blocks import ScaledPermutations
from theory.symmetry.composite import composite
from theory.symmetry.enclosure import sign_of
from theory.symmetry.groups import group
from theory.symmetry.homogeneity import scalar_symmetry
from theory.symmetry.layers.symmetry import LayerSymmetry, stated

__all__ = ["crelu", "gated", "maxout"]


def crelu(found: Layer, n: int) -> LayerSymmetry:
    """Scaled and signed permutations."""
    steps = (
        "row i: max(0, sum a_j x_j) is a sum of functions of single entries, and so is max(0, -sum a_j x_j)",
        "two non-zero a_j would make max(0, u + v) = p(u) + q(v), so max(0, .) affine (Pexider): each row has "
        "one non-zero, A = PD",
        "max(0, dx) = d max(0, x) for d > 0, and |d| max(0, -x) for d < 0; the image spans R^2n, so B is unique",
    )

    def phi(A: sympy.Matrix) -> sympy.Matrix:
        up, down = A.applyfunc(lambda v: sympy.Max(0, v)), A.applyfunc(lambda v: sympy.Max(0, -v))
        return sympy.Matrix([[up, down], [down, up]])

    return LayerSymmetry(None, stated(group("R* wr S", n), steps), "A -> [[A+, A-], [A-, A+]]", phi)


def maxout(found: Layer, n: int) -> LayerSymmetry:
    """Pieces permuted, groups permuted and scaled by positive numbers."""
    m = int(found.option("pieces"))
    steps = (
        "output i of f(Ax) is the support function of the polytope of the m rows a_ij of A, independent and so "
        "a simplex "
        "with m corners; the right side is sum_k b_ik h_k, h_k the support function of the simplex of the m "
        "pieces of group k",
        "a negative b_ik is impossible: for x in group k alone, max_j a_ij.x would be convex and |b_ik| times "
        "minus a convex "
        "function, so h_k linear",
        "so the simplex of the a_ij is the Minkowski sum of the b_ik times simplices in independent spaces, with "
        "m^(number of b_ik > 0) corners: one k, and the a_ij are b_ik times the unit vectors of its pieces",
        "different i have different k, A being invertible; conversely such A intertwine",
    )
    found_group = composite(
        (ScaledPermutations(n=m), n // m),
        title=f"(S_{m} x R>0) wr S_{n // m}: pieces permuted, groups scaled and permuted",
    )

    def phi(A: sympy.Matrix) -> sympy.Matrix:
        return sympy.Matrix(n // m, n // m, lambda i, j: sum(A[i * m, j * m : (j + 1) * m]))

    return LayerSymmetry(None, stated(found_group, steps), "b P on each group -> b", phi)


def gated(found: Layer, n: int) -> LayerSymmetry:
    """Values scaled freely, gates by the multipliers of the gate, pairs permuted."""
    gate, half = gate_of(found), n // 2
    basis = sympy.Matrix(n, n, lambda i, j: int(i == (j // 2 if j % 2 == 0 else half + j // 2)))
    scalar = scalar_symmetry(gate)
    if scalar.kind == "linear":
        return _bilinear(half, basis)
    usable = (
        scalar.multipliers is not None
        and scalar.kind in ("nonlinear", "affine")
        and _varies_off_a_point(gate.expr, gate.z)
    )
    key = {"1": "trivial", "±1": "B", "R>0": "R+ wr S", "R*": "R* wr S", None: "trivial"}[scalar.multipliers]
    block = composite((group("R* wr S", 1), 1), (group(key, 1), 1))
    symbol = {"trivial": "{1}", "B": "{1, -1}", "R+ wr S": "R>0", "R* wr S": "R*"}[key]
    found_group = composite(
        (block, half),
        basis=basis,
        title=f"(R* x {symbol}) wr S_{half}: values scaled, gates scaled in {symbol}, pairs permuted",
    )
    from theory.symmetry.intertwiners import intertwiner

    chi = intertwiner(gate, 1)

    def phi(A: sympy.Matrix) -> sympy.Matrix:
        pairs = [(i, j) for i in range(half) for j in range(half) if A[i, j] != 0]
        B = sympy.zeros(half)
        for i, j in pairs:
            B[i, j] = A[i, j] * chi.phi(sympy.Matrix([[A[half + i, half + j]]]))[0, 0]
        return B

    steps = (
        f"f(a, b)_i = a_i g(b_i) with g = {gate.name}; row i: p g(q) = sum_j B_ij a_j g(b_j) for independent "
        f"linear forms p, q of (a, b)",
        "a = 0: (the b-part of p) times g(the b-part of q) is 0 for all b. Either p has no b-part, or q has "
        "none and g(0) = 0, "
        "since g is not 0 off a point; in the second case b -> g(b_j) is affine, so g is linear, which it is not",
        "so p = alpha.a, and for fixed b, (alpha.a) g(q) is linear in a; an a-part of q would make g constant "
        "off a point; q = delta.b",
        "so alpha_j g(delta.b) = B_ij g(b_j) for each j: g being no constant, one j only, delta = d e_j and g(d "
        "b_j) = mu g(b_j)",
        *scalar.reasons,
        f"so A = (PD, PD') with D any non-zero scales of the values, D' scales of the gates in {symbol}; phi(A) "
        f"= P D chi(D')",
    )
    if not usable:
        why = f"open: the scales of the gate {gate.name} are not decided, or it is constant off a point"
        return LayerSymmetry(None, stated(found_group, (why,), status="open"), "(PD, PD') -> P D chi(D')", phi)
    return LayerSymmetry(None, stated(found_group, steps), "(PD, PD') -> P D chi(D')", phi)


def _bilinear(half: int, basis: sympy.Matrix) -> LayerSymmetry:
    steps = (
        "row i: p q = sum_j B_ij a_j b_j for independent linear forms p, q: the left side is a quadratic form "
        "of rank 2, the "
        "right side of rank twice the number of non-zero B_ij: one j",
        "p q = B a_j b_j factors in one way: p and q are multiples of a_j and b_j, in either order",
    )
    title = f"(R* wr S_2) wr S_{half}: both factors scaled, swapped, pairs permuted"

    def phi(A: sympy.Matrix) -> sympy.Matrix:
        total = A[:half, :half] + A[:half, half:]
        other = A[half:, :half] + A[half:, half:]
        return sympy.Matrix(half, half, lambda i, j: total[i, j] * other[i, j])

    found_group = composite((group("R* wr S", 2), half), basis=basis, title=title)
    return LayerSymmetry(None, stated(found_group, steps), "product of the two scales of each pair", phi)


def _varies_off_a_point(expr: sympy.Expr, z: sympy.Symbol) -> bool:
    """Whether g is proved not to be constant outside one point: two disjoint pairs of points with different "
    "values."""
    values = [expr.subs(z, sympy.Rational(p)) for p in ("1", "2", "-1", "-2", "1/2", "3", "10", "-10")]
    differing = 0
    while len(values) > 1:
        first = values.pop()
        other = next((v for v in values if sign_of(first - v, or_zero=False) in (1, -1)), None)
        if other is not None:
            values.remove(other)
            differing += 1
    return differing >= 2
