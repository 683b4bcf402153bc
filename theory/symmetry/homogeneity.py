"""Which scalars commute with a function of one variable: the facts from which its equivariance group follows.

Every answer is proved, or it is None with a reason. Source: docs/symmetry.md, Theorems A-C.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sympy

from theory.activations import Activation, z
from theory.arguments import InputError
from theory.special import sigmoid, softplus
from theory.symmetry.enclosure import enclose, sign_of
from theory.symmetry.identities import Answer, is_defined, power_degree, t, vanishes

__all__ = ["ScalarSymmetry", "excludes_discrete_scalings", "is_tame", "scalar_symmetry"]

# Compositions of these are definable in an o-minimal structure (Pfaffian closure of the reals), so that f(x)/x is
# eventually monotone and cannot be periodic in log|x|.
_TAME = (
    sympy.Add, sympy.Mul, sympy.exp, sympy.log, sympy.tanh, sympy.sinh, sympy.cosh, sympy.erf, sympy.atan, sympy.asinh,
    sympy.acosh, sympy.Abs, sympy.Max, sympy.Min, sympy.sign, sympy.Heaviside, sympy.Piecewise, sigmoid, softplus,
)  # fmt: skip


@dataclass(frozen=True)
class ScalarSymmetry:
    """The scalars c for which f(c x) = c f(x), and those for which f(c x) = mu f(x), for a function of one variable.

    Attributes:
        kind: "linear" (f = a x, a != 0), "zero", "affine" (f(0) != 0), "constant" (not 0) or "nonlinear".
        homogeneous: H(f): "1", "±1", "R>0" or "R*"; None where open.
        multipliers: C(f), likewise.
        parity: 1 even, -1 odd, 0 neither, None open.
        degree: p with f(c x) = c^p f(x) for c > 0, where C contains R>0; else None.
        reasons: the proof, sentence by sentence.
    """

    kind: str
    homogeneous: str | None
    multipliers: str | None
    parity: int | None
    degree: sympy.Expr | None
    reasons: tuple[str, ...]


@cache
def scalar_symmetry(activation: Activation) -> ScalarSymmetry:
    """The scalar symmetry of an elementwise activation, proved where possible.

    Raises:
        InputError: not elementwise.
    """
    if not activation.is_elementwise:
        raise InputError(f"activation {activation.name!r} is {activation.kind}, not elementwise")
    if activation.parameters:
        return _from_power_form(activation)
    f = activation.expr
    try:
        up, down, at_zero = f.subs(z, t), f.subs(z, -t), f.subs(z, 0)
    except TypeError:  # sympy's answer to a comparison with what is not defined
        return _open("open: f is not defined at 0 or compares what is not real")
    undefined = _undefined(up, down, at_zero)
    if undefined is not None:
        return _open(undefined)
    at_zero = sympy.simplify(at_zero)
    reasons: list[str] = []

    affine = _is_affine(f, up, down, at_zero)
    if affine.value is None:
        return _open(f"whether f is affine is open: {affine.why}")
    if affine.value:
        return _affine(f, at_zero, affine)
    reasons.append(f"f is not affine: {affine.why}")

    parity, why = _parity(up, down, at_zero)
    reasons.append(why)
    power, degree = _degree(up, down, at_zero)
    reasons.append(power.why)
    if degree is not None:
        return _power_like(degree, parity, at_zero, reasons)
    if parity is None or power.value is None:
        return ScalarSymmetry("nonlinear", None, None, parity, None, tuple(reasons))
    ray = _excludes_discrete_scalings(f, up, down)
    reasons.append(ray.why)
    if not ray.value:
        return ScalarSymmetry("nonlinear", None, None, parity, None, tuple(reasons))
    homogeneous = "±1" if parity == -1 else "1"
    multipliers = "±1" if parity else "1"
    reasons.append(
        f"so f(cx) = c f(x) exactly for c in {_braces(homogeneous)}, f(cx) = mu f(x) for c in {_braces(multipliers)}"
    )
    return ScalarSymmetry("nonlinear", homogeneous, multipliers, parity, None, tuple(reasons))


def _open(why: str) -> ScalarSymmetry:
    return ScalarSymmetry("nonlinear", None, None, None, None, (why,))


def _undefined(up: sympy.Expr, down: sympy.Expr, at_zero: sympy.Expr) -> str | None:
    """Why f is not known to be a real function on the whole line; None where it is."""
    for side, sign in ((up, "t"), (down, "-t")):
        defined = is_defined(side)
        if not defined.value:
            return f"open: f({sign}) is not known to be defined for every t > 0: {defined.why}"
    try:
        enclose(at_zero, 256)
    except InputError:
        return f"open: f(0) = {at_zero} is no real number"
    return None


def is_tame(expression: sympy.Expr) -> bool:
    """Whether the expression is built from functions of an o-minimal structure only (a syntactic test)."""
    for node in sympy.preorder_traversal(expression):
        if isinstance(node, sympy.Pow):
            if node.exp.has(sympy.Symbol):
                return False
        elif isinstance(node, sympy.Expr) and node.args and not isinstance(node, _TAME):
            return False
    return True


def excludes_discrete_scalings(*sides: sympy.Expr) -> Answer:
    """Theorem C: why no c != ±1 of a discrete group l^Z can be a multiplier of the function with these half lines.

    One half line is enough: c^2 > 0 maps each of them to itself.
    """
    if all(is_tame(side) for side in sides):
        return Answer(True, "f is definable in an o-minimal structure, so discrete scalings l^Z are excluded")
    for side in sides:
        for k in range(4):
            limit = _limit(side / t**k)
            if limit is not None and sign_of(limit) in (1, -1) and vanishes(side - limit * t**k).value is False:
                why = f"{side.subs(t, sympy.Symbol('t'))} is not {limit} t^{k} but approaches it at 0"
                return Answer(True, f"{why}, so discrete scalings l^Z are excluded")
    return Answer(None, "open: a discrete group of scalings l^Z is not excluded for this function")


def _excludes_discrete_scalings(f: sympy.Expr, up: sympy.Expr, down: sympy.Expr) -> Answer:
    return excludes_discrete_scalings(f) if is_tame(f) else excludes_discrete_scalings(up, down)


def _limit(expression: sympy.Expr) -> sympy.Expr | None:
    """A finite limit at 0+, or None."""
    try:
        value = sympy.limit(expression, t, 0, "+")
    except (NotImplementedError, ValueError, TypeError, RecursionError, AttributeError):
        return None
    return value if value.is_number and value.is_finite and value.is_real else None


def _is_affine(f: sympy.Expr, up: sympy.Expr, down: sympy.Expr, at_zero: sympy.Expr) -> Answer:
    slope = f.subs(z, 1) - at_zero
    for side, sign in ((up, 1), (down, -1)):
        answer = vanishes(side - at_zero - sign * slope * t)
        if answer.value is not True:
            return Answer(answer.value, f"f({'-' if sign < 0 else ''}t) = f(0) + slope * t fails {answer.why}")
    return Answer(True, f"f(x) = {sympy.simplify(slope)} x + {at_zero}")


def _affine(f: sympy.Expr, at_zero: sympy.Expr, affine: Answer) -> ScalarSymmetry:
    slope_sign, zero_sign = sign_of(f.subs(z, 1) - at_zero), sign_of(at_zero)
    if slope_sign is None or zero_sign is None:
        return _open("whether the affine f vanishes at 0, or is constant, is open")
    kind = {(0, 0): "zero", (1, 0): "linear", (0, 1): "constant", (1, 1): "affine"}[(abs(slope_sign), abs(zero_sign))]
    parity = 1 if slope_sign == 0 else -1 if zero_sign == 0 else 0
    everything = "R*" if zero_sign == 0 else "1"
    multipliers = "R*" if zero_sign == 0 or slope_sign == 0 else "1"
    return ScalarSymmetry(
        kind,
        everything,
        multipliers,
        parity,
        sympy.Integer(1) if kind == "linear" else None,
        (f"f is {kind}: {affine.why}",),
    )


def _parity(up: sympy.Expr, down: sympy.Expr, at_zero: sympy.Expr) -> tuple[int | None, str]:
    even = vanishes(up - down)
    if even.value:
        return 1, f"f is even: f(t) - f(-t) = 0 {even.why}"
    zero_sign = sign_of(at_zero)
    if zero_sign in (1, -1) and even.value is False:
        return 0, f"f is neither even ({even.why}) nor odd (f(0) = {at_zero})"
    odd = vanishes(up + down)
    if odd.value and zero_sign == 0:
        return -1, f"f is odd: f(t) + f(-t) = 0 {odd.why}, and f(0) = 0"
    if even.value is False and odd.value is False:
        return 0, f"f is neither even ({even.why}) nor odd ({odd.why})"
    return None, f"the parity of f is open: {even.why}; {odd.why}"


def _degree(up: sympy.Expr, down: sympy.Expr, at_zero: sympy.Expr) -> tuple[Answer, sympy.Expr | None]:
    """Whether f(ct) = c^p f(t) on both half lines for every c > 0, and p; p = 0 for step functions."""
    found: sympy.Expr | None = None
    for side, sign in ((up, "t"), (down, "-t")):
        flat = vanishes(side)
        if flat.value:
            continue
        if flat.value is None:
            return Answer(None, f"open: whether f({sign}) = 0 for t > 0: {flat.why}"), None
        power, degree = power_degree(side)
        if degree is None:
            verdict = (
                "f({0}) is no power of t: {1}, so scalings R>0 are no multipliers"
                if power.value is False
                else ("open: f({0}): {1}")
            )
            return Answer(power.value, verdict.format(sign, power.why)), None
        gap = sympy.Integer(0) if found is None else sign_of(found - degree)
        if gap != 0:
            different = "the half lines are powers of different degree, so scalings R>0 are no multipliers"
            return (Answer(False, different) if gap else Answer(None, f"open: {found} = {degree}")), None
        found = degree
    zero_sign = sign_of(at_zero)
    if found is None:
        if zero_sign:
            return Answer(
                True, f"f is 0 except at 0, so f(cx) = f(x) for every c != 0; f(0) = {at_zero}"
            ), sympy.Integer(0)
        return Answer(None, "f is zero on both half lines"), None
    if found != 0 and zero_sign != 0:
        why = f"f is a power on each half line, but f(0) = {at_zero} != 0, so scalings R>0 are no multipliers"
        return (Answer(False, why) if zero_sign else Answer(None, f"open: whether f(0) = {at_zero} is zero")), None
    return Answer(True, f"f(ct) = c^p f(t) for every c > 0 on both half lines, p = {found}"), found


def _power_like(degree: sympy.Expr, parity: int | None, at_zero: sympy.Expr, reasons: list[str]) -> ScalarSymmetry:
    multipliers = None if parity is None else "R*" if parity else "R>0"
    if parity == -1 and sign_of(at_zero) != 0:
        multipliers = "R>0"
    if degree == 1:
        # Odd and homogeneous of degree one would be linear, which was excluded.
        homogeneous: str | None = "R>0"
    elif parity is None:
        homogeneous = None
    else:
        homogeneous = "±1" if parity == -1 else "1"
    reasons.append(
        f"so f(cx) = c f(x) for c in {_braces(homogeneous)}, f(cx) = mu f(x) for c in {_braces(multipliers)}"
    )
    return ScalarSymmetry("nonlinear", homogeneous, multipliers, parity, degree, tuple(reasons))


def _from_power_form(activation: Activation) -> ScalarSymmetry:
    """Free parameters: the generic answer, with the exceptional parameter values named."""
    form = activation.power_form
    names = ", ".join(sorted(map(str, activation.parameters)))
    if form is None:
        return ScalarSymmetry(
            "nonlinear", None, None, None, None, (f"open: free parameters {names} in a map that is no power",)
        )
    e, up, down = form.exponent, form.positive, form.negative
    if down.has(sympy.Pow) and any(node.base == -1 for node in down.atoms(sympy.Pow)):
        why = f"open: the parity of f depends on {names}; declare the symbol with even=True or odd=True"
        return ScalarSymmetry("nonlinear", None, None, None, e, (why,))
    reasons = [f"f(t) = {up} t^{e}, f(-t) = {down} t^{e} for t > 0, for generic {names}"]
    exceptions = []
    for label, gap in (
        ("linear", (e - 1, up + down)),
        ("odd", (up + down,)),
        ("even", (up - down,)),
        ("degree one", (e - 1,)),
    ):
        unknown = sorted(activation.parameters, key=str)
        solutions = sympy.solve([g for g in gap if g != 0], unknown, dict=True) if any(g != 0 for g in gap) else []
        exceptions += [f"{label} where " + ", ".join(f"{k} = {v}" for k, v in s.items()) for s in solutions if s]
    odd, even = sympy.simplify(up + down) == 0, sympy.simplify(up - down) == 0
    parity = -1 if odd else 1 if even else 0
    if e == 1 and odd:
        return ScalarSymmetry("linear", "R*", "R*", -1, e, tuple(reasons))
    homogeneous = "R>0" if e == 1 else "±1" if odd else "1"
    reasons.append("exceptional values: " + ("; ".join(exceptions) if exceptions else "none"))
    return ScalarSymmetry("nonlinear", homogeneous, "R*" if parity else "R>0", parity, e, tuple(reasons))


def _braces(name: str | None) -> str:
    return {"1": "{1}", "±1": "{1, -1}", None: "an undecided set"}.get(name, str(name))
