"""One of five features made rarer or more frequent: the pentagon deforms, then gives way to two antipodal pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from theory import ToyModel
from verify.experiments.base import Experiment, Outcome, Run, Table, claim, shown_interval
from verify.experiments.branches import Crossing, Point, crossing, follow, local_minimum
from verify.geometry.superposition import antipodal_pairs, represented_features
from verify.verdicts import Verdict

if TYPE_CHECKING:
    import xarray

__all__ = ["EXPERIMENT", "angles_beside", "densities", "geometry"]

N, M, DENSITY = 5, 2, 0.05
PUBLISHED = 1 / 2.5
RATIOS = [0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0, 1.4, 2.0]
RECIPE_RATIOS = [0.2, 0.25, 0.3, 0.4]
# The curves cross between these.
LOW, HIGH = 0.2, 0.35
WITHIN = 0.01


def densities(ratio: float) -> list[float]:
    """p_1 = ratio p, and p for the other four features."""
    return [ratio * DENSITY] + [DENSITY] * (N - 1)


def geometry(W: np.ndarray) -> str:
    """What the columns of W form: "pentagon" (all represented, no antipodes), "digons" (all but the first, in two
    orthogonal antipodal pairs) or "other".

    Args:
        W: shape (2, 5).
    """  # fmt: skip
    if not np.isfinite(W).all():
        return "other"
    norms = np.linalg.norm(W, axis=0)
    # At its most deformed, a pentagon has columns 163 degrees apart.
    if represented_features(W) == N and antipodal_pairs(W, cosine=0.99) == 0:
        return "pentagon"
    others = W[:, 1:] / np.maximum(norms[1:], 1e-12)
    cosines = np.sort((others.T @ others)[np.triu_indices(N - 1, 1)])
    is_paired = bool((cosines[:2] < -0.98).all() and (np.abs(cosines[2:]) < 0.2).all())
    dropped = norms[0] < 0.5 * norms.max()
    return "digons" if dropped and norms[1:].min() > 0.5 * norms.max() and is_paired else "other"


def angles_beside(W: np.ndarray) -> tuple[float, float]:
    """Angles in degrees from the first column of W to its nearest neighbours on either side."""
    angles = np.degrees(np.arctan2(W[1], W[0]))
    turns = np.sort((angles[1:] - angles[0]) % 360)
    return float(turns[0]), float(360 - turns[-1])


def _model(ratio: float) -> ToyModel:
    return ToyModel(N, M, "relu", densities(ratio), bias=True)


def _branches(points: int) -> tuple[dict[str, list[Point]], tuple[float, float] | None]:
    """Both branches by increasing ratio, and the two ratios between which the pentagon ends on the way down."""
    angle = 2 * np.pi * np.arange(N) / N
    ring = 1.13 * np.array([np.cos(angle), np.sin(angle)])
    pairs = np.array([[0.0, 1, -1, 0, 0], [0, 0, 0, 1, -1]])
    # The bias of the dropped feature starts at its mean: below 0 its output is dead, and descent would not leave that.
    first = {
        "pentagon": local_minimum(_model, 1.0, ring, np.full(N, -0.24)),
        "digons": local_minimum(_model, 1.0, pairs, np.array([DENSITY / 2, 0, 0, 0, 0])),
    }
    down, up = np.geomspace(1, RATIOS[0], points), np.geomspace(1, RATIOS[-1], points // 3 + 2)[1:]
    found, ends = {}, {}
    for name, start in first.items():
        belongs = lambda point, name=name: geometry(point.W) == name and point.curvature > 0  # noqa: E731
        sparser, ends[name] = follow(_model, start, down.tolist(), belongs)
        denser, _ = follow(_model, start, up.tolist(), belongs)
        found[name] = sparser[::-1] + denser
    return found, ends["pentagon"]


def run(how: Run) -> Outcome:
    """Follow both geometries over the density of one feature, find where their losses cross, and train many seeds."""
    from verify.plots.perturbation import perturbation_figure

    branches, lost = _branches(how.choose(6, 16, 32))
    near = {name: min(points, key=lambda p: abs(p.at - LOW)) for name, points in branches.items()}
    found = crossing(_model, near["pentagon"], near["digons"], LOW, HIGH, how.choose(1e-2, 1e-4, 1e-5))
    ratios = how.choose([0.2, 0.4, 1.0], RATIOS, RATIOS)
    seeds = how.choose(6, 40, 200)
    setting = {"activation": "relu", "n_features": N, "n_hidden": M, "bias": True, "restarts": 0}
    trained = how.sweep(
        "trained",
        {**setting, "density": [densities(r) for r in ratios], "seeds": seeds, "restarts": how.choose(2, 8, 16)},
    ).assign_coords(density=ratios)  # fmt: skip
    recipe_ratios = how.choose([0.2, 0.4], RECIPE_RATIOS, RECIPE_RATIOS)
    recipe = how.sweep(
        "recipe",
        {**setting, "density": [densities(r) for r in recipe_ratios], "seeds": how.choose(2, 8, 30),
         "training": {"protocol": "published", "steps": how.choose(500, 5000, 10_000)}},
    ).assign_coords(density=recipe_ratios)  # fmt: skip
    minima = {r: {name: _at(points, r) for name, points in branches.items()} for r in ratios}
    protocol = [
        f"n = {N}, m = {M}, ReLU, a bias, equal importance; density p = {DENSITY:g} of four features, ratio times p of "
        "feature 1.",
        "Branches: exact population loss, minimised from the minimum at the neighbouring ratio; losses are in units "
        "of p.",
        f"Trained: {seeds} seeds of Protocol(); published recipe: {recipe.sizes['seed']} seeds, "
        f"{how.choose(500, 5000, 10_000):,} steps.",
        "The best bias of a feature that is not represented is its mean p_1/2; training often leaves it below 0, where "
        "the output is dead and the loss p_1^2/4 higher.",
        f"A seed follows a branch if its geometry is the branch's and its loss at most {WITHIN:.0%} above.",
    ]
    tables = [_branch_table(branches), _crossing_table(found, lost), _seed_table(trained, minima)]
    claims = _claims(branches, found, trained, recipe, minima)
    figures = {"perturbation": perturbation_figure(branches, found, trained, DENSITY)}
    return Outcome(protocol, tables, claims, figures)


def _at(points: list[Point], ratio: float) -> Point | None:
    """The minimum of a branch at a ratio, None where the branch does not reach it."""
    inside = points[0].at * (1 - 1e-9) <= ratio <= points[-1].at * (1 + 1e-9)
    nearest = min(points, key=lambda p: abs(p.at - ratio))
    return local_minimum(_model, ratio, nearest.W, nearest.b) if inside else None


def _best(cell: xarray.Dataset) -> int:
    """Position of the seed of lowest loss."""
    return int(np.argmin(cell["loss"].fillna(np.inf).values))


def _branch_table(branches: dict[str, list[Point]]) -> Table:
    rows = []
    for name, points in branches.items():
        for ratio in (0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0):
            point = min(points, key=lambda p: abs(np.log(p.at / ratio)))
            if abs(np.log(point.at / ratio)) > 0.12:
                continue
            norms = np.linalg.norm(point.W, axis=0)
            beside = f"{np.mean(angles_beside(point.W)):.1f}" if name == "pentagon" else "—"
            rows.append((
                name, round(point.at, 3), point.loss / DENSITY, round(float(norms[0]), 4), float(norms[1:].mean()),
                beside, float(point.b[0]), float(point.b[1:].mean()), point.curvature / DENSITY,
            ))  # fmt: skip
    header = (
        "branch", "ratio", "loss/p", "norm of feature 1", "of the others", "angle beside feature 1 (°)",
        "b of feature 1", "of the others", "smallest curvature/p",
    )  # fmt: skip
    return Table("The two branches", header, rows)


def _crossing_table(found: Crossing, lost: tuple[float, float] | None) -> Table:
    rows = [
        (name, found.at, found.error, point.loss / DENSITY, slope / DENSITY, point.curvature / DENSITY)
        for name, point, slope in zip(("pentagon", "digons"), (found.first, found.second), found.slopes, strict=True)
    ]
    header = ("branch", "crossing at ratio", "error", "loss/p there", "slope/p", "smallest curvature/p")
    where = "reaches the smallest ratio" if lost is None else f"ends between ratios {lost[1]:.3g} and {lost[0]:.3g}"
    return Table(f"Where the losses cross (the pentagon {where})", header, rows)


def _seed_table(trained: xarray.Dataset, minima: dict[float, dict[str, Point | None]]) -> Table:
    rows = []
    for r in trained["density"].values:
        cell = trained.sel(density=r)
        kinds = [geometry(W) for W in cell["W"].values]
        losses = {name: np.nan if point is None else point.loss for name, point in minima[float(r)].items()}
        lower = min(losses, key=lambda name: np.nan_to_num(losses[name], nan=np.inf))
        rows.append((
            float(r), losses["pentagon"] / DENSITY, losses["digons"] / DENSITY, lower,
            float(cell["loss"].min()) / DENSITY, kinds[_best(cell)],
            float(cell["minimised"]) / DENSITY, *(f"{kinds.count(k) / len(kinds):.0%}" for k in ("pentagon", "digons")),
        ))  # fmt: skip
    header = (
        "ratio", "pentagon, loss/p", "digons, loss/p", "lower branch", "best seed, loss/p", "its geometry",
        "minimised from random starts, loss/p", "seeds that are pentagons", "digons",
    )  # fmt: skip
    return Table("Trained seeds", header, rows)


def _claims(
    branches: dict[str, list[Point]],
    found: Crossing,
    trained: xarray.Dataset,
    recipe: xarray.Dataset,
    minima: dict[float, dict[str, Point | None]],
) -> list[Verdict]:
    return [
        _deformation(branches["pentagon"]),
        _first_order(found),
        _ratio(found, recipe),
        _below(trained, minima),
        *_seeds(trained, minima),
    ]


def _deformation(pentagon: list[Point]) -> Verdict:
    beside = np.array([np.mean(angles_beside(point.W)) for point in pentagon])
    ratios = np.array([point.at for point in pentagon])
    rises = bool((np.diff(beside) > 0).all())
    largest = float(np.abs(np.diff(beside)).max())
    return claim(
        "The pentagon deforms continuously: neighbours close in on a rarer feature and give a more frequent one space",
        rises and largest < 5,
        f"angle beside feature 1: {beside[0]:.1f}° at ratio {ratios[0]:.3g}, "
        f"{np.interp(1, ratios, beside):.1f}° at 1, {beside[-1]:.1f}° at {ratios[-1]:.3g}; "
        f"{'rising throughout' if rises else 'not monotone'}, at most {largest:.1f}° between neighbouring points",
        angles=beside,
    )


def _first_order(found: Crossing) -> Verdict:
    both = min(found.first.curvature, found.second.curvature) > 0
    gap = abs(found.slopes[0] - found.slopes[1])
    kinds = geometry(found.first.W), geometry(found.second.W)
    return claim(
        "The change is of first order: the loss curves of two geometries cross",
        both and kinds == ("pentagon", "digons") and gap > 0.05 * max(map(abs, found.slopes)),
        f"at the crossing both are minima (smallest curvature/p {found.first.curvature / DENSITY:.2g} and "
        f"{found.second.curvature / DENSITY:.2g}), and the losses/p rise with the ratio by "
        f"{found.slopes[0] / DENSITY:.3g} and {found.slopes[1] / DENSITY:.3g}",
    )


def _ratio(found: Crossing, recipe: xarray.Dataset) -> Verdict:
    best = {
        float(r): geometry(cell["W"].values[_best(cell)])
        for r in recipe["density"].values
        for cell in (recipe.sel(density=r),)
    }
    return claim(
        "The digons win once the feature is about 2.5 times rarer than the others",
        abs(1 / found.at - 2.5) <= 0.5,
        f"the losses cross at ratio {found.at:.5g} ± {found.error:.1g}: {1 / found.at:.3g} times rarer; best seeds of "
        "the published recipe: " + ", ".join(f"{kind} at {r:g}" for r, kind in best.items()),
        ratio=found.at,
    )


def _below(trained: xarray.Dataset, minima: dict[float, dict[str, Point | None]]) -> Verdict:
    """The relative norm of feature 1 where the minimiser ends from starts that know no geometry."""
    low: list[float] = []
    high: list[float] = []
    shown = []
    for r in trained["density"].values:
        there = {name: point.loss for name, point in minima[float(r)].items() if point is not None}
        if not there:
            continue
        norms = np.linalg.norm(trained.sel(density=r)["W_minimised"].values, axis=0)
        share = float(norms[0] / norms[1:].mean())
        (low if min(there, key=lambda name: there[name]) == "digons" else high).append(share)
        shown.append(f"{share:.2f} at {r:g}")
    return claim(
        "On the far side the rarer feature is not represented at all",
        max(low) < 0.05 < 0.5 < min(high) if low and high else None,
        "norm of feature 1 over that of the others, minimised from random starts: " + ", ".join(shown),
    )


def _seeds(trained: xarray.Dataset, minima: dict[float, dict[str, Point | None]]) -> list[Verdict]:
    follows, upper, beaten = [], [], 0.0
    for r in trained["density"].values:
        cell = trained.sel(density=r)
        there = {name: point.loss for name, point in minima[float(r)].items() if point is not None}
        lower = min(there, key=lambda name: there[name])
        best = _best(cell)
        follows.append(
            geometry(cell["W"].values[best]) == lower and float(cell["loss"][best]) <= (1 + WITHIN) * there[lower]
        )
        upper += [float(loss > (1 + WITHIN) * there[lower]) for loss in cell["loss"].values]
        found = float(np.nanmin([cell["minimised"], cell["loss"].min()]))
        beaten = max(beaten, 1 - found / there[lower])
    return [
        claim(
            "The best of many trained seeds follows the lower of the two branches",
            all(follows),
            f"in {sum(follows)} of {len(follows)} ratios",
        ),
        claim(
            "No other geometry does better",
            beaten <= 1e-6,
            "over all ratios, seeds and starts of the minimiser, the lower branch is "
            + (f"undercut by {beaten:.1e} of its loss" if beaten > 1e-9 else "never undercut")
            + "; numerical",
        ),
        claim(
            "Gradient descent has trouble moving between the geometries: fits are often not optimal",
            float(np.mean(upper)) >= 0.1,
            f"{shown_interval(upper, percent=True)} of all seeds end more than {WITHIN:.0%} above the lower branch",
        ),
    ]


EXPERIMENT = Experiment(
    "perturbation",
    "One feature of another density",
    "How does the pentagon give way when one of its five features becomes rare?",
    "Elhage et al. 2022, non-uniform superposition: perturbing a single feature (n = 5, m = 2)",
    run,
)
