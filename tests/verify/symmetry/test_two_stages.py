"""The float filter never accuses the innocent, sees what is planted, and what it sees is proved or cleared exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy
import torch
from torch import nn

import theory
import verify
from theory import layer
from theory.layers import as_map
from verify.symmetry.claims import as_claim
from verify.symmetry.counterexample import exact_difference
from verify.symmetry.exact import _Search
from verify.symmetry.float_map import FloatMap
from verify.symmetry.rounding import compare
from verify.symmetry.search import float_form, rows_to_try

Q = sympy.Rational
SMOOTH = [
    "linear", "2*z + 1", "power:2", "power:3", "sigmoid", "logsigmoid", "softplus", "silu", "mish", "gelu", "gelu_tanh",
    "tanh", "tanhshrink", "softsign", "arctan", "erf", "sin", "cos", "exp", "gaussian", "snake", "celu", "selu", "elu",
    "isotropic:tanh", "isotropic:r**2/(1 + r**2)", "isotropic:r**2", "softmax", "solu", layer("log_softmax"),
    layer("layer_norm", eps=Q(1, 10)), layer("rms_norm", eps=Q(1, 10)), layer("rms_norm"), layer("layer_norm"),
]  # fmt: skip
MODULES: list[tuple[nn.Module, Any]] = [
    (nn.Sigmoid(), "sigmoid"), (nn.SiLU(), "silu"), (nn.Softplus(), "softplus"), (nn.ELU(), "elu"),
    (nn.SELU(), "selu"), (nn.Mish(), "mish"), (nn.GELU(), "gelu"), (nn.GELU(approximate="tanh"), "gelu_tanh"),
    (nn.Tanh(), "tanh"), (nn.CELU(), "celu"), (nn.Softsign(), "softsign"), (nn.LogSigmoid(), "logsigmoid"),
    (nn.Tanhshrink(), "tanhshrink"), (nn.Softmax(-1), "softmax"), (nn.LogSoftmax(-1), layer("log_softmax")),
    (nn.LayerNorm(5, elementwise_affine=False, eps=0.125), layer("layer_norm", eps=Q(1, 8))),
    (nn.RMSNorm(5, elementwise_affine=False, eps=0.125), layer("rms_norm", eps=Q(1, 8))),
]  # fmt: skip


def worst_excess(evaluate: Any, f: Any, n: int, dtype: str, cases: int, seed: int, **options: Any) -> tuple[int, float]:
    """How many true cases were looked at, and the largest |f(Ax) - A f(x)| in units of what rounding explains."""
    group, rng = theory.equivariance_group(f, n), np.random.default_rng(seed)
    # Exact elements, rounded, and random float ones; exact ones of large matrices take long to draw.
    chosen = [np.array(A.tolist(), dtype=float) for A in group.exact_samples(8, seed)] if n < 10 else []
    chosen += [group.sample(rng) for _ in range(15 - len(chosen))]
    A = np.repeat(np.stack(chosen), cases // 15, axis=0)
    pairs = compare(evaluate, A, rows_to_try(n, len(A), seed, [0, 1], dtype), dtype, **options)
    known = np.isfinite(pairs.left) & np.isfinite(pairs.right) & np.isfinite(pairs.allowed)
    return int(known.all(axis=1).sum()), float(pairs.excess.max())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ten_thousand_true_cases_raise_no_suspicion(dtype: str) -> None:
    """Every smooth row of the table, on its own group: rounding stays inside what the filter allows for it."""
    total = 0
    for seed, spec in enumerate(SMOOTH):
        f = as_map(spec)
        seen, excess = worst_excess(float_form(f, 4), f, 4, dtype, 315, seed)
        assert excess <= 1, (f.name, excess)
        total += seen
    assert total >= 10_000


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_position_in_a_torch_tensor_is_allowed_for(dtype: str) -> None:
    """torch rounds the body and the tail of an array differently; 37 numbers have both."""
    total = 0
    for seed, (module, spec) in enumerate(MODULES):
        n = 5 if "Norm" in type(module).__name__ else 37
        f = as_map(spec)
        seen, excess = worst_excess(FloatMap(module, n, dtype), f, n, dtype, 600, seed)
        assert excess <= 1, (f.name, excess)
        total += seen
    assert total >= 10_000


def test_a_filter_without_room_would_accuse_the_innocent() -> None:
    """Negative control of the two tests above, and the use of the second stage: an exact look clears them all."""
    f = as_map("isotropic:tanh")
    excess = worst_excess(float_form(f, 4), f, 4, "float64", 315, 3, roundings=-8 + 1e-9)[1]
    assert excess > 1
    accused = 0
    for spec in ("gelu", "mish", "erf"):
        f, A = as_map(spec), theory.equivariance_group(spec, 2).exact_samples(4, seed=1)
        rows = np.random.default_rng(0).standard_normal((5, 2))
        for exact in map(sympy.Matrix, A):
            for x in rows.tolist():
                accused += 1
                assert exact_difference(f, exact, [Q(v) for v in x]) is None
    assert accused == 60


BITS = 1e-12
PLANTED = "where(z > 0, (1 + 1/10**12)*tanh(z), tanh(z))"


@pytest.mark.parametrize(
    ("f", "claim"),
    [
        (PLANTED, ("B", 3)),
        ("tanh", (np.diag([1.0, -1.0 - BITS, 1.0]), None)),
        ("tanh", (np.array([[0.0, 1.0], [1.0, BITS]]), None)),
        ("gelu", ([np.eye(3)[[1, 0, 2]], np.diag([1.0, 1.0 + BITS, 1.0])], None)),
        ("isotropic:tanh", (np.array([[0.6, -0.8], [0.8 + BITS, 0.6]]), None)),
        ("softmax", (np.eye(3)[[1, 2, 0]] * (1 + BITS), None)),
        (PLANTED, ([np.eye(3)[[1, 2, 0]], np.diag([1.0, -1.0 - BITS, 1.0])], None)),
        (layer("rms_norm", eps=Q(1, 10)), (np.diag([1.0, 1.0 + BITS]), None)),
    ],
)  # fmt: skip
def test_a_planted_relative_violation_of_1e_12_is_proved(f: Any, claim: tuple[Any, int | None]) -> None:
    """In the map, in a generator, in both: found by the filter, proved by intervals."""
    verdict = verify.check_equivariance(f, *claim)
    assert (verdict.status, verdict.is_exact) == ("refuted", True)
    found = verdict.counterexample
    difference = abs(found.left - found.right)
    assert 0 < float(sympy.N(difference, 30)) < 1e-11
    assert "proved by interval arithmetic" in str(verdict)


def test_the_filter_finds_what_readable_numbers_hide() -> None:
    """sin(30 pi z) vanishes at every small rational that a person would try; Hypothesis is not needed either."""
    f = theory.activation("tanh(z) + sin(30*pi*z)**2/10**12")
    search = _Search(f, as_claim("B", 2), theory.equivariance_group(f, 2), 0, "float64")
    assert search.readable() is None
    found = search.filtered()
    assert found is not None
    assert found.is_exact
    assert sympy.diag(-1, 1) == found.A or found.A.det() in (1, -1)
    assert 0 < abs(sympy.N(found.left - found.right, 30)) < 3e-12
    true = _Search(f, as_claim("S", 2), theory.group("trivial", 2), 0, "float64")
    assert true.filtered() is None


@pytest.mark.parametrize("where", ["map", "generator", "both"])
def test_a_planted_violation_of_a_black_box_is_seen_and_called_evidence(where: str) -> None:
    one_side = lambda x: np.where(x > 0, np.tanh(x) * (1 + BITS * (where != "generator")), np.tanh(x))  # noqa: E731
    A = np.diag([1.0, -1.0 - BITS * (where != "map"), 1.0])
    verdict = verify.check_equivariance(one_side, A, examples=40)
    assert (verdict.status, verdict.is_exact) == ("refuted", False)
    assert "evidence, not a proof" in verdict.reason
    assert "rounding explains at most" in str(verdict)


def test_the_same_black_box_with_its_formula_is_proved() -> None:
    one_side = lambda x: np.where(x > 0, np.tanh(x) * (1 + BITS), np.tanh(x))  # noqa: E731
    verdict = verify.check_equivariance(one_side, "B", n=3, examples=40, symbolic=PLANTED)
    assert (verdict.status, verdict.is_exact) == ("refuted", True)
    with pytest.raises(theory.InputError, match="symbolic='tanh' is not what f computes"):
        verify.check_equivariance(one_side, "S", n=3, examples=40, symbolic="tanh")
    seen = verify.check_equivariance(one_side, "B", n=3, examples=40, symbolic="tanh")
    assert (seen.status, seen.is_exact) == ("refuted", False)
    assert "It is not its formula tanh" in seen.reason


def test_float_matrices_are_meant_up_to_rounding() -> None:
    c, s = np.cos(0.3), np.sin(0.3)
    rotation = np.array([[c, -s], [s, c]])
    assert verify.check_equivariance("isotropic:tanh", rotation, examples=30).status == "supported"
    assert verify.check_equivariance("isotropic:tanh", np.array([[0.0, -1.0], [1.0, 0.0]])).status == "proved"
    exact = sympy.Matrix([[Q(3, 5), Q(-4, 5)], [Q(4, 5), Q(3, 5)]])
    assert verify.check_equivariance("isotropic:tanh", [exact, exact.T]).status == "proved"
    off = exact + sympy.Matrix([[Q(1, 10**30), 0], [0, 0]])
    assert verify.check_equivariance("isotropic:tanh", off).is_exact
    assert verify.check_equivariance(torch.nn.Tanh(), -np.eye(2)).status == "proved"


def test_single_precision_is_judged_at_its_own_rounding() -> None:
    """1e-7 is rounding in float32 and a violation in float64."""
    near_odd = lambda x: np.tanh(x) + x.dtype.type(1e-8) * x * x  # noqa: E731
    assert verify.check_equivariance(near_odd, "B", n=2, examples=60).status == "refuted"
    assert verify.check_equivariance(nn.Tanh(), "B", n=2, examples=60, dtype="float32", symbolic=False).exit_code == 0
    far_off = lambda x: np.tanh(x) + x.dtype.type(1e-3) * x * x  # noqa: E731
    assert verify.check_equivariance(far_off, "B", n=2, examples=60, dtype="float32").status == "refuted"


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: verify.check_equivariance("tanh", "B", n=2, dtype="float16"), "dtype='float16'"),
        (lambda: verify.check_equivariance("tanh", "B", n=2, symbolic="tanh"), "symbolic"),
        (lambda: verify.check_equivariance("tanh", np.ones((2, 2))), "singular"),
        (lambda: verify.check_equivariance("tanh", np.ones((2, 3))), "square"),
        (lambda: verify.check_equivariance("tanh", np.eye(2), n=3), "dimension 3"),
        (lambda: verify.check_equivariance("tanh", [np.eye(2), np.eye(3)]), "group="),
        (lambda: verify.check_equivariance(nn.Tanh(), "B", n=2, symbolic="rleu"), "relu"),
    ],
)
def test_bad_input(call: Any, word: str) -> None:
    with pytest.raises(theory.InputError, match=word):
        call()
