"""The expected loss by sampling, for any activation: the scheme is chosen, carried out, and gives a 95 % interval.

At small density almost every plain input has no active feature. No and one active feature are therefore computed, and
only inputs with two or more are drawn, stratum by stratum; what a linear model explains of their loss is taken off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from numerics.monte_carlo.controls import CONTROLS
from numerics.monte_carlo.plan import Plan, plan
from numerics.monte_carlo.random_points import RandomRun, pilot
from numerics.monte_carlo.rare import hardly_drawn
from numerics.monte_carlo.schemes import SCHEMES, Scheme, choose
from numerics.monte_carlo.sobol_points import FEWEST_POINTS, SobolRun
from numerics.monte_carlo.strata import MOST_STRATA
from numerics.setting import Array, Progress, Setting
from theory import InputError
from theory.arguments import one_of

__all__ = ["SamplingResult", "carry_out", "monte_carlo_loss", "prepare"]

MOST_SAMPLES = 2**18
_FIRST_ROUND = 2**12
_FEW = 256


@dataclass(frozen=True)
class SamplingResult:
    """Loss per feature, half-width of the 95 % confidence interval of the weighted total, work done.

    Attributes:
        per_feature: E (x_i - x_hat_i)**2, shape (n,); its weighted sum is the centre of the interval.
        error: the half-width.
        samples: how many inputs were drawn, those of the pilot included.
        evaluations: of the activation.
        note: the scheme in words.
    """

    per_feature: Array
    error: float
    samples: int
    evaluations: int
    note: str


def monte_carlo_loss(
    at: Setting,
    rtol: float,
    atol: float = 0.0,
    seed: int = 0,
    samples: int | None = None,
    progress: Progress | None = None,
    scheme: str = "auto",
    device: str | None = None,
) -> SamplingResult:
    """Loss per feature with a 95 % confidence interval for the total, in constant memory.

    Args:
        at: any activation and law.
        rtol, atol: without `samples`, drawing stops once the half-width is at most max(atol, rtol * loss), or after
            2**18 draws.
        seed: of every stream; the result does not depend on the size of the blocks in which inputs are drawn.
        samples: how many inputs to draw at most, at least 2; below 256 no pilot is drawn: no controls, one stratum.
        progress: called with (samples, most, text).
        scheme: "naive", "control_variate", "stratified", "stratified_control", "sobol", "sobol_control",
            "stratified_sobol", "stratified_sobol_control", or "auto".
        device: None for numpy; "cpu", "cuda", ... evaluates on a torch device. Inputs are the same on every device.

    Raises:
        InputError: samples below 2, a negative seed, an unknown scheme or device, or losses that are not finite.

    Source: docs/expected_loss.md, "Monte Carlo".
    """
    if samples is not None and (isinstance(samples, bool) or samples != int(samples) or samples < 2):
        raise InputError(f"samples={samples} must be an integer >= 2")
    if isinstance(seed, bool) or seed != int(seed) or seed < 0:
        raise InputError(f"seed={seed!r} must be an integer >= 0")
    most = MOST_SAMPLES if samples is None else int(samples)
    task = prepare(at, scheme, most, device)
    return carry_out(task, rtol, atol, int(seed), most, samples is not None, progress)


def prepare(at: Setting, scheme: str, most: int, device: str | None = None) -> Plan:
    """The exact part and the strata of a scheme for at most `most` draws."""
    one_of("scheme", scheme, ("auto", *SCHEMES))
    # A stratum with a handful of draws would have an interval of its own that means little.
    limit = max(1, min(MOST_STRATA, most // _FEW))
    chosen = choose(at, most) if scheme == "auto" else SCHEMES[scheme]
    if most < _FEW:
        chosen = Scheme(chosen.name, "too few for controls or points", is_stratified=chosen.is_stratified)
    if chosen.is_quasi and most < FEWEST_POINTS:
        raise InputError(f"samples={most}: scheme={chosen.name!r} needs at least {FEWEST_POINTS}")
    return plan(at, chosen, device, limit, most)


def carry_out(
    task: Plan,
    rtol: float,
    atol: float,
    seed: int,
    most: int,
    all_of_them: bool = True,
    progress: Progress | None = None,
) -> SamplingResult:
    """Draw for a plan: `most` inputs, or until the half-width is small enough."""
    importances, n = task.at.importances, task.at.n_features
    known = float(importances @ task.known)
    known_error = float(importances @ task.known_error)
    if not task.parts:
        return SamplingResult(task.known, known_error, 0, task.evaluations, _note(task, 0, []))
    if task.needs_pilot and most >= _FEW:
        multiples, deviations, spent = pilot(task, seed, most if all_of_them else _FIRST_ROUND)
    else:
        multiples, deviations, spent = np.zeros((len(task.parts), len(CONTROLS))), np.ones(len(task.parts)), 0
    run = (SobolRun if task.scheme.is_quasi else RandomRun)(task, seed, multiples, deviations)
    goal = most - spent if all_of_them else min(_FIRST_ROUND, most - spent)
    while True:
        for _ in run.draw_to(goal):
            if progress is not None:
                progress(spent + sum(run.counts), most, "")
        half_width = run.half_width
        if progress is not None:
            progress(spent + sum(run.counts), most, f"± {half_width:.1e}")
        value = known + float(importances @ run.per_feature)
        if goal == most - spent or half_width <= max(atol, rtol * value):
            break
        goal = min(2 * goal, most - spent)
    drawn = spent + sum(run.counts)
    return SamplingResult(
        task.known + run.per_feature,
        float(half_width + known_error),
        drawn,
        task.evaluations + drawn * n,
        _note(task, drawn, run.counts),
    )


def _note(task: Plan, drawn: int, counts: Sequence[int]) -> str:
    text = f"{drawn:,} draws: {task.scheme.words}"
    if task.scheme.is_stratified:
        listed = ", ".join(map(str, task.parts))
        drawn_from = f": {task.scheme.words} ({listed})" if drawn else ""
        is_one_drawn = drawn > 0 and task.parts[0].low == 1
        known = "no active feature exactly" if is_one_drawn else "zero and one active feature by integration"
        rest = "one" if is_one_drawn else "two"
        text = f"{known}, {drawn:,} draws with {rest} or more{drawn_from}"
    warning = hardly_drawn(task, counts) if task.parts else ""
    return f"{text}; {warning}" if warning else text
