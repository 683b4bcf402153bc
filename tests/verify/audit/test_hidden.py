"""Hidden layers: the group that acts on the weights, applied to networks by the library and by hand."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import sympy
import torch
from torch import nn
from torch.nn import functional as F

import theory
from verify.audit.elements import gauge_group, tied_group
from verify.audit.hidden import HiddenLayer
from verify.audit.network import audit_network

torch.manual_seed(0)


def hidden(module: nn.Module, shape: Any = None) -> tuple[HiddenLayer, ...]:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return audit_network(module, shape).hidden


def assert_runs(one: HiddenLayer) -> None:
    assert one.status == "proved"
    assert one.tried == 8
    assert one.deviation is not None
    assert one.deviation < 1e-11
    assert one.control is None or one.control > 1e-4


ACTIVATIONS = [
    (nn.ReLU(), "R>0 wr S_6", False),
    (nn.Tanh(), "B_6", False),
    (nn.Sigmoid(), "B_6", True),
    (nn.GELU(), "S_6", False),
    (nn.Softplus(), "S_6", False),
    (nn.LeakyReLU(-1.0), "R* wr S_6", False),
    (nn.Softmax(-1), "S_6 + 1v^T", False),
    (nn.RMSNorm(6, eps=0.0, elementwise_affine=False), "CO(6)", False),
    (nn.LayerNorm(6, elementwise_affine=False), "{A", False),
    (nn.LayerNorm(6), "{A", True),
    (nn.Identity(), "GL(6)", False),
    (nn.Hardsigmoid(), "B_6", True),
]


@pytest.mark.parametrize(("activation", "name", "shifted"), ACTIVATIONS, ids=lambda value: str(value)[:20])
def test_weights_around_an_activation(activation: nn.Module, name: str, shifted: bool) -> None:
    (one,) = hidden(nn.Sequential(nn.Linear(4, 6), activation, nn.Linear(6, 3)))
    assert one.group.startswith(name)
    assert one.is_shifted is shifted
    assert one.is_exact
    assert_runs(one)


def test_gated_units_are_hidden_layers_of_twice_the_width() -> None:
    (one,) = hidden(nn.Sequential(nn.Linear(4, 6), nn.GLU(), nn.Linear(3, 2)))
    assert one.units == 6
    assert "wr S_3" in one.group
    assert_runs(one)


def test_without_a_bias_the_sigmoid_has_permutations_only() -> None:
    (one,) = hidden(nn.Sequential(nn.Linear(4, 6), nn.Sigmoid(), nn.Linear(6, 3, bias=False)))
    assert one.group.startswith("S_6")
    assert not one.is_shifted


def test_the_shift_of_the_next_bias_by_hand() -> None:
    """s(-x) = 1 - s(x): flipping one unit of a sigmoid layer moves the next bias by its column of weights."""
    net = nn.Sequential(nn.Linear(4, 6), nn.Sigmoid(), nn.Linear(6, 3)).double()
    changed = copy.deepcopy(net)
    with torch.no_grad():
        changed[0].weight[2] *= -1
        changed[0].bias[2] *= -1
        changed[2].bias += changed[2].weight[:, 2]
        changed[2].weight[:, 2] *= -1
    x = torch.randn(20, 4, dtype=torch.float64)
    assert torch.allclose(net(x), changed(x), rtol=1e-13, atol=1e-13)


class Tied(nn.Module):
    def __init__(self, activation: Any, inner: Any = None) -> None:
        super().__init__()
        self.W, self.b = nn.Parameter(torch.zeros(2, 5)), nn.Parameter(torch.zeros(5))
        self.activation, self.inner = activation, inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x @ self.W.T
        return self.activation((h if self.inner is None else self.inner(h)) @ self.W + self.b)


@pytest.mark.parametrize(
    ("inner", "name"),
    [(None, "O(2)"), (F.relu, "S_2"), (torch.tanh, "B_2"), (torch.square, "S_2"), (F.gelu, "S_2"), (torch.abs, "S_2")],
)
def test_tied_autoencoders_keep_their_weights_tied(inner: Any, name: str) -> None:
    (one,) = hidden(Tied(F.relu, inner), 5)
    assert one.is_tied
    assert one.group.startswith(name)
    assert_runs(one)


@pytest.mark.parametrize("form", ["relu", "tanh", "power:2", "power:3", "gelu", "abs", "sign", "cos", "softmax", None])
def test_tied_groups_satisfy_their_equation_and_nothing_more(form: str | None) -> None:
    """A^T phi(A) = 1 for members of the tied group, and for no other signed and scaled permutation of the group."""
    found = gauge_group(None if form is None else theory.activation(form), 2, shifts=False)
    tied = tied_group(found)
    assert tied is not None
    phi = (lambda A: A) if found.intertwiner is None else found.intertwiner.phi
    for A in (*found.group.exact_samples(30, seed=4), *tied.exact_samples(5)):
        A = sympy.Matrix(A)
        assert found.group.contains(A)
        assert ((A.T * phi(A)).applyfunc(sympy.simplify) == sympy.eye(2)) == tied.contains(A), A


def test_linear_layers_in_a_row_have_every_basis() -> None:
    (one,) = hidden(nn.Sequential(nn.Linear(4, 6), nn.Dropout(), nn.Linear(6, 3)))
    assert (one.name, one.group) == ("no activation", "GL(6): all invertible linear maps")
    assert_runs(one)


class Powers(nn.Module):
    """max(0, z)**2 written as two functions: one activation."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(F.relu(self.before(x)) ** 2)


def test_functions_in_a_row_are_one_activation() -> None:
    (one,) = hidden(Powers())
    assert one.name == "relu, pow_1"
    assert (one.group, one.character) == ("R>0 wr S_6: positively scaled permutations", "c -> c^2")
    assert_runs(one)


def test_normalisation_beside_an_activation_is_named() -> None:
    first, second = hidden(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.LayerNorm(6), nn.Linear(6, 3)))
    assert (first.status, second.status) == ("not analysed", "not analysed")
    assert "LayerNorm stands between" in first.reason
    assert "ReLU stands between" in second.reason


class Images(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c1, self.norm, self.c2 = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 3)
        self.out = nn.Linear(3 * 4 * 4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm(self.c1(x)), inplace=True)
        return self.out(torch.tanh(self.c2(x)).flatten(1))


def test_channels_of_convolutions() -> None:
    net = Images()
    net.norm.running_mean.normal_()
    net.norm.running_var.uniform_(0.5, 2)
    first, second = hidden(net, (2, 6, 6))
    assert (first.units, first.group.partition(":")[0]) == (4, "R>0 wr S_4")
    assert (second.units, second.group.partition(":")[0], second.after) == (3, "B_3", ("out",))
    assert_runs(first)
    assert_runs(second)


def test_convolutions_refuse_what_acts_on_another_axis() -> None:
    (one,) = hidden(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Softmax(-1), nn.Conv2d(2, 2, 3)), (1, 8, 8))
    assert one.status == "not analysed"
    assert "not the channels" in one.reason
    (other,) = hidden(nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Linear(6, 2)), (1, 8))
    assert "another axis" in other.reason
    (third,) = hidden(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 2, 3)), (1, 8, 8))
    assert "MaxPool2d stands between" in third.reason


def test_grouped_convolutions_are_no_weights_between_all_channels() -> None:
    (one,) = hidden(nn.Sequential(nn.Conv2d(2, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1, groups=2)), (2, 3, 3)) or (None,)
    assert one is not None
    assert one.status == "not analysed"


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(F.relu(self.inner(F.relu(self.inner(x)))))


def test_shared_weights_are_refused() -> None:
    for one in hidden(Shared()):
        assert one.status == "not analysed"
        assert "weights" in one.reason


class Elsewhere(nn.Module):
    """The weights before one hidden layer are those after another; a hidden value is returned; weights are computed."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.a, self.b, self.kind = nn.Linear(4, 4), nn.Linear(4, 4), kind

    def forward(self, x: torch.Tensor) -> Any:
        h = F.relu(self.a(x))
        if self.kind == "shared":
            return self.a(F.relu(self.b(h)))
        if self.kind == "returned":
            return self.b(h), h
        if self.kind == "random":
            return F.dropout(self.b(h))
        if self.kind == "tuple":
            return self.b(h), {"x": x * 2}
        return F.linear(h, F.softplus(self.b.weight))


@pytest.mark.parametrize(
    ("kind", "count", "text"),
    [("shared", 2, "it shares weights with"), ("returned", 1, "is an output of the network"),
     ("computed", 1, "computed from parameters")],
)  # fmt: skip
def test_weights_that_are_not_free_are_refused(kind: str, count: int, text: str) -> None:
    found = hidden(Elsewhere(kind))
    assert len(found) == count
    for one in found:
        assert one.status == "not analysed"
        assert text in one.reason


def test_outputs_that_are_tuples_or_random() -> None:
    (one,) = hidden(Elsewhere("tuple"))
    assert_runs(one)
    (other,) = hidden(Elsewhere("random"))
    assert other.status == "proved"
    assert other.deviation is None
    assert "second time" in other.reason


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 6), nn.Linear(6, 4), nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.relu(self.a(x))
        return x + self.b(h) * self.c(h)


def test_residual_blocks_and_several_readers() -> None:
    (one,) = hidden(Residual())
    assert one.after == ("b", "c")
    assert_runs(one)


def test_a_hidden_value_that_is_used_elsewhere_is_refused() -> None:
    class Leaks(Residual):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.a(x)
            return self.b(F.relu(h)) + self.c(h)

    (one,) = hidden(Leaks())
    assert one.status == "not analysed"
    assert "used elsewhere" in one.reason


def test_wide_layers_are_run_as_well() -> None:
    for activation in (nn.ReLU(), nn.Sigmoid(), nn.Identity()):
        (one,) = hidden(nn.Sequential(nn.Linear(3, 100), activation, nn.Linear(100, 2)))
        assert_runs(one)


def test_a_wrong_phi_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    import verify.audit.hidden as room

    real = room.members

    def wrong(*arguments: Any) -> Any:
        pairs, exact = real(*arguments)
        return [(A, np.where(B == 0, 0, 1.0)) for A, B in pairs], exact

    monkeypatch.setattr(room, "members", wrong)
    audit = audit_network(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)))
    assert audit.hidden[0].status == "refuted"
    assert audit.exit_code == 1
