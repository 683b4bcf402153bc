"""From the words `FILE.py:Module` or `package.module:Class` to a torch module.

The named file or module is imported, because running it is the only way to build what it defines; nothing else is.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from theory import InputError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["is_target", "load_module"]

_FAMILIES = ("power", "rectified_power", "signed_power", "leaky_relu", "isotropic")
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def is_target(words: str) -> bool:
    """Whether the words name a torch module rather than an activation: `FILE.py:NAME`, `a.b:NAME` or `a.b.NAME`.

    Registered activations, families such as power:2 and layers such as softmax:2 come first. Nothing is imported.
    """
    from theory import layer_names

    place, colon, name = words.strip().partition(":")
    if place.endswith(".py") or _file_and_name(words)[0] is not None:
        return True
    if colon:
        known = place.lower().replace("-", "_").replace(" ", "_") in (*_FAMILIES, *layer_names())
        return not known and bool(re.fullmatch(r"[\w.]+", place)) and bool(re.fullmatch(r"[\w.]+", name))
    return _DOTTED.fullmatch(words.strip()) is not None


def load_module(target: str) -> nn.Module:
    """The torch module that `target` names: an instance, a class that needs no arguments, or what a function returns.

    Args:
        target: "FILE.py:NAME", "package.module:NAME" or "package.module.NAME".

    Raises:
        InputError: no such file, module or name, an import or a constructor that raises, or something that is no
            torch module; one line with the mend.
    """
    file, name = _file_and_name(target)
    if file is not None:
        if not name:
            raise InputError(f"{target}: say which module of the file, {file}:NAME{_offered(_names_in(file))}")
        found = _attribute(_imported_file(file), name, str(file), _names_in(file))
        return _built(found, target, name)
    place, colon, name = target.strip().partition(":")
    if not colon:
        place, _, name = target.strip().rpartition(".")
    if not (place and name):
        raise InputError(f"{target}: name a module as FILE.py:NAME or package.module:NAME")
    holder = _imported_name(place)
    return _built(_attribute(holder, name, place, tuple(vars(holder))), target, name)


def _file_and_name(target: str) -> tuple[Path | None, str]:
    """The file and the name in it; None for a dotted name. A file may hold colons in its path."""
    place, colon, name = target.strip().rpartition(":")
    if colon and place.endswith(".py"):
        return Path(place), name.strip()
    if target.strip().endswith(".py"):
        return Path(target.strip()), ""
    return None, ""


def _names_in(file: Path) -> tuple[str, ...]:
    """What the file defines at its top level, read without running it; nothing where it cannot be read."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [one.id for one in node.targets if isinstance(one, ast.Name)]
    return tuple(names)


def _offered(names: tuple[str, ...]) -> str:
    shown = [name for name in names if not name.startswith("_")]
    return f"; it defines {', '.join(shown[:8])}{', ...' if len(shown) > 8 else ''}" if shown else ""


def _imported_file(file: Path) -> ModuleType:
    if not file.is_file():
        where = "is a folder" if file.is_dir() else "no such file"
        near = get_close_matches(file.name, [p.name for p in file.parent.glob("*.py")], 1) if not file.exists() else []
        raise InputError(f"{file}: {where}; give the path of a Python file" + (f", such as {near[0]}" if near else ""))
    # A name of its own, so that the file neither hides an installed module nor is hidden by one.
    name = f"audited_{file.stem}_{blake2b(str(file.resolve()).encode(), digest_size=4).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InputError(f"{file}: it cannot be imported; give the path of a Python file")
    module, loader = importlib.util.module_from_spec(spec), spec.loader
    sys.modules[name] = module
    with _own_folder_first(file.resolve().parent):
        try:
            _quietly(lambda: loader.exec_module(module), f"importing {file}")
        except InputError:
            sys.modules.pop(name, None)
            raise
    return module


def _imported_name(place: str) -> ModuleType:
    with _own_folder_first(Path.cwd()):
        try:
            found = importlib.util.find_spec(place.partition(".")[0]) is not None
        except (ValueError, ImportError):
            found = place.partition(".")[0] in sys.modules
        if not found:
            raise InputError(
                f"{place}: no module of that name can be imported; check the spelling, or name its file: PATH.py:NAME"
            )
        return _quietly(lambda: importlib.import_module(place), f"importing {place}")


@contextlib.contextmanager
def _own_folder_first(folder: Path) -> Iterator[None]:
    """As `python FILE.py` does: the modules beside a file can be imported from it."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


def _quietly(act: Callable[[], Any], what: str) -> Any:
    """Run code of the user's: what it prints goes to stderr, what it raises becomes one line."""
    with contextlib.redirect_stdout(sys.stderr):
        try:
            return act()
        except (Exception, SystemExit) as problem:
            raise InputError(f"{what} raised {type(problem).__name__}: {_first_line(problem)}; {_mend(problem)}") from (
                problem
            )


def _first_line(problem: BaseException) -> str:
    if isinstance(problem, SyntaxError):
        return f"{problem.msg} in line {problem.lineno}"
    return (str(problem).strip().splitlines() or ["no message"])[0]


def _mend(problem: BaseException) -> str:
    if isinstance(problem, ModuleNotFoundError):
        return f"install {problem.name!r}, or run where it can be imported"
    if isinstance(problem, SystemExit):
        return "put what runs a program under `if __name__ == '__main__':`"
    return "it must import without an error: try `python` on it alone"


def _attribute(holder: ModuleType, name: str, place: str, names: tuple[str, ...]) -> Any:
    found: Any = holder
    for part in name.split("."):
        if not hasattr(found, part):
            near = get_close_matches(part, names, 1)
            mend = f"; did you mean {near[0]!r}?" if near else _offered(names)
            raise InputError(f"{place} has no {name!r}{mend}")
        found = getattr(found, part)
    return found


def _built(found: Any, target: str, name: str) -> nn.Module:
    from torch import nn

    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        kind = type(found).__name__
        raise InputError(f"{target} is a {kind}, not a torch.nn.Module; name an instance, a class or a function")
    if inspect.isclass(found) and not issubclass(found, nn.Module):
        raise InputError(f"{target} is a class that is no torch.nn.Module; name one that is, or a function")
    needed = _needed(found)
    if needed:
        short, arguments = name.rpartition(".")[2], ", ".join(f"{one}=..." for one in needed)
        verb = "the class" if inspect.isclass(found) else "the function"
        file = _file_and_name(target)[0] or "FILE.py"
        raise InputError(
            f"{target}: {verb} needs the arguments {', '.join(needed)}; write a function that gives them,"
            f" `def make(): return {short}({arguments})`, and name that: {file}:make"
        )
    module = _quietly(found, f"{name}()")
    if not isinstance(module, nn.Module):
        raise InputError(f"{name}() returned a {type(module).__name__}; it must return a torch.nn.Module")
    return module


def _needed(found: Any) -> list[str]:
    try:
        parameters = inspect.signature(found).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [one.name for one in parameters if one.default is one.empty and one.kind not in kinds]
