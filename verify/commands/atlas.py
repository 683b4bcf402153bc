"""`superposition atlas`: certified bounds and best-known configurations over a grid, kept, drawn and re-checked."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory import InputError
from verify.commands.output import Output, progress_bar
from verify.tables import text_table, write_bytes_atomically

if TYPE_CHECKING:
    import xarray

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> Output:
    """Compute what is missing of the atlas, or re-check every certificate of a finished one."""
    if arguments.verify:
        return _verify(arguments.out)
    from verify.grid.atlas import DEFAULT_ACTIVATIONS, atlas

    labels = arguments.activations.split(",") if arguments.activations else list(DEFAULT_ACTIVATIONS)
    with progress_bar() as report_progress:
        dataset = atlas(
            activations=labels,
            n_hidden=_sizes("-m", arguments.hidden),
            n_features=None if arguments.features is None else _sizes("-n", arguments.features),
            ratio=arguments.ratio,
            law=arguments.law,
            restarts=arguments.restarts,
            seed=arguments.seed,
            out=arguments.out,
            resume=not arguments.fresh,
            workers=arguments.workers,
            progress=report_progress,
        )
    from verify.plots import as_png
    from verify.plots.atlas import atlas as draw

    write_bytes_atomically(Path(arguments.out) / "atlas.png", as_png(draw(dataset)))
    rows = [_summary(dataset, index) for index in range(dataset.sizes["activation"])]
    total = _total(rows)
    header = ("activation", "cells", "proved optimal", "fraction", "worst capacity gap", "at", "configuration there")
    text = [
        text_table(header, [_shown(row) for row in (*rows, total)], right=(1, 2, 3, 4)),
        "",
        f"  every cell, certificate and configuration in {arguments.out}; heat map in {arguments.out}/atlas.png",
        f"  re-check them in a fresh process: superposition atlas --out {arguments.out} --verify",
    ]
    return Output("\n".join(text), {"activations": rows, "total": total, "folder": str(arguments.out)})


def _summary(dataset: xarray.Dataset, index: int) -> dict[str, Any]:
    one = dataset.isel(activation=index)
    present = one["present"].values == 1
    gap = np.where(present, one["gap"].values, -np.inf)
    row, column = np.unravel_index(int(np.argmax(gap)), gap.shape)
    return {
        "activation": str(one["activation"].values),
        "cells": int(present.sum()),
        "proved": int((one["proved"].values == 1).sum()),
        "worst_gap": float(gap[row, column]),
        "worst_m": int(one["n_hidden"].values[row]),
        "worst_n": int(one["n_features"].values[column]),
        "worst_configuration": str(one["configuration"].values[row, column]),
    }


def _total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    worst = max(rows, key=lambda row: row["worst_gap"])
    sums = {name: sum(row[name] for row in rows) for name in ("cells", "proved")}
    return {**worst, **sums, "activation": "all"}


def _shown(row: dict[str, Any]) -> tuple[str, ...]:
    worst = row["worst_gap"]
    return (
        row["activation"],
        str(row["cells"]),
        str(row["proved"]),
        f"{row['proved'] / row['cells']:.1%}",
        "none" if worst <= 1e-6 else f"{worst:.3%}",
        "" if worst <= 1e-6 else f"m={row['worst_m']}, n={row['worst_n']}",
        "" if worst <= 1e-6 else row["worst_configuration"],
    )


def _sizes(option: str, text: str) -> list[int]:
    """ "2-4,6" as [2, 3, 4, 6]."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise InputError(f"{option} {text}: give sizes such as 3, 2-6 or 2,4,6-8")
        found += range(int(first), int(last if dash else first) + 1)
    return found


def _verify(folder: str) -> Output:
    from verify.grid.verification import verify_atlas

    with progress_bar() as report_progress:
        checks = verify_atlas(folder, report_progress)
    failed = [check for check in checks if check.reason is not None]
    certified = [check.seconds for check in checks if check.has_certificate]
    rows = [
        (
            check.request.activation,
            check.request.m,
            check.request.n,
            check.kind,
            f"{1000 * check.seconds:.0f} ms" if check.has_certificate else "closed form",
            "ok" if check.reason is None else f"REJECTED: {check.reason}",
        )
        for check in checks
    ]
    lines = [text_table(("activation", "m", "n", "bound", "check", "result"), rows, right=(1, 2, 4)), ""]
    lines.append(f"  {len(checks) - len(failed)} of {len(checks)} cells proved again, both sides")
    if certified:
        mean, worst = 1000 * float(np.mean(certified)), 1000 * max(certified)
        lines.append(f"  {len(certified)} certificates, {mean:.0f} ms each in the mean, {worst:.0f} ms at most")
    data = {
        "cells": len(checks),
        "failed": [{"cell": check.request.label, "reason": check.reason} for check in failed],
        "certificates": len(certified),
        "seconds": {check.request.label: check.seconds for check in checks if check.has_certificate},
    }
    return Output("\n".join(lines), data, 1 if failed else 0)
