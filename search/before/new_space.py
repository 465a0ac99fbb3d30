"""Writes a commented space file for a module of the user's, from the arguments of its `__init__`.

Of the data only the batch size is searched, because values measured on different data are not comparable.
"""

import inspect
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L

from results.safe_yaml import read_fields
from search.before.argument_ranges import Argument, arguments, in_range, integer_range, search_range
from search.before.logged_metrics import validation_metrics
from search.config.run_config import CONFIG_FILE
from spaces.read import read
from trainables import import_path

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
NO_SENTENCE = re.compile(r"\w+\(|\w+\s*(?:\([^)]*\))?\s*:|[^\n]*\n\s*([-=~])\1+\s*(?:\n|$)")
MAXIMIZED = re.compile(r"acc|auc|auroc|f1|iou|dice|precision|recall|score|map|psnr|ssim|r2", re.I)
YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # not text unless quoted
PLAIN = str | int | float | bool | None


@dataclass
class Draft:
    """The fields of a space file, and the arguments that have none."""

    params: dict[str, Any] = field(default_factory=dict)
    seed: dict[str, Any] = field(default_factory=dict)  # defaults of the parameters
    options: dict[str, Any] = field(default_factory=dict)  # arguments of the data that are not searched
    settings: dict[str, Any] = field(default_factory=dict)  # arguments of the module that are not searched
    required: list[Argument] = field(default_factory=list)  # no default, and no range can be derived
    left_out: list[str] = field(default_factory=list)  # their defaults cannot be written in YAML


def write(trainable: str, data: str | None, folder: Path) -> Path:
    """Writes `folder/<module>.yaml` for the module `package.module[:Class]`, and returns its path.

    `data` is a path of the same form; None is the module of `trainable`, or no data where that module defines
    none and the trainable has a `train_dataloader` of its own. Raises ValueError if a module or
    class does not exist or is of the wrong kind, a module without a class name does not define exactly one of
    that kind, no argument can be searched, or the file exists.
    """
    trainable = with_class(trainable, L.LightningModule, "package.module:Class")
    source = data or trainable.partition(":")[0]
    if data or own_classes(source, L.LightningDataModule) or not has_loaders(trainable):
        data = with_class(source, L.LightningDataModule, "data=package.module:Class")
    path = folder / f"{trainable.partition(':')[0].rpartition('.')[2]}.yaml"
    if path.exists():
        raise ValueError(f"{path} exists already and is not overwritten; move it or edit it")
    text = space_file(trainable, data, path.name)
    path.write_text(text)
    read(str(path))
    return path


def with_class(name: str, kind: type, rule: str) -> str:
    """`package.module:Class`. Where the class is missing, it is the only subclass of `kind` in the module.

    Raises ValueError, with the `rule` for the argument, if there is no such class, or more than one.
    """
    if ":" in name:
        import_path.find(name)
        if not (isinstance(cls := import_path.load(name), type) and issubclass(cls, kind)):
            raise ValueError(f"{name} is no {kind.__name__} ({rule})")
        return name
    own = own_classes(name, kind)
    if len(own) != 1:
        names = f": {', '.join(own)}; name one" if own else ""
        raise ValueError(
            f"{name} defines {len(own) or 'no'} {kind.__name__}{'s' * bool(own)}{names} ({rule})"
        )
    return f"{name}:{own[0]}"


def own_classes(module: str, kind: type) -> list[str]:
    """The names of the subclasses of `kind` that a module defines."""
    classes = [value for value in vars(import_path.module(module)).values() if isinstance(value, type)]
    return [cls.__name__ for cls in classes if issubclass(cls, kind) and cls.__module__ == module]


def has_loaders(trainable: str) -> bool:
    """Whether a LightningModule has a `train_dataloader` of its own."""
    return bool(import_path.load(trainable).train_dataloader != L.LightningModule.train_dataloader)


def space_file(trainable: str, data: str | None, file: str) -> str:
    """The text of the space file named `file`. Raises ValueError if there is nothing to search."""
    module = import_path.load(trainable)
    draft = draft_of(module, import_path.load(data) if data else None)
    if not draft.params:
        where = f"{trainable} and {data} have" if data else f"{trainable} has"
        raise ValueError(f"{where} no argument with a number or choices to search")
    metric, mode, remark = objective(module)
    lines = [
        f"# A space for {trainable}, written from its arguments. Edit it, then:",
        f"#   python -m search check space={file}   # finds errors before a long search",
        f"#   python -m search run space={file}",
        f"about: {json.dumps(about(module))}",
        f"trainable: {trainable}",
        f"data: {data}" if data else "# No data: the module has loaders of its own.",
        f"objective: {{metric: {flow(metric)}, mode: {mode}}}  # {remark}",
        "",
        "# Parameters: a range {low, high}, with log: true on a logarithmic scale; [choices]; or one value.",
        "# With when: {other: value} in its braces, a parameter is active only for that value of another.",
        "params:",
    ]
    for name, values in draft.params.items():
        default = f"  # default {flow(draft.seed[name])}" if name in draft.seed else ""
        lines.append(f"  {name}: {flow(values)}{default}")
    for argument in draft.required:
        lines.append(f"  # REQUIRED: {argument.name}: {type_name(argument)} has no default; give a value")
    if draft.seed:
        seed = {name: value for name, value in draft.seed.items() if in_range(draft.params[name], value)}
        comment = (
            "# Known good configurations, tried first; the first is the default, which a search should beat."
        )
        lines += ["", comment, "seeds:", f"  - {flow(seed)}"]
    if draft.options:
        lines += [
            "",
            "# Options of the data; data.NAME=VALUE changes one.",
            f"options: {flow(draft.options)}",
        ]
    if draft.settings:
        comment = "# Arguments of the module that are not searched; NAME=VALUE changes one."
        lines += ["", comment, f"settings: {flow(draft.settings)}"]
    if draft.left_out:
        lines += ["", f"# Not plain values, so they keep their defaults: {', '.join(draft.left_out)}"]
    return "\n".join(lines) + "\n"


def draft_of(module: type, data: type | None) -> Draft:
    """The fields of the space file for the arguments of module and data."""
    draft = Draft()
    keys = {key.partition(".")[0] for key in read_fields(CONFIG_FILE)}
    for argument in arguments(module):
        name, default = argument.name, argument.default
        values = search_range(argument)
        if values is not None:
            draft.params[name] = values
            if not argument.required and default is not None:
                draft.seed[name] = default
        elif argument.required:
            draft.required.append(argument)
        elif isinstance(default, PLAIN) and name not in keys:
            draft.settings[name] = default
        else:
            draft.left_out.append(name)
    for argument in arguments(data) if data else ():
        name, default = argument.name, argument.default
        if name == "batch_size" and isinstance(default, int):
            draft.params[name], draft.seed[name] = integer_range(name, default), default
        elif argument.required:
            draft.required.append(argument)
        elif isinstance(default, PLAIN):
            draft.options[name] = default
        elif isinstance(default, Path):
            draft.options[name] = str(default)
        else:
            draft.left_out.append(name)
    return draft


def objective(cls: type) -> tuple[str, str, str]:
    """The metric that the module's source logs in validation, its mode, and a remark for the file."""
    names = validation_metrics(cls)
    if not names:
        return (
            "val_loss",
            "min",
            "CHANGE to a metric that the module logs in validation; its source shows none",
        )
    best = next((name for name in names if MAXIMIZED.search(name)), names[0])
    others = sorted(set(names) - {best})
    remark = f"min or max; also logged: {', '.join(others)}" if others else "min or max"
    return best, "max" if MAXIMIZED.search(best) else "min", remark


def type_name(argument: Argument) -> str:
    """The annotated type of an argument, for a comment."""
    return getattr(argument.type, "__name__", None) or str(argument.type or "of unknown type")


def about(cls: type) -> str:
    """The first sentence of a class's own docstring; a text with its name if that begins with none.

    A title, a list of arguments, an example or a line that goes on without an end is no sentence.
    """
    doc = inspect.cleandoc(cls.__doc__ or "")
    if any(doc == inspect.cleandoc(base.__doc__ or "") for base in cls.__mro__[1:]):
        doc = ""
    paragraph = doc.partition("\n\n")[0]
    sentence = " ".join(SENTENCE_END.split(paragraph)[0].split())
    has_end = sentence.endswith((".", "!", "?")) or not ("\n" in paragraph or sentence.endswith((":", ",")))
    is_begun = sentence[:1].isalnum() and not sentence[0].islower()
    if NO_SENTENCE.match(paragraph) or not (has_end and is_begun and sentence.count(" ") >= 2):
        return f"Searches {cls.__name__}"
    return sentence


def flow(value: Any) -> str:
    """A value in YAML's flow style, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if (
        isinstance(value, str)
        and re.fullmatch(r"[A-Za-z_][\w./]*", value)
        and value.lower() not in YAML_WORDS
    ):
        return value
    return json.dumps(value)
