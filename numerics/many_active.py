"""The part of the loss in which two or more features are active: characteristic functions, one frequency at a time.

With a_j = p_j phi(G_ij t) and q_j = 1 - p_j, the transform of the other features is the product of q_j + a_j. The
recursion below carries its terms without, with one, and with at least two factors a_j separately. Nothing is ever
subtracted, so no digits are lost at any density.
"""

from __future__ import annotations

import numpy as np

from numerics.continuation import FourierForm
from numerics.few_active import Part, Rows, joined
from numerics.laws import NumericLaw
from numerics.setting import Array

__all__ = ["many_active"]

_BLOCK = 2**17
_GRADIENT_BLOCK = 2**15
_EPSILON = float(np.finfo(float).eps)


def many_active(law: NumericLaw, rows: Rows, form: FourierForm, gradient: bool = False) -> Part:
    """Contribution of the events in which at least two visible features (or the own one and another) are active.

    The error is twice the largest excursion of the partial sums over the last octave of frequencies, plus rounding:
    an a-posteriori estimate, not a proved bound.
    """
    count, n = len(form.frequencies), rows.gram.shape[1]
    block = max(1, (_GRADIENT_BLOCK if gradient else _BLOCK) // (len(rows) * n))
    if block < 8 and len(rows) > 1:
        halves = np.split(np.arange(len(rows)), [len(rows) // 2])
        parts = [many_active(law, rows.take(index), form, gradient) for index in halves]
        return joined(parts)
    terms = np.empty((len(rows), count))
    d_gram, d_bias = np.zeros(rows.gram.shape), np.zeros(len(rows))
    doubled = np.where(np.arange(count) == 0, 1.0, 2.0)
    for first in range(0, count, block):
        some = slice(first, first + block)
        terms[:, some] = _terms(
            law,
            rows,
            form.frequencies[some],
            doubled[some] * form.first[some],
            doubled[some] * form.second[some],
            (d_gram, d_bias) if gradient else None,
        )
    value = terms.sum(axis=1)
    octave = np.cumsum(terms[:, count // 2 :][:, ::-1], axis=1)
    excursion = np.abs(octave).max(axis=1)
    size = np.abs(terms).sum(axis=1)
    error = 2 * excursion + (_EPSILON * np.sqrt(n) + form.defect) * size
    return Part(value, error, d_gram if gradient else None, d_bias if gradient else None, terms.size * n)


def _terms(
    law: NumericLaw,
    rows: Rows,
    t: Array,
    first: np.ndarray,
    second: np.ndarray,
    into: tuple[Array, Array] | None,
) -> Array:
    index, n = np.arange(len(rows)), rows.gram.shape[1]
    all_transforms = law.transforms(rows.gram.T[:, :, None] * t, 0 if into is None else 1)
    own_transforms = law.transforms(rows.own_gram[:, None] * t, 1 if into is None else 2)
    others, density = rows.others.T[:, :, None], rows.density[:, None]
    a, off = others * all_transforms[0], 1 - others
    own_visible = rows.visible[index, rows.own][:, None]
    own_a, own_psi = own_visible * own_transforms[0], density * own_transforms[1]
    keep_own = 1 - own_visible + own_a

    none = np.ones((len(rows), 1))
    one, more = np.zeros(own_a.shape, dtype=np.complex128), np.zeros(own_a.shape, dtype=np.complex128)
    states = []
    for j in range(n):
        if into is not None:
            states.append((none, one, more))
        more, one, none = more * (off[j] + a[j]) + one * a[j], one * off[j] + none * a[j], none * off[j]
    wave = np.exp(1j * rows.bias[:, None] * t)
    square_weight, cross_weight = second * wave, -2 * first * wave
    square, cross = more * keep_own + one * own_a, own_psi * (one + more)
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
