"""`superposition symmetry`: the equivariance group of an activation, or the verdict on a claimed one."""

from __future__ import annotations

import argparse

import theory
from theory.layers import as_map
from verify.audit.loading import is_target
from verify.commands.output import Output
from verify.commands.setting import size_of

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> Output:
    """The equivariance group of an activation, or the verdict on a claimed one; the audit of a network."""
    if is_target(arguments.activation):
        from verify.commands import audit

        return audit.run(arguments)
    activation = as_map(arguments.activation)
    n = size_of("3" if arguments.features is None else arguments.features, "-n")
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
