"""Compute and draw docs/figures/scaling.png: three activations, two Zipf exponents, and infinitely many features.

python benchmarks/scaling_figure.py            # some minutes; prints every fitted exponent and its interval
"""

from __future__ import annotations

import sys
from pathlib import Path

from verify.plots import as_png
from verify.plots.scaling import scaling_figure
from verify.scaling import ScalingStudy, scaling_study
from verify.tables import write_bytes_atomically

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "scaling.png"
ACTIVATIONS = ("relu", "power:2", "rectified-power:2")


def main() -> int:
    rows = [[study(name, s, 200, (2, 4, 8, 16, 32), restarts=8) for name in ACTIVATIONS] for s in (1.5, 2.0)]
    # Certificates for rectified powers in many dimensions are the slow part.
    sizes = {name: (4, 8, 16, 32) if name == "rectified-power:2" else (4, 8, 16, 32, 64) for name in ACTIVATIONS}
    rows.append([study(name, 1.5, 1500, sizes[name], restarts=0, many=True) for name in ACTIVATIONS])
    write_bytes_atomically(FIGURE, as_png(scaling_figure(rows), dpi=100))
    return 0


def study(name: str, s: float, n: int, m: tuple[int, ...], restarts: int, many: bool = False) -> ScalingStudy:
    found = scaling_study(name, s, n, m, restarts=restarts, many=many)
    print(f"{name}, s={s}, {'infinitely many' if many else n} features: fit {found.fit}", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
