"""Random toy models, small enough to minimise in milliseconds and varied enough to break a wrong bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy

import theory
from theory import Activation, ToyModel

__all__ = ["random_density", "random_model"]

_LARGEST_N, _LARGEST_M = 12, 5
_SMALLEST_LOG_DENSITY = -3.0
_LAWS = ("uniform", "binary", "exponential", "half-normal", "beta:2,3", "beta:1/2,1/2")
_MONOMIALS = (1, 2, 3, 4)
# Mostly from a short list, so that certificates are found once; one in ten has an exponent of its own.
_EXPONENTS = (sympy.Rational(1, 2), 1, sympy.sqrt(2), sympy.Rational(3, 2), 2, sympy.Rational(5, 2), 3)
_SLOPES = (sympy.Rational(1, 10), sympy.Rational(1, 2), sympy.Rational(3, 2))


def random_model(rng: np.random.Generator) -> ToyModel:
    """A model with 2 to 12 features in 1 to 5 dimensions: any power activation, law, density and importances.

    Args:
        rng: every choice comes from it.
    """
    n = int(rng.integers(2, _LARGEST_N + 1))
    m = int(rng.integers(1, min(_LARGEST_M, n) + 1))
    sigma, is_monomial = _activation(rng)
    law = str(rng.choice(_LAWS))
    if rng.random() < 0.25:
        law = f"two-sided:{law}"
        # Signed binary features take 3^n values.
        n = min(n, 7) if law == "two-sided:binary" else n
        m = min(m, n)
    importance: Any = 1
    if rng.random() < 0.3:
        importance = [sympy.Rational(int(weight), 12) for weight in rng.integers(1, 13, n)]
    bias = bool(rng.random() < 0.2)
    if bias and not is_monomial:
        # With a bias only rectified powers of uniform features, more than 2m of them, have another lower bound.
        n, m, law, importance = max(n, 3), min(m, (max(n, 3) - 1) // 2), "uniform", 1
        sigma = theory.rectified_power(int(rng.integers(1, 4)))
    return ToyModel(n, m, sigma, random_density(rng), law, importance, bias)


def random_density(rng: np.random.Generator) -> sympy.Rational:
    """Log-uniform from 1/1000 to 1, to three digits; one in twenty is 1 itself."""
    value = 1.0 if rng.random() < 0.05 else 10 ** rng.uniform(_SMALLEST_LOG_DENSITY, 0)
    return sympy.Rational(f"{value:.3g}")


def _activation(rng: np.random.Generator) -> tuple[Activation, bool]:
    family = rng.choice(("monomial", "rectified", "signed", "leaky"), p=(0.4, 0.3, 0.2, 0.1))
    if family == "monomial":
        return theory.power(int(rng.choice(_MONOMIALS))), True
    if family == "leaky":
        return theory.leaky_relu(_SLOPES[rng.integers(len(_SLOPES))]), False
    exponent: Any = _EXPONENTS[rng.integers(len(_EXPONENTS))]
    if rng.random() < 0.1:
        exponent = sympy.Rational(int(rng.integers(30, 350)), 100)
    return (theory.rectified_power if family == "rectified" else theory.signed_power)(exponent), False
