"""The compressed kernel against the recursion over features, which shares no step with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory
from numerics.laws import numeric_law
from numerics.quadrature import many_active as module
from numerics.quadrature.compressed import Compression, compress
from numerics.quadrature.continuation import fourier_form
from numerics.quadrature.few_active import Rows, make_rows
from numerics.quadrature.many_active import many_active
from numerics.quadrature.ranges import range_groups
from numerics.scalar_map import scalar_map

LAWS = ["uniform", "exponential", "half-normal", "beta:2,3", "two-sided:uniform"]


def random_rows(rng: np.random.Generator, n: int, densities: np.ndarray) -> Rows:
    W = rng.normal(size=(max(2, n // 8), n))
    W /= np.linalg.norm(W, axis=0)
    W[:, rng.integers(n)] = 0
    return make_rows((W.T @ W)[None], 0.3 * rng.normal(size=(1, n)), densities)


def assert_kernels_agree(law_spec: str, rows: Rows, activation: str, count: int) -> None:
    law, sigma = numeric_law(theory.feature_law(law_spec)), scalar_map(theory.activation(activation))
    for group, (low, high) in range_groups(law, rows):
        if low == high:
            continue
        form, some = fourier_form(sigma, low, high, count), rows.take(group)
        fast, slow = many_active(law, some, form), many_active(law, some, form, compressed=False)
        scale = np.abs(slow.value).max() + 1e-300
        # Digits are lost to the square of the largest density, where no two such features meet.
        edge = np.abs(sigma.value(np.array([low, high]))).max()
        lost = 1e-14 * (some.visible.sum(axis=1).max() * max(1, edge)) ** 2
        assert np.abs(fast.value - slow.value).max() <= 1e-10 * scale + lost
        assert fast.error == pytest.approx(slow.error, rel=1e-2, abs=1e-10 * scale + 100 * lost)
        assert fast.total_error == pytest.approx(
            slow.total_error, rel=1e-2, abs=(1e-10 * scale + 100 * lost) * len(group)
        )


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Compression even where the recursion would be faster; the list counts its uses."""
    used: list[int] = []

    def is_faster(self: Compression, top: float, frequencies: int) -> bool:
        used.append(frequencies)
        return True

    monkeypatch.setattr(Compression, "is_faster", is_faster)
    return used


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    n=st.sampled_from([2, 3, 9, 40]),
    law=st.sampled_from(LAWS),
    activation=st.sampled_from(["relu", "gelu", "tanh", "rectified-power:2"]),
    density=st.sampled_from([1e-10, 1e-4, 0.01, 0.2, 0.44, 0.46, 0.9, 1.0, "two", "many"]),
)
def test_both_kernels_agree(seed, n, law, activation, density) -> None:
    rng = np.random.default_rng(seed)
    densities = {"two": rng.choice([1e-6, 0.3], n), "many": rng.uniform(1e-4, 0.4, n)}.get(density)
    if densities is None:
        densities = np.full(n, density)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Compression, "is_faster", lambda *_: True)
        assert_kernels_agree(law, random_rows(rng, n, densities), activation, 96)


def test_many_features_take_the_compressed_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = random_rows(np.random.default_rng(0), 120, np.full(120, 0.02))
    assert_kernels_agree("uniform", rows, "relu", 256)

    def never(*_: object) -> None:
        raise AssertionError("the recursion was used")

    law, sigma = numeric_law(theory.feature_law("uniform")), scalar_map(theory.activation("relu"))
    form = fourier_form(sigma, -3, 6, 256)
    monkeypatch.setattr(module, "_by_recursion", never)
    many_active(law, rows, form)
    with pytest.raises(AssertionError):
        many_active(law, rows, form, compressed=False)


def test_densities_too_close_to_one_are_left_to_the_recursion(always: list[int]) -> None:
    law, sigma = numeric_law(theory.feature_law("uniform")), scalar_map(theory.activation("relu"))
    rows = random_rows(np.random.default_rng(1), 30, np.full(30, 1.0))
    form = fourier_form(sigma, -6, 9, 512)
    fast, slow = many_active(law, rows, form), many_active(law, rows, form, compressed=False)
    assert fast.evaluations > 0.5 * slow.evaluations
    assert fast.value == pytest.approx(slow.value, rel=1e-11)
    assert always
    assert compress(random_rows(np.random.default_rng(1), 30, np.linspace(0.01, 0.9, 30))) is None
