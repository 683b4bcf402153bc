"""From outcomes to verdicts: each statement with its effect, the interval over seeds, and what it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from verify.quantisation.experiment import ELEMENTWISE, ISOTROPIC_RELU, MATCHED, Experiment, Outcome
from verify.quantisation.statistics import seed_interval
from verify.verdicts import Verdict

__all__ = ["findings", "mark_of", "share_below"]

_STRICT, _LEVEL, _MOST = 0.001, 0.05, 0.9
# Elementwise activation and isotropic one of no less capacity (the ball around the cube), or of the same profile.
_PAIRS = (("tanh", MATCHED), ("tanh", "isotropic:tanh"), ("relu", ISOTROPIC_RELU), ("relu", MATCHED))


def findings(experiment: Experiment) -> list[Verdict]:
    """The verdicts on the statements of the field, for every data set and optimiser that was run.

    Supported, refuted and undecided follow fixed rules: a frame counts as special where the joint test gives
    p < 0.001 in at least 90 % of the seeds, a smooth one where p < 0.05 is no more frequent than chance allows (exact
    binomial, 5 %), a difference of errors where the 95 % interval over seeds leaves out zero.
    """
    settings = list(dict.fromkeys((o.data, o.optimiser) for o in experiment.outcomes))
    found: list[Verdict] = []
    for data, optimiser in settings:
        for activation in ELEMENTWISE:
            outcome = experiment.find(data, activation, optimiser)
            if outcome is not None:
                found.append(_quantises(outcome))
    for data, optimiser in settings:
        for outcome in experiment.outcomes:
            if (outcome.data, outcome.optimiser) == (data, optimiser) and outcome.activation not in ELEMENTWISE:
                found.append(_stays_smooth(outcome))
    found += [_rotates(outcome) for outcome in experiment.outcomes if outcome.conjugated]
    for data, optimiser in settings:
        for elementwise, isotropic in _PAIRS:
            pair = experiment.find(data, elementwise, optimiser), experiment.find(data, isotropic, optimiser)
            if pair[0] is not None and pair[1] is not None:
                found.append(_reconstructs(pair[0], pair[1]))
    return [*found, _tanh_is_not_orthogonal()]


def mark_of(outcome: Outcome) -> str:
    """The statistic that theory expects: T2 where only permutations are left, T4 else."""
    return "T2" if "T2" in outcome.marks else "T4"


def share_below(values: Sequence[float], level: float) -> float:
    """The share of p-values below a level."""
    return float(np.mean(np.asarray(values) < level))


def _where(outcome: Outcome) -> str:
    return f"{outcome.data}, {outcome.optimiser.upper() if outcome.optimiser == 'sgd' else 'Adam'}"


def _evidence(outcome: Outcome, frame: str = "post/own") -> dict[str, Any]:
    tests, mark = outcome.tests[frame], mark_of(outcome)
    value, low, high = seed_interval(tests[mark]["value"])
    z, z_low, z_high = seed_interval(tests[mark]["z"])
    return {
        "data": outcome.data,
        "optimiser": outcome.optimiser,
        "activation": outcome.activation,
        "conjugated": outcome.conjugated,
        "frame": frame,
        "seeds": len(outcome.seeds),
        "statistic": mark,
        "effect": value,
        "interval": [low, high],
        "z": z,
        "z_interval": [z_low, z_high],
        "p < 0.001": share_below(tests["any"]["p"], _STRICT),
        "p < 0.05": share_below(tests["any"]["p"], _LEVEL),
    }


def _effect(evidence: dict[str, Any]) -> str:
    low, high = evidence["interval"]
    return f"{evidence['statistic']} = {evidence['effect']:+.3f} [{low:+.3f}, {high:+.3f}], z = {evidence['z']:+.1f}"


def _too_many(values: Sequence[float]) -> float:
    """P(at least as many of n uniform p-values lie below 5 %)."""
    from scipy.stats import binom

    count = int(np.count_nonzero(np.asarray(values) < _LEVEL))
    return float(binom.sf(count - 1, len(values), _LEVEL))


def _quantises(outcome: Outcome) -> Verdict:
    evidence = _evidence(outcome)
    strict, p = evidence["p < 0.001"], outcome.tests["post/own"]["any"]["p"]
    chance = _too_many(p)
    evidence["binomial_p"] = chance
    status = "supported" if strict >= _MOST else "refuted" if chance > _LEVEL else "undecided"
    reason = f"p < 0.001 in {strict:.0%} of {len(p)} seeds, p < 0.05 in {evidence['p < 0.05']:.0%}; {_effect(evidence)}"
    return Verdict(
        f"{outcome.title} makes its frame special ({_where(outcome)})", status, reason, evidence=evidence
    )  # fmt: skip


def _stays_smooth(outcome: Outcome) -> Verdict:
    evidence = _evidence(outcome)
    p = outcome.tests["post/own"]["any"]["p"]
    chance = _too_many(p)
    evidence["binomial_p"] = chance
    count = sum(value < _LEVEL for value in p)
    reason = (
        f"p < 0.05 in {count} of {len(p)} seeds (as many or more by chance: {chance:.2g}); {_effect(evidence)}"
    )  # fmt: skip
    return Verdict(
        f"{outcome.title} leaves the frame as any other ({_where(outcome)})",
        "supported" if chance > _LEVEL else "refuted",
        reason,
        evidence=evidence,
    )


def _rotates(outcome: Outcome) -> Verdict:
    own, standard = _evidence(outcome), _evidence(outcome, "post/standard")
    chance = _too_many(outcome.tests["post/standard"]["any"]["p"])
    status = "supported" if own["p < 0.001"] >= _MOST and chance > _LEVEL else "undecided"
    reason = (
        f"rotated frame: p < 0.001 in {own['p < 0.001']:.0%} of seeds, {_effect(own)}; standard frame: p < 0.05 in "
        f"{standard['p < 0.05']:.0%} (as many or more by chance: {chance:.2g}), {_effect(standard)}"
    )
    return Verdict(
        f"the special frame of {outcome.title.removesuffix(', conjugated')} rotates with it ({_where(outcome)})",
        status,
        reason,
        evidence={**own, "standard": standard, "binomial_p": chance},
    )


def _reconstructs(elementwise: Outcome, isotropic: Outcome) -> Verdict:
    count = min(len(elementwise.loss), len(isotropic.loss))
    ratio = np.array(isotropic.loss[:count]) / np.array(elementwise.loss[:count])
    mean, low, high = seed_interval(ratio)
    status = "supported" if high < 1 else "refuted" if low > 1 else "undecided"
    return Verdict(
        f"{isotropic.title} reconstructs better than {elementwise.title} ({_where(elementwise)})",
        status,
        f"error ratio {mean:.3f} [{low:.3f}, {high:.3f}] over {count} pairs of seeds with the same initial weights; "
        f"errors {np.mean(isotropic.loss):.3f} and {np.mean(elementwise.loss):.3f} of the variance",
        evidence={
            "data": elementwise.data,
            "optimiser": elementwise.optimiser,
            "ratio": mean,
            "interval": [low, high],
            "seeds": count,
        },
    )


def _tanh_is_not_orthogonal() -> Verdict:
    from verify.symmetry import check_equivariance

    return check_equivariance("tanh", "O", n=2)
