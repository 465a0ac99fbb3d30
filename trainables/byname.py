"""Import by path, and call a class with those of many values that it has names for.

This is how Ladder's own learners and anyone's LightningModule are built by the same code: a space says
`package.module:Class`, and each value goes to whichever `__init__` names it.
"""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any


def load(path: str) -> Any:
    """The object that `package.module:Name` names. Raises ValueError if there is none."""
    module_name, _, name = path.partition(":")
    if not name:
        raise ValueError(f"{path!r} must look like package.module:Class (in the space file)")
    try:
        return getattr(importlib.import_module(module_name), name)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise  # the module is there, and something that it imports is not
        raise ValueError(f"there is no module {module_name!r} for {path!r} (in the space file)") from error
    except AttributeError as error:
        raise ValueError(f"module {module_name!r} has no {name!r} (in the space file)") from error


def names(cls: type) -> set[str]:
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


def build(cls: type, values: Mapping[str, Any]) -> Any:
    """`cls(**...)` with those of `values` that its `__init__` has names for."""
    wanted = names(cls)
    return cls(**{name: value for name, value in values.items() if name in wanted})
