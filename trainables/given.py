"""Objects that a Python program gives in place of import paths: a class of a notebook cell, a function.

They have paths as well, `object:Name`, which hold in this process, and in the workers that get the objects.
"""

import importlib
from collections.abc import Mapping
from typing import Any

MODULE = "object"
OBJECTS: dict[str, Any] = {}
"""The objects of this process by their paths. A later one of the same name replaces an earlier one."""


def path_of(value: Any) -> str:
    """The path of an object: where it can be imported from, else `object:Name`, under which it is kept."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if module and module != "__main__" and name.isidentifier():
        try:
            if getattr(importlib.import_module(module), name, None) is value:
                return f"{module}:{name}"
        except ImportError:
            pass  # a module that was run, not imported
    name = getattr(value, "__name__", type(value).__name__)
    path = f"{MODULE}:{name if name.isidentifier() else 'function'}"
    OBJECTS[path] = value
    return path


def give(objects: Mapping[str, Any]) -> None:
    """Keeps objects under their paths; for a worker."""
    OBJECTS.update(objects)


def is_given(path: str) -> bool:
    """Whether the path is that of an object, which need not be there."""
    return path.startswith(f"{MODULE}:")


def missing(path: str) -> str:
    """Message for an object that is not there."""
    return (
        f"{path.partition(':')[2]!r} was an object of a Python program, which is needed again: "
        "search.resume(NAME, trainable=..., data=...) in Python; its source text is in source.py of the run"
    )
