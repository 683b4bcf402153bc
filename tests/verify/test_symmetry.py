"""Symmetry claims: proofs, exact counterexamples, and a checker that is itself checked."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
import torch
from hypothesis import given
from hypothesis import strategies as st

import theory
import verify
from theory import InputError
from verify.strategies import activation_inputs, group_elements
from verify.symmetry import decimal

Q = sympy.Rational
SMOOTH = ["tanh", "sigmoid", "gelu", "silu", "softplus", "erf", "arctan", "sin", "gaussian", "softsign", "mish"]


def test_tanh_does_not_commute_with_rotations() -> None:
    """The published slip: refuted by a rational rotation and a rational input, which are checked here by hand."""
    verdict = verify.check_equivariance("tanh", "O", n=2)
    assert (verdict.status, verdict.is_exact, verdict.exit_code) == ("refuted", True, 1)
    found = verdict.counterexample
    A, x = sympy.Matrix(found.A), sympy.Matrix(found.x)
    assert (A.T * A).equals(sympy.eye(2))
    assert all(value.is_Rational for value in [*A, *x])
    i = found.coordinate
    left = math.tanh(float((A * x)[i]))
    right = float(sum(A[i, j] * sympy.Float(math.tanh(float(x[j]))) for j in range(2)))
    assert abs(left - right) > 1e-3
    assert (float(found.left), float(found.right)) == pytest.approx((left, right))


@pytest.mark.parametrize(
    ("f", "key", "n", "status"),
    [
        ("tanh", "B", 2, "proved"),
        ("tanh", "S", 3, "proved"),
        ("isotropic:tanh", "O", 3, "proved"),
        ("isotropic:relu", "SO", 2, "proved"),
        ("relu", "R+ wr S", 3, "proved"),
        ("linear", "GL", 3, "proved"),
        ("2*z + 1", "Stab1", 3, "proved"),
        ("gelu", "B", 2, "refuted"),
        ("gelu", "O", 2, "refuted"),
        ("relu", "B", 2, "refuted"),
        ("relu", "R* wr S", 2, "refuted"),
        ("tanh", "R+ wr S", 2, "refuted"),
        ("solu", "B", 2, "refuted"),
        ("softmax", "Stab1", 2, "refuted"),
        ("isotropic:tanh", "CO", 2, "refuted"),
        ("power:2", "B", 2, "refuted"),
        ("relu6", "R+ wr S", 2, "refuted"),
        ("max(0, z - 1000)", "R+ wr S", 1, "refuted"),
        ("z**3 + z**2/10**30", "B", 2, "refuted"),
    ],
)
def test_verdicts(f: str, key: str, n: int, status: str) -> None:
    verdict = verify.check_equivariance(f, key, n)
    assert verdict.status == status
    if status == "refuted":
        assert verdict.is_exact
        found = verdict.counterexample
        assert theory.group(key, n).contains(found.A)
        activation = theory.activation(f)
        moved = activation.on(list(sympy.Matrix(found.A) * sympy.Matrix(found.x)))[found.coordinate]
        assert sympy.simplify(moved - found.left) == 0
        assert "proved by interval arithmetic" in str(verdict)
        assert verdict.to_dict()["counterexample"]["is_exact"] is True


def test_a_conjugated_map_has_the_conjugated_group() -> None:
    """x -> R^-1 tanh(R x): the claim for B_2 is false, for R^-1 B_2 R it holds in floats."""
    R = np.array([[0.6, -0.8], [0.8, 0.6]])
    rotated = lambda x: R.T @ np.tanh(R @ x)  # noqa: E731
    moved = theory.group("B", 2).conjugate([[Q(3, 5), Q(-4, 5)], [Q(4, 5), Q(3, 5)]])
    assert verify.check_equivariance(rotated, "B", n=2).status == "refuted"
    assert verify.check_equivariance(rotated, moved).status == "supported"


@pytest.mark.parametrize(
    ("module", "key", "status"),
    [
        (torch.nn.Tanh(), "B", "proved"),
        (torch.nn.ReLU(), "R+ wr S", "proved"),
        (torch.nn.GELU(), "S", "proved"),
        (torch.nn.GELU(), "B", "refuted"),
        (torch.nn.Sigmoid(), "B", "refuted"),
        (torch.nn.Tanh(), "O", "refuted"),
        (torch.nn.Softmax(dim=-1), "S", "proved"),
        (torch.nn.LeakyReLU(0.1), "R+ wr S", "proved"),
        (torch.nn.Softshrink(), "B", "proved"),
    ],
)
def test_torch_modules(module: torch.nn.Module, key: str, status: str) -> None:
    """A recognised module is proved by its formula; without it there is only evidence of the same kind."""
    verdict = verify.check_equivariance(module, key, n=3, examples=60)
    assert verdict.status == status
    assert verdict.is_exact == (status == "refuted")
    assert "by its formula" in verdict.statement
    blind = verify.check_equivariance(module, key, n=3, examples=60, symbolic=False)
    assert blind.status == ("refuted" if status == "refuted" else "supported")
    assert not blind.is_exact


def test_a_tiny_violation_of_a_black_box_is_found() -> None:
    """The tester is tested: a relative violation of 1e-9 in one output."""
    broken = lambda x: np.tanh(x) * (1 + 1e-9 * (np.arange(x.size) == 0))  # noqa: E731
    assert verify.check_equivariance(broken, "S", n=3).status == "refuted"


@pytest.mark.parametrize("name", SMOOTH)
def test_rounding_never_refutes(name: str) -> None:
    """Float forms of true claims, with extreme inputs among the examples."""
    from numerics import compile_activation

    key = theory.equivariance_group(name, 3).key
    verdict = verify.check_equivariance(compile_activation(theory.activation(name)), key, n=3, examples=150)
    assert verdict.status == "supported", str(verdict)


def test_a_random_map_is_undecided() -> None:
    rng = np.random.default_rng(0)
    verdict = verify.check_equivariance(lambda x: x + rng.standard_normal(x.size), "S", n=2)
    assert (verdict.status, verdict.exit_code) == ("undecided", 3)


def test_symbolic_parameters_are_undecided_or_proved() -> None:
    a = sympy.Symbol("a", positive=True)
    assert verify.check_equivariance(theory.rectified_power(a), "S", 2).status == "proved"
    assert verify.check_equivariance(theory.rectified_power(a), "R+ wr S", 2).status == "undecided"


def test_assertion_for_a_users_own_suite() -> None:
    verify.assert_equivariance("tanh", "B", n=3)
    verify.assert_equivariance(torch.nn.Tanh(), "B", n=2, examples=30)
    with pytest.raises(AssertionError, match="A = "):
        verify.assert_equivariance("gelu", "B", n=2)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: verify.check_equivariance("tanh", "Q", n=2), "'Q'"),
        (lambda: verify.check_equivariance("tanh", "B"), "dimension"),
        (lambda: verify.check_equivariance("tanh", 3, n=2), "group=3"),
        (lambda: verify.check_equivariance("rleu", "B", n=2), "relu"),
        (lambda: verify.check_equivariance("tanh", theory.group("B", 2), n=3), "differs"),
        (lambda: verify.check_equivariance("tanh", "B", n=2, examples=0), "examples"),
        (lambda: verify.check_equivariance("tanh", "B", n=2, examples=2.5), "examples"),
        (lambda: verify.check_equivariance(lambda x: x[:1], "B", n=2), "shape"),
        (lambda: verify.check_equivariance(lambda x: x * np.nan, "GL", n=2), "NaN"),
        (lambda: verify.check_equivariance(np.sqrt, "B", n=2), "NaN"),
        (lambda: verify.check_equivariance(lambda x: x * 1j, "GL", n=2), "complex"),
        (lambda: verify.check_equivariance(lambda x: None, "GL", n=2), "TypeError|shape"),
        (lambda: verify.check_equivariance(lambda x: 1 / "a", "B", n=2), "TypeError"),
        (lambda: verify.check_equivariance(torch.nn.Linear(3, 3), "B", n=2), "failed on a vector"),
    ],
)
def test_bad_input(call: object, word: str) -> None:
    with pytest.raises(InputError, match=word):
        call()  # type: ignore[operator]


def test_plain_torch_functions_and_single_precision_are_understood() -> None:
    assert verify.check_equivariance(torch.tanh, "B", n=2, examples=60).status == "proved"
    assert verify.check_equivariance(torch.nn.functional.gelu, "B", n=2, examples=60).status == "refuted"

    def radial(x: np.ndarray) -> np.ndarray:
        x = x.astype(np.float32)
        size = np.sqrt((x * x).sum())
        return x * np.tanh(size) / size if size > 0 else x

    assert verify.check_equivariance(radial, "O", n=3, examples=150).status == "supported"
    assert verify.check_equivariance(radial, "CO", n=3, examples=150).status == "refuted"


@pytest.mark.parametrize("sign", ["+", "-"])
def test_a_difference_below_float_precision_is_printed_the_right_way_round(sign: str) -> None:
    found = verify.check_equivariance(f"tanh(z) {sign} z**2/10**30", "B", n=2).counterexample
    assert float(found.left) == float(found.right)
    difference = found.left - found.right
    assert abs(difference) == sympy.Rational(2, 10**30) * max(abs(v) for v in found.x) ** 2
    assert f"f(Ax)_1 {'<' if difference < 0 else '>'} (A f(x))_1" in str(found)


@pytest.mark.parametrize(
    ("value", "digits"),
    [
        (-sympy.tanh(Q(4, 5)), "-0.664036770267"),  # 0.66403677026784...: rounding would end in 8
        (sympy.exp(3), "20.0855369231"),
        (sympy.Integer(2) / 3, "0.666666666666"),
        (sympy.sqrt(2) - sympy.sqrt(2), "0"),
    ],
)
def test_decimals_are_cut_off(value: sympy.Expr, digits: str) -> None:
    assert decimal(value) == digits


def test_huge_values_still_make_a_counterexample() -> None:
    found = verify.check_equivariance("exp(exp(z))", theory.group("B", 2).conjugate([[10, 0], [0, 1000]]))
    assert found.status == "refuted"
    assert found.to_dict()["counterexample"]["left"]


def test_kinks_far_out_are_tried_early() -> None:
    found = verify.check_equivariance("max(0, z - 10**6)", "R+ wr S", n=2).counterexample
    assert max(found.x) == 1000001


@given(st.sampled_from(SMOOTH), st.data())
def test_true_claims_hold_exactly_at_random_points(name: str, data: st.DataObject) -> None:
    """Random exact elements of the derived group never give a proved inequality."""
    from verify.symmetry.counterexample import exact_difference

    found = theory.equivariance_group(name, 2)
    A, x = data.draw(group_elements(found)), data.draw(activation_inputs(2))
    if all(abs(v) <= 6 for v in x):
        assert exact_difference(theory.activation(name), A, x) is None
