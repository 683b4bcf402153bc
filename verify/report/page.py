"""Figures and HTML from the results of the stages."""

from __future__ import annotations

import base64
from importlib import resources
from typing import Any

import numpy as np

__all__ = ["render_page"]

_CLAIMS = {"S": "$S_n$", "B": "$B_n$", "R+ wr S": r"$\mathbb{R}_{+}\wr S_n$", "O": "$O(n)$"}


def render_page(context: dict[str, Any]) -> tuple[str, dict[str, bytes]]:
    """The page as one HTML text with every figure inline, and the figures as files (SVG and PNG)."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    from verify.plots import as_png, as_svg

    figures, files = _figures(context["results"]), {}
    inline = {}
    for name, figure in figures.items():
        svg = as_svg(figure)
        files[f"figures/{name}.svg"] = svg
        files[f"figures/{name}.png"] = as_png(figure)
        # An <img> keeps the ids of one figure's clip paths apart from another's.
        inline[name] = "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        short=short,
        math=lambda text: Markup('<math displaystyle="true">' + text + "</math>"),
        seconds=lambda value: f"{value:.1f} s",
    )
    template = environment.from_string((resources.files("verify.report") / "page.html.j2").read_text(encoding="utf-8"))
    return template.render(**context, figures=inline, table=loss_table(context["results"]["density"])), files


def short(value: Any, digits: int = 6) -> str:
    """A number for a table; a dash where there is none."""
    return "—" if value is None else f"{value:.{digits}g}"


def loss_table(density: dict[str, Any]) -> list[dict[str, Any]]:
    """One row per activation and density, every loss divided by p."""
    rows = []
    for panel in density["panels"]:
        for j, p in enumerate(panel["points"]):
            seeds = [loss for loss in panel["trained"][j] if loss is not None]
            minimised = panel["minimised"][j]
            best = min(seeds) if seeds else None
            rows.append({
                "activation": panel["activation"],
                "p": p,
                "lower": panel["lower"][j] / p,
                "minimised": minimised / p,
                "best": None if best is None else best / p,
                "upper": panel["upper"][j] / p,
                "gap": None if best is None else best / minimised - 1,
                "close": sum(loss <= 1.02 * minimised for loss in seeds),
                "seeds": len(panel["trained"][j]),
                "diverged": len(panel["trained"][j]) - len(seeds),
                "violation": best is not None and best < panel["lower"][j] * (1 - 1e-9),
            })  # fmt: skip
    return rows


def _figures(results: dict[str, Any]) -> dict[str, Any]:
    from verify.plots import (
        DensityPanel,
        IntervalPanel,
        RoutePair,
        SymmetryRow,
        loss_per_density_figure,
        route_agreement,
        sparse_interval_figure,
        symmetry_table,
    )

    panels = [
        DensityPanel(
            p["title"], p["grid"], p["lower_curve"], p["upper_curve"], p["points"], p["minimised"],
            np.array(p["trained"], dtype=float), p["sparse_lower"], p["sparse_upper"],
        )
        for p in results["density"]["panels"]
    ]  # fmt: skip
    half = len(panels) // 2
    rows: dict[int, list[IntervalPanel]] = {}
    for p in results["intervals"]["panels"]:
        rows.setdefault(p["m"], []).append(IntervalPanel(p["title"], p["n"], p["lower"], p["upper"], p["best"]))
    table = [
        SymmetryRow(
            row["activation"],
            tuple(v["status"] for v in row["verdicts"]),
            row["group"].split(": ")[1],
            row["status"] == "proved",
        )
        for row in results["symmetry"]["rows"]
    ]
    return {
        "loss_per_density": loss_per_density_figure([panels[:half], panels[half:]]),
        "intervals": sparse_interval_figure(list(rows.values())),
        "routes": route_agreement([RoutePair(**pair) for pair in route_pairs(results["routes"])]),
        "symmetry": symmetry_table(table, [_CLAIMS[key] for key in results["symmetry"]["keys"]]),
    }


def route_pairs(routes: dict[str, Any]) -> list[dict[str, Any]]:
    """Every pair of routes that computed the same loss, with their difference and the sum of their errors."""
    words = {"exact": "exact", "quadrature": "quadrature", "monte_carlo": "Monte Carlo"}
    pairs = []
    for row in routes["rows"]:
        found = [route for route in row["routes"] if "value" in route]
        for i, second in enumerate(found):
            for first in found[:i]:
                pairs.append({
                    "routes": f"{words[first['method']]} and {words[second['method']]}",
                    "value": found[0]["value"],
                    "difference": abs(first["value"] - second["value"]),
                    "error": first["error"] + second["error"],
                })  # fmt: skip
    return pairs
