"""`superposition loss`: the expected loss of weights read from a file."""

from __future__ import annotations

import argparse

import numpy as np

from theory import InputError
from verify.commands.output import Output
from verify.commands.setting import array_of, model_of
from verify.tables import number, text_table

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> Output:
    """The expected loss of weights read from a file."""
    import numerics

    W = array_of(arguments.weights, "--weights")
    if W.ndim != 2:
        raise InputError(f"--weights {arguments.weights} holds an array of shape {W.shape}; W has shape (m, n)")
    b = None if arguments.bias_file is None else np.atleast_1d(array_of(arguments.bias_file, "--bias").squeeze())
    model = model_of(arguments, str(W.shape[1]), str(W.shape[0]), b is not None)
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
    for method in ("exact", "quadrature", "hidden_quadrature", "monte_carlo"):
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
