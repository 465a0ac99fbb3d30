"""`source.py` of a run: the source text of the objects that a Python program gave it, for its readers."""

import ast
import inspect
import linecache
from pathlib import Path
from typing import Any

from results.files import write_text
from search.config.run_config import RunConfig
from trainables import given

FILE = "source.py"


def write_sources(folder: Path, config: RunConfig) -> None:
    """Writes the source text of the run's objects, if it has some."""
    paths = [path for path in (config.space.trainable, config.space.data) if path in given.OBJECTS]
    if paths:
        write_text(folder / FILE, "\n\n".join(map(source_of, paths)))


def source_of(path: str) -> str:
    """The source text of an object, or a line that there is none."""
    value = given.OBJECTS[path]
    try:
        return of_cell(value) or inspect.getsource(value)
    except (OSError, TypeError, SyntaxError) as error:
        return f"# {path}: its source is not known ({error})\n"


def of_cell(value: Any) -> str | None:
    """The source text of a class in a notebook cell, which `inspect` does not find: it looks for a file.

    The methods know the cell. None for anything else.
    """
    methods = (
        [one for one in vars(value).values() if inspect.isfunction(one)] if inspect.isclass(value) else []
    )
    text = "".join(linecache.getlines(methods[0].__code__.co_filename)) if methods else ""
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and node.name == value.__name__:
            return ast.get_source_segment(text, node)
    return None
