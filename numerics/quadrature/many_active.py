"""The part of the loss in which two or more features are active: characteristic functions, one frequency at a time.

With a_j = p_j phi(G_ij t) and q_j = 1 - p_j, the transform of the other features is the product of q_j + a_j. Its
terms without, with one, and with at least two factors a_j are carried separately by a recursion over the features that
subtracts nothing, so that no digits are lost at any density; or, for many features, computed from compressed sums.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from numerics.laws import NumericLaw
from numerics.quadrature.compressed import compress, products
from numerics.quadrature.continuation import FourierForm
from numerics.quadrature.few_active import Part, Rows, joined
from numerics.setting import Array

__all__ = ["many_active"]

_BLOCK = 2**17
_GRADIENT_BLOCK = 2**15
_COMPRESSED_BLOCK = 2**20
_EPSILON = float(np.finfo(float).eps)


def many_active(
    law: NumericLaw,
    rows: Rows,
    form: FourierForm,
    gradient: bool = False,
    compressed: bool = True,
    weights: Array | None = None,
) -> Part:
    """Contribution of the events in which at least two visible features (or the own one and another) are active.

    The error is extrapolated from the largest excursions of the partial sums over the last two half octaves of
    frequencies, plus rounding: an a-posteriori estimate, not a proved bound.

    Args:
        law, rows: the features and the outputs.
        form: sigma and its square as Fourier series on an interval that holds every output.
        gradient: whether to differentiate with respect to G_ij and b_i; always by recursion.
        compressed: False forces the recursion over the features everywhere.
        weights: of the rows in the sums that `total_error` is about, shape (Q, R); one sum of all by default.
    """
    count, n = len(form.frequencies), rows.gram.shape[1]
    compressed = compressed and not gradient
    weights = np.ones((1, len(rows))) if weights is None else weights
    most = _COMPRESSED_BLOCK // n if compressed else (_GRADIENT_BLOCK if gradient else _BLOCK) // (8 * n)
    if len(rows) > max(1, most):
        halves = np.split(np.arange(len(rows)), [len(rows) // 2])
        return joined(
            [
                many_active(law, rows.take(index), form.take(index), gradient, compressed, weights[:, index])
                for index in halves
            ]
        )
    terms = np.empty((len(rows), count))
    open_frequencies, evaluations, lost = np.arange(count), 0, np.zeros(len(rows))
    smear: np.ndarray | None = None
    if rows.blurred is not None:
        smear, evaluations, lost = _smear(law, rows, form.frequencies, compressed)
        rows, n = compact(rows)
        lost = lost * (np.abs(form.first).sum(axis=-1) + np.abs(form.second).sum(axis=-1))
    elif compressed:
        open_frequencies, evaluations, lost = _by_compression(law, rows, form, terms)
    slopes = (np.zeros(rows.gram.shape), np.zeros(len(rows))) if gradient else None
    block = max(1, (_GRADIENT_BLOCK if gradient else _BLOCK) // (len(rows) * n))
    for first in range(0, len(open_frequencies), block):
        some = open_frequencies[first : first + block]
        smeared = None if smear is None else smear[:, some]
        terms[:, some] = _by_recursion(law, rows, _waves(rows, form, some), slopes, smeared)
    value = terms.sum(axis=1)
    rounding = (12 * _EPSILON * np.sqrt(n) + form.defect) * np.abs(terms).sum(axis=1) + lost
    remainder = _remainder(terms)
    # The remainders of rows may cancel in the last half octaves by chance; beyond, they add up at random at least.
    total_error = np.hypot(_remainder(weights @ terms), np.sqrt(weights**2 @ remainder**2)) + weights @ rounding
    evaluations += len(open_frequencies) * len(rows) * n
    d_gram, d_bias = slopes or (None, None)
    return Part(value, remainder + rounding, d_gram, d_bias, evaluations, total_error)


def _remainder(terms: Array) -> Array:
    """What the frequencies left out may hold, per row of terms: a geometric series through the last half octaves.

    Where the excursions fall by r per half octave, the rest is about r/(1 - r) of the last; ten times that is returned,
    for r between 0.05 and 0.9.
    """
    count = terms.shape[1]
    middle, last = round(count / 2), round(count / np.sqrt(2))
    before, after = (
        np.abs(np.cumsum(terms[:, some][:, ::-1], axis=1)).max(axis=1)
        for some in (slice(middle, last), slice(last, count))
    )
    decay = np.clip(after / np.where(before > 0, before, 1.0), 0.05, 0.9)
    return 10 * after * decay / (1 - decay)


class _Waves(NamedTuple):
    """Frequencies and the factors that turn E e^(itz) into E sigma(z)**2 and E x e^(itz) into -2 E x sigma(z)."""

    t: Array
    square: np.ndarray
    cross: np.ndarray


def _waves(rows: Rows, form: FourierForm, some: np.ndarray) -> _Waves:
    t = form.frequencies[some]
    doubled = np.where(some == 0, 1.0, 2.0)
    wave = np.exp(1j * (rows.bias - form.low)[:, None] * t)
    return _Waves(t, doubled * form.second[..., some] * wave, -2 * doubled * form.first[..., some] * wave)


def _smear(law: NumericLaw, rows: Rows, frequencies: Array, compressed: bool) -> tuple[np.ndarray, int, Array]:
    """The transform of the blurred features without the own one, shape (R, K); the work; what the series leave out."""
    assert rows.blurred is not None
    index = np.arange(len(rows))
    blurred = rows.blurred.copy()
    blurred[index, rows.own] = 0.0
    result = np.ones((len(rows), len(frequencies)), dtype=np.complex128)
    chances = replace(rows, visible=blurred, blurred=None)
    left, work, lost = np.ones(len(frequencies), dtype=bool), 0, np.zeros(len(rows))
    data = compress(chances) if compressed else None
    if data is not None and data.is_faster(float(frequencies[-1]), len(frequencies)):
        one, more, resolved, inexact = products(data, law, [frequencies])[0]
        result = np.exp(data.log_none)[:, None] + one + more
        left, lost = ~resolved, np.max(inexact[:, resolved], axis=1, initial=0.0)
        work = int(data.work(float(frequencies[-1]), len(frequencies)))
    some = np.flatnonzero(left)
    if len(some):
        result[:, some] = 1.0
        for j in np.flatnonzero(blurred.any(axis=0)):
            phi = law.transforms(rows.gram[:, j, None] * frequencies[some], 0)[0]
            result[:, some] *= 1 + blurred[:, j, None] * (phi - 1)
            work += phi.size
    return result, work, lost


def compact(rows: Rows) -> tuple[Rows, int]:
    """The same rows with only the counted features and the own one, and how many columns are left."""
    index = np.arange(len(rows))
    shown = rows.visible > 0
    shown[index, rows.own] = True
    count = int(shown.sum(axis=1).max())
    columns = np.argsort(~shown, axis=1, kind="stable")[:, :count]
    own = np.argmax(columns == rows.own[:, None], axis=1)
    take = lambda values: np.take_along_axis(values, columns, axis=1)  # noqa: E731
    blurred = None if rows.blurred is None else take(np.where(shown, rows.blurred, 0.0))
    return Rows(take(rows.gram), rows.bias, own, take(rows.visible), rows.density, blurred), count


def _by_compression(law: NumericLaw, rows: Rows, form: FourierForm, terms: Array) -> tuple[np.ndarray, int, Array]:
    """Fill in the terms that compressed sums give faster; return the others, the work done, and rounding."""
    count = len(form.frequencies)
    data = compress(rows)
    if data is None:
        return np.arange(count), 0, np.zeros(len(rows))
    edges = [0]
    while edges[-1] < count:
        # The degrees grow with the frequency, so octaves are treated apart.
        edges.append(min(max(2 * edges[-1], count // 16, 8), count))
    octaves = [np.arange(low, high) for low, high in pairwise(edges)]
    chosen = [k for k in octaves if data.is_faster(float(form.frequencies[k[-1]]), len(k))]
    left, lost = np.ones(count, dtype=bool), np.zeros(len(rows))
    if chosen:
        found = products(data, law, [form.frequencies[k] for k in chosen])
        own_visible = rows.visible[np.arange(len(rows)), rows.own][:, None]
        for some, (one, more, resolved, inexact) in zip(chosen, found, strict=True):
            waves = _waves(rows, form, some)
            own_transforms = law.transforms(rows.own_gram[:, None] * waves.t, 1)
            own_a, own_psi = own_visible * own_transforms[0], rows.density[:, None] * own_transforms[1]
            square, cross = more * (1 - own_visible + own_a) + one * own_a, own_psi * (one + more)
            terms[:, some] = (waves.square * square + waves.cross * cross).real
            left[some[resolved]] = False
            lost += (np.abs(terms[:, some]) * inexact)[:, resolved].sum(axis=1)
            lost += 4 * _EPSILON * data.cancelled * (np.abs(waves.square).sum(axis=1) + np.abs(waves.cross).sum(axis=1))
    evaluations = sum(data.work(float(form.frequencies[k[-1]]), len(k)) for k in chosen)
    return np.flatnonzero(left), int(evaluations), lost


def _by_recursion(
    law: NumericLaw,
    rows: Rows,
    waves: _Waves,
    into: tuple[Array, Array] | None,
    smear: np.ndarray | None = None,
) -> Array:
    t, square_weight, cross_weight = waves
    index, n = np.arange(len(rows)), rows.gram.shape[1]
    all_transforms = law.transforms(rows.gram.T[:, :, None] * t, 0 if into is None else 1)
    own_transforms = law.transforms(rows.own_gram[:, None] * t, 1 if into is None else 2)
    others, density = rows.others.T[:, :, None], rows.density[:, None]
    a, off = others * all_transforms[0], 1 - others
    own_visible = rows.visible[index, rows.own][:, None]
    own_a, own_psi = own_visible * own_transforms[0], density * own_transforms[1]
    keep_own = 1 - own_visible + own_a

    none: np.ndarray = np.ones((len(rows), 1))
    with_one = np.ones((len(rows), 1))
    if smear is not None and rows.blurred is not None:
        none = smear
        own_blurred = rows.blurred[index, rows.own][:, None]
        keep_own = keep_own + own_blurred * (own_transforms[0] - 1)
        # An own feature that is not counted comes with two counted ones at least.
        with_one = np.where(own_blurred > 0, 0.0, 1.0)
    one, more = np.zeros(own_a.shape, dtype=np.complex128), np.zeros(own_a.shape, dtype=np.complex128)
    states = []
    for j in range(n):
        if into is not None:
            states.append((none, one, more))
        more, one, none = more * (off[j] + a[j]) + one * a[j], one * off[j] + none * a[j], none * off[j]
    square, cross = more * keep_own + one * own_a, own_psi * (with_one * one + more)
    sums = square_weight * square + cross_weight * cross
    if into is not None:
        d_gram, d_bias = into
        d_bias += (1j * t * sums).real.sum(axis=1)
        # d phi(G t)/dG = i t psi, d psi(G t)/dG = i t chi; the own feature enters outside the recursion.
        own_change = square_weight * (more + one) * own_visible * own_transforms[1]
        own_change += cross_weight * density * own_transforms[2] * (one + more)
        d_gram[index, rows.own] += (1j * t * own_change).real.sum(axis=1)
        # Backwards through the recursion: to_more is the derivative of the sum with respect to `more`, and so on.
        to_more = square_weight * keep_own + cross_weight * own_psi
        to_one = square_weight * own_a + cross_weight * own_psi
        to_none = np.zeros_like(to_one)
        for j in reversed(range(n)):
            none, one, more = states[j]
            change = to_more * (more + one) + to_one * none
            d_gram[:, j] += (1j * t * others[j] * all_transforms[1][j] * change).real.sum(axis=1)
            to_none = to_none * off[j] + to_one * a[j]
            to_one = to_one * off[j] + to_more * a[j]
            to_more = to_more * (off[j] + a[j])
    return sums.real
