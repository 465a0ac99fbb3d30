"""Reads a space from its YAML file, and keeps the line of each field for error messages.

CONTRIBUTING.md ("Add a space") describes the fields; `spaces/slice_reg.yaml` is an example.
"""

from dataclasses import replace
from pathlib import Path

import yaml

from results.safe_yaml import ScientificLoader, read_node
from spaces.messages import did_you_mean, one_line
from spaces.parse_space import parse_space
from spaces.project import KINDS, with_content
from spaces.space import Space

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Names of the spaces that come with Ladder."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read(name_or_path: str) -> Space:
    """The space of that name, or in that YAML file.

    Raises ValueError if there is none, it cannot be read, it is not YAML or beyond the bounds of
    `results/safe_yaml.py`, or `parse_space` refuses it; the message names the file, and a line if it can.
    """
    path = Path(name_or_path)
    shipped = path.suffix not in {".yaml", ".yml"}
    if shipped:
        path = FOLDER / f"{name_or_path}.yaml"
        if name_or_path not in names():
            hint = did_you_mean(name_or_path, names())
            raise ValueError(f"there is no space {name_or_path!r}{hint} (space=NAME or space=FILE.yaml)")
    try:
        node, plain = read_node(path, ScientificLoader)
    except OSError as error:
        raise ValueError(
            f"the space file {path} can't be read: {error.strerror} (space=FILE.yaml)"
        ) from error
    except ValueError as error:
        raise ValueError(f"the space file {path} is not YAML of a space: {one_line(error)}") from error
    lines = _lines(node)
    for kind in KINDS:
        if kind in plain:
            where = f"{path}:{lines[kind,]}: {kind}"
            plain[kind] = with_content(kind, plain[kind], path.parent, where)
    space = parse_space(plain, path.stem, f"{path}", lines)
    for name, param in space.params.items():
        for other, values in param.when.items():
            for value in values:
                if value not in space.params[other]:
                    raise ValueError(
                        f"{path}:{lines['params', name, 'when']}: params.{name}.when: {other} is never "
                        f"{value!r}; it is {space.params[other].domain}"
                    )
    return space if shipped else replace(space, file=name_or_path)


def _lines(node: yaml.Node, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], int]:
    """The line, counted from 1, of each field and of each entry of a list, at any depth, by path."""
    lines: dict[tuple[str, ...], int] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            lines[here] = key.start_mark.line + 1
            lines |= _lines(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, entry in enumerate(node.value):
            here = (*path, str(index))
            lines[here] = entry.start_mark.line + 1
            lines |= _lines(entry, here)
    return lines
