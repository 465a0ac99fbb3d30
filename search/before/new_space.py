"""Writes a commented space file for somebody's own module, from what its `__init__` says.

Types and defaults decide what is searched: a Literal's values, both of a bool, a range around a number. What
the data takes is fixed but for its batch size, because what is measured on other data can't be compared.
"""

import inspect
import json
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning as L
import yaml

from search.config.run_config import CONFIG_FILE
from spaces.read import read
from trainables import import_path

GIVEN = {"self", "seed", "batch_seed", "epochs", "max_epochs", "baseline"}  # the run says these
LOG = re.compile(
    r"(^|_)(lr|learning_rate|wd|weight_decay|decay|eps|epsilon|reg|lambda|lambd|temperature)(_|$)|_lr"
)
SHARE = re.compile(r"dropout|(^|_)(p|prob|rate|ratio|momentum|smoothing|alpha|beta\d?|b\d)(_|$)")
FIXED = re.compile(
    r"(^|_)(n|num|in|out|input|output|image|vocab)_|classes|workers|_every|(^|_)dim$|shape|size$"
)
LOGGED = re.compile(r"""self\.log(?:_dict)?\(\s*\{?\s*f?["']((?:val|valid|validation)[^"'{]*)["']""")
MORE_IS_BETTER = re.compile(r"acc|auc|auroc|f1|iou|dice|precision|recall|score|map|psnr|ssim|r2", re.I)
RESERVED = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # words that are no text in YAML
PLAIN = str | int | float | bool | None


@dataclass(frozen=True)
class Argument:
    """An argument of an `__init__`; `default` is `inspect.Parameter.empty` where it is required."""

    name: str
    kind: Any  # its type, None where none is written
    default: Any

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


def write(trainable: str, data: str | None, folder: Path) -> Path:
    """Writes `folder/<module>.yaml` for the module `package.module[:Class]` and says where.

    Raises ValueError if there is no such module or data, nothing in it to search, or the file is there.
    """
    trainable = whole_name(trainable, L.LightningModule, "package.module:Class")
    data = whole_name(data or trainable.partition(":")[0], L.LightningDataModule, "data=package.module:Class")
    path = folder / f"{trainable.partition(':')[0].rpartition('.')[2]}.yaml"
    if path.exists():
        raise ValueError(f"{path} is there already and is not overwritten; move it or edit it")
    text = space_file(trainable, data, path.name)
    path.write_text(text)
    read(str(path))
    return path


def whole_name(name: str, kind: type, rule: str) -> str:
    """`package.module:Class`, where a module that has only one class of that kind need not name it."""
    if ":" in name:
        import_path.find(name)
        if not (isinstance(cls := import_path.load(name), type) and issubclass(cls, kind)):
            raise ValueError(f"{name} is no {kind.__name__} ({rule})")
        return name
    classes = [value for value in vars(import_path.module(name)).values() if isinstance(value, type)]
    own = [cls.__name__ for cls in classes if issubclass(cls, kind) and cls.__module__ == name]
    if len(own) != 1:
        there = f"there are: {', '.join(own)}" if own else "there is none"
        raise ValueError(f"{name} has not one {kind.__name__} but {len(own)}, {there}; say which ({rule})")
    return f"{name}:{own[0]}"


def arguments(cls: type) -> list[Argument]:
    """The arguments of a class's `__init__`, those of its bases too where it passes `**kwargs` on."""
    found: dict[str, Argument] = {}
    for base in cls.__mro__:
        init = vars(base).get("__init__")
        if init is None:
            continue
        try:
            hints = typing.get_type_hints(init)
        except (NameError, TypeError):
            hints = {}
        parameters = inspect.signature(init).parameters.values()
        for p in parameters:
            if p.name not in GIVEN and p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD):
                found.setdefault(p.name, Argument(p.name, hints.get(p.name), p.default))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return list(found.values())


def searched(argument: Argument) -> Any:
    """What a space may vary of an argument, as in its YAML; None if nothing that could be known."""
    name, default = argument.name, None if argument.required else argument.default
    kind = without_none(argument.kind)
    if typing.get_origin(kind) is Literal:
        return list(typing.get_args(kind))
    if kind is bool or isinstance(default, bool):
        return [False, True]
    if isinstance(default, int) and kind is not float:
        return around(name, default)
    if kind is float or isinstance(default, float):
        return span(name, default)
    return None


def around(name: str, default: int) -> Any:
    """Choices or a range of whole numbers that hold the default."""
    if default <= 0 or (FIXED.search(name) and name != "batch_size"):
        return None
    if default >= 8:
        return sorted({default // 2, default, default * 2})
    return {"low": max(1, default - 1), "high": default + 2}


def span(name: str, default: float | None) -> Any:
    """A range of numbers that holds the default."""
    if LOG.search(name) and (default is None or default > 0):
        middle = 3e-3 if default is None else default
        return {"low": rounded(middle / 10), "high": rounded(middle * 10), "log": True}
    if SHARE.search(name):
        if default is None or default < 0.5:
            return {"low": 0.0, "high": 0.5}
        near = rounded(1 - default)  # a momentum, say: what counts is how far it is from 1
        return {"low": rounded(max(0.0, 1 - 5 * near)), "high": round(1 - near / 5, 6)}
    if not default or not math.isfinite(default) or default < 0:
        return None
    return {"low": rounded(default / 2), "high": rounded(default * 2)}


def rounded(value: float) -> float:
    return float(f"{value:.3g}")


def without_none(kind: Any) -> Any:
    """X of `X | None`."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        rest = [part for part in typing.get_args(kind) if part is not type(None)]
        return rest[0] if len(rest) == 1 else None
    return kind


def objective(cls: type) -> tuple[str, str, str]:
    """The metric that the module's source logs in validation, its mode, and what is to be said of it."""
    try:
        found = LOGGED.findall(inspect.getsource(cls))
    except (OSError, TypeError):
        found = []
    if not found:
        return "val_loss", "min", "CHANGE to what the module logs in validation: none was found in its source"
    best = next((name for name in found if MORE_IS_BETTER.search(name)), found[0])
    more = f"; also logged: {', '.join(sorted(set(found) - {best}))}" if set(found) - {best} else ""
    return best, "max" if MORE_IS_BETTER.search(best) else "min", f"min or max{more}"


def space_file(trainable: str, data: str, file: str) -> str:
    """The text of the space file. Raises ValueError if there is nothing to search."""
    module = import_path.load(trainable)
    params, seed, required, fixed, left_out = {}, {}, [], {}, []
    keys = {key.partition(".")[0] for key in yaml.safe_load(CONFIG_FILE.read_text())}
    for argument in arguments(module):
        name, default = argument.name, argument.default
        values = searched(argument)
        if values is not None:
            params[name] = values
            if not argument.required and default is not None:
                seed[name] = default
        elif argument.required:
            required.append(argument)
        elif isinstance(default, PLAIN) and name not in keys:
            fixed[name] = default
        else:
            left_out.append(name)
    options: dict[str, Any] = {}
    for argument in arguments(import_path.load(data)):
        if argument.name == "batch_size" and isinstance(argument.default, int):
            params["batch_size"], seed["batch_size"] = (
                around("batch_size", argument.default),
                argument.default,
            )
        elif argument.required:
            required.append(argument)
        elif isinstance(argument.default, PLAIN):
            options[argument.name] = argument.default
        elif isinstance(argument.default, Path):
            options[argument.name] = str(argument.default)
        else:
            left_out.append(argument.name)
    if not params:
        raise ValueError(f"{trainable} and {data} have no argument with a number or choices to search")
    metric, mode, remark = objective(module)
    lines = [
        f"# A space for {trainable}, written from its arguments. Look at it, then:",
        f"#   python -m search check space={file}   # is all well, before a long search?",
        f"#   python -m search run space={file}",
        f"about: {json.dumps(first_line(module))}",
        f"trainable: {trainable}",
        f"data: {data}",
        f"objective: {{metric: {flow(metric)}, mode: {mode}}}  # {remark}",
        "",
        "# What is searched: {low, high}, with log: true where factors count; or [choices]; or one value.",
        "# With when: {other: value} in its braces, a parameter counts only then.",
        "params:",
        *(f"  {name}: {flow(values)}{default_of(name, seed)}" for name, values in params.items()),
        *(f"  # REQUIRED: {a.name}: {kind_name(a.kind)} has no default; give a value" for a in required),
    ]
    if seed:
        lines += ["", "# Known good points to begin with; the first is the one to beat.", "seeds:"]
        lines += [f"  - {flow({name: value for name, value in seed.items() if holds(params[name], value)})}"]
    if options:
        lines += ["", "# Of the data: data.NAME=VALUE changes one.", f"options: {flow(options)}"]
    if fixed:
        lines += [
            "",
            "# Of the module, and not searched: NAME=VALUE changes one.",
            f"settings: {flow(fixed)}",
        ]
    if left_out:
        lines += ["", f"# Not plain values, so they keep their defaults: {', '.join(left_out)}"]
    return "\n".join(lines) + "\n"


def holds(values: Any, value: Any) -> bool:
    return value in values if isinstance(values, list) else values["low"] <= value <= values["high"]


def default_of(name: str, seed: Mapping[str, Any]) -> str:
    return f"  # default {flow(seed[name])}" if name in seed else ""


def kind_name(kind: Any) -> str:
    return getattr(kind, "__name__", None) or (str(kind) if kind else "of no known type")


def first_line(cls: type) -> str:
    """What the class says of itself."""
    return (cls.__doc__ or f"Searches {cls.__name__}").strip().partition("\n")[0]


def flow(value: Any) -> str:
    """A value in one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w./]*", value) and value.lower() not in RESERVED:
        return value
    return json.dumps(value)
