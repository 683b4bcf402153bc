"""Layers that are the identity on one subspace and fold the rest: sorting, Householder reflections, "
"winner-take-all."""

from __future__ import annotations

import sympy

from theory.layers import Layer
from theory.symmetry.blocks import ScaledPermutations, SortBlock, difference_basis
from theory.symmetry.composite import composite
from theory.symmetry.groups import group
from theory.symmetry.layers.symmetry import LayerSymmetry, Phi, same, stated

__all__ = ["householder", "sorting", "winner"]


def sorting(found: Layer, n: int) -> LayerSymmetry:
    """sort, GroupSort and MaxMin: any map of the group sums, scales and reversals of the sum-zero vectors."""
    k = n if found.key == "sort" else 2 if found.key == "max_min" else int(found.option("size"))
    m = n // k
    means = sympy.kronecker_product(sympy.eye(m), sympy.ones(k, 1))
    differences = sympy.kronecker_product(sympy.eye(m), sympy.Matrix(difference_basis(k)))
    basis = sympy.Matrix.hstack(means, differences)
    commuting, normal = (
        (group("R+ wr S", 1), group("R* wr S", 1)) if k == 2 else (SortBlock(n=k - 1), SortBlock(n=k - 1, every=True))
    )
    split = (
        f"R^{n} = S + W: S the vectors constant on each of the {m} groups of {k}, W those of sum 0 on each; "
        f"sorting is "
        "the identity on S and g on W, and f(s + w) = s + g(w)"
    )
    steps = (
        split,
        "write A = [[a, b], [c, d]] on S + W and B = [[a', b'], [c', d']]; f(APx) = f(Ax) for permutations P "
        "inside the "
        "groups gives b P w = b w, so b = 0, hence a = a' and b' = 0, because g(W) spans W",
        "w = 0: g(cs) = c's for s and -s; g(-v) is minus the reversal of g(v), so g(cs) is sorted and equal to its "
        "reversal, hence 0: c = c' = 0",
        "g(dPw) = g(dw) for every w: dPw is a permutation of dw inside the groups, the same one, Q, on an open set: "
        "dP = Qd, so d normalises the permutations and permutes the copies of sum-zero vectors, inequivalent "
        "and irreducible",
        "on one copy d carries permutations to permutations by an isomorphism with the same traces, which is "
        "inner (a "
        "transposition has trace k - 3; the outer automorphism of S_6 changes it), so by Schur's lemma it is a scale "
        "times a permutation, a P",
        "conversely g(aPw) = a g(w) for a > 0 and a times the reversal of g(w) for a < 0: phi(aP) = a or a w, w "
        "the reversal",
    )
    names = _sorting_names(found.key, n, k, m)
    only = "for equivariance d = phi(d): P = 1 where a > 0, P = w where a < 0"
    parts = ((group("GL", m), 1),)
    return LayerSymmetry(
        stated(composite(*parts, (commuting, m), basis=basis, title=names[0]), (*steps, only)),
        stated(composite(*parts, (normal, m), basis=basis, title=names[1]), steps),
        "aP -> a (a > 0), a w (a < 0) on sum-zero vectors, w the reversal; A -> A on group sums",
        _sorted_phi(sympy.ImmutableMatrix(basis), k, m),
    )


def _sorting_names(key: str, n: int, k: int, m: int) -> tuple[str, str]:
    if key == "sort" and k > 2:
        return (
            "{aI + bJ, a > 0} and {w(aI + bJ), a < 0}: w the reversal, J all ones, invertible",
            f"S_{n} {{aI + bJ}}: permutations times invertible aI + bJ, J all ones",
        )
    if k == 2:
        # The sums and differences of the pairs.
        return (
            f"GL({m}) x (R>0 wr S_{m}) on sums and differences",
            f"GL({m}) x (R* wr S_{m}) on sums and differences",
        )
    return (
        f"GL({m}) x ((R>0 x <-w>) wr S_{m}) on group sums and sum-zero vectors, w the reversal",
        f"GL({m}) x ((R* x S_{k}) wr S_{m}) on group sums and sum-zero vectors",
    )


def _sorted_phi(basis: sympy.ImmutableMatrix, k: int, m: int) -> Phi:
    def phi(A: sympy.Matrix) -> sympy.Matrix:
        inner = basis.inv() * A * basis
        moved = sympy.zeros(*A.shape)
        moved[:m, :m] = inner[:m, :m]
        for i in range(m):
            for j in range(m):
                rows, columns = (
                    slice(m + i * (k - 1), m + (i + 1) * (k - 1)),
                    slice(m + j * (k - 1), m + (j + 1) * (k - 1)),
                )
                cell = inner[rows, columns]
                if any(entry != 0 for entry in cell):
                    moved[rows, columns] = _sorted_cell(cell, k)
        return basis * moved * basis.inv()

    return phi


def _sorted_cell(cell: sympy.Matrix, k: int) -> sympy.Matrix:
    """phi(aP) = a or a w on the sum-zero vectors of R^k."""
    if k == 2:
        return cell.applyfunc(sympy.Abs)
    block = SortBlock(n=k - 1, every=True)
    lifted = sympy.Matrix(block.basis) * cell * (block.basis.T * block.basis).inv() * block.basis.T
    size = max(lifted) - min(lifted)
    positive = group("S", k).contains((lifted / size + sympy.ones(k) / k).applyfunc(sympy.simplify))
    if positive:
        return size * sympy.eye(k - 1)
    return -size * block.reversal()


def householder(found: Layer, n: int) -> LayerSymmetry:
    """Any map of the hyperplane, a positive scale of its normal."""
    normal = sympy.Matrix(found.option("normal"))
    basis = sympy.Matrix.hstack(*normal.T.nullspace(), normal)
    steps = (
        "f is the identity on the hyperplane v.x = 0 and the absolute value along v: f(s + t v) = s + |t| v",
        "with A = [[a, b], [c, d]] and B = [[a', b'], [c', d']] on hyperplane + line: b t = b'|t| for all t gives "
        "b = b' = 0; |cs| = c's for s and -s gives c = c' = 0; a = a'; |dt| = d'|t| gives d' = |d|",
    )
    names = (
        f"GL({n - 1}) x R>0 on the hyperplane and the normal",
        f"GL({n - 1}) x R* on the hyperplane and the normal",
    )
    wide, inner = sympy.ImmutableMatrix(basis), sympy.ImmutableMatrix(basis.inv())

    def phi(A: sympy.Matrix) -> sympy.Matrix:
        moved = sympy.Matrix(inner * A * wide)
        moved[n - 1, n - 1] = sympy.Abs(moved[n - 1, n - 1])
        return (wide * moved * inner).applyfunc(sympy.simplify)

    hyperplane = (group("GL", n - 1), 1)
    return LayerSymmetry(
        stated(
            composite(hyperplane, (group("R+ wr S", 1), 1), basis=basis, title=names[0]),
            (*steps, "for equivariance d = |d| > 0"),
        ),
        stated(composite(hyperplane, (group("R* wr S", 1), 1), basis=basis, title=names[1]), steps),
        "A -> A on the hyperplane, d -> |d| along the normal",
        phi,
    )


def winner(found: Layer, n: int) -> LayerSymmetry:
    """Permutations times one positive scale, for both groups."""
    steps = (
        "where the largest entry x_i = M is unique and not 0, f(x) = M e_i, so f(Ax) = B f(x) is M B e_i = "
        "max(Ax) e_k: each "
        "column of B has one non-zero entry, b_i in row k, and row k of A is b_i e_i on an open set, hence "
        "everywhere",
        "A being invertible, different i have different k: A = B is a permutation times a diagonal matrix b",
        "b_i x_i is the largest entry of Ax wherever x_i is that of x: x_i = 1 beside a 0 gives b_i > 0, and "
        "x_j close to "
        "x_i > 0 gives b_i >= b_j for all i, j: one scale",
        "conversely positive scales and permutations commute with f",
    )
    found_group = stated(ScaledPermutations(n=n), steps)
    return LayerSymmetry(found_group, found_group, "A -> A", same)
