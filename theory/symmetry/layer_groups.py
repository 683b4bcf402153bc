"""The equivariance and intertwiner groups of the coupled layers, each with its proof.

Source: docs/symmetry.md, layer maps. Every derivation is for n >= 2; in one dimension a layer is elementwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import sympy

from theory.layers import Layer, gate_of
from theory.symmetry.blocks import FormGroup, ScaledPermutations, SortBlock, difference_basis
from theory.symmetry.composite import composite
from theory.symmetry.elements import permutation_part
from theory.symmetry.enclosure import sign_of
from theory.symmetry.groups import MatrixGroup, group
from theory.symmetry.homogeneity import scalar_symmetry
from theory.symmetry.with_proof import stated

__all__ = ["LayerSymmetry", "layer_symmetry"]

Phi = Callable[[sympy.Matrix], sympy.Matrix]


@dataclass(frozen=True)
class LayerSymmetry:
    """Both groups of a layer at one dimension.

    Attributes:
        equivariance: {A : f(Ax) = A f(x)}; None where f maps R^n to another space.
        intertwiners: {A : f(Ax) = B f(x) for some B}.
        character: phi in words.
        phi: B for A, exact.
    """

    equivariance: MatrixGroup | None
    intertwiners: MatrixGroup
    character: str
    phi: Phi


@cache
def layer_symmetry(found: Layer, n: int) -> LayerSymmetry:
    """Both groups, derived for this layer and dimension n (n >= 2, or an output space that is not R^n).

    Raises:
        InputError: the layer does not act on R^n.
    """
    found.form(n)
    return _RULES[found.key](found, n)


def _same(A: sympy.Matrix) -> sympy.Matrix:
    return A


# --- maps onto the simplex ------------------------------------------------------------------------------------------


def _simplex(found: Layer, n: int) -> LayerSymmetry:
    T = "" if found.key == "sparsemax" or found.option("temperature") == 1 else (
        "f(x) = g(x/T) with g at temperature 1, and A commutes with x/T: the temperature T changes neither group",
    )  # fmt: skip
    closed = found.key == "sparsemax"
    image = (
        f"the image of {found.key} is the {'closed' if closed else 'open'} simplex, and so is that of f(Ax), A being "
        "invertible: B maps the simplex onto itself, hence permutes the corners: B = P"
    )
    rest = (
        "so sparsemax(P^-1 A x) = sparsemax(x); on the open set where all outputs are positive, sparsemax(x) = x - tau 1, "
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


def _log_softmax(found: Layer, n: int) -> LayerSymmetry:
    steps = (
        "f(x) = x - L(x) 1 with L(x) = log sum exp(x_i), strictly convex across 1 and so not linear (at temperature T, "
        "f(x) = g(x/T), which changes nothing)",
        "f(Ax) = B f(x) reads (A - B) x = L(Ax) 1 - L(x) B1; were B1 no multiple of 1, a functional that kills 1 and not "
        "B1 would make L linear; so B1 = c 1, A = B + 1 w^T and L(Ax) = c L(x) + w.x",
        "gradients: A^T p(Ax) = c p(x) + w with p the softmax, onto the open simplex: B^T maps the simplex onto c times "
        "itself; c = 0 would make f(Ax) = 0; so B = cP",
        "then L(cPx) = c L(x); at x = 0, log n = c log n, so c = 1: B = P and A = P + 1 w^T, which does intertwine",
    )
    return LayerSymmetry(
        stated(group("S", n), (*steps, "for equivariance B = A, so A = P")),
        stated(group("S + 1v", n), steps),
        "P + 1 v^T -> P",
        permutation_part,
    )


def _solu(found: Layer, n: int) -> LayerSymmetry:
    from theory.symmetry.equivariance import equivariance_group

    base = equivariance_group("solu", n)
    scaled = "f(x) = T g(x/T) with SoLU g at temperature 1: x -> T x commutes with every A, so both groups are those of g"
    linear = "the linear Taylor term x_i/n gives phi(A) = A for every intertwiner A"
    return LayerSymmetry(
        stated(base, (scaled, *base.proof)), stated(base, (scaled, *base.proof, linear)), "A -> A", _same
    )


# --- sorting and folding --------------------------------------------------------------------------------------------


def _sorting(found: Layer, n: int) -> LayerSymmetry:
    k = n if found.key == "sort" else 2 if found.key == "max_min" else int(found.option("size"))
    m = n // k
    means = sympy.kronecker_product(sympy.eye(m), sympy.ones(k, 1))
    differences = sympy.kronecker_product(sympy.eye(m), sympy.Matrix(difference_basis(k)))
    basis = sympy.Matrix.hstack(means, differences)
    commuting, normal = (
        (group("R+ wr S", 1), group("R* wr S", 1)) if k == 2 else (SortBlock(n=k - 1), SortBlock(n=k - 1, every=True))
    )
    split = (
        f"R^{n} = S + W: S the vectors constant on each of the {m} groups of {k}, W those of sum 0 on each; sorting is "
        "the identity on S and g on W, and f(s + w) = s + g(w)"
    )
    steps = (
        split,
        "write A = [[a, b], [c, d]] on S + W and B = [[a', b'], [c', d']]; f(APx) = f(Ax) for permutations P inside the "
        "groups gives b P w = b w, so b = 0, hence a = a' and b' = 0, because g(W) spans W",
        "w = 0: g(cs) = c's for s and -s; g(-v) is minus the reversal of g(v), so g(cs) is sorted and equal to its "
        "reversal, hence 0: c = c' = 0",
        "g(dPw) = g(dw) for every w: dPw is a permutation of dw inside the groups, the same one, Q, on an open set: "
        "dP = Qd, so d normalises the permutations and permutes the copies of sum-zero vectors, inequivalent and irreducible",
        "on one copy d carries permutations to permutations by an isomorphism with the same traces, which is inner (a "
        "transposition has trace k - 3; the outer automorphism of S_6 changes it), so by Schur's lemma it is a scale "
        "times a permutation, a P",
        "conversely g(aPw) = a g(w) for a > 0 and a times the reversal of g(w) for a < 0: phi(aP) = a or a w, w the reversal",
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
                rows, columns = slice(m + i * (k - 1), m + (i + 1) * (k - 1)), slice(m + j * (k - 1), m + (j + 1) * (k - 1))
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
    return size * block._own_reversal()


def _householder(found: Layer, n: int) -> LayerSymmetry:
    normal = sympy.Matrix(found.option("normal"))
    basis = sympy.Matrix.hstack(*normal.T.nullspace(), normal)
    steps = (
        "f is the identity on the hyperplane v.x = 0 and the absolute value along v: f(s + t v) = s + |t| v",
        "with A = [[a, b], [c, d]] and B = [[a', b'], [c', d']] on hyperplane + line: b t = b'|t| for all t gives "
        "b = b' = 0; |cs| = c's for s and -s gives c = c' = 0; a = a'; |dt| = d'|t| gives d' = |d|",
    )
    names = (f"GL({n - 1}) x R>0 on the hyperplane and the normal", f"GL({n - 1}) x R* on the hyperplane and the normal")
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


def _winner(found: Layer, n: int) -> LayerSymmetry:
    steps = (
        "where the largest entry x_i = M is unique and not 0, f(x) = M e_i, so f(Ax) = B f(x) is M B e_i = max(Ax) e_k: each "
        "column of B has one non-zero entry, b_i in row k, and row k of A is b_i e_i on an open set, hence everywhere",
        "A being invertible, different i have different k: A = B is a permutation times a diagonal matrix b",
        "b_i x_i is the largest entry of Ax wherever x_i is that of x: x_i = 1 beside a 0 gives b_i > 0, and x_j close to "
        "x_i > 0 gives b_i >= b_j for all i, j: one scale",
        "conversely positive scales and permutations commute with f",
    )
    found_group = stated(ScaledPermutations(n=n), steps)
    return LayerSymmetry(found_group, found_group, "A -> A", _same)


# --- normalisations -------------------------------------------------------------------------------------------------


def _layer_norm(found: Layer, n: int) -> LayerSymmetry:
    eps, gain = found.option("eps"), found.option("gain")
    V = sympy.Matrix(difference_basis(n))
    form = sympy.ImmutableMatrix(V.T * V)
    ones = sympy.ones(n, 1)
    radial = (
        "R^n = V + R1 with V the vectors of sum 0; f(v + u 1) = h(|v|) v with h(r) = 1/sqrt(r^2/n + eps) != 0",
        "v = 0: f(A 1) = 0 puts A1 in R1; so A induces d on V = R^n/R1, and B maps V to V by d' with h(|dv|) dv = h(|v|) d'v",
        "Theorem D on V (one odd function where n = 2): d = sQ with Q orthogonal and d' = mu s Q, h(sr) = mu h(r)",
        "eps = 0: h is a power, every s > 0 has mu = 1/s, so phi(A) = Q on V"
        if eps == 0
        else "eps > 0: h is no power, so s = 1 and phi(A) = Q on V",
        "A = c on 1, and sQ plus any multiple of 1 on V; phi is free on 1, taken as the identity there",
    )
    shape = "CO" if eps == 0 else "O"
    scaled = FormGroup(n=n - 1, form=form, scaled=eps == 0, title=f"{shape}({n - 1}) on sum-zero vectors")
    intertwiners = stated(
        composite(
            (group("GL", 1), 1), (scaled, 1), basis=sympy.Matrix.hstack(ones, V), sheared=True,
            title=f"{{A : A1 in R1, A in {shape}({n - 1}) modulo 1}}",
        ),
        radial,
    )  # fmt: skip
    D = sympy.eye(n) if gain is None else sympy.diag(*gain)
    character = "A -> Q on sum-zero vectors" + ("" if gain is None else ", conjugated by the gain")

    def phi(A: sympy.Matrix) -> sympy.Matrix:
        projected = (sympy.eye(n) - sympy.ones(n) / n) * A * V
        Q = ((V.T * V).inv() * V.T * projected).applyfunc(sympy.simplify)
        scale = sympy.sqrt(sympy.simplify((Q.T * form * Q)[0, 0] / form[0, 0]))
        whole = sympy.Matrix.hstack(ones, V)
        B = whole * sympy.diag(1, (Q / scale).applyfunc(sympy.simplify)) * whole.inv()
        return D * B * D.inv()

    if gain is None:
        block = FormGroup(n=n - 1, form=form, title=f"O({n - 1}) on sum-zero vectors")
        both = "for equivariance B = A: no multiples of 1 are added on V, and s = mu s: s = 1 (h is strictly decreasing)"
        title = f"O({n - 1}) x R* on sum-zero vectors and 1"
        own = composite((group("GL", 1), 1), (block, 1), basis=sympy.Matrix.hstack(ones, V), title=title)
        return LayerSymmetry(stated(own, (*radial, both)), intertwiners, character, phi)
    refusal = _unusual_gain(gain, "layer_norm")
    if refusal:
        return _open_gain(n, refusal)
    compression = sympy.ImmutableMatrix(form.inv() * V.T * D * V)
    block = FormGroup(
        n=n - 1, form=form, commuting=compression, title=f"{{Q in O({n - 1}) : QM = MQ}}, M the gain on sum-zero vectors"
    )
    steps = (
        *radial,
        "f = D LN with D = diag(gain) invertible: f(Ax) = A f(x) means that A intertwines LN with D^-1 A D, so A D v = D Q v on V",
        "1 is not in DV because the sum of 1/gain is not 0; so A = D Q D^-1 on DV and c on 1, and must induce sQ on R^n/R1",
        "with M the symmetric operator v -> projection of Dv on V, that is s Q M = M Q, so M and sM have the same "
        "eigenvalues: s = 1 and Q commutes with M",
        f"M has the characteristic factors {', '.join(f'({factor})^{power}' for factor, power in block.multiplicities)}: "
        "Q is orthogonal on each eigenspace, so only signs are left where eigenvalues are distinct",
    )
    title = f"C x R*: C the orthogonal maps of sum-zero vectors that commute with the gain there, moved by the gain; {n}-dim"
    own = composite(
        (group("GL", 1), 1), (block, 1), basis=sympy.Matrix.hstack(ones, D * V), title=title.removesuffix(f"; {n}-dim")
    )
    return LayerSymmetry(stated(own, steps), intertwiners, character, phi)


def _rms_norm(found: Layer, n: int) -> LayerSymmetry:
    eps, gain = found.option("eps"), found.option("gain")
    radial = (
        "f(x) = h(|x|) x with h(r) = 1/sqrt(r^2/n + eps), not constant: Theorem D, intertwiners are sQ with Q orthogonal, "
        "h(sr) = mu h(r) and phi(sQ) = mu s Q",
        "eps = 0: every s > 0 has mu = 1/s, so phi(sQ) = Q"
        if eps == 0
        else "eps > 0: h is no power, so s = 1 and phi(Q) = Q",
    )
    D = sympy.eye(n) if gain is None else sympy.diag(*gain)

    def phi(A: sympy.Matrix) -> sympy.Matrix:
        scale = sympy.sqrt(sympy.simplify((A.T * A)[0, 0]))
        return (D * A / scale * D.inv()).applyfunc(sympy.simplify)

    character = ("sQ -> Q" if eps == 0 else "Q -> Q") + ("" if gain is None else ", conjugated by the gain")
    intertwiners = stated(group("CO" if eps == 0 else "O", n), radial)
    if gain is None:
        why = "for equivariance h(sr) = h(r), and h is strictly decreasing: s = 1"
        return LayerSymmetry(stated(group("O", n), (*radial, why)), intertwiners, character, phi)
    refusal = _unusual_gain(gain, "rms_norm")
    if refusal:
        return _open_gain(n, refusal)
    steps = (
        *radial,
        "f = D RMS with D = diag(gain) invertible: f(Ax) = A f(x) means that A = sQ intertwines RMS with D^-1 A D = Q, so "
        "s Q D = D Q; determinants give s = 1, and Q commutes with D",
        "so Q is orthogonal on the entries of each gain and mixes no others",
    )
    values = list(dict.fromkeys(gain))
    blocks = [[i for i, value in enumerate(gain) if value == wanted] for wanted in values]
    basis = sympy.Matrix(n, n, lambda i, j: int(i == [index for block in blocks for index in block][j]))
    title = " x ".join(f"O({len(block)})" for block in blocks) + " on the entries of equal gain"
    own = composite(*((group("O", len(block)), 1) for block in blocks), basis=basis, title=title)
    return LayerSymmetry(stated(own, steps), intertwiners, character, phi)


def _unusual_gain(gain: tuple[sympy.Expr, ...], key: str) -> str:
    """Why the derivation does not cover this gain; empty where it does."""
    if not all(value.is_Rational for value in gain):
        return "open: the gain is not rational"
    if 0 in gain:
        return "open: an entry of the gain is 0"
    if key == "layer_norm" and sum(1 / value for value in gain) == 0:
        return "open: the sum of 1/gain is 0, so the image of the layer contains 1"
    return ""


def _open_gain(n: int, why: str) -> LayerSymmetry:
    least = stated(group("trivial", n), (why, "only the identity is claimed"), status="open")
    return LayerSymmetry(least, least, "A -> A", _same)


# --- maps to another space ------------------------------------------------------------------------------------------


def _crelu(found: Layer, n: int) -> LayerSymmetry:
    steps = (
        "row i: max(0, sum a_j x_j) is a sum of functions of single entries, and so is max(0, -sum a_j x_j)",
        "two non-zero a_j would make max(0, u + v) = p(u) + q(v), so max(0, .) affine (Pexider): each row has one non-zero, A = PD",
        "max(0, dx) = d max(0, x) for d > 0, and |d| max(0, -x) for d < 0; the image spans R^2n, so B is unique",
    )

    def phi(A: sympy.Matrix) -> sympy.Matrix:
        up, down = A.applyfunc(lambda v: sympy.Max(0, v)), A.applyfunc(lambda v: sympy.Max(0, -v))
        return sympy.Matrix([[up, down], [down, up]])

    return LayerSymmetry(None, stated(group("R* wr S", n), steps), "A -> [[A+, A-], [A-, A+]]", phi)


def _maxout(found: Layer, n: int) -> LayerSymmetry:
    m = int(found.option("pieces"))
    steps = (
        "output i of f(Ax) is the support function of the polytope of the m rows a_ij of A, independent and so a simplex "
        "with m corners; the right side is sum_k b_ik h_k, h_k the support function of the simplex of the m pieces of group k",
        "a negative b_ik is impossible: for x in group k alone, max_j a_ij.x would be convex and |b_ik| times minus a convex "
        "function, so h_k linear",
        "so the simplex of the a_ij is the Minkowski sum of the b_ik times simplices in independent spaces, with "
        "m^(number of b_ik > 0) corners: one k, and the a_ij are b_ik times the unit vectors of its pieces",
        "different i have different k, A being invertible; conversely such A intertwine",
    )
    found_group = composite(
        (ScaledPermutations(n=m), n // m), title=f"(S_{m} x R>0) wr S_{n // m}: pieces permuted, groups scaled and permuted"
    )

    def phi(A: sympy.Matrix) -> sympy.Matrix:
        return sympy.Matrix(n // m, n // m, lambda i, j: sum(A[i * m, j * m : (j + 1) * m]))

    return LayerSymmetry(None, stated(found_group, steps), "b P on each group -> b", phi)


def _gated(found: Layer, n: int) -> LayerSymmetry:
    gate, half = gate_of(found), n // 2
    basis = sympy.Matrix(n, n, lambda i, j: int(i == (j // 2 if j % 2 == 0 else half + j // 2)))
    scalar = scalar_symmetry(gate)
    if scalar.kind == "linear":
        return _bilinear(half, basis)
    usable = scalar.multipliers is not None and scalar.kind in ("nonlinear", "affine") and _varies_off_a_point(gate.expr, gate.z)
    key = {"1": "trivial", "±1": "B", "R>0": "R+ wr S", "R*": "R* wr S", None: "trivial"}[scalar.multipliers]
    block = composite((group("R* wr S", 1), 1), (group(key, 1), 1))
    symbol = {"trivial": "{1}", "B": "{1, -1}", "R+ wr S": "R>0", "R* wr S": "R*"}[key]
    found_group = composite(
        (block, half), basis=basis, title=f"(R* x {symbol}) wr S_{half}: values scaled, gates scaled in {symbol}, pairs permuted"
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
        f"f(a, b)_i = a_i g(b_i) with g = {gate.name}; row i: p g(q) = sum_j B_ij a_j g(b_j) for independent linear forms p, q of (a, b)",
        "a = 0: (the b-part of p) times g(the b-part of q) is 0 for all b. Either p has no b-part, or q has none and g(0) = 0, "
        "since g is not 0 off a point; in the second case b -> g(b_j) is affine, so g is linear, which it is not",
        "so p = alpha.a, and for fixed b, (alpha.a) g(q) is linear in a; an a-part of q would make g constant off a point; q = delta.b",
        "so alpha_j g(delta.b) = B_ij g(b_j) for each j: g being no constant, one j only, delta = d e_j and g(d b_j) = mu g(b_j)",
        *scalar.reasons,
        f"so A = (PD, PD') with D any non-zero scales of the values, D' scales of the gates in {symbol}; phi(A) = P D chi(D')",
    )
    if not usable:
        why = f"open: the scales of the gate {gate.name} are not decided, or it is constant off a point"
        return LayerSymmetry(None, stated(found_group, (why,), status="open"), "(PD, PD') -> P D chi(D')", phi)
    return LayerSymmetry(None, stated(found_group, steps), "(PD, PD') -> P D chi(D')", phi)


def _bilinear(half: int, basis: sympy.Matrix) -> LayerSymmetry:
    steps = (
        "row i: p q = sum_j B_ij a_j b_j for independent linear forms p, q: the left side is a quadratic form of rank 2, the "
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
    """Whether g is proved not to be constant outside one point: two disjoint pairs of points with different values."""
    values = [expr.subs(z, sympy.Rational(p)) for p in ("1", "2", "-1", "-2", "1/2", "3", "10", "-10")]
    differing = 0
    while len(values) > 1:
        first = values.pop()
        other = next((v for v in values if sign_of(first - v, or_zero=False) in (1, -1)), None)
        if other is not None:
            values.remove(other)
            differing += 1
    return differing >= 2


_RULES: Mapping[str, Callable[[Layer, int], LayerSymmetry]] = {
    "softmax": _simplex,
    "sparsemax": _simplex,
    "log_softmax": _log_softmax,
    "solu": _solu,
    "sort": _sorting,
    "group_sort": _sorting,
    "max_min": _sorting,
    "householder": _householder,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "winner_take_all": _winner,
    "crelu": _crelu,
    "maxout": _maxout,
    **dict.fromkeys(("bilinear", "glu", "reglu", "geglu", "swiglu", "gated"), _gated),
}
