"""What the symmetry of a training run singles out: derived from groups, not from a table.

Gradient descent with momentum, Gaussian initial weights and f carry the hidden vector h to Q h for Q in E(f) and O(n)
(docs/quantisation.md, Q5); Adam works entry by entry, so of O(n) only the signed permutations are left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

import theory
from theory import InputError
from theory.arguments import one_of
from theory.symmetry.groups import MatrixGroup

__all__ = ["Prediction", "predicted", "training_symmetry"]

_OPTIMISERS = {"sgd": "O", "adam": "B"}


@dataclass(frozen=True)
class Prediction:
    """What theory says about a frame.

    Attributes:
        activation: the group E(f).
        training: the group under which the law of the trained hidden layer is invariant.
        orbits: a representative of each privileged orbit, unit vectors, shape (orbits, n).
        sizes: rays per orbit.
        marks: which statistics its invariants leave free; the others are zero on average.
    """

    activation: MatrixGroup
    training: MatrixGroup
    orbits: np.ndarray
    sizes: tuple[int, ...]
    marks: tuple[str, ...]


@cache
def training_symmetry(activation: str, n: int, optimiser: str = "sgd") -> MatrixGroup:
    """E(f) intersected with O(n) for SGD, with B_n for Adam: the symmetry of the hidden layer's law after training.

    Source: docs/quantisation.md, Q5.
    """
    key = _OPTIMISERS[one_of("optimiser", optimiser, _OPTIMISERS)]
    return theory.equivariance_group(theory.activation(activation), n).intersection(theory.group(key, n))


def predicted(activation: str, n: int, optimiser: str = "sgd") -> Prediction:
    """Privileged directions of a training run, and the statistics that may be off zero.

    B_n leaves T4 free (axes or corners); S_n as well T2, T1 and T3 (the all-ones line and its rays); O(n) none.

    Raises:
        InputError: an activation whose training symmetry is none of O(n), B_n, S_n.
    """
    group = training_symmetry(activation, n, optimiser)
    if group.key not in ("O", "B", "S"):
        raise InputError(f"the training symmetry of {activation!r} is {group.name}; predictions cover O, B and S")
    rays = [np.array([float(v) for v in orbit.representative]) for orbit in group.privileged_directions()]
    return Prediction(
        activation=theory.equivariance_group(theory.activation(activation), n),
        training=group,
        orbits=np.array([ray / np.linalg.norm(ray) for ray in rays]).reshape(len(rays), n),
        sizes=tuple(orbit.size for orbit in group.privileged_directions()),
        marks={"O": (), "B": ("T4",), "S": ("T4", "T2", "T1", "T3")}[group.key],
    )
