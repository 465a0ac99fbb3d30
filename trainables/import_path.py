"""Import by path, and call a class with those of many values that it has names for.

This is how Ladder's own learners and anyone's LightningModule are built by the same code: a space says
`package.module:Class`, and each value goes to whichever `__init__` names it.
"""

import ast
import difflib
import importlib
import importlib.util
import inspect
from collections.abc import Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any


def load(path: str) -> Any:
    """The object that `package.module:Name` names. Raises ValueError if there is none."""
    module_name, _, name = path.partition(":")
    if not name:
        raise ValueError(f"{path!r} must look like package.module:Class (in the space file)")
    try:
        return getattr(module(path), name)
    except AttributeError as error:
        raise ValueError(f"module {module_name!r} has no {name!r} (in the space file)") from error


def module(path: str) -> ModuleType:
    """The module of `package.module:Name`. Raises ValueError if there is none."""
    module_name = path.partition(":")[0]
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise  # the module is there, and something that it imports is not
        raise ValueError(missing(path)) from error


def find(path: str) -> Path | None:
    """The source file of what `package.module:Name` names, found without running any of it.

    None where there is no Python source to look into. Raises ValueError if there is no such module, or its
    source has no such name.
    """
    module_name, _, name = path.partition(":")
    parts = module_name.split(".")
    spec = importlib.util.find_spec(parts[0])
    for depth in range(2, len(parts) + 1):
        places = spec.submodule_search_locations if spec else None
        # find_spec of a submodule would run its package.
        spec = PathFinder.find_spec(".".join(parts[:depth]), places) if places else None
    if spec is None:
        raise ValueError(missing(path))
    if spec.origin is None or not spec.origin.endswith(".py"):
        return None
    defined = set(names_in(ast.parse(Path(spec.origin).read_text())))
    if name not in defined and "*" not in defined:
        close = difflib.get_close_matches(name, defined, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{spec.origin} has no {name!r}{hint} (in the space file)")
    return Path(spec.origin)


def names_in(source: ast.Module) -> Iterator[str]:
    """What a module's source defines or imports, wherever in it; `*` where it may be anything."""
    for node in ast.walk(source):
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                yield node.name
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name for alias in node.names)
            case ast.Name(ctx=ast.Store()):
                yield node.id


def missing(path: str) -> str:
    """Says that there is no such module, and where it was looked for."""
    name = path.partition(":")[0]
    return (
        f"there is no module {name!r} for {path!r} (in the space file); it must be installed, or in the "
        f"folder that the search is started from, {Path.cwd()}"
    )


def argument_names(cls: type) -> set[str]:
    """The keyword arguments of `cls.__init__`; those of its bases too where it passes `**kwargs` on."""
    found: set[str] = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        found |= {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return found


def accepted_arguments(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `values` that `cls.__init__` has names for."""
    wanted = argument_names(cls)
    return {name: value for name, value in values.items() if name in wanted}


def build(cls: type, values: Mapping[str, Any]) -> Any:
    """`cls(**...)` with those of `values` that its `__init__` has names for."""
    return cls(**accepted_arguments(cls, values))
