"""Search again for the three-point certificates that the library ships, and keep those that prove more.

    python benchmarks/three_point.py --exponents 1 2 3 --degrees 2 3 4 -m 3 4 5 6

Needs Clarabel (pip install 'superposition-theory[search]'). Interrupt it at any time: every file is written whole.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import product
from pathlib import Path

import sympy

from theory import InputError
from theory.loss.linear_programming import linear_programming_certificate
from theory.loss.three_point.search import three_point_certificate
from theory.loss.three_point.shipped import FOLDER, file_name, shipped_certificates
from verify.tables import write_atomically

# A larger certificate of the next degree has to earn its place.
GAIN = {2: 2e-7, 3: 2e-6, 4: 3e-4, 5: 5e-4, 6: 2e-5}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exponents", nargs="+", default=["1", "2", "3"], metavar="A")
    parser.add_argument("--kinds", nargs="+", default=["rectified", "monomial"], choices=("rectified", "monomial"))
    parser.add_argument("--degrees", nargs="+", type=int, default=[2, 3])
    parser.add_argument("-m", nargs="+", type=int, default=[3, 4, 5, 6])
    parser.add_argument("--ratio", type=int, default=4, help="n up to this many times m")
    parser.add_argument("--out", type=Path, default=FOLDER)
    options = parser.parse_args()
    for kind, a, degree, m in product(options.kinds, options.exponents, options.degrees, options.m):
        for n in range(m + 1, options.ratio * m + 1):
            improve(kind, sympy.Rational(a), m, n, degree, options.out)
    return 0


def improve(kind: str, a: sympy.Rational, m: int, n: int, degree: int, out: Path) -> None:
    """Try one setting and write its certificate where it proves more than what is there."""
    negative = sympy.Integer(1 if kind == "monomial" else 0)
    if (kind == "rectified" and n <= 2 * m) or (kind == "monomial" and (a == 1 or degree % 2)):
        return
    known = {"linear program": linear_programming_certificate(n, m, a, negative).capacity, "n": sympy.Integer(n)}
    for certificate in shipped_certificates(m, a, negative, out):
        known[f"three-point for n={certificate.n}"] = certificate.for_features(n).capacity
    best = min(known.values())
    start = time.perf_counter()
    try:
        found = three_point_certificate(n, m, a, negative, degree, bits=40 if degree < 4 else 34)
    except InputError as refusal:
        print(kind, a, m, n, degree, refusal)
        return
    gain = float(1 - found.capacity / best)
    kept = gain > GAIN[degree]
    print(
        f"{kind} a={a} m={m} n={n} degree {degree}: {float(found.capacity):.8f} against {float(best):.8f} "
        f"({gain:+.1e}) {'kept' if kept else ''} {time.perf_counter() - start:.1f} s",
        flush=True,
    )
    if kept:
        write_atomically(out / file_name(kind, a, m, n), found.to_json() + "\n")


if __name__ == "__main__":
    sys.exit(main())
