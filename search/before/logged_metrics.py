"""The metrics that a module logs in validation, as its source names them."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator

import lightning as L

VALIDATION = re.compile(r"val(id|idation)?(?![a-z])")  # `val_loss`, `valid/loss`, but not `value`


def validation_metrics(cls: type) -> list[str]:
    """The names that `self.log` and `self.log_dict` with a literal dictionary log, without repetitions.

    The source of the class counts, and that of its bases and mixins below LightningModule. A method that the
    class overrides and does not call by `super()` logs nothing. Names that are put together are unknown.
    """
    names: dict[str, None] = {}
    overridden: set[str] = set()
    for base in cls.__mro__:
        if base in L.LightningModule.__mro__:
            continue
        for method in methods(base):
            if method.name not in overridden:
                names |= dict.fromkeys(name for name in logged(method) if VALIDATION.match(name))
            if not any(isinstance(node, ast.Name) and node.id == "super" for node in ast.walk(method)):
                overridden.add(method.name)
    return list(names)


def methods(cls: type) -> list[ast.FunctionDef]:
    """The methods in the source of a class; none if there is no source."""
    try:
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    except (OSError, TypeError, SyntaxError):
        return []
    assert isinstance(node, ast.ClassDef), "the source of a class is its definition"
    return [one for one in node.body if isinstance(one, ast.FunctionDef)]


def logged(method: ast.FunctionDef) -> Iterator[str]:
    """The names that a method logs, in the order of its lines."""
    calls = [node for node in ast.walk(method) if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda call: call.lineno):  # ast.walk goes by depth
        if ast.unparse(node.func) not in ("self.log", "self.log_dict"):
            continue
        given = [*node.args[:1], *(key.value for key in node.keywords if key.arg in ("name", "dictionary"))]
        for argument in given[:1]:
            for name in argument.keys if isinstance(argument, ast.Dict) else [argument]:
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    yield name.value
