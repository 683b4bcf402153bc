"""What the strategies may generate, and that they do generate what breaks things."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import theory
from theory import GROUP_KEYS, InputError, layer
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


LAYER_GROUPS = {
    "sort": theory.equivariance_group(layer("sort"), 3),
    "sort, intertwiners": theory.intertwiner(layer("sort"), 3).group,
    "max_min": theory.equivariance_group(layer("max_min"), 4),
    "householder": theory.equivariance_group(layer("householder", normal=[1, 2, 2]), 3),
    "layer_norm": theory.equivariance_group(layer("layer_norm"), 3),
    "layer_norm, intertwiners": theory.intertwiner(layer("layer_norm"), 3).group,
    "layer_norm, gain": theory.equivariance_group(layer("layer_norm", gain=[1, 2, 3]), 3),
    "rms_norm, gain": theory.equivariance_group(layer("rms_norm", gain=[1, 2, 1]), 3),
    "winner_take_all": theory.equivariance_group(layer("winner_take_all"), 3),
    "maxout": theory.intertwiner(layer("maxout"), 4).group,
    "bilinear": theory.intertwiner(layer("bilinear"), 4).group,
    "reglu": theory.intertwiner(layer("reglu"), 4).group,
    "conjugated": theory.group("O", 2).conjugate([[1, 2], [0, 1]]),
    "intersection": theory.group("B", 3).intersection(theory.group("Stab1", 3)),
}


@pytest.mark.parametrize("name", LAYER_GROUPS)
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_elements_of_the_groups_of_layers(name: str, data: st.DataObject) -> None:
    found = LAYER_GROUPS[name]
    assert found.contains(data.draw(group_elements(found)))
    floats = data.draw(group_elements(found, exact=False))
    assert floats.dtype == np.float64
    assert found.contains(floats)


@pytest.mark.parametrize("name", ["sort", "max_min", "layer_norm", "winner_take_all", "bilinear"])
def test_elements_of_layers_are_not_only_generators(name: str) -> None:
    found = LAYER_GROUPS[name]
    listed = [*map(sympy.Matrix, found.generators()), sympy.eye(found.n)]
    far = find(
        group_elements(found), lambda A: A not in listed and (A - sympy.eye(found.n)).rank() > 1, settings=SEARCH
    )
    assert found.contains(far)


def test_floats_include_what_is_no_small_rational() -> None:
    """Haar rotations besides the rounded Cayley transforms."""
    small = {p / q for q in range(1, 60) for p in range(-q, q + 1)}
    A = find(group_elements("SO", 2, exact=False), lambda A: not set(A.ravel().tolist()) & small, settings=SEARCH)
    assert np.allclose(A.T @ A, np.eye(2), atol=1e-15)


def test_ties_of_many_entries_occur() -> None:
    """Six equal entries that are no round number, and four: nobody meets them entry by entry."""
    inputs = activation_inputs(6, exact=False)
    crooked = lambda v: v != 0 and v * 16 % 1 != 0  # noqa: E731
    find(inputs, lambda x: bool(crooked(x[0]) and (x == x[0]).all()), settings=SEARCH)
    find(inputs, lambda x: bool(crooked(x.max()) and (x == x.max()).sum() == 4), settings=SEARCH)


def test_single_precision_strategies_give_single_precision() -> None:
    x = find(activation_inputs(3, exact=False, kinks=(6,), dtype="float32"), lambda x: True, settings=SEARCH)
    assert x.dtype == np.float32
    A = find(group_elements("R+ wr S", 3, exact=False, dtype="float32"), lambda A: True, settings=SEARCH)
    assert A.dtype == np.float32


@pytest.mark.parametrize(
    ("wanted", "dtype"),
    [
        (lambda x: bool((x == np.nextafter(np.float32(6), np.float32(7))).any()), "float32"),
        (lambda x: bool((x == np.nextafter(np.float64(6), np.float64(0))).any()), "float64"),
        (lambda x: bool((x == -np.nextafter(np.float64(6), np.float64(7))).any()), "float64"),
        (lambda x: bool(((x != 0) & (np.abs(x) < np.finfo("float32").tiny)).any()), "float32"),
        (lambda x: x[0] == x[1] == x[2] != 0, "float64"),
        (lambda x: np.sort(x)[-1] == np.sort(x)[-2] > np.sort(x)[0], "float64"),
        (lambda x: bool(0 < np.ptp(x) < 1e-4 * np.abs(x).max()), "float64"),
        (lambda x: bool((np.abs(x) >= 1e12).any()), "float32"),
    ],
    ids=[
        "float above",
        "float below",
        "mirrored",
        "subnormal",
        "all equal",
        "tie for the largest",
        "near ones",
        "huge",
    ],
)
def test_more_adversarial_inputs_occur(wanted: Any, dtype: str) -> None:
    find(activation_inputs(3, exact=False, kinks=(6,), dtype=dtype), wanted, settings=SEARCH)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda x: any(v == 6 + sympy.Rational(float(np.spacing(6.0))) for v in x),
        lambda x: x[0] == x[1] == x[2] != 0,
        lambda x: 0 < max(x) - min(x) <= sympy.Rational(1, 10**5),
        lambda x: any(abs(v) >= 1000 for v in x),
    ],
    ids=["float above a kink", "all equal", "near ones", "far"],
)
def test_adversarial_exact_inputs_occur(wanted: Any) -> None:
    find(activation_inputs(3, kinks=(6,)), wanted, settings=SEARCH)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: activation_inputs(2, dtype="float16"), "dtype='float16'"),
        (lambda: group_elements("B", 2, exact=False, dtype="half"), "dtype='half'"),
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
