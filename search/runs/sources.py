"""`source.py` of a run: the source text of the objects that a Python program gave it, for its readers."""

import inspect
from pathlib import Path

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
    try:
        return inspect.getsource(given.OBJECTS[path])
    except (OSError, TypeError) as error:
        return f"# {path}: its source is not known ({error})\n"
