"""A lattice in the hidden space on which smooth outputs are continued periodically."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.setting import Array

__all__ = ["Axis", "HiddenGrid", "hidden_grid"]

_GAP_PHASE = 150.0


@dataclass(frozen=True)
class Axis:
    """Lattice points along one direction, those in the gap twice: continued from the right end and from the left.

    Attributes:
        frequencies: 2 pi k/period for k = 0 .. N/2 - 1, -N/2 .. -1, shape (N,).
        start: the coordinate of lattice point 0.
        coordinates: where the outputs are evaluated, shape (Q,), Q >= N.
        weights: of the two continuations; 1 off the gap.
        index: the lattice point each belongs to.
    """

    frequencies: Array
    start: float
    coordinates: Array
    weights: Array
    index: np.ndarray

    @property
    def points(self) -> int:
        """N."""
        return len(self.frequencies)


@dataclass(frozen=True)
class HiddenGrid:
    """One axis per direction of the hidden space."""

    axes: tuple[Axis, ...]

    @property
    def frequencies(self) -> Array:
        """Half of the lattice of frequencies (the other half is its mirror image), shape (K, d)."""
        halves = [axis.frequencies for axis in self.axes]
        halves[-1] = np.abs(halves[-1][: self.axes[-1].points // 2 + 1])
        return np.stack([part.ravel() for part in np.meshgrid(*halves, indexing="ij")], axis=-1)

    def density(self, transform: np.ndarray) -> Array:
        """Weights of the lattice points that integrate against the law with this transform, shape (..., N**d).

        Args:
            transform: E c e^(i t.h) at `frequencies`, shape (..., K).
        """
        from scipy.fft import irfftn

        sizes = [axis.points for axis in self.axes]
        half = [*sizes[:-1], sizes[-1] // 2 + 1]
        folded = transform.conj().reshape(*transform.shape[:-1], *half)
        for d, axis in enumerate(self.axes):
            t = axis.frequencies if d < len(sizes) - 1 else np.abs(axis.frequencies[: half[-1]])
            wave = np.exp(1j * t * axis.start)
            wave[sizes[d] // 2] = 0.0  # the frequency N/2 has no mirror image on the lattice
            folded = folded * wave.reshape(-1, *[1] * (len(sizes) - 1 - d))
        axes = tuple(range(-len(sizes), 0))
        return irfftn(folded, s=sizes, axes=axes, overwrite_x=True).reshape(*transform.shape[:-1], -1)

    @property
    def size(self) -> int:
        """How many points `part` numbers."""
        return int(np.prod([len(axis.coordinates) for axis in self.axes]))

    def part(self, first: int, last: int) -> tuple[np.ndarray, Array, Array]:
        """Some of the points where outputs are evaluated: flat lattice indices, weights, coordinates (Q, d)."""
        places = np.unravel_index(np.arange(first, last), [len(axis.coordinates) for axis in self.axes])
        pairs = list(zip(self.axes, places, strict=True))
        weights = np.prod([axis.weights[place] for axis, place in pairs], axis=0)
        coordinates = np.stack([axis.coordinates[place] for axis, place in pairs], axis=-1)
        lattice = np.ravel_multi_index(
            [axis.index[place] for axis, place in pairs], [axis.points for axis in self.axes]
        )
        return lattice, weights, coordinates


def hidden_grid(low: Array, high: Array, points: int) -> HiddenGrid:
    """The lattice of N points per axis for h in the box [low, high].

    The period is high - low + gap. Over the gap an error function blends the function continued beyond `high` into the
    one continued below `low`. Gap times cut-off frequency is 150, where the spectrum of the blend is below rounding, or
    less where that would leave more gap than box.
    """
    return HiddenGrid(tuple(_axis(a, b, points) for a, b in zip(low, high, strict=True)))


def _axis(low: float, high: float, points: int) -> Axis:
    from scipy.special import erfc

    length = high - low or 1.0
    phase = min(_GAP_PHASE, np.pi * points / 2)
    gap = phase * length / (np.pi * points - phase)
    period = length + gap
    offset = period * np.arange(points) / points
    k = np.fft.fftfreq(points, 1 / points)
    in_gap = np.flatnonzero(offset > length)
    share = erfc(12 * ((offset[in_gap] - length) / gap - 0.5)) / 2
    weights = np.ones(points)
    weights[in_gap] = share
    return Axis(
        2 * np.pi * k / period,
        low,
        low + np.concatenate([offset, offset[in_gap] - period]),
        np.concatenate([weights, 1 - share]),
        np.concatenate([np.arange(points), in_gap]),
    )
