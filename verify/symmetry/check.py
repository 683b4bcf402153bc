"""The one question of this package, and the one line for a test suite."""

from __future__ import annotations

from typing import Any

import sympy

from theory import Activation, InputError, Layer, MatrixGroup
from theory.arguments import as_positive_count, one_of
from theory.layers import as_map
from verify.symmetry.black_box import check_black_box, check_pair
from verify.symmetry.claims import as_claim
from verify.symmetry.exact import check_symbolic
from verify.symmetry.float_map import FloatMap
from verify.symmetry.rounding import DTYPES
from verify.symmetry.torch_forms import symbolic_form
from verify.verdicts import Verdict

__all__ = ["assert_equivariance", "check_equivariance", "is_black_box"]


def check_equivariance(
    f: Any,
    group: MatrixGroup | str | Any,
    n: int | None = None,
    examples: int = 300,
    seed: int = 0,
    *,
    dtype: str = "float64",
    symbolic: Any = None,
) -> Verdict:
    """Whether f(Ax) = A f(x) for all A in the group and all x in R^n.

    Two stages. A float filter, sound for maps computed to a few roundings, picks suspects; a suspect is judged again at
    the exact rational value of its floats. So for a map with a symbolic form the answer is a proof where there is one:
    "proved" if the group lies in the derived equivariance group, "refuted" with exact A and x whose two sides differ by
    interval arithmetic. A black box (callable or torch module acting on the last axis) has the first stage only: its
    refutation is float evidence, and silence is "supported".

    Args:
        f: an `Activation` or `Layer`, anything `theory.activation` accepts, the name of a layer, a numpy callable or a
            torch module.
        group: a `MatrixGroup`; a key such as "B" together with n; or one or several matrices, shape (n, n) or
            (k, n, n), that stand for the group they generate. Float matrices are meant up to rounding.
        n: the dimension.
        examples: how many random pairs (A, x) Hypothesis tries where no proof decides, >= 1.
        seed: of the search.
        dtype: "float32" or "float64": the precision in which a black box is run and the filter works.
        symbolic: the formula of a black box (anything `f` may be except a callable), so that what is seen is proved;
            None to recognise torch's own activations, False to judge by floats alone.

    Raises:
        InputError: unknown group or activation, a dimension missing, a callable that does not map R^n to R^n, or one
            that is not its `symbolic` form.

    Source: docs/symmetry.md, tests and tolerance.
    """
    examples = int(as_positive_count("examples", examples))
    one_of("dtype", dtype, DTYPES)
    claim = as_claim(group, n)
    if not is_black_box(f):
        if symbolic not in (None, False):
            raise InputError("symbolic is the formula of a callable or torch module; f has one already")
        return check_symbolic(as_map(f), claim, examples, seed, dtype)
    implementation = FloatMap(f, claim.n, dtype)
    form = symbolic_form(f, claim.n) if symbolic is None else None if symbolic is False else as_map(symbolic)
    if form is None:
        return check_black_box(implementation, claim, examples, seed)
    return check_pair(implementation, form, claim, examples, seed, is_given=symbolic is not None)


def assert_equivariance(
    f: Any,
    group: MatrixGroup | str | Any,
    n: int | None = None,
    examples: int = 300,
    seed: int = 0,
    *,
    dtype: str = "float64",
    symbolic: Any = None,
) -> None:
    """Raise AssertionError with the smallest counterexample found unless f commutes with the group.

    Arguments and errors as `check_equivariance`; an undecided verdict fails as well.
    """
    __tracebackhide__ = True
    verdict = check_equivariance(f, group, n, examples, seed, dtype=dtype, symbolic=symbolic)
    if verdict.exit_code != 0:
        raise AssertionError(str(verdict))


def is_black_box(f: Any) -> bool:
    """Whether f can only be evaluated: a callable that is none of our own maps, names or formulas."""
    return callable(f) and not isinstance(f, str | Activation | Layer | sympy.Expr)
