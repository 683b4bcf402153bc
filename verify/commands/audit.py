"""`superposition symmetry FILE.py:Module`: the audit of a torch network, or the verdict on a claimed group."""

from __future__ import annotations

import argparse

from theory import InputError
from verify.audit.loading import load_module
from verify.audit.network import audit_network, input_shape
from verify.commands.output import Output
from verify.commands.setting import size_of

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> Output:
    """Load the module that was named, and audit it or check the claimed group of the whole."""
    target = arguments.activation.strip()
    module = load_module(target)
    given = arguments.features
    shape = None if given is None else tuple(size_of(part.strip(), "-n") for part in given.split(","))
    if arguments.group is None:
        audit = audit_network(module, shape, name=target, seed=arguments.seed)
        return Output(str(audit), audit.to_dict(), audit.exit_code)
    shape = input_shape(module, shape)
    if len(shape) != 1:
        raise InputError(
            f"--group {arguments.group}: the inputs have shape {shape}; a group acts on vectors, give -n N"
        )
    from verify.symmetry import check_equivariance

    verdict = check_equivariance(module, arguments.group, n=shape[0], seed=arguments.seed)
    return Output(str(verdict), verdict.to_dict(), verdict.exit_code)
