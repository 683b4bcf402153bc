"""What a user puts into a test suite of their own: cases for Hypothesis, a formula beside a module, assertions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import nn

import theory
import verify
from theory import InputError
from verify.strategies import equivariance_cases
from verify.symmetry import EquivarianceCase, symbolic_form

QUICK = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def soft_threshold(x: np.ndarray) -> np.ndarray:
    """A radial map that somebody wrote."""
    size = np.sqrt((x * x).sum(axis=-1, keepdims=True))
    return x * np.maximum(0, 1 - 1 / np.maximum(size, 1e-12))


@QUICK
@given(equivariance_cases(soft_threshold, "O", n=3))
def test_a_case_of_a_black_box(case: EquivarianceCase) -> None:
    case.check()


@QUICK
@given(equivariance_cases("gelu", "S", n=2))
def test_a_case_of_a_formula(case: EquivarianceCase) -> None:
    assert isinstance(case.A, sympy.MatrixBase)
    case.check()


@pytest.mark.parametrize("A", theory.group("B", 3).generators())
def test_one_test_for_each_generator(A: sympy.Matrix) -> None:
    verify.assert_equivariance(torch.tanh, A)


@pytest.mark.parametrize(("f", "is_exact"), [(nn.GELU(), False), ("gelu", True)])
def test_a_failing_case_is_shrunk_and_printed(f: Any, is_exact: bool) -> None:
    @settings(QUICK, database=None, phases=[Phase.generate, Phase.shrink])
    @given(equivariance_cases(f, "B", n=2))
    def test(case: EquivarianceCase) -> None:
        case.check()

    with pytest.raises(AssertionError, match=r"does not commute with A\nA = \[") as caught:
        test()
    text = str(caught.value)
    assert ("proved by interval arithmetic" in text) == is_exact
    number = r"-?[01]" if is_exact else r"-?[01]\.0"
    assert re.search(rf"x = \({number}, {number}\)", text), text


def test_the_documented_examples_run() -> None:
    text = (Path(__file__).parents[3] / "docs" / "symmetry.md").read_text()
    section = text.partition("## Testing your own map")[2].partition("\n## ")[0]
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", section, re.S)
    assert len(blocks) == 2
    exec("\n".join(blocks), names)
    quick = settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    for name in ("test_any_rotation", "test_by_hand"):
        quick(names[name])()
    for A in theory.group("B", 3).generators():
        names["test_each_generator"](A)


def test_the_assertion_prints_exact_numbers() -> None:
    with pytest.raises(AssertionError) as caught:
        verify.assert_equivariance(nn.Tanh(), "O", n=2)
    text = str(caught.value)
    for line in ("A = [ 3/5  -4/5]", "x = (0, 1)", "-tanh(4/5) = -0.664036770267…", "< (A f(x))_1, proved"):
        assert line in text


def test_the_published_claim_shrinks_to_small_rationals() -> None:
    """Hypothesis alone, without the list of readable pairs: at most the size of the design's own example."""
    from verify.symmetry.claims import as_claim
    from verify.symmetry.exact import _Search

    tanh = theory.activation("tanh")
    found = _Search(tanh, as_claim("O", 2), theory.equivariance_group(tanh, 2), 0, "float64").shrunk(200)
    assert found is not None
    assert max(value.q for value in found.A) <= 5
    assert sorted(map(abs, found.x)) == [0, 1]


def shifted_norm() -> nn.LayerNorm:
    norm = nn.LayerNorm(3)
    nn.init.constant_(norm.bias, 0.5)
    return norm


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (nn.LeakyReLU(0.01), "leaky-relu:1/100"),
        (nn.PReLU(init=0.25), "leaky-relu:1/4"),
        (nn.Hardtanh(-2.0, 2.0), "max(-2, min(2, z))"),
        (nn.Softmin(-1), "softmax(temperature=-1)"),
        (nn.Dropout(), "linear"),
        (torch.nn.functional.gelu, "gelu"),
        (np.tanh, "tanh"),
        (nn.PReLU(3), "leaky-relu:1/4"),
        (nn.LayerNorm(4), None),
        (shifted_norm(), None),
        (nn.GLU(), None),
        (nn.Linear(3, 3), None),
        (nn.MultiheadAttention(3, 1), None),
        (soft_threshold, None),
    ],
)
def test_formulas_of_modules(module: Any, name: str | None) -> None:
    found = symbolic_form(module, 3)
    assert (None if found is None else found.name) == name


def test_softplus_switches_where_torch_does() -> None:
    """Beyond its threshold torch's softplus is the identity, a jump of 0.05 here."""
    verdict = verify.check_equivariance(nn.Softplus(threshold=3.0), "S", n=2, examples=20)
    assert (verdict.status, "agrees with softplus, beta 1, threshold 3" in verdict.reason) == ("proved", True)
    plain = verify.check_equivariance(nn.Softplus(threshold=50.0), "S", n=2, examples=20, symbolic="softplus")
    assert plain.status == "proved"
    with pytest.raises(InputError, match="not what f computes"):
        verify.check_equivariance(nn.Softplus(threshold=3.0), "S", n=2, examples=20, symbolic="softplus")


def test_a_subclass_with_its_own_forward_is_no_recognised_module() -> None:
    class Shifted(nn.Tanh):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tanh(x) + 0.1

    assert symbolic_form(Shifted(), 2) is None
    assert verify.check_equivariance(Shifted(), "B", n=2, examples=40).status == "refuted"
    patched = nn.Tanh()
    patched.forward = lambda x: torch.tanh(x) + 1e-6 * x.abs()  # type: ignore[method-assign]
    verdict = verify.check_equivariance(patched, "B", n=2, examples=40)
    assert (verdict.status, verdict.is_exact) == ("refuted", False)
    assert "It is not its formula tanh" in verdict.reason


def test_bad_input_is_reported_when_the_test_is_defined() -> None:
    with pytest.raises(InputError, match="'Q'"):
        equivariance_cases("tanh", "Q", 2)
    with pytest.raises(InputError, match="shape"):
        equivariance_cases(lambda x: x[..., :1], "B", 2)


@QUICK
@given(st.data())
def test_cases_of_given_matrices(data: st.DataObject) -> None:
    case = data.draw(equivariance_cases("relu", [[[2, 0], [0, 1]], [[0, 1], [1, 0]]]))
    case.check()
