"""`superposition phase`: the phase diagram of two features in one dimension, beside the minimised loss."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from theory import PHASES, InputError
from verify.commands.output import Output, progress_bar
from verify.phases.diagram import EVERY_POWER, PhaseDiagram, phase_diagram
from verify.tables import number, text_table, write_atomically, write_bytes_atomically

__all__ = ["run"]

_LETTERS = dict(zip(PHASES, ".D/x", strict=True))


def run(arguments: argparse.Namespace) -> Output:
    """The diagram of one setting, or of every power with and without bias."""
    if (arguments.activation is None) != bool(arguments.all):
        raise InputError("give either --activation SIGMA or --all")
    if arguments.all:
        rows = [(EVERY_POWER[:3], False), (EVERY_POWER[:3], True), (EVERY_POWER[3:], False), (EVERY_POWER[3:], True)]
        settings = [(name, bias) for names, bias in rows for name in names]
    else:
        settings = [(arguments.activation, arguments.bias)]
    diagrams = []
    with progress_bar() as report:
        for done, (name, bias) in enumerate(settings):
            step = lambda part, whole, text, done=done: report(done + part / whole, len(settings), text)  # noqa: E731
            diagrams.append(
                phase_diagram(
                    name, bias, arguments.law, arguments.grid, arguments.check, seed=arguments.seed, progress=step
                )
            )
    data = {"diagrams": [diagram.to_dict() for diagram in diagrams]}
    lines = [line for diagram in diagrams for line in _text(diagram)]
    if arguments.out is not None:
        from verify.plots.phase import phase_diagram_figure
        from verify.plots.style import as_png

        folder = Path(arguments.out)
        write_atomically(folder / "phase_diagram.json", json.dumps(data) + "\n")
        write_bytes_atomically(folder / "phase_diagram.png", as_png(phase_diagram_figure(diagrams), dpi=130))
        lines.append(f"figure and data in {folder}/phase_diagram.png and .json")
    below = [
        check for d in diagrams for check in d.checks if check.minimised < check.loss - check.error - 1e-6 * check.loss
    ]
    return Output("\n".join(lines), data, 1 if below else 0)


def _text(diagram: PhaseDiagram) -> list[str]:
    grid = diagram.grid
    lines = [f"{diagram.title}, {diagram.law} law: n=2, m=1; feature 1 has importance 1, feature 2 importance I", ""]
    picked = range(0, len(grid.importances), max(1, len(grid.importances) // 20))
    for i in reversed(picked):
        row = "".join(_LETTERS[PHASES[k]] for k in grid.phase[i])
        lines.append(f"  I = {grid.importances[i]:8.3g}  {row}")
    lines.append(f"  {'':12s}  p from {grid.densities[0]:.2g} to {grid.densities[-1]:.2g}")
    lines += ["  " + ", ".join(f"{letter} {name}" for name, letter in _LETTERS.items()), ""]
    for boundary in diagram.boundaries:
        lines.append(f"  {boundary}")
        if boundary.at_equal_importance is not None:
            exact = boundary.at_equal_importance
            lines.append(f"    at I = 1: p = {exact} = {number(exact, 12)}")
    if not diagram.boundaries and not diagram.bias:
        lines.append("  no boundary in closed form")
    if diagram.checks:
        agree = sum(check.loss_agrees for check in diagram.checks)
        named = sum(check.phase_agrees for check in diagram.checks)
        early = sum(check.minimiser_stopped_early for check in diagram.checks)
        worst = [check for check in diagram.checks if not (check.loss_agrees and check.phase_agrees)]
        lines += ["", f"  minimised loss: {agree} of {len(diagram.checks)} points agree in loss, {named} in phase"
                  + (f"; at {early} the minimiser stopped in a worse local minimum" if early else "")]  # fmt: skip
        if worst:
            header = ("p", "I", "phase", "loss", "minimiser's phase", "minimised loss")
            rows = [
                (f"{c.density:g}", f"{c.importance:g}", c.phase, number(c.loss), c.found, number(c.minimised))
                for c in worst
            ]
            lines += ["", text_table(header, rows, right=(0, 1, 3, 5))]
    return [*lines, ""]
