"""Reads and validates a space: one YAML file that says what to train and what to vary.

The fields are described in CONTRIBUTING.md ("Add a space"); `spaces/slice_reg.yaml` is an example.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from spaces.params import Param, Value, nearest
from spaces.parse import parse_param
from spaces.space import Objective, Space

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The names of the spaces that Ladder brings."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read(name_or_path: str) -> Space:
    """The space of that name, or in that YAML file. Raises ValueError: file, line and what is wrong."""
    path = Path(name_or_path)
    shipped = path.suffix not in {".yaml", ".yml"}
    if shipped:
        path = FOLDER / f"{name_or_path}.yaml"
        if name_or_path not in names():
            hint = nearest(name_or_path, names())
            raise ValueError(f"there is no space {name_or_path!r}{hint} (space=NAME or space=FILE.yaml)")
    try:
        node = yaml.compose(path.read_text(), Loader=_Loader)
    except OSError as error:
        raise ValueError(
            f"the space file {path} can't be read: {error.strerror} (space=FILE.yaml)"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"the space file {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(
            f"{path}:1: a space file holds fields (trainable, data, params ...), not a {node and node.tag}"
        )
    lines = _lines(node)
    space = parse(_construct(node), path.stem, f"{path}", lines)
    for name, param in space.params.items():
        for other, values in param.when.items():
            for value in values:
                if value not in space.params[other]:
                    raise ValueError(
                        f"{path}:{lines['params', name, 'when']}: params.{name}.when: {other} is never "
                        f"{value!r}; it is {space.params[other].plain()}"
                    )
    return space if shipped else replace(space, file=name_or_path)


FIELDS = {
    "about",
    "trainable",
    "data",
    "objective",
    "params",
    "structure",
    "options",
    "settings",
    "trainer",
    "prepare",
    "budgets",
    "seeds",
    "predictor",
    "gallery",
}
REQUIRED = ("trainable", "data", "objective", "params")


def parse(plain: Mapping[str, Any], name: str, file: str, lines: Mapping[tuple[str, ...], int]) -> Space:
    """A space from the plain content of its file; `lines` says where each field stands, for errors.

    Raises ValueError.
    """

    def at(*path: str) -> str:
        line = lines.get(path)
        return f"{file}:{line}: {'.'.join(path)}" if line else f"{file}: {'.'.join(path)}"

    for key in plain:
        if key not in FIELDS:
            raise ValueError(f"{at(key)} is no field of a space{nearest(key, FIELDS)}")
    for key in REQUIRED:
        if key not in plain:
            raise ValueError(f"{file}: the field {key!r} is missing; a space has {', '.join(REQUIRED)}")
    for key in ("trainable", "data", "prepare", "predictor", "gallery"):
        if key in plain and not re.fullmatch(r"[\w.]+:\w+", str(plain[key])):
            raise ValueError(f"{at(key)} is {plain[key]!r}, but must look like package.module:Name")
    for key in ("params", "options", "settings", "trainer", "budgets", "objective"):
        if not isinstance(plain.get(key, {}), dict):
            raise ValueError(f"{at(key)} is {plain[key]!r}, but must hold fields of its own")
    objective = plain["objective"]
    if set(objective) != {"metric", "mode"}:
        raise ValueError(f"{at('objective')} must have the fields metric and mode, not {sorted(objective)}")
    if objective["mode"] not in ("min", "max"):
        raise ValueError(f"{at('objective', 'mode')} is {objective['mode']!r}, but must be min or max")
    if not plain["params"]:
        raise ValueError(f"{at('params')} is empty; a search needs a parameter to vary")
    structure = plain.get("structure", [])
    if not isinstance(structure, list):
        raise ValueError(f"{at('structure')} is {structure!r}, but must be a list of parameters")
    for entry in structure:
        if entry not in plain["params"]:
            raise ValueError(f"{at('structure')}: {entry!r} is no parameter{nearest(entry, plain['params'])}")
    params: dict[str, Param] = {}
    for key, value in plain["params"].items():
        params[key] = parse_param(value, at("params", key), params)
    return Space(
        name=name,
        about=str(plain.get("about", "")),
        trainable=plain["trainable"],
        data=plain["data"],
        objective=Objective(str(objective["metric"]), objective["mode"]),
        params=params,
        structure=tuple(structure),
        options=plain.get("options", {}),
        settings=plain.get("settings", {}),
        trainer=plain.get("trainer", {}),
        prepare=plain.get("prepare"),
        budgets=plain.get("budgets", {}),
        predictor=plain.get("predictor"),
        gallery=plain.get("gallery"),
        seeds=tuple(parse_seeds(plain.get("seeds", []), params, at("seeds"))),
    )


def parse_seeds(plain: Any, params: Mapping[str, Param], where: str) -> Iterator[dict[str, Value]]:
    """The known good points of a space. Raises ValueError that begins with `where`."""
    if not isinstance(plain, list) or not all(isinstance(seed, dict) for seed in plain):
        raise ValueError(f"{where} is {plain!r}, but must be a list of points such as {{lr: 1e-3}}")
    for seed in plain:
        for name, value in seed.items():
            if name not in params:
                raise ValueError(f"{where}: {name!r} is no parameter{nearest(name, params)}")
            if value not in params[name]:
                raise ValueError(f"{where}: {name} is {value!r}, which is not in {params[name].plain()}")
        yield seed


class _Loader(yaml.SafeLoader):
    """YAML with 1e-3 as a number: in YAML 1.1, which PyYAML speaks, it is text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _construct(node: yaml.Node) -> Any:
    loader = _Loader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _lines(node: yaml.Node, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], int]:
    """The line, counted from 1, of each field of a mapping and of its fields' fields."""
    lines: dict[tuple[str, ...], int] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            lines[here] = key.start_mark.line + 1
            lines |= _lines(value, here)
    return lines
