"""`superposition scaling`: how the loss falls with the hidden dimension where densities follow a power law."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from theory import InputError
from theory.parsing import parse_number
from verify.commands.output import Output, progress_bar
from verify.commands.setting import size_of
from verify.tables import number, text_table, write_atomically, write_bytes_atomically

__all__ = ["run"]

_MOST_FEATURES, _MOST_HIDDEN, _MOST_SEARCHED = 20_000, 1024, 1000


def run(arguments: argparse.Namespace) -> Output:
    """Bounds, search and slope of the lost stake against the hidden dimension."""
    from verify.scaling import scaling_study

    s = parse_number(arguments.s, "--s")
    n = size_of(arguments.features, "-n")
    hidden = [size_of(part, "-m") for part in arguments.hidden.split(",")]
    if n > _MOST_FEATURES or max(hidden) > _MOST_HIDDEN:
        raise InputError(f"-n {n}, -m {max(hidden)}: at most {_MOST_FEATURES} features and {_MOST_HIDDEN} dimensions")
    if arguments.restarts and n > _MOST_SEARCHED:
        raise InputError(
            f"-n {n}: the search takes at most {_MOST_SEARCHED} features; --restarts 0 prints bounds alone"
        )
    options = {"law": arguments.law, "restarts": arguments.restarts, "seed": arguments.seed}
    with progress_bar() as report_progress:
        study = scaling_study(
            arguments.activation, s, n, hidden, many=arguments.many, progress=report_progress, **options
        )
    show = lambda value: "—" if np.isnan(value) else number(value, 6)  # noqa: E731
    rows = [
        (m, show(low), show(found), show(high), show(alone), construction)
        for m, low, found, high, alone, construction in zip(
            study.hidden, study.lower, study.found, study.upper, study.dedicated, study.constructions, strict=True
        )
    ]
    count = f"infinitely many (the first {n} placed)" if study.many else str(n)
    lines = [
        f"{study.activation}, {count} features, p_i = p_1 i^(-{s}), {arguments.law}, first order in p_1, no bias",
        f"loss = p_1 ({number(study.floor, 6)} + {number(study.kappa, 6)} Lambda(m)); Lambda is the stake that is lost",
        "",
        text_table(
            ("m", "proved at least", "found", "proved at most", "dedicated", "construction of the upper bound"),
            rows,
            right=(0, 1, 2, 3, 4),
        ),
        "",
    ]
    if study.exponent is not None:
        exponent = study.exponent
        value = f"= {exponent.lower}" if exponent.is_exact else f"in [{exponent.lower}, {exponent.upper}]"
        lines.append(f"infinitely many features: Lambda ~ m^(-e) with e {value}  [{exponent.status}]")
        lines += [f"  - {step.statement}" for step in exponent.derivation]
    if study.fit is not None:
        fit = f"e = {study.fit[0]:.3f} ± {study.fit[1]:.3f} (95 %, curvature included)"
        lines.append(f"fitted to the search, {count} features: {fit}")
    if not np.isnan(study.slopes[0]):
        least, most = study.slopes
        lines.append(f"mean slope that the bounds leave over this range: {least:.3f} to {most:.3f}")
    if study.violated:
        lines.append("REFUTED: the search went below the lower bound")
    data = study.to_dict()
    if arguments.out:
        from verify.plots.scaling import scaling_figure
        from verify.plots.style import as_png, as_svg

        folder = Path(arguments.out)
        figure = scaling_figure([[study]])
        write_atomically(folder / "scaling.json", json.dumps(data, indent=2) + "\n")
        write_bytes_atomically(folder / "scaling.svg", as_svg(figure))
        write_bytes_atomically(folder / "scaling.png", as_png(figure))
        lines.append(f"figure and data in {folder}")
    return Output("\n".join(lines), data, 1 if study.violated else 0)
