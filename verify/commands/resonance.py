"""`superposition resonance`: is the frame special for these activations?"""

from __future__ import annotations

import argparse
from pathlib import Path

from verify.commands.output import Output
from verify.tables import text_table

__all__ = ["run"]

_TITLE = "Activations and their frame"


def run(arguments: argparse.Namespace) -> Output:
    """Spotlight resonance, plane projection and the rotation test of the activations of a file."""
    from verify.quantisation.analysis import analyse_activations
    from verify.quantisation.tensors import load_activations

    X = load_activations(arguments.file, arguments.key)
    frame = None if arguments.frame is None else load_activations(arguments.frame)
    found = analyse_activations(X, frame, arguments.epsilon, arguments.rotations, arguments.seed)
    data = found.to_dict()
    rows = [
        (
            name,
            f"{one['value']:+.4f}",
            "[{:+.4f}, {:+.4f}]".format(*one["interval_over_rows"]),
            f"{one['null_mean']:+.4f} ± {one['null_sd']:.4f}",
            f"{one['z']:+.1f}",
            f"{one['p']:.2g}",
        )
        for name, one in data["statistics"].items()
    ]
    header = ("statistic", "value", "95 % over rows", "random rotations", "z", "p")
    planes = f"{data['planes']} planes" + (
        f" ({data['planes_left_out']} left out)" if data["planes_left_out"] else ""
    )  # fmt: skip
    verdict = found.verdict
    tested = "" if data["tested_rows"] == data["rows"] else f"; {data['tested_rows']} random rows tested"
    isotropy = "" if data["isotropy_p"] is None else f"; isotropic rows: p = {data['isotropy_p']:.2g}"
    lead = (
        f"{data['rows']} rows in R^{data['dimension']} ({data['zero_rows']} zero rows left out), {data['directions']} "
        f"directions, {planes}, {data['parallel_pairs']} parallel pairs skipped{tested}{isotropy}."
    )
    lines = [lead, "", text_table(header, rows, right=(1, 4, 5)), "", str(verdict)]
    if arguments.out:
        from verify.plots.quantisation import activations_figure
        from verify.quantisation.page import Table, write_page

        folder = Path(arguments.out)
        caption = (
            "Left: the share of rows in a turning cone, over that of isotropic rows. Right: rows near the planes of "
            "the frame."
        )
        write_page(
            folder,
            f"{_TITLE}: {Path(arguments.file).name}",
            f"{lead} {verdict.reason}.",
            [Table("Statistics of the frame", header, rows)],
            [("resonance", activations_figure(found), caption)],
            data,
            f"superposition resonance {Path(arguments.file).name} --epsilon {arguments.epsilon} "
            f"--rotations {arguments.rotations} --seed {arguments.seed}",
        )
        lines.append(f"page, figure and data in {folder}")
    return Output("\n".join(lines), {**data, "verdict": verdict.status})
