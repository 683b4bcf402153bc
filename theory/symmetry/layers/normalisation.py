"""LayerNorm and RMSNorm, with and without gain."""

from __future__ import annotations

import sympy

from theory.layers import Layer
from theory.symmetry.blocks import FormGroup, SignedShears, difference_basis
from theory.symmetry.composite import composite
from theory.symmetry.groups import MatrixGroup, group
from theory.symmetry.layers.symmetry import LayerSymmetry, same, stated

__all__ = ["layer_norm", "rms_norm"]


def layer_norm(found: Layer, n: int) -> LayerSymmetry:
    """Orthogonal maps of the sum-zero vectors (those that commute with the gain there) and scales of 1."""
    eps, gain = found.option("eps"), found.option("gain")
    V = sympy.Matrix(difference_basis(n))
    form = sympy.ImmutableMatrix(V.T * V)
    ones = sympy.ones(n, 1)
    radial = (
        "R^n = V + R1 with V the vectors of sum 0; f(v + u 1) = h(|v|) v with h(r) = 1/sqrt(r^2/n + eps) != 0",
        "v = 0: f(A 1) = 0 puts A1 in R1; so A induces d on V = R^n/R1, and B maps V to V by d' with h(|dv|) dv "
        "= h(|v|) d'v",
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
        both = (
            "for equivariance B = A: no multiples of 1 are added on V, and s = mu s: s = 1 (h is strictly decreasing)"
        )
        title = f"O({n - 1}) x R* on sum-zero vectors and 1"
        own = composite((group("GL", 1), 1), (block, 1), basis=sympy.Matrix.hstack(ones, V), title=title)
        return LayerSymmetry(stated(own, (*radial, both)), intertwiners, character, phi)
    refusal = _unusual_gain(gain)
    if refusal:
        return _open_gain(n, refusal)
    if sum(1 / value for value in gain) == 0:
        return LayerSymmetry(_image_with_ones(D, radial), intertwiners, character, phi)
    compression = sympy.ImmutableMatrix(form.inv() * V.T * D * V)
    block = FormGroup(
        n=n - 1,
        form=form,
        commuting=compression,
        title=f"{{Q in O({n - 1}) : QM = MQ}}, M the gain on sum-zero vectors",
    )
    factors = ", ".join(f"({factor})^{power}" for factor, power in block.multiplicities)
    steps = (
        *radial,
        "f = D LN with D = diag(gain) invertible: f(Ax) = A f(x) means that A intertwines LN with D^-1 A D, so "
        "A D v = D Q v on V",
        "1 is not in DV because the sum of 1/gain is not 0; so A = D Q D^-1 on DV and c on 1, and must induce "
        "sQ on R^n/R1",
        "with M the symmetric operator v -> projection of Dv on V, that is s Q M = M Q, so M and sM have the same "
        "eigenvalues; M = 0 would put 1 in DV; so s = 1 and Q commutes with M",
        f"M has the characteristic factors {factors}: Q is orthogonal on each eigenspace, so only signs are "
        f"left where "
        "eigenvalues are distinct",
    )
    title = "C x R*: C the orthogonal maps of sum-zero vectors that commute with the gain there, moved by the gain"
    own = composite((group("GL", 1), 1), (block, 1), basis=sympy.Matrix.hstack(ones, D * V), title=title)
    return LayerSymmetry(stated(own, steps), intertwiners, character, phi)


def rms_norm(found: Layer, n: int) -> LayerSymmetry:
    """Orthogonal maps (those that commute with the gain)."""
    eps, gain = found.option("eps"), found.option("gain")
    radial = (
        "f(x) = h(|x|) x with h(r) = 1/sqrt(r^2/n + eps), not constant: Theorem D, intertwiners are sQ with Q "
        "orthogonal, "
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
    refusal = _unusual_gain(gain)
    if refusal:
        return _open_gain(n, refusal)
    steps = (
        *radial,
        "f = D RMS with D = diag(gain) invertible: f(Ax) = A f(x) means that A = sQ intertwines RMS with D^-1 A "
        "D = Q, so "
        "s Q D = D Q; determinants give s = 1, and Q commutes with D",
        "so Q is orthogonal on the entries of each gain and mixes no others",
    )
    values = list(dict.fromkeys(gain))
    blocks = [[i for i, value in enumerate(gain) if value == wanted] for wanted in values]
    basis = sympy.Matrix(n, n, lambda i, j: int(i == [index for block in blocks for index in block][j]))
    title = " x ".join(f"O({len(block)})" for block in blocks) + " on the entries of equal gain"
    own = composite(*((group("O", len(block)), 1) for block in blocks), basis=basis, title=title)
    return LayerSymmetry(stated(own, steps), intertwiners, character, phi)


def _image_with_ones(D: sympy.Matrix, radial: tuple[str, ...]) -> MatrixGroup:
    """What commutes with a LayerNorm whose image contains 1: the sum of 1/gain is 0, D = diag(gain)."""
    n, u = D.rows, D.inv() * sympy.ones(D.rows, 1)
    if n == 2:
        why = "open: two dimensions, and the sum of 1/gain is 0: only the identity is claimed"
        return stated(group("trivial", 2), (why,), status="open")
    W = sympy.Matrix.hstack(*sympy.Matrix.hstack(sympy.ones(n, 1), u).T.nullspace())
    form = sympy.ImmutableMatrix(W.T * W)
    compression = sympy.ImmutableMatrix(form.inv() * W.T * D * W)
    block = FormGroup(n=n - 2, form=form, commuting=compression)
    steps = (
        *radial,
        "f = D LN with D = diag(gain) invertible: f(Ax) = A f(x) means that A intertwines LN with D^-1 A D, so "
        "A D v = D Q v on V",
        "the sum of 1/gain is 0, so u = D^-1 1 lies in V and 1 = Du: A1 = D Q u is a multiple of 1, hence Qu = s u "
        "with s = 1 or -1, and A1 = s 1",
        "with M the symmetric operator v -> projection of Dv on V, Mu = 0 and M is not 0 for n > 2; A induces a scale "
        "times Q modulo 1, so M and its multiple have the same eigenvalues: the scale is 1 and Q commutes with M",
        "u is orthogonal to the image of M, so it is not in DV, which leaves its direction: modulo 1, Au = s u, so "
        "Au = s u + c 1 with c free",
        "so A is s [[1, c], [0, 1]] on 1 and u, and D Q D^-1 on DW, W the vectors of V orthogonal to u; all these "
        "commute",
    )
    title = "(<-1> x R) x C: signed shears along 1, C the orthogonal maps of W that commute with the gain there"
    basis = sympy.Matrix.hstack(sympy.ones(n, 1), u, D * W)
    return stated(composite((SignedShears(), 1), (block, 1), basis=basis, title=title), steps)


def _unusual_gain(gain: tuple[sympy.Expr, ...]) -> str:
    """Why the derivation does not cover this gain; empty where it does."""
    if not all(value.is_Rational for value in gain):
        return "open: the gain is not rational"
    if 0 in gain:
        return "open: an entry of the gain is 0"
    return ""


def _open_gain(n: int, why: str) -> LayerSymmetry:
    least = stated(group("trivial", n), (why, "only the identity is claimed"), status="open")
    return LayerSymmetry(least, least, "A -> A", same)
