"""Published toy-model experiments, one file each: protocol, metrics, claims with verdicts, figures.

`EXPERIMENTS` names the modules; `load` gives the `Experiment` that each of them defines.
"""

from __future__ import annotations

from importlib import import_module

from theory.arguments import one_of
from verify.experiments.base import Experiment

__all__ = ["EXPERIMENTS", "load"]

EXPERIMENTS = {
    "activations": "verify.experiments.activations",
    "adversarial": "verify.experiments.adversarial",
    "basics": "verify.experiments.basics",
    "circle": "verify.experiments.circle",
    "correlations": "verify.experiments.correlations",
    "dimensions": "verify.experiments.dimensions",
    "dynamics": "verify.experiments.dynamics",
    "pentagon": "verify.experiments.pentagon",
    "perturbation": "verify.experiments.perturbation",
    "phases": "verify.experiments.phases",
    "powers": "verify.experiments.powers",
    "zipf": "verify.experiments.zipf",
}


def load(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        InputError: an unknown name.
    """
    module = import_module(EXPERIMENTS[one_of("experiment", name, EXPERIMENTS)])
    found: Experiment = module.EXPERIMENT
    return found
