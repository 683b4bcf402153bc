"""What each command of `superposition` does: parsed arguments in, an output with a text and a JSON form out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sympy

import theory
from theory import Bound, InputError, ToyModel
from theory.parsing import parse_number
from verify.tables import number, text_table, write_atomically

__all__ = ["Output", "bounds", "deliver", "loss", "report", "symmetry", "train"]

_N, _M = sympy.Symbol("n", integer=True, positive=True), sympy.Symbol("m", integer=True, positive=True)
_LARGEST_SIZE = 100_000


@dataclass(frozen=True)
class Output:
    """What a command prints: text for people, plain data for machines, and the exit code."""

    text: str
    data: Any
    exit_code: int = 0


def deliver(output: Output, as_json: bool, out: str | None) -> None:
    """Print the output, or write it to a file whole or not at all."""
    text = json.dumps(output.data, indent=2, ensure_ascii=False, allow_nan=False) if as_json else output.text
    if out is None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    else:
        write_atomically(Path(out), text + "\n")


def bounds(arguments: argparse.Namespace) -> Output:
    """Every bound that applies, or the verdict on a claim or on a certificate."""
    if arguments.verify is not None:
        return _verify_certificate(arguments.verify)
    if arguments.activation is None:
        raise InputError("--activation is required (or --verify FILE to re-check a certificate)")
    model = _model(arguments, arguments.features, arguments.hidden, arguments.bias)
    targets = [arguments.of] if arguments.of else ["sparse"] if model.density.free_symbols else ["sparse", "loss"]
    if (arguments.claim is None) != (arguments.side is None):
        raise InputError("--claim and --side go together: --claim 'n/3 - 2*m/3' --side lower")
    if arguments.claim is not None:
        from verify.bounds import check_bound

        verdict = check_bound(model, **{arguments.side: arguments.claim}, of=targets[-1], seed=arguments.seed)
        return Output(str(verdict), verdict.to_dict(), verdict.exit_code)
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


def loss(arguments: argparse.Namespace) -> Output:
    """The expected loss of weights read from a file."""
    import numerics

    W = _array(arguments.weights, "--weights")
    if W.ndim != 2:
        raise InputError(f"--weights {arguments.weights} holds an array of shape {W.shape}; W has shape (m, n)")
    b = None if arguments.bias_file is None else np.atleast_1d(_array(arguments.bias_file, "--bias").squeeze())
    model = _model(arguments, str(W.shape[1]), str(W.shape[0]), b is not None)
    options = {"rtol": arguments.rtol, "seed": arguments.seed}
    if arguments.method != "all":
        estimate = numerics.expected_loss(model, W, b, method=arguments.method, **options)
        features = (
            [(i, number(v)) for i, v in enumerate(estimate.per_feature)] if estimate.per_feature is not None else []
        )
        text = [
            model.describe(),
            "",
            f"L = {estimate}",
            f"    {estimate.reason}",
            f"    {estimate.evaluations:,} evaluations, {estimate.seconds:.2g} s",
        ]
        if features:
            text += ["", text_table(("feature", "loss (unweighted)"), features, right=(0, 1))]
        return Output("\n".join(text), {"model": model.describe(), **estimate.to_dict()})
    rows, data = [], []
    for method in ("exact", "quadrature", "monte_carlo"):
        try:
            estimate = numerics.expected_loss(model, W, b, method=method, **options)
        except InputError as refusal:
            rows.append((method, "—", "—", "—", str(refusal)))
            data.append({"method": method, "refused": str(refusal)})
            continue
        rows.append(
            (method, f"{estimate.value:.12g}", f"{estimate.error:.1e}", estimate.kind, f"{estimate.seconds:.2g} s")
        )
        data.append(estimate.to_dict())
    table = text_table(("route", "loss", "± error", "kind of error", "time"), rows, right=(1, 2))
    return Output(f"{model.describe()}\n\n{table}", {"model": model.describe(), "routes": data})


def symmetry(arguments: argparse.Namespace) -> Output:
    """The equivariance group of an activation, or the verdict on a claimed one."""
    activation = theory.activation(arguments.activation)
    n = _size(arguments.features, "-n")
    if arguments.group is not None:
        from verify.symmetry import check_equivariance

        verdict = check_equivariance(activation, arguments.group, n=n, seed=arguments.seed)
        return Output(str(verdict), verdict.to_dict(), verdict.exit_code)
    group = theory.equivariance_group(activation, n)
    lines = [
        f"{activation.name} on R^{n}: f(Ax) = A f(x) exactly for A in",
        f"  {group}",
        f"  status {group.status}, dimension {group.dimension}, order {group.order}",
        "",
        *(f"  {i}. {sentence}" for i, sentence in enumerate(group.proof, 1)),
    ]
    data = {
        "activation": activation.name,
        "n": n,
        "group": group.name,
        "status": group.status,
        "dimension": int(group.dimension),
        "order": str(group.order),
        "proof": list(group.proof),
    }
    return Output("\n".join(lines), data, 0 if group.status == "proved" else 3)


def train(arguments: argparse.Namespace) -> Output:
    """Train many seeds at once and set them beside the bounds and the minimised population loss."""
    from verify.training import Protocol
    from verify.training import train as train_models

    model = _model(arguments, arguments.features, arguments.hidden, arguments.bias)
    if arguments.seeds < 1:
        raise InputError(f"--seeds {arguments.seeds} must be at least 1")
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    protocol = Protocol() if arguments.steps is None else Protocol(steps=arguments.steps)
    with _progress() as report_progress:
        dataset = train_models(model, seeds=list(seeds), protocol=protocol, progress=report_progress)
    losses = dataset["loss"].values[0]
    best_known = _best_known(model, losses, arguments.seed)
    lower = _best(theory.lower_bounds(model, of="loss"))
    upper = _best(theory.upper_bounds(model, of="loss"))
    best = float(np.nanmin(losses)) if np.isfinite(losses).any() else None
    rows = [
        (seed, number(value), "diverged" if not np.isfinite(value) else f"{value / best_known - 1:+.2%}")
        for seed, value in zip(seeds, losses, strict=True)
    ]
    data = {
        "model": model.describe(),
        "lower_bound": lower,
        "best_known": best_known,
        "upper_bound": upper,
        "best_trained": best,
        "losses": [float(v) if np.isfinite(v) else None for v in losses],
        "protocol": json.loads(dataset.attrs["protocol"]),
    }
    lines = [model.describe(), "", text_table(("seed", "loss", "above the best known"), rows, right=(0, 1, 2)), ""]
    for label, value in (
        ("proved lower bound", lower),
        ("best known loss", best_known),
        ("best seed", best),
        ("constructive upper bound", upper),
    ):
        lines.append(f"  {label:26s} {'—' if value is None else number(value)}")
    if arguments.dataset:
        path = Path(arguments.dataset)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        dataset.to_netcdf(partial, engine="scipy")
        partial.replace(path)
        lines.append(f"  weights and losses in {path}")
    return Output("\n".join(lines), data)


def _best_known(model: ToyModel, losses: np.ndarray, seed: int) -> float | None:
    """The smallest of the minimised population loss, where it has a gradient, and the trained losses."""
    import numerics

    known = [float(loss) for loss in losses if np.isfinite(loss)]
    # Coupled and discontinuous activations have no population gradient; trained seeds are all there is.
    with suppress(InputError):
        known.append(numerics.minimise_loss(model, seed=seed).loss.value)
    return min(known) if known else None


def report(arguments: argparse.Namespace) -> Output:
    """Run everything and write the page."""
    from verify.report import build_report

    with _progress() as report_progress:
        summary = build_report(Path(arguments.out), full=arguments.full, seed=arguments.seed, progress=report_progress)
    return Output(str(summary), summary.to_dict(), summary.exit_code)


class _progress:
    """A tqdm bar on stderr, fed by progress(done, total, text); silent where stderr is not a terminal."""

    def __enter__(self) -> Callable[[float, float, str], None]:
        from tqdm import tqdm

        layout = "{percentage:3.0f}% {bar} {elapsed} elapsed, {remaining} left  {desc}"
        self.bar = tqdm(total=1.0, disable=None, bar_format=layout, dynamic_ncols=True, leave=False)

        def update(done: float, total: float, text: str = "") -> None:
            self.bar.set_description_str(text, refresh=False)
            self.bar.n = min(1.0, done / total) if total else 1.0
            self.bar.refresh()

        return update

    def __exit__(self, *_: object) -> None:
        self.bar.close()


def _model(arguments: argparse.Namespace, features: str | None, hidden: str | None, bias: bool) -> ToyModel:
    n = _N if features is None else _size(features, "-n")
    m = _M if hidden is None else _size(hidden, "-m")
    settings: dict[str, Any] = {}
    if arguments.density is not None:
        settings["density"] = _values(arguments.density, "--density")
    elif arguments.sparsity is not None:
        value = _values(arguments.sparsity, "--sparsity")
        settings["density"] = [1 - s for s in value] if isinstance(value, list) else 1 - value
    return ToyModel(
        n,
        m,
        arguments.activation,
        law=arguments.law,
        importance=_values(arguments.importance, "--importance"),
        bias=bias,
        **settings,
    )


def _size(text: str, option: str) -> int:
    value = parse_number(text, option)
    if not (value.is_integer and 1 <= value <= _LARGEST_SIZE):
        raise InputError(f"{option} {text} must be an integer from 1 to {_LARGEST_SIZE}")
    return int(value)


def _values(text: str, option: str) -> Any:
    entries = [parse_number(part, option) for part in text.split(",")]
    return entries[0] if len(entries) == 1 else entries


def _array(path: str, option: str) -> np.ndarray:
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{option} {path}: there is no such file")
    try:
        if file.suffix == ".npy":
            return np.asarray(np.load(file, allow_pickle=False), dtype=np.float64)
        return np.loadtxt(file, delimiter="," if file.suffix == ".csv" else None, ndmin=1, dtype=np.float64)
    except (ValueError, EOFError) as problem:
        raise InputError(
            f"{option} {path} is not a readable array of numbers ({problem}); save it with numpy.save"
        ) from None


def _verify_certificate(path: str) -> Output:
    from theory.loss.certificates import parse_certificate, why_rejected

    if not Path(path).is_file():
        raise InputError(f"--verify {path}: there is no such file")
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


def _best(found: list[Bound]) -> float | None:
    values = [float(bound.expr) for bound in found if bound.value is not None]
    if not values:
        return None
    return max(values) if found[0].side == "lower" else min(values)


def _interval(lower: list[Bound], upper: list[Bound]) -> list[float | None]:
    return [_best(lower), _best(upper)]


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
