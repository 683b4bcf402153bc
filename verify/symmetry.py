"""Does f commute with a group? Proved from the theory, or refuted by a counterexample that a person can check."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import sympy

from theory import Activation, InputError, Layer, MatrixGroup, equivariance_group
from theory.arguments import as_positive_count
from theory.layers import as_map
from theory.symmetry.enclosure import enclose, sign_of
from verify.strategies import activation_inputs, as_group, group_elements
from verify.verdicts import Verdict

__all__ = ["EquivarianceCounterexample", "assert_equivariance", "check_equivariance"]

_ROUNDINGS = 64


@dataclass(frozen=True)
class EquivarianceCounterexample:
    """A in the claimed group and x with f(Ax) != A f(x).

    Attributes:
        A: the group element, shape (n, n): exact rationals for symbolic maps, floats for black boxes.
        x: the input, shape (n,).
        coordinate: the entry in which the two sides differ, from 0.
        left: that entry of f(Ax): exact, or a float.
        right: that entry of A f(x).
        is_exact: whether the inequality is proved by intervals rather than seen in floating point.
    """

    A: Any
    x: tuple[Any, ...]
    coordinate: int
    left: Any
    right: Any
    is_exact: bool

    def __str__(self) -> str:
        rows = [[str(value) for value in row] for row in np.array(self.A.tolist(), dtype=object).tolist()]
        width = max(len(value) for row in rows for value in row)
        lines = [
            ("A = " if i == 0 else "    ") + "[" + "  ".join(v.rjust(width) for v in row) + "]"
            for i, row in enumerate(rows)
        ]
        lines.append(f"x = ({', '.join(map(str, self.x))})")
        i = self.coordinate + 1
        if not self.is_exact:
            return "\n".join([*lines, f"f(Ax)_{i} = {self.left!r}", f"(A f(x))_{i} = {self.right!r}"])
        lines.append(f"f(Ax)_{i}   = {_shown(self.left)}")
        lines.append(f"(A f(x))_{i} = {_shown(self.right)}")
        # Not from floats: the two sides may agree in every digit that a float has.
        relation = "<" if sign_of(self.left - self.right, or_zero=False) == -1 else ">"
        return "\n".join([*lines, f"f(Ax)_{i} {relation} (A f(x))_{i}, proved by interval arithmetic"])

    def to_dict(self) -> dict[str, Any]:
        """Plain strings and numbers, ready for JSON."""
        return {
            "A": [[str(value) for value in row] for row in self.A.tolist()],
            "x": [str(value) for value in self.x],
            "coordinate": self.coordinate,
            "left": str(self.left),
            "right": str(self.right),
            "left_value": _as_float(self.left),
            "right_value": _as_float(self.right),
            "is_exact": self.is_exact,
        }


def check_equivariance(
    f: Any, group: MatrixGroup | str, n: int | None = None, examples: int = 300, seed: int = 0
) -> Verdict:
    """Whether f(Ax) = A f(x) for all A in the group and all x in R^n.

    For a map with a symbolic form the answer is a proof where there is one: "proved" if the group lies in the derived
    equivariance group, "refuted" with a rational A and x whose two sides differ by interval arithmetic. A black box
    (callable or torch module acting on the last axis) is tested in float64 with a tolerance of rounding size; its
    refutation is float evidence, and silence is "supported".

    Args:
        f: an `Activation` or `Layer`, anything `theory.activation` accepts, the name of a layer, a numpy callable or a
            torch module.
        group: a `MatrixGroup`, or a key such as "B" together with n.
        n: the dimension.
        examples: how many random pairs (A, x) to try where no proof decides, >= 1.
        seed: of the search.

    Raises:
        InputError: unknown group or activation, a dimension missing, or a callable that does not map R^n to R^n.

    Source: docs/symmetry.md, tests and tolerance.
    """
    examples = int(as_positive_count("examples", examples))
    claimed = as_group(group, n)
    if callable(f) and not isinstance(f, str | Activation | Layer | sympy.Expr):
        return _check_black_box(f, claimed, examples, seed)
    return _check_symbolic(as_map(f), claimed, examples, seed)


def assert_equivariance(
    f: Any, group: MatrixGroup | str, n: int | None = None, examples: int = 300, seed: int = 0
) -> None:
    """Raise AssertionError with the smallest counterexample found unless f commutes with the group.

    Arguments and errors as `check_equivariance`; an undecided verdict fails as well.
    """
    __tracebackhide__ = True
    verdict = check_equivariance(f, group, n, examples, seed)
    if verdict.exit_code != 0:
        raise AssertionError(str(verdict))


# --- maps with a symbolic form ---------------------------------------------------------------------------------------


def _check_symbolic(activation: Activation | Layer, claimed: MatrixGroup, examples: int, seed: int) -> Verdict:
    statement = f"{activation.name} on R^{claimed.n} commutes with {claimed.name}"
    derived = equivariance_group(activation, claimed.n)
    if claimed.is_subgroup(derived):
        which = "exactly" if derived == claimed and derived.status == "proved" else "at least"
        return Verdict(
            statement,
            "proved",
            f"its equivariance group is {which} {derived.name}. " + ". ".join(derived.proof),
            seed=seed,
        )
    if activation.parameters:
        names = ", ".join(sorted(map(str, activation.parameters)))
        return Verdict(
            statement,
            "undecided",
            f"free parameters {names}: substitute numbers to search for a counterexample",
            seed=seed,
        )
    tried = 0
    for A, x in _candidates(activation, claimed, derived):
        tried += 1
        found = _refutes(activation, A, x)
        if found is not None:
            return _refuted(statement, found, derived, tried, seed)
    found = _search(activation, claimed, examples, seed)
    if found is not None:
        return _refuted(statement, found, derived, tried + examples, seed)
    evidence = {"tried": tried + examples}
    if derived.status == "proved":
        why = f"its equivariance group is exactly {derived.name}; no exact counterexample was found for display"
        return Verdict(statement, "refuted", why, is_exact=True, evidence=evidence, seed=seed)
    return Verdict(
        statement,
        "supported",
        f"no counterexample among {tried + examples} exact tries; {derived.proof[-1]}",
        evidence=evidence,
        seed=seed,
    )


def _refuted(statement: str, found: EquivarianceCounterexample, derived: MatrixGroup, tried: int, seed: int) -> Verdict:
    why = f"its equivariance group is {derived.name}" if derived.status == "proved" else "by the counterexample"
    return Verdict(statement, "refuted", why, found, is_exact=True, evidence={"tried": tried}, seed=seed)


def _candidates(
    activation: Activation | Layer, claimed: MatrixGroup, derived: MatrixGroup
) -> Iterator[tuple[sympy.Matrix, list[sympy.Expr]]]:
    """Readable pairs first: generators that are not known to commute, inputs with entries of small size."""
    n = claimed.n
    patterns = [*product((0, 1, -1, 2), repeat=min(n, 2)), (3, 4), (4, 3), (10, 0), (1000, 0)]
    inputs = [[sympy.Integer(v) for v in (*pattern, *[0] * n)][:n] for pattern in patterns if any(pattern)]
    inputs += [[sympy.Rational(v) for v in ("1/2", "-1/3", *["2"] * n)][:n], [sympy.Rational(1, 10)] * n]
    # Beside the kinks, where a map may leave the formula it has near 0.
    beside = [kink + side for kink in _kinks(activation) if kink.is_Rational for side in (1, -1)]
    inputs += [[sign * value, *[sympy.Integer(0)] * (n - 1)] for value in beside for sign in (1, -1)]
    for A in map(sympy.Matrix, claimed.generators()):
        if not derived.contains(A):
            for x in inputs:
                yield A, x


def _refutes(activation: Activation | Layer, A: sympy.Matrix, x: list[sympy.Expr]) -> EquivarianceCounterexample | None:
    """The first coordinate in which f(Ax) and A f(x) provably differ."""
    moved = list(A * sympy.Matrix(x))
    left, plain = activation.on(moved), activation.on(x)
    right = list(A * sympy.Matrix(plain))
    for i in range(A.rows):
        if sign_of(left[i] - right[i], or_zero=False) in (1, -1):
            return EquivarianceCounterexample(A, tuple(x), i, left[i], right[i], is_exact=True)
    return None


def _search(
    activation: Activation | Layer, claimed: MatrixGroup, examples: int, seed: int
) -> EquivarianceCounterexample | None:
    """Hypothesis looks for an exact pair that differs, and shrinks it."""
    import hypothesis
    from hypothesis import strategies as st

    pairs = st.tuples(group_elements(claimed), activation_inputs(claimed.n, kinks=_kinks(activation)))

    def differs(pair: tuple[sympy.Matrix, list[sympy.Expr]]) -> bool:
        return _refutes(activation, *pair) is not None

    pair = _find(hypothesis, pairs, differs, examples, seed)
    return None if pair is None else _refutes(activation, *pair)


def _find(hypothesis: Any, strategy: Any, condition: Callable[[Any], bool], examples: int, seed: int) -> Any:
    """`hypothesis.find` with a seed: the simplest example found, or None."""
    import random

    settings = hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return hypothesis.find(strategy, condition, settings=settings, random=random.Random(seed))
    except hypothesis.errors.NoSuchExample:
        return None


def _kinks(activation: Activation | Layer) -> tuple[sympy.Expr, ...]:
    try:
        return activation.kinks if isinstance(activation, Activation) and activation.is_elementwise else ()
    except InputError:  # no closed form: a search without them is still a search
        return ()


# --- black boxes -----------------------------------------------------------------------------------------------------


def _check_black_box(f: Callable[..., Any], claimed: MatrixGroup, examples: int, seed: int) -> Verdict:
    import hypothesis
    from hypothesis import strategies as st

    label = getattr(f, "__name__", None) or type(f).__name__
    statement = f"{label} on R^{claimed.n} commutes with {claimed.name}"
    evaluate = _as_numpy(f, claimed.n)
    probe = np.linspace(-1.3, 1.7, claimed.n)
    if not np.array_equal(evaluate(probe), evaluate(probe)):
        return Verdict(
            statement, "undecided", "two calls with the same input differ: not a fixed map R^n -> R^n", seed=seed
        )

    unit = _unit_roundoff(evaluate, claimed.n)

    def counterexample(pair: tuple[np.ndarray, np.ndarray]) -> EquivarianceCounterexample | None:
        A, x = pair
        with np.errstate(all="ignore"):
            plain, moved = evaluate(x), A @ x
            left, right = evaluate(moved), A @ plain
            # Rounding of A x reaches the output through the local slope of f, measured by a step of rounding size. The
            # map may mix coordinates inside, so errors are relative to the largest entry; below it, to the subnormals.
            reach = np.abs(A).sum(axis=1)
            step = unit * reach * np.abs(x).max()
            slope = np.abs(evaluate(moved + step) - left) + np.abs(evaluate(moved - step) - left)
            size = reach * (np.abs(plain).max() + np.abs(x).max()) + np.abs(left) + np.abs(moved)
            allowed = _ROUNDINGS * (unit * size + slope + np.finfo(float).tiny)
            worse = np.isfinite(left) & np.isfinite(right) & np.isfinite(allowed) & (np.abs(left - right) > allowed)
        if not worse.any():
            return None
        i = int(np.argmax(worse))
        return EquivarianceCounterexample(
            A, tuple(float(v) for v in x), i, float(left[i]), float(right[i]), is_exact=False
        )

    pairs = st.tuples(group_elements(claimed, exact=False), activation_inputs(claimed.n, exact=False))
    pair = _find(hypothesis, pairs, lambda p: counterexample(p) is not None, examples, seed)
    if pair is None:
        return Verdict(
            statement,
            "supported",
            f"no counterexample among {examples} floating-point tries; a black box is never proved",
            evidence={"tried": examples},
            seed=seed,
        )
    return Verdict(
        statement,
        "refuted",
        "seen in floating point, beyond rounding",
        counterexample(pair),
        evidence={"tried": examples},
        seed=seed,
    )


def _as_numpy(f: Callable[..., Any], n: int) -> Callable[[np.ndarray], np.ndarray]:
    """f as a map of float64 vectors; torch modules run in double precision on the CPU, in evaluation mode.

    Raises:
        InputError: f fails on a vector of length n, or does not return n real numbers there.
    """
    if hasattr(f, "state_dict") and hasattr(f, "forward"):
        import copy

        module: Any = copy.deepcopy(f)
        raw = _on_tensors(module.double().cpu().eval())
    else:
        raw = f

    def evaluate(x: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            value = np.asarray(raw(np.array(x, dtype=np.float64)))
        if np.iscomplexobj(value):
            raise TypeError("the values are complex numbers")
        return value.astype(np.float64)

    probes = [sign * np.roll(np.linspace(-1.0, 2.0, n), k) for k in range(min(n, 3)) for sign in (1, -1)]
    try:
        values = [evaluate(x) for x in probes]
    except Exception as problem:
        # A plain function of torch tensors, such as torch.tanh, does not take arrays.
        if "Tensor" not in str(problem):
            raise _failed(n, problem) from problem
        raw = _on_tensors(f)
        try:
            values = [evaluate(x) for x in probes]
        except Exception as second:
            raise _failed(n, second) from second
    for x, value in zip(probes, values, strict=True):
        if value.shape != (n,):
            raise InputError(f"f maps a vector of length {n} to shape {value.shape}; it must map R^n to R^n")
        if np.isnan(value).any():
            raise InputError(f"f is NaN at x={x.tolist()}; it must be defined on all of R^n")
    return evaluate


def _unit_roundoff(evaluate: Callable[[np.ndarray], np.ndarray], n: int) -> float:
    """That of float64, unless every value is a float32: then the map computes in single precision inside."""
    values = [evaluate(np.linspace(-1.3, 1.7, n) * scale) for scale in (1.0, 0.7, 1 / 3, 2.1)]
    with np.errstate(over="ignore"):
        single = all(np.array_equal(value, value.astype(np.float32)) for value in values)
    return float(np.finfo(np.float32 if single else np.float64).eps)


def _on_tensors(f: Callable[..., Any]) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    def evaluate(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return f(torch.from_numpy(x)).numpy()

    return evaluate


def _failed(n: int, problem: Exception) -> InputError:
    return InputError(f"f failed on a vector of length {n}: {type(problem).__name__}: {problem}")


def _shown(value: sympy.Expr) -> str:
    return str(value) if value.is_Rational else f"{value} = {decimal(value)}…"


def _as_float(value: Any) -> float | None:
    """None where a float overflows."""
    try:
        return float(value)
    except OverflowError:
        return None


def decimal(value: sympy.Expr, digits: int = 12) -> str:
    """The first significant digits of an exact real number, cut off rather than rounded, each certainly right."""
    low, high = enclose(value, 256)
    if low <= 0 <= high or abs(high) >= 10**digits or abs(low) * 10**digits < 1:
        return f"{float(low):.6g}" if abs(high) < 10**300 else str(sympy.N(value, digits))
    places = digits - len(str(int(min(abs(low), abs(high))))) if abs(low) >= 1 else digits
    ends = {int(abs(end) * 10**places) for end in (low, high)}
    whole, part = divmod(ends.pop(), 10**places)
    return f"{'-' if high < 0 else ''}{whole}.{part:0{places}d}" if not ends else f"{float(low):.6g}"
