"""`superposition bounds`: every bound that applies, or the verdict on a claim or on a certificate."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import theory
from theory import Bound, InputError, ToyModel
from verify.commands.output import Output
from verify.commands.setting import model_of
from verify.tables import number, text_table, write_atomically

__all__ = ["best_value", "run"]

_LARGEST_CERTIFICATE = 10**7


def run(arguments: argparse.Namespace) -> Output:
    """Every bound that applies, or the verdict on a claim or on a certificate."""
    if arguments.verify is not None:
        return _verify_certificate(arguments.verify)
    if arguments.activation is None:
        raise InputError("--activation is required (or --verify FILE to re-check a certificate)")
    model = model_of(arguments, arguments.features, arguments.hidden, arguments.bias)
    targets = [arguments.of] if arguments.of else ["sparse"] if model.density.free_symbols else ["sparse", "loss"]
    if (arguments.claim is None) != (arguments.side is None):
        raise InputError("--claim and --side go together: --claim 'n/3 - 2*m/3' --side lower")
    if arguments.claim is not None:
        from verify.bounds import check_bound

        verdict = check_bound(model, **{arguments.side: arguments.claim}, of=targets[-1], seed=arguments.seed)
        return Output(str(verdict), verdict.to_dict(), verdict.exit_code)
    if targets[-1] in ("capacity", "energy"):
        raise InputError(f"--of {targets[-1]} checks a claim: add --claim '2*D' --side upper")
    if arguments.certificate is not None:
        return _write_certificate(model, Path(arguments.certificate))
    found = {of: (theory.lower_bounds(model, of=of), theory.upper_bounds(model, of=of)) for of in targets}
    if not any(lower or upper for lower, upper in found.values()):
        theory.lower_bound(model, of=targets[-1])  # raises the sentence that says why none is known
    data = {
        "model": model.describe(),
        **{
            of: {"bounds": [_bound_data(b) for b in (*lower, *upper)], "interval": _interval(lower, upper)}
            for of, (lower, upper) in found.items()
        },
    }
    text = [model.describe()]
    for of, (lower, upper) in found.items():
        text += ["", *_bounds_text(of, lower, upper)]
        if arguments.derivation:
            text += [line for bound in (*lower, *upper) for line in _derivation_text(bound)]
    return Output("\n".join(text), data)


def _verify_certificate(path: str) -> Output:
    from theory.loss.certificates import parse_certificate, why_rejected

    if not Path(path).is_file():
        raise InputError(f"--verify {path}: there is no such file")
    if Path(path).stat().st_size > _LARGEST_CERTIFICATE:
        raise InputError(f"--verify {path}: a file of more than {_LARGEST_CERTIFICATE} bytes is no certificate")
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"--verify {path} is not a text file, so it is no certificate") from None
    certificate, claimed = parse_certificate(text)
    reason = why_rejected(certificate, claimed)
    features = "any number of" if certificate.n is None else certificate.n
    statement = (
        f"{features} features in R^{certificate.m} have capacity at most {float(claimed):.12g} "
        f"under the kernel t_+^{2 * certificate.exponent} + {certificate.negative} t_-^{2 * certificate.exponent}"
    )
    status = "proved" if reason is None else "rejected"
    data = {"status": status, "statement": statement, "capacity": str(claimed), "reason": reason}
    text = f"{status.upper()}: {statement}" + (
        "" if reason is None else f"\n  the certificate does not prove it: {reason}"
    )
    return Output(text, data, 0 if reason is None else 1)


def _write_certificate(model: ToyModel, path: Path) -> Output:
    bound = theory.lower_bound(model, of="sparse", name="linear-programming")
    write_atomically(path, bound.certificate.to_json() + "\n")
    text = f"{bound}\n  certificate in {path}; re-check it with: superposition bounds --verify {path}"
    return Output(text, {**_bound_data(bound), "certificate": str(path)})


def best_value(found: list[Bound]) -> float | None:
    values = [float(bound.expr) for bound in found if bound.value is not None]
    if not values:
        return None
    return max(values) if found[0].side == "lower" else min(values)


def _interval(lower: list[Bound], upper: list[Bound]) -> list[float | None]:
    return [best_value(lower), best_value(upper)]


def _bound_data(bound: Bound) -> dict[str, Any]:
    return {
        "name": bound.name,
        "side": bound.side,
        "of": bound.of,
        "expression": str(bound.expr),
        "value": None if bound.value is None else float(bound.value),
        "status": bound.status,
        "assumptions": list(bound.assumptions),
        "equality": bound.equality,
        "source": bound.source,
    }


def _bounds_text(of: str, lower: list[Bound], upper: list[Bound]) -> list[str]:
    title = "c* = lim L*/p as p → 0" if of == "sparse" else "L* at this density"
    rows = []
    for bound in (*lower, *upper):
        exact = str(bound.expr)
        value = number(bound.value) if bound.value is not None else ""
        rows.append(
            (
                bound.side,
                bound.name,
                value,
                exact if len(exact) <= 60 else "(long; --json prints it)",
                bound.status,
                bound.source,
            )
        )
    lines = [title, text_table(("side", "name", "value", "formula", "status", "source"), rows, right=(2,))]
    low, high = _interval(lower, upper)
    if low is not None and high is not None:
        gap = high - low
        tight = (
            "tight: the bounds meet"
            if gap <= 1e-12 * max(abs(high), 1e-300)
            else f"gap {gap / high:.2%} of the upper bound"
        )
        lines.append(f"interval [{number(low)}, {number(high)}], {tight}")
    elif low is None and high is not None:
        lines.append("no lower bound is known for this setting")
    return lines


def _derivation_text(bound: Bound) -> list[str]:
    marks = {True: "checked", False: "FAILED", None: "argued"}
    lines = ["", f"{bound.name} ({bound.side})", *(f"  assumes: {text}" for text in bound.assumptions)]
    lines += [f"  {i}. [{marks[ok]}] {text}" for i, (text, ok) in enumerate(bound.check_derivation().items(), 1)]
    if bound.equality:
        lines.append(f"  equality: {bound.equality}")
    return lines
