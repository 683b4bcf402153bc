"""Rows and activations from outside: synthetic data, files of every kind, and modules of a network."""

from __future__ import annotations

import builtins
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import verify
from theory import InputError
from verify.quantisation.data import data_rows, smooth_manifold, sphere
from verify.quantisation.tensors import load_activations, record_activations


def test_synthetic_data_are_what_they_say() -> None:
    points = sphere(300, dimension=5, inputs=20, radius=3)
    assert np.allclose(np.linalg.norm(points, axis=1), 3)
    assert np.linalg.matrix_rank(points) == 5
    surface = smooth_manifold(4000, dimension=1, inputs=10)
    assert np.allclose(surface.mean(axis=0), 0)
    # Continuous: the nearest of 4000 points of a closed curve is never far.
    distances = np.linalg.norm(surface[:200, None] - surface[None], axis=2)
    assert np.sort(distances, axis=1)[:, 1].max() < 0.05
    assert np.array_equal(data_rows("sphere"), sphere())
    assert not np.array_equal(data_rows("sphere", 1), sphere())


def test_digits() -> None:
    pytest.importorskip("sklearn")
    rows = data_rows("digits")
    assert rows.shape == (1797, 64)
    assert np.allclose(rows.mean(axis=0), 0)
    assert np.ptp(rows) <= 2


def test_digits_without_scikit_learn_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    ordinary = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return ordinary(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match="experiments"):
        data_rows("digits")


def idx(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in values.shape)
    return header + values.astype(np.uint8).tobytes()


def test_idx_files(tmp_path: Path) -> None:
    images = np.arange(2 * 3 * 3).reshape(2, 3, 3)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images))
    (tmp_path / "images.gz").write_bytes(gzip.compress(idx(images)))
    expected = images.reshape(2, 9) / 17
    for name in ("train-images-idx3-ubyte", "images.gz"):
        assert np.allclose(data_rows(str(tmp_path / name)), expected - expected.mean(axis=0))
    for name, content, words in (
        ("short-idx", idx(images)[:-1], "cut short"),
        ("other-idx", b"PK\x03\x04....", "not an idx file"),
        ("bad.gz", b"\x1f\x8b\x00", "gzip"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=words):
            data_rows(str(tmp_path / name))
    with pytest.raises(InputError, match="neither one of"):
        data_rows("mnist")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int32])
def test_safetensors(tmp_path: Path, dtype: torch.dtype) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    tensor = (torch.arange(12).reshape(3, 4) - 5).to(dtype) / (1 if dtype == torch.int32 else 4)
    save_file({"layer": tensor.to(dtype), "other": torch.zeros(1)}, tmp_path / "a.safetensors")
    found = load_activations(tmp_path / "a.safetensors", "layer")
    assert found.dtype == np.float64
    assert np.array_equal(found, tensor.double().numpy())
    with pytest.raises(InputError, match=r"2 tensors \(layer, other\)"):
        load_activations(tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="no tensor 'lyer'"):
        load_activations(tmp_path / "a.safetensors", "lyer")


def test_safetensors_written_by_hand(tmp_path: Path) -> None:
    values = np.array([[1.5, -2.0], [0.25, 3.0]], dtype="<f4")
    upper_half = (values.view("<u4") >> 16).astype("<u2")
    for name, raw in (("F32", values.tobytes()), ("BF16", upper_half.tobytes())):
        entry = {"x": {"dtype": name, "shape": [2, 2], "data_offsets": [0, len(raw)]}, "__metadata__": {"a": "b"}}
        header = json.dumps(entry).encode()
        (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + raw)
        assert load_activations(tmp_path / "x.safetensors").tolist() == values.tolist()


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    np.save(tmp_path / "objects.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "cut.safetensors").write_bytes(b"\xff" * 20)
    header = json.dumps({"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    (tmp_path / "short.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 8)
    (tmp_path / "x.pt").write_bytes(b"")
    for name, words in (
        ("words.npy", "real numbers"),
        ("objects.npy", "no .npy file of numbers"),
        ("cut.npy", "no .npy file"),
        ("cut.safetensors", "no safetensors file"),
        ("short.safetensors", "cut short"),
        ("x.pt", "must end in"),
    ):
        with pytest.raises(InputError, match=words):
            load_activations(tmp_path / name)


def test_activations_of_a_running_network() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Tanh(), nn.Linear(4, 2)))
    x = torch.randn(5, 3)
    with record_activations(network, "1.0") as seen:
        network(x)
        network(x[:2])
    assert [part.shape for part in seen] == [(5, 4), (2, 4)]
    assert np.allclose(seen[0], torch.tanh(network[0](x)).detach().numpy())
    network(x)
    assert len(seen) == 2
    assert verify.rotation_test(np.concatenate(seen), rotations=9).rows == 7
    with pytest.raises(InputError, match=r"no part 'encoder'; it has 0, 1, 1\.0, 1\.1"), record_activations(network, "encoder"):  # fmt: skip # noqa: E501
        pass


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.npy: there is no such file"):
        load_activations(tmp_path / "absent.npy")
