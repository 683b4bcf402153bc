"""The toy model accepts what a researcher writes and refuses what cannot be meant."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy

import theory
from theory import InputError, ToyModel
from theory.arguments import as_vector, as_weights, exact


def test_floats_are_read_as_decimals() -> None:
    model = ToyModel(6, 2, "power:2", density=0.01)
    assert model.density == sympy.Rational(1, 100)
    assert float(model.density) == 0.01
    assert ToyModel(6, 2, "relu", density=Fraction(1, 3)).density == sympy.Rational(1, 3)
    assert ToyModel(np.int64(6), 2, "relu", density=np.float64(0.25)).density == sympy.Rational(1, 4)


def test_per_feature_values() -> None:
    model = ToyModel(3, 1, "relu", density=[0.1, 0.2, 0.3], importance=np.array([1.0, 0.5, 0.25]))
    assert model.densities == (sympy.Rational(1, 10), sympy.Rational(1, 5), sympy.Rational(3, 10))
    assert model.importances[2] == sympy.Rational(1, 4)
    assert not model.is_homogeneous
    assert ToyModel(3, 1, "relu", density=[0.1, 0.1, 0.1]).is_homogeneous


def test_symbols_and_substitution() -> None:
    n, m = sympy.symbols("n m", integer=True, positive=True)
    alpha = sympy.Symbol("a", positive=True)
    model = ToyModel(n, m, theory.rectified_power(alpha))
    assert {symbol.name for symbol in model.free_symbols} == {"n", "m", "p", "a"}
    numeric = model.subs(n=6, m=2, p=0.01, a=2)
    assert numeric == ToyModel(6, 2, theory.rectified_power(2), 0.01).replace(activation=numeric.activation)
    numeric.require_numbers()
    with pytest.raises(InputError, match="symbols a, m, n, p"):
        model.require_numbers()
    with pytest.raises(InputError, match="is a symbol"):
        _ = model.densities


def test_a_model_is_hashable_and_says_what_it_is() -> None:
    model = ToyModel(6, 2, "power:2", density=0.01)
    assert hash(model) == hash(ToyModel(6, 2, "power:2", density=0.01))
    assert model.describe() == "power:2, n=6, m=2, p=0.01, uniform, no bias"
    assert "I=(1, …, 0.5)" in ToyModel(2, 1, "relu", 0.1, importance=[1, 0.5]).describe()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"n_features": 0}, "n_features=0"),
        ({"n_features": 2.5}, "integer"),
        ({"n_hidden": 0}, "n_hidden=0 must be an integer >= 1"),
        ({"n_hidden": "3"}, "not a number"),
        ({"density": 1.5}, r"density=1.5 is outside \[0, 1\]"),
        ({"density": -0.1}, "outside"),
        ({"density": float("nan")}, "not finite"),
        ({"density": [0.1, 0.2]}, "2 values for n_features=6"),
        ({"density": [0.1] * 5 + [2]}, r"density\[5\]=2"),
        ({"importance": -1}, "negative"),
        ({"importance": "big"}, "not a number"),
        ({"activation": "rleu"}, "did you mean 'relu'"),
        ({"law": "unifrom"}, "did you mean 'uniform'"),
        ({"bias": 0.3}, "True or False"),
        ({"n_features": True}, "truth value"),
        ({"density": sympy.I}, "real"),
    ],
)
def test_bad_models(change: dict, word: str) -> None:
    good = {"n_features": 6, "n_hidden": 2, "activation": "relu", "density": 0.1}
    with pytest.raises(InputError, match=word):
        ToyModel(**{**good, **change})


def test_replace_refuses_unknown_fields() -> None:
    with pytest.raises(InputError, match="sparsity"):
        ToyModel(6, 2, "relu").replace(sparsity=0.9)


def test_weights_exact_or_float() -> None:
    assert as_weights([[1, Fraction(1, 2)]]) == sympy.Matrix([[1, sympy.Rational(1, 2)]])
    assert isinstance(as_weights([[1.0, 2]]), np.ndarray)
    import torch

    assert as_weights(torch.ones(2, 3, requires_grad=True), 2, 3).shape == (2, 3)


@pytest.mark.parametrize(
    ("W", "word"),
    [
        ([1.0, 2.0], "shape"),
        ([[1, 2], [3]], "rows of lengths"),
        ([[1.0, np.nan]], r"W\[0, 1\]=nan"),
        ([[np.inf, 1.0]], "not finite"),
        ("weights", "not an array"),
        (np.ones((3, 2)), "n_hidden=2"),
        (np.ones((2, 4)), "n_features=3"),
        (np.empty((0, 3)), "shape"),
        (sympy.Matrix([[sympy.nan, 1, 2], [1, 1, 1]]), "NaN"),
    ],
)
def test_bad_weights(W: object, word: str) -> None:
    with pytest.raises(InputError, match=word):
        as_weights(W, 2, 3)


def test_bad_vectors_and_numbers() -> None:
    with pytest.raises(InputError, match="b has shape"):
        as_vector("b", [1.0, 2.0], 3)
    with pytest.raises(InputError, match="not a finite"):
        exact("x", sympy.oo)
