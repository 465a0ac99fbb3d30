"""Reads, validates and samples a space: one YAML file that says what to train and what to vary.

The fields are described in CONTRIBUTING.md ("Add a space"); `spaces/slice_reg.yaml` is an example.
"""

import difflib
import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
Value = str | float | int | bool | None


@dataclass(frozen=True)
class Choice:
    """One of several values; a fixed parameter is a choice of one."""

    options: tuple[Value, ...]

    def sample(self, rng: random.Random) -> Value:
        return rng.choice(self.options)

    def __contains__(self, value: object) -> bool:
        return value in self.options

    def plain(self) -> Any:
        """As it would stand in a YAML file."""
        return list(self.options) if len(self.options) > 1 else self.options[0]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included, uniform or (`log`) uniform in the logarithm.

    Whole numbers where both ends are whole, unless the space says otherwise by writing 1.0 for 1.
    """

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def sample(self, rng: random.Random) -> Value:
        if self.log:
            value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = rng.uniform(self.low, self.high)
        value = min(max(value, self.low), self.high)
        return round(value) if self.whole else value

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def plain(self) -> Any:
        """As it would stand in a YAML file."""
        return {"low": self.low, "high": self.high} | ({"log": True} if self.log else {})


Param = Choice | Range


@dataclass(frozen=True)
class Objective:
    """The validation metric that ranks trials, and whether less (`min`) or more (`max`) of it is better."""

    metric: str
    mode: str

    @property
    def sign(self) -> int:
        """What the metric is multiplied by so that less is better."""
        return 1 if self.mode == "min" else -1


@dataclass(frozen=True)
class Space:
    """A space, read and valid."""

    name: str
    about: str
    trainable: str  # package.module:Class
    data: str  # package.module:Class
    objective: Objective
    params: Mapping[str, Param]
    structure: tuple[str, ...] = ()  # the parameters that change tensor shapes or the batch
    options: Mapping[str, Any] = field(default_factory=dict)  # of the data: source, root ...
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the run, not searched: backbone ...
    prepare: str | None = None  # package.module:function that checks the data before anything is written
    budgets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def sample(self, rng: random.Random) -> dict[str, Value]:
        """A configuration drawn at random, each parameter by itself."""
        return {name: param.sample(rng) for name, param in self.params.items()}

    def with_params(self, changes: Mapping[str, Any]) -> "Space":
        """The space with parameters fixed or changed: {"lr": 0.1} or {"lr.high": 0.1}.

        Raises ValueError for an unknown parameter or a value that makes no sense.
        """
        plain = {name: param.plain() for name, param in self.params.items()}
        for key, value in changes.items():
            name, _, part = key.partition(".")
            where = f"param.{key}={value}"
            if name not in plain:
                raise ValueError(f"{where}: there is no parameter {name!r}{nearest(name, plain)}")
            if not part:
                plain[name] = value
            elif isinstance(plain[name], dict):
                plain[name] = {**plain[name], part: value}
            else:
                raise ValueError(f"{where}: {name} has no {part!r}; it is {plain[name]} (param.{name}=...)")
        changed = {key.partition(".")[0] for key in changes}
        params = {
            name: parse_param(value, f"param.{name}") if name in changed else self.params[name]
            for name, value in plain.items()
        }
        return replace(self, params=params)


def nearest(name: str, known: Any) -> str:
    """A hint that names what `name` may have been meant to be, or what there is."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(sorted(known))}"


def parse_param(plain: Any, where: str) -> Param:
    """A parameter from its YAML value: a scalar, a list of choices, or {low, high, log}.

    Raises ValueError that begins with `where`.
    """
    if isinstance(plain, dict):
        unknown = set(plain) - {"low", "high", "log"}
        if unknown:
            raise ValueError(f"{where}: unknown field {sorted(unknown)[0]!r}; a range has low, high and log")
        low, high, log = plain.get("low"), plain.get("high"), plain.get("log", False)
        for name, value in (("low", low), ("high", high)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{where}.{name} is {value!r}, but must be a number")
        if not isinstance(log, bool):
            raise ValueError(f"{where}.log is {log!r}, but must be true or false")
        assert isinstance(low, int | float) and isinstance(high, int | float)
        if not low < high:
            raise ValueError(f"{where}: low is {low} and high {high}, but low must be less than high")
        if log and low <= 0:
            raise ValueError(f"{where}.low is {low}, but must be above 0 on a logarithmic scale")
        return Range(low, high, log)
    options = plain if isinstance(plain, list) else [plain]
    if not options:
        raise ValueError(f"{where} is an empty list, but must name at least one value")
    for option in options:
        if not (option is None or isinstance(option, str | int | float | bool)):
            raise ValueError(f"{where}: {option!r} is not a plain value (text, number, true or false)")
    if len(set(map(repr, options))) < len(options):
        raise ValueError(f"{where} names a value twice: {options}")
    return Choice(tuple(options))


def names() -> list[str]:
    """The names of the spaces that Ladder brings."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read(name_or_path: str) -> Space:
    """The space of that name, or in that YAML file. Raises ValueError: file, line and what is wrong."""
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
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
    return parse(_construct(node), path.stem, f"{path}", _lines(node))


FIELDS = {
    "about",
    "trainable",
    "data",
    "objective",
    "params",
    "structure",
    "options",
    "settings",
    "prepare",
    "budgets",
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
    for key in ("trainable", "data", "prepare"):
        if key in plain and not re.fullmatch(r"[\w.]+:\w+", str(plain[key])):
            raise ValueError(f"{at(key)} is {plain[key]!r}, but must look like package.module:Name")
    for key in ("params", "options", "settings", "budgets", "objective"):
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
    return Space(
        name=name,
        about=str(plain.get("about", "")),
        trainable=plain["trainable"],
        data=plain["data"],
        objective=Objective(str(objective["metric"]), objective["mode"]),
        params={key: parse_param(value, at("params", key)) for key, value in plain["params"].items()},
        structure=tuple(structure),
        options=plain.get("options", {}),
        settings=plain.get("settings", {}),
        prepare=plain.get("prepare"),
        budgets=plain.get("budgets", {}),
    )


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
