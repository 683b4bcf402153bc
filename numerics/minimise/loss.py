"""The smallest population loss: many starts, a short adaptive descent, a quasi-Newton polish, hops from the best."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from numerics.loss import expected_loss
from numerics.minimise.descent import adam, lbfgs
from numerics.minimise.flat import FlatLoss
from numerics.minimise.hessian import hessian_spectrum
from numerics.minimise.optimum import Optimum
from numerics.minimise.starts import perturbed, starting_points, with_means
from numerics.setting import Array, Progress
from theory import InputError, ToyModel

__all__ = ["Optimum", "minimise_loss"]

_WARM_STEPS, _TRIAL_STEPS, _LAST_STEPS = 80, 60, 40
_WARM_RATE = 0.05
_COARSE, _FINE, _FINEST = 64, 128, 512
# A trial that is further above the best is given up, unless it is among the better third.
_HOPELESS = 0.03
# What is closer to the best than this is scored by `expected_loss`.
_CLOSE = 1e-4
_HESSIAN_COUNT = 6


def minimise_loss(
    model: ToyModel,
    restarts: int = 8,
    seed: int = 0,
    steps: int = 300,
    progress: Progress | None = None,
    *,
    hops: int | None = None,
    hessian: bool | int = False,
) -> Optimum:
    """The smallest expected loss found over W, and over b where the model has a bias.

    Starts are small optima composed as a direct sum (from two starts on, for equal features in four or more hidden
    dimensions), the optimum of the sparse limit, the zero-interference configurations (orthonormal, antipodal) and, at
    least half, random directions. All descend together: 80 steps of Adam and at most 60 of L-BFGS on a coarse
    quadrature, then L-BFGS on a fine one for those that are not hopeless. Perturbed copies of the best (some features
    redrawn, or every weight shaken) follow. The best is polished once more, and its loss computed by `expected_loss`.
    It is an upper estimate of L*: nothing proves that no better minimum exists, but `Optimum.success_rate` tells how
    many searches agree and `Optimum.lower_bound` what is proved.

    An interrupt from the keyboard ends the search, and the best so far is returned with `is_complete` False. The same
    arguments give the same result.

    Args:
        model: every value a number; an elementwise, continuous activation.
        restarts: number of starts, at least 1.
        seed: of the random starts and hops.
        steps: quasi-Newton steps per start.
        progress: called with (done, total, text).
        hops: number of perturbed copies of the best; by default half the number of starts, and none for one start.
        hessian: True for the 6 smallest eigenvalues of the Hessian at the end, or how many.

    Raises:
        InputError: symbols in the model, an activation without population gradient, restarts or steps below 1, hops
            below 0.
    """
    hops = restarts // 2 if hops is None else hops
    for name, number, least in (("restarts", restarts, 1), ("steps", steps, 1), ("hops", hops, 0)):
        if isinstance(number, bool) or number != int(number) or number < least:
            raise InputError(f"{name}={number} must be an integer >= {least}")
    if not isinstance(hessian, bool) and (hessian != int(hessian) or hessian < 1):
        raise InputError(f"hessian={hessian} must be True, False or an integer >= 1")
    model.require_numbers()
    started = perf_counter()
    rng = np.random.default_rng(seed)
    search = _Search(model, steps, 1 if hops == 0 else 2, progress)
    is_complete, made = True, 0
    try:
        search.descend(*starting_points(model, restarts, rng))
        if hops:
            search.descend(*perturbed(model, *search.weights(search.best()), hops, rng))
            made = hops
        point = search.polish()
    except KeyboardInterrupt:
        if not search.has_begun:
            raise
        is_complete, point = False, search.best()
    W, b = search.weights(point)
    loss = expected_loss(model, W, b)
    _, gradient = search.finest(point[None])
    spectrum = None
    if hessian and is_complete:
        search.tell("Hessian")
        spectrum = hessian_spectrum(model, W, b, _HESSIAN_COUNT if hessian is True else hessian)
    losses = search.losses(loss.value)
    search.tell("done", at_end=True)
    return Optimum(
        W=W,
        b=b,
        loss=loss,
        gradient_norm=float(np.linalg.norm(gradient)) * search.fine.scale,
        losses=losses,
        hops=made,
        hessian=spectrum,
        is_complete=is_complete,
        model=model,
        seed=seed,
        evaluations=search.coarse.calls + search.fine.calls + search.finest.calls,
        seconds=perf_counter() - started,
    )


class _Search:
    """Descents of several starts together, and where they ended."""

    def __init__(self, model: ToyModel, steps: int, rounds: int, progress: Progress | None):
        self.model, self.steps = model, steps
        self.coarse, self.fine, self.finest = (FlatLoss(model, count) for count in (_COARSE, _FINE, _FINEST))
        self.ends: list[tuple[Array, Array]] = []
        self.progress, self.text = progress, "start"
        self.calls, self.total = 0, rounds * (_WARM_STEPS + min(steps, _TRIAL_STEPS) + steps) + _LAST_STEPS

    def tell(self, text: str, at_end: bool = False) -> None:
        """Report progress: calls of the objective made, and the most that there can be."""
        self.text = text
        if self.progress is not None:
            self.progress(self.total if at_end else min(self.calls, self.total - 1), self.total, text)

    def _ticking(self, loss: FlatLoss):  # type: ignore[no-untyped-def]
        def evaluate(x: Array, index: np.ndarray) -> tuple[Array, Array]:
            found = loss(x, index)
            self.calls += 1
            self.tell(self.text)
            return found

        return evaluate

    def descend(self, W: Array, b: Array | None) -> None:
        """Warm start, trial and polish of all the points; those that turn out hopeless end with their trial."""
        begun = self.calls
        self.tell("warm start")
        coarse, fine = self._ticking(self.coarse), self._ticking(self.fine)
        x = adam(coarse, self.fine.join(W, b), _WARM_STEPS, _WARM_RATE, _WARM_RATE / 10)
        self.text = "quasi-Newton"
        trial = lbfgs(coarse, x, min(self.steps, _TRIAL_STEPS), gradient_tolerance=1e-9, value_tolerance=1e-10)
        values = np.where(np.isfinite(trial.value), trial.value, np.inf)
        least = min([values.min(), *(float(value.min()) for _, value in self.ends)])
        third = np.sort(values)[(len(values) - 1) // 3]
        kept = np.flatnonzero(values <= max(third, least + _HOPELESS * abs(least)))
        self.text = "polish"
        found = lbfgs(fine, trial.x[kept], self.steps, gradient_tolerance=1e-10, value_tolerance=1e-12)
        x, values = trial.x.copy(), values.copy()
        x[kept], values[kept] = found.x, found.value
        self.ends.append((x, values))
        # Starts that converge early leave the count behind the plan.
        self.calls = max(self.calls, begun + _WARM_STEPS + min(self.steps, _TRIAL_STEPS) + self.steps)

    @property
    def has_begun(self) -> bool:
        """Whether any point has been evaluated."""
        return self.fine.best[1] is not None or self.coarse.best[1] is not None

    def best(self) -> Array:
        """The best point so far, by the finest quadrature that has seen any."""
        if self.ends:
            x, values = np.concatenate([x for x, _ in self.ends]), np.concatenate([v for _, v in self.ends])
            return x[int(np.argmin(values))]
        point = self.coarse.best[1] if self.fine.best[1] is None else self.fine.best[1]
        assert point is not None
        return point

    def weights(self, point: Array) -> tuple[Array, Array | None]:
        """W and b of one point."""
        W, b = self.fine.split(point[None])
        return W[0], None if b is None else b[0]

    def polish(self) -> Array:
        """The best point of all, once more on the finest quadrature."""
        self.text = "last polish"
        best = self.best()
        spoken = with_means(self.model, *self.weights(best))
        points = [best[None]] if spoken is None else [best[None], self.finest.join(*(part[None] for part in spoken))]
        found = lbfgs(
            self._ticking(self.finest),
            np.concatenate(points),
            min(self.steps, _LAST_STEPS),
            gradient_tolerance=1e-12,
            value_tolerance=1e-14,
        )
        return found.x[int(np.argmin(np.nan_to_num(found.value, nan=np.inf)))]

    def losses(self, best: float) -> Array:
        """The losses of all ends, smallest first; those close to the best by `expected_loss`."""
        found = []
        for x, values in self.ends:
            for point, value in zip(x, values * self.fine.scale, strict=True):
                is_close = abs(value - best) <= _CLOSE * abs(best)
                found.append(expected_loss(self.model, *self.weights(point)).value if is_close else float(value))
        return np.sort(found)
