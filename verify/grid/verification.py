"""Checking a finished atlas again, in a process that has searched for nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import sympy

import theory
from theory import InputError
from theory.loss.capacity import sparse_constants
from theory.loss.certificates import parse_certificate, why_rejected
from theory.loss.geometry.integer_weights import capacity_from_below
from verify.grid.cell import Cell, CellRequest
from verify.grid.store import CellStore

__all__ = ["CellCheck", "verify_atlas"]

# Floats written into a cell are compared with exact numbers to this relative accuracy.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class CellCheck:
    """What became of one cell.

    Attributes:
        request: the cell.
        reason: None where both sides were proved again; else what failed.
        kind: of the proof of the certified side: the name of the bound.
        has_certificate: whether that proof is a certificate file.
        seconds: the certificate's check (or the closed form's) took.
    """

    request: CellRequest
    reason: str | None
    kind: str
    has_certificate: bool
    seconds: float


def verify_atlas(folder: Path | str, progress: Callable[[float, float, str], None] | None = None) -> list[CellCheck]:
    """Re-check every finished cell of a folder: its certificate, exactly, and the capacity of its configuration.

    The certified side: the certificate's own check, and that it speaks of this cell's kernel, m and n; or the closed
    form once more. The known side: the integer blocks' capacity by integer arithmetic, or the named bound once more.

    Raises:
        InputError: the folder holds no finished cell.
    """
    cells = list(CellStore(Path(folder)).finished())
    if not cells:
        raise InputError(f"{folder} holds no finished cell of an atlas; run `superposition atlas --out {folder}` first")
    checks = []
    for done, cell in enumerate(cells):
        if progress is not None:
            progress(done, len(cells), cell.request.label)
        begin = perf_counter()
        reason = _certified(cell)
        seconds = perf_counter() - begin
        reason = reason or _known(cell)
        checks.append(CellCheck(cell.request, reason, cell.bound, cell.certificate is not None, seconds))
    return checks


def _certified(cell: Cell) -> str | None:
    """Why the upper bound on the capacity does not follow; None where it does."""
    model = cell.request.model
    constants = sparse_constants(model.law, model.activation)
    if cell.certificate is None:
        try:
            bound = theory.lower_bound(model, of="sparse", name=cell.bound)
        except InputError as problem:
            return str(problem)
        proved = (model.n_features * constants.second_moment - bound.expr) / constants.kappa
    else:
        try:
            certificate, claimed = parse_certificate(cell.certificate)
        except InputError as problem:
            return str(problem)
        kernel = constants.kernel
        # A smaller kernel (a larger exponent, less weight on negative cosines) and more dimensions have more capacity.
        reaches = (
            certificate.m >= cell.request.m
            and certificate.exponent >= kernel.exponent
            and certificate.negative <= kernel.negative
        )
        if not reaches:
            about = f"m={certificate.m}, exponent={certificate.exponent}, negative={certificate.negative}"
            return f"the certificate is about {about}, not about this cell"
        if certificate.n is not None and certificate.n < cell.request.n:
            return f"the certificate is about {certificate.n} features, fewer than this cell has"
        reason = why_rejected(certificate, claimed)
        if reason is not None:
            return reason
        proved = sympy.Min(cell.request.n, claimed)
    if float(proved) > cell.capacity_certified * (1 + _ROUNDING):
        return f"the cell states capacity <= {cell.capacity_certified!r}; proved is only {float(proved)!r}"
    return None


def _known(cell: Cell) -> str | None:
    """Why the configuration does not have the stated capacity; None where it does."""
    model = cell.request.model
    kernel = sparse_constants(model.law, model.activation).kernel
    if cell.blocks:
        if sum(len(block) for block in cell.blocks) > cell.request.n:
            return "its blocks hold more features than the cell has"
        if sum(len(block[0]) for block in cell.blocks) > cell.request.m:
            return "its blocks need more dimensions than the cell has"
        attained = sum(
            (capacity_from_below(block, kernel.exponent, kernel.negative) for block in cell.blocks), sympy.Integer(0)
        )
    else:
        constants = sparse_constants(model.law, model.activation)
        try:
            bound = theory.upper_bound(model, of="sparse", name=cell.construction)
        except InputError as problem:
            return str(problem)
        attained = (model.n_features * constants.second_moment - bound.expr) / constants.kappa
    if float(attained) < cell.capacity_known * (1 - _ROUNDING):
        return f"the cell states capacity >= {cell.capacity_known!r}; its configuration has {float(attained)!r}"
    return None
