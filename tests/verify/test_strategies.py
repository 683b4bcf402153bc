"""What the strategies may generate, and that they do generate what breaks things."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import theory
from theory import GROUP_KEYS, InputError
from verify.strategies import activation_inputs, group_elements

# Only whether such an example occurs is asked, so nothing is shrunk.
SEARCH = settings(
    max_examples=2000,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("key", GROUP_KEYS)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_elements_belong_exactly_and_in_floats(key: str, data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 3))
    exact = data.draw(group_elements(key, n))
    assert all(value.is_Rational for value in exact)
    assert theory.group(key, n).contains(exact)
    assert theory.group(key, n).contains(data.draw(group_elements(key, n, exact=False)))


def test_conjugated_elements_belong_to_the_conjugated_group() -> None:
    moved = theory.group("B", 2).conjugate([[1, 1], [0, 1]])
    A = find(group_elements(moved), lambda A: not (A - sympy.eye(2)).is_zero_matrix, settings=SEARCH)
    assert moved.contains(A)
    assert theory.group("B", 2).contains(A) == (A + sympy.eye(2)).is_zero_matrix


@pytest.mark.parametrize("key", ["O", "CO", "SO", "GL", "Stab1"])
def test_elements_leave_the_smaller_named_groups(key: str) -> None:
    """A search that only ever drew signed permutations would prove nothing."""
    find(group_elements(key, 3), lambda A: not theory.group("R* wr S", 3).contains(A), settings=SEARCH)
    if key != "SO" and key != "Stab1":
        find(group_elements(key, 3), lambda A: A.det() < 0, settings=SEARCH)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_inputs_have_the_asked_shape(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 4))
    exact = data.draw(activation_inputs(n, kinks=(sympy.Rational(1, 2), sympy.sqrt(2))))
    assert len(exact) == n
    assert all(value.is_Rational for value in exact)
    floats = data.draw(activation_inputs(n, exact=False, kinks=(0, 1)))
    assert floats.shape == (n,)
    assert np.isfinite(floats).all()


@pytest.mark.parametrize(
    "wanted",
    [
        lambda x: bool((np.signbit(x) & (x == 0)).any()),
        lambda x: bool(((x != 0) & (np.abs(x) < 2.2e-308)).any()),
        lambda x: bool((np.abs(x) > 1e20).any()),
        lambda x: bool((x == 1000.0).any()),
    ],
    ids=["negative zero", "subnormal", "huge", "kink"],
)
def test_adversarial_inputs_occur(wanted: object) -> None:
    find(activation_inputs(2, exact=False, kinks=(1000,)), wanted, settings=SEARCH)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: activation_inputs(0), "n=0"),
        (lambda: activation_inputs(2.5), "n=2.5"),
        (lambda: group_elements("Q", 2), "'Q'"),
        (lambda: group_elements("B"), "dimension"),
        (lambda: group_elements(theory.group("B", 2), 3), "differs"),
        (lambda: group_elements(7, 2), "group=7"),
    ],
)
def test_bad_input(call: object, word: str) -> None:
    with pytest.raises(InputError, match=word):
        call()  # type: ignore[operator]
