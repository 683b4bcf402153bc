"""Whole networks: what is proved of them, what is printed, what is missing, and the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import numerics
import verify
from theory import InputError
from verify.audit.network import audit_network
from verify.audit.signed import SignedPermutation, carried
from verify.audit.whole import candidates, words
from verify.cli import main

ROOT = Path(__file__).parent.parent.parent.parent


def linear(W: Any, b: Any = None) -> nn.Linear:
    matrix = torch.tensor(W, dtype=torch.float64)
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=b is not None, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(matrix)
        if b is not None:
            layer.bias.copy_(torch.tensor(b, dtype=torch.float64))
    return layer


EQUAL = (np.eye(3) * 0.7 + np.ones((3, 3)) * 0.3).tolist()
CYCLE = [[0.7, 0.2, 0.1], [0.1, 0.7, 0.2], [0.2, 0.1, 0.7]]


@pytest.mark.parametrize(
    ("network", "name", "count"),
    [
        (nn.Sequential(linear(EQUAL, [1.0] * 3), nn.GELU(), linear(EQUAL)), "S_3: permutations", 6),
        (nn.Sequential(linear(EQUAL), nn.Tanh(), linear(EQUAL)), "S_3: permutations and more, 12 in all", 12),
        (nn.Sequential(linear(CYCLE), nn.Sigmoid()), "a group of 3 signed permutations", 3),
        (nn.Sequential(linear(np.random.default_rng(0).standard_normal((3, 3)).tolist()), nn.Tanh()), "{1, -1}", 2),
        (nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 3)), "the identity only", 1),
        (nn.Sequential(nn.Hardtanh(), nn.Tanh()), "B_3: signed permutations", 48),
        (nn.Sequential(linear(EQUAL), nn.Softmax(-1), linear(EQUAL)), "S_3: permutations", 6),
    ],
)
def test_signed_permutations_of_a_network_are_proved(network: nn.Module, name: str, count: int) -> None:
    whole = audit_network(network, 3).whole
    assert (whole.equivariance, whole.commuting) == (name, count)
    assert whole.proved == whole.intertwining >= count
    assert whole.tried == 48


def test_what_is_carried_through_layers_agrees_with_running_them() -> None:
    """Both ways, for every signed permutation of three inputs and networks with repeated rows and signs."""
    from verify.audit.layers import audit_layer
    from verify.audit.tracing import trace

    rng = np.random.default_rng(5)
    x = torch.from_numpy(rng.standard_normal((50, 3)))
    hits = 0
    for activation in (nn.Tanh(), nn.ReLU(), nn.Hardshrink(), nn.LeakyReLU(-1.0)):
        rows = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, -1, 0], [0, 1, -1], [-1, 0, 1.0]]) / 3
        network = nn.Sequential(linear(rows.tolist()), activation, linear(rows.T.tolist()))
        found = trace(network.eval(), (3,))
        layers = tuple(audit_layer(found, i) for i in range(3))
        for places, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
            A = SignedPermutation(places, signs)
            B = carried(found, layers, A)
            with torch.no_grad():
                moved, value = network(x @ torch.from_numpy(A.matrix().T)).numpy(), network(x).numpy()
            if B is not None:
                hits += 1
                assert np.allclose(moved, value @ B.matrix().T, atol=1e-12)
            else:
                assert not np.allclose(moved, value @ A.matrix().T, atol=1e-9)
    assert hits > 20


def test_intertwiners_to_another_space() -> None:
    network = nn.Sequential(linear([[1.0, 1, 1], [1, 1, 1]]), nn.Tanh())
    whole = audit_network(network, 3).whole
    assert whole.equivariance == "maps R^3 to R^2"
    assert whole.intertwiners == "S_3: permutations and more, 12 in all"
    seen = audit_network(nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.BatchNorm1d(2)), 3).whole
    assert seen.intertwiners == "the identity only"


def test_groups_of_larger_networks() -> None:
    n = 6
    blocks = np.kron(np.eye(2), np.ones((3, 3))) * 0.5 + np.eye(n)
    whole = audit_network(nn.Sequential(linear(blocks.tolist()), nn.Softplus()), n).whole
    assert whole.equivariance == "S_3 on {1, 2, 3}, S_3 on {4, 5, 6}"
    assert whole.status == "supported"
    assert words(list(candidates(5)), 5, every=False) == "B_5: signed permutations"
    assert words([A for A in candidates(5) if A.is_positive], 5, every=False) == "S_5: permutations"
    circulant = np.array([np.roll([5.0, 1, 0, 0, 2], k) for k in range(5)]).T
    whole = audit_network(nn.Sequential(linear(circulant.tolist()), nn.Sigmoid()), 5).whole
    assert whole.equivariance == "cyclic shifts"


def test_what_every_layer_commutes_with_is_a_lower_bound() -> None:
    whole = audit_network(nn.Sequential(nn.ReLU(), nn.LeakyReLU(0.2)), 3).whole
    assert whole.contains == "R>0 wr S_3: positively scaled permutations"


class Found:
    name, dimension, gap, status = "R>0 wr S_3", 3, 1e9, "certified"


def test_discovery_is_asked_where_it_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def search(f: Any, n: int, seed: int = 0) -> Found:
        asked.append((n, seed))
        assert f(torch.ones(n, dtype=torch.float64)).shape == (n,)
        return Found()

    monkeypatch.setattr(numerics, "discover_equivariance", search)
    whole = audit_network(nn.Sequential(nn.BatchNorm1d(3), nn.ReLU()), 3, seed=4).whole
    assert asked == [(3, 4)]
    assert whole.discovered == "R>0 wr S_3 (dimension 3, gap 1e+09; certified, numerical)"

    def refuse(f: Any, n: int, seed: int = 0) -> Found:
        raise InputError("f jumps")

    monkeypatch.setattr(numerics, "discover_equivariance", refuse)
    assert audit_network(nn.ReLU(), 3).whole.discovered == "not searched: f jumps"
    monkeypatch.setattr(numerics, "discover_equivariance", None)
    assert "this version has no" in audit_network(nn.ReLU(), 3).whole.discovered


@pytest.mark.slow
def test_the_search_itself_sees_what_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    room = pytest.importorskip("numerics.symmetry.discovery")
    monkeypatch.setattr(numerics, "discover_equivariance", room.discover_equivariance)
    network = nn.Sequential(linear(EQUAL), nn.BatchNorm1d(3), nn.ReLU())
    assert audit_network(network, 3).whole.discovered.startswith("R>0 x S_3")
    assert audit_network(nn.LeakyReLU(0.2), 3).whole.discovered.startswith("R>0 wr S_3")


class Branching(nn.Module):
    """Control flow that depends on the data cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.t, self.b = nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.abs().sum() > 1e12:
            return x
        return self.b(F.relu(self.t(self.a(x))))


def test_hooks_find_modules_where_tracing_fails() -> None:
    audit = audit_network(Branching())
    assert audit.found_by == "hooks"
    assert [layer.name for layer in audit.layers] == ["a", "t", "b"]
    assert audit.hidden == ()
    assert audit.whole.contains == ""
    assert "torch.fx cannot trace" in audit.note
    assert "relu" in audit.note
    assert audit.exit_code == 3
    assert any("relu" in line for line in audit.not_analysed)


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.a(x)
        return self.b(F.relu(h, inplace=True)) + h


def test_a_value_changed_in_place_and_used_again_is_not_traced() -> None:
    audit = audit_network(InPlace())
    assert audit.found_by == "hooks"
    assert "in place" in audit.note


def test_the_module_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(3, 3)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    audit_network(network)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert next(network.parameters()).dtype == torch.float32
    assert next(network.parameters()).requires_grad


class Options(nn.Module):
    """Further arguments with defaults, a lazy layer, and a list of blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.blocks = nn.LazyLinear(4), nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None, scale: float = 2.0) -> torch.Tensor:
        x = self.first(x if mask is None else x * mask)
        for block in self.blocks:
            x = torch.tanh(block(x)) * scale
        return x


def test_defaults_lists_and_lazy_layers_are_traced() -> None:
    audit = audit_network(Options(), 3)
    assert audit.found_by == "torch.fx"
    assert [layer.name for layer in audit.layers if layer.label == "Linear"] == ["first", "blocks.0", "blocks.1"]
    assert audit.unused == ()


class Positions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.W, self.p = nn.Parameter(torch.randn(4, 6)), nn.Parameter(torch.randn(5, 4))
        self.out = nn.Linear(6, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(F.gelu((x + self.p) @ self.W))


def test_vectors_at_several_positions() -> None:
    audit = audit_network(Positions(), (5, 4))
    assert [layer.status for layer in audit.layers] == ["not analysed", "proved", "proved", "proved"]
    assert "more than the last axis" in audit.layers[0].reason[0]
    (one,) = audit.hidden
    assert (one.units, one.status) == (6, "proved")
    assert one.deviation is not None
    assert one.deviation < 1e-12


def test_random_and_unused_parts_are_named() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.spare = nn.Linear(3, 3), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.dropout(self.a(x), 0.5)

    audit = audit_network(Odd())
    assert audit.whole.status == "not analysed"
    assert "second time" in audit.whole.reason
    assert audit.unused == ("spare",)
    assert "the forward pass did not use: spare" in str(audit)


def test_attention_is_named_and_not_analysed() -> None:
    class Attend(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.out = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.attention(x, x, x, need_weights=False)[0])

    audit = audit_network(Attend(), (5, 4))
    assert any("attention" in line and "no fixed map" in line for line in audit.not_analysed)


@pytest.mark.parametrize(
    ("module", "shape", "text"),
    [
        (nn.Linear(3, 3), 4, "the forward pass fails on a batch of shape"),
        (nn.Tanh(), None, "input_shape is needed"),
        (nn.Conv2d(1, 1, 3), None, "input_shape is needed"),
        (nn.Linear(3, 3), 0, "must hold integers >= 1"),
        (nn.Linear(3, 3), (3, -1), "must hold integers >= 1"),
        (nn.Linear(3, 3), (), "must hold integers >= 1"),
        (torch.tanh, 3, "must be a torch.nn.Module instance"),
    ],
)
def test_wrong_arguments(module: Any, shape: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        audit_network(module, shape)


def test_the_page_fits_a_terminal_and_the_data_json() -> None:
    network = nn.Sequential(
        nn.Linear(6, 16), nn.PReLU(16), nn.Linear(16, 8), nn.LayerNorm(8), nn.Sigmoid(), nn.Linear(8, 6), nn.Softmax(-1)
    )
    audit = verify.audit_network(network, name="a.py:Net")
    assert isinstance(audit, verify.NetworkAudit)
    text = str(audit)
    assert max(map(len, text.splitlines())) <= 110
    for part in ("a.py:Net: 6 -> 6", "PRIVILEGED DIRECTIONS", "HIDDEN LAYERS", "THE WHOLE NETWORK", "WHY"):
        assert part in text
    data = json.loads(json.dumps(audit.to_dict(), allow_nan=False))
    assert [layer["label"] for layer in data["layers"]][:2] == ["Linear", "PReLU"]
    assert data["whole"]["tried"] == audit.whole.tried


# --- the command line ------------------------------------------------------------------------------------------------

NET = """
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.W, self.b = nn.Parameter(torch.randn(2, 5)), nn.Parameter(torch.randn(5))
    def forward(self, x):
        return F.relu(x @ self.W.T @ self.W + self.b)

def tanh():
    return nn.Tanh()

mlp = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["symmetry", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_audits_a_file(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out, err = run(capsys, "net.py:Tied", "-n", "5")
    assert (code, err) == (0, "")
    assert "O(2): orthogonal maps" in out
    assert "(tied weights)" in out
    code, out, _ = run(capsys, str(folder / "net.py") + ":mlp", "--json")
    assert code == 0
    assert json.loads(out)["hidden"][0]["group"] == "R>0 wr S_16: positively scaled permutations"


def test_the_command_checks_a_claim_about_a_network(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out, _ = run(capsys, "net.py:tanh", "-n", "2", "--group", "O")
    assert code == 1
    assert out.startswith("REFUTED")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("net.py:Tied",), "input_shape is needed"),
        (("net.py:Tied", "-n", "4"), "the forward pass fails on a batch of shape (5, 4)"),
        (("net.py:Tied", "-n", "x"), "'x' is unknown"),
        (("net.py:mlp", "-n", "6,0"), "-n 0 must be an integer"),
        (("net.py:Tied", "-n", "5,5", "--group", "O"), "a group acts on vectors"),
        (("net.py:Tide", "-n", "5"), "did you mean 'Tied'?"),
        (("nett.py:Tied", "-n", "5"), "such as net.py"),
        (("net.py",), "it defines Tied, tanh, mlp"),
        (("no_such_module:Net",), "no module of that name"),
    ],
)
def test_misuse_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], folder: Path, words: tuple[str, ...], text: str
) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert text in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_an_activation_never_imports_a_file(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    for name in ("tanh.py", "relu.py", "evil.py"):
        (folder / name).write_text("from pathlib import Path\nPath('ran').touch()\n")
    assert run(capsys, "tanh")[0] == 0
    assert run(capsys, "power:2")[0] == 0
    assert run(capsys, "net.py:mlp")[0] == 0
    assert not (folder / "ran").exists()


def test_deriving_a_group_still_loads_no_torch(tmp_path: Path) -> None:
    code = "import sys\nfrom verify.cli import main\nmain(['symmetry', 'tanh'])\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)
