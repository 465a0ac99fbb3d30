"""Checks that a project has the classes and arguments that the dotted paths of a space name.

What the configuration itself says is not checked, for the project's own program accepts it.
"""

import inspect
import pydoc
from collections.abc import Iterable, Mapping
from typing import Any

from spaces.messages import did_you_mean
from spaces.params import Choice, Param, Value
from spaces.project import CLASS, Project
from trainables import pytorch_lightning


def check(project: Project, params: Mapping[str, Param]) -> None:
    """Imports the classes that are choices, and those of arguments that the configuration does not have.

    Raises ValueError if a class can't be imported, or has no such argument.
    """
    for path, param in params.items():
        argument = path.rpartition(".")[2]
        if argument == CLASS[project.kind]:
            for name in import_paths(options(param)):
                located(name, path)
        for name in classes(project, params, path):
            known = argument_names(located(name, path))
            if known is not None and argument not in known:
                hint = did_you_mean(argument, known)
                raise ValueError(
                    f"params.{path}: {name} has no argument {argument!r}{hint} (in the space file)"
                )


def classes(project: Project, params: Mapping[str, Param], path: str) -> list[str]:
    """Import paths of the classes, one or several by choice, whose argument the dotted path names.

    A class for which the configuration has the argument is left out. Keys of Hydra, such as `_partial_`, are
    no arguments.
    """
    above, _, argument = path.rpartition(".")
    if argument.startswith("_"):
        return []
    if project.kind == "lightning":
        above, _, key = above.rpartition(".")
        if key != "init_args":
            return []
    class_path = f"{above}.{CLASS[project.kind]}"
    own = project.value(class_path)
    names = [own]
    if class_path in params:
        names = options(params[class_path], params[path].when.get(class_path))
    has_argument = project.value(path) != {}
    return [name for name in import_paths(names) if not (has_argument and name == own)]


def options(param: Param, labels: Iterable[Value] | None = None) -> list[Any]:
    """The values of a choice, all or those with these labels."""
    if not isinstance(param, Choice):
        return []
    return [param.values.get(label, label) for label in labels or param.options]


def import_paths(values: Iterable[Any]) -> list[str]:
    """Those of the values that are import paths, rather than a class's short name or an interpolation."""
    return [value for value in values if isinstance(value, str) and "." in value and "$" not in value]


def located(name: str, path: str) -> Any:
    """The class or function at an import path. Raises ValueError if it can't be imported."""
    pytorch_lightning.alias()
    try:
        found = pydoc.locate(name)
    except pydoc.ErrorDuringImport as error:
        raise ValueError(f"params.{path}: {name} can't be imported: {error}") from error
    if not callable(found):
        raise ValueError(f"params.{path}: there is no class {name} (in the space file)")
    return found


def argument_names(found: Any) -> list[str] | None:
    """Names of the arguments of a class or function; None if it takes any, or does not tell."""
    try:
        parameters = inspect.signature(found).parameters.values()
    except ValueError:
        return None  # not written in Python
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [parameter.name for parameter in parameters]
