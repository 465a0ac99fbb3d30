"""Imports by path (`package.module:Class`), and calls with the accepted ones of many named values.

A space names module and data by path; each of its values goes to whichever `__init__` has an argument of that
name. So the same code builds Ladder's learners and any other LightningModule.
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

from trainables import given, pytorch_lightning


def load(path: str) -> Any:
    """The object at `package.module:Name`. Raises ValueError if path, module or name does not exist."""
    if path in given.OBJECTS:
        return given.OBJECTS[path]
    module_name, _, name = path.partition(":")
    if not name:
        raise ValueError(f"{path!r} must look like package.module:Class (in the space file)")
    try:
        return getattr(module(path), name)
    except AttributeError as error:
        raise ValueError(f"module {module_name!r} has no {name!r} (in the space file)") from error


def module(path: str) -> ModuleType:
    """The module of `package.module:Name`. Raises ValueError if it does not exist."""
    module_name = path.partition(":")[0]
    pytorch_lightning.alias()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise  # the module exists; an import inside it fails
        raise ValueError(missing(path)) from error


def find(path: str) -> Path | None:
    """The source file that defines `package.module:Name`, without running any of it.

    None if the module has no Python source. Raises ValueError if the module does not exist or its source does
    not define the name.
    """
    if path in given.OBJECTS:
        return None
    module_name, _, name = path.partition(":")
    top, *below = module_name.split(".")
    spec = importlib.util.find_spec(top)
    for part in below:
        locations = spec.submodule_search_locations if spec else None
        # importlib.util.find_spec would import the parent package. `part` is not a dotted name, because a
        # namespace package looks up the parent in its name among the imported modules.
        spec = PathFinder.find_spec(part, locations) if locations else None
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


def required_arguments(path: str) -> list[str]:
    """Arguments without a default of the class or function at a path, without running any of its source.

    Empty where the source does not tell: an `__init__` that is inherited, or has a decorator.
    """
    file, name = find(path), path.partition(":")[2]
    if file is None:
        return []
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            inits = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
            return required(inits[0], 1) if inits else []
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return required(node, 0)
    return []


def defines(path: str, method: str, known_base: str) -> bool:
    """Whether the class at a path may have the method, without running its source.

    It can't be told, and so it may, unless the class is in the file itself and has no base but `known_base`.
    """
    file, name = find(path), path.partition(":")[2]
    for node in ast.parse(file.read_text()).body if file else ():
        if isinstance(node, ast.ClassDef) and node.name == name:
            bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
            own = {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
            return method in own or bases != {known_base}
    return True


def required(function: ast.FunctionDef, bound: int) -> list[str]:
    """Arguments of a function without a default, after the first `bound` ones."""
    if function.decorator_list:
        return []
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    names = [one.arg for one in positional[bound : len(positional) - len(arguments.defaults)]]
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return names + [one.arg for one, default in pairs if default is None]


def names_in(source: ast.Module) -> Iterator[str]:
    """Names that a module's source defines or imports at any depth; `*` for a star import."""
    for node in ast.walk(source):
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                yield node.name
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name for alias in node.names)
            case ast.Name(ctx=ast.Store()):
                yield node.id


def missing(path: str) -> str:
    """Message for a module that does not exist."""
    if given.is_given(path):
        return given.missing(path)
    name = path.partition(":")[0]
    return (
        f"there is no module {name!r} for {path!r} (in the space file); it must be installed, or in the "
        f"folder that the search is started from, {Path.cwd()}"
    )


def argument_names(cls: Any) -> set[str]:
    """Names of the arguments of a function, or of `cls.__init__` and of its base classes' while those pass on
    `**kwargs`."""
    if not isinstance(cls, type):
        parameters = list(inspect.signature(cls).parameters.values())
        return {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        names |= {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return names


def accepted_arguments(cls: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values whose names are arguments of `cls.__init__`, or of a function."""
    names = argument_names(cls)
    return {name: value for name, value in values.items() if name in names}


def build(cls: type, values: Mapping[str, Any]) -> Any:
    """`cls(**accepted_arguments(cls, values))`."""
    return cls(**accepted_arguments(cls, values))
