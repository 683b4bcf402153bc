"""The three-point certificates that come with the library, found by benchmarks/three_point.py.

They are data, not code: each is parsed and re-checked exactly before it is used.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import sympy

from theory.loss.certificates import parse_certificate, why_rejected
from theory.loss.three_point.certificate import ThreePointCertificate

__all__ = ["FOLDER", "best_shipped", "file_name", "shipped_certificates"]

FOLDER = Path(__file__).parent.parent / "data" / "three_point"


def file_name(kind: str, exponent: Any, m: int, n: int) -> str:
    """The name of a certificate's file: kind is "rectified" or "monomial"."""
    return f"{kind}-{str(exponent).replace('/', '_')}-m{m}-n{n}.json"


def best_shipped(n: int, m: int, exponent: Any, negative: Any) -> ThreePointCertificate | None:
    """The shipped certificate that proves the smallest capacity for n features; None where there is none.

    A certificate for one number of features proves a bound for every other as well, and one for a kernel proves it for
    every larger kernel: for smaller exponents, since |t| <= 1, and for more `negative`.
    """
    found = [entry for a, r in _kernels_below(exponent, negative) for entry in _checked(m, a, r)]
    readings = [certificate.for_features(n) for certificate in found]
    return min(readings, key=lambda certificate: certificate.capacity, default=None)


def shipped_certificates(m: int, exponent: Any, negative: Any, folder: Path = FOLDER) -> list[ThreePointCertificate]:
    """The certificates of a kernel and dimension that a folder holds and that pass their check."""
    kind = {0: "rectified", 1: "monomial"}.get(negative)
    names = sorted(folder.glob(file_name(kind, exponent, m, 0).replace("n0", "n*"))) if kind else []
    found = []
    for name in names:
        certificate, claimed = parse_certificate(name.read_text(encoding="utf-8"))
        if why_rejected(certificate, claimed) is None and isinstance(certificate, ThreePointCertificate):
            found.append(certificate)
    return found


@cache
def _checked(m: int, exponent: Any, negative: Any) -> tuple[ThreePointCertificate, ...]:
    return tuple(shipped_certificates(m, exponent, negative))


@cache
def _kernels_below(exponent: Any, negative: Any) -> tuple[tuple[Any, Any], ...]:
    """Kernels with shipped certificates that lie below the given one, the closest exponent of each kind first."""
    if not (exponent.is_number and negative.is_number):
        return ()
    least = sympy.ceiling(exponent)
    kinds = [sympy.Integer(0)] + ([sympy.Integer(1)] if negative >= 1 else [])
    return tuple((least, kind) for kind in kinds)
