"""Hypothesis strategies for symmetry tests: exact and float group elements, and inputs chosen to break things."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
from hypothesis import strategies as st

from theory import MatrixGroup, group
from theory.arguments import InputError, as_positive_count, one_of
from theory.symmetry.blocks import FormGroup, ScaledPermutations, SortBlock
from theory.symmetry.composite import CompositeGroup, Part
from theory.symmetry.elements import MONOMIAL, ORTHOGONAL, SCALES, cayley, permutation_matrix, shear

__all__ = ["activation_inputs", "equivariance_cases", "group_elements"]

_TINY = (sympy.Rational(1, 100), sympy.Rational(1, 10**6))
_FAR = tuple(map(sympy.Integer, (20, -20, 100, -100, 1000, -1000)))


def group_elements(
    which: MatrixGroup | str, n: int | None = None, exact: bool = True, dtype: str = "float64"
) -> st.SearchStrategy[Any]:
    """Elements of a group, simplest first: rational sympy matrices, or float arrays.

    Every named group and every group that is derived for a layer. O(n) and SO(n) are covered by Cayley transforms times
    signs and permutations, GL(n) and Stab(1) by products of shears, scaled permutations by rational scales; groups of
    layers are put together block by block.

    Args:
        which: a group or its key.
        n: the dimension, needed with a key.
        exact: exact sympy matrices if True (rational for the named groups), else arrays of shape (n, n): the same
            matrices rounded, and random ones (Haar where the group is compact).
        dtype: "float32" or "float64", of the arrays.

    Raises:
        InputError: unknown key or dtype, or a key without a dimension.
    """
    found = as_group(which, n)
    number = _number_type(dtype)
    strategy = _moved_elements(found)
    if exact:
        return strategy
    # Adding 0 turns the -0.0 of a product of signs into 0.0.
    rounded = strategy.map(lambda A: (np.array(A.tolist(), dtype=float) + 0.0).astype(number))
    if found.key == "intersection":
        return rounded
    seeds = st.integers(0, 2**16)
    return rounded | seeds.map(lambda seed: found.sample(np.random.default_rng(seed)).astype(number))


def activation_inputs(
    n: int, exact: bool = True, kinks: tuple[Any, ...] = (), dtype: str = "float64"
) -> st.SearchStrategy[Any]:
    """Inputs x in R^n, simplest first, chosen to break activations.

    Small rationals; signed zeros, subnormals and huge values; the kinks and their neighbours among the floats; ties,
    for what sorts or takes a maximum; vectors near the all-ones line, where normalisation cancels.

    Args:
        n: the dimension.
        exact: lists of sympy Rationals if True, else arrays of shape (n,).
        kinks: points worth trying, and their neighbourhoods.
        dtype: "float32" or "float64", of the arrays; the neighbours of the kinks are of this type in either case.

    Raises:
        InputError: n < 1 or unknown dtype.
    """
    size, number = int(as_positive_count("n", n)), _number_type(dtype)
    entry = _exact_entries(kinks, number) if exact else _float_entries(kinks, number)
    anywhere = st.lists(entry, min_size=size, max_size=size)
    small = st.sampled_from([0, *_TINY, -_TINY[0], -_TINY[1]])
    steps = st.lists(small, min_size=size, max_size=size)
    # Two values only, so that the largest entry is seldom alone; then equal up to a small step.
    ties = st.lists(entry, min_size=1, max_size=2).flatmap(
        lambda values: st.lists(st.sampled_from(values), min_size=size, max_size=size)
    )
    if exact:
        near_ones = st.tuples(entry, steps).map(lambda drawn: [drawn[0] + step for step in drawn[1]])
        return anywhere | ties | near_ones
    near_floats = st.tuples(entry, steps).map(lambda drawn: [drawn[0] * (1 + float(step)) for step in drawn[1]])
    return (anywhere | ties | near_floats).map(lambda values: np.array(values, dtype=number))


def equivariance_cases(
    f: Any, group: MatrixGroup | str, n: int | None = None, dtype: str = "float64"
) -> st.SearchStrategy[Any]:
    """Cases (A, x) of the claim f(Ax) = A f(x), for `hypothesis.given`: see `verify.symmetry.equivariance_cases`."""
    from verify.symmetry.cases import equivariance_cases as cases

    return cases(f, group, n, dtype)


def as_group(which: MatrixGroup | str, n: int | None) -> MatrixGroup:
    """A group from a group or a key and a dimension."""
    if isinstance(which, MatrixGroup):
        if n is not None and n != which.n:
            raise InputError(f"n={n} differs from the dimension {which.n} of {which.name}")
        return which
    if not isinstance(which, str):
        raise InputError(f"group={which!r} must be a MatrixGroup or a key such as 'B'")
    if n is None:
        group(which, 1)  # an unknown key is the first thing to report
        raise InputError(f"group={which!r} needs a dimension: give n")
    return group(which, n)


# --- inputs ----------------------------------------------------------------------------------------------------------


def _number_type(dtype: str) -> Any:
    return np.dtype(one_of("dtype", dtype, ("float32", "float64"))).type


def _neighbours(kinks: tuple[Any, ...], number: Any) -> list[Any]:
    """The float at each kink, signed, and the next ones on both sides."""
    points = [number(float(kink)) * sign for kink in kinks for sign in (1, -1)]
    return [v for p in points for v in (p, np.nextafter(p, number(np.inf)), np.nextafter(p, number(-np.inf)))]


def _exact_entries(kinks: tuple[Any, ...], number: Any) -> st.SearchStrategy[sympy.Rational]:
    whole = st.integers(-6, 6).map(sympy.Integer)
    fractions = st.builds(sympy.Rational, st.integers(-30, 30), st.integers(1, 10))
    rational = [sympy.Rational(k) for k in kinks if sympy.sympify(k).is_Rational]
    near = [k + e for k in rational for e in (0, *_TINY, *(-e for e in _TINY))]
    near += [sympy.Rational(float(v)) for v in _neighbours(kinks, number)]
    return whole | fractions | st.sampled_from([*near, *_TINY, *_FAR])


def _float_entries(kinks: tuple[Any, ...], number: Any) -> st.SearchStrategy[float]:
    """Signed zeros, subnormals, the ends of the range: where floating-point code goes wrong first."""
    info = np.finfo(number)
    huge = (1e12, 1e30) if number is np.float64 else (1e12,)
    sizes = (info.smallest_subnormal, info.tiny, np.nextafter(info.tiny, number(0)), 1e-30, 1e-8, 20, 80, 700, *huge)
    extreme = [0.0, -0.0, *(sign * float(number(v)) for v in sizes for sign in (1, -1))]
    width = 8 * np.dtype(number).itemsize
    far = float(number(1e6))
    return (
        st.floats(-6, 6, width=width)
        | st.sampled_from([*extreme, *map(float, _neighbours(kinks, number))])
        | st.floats(-far, far, allow_subnormal=True, width=width)
    )


# --- group elements --------------------------------------------------------------------------------------------------


def _moved_elements(found: MatrixGroup) -> st.SearchStrategy[sympy.Matrix]:
    strategy = _own_elements(replace(found, conjugator=None))
    if found.conjugator is None:
        return strategy
    R = sympy.Matrix(found.conjugator)
    inverse = R.inv()
    return strategy.map(lambda A: inverse * A * R)


def _own_elements(found: MatrixGroup) -> st.SearchStrategy[sympy.Matrix]:
    if isinstance(found, CompositeGroup):
        return _composite_elements(found)
    if isinstance(found, ScaledPermutations):
        permutations = st.permutations(range(found.n)).map(permutation_matrix)
        return st.tuples(st.sampled_from(SCALES), permutations).map(lambda drawn: drawn[0] * drawn[1])
    if isinstance(found, SortBlock):
        return _sort_elements(found)
    if isinstance(found, FormGroup):
        return _form_elements(found)
    return _named_elements(found) if type(found) is MatrixGroup else _words(found)


def _named_elements(found: MatrixGroup) -> st.SearchStrategy[sympy.Matrix]:
    n, key = found.n, found.key
    if key == "trivial" or (key == "Stab1" and n == 1):
        return st.just(sympy.eye(n))
    permutations = st.permutations(range(n)).map(permutation_matrix)
    signs = st.lists(st.sampled_from([1, -1]), min_size=n, max_size=n).map(lambda s: sympy.diag(*s))
    scales = st.lists(st.sampled_from(SCALES), min_size=n, max_size=n).map(lambda s: sympy.diag(*s))
    if key in MONOMIAL:
        scaled = (scales,) if key in ("R+ wr S", "R* wr S") else ()
        return _products(permutations, *scaled, *((signs,) if key in ("B", "R* wr S") else ()))
    if key in ORTHOGONAL:
        rotations = _cayley_transforms(n)
        if key == "SO":
            return rotations
        orthogonal = _products(rotations, permutations, signs)
        return orthogonal if key == "O" else st.tuples(st.sampled_from(SCALES), orthogonal).map(lambda p: p[0] * p[1])
    if key == "S + 1v":
        shifts = st.lists(st.sampled_from([0, *SCALES, *(-s for s in SCALES)]), min_size=n, max_size=n)
        return st.tuples(permutations, shifts.filter(lambda v: sum(v) != -1)).map(
            lambda p: p[0] + sympy.ones(n, 1) * sympy.Matrix([p[1]])
        )
    shears = [_shears(n, fixes_ones=key == "Stab1")] if n > 1 else []
    return _products(*shears, permutations) if key == "Stab1" else _products(*shears, permutations, scales, signs)


def _composite_elements(found: CompositeGroup) -> st.SearchStrategy[sympy.Matrix]:
    """One block for each copy, the copies permuted, and any shears into the first part."""
    ends = [0]
    for part in found.parts:
        ends.append(ends[-1] + part.size)
    first = ends[1]
    free = first * (found.n - first) if found.sheared else 0
    amounts = st.lists(st.sampled_from([0, *SCALES, *(-s for s in SCALES)]), min_size=free, max_size=free)

    def whole(drawn: tuple[Any, ...]) -> sympy.Matrix:
        *parts, shears = drawn
        A = sympy.zeros(found.n)
        for (start, stop), block in zip(pairwise(ends), parts, strict=True):
            A[start:stop, start:stop] = block
        if free:
            A[:first, first:] = sympy.Matrix(first, found.n - first, shears)
        return A

    return st.tuples(*map(_part_elements, found.parts), amounts).map(whole)


def _part_elements(part: Part) -> st.SearchStrategy[sympy.Matrix]:
    m, k = part.copies, part.block.n
    blocks = st.lists(_moved_elements(part.block), min_size=m, max_size=m)

    def placed(drawn: tuple[list[sympy.Matrix], list[int]]) -> sympy.Matrix:
        A = sympy.zeros(part.size)
        for i, (block, j) in enumerate(zip(*drawn, strict=True)):
            A[i * k : (i + 1) * k, j * k : (j + 1) * k] = block
        return A

    return st.tuples(blocks, st.permutations(range(m))).map(placed)


def _sort_elements(found: SortBlock) -> st.SearchStrategy[sympy.Matrix]:
    scales = st.sampled_from(SCALES)
    if not found.every:
        choices = st.sampled_from([sympy.eye(found.n), -found.reversal()])
        return st.tuples(scales, choices).map(lambda drawn: drawn[0] * drawn[1])
    permutations = st.permutations(range(found.n + 1)).map(lambda images: found.restricted(permutation_matrix(images)))
    return st.tuples(scales, st.sampled_from([1, -1]), permutations).map(lambda d: d[0] * d[1] * d[2])


def _form_elements(found: FormGroup) -> st.SearchStrategy[sympy.Matrix]:
    """A product of reflections and a Cayley transform of the Lie algebra."""
    one = sympy.eye(found.n)
    reflections = [st.sampled_from([one, sympy.Matrix(A)]) for A in found.discrete_generators()]
    rotations = [X for X in found.lie_algebra() if sympy.Matrix(X) != one or not found.scaled]
    if rotations:
        weight = st.builds(sympy.Rational, st.integers(-3, 3), st.integers(1, 3))
        weights = st.lists(weight, min_size=len(rotations), max_size=len(rotations))

        def cayley_of(drawn: list[sympy.Rational]) -> sympy.Matrix:
            X = sum((w * Y for w, Y in zip(drawn, rotations, strict=True)), sympy.zeros(found.n))
            return (one - X) * (one + X).inv()

        reflections.append(weights.map(cayley_of))
    scaled = [st.sampled_from(SCALES).map(lambda s: s * one)] if found.scaled else []
    return _products(*reflections, *scaled) if reflections or scaled else st.just(one)


def _words(found: MatrixGroup) -> st.SearchStrategy[sympy.Matrix]:
    """Short products of generators, where no parametrisation is known."""
    generators = st.sampled_from([sympy.eye(found.n), *map(sympy.Matrix, found.generators())])
    return st.lists(generators, min_size=1, max_size=3).map(lambda drawn: reduce(lambda A, B: A * B, drawn))


def _products(*factors: st.SearchStrategy[sympy.Matrix]) -> st.SearchStrategy[sympy.Matrix]:
    return st.tuples(*factors).map(lambda drawn: reduce(lambda A, B: A * B, drawn))


def _cayley_transforms(n: int) -> st.SearchStrategy[sympy.Matrix]:
    count = n * (n - 1) // 2
    entry = st.builds(sympy.Rational, st.integers(-3, 3), st.integers(1, 3))
    return st.lists(entry, min_size=count, max_size=count).map(lambda entries: cayley(n, entries))


def _shears(n: int, fixes_ones: bool) -> st.SearchStrategy[sympy.Matrix]:
    pairs = st.permutations(range(n)).map(lambda p: (p[0], p[1], p[2] if n > 2 else p[0]))
    amounts = st.sampled_from([1, -1, 2, sympy.Rational(1, 2)])
    one = st.tuples(pairs, amounts).map(lambda d: shear(n, *d[0][:2], d[1], against=d[0][2] if fixes_ones else None))
    return st.lists(one, min_size=1, max_size=4).map(lambda drawn: reduce(lambda A, B: A * B, drawn))
