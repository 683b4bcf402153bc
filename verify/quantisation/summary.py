"""The results as Markdown tables, for docs/quantisation.md."""

from __future__ import annotations

from collections.abc import Sequence

from verify.quantisation.experiment import Experiment, Outcome
from verify.quantisation.findings import mark_of, share_below
from verify.quantisation.statistics import seed_interval
from verify.verdicts import Verdict

__all__ = ["markdown_summary"]

_GROUPS = {"B": "$B_n$", "S": "$S_n$", "O": "$O(n)$"}


def markdown_summary(experiment: Experiment, verdicts: Sequence[Verdict]) -> str:
    """One table per data set and optimiser, the reconstruction errors, and the verdicts."""
    parts = []
    for data, optimiser in dict.fromkeys((o.data, o.optimiser) for o in experiment.outcomes):
        rows = [
            _row(outcome, frame)
            for outcome in experiment.outcomes
            if (outcome.data, outcome.optimiser) == (data, optimiser)
            for frame in ("post/own", "post/standard", "pre/own")
            if frame in outcome.tests and (frame != "pre/own" or outcome.activation == "tanh")
        ]
        header = (
            "activation",
            "symmetry",
            "may mark",
            "T4 [95 %]",
            "z",
            "T2 [95 %]",
            "z",
            "p < .001",
            "p < .05",
            "error",
        )
        parts.append(f"**{data}, {_optimiser(optimiser)}**\n\n{_table(header, rows)}")
    rows = [(verdict.status, verdict.statement, verdict.reason) for verdict in verdicts]
    parts.append(_table(("verdict", "statement", "because"), rows))
    return "\n\n".join(parts) + "\n"


def _optimiser(name: str) -> str:
    return {"sgd": "SGD with momentum", "adam": "Adam"}[name]


def _row(outcome: Outcome, frame: str) -> tuple[str, ...]:
    tests = outcome.tests[frame]
    stage, which = frame.split("/")
    title = outcome.title
    if outcome.conjugated:
        title = title.replace("conjugated", "conjugated: " + ("rotated frame" if which == "own" else "standard frame"))
    if stage == "pre":
        title += ", before the activation"
    cells = []
    for name in ("T4", "T2"):
        value, low, high = seed_interval(tests[name]["value"])
        cells += [f"{value:+.3f} [{low:+.3f}, {high:+.3f}]", f"{seed_interval(tests[name]['z'])[0]:+.1f}"]
    count = len(outcome.seeds)
    strict, usual = (round(share_below(tests["any"]["p"], level) * count) for level in (0.001, 0.05))
    mark = mark_of(outcome) if outcome.marks and which == "own" else "none"
    training = _GROUPS.get(outcome.training, outcome.training)
    error, low, high = seed_interval(outcome.loss)
    return (
        title,
        training,
        mark,
        *cells,
        f"{strict} of {count}",
        f"{usual} of {count}",
        f"{error:.3f} ± {high - error:.3f}",
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]
    return "\n".join(lines).replace("| --- |", "|---|").replace(" --- |", "---|")
