"""The steps of a forward pass, in order, with their shapes and the data that flows between them.

Where torch.fx can trace the module symbolically, functions called inside forward (F.relu, x @ W) are steps as well and
the pass can be run again with steps replaced. Where it cannot, hooks see the modules, and functions only by name.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from theory import InputError

__all__ = ["Step", "Trace", "run_forward", "trace"]

_BATCH = 5
_IN_PLACE = ("iadd", "isub", "imul", "itruediv", "ipow", "imatmul", "setitem")
Replacement = Callable[..., torch.Tensor]


@dataclass(frozen=True, eq=False)
class Step:
    """One map of a forward pass.

    Attributes:
        name: the path of the module, or the name torch.fx gives the call.
        operation: the module, or the name of the function.
        inputs: the data it takes: indices of earlier steps, -1 for the network's input.
        constants: for a function, its positional arguments with None in place of data, and its keywords.
        input_shape: of its first data input, without the batch axis.
        output_shape: of its value, without the batch axis; None where it is no tensor.
        storages: the memory of every parameter and buffer that its constants are made of.
        is_computed: whether a constant is no parameter or view of one, but computed from some.
        node: of the traced graph; None where hooks found it.
    """

    name: str
    operation: nn.Module | str
    inputs: tuple[int, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...] | None
    constants: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), {})
    storages: frozenset[int] = frozenset()
    is_computed: bool = False
    node: Any = None

    @property
    def is_module(self) -> bool:
        """Whether it is a module rather than a function called inside forward."""
        return isinstance(self.operation, nn.Module)

    @property
    def label(self) -> str:
        """The class of the module, or the function with brackets."""
        return type(self.operation).__name__ if isinstance(self.operation, nn.Module) else f"{self.operation}()"


@dataclass(frozen=True, eq=False)
class Trace:
    """The steps of one network.

    Attributes:
        steps: in the order they run.
        found_by: "torch.fx" or "hooks".
        note: what the way of finding them cannot see; empty where nothing.
        output: the index of the step whose value is the network's output; None where it is not one of them.
        outputs: the steps whose values are returned, alone or inside a tuple or dict.
    """

    steps: tuple[Step, ...]
    found_by: str
    note: str
    output: int | None
    outputs: frozenset[int] = frozenset()
    _graph: fx.GraphModule | None = field(default=None, repr=False)

    def users(self, index: int) -> list[int]:
        """The steps that take the value of a step (-1: of the input)."""
        return [i for i, step in enumerate(self.steps) if index in step.inputs]

    def run(self, x: torch.Tensor, replaced: Mapping[int, Replacement]) -> torch.Tensor:
        """The network's output with some steps replaced by other maps of their data.

        Raises:
            InputError: the network was not traced.
        """
        if self._graph is None:
            raise InputError("the network was not traced, so no step of it can be replaced")
        nodes = {self.steps[i].node: new for i, new in replaced.items()}
        with torch.no_grad():
            return _Replacing(self._graph, nodes).run(x.clone())

    def apply(self, index: int, *data: torch.Tensor) -> torch.Tensor:
        """The value of a traced step on other data, its constants as they are."""
        assert self._graph is not None
        node, known = self.steps[index].node, iter(data)
        given = {source: next(known) for source in node.all_input_nodes if source.meta["data"]}
        look_up = lambda source: given.get(source, source.meta["value"])  # noqa: E731
        args, kwargs = fx.node.map_arg(node.args, look_up), fx.node.map_arg(node.kwargs, look_up)
        with torch.no_grad():
            return getattr(fx.Interpreter(self._graph), node.op)(node.target, args, kwargs)


def trace(module: nn.Module, shape: Sequence[int], seed: int = 0) -> Trace:
    """The steps of a module in evaluation mode and double precision on inputs of the given shape.

    Args:
        module: already in evaluation mode and double precision.
        shape: of one input, without the batch axis.

    Raises:
        InputError: the forward pass fails on a batch of that shape.
    """
    x = torch.randn(_BATCH, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    value, again = run_forward(module, x), run_forward(module, x)
    is_random = isinstance(value, torch.Tensor) and not torch.equal(value, again)
    tracer, root = _Tracer(), _Root(module)
    try:
        graph = tracer.trace(root)
        traced = fx.GraphModule(tracer.root, graph)
        with torch.no_grad():
            retraced = _Recording(traced, garbage_collect_values=False).run(x.clone())
    except Exception as problem:  # torch.fx runs code of the user's on proxies, which may raise anything
        return _from_hooks(module, x, f"torch.fx cannot trace the forward pass ({_first_line(problem)})")
    if isinstance(value, torch.Tensor) and not is_random and not torch.allclose(value, retraced, equal_nan=True):
        return _from_hooks(module, x, "torch.fx traces steps that give another value")
    found = _from_graph(traced, is_single=isinstance(retraced, torch.Tensor))
    spoilt = _spoilt_in_place(found.steps)
    return _from_hooks(module, x, f"torch.fx was not used: {spoilt}") if spoilt else found


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]


class _Root(nn.Module):
    """A network of one input: further arguments keep their defaults, and one of torch's own modules stays whole."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Any) -> Any:
        return self.network(x)


def run_forward(module: nn.Module, x: torch.Tensor) -> Any:
    """The module's value on a batch.

    Raises:
        InputError: it raises.
    """
    try:
        with torch.no_grad():
            return module(x.clone())  # it may change its input in place
    except Exception as problem:
        why, shape = _first_line(problem), tuple(x.shape)
        raise InputError(
            f"the forward pass fails on a batch of shape {shape}: {type(problem).__name__}: {why}; give the shape of"
            " one input, without the batch axis (on the command line -n 6 or -n 1,8,8)"
        ) from problem


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """torch's own modules are leaves, containers and the user's own are looked into."""
        return super().is_leaf_module(m, module_qualified_name) and not isinstance(m, nn.ModuleList | nn.ModuleDict)


class _Replacing(fx.Interpreter):
    def __init__(self, graph: fx.GraphModule, replaced: Mapping[Any, Replacement]) -> None:
        super().__init__(graph)
        self._replaced = replaced

    def run_node(self, n: fx.Node) -> Any:
        if n not in self._replaced:
            return super().run_node(n)
        return self._replaced[n](*(self.env[source] for source in n.all_input_nodes if source.meta["data"]))


class _Recording(fx.Interpreter):
    """Keeps every value, and marks what depends on the network's input: only tensors, not their sizes."""

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        n.meta["value"] = value
        depends = n.op == "placeholder" or any(m.meta["data"] for m in n.all_input_nodes)
        n.meta["data"] = depends and _has_tensor(value)
        n.meta["roots"] = self._roots(n, value)
        return value

    def _roots(self, n: fx.Node, value: Any) -> frozenset[int]:
        """The memory of the parameters and buffers that a constant is made of."""
        own: frozenset[int] = frozenset().union(*(m.meta["roots"] for m in n.all_input_nodes if not m.meta["data"]))
        if n.op == "get_attr" and isinstance(value, torch.Tensor):
            return own | {_storage(value)}
        return own | _storages(self.fetch_attr(str(n.target))) if n.op == "call_module" else own


def _has_tensor(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return any(_has_tensor(entry) for entry in value)
    return isinstance(value, torch.Tensor)


def _from_graph(traced: fx.GraphModule, is_single: bool) -> Trace:
    note = "" if is_single else "the network's output is no single tensor"
    places: dict[fx.Node, int] = {}
    steps: list[Step] = []
    output: int | None = None
    returned: list[fx.Node] = []
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            places[node] = -1
        elif node.op == "output":
            last = node.args[0]
            output = places.get(last) if isinstance(last, fx.Node) else None
            returned = node.all_input_nodes
        elif node.meta["data"]:
            places[node] = len(steps)
            steps.append(_step_of(node, traced, places))
    outputs = frozenset(places[node] for node in returned if node in places)
    return Trace(tuple(steps), "torch.fx", note, output, outputs, traced)


def _spoilt_in_place(steps: Sequence[Step]) -> str:
    """Where a value is changed in place and then used again, so that the order of steps matters; empty if nowhere."""
    for i, step in enumerate(steps):
        later = [other.name for other in steps[i + 1 :] if set(step.inputs) & set(other.inputs)]
        if _is_in_place(step) and later:
            return f"{step.name} changes a value in place that {later[0]} uses again"
    return ""


def _is_in_place(step: Step) -> bool:
    if isinstance(step.operation, nn.Module):
        return bool(getattr(step.operation, "inplace", False))
    return step.operation in _IN_PLACE or step.operation.endswith("_") or bool(step.constants[1].get("inplace"))


def _step_of(node: fx.Node, traced: fx.GraphModule, places: Mapping[fx.Node, int]) -> Step:
    sources = [source for source in node.all_input_nodes if source.meta["data"]]
    constants = fx.node.map_arg(
        (node.args, dict(node.kwargs)), lambda source: None if source.meta["data"] else source.meta["value"]
    )
    is_computed = False
    if node.op == "call_module":
        operation: nn.Module | str = traced.get_submodule(str(node.target))
        name, storages = str(node.target).removeprefix("network").removeprefix("."), _storages(operation)
        name = name or type(operation).__name__
    else:
        operation = known_name(node.target) if node.op == "call_function" else str(node.target)
        name = node.name
        used = [m for m in node.all_input_nodes if not m.meta["data"] and isinstance(m.meta["value"], torch.Tensor)]
        storages = frozenset().union(*(m.meta["roots"] for m in used))
        is_computed = any(m.meta["roots"] and _storage(m.meta["value"]) not in storages for m in used)
    first = sources[0].meta["value"]
    return Step(
        name,
        operation,
        tuple(places[source] for source in sources),
        tuple(first.shape[1:]) if isinstance(first, torch.Tensor) else (),
        tuple(node.meta["value"].shape[1:]) if isinstance(node.meta["value"], torch.Tensor) else None,
        constants,
        storages,
        is_computed,
        node,
    )


def known_name(target: Any) -> str:
    """The name of a function of torch or of an operator; with its module for every other function."""
    name = getattr(target, "__name__", str(target))
    homes = (torch, nn.functional, torch._C._nn, torch.special, operator)
    if any(getattr(home, name, None) is target for home in homes):
        return name
    for home in homes:  # F.threshold is called _threshold inside
        for public, value in vars(home).items():
            if value is target:
                return public
    return f"{getattr(target, '__module__', '?')}.{name}"


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _storages(module: Any) -> frozenset[int]:
    return frozenset(_storage(one) for one in module.parameters())


# --- where the forward pass cannot be traced -------------------------------------------------------------------------


class _Functions(torch.overrides.TorchFunctionMode):
    """The names of torch functions that are called outside every leaf module."""

    def __init__(self) -> None:
        super().__init__()
        self.depth, self.seen = 0, []  # type: ignore[var-annotated]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        value = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if self.depth == 0 and isinstance(value, torch.Tensor) and not name.startswith("__get"):
            self.seen.append(name)
        return value


def _from_hooks(module: nn.Module, x: torch.Tensor, why: str) -> Trace:
    x = x.clone()  # the module may change it in place
    leaves = {id(m): name for name, m in module.named_modules() if not list(m.children()) or _is_torchs(m)}
    steps: list[Step] = []
    produced: dict[int, int] = {id(x): -1}
    kept: list[Any] = [x]
    mode = _Functions()

    def before(m: nn.Module, inputs: Any) -> None:
        mode.depth += 1

    def after(m: nn.Module, inputs: Any, value: Any) -> None:
        mode.depth -= 1
        if mode.depth or not inputs or not isinstance(inputs[0], torch.Tensor):
            return
        sources = tuple(produced[id(one)] for one in inputs if id(one) in produced)
        shape = tuple(value.shape[1:]) if isinstance(value, torch.Tensor) else None
        steps.append(
            Step(
                leaves[id(m)] or type(m).__name__, m, sources, tuple(inputs[0].shape[1:]), shape, ((), {}), _storages(m)
            )
        )
        kept.extend([*inputs, value])  # ids stay unique only while the tensors live
        produced[id(value)] = len(steps) - 1

    handles = []
    for m in module.modules():
        if id(m) in leaves:
            handles += [m.register_forward_pre_hook(before), m.register_forward_hook(after)]
    try:
        with mode, torch.no_grad():
            value = module(x)
    finally:
        for handle in handles:
            handle.remove()
    called = list(dict.fromkeys(mode.seen))
    note = f"{why}; steps were found by hooks on modules"
    if called:
        note += f"; called between modules and not analysed: {', '.join(called)}"
    return Trace(tuple(steps), "hooks", note, produced.get(id(value)))


def _is_torchs(module: nn.Module) -> bool:
    inside = type(module).__module__.startswith("torch.nn")
    return inside and not isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)
