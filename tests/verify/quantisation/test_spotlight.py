"""Spotlight resonance against a literal implementation, closed forms, and every edge case."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from theory import InputError
from verify.quantisation.nulls import spotlight_band, spotlight_null
from verify.quantisation.spotlight import spotlight_resonance


def literal(
    X: np.ndarray, frame: np.ndarray, epsilon: float, angles: np.ndarray, signed: bool, form: str
) -> np.ndarray:
    """The definition, word for word: every plane, every angle, every row."""
    rows = [a / np.linalg.norm(a) for a in X if np.any(a != 0)]
    frame = np.array([b / np.linalg.norm(b) for b in frame])
    found = []
    for i, j in (permutations if form == "permutation" else combinations)(range(len(frame)), 2):
        e2 = frame[j] - (frame[i] @ frame[j]) * frame[i]
        if np.linalg.norm(e2) < 1e-7:
            continue
        e2 = e2 / np.linalg.norm(e2)
        profile = []
        for theta in angles:
            v = np.cos(theta) * frame[i] + np.sin(theta) * e2
            dots = np.array([a @ v for a in rows])
            profile.append((np.sum(dots >= epsilon) - (np.sum(dots <= -epsilon) if signed else 0)) / len(rows))
        found.append(profile)
    return np.array(found)


SIMPLEX = np.eye(4) - 0.25
FRAMES = {
    "basis": np.eye(4),
    "plus and minus": np.vstack([np.eye(4), -np.eye(4)]),
    "simplex": SIMPLEX,
    "random": np.random.default_rng(5).standard_normal((6, 4)),
    "duplicated": np.vstack([np.eye(4), 3 * np.eye(4)[:2]]),
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("form", ["combination", "permutation"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("epsilon", [0.1, 0.6, 0.9, 0.999])
def test_it_agrees_with_the_literal_definition(frame: str, form: str, signed: bool, epsilon: float) -> None:
    rng = np.random.default_rng(3)
    X = rng.standard_normal((40, 4)) * rng.lognormal(size=(40, 1))
    X[7] = 0
    angles = np.sort(rng.uniform(0, 2 * np.pi, 23))
    result = spotlight_resonance(X, FRAMES[frame], epsilon, angles, signed, form)
    expected = literal(X, FRAMES[frame], epsilon, angles, signed, form)
    assert np.array_equal(result.values, expected)
    assert result.zero_rows == 1
    assert result.rows == 39
    # Degenerate pairs are counted, not returned as rows of zeros.
    count = len(FRAMES[frame])
    pairs = count * (count - 1) // (1 if form == "permutation" else 2)
    assert result.skipped == pairs - len(expected)


def test_parallel_pairs_are_skipped_and_counted() -> None:
    result = spotlight_resonance(np.random.default_rng(0).standard_normal((10, 4)), FRAMES["plus and minus"])
    assert result.skipped == 4
    assert len(result.pairs) == 24
    with pytest.raises(InputError, match="spans a plane"):
        spotlight_resonance(np.ones((3, 2)), [[1, 0], [-2, 0]])


def test_angles_come_in_any_order_and_are_half_open() -> None:
    X = np.random.default_rng(1).standard_normal((50, 3))
    even = spotlight_resonance(X, angles=8, epsilon=0.5)
    assert np.allclose(even.angles, np.arange(8) * np.pi / 4)
    shuffled = spotlight_resonance(X, angles=even.angles[::-1] + 2 * np.pi, epsilon=0.5)
    assert np.array_equal(shuffled.values, even.values[:, ::-1])


def test_rows_on_the_axes() -> None:
    """k points on axes: a plane sees the rows of its own two axes, each within arccos(epsilon)."""
    counts = np.array([3, 5, 2, 0])
    X = np.repeat(np.eye(4), counts, axis=0) * np.arange(1, 11)[:, None]
    result = spotlight_resonance(X, epsilon=0.8, angles=np.linspace(0, 6, 37))
    half, theta = np.arccos(0.8), result.angles
    near = lambda centre: np.abs(np.angle(np.exp(1j * (theta - centre)))) <= half  # noqa: E731
    for (i, j), values in zip(result.pairs, result.values, strict=True):
        assert np.allclose(values, (counts[i] * near(0) + counts[j] * near(np.pi / 2)) / 10)


@pytest.mark.parametrize(("d", "share"), [(2, 0.0), (3, 0.3), (8, 0.5), (16, 0.2)])
def test_mixtures_of_axes_and_isotropic_rows(d: int, share: float) -> None:
    """S is the mixture of the two closed forms, to sampling error in every plane and at every angle."""
    rng, rows, epsilon = np.random.default_rng(d), 40_000, 0.75
    X = rng.standard_normal((rows, d))
    on_axis = rng.random(rows) < share
    X[on_axis] = np.eye(d)[rng.integers(d, size=on_axis.sum())] * rng.choice([-1, 1], size=(on_axis.sum(), 1))
    result = spotlight_resonance(X, epsilon=epsilon, angles=40)
    # Every quarter turn an axis: rows on it are seen within arccos(epsilon).
    quarter = np.mod(result.angles + np.pi / 4, np.pi / 2) - np.pi / 4
    axes = np.where(np.abs(quarter) <= np.arccos(epsilon), 1 / (2 * d), 0.0)
    expected = share * axes + (1 - share) * spotlight_null(d, epsilon)
    error = np.sqrt(np.maximum(expected * (1 - expected), 1 / rows) / rows)
    assert np.abs((result.values - expected) / error).max() < 5
    assert result.null == spotlight_null(d, epsilon)


def test_von_mises_in_the_plane() -> None:
    rng, kappa, epsilon = np.random.default_rng(9), 2.0, 0.9
    angle = rng.vonmises(0.4, kappa, 60_000)
    result = spotlight_resonance(np.stack([np.cos(angle), np.sin(angle)], axis=1), epsilon=epsilon, angles=24)
    half = np.arccos(epsilon)
    expected = [stats.vonmises(kappa, loc=0.4).cdf(t + half) - stats.vonmises(kappa, loc=0.4).cdf(t - half) for t in
                result.angles]  # fmt: skip
    assert np.abs(result.values[0] - expected).max() < 4.5 * np.sqrt(0.25 / 60_000)


@pytest.mark.parametrize("d", [2, 3, 5, 16, 64])
@pytest.mark.parametrize("epsilon", [0.1, 0.5, 0.9])
def test_the_null_is_the_area_of_a_cap(d: int, epsilon: float) -> None:
    cap = lambda top: integrate.quad(lambda t: np.sin(t) ** (d - 2), 0, top, epsabs=0, epsrel=1e-11)[0]  # noqa: E731
    assert spotlight_null(d, epsilon) == pytest.approx(cap(np.arccos(epsilon)) / cap(np.pi), rel=1e-9)
    assert d > 2 or spotlight_null(d, epsilon) == pytest.approx(np.arccos(epsilon) / np.pi)


@pytest.mark.parametrize("signed", [False, True])
def test_the_band_holds_its_level(signed: bool) -> None:
    rng, inside = np.random.default_rng(2), []
    for _ in range(400):
        result = spotlight_resonance(rng.standard_normal((300, 3)), epsilon=0.6, angles=[1.0], signed=signed)
        low, high = result.band()
        assert (low, high) == spotlight_band(3, 0.6, 300, 0.95, signed)
        inside.append((low <= result.values) & (result.values <= high))
    # Three planes per cloud; a binomial band holds at least its level.
    assert 0.93 < np.mean(inside) < 0.985


def test_one_row_float32_and_tensors() -> None:
    one = spotlight_resonance([[3.0, 4.0]], epsilon=0.9, angles=[np.arctan2(4, 3), 0.0, np.pi])
    assert one.values.tolist() == [[1.0, 0.0, 0.0]]
    X = np.random.default_rng(4).standard_normal((3000, 6))
    exact = spotlight_resonance(X, epsilon=0.7)
    rounded: Any = torch.tensor(X, dtype=torch.float32, requires_grad=True)
    assert np.abs(spotlight_resonance(rounded, epsilon=0.7).values - exact.values).max() <= 2 / 3000
    for scale in (1e-300, 1e300):
        assert np.abs(spotlight_resonance(X * scale, epsilon=0.7).values - exact.values).max() <= 1 / 3000


def test_rotating_cloud_and_frame_together_changes_nothing() -> None:
    rng = np.random.default_rng(6)
    X, frame = rng.standard_normal((500, 5)) ** 3, rng.standard_normal((4, 5))
    Q, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    before, after = spotlight_resonance(X, frame), spotlight_resonance(X @ Q.T, frame @ Q.T)
    assert np.abs(before.values - after.values).max() <= 1 / 500


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"X": np.zeros((3, 2))}, "no row but zeros"),
        ({"X": np.ones((3, 1))}, "d >= 2"),
        ({"X": np.ones(3)}, "shape"),
        ({"X": [[1.0, np.nan]]}, r"X\[0, 1\]=nan is not finite"),
        ({"X": [["a", "b"]]}, "not an array"),
        ({"epsilon": 0.0}, "epsilon=0.0"),
        ({"epsilon": 1.0}, "epsilon=1.0"),
        ({"frame": np.eye(3)}, "frame has shape"),
        ({"frame": [[1.0, 0.0], [0.0, 0.0]]}, "zero or not finite"),
        ({"angles": 0}, "angles=0"),
        ({"angles": [np.inf]}, "angles"),
        ({"form": "ordered"}, "form='ordered'"),
        ({"pairs": [(0, 2)]}, "pairs"),
    ],
)
def test_bad_input_is_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        spotlight_resonance(**{"X": np.ones((3, 2)), **arguments})
