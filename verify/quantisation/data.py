"""Rows for the experiment: digits, spheres, smooth manifolds, and files the user has. Nothing is downloaded."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from theory.arguments import InputError
from verify.quantisation.tensors import load_activations

__all__ = ["DATA", "data_rows", "digits", "read_idx", "smooth_manifold", "sphere"]

DATA = ("digits", "sphere", "manifold")
"""Names of the data that need no file."""
_IMAGE_MAGIC = 0x08


def data_rows(name: str, seed: int = 0) -> np.ndarray:
    """The rows of a named data set or of a file, centred, shape (N, d_in), float64.

    Args:
        name: one of `DATA`, or a path: MNIST's idx format (also .gz), .npy or .safetensors.
        seed: of synthetic data.

    Raises:
        InputError: unknown name, unreadable file, or digits without scikit-learn.
    """
    if name == "digits":
        return digits()
    if name == "sphere":
        return sphere(seed=seed)
    if name == "manifold":
        return smooth_manifold(seed=seed)
    path = Path(name)
    if not path.exists():
        raise InputError(f"data={name!r} is neither one of {', '.join(DATA)} nor a file")
    rows = (
        read_idx(path) if "idx" in path.name or path.suffix == ".gz" else load_activations(path)
    )  # fmt: skip
    rows = np.asarray(rows, dtype=np.float64).reshape(len(rows), -1)
    if rows.max() > 1.5 and rows.min() >= 0:
        rows = rows / rows.max()
    return rows - rows.mean(axis=0)


def digits() -> np.ndarray:
    """The 1797 handwritten digits of 8 x 8 pixels, in [0, 1] and then centred, shape (1797, 64).

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise InputError(
            "data='digits' needs scikit-learn; install superposition-theory[experiments], or use sphere or manifold"
        ) from None
    pixels = np.asarray(load_digits().data, dtype=np.float64) / 16
    return pixels - pixels.mean(axis=0)


def sphere(rows: int = 2000, dimension: int = 16, inputs: int = 64, radius: float = 4.0, seed: int = 0) -> np.ndarray:
    """Points uniform on a sphere of R^dimension, placed in R^inputs by an orthonormal map: no direction is special."""
    rng = np.random.default_rng([seed, 1])
    points = rng.standard_normal((rows, dimension))
    points *= radius / np.linalg.norm(points, axis=1, keepdims=True)
    basis, _ = np.linalg.qr(rng.standard_normal((inputs, dimension)))
    return np.asarray(points @ basis.T)


def smooth_manifold(rows: int = 2000, dimension: int = 3, inputs: int = 64, seed: int = 0) -> np.ndarray:
    """Points of a smooth closed surface, a torus mapped by random waves of frequency at most 2: no clusters.

    Coordinate j is sqrt(4/inputs) cos(w_j . t + phase_j) with integer w_j and t uniform on the torus; then centred.
    """
    rng = np.random.default_rng([seed, 2])
    waves = rng.integers(-2, 3, size=(inputs, dimension))
    phases = rng.uniform(0, 2 * np.pi, inputs)
    points = np.cos(rng.uniform(0, 2 * np.pi, (rows, dimension)) @ waves.T + phases) * np.sqrt(4 / inputs)
    return np.asarray(points - points.mean(axis=0))


def read_idx(path: Path) -> np.ndarray:
    """An array in the idx format of MNIST, plain or gzipped, as float64.

    Raises:
        InputError: not such a file, or cut short.
    """
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as problem:
            raise InputError(f"{path} is not a gzip file that can be read: {problem}") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _IMAGE_MAGIC:
        raise InputError(f"{path} is not an idx file of bytes; MNIST's images are train-images-idx3-ubyte")
    axes = content[3]
    shape = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes)]
    values = np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes)
    if axes == 0 or len(values) != int(np.prod(shape)):
        raise InputError(f"{path} holds {len(values)} values, but its header says {shape}; the file is cut short")
    return values.reshape(shape).astype(np.float64)
