"""Discovery where no symbolic form is known: conjugated maps, torch modules, hidden symmetries, and bad input."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

import theory
from numerics import Discovery, discover_equivariance, discover_intertwiner
from numerics.symmetry.maps import as_black_box

RNG = np.random.default_rng(7)


def rotation(n: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(n).standard_normal((n, n)))[0]


def conjugated(f: Any, R: np.ndarray) -> Any:
    """x -> R^-1 f(R x) on rows."""
    inverse = np.linalg.inv(R)
    return lambda x: f(x @ R.T) @ inverse.T


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def isotropic(x: np.ndarray) -> np.ndarray:
    return x / (1 + (x * x).sum(-1, keepdims=True))


def sort(x: np.ndarray) -> np.ndarray:
    return np.sort(x, axis=-1)


def max_min(x: np.ndarray) -> np.ndarray:
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    return np.sort(pairs, axis=-1)[..., ::-1].reshape(x.shape)


def expected_in_basis(found: Discovery, key: str, R: np.ndarray) -> None:
    """The found group is R^-1 G R: its algebra has that dimension, and members move over both ways."""
    n = found.n
    assert found.group is not None
    G = theory.group(key, n)
    assert (found.group.key, found.status) == (key, "certified")
    assert found.dimension == G.dimension
    inverse = np.linalg.inv(R)
    for _ in range(5):
        assert found.group.contains(inverse @ G.sample(RNG) @ R, tolerance=1e-6)
        assert G.contains(R @ found.group.sample(RNG) @ inverse, tolerance=1e-6)


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize(
    ("f", "key"),
    [
        (relu, "R+ wr S"),
        (np.abs, "R+ wr S"),
        (np.tanh, "B"),
        (lambda x: 1 / (1 + np.exp(-x)), "S"),
        (lambda x: x * np.tanh(x), "S"),
        (isotropic, "O"),
        (lambda x: 2 * x + 1, "Stab1"),
        (lambda x: 3 * x, "GL"),
    ],
    ids=["relu", "abs", "tanh", "sigmoid", "x tanh", "isotropic", "affine", "linear"],
)
@pytest.mark.parametrize("basis", ["orthogonal", "general"])
def test_conjugated_groups_are_recognised(f: Any, key: str, n: int, basis: str) -> None:
    """R^-1 f(R x) with an orthogonal R, and with a general one."""
    R = rotation(n) if basis == "orthogonal" else rotation(n) * np.linspace(0.6, 1.9, n) + 0.1
    found = discover_equivariance(conjugated(f, R), n)
    if key == "GL":
        assert found.group == theory.group("GL", n)
    else:
        expected_in_basis(found, key, R)


@pytest.mark.parametrize("f", [sort, max_min], ids=["sort", "max_min"])
def test_conjugated_layers_keep_their_dimension(f: Any) -> None:
    found = discover_equivariance(conjugated(f, rotation(4)), 4)
    plain = discover_equivariance(f, 4)
    assert plain.group == theory.equivariance_group(theory.layer(f.__name__), 4)
    assert (found.dimension, found.status) == (plain.dimension, "certified")
    if f is max_min:
        assert found.name == "GL(2) x (R>0 wr S_2) in another basis"


def test_linear_maps_have_their_commutant() -> None:
    M = rotation(4) @ np.diag([1.0, 1.0, 2.0, 3.0]) @ rotation(4).T
    found = discover_equivariance(lambda x: x @ M.T, 4)
    assert (found.dimension, found.name) == (6, "GL(2) x R* x R* in another basis")
    turn = np.kron(np.eye(2), [[0.0, -1.0], [1.0, 0.0]])
    assert discover_equivariance(lambda x: x @ turn.T, 4).dimension == 8  # GL(2, C)


def test_rotations_without_reflections() -> None:
    def spiral(x: np.ndarray) -> np.ndarray:
        r = np.sqrt((x * x).sum(-1, keepdims=True))
        return np.cos(r) * x + np.sin(r) * np.stack([-x[..., 1], x[..., 0]], axis=-1)

    found = discover_equivariance(spiral, 2)
    assert (found.group, found.status) == (theory.group("SO", 2), "certified")


def test_no_symmetry_at_all() -> None:
    rng = np.random.default_rng(5)
    A, B = rng.standard_normal((2, 4, 4))
    found = discover_equivariance(lambda x: np.tanh(x @ A + 0.3) @ B, 4)
    assert (found.group, found.order) == (theory.group("trivial", 4), 1)


def test_isotropic_maps_need_many_points() -> None:
    """One constraint per point: 78 are needed at n = 12, more than the first look has."""
    found = discover_equivariance(isotropic, 12)
    assert (found.dimension, found.group, found.status) == (66, theory.group("O", 12), "certified")
    assert found.samples >= 4 * 64 * 4


def test_blocks_of_isotropic_maps() -> None:
    def f(x: np.ndarray) -> np.ndarray:
        return np.concatenate([isotropic(x[..., :2]), 2 * isotropic(x[..., 2:])], axis=-1)

    found = discover_equivariance(f, 5)
    assert (found.dimension, found.status) == (4, "certified")
    assert found.name == "O(2) x O(3)"


@pytest.mark.parametrize(
    ("f", "key"),
    [
        (torch.nn.ReLU(), "R+ wr S"),
        (torch.nn.GELU(), "S"),
        (torch.nn.Tanh(), "B"),
        (torch.nn.Softmax(dim=-1), "S"),
        (torch.nn.Hardtanh(), "B"),
        (torch.tanh, "B"),
        (torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Identity()), "R+ wr S"),
    ],
    ids=lambda f: getattr(f, "__name__", None) or type(f).__name__ if callable(f) else "",
)
def test_torch_modules(f: Any, key: str) -> None:
    found = discover_equivariance(f, 4)
    assert (found.group, found.derivative) == (theory.group(key, 4), "autograd")
    assert discover_equivariance(f, 4, seed=0).to_dict() | {"seconds": 0} == found.to_dict() | {"seconds": 0}


def test_a_module_is_left_as_it_was() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout(0.5)).train()
    discover_equivariance(module, 3)
    assert module.training
    assert module[0].weight.dtype == torch.float32
    assert module[0].weight.requires_grad


def test_layer_norm_module() -> None:
    found = discover_equivariance(torch.nn.LayerNorm(4), 4)
    assert found.group == theory.equivariance_group(theory.layer("layer_norm"), 4)


def test_a_backward_pass_that_lies_is_not_believed() -> None:
    class Straight(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return torch.tanh(x)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    class Module(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return Straight.apply(x)

    found = discover_equivariance(Module(), 3)
    assert (found.derivative, found.group) == ("differences", theory.group("B", 3))


@pytest.mark.parametrize(
    ("f", "derivative"),
    [
        (np.tanh, "complex step"),
        (relu, "complex step"),
        (np.abs, "differences"),
        (lambda x: np.asarray([np.tanh(v) for v in np.asarray(x, dtype=float)]), "differences"),
        (lambda x: np.tanh(np.asarray(x, dtype=np.float32)), "differences"),
    ],
    ids=["analytic", "piecewise", "not analytic", "slow", "single precision"],
)
def test_derivatives_are_found_by_what_works(f: Any, derivative: str) -> None:
    found = discover_equivariance(f, 3)
    assert found.derivative == derivative
    assert found.dimension == (3 if f in (relu, np.abs) else 0)


def test_float32_inside_is_recognised() -> None:
    box = as_black_box(lambda x: np.tanh(np.asarray(x, dtype=np.float32)), 3)
    assert box.unit == np.finfo(np.float32).eps
    assert as_black_box(relu, 3).unit == np.finfo(np.float64).eps


def test_cancellation_in_derivatives_is_measured() -> None:
    """LayerNorm on R^2 is a sign: its derivative is 0, what is computed is noise, and is known to be noise."""
    box = as_black_box(theory.layer("layer_norm"), 2)
    X = np.random.default_rng(0).standard_normal((200, 2)) * 0.01 + 5
    J, error = box.jacobians(X)
    size = np.sqrt((J**2).sum((1, 2)))
    assert size.max() > 1e-14
    assert np.mean(size <= 8 * error) > 0.9


def test_differences_are_honest_about_their_error() -> None:
    """The threshold of a null space from differences is far above rounding, and the answer the same."""
    by_values = discover_equivariance(lambda x: np.abs(x), 5)
    assert by_values.derivative == "differences"
    assert by_values.threshold > discover_equivariance("abs", 5).threshold
    assert by_values.group == theory.group("R+ wr S", 5)


def test_far_kinks_are_seen() -> None:
    """Linear up to 6 (or 500): a sample of one size would say GL or relu."""
    assert discover_equivariance(lambda x: np.clip(x, 0, 6), 3).group == theory.group("S", 3)
    assert discover_equivariance(lambda x: np.clip(x, -500, 500), 3).group == theory.group("B", 3)


def test_a_tiny_nonlinearity_is_seen() -> None:
    found = discover_equivariance(lambda x: x + 1e-7 * np.tanh(x), 3)
    assert found.group == theory.group("B", 3)


def test_jumps_are_flagged_with_a_place() -> None:
    found = discover_equivariance(lambda x: np.where(np.abs(x) > 0.5, x, 0.0), 3)
    assert found.status == "upper bound only"
    assert found.jump is not None
    assert np.abs(np.abs(found.jump) - 0.5).min() < 1e-9
    assert (found.dimension, found.verified_dimension) == (3, 0)
    assert found.group == theory.group("B", 3)


def test_a_steep_slope_is_no_jump() -> None:
    assert discover_equivariance(lambda x: np.tanh(1e4 * x), 3).jump is None


def test_log_periodic_maps_have_a_discrete_scale() -> None:
    def f(x: np.ndarray) -> np.ndarray:
        return x * (2 + np.sin(2 * np.pi * np.log(np.abs(x)) / np.log(3.0)))

    found = discover_equivariance(f, 3)
    assert "the powers of c = 3" in found.name
    assert found.order is None
    assert any(np.allclose(A, 3 * np.eye(3)) for A in found.discrete)


def test_groups_between_the_named_ones() -> None:
    """Two kinds of entries; and odd but only with all signs at once."""

    def two(x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.tanh(x[..., :2]), np.sin(x[..., 2:])], axis=-1)

    found = discover_equivariance(two, 4)
    assert (found.name, found.order) == ("B_2 x B_2", 64)

    def odd(x: np.ndarray) -> np.ndarray:
        return x**3 + x.sum(-1, keepdims=True) ** 3

    found = discover_equivariance(odd, 3)
    assert (found.name, found.order) == ("S_3: permutations, and -1", 12)


def test_cyclic_shifts_are_found() -> None:
    def convolution(x: np.ndarray) -> np.ndarray:
        return np.tanh(x + 0.5 * np.roll(x, 1, axis=-1)) - 0.2 * np.roll(x, 2, axis=-1) ** 2

    found = discover_equivariance(convolution, 4)
    assert (found.dimension, found.order) == (0, 4)
    assert any(np.array_equal(A, np.eye(4)[[3, 0, 1, 2]]) for A in found.discrete)
    assert any(np.array_equal(A @ A @ A @ A @ A, np.eye(5)) for A in discover_equivariance(convolution, 5).discrete)


def test_maps_to_another_space() -> None:
    def crelu(x: np.ndarray) -> np.ndarray:
        return np.concatenate([relu(x), relu(-x)], axis=-1)

    found = discover_intertwiner(crelu, 3)
    assert (found.p, found.group) == (6, theory.group("R* wr S", 3))
    image = found.phi(np.diag([2.0, -1.0, 1.0]))
    x = np.array([0.3, -2.0, 1.0])
    np.testing.assert_allclose(crelu(np.diag([2.0, -1.0, 1.0]) @ x), image @ crelu(x), atol=1e-9)


@pytest.mark.parametrize("f", [np.tanh, np.abs, np.exp], ids=["tanh", "abs", "exp"])
def test_one_dimension(f: Any) -> None:
    found = discover_equivariance(f, 1)
    assert found.dimension == (1 if f is np.abs else 0)
    assert found.order == {np.tanh: 2, np.exp: 1}.get(f)


def test_to_dict_is_json() -> None:
    for found in (discover_equivariance(relu, 3), discover_intertwiner("relu", 2)):
        text = json.loads(json.dumps(found.to_dict()))
        assert text["status"] == "certified"
        assert text["n"] == found.n


@pytest.mark.parametrize(
    ("f", "n", "message"),
    [
        (relu, 0, "n=0 must be an integer >= 1"),
        (lambda x: x[..., :2], 3, "R.3 to R.2"),
        (lambda x: x.sum(-1), 3, "shape"),
        (lambda x: np.log(x), 3, "NaN"),
        (lambda x: x + np.random.default_rng().standard_normal(), 3, "two different answers"),
        (lambda x: x.nonsense(), 3, "failed"),
        (torch.nn.Linear(4, 4), 3, "failed"),
        (3.0, 2, "not callable"),
    ],
    ids=["n", "shape", "scalar", "nan", "random", "fails", "module", "no map"],
)
def test_bad_input_is_named(f: Any, n: int, message: str) -> None:
    with pytest.raises(theory.InputError, match=message):
        discover_equivariance(f, n)


def test_unknown_method() -> None:
    with pytest.raises(theory.InputError, match="method"):
        discover_equivariance(relu, 3, method="quick")
    with pytest.raises(theory.InputError, match="mixes its entries"):
        discover_equivariance("softmax", 3, method="elementwise")
