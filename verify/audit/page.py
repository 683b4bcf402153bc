"""An audit as text of at most 100 columns: the table of layers, the hidden layers, the whole, and what is missing."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from verify.tables import text_table

if TYPE_CHECKING:
    from verify.audit.hidden import HiddenLayer
    from verify.audit.layers import LayerAudit
    from verify.audit.network import NetworkAudit

__all__ = ["page"]

_WIDTH = 100
_CELL = 24


def page(audit: NetworkAudit) -> str:
    """The audit for a person at a terminal."""
    whole = audit.whole
    shapes = f"{_shape(whole.input_shape)} -> {_shape(whole.output_shape)}"
    lines = [f"{audit.name}: {shapes}, evaluation mode, double precision; layers found by {audit.found_by}", ""]
    lines += ["commutes: the A with f(Ax) = A f(x); intertwines: those with f(Ax) = B f(x) for some B", ""]
    lines += [_table(audit.layers), ""]
    if any(layer.found_by == "trace" for layer in audit.layers):
        lines += ["() a function called inside forward, found by tracing", ""]
    singled = [(i, one) for i, one in enumerate(audit.layers, 1) if one.privileged]
    if singled:
        lines += ["PRIVILEGED DIRECTIONS of the activations"]
        lines += [line for i, one in singled for line in _wrapped(f"{i} {one.name}: ", one.privileged)]
    if audit.hidden:
        lines += ["", "HIDDEN LAYERS: changes of the weights that leave the network's function as it is"]
        for hidden in audit.hidden:
            lines += _hidden(hidden)
    lines += ["", f"THE WHOLE NETWORK: {whole.status}"]
    if whole.status != "not analysed":
        lines += _wrapped("commutes with (signed permutations only): ", whole.equivariance)
        lines += _wrapped("intertwines (signed permutations only): ", whole.intertwiners)
        if whole.contains:
            lines += _wrapped("commutes at least with: ", f"{whole.contains}, as every layer does; proved")
        lines += _wrapped("all linear maps: ", whole.discovered)
    lines += _wrapped("", whole.reason)
    if audit.not_analysed:
        lines += ["", "NOT ANALYSED"]
        for one in audit.not_analysed:
            lines += _wrapped("", one)
    if audit.unused:
        lines += ["", *_wrapped("modules that the forward pass did not use: ", ", ".join(audit.unused))]
    lines += ["", "WHY, by the number in the table"]
    for numbers, label, reason in _reasons(audit.layers):
        lines += _wrapped(f"{numbers} {label}: ", "; ".join(reason))
    return "\n".join(lines)


def _table(layers: tuple[LayerAudit, ...]) -> str:
    rows = []
    for i, layer in enumerate(layers, 1):
        shape = _shape(layer.input_shape)
        if layer.output_shape != layer.input_shape:
            shape += f" -> {_shape(layer.output_shape)}"
        own, every = _symbol(layer.equivariance), _symbol(layer.intertwiners)
        rows.append((i, _cut(layer.name, 14), _cut(layer.label, 14), shape, own, every, layer.status))
    header = ("", "layer", "map", "shape", "commutes", "intertwines", "status")
    return text_table(header, rows, right=(0,))


def _symbol(words: str) -> str:
    """The name without its explanation, which the reasons give."""
    return _cut(words if words.startswith("{A") or ": dim" in words else words.partition(": ")[0], _CELL)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "?" if shape is None else "x".join(map(str, shape)) if shape else "1"


def _reasons(layers: tuple[LayerAudit, ...]) -> list[tuple[str, str, tuple[str, ...]]]:
    """The reasons, with those of equal layers said once."""
    said: dict[tuple[str, ...], list[int]] = {}
    for i, layer in enumerate(layers):
        said.setdefault((layer.label, layer.equivariance, layer.intertwiners, *layer.reason), []).append(i)
    found = []
    for (label, own, every, *reason), places in said.items():
        form = layers[places[0]].form
        shown = label if form is None or form.name == label.lower() else f"{label} = {form.name}"
        facts = [one for one in dict.fromkeys((own, every)) if _symbol(one) != one and ": dim" not in one]
        found.append((", ".join(str(i + 1) for i in places), shown, (*facts, *reason)))
    return found


def _hidden(one: HiddenLayer) -> list[str]:
    after = ", ".join(one.after)
    where = f" between {one.before} and {after}" if after else ""
    lines = ["", *_wrapped("", f"{one.name}, {one.units} units{where}: {one.status}")]
    if one.status == "not analysed":
        return lines + _wrapped("", one.reason, 4)
    lines += _wrapped("group: ", f"{one.group}; phi: {one.character}{' (tied weights)' if one.is_tied else ''}", 4)
    lines += _wrapped("", one.reason, 4)
    if ", " in one.name and one.privileged:
        lines += _wrapped("privileged directions: ", one.privileged, 4)
    if one.deviation is not None:
        exactly = "exact rational" if one.is_exact else "random"
        control = "" if one.control is None else f"; by a matrix outside the group: {one.control:.1e}"
        shown = (
            f"{one.tried} {exactly} members change the outputs by at most {one.deviation:.1e} of the largest{control}"
        )
        lines += _wrapped("run: ", shown, 4)
    return lines


def _wrapped(label: str, text: str, indent: int = 2) -> list[str]:
    room = " " * indent
    return textwrap.wrap(
        label + text, _WIDTH, initial_indent=room, subsequent_indent=room + "  ", break_on_hyphens=False
    ) or [room + label]
