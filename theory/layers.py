"""Coupled layers by name: maps R^n -> R^p, each defined once, as formulas in the entries and their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import sympy

from theory.activations import Activation, Reduction, z
from theory.arguments import InputError, as_positive_count, exact, one_of
from theory.layer_options import CHECKS
from theory.registry import activation as as_activation

__all__ = ["Layer", "LayerForm", "as_map", "layer", "layer_names"]

_MAX_SYMBOLIC_SORT = 6
_largest, _total = sympy.Symbol("M", real=True), sympy.Symbol("S", positive=True)
_count, _sum = sympy.Symbol("N", positive=True), sympy.Symbol("T", real=True)
_length = sympy.Symbol("q", nonnegative=True)
GATES: Mapping[str, str] = {
    "bilinear": "linear", "glu": "sigmoid", "reglu": "relu", "geglu": "gelu", "swiglu": "silu",
}  # fmt: skip


@dataclass(frozen=True)
class LayerForm:
    """A layer at one dimension, as a straight-line program over exact expressions.

    Attributes:
        inputs: the symbols x_1 .. x_n.
        sorted_groups: for each group of inputs that is sorted, its symbols and those of its sorted values, ascending.
        definitions: shared intermediate values, in order: a symbol and its expression in what comes before.
        outputs: one expression per output.
    """

    inputs: tuple[sympy.Symbol, ...]
    sorted_groups: tuple[tuple[tuple[sympy.Symbol, ...], tuple[sympy.Symbol, ...]], ...]
    definitions: tuple[tuple[sympy.Symbol, sympy.Expr], ...]
    outputs: tuple[sympy.Expr, ...]


@dataclass(frozen=True)
class Layer:
    """A coupled map R^n -> R^p with a symbolic form, for every admissible n.

    Attributes:
        key: one of `layer_names()`.
        options: its parameters by name, exact.
    """

    key: str
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """For example "group_sort(size=3)"."""
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in self.options)
        return f"{self.key}({shown})" if shown else self.key

    @property
    def kind(self) -> str:
        """Always "coupled"."""
        return "coupled"

    @property
    def is_elementwise(self) -> bool:
        """Always False."""
        return False

    def option(self, name: str) -> Any:
        """The value of a parameter."""
        return dict(self.options)[name]

    @property
    def parameters(self) -> frozenset[sympy.Symbol]:
        """Free symbols among the options."""
        return frozenset().union(*(_free(value) for _, value in self.options))

    def subs(self, values: Mapping[Any, Any]) -> Layer:
        """The layer with its free parameters replaced by numbers."""
        exacts = {str(k): exact(str(k), v) for k, v in values.items()}
        named = {symbol: exacts[symbol.name] for symbol in self.parameters if symbol.name in exacts}
        return layer(self.key, **{name: _replaced(value, named) for name, value in self.options})

    def output_dimension(self, n: int) -> int:
        """p for a map R^n -> R^p.

        Raises:
            InputError: the layer does not act on R^n.
        """
        return len(self.form(n).outputs)

    def form(self, n: Any) -> LayerForm:
        """The definition at dimension n.

        Raises:
            InputError: the layer does not act on R^n (an odd n for pairs, a gain of another length).
        """
        size = as_positive_count("n", n)
        if not size.is_number:
            raise InputError(f"n={n} must be a number")
        return _form(self, int(size))

    def on(self, xs: Sequence[Any]) -> tuple[sympy.Expr, ...]:
        """The outputs on explicit inputs x_1 .. x_n, exactly.

        Args:
            xs: numbers, or at most 6 sympy expressions where the layer sorts.
        """
        inputs = [exact("x", x) for x in xs]
        form = self.form(len(inputs))
        values: dict[sympy.Symbol, sympy.Expr] = dict(zip(form.inputs, inputs, strict=True))
        for group, ordered in form.sorted_groups:
            values.update(zip(ordered, sort_exactly([values[symbol] for symbol in group]), strict=True))
        for symbol, expression in form.definitions:
            values[symbol] = expression.xreplace(values)
        # `subs` once more evaluates what became a number: Max, Piecewise, exp of a Rational.
        return tuple(expression.xreplace(values).doit() for expression in form.outputs)

    def __str__(self) -> str:
        return self.name


def layer(name: str, **options: Any) -> Layer:
    """A coupled layer by name.

    softmax, log_softmax, solu (temperature=1); sparsemax; sort; group_sort(size=2), max_min; householder(normal);
    layer_norm, rms_norm (eps=0, gain=None: one number per entry); winner_take_all; crelu (R^n -> R^2n);
    maxout(pieces=2) (R^mn -> R^n); glu, bilinear, reglu, geglu, swiglu, gated(gate) (R^2n -> R^n: values times gates).

    Args:
        name: one of `layer_names()`.
        options: the parameters above, exact where given exactly; temperature and eps may be symbols.

    Raises:
        InputError: unknown layer or option, or an option out of range.
    """
    key = one_of("layer", str(name).strip().lower().replace("-", "_").replace(" ", "_"), _LAYERS)
    defaults = dict(_LAYERS[key][0])
    for given in options:
        one_of(f"option of {key}", given, defaults) if defaults else _no_options(key, given)
    values = {**defaults, **options}
    return Layer(key, tuple((option, CHECKS[option](values[option])) for option in defaults))


def layer_names() -> tuple[str, ...]:
    """The registered coupled layers."""
    return tuple(_LAYERS)


def as_map(spec: Any) -> Activation | Layer:
    """An activation or a layer, from either of them, a name, a formula or a sympy expression.

    Raises:
        InputError: as `theory.activation`, or a layer that needs parameters.
    """
    if isinstance(spec, Layer):
        return spec
    if isinstance(spec, str):
        word = spec.strip().lower().replace("-", "_").replace(" ", "_")
        family, colon, parameter = word.partition(":")
        if word in _LAYERS and word not in ("softmax", "solu"):
            return layer(word)
        if colon and family in _SHORT:
            return layer(family, **{_SHORT[family]: _number(family, parameter)})
    return as_activation(spec)


def sort_exactly(values: Sequence[sympy.Expr]) -> list[sympy.Expr]:
    """Ascending: comparisons where all are numbers, else order statistics as minima of maxima.

    Raises:
        InputError: more than 6 values that are not numbers.
    """
    if all(value.is_Rational for value in values):
        return sorted(values)
    if all(value.is_number for value in values):
        return _sort_numbers(list(values))
    if len(values) > _MAX_SYMBOLIC_SORT:
        raise InputError(f"sorting {len(values)} symbols needs too many terms; give numbers, or at most 6 symbols")
    return [sympy.Min(*(sympy.Max(*chosen) for chosen in combinations(values, k + 1))) for k in range(len(values))]


def _sort_numbers(values: list[sympy.Expr]) -> list[sympy.Expr]:
    from functools import cmp_to_key

    from theory.symmetry.enclosure import sign_of

    def compare(a: sympy.Expr, b: sympy.Expr) -> int:
        side = sign_of(a - b)
        if side is None:
            raise InputError(f"which of {a} and {b} is larger cannot be decided")
        return side

    return sorted(values, key=cmp_to_key(compare))


# --- the definitions ------------------------------------------------------------------------------------------------


@cache
def _form(found: Layer, n: int) -> LayerForm:
    xs = tuple(sympy.Symbol(f"x{i + 1}", real=True) for i in range(n))
    return _LAYERS[found.key][1](found, xs)


def _reduced(expr: sympy.Expr, reductions: tuple[Reduction, ...], scale: str | None = None) -> Callable[..., LayerForm]:
    """A layer whose i-th output is an expression in its own entry and in reductions over all entries."""

    def build(found: Layer, xs: tuple[sympy.Symbol, ...]) -> LayerForm:
        return _from_reductions(expr, reductions, xs, xs if scale is None else [x / found.option(scale) for x in xs])

    return build


def _from_reductions(
    expr: sympy.Expr, reductions: tuple[Reduction, ...], xs: tuple[sympy.Symbol, ...], entries: Sequence[sympy.Expr]
) -> LayerForm:
    definitions = tuple((q.symbol, q.over([q.summand.subs(z, entry) for entry in entries])) for q in reductions)
    return LayerForm(xs, (), definitions, tuple(expr.subs(z, entry) for entry in entries))


def _registered(name: str) -> Callable[..., LayerForm]:
    """A registered activation at another temperature: f(x / temperature), times temperature for SoLU."""

    def build(found: Layer, xs: tuple[sympy.Symbol, ...]) -> LayerForm:
        base, T = as_activation(name), found.option("temperature")
        form = _from_reductions(base.expr, base.reductions, xs, [x / T for x in xs])
        factor = T if name == "solu" else sympy.Integer(1)
        return LayerForm(form.inputs, (), form.definitions, tuple(factor * y for y in form.outputs))

    return build


def _sorted_blocks(xs: tuple[sympy.Symbol, ...], size: int, key: str) -> tuple:
    if len(xs) % size:
        raise InputError(f"n={len(xs)}: {key} acts on groups of {size}; n must be a multiple of {size}")
    ys = tuple(sympy.Symbol(f"y{i + 1}", real=True) for i in range(len(xs)))
    return tuple((xs[i : i + size], ys[i : i + size]) for i in range(0, len(xs), size))


def _sort(found: Layer, xs: tuple[sympy.Symbol, ...]) -> LayerForm:
    groups = _sorted_blocks(xs, len(xs) if found.key == "sort" else _size(found), found.key)
    flip = -1 if found.key == "max_min" else 1
    return LayerForm(xs, groups, (), tuple(y for _, ordered in groups for y in ordered[::flip]))


def _size(found: Layer) -> int:
    return 2 if found.key == "max_min" else int(found.option("size"))


def _sparsemax(found: Layer, xs: tuple[sympy.Symbol, ...]) -> LayerForm:
    ((group, ordered),) = _sorted_blocks(xs, len(xs), found.key)
    threshold = sympy.Symbol("tau", real=True)
    # tau solves sum max(0, x_i - tau) = 1; it is the largest of the values that each number k of largest entries gives.
    best = sympy.Max(*((sympy.Add(*ordered[len(xs) - k :]) - 1) / k for k in range(1, len(xs) + 1)))
    return LayerForm(xs, ((group, ordered),), ((threshold, best),), tuple(sympy.Max(0, x - threshold) for x in xs))


def _normalised(centred: bool) -> Callable[..., LayerForm]:
    def build(found: Layer, xs: tuple[sympy.Symbol, ...]) -> LayerForm:
        eps, gain, n = found.option("eps"), found.option("gain"), len(xs)
        if gain is not None and len(gain) != n:
            raise InputError(f"n={n}, but the gain has {len(gain)} entries; give one per entry")
        entry = z - _sum / _count if centred else z
        reductions = (Reduction(_count, "sum", sympy.Integer(1)), Reduction(_sum, "sum", z))[: 2 if centred else 1]
        reductions += (Reduction(_length, "norm", entry),)
        if eps == 0:
            expr = sympy.Piecewise((sympy.sqrt(_count) * entry / _length, _length > 0), (0, True))
        else:
            expr = entry / sympy.sqrt(_length**2 / _count + eps)
        form = _from_reductions(expr, reductions, xs, xs)
        if gain is None:
            return form
        scaled = tuple(factor * y for factor, y in zip(gain, form.outputs, strict=True))
        return LayerForm(xs, (), form.definitions, scaled)

    return build


def _crelu(found: Layer, xs: tuple[sympy.Symbol, ...]) -> LayerForm:
    return LayerForm(xs, (), (), (*(sympy.Max(0, x) for x in xs), *(sympy.Max(0, -x) for x in xs)))


def _maxout(found: Layer, xs: tuple[sympy.Symbol, ...]) -> LayerForm:
    m = int(found.option("pieces"))
    if len(xs) % m:
        raise InputError(f"n={len(xs)}: maxout takes the maximum of {m} pieces; n must be a multiple of {m}")
    return LayerForm(xs, (), (), tuple(sympy.Max(*xs[i : i + m]) for i in range(0, len(xs), m)))


def _gated(found: Layer, xs: tuple[sympy.Symbol, ...]) -> LayerForm:
    if len(xs) % 2:
        raise InputError(f"n={len(xs)}: {found.key} multiplies values by gates; n must be even")
    half, f = len(xs) // 2, gate_of(found).expr
    return LayerForm(xs, (), (), tuple(a * f.subs(z, b) for a, b in zip(xs[:half], xs[half:], strict=True)))


def gate_of(found: Layer) -> Activation:
    """The elementwise activation that a gated layer applies to its gates."""
    return as_activation(GATES[found.key]) if found.key in GATES else found.option("gate")


def _householder(found: Layer, xs: tuple[sympy.Symbol, ...]) -> LayerForm:
    v = found.option("normal")
    if len(v) != len(xs):
        raise InputError(f"n={len(xs)}, but the normal has {len(v)} entries; give one per entry")
    inner = sympy.Symbol("s", real=True)
    square = sympy.Add(*(entry**2 for entry in v))
    product = sympy.Add(*(entry * x for entry, x in zip(v, xs, strict=True)))
    # Reflect where the inner product is negative: x - 2 min(0, v.x) v/|v|^2.
    outputs = tuple(x - 2 * sympy.Min(0, inner) * entry / square for entry, x in zip(v, xs, strict=True))
    return LayerForm(xs, (), ((inner, product),), outputs)


def _no_options(key: str, given: str) -> None:
    raise InputError(f"option {given!r}: {key} has no options")


def _number(family: str, text: str) -> Any:
    from theory.parsing import parse_number

    return parse_number(text, f"parameter of {family}")


def _free(value: Any) -> set[sympy.Symbol]:
    if isinstance(value, sympy.Expr):
        return set(value.free_symbols)
    return set(value.parameters) if isinstance(value, Activation) else set()


def _replaced(value: Any, named: Mapping[sympy.Symbol, sympy.Expr]) -> Any:
    if isinstance(value, sympy.Expr):
        return value.subs(named)
    return value.subs(dict(named)) if isinstance(value, Activation) and named else value


def _shown(value: Any) -> str:
    return f"({', '.join(map(str, value))})" if isinstance(value, tuple) else str(value)


_SHORT = {
    "softmax": "temperature", "log_softmax": "temperature", "solu": "temperature", "group_sort": "size",
    "maxout": "pieces", "layer_norm": "eps", "rms_norm": "eps",
}  # fmt: skip
_TEMPERED = {"temperature": 1}
_NORM = {"eps": 0, "gain": None}
_M, _EXP = Reduction(_largest, "max", z), Reduction(_total, "sum", sympy.exp(z - _largest))
_LAYERS: Mapping[str, tuple[Mapping[str, Any], Callable[..., LayerForm]]] = {
    "softmax": (_TEMPERED, _registered("softmax")),
    "log_softmax": (_TEMPERED, _reduced(z - _largest - sympy.log(_total), (_M, _EXP), "temperature")),
    "solu": (_TEMPERED, _registered("solu")),
    "sparsemax": ({}, _sparsemax),
    "sort": ({}, _sort),
    "group_sort": ({"size": 2}, _sort),
    "max_min": ({}, _sort),
    "householder": ({"normal": None}, _householder),
    "layer_norm": (_NORM, _normalised(centred=True)),
    "rms_norm": (_NORM, _normalised(centred=False)),
    "winner_take_all": ({}, _reduced(sympy.Piecewise((z, z >= _largest), (0, True)), (_M,))),
    "crelu": ({}, _crelu),
    "maxout": ({"pieces": 2}, _maxout),
    **{name: ({}, _gated) for name in GATES},
    "gated": ({"gate": "sigmoid"}, _gated),
}
