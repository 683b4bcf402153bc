"""Naming a module: what is recognised, what is imported, and one clear line for everything that is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from theory import InputError
from verify.audit.loading import is_target, load_module

NET = """
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 3)
    def forward(self, x):
        return F.relu(self.inner(x))

class Sized(nn.Module):
    def __init__(self, n, m, *, bias=True):
        super().__init__()

class Broken(nn.Module):
    def __init__(self):
        raise RuntimeError("no weights here")

class Plain:
    pass

def make():
    return Net()

def make_other():
    return 3

instance = Net()
number = 5
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    file = tmp_path / "net.py"
    file.write_text(NET)
    return file


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ("net.py:Net", True),
        ("a/b c/net.py:Net", True),
        ("net.py", True),
        ("package.module:Class", True),
        ("module:Class", True),
        ("package.module.Class", True),
        ("torch.nn.ReLU", True),
        ("tanh", False),
        ("tanhh", False),
        ("power:2", False),
        ("rectified-power:1.5", False),
        ("isotropic:tanh", False),
        ("softmax:2", False),
        ("max(0, z)**2", False),
        ("0.5*z", False),
        ("z", False),
        ("where(z > 1.5, z, 0)", False),
    ],
)
def test_targets_are_recognised(words: str, target: bool) -> None:
    assert is_target(words) is target


def test_recognising_a_target_imports_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tanh.py", "power.py", "other.py"):
        (tmp_path / name).write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    for words in ("tanh", "power:2", "other.py:Net", "other:Net", "other.Net"):
        is_target(words)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["Net", "make", "instance"])
def test_classes_functions_and_instances_load(net: Path, name: str) -> None:
    module = load_module(f"{net}:{name}")
    assert isinstance(module, nn.Module)
    assert module(torch.zeros(2, 4)).shape == (2, 3)


def test_dotted_names_load(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(load_module("torch.nn.ReLU"), nn.ReLU)
    assert isinstance(load_module("torch.nn:ReLU"), nn.ReLU)
    (net.parent / "audited_only_here.py").write_text(NET)
    monkeypatch.chdir(net.parent)
    assert type(load_module("audited_only_here:Net")).__name__ == "Net"
    del sys.modules["audited_only_here"]


def test_a_file_imports_what_lies_beside_it_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "audit_helper_of_net.py").write_text("width = 7\n")
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    file = tmp_path / "net.py"
    file.write_text("from torch import nn\nimport audit_helper_of_net\nnet = nn.Linear(audit_helper_of_net.width, 2)\n")
    before = list(sys.path)
    module = load_module(f"{file}:net")
    assert module(torch.zeros(1, 7)).shape == (1, 2)
    assert sys.path == before
    assert not (tmp_path / "ran").exists()
    del sys.modules["audit_helper_of_net"]


def test_what_a_file_prints_goes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "loud.py"
    file.write_text("from torch import nn\nprint('hello')\nnet = nn.Linear(2, 2)\n")
    load_module(f"{file}:net")
    assert capsys.readouterr() == ("", "hello\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (":Nett", "has no 'Nett'; did you mean 'Net'?"),
        (":nothing", "has no 'nothing'; it defines Net, Sized"),
        ("", "say which module of the file"),
        (":Sized", r"needs the arguments n, m; write a function .*`def make\(\): return Sized\(n=..., m=...\)`"),
        (":Broken", r"Broken\(\) raised RuntimeError: no weights here"),
        (":Plain", "a class that is no torch.nn.Module"),
        (":make_other", "returned a int; it must return a torch.nn.Module"),
        (":number", "is a int, not a torch.nn.Module"),
    ],
)
def test_a_wrong_name_is_one_clear_line(net: Path, name: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        load_module(f"{net}{name}")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("raise ValueError('first\\nsecond')", "raised ValueError: first; it must import"),
        ("import sys\nsys.exit(3)", "raised SystemExit: 3; put what runs"),
        ("def f(:\n", "raised SyntaxError: invalid syntax in line 1"),
        ("import no_such_module_anywhere", "install 'no_such_module_anywhere'"),
        ("1/0", "raised ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_raises_is_one_clear_line(tmp_path: Path, source: str, text: str) -> None:
    file = tmp_path / "bad.py"
    file.write_text(source)
    with pytest.raises(InputError, match=text):
        load_module(f"{file}:Net")
    assert not [name for name in sys.modules if name.startswith("audited_bad")]


def test_what_is_missing_is_named(net: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; give the path of a Python file, such as net.py"):
        load_module(f"{tmp_path / 'nett.py'}:Net")
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        load_module(f"{tmp_path / 'folder.py'}:Net")
    with pytest.raises(InputError, match="no module of that name"):
        load_module("no_such_package.module:Net")
    with pytest.raises(InputError, match="raised ModuleNotFoundError"):
        load_module("torch.no_such_part:Net")
