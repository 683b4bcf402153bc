"""Maps chosen to draw a false proof: spikes, windows too thin for floats, disguised lines, log-periodic functions."""

from __future__ import annotations

import random

import pytest
import sympy

import theory
from theory.activations import z
from theory.special import sigmoid, softplus
from theory.symmetry.enclosure import enclose, sign_of
from theory.symmetry.homogeneity import scalar_symmetry
from theory.symmetry.identities import _in_order, resolve, t

Q, P, Ne = sympy.Rational, sympy.Piecewise, sympy.Ne
THIN = Q(1, 10**30)
u = sympy.log(sympy.Abs(z))
relu = sympy.Max(0, z)


def nearly(value: sympy.Expr, at: sympy.Expr, otherwise: sympy.Expr) -> sympy.Expr:
    """A function with one point moved."""
    return P((otherwise, Ne(z, at)), (value, True))


# expression, H, C: both decided.
DECIDED: dict[str, tuple[sympy.Expr, str, str]] = {
    "line with a spike at 1": (nearly(5, 1, z), "1", "1"),
    "line with a spike at 0": (nearly(5, 0, z), "1", "1"),
    "relu with a spike at -3": (nearly(5, -3, relu), "1", "1"),
    "relu with a spike at sqrt(2)": (nearly(5, sympy.sqrt(2), relu), "1", "1"),
    "tanh with equal spikes": (P((sympy.tanh(z), Ne(z**2, 2)), (0, True)), "±1", "±1"),
    "tanh with unequal spikes": (P((sympy.tanh(z), Ne(z**2, 2)), (1, True)), "1", "1"),
    "spike where exp(z) = 3": (P((z, Ne(sympy.exp(z), 3)), (5, True)), "1", "1"),
    "spike where tanh(z) = 1/2": (P((z, Ne(sympy.tanh(z), Q(1, 2))), (5, True)), "1", "1"),
    "spike at a root of degree five": (P((z, Ne(z**5 - z - 1, 0)), (5, True)), "1", "1"),
    "one point": (P((1, sympy.Eq(z, 0)), (0, True)), "1", "R*"),
    "another point": (P((1, sympy.Eq(z, 1)), (0, True)), "1", "1"),
    "all but one point": (P((0, sympy.Eq(z, 0)), (1, True)), "1", "R*"),
    "sign squared": (sympy.sign(z) ** 2, "1", "R*"),
    "sign squared times z": (sympy.sign(z) ** 2 * z, "R*", "R*"),
    "sign(z - 1) squared times z": (sympy.sign(z - 1) ** 2 * z, "1", "1"),
    "nested absolute values": (sympy.Abs(sympy.Abs(sympy.Abs(z) - 1) - 1), "1", "±1"),
    "real cube root": (sympy.sign(z) * sympy.Abs(z) ** Q(1, 3), "±1", "R*"),
    "thin window": (P((2 * z, sympy.And(z > 2, z < 2 + THIN)), (z, True)), "1", "1"),
    "thin odd bumps": (z + sympy.Max(0, THIN - abs(z - 2)) - sympy.Max(0, THIN - abs(z + 2)), "±1", "±1"),
    "nearly odd bumps": (z + sympy.Max(0, THIN - abs(z - 2)) - sympy.Max(0, THIN - abs(z + 2 + THIN)), "1", "1"),
    "relu with a thin bump": (relu + sympy.Max(0, THIN - abs(z - 2)), "1", "1"),
    "bump far out": (z + sympy.Max(0, 1 - abs(z - 10**6)), "1", "1"),
    "slope 1e-300": (relu + sympy.Min(0, z) / 10**300, "R>0", "R>0"),
    "slope nearly 1": (relu + (1 - Q(1, 10**15)) * sympy.Min(0, z), "R>0", "R>0"),
    "slope nearly -1": (relu - (1 - Q(1, 10**15)) * sympy.Min(0, z), "R>0", "R>0"),
    "slope 1 in disguise": (relu + sympy.sqrt(2) * sympy.sqrt(3) / sympy.sqrt(6) * sympy.Min(0, z), "R*", "R*"),
    "degree 1 + 1e-20": (sympy.Abs(z) ** (1 + Q(1, 10**20)), "1", "R*"),
    "degree pi": (relu**sympy.pi, "1", "R>0"),
    "degrees that differ": (P((z**2, z > 0), (z**3, True)), "1", "1"),
    "square of 1e-50": (z + z**2 / 10**50, "1", "1"),
    "cube of 1e-80": (z + z**3 / 10**80, "±1", "±1"),
    "huge constant": (z + 10**400, "1", "1"),
    "huge slope": (10**400 * z, "R*", "R*"),
    "steep exponential": (sympy.exp(10**5 * z), "1", "1"),
    "steep erf": (sympy.erf(10**6 * z), "±1", "±1"),
    "softplus(z) - softplus(-z)": (softplus(z) - softplus(-z), "R*", "R*"),
    "silu less half": (z * sigmoid(z) - z / 2, "1", "±1"),
    "tanh from exponentials": (sympy.exp(z) / sympy.cosh(z) - sympy.tanh(z), "1", "R*"),
    "steps": (P((1, z > 0), (-1, z < 0), (3, True)), "1", "R>0"),
    "pole filled by 0": (P((1 / z, Ne(z, 0)), (0, True)), "±1", "R*"),
    "pole filled by 1": (P((1 / z, Ne(z, 0)), (1, True)), "1", "1"),
    "acosh": (sympy.acosh(1 + sympy.Abs(z)), "1", "±1"),
    "flat at 0": (P((z * (1 + sympy.exp(-1 / z**2)), Ne(z, 0)), (0, True)), "±1", "±1"),
    "conditions by functions": (P((z, sympy.tanh(z) >= 0), (2 * z, True)), "R>0", "R>0"),
    "log-periodic on one side only": (P((sympy.exp(z), z > 0), (z * (2 + sympy.sin(u)), z < 0), (1, True)), "1", "1"),
}  # fmt: skip
# Invariant under a discrete group of scalings, or beyond what is known: never decided.
UNDECIDED: dict[str, sympy.Expr] = {
    "z(2 + sin log)": P((z * (2 + sympy.sin(u)), Ne(z, 0)), (0, True)),
    "z exp(sin log)": P((z * sympy.exp(sympy.sin(u)), Ne(z, 0)), (0, True)),
    "z tanh(sin log)": P((z * sympy.tanh(sympy.sin(u)), Ne(z, 0)), (0, True)),
    "z^2 / (2 + sin log)": P((z**2 / (2 + sympy.sin(u)), Ne(z, 0)), (0, True)),
    "z log(3 + sin log)": P((z * sympy.log(3 + sympy.sin(u)), Ne(z, 0)), (0, True)),
    "z max(1, 3 sin log)": P((z * sympy.Max(1, 3 * sympy.sin(u)), Ne(z, 0)), (0, True)),
    "sin log": P((sympy.sin(u), Ne(z, 0)), (0, True)),
    "relu of it": P((z * (2 + sympy.sin(sympy.log(z))), z > 0), (0, True)),
    "by a condition": P((z, sympy.sin(u) > 0), (2 * z, True)),
    "spike where erf(z) = 1/2": P((z, Ne(sympy.erf(z), Q(1, 2))), (5, True)),
    "spike where cos(z) = z": P((z, Ne(sympy.cos(z), z)), (5, True)),
    "infinitely many spikes": P((z, Ne(sympy.sin(z), 0)), (5, True)),
    "pole where exp(z) = 3": 1 / (sympy.exp(z) - 3),
    "pole far out": 1 / (z - 10**5),
    "tan": sympy.tan(z),
}


@pytest.mark.parametrize("name", DECIDED)
def test_decided(name: str) -> None:
    expression, homogeneous, multipliers = DECIDED[name]
    found = scalar_symmetry(theory.activation(expression))
    assert (found.homogeneous, found.multipliers) == (homogeneous, multipliers)


@pytest.mark.parametrize("name", UNDECIDED)
def test_undecided(name: str) -> None:
    """In particular the spike at erfinv(1/2), whose sign sympy does not know, must not be lost."""
    found = theory.equivariance_group(UNDECIDED[name], 2)
    assert found.status == "open"
    assert found.key in ("S", "B")


def test_break_points_are_ordered_exactly() -> None:
    points = [sympy.sqrt(2) + k * THIN for k in range(-3, 4)] + [2 + k * THIN for k in range(4)]
    for seed in range(5):
        shuffled = [*points, sympy.sqrt(8) / 2]
        random.Random(seed).shuffle(shuffled)
        assert [sympy.expand(p) for p in _in_order(shuffled)] == [sympy.expand(p) for p in points]


def test_an_undecided_condition_leaves_its_branches_unresolved() -> None:
    unknown = sympy.Function("unknown", real=True)
    body = P((t**2, unknown(t) > 0), (t, True))
    assert resolve(body, sympy.Integer(1)) == body


def test_algebraic_and_hyperbolic_break_points_are_enclosed() -> None:
    root = sympy.CRootOf(z**5 - z - 1, 0)
    for precision in (64, 256):
        low, high = enclose(root, precision)
        assert low**5 - low - 1 < 0 < high**5 - high - 1
        assert high - low < Q(1, 2 ** (precision - 8))
    low, high = enclose(sympy.atanh(Q(1, 2)), 128)
    assert sign_of(sympy.exp(2 * low) - 3) == -1
    assert sign_of(sympy.exp(2 * high) - 3) == 1
