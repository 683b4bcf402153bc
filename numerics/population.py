"""The expected loss as a smooth function of the weights, with its gradient: what minimisation and training need.

The same three formulas as `expected_loss`, for several weight matrices at once and with a fixed amount of work, so that
nearby weights see the same approximation.
"""

from __future__ import annotations

from functools import cache, lru_cache
from math import comb
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from numerics.exact import LARGEST_ENUMERATION, feature_moments, moments_from_cumulants, support_count, supports
from numerics.laws import numeric_law
from numerics.quadrature.compressed_gradient import CompressedGradient
from numerics.quadrature.continuation import FourierForm, fourier_form, smallest_count
from numerics.quadrature.few_active import Rows, make_rows
from numerics.quadrature.few_active_gradient import FewActiveGradient
from numerics.quadrature.ranges import output_range, shared_ranges
from numerics.scalar_map import polynomial_coefficients, scalar_map
from numerics.setting import Array, model_arrays
from theory import InputError, ToyModel

if TYPE_CHECKING:
    import torch

__all__ = ["PopulationLoss", "population_loss", "population_objective"]

# Far tails would take frequencies from the bulk; what they hold is below the accuracy of a fixed rule.
_TAIL = 1e-10
# No error is estimated here, so the highest octave may hold the continuation.
_GAP_PHASE = 150.0
# Forms are made with room for the rows to move, and used by rows down to a fraction of their length.
_MARGIN, _LOOSEST = 0.15, 5.5
# What a feature value without upper end stays below, up to the tail.
_LARGEST_VALUE = 25.0
# Above so many features the range comes from sums over the row, not from every entry at every slope.
_MANY_FEATURES = 24

Losses = tuple[Array, Array, Array]


class PopulationLoss(Protocol):
    """Loss and gradient of several weight matrices at once."""

    def __call__(self, W: Array, b: Array) -> Losses:
        """L, dL/dW and dL/db for W of shape (S, m, n) and b of shape (S, n); L has shape (S,)."""


def population_objective(model: ToyModel, frequencies: int = 128) -> PopulationLoss:
    """The population loss of a numeric model with an elementwise, continuous activation.

    Args:
        model: every value a number.
        frequencies: how many frequencies quadrature spends; moments and supports ignore it.

    Raises:
        InputError: symbols in the model, an activation that couples outputs or jumps, or the binary law with more
            than 2**16 supports.
    """
    model.require_numbers()
    activation = model.activation
    if not activation.is_elementwise:
        raise InputError(
            f"activation {activation.name} is {activation.kind}: its population loss has no gradient here; "
            "train on samples instead (verify.train)"
        )
    if polynomial_coefficients(activation) is not None:
        return _Moments(model)
    sigma = scalar_map(activation)
    if sigma.jumps:
        raise InputError(f"activation {activation.name} jumps at {sigma.jumps[0]:g}; gradients need a continuous one")
    if model.law.name == "binary":
        if support_count(model) > LARGEST_ENUMERATION:
            raise InputError(
                f"n_features={model.n_features}: the binary law has {support_count(model)} supports, "
                f"more than {LARGEST_ENUMERATION}; use fewer features or another law"
            )
        return _Supports(model)
    return _Frequencies(model, max(frequencies, smallest_count()))


def population_loss(
    model: ToyModel, W: torch.Tensor, b: torch.Tensor | None = None, frequencies: int = 256
) -> torch.Tensor:
    """The expected loss as a torch scalar, for a training loop of one's own: no minibatches, no noise.

    Value and gradient are computed together by numpy, in float64 on the CPU whatever W is, and given back in W's dtype
    on W's device: a loop on another device pays for the transfers. First derivatives are exact for the quadrature used;
    second derivatives (double backward, `torch.autograd.functional.hessian`) are central differences of the first, good
    to about seven digits; third ones are refused. Series are kept between calls for the last few models, so that a loop
    pays for them once; values at the same weights may differ by the error of quadrature after different histories.

    Args:
        model: every value a number; an elementwise, continuous activation.
        W: shape (m, n), any floating dtype and device.
        b: shape (n,), for a model with bias.
        frequencies: accuracy of quadrature; the default leaves relative errors of about 1e-7 for ReLU.

    Raises:
        InputError: wrong shapes, b without a bias, or a model `population_objective` refuses.
    """
    objective = _kept_objective(model, frequencies)
    n, m = int(model.n_features), int(model.n_hidden)
    if tuple(W.shape) != (m, n):
        raise InputError(f"W has shape {tuple(W.shape)}; give a tensor of shape (n_hidden, n_features) = ({m}, {n})")
    if b is not None and not model.bias:
        raise InputError("b was given, but the model has no bias; build it with ToyModel(..., bias=True)")
    if b is not None and tuple(b.shape) != (n,):
        raise InputError(f"b has shape {tuple(b.shape)}; give a tensor of shape ({n},)")
    loss, _ = _torch_functions()
    return loss.apply(W, b, objective)


@lru_cache(maxsize=4)
def _kept_objective(model: ToyModel, frequencies: int) -> PopulationLoss:
    return population_objective(model, frequencies)


_SECOND_STEP = 1e-5


@cache
def _torch_functions() -> tuple[Any, Any]:
    """The loss and its gradient as nodes of torch's graph; made on first use, because importing torch takes long."""
    import torch
    from torch.autograd.function import once_differentiable

    def as_numpy(weights: torch.Tensor, bias: torch.Tensor | None) -> tuple[Array, Array]:
        numbers = weights.detach().cpu().double().numpy()
        shifts = np.zeros(numbers.shape[1]) if bias is None else bias.detach().cpu().double().numpy()
        return numbers, shifts

    class Gradient(torch.autograd.Function):
        """dL/dW and dL/db, already known; their derivative along a direction is a central difference."""

        @staticmethod
        def forward(ctx: Any, weights: Any, bias: Any, objective: Any, d_weights: Array, d_bias: Array) -> Any:
            ctx.save_for_backward(weights, bias)
            ctx.objective = objective
            return weights.new_tensor(d_weights), weights.new_tensor(d_bias)

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, *pulls: Any) -> Any:
            weights, bias = ctx.saved_tensors
            W, b = as_numpy(weights, bias)
            along, shift = as_numpy(*pulls)
            length = float(np.sqrt((along**2).sum() + (shift**2).sum()))
            if length == 0:
                return torch.zeros_like(weights), None if bias is None else torch.zeros_like(bias), None, None, None
            step = _SECOND_STEP * max(1.0, float(np.abs(W).max())) / length
            sides = np.array([step, -step])
            _, d_weights, d_bias = ctx.objective(
                W + sides[:, None, None] * along, b + sides[:, None] * (0.0 if bias is None else shift)
            )
            products = [(side[0] - side[1]) / (2 * step) for side in (d_weights, d_bias)]
            second = None if bias is None else weights.new_tensor(products[1])
            return weights.new_tensor(products[0]), second, None, None, None

    class Loss(torch.autograd.Function):
        """A numpy function with a numpy gradient."""

        @staticmethod
        def forward(ctx: Any, weights: Any, bias: Any, objective: Any) -> Any:
            W, b = as_numpy(weights, bias)
            value, d_weights, d_bias = objective(W[None], b[None])
            ctx.save_for_backward(weights, bias)
            ctx.objective, ctx.slopes = objective, (d_weights[0], d_bias[0])
            return weights.new_tensor(value[0])

        @staticmethod
        def backward(ctx: Any, *pulls: Any) -> Any:
            weights, bias = ctx.saved_tensors
            d_weights, d_bias = Gradient.apply(weights, bias, ctx.objective, *ctx.slopes)
            return pulls[0] * d_weights, None if bias is None else pulls[0] * d_bias, None

    return Loss, Gradient


def _to_weights(value: Array, d_gram: Array, d_bias: Array, W: Array, importances: Array) -> Losses:
    """From per-row losses (S, n), dL_i/dG_ij (S, n, n) and dL_i/db_i (S, n) to the loss, dL/dW and dL/db."""
    weighted = importances[:, None] * d_gram
    return value @ importances, W @ (weighted + weighted.transpose(0, 2, 1)), importances * d_bias


class _Supports:
    """The binary law: every value of x, weighted by its probability."""

    def __init__(self, model: ToyModel):
        self.densities, self.importances = model_arrays(model)
        self.x, self.probability = supports(model, self.densities)
        self.sigma = scalar_map(model.activation)

    def __call__(self, W: Array, b: Array) -> Losses:
        z = (self.x @ W.transpose(0, 2, 1)) @ W + b[:, None, :]
        miss = self.sigma.value(z) - self.x
        value = np.einsum("k,skn->sn", self.probability, miss**2)
        pull = 2 * self.probability[:, None] * miss * self.sigma.derivative(z)
        d_gram = np.einsum("ski,kj->sij", pull, self.x)
        return _to_weights(value, d_gram, pull.sum(axis=1), W, self.importances)


class _Moments:
    """Polynomial activations: moments of z_i, and of z_i with one or two features left out."""

    def __init__(self, model: ToyModel):
        _, self.importances = model_arrays(model)
        self.a = [float(c) for c in polynomial_coefficients(model.activation) or ()]
        self.square = np.convolve(self.a, self.a)
        self.order = max(2 * (len(self.a) - 1), 1)
        self.raw, self.cumulants = feature_moments(model, max(self.order + 1, 2))

    def __call__(self, W: Array, b: Array) -> Losses:
        gram = W.transpose(0, 2, 1) @ W
        n, raw = gram.shape[-1], self.raw
        own = np.diagonal(gram, axis1=1, axis2=2)
        terms = [gram ** (r + 1) * self.cumulants[r] for r in range(self.order)]
        total = [term.sum(axis=2) + (b if r == 0 else 0) for r, term in enumerate(terms)]
        own_term = [np.diagonal(term, axis1=1, axis2=2) for term in terms]
        whole = moments_from_cumulants(total)
        rest = moments_from_cumulants([t - o for t, o in zip(total, own_term, strict=True)])
        # Without feature j; and for the products x_i x_j without i as well, which for i = j would leave i out twice.
        diagonal = np.eye(n, dtype=bool)
        without = [t[:, :, None] - term for t, term in zip(total, terms, strict=True)]
        one_out = moments_from_cumulants(without)
        two_out = moments_from_cumulants(
            [w - np.where(diagonal, 0.0, o[:, :, None]) for w, o in zip(without, own_term, strict=True)]
        )

        def with_own(power: int, extra: int, others: list[Any]) -> Any:
            """E x_i**extra z_i**power where `others` are the moments of z_i without x_i."""
            return sum(comb(power, t) * raw[t + extra - 1] * own**t * others[power - t] for t in range(power + 1))

        def with_other(power: int, inner: Any) -> Any:
            """E x_j g(z_i) with z_i = y + G_ij x_j, where inner(r) is the expectation with y**r."""
            return sum(comb(power, t) * raw[t] * gram**t * inner(power - t) for t in range(power + 1))

        def own_first(power: int) -> Any:
            """E x_i y**power for y = z_i without x_j, shape (S, n, n)."""
            mass, side = raw[:, :, None], own[:, :, None]
            return sum(comb(power, t) * mass[t] * side**t * two_out[power - t] for t in range(power + 1))

        zero = np.zeros_like(own)
        value = raw[1] + sum(c * whole[r] for r, c in enumerate(self.square)) + zero
        d_bias, d_gram = zero.copy(), np.zeros_like(gram)
        for r, c in enumerate(self.square[1:], start=1):
            d_bias = d_bias + r * c * whole[r - 1]
            d_gram = d_gram + r * c * with_other(r - 1, one_out.__getitem__)
        for k, c in enumerate(self.a):
            value = value - 2 * c * with_own(k, 1, rest)
            if k:
                d_bias = d_bias - 2 * c * k * with_own(k - 1, 1, rest)
                same = 2 * c * k * with_own(k - 1, 2, rest)
                d_gram = d_gram - np.where(diagonal, same[:, :, None], 2 * c * k * with_other(k - 1, own_first))
        return _to_weights(value, d_gram, d_bias, W, self.importances)


class _Frequencies:
    """Any continuous elementwise activation: the split of `quadrature_loss` with a fixed number of frequencies."""

    def __init__(self, model: ToyModel, count: int):
        self.densities, self.importances = model_arrays(model)
        self.sigma, self.law = scalar_map(model.activation), numeric_law(model.law)
        self.count = count if np.isfinite(self.law.upper) else 2 * count
        self.few, self.many = FewActiveGradient(self.sigma, self.law), CompressedGradient(self.law)
        self.forms: list[FourierForm] = []
        self.last: Rows | None = None
        self.room: Array = np.zeros(0)
        self.groups: list[tuple[np.ndarray, FourierForm]] = []

    def __call__(self, W: Array, b: Array) -> Losses:
        starts, n = b.shape
        gram = W.transpose(0, 2, 1) @ W
        rows = make_rows(gram, b, self.densities)
        few = self.few(rows)
        value, d_gram, d_bias = few.value, few.d_gram, few.d_bias
        assert d_gram is not None
        assert d_bias is not None
        for group, form in self._groups(rows):
            part = self.many(rows.take(group), form)
            value[group] += part.value
            d_gram[group] += part.d_gram
            d_bias[group] += part.d_bias
        # A feature that does not show moves z_i by its mean alone, to first order.
        hidden = (rows.gram == 0) & (np.arange(n) != rows.own[:, None])
        d_gram = np.where(hidden, self.densities * self.law.mean * d_bias[:, None], d_gram)
        value = self.densities * self.law.second + value.reshape(starts, n)
        return _to_weights(value, d_gram.reshape(starts, n, n), d_bias.reshape(starts, n), W, self.importances)

    def _groups(self, rows: Rows) -> list[tuple[np.ndarray, FourierForm]]:
        """Rows with the Fourier form each uses: the first that fits, so that the loss is smooth.

        Forms reach beyond the rows they are for, so that rows which have moved little keep theirs without a look.
        """
        if self.last is not None and self.last.gram.shape == rows.gram.shape:
            largest = min(self.law.upper, _LARGEST_VALUE)
            reach = largest * np.abs(rows.gram - self.last.gram).sum(axis=1) + np.abs(rows.bias - self.last.bias)
            if np.all(reach <= self.room):
                return self.groups
        low, high = output_range(self.law, rows, _TAIL, many=_MANY_FEATURES)
        width = high - low
        is_open, groups = width > 0, []
        for form in self.forms:
            fits = is_open & (form.low <= low) & (high <= form.high) & (form.high - form.low <= _LOOSEST * width)
            if fits.any():
                groups.append((np.flatnonzero(fits), form))
                is_open &= ~fits
        left = np.flatnonzero(is_open)
        for members, (start, end) in shared_ranges(low[left], high[left]):
            margin = _MARGIN * (end - start)
            form = fourier_form(self.sigma, start - margin, end + margin, self.count, _GAP_PHASE)
            self.forms = [*self.forms[-63:], form]
            groups.append((left[members], form))
        self.last, self.room, self.groups = rows, np.zeros(len(rows)), groups
        for members, form in groups:
            self.room[members] = np.maximum(np.minimum(low[members] - form.low, form.high - high[members]), 0.0)
        self.room = np.minimum(self.room, _MARGIN * width)
        return groups
