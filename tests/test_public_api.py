"""The public page of each package: a contract with other people's scripts."""

from __future__ import annotations

import numerics
import theory
import verify

CONTRACT = {
    theory: {
        "Activation", "Bound", "FeatureLaw", "InputError", "ToyModel",
        "activation", "power", "rectified_power", "signed_power", "isotropic",
        "uniform", "binary", "exponential", "half_normal", "beta",
        "effective_dimension", "law_constant", "capacity", "sparse_coefficient",
        "lower_bound", "upper_bound", "lower_bounds", "upper_bounds",
        "equivariance_group", "group", "intertwiner",
    },
    numerics: {
        "Discovery", "Estimate", "compile_activation", "discover_equivariance", "discover_intertwiner", "expected_loss",
        "minimise_loss", "minimise_sparse_coefficient",
    },
    verify: {
        "Protocol", "Verdict", "assert_equivariance", "check_bound", "check_equivariance",
        "feature_dimensionality", "privileged_plane_projection", "rotation_test", "spotlight_resonance", "train",
    },
}  # fmt: skip


def test_the_contract_is_kept() -> None:
    for package, names in CONTRACT.items():
        assert names <= set(package.__all__), f"{package.__name__} lacks {sorted(names - set(package.__all__))}"


def test_every_public_name_exists_and_is_documented() -> None:
    for package in CONTRACT:
        assert package.__doc__
        for name in package.__all__:
            value = getattr(package, name)
            if callable(value):
                assert value.__doc__, f"{package.__name__}.{name} has no docstring"


def test_bounds_and_verdicts_have_their_fields() -> None:
    bound_fields = ["expr", "value", "name", "of", "side", "assumptions", "derivation", "construction", "source"]
    model = theory.ToyModel(6, 2, theory.power(2), 0.01)
    for bound in (*theory.lower_bounds(model), *theory.upper_bounds(model)):
        assert all(hasattr(bound, field) for field in bound_fields)
    group = theory.equivariance_group(theory.activation("tanh"), 3)
    fields = ["name", "dimension", "order", "status", "proof"]
    methods = ["generators", "lie_algebra", "contains", "sample", "is_subgroup", "conjugate", "privileged_directions"]
    assert all(hasattr(group, field) for field in [*fields, *methods])
