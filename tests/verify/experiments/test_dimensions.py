"""The dimensions experiment on weights made by hand: lines, figures, diverged seeds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import xarray
from scipy.linalg import block_diag
from scipy.stats import ortho_group

from verify.experiments import dimensions
from verify.experiments.base import Run
from verify.geometry.components import SHAPES

N, M = 60, 12


def figures(name: str, copies: int, seed: int = 0, n: int = N, m: int = M) -> np.ndarray:
    """Copies of a figure in orthogonal subspaces of R^m, turned; the other columns are 0."""
    vertices = SHAPES[name] / np.linalg.norm(SHAPES[name][:, 0])
    # Vertices of a simplex are given in one coordinate too many.
    left, singular, _ = np.linalg.svd(vertices)
    vertices = (left.T @ vertices)[: int((singular > 1e-9).sum())]
    W = np.zeros((m, n))
    block = block_diag(*[vertices] * copies)
    W[: block.shape[0], : block.shape[1]] = block
    return np.asarray(ortho_group.rvs(m, random_state=seed) @ W)


def seeds_of(name: str, copies: int) -> np.ndarray:
    return np.stack([figures(name, copies, seed) for seed in range(3)])


def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, M, N))


def verdicts(found: dict[tuple[float, float], np.ndarray]) -> dict[str, str]:
    return {verdict.statement: verdict.status for verdict in dimensions._line_claims(found, M)}


@pytest.mark.parametrize(
    ("name", "copies", "fraction"),
    [("antipodal pair", 6, "1/2"), ("pentagon", 5, "2/5"), ("triangle", 5, "2/3"), ("square antiprism", 4, "3/8"),
     ("tetrahedron", 4, "3/4"), ("a dimension of its own", 12, "1")],
)  # fmt: skip
def test_a_line_of_a_figure_supports_its_claim_and_no_other(name, copies, fraction):
    low, high = dimensions.RATES
    found = {(low, 0.5): seeds_of(name, copies), (low, 0.1): noise(), (high, 0.5): noise(), (high, 0.1): noise()}
    statuses = verdicts(found)
    for statement, status in statuses.items():
        if statement.startswith("ReLU"):
            meant = statement.endswith(name)
            assert meant == (f" at {fraction}," in statement)
            assert status == ("supported" if meant else "refuted"), statement
    table = dimensions._plateau_table(found)
    assert len(table.rows) == 1
    assert table.rows[0][0] == f"{fraction} {name}"
    assert "100%" in table.rows[0][3]


def test_a_line_without_its_figure_is_refuted():
    # Four lines in a plane each: dimensionalities of 1/2 and no antipodal pair anywhere.
    plane = np.array([[np.cos(a), np.sin(a)] for a in np.pi * np.arange(4) / 4]).T
    W = np.stack([np.pad(block_diag(*[plane] * 6), ((0, 0), (0, N - 24)))] * 2)
    assert dimensions.lined_up(W, Fraction(1, 2))
    np.testing.assert_array_equal(dimensions.share_in_figure(W, Fraction(1, 2)), [0, 0])
    found = {(rate, 0.5): W for rate in dimensions.RATES}
    assert verdicts(found)["ReLU dimensionalities line up at 1/2, and this means: antipodal pair"] == "refuted"


def test_a_line_may_be_made_of_several_seeds():
    few = np.stack([figures("pentagon", 1, seed) for seed in range(3)])
    np.testing.assert_array_equal(dimensions.features_near(few, Fraction(2, 5)), [5, 5, 5])
    assert dimensions.lined_up(few, Fraction(2, 5))
    assert not dimensions.lined_up(few[:1], Fraction(2, 5))


def stairs(levels: list[float]) -> dict[tuple[float, float], np.ndarray]:
    weights = {
        p: np.sqrt(1 / level) * np.eye(M, N)[None] for p, level in zip(dimensions.PUBLISHED, levels, strict=True)
    }
    return {(rate, p): W for rate in dimensions.RATES for p, W in weights.items()}


def test_sticky_means_longer_than_an_even_fall():
    statements = [f"D* is sticky at {level}: twice as many densities as if it fell evenly" for level in ("1", "1/2")]
    for levels, expected in (
        (np.geomspace(1, 0.1, 20), ["refuted", "refuted"]),
        ([*[1.0] * 8, *[0.5] * 8, *np.geomspace(0.4, 0.1, 4)], ["supported", "supported"]),
        ([*[1.0] * 8, *np.geomspace(0.8, 0.1, 12)], ["supported", "refuted"]),
    ):
        found = verdicts(stairs(list(levels)))
        assert [found[statement] for statement in statements] == expected


def fake(grid: dict, diverged: str) -> xarray.Dataset:
    """What a sweep returns, with pentagons as weights; "one" seed, one "cell" or "all" of it diverged."""
    axes = {
        "activation": grid["activation"], "density": grid["density"],
        "learning_rate": grid["training"]["learning_rate"], "seed": list(range(3)),
    }  # fmt: skip
    shape = tuple(map(len, axes.values()))
    W = np.broadcast_to(figures("pentagon", 5), (*shape, M, N)).copy()
    bad = np.zeros(shape, bool)
    bad[{"one": (0, 0, 0, 1), "cell": (0, 0, 0), "all": ()}[diverged]] = True
    W[bad] = np.nan
    loss = np.where(bad, np.nan, 4.0)
    dims = tuple(axes)
    b = np.where(np.arange(N) < 5, -3.0, 1.0) * np.ones((*shape, 1))
    arrays = {"W": ((*dims, "hidden", "feature"), W), "b": ((*dims, "feature"), b)}
    return xarray.Dataset({**arrays, "loss": (dims, loss), "diverged": (dims, bad)}, axes)


@pytest.mark.parametrize("diverged", ["one", "cell", "all"])
def test_diverged_seeds_are_left_out_and_counted(diverged, monkeypatch, tmp_path):
    monkeypatch.setattr(Run, "sweep", lambda self, name, grid: fake(grid, diverged))
    outcome = dimensions.EXPERIMENT.run(Run("quick"))
    lost = {"one": 1, "cell": 3, "all": 18}[diverged]
    assert any(f"{lost} of 18 runs of the curves, {lost} of 18" in line for line in outcome.protocol)
    outcome.write(tmp_path)
    curve = outcome.tables[0].rows[0]
    assert curve[0] == "relu"
    # No number is made up where nothing is left.
    assert np.isnan(curve[1]) == (diverged != "one")
    assert np.isnan(curve[2]) == (diverged == "all")
    runs = {"one": 8, "cell": 6, "all": 0}[diverged]
    shown = f"5 features in 2 dimensions (pentagon): {5 * runs} times" if runs else "none"
    assert outcome.tables[2].rows[0][2] == shown
    # At the first rate and density: (n - m)/12 = 4, five dead features.
    dense = dict(outcome.tables[5].rows)
    nothing = diverged in ("cell", "all")
    assert dense["loss over that of m features kept, (n - m)/12"] == ("none" if nothing else "1")
    assert dense["dead features: predicted 0 at the mean input"] == ("none" if nothing else "5")
    assert dense["loss over (n - m)/12 + 1/4 for every dead feature"] == ("none" if nothing else "0.762")
    if diverged != "all":
        pentagons = [row for row in outcome.tables[4].rows if "pentagon" in row[-1]]
        counts = [int(row[-1].split(": ")[1].split()[0]) for row in pentagons]
        kept = {"one": [10, 15], "cell": [15]}[diverged]
        assert sorted(set(counts)) == kept
        assert len(pentagons) == (6 if diverged == "one" else 5)


def test_at_density_one_a_turned_subspace_is_no_worse_than_kept_features():
    import numerics
    from theory import ToyModel

    n, m = 8, 3
    model = ToyModel(n, m, "relu", density=1, bias=True)
    kept = numerics.expected_loss(model, np.eye(m, n), (np.arange(n) >= m) / 2, rtol=1e-8)
    assert abs(kept.value - (n - m) / 12) <= kept.error + 1e-12
    for seed in range(4):
        W = ortho_group.rvs(n, random_state=seed)[:m]
        b = (np.eye(n) - W.T @ W) @ np.ones(n) / 2
        turned = numerics.expected_loss(model, W, b, method="monte_carlo", rtol=2e-3, seed=seed)
        linear = numerics.expected_loss(ToyModel(n, m, "linear", density=1, bias=True), W, b)
        assert abs(linear.value - (n - m) / 12) <= linear.error + 1e-12
        # The ReLU takes predictions below 0 to 0, which is nearer to every input.
        assert turned.value <= linear.value + turned.error
        D = dimensions.feature_dimensionality(W)
        np.testing.assert_allclose(D, np.diag(W.T @ W), rtol=1e-12)
        assert dimensions.dimensions_per_feature(W) == pytest.approx(1)


def test_only_isolated_figures_count():
    # One vertex a little longer: the features that keep a dimensionality of 3/8 are in no isolated antiprism.
    W = figures("square antiprism", 4)
    longest = np.flatnonzero(np.linalg.norm(W, axis=0) > 0.5)[::8]
    W[:, longest] *= 1.05
    near = dimensions.features_near(W[None], Fraction(3, 8))
    assert near[0] >= 10
    np.testing.assert_array_equal(dimensions.share_in_figure(W[None], Fraction(3, 8)), [0])


def test_the_share_in_isolated_figures_counts_features():
    # Two pentagons, and four lines with something short on them.
    W = np.zeros((1, 6, 30))
    W[0, :, :10] = figures("pentagon", 2, n=10, m=6)
    left = np.linalg.svd(W[0, :, :10])[0][:, 4:]
    W[0, :, 10:12], W[0, :, 12:20] = left, 0.2 * np.repeat(left, 4, axis=1)
    found = {(rate, 0.5): W for rate in dimensions.RATES}
    lines = fake({"activation": ["relu"], "density": [0.5], "training": {"learning_rate": dimensions.RATES}}, "one")
    row = dimensions._figure_table(lines.isel(activation=0), found).rows[0]
    assert row[3:6] == ("12", "83%", "0.00%")
    assert row[6] == "5 features in 2 dimensions (pentagon): 2 times"
